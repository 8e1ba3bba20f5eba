-- what indexes come to, why segments are not merged, where an entry is, options of compaction
SET strata.auto_flush_interval = 0;
CREATE TABLE items (id int, v vector(4)) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING ivf (v);
CREATE VIEW parts AS
  SELECT kind, state, rows, deleted_rows, tier, merges, hits, bloom_bits >= 8 * rows AS enough_bits,
         bloom_false_positive_rate < 0.05 AS few_errors, why_not_merged
  FROM strata.segments WHERE index = 'items_v'::regclass AND state <> 'retired' AND kind <> 'frame' ORDER BY id;
SELECT * FROM strata.stat_index WHERE index = 'items_v'::regclass;
INSERT INTO items SELECT i, ARRAY[i % 100, i / 100, 0, 1]::vector FROM generate_series(1, 2000) i;
SELECT * FROM parts;
SELECT strata.flush('items_v');
INSERT INTO items SELECT i, ARRAY[i % 100, i / 100, 0, 1]::vector FROM generate_series(2001, 2500) i;
SELECT strata.flush('items_v');
INSERT INTO items SELECT i, ARRAY[i % 100, i / 100, 0, 1]::vector FROM generate_series(2501, 2510) i;
SELECT * FROM parts;
SELECT rows, growing_rows, deleted_rows, segments, epochs, bytes = pg_relation_size(index) AS bytes,
       live_bytes BETWEEN 1 AND bytes AS live, retired_bytes > 0 AS retired, free_bytes > 0 AS free, sealed_rows,
       merged_rows, write_amplification
  FROM strata.stat_index WHERE index = 'items_v'::regclass;
DELETE FROM items WHERE id % 50 = 0;
VACUUM items;

-- the way to an entry
SELECT l.kind, l.bloom, l.outcome, l.row_id = i.ctid AS same, l.deleted
  FROM items i, strata.locate('items_v', i.ctid) l WHERE i.id = 17;
SELECT l.kind, l.bloom, l.outcome, l.row_id = i.ctid AS same, l.deleted
  FROM items i, strata.locate('items_v', i.ctid) l WHERE i.id = 2201;
SELECT l.kind, l.bloom, l.outcome, l.row_id = i.ctid AS same, l.deleted
  FROM items i, strata.locate('items_v', i.ctid) l WHERE i.id = 2507;
SELECT kind, bloom, outcome, entry, row_id FROM strata.locate('items_v', '(4000000,1)'::tid);
SELECT kind, bloom, outcome, deleted FROM strata.locate('items_v', '[50,0,0,1]'::vector);
SELECT kind, bloom, outcome FROM strata.locate('items_v', '[50,0,-0,1]'::vector) WHERE outcome = 'found';
SELECT kind, bloom, outcome, row_id FROM strata.locate('items_v', '[-1,-1,-1,-1]'::vector);
-- errors
SELECT * FROM strata.locate('items_v', '[1,2]'::vector);
SELECT * FROM strata.locate('items_v', '[1,2,3,4]'::halfvec);
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM strata.locate('items', '(0,1)'::tid);
\echo :LAST_ERROR_SQLSTATE
-- nothing is lost: each row is found, by its place and by its vector, exactly once
SELECT count(*) FROM items i, strata.locate('items_v', i.ctid) l WHERE l.outcome = 'found' AND i.id % 100 = 1;
SELECT count(*) FROM items i, strata.locate('items_v', i.v) l WHERE l.outcome = 'found' AND l.row_id = i.ctid AND i.id % 100 = 1;

-- compaction
CALL strata.compact('items_v');
SELECT kind, rows, deleted_rows, merges FROM parts;
CALL strata.compact('items_v', threshold => 0.01);
SELECT kind, rows, deleted_rows, merges FROM parts;
DELETE FROM items WHERE id = 1;
VACUUM items;
CALL strata.compact('items_v', force => true);
SELECT kind, rows, deleted_rows, merges FROM parts;
SELECT merged_rows, write_amplification > 1 AS amplified FROM strata.stat_index WHERE index = 'items_v'::regclass;
CALL strata.compact('items_v', threshold => 2);
\echo :LAST_ERROR_SQLSTATE
CALL strata.compact('items_v', threshold => 'nan');
CALL strata.compact(NULL);
\echo :LAST_ERROR_SQLSTATE
CALL strata.merge(NULL);
CALL strata.retrain('items_v');

