-- VACUUM: dead rows leave the index, their places are reused, nothing comes back
SET strata.auto_flush_interval = 0;
SET enable_seqscan = off;
CREATE TABLE items (id int, v vector(4)) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING ivf (v) WITH (min_seal_rows = 100000, compact_threshold = 1);
-- Every row carries its id in its vector: an entry that leads to another row shows.
CREATE FUNCTION fill(first int, last int) RETURNS void LANGUAGE sql AS
  $$ INSERT INTO items SELECT i, ARRAY[i, i % 7, 1, 0]::vector FROM generate_series(first, last) i $$;
CREATE VIEW wrong AS
  SELECT count(*) FILTER (WHERE found <> wanted) AS wrong_rows, count(*) AS rows
  FROM generate_series(1, 1200, 13) wanted,
       LATERAL (SELECT id AS found FROM items ORDER BY v <-> ARRAY[wanted, wanted % 7, 1, 0]::vector LIMIT 1) n
  WHERE EXISTS (SELECT FROM items WHERE id = wanted);

SELECT fill(1, 400);
SELECT strata.flush('items_v');
SELECT fill(401, 800);
SELECT strata.flush('items_v');
SELECT fill(801, 1000);
-- from sealed segments and from the growing one
DELETE FROM items WHERE id % 5 = 0;
VACUUM items;
SELECT kind, rows, deleted_rows FROM strata.segments WHERE index = 'items_v'::regclass AND kind <> 'frame' AND state NOT IN ('building', 'retired') ORDER BY id;
SELECT rows, deleted_rows, heap_rows FROM strata.verify('items_v', true);
SELECT * FROM wrong;
-- places of dead rows are taken by others
SELECT fill(1001, 1200);
SELECT rows, deleted_rows, heap_rows FROM strata.verify('items_v', true);
SELECT * FROM wrong;
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM items ORDER BY v <-> '[1,1,1,1]') s;
-- deleted growing rows are not sealed
SELECT strata.flush('items_v');
SELECT kind, rows, deleted_rows FROM strata.segments WHERE index = 'items_v'::regclass AND kind = 'segment' AND state NOT IN ('building', 'retired') ORDER BY id;
SELECT rows, deleted_rows, heap_rows FROM strata.verify('items_v', true);
-- updates leave dead versions behind
UPDATE items SET v = v WHERE id % 2 = 0;
VACUUM items;
SELECT rows, heap_rows FROM strata.verify('items_v', true);
SELECT * FROM wrong;
-- a whole segment dead
DELETE FROM items WHERE id <= 400;
VACUUM items;
SELECT rows, heap_rows FROM strata.verify('items_v', true);
SELECT * FROM wrong;
DELETE FROM items;
VACUUM items;
SELECT rows, heap_rows FROM strata.verify('items_v', true);
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[1,1,1,1]') s;
-- VACUUM does maintenance, ANALYZE does none
ALTER INDEX items_v RESET (min_seal_rows, compact_threshold);
SELECT fill(1, 1100);
ANALYZE items;
SELECT count(*) FROM strata.segments WHERE index = 'items_v'::regclass AND state = 'growing' AND rows > 0;
VACUUM items;
SELECT kind, rows, deleted_rows FROM strata.segments WHERE index = 'items_v'::regclass AND state NOT IN ('building', 'retired') AND kind <> 'frame';
SELECT rows, heap_rows FROM strata.verify('items_v', true);
SELECT reltuples FROM pg_class WHERE relname = 'items_v';
DROP TABLE items CASCADE;
DROP FUNCTION fill;
