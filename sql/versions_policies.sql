-- Branches of tables with row-level security: readers see of them what the policies let them see, writers are owners.
\set VERBOSITY terse
SET client_min_messages = warning;
SELECT current_database() AS database \gset
CREATE ROLE policy_owner;
CREATE ROLE policy_reader;
CREATE ROLE policy_clerk;
GRANT CREATE ON DATABASE :"database" TO policy_owner;
CREATE SCHEMA policies AUTHORIZATION policy_owner;
GRANT USAGE ON SCHEMA policies TO PUBLIC;
SET ROLE policy_owner;
CREATE TABLE policies.notes (id int PRIMARY KEY, tenant name, v vector(2), secret text);
INSERT INTO policies.notes SELECT i, CASE i % 2 WHEN 0 THEN 'policy_reader' ELSE 'policy_clerk' END, ARRAY[i, 1]::real[]::vector, 'base ' || i
  FROM generate_series(1, 8) i;
CREATE INDEX ON policies.notes USING ivf (v);
SELECT strata.enable_versions('policies.notes');
SELECT strata.create_version('policies.notes', 'early', mode => 'branch');
GRANT SELECT, INSERT, UPDATE, DELETE ON policies.notes TO policy_reader, policy_clerk;
ALTER TABLE policies.notes ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON policies.notes USING (tenant = current_user);
SELECT strata.create_version('policies.notes', 'late', mode => 'branch');
-- In both: 2 (reader's) changes hands, 3 (clerk's) and 4 (reader's) go, one new row of each.
DO $$
DECLARE
  branch text;
BEGIN
  FOREACH branch IN ARRAY ARRAY['notes_early.notes', 'notes_late.notes'] LOOP
    EXECUTE format($s$UPDATE %s SET tenant = 'policy_clerk', secret = 'moved 2' WHERE id = 2$s$, branch);
    EXECUTE format('DELETE FROM %s WHERE id IN (3, 4)', branch);
    EXECUTE format($s$INSERT INTO %s VALUES (10, 'policy_reader', '[10,1]', 'new 10'), (11, 'policy_clerk', '[11,1]', 'new 11')$s$, branch);
  END LOOP;
END $$;
DELETE FROM policies.notes WHERE id = 6;
SELECT id, tenant, secret FROM notes_late.notes ORDER BY id;
SET ROLE policy_reader;
SELECT id, tenant, secret FROM notes_early.notes ORDER BY id;
SELECT id, tenant, secret FROM notes_late.notes ORDER BY id;
SELECT id FROM notes_late.notes ORDER BY v <-> '[1,1]' LIMIT 2;
SELECT id FROM strata.at(NULL::policies.notes, 'late') ORDER BY id;
-- The tables behind it say no more than that: of the keys that are gone, those of his rows.
SELECT id, secret FROM notes_history.late_delta ORDER BY id;
SELECT * FROM notes_history.late_gone ORDER BY id;
CREATE FUNCTION pg_temp.leak(anyelement) RETURNS boolean LANGUAGE plpgsql COST 0.000001 AS $$BEGIN RAISE WARNING 'saw %', $1; RETURN true; END$$;
SELECT id FROM notes_late.notes WHERE pg_temp.leak(secret) ORDER BY id;
SELECT id FROM notes_history.late_gone WHERE pg_temp.leak(id) ORDER BY id;
COPY (SELECT id FROM notes_late.notes ORDER BY id) TO stdout;
-- Nothing is written past the policies.
INSERT INTO notes_late.notes VALUES (12, 'policy_clerk', '[12,1]', 'forged');
INSERT INTO notes_late.notes VALUES (12, 'policy_reader', '[12,1]', 'own, but not his branch');
UPDATE notes_late.notes SET secret = 'forged' WHERE id = 10;
DELETE FROM notes_late.notes WHERE id = 10;
COPY notes_late.notes (id, tenant) FROM stdin;
12	policy_clerk
\.
INSERT INTO notes_history.late_delta (id) VALUES (12);
DELETE FROM notes_history.late_gone;
SET ROLE policy_clerk;
SELECT id, secret FROM notes_late.notes ORDER BY id;
SELECT * FROM notes_history.late_gone ORDER BY id;
-- A policy that speaks of a column which the branch has not: the branch is the owner's.
SET ROLE policy_owner;
ALTER TABLE policies.notes ADD COLUMN open boolean DEFAULT true;
CREATE POLICY opened ON policies.notes AS RESTRICTIVE USING (open);
SET ROLE policy_reader;
SELECT id FROM policies.notes ORDER BY id;
SELECT id FROM notes_late.notes ORDER BY id;
SELECT id FROM notes_history.late_delta;
SET ROLE policy_owner;
SELECT count(*) FROM notes_late.notes;
DROP POLICY opened ON policies.notes;
SET ROLE policy_reader;
SELECT id FROM notes_late.notes ORDER BY id;
-- Policies that are forced hold for the owner, but for the rows that a branch has of its own.
SET ROLE policy_owner;
ALTER TABLE policies.notes FORCE ROW LEVEL SECURITY;
SELECT count(*) FROM policies.notes;
SELECT id FROM notes_late.notes ORDER BY id;
SELECT count(*) FROM notes_history.notes;
ALTER TABLE policies.notes NO FORCE ROW LEVEL SECURITY;
SELECT id FROM notes_late.notes ORDER BY id;
-- A policy that asks another table: its text names the table, and history and branches have other names.
SET ROLE policy_owner;
CREATE TABLE policies.members (who name, tenant name);
INSERT INTO policies.members VALUES ('policy_reader', 'policy_clerk'), ('policy_reader', 'policy_reader');
GRANT SELECT ON policies.members TO PUBLIC;
CREATE POLICY member ON policies.notes FOR SELECT TO policy_reader
  USING (EXISTS (SELECT FROM policies.members m WHERE m.who = current_user AND m.tenant = notes.tenant AND notes.id <> 7));
SET ROLE policy_reader;
SELECT id FROM policies.notes ORDER BY id;
SELECT id FROM notes_late.notes ORDER BY id;
SELECT id FROM notes_history.late_delta ORDER BY id;
SET ROLE policy_owner;
DROP POLICY member ON policies.notes;
SET ROLE policy_reader;
SELECT id FROM notes_late.notes ORDER BY id;
-- Without row-level security the branch is a table's like any other.
SET ROLE policy_owner;
ALTER TABLE policies.notes DISABLE ROW LEVEL SECURITY;
SET ROLE policy_reader;
SELECT count(*) FROM notes_late.notes;
SELECT count(*) FROM notes_history.late_gone;
UPDATE notes_late.notes SET secret = 'shared' WHERE id = 10;
SET ROLE policy_owner;
SELECT secret FROM notes_late.notes WHERE id = 10;
ALTER TABLE policies.notes ENABLE ROW LEVEL SECURITY;
SELECT strata.drop_version('policies.notes', 'late');
SELECT strata.undrop_version('policies.notes', 'late');
SET ROLE policy_reader;
SELECT id FROM notes_late.notes ORDER BY id;
SET ROLE policy_owner;
SELECT strata.disable_versions('policies.notes');
RESET ROLE;
DROP SCHEMA policies CASCADE;
DROP OWNED BY policy_owner, policy_reader, policy_clerk;
DROP ROLE policy_owner, policy_reader, policy_clerk;
