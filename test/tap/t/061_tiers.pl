# Cold segments in a tablespace of their own: kill -9 in the middle of a move, a standby, dump and restore, a tablespace
# that is lost, a policy followed by the worker.
use strict;
use warnings;
use File::Copy;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

# Tablespaces in place, so that a standby on the same machine has its own.
my $node = strata_node('main', streaming => 1, settings => <<'CONF');
strata.auto_flush_interval = 0
allow_in_place_tablespaces = on
CONF
sql($node, "CREATE TABLESPACE ssd LOCATION ''");
sql($node, "CREATE TABLESPACE hdd LOCATION ''");
make_table($node, 'items', rows => 3000, dim => 24);
sql($node, 'CREATE INDEX items_v ON items USING ivf (v) TABLESPACE ssd');
add_rows($node, 'items', 3001, 3500, 24);
sql($node, "SELECT strata.flush('items_v')");
sql($node, "SELECT strata.set_cold_tablespace('items_v', 'hdd')");

my $answers = q{SET enable_seqscan = off;
  SELECT q, (SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY v <-> test_vector(q, 24) LIMIT 20) t)
  FROM generate_series(1, 3500, 173) q};
my $expected = sql($node, $answers);
my $tiers = q{SELECT string_agg(tier, ' ' ORDER BY id) FROM strata.segments
  WHERE index = 'items_v'::regclass AND kind = 'segment' AND state IN ('sealed', 'indexed')};
my $move = sub {
    my ($from, $to) = @_;
    return qq{SELECT strata.set_segment_tier('items_v', id, '$to') FROM strata.segments
      WHERE index = 'items_v'::regclass AND kind = 'segment' AND state IN ('sealed', 'indexed') AND tier = '$from'
      ORDER BY id LIMIT 1};
};

sub check_all
{
    my ($server, $name) = @_;
    is(sql($server, $answers), $expected, "$name: the same answers");
    return if sql($server, 'SELECT pg_is_in_recovery()') eq 't';
    is(sql($server, "SELECT rows, heap_rows FROM strata.verify('items_v', true)"), '3500|3500',
        "$name: every row once");
    return;
}

sub wait_for_mover
{
    wait_until($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 5354 AND NOT granted},
        '1', 'the move stands still');
    return;
}

# Moved under searches: before, in the middle, after.
my $standby = standby_of($node, 'standby');
my $lock = hold_lock($node);
my $mover = start_in_background($node, "SET strata.debug_wait_at = 'publish'; " . $move->('hot', 'cold'));
wait_for_mover();
check_all($standby, 'standby in the middle of a move');
is(sql($node, $answers), $expected, 'searches in the middle of a move');
is(sql($node, 'SELECT task FROM strata.progress'), 'tier', 'progress shows it');
sql($node, q{SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objid = 5354 AND granted});
$lock->finish;
$mover->finish;
is(sql($node, $tiers), 'hot cold', 'moved');
check_all($node, 'after the move');
cmp_ok(sql($node, "SELECT pg_relation_size('items_v_cold')"), '>', 0, 'the companion has pages');
like(sql($node, "SELECT pg_relation_filepath('items_v_cold')"),
    qr{pg_tblspc/@{[ sql($node, "SELECT oid FROM pg_tablespace WHERE spcname = 'hdd'") ]}/}, 'in its tablespace');

# kill -9 at each point of a move, in both directions.
foreach my $case ([ 'place', 'hot', 'cold' ], [ 'write', 'hot', 'cold' ], [ 'publish', 'hot', 'cold' ],
    [ 'write', 'cold', 'hot' ], [ 'publish', 'cold', 'hot' ])
{
    my ($phase, $from, $to) = @$case;
    my $before = sql($node, $tiers);
    $lock = hold_lock($node);
    $mover = start_in_background($node, "SET strata.debug_wait_at = '$phase'; " . $move->($from, $to));
    wait_for_mover();
    sql($node, 'CHECKPOINT') if $phase eq 'write';
    crash_and_restart($node);
    $_->kill_kill foreach ($lock, $mover);
    is(sql($node, $tiers), $before, "killed at $phase, to $to: nothing moved");
    check_all($node, "killed at $phase, to $to");
}
sql($node, $move->('hot', 'cold'));
is(sql($node, $tiers), 'cold cold', 'the move can be made again');
crash_and_restart($node);
is(sql($node, $tiers), 'cold cold', 'and survives a crash once it is made');
check_all($node, 'after a crash');

# Space is used again, and the standby follows.
foreach my $round (1 .. 3)
{
    sql($node, $move->('cold', 'hot'));
    sql($node, 'SELECT pg_current_xact_id()');
    sql($node, 'VACUUM items');
    sql($node, $move->('hot', 'cold'));
    sql($node, 'SELECT pg_current_xact_id()');
    sql($node, 'VACUUM items');
}
my $pages = sql($node, q{SELECT sum(bytes) FROM strata.segments
  WHERE index = 'items_v'::regclass AND state <> 'retired'});
cmp_ok(sql($node, "SELECT pg_relation_size('items_v_cold')"), '<', 2 * $pages, 'the companion does not grow for ever');
check_all($node, 'after many moves');
$node->wait_for_catchup($standby);
check_all($standby, 'standby after many moves');
is(sql($standby, $tiers), 'cold cold', 'the standby knows the tiers');

# Dump and restore: the companion comes back, empty, and is taken into use again.
sql($node, "SELECT strata.set_tier_policy('items', cold_after => '30 days', cold_tablespace => 'hdd')");
copy_database($node, 'copy');
my $companion = q{SELECT c.relname, t.spcname FROM pg_class c JOIN pg_am a ON a.oid = c.relam
  LEFT JOIN pg_tablespace t ON t.oid = c.reltablespace WHERE a.amname = 'ivf_cold'};
