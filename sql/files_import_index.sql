-- strata.import_file() into tables with ivf indexes: rows go straight into segments
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA import_test;
SET search_path = import_test, public;
-- Nobody else works on the indexes.
SET strata.auto_flush_interval = 0;
CREATE FUNCTION place(name text) RETURNS text LANGUAGE sql AS $$
  SELECT current_setting('data_directory') || '/strata_import_test_' || name
$$;
CREATE FUNCTION point(i int) RETURNS vector LANGUAGE sql IMMUTABLE AS $$
  SELECT array[sin(i), cos(i * 7), sin(i * 0.3), i / 1000.0]::real[]::vector
$$;
-- What the index is made of, where a row is found, and whether it is sound.
CREATE FUNCTION made_of(index regclass) RETURNS TABLE (kind text, state text, rows bigint, lists boolean) LANGUAGE sql AS $$
  SELECT s.kind, s.state, s.rows, s.lists > 0 FROM strata.segments AS s
  WHERE s.index = made_of.index AND s.state <> 'retired' AND s.kind IN ('segment', 'growing') ORDER BY s.id
$$;
CREATE FUNCTION verified(index regclass) RETURNS TABLE (rows bigint, deleted bigint, heap_rows bigint) LANGUAGE sql AS $$
  SELECT rows, deleted_rows, heap_rows FROM strata.verify(index, true)
