# A worker stopped at named points of its work, and then terminated, cancelled or killed: the index stays whole, and the
# next one finishes. While it is stopped, views show what it does. An index that fails is left alone for a while.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => "strata.auto_flush_interval = '20ms'\nrestart_after_crash = on\n");
make_table($node, 'items', dim => 8);
sql($node, 'CREATE INDEX items_v ON items USING ivf (v) WITH (min_seal_rows = 50)');
my $next = 1;

sub configure
{
    my ($setting, $value) = @_;
    sql($node, "LOAD 'strata'; ALTER SYSTEM SET $setting = '$value'");
    sql($node, 'SELECT pg_reload_conf()');
    wait_until($node, "SHOW $setting", $value, "$setting is '$value'");
    return;
}

sub insert_some
{
    my ($count) = @_;
    add_rows($node, 'items', $next, $next + $count - 1, 8);
    $next += $count;
    # Inserting is what starts workers.
    $next++ if $node->psql('postgres', "INSERT INTO items SELECT $next, test_vector($next, 8)") == 0;
    return;
}

sub check_whole
{
    my ($name) = @_;
    is(sql($node, "SELECT rows, heap_rows FROM strata.verify('items_v', true)"),
        sql($node, 'SELECT count(*), count(*) FROM items'), "$name: every row is indexed once");
    return;
}

my $stopped = "SELECT count(*) FROM strata.progress WHERE index = 'items_v'::regclass AND worker";

