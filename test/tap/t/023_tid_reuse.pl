# No entry ever leads to a row it was not made for. Every row's id is encoded in its vector; sessions insert, update,
# delete, roll back, vacuum, seal, merge, compact and retrain at random, workers do the same, so that the places of dead
# rows are taken by others all the time. Whatever is searched meanwhile: a row has its own vector, comes once, in order,
# and a scan to the end returns what its snapshot sees in the table, no more, no less.
#
# STRATA_REUSE_SECONDS=3600 lets it run for an hour; a few seconds in the test run.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $seconds = $ENV{STRATA_REUSE_SECONDS} // 8;
my $node = strata_node('main',
    settings => "strata.auto_flush_interval = '20ms'\nclient_min_messages = warning\nstatement_timeout = '120s'\n");
sql($node, <<'SQL');
CREATE TABLE items (id int, v vector(4)) WITH (fillfactor = 50);
CREATE INDEX items_v ON items USING ivf (v) WITH (min_seal_rows = 100, segment_size = 1, compact_threshold = 0.05);
CREATE INDEX items_id ON items (id);
CREATE FUNCTION vector_of(id int) RETURNS vector LANGUAGE sql IMMUTABLE AS
  $$ SELECT ARRAY[id % 100, id / 100, id % 7, 1]::vector $$;
INSERT INTO items SELECT i, vector_of(i) FROM generate_series(1, 3000) AS i;

-- The nearest rows of one.
CREATE FUNCTION search(wanted int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  r record;
  seen tid[] := '{}';
  last float8 := -1;
BEGIN
  FOR r IN SELECT id, v, ctid AS place, v <-> vector_of(wanted) AS distance FROM items
           ORDER BY v <-> vector_of(wanted) LIMIT 40 LOOP
    IF r.v <> vector_of(r.id) THEN RAISE EXCEPTION 'row % has the vector of another', r.id; END IF;
    IF r.place = ANY (seen) THEN RAISE EXCEPTION 'row % twice', r.id; END IF;
    IF r.distance < last THEN RAISE EXCEPTION 'distance % after %', r.distance, last; END IF;
    seen := seen || r.place;
    last := r.distance;
  END LOOP;
END $$;

-- Everything, through the index and without it, in one snapshot.
CREATE FUNCTION compare() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  by_index record;
  by_table record;
BEGIN
  SET LOCAL enable_seqscan = off;
  SET LOCAL enable_sort = off;
  EXECUTE 'SELECT count(*), count(DISTINCT place) AS places, sum(id) AS ids, sum(id::numeric * id) AS squares,
                  count(*) FILTER (WHERE v <> vector_of(id)) AS wrong
           FROM (SELECT id, v, ctid AS place FROM items ORDER BY v <-> ''[1,2,3,4]'') s' INTO by_index;
  SET LOCAL enable_seqscan = on;
  SET LOCAL enable_indexscan = off;
  EXECUTE 'SELECT count(*), count(DISTINCT ctid) AS places, sum(id) AS ids, sum(id::numeric * id) AS squares,
                  0::bigint AS wrong
           FROM items' INTO by_table;
  IF by_index IS DISTINCT FROM by_table::record THEN
    RAISE EXCEPTION 'index % but table %', by_index, by_table;
  END IF;
END $$;
SQL

$node->pgbench(
    "--no-vacuum --client=6 --time=$seconds",
    0,
    [qr/number of transactions actually processed: [1-9]/],
    [qr/^$/],
    "$seconds seconds of everything at once",
    {
        'insert@20' => q{
            \set first random(1, 20000)
            INSERT INTO items SELECT i, vector_of(i) FROM generate_series(:first, :first + 40) AS i;
        },
        'delete@10' => q{
            \set first random(1, 20000)
            DELETE FROM items WHERE id BETWEEN :first AND :first + 150;
        },
        'become_another@8' => q{
            \set first random(1, 20000)
            UPDATE items SET id = id + 1, v = vector_of(id + 1) WHERE id BETWEEN :first AND :first + 20;
        },
        'rollback@5' => q{
            \set first random(1, 20000)
            BEGIN;
            INSERT INTO items SELECT i, vector_of(i) FROM generate_series(:first, :first + 30) AS i;
            SAVEPOINT s;
            DELETE FROM items WHERE id BETWEEN :first AND :first + 10;
            ROLLBACK TO s;
            ROLLBACK;
        },
        'search@20' => q{
            \set wanted random(1, 20000)
            SET enable_seqscan = off;
            SELECT search(:wanted);
        },
        'compare@5' => q{
            BEGIN ISOLATION LEVEL REPEATABLE READ;
            SELECT compare();
            SELECT compare();
            COMMIT;
        },
        'vacuum@6' => 'VACUUM items;',
        'vacuum_index@2' => 'VACUUM (INDEX_CLEANUP on, TRUNCATE off) items;',
        'flush@3' => q{SELECT strata.flush('items_v');},
        'merge@3' => q{CALL strata.merge('items_v');},
        'compact@3' => q{CALL strata.compact('items_v', force => true);},
        'retrain@1' => q{CALL strata.retrain('items_v');},
    });

my $rows = sql($node, 'SELECT count(*) FROM items');
is(sql($node, "SELECT heap_rows FROM strata.verify('items_v', true)"), $rows, 'index and table agree');
sql($node, 'VACUUM items');
is(sql($node, "SELECT rows FROM strata.verify('items_v', true)"), $rows, 'VACUUM leaves no other entries');
sql($node, 'BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT compare(); COMMIT');
cmp_ok(sql($node, "SELECT merged_rows FROM strata.stat_index WHERE index = 'items_v'::regclass"), '>', 0,
    'rows were merged meanwhile');
is(sql($node, 'SELECT count(*) FROM strata.worker_failures'), '0', 'no worker failed');

done_testing();
