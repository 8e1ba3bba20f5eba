-- versioned tables: changes of the table itself, constraints, triggers
\set SHOW_CONTEXT never
SET strata.auto_flush_interval = 0;
SET client_min_messages = warning;
CREATE TABLE items (id int PRIMARY KEY, v vector(2), note text);
INSERT INTO items SELECT i, array[i, i]::real[]::vector, 'row ' || i FROM generate_series(1, 6) i;
SELECT strata.enable_versions('items');
SELECT strata.create_version('items', 'v1');
UPDATE items SET note = 'new' WHERE id = 1;
-- columns that come
ALTER TABLE items ADD COLUMN price numeric(8, 2) DEFAULT 9.5, ADD COLUMN tag text COLLATE "C", ADD COLUMN plus int GENERATED ALWAYS AS (id + 1) STORED;
SELECT id, note, price, tag, plus, strata_died FROM items_history.items;
SELECT * FROM items_v1.items ORDER BY id LIMIT 2;
SELECT strata.create_version('items', 'v2');
UPDATE items SET price = 1 WHERE id = 2;
SELECT id, price, plus FROM items_v2.items ORDER BY id LIMIT 2;
SELECT key, change FROM strata.diff('items', 'v1', 'v2');
BEGIN;
CALL strata.rollback_to('items', 'v1');
SELECT id, note, price, plus FROM items ORDER BY id LIMIT 2;
ROLLBACK;
-- columns that go, or change: not behind the back of the versions
ALTER TABLE items DROP COLUMN note;
ALTER TABLE items DROP COLUMN note CASCADE;
\set VERBOSITY terse
ALTER TABLE items ALTER COLUMN price TYPE float8;
\set VERBOSITY default
ALTER TABLE items DROP COLUMN strata_born CASCADE;
SELECT strata.alter_table('items', 'ALTER COLUMN price TYPE float8');
SELECT strata.alter_table('items', 'DROP COLUMN tag');
SELECT strata.alter_table('items', 'DROP COLUMN strata_born');
SELECT strata.alter_table('items', 'nonsense');
SELECT * FROM items_v2.items ORDER BY id LIMIT 2;
UPDATE items SET price = 2 WHERE id = 3;
SELECT id, price FROM items_v2.items WHERE id = 3;
-- names
ALTER TABLE items RENAME COLUMN note TO text;
UPDATE items SET text = 'renamed' WHERE id = 4;
SELECT id, note FROM items_v1.items WHERE id = 4;
ALTER TABLE items RENAME TO things;
SELECT id FROM items_v1.things WHERE id = 4;
UPDATE things SET text = 'renamed again' WHERE id = 5;
SELECT id, text FROM items_history.things WHERE id = 5;
CREATE SCHEMA elsewhere;
ALTER TABLE things SET SCHEMA elsewhere;
UPDATE elsewhere.things SET text = 'moved' WHERE id = 6;
SELECT id, note FROM items_v1.things WHERE id = 6;
ALTER TABLE elsewhere.things SET SCHEMA public;
ALTER TABLE things RENAME TO items;
-- indexes
CREATE INDEX items_v ON items USING ivf (v);
SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = relam
WHERE indrelid = 'items_history.items'::regclass AND amname = 'ivf';
DROP INDEX items_v;
SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = relam
WHERE indrelid = 'items_history.items'::regclass AND amname = 'ivf';
CREATE INDEX CONCURRENTLY items_v ON items USING ivf (v);
SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = relam
WHERE indrelid = 'items_history.items'::regclass AND amname = 'ivf';
-- what would break versions
CREATE FUNCTION pass() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
CREATE TRIGGER "~~~" BEFORE UPDATE ON items FOR EACH ROW EXECUTE FUNCTION pass();
CREATE TRIGGER fine BEFORE UPDATE ON items FOR EACH ROW WHEN (NEW.id = 2) EXECUTE FUNCTION pass();
UPDATE items SET text = 'called off' WHERE id <= 2;
SELECT count(*), count(DISTINCT id) FROM items_v2.items;
DROP TRIGGER fine ON items;
DROP TRIGGER "~strata_versions" ON items;
DROP TABLE items_history.items CASCADE;
ALTER TABLE items SET UNLOGGED;
ALTER TABLE items DROP CONSTRAINT items_pkey;
CREATE TABLE parent (LIKE items INCLUDING GENERATED);
ALTER TABLE items INHERIT parent;
CREATE RULE odd AS ON DELETE TO items DO INSTEAD NOTHING;
\set VERBOSITY terse
DROP TABLE items;
\set VERBOSITY default
-- foreign keys with actions, plus ways; a rollback obeys them
CREATE TABLE groups (id int PRIMARY KEY);
INSERT INTO groups VALUES (1), (2);
CREATE TABLE members (id int PRIMARY KEY, grp int REFERENCES groups ON DELETE CASCADE ON UPDATE CASCADE);
CREATE TABLE badges (member int REFERENCES members ON DELETE CASCADE);
INSERT INTO members SELECT i, 1 + i % 2 FROM generate_series(1, 4) i;
SELECT strata.enable_versions('members');
SELECT strata.create_version('members', 'v1');
INSERT INTO badges VALUES (1), (3);
DELETE FROM groups WHERE id = 1;
UPDATE groups SET id = 20 WHERE id = 2;
SELECT id, grp FROM members ORDER BY id;
SELECT id, grp FROM members_v1.members ORDER BY id;
CALL strata.rollback_to('members', 'v1');
INSERT INTO groups VALUES (1), (2);
CALL strata.rollback_to('members', 'v1');
SELECT id, grp FROM members ORDER BY id;
SELECT * FROM badges ORDER BY 1;
SELECT strata.disable_versions('members');
-- unique columns that changed hands
CREATE TABLE seats (id int PRIMARY KEY, place text UNIQUE);
INSERT INTO seats VALUES (1, 'a'), (2, 'b');
SELECT strata.enable_versions('seats', schema_prefix => 'other');
SELECT strata.create_version('seats', 'v1');
UPDATE seats SET place = 'c' WHERE id = 1;
UPDATE seats SET place = 'a' WHERE id = 2;
UPDATE seats SET place = 'b' WHERE id = 1;
CALL strata.rollback_to('seats', 'v1');
SELECT * FROM other_v1.seats EXCEPT SELECT id, place, 0 FROM seats;
-- HOT updates stay so
BEGIN;
CREATE TABLE warm (id int PRIMARY KEY, note text) WITH (fillfactor = 50);
INSERT INTO warm SELECT i, 'a' FROM generate_series(1, 50) i;
SELECT strata.enable_versions('warm');
SELECT strata.create_version('warm', 'v1');
UPDATE warm SET note = 'b';
SELECT pg_stat_get_xact_tuples_hot_updated('warm'::regclass) = pg_stat_get_xact_tuples_updated('warm'::regclass) AS all_hot;
ROLLBACK;
-- all of one name at once
SELECT strata.enable_versions('badges');
ALTER TABLE badges ADD PRIMARY KEY (member);
SELECT strata.enable_versions('badges', schema_prefix => 'items');
SELECT strata.enable_versions('badges', schema_prefix => repeat('x', 60)::name);
-- dropping
DROP VIEW items_v1.items;
SELECT name, state FROM strata.versions WHERE "table" = 'items'::regclass ORDER BY name;
SELECT strata.undrop_version('items', 'v1');
DROP SCHEMA items_v2 CASCADE;
SELECT name, state FROM strata.versions WHERE "table" = 'items'::regclass ORDER BY name;
DROP TABLE items, seats CASCADE;
SELECT count(*) FROM strata.version;
SELECT count(*) FROM strata.versioned_table;
SELECT nspname FROM pg_namespace WHERE nspname ~ '^(items|other)';
DROP TABLE parent, badges, members, groups;
DROP SCHEMA elsewhere;
DROP FUNCTION pass;
