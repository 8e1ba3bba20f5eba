# Row tiers in two tablespaces: background workers move rows batch by batch, searches meanwhile find what they found
# before, kill -9 in the middle of a batch loses and doubles nothing, and a dump brings both tiers back.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => "fsync = on\nfull_page_writes = on\n");
my %place = map { $_ => PostgreSQL::Test::Utils::tempdir } qw(fast slow);
sql($node, "CREATE TABLESPACE $_ LOCATION '$place{$_}'") foreach sort keys %place;
sql($node, <<'SQL');
CREATE ROLE keeper;
GRANT CREATE ON SCHEMA public TO keeper;
GRANT CREATE ON TABLESPACE fast, slow TO keeper;
SET ROLE keeper;
SET default_tablespace = fast;
CREATE TABLE kinds (kind int PRIMARY KEY);
INSERT INTO kinds SELECT generate_series(0, 9);
CREATE TABLE items (id int PRIMARY KEY, seen timestamptz, kind int REFERENCES kinds, v vector(16), big text);
INSERT INTO items SELECT i, now() - i * interval '1 hour', i % 10,
  (SELECT array_agg(sin(i * x)) FROM generate_series(1, 16) x)::vector,
  CASE WHEN i % 50 = 0 THEN (SELECT string_agg(md5((i + x)::text), '') FROM generate_series(1, 200) x) END
FROM generate_series(1, 4000) i;
CREATE INDEX items_v ON items USING ivf (v) WITH (min_seal_rows = 500);
CREATE INDEX ON items (seen);
CREATE VIEW all_items AS SELECT * FROM items;
CREATE TABLE truth AS SELECT * FROM items;
SQL

my $content = 'SELECT count(*), count(DISTINCT id), sum(hashtext(i::text)) FROM items i';
my $expected = sql($node, $content);
my $search = q{SELECT string_agg(id::text, ' ') FROM (SELECT id FROM items
  ORDER BY v <-> (SELECT v FROM truth WHERE id = %d) LIMIT 20) x};
my %found = map { $_ => sql($node, sprintf($search, $_)) } 17, 1717, 3333;

sub same_searches
{
    my ($when) = @_;
    is(sql($node, sprintf($search, $_)), $found{$_}, "$when: the search from $_ finds what it found")
      foreach sort keys %found;
    is(sql($node, $content), $expected, "$when: every row is there, once, and the same");
    return;
}
my $hot = 'SELECT count(*) FROM ONLY items';

# Stopped in the middle of a batch.
sql($node, q{LOAD 'strata'; ALTER SYSTEM SET strata.debug_wait_at = 'move'; SELECT pg_reload_conf()});
my $holder = start_in_background($node, 'SELECT pg_advisory_lock(5354), pg_sleep(3600)');
wait_until($node, q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 5354 AND granted}, '1',
    'the lock is held');
sql($node, q{SET ROLE keeper; SELECT count(*) FROM strata.enable_row_tiers('items', 'slow', 'seen', '30 days',
  batch_rows => 300, batch_pause => '10 ms')});
wait_until($node, q{SELECT task, phase, "table" FROM strata.progress WHERE worker},
    'move|move|items', 'a worker moves rows');
is(sql($node, q{SELECT total > done AND done > 0 FROM strata.progress}), 't', 'and says how far it is');
is(sql($node, $hot), '4000', 'nobody sees the half of a batch');
same_searches('in the middle');
crash_and_restart($node);
$holder->finish;
is(sql($node, $hot), '4000', 'killed: the batch never was');
same_searches('after a crash');
verify_index($node, 'items_v', 'the index is sound');

# Killed again and again while batches go by.
sql($node, q{LOAD 'strata'; ALTER SYSTEM RESET strata.debug_wait_at; SELECT pg_reload_conf()});
my $last = 4000;
foreach my $round (1 .. 2)
{
    my $run = start_in_background($node, q{CALL strata.run_row_tiering('items')});
    wait_until($node, "SELECT count(*) < $last FROM ONLY items", 't', "round $round: batches go by");
    crash_and_restart($node);
    $run->finish;
    $last = sql($node, $hot);
    cmp_ok($last, '>', 0, "round $round: $last rows are hot");
    same_searches("round $round");
    last if $last <= 720;
}
sql($node, q{SELECT strata._request_visit()});
wait_until($node, "SELECT count(*) <= 720 FROM ONLY items", 't', 'a worker moves the others');
sql($node, q{CALL strata.run_row_tiering('items')});
is(sql($node, "$hot WHERE seen < now() - interval '30 days'"), '0', 'no old row is hot');
same_searches('at the end');
is(sql($node, 'SELECT moved_rows = (SELECT count(*) FROM items_cold), cold_tablespace FROM strata.row_tiers'),
    't|slow', 'the count was kept with the rows');