-- only what is not indexed is indexed: too few rows for a codebook, then the first one, then what came since
CREATE TABLE more (id int, v vector(4)) WITH (autovacuum_enabled = off);
CREATE INDEX more_v ON more USING ivf (v);
CREATE VIEW more_parts AS SELECT id, state, rows FROM strata.segments
  WHERE index = 'more_v'::regclass AND state IN ('growing', 'sealed', 'indexed') ORDER BY id;
INSERT INTO more SELECT i, ARRAY[i % 100, i / 100, 0, 1]::vector FROM generate_series(1, 500) i;
CALL strata.build_incremental('more_v');
SELECT state, rows FROM more_parts;
INSERT INTO more SELECT i, ARRAY[i % 100, i / 100, i % 7, 1]::vector FROM generate_series(501, 24000) i;
CALL strata.build_incremental('more_v');
SELECT state, sum(rows) FROM more_parts GROUP BY state;
CREATE TABLE before AS SELECT * FROM more_parts;
INSERT INTO more SELECT i, ARRAY[i % 100, i / 100, i % 7, 1]::vector FROM generate_series(24001, 24100) i;
SELECT strata.flush('more_v');
INSERT INTO more SELECT i, ARRAY[i % 100, i / 100, i % 7, 1]::vector FROM generate_series(24101, 25000) i;
CALL strata.build_incremental('more_v');
SELECT count(*) AS untouched FROM more_parts JOIN before USING (id, state, rows);
SELECT state, sum(rows) FROM more_parts GROUP BY state;
-- each too small for lists, together large enough
CREATE TABLE between AS SELECT * FROM more_parts WHERE state = 'indexed';
DO $$
BEGIN
  FOR n IN 0 .. 4 LOOP
    INSERT INTO more SELECT i, ARRAY[i % 100, i / 100, i % 7, 1]::vector FROM generate_series(25001 + n * 100, 25100 + n * 100) i;
    PERFORM strata.flush('more_v');
  END LOOP;
END $$;
SELECT state, count(*) FROM more_parts GROUP BY state ORDER BY state;
CALL strata.build_incremental('more_v');
SELECT count(*) AS untouched FROM more_parts JOIN between USING (id, state, rows);
SELECT state, count(*), sum(rows) FROM more_parts GROUP BY state;
SELECT rows, heap_rows FROM strata.verify('more_v', true);
CALL strata.build_incremental('more');
\echo :LAST_ERROR_SQLSTATE
CALL strata.build_incremental(NULL);
DROP VIEW more_parts;
DROP TABLE more, before, between;

-- a read-only transaction changes nothing
BEGIN READ ONLY;
SELECT strata.flush('items_v');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
CALL strata.merge('items_v');
ROLLBACK;

-- settings
SET strata.debug_wait_at = 'nowhere';
SET strata.debug_wait_at = 'write';
RESET strata.debug_wait_at;
ALTER SYSTEM SET strata.maintenance_window = '25:00-26:00';
ALTER SYSTEM SET strata.maintenance_window = '22:00';
ALTER SYSTEM SET strata.maintenance_window = '9:60-10:00';
SHOW strata.maintenance_window;
SHOW strata.maintenance_io_limit;
SHOW strata.gc_drop_tolerance;
CREATE ROLE life_reader;
SET ROLE life_reader;
SET strata.debug_wait_at = 'write';
SELECT count(*) FROM strata.stat_index;
SELECT count(*) FROM strata.progress;
SELECT count(*) FROM strata.stat_worker;
SELECT * FROM strata.worker_failures;
SELECT * FROM strata.locate('items_v', '(0,1)'::tid);
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
DROP ROLE life_reader;
DROP VIEW parts;
DROP TABLE items;

-- comments
SELECT c.oid::regclass, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE c.oid IN ('strata.segments'::regclass, 'strata.stat_index'::regclass, 'strata.progress'::regclass, 'strata.stat_worker'::regclass,
                'strata.trash'::regclass) AND col_description(c.oid, a.attnum) IS NULL;
