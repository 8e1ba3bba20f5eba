-- CREATE INDEX ... USING ivf: on empty and filled tables, of all kinds of relations, and what is refused
SET strata.auto_flush_interval = 0;
CREATE FUNCTION ivf_vector(seed int, dim int) RETURNS vector LANGUAGE sql IMMUTABLE AS
  $$ SELECT array_agg(((hashint4(seed * 1000 + d) & 65535) / 65535.0)::real ORDER BY d)::vector
     FROM generate_series(1, dim) d $$;

-- what is refused
CREATE TABLE plain (id int, v vector, w vector(3), x int, h halfvec);
CREATE INDEX ON plain USING ivf (v);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON plain USING ivf (h);
CREATE INDEX ON plain USING ivf (x);
\echo :LAST_ERROR_SQLSTATE
CREATE UNIQUE INDEX ON plain USING ivf (w);
CREATE INDEX ON plain USING ivf (w, v);
CREATE INDEX ON plain USING ivf (w) INCLUDE (id);
-- Servers word these differently.
\set VERBOSITY sqlstate
CREATE INDEX ON plain USING ivf (w DESC);
ALTER TABLE plain ADD EXCLUDE USING ivf (w WITH <->);
\set VERBOSITY default
CREATE INDEX ON plain USING ivf (w) WITH (segment_size = 0);
CREATE INDEX ON plain USING ivf (w) WITH (compact_threshold = 1.5);
CREATE INDEX ON plain USING ivf (w) WITH (lists = 100);
-- an expression gives dimensions
CREATE INDEX plain_cast ON plain USING ivf ((v::vector(3)));
INSERT INTO plain VALUES (1, '[1,2,3]', '[1,2,3]', 1, '[1,2,3]');
INSERT INTO plain VALUES (1, '[1,2,3,4]', '[1,2,3]', 1, '[1,2,3]');
\echo :LAST_ERROR_SQLSTATE
DROP TABLE plain;

-- options
CREATE TABLE options (v vector(3));
CREATE INDEX options_v ON options USING ivf (v)
  WITH (segment_size = 64, insert_buffer = 16, min_seal_rows = 10, max_growing_age = 60, compact_threshold = 0.25);
SELECT reloptions FROM pg_class WHERE relname = 'options_v';
ALTER INDEX options_v SET (segment_size = 128);
ALTER INDEX options_v RESET (insert_buffer);
SELECT reloptions FROM pg_class WHERE relname = 'options_v';
SELECT p, pg_index_column_has_property('options_v', 1, p)
  FROM unnest(ARRAY['distance_orderable', 'orderable', 'returnable', 'search_array', 'search_nulls']) p;
DROP TABLE options;

-- filled: small tables are scanned flat, large ones get a codebook
CREATE TABLE small AS SELECT i AS id, ivf_vector(i, 8)::vector(8) AS v FROM generate_series(1, 500) i;
CREATE INDEX small_v ON small USING ivf (v);
SELECT kind, state, rows, lists, lists > 0 AS has_lists FROM strata.segments WHERE index = 'small_v'::regclass ORDER BY id;
SELECT rows, deleted_rows, heap_rows, objects FROM strata.verify('small_v', true);
CREATE TABLE large AS SELECT i AS id, ivf_vector(i, 4)::vector(4) AS v FROM generate_series(1, 25000) i;
INSERT INTO large SELECT -i, NULL FROM generate_series(1, 7) i;
CREATE INDEX large_v ON large USING ivf (v) WITH (segment_size = 1);
SELECT kind, count(*), sum(rows) AS rows, bool_and(lists > 100) AS has_lists
  FROM strata.segments WHERE index = 'large_v'::regclass GROUP BY kind ORDER BY kind;
