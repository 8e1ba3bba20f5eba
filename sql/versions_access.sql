-- versioned tables: who may do what, and who sees what
\set SHOW_CONTEXT never
SET strata.auto_flush_interval = 0;
SET client_min_messages = warning;
CREATE ROLE version_owner;
CREATE ROLE version_reader;
CREATE ROLE version_column_reader;
CREATE ROLE version_writer;
CREATE ROLE version_stranger;
GRANT CREATE ON SCHEMA public TO version_owner;
SELECT current_database() AS database \gset
SET ROLE version_owner;
CREATE TABLE items (id int PRIMARY KEY, tenant name, v vector(2), secret text);
INSERT INTO items SELECT i, CASE WHEN i % 2 = 0 THEN 'version_reader' ELSE 'version_other' END, array[i, i]::real[]::vector, 's' || i
  FROM generate_series(1, 10) i;
-- a version needs a schema, and the right to make one in this database
\set VERBOSITY sqlstate
SELECT strata.enable_versions('items');
\set VERBOSITY default
RESET ROLE;
GRANT CREATE ON DATABASE :"database" TO version_owner;
SET ROLE version_owner;
GRANT SELECT ON items TO version_reader;
GRANT SELECT (id, v) ON items TO version_column_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON items TO version_writer;
SELECT strata.enable_versions('items');
SELECT strata.create_version('items', 'v1');
-- what others may do
SET ROLE version_writer;
UPDATE items SET secret = 'changed' WHERE id <= 2;
DELETE FROM items WHERE id = 3;
SELECT count(*) FROM items_v1.items;
SELECT count(*) FROM items_history.items;
SELECT strata.create_version('items', 'mine');
SELECT strata.drop_version('items', 'v1');
CALL strata.rollback_to('items', 'v1');
UPDATE strata.version SET comment = 'mine';
DELETE FROM strata.versioned_table;
INSERT INTO strata.versioned_table VALUES ('pg_authid', 'pg_class', 1, 'evil');
SELECT * FROM strata.diff('items', 'v1') ORDER BY key;
SET ROLE version_reader;
SELECT secret FROM items_v1.items WHERE id <= 3 ORDER BY id;
SELECT count(*) FROM strata.versions WHERE name = 'v1';
SET ROLE version_column_reader;
SELECT id, v FROM items_v1.items WHERE id <= 3 ORDER BY id;
SELECT secret FROM items_v1.items;
SET ROLE version_stranger;
SELECT id FROM items_v1.items;
SELECT id FROM items_history.items;
SELECT count(*) FROM strata.versions WHERE name = 'v1';
-- privileges that change later
SET ROLE version_owner;
REVOKE SELECT ON items FROM version_reader;
GRANT SELECT (secret) ON items TO version_column_reader;
SET ROLE version_reader;
SELECT secret FROM items_v1.items;
SET ROLE version_column_reader;
SELECT secret FROM items_v1.items WHERE id = 1;
SET ROLE version_owner;
GRANT SELECT ON items TO version_reader;
-- a branch can be written to by whoever may write to the table
SELECT strata.create_version('items', 'exp', mode => 'branch');
SET ROLE version_writer;
UPDATE items_exp.items SET secret = 'branch' WHERE id = 5;
INSERT INTO items_exp.items (id) VALUES (77);
SELECT id, secret FROM items_exp.items WHERE id IN (5, 77) ORDER BY id;
SET ROLE version_reader;
UPDATE items_exp.items SET secret = 'branch' WHERE id = 5;
-- row-level security: versions show what the table would
SET ROLE version_owner;
CREATE POLICY own_rows ON items FOR SELECT TO version_reader, version_writer USING (tenant = current_user);
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
SET ROLE version_reader;
SELECT id FROM items ORDER BY id;
SELECT id FROM items_v1.items ORDER BY id;
SELECT id FROM items_history.items ORDER BY id;
SELECT id FROM strata.at(NULL::items, 'v1') ORDER BY id;
SELECT key FROM strata.diff('items', 'v1') ORDER BY key;
SELECT count(*) FROM items_exp.items;
CREATE FUNCTION pg_temp.leak(text) RETURNS boolean LANGUAGE plpgsql COST 0.000001 AS $$BEGIN RAISE NOTICE 'saw %', $1; RETURN true; END$$;
SELECT id FROM items_v1.items WHERE pg_temp.leak(secret) AND id <= 4 ORDER BY id;
SET client_min_messages = notice;
SELECT id FROM items_v1.items WHERE pg_temp.leak(secret) AND id <= 4 ORDER BY id;
SET client_min_messages = warning;
SET ROLE version_column_reader;
SELECT id FROM items_v1.items;
SET ROLE version_owner;
SELECT count(*) FROM items_v1.items;
SELECT ok FROM strata.verify_version('items', 'v1');
ALTER POLICY own_rows ON items USING (id > 8 AND tenant = current_user);
SET ROLE version_reader;
SELECT id FROM items_v1.items ORDER BY id;
SET ROLE version_owner;
ALTER POLICY own_rows ON items RENAME TO renamed;
CREATE POLICY odd ON items AS RESTRICTIVE FOR SELECT TO PUBLIC USING (id <> 10);
SET ROLE version_reader;
SELECT id FROM items_v1.items ORDER BY id;
SET ROLE version_owner;
DROP POLICY renamed ON items;
SET ROLE version_reader;
SELECT id FROM items_v1.items ORDER BY id;
SET ROLE version_owner;
ALTER TABLE items FORCE ROW LEVEL SECURITY;
CALL strata.rollback_to('items', 'v1');
ALTER TABLE items NO FORCE ROW LEVEL SECURITY;
CALL strata.rollback_to('items', 'v1');
ALTER TABLE items DISABLE ROW LEVEL SECURITY;
SET ROLE version_column_reader;
SELECT count(id) FROM items_v1.items;
-- a superuser makes versions as the owner: what is made is his, and so is what runs
RESET ROLE;
SELECT strata.create_version('items', 'v2');
SELECT nspname, nspowner::regrole FROM pg_namespace WHERE nspname LIKE 'items%' ORDER BY 1;
SET ROLE version_owner;
CREATE FUNCTION who() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RAISE WARNING 'as %', current_user; RETURN NEW; END$$;
CREATE TRIGGER who BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION who();
DELETE FROM items WHERE id = 1;
RESET ROLE;
CALL strata.rollback_to('items', 'v2');
-- another owner
ALTER TABLE items OWNER TO version_writer;
SELECT c.oid::regclass, relowner::regrole FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace
  WHERE nspname LIKE 'items%' AND relkind IN ('r', 'v') ORDER BY c.oid::regclass::text;
SET ROLE version_writer;
UPDATE items SET secret = 'new owner' WHERE id = 4;
SELECT secret FROM items_v2.items WHERE id = 4;
RESET ROLE;
SELECT strata.disable_versions('items');
DROP TABLE items;
DROP OWNED BY version_owner, version_reader, version_column_reader, version_writer, version_stranger;
DROP ROLE version_owner, version_reader, version_column_reader, version_writer, version_stranger;
