-- Versions with rows of their own of tables with row-level security: policies come with the table, and stay with it.
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT current_database() AS database \gset
CREATE ROLE content_owner;
CREATE ROLE content_reader;
CREATE ROLE content_clerk;
GRANT CREATE ON DATABASE :"database" TO content_owner;
CREATE SCHEMA contents AUTHORIZATION content_owner;
GRANT USAGE ON SCHEMA contents TO PUBLIC;
SET ROLE content_owner;
SET search_path = contents, public;
CREATE TABLE members (who name, tenant text);
INSERT INTO members VALUES ('content_reader', 'a'), ('content_clerk', 'b');
GRANT SELECT ON members TO PUBLIC;
CREATE TABLE notes (id int PRIMARY KEY, tenant text, v vector(2), secret text);
INSERT INTO notes SELECT i, CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END, ARRAY[i, 1]::real[]::vector, 'base ' || i FROM generate_series(1, 8) i;
CREATE INDEX ON notes USING ivf (v);
GRANT SELECT, INSERT, UPDATE, DELETE ON notes TO content_reader, content_clerk;
SELECT strata.enable_versions('notes');
SELECT strata.create_version('notes', 'open', mode => 'copy');
ALTER TABLE notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON notes FOR SELECT USING (EXISTS (SELECT FROM members m WHERE m.who = current_user AND m.tenant = notes.tenant));
CREATE POLICY reader_writes ON notes FOR ALL TO content_reader USING (tenant = 'a') WITH CHECK (tenant = 'a' AND id > 100);
CREATE POLICY no_two ON notes AS RESTRICTIVE FOR SELECT USING (id <> 2);
SELECT strata.create_version('notes', 's1');
UPDATE notes SET secret = 'later ' || id;
SELECT strata.create_version('notes', 'twin', mode => 'copy');
SELECT strata.create_version('notes', 'past', mode => 'copy', from_version => 's1');
SELECT strata.create_version('notes', 'wide', mode => 'copy', dimensions => 3);
SELECT strata.create_version('notes', 'fresh', mode => 'empty', dimensions => 3);
INSERT INTO notes_fresh.notes SELECT id, tenant, ARRAY[id, 1, 1]::real[]::vector, 'fresh ' || id FROM notes;
CREATE FUNCTION seen() RETURNS TABLE (version text, rows bigint, ids text, secrets text) LANGUAGE plpgsql AS $$
BEGIN
  FOREACH version IN ARRAY ARRAY['contents.notes', 'notes_s1.notes', 'notes_open.notes', 'notes_twin.notes', 'notes_past.notes',
                                 'notes_wide.notes', 'notes_fresh.notes'] LOOP
    EXECUTE format('SELECT count(*), string_agg(id::text, '','' ORDER BY id), min(secret) FROM %s', version) INTO rows, ids, secrets;
    RETURN NEXT;
  END LOOP;
