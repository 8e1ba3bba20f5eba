# Preloaded, a launcher sees to maintenance by the clock: rows that nobody follows up are sealed, after a restart too;
# several databases are served, those without the extension left alone, and whoever wants to drop one is not kept
# waiting.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;
use Time::HiRes qw(sleep);

my $node = strata_node('main',
    settings => "shared_preload_libraries = 'strata'\nstrata.auto_flush_interval = '50ms'\n");
my $launchers = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'strata launcher'";
wait_until($node, $launchers, '1', 'the launcher runs');

make_table($node, 'items', dim => 8);
sql($node, 'CREATE INDEX items_v ON items USING ivf (v) WITH (min_seal_rows = 100, max_growing_age = 2)');
my $sealed = q{SELECT coalesce(sum(rows), 0) FROM strata.segments WHERE state IN ('sealed', 'indexed')};

# One statement, then silence.
add_rows($node, 'items', 1, 500, 8);
wait_until($node, $sealed, '500', 'rows are sealed although nobody inserts any more');
add_rows($node, 'items', 501, 510, 8);
wait_until($node, $sealed, '510', 'a few rows are sealed by their age');
wait_until($node, q{SELECT count(*) FROM strata.segments WHERE state = 'retired'},
    '0', 'what was replaced is reclaimed');

# What was left behind by a crash is taken up after it.
sql($node, 'ALTER SYSTEM SET strata.max_workers = 0');
sql($node, 'SELECT pg_reload_conf()');
wait_until($node, 'SHOW strata.max_workers', '0', 'no workers');
add_rows($node, 'items', 1001, 1200, 8);
sql($node, 'ALTER SYSTEM RESET strata.max_workers');
crash_and_restart($node);
wait_until($node, $launchers, '1', 'the launcher runs again');
wait_until($node, $sealed, '710', 'work resumes after a restart');

# Killed, it comes back.
my $old = sql($node, "SELECT pid FROM pg_stat_activity WHERE backend_type = 'strata launcher'");
sql($node, "SELECT pg_terminate_backend($old)");
wait_until($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'strata launcher' AND pid <> $old",
    '1', 'a terminated launcher is started again');

# Other databases: with the extension, without it, dropped while visited.
sql($node, 'CREATE DATABASE plain');
sql($node, 'CREATE DATABASE other');
sql($node, <<'SQL', 'other');
CREATE EXTENSION strata;
CREATE TABLE t (v vector(2));
CREATE INDEX t_v ON t USING ivf (v) WITH (min_seal_rows = 10, max_growing_age = 1);
INSERT INTO t SELECT ARRAY[i, 0]::vector FROM generate_series(1, 50) AS i;
SQL
ok($node->poll_query_until('other', $sealed, '50'), 'another database is served');
sql($node, 'INSERT INTO t SELECT v FROM t', 'other');
is($node->psql('postgres', 'DROP DATABASE other'), 0, 'DROP DATABASE does not fail for a worker');
is($node->psql('postgres', 'CREATE DATABASE copy TEMPLATE plain'), 0, 'nor does its use as a template');
is($node->psql('postgres', 'DROP DATABASE plain'), 0, 'a database without the extension goes');

# The extension goes, the workers are quiet, and it comes back.
sql($node, 'DROP EXTENSION strata CASCADE');
sql($node, 'CREATE EXTENSION strata; ALTER TABLE items ADD v vector(8)');
sql($node, 'UPDATE items SET v = array_fill(id::int, ARRAY[8])::vector');
sql($node, 'CREATE INDEX items_v ON items USING ivf (v) WITH (min_seal_rows = 100, max_growing_age = 1)');
sql($node, 'INSERT INTO items SELECT id + 10000, v FROM items');
wait_until($node, q{SELECT count(*) FROM strata.segments WHERE state = 'growing' AND rows > 0}, '0', 'sealed again');

# Versions whose time is over go when a worker comes by.
sql($node, 'CREATE TABLE aged (id int PRIMARY KEY); INSERT INTO aged VALUES (1)');
sql($node, q{SELECT strata.enable_versions('aged')});
sql($node, q{SELECT strata.create_version('aged', 'v1', retain => interval '1 second')});
my $kept = q{SELECT count(*) FROM strata.versions WHERE "table" = 'aged'::regclass AND state = 'live' AND name = 'v1'};
is(sql($node, $kept), '1', 'a version is kept for a second');
foreach my $try (1 .. 300)
{
    last if sql($node, $kept) eq '0';
    sql($node, "INSERT INTO items SELECT 200000 + $try, v FROM items LIMIT 1");
    sleep(0.1);
}
is(sql($node, $kept), '0', 'and collected afterwards');
sql($node, q{SELECT strata.disable_versions('aged')});
sql($node, 'DROP TABLE aged');

# Tables in the trash go when their time has come and nobody reads them.
sql($node, 'CREATE TABLE doomed AS SELECT * FROM items; CREATE TABLE saved AS SELECT * FROM items');
sql($node, q{SELECT strata.drop_soft('saved')});
sql($node, q{SELECT strata.drop_soft('doomed')});
is(sql($node, 'SELECT count(*) FROM strata.trash'), '2', 'two tables are in the trash');
my $place = sql($node, q{SELECT name FROM strata.trash WHERE "table" = 'doomed'});
my $reader = start_in_background($node, "BEGIN; SELECT count(*) FROM $place.doomed; SELECT pg_sleep(600)");
wait_until($node, q{SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'}, '1', 'its owner reads it');
is(sql($node, q{SELECT strata.undrop('saved')}), 'saved', 'one is brought back in time');
sql($node, q{ALTER SYSTEM SET strata.gc_drop_tolerance = 0});
sql($node, 'SELECT pg_reload_conf()');
sql($node, q{CREATE TABLE soon (); SELECT strata.drop_soft('soon')});
my $left = q{SELECT string_agg("table"::text, ',') FROM strata.trash};
wait_until($node, $left, 'doomed', 'a table nobody uses is removed');
is(sql($node, "SELECT count(*) FROM $place.doomed"), sql($node, 'SELECT count(*) FROM items'),
    'one in use stays, and keeps nobody waiting');
sql($node, q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'});
$reader->finish;
wait_until($node, 'SELECT count(*) FROM strata.trash', '0', 'it goes when its reader has gone');
is(sql($node, q{SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'strata\_trash%'}), '0', 'and its schema with it');
is(sql($node, 'SELECT count(*) FROM saved'), sql($node, 'SELECT count(*) FROM items'), 'what came back is there');

my $log = slurp_file($node->logfile);
unlike($log, qr/PANIC|was terminated by signal [^9]|TRAP/, 'nobody crashed');
unlike($log, qr/"strata maintenance" .* exited with exit code 1/, 'no worker failed') or diag($log);

done_testing();
