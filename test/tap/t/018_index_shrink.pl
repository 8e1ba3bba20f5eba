# The file of an index gets shorter when most of its rows are gone: not while anybody has the index open, and without
# harm to a standby, whose pages are compared with the primary's all along (wal_consistency_checking).
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $settings = "strata.auto_flush_interval = 0\nwal_keep_size = 2GB\n";
my $primary = strata_node('primary', streaming => 1, settings => $settings);
my $standby = standby_of($primary, 'standby', settings => "max_standby_streaming_delay = '100ms'\n");
make_table($primary, 'items', rows => 1, dim => 24);
sql($primary, 'CREATE INDEX items_v ON items USING ivf (v)');
for my $part (0 .. 3)
{
    add_rows($primary, 'items', 2 + 6000 * $part, 1 + 6000 * ($part + 1), 24);
    sql($primary, "SELECT strata.flush('items_v')");
}
my $size = "SELECT pg_relation_size('items_v')";
my $nearest = 'SET enable_seqscan = off; SELECT id FROM items ORDER BY v <-> test_vector(17, 24) LIMIT 50';
my $full = sql($primary, $size);
sql($primary, 'DELETE FROM items WHERE id > 2000');

# A session with the index open, whose snapshot does not matter any more.
my $user = start_in_background($primary, <<'SQL');
BEGIN;
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> test_vector(17, 24) LIMIT 5) AS nearest;
SELECT pg_sleep(600);
SQL
wait_until($primary, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", '1', 'the index is in use');

sub vacuum_often
{
    for (1 .. 6)
    {
        sql($primary, 'SELECT pg_current_xact_id()');
        sql($primary, 'VACUUM items');
        # A parallel VACUUM leaves the file as it is.
        sql($primary, "CALL strata.compact('items_v')");
    }
    return sql($primary, $size);
}
is(vacuum_often(), $full, 'the file stays while it is in use');
sql($primary, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
$user->finish;
my $left = vacuum_often();
cmp_ok($left, '<', $full / 4, 'and gets shorter when it is not');
cmp_ok(sql($primary, "SELECT pages FROM strata.verify('items_v', true)") * 8192, '<=', $left,
    'every page is accounted for');

$primary->wait_for_catchup($standby);
is(sql($standby, $size), $left, 'on the standby as well');
same_result($primary, $standby, $nearest, 'which finds what the primary finds');
add_rows($primary, 'items', 50000, 56000, 24);
sql($primary, "SELECT strata.flush('items_v')");
$primary->wait_for_catchup($standby);
same_result($primary, $standby, $nearest, 'the file grows again');
is(sql($standby, "SELECT rows FROM strata.verify('items_v', true)"), sql($primary, 'SELECT count(*) FROM items'),
    'the index verifies on the standby');
$primary->stop('immediate');
$primary->start;
is(sql($primary, "SELECT rows FROM strata.verify('items_v', true)"), sql($primary, 'SELECT count(*) FROM items'),
    'and after a crash');

done_testing();
