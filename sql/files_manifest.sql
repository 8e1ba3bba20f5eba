-- archives: a manifest may say anything. Each value of one is replaced by others, and lines of it are cut; what follows is
-- an archive as good as before, or an error that names what is wrong, and never an internal one.
\set VERBOSITY terse
SET client_min_messages = warning;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/helpers/archive_place.sql'
\i :helpers
CREATE TABLE items (
  id int PRIMARY KEY, number serial, name text COLLATE "C" NOT NULL DEFAULT 'x' UNIQUE, v vector(2) CHECK (vector_dims(v) = 2),
  double int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO items (id, name, v) SELECT i, 'n' || i, ARRAY[i, 1]::vector FROM generate_series(1, 20) i;
CREATE INDEX ON items USING ivf (v, number) WHERE id > 0;
SELECT strata.archive_table('items', place(), 'items', chunk_size => 500);

CREATE FUNCTION put(path text, content bytea) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  object oid := lo_from_bytea(0, content);
BEGIN
  PERFORM lo_export(object, path);
  PERFORM lo_unlink(object);
END $$;
CREATE FUNCTION outcome(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  result bigint;
BEGIN
  EXECUTE statement INTO result;
  RETURN 'ok ' || coalesce(result, 0);
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE TABLE findings (manifest text, call text, outcome text);
CREATE PROCEDURE try_manifest(what text, content text) LANGUAGE plpgsql AS $$
DECLARE
  call text;
BEGIN
  PERFORM put(place('items') || '/manifest.json', convert_to(content, 'UTF8'));
  FOREACH call IN ARRAY ARRAY[
    'SELECT strata.verify_archive(place(''items''))',
    'SELECT count(*) FROM strata.archive_lookup(place(), ''7'')',
    format('SELECT strata.restore_archive(place(''items''), ''restored'', indexes => %L)', what ~ 'indexes')]
  LOOP
    -- What the table was defined by matters to those who restore it.
    CONTINUE WHEN what ~ '{about' AND call !~ 'restore';
    INSERT INTO findings VALUES (what, call, outcome(call));
    DROP TABLE IF EXISTS restored;
  END LOOP;
END $$;
CREATE FUNCTION paths(value jsonb, path text[] DEFAULT '{}') RETURNS SETOF text[] LANGUAGE plpgsql AS $$
DECLARE
  step text;
BEGIN
  IF path <> '{}' THEN RETURN NEXT path; END IF;
  FOR step IN
    SELECT k FROM jsonb_object_keys(CASE jsonb_typeof(value) WHEN 'object' THEN value ELSE '{}' END) k
    UNION ALL
    -- The elements of an array are alike: the first ones tell.
    SELECT n::text FROM generate_series(0, least(2, jsonb_array_length(CASE jsonb_typeof(value) WHEN 'array' THEN value ELSE '[]' END)) - 1) n
  LOOP
    RETURN QUERY SELECT paths(value #> ARRAY[step], path || step);
  END LOOP;
END $$;
-- Reads them whether text or not, as bytes: cut after each line, and with a byte changed here and there.
DO $$
DECLARE
  original text := convert_from(pg_read_binary_file(place('items') || '/manifest.json'), 'UTF8');
  manifest jsonb := original;
  path text[];
  value jsonb;
  place int;
BEGIN
  CALL try_manifest('as it was', original);
  FOR path IN SELECT paths(manifest) LOOP
    FOREACH value IN ARRAY ARRAY['null', '-1', '"../x"', '{"a": 1}']::jsonb[] LOOP
      CONTINUE WHEN path[1] = 'about' AND value NOT IN ('null', '{"a": 1}');
      CALL try_manifest(path::text || ' = ' || value, jsonb_set(manifest, path, value)::text);
    END LOOP;
    CONTINUE WHEN path[1] = 'about';
    CALL try_manifest('without ' || path::text, (manifest #- path)::text);
  END LOOP;
  FOR place IN SELECT generate_series(1, length(original), 397) LOOP
    CALL try_manifest('cut at ' || place, left(original, place));
    CALL try_manifest('byte ' || place, overlay(original PLACING chr(33 + place % 90) FROM place FOR 1));
  END LOOP;
  CALL try_manifest('as it was again', original);
END $$;
SELECT count(*) > 500 AS many, count(*) FILTER (WHERE outcome LIKE 'ok%') > 100 AS some_sound,
       count(*) FILTER (WHERE outcome NOT LIKE 'ok%') > 200 AS many_refused FROM findings;
-- No internal errors, no other number of rows.
SELECT * FROM findings WHERE outcome ~ '^(XX000|P0|57|40|53)' ORDER BY 1, 2 LIMIT 20;
SELECT * FROM findings WHERE call LIKE '%verify%' AND outcome LIKE 'ok%' AND outcome <> 'ok 20' OR call LIKE '%restore%' AND outcome LIKE 'ok%' AND outcome <> 'ok 20'
                          OR call LIKE '%lookup%' AND outcome LIKE 'ok%' AND outcome NOT IN ('ok 0', 'ok 1') ORDER BY 1, 2 LIMIT 20;
SELECT manifest, outcome FROM findings WHERE manifest LIKE 'as it was%' ORDER BY 1, 2;

SET client_min_messages = error;
DROP SCHEMA archive_test CASCADE;