$$;
CREATE FUNCTION nearest(relation regclass, i int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  found int;
BEGIN
  SET LOCAL enable_seqscan = off;
  SET LOCAL enable_sort = off;
  EXECUTE format('SELECT id FROM %s ORDER BY v <-> point(%s) LIMIT 1', relation, i) INTO found;
  RETURN found;
END $$;
CREATE FUNCTION complaint(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'none';
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ' ' || regexp_replace(SQLERRM, '"/[^"]*/strata_import_test_', '"');
END $$;
SELECT strata.export_file('SELECT import_test.point(i) FROM generate_series(0, 2999) i', place('many.fvecs'), overwrite => true);
SELECT strata.export_file('SELECT import_test.point(i) FROM generate_series(0, 99) i', place('few.fvecs'), overwrite => true);
-- The last row has NaN.
SELECT lo_from_bytea(4711, pg_read_binary_file(place('many.fvecs')) || '\x04000000 0000c07f 00000000 00000000 00000000') > 0 AS made;
SELECT lo_export(4711, place('bad.fvecs'));
SELECT lo_unlink(4711);

-- Many rows become a segment, few go into the growing one.
CREATE TABLE items (id int, v vector(4));
CREATE INDEX items_v ON items USING ivf (v);
SELECT * FROM strata.import_file('items', place('many.fvecs'), id_column => 'id');
SELECT * FROM made_of('items_v');
SELECT rows FROM strata.import_file('items', place('few.fvecs'), id_column => 'id', first_id => 3000);
SELECT * FROM made_of('items_v');
SELECT * FROM verified('items_v');
SELECT nearest('items', 2345);

-- They are found in the same transaction, gone with it, and VACUUM takes their entries.
BEGIN;
SELECT rows FROM strata.import_file('items', place('many.fvecs'), id_column => 'id', first_id => 10000);
DELETE FROM items WHERE id < 10000;
SELECT nearest('items', 2345);
SAVEPOINT two;
SELECT rows FROM strata.import_file('items', place('many.fvecs'), id_column => 'id', first_id => 20000);
ROLLBACK TO two;
SELECT rows FROM strata.import_file('items', place('many.fvecs'), id_column => 'id', first_id => 30000, skip_rows => 1000);
SELECT count(*) FROM items;
SELECT nearest('items', 2345) IN (12345, 32345) AS found;
ROLLBACK;
SELECT nearest('items', 2345);
VACUUM items;
SELECT * FROM verified('items_v');

-- Nothing is left of an import that fails, whoever catches it.
SELECT complaint($$SELECT strata.import_file('items', place('bad.fvecs'), id_column => 'id', first_id => 50000)$$);
SELECT sum(rows) FROM made_of('items_v');
DO $$
BEGIN
  PERFORM strata.import_file('items', place('bad.fvecs'), id_column => 'id', first_id => 50000);
EXCEPTION WHEN OTHERS THEN
  INSERT INTO items VALUES (40000, '[9,9,9,9]');
  PERFORM strata.import_file('items', place('many.fvecs'), id_column => 'id', first_id => 60000);
END $$;
SELECT count(*), max(id) FROM items;
SELECT * FROM verified('items_v');
SELECT * FROM strata.import_file('items', place('bad.fvecs'), id_column => 'id', first_id => 70000, on_error => 'skip');
SELECT * FROM verified('items_v');

-- Indexes of all kinds on one table: other metrics and types, filter columns, copies, an expression, a predicate.
CREATE TABLE kinds (id int, v vector(4), tenant int DEFAULT 7, h halfvec(4) GENERATED ALWAYS AS (v::halfvec(4)) STORED);
CREATE INDEX kinds_cosine ON kinds USING ivf (v vector_cosine_ops, tenant);
CREATE INDEX kinds_full ON kinds USING ivf (v vector_ip_ops) WITH (rerank = full);
CREATE INDEX kinds_half ON kinds USING ivf (h);
CREATE INDEX kinds_part ON kinds USING ivf ((v::halfvec(4)) halfvec_l2_ops) WHERE id % 2 = 0;
SELECT strata.export_file($$SELECT CASE WHEN i % 100 = 0 THEN '[0,0,0,0]' ELSE import_test.point(i) END FROM generate_series(0, 2999) i$$,
  place('zeros.fvecs'), overwrite => true);
SELECT rows FROM strata.import_file('kinds', place('zeros.fvecs'), "column" => 'v', id_column => 'id');
SELECT index, m.*, n.* FROM unnest(array['kinds_cosine', 'kinds_full', 'kinds_half', 'kinds_part']::regclass[]) AS index,
  made_of(index) AS m, verified(index) AS n;
SET enable_seqscan = off;
SELECT id FROM kinds WHERE tenant = 7 ORDER BY v <=> point(2345) LIMIT 1;
SELECT id FROM kinds WHERE tenant = 8 ORDER BY v <=> point(2345) LIMIT 1;
SELECT id FROM kinds ORDER BY h <-> point(2345)::halfvec(4) LIMIT 1;
SELECT id FROM kinds WHERE id % 2 = 0 ORDER BY v::halfvec(4) <-> point(2346)::halfvec(4) LIMIT 1;
RESET enable_seqscan;

-- Partitions, temporary and unlogged tables.
CREATE TABLE parts (id int, v vector(4)) PARTITION BY RANGE (id);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES FROM (0) TO (50);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (50) TO (2000);
CREATE TABLE parts_2 PARTITION OF parts FOR VALUES FROM (2000) TO (3000);
CREATE INDEX ON parts USING ivf (v);
SELECT rows FROM strata.import_file('parts', place('many.fvecs'), id_column => 'id');
SELECT index, m.*, n.* FROM unnest(array['parts_0_v_idx', 'parts_1_v_idx', 'parts_2_v_idx']::regclass[]) AS index,
  made_of(index) AS m, verified(index) AS n;
CREATE TEMP TABLE passing (id int, v vector(4));
CREATE INDEX passing_v ON passing USING ivf (v);
SELECT rows FROM strata.import_file('passing', place('many.fvecs'), id_column => 'id');
SELECT * FROM verified('passing_v');
SELECT nearest('passing', 2345);
CREATE UNLOGGED TABLE plain (id int, v vector(4));
CREATE INDEX plain_v ON plain USING ivf (v);
SELECT rows FROM strata.import_file('plain', place('many.fvecs'), id_column => 'id');
SELECT m.*, n.* FROM made_of('plain_v') AS m, verified('plain_v') AS n;

-- A codebook made by the import, and used by the next.
CREATE TABLE large (id int, v vector(4));
CREATE INDEX large_v ON large USING ivf (v);
SELECT strata.export_file('SELECT import_test.point(i) FROM generate_series(0, 24999) i', place('large.fvecs'), overwrite => true);
SELECT rows FROM strata.import_file('large', place('large.fvecs'), id_column => 'id');
SELECT * FROM made_of('large_v');
SELECT nearest('large', 12345);
SELECT kind, state FROM strata.segments WHERE index = 'large_v'::regclass AND kind IN ('calibration', 'epoch') ORDER BY kind;
SELECT rows FROM strata.import_file('large', place('many.fvecs'), id_column => 'id', first_id => 30000);
SELECT * FROM made_of('large_v');
SELECT * FROM verified('large_v');
-- More rows than a segment holds.
CREATE TABLE pieces (id int, v vector(4));
CREATE INDEX pieces_v ON pieces USING ivf (v) WITH (segment_size = 1);
SELECT rows FROM strata.import_file('pieces', place('large.fvecs'), id_column => 'id');
SELECT count(*), sum(rows) FROM made_of('pieces_v');
SELECT * FROM verified('pieces_v');

-- A trigger that does not look at tables is in nobody's way.
CREATE TABLE watched (id int, v vector(4), note text);
CREATE INDEX watched_v ON watched USING ivf (v);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.note := 'row ' || NEW.id;
  RETURN NEW;
END $$;
CREATE TRIGGER note BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION note();
SELECT rows FROM strata.import_file('watched', place('many.fvecs'), id_column => 'id');
SELECT * FROM made_of('watched_v');
-- One that searches finds every row before it, and one at the end all of them.
CREATE TABLE seen (id int, before int);
CREATE FUNCTION look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_LEVEL = 'STATEMENT' THEN
    INSERT INTO seen SELECT -1, nearest('watched', 2999);
  ELSIF NEW.id % 1000 = 500 THEN
    INSERT INTO seen SELECT NEW.id, nearest('watched', NEW.id - 1);
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER look AFTER INSERT ON watched FOR EACH STATEMENT EXECUTE FUNCTION look();
TRUNCATE watched;
SELECT rows FROM strata.import_file('watched', place('many.fvecs'), id_column => 'id');
SELECT * FROM seen;
SELECT * FROM made_of('watched_v');
CREATE TRIGGER look_row BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION look();
TRUNCATE watched, seen;
SELECT rows FROM strata.import_file('watched', place('many.fvecs'), id_column => 'id');
SELECT * FROM seen;
SELECT * FROM verified('watched_v');
-- Rows that a trigger adds in a subtransaction, kept or undone.
CREATE TABLE nested (id int, v vector(4));
CREATE INDEX nested_v ON nested USING ivf (v);
CREATE FUNCTION add_more() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.id IN (700, 1700) THEN
    BEGIN
      INSERT INTO nested SELECT -NEW.id - i, point(i) FROM generate_series(1, 5) i;
      PERFORM strata.import_file('nested', place('few.fvecs'), id_column => 'id', first_id => 100000 + NEW.id);
      IF NEW.id = 1700 THEN RAISE division_by_zero; END IF;
    EXCEPTION WHEN division_by_zero THEN
      NULL;
    END;
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER add_more BEFORE INSERT ON nested FOR EACH ROW EXECUTE FUNCTION add_more();
SELECT rows FROM strata.import_file('nested', place('many.fvecs'), id_column => 'id');
SELECT count(*), count(*) FILTER (WHERE id < 0), count(*) FILTER (WHERE id > 100000) FROM nested;
VACUUM nested;
SELECT rows, heap_rows FROM strata.verify('nested_v', true);

-- COPY does the same when it is asked to.
CREATE TABLE copied (id int, v vector(4));
-- A worker that another test has called must not seal them first.
CREATE INDEX copied_v ON copied USING ivf (v) WITH (min_seal_rows = 1000000);
CREATE FUNCTION copy_rows() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('COPY large (id, v) TO %L', place('large.copy'));
  EXECUTE format('COPY copied FROM %L', place('large.copy'));
END $$;
SELECT copy_rows();
SELECT DISTINCT kind FROM made_of('copied_v');
TRUNCATE copied;
ALTER INDEX copied_v RESET (min_seal_rows);
SET strata.copy_into_segments = on;
SELECT copy_rows();
SELECT * FROM made_of('copied_v');
SELECT * FROM verified('copied_v');
BEGIN;
COPY copied FROM stdin;
-1	[1,2,3,4]
-2	[1,2,3,5]
\.
SELECT id FROM copied WHERE id < 0 ORDER BY v <-> '[1,2,3,5]' LIMIT 1;
ROLLBACK;
COPY copied FROM stdin;
-3	[1,2,3,4]
-4	[1,2,3]
\.
COPY copied FROM stdin;
-5	[1,2,3,4]
\.
SELECT * FROM made_of('copied_v');
VACUUM (INDEX_CLEANUP on) copied;
SELECT * FROM verified('copied_v');
RESET strata.copy_into_segments;

-- Gates against duplicates, and versions, work on.
CREATE TABLE gated (id int PRIMARY KEY, v vector(4));
CREATE INDEX gated_v ON gated USING ivf (v);
SELECT strata.set_dedup('gated', 'v');
INSERT INTO gated VALUES (-1, point(17));
SELECT rows FROM strata.import_file('gated', place('many.fvecs'), id_column => 'id');
SELECT rows FROM strata.import_file('gated', place('few.fvecs'), id_column => 'id', first_id => 5000);
SELECT count(*) FROM gated;
SELECT rows, heap_rows FROM strata.verify('gated_v', true);
CREATE TABLE kept (id int PRIMARY KEY, v vector(4));
CREATE INDEX kept_v ON kept USING ivf (v);
SELECT strata.enable_versions('kept');
SELECT rows FROM strata.import_file('kept', place('many.fvecs'), id_column => 'id');
SELECT rows, heap_rows FROM strata.verify('kept_v', true);
SELECT nearest('kept', 2345);

SELECT strata.disable_versions('kept');
SELECT strata.drop_dedup('gated');
SET client_min_messages = error;
DROP SCHEMA import_test CASCADE;
