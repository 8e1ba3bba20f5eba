# Everything at once: sessions insert, delete, update, roll back, search, vacuum, seal, merge and retrain. The id of a
# row is encoded in its vector, so an entry that leads to another row than the one it was made for shows; no query may
# return a row twice, out of order, or fewer rows than there are.
use strict;
use warnings;
use PostgreSQL::Test::Utils;
use StrataTest;
use Test::More;

my $node = strata_node('main', settings => "strata.auto_flush_interval = '50ms'\nclient_min_messages = warning\n");
sql($node, <<'SQL');
CREATE TABLE items (id int, v vector(4));
CREATE INDEX items_v ON items USING ivf (v) WITH (min_seal_rows = 200, segment_size = 1);
CREATE INDEX items_id ON items (id);
CREATE FUNCTION vector_of(id int) RETURNS vector LANGUAGE sql IMMUTABLE AS
  $$ SELECT ARRAY[id % 1000, id / 1000, id % 7, 1]::vector $$;
INSERT INTO items SELECT i, vector_of(i) FROM generate_series(1, 22000) AS i;
CREATE FUNCTION search(wanted int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  r record;
  seen text[] := '{}';
  last float8 := -1;
BEGIN
  FOR r IN SELECT id, v, ctid::text AS place, v <-> vector_of(wanted) AS distance FROM items
           ORDER BY v <-> vector_of(wanted) LIMIT 30 LOOP
    IF r.v <> vector_of(r.id) THEN RAISE EXCEPTION 'row % has the vector of another', r.id; END IF;
    IF r.place = ANY (seen) THEN RAISE EXCEPTION 'row % twice', r.id; END IF;
    IF r.distance < last THEN RAISE EXCEPTION 'distance % after %', r.distance, last; END IF;
    seen := seen || r.place;
    last := r.distance;
  END LOOP;
  IF cardinality(seen) < 30 THEN RAISE EXCEPTION 'only % rows', cardinality(seen); END IF;
END $$;
SQL

$node->pgbench(
    '--no-vacuum --client=6 --transactions=400',
    0,
    [qr/actually processed: 2400\/2400/],
    [qr/^$/],
    'sessions work side by side',
    {
        'insert@20' => q{
            \set first random(1, 100000)
            INSERT INTO items SELECT i, vector_of(i) FROM generate_series(:first, :first + 30) AS i;
        },
        'delete@8' => q{
            \set first random(1, 100000)
            DELETE FROM items WHERE id BETWEEN :first AND :first + 200;
        },
        'update@5' => q{
            \set first random(1, 100000)
            UPDATE items SET v = v WHERE id BETWEEN :first AND :first + 20;
        },
        'rollback@5' => q{
            \set first random(1, 100000)
            BEGIN;
            INSERT INTO items SELECT i, vector_of(i) FROM generate_series(:first, :first + 30) AS i;
            ROLLBACK;
        },
        'search@20' => q{
            \set wanted random(1, 100000)
            SET enable_seqscan = off;
            SELECT search(:wanted);
        },
        'vacuum@2' => 'VACUUM items;',
        'flush@2' => q{SELECT strata.flush('items_v');},
        'merge@2' => q{CALL strata.merge('items_v');},
        'compact@1' => q{CALL strata.compact('items_v');},
        'retrain@1' => q{CALL strata.retrain('items_v');},
    });

my $rows = sql($node, 'SELECT count(*) FROM items');
is(sql($node, "SELECT heap_rows FROM strata.verify('items_v', true)"), $rows, 'index and table agree');
sql($node, 'VACUUM items');
is(sql($node, "SELECT rows FROM strata.verify('items_v', true)"), $rows, 'VACUUM leaves no other entries');
is(sql($node, 'SET enable_seqscan = off; SELECT count(*) FROM (SELECT FROM items ORDER BY v <-> vector_of(1)) AS s'),
    $rows, 'a scan to the end returns every row');

done_testing();
