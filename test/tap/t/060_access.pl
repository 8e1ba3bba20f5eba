# Access statistics: counts survive a restart and, once recorded, a crash; a search asks for a worker to record them
# when nobody has for long; a standby counts for itself.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', streaming => 1, settings => "strata.auto_flush_interval = 0\n");
make_table($node, 'items', rows => 1000, dim => 8);
sql($node, 'CREATE INDEX items_v ON items USING ivf (v)');
my $search = 'SET enable_seqscan = off; SELECT id FROM items ORDER BY v <-> test_vector(5, 8) LIMIT 3';
my $hits = q{SELECT round(hits), recent_hits FROM strata.stat_access WHERE index = 'items_v'::regclass};
sql($node, $search) foreach (1 .. 5);
is(sql($node, $hits), '5|5', 'searches of several sessions are counted together');
$node->restart;
is(sql($node, $hits), '5|5', 'a restart loses nothing');
sql($node, 'VACUUM items');
is(sql($node, $hits), '5|0', 'VACUUM records them');
crash_and_restart($node);
is(sql($node, $hits), '5|0', 'a crash does not take away what is recorded');

my $standby = standby_of($node, 'standby');
is(sql($standby, $hits), '5|0', 'a standby knows what the primary recorded');
sql($standby, $search) foreach (1 .. 2);
is(sql($standby, $hits), '7|2', 'and adds its own searches');
is(sql($node, $hits), '5|0', 'which the primary does not see');

# The last time of recording, in the file of the counters, becomes long ago.
sql($node, $search);
$node->stop;
my ($file) = glob($node->data_dir . '/pg_stat_tmp/strata_access_*');
my $bytes = slurp_file($file);
my $changed = 0;
for (my $at = 0; $at < length $bytes; $at += 2048)
{
    next if unpack('Q', substr($bytes, $at, 8)) == 0;
    substr($bytes, $at + 8, 8) = pack('Q', 1);
    $changed++;
}
is($changed, 1, 'one index is counted for');
open my $handle, '+<:raw', $file or die "$file: $!";
print $handle $bytes;
close $handle or die "$file: $!";
$node->append_conf('postgresql.conf', "strata.auto_flush_interval = '1s'\n");
$node->start;
sql($node, $search);
wait_until($node, $hits, '7|0', 'a worker comes and records them, without any writing');
done_testing();
