-- archives: written, verified, restored, looked into; what is refused
\set VERBOSITY terse
SET client_min_messages = warning;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/helpers/archive_place.sql'
\i :helpers
CREATE TABLE "Odd items" (
  id bigint, part text, v vector(3) NOT NULL, h halfvec(2), n numeric(6,2), j jsonb, tags text[], at timestamptz, big real,
  PRIMARY KEY (id, part));
CREATE INDEX ON "Odd items" USING ivf (v vector_cosine_ops) WITH (min_seal_rows = 500);
CREATE INDEX ON "Odd items" (at);
INSERT INTO "Odd items"
SELECT i, 'p' || i % 3, ARRAY[i, sin(i), 1]::vector, CASE WHEN i % 2 = 0 THEN ARRAY[i % 100, 1]::halfvec END, i / 7.0,
       jsonb_build_object('i', i, 'text', E'a"\\b'), ARRAY['x', NULL, i::text], 'epoch'::timestamptz + i * interval '1 day', 1e30
FROM generate_series(1, 2000) i;

SELECT strata.archive_table('"Odd items"', place(), 'odd', chunk_size => 20000);
SELECT strata.verify_archive(place('odd'));
SELECT m->>'rows' AS rows, m->'key' AS key, m->'columns'->2 AS column, m->'about'->'dimensions' AS dimensions,
       m->'about'->>'relation' AS relation, jsonb_array_length(m->'chunks') > 5 AS several, m->'about'->'indexes'->1->'columns' AS index
FROM strata.archive_manifest(place('odd')) m;
-- Each file is one that COPY reads.
CREATE TABLE one_file (LIKE "Odd items");
SELECT format('COPY one_file FROM %L (FORMAT binary)', place('odd') || '/rows-000001.copy') AS copy \gset
:copy;
SELECT (SELECT count(*) FROM one_file) = (m->'chunks'->0->>'rows')::int AS same FROM strata.archive_manifest(place('odd')) m;

SELECT strata.restore_archive(place('odd'), 'archive_test."Back"');
SELECT strata.restore_archive(place('odd'), 'plain', indexes => false);
SELECT count(*) FROM (SELECT * FROM "Odd items" EXCEPT ALL SELECT * FROM "Back") x;
SELECT count(*) FROM (SELECT * FROM "Back" EXCEPT ALL SELECT * FROM "Odd items") x;
SELECT tablename, replace(indexdef, 'archive_test', '') FROM pg_indexes WHERE tablename IN ('Back', 'plain') ORDER BY 1, 2;
SELECT attname, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute
WHERE attrelid = '"Back"'::regclass AND attnum > 0 ORDER BY attnum;
-- The same bytes again.
SELECT strata.archive_table('"Back"', place(), 'again', chunk_size => 20000);
SELECT a->'chunks' = b->'chunks' AND a->'bloom' = b->'bloom' AS same
FROM strata.archive_manifest(place('odd')) a, strata.archive_manifest(place('again')) b;

-- Views, tables without a key, without rows.
CREATE VIEW half AS SELECT id, v FROM "Odd items" WHERE id % 2 = 0;
SELECT strata.archive_table('half', place(), 'view', key => '{id}');
CREATE TABLE none (v vector(2));
SELECT strata.archive_table('none', place(), 'none');
SELECT strata.verify_archive(place('none')), strata.restore_archive(place('none'), 'none_again');

-- By key, in all archives of a directory.
SELECT archive, row->>'id' AS id, row->>'tags' AS tags, row->>'h' AS h
FROM strata.archive_lookup(place(), '42', 'p0') ORDER BY 1;
SELECT archive, row FROM strata.archive_lookup(place(), '42') ORDER BY 1;
SELECT count(*) FROM strata.archive_lookup(place(), '42', 'p1');
SELECT complaint($$SELECT strata.archive_lookup(place(), 'no number')$$);
-- The filters keep most files from being read.
SELECT count(*) FILTER (WHERE strata._archive_may_hold(place('odd'), (c->>'bloom_offset')::bigint, (c->>'bloom_blocks')::bigint,
    ARRAY[strata._archive_key('bigint', '42'), 'p0'])) AS may_hold, count(*) > 5 AS several
FROM jsonb_array_elements(strata.archive_manifest(place('odd'))->'chunks') c;

-- Refused, and nothing is left behind.
SELECT complaint(statement) FROM unnest(ARRAY[
  $$SELECT strata.archive_table('"Odd items"', place(), 'odd')$$,
  $$SELECT strata.archive_table('"Odd items"', place(), '../x')$$,
  $$SELECT strata.archive_table('"Odd items"', place(), '.x')$$,
  $$SELECT strata.archive_table('"Odd items"', place(), 'x.partial')$$,
  $$SELECT strata.archive_table('"Odd items"', place(), '')$$,
  $$SELECT strata.archive_table('"Odd items"', 'relative')$$,
  $$SELECT strata.archive_table('"Odd items"', place(), 'new', key => '{absent}')$$,
  $$SELECT strata.archive_table('"Odd items"', place(), 'new', chunk_size => 0)$$,
  $$SELECT strata.restore_archive(place('odd'), 'plain')$$,
  $$SELECT strata.restore_archive(place('absent'), 'new')$$,
  $$SELECT strata.restore_archive(place('odd'), 'a.b.c')$$,
  $$SELECT strata.verify_archive(NULL)$$]) AS statement;