foreach my $phase ('place', 'write', 'publish', 'reclaim')
{
    my $lock = hold_lock($node);
    configure('strata.debug_wait_at', $phase);
    insert_some(200);
    foreach my $try (1 .. 200)
    {
        last if sql($node, "$stopped AND phase = '$phase'") eq '1';
        insert_some(60);
    }
    # A merge may be due before the seal.
    my $task = $phase eq 'reclaim' ? 'reclaim' : '(seal|merge)';
    like(sql($node, "SELECT task FROM strata.progress WHERE phase = '$phase'"), qr/^$task$/,
        "$phase: strata.progress says so");
    like(sql($node, "SELECT task, phase, errors FROM strata.stat_worker WHERE index = 'items_v'::regclass"),
        qr/^$task\|$phase\|0$/, "$phase: and strata.stat_worker");
    like(sql($node, "SELECT query FROM pg_stat_activity WHERE backend_type = 'strata maintenance'"),
        qr/^$task index public\.items_v$/, "$phase: and pg_stat_activity");
    is(sql($node, "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'strata maintenance'
                   AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)"), '0', "$phase: no snapshot is held");
    # Others work on meanwhile.
    insert_some(100);
    sql($node, "DELETE FROM items WHERE id % 10 = 3");
    is($node->psql('postgres', 'VACUUM items'), 0, "$phase: VACUUM does not wait");
    cmp_ok(recall($node, table => 'items', queries => 5), '>=', 0.9, "$phase: rows are found");
    my $pid = sql($node, "SELECT pid FROM strata.progress WHERE phase = '$phase'");

    # Terminated: the work of others goes on.
    is(sql($node, "SELECT pg_terminate_backend($pid, 10000)"), 't', "$phase: terminated");
    check_whole("$phase, terminated");
    configure('strata.debug_wait_at', '');
    sql($node, "SELECT strata.flush('items_v')");
    check_whole("$phase, flushed");
    is(sql($node, q{SELECT count(*) FROM strata.segments WHERE state IN ('building', 'sealing')}), '0',
        "$phase: nothing half done is left");
    let_go($node, $lock);
}

# Killed with -9: the server recovers.
foreach my $phase ('place', 'write', 'publish')
{
    my $lock = hold_lock($node);
    configure('strata.debug_wait_at', $phase);
    foreach my $try (1 .. 200)
    {
        last if sql($node, "$stopped AND phase = '$phase'") eq '1';
        insert_some(60);
    }
    my $pid = sql($node, "SELECT pid FROM strata.progress WHERE phase = '$phase'");
    my $rows = sql($node, 'SELECT count(*) FROM items');
    kill('KILL', $pid);
    $lock->finish;
    ok($node->poll_query_until('postgres', 'SELECT count(*) FROM items', $rows), "$phase: killed, and recovered");
    configure('strata.debug_wait_at', '');
    check_whole("$phase, killed");
    sql($node, "SELECT strata.flush('items_v')");
    check_whole("$phase, killed and flushed");
}

# DROP DATABASE comes through while a worker is busy in it, without FORCE.
sql($node, 'CREATE DATABASE other');
sql($node, 'CREATE EXTENSION strata; CREATE TABLE t (v vector(2));
CREATE INDEX t_v ON t USING ivf (v) WITH (min_seal_rows = 10)', 'other');
configure('strata.maintenance_io_limit', '1kB');
sql($node, 'INSERT INTO t SELECT ARRAY[i, 0]::vector FROM generate_series(1, 20000) AS i', 'other');
sql($node, 'INSERT INTO t SELECT ARRAY[i, 0]::vector FROM generate_series(1, 20000) AS i', 'other');
wait_until($node, q{SELECT count(*) FROM strata.progress WHERE database = 'other'}, '1', 'a worker is busy elsewhere');
is(sql($node, q{SELECT "table", index FROM strata.progress WHERE database = 'other'}), '|', 'which has no name here');
is($node->psql('postgres', 'DROP DATABASE other'), 0, 'its database is dropped');
configure('strata.maintenance_io_limit', '0');

# An index that cannot be served: the failure is shown, tries become rare, and success forgets it.
my $lock = hold_lock($node);
configure('strata.debug_wait_at', 'place');
insert_some(200);
foreach my $try (1 .. 200)
{
    last if sql($node, "$stopped AND phase = 'place'") eq '1';
    insert_some(60);
}
sql($node, "SELECT pg_cancel_backend(pid) FROM strata.progress WHERE phase = 'place'");
my $failure = q{FROM strata.stat_worker WHERE index = 'items_v'::regclass LIMIT 1};
wait_until($node, "SELECT errors, last_sqlstate, next_try > last_error_at $failure", '1|57014|t', 'a failure is shown');
configure('strata.debug_wait_at', '');
let_go($node, $lock);
sql($node, "UPDATE strata.worker_failures SET next_try = 'infinity'");
insert_some(300);
insert_some(300);
is(sql($node, "SELECT errors FROM strata.stat_worker WHERE index = 'items_v'::regclass"), '1', 'nobody tries too soon');
sql($node, "UPDATE strata.worker_failures SET next_try = now()");
foreach my $try (1 .. 200)
{
    last if sql($node, 'SELECT count(*) FROM strata.worker_failures') eq '0';
    insert_some(60);
}
is(sql($node, 'SELECT count(*) FROM strata.worker_failures'), '0', 'a success forgets it');

# Outside of the window growing segments are sealed, but nothing is merged.
my $hour = sql($node,
    q{SELECT to_char(now() + interval '2 hours', 'HH24:00-') || to_char(now() + interval '3 hours', 'HH24:00')});
configure('strata.maintenance_window', $hour);
sql($node, 'CREATE TABLE shut (id int, v vector(2))');
sql($node, 'CREATE INDEX shut_v ON shut USING ivf (v) WITH (min_seal_rows = 10)');
my $shut = q{FROM strata.segments WHERE index = 'shut_v'::regclass AND state IN ('sealed', 'indexed')};
foreach my $round (1 .. 10)
{
    foreach my $try (1 .. 200)
    {
        sql($node, 'INSERT INTO shut SELECT i, ARRAY[i, 0]::vector FROM generate_series(1, 15) AS i');
        last if sql($node, "SELECT count(*) >= $round $shut") eq 't';
    }
}
cmp_ok(sql($node, "SELECT count(*) $shut"), '>=', 10, 'sealed, and not merged');
sql($node, 'VACUUM shut');
cmp_ok(sql($node, "SELECT count(*) $shut"), '>=', 10, 'not by VACUUM either');
configure('strata.maintenance_window', '');
sql($node, 'VACUUM shut');
cmp_ok(sql($node, "SELECT count(*) $shut"), '<', 10, 'merged when the window is open');

done_testing();
