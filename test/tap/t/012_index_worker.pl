# Background workers: started on demand without preload, maintain and end; give way to DROP and TRUNCATE; survive a
# kill; hold neither snapshot nor transaction id.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => "strata.auto_flush_interval = '20ms'\nmaintenance_work_mem = '64MB'\n");
make_table($node, 'items', dim => 24);
my $worker = "FROM pg_stat_activity WHERE backend_type = 'strata maintenance'";
sql($node, 'CREATE INDEX items_v ON items USING ivf (v) WITH (min_seal_rows = 500)');

sub insert_slowly
{
    my ($first, $last) = @_;
    for (my $from = $first; $from <= $last; $from += 1000)
    {
        add_rows($node, 'items', $from, $from + 999, 24);
    }
    return;
}

# Inserts a row a look: inserting is what starts workers.
sub wait_for_segments
{
    my ($condition, $name) = @_;
    my $insert = 'INSERT INTO items SELECT max(id) + 1, test_vector(1, 24) FROM items RETURNING id';
    my $look = "SELECT count(*) > 0 FROM strata.segments WHERE index = 'items_v'::regclass AND $condition";
    wait_until($node, "WITH more AS ($insert) $look", 't', $name);
    return;
}

# A worker comes, seals, and goes.
insert_slowly(1, 6000);
wait_for_segments("state IN ('sealed', 'indexed')", 'rows are sealed in the background');
wait_until($node, "SELECT count(*) $worker", '0', 'the worker ends');
is(sql($node, "SELECT heap_rows FROM strata.verify('items_v', true)"), sql($node, 'SELECT count(*) FROM items'),
    'nothing is lost');

# The codebook comes by itself.
insert_slowly(10001, 31000);
wait_for_segments("kind = 'epoch'", 'an index on an empty table is trained when there are enough rows');
cmp_ok(recall($node, table => 'items'), '>=', 0.9, 'and finds them');

# No transaction holds the worker's snapshot while it works.
my $seen = '';
for my $from (1 .. 10)
{
    insert_slowly(100000 + $from * 1000, 100000 + $from * 1000 + 999);
    my $now = sql($node, "SELECT count(*) FILTER (WHERE backend_xmin IS NOT NULL OR backend_xid IS NOT NULL) $worker");
    $seen .= $now;
}
is($seen, '0' x 10, 'the worker has neither snapshot nor transaction id');

# A worker that is killed leaves nothing that blocks the next.
insert_slowly(200000, 203999);
sql($node, "SELECT pg_terminate_backend(pid) $worker");
insert_slowly(210000, 213999);
wait_until($node, "SELECT count(*) $worker", '0', 'no worker is left');
is(sql($node, "SELECT strata.flush('items_v') >= 0"), 't', 'the index can be flushed');
is(sql($node, "SELECT heap_rows FROM strata.verify('items_v', true)"), sql($node, 'SELECT count(*) FROM items'),
    'nothing is lost by the kill');

# VACUUM calls one for what it leaves: here nobody inserts, and what it replaced is still to be given back.
sql($node, 'SET strata.auto_flush_interval = 0; INSERT INTO items SELECT i, test_vector(i, 24)
            FROM generate_series(220000, 221999) AS i');
sql($node, 'VACUUM items');
wait_until($node, "SELECT count(*) FROM strata.segments WHERE index = 'items_v'::regclass
                   AND (state = 'retired' OR state = 'growing' AND rows > 0)", '0', 'a worker comes after VACUUM');
wait_until($node, "SELECT count(*) $worker", '0', 'and ends');

# So does an option that makes something due.
sql($node, 'SET strata.auto_flush_interval = 0; DELETE FROM items WHERE id % 20 = 0');
sql($node, 'SET strata.auto_flush_interval = 0; VACUUM items');
my $marked = "SELECT sum(deleted_rows) > 0 FROM strata.segments
              WHERE index = 'items_v'::regclass AND state <> 'retired'";
is(sql($node, $marked), 't', 'a twentieth of the rows is marked as deleted, which is too little for a rewrite');
sql($node, 'ALTER INDEX items_v SET (compact_threshold = 0.01)');
wait_until($node, $marked, 'f', 'a worker comes after ALTER INDEX ... SET');
sql($node, 'ALTER INDEX items_v RESET (compact_threshold)');
wait_until($node, "SELECT count(*) $worker", '0', 'and ends');

# DROP and TRUNCATE come through while workers are busy.
foreach my $round (1 .. 3)
{
    sql($node, 'CREATE TABLE doomed (LIKE items)');
    sql($node, 'CREATE INDEX doomed_v ON doomed USING ivf (v) WITH (min_seal_rows = 10)');
    my $load = start_in_background($node, 'INSERT INTO doomed SELECT * FROM items');
    $load->finish;
    $node->psql('postgres', 'INSERT INTO doomed SELECT id, v FROM items LIMIT 2000');
    is($node->psql('postgres', $round == 3 ? 'TRUNCATE doomed' : "SET lock_timeout = '60s'; DROP TABLE doomed"), 0,
        "round $round: the table goes");
    sql($node, 'DROP TABLE IF EXISTS doomed');
}
wait_until($node, "SELECT count(*) $worker", '0', 'no worker is left behind');

# A database can be dropped while a worker is connected to it, or soon after.
sql($node, 'CREATE DATABASE other');
sql($node, 'CREATE EXTENSION strata', 'other');
sql($node, q{CREATE TABLE t (id int, v vector(8)); CREATE INDEX t_v ON t USING ivf (v) WITH (min_seal_rows = 10);
INSERT INTO t SELECT i, array_fill(i, ARRAY[8])::vector FROM generate_series(1, 20000) AS i;
INSERT INTO t SELECT i, array_fill(i, ARRAY[8])::vector FROM generate_series(1, 20000) AS i}, 'other');
is($node->psql('postgres', 'DROP DATABASE other WITH (FORCE)'), 0, 'DROP DATABASE');

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|was terminated by signal|TRAP/, 'nobody crashed');

done_testing();