CREATE VIEW failing AS SELECT id, 1 / (1500 - id) AS x FROM "Odd items";
SELECT complaint($$SELECT strata.archive_table('failing', place(), 'new', chunk_size => 1000)$$);
SELECT count(*) FROM pg_ls_dir(place()) n WHERE n LIKE 'new%' OR n LIKE '%.partial';

-- Damage is found: a byte that changed, a file that is gone, a manifest that lies.
CREATE FUNCTION put(path text, content bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  object oid := lo_from_bytea(0, content);
BEGIN
  PERFORM lo_export(object, path);
  PERFORM lo_unlink(object);
END $$;
SELECT put(place('view') || '/rows-000001.copy', set_byte(content, 5000, get_byte(content, 5000) # 1))
FROM pg_read_binary_file(place('view') || '/rows-000001.copy') content;
SELECT complaint($$SELECT strata.verify_archive(place('view'))$$);
SELECT complaint($$SELECT strata.restore_archive(place('view'), 'new')$$);
SELECT complaint($$SELECT strata.archive_lookup(place(), '42')$$);
SELECT put(place('again') || '/manifest.json', convert_to(replace(convert_from(content, 'UTF8'), '"rows": 2000', '"rows": 2001'), 'UTF8'))
FROM pg_read_binary_file(place('again') || '/manifest.json') content;
SELECT complaint($$SELECT strata.verify_archive(place('again'))$$);
SELECT complaint($$SELECT strata.restore_archive(place('again'), 'new')$$);
SELECT put(place('again') || '/manifest.json', convert_to(replace(convert_from(content, 'UTF8'), 'rows-000001.copy', '../../x'), 'UTF8'))
FROM pg_read_binary_file(place('again') || '/manifest.json') content;
SELECT complaint($$SELECT strata.verify_archive(place('again'))$$);
SELECT put(place('again') || '/manifest.json', '{"format": "other"}');
SELECT complaint($$SELECT strata.verify_archive(place('again'))$$);
SELECT put(place('again') || '/manifest.json', 'no json');
SELECT complaint($$SELECT strata.verify_archive(place('again'))$$);
-- A type with a statement in it is no type.
SELECT put(place('none') || '/manifest.json', convert_to(regexp_replace(convert_from(content, 'UTF8'), '"type": "[^"]*"',
    '"type": "int); DROP TABLE archive_test.none; --"'), 'UTF8'))
FROM pg_read_binary_file(place('none') || '/manifest.json') content;
SELECT complaint($$SELECT strata.restore_archive(place('none'), 'new')$$);
SELECT to_regclass('none') IS NOT NULL AND to_regclass('new') IS NULL AS untouched;

-- Privileges; and policies must not leave out rows.
CREATE ROLE archive_nobody;
GRANT USAGE ON SCHEMA archive_test TO archive_nobody;
GRANT SELECT ON "Odd items" TO archive_nobody;
SET ROLE archive_nobody;
SELECT complaint($$SELECT strata.archive_table('"Odd items"', '/')$$);
SELECT complaint($$SELECT strata.archive_manifest('/')$$);
SELECT complaint($$SELECT strata.archive_lookup('/', '1')$$);
SELECT complaint($$SELECT strata._load_archive('"Odd items"', '/', '{}', '{}', '{}', '{}')$$);
SELECT complaint($$SELECT strata._check_archive_file('/', 'x', 'x')$$);
SELECT complaint($$SELECT strata._archive_rows('/', 'x', 'x', '{}', '{}', '{}')$$);
SELECT complaint($$SELECT strata._archive_may_hold('/', 0, 1, '{}')$$);
RESET ROLE;
GRANT pg_write_server_files, pg_read_server_files TO archive_nobody;
ALTER TABLE "Odd items" ENABLE ROW LEVEL SECURITY;
SET ROLE archive_nobody;
SELECT complaint($$SELECT strata.archive_table('"Odd items"', '/tmp', 'never')$$);
RESET ROLE;
ALTER TABLE "Odd items" DISABLE ROW LEVEL SECURITY;
REVOKE SELECT ON "Odd items" FROM archive_nobody;
SET ROLE archive_nobody;
SELECT complaint($$SELECT strata.archive_table('"Odd items"', '/tmp', 'never')$$);
RESET ROLE;

SET client_min_messages = error;
DROP SCHEMA archive_test CASCADE;
DROP ROLE archive_nobody;
