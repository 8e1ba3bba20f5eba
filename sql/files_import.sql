-- strata.import_file() and strata.export_file(): files of the server
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA files_test;
SET search_path = files_test, public;
-- A file of the data directory, and how to fill it byte by byte.
CREATE FUNCTION place(name text) RETURNS text LANGUAGE sql AS $$
  SELECT current_setting('data_directory') || '/strata_files_test_' || name
$$;
CREATE FUNCTION put(name text, content bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  object oid := lo_from_bytea(0, content);
BEGIN
  PERFORM lo_export(object, place(name));
  PERFORM lo_unlink(object);
END $$;
CREATE FUNCTION npy(dictionary text, content bytea) RETURNS bytea LANGUAGE sql AS $$
  SELECT '\x934e554d50590100'::bytea || set_byte(set_byte('\x0000', 0, length(dictionary) & 255), 1, length(dictionary) >> 8)
         || convert_to(dictionary, 'UTF8') || content
$$;
-- What a statement says, without the directory.
CREATE FUNCTION complaint(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  message text;
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'none';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, hint = PG_EXCEPTION_HINT;
  message := SQLSTATE || ' ' || message || CASE WHEN hint <> '' THEN ' | ' || hint ELSE '' END;
  RETURN regexp_replace(message, '"/[^"]*/strata_files_test_', '"');
END $$;
\set fvecs_1 '\\x02000000 0000803f 00000040'
\set fvecs_2 '\\x02000000 00004040 00008040'

CREATE TABLE items (id int PRIMARY KEY, v vector(2), note text DEFAULT 'new', twice real GENERATED ALWAYS AS (vector_norm(v)) STORED);
SELECT put('two.fvecs', :'fvecs_1' || :'fvecs_2'::bytea);
SELECT * FROM strata.import_file('items', place('two.fvecs'), id_column => 'id');
SELECT * FROM strata.import_file('items', place('two.fvecs'), id_column => 'id', first_id => 100, skip_rows => 1);
SELECT * FROM strata.import_file('items', place('two.fvecs'), 'fvecs', 'v', 'id', first_id => 200, max_rows => 1);
SELECT * FROM items ORDER BY id;
-- All or nothing, also for what the table refuses.
SELECT complaint($$SELECT strata.import_file('items', place('two.fvecs'), id_column => 'id', first_id => 100)$$);
SELECT complaint($$SELECT strata.import_file('items', place('two.fvecs'))$$);
SELECT count(*) FROM items;

-- Other formats, and the same through any name.
SELECT put('a.bvecs', '\x020000000005 020000000607 0200000001ff');
SELECT put('b', '\x020000000005 020000000607 0200000001ff');
SELECT put('a.ivecs', '\x02000000 fbffffff 07000000');
SELECT put('a.npy', npy('{''descr'': ''<f2'', ''fortran_order'': False, ''shape'': (1, 2), }', '\x003c00c0'));
CREATE TABLE plain (n serial, v vector, h halfvec(2));
SELECT rows FROM strata.import_file('plain', place('a.bvecs'), "column" => 'v');
SELECT rows FROM strata.import_file('plain', place('b'), "column" => 'v');
SELECT rows FROM strata.import_file('plain', place('a.ivecs'), "column" => 'h', dimensions => 2);
SELECT rows FROM strata.import_file('plain', place('a.npy'), "column" => 'h');
SELECT * FROM plain ORDER BY n;

-- Bad files: the row and the byte, and nothing is left.
SELECT put('cut.fvecs', :'fvecs_1' || '\x02000000 00004040 0000'::bytea);
SELECT put('nan.fvecs', :'fvecs_1' || '\x02000000 0000c07f 00000040'::bytea || :'fvecs_2'::bytea || '\x02000000 00000000 000080ff'::bytea);
SELECT put('mixed.fvecs', :'fvecs_1' || '\x01000000 00004040'::bytea || :'fvecs_2'::bytea);
SELECT put('huge.fvecs', '\xffffff7f 00004040');
SELECT put('fortran.npy', npy('{''descr'': ''<f4'', ''fortran_order'': True, ''shape'': (1, 2), }', '\x0000803f00000040'));
SELECT put('type.npy', npy('{''descr'': ''>f8'', ''fortran_order'': False, ''shape'': (1, 2), }', '\x0000803f00000040'));
SELECT put('short.npy', npy('{''descr'': ''<f4'', ''fortran_order'': False, ''shape'': (3, 2), }', '\x0000803f00000040'));
SELECT put('long.npy', npy('{''descr'': ''<f4'', ''fortran_order'': False, ''shape'': (1, 1), }', '\x0000803f00000040'));
SELECT put('text', 'no vectors at all'::bytea);
SELECT put('a.hdf5', '\x894844460d0a1a0a');
SELECT put('half.fvecs', '\x02000000 00f07f47 00008040');
TRUNCATE plain;
SELECT name, complaint(format('SELECT strata.import_file(''plain'', place(%L), "column" => ''v'')', name))
FROM unnest(ARRAY['cut.fvecs', 'nan.fvecs', 'mixed.fvecs', 'huge.fvecs', 'fortran.npy', 'type.npy', 'short.npy', 'long.npy',
                  'text', 'a.hdf5', 'absent']) AS name;
SELECT complaint($$SELECT strata.import_file('plain', place('half.fvecs'), "column" => 'h')$$);
SELECT count(*) FROM plain;
-- Rows that are bad on their own may be left out; a damaged file may not.
SET client_min_messages = notice;
\set VERBOSITY terse
SELECT complaint($$SELECT strata.import_file('plain', place('cut.fvecs'), "column" => 'v', on_error => 'skip')$$);
RESET client_min_messages;
SET client_min_messages = warning;
SELECT * FROM strata.import_file('plain', place('nan.fvecs'), "column" => 'v', on_error => 'skip');
SELECT * FROM strata.import_file('plain', place('mixed.fvecs'), "column" => 'v', on_error => 'skip');
SELECT v FROM plain ORDER BY n;

-- What is asked for must make sense.
SELECT complaint(statement) FROM unnest(ARRAY[
  $$SELECT strata.import_file('plain', place('two.fvecs'))$$,
  $$SELECT strata.import_file('plain', place('two.fvecs'), "column" => 'n')$$,
  $$SELECT strata.import_file('plain', place('two.fvecs'), "column" => 'x')$$,
  $$SELECT strata.import_file('plain', place('two.fvecs'), "column" => 'v', id_column => 'h')$$,
  $$SELECT strata.import_file('plain', place('two.fvecs'), "column" => 'v', id_column => 'x')$$,
  $$SELECT strata.import_file('plain', place('two.fvecs'), "column" => 'v', id_column => 'n', first_id => 2147483647)$$,
  $$SELECT strata.import_file('plain', place('two.fvecs'), "column" => 'v', dimensions => 3)$$,
  $$SELECT strata.import_file('items', place('two.fvecs'), dimensions => 3)$$,
  $$SELECT strata.import_file('items', place('two.fvecs'), dimensions => 0)$$,
  $$SELECT strata.import_file('items', place('a.bvecs'), 'fvecs')$$,
  $$SELECT strata.import_file('items', place('two.fvecs'), 'csv')$$,
  $$SELECT strata.import_file('items', place('two.fvecs'), on_error => 'ignore')$$,
  $$SELECT strata.import_file('items', place('two.fvecs'), skip_rows => -1)$$,
  $$SELECT strata.import_file('items', 'relative.fvecs')$$,
  $$SELECT strata.import_file('items', '/dev/zero')$$,
  $$SELECT strata.import_file('items', '/')$$,
  $$SELECT strata.import_file('items', NULL)$$,
  $$SELECT strata.import_file(NULL, place('two.fvecs'))$$]) AS statement;

-- Everything that COPY does to rows: row and statement triggers, partitions, foreign keys, checks, identity.
CREATE TABLE owners (id bigint PRIMARY KEY);
INSERT INTO owners VALUES (0), (1);
CREATE TABLE parts (id bigint REFERENCES owners, v vector(2) CHECK (vector_norm(v) < 100), number int GENERATED ALWAYS AS IDENTITY)
  PARTITION BY RANGE (id);
CREATE TABLE parts_0 PARTITION OF parts FOR VALUES FROM (0) TO (1);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (1) TO (5);
CREATE TABLE log (entry text);
CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO log VALUES (TG_LEVEL || ' ' || TG_WHEN);
  RETURN NEW;
END $$;
CREATE TRIGGER each_row BEFORE INSERT ON parts FOR EACH ROW EXECUTE FUNCTION note();
CREATE TRIGGER statement AFTER INSERT ON parts FOR EACH STATEMENT EXECUTE FUNCTION note();
SELECT * FROM strata.import_file('parts', place('two.fvecs'), id_column => 'id');
SELECT tableoid::regclass, * FROM parts ORDER BY id;
SELECT * FROM log;
SELECT complaint($$SELECT strata.import_file('parts', place('two.fvecs'), id_column => 'id', first_id => 4)$$);
SELECT complaint($$SELECT strata.import_file('parts', place('two.fvecs'), id_column => 'id', first_id => 2)$$);
-- An import within an import, which fails and is caught.
CREATE TABLE outer_items (v vector(2));
CREATE FUNCTION import_again() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM strata.import_file('plain', place('two.fvecs'), "column" => 'v');
  PERFORM strata.import_file('plain', place('nan.fvecs'), "column" => 'v');
  RETURN NEW;
EXCEPTION WHEN bad_copy_file_format THEN
  RETURN NEW;
END $$;
CREATE TRIGGER again BEFORE INSERT ON outer_items FOR EACH ROW EXECUTE FUNCTION import_again();
TRUNCATE plain;
SELECT * FROM strata.import_file('outer_items', place('two.fvecs'));
SELECT count(*), (SELECT count(*) FROM plain) FROM outer_items;

-- A large import into an indexed table is sealed when it is done.
CREATE TABLE indexed (id int, v vector(2));
CREATE INDEX indexed_v ON indexed USING ivf (v);
SELECT strata.export_file('SELECT array[sin(i), cos(i)]::vector(2) FROM generate_series(1, 1500) i', place('many.fvecs'), overwrite => true);
SELECT rows FROM strata.import_file('indexed', place('many.fvecs'), id_column => 'id');
SELECT kind, sum(rows) FROM strata.segments WHERE index = 'indexed_v'::regclass AND state IN ('sealed', 'indexed') AND kind = 'segment' GROUP BY kind;
SELECT rows, heap_rows FROM strata.verify('indexed_v', true);

-- Export: what is written is read back.
SELECT strata.export_file('items', place('out.npy'), overwrite => true);
SELECT strata.export_file('SELECT v FROM files_test.items ORDER BY id', place('out.fvecs'), overwrite => true);
SELECT strata.export_file('items', place('out.bvecs'), overwrite => true);
SELECT encode(pg_read_binary_file(place('out.fvecs')), 'hex');
SELECT encode(pg_read_binary_file(place('out.npy')), 'escape');
SELECT strata.export_file('SELECT v::halfvec(2) AS h FROM files_test.items ORDER BY id LIMIT 1', place('h.npy'), overwrite => true);
SELECT encode(pg_read_binary_file(place('h.npy'), 128, 4), 'hex');
SELECT strata.export_file('SELECT v FROM files_test.items WHERE false', place('none.npy'), overwrite => true);
TRUNCATE plain;
SELECT * FROM strata.import_file('plain', place('out.npy'), "column" => 'v');
SELECT * FROM strata.import_file('plain', place('none.npy'), "column" => 'v');
SELECT (SELECT array_agg(v ORDER BY v) FROM plain) = (SELECT array_agg(v ORDER BY v) FROM items) AS same;
-- Refused: nothing is left under either name.
UPDATE items SET v = '[0.5,1]' WHERE id = 0;
INSERT INTO plain (v) VALUES (NULL), ('[1]');
SELECT complaint(statement) FROM unnest(ARRAY[
  $$SELECT strata.export_file('items', place('out.npy'))$$,
  $$SELECT strata.export_file('items', place('new.bvecs'))$$,
  $$SELECT strata.export_file('plain', place('new.npy'), "column" => 'v')$$,
  $$SELECT strata.export_file('SELECT v FROM files_test.plain WHERE v IS NOT NULL', place('new.npy'))$$,
  $$SELECT strata.export_file('plain', place('new.npy'))$$,
  $$SELECT strata.export_file('items', place('new.csv'))$$,
  $$SELECT strata.export_file('absent', place('new.npy'))$$,
  $$SELECT strata.export_file('SELECT 1', place('new.npy'))$$,
  $$SELECT strata.export_file('WITH x AS (DELETE FROM items RETURNING v) SELECT v FROM x', place('new.npy'))$$,
  $$SELECT strata.export_file('items', '/', 'npy')$$,
  $$SELECT strata.export_file('items', 'relative.npy')$$,
  $$SELECT strata.export_file('items', NULL)$$]) AS statement;
SELECT strata.export_file('items', place('out.npy'), overwrite => true);
SELECT count(*) FROM pg_ls_dir(current_setting('data_directory')) AS name
WHERE name LIKE 'strata_files_test_new%' OR name LIKE 'strata_files_test_%.partial';

-- Privileges: of the current user, at every moment.
CREATE ROLE files_reader;
CREATE ROLE files_nobody;
GRANT USAGE ON SCHEMA files_test TO files_reader, files_nobody;
GRANT pg_read_server_files, pg_write_server_files TO files_reader;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA files_test TO files_reader, files_nobody;
CREATE FUNCTION two() RETURNS text LANGUAGE sql SECURITY DEFINER AS $$ SELECT files_test.place('two.fvecs') $$;
GRANT INSERT (v) ON outer_items TO files_nobody;
GRANT SELECT ON items TO files_nobody;
DROP TRIGGER again ON outer_items;
SET ROLE files_nobody;
SELECT complaint($$SELECT strata.import_file('outer_items', two())$$);
SELECT complaint($$SELECT strata.export_file('items', two() || '.new')$$);
SET ROLE files_reader;
SELECT complaint($$SELECT strata.import_file('outer_items', two())$$);
SELECT complaint($$SELECT strata.export_file('files_test.items', replace(two(), 'two', 'new'))$$);
RESET ROLE;
GRANT INSERT (v) ON outer_items TO files_reader;
SET ROLE files_reader;
SELECT * FROM strata.import_file('outer_items', two());
RESET ROLE;
-- A definer's rights count inside of its function, a caller's do not.
CREATE FUNCTION import_as_reader() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
  SELECT rows FROM strata.import_file('files_test.outer_items', files_test.two())
$$;
ALTER FUNCTION import_as_reader OWNER TO files_reader;
CREATE FUNCTION import_as_nobody() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$
  SELECT rows FROM strata.import_file('files_test.outer_items', files_test.two())
$$;
ALTER FUNCTION import_as_nobody OWNER TO files_nobody;
GRANT EXECUTE ON FUNCTION import_as_reader, import_as_nobody TO files_nobody, files_reader;
SET ROLE files_nobody;
SELECT import_as_reader();
SET ROLE files_reader;
SELECT complaint('SELECT import_as_nobody()');
RESET ROLE;
-- Row-level security, and a transaction that only reads.
ALTER TABLE outer_items ENABLE ROW LEVEL SECURITY;
SET ROLE files_reader;
SELECT complaint($$SELECT strata.import_file('outer_items', two())$$);
RESET ROLE;
SET default_transaction_read_only = on;
SELECT complaint($$SELECT strata.import_file('outer_items', two())$$);
RESET default_transaction_read_only;

SET client_min_messages = error;
DROP SCHEMA files_test CASCADE;
DROP ROLE files_reader;
DROP ROLE files_nobody;