is(sql($node, q{SELECT count(*) FROM pg_class c LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
  WHERE (c.oid = 'items_cold'::regclass
         OR c.oid IN (SELECT indexrelid FROM pg_index WHERE indrelid = 'items_cold'::regclass)
         OR c.oid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'items_cold'::regclass))
    AND s.spcname IS DISTINCT FROM 'slow'}), '0', 'all of the cold tier is in its tablespace');
verify_index($node, 'items_v', 'the hot index is sound');
verify_index($node, 'items_cold_v_idx', 'the cold one, too');
like(sql($node, q{SET enable_seqscan = off; EXPLAIN (COSTS OFF)
    SELECT id FROM all_items ORDER BY v <-> (SELECT v FROM truth WHERE id = 1) LIMIT 5}),
    qr/Merge Append.*Index Scan using items_v .*Index Scan using items_cold_v_idx /s,
    'a view, too, reads both tiers by their indexes');

# What fails is shown, and left alone for a while.
my $failure = q{SELECT job, last_sqlstate, errors > 0 FROM strata.stat_worker
  WHERE "table" = 'items'::regclass AND errors > 0};
sql($node, q{ALTER TABLE items_cold NO INHERIT items});
sql($node, q{SELECT strata.set_row_tiers('items', cold_after => '29 days')});
wait_until($node, $failure, 'move|55000|t', 'a cold tier that is none: the failure is shown');
sql($node, q{ALTER TABLE items_cold INHERIT items});
sql($node, q{UPDATE strata.worker_failures SET next_try = now(); SELECT strata._request_visit()});
wait_until($node, 'SELECT count(*) FROM strata.worker_failures', '0', 'and forgotten when it is put right');

# Writers beside the mover: upserts of all keys, each of which counts.
sql($node, q{ALTER TABLE items ADD n int NOT NULL DEFAULT 0; ALTER TABLE items DROP CONSTRAINT items_kind_fkey});
my @writers;
foreach my $writer (1 .. 3)
{
    push @writers, start_in_background($node, qq{
DO \$\$
DECLARE failures int := 0; done boolean;
BEGIN
  FOR i IN 1 .. 800 LOOP
    done := false;
    WHILE NOT done LOOP
      BEGIN
        INSERT INTO items (id, seen) VALUES ((i * 37 + $writer * 11) % 4000 + 1, now() - interval '40 days')
        ON CONFLICT (id) DO UPDATE SET n = items.n + 1, seen = now() - (i % 60) * interval '1 day';
        done := true;
      EXCEPTION WHEN serialization_failure OR deadlock_detected THEN failures := failures + 1;
      END;
      COMMIT;
    END LOOP;
  END LOOP;
END \$\$});
}
sql($node, q{SELECT strata.set_row_tiers('items', batch_rows => 20, batch_pause => '0')});
sql($node, q{CALL strata.run_row_tiering('items')}) foreach 1 .. 5;
$_->finish foreach @writers;
is(sql($node, 'SELECT count(*), count(DISTINCT id), sum(n) FROM items'), '4000|4000|2400',
    'three writers beside the mover: every upsert counts once, no key is there twice');
sql($node, q{CALL strata.run_row_tiering('items')});
verify_index($node, 'items_v', 'the hot index is still sound');
verify_index($node, 'items_cold_v_idx', 'and the cold one');

# A dump brings both tiers back, at work.
$expected = sql($node, $content);
my $tiers = 'SELECT "table", cold_table, by, cold_after, batch_rows, moved_rows FROM strata.row_tiers';
my $policy = sql($node, $tiers);
my $dump = PostgreSQL::Test::Utils::tempdir . '/dump';
$node->command_ok(['pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres')], 'dumped');
sql($node, 'CREATE DATABASE again');
$node->command_ok(['pg_restore', '-d', $node->connstr('again'), '--exit-on-error', $dump], 'restored');
is($node->safe_psql('again', $content), $expected, 'with every row');
is($node->safe_psql('again', $tiers), $policy, 'and the tiers');
is($node->safe_psql('again', 'SELECT count(*) FROM ONLY items'), sql($node, $hot), 'each row in its tier');
my ($status, undef, $error) = $node->psql('again', 'INSERT INTO items (id) SELECT id FROM items_cold LIMIT 1');
like($error, qr/duplicate key value/, 'keys hold over both');
$node->safe_psql('again',
    q{SELECT strata.set_row_tiers('items', cold_after => '1 hour'); CALL strata.run_row_tiering('items')});
is($node->safe_psql('again', q{SELECT count(*) FROM ONLY items WHERE seen < now() - interval '1 hour'}),
    '0', 'and rows go on moving');
$node->safe_psql('again', q{SELECT strata.disable_row_tiers('items')});
is($node->safe_psql('again', $hot), '4000', 'tiers end');
is($node->safe_psql('again', $content), $expected, 'and every row is still there');

done_testing();
