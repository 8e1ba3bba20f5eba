# An ivf index on a streaming standby: every page is what the primary has (wal_consistency_checking), queries find what
# they find on the primary, a query that is older than reclaimed pages is cancelled and never wrong, and the standby can
# take over.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $primary = strata_node('primary', streaming => 1, settings => "strata.auto_flush_interval = 0\n");
make_table($primary, 'items', rows => 2000, dim => 24);
sql($primary, 'CREATE INDEX items_v ON items USING ivf (v) WITH (segment_size = 1)');
my $standby = standby_of($primary, 'standby', settings => "max_standby_streaming_delay = '100ms'\n");
my $nearest = 'SET enable_seqscan = off; SELECT id FROM items ORDER BY v <-> test_vector(17, 24) LIMIT 50';

like(sql($standby, "SET enable_seqscan = off; EXPLAIN SELECT id FROM items ORDER BY v <-> test_vector(17, 24) LIMIT 5"),
    qr/Index Scan using items_v/, 'the standby uses the index');
same_result($primary, $standby, $nearest, 'rows of a built index');

add_rows($primary, 'items', 2001, 3000, 24);
$primary->wait_for_catchup($standby);
same_result($primary, $standby, $nearest, 'growing rows');
sql($primary, "SELECT strata.flush('items_v')");
add_rows($primary, 'items', 3001, 3500, 24);
sql($primary, 'DELETE FROM items WHERE id % 3 = 0');
sql($primary, 'VACUUM items');
sql($primary, "CALL strata.merge('items_v')");
$primary->wait_for_catchup($standby);
same_result($primary, $standby, $nearest, 'after flush, vacuum and merge');
is(sql($standby, "SELECT rows FROM strata.verify('items_v', true)"),
    sql($primary, "SELECT rows FROM strata.verify('items_v', true)"), 'the index verifies on the standby');

# Nothing of the sort during recovery.
foreach my $command ("SELECT strata.flush('items_v')", "CALL strata.merge('items_v')", "CALL strata.retrain('items_v')",
    "CALL strata.build_incremental('items_v')")
{
    my ($status, $out, $err) = $standby->psql('postgres', $command);
    like($err, qr/cannot execute .* during recovery/, "refused: $command");
}

# A query with an old snapshot on the standby, and pages that are reused on the primary.
my $old = start_in_background($standby, <<'SQL');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SET enable_seqscan = off;
DECLARE c CURSOR FOR SELECT id FROM items ORDER BY v <-> test_vector(17, 24);
FETCH 3 FROM c;
SELECT pg_sleep(600);
SQL
wait_until($standby, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", '1', 'a cursor is open');
my $log_start = -s $standby->logfile;
for my $round (1 .. 3)
{
    add_rows($primary, 'items', 10000 * $round, 10000 * $round + 1500, 24);
    sql($primary, "SELECT strata.flush('items_v')");
    sql($primary, "CALL strata.merge('items_v')");
    sql($primary, 'SELECT pg_current_xact_id()');
    sql($primary, "CALL strata.merge('items_v')");
}
cmp_ok(sql($primary, "SELECT min(id) FROM strata.segments WHERE index = 'items_v'::regclass AND kind = 'segment'"), '>',
    1, 'segments were replaced and reclaimed');
$primary->wait_for_catchup($standby);
$old->finish;
like(slurp_file($standby->logfile, $log_start), qr/due to conflict with recovery/, 'the old query was cancelled');
cmp_ok(sql($standby, "SELECT confl_snapshot FROM pg_stat_database_conflicts WHERE datname = 'postgres'"), '>=', 1,
    'counted as a snapshot conflict');
same_result($primary, $standby, $nearest, 'a new query is answered');

$standby->promote;
add_rows($standby, 'items', 90000, 90500, 24);
sql($standby, "SELECT strata.flush('items_v')");
sql($standby, "CALL strata.merge('items_v')");
sql($standby, 'VACUUM items');
is(sql($standby, "SELECT rows FROM strata.verify('items_v', true)"), sql($standby, 'SELECT count(*) FROM items'),
    'the promoted standby goes on with the index');
cmp_ok(recall($standby, table => 'items'), '>=', 0.9, 'and finds its rows');

done_testing();
