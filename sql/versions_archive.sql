-- archives of versions: written, verified, then dropped; policies
\set VERBOSITY terse
SET client_min_messages = warning;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/helpers/archive_place.sql'
\i :helpers
CREATE TABLE items (id bigint PRIMARY KEY, v vector(2), note text);
CREATE INDEX items_v ON items USING ivf (v);
INSERT INTO items SELECT i, ARRAY[i, 1]::vector, 'first' FROM generate_series(1, 300) i;
SELECT strata.enable_versions('items');
SELECT strata.create_version('items', 'v1');
UPDATE items SET note = 'second' WHERE id % 2 = 0;
DELETE FROM items WHERE id > 200;
SELECT strata.create_version('items', 'v2');
INSERT INTO items VALUES (1000, '[0,0]', 'third');
SELECT strata.create_version('items', 'v3');
CREATE TABLE copy_of_v1 AS SELECT * FROM items_v1.items;

CALL strata.archive_version('items', 'v1', place());
SELECT name, state FROM strata.version WHERE relid = 'items'::regclass ORDER BY name;
SELECT to_regclass('items_v1.items') IS NULL AS gone;
SELECT strata.verify_archive(place('items_v1'));
SELECT m->'key' AS key, m->'about'->>'version' AS version, m->'about'->>'version_kind' AS kind, m->'columns' AS columns
FROM strata.archive_manifest(place('items_v1')) m;
SELECT strata.restore_archive(place('items_v1'), 'archive_test.restored');
SELECT count(*) FROM (SELECT * FROM restored EXCEPT ALL SELECT * FROM copy_of_v1) x;
SELECT count(*) FROM (SELECT * FROM copy_of_v1 EXCEPT ALL SELECT * FROM restored) x;
SELECT row->>'note' AS note FROM strata.archive_lookup(place(), '250');
SELECT count(*) FROM items;

-- Policies: the newest stay.
SELECT complaint(statement) FROM unnest(ARRAY[
  $$SELECT strata.set_archive_policy('items', keep_last => 1)$$,
  $$SELECT strata.set_archive_policy('items', directory => '/x')$$,
  $$SELECT strata.set_archive_policy('items', keep_last => -1, directory => '/x')$$,
  $$SELECT strata.set_archive_policy('items', keep_last => 1, directory => 'x')$$,
  $$SELECT strata.set_archive_policy('copy_of_v1', keep_last => 1, directory => '/x')$$,
  $$CALL strata.run_archiving('items')$$,
  $$CALL strata.archive_version('items', 'v9', place())$$]) AS statement;
-- In a transaction, so that no background worker sees them.
BEGIN;
SELECT strata.set_archive_policy('items', older_than => '1 hour', directory => place());
SELECT count(*) FROM strata._archive_due('items');
SELECT strata.set_archive_policy('items', older_than => '0 seconds', keep_last => 1, directory => place());
SELECT strata._archive_due('items');
-- An archive without the end of its version: the next run verifies it and goes on.
SAVEPOINT before;
CALL strata.run_archiving('items');
ROLLBACK TO before;
SELECT strata.verify_archive(place('items_v2'));
SELECT name, state FROM strata.version WHERE relid = 'items'::regclass ORDER BY name;
CALL strata.run_archiving('items');
CALL strata.run_archiving('items');
SELECT name, state FROM strata.version WHERE relid = 'items'::regclass ORDER BY name;
SELECT strata.set_archive_policy('items', older_than => '1 day', directory => place());
COMMIT;
-- An archive of something else is in the way: nothing is dropped.
SELECT strata.archive_table('copy_of_v1', place(), 'items_v3');
SELECT complaint($$CALL strata.archive_version('items', 'v3', place())$$);
SELECT name, state FROM strata.version WHERE relid = 'items'::regclass AND name = 'v3';

-- Policies belong to the owners of tables.
CREATE ROLE archive_other;
GRANT USAGE ON SCHEMA archive_test TO archive_other;
SET ROLE archive_other;
SELECT complaint($$SELECT strata.set_archive_policy('items', keep_last => 0, directory => '/x')$$);
SELECT complaint($$INSERT INTO strata.archive_policy VALUES ('items', '/x', NULL, 0)$$);
SELECT complaint($$UPDATE strata.archive_policy SET directory = '/x'$$);
SELECT complaint($$CALL strata.archive_version('items', 'v3', '/x')$$);
RESET ROLE;
SELECT strata.set_archive_policy('items');
SELECT count(*) FROM strata.archive_policy;

SET client_min_messages = error;
SELECT strata.disable_versions('items');
DROP SCHEMA archive_test CASCADE;
DROP ROLE archive_other;
