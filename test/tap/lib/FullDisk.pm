# A disk that fills up, for servers of a test: full_disk.c, compiled here and loaded before everything else.
#
#   my $disk = FullDisk->new;                        # before the server starts
#   $disk->fill('/base/', 3 * 8192);                 # so much is left for files whose path contains that
#   $disk->refused;                                  # how often something did not fit since
#   $disk->give_room;                                # there is room again
package FullDisk;

use strict;
use warnings;
use FindBin;
use PostgreSQL::Test::Utils;

my $room = 2**50;

# Whatever server of this test starts later has that disk.
sub new
{
    my ($class) = @_;
    my $directory = PostgreSQL::Test::Utils::tempdir();
    my ($library, $file) = ("$directory/full_disk.so", "$directory/disk");
    my @compile = ($ENV{CC} // 'cc', '-O2', '-shared', '-fPIC', '-o', $library);
    system(@compile, "$FindBin::Bin/../lib/full_disk.c", '-ldl') == 0 or die "cannot compile: @compile";
    my $self = bless { file => $file }, $class;
    PostgreSQL::Test::Utils::append_to_file($file, pack('q<q<a48', $room, 0, '/'));
    $ENV{FULL_DISK_FILE} = $file;
    $ENV{LD_PRELOAD} = $library;
    return $self;
}

# In place: all processes have the file mapped.
sub set
{
    my ($self, $path, $free_bytes) = @_;
    open(my $file, '+<', $self->{file}) or die "cannot open $self->{file}: $!";
    binmode($file);
    syswrite($file, pack('q<q<a48', $free_bytes, 0, $path)) == 64 or die "cannot write $self->{file}: $!";
    close($file);
    return;
}

sub fill { my ($self, $path, $free_bytes) = @_; $self->set($path, $free_bytes); return; }
sub give_room { my ($self) = @_; $self->set('/', $room); return; }

sub refused
{
    my ($self) = @_;
    return (unpack('q<q<a48', PostgreSQL::Test::Utils::slurp_file($self->{file})))[1];
}

1;