SELECT rows, deleted_rows, heap_rows FROM strata.verify('large_v', true);
REINDEX INDEX large_v;
SELECT rows, deleted_rows, heap_rows FROM strata.verify('large_v', true);
REINDEX INDEX CONCURRENTLY large_v;
SELECT rows, deleted_rows, heap_rows FROM strata.verify('large_v', true);
DROP INDEX large_v;
CREATE INDEX CONCURRENTLY large_v ON large USING ivf (v);
SELECT rows, deleted_rows, heap_rows FROM strata.verify('large_v', true);
VACUUM FULL large;
SELECT rows, deleted_rows, heap_rows FROM strata.verify('large_v', true);
TRUNCATE large;
SELECT rows, deleted_rows, heap_rows, objects, pages FROM strata.verify('large_v', true);
INSERT INTO large VALUES (1, '[1,2,3,4]');
SELECT rows, deleted_rows, heap_rows FROM strata.verify('large_v', true);
ALTER TABLE large ALTER COLUMN v TYPE vector(3) USING '[1,2,3]'::vector;
SELECT rows, deleted_rows, heap_rows FROM strata.verify('large_v', true);
DROP TABLE large, small;

-- a table with rows only in uncommitted or dead versions
BEGIN;
CREATE TABLE fresh (id int, v vector(3));
INSERT INTO fresh VALUES (1, '[1,1,1]'), (2, '[2,2,2]'), (3, NULL);
DELETE FROM fresh WHERE id = 1;
CREATE INDEX fresh_v ON fresh USING ivf (v);
INSERT INTO fresh VALUES (4, '[4,4,4]');
SET LOCAL enable_seqscan = off;
SELECT id FROM fresh ORDER BY v <-> '[3,3,3]';
ROLLBACK;

-- temporary and unlogged
CREATE TEMP TABLE temporary (id int, v vector(3)) ON COMMIT DELETE ROWS;
CREATE INDEX temporary_v ON temporary USING ivf (v);
BEGIN;
INSERT INTO temporary SELECT i, ARRAY[i, i, i]::vector FROM generate_series(1, 300) i;
SELECT strata.flush('temporary_v');
SET LOCAL enable_seqscan = off;
SELECT id FROM temporary ORDER BY v <-> '[5.2,5,5]' LIMIT 3;
COMMIT;
SELECT rows FROM strata.verify('temporary_v', true);
CREATE UNLOGGED TABLE unlogged (id int, v vector(3));
CREATE INDEX unlogged_v ON unlogged USING ivf (v);
INSERT INTO unlogged SELECT i, ARRAY[i, i, i]::vector FROM generate_series(1, 300) i;
SELECT strata.flush('unlogged_v');
SELECT rows, heap_rows FROM strata.verify('unlogged_v', true);
ALTER TABLE unlogged SET LOGGED;
SELECT rows, heap_rows FROM strata.verify('unlogged_v', true);
DROP TABLE unlogged, temporary;

-- partitioned, partial, expression
CREATE TABLE parent (id int, v vector(3)) PARTITION BY RANGE (id);
CREATE TABLE child1 PARTITION OF parent FOR VALUES FROM (0) TO (100);
CREATE TABLE child2 PARTITION OF parent FOR VALUES FROM (100) TO (200);
CREATE INDEX parent_v ON parent USING ivf (v);
INSERT INTO parent SELECT i, ARRAY[i, 0, 0]::vector FROM generate_series(0, 199) i;
SET enable_seqscan = off;
SELECT id FROM parent ORDER BY v <-> '[99.6,0,0]' LIMIT 4;
SELECT strata.flush('parent_v');
DROP TABLE parent;
CREATE TABLE partial (id int, v vector(3), w real[]);
INSERT INTO partial SELECT i, ARRAY[i, 0, 0]::vector, ARRAY[i, 1, 1] FROM generate_series(1, 100) i;
CREATE INDEX partial_even ON partial USING ivf (v) WHERE id % 2 = 0;
CREATE INDEX partial_w ON partial USING ivf ((w::vector(3)));
SELECT id FROM partial WHERE id % 2 = 0 ORDER BY v <-> '[50.9,0,0]' LIMIT 3;
SELECT id FROM partial ORDER BY w::vector(3) <-> '[50.9,0,0]' LIMIT 3;
SELECT rows, heap_rows FROM strata.verify('partial_even', true);
SELECT rows, heap_rows FROM strata.verify('partial_w', true);
DROP TABLE partial;

-- operator classes
SELECT opcname, amvalidate(o.oid), obj_description(o.oid, 'pg_opclass') IS NOT NULL AS has_comment
  FROM pg_opclass o JOIN pg_am a ON a.oid = opcmethod WHERE amname = 'ivf' ORDER BY 1;
DROP FUNCTION ivf_vector;
