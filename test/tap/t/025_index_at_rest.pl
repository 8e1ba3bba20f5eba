# An index that grew from nothing, and one whose rows were all replaced by others, read no more than a fresh one once no
# more rows come: the worker that sealed them stays, trains a codebook for what there is, and merges. Without
# shared_preload_libraries.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => "strata.auto_flush_interval = '50ms'\n");
sql($node, <<'SQL');
CREATE TABLE items (id int, v vector(24));
CREATE INDEX items_v ON items USING ivf (v) WITH (min_seal_rows = 100);
-- Clusters around places that depend on `place`.
CREATE FUNCTION vector_at(seed int, place int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT array_agg((mod(hashint8(seed % 80 * 1000 + d + place * 7919)::bigint, 1000) / 1000.0
                    + mod(hashint8(seed * 20011 + d)::bigint, 1000) / 1500.0)::real ORDER BY d)::vector
  FROM generate_series(1, 24) AS d
$$;
-- Codes and centroids a search, over 40 searches.
CREATE FUNCTION cost(searched text, place int) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
  total float8 := 0;
BEGIN
  SET LOCAL enable_seqscan = off;
  FOR i IN 1..40 LOOP
    EXECUTE format('SELECT count(*) FROM (SELECT FROM %I ORDER BY v <-> $1 LIMIT 10) AS t', searched)
      USING vector_at(90000 + i, place);
    total := total + (SELECT codes + growing_rows FROM strata.last_scan());
  END LOOP;
  RETURN total / 40 + (SELECT sum(lists) FROM strata.segments WHERE "table" = searched::regclass AND kind = 'epoch');
END $$;
SQL

# A flat segment of a few rows, sealed at rest, may stand beside the large one: it costs what its rows cost.
my $state = q{SELECT count(*) FILTER (WHERE kind = 'segment' AND rows > 1000)
                     || ' ' || count(*) FILTER (WHERE kind = 'epoch')
                     || coalesce((SELECT ' worker' FROM strata.stat_worker LIMIT 1), '')
              FROM strata.segments WHERE index = 'items_v'::regclass AND state <> 'retired'};

# Sooner or later, and then for good: a worker may look several times before nothing is left to do.
sub becomes_like_a_fresh_one
{
    my ($place, $name) = @_;
    ok($node->poll_query_until('postgres', $state, '1 1'), "$name: one segment, one codebook");
    my $table = "fresh_$place";  # dropped by nobody: a worker gives way to that, wherever it is
    sql($node, "CREATE TABLE $table AS SELECT * FROM items");
    sql($node, "CREATE INDEX ON $table USING ivf (v)");
    # Some rows may be growing still, or in a flat segment.
    my $cost_max = 1.2 * sql($node, "SELECT cost('$table', $place)") + 100;
    ok($node->poll_query_until('postgres', "SELECT cost('items', $place) <= $cost_max"), "$name: cost of a search");
    my ($recall, $fresh_recall) = map { recall($node, table => $_, queries => 200) } ('items', $table);
    cmp_ok($recall, '>=', ($fresh_recall < 0.95 ? $fresh_recall : 0.95) - 0.02, "$name: recall");
    return;
}

sql($node, "INSERT INTO items SELECT i, vector_at(i, 1) FROM generate_series($_ * 5000 + 1, $_ * 5000 + 5000) AS i")
  for (0 .. 7);
becomes_like_a_fresh_one(1, 'an index that grew');

for my $part (0 .. 3)
{
    my ($first, $last) = ($part * 10000 + 1, $part * 10000 + 10000);
    sql($node, "DELETE FROM items WHERE id BETWEEN $first AND $last");
    sql($node, "INSERT INTO items SELECT i + 100000, vector_at(i, 2) FROM generate_series($first, $last) AS i");
    sql($node, 'VACUUM items');
}
becomes_like_a_fresh_one(2, 'an index of other rows');

# The worst moment for a codebook: half of its lists are for rows that leave soon. And VACUUM is the last to come, with
# all rows sealed, so that nobody but VACUUM can call a worker.
sub replace_rows
{
    my ($condition, $first, $last) = @_;
    sql($node, "DELETE FROM items WHERE $condition");
    sql($node, "INSERT INTO items SELECT i + 200000, vector_at(i, 3) FROM generate_series($first, $last) AS i");
    sql($node, q{SELECT strata.flush('items_v')});
    return;
}
$node->append_conf('postgresql.conf', "strata.max_workers = 0\n");
$node->reload;
replace_rows('id <= 124000', 1, 24000);
sql($node, 'VACUUM items');
sql($node, q{CALL strata.retrain('items_v')});
replace_rows('id <= 200000', 24001, 40000);
$node->append_conf('postgresql.conf', "strata.max_workers = 2\n");
$node->reload;
is(sql($node, 'SELECT count(*) FROM strata.stat_worker'), '0', 'no worker is about');
sql($node, 'VACUUM items');
becomes_like_a_fresh_one(3, 'an index trained half way through');

# Fewer rows than are sealed while rows come, but enough to be felt.
my $growing = q{SELECT count(*) FROM strata.segments
                WHERE index = 'items_v'::regclass AND state = 'growing' AND rows > 0};
sql($node, 'ALTER INDEX items_v SET (min_seal_rows = 2000)');
wait_until($node, 'SELECT count(*) FROM strata.stat_worker', '0', 'no worker is about');
sql($node, 'INSERT INTO items SELECT i + 300000, vector_at(i, 3) FROM generate_series(1, 600) AS i');
is(sql($node, $growing), '1', 'a few rows are growing');
sql($node, 'VACUUM items');
wait_until($node, $growing, '0', 'at rest they are sealed');
wait_until($node, 'SELECT count(*) FROM strata.stat_worker', '0', 'and the worker is gone');

# Training that did not come to pass, as somebody wanted the table or ended the worker: nothing but an insert is needed.
sql($node, <<'SQL');
CREATE TABLE waiting (id int, v vector(24));
CREATE INDEX waiting_v ON waiting USING ivf (v);
SET strata.auto_flush_interval = 0;
INSERT INTO waiting SELECT i, vector_at(i, 1) FROM generate_series(1, 25000) AS i;
SELECT strata.flush('waiting_v');
SQL
my $epochs = q{SELECT count(*) FROM strata.segments WHERE index = 'waiting_v'::regclass AND kind = 'epoch'
               AND state = 'live'};
is(sql($node, $epochs), '0', 'an index waits for its codebook');
sql($node, 'INSERT INTO waiting VALUES (0, vector_at(1, 1))');
wait_until($node, $epochs, '1', 'the next insert sees to it');
is(sql($node, 'SELECT count(*) FROM strata.worker_failures'), '0', 'no worker failed');
verify_index($node, 'items_v');

done_testing();
