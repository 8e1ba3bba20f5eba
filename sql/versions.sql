-- versioned tables: keep a state, read it, go back to it, drop it
\set SHOW_CONTEXT never
SET strata.auto_flush_interval = 0;
CREATE TABLE items (id int PRIMARY KEY, v vector(3), note text);
CREATE INDEX items_v ON items USING ivf (v);
INSERT INTO items SELECT i, array[i, i, i]::real[]::vector, 'row ' || i FROM generate_series(1, 1000) i;
SELECT relfilenode AS file FROM pg_class WHERE oid = 'items'::regclass \gset
SELECT strata.enable_versions('items');
SELECT relfilenode = :file AS not_rewritten FROM pg_class WHERE oid = 'items'::regclass;
SELECT strata.create_version('items', 'v1', comment => 'first');
INSERT INTO items VALUES (1001, '[1,2,3]', 'new', 77);
UPDATE items SET note = 'changed' WHERE id <= 5;
UPDATE items SET note = 'changed again' WHERE id <= 2;
DELETE FROM items WHERE id BETWEEN 10 AND 12;
-- what was changed was copied once; what was not, not at all; nobody says when a row was born but strata
SELECT id, note, strata_born, strata_died FROM items_history.items ORDER BY id;
SELECT id, note, strata_born FROM items WHERE strata_born > 0 ORDER BY id;
-- reading: by schema, by function
SELECT count(*), sum(id), min(note), max(note) FROM items_v1.items;
SET search_path = items_v1, public;
SELECT id, note FROM items WHERE id IN (1, 5, 11, 1001) ORDER BY id;
RESET search_path;
-- and through the index, in order
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP RETURN NEXT line; END LOOP;
END $$;
ANALYZE items;
SET enable_seqscan = off;
SET enable_sort = off;
SELECT plan($$SELECT id FROM items_v1.items ORDER BY v <-> '[1,2,3]' LIMIT 5$$);
SELECT id, note FROM items_v1.items ORDER BY v <-> '[11,11,11.1]' LIMIT 5;
SELECT id, note FROM items ORDER BY v <-> '[11,11,11.1]' LIMIT 5;
SELECT plan($$SELECT a.id FROM strata.at(NULL::items, 'v1') AS a ORDER BY a.v <-> '[1,2,3]' LIMIT 5$$);
RESET enable_seqscan;
RESET enable_sort;
SELECT plan($$SELECT id FROM items_v1.items WHERE id = 11$$);
SELECT id, note FROM strata.at(NULL::items, 'v1') WHERE id IN (1, 11) ORDER BY id;
SELECT a.note, l.note FROM strata.at(NULL::items, 'v1') a JOIN strata.at(NULL::items, 'latest') l USING (id) WHERE id = 1;
PREPARE by_name(name) AS SELECT count(*), sum(a.id) FROM strata.at(NULL::items, $1) a;
EXECUTE by_name('v1');
EXECUTE by_name('latest');
SELECT * FROM strata.at(NULL::items, 'nothing');
-- versions cannot be written to
\set VERBOSITY terse
INSERT INTO items_v1.items VALUES (1);
UPDATE items_v1.items SET note = '';
DELETE FROM items_v1.items;
\set VERBOSITY default
-- differences
SELECT * FROM strata.diff('items', 'v1') ORDER BY key;
SELECT * FROM strata.diff('items', 'latest', 'v1') ORDER BY key;
-- back, and back again
CALL strata.rollback_to('items', 'v1', dry_run => true);
SELECT count(*) FROM items;
CALL strata.rollback_to('items', 'v1', keep_as => 'v2');
SELECT count(*), sum(id) FROM items;
SELECT * FROM strata.diff('items', 'v1');
SELECT * FROM strata.diff('items', 'v1', 'v2') ORDER BY key;
CALL strata.rollback_to('items', 'v2');
SELECT * FROM strata.diff('items', 'v2');
CALL strata.rollback_to('items', 'latest');
-- all or nothing
BEGIN;
SELECT strata.create_version('items', 'v3');
DELETE FROM items;
CALL strata.rollback_to('items', 'v1');
ROLLBACK;
SELECT * FROM strata.diff('items', 'v2');
SELECT to_regnamespace('items_v3');
ALTER TABLE items ADD CONSTRAINT small CHECK (note <> 'row 3') NOT VALID;
CALL strata.rollback_to('items', 'v1');
SELECT * FROM strata.diff('items', 'v2');
ALTER TABLE items DROP CONSTRAINT small;
-- whoever wrote past the triggers is found out
SELECT ok, rows, rows = rows_at_creation AS same FROM strata.verify_version('items', 'v1');
SELECT ok FROM strata.verify_version('items', 'v2');
BEGIN;
SET LOCAL session_replication_role = replica;
UPDATE items SET note = 'tampered' WHERE id = 500;
SELECT ok, rows - rows_at_creation AS missing FROM strata.verify_version('items', 'v1');
DELETE FROM items WHERE id = 500;
SELECT ok, rows - rows_at_creation AS missing FROM strata.verify_version('items', 'v1');
ROLLBACK;
SELECT ok FROM strata.verify_version('items', 'v1');
-- what was recorded is the state at the creation, whether anybody asked before or not
CREATE TABLE counted (id int PRIMARY KEY, note text);
INSERT INTO counted SELECT i, 'row ' || i FROM generate_series(1, 50) i;
SELECT strata.enable_versions('counted');
SELECT strata.create_version('counted', 'a'), strata.create_version('counted', 'b');
UPDATE counted SET note = 'new' WHERE id <= 10;
SELECT strata.create_version('counted', 'c');
DO $$
BEGIN
  FOR i IN 1..600 LOOP
    EXIT WHEN NOT EXISTS (SELECT FROM strata.version WHERE relid = 'counted'::regclass AND checksum IS NULL);
    PERFORM pg_sleep(0.1);
    COMMIT;
  END LOOP;