END $$;
SELECT * FROM seen();
SET ROLE content_reader;
SELECT * FROM seen();
CREATE FUNCTION pg_temp.leak(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.000001 AS $$BEGIN RAISE WARNING 'saw %', $1; RETURN true; END$$;
SELECT id FROM notes_twin.notes WHERE pg_temp.leak(secret) ORDER BY id;
SELECT id FROM notes_twin.notes ORDER BY v <-> '[1,1]' LIMIT 2;
COPY (SELECT id FROM notes_fresh.notes ORDER BY id) TO stdout;
-- Writers are under the policies, too.
INSERT INTO notes_twin.notes VALUES (101, 'a', '[1,1]', 'own');
INSERT INTO notes_twin.notes VALUES (102, 'b', '[1,1]', 'forged');
UPDATE notes_fresh.notes SET tenant = 'b' WHERE id = 4;
DELETE FROM notes_fresh.notes WHERE tenant = 'b';
DELETE FROM notes_fresh.notes WHERE id = 4;
SET ROLE content_clerk;
SELECT * FROM seen();
INSERT INTO notes_twin.notes VALUES (103, 'b', '[1,1]', 'no policy lets a clerk write');
DELETE FROM notes_twin.notes;
-- What is changed in the table is changed in them, dropped ones included.
SET ROLE content_owner;
SELECT strata.drop_version('notes', 'past');
ALTER POLICY no_two ON notes USING (id > 6);
DROP POLICY reader_writes ON notes;
SELECT strata.undrop_version('notes', 'past');
SET ROLE content_reader;
SELECT version, ids FROM seen();
DELETE FROM notes_twin.notes;
-- A policy on a column that they have not leaves them to the owner.
SET ROLE content_owner;
ALTER TABLE notes ADD COLUMN public boolean DEFAULT true;
CREATE POLICY published ON notes AS RESTRICTIVE USING (public);
SET ROLE content_reader;
SELECT version, ids FROM seen();
SET ROLE content_owner;
SELECT version, rows FROM seen();
DROP POLICY published ON notes;
ALTER TABLE notes DROP COLUMN public CASCADE;
SET ROLE content_reader;
SELECT version, ids FROM seen();
-- The table of the other model takes the place of the table, and the policies hold for both.
SET ROLE content_owner;
ALTER TABLE notes_fresh.notes DISABLE ROW LEVEL SECURITY;
SELECT strata.promote('notes', 'fresh', keep_as => 'old');
UPDATE notes SET secret = 'new ' || id;
SET ROLE content_reader;
SELECT id, secret FROM notes ORDER BY id;
SELECT id, secret FROM notes_old.notes ORDER BY id;
SELECT id, secret FROM notes_s1.notes ORDER BY id;
SELECT count(*) FROM notes_history.notes;
SET ROLE content_owner;
ALTER POLICY no_two ON notes USING (id > 7);
SET ROLE content_reader;
SELECT id FROM notes ORDER BY id;
SELECT id FROM notes_old.notes ORDER BY id;
SELECT id FROM notes_s1.notes ORDER BY id;
-- Policies that hold for the owner, too.
SET ROLE content_owner;
ALTER TABLE notes FORCE ROW LEVEL SECURITY;
SELECT count(*) FROM notes;
SELECT version, rows FROM (SELECT 'twin' AS version, count(*) AS rows FROM notes_twin.notes UNION ALL SELECT 's1', count(*) FROM notes_s1.notes
                           UNION ALL SELECT 'old', count(*) FROM notes_old.notes) s ORDER BY 1;
SELECT strata.create_version('notes', 'forced', mode => 'copy');
SELECT strata.create_version('notes', 'forced', mode => 'empty');
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'notes_forced.notes'::regclass;
ALTER TABLE notes NO FORCE ROW LEVEL SECURITY;
SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = 'notes_forced.notes'::regclass;
SELECT version, rows FROM (SELECT 'twin' AS version, count(*) AS rows FROM notes_twin.notes UNION ALL SELECT 's1', count(*) FROM notes_s1.notes
                           UNION ALL SELECT 'old', count(*) FROM notes_old.notes) s ORDER BY 1;
-- Without row-level security of the table they keep their own.
ALTER TABLE notes DISABLE ROW LEVEL SECURITY;
SELECT count(*) FROM pg_class WHERE relname = 'notes' AND relnamespace::regnamespace::text IN ('notes_twin', 'notes_old', 'notes_forced') AND relrowsecurity;
-- They go with the table to another owner, and so do the versions of a table that was replaced.
RESET ROLE;
CREATE ROLE content_heir;
GRANT CREATE ON DATABASE :"database" TO content_heir;
GRANT ALL ON SCHEMA contents TO content_heir;
ALTER TABLE notes OWNER TO content_heir;
SELECT n.nspname, c.relname ~ '^notes' AS own, n.nspowner::regrole, c.relowner::regrole
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname ~ '^~?notes_' AND c.relkind IN ('r', 'v') ORDER BY 1, 2, c.relname;
SET ROLE content_heir;
SELECT strata.promote('notes', 'old', keep_as => 'fresh');
SELECT count(*) FROM notes_s1.notes;
SELECT strata.promote('notes', 'fresh', keep_as => 'old');
SELECT strata.drop_version('notes', 's1');
SELECT strata.collect_versions('notes', now => true) >= 0 AS collected;
SELECT count(strata.drop_version('notes', name)) FROM strata.versions WHERE state = 'live';
SELECT strata.disable_versions('notes');
RESET ROLE;
DROP SCHEMA contents CASCADE;
DROP OWNED BY content_owner, content_heir, content_reader, content_clerk;
DROP ROLE content_owner, content_heir, content_reader, content_clerk;
