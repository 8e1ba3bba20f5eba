-- soft drop: out of sight, and back as it was
CREATE ROLE trash_owner;
CREATE ROLE trash_other;
GRANT CREATE ON SCHEMA public TO trash_owner;
CREATE SCHEMA shop AUTHORIZATION trash_owner;
SET ROLE trash_owner;
CREATE TABLE parents (id int PRIMARY KEY);
INSERT INTO parents VALUES (1), (2);
CREATE TABLE items (id serial PRIMARY KEY, parent int REFERENCES parents, v vector(3), note text DEFAULT 'x' CHECK (note <> ''));
CREATE INDEX items_v ON items USING ivf (v);
GRANT SELECT, INSERT ON items TO trash_other;
INSERT INTO items (parent, v) SELECT 1, ARRAY[i, 0, 0]::vector FROM generate_series(1, 50) i;
COMMENT ON TABLE items IS 'kept';

SELECT strata.drop_soft('items') ~ '^strata_trash_\d+$' AS dropped;
SELECT * FROM items;
SELECT name ~ '^strata_trash_' AS name, schema, "table", owner, removed_at - dropped_at AS kept, bytes > 0 AS bytes FROM strata.trash;
-- names are free again, also those of the index and the sequence
CREATE TABLE items (id serial PRIMARY KEY, w int);
SELECT count(*) FROM pg_class WHERE relname IN ('items', 'items_pkey', 'items_id_seq', 'items_v');
-- its rows still hold what they refer to
DELETE FROM parents WHERE id = 2;
DELETE FROM parents WHERE id = 1;
-- nobody else comes near it
RESET ROLE;
SELECT name AS place FROM strata.trash \gset
SET ROLE trash_other;
SELECT has_schema_privilege(:'place', 'USAGE') AS may_look;
SELECT * FROM strata.trash;
SELECT strata.undrop('items');
\echo :LAST_ERROR_SQLSTATE
SELECT strata.drop_soft('items');
\echo :LAST_ERROR_SQLSTATE
SET ROLE trash_owner;

-- back
SELECT strata.undrop('items');
\echo :LAST_ERROR_SQLSTATE
SELECT strata.undrop('items', 'old_items');
SELECT count(*), max(id) FROM old_items;
SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE relname IN ('items', 'old_items', 'items_pkey', 'items_id_seq', 'items_v') ORDER BY 2, 1;
SELECT has_table_privilege('trash_other', 'old_items', 'INSERT') AS privileges, obj_description('old_items'::regclass) AS comment;
INSERT INTO old_items (parent, v) VALUES (1, '[9,9,9]') RETURNING id;
INSERT INTO old_items (parent, v) VALUES (2, '[9,9,9]');
SET enable_seqscan = off;
SELECT id FROM old_items ORDER BY v <-> '[8,8,8]' LIMIT 2;
RESET enable_seqscan;
SELECT count(*) AS left FROM strata.trash;
SELECT count(*) AS left FROM pg_namespace WHERE nspname LIKE 'strata\_trash%';
SELECT count(*) AS left FROM strata.dropped_tables;

-- several of one name: the last one first; or by the name in the trash
DROP TABLE items, old_items;
CREATE TABLE shop.items AS SELECT 1 AS generation;
SELECT strata.drop_soft('shop.items') AS first \gset
CREATE TABLE shop.items AS SELECT 2 AS generation;
SELECT strata.drop_soft('shop.items') <> :'first' AS other;
CREATE TABLE items AS SELECT 3 AS generation;
SELECT strata.drop_soft('items') IS NOT NULL AS dropped;
SELECT schema, "table" FROM strata.trash ORDER BY dropped_at;
SELECT strata.undrop('shop.items');
SELECT * FROM shop.items;
SELECT strata.undrop(:'first', 'first_items');
SELECT * FROM shop.first_items;
SELECT strata.undrop('ITEMS');
SELECT * FROM items;
SELECT strata.undrop('items');
\echo :LAST_ERROR_SQLSTATE
SELECT strata.undrop(NULL);
SELECT strata.undrop('a.b.c.d');

-- rolled back, nothing has happened
BEGIN;
SELECT strata.drop_soft('items') IS NOT NULL AS dropped;
ROLLBACK;
SELECT count(*) FROM items;
SELECT count(*) AS left FROM strata.trash;

-- the schema is gone, or closed
SELECT strata.drop_soft('shop.items') IS NOT NULL AS dropped;
DROP TABLE shop.first_items;
DROP SCHEMA shop;
SELECT strata.undrop('shop.items');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
CREATE SCHEMA shop;
SET ROLE trash_owner;
SELECT strata.undrop('shop.items');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
GRANT CREATE ON SCHEMA shop TO trash_owner;
SET ROLE trash_owner;
SELECT strata.undrop('shop.items');

-- what cannot be dropped softly
CREATE VIEW seen AS SELECT generation FROM items;
SELECT strata.drop_soft('items');
\echo :LAST_ERROR_SQLSTATE
SELECT strata.drop_soft('seen');
\echo :LAST_ERROR_SQLSTATE
DROP VIEW seen;
SELECT strata.drop_soft('parents') IS NOT NULL AS dropped;
SELECT strata.undrop('parents');
CREATE TABLE children (parent int REFERENCES parents);
SELECT strata.drop_soft('parents');
DROP TABLE children;
CREATE TABLE split (i int) PARTITION BY LIST (i);
CREATE TABLE split_1 PARTITION OF split FOR VALUES IN (1);
SELECT strata.drop_soft('split');
\echo :LAST_ERROR_SQLSTATE
SELECT strata.drop_soft('split_1');
CREATE TABLE heir () INHERITS (items);
SELECT strata.drop_soft('items');
SELECT strata.drop_soft('heir');
DROP TABLE heir, split;
CREATE TEMP TABLE passing (i int);
SELECT strata.drop_soft('passing');
SELECT strata.drop_soft('pg_class');
SELECT strata.drop_soft(12::oid::regclass);
BEGIN;
DECLARE c CURSOR FOR SELECT * FROM items;
SELECT strata.drop_soft('items');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
BEGIN READ ONLY;
SELECT strata.drop_soft('items');
ROLLBACK;
SELECT strata.drop_soft('items') AS twice \gset
SELECT strata.drop_soft((:'twice' || '.items')::regclass);

-- its owner may drop it for good
\set ECHO none
SELECT format('DROP TABLE %I.items', :'twice') \gexec
\set ECHO all
SELECT count(*) FROM strata.trash;
RESET ROLE;
DROP TABLE shop.items, parents;
DROP SCHEMA shop;
REVOKE CREATE ON SCHEMA public FROM trash_owner;
DROP OWNED BY trash_owner;
DROP ROLE trash_owner, trash_other;
