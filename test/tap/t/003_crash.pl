# kill -9 under load: what was committed is there, what was not is gone, and indexes agree with their table.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => "fsync = on\nfull_page_writes = on\n");
make_table($node, 'items', rows => 200, dim => 40);
sql($node, 'CREATE INDEX items_v ON items (v); CREATE UNLOGGED TABLE scratch AS SELECT * FROM items; CHECKPOINT');

foreach my $round (1 .. 3)
{
    my $first = 1000 * $round;
    my $background = start_in_background($node,
        "BEGIN; INSERT INTO items SELECT i, test_vector(i, 40) FROM generate_series($first + 500, $first + 900) AS i;"
          . 'SELECT pg_sleep(600)');
    wait_until($node, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'", '1',
        "round $round: an insert is under way");
    add_rows($node, 'items', $first, $first + 99, 40);
    my $before = sql($node, 'SELECT * FROM items ORDER BY id');
    crash_and_restart($node);
    $background->finish;
    is(sql($node, 'SELECT * FROM items ORDER BY id'), $before, "round $round: exactly the committed rows");
    my $join = 'SELECT count(*) FROM items AS a JOIN items AS b ON a.v = b.v AND a.id = b.id';
    is(sql($node, "SET enable_seqscan = off; SET enable_hashjoin = off; $join"),
        200 + 100 * $round, "round $round: every row is found through the btree");
}
is(sql($node, 'SELECT count(*) FROM scratch'), '0', 'the unlogged table is empty');

done_testing();