is(sql($node, $companion, 'copy'), 'items_v_cold|hdd', 'the companion is restored in its tablespace');
is(sql($node, 'SELECT "table", cold_after, cold_tablespace FROM strata.tier_policies', 'copy'), 'items|30 days|hdd',
    'the policy is restored');
is(sql($node, $tiers, 'copy'), 'hot', 'the index is hot');
sql($node, q{CALL strata.run_tiering('items')}, 'copy');
my ($status, $out, $err) = $node->psql('copy', 'DROP INDEX items_v_cold');
like($err, qr/cannot drop index items_v_cold because index items_v requires it/, 'it belongs to its index again');
sql($node, $move->('hot', 'cold'), 'copy');
is(sql($node, $companion, 'copy'), 'items_v_cold|hdd', 'no other is made');
is(sql($node, $answers, 'copy'), $expected, 'restored: the same answers');
sql($node, 'DROP INDEX items_v', 'copy');
is(sql($node, $companion, 'copy'), '', 'dropped with its index');
sql($node, 'DROP DATABASE copy');

# Unlogged: empty after a crash, both of them.
sql($node, <<'SQL');
CREATE UNLOGGED TABLE loose AS SELECT * FROM items;
CREATE INDEX loose_v ON loose USING ivf (v);
SELECT strata.set_cold_tablespace('loose_v', 'hdd');
SQL
sql($node, q{SELECT strata.set_segment_tier('loose_v', id, 'cold') FROM strata.segments
  WHERE index = 'loose_v'::regclass AND kind = 'segment'});
crash_and_restart($node);
is(sql($node, "SELECT rows, heap_rows FROM strata.verify('loose_v', true)"), '0|0', 'an unlogged index is empty');
sql($node, 'INSERT INTO loose SELECT * FROM items');
sql($node, "SELECT strata.flush('loose_v')");
sql($node, q{SELECT strata.set_segment_tier('loose_v', id, 'cold') FROM strata.segments
  WHERE index = 'loose_v'::regclass AND kind = 'segment' AND state IN ('sealed', 'indexed')});
is(sql($node, "SELECT rows, heap_rows FROM strata.verify('loose_v', true)"), '3500|3500', 'and can be used again');

# The worker follows a policy, and the server may be preloaded or not.
sql($node, "SELECT strata.set_segment_tier('items_v', id, 'hot') FROM strata.segments
  WHERE index = 'items_v'::regclass AND kind = 'segment' AND tier = 'cold' AND state IN ('sealed', 'indexed')");
sql($node, 'REINDEX INDEX items_v');
is(sql($node, $tiers), 'hot', 'built anew: hot');
sql($node, "SELECT strata.set_tier_policy('items', cold_after => '1 microsecond', cold_tablespace => 'hdd',
  hot_min_segments => 0)");
$node->append_conf('postgresql.conf', "strata.auto_flush_interval = '50ms'\nshared_preload_libraries = 'strata'\n");
$node->restart;
sql($node, "INSERT INTO items SELECT i, test_vector(i, 24) FROM generate_series(10001, 11500) i");
wait_until($node, "SELECT count(*) > 0 FROM ($tiers) t(tiers) WHERE tiers ~ 'cold'", 't', 'the worker moves segments');
is(sql($node, "SELECT rows = heap_rows FROM strata.verify('items_v', true)"), 't', 'and loses nothing');
sql($node, "SELECT strata.drop_tier_policy('items')");
sql($node, 'DELETE FROM items WHERE id > 10000');
sql($node, 'VACUUM items');
$node->append_conf('postgresql.conf', "strata.auto_flush_interval = 0\n");
$node->restart;

# A companion that was cut short.
my $path = $node->data_dir . '/' . sql($node, "SELECT pg_relation_filepath('items_v_cold')");
$node->stop;
copy($path, "$path.kept") or die "$path: $!";
truncate $path, 8192 or die "$path: $!";
$node->start;
my ($status_short, $out_short, $err_short) = $node->psql('postgres', $answers);
like($err_short, qr/index "items_v_cold" lacks pages of "items_v"/, 'lost pages are noticed');
like($err_short, qr/HINT: .*REINDEX INDEX items_v/, 'and what to do');
is(sql($node, "SET strata.search_tiers = 'hot'; SET enable_seqscan = off; SELECT count(*) >= 0 FROM
  (SELECT id FROM items ORDER BY v <-> test_vector(3, 24) LIMIT 5) t"), 't', 'what is hot can be searched');
$node->stop;
move("$path.kept", $path) or die "$path: $!";
$node->start;
check_all($node, 'the pages are back');

# A tablespace that is lost.
$node->stop;
move($path, "$path.away") or die "$path: $!";
$node->start;
($status, $out, $err) = $node->psql('postgres', $answers);
like($err, qr/No such file or directory/, 'statements on the table say so, as with any index');
($status, $out, $err) = $node->psql('postgres', "SELECT strata.set_cold_tablespace('items_v', 'ssd')");
like($err, qr/is lost/, 'another place cannot be had while segments are there');
like($err, qr/REINDEX INDEX items_v makes an index without cold segments/, 'and what to do');
move("$path.away", $path) or die "$path: $!";
check_all($node, 'the tablespace is back');
$node->stop;
unlink $path or die "$path: $!";
$node->start;
sql($node, 'REINDEX INDEX items_v');
sql($node, "SELECT strata.set_cold_tablespace('items_v', 'ssd')");
check_all($node, 'built anew without it');
sql($node, $move->('hot', 'cold'));
is(sql($node, $tiers), 'cold', 'cold in another place');
check_all($node, 'cold in another place');
done_testing();