END $$;
SELECT name, row_count, recorded_at > created_at AS recorded FROM strata.version WHERE relid = 'counted'::regclass ORDER BY name;
BEGIN;
SET LOCAL session_replication_role = replica;
DELETE FROM counted WHERE id = 5;
SELECT v.name, c.ok, c.rows - c.rows_at_creation AS missing FROM strata.version v, strata.verify_version('counted', v.name) c
WHERE v.relid = 'counted'::regclass ORDER BY v.name;
ROLLBACK;
SELECT bool_and(c.ok) AS ok FROM strata.version v, strata.verify_version('counted', v.name) c WHERE v.relid = 'counted'::regclass;
BEGIN;
SELECT strata.create_version('counted', 'd');
SELECT ok, rows FROM strata.verify_version('counted', 'd');
COMMIT;
SELECT strata.disable_versions('counted');
DROP TABLE counted;
-- the list
SELECT "table", name, kind, parent, created_by = current_user AS mine, comment, own_bytes > 0 AS own, shared_bytes > 0 AS shared,
       retain_until, state FROM strata.versions ORDER BY created_at;
-- dropping, and taking back
SELECT strata.drop_version('items', 'v1');
SELECT count(*) FROM items_v1.items;
UPDATE items SET note = 'later' WHERE id = 20;
SELECT strata.undrop_version('items', 'v1');
SELECT note FROM items_v1.items WHERE id = 20;
SELECT ok FROM strata.verify_version('items', 'v1');
SELECT strata.drop_version('items', 'v1');
SELECT strata.collect_versions('items');
SELECT strata.collect_versions('items', now => true);
SELECT strata.undrop_version('items', 'v1');
SELECT id, strata_born, strata_died FROM items_history.items ORDER BY id;
-- names
SELECT strata.create_version('items', 'latest');
SELECT strata.create_version('items', '');
SELECT strata.create_version('items', 'a/b');
SELECT strata.create_version('items', 'v2');
SELECT strata.create_version('items', repeat('x', 63)::name);
CREATE SCHEMA items_taken;
SELECT strata.create_version('items', 'taken');
SELECT strata.create_version('items', 'Odd "name"');
SELECT count(*) FROM "items_Odd ""name""".items;
SELECT strata.create_version('items') ~ '^v\d{8}_\d{4}$' AS by_default;
SELECT strata.create_version('items') ~ '^v\d{8}_\d{4}(_2)?$' AS next;
SELECT strata.create_version('items', 'odd', mode => 'sideways');
SELECT strata.create_version('items', 'odd', retain => '-1 day');
SELECT strata.create_version('items', 'odd', from_version => 'nothing');
SELECT strata.drop_version('items', 'nothing');
SELECT strata.create_version('pg_class'::regclass, 'x');
-- retention: by number and by age, and each version for itself
SELECT strata.create_version('items', 'tag', from_version => 'v2');
SELECT * FROM strata.diff('items', 'tag', 'v2');
SELECT strata.create_version('items', 'kept', retain => '30 days');
SELECT retain_until > now() + interval '29 days' AS far FROM strata.versions WHERE name = 'kept';
SELECT strata.set_retention('items', keep_count => 2);
SELECT regexp_replace(name, '^v2\d+_.*', 'v...') AS name FROM strata.versions WHERE state = 'live' ORDER BY created_at;
SELECT strata.create_version('items', 'one more');
SELECT regexp_replace(name, '^v2\d+_.*', 'v...') AS name FROM strata.versions WHERE state = 'live' ORDER BY created_at;
UPDATE strata.version SET created_at = now() - interval '2 days' WHERE name = 'tag';
SELECT strata.set_retention('items', keep_age => '1 day');
UPDATE strata.version SET retain_until = now() - interval '1 second' WHERE name = 'kept';
SELECT strata.collect_versions('items') >= 0 AS collected;
SELECT name, state FROM strata.versions WHERE name IN ('tag', 'kept', 'one more') ORDER BY name;
SELECT strata.set_retention('items', keep_count => -1);
-- a dropped version makes place for one of its name
SELECT strata.create_version('items', 'kept');
-- what cannot have versions
CREATE TABLE no_key (id int);
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY HASH (id);
CREATE TABLE part_0 PARTITION OF parts FOR VALUES WITH (MODULUS 1, REMAINDER 0);
CREATE UNLOGGED TABLE forgetful (id int PRIMARY KEY);
CREATE TEMP TABLE passing (id int PRIMARY KEY);
CREATE VIEW a_view AS SELECT 1 AS id;
CREATE TABLE named (id int PRIMARY KEY, strata_died int);
SELECT strata.enable_versions('no_key');
SELECT strata.enable_versions('parts');
SELECT strata.enable_versions('part_0');
SELECT strata.enable_versions('forgetful');
SELECT strata.enable_versions('passing');
SELECT strata.enable_versions('a_view');
SELECT strata.enable_versions('named');
SELECT strata.enable_versions('items');
SELECT strata.enable_versions('items_history.items');
SELECT strata.enable_versions(NULL);
TRUNCATE items;
-- the end of it
SELECT strata.disable_versions('items');
SELECT attname FROM pg_attribute WHERE attrelid = 'items'::regclass AND attnum > 0 AND NOT attisdropped;
SELECT count(*) FROM strata.version;
SELECT nspname FROM pg_namespace WHERE nspname LIKE 'items%';
TRUNCATE items;
DROP TABLE items, no_key, parts, forgetful, named;
DROP VIEW a_view;
DROP SCHEMA items_taken;
DROP FUNCTION plan;
