# A disk that is full at any point of whatever writes to an index: an error that says so, nothing lost, nothing left
# behind that is in the way of the next, and all goes on when there is room again.
use strict;
use warnings;
use FullDisk;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;
use Time::HiRes qw(sleep);

my $disk = FullDisk->new;
my $node = strata_node('main', settings => "strata.auto_flush_interval = 0\nmaintenance_work_mem = 16MB\n");
# Indexes are on a disk of their own, tables and catalogs first are not on it.
sql($node, 'SET allow_in_place_tablespaces = on; ' . q{CREATE TABLESPACE small LOCATION ''});
make_table($node, 'items', dim => 8);
my $small = '/pg_tblspc/';
my $index = q{index = 'items_v'::regclass};
my $next = 1;

sub rows_to_insert
{
    my ($count) = @_;
    my $first = $next;
    $next += $count;
    return "INSERT INTO items SELECT i, test_vector(i, 8) FROM generate_series($first, $next - 1) AS i";
}

# Runs a statement with more and more room on the disk, until it succeeds. `statement` is SQL or makes it. Options:
# warns (it does not fail, but warns), no_index (there is none that could be looked at), least (times it fails).
sub fills_up
{
    my ($name, $statement, %options) = @_;
    my ($failed, $wrong) = (0, 0);
    for (my $pages = 0; ; $pages = $pages < 4 ? $pages + 1 : int($pages * 1.6))
    {
        my $text = ref $statement ? $statement->() : $statement;
        $disk->fill($small, $pages * 8192);
        my ($status, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$text");
        last if $status == 0 && !$disk->refused;
        $failed++;
        my $expected = $options{warns} ? qr/^[^\n]*WARNING:  53100: maintenance of index "items_v" is left for later/
          : qr/^[^\n]*ERROR:  53100: .*No space left on device/s;
        $wrong++, diag("$status: $err") if $err !~ $expected || ($status != 0) == ($options{warns} // 0);
        # With the disk still full: everything is found, and nothing is broken.
        next if $options{no_index};
        my ($verified, undef, $why) = $node->psql('postgres', q{SELECT * FROM strata.verify('items_v', true)});
        $wrong++, diag("$pages pages: $why") if $verified != 0;
        die "$name never succeeds" if $pages > 1000000;
    }
    $disk->give_room;
    cmp_ok($failed, '>=', $options{least} // 2, "$name: meets a full disk");
    is($wrong, 0, "$name: and says so each time, and nothing is broken");
    verify_index($node, 'items_v', "$name: succeeds when there is room");
    is(sql($node, "SELECT count(*) FROM strata.segments WHERE $index AND state IN ('building', 'sealing')"), '0',
        "$name: nothing half done is left");
    return;
}

# An index is built: what a failed attempt has written is gone.
sql($node, rows_to_insert(25000));
sql($node, 'VACUUM ANALYZE items');
my $build = 'CREATE INDEX items_v ON items USING ivf (v) WITH (min_seal_rows = 100) TABLESPACE small';
fills_up('build', $build, no_index => 1, least => 5);
is(sql($node, q{SELECT count(*) FROM pg_class WHERE relkind = 'i' AND relname LIKE 'items_v%'}), '1',
    'build: one index');
cmp_ok(sql($node, q{SELECT pg_tablespace_size('small') - pg_relation_size('items_v')}), '<', 100000,
    'build: the files of the others are gone');
fills_up('rebuild', 'REINDEX INDEX items_v', least => 5);

fills_up('insert', sub { rows_to_insert(700) });
fills_up('flush', q{SELECT strata.flush('items_v')}, least => 3);
for (1 .. 5)
{
    sql($node, rows_to_insert(300));
    sql($node, q{SELECT strata.flush('items_v')});
}
fills_up('merge', q{CALL strata.merge('items_v')}, least => 4);
# VACUUM is what makes room: it does not fail because there is none for its maintenance, and gives back what it can.
sql($node, 'DELETE FROM items WHERE id % 3 = 0');
sql($node, rows_to_insert(9000));
fills_up('vacuum', 'VACUUM (PARALLEL 0) items', warns => 1);
sql($node, 'REINDEX INDEX items_v');    # a file without free pages
sql($node, 'DELETE FROM items WHERE id % 30 = 1');
sql($node, 'VACUUM items');
fills_up('compact', q{CALL strata.compact('items_v', force => true)});
sql($node, rows_to_insert(15000));
sql($node, 'REINDEX INDEX items_v');
fills_up('retrain', q{CALL strata.retrain('items_v')}, least => 4);
sql($node, rows_to_insert(9000));
fills_up('build_incremental', q{CALL strata.build_incremental('items_v')}, least => 1);

# The file keeps nothing of all that.
sql($node, 'DELETE FROM items WHERE id % 10 <> 0');
sql($node, 'VACUUM (PARALLEL 0) items; SELECT txid_current()') for (1 .. 6);
cmp_ok(sql($node, q{SELECT pg_relation_size('items_v')}), '<=',
    sql($node, "SELECT 1.5 * sum(bytes) FROM strata.segments WHERE $index AND state <> 'retired'"),
    'space is given back');
verify_index($node, 'items_v');

# Workers, without shared_preload_libraries. One index cannot be served, as its disk is full, and neither has the table
# of failures any room to grow; the other one can.
sub configure
{
    my ($lines) = @_;
    $node->append_conf('postgresql.conf', $lines);
    $node->reload;
    return;
}
make_table($node, 'others', dim => 8);
sql($node, 'CREATE INDEX others_v ON others USING ivf (v) WITH (min_seal_rows = 100)');
add_rows($node, 'others', 1, 500, 8);
sql($node, 'VACUUM');    # all has its maps; the table of failures is empty
add_rows($node, 'others', 501, 1500, 8);
sql($node, rows_to_insert(1000));
$disk->fill('/base/', 0);
configure("strata.auto_flush_interval = '20ms'\n");

# Whoever vacuums calls a worker for what he cannot do himself.
sub vacuum_until
{
    my ($query, $expected, $name) = @_;
    foreach my $try (1 .. 600)
    {
        last if sql($node, $query) eq $expected;
        $node->psql('postgres', 'VACUUM others');
        sleep(0.1);
    }
    is(sql($node, $query), $expected, $name);
    return;
}
my $failure = q{FROM strata.stat_worker WHERE index = 'others_v'::regclass AND errors > 0};
vacuum_until("SELECT errors, last_sqlstate, next_try > last_error_at $failure", '1|53100|t',
    'a worker that meets a full disk says so');
my $growing = q{SELECT count(*) FROM strata.segments WHERE state IN ('growing', 'sealing') AND rows >= 100};
wait_until($node, "$growing AND $index", '0', 'and serves the index that has room');
sql($node, 'UPDATE strata.worker_failures SET next_try = now()');
vacuum_until("SELECT errors $failure", '2', 'it tries again');
is(sql($node, "SELECT next_try - last_error_at > '3 s' $failure"), 't', 'ever more rarely');
verify_index($node, 'others_v', 'nothing is broken');
$disk->give_room;
sql($node, 'UPDATE strata.worker_failures SET next_try = now()');
vacuum_until("SELECT count(*) $failure", '0', 'with room again it succeeds');
vacuum_until($growing, '0', 'and seals');
verify_index($node, 'others_v');

# Preloaded, nobody needs to insert.
configure("strata.max_workers = 0\nshared_preload_libraries = 'strata'\n");
$node->restart;
add_rows($node, 'others', 20001, 21000, 8);
$disk->fill('/base/', 0);
configure("strata.max_workers = 2\n");
wait_until($node, "SELECT count(*) $failure", '1', 'preloaded: a worker meets a full disk');
$disk->give_room;
wait_until($node, "SELECT count(*) $failure", '0', 'preloaded: it goes on by itself');
wait_until($node, $growing, '0', 'preloaded: and seals');
verify_index($node, 'others_v');

# No room for WAL either: the server goes down, and comes back with everything.
$disk->fill('/pg_wal/', 0);
my $work = start_in_background($node, q{CALL strata.retrain('items_v')});
foreach my $try (1 .. 300)
{
    last if ($node->psql('postgres', rows_to_insert(20) . '; SELECT pg_switch_wal()'))[0] != 0;
}
$work->finish;
cmp_ok($disk->refused, '>', 0, 'no room for WAL');
my $lock_file = $node->data_dir . '/postmaster.pid';
foreach my $try (1 .. 600) { last if !-e $lock_file; sleep(0.1); }
ok(!-e $lock_file, 'the server has ended');
$disk->give_room;
$node->kill9;    # it has done that itself, but the module does not know
$node->start;
verify_index($node, $_, "after a full disk of WAL, $_") for ('items_v', 'others_v');
wait_until($node, $growing, '0', 'and work goes on');
is(sql($node, q{SELECT count(*) FROM strata.segments WHERE state IN ('building', 'sealing')}),
    '0', 'nothing is half done');

done_testing();
