-- flush, merge, compact, retrain, segments, verify, last_scan: what they do, and who may
SET strata.auto_flush_interval = 0;
CREATE TABLE items (id int, v vector(4)) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING ivf (v);
CREATE VIEW live AS
  SELECT kind, rows, deleted_rows, lists > 0 AS has_lists, merges
  FROM strata.segments WHERE index = 'items_v'::regclass AND state NOT IN ('building', 'retired') AND kind <> 'frame' ORDER BY id;
SELECT strata.flush('items_v');
SELECT * FROM live;
INSERT INTO items SELECT i, ARRAY[i % 100, i / 100, 0, 1]::vector FROM generate_series(1, 3000) i;
SELECT * FROM live;
SELECT strata.flush('items_v');
INSERT INTO items SELECT i, ARRAY[i % 100, i / 100, 0, 1]::vector FROM generate_series(3001, 4000) i;
SELECT strata.flush('items_v');
SELECT * FROM live;
CALL strata.merge('items_v');
SELECT * FROM live;
CALL strata.merge('items_v');
DELETE FROM items WHERE id % 20 = 0;
VACUUM items;
CALL strata.compact('items_v');
SELECT * FROM live;
DELETE FROM items WHERE id % 3 = 0;
BEGIN;
CALL strata.compact('items_v');
COMMIT;
VACUUM items;
SELECT * FROM live;
SELECT rows, deleted_rows, heap_rows FROM strata.verify('items_v', true);
CALL strata.retrain('items_v');
INSERT INTO items SELECT i, ARRAY[i % 100, i / 100, i % 7, 1]::vector FROM generate_series(4001, 30000) i;
SELECT strata.flush('items_v') > 0 AS flushed;
CALL strata.retrain('items_v');
SELECT kind, rows, deleted_rows, has_lists FROM live;
SELECT rows, deleted_rows, heap_rows FROM strata.verify('items_v', true);
SET enable_seqscan = off;
SELECT id FROM items ORDER BY v <-> '[17.1,203,0,1]' LIMIT 2;
SELECT index, segments, lists > 0 AND lists < 100 AS some_lists, codes < 30000 AS some_codes, growing_rows, refined > 0 AS refined,
       pages > 0 AS pages, heap_rows > 0 AS heap_rows, rows, continuations
  FROM strata.last_scan();
RESET enable_seqscan;

-- names
SELECT strata.flush('items');
SELECT strata.flush('pg_class_oid_index');
\echo :LAST_ERROR_SQLSTATE
CALL strata.merge('no_such_index');
CALL strata.merge(12::oid::regclass);
SELECT * FROM strata.verify(NULL);

-- privileges
CREATE ROLE ivf_reader;
CREATE ROLE ivf_owner;
GRANT SELECT ON items TO ivf_reader;
GRANT CREATE ON SCHEMA public TO ivf_owner;
SET ROLE ivf_reader;
SELECT count(*) > 0 AS visible FROM strata.segments;
SELECT rows FROM strata.verify('items_v');
SELECT strata.flush('items_v');
\echo :LAST_ERROR_SQLSTATE
CALL strata.merge('items_v');
CALL strata.compact('items_v');
CALL strata.retrain('items_v');
CALL strata.build_incremental('items_v');
SET ROLE ivf_owner;
SELECT count(*) FROM strata.segments;
SELECT rows FROM strata.verify('items_v');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM strata.list_segments('items_v');
CREATE TABLE owned (v vector(2));
CREATE INDEX owned_v ON owned USING ivf (v);
INSERT INTO owned VALUES ('[1,2]');
SELECT strata.flush('owned_v');
CALL strata.merge('owned_v');
SELECT kind, state, rows FROM strata.segments WHERE kind = 'segment';
RESET ROLE;
DROP TABLE owned;
REVOKE CREATE ON SCHEMA public FROM ivf_owner;
DROP TABLE items CASCADE;
DROP ROLE ivf_reader, ivf_owner;

-- comments
SELECT p.oid::regprocedure FROM pg_proc p WHERE pronamespace = 'strata'::regnamespace AND obj_description(p.oid, 'pg_proc') IS NULL;
SELECT c.oid::regclass FROM pg_class c WHERE relnamespace = 'strata'::regnamespace AND relkind IN ('v', 'r')
  AND obj_description(c.oid, 'pg_class') IS NULL;
