-- archives: what of the definition of a table comes back, and what is told not to
\set VERBOSITY terse
SET client_min_messages = warning;
\getenv abs_srcdir PG_ABS_SRCDIR
\set helpers :abs_srcdir '/sql/helpers/archive_place.sql'
\i :helpers
CREATE TABLE other (id int PRIMARY KEY);
INSERT INTO other VALUES (1);
CREATE FUNCTION twice(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x * 2';
CREATE TABLE "The items" (
  id bigint GENERATED ALWAYS AS IDENTITY (START 10 INCREMENT 5) PRIMARY KEY,
  number serial,
  "Na%me" text COLLATE "C" NOT NULL DEFAULT 'x; DROP TABLE other; --' UNIQUE,
  doubled int GENERATED ALWAYS AS (archive_test.twice(1) + number) STORED,
  at timestamptz DEFAULT now() - interval '1 day',
  v vector(2) CONSTRAINT "not %s zero" CHECK (vector_norm(v) > 0),
  ref int DEFAULT 1 REFERENCES other,
  CONSTRAINT pair UNIQUE NULLS NOT DISTINCT (number, ref) DEFERRABLE INITIALLY DEFERRED,
  CONSTRAINT young CHECK (number < 1000) NO INHERIT,
  CONSTRAINT apart EXCLUDE USING btree (doubled WITH =));
INSERT INTO "The items" ("Na%me", v) SELECT 'n' || i, ARRAY[i, 1]::vector FROM generate_series(1, 50) i;
ALTER TABLE "The items" ADD CONSTRAINT later CHECK (number <> 7) NOT VALID;
CREATE INDEX ON "The items" USING ivf (v vector_cosine_ops) WITH (min_seal_rows = 500) WHERE number % 2 = 1 AND "Na%me" <> '%1$s';
CREATE INDEX ON "The items" USING ivf ((v::halfvec(2)) halfvec_l2_ops, number);
CREATE INDEX "by time" ON "The items" (at);
CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TRIGGER "a trigger" BEFORE INSERT ON "The items" FOR EACH ROW EXECUTE FUNCTION nothing();
CREATE POLICY everything ON "The items" USING (true);
CREATE RULE "a rule" AS ON UPDATE TO "The items" DO ALSO NOTHING;
GRANT SELECT ON "The items" TO PUBLIC;
COMMENT ON COLUMN "The items".v IS 'a vector';
SELECT strata.archive_table('"The items"', place(), 'items', chunk_size => 1000);
SELECT jsonb_pretty(m->'about'->'not_restored') AS not_restored FROM strata.archive_manifest(place('items')) m;

SET client_min_messages = notice;
SELECT strata.restore_archive(place('items'), 'back');
SET client_min_messages = warning;
SELECT count(*) FROM (SELECT * FROM "The items" EXCEPT ALL SELECT * FROM back) x;
SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type, a.attnotnull AS nn, a.attidentity AS i, a.attgenerated AS g,
       (SELECT collname FROM pg_collation c WHERE c.oid = a.attcollation AND collname <> 'default') AS collation, pg_get_expr(d.adbin, d.adrelid) AS expression
FROM pg_attribute a LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) = (a.attrelid, a.attnum)
WHERE a.attrelid = 'back'::regclass AND a.attnum > 0 ORDER BY a.attnum;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'back'::regclass AND contype <> 'n' ORDER BY contype, conname;
SELECT replace(indexdef, 'archive_test.', '') FROM pg_indexes WHERE tablename = 'back' ORDER BY 1;
INSERT INTO back ("Na%me", v) VALUES (DEFAULT, '[1,2]') RETURNING id, number, "Na%me", doubled, at > now() - interval '2 days' AS soon, ref;
SELECT complaint($$INSERT INTO back ("Na%me", v) VALUES ('n1', '[1,2]')$$), complaint($$INSERT INTO back ("Na%me", v) VALUES ('m', '[0,0]')$$);
SELECT to_regclass('other') IS NOT NULL AS untouched;
-- Twice, and beside what it was made of.
SELECT strata.archive_table('back', place(), 'again', chunk_size => 1000);
SELECT strata.restore_archive(place('again'), 'again');
-- Rows and their types only.
SELECT strata.restore_archive(place('items'), 'plain', indexes => false, definitions => false);
SELECT count(*) FROM pg_attrdef WHERE adrelid = 'plain'::regclass;
SELECT count(*) FROM (SELECT * FROM "The items" EXCEPT ALL SELECT * FROM plain) x;

-- What cannot be made is left out and told; the rows come all the same.
DROP TABLE back, again, plain;
DROP TABLE "The items";
DROP FUNCTION twice;
SET client_min_messages = notice;
SELECT strata.restore_archive(place('items'), 'back');
SET client_min_messages = warning;
SELECT count(*), sum(doubled) FROM back;

-- Functions of others are not run by whoever restores.
CREATE ROLE archive_owner;
GRANT CREATE, USAGE ON SCHEMA archive_test TO archive_owner;
SET ROLE archive_owner;
CREATE FUNCTION trap(x int) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$BEGIN RAISE WARNING 'ran as %', current_user; RETURN true; END$$;
CREATE TABLE bait (x int CHECK (archive_test.trap(x)), y boolean GENERATED ALWAYS AS (archive_test.trap(x)) STORED, z boolean DEFAULT archive_test.trap(1));
INSERT INTO bait VALUES (1);
RESET ROLE;
SELECT strata.archive_table('bait', place(), 'bait');
SET client_min_messages = notice;
SELECT strata.restore_archive(place('bait'), 'bait_again');
INSERT INTO bait_again VALUES (1);
SET client_min_messages = warning;

-- Expressions of a manifest are expressions, whoever wrote them.
SELECT complaint(format('SELECT strata._archive_expression(%L)', e)) AS complaint, e FROM unnest(ARRAY[
  '1', '1 + 1 -- x', '1); DROP TABLE other; SELECT (1', '1) FROM (SELECT 1) x WHERE (true', '1), (2', '1) UNION SELECT (2', '1) AS x, (1', '1) ORDER BY (1', '', ')']) e;

-- Rows of an old version may not meet what the table demands now.
CREATE TABLE changing (id int PRIMARY KEY, n int, v vector(1));
INSERT INTO changing VALUES (1, NULL, '[1]'), (2, 2, '[2]');
SELECT strata.enable_versions('changing');
SELECT strata.create_version('changing', 'v1');
UPDATE changing SET n = 20 WHERE id < 3;
ALTER TABLE changing ALTER n SET NOT NULL, ADD CONSTRAINT large CHECK (n > 10);
CALL strata.archive_version('changing', 'v1', place());
SET client_min_messages = notice;
SELECT strata.restore_archive(place('changing_v1'), 'old');
SET client_min_messages = warning;
SELECT id, n FROM old ORDER BY id;
SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'old'::regclass AND contype = 'c';

SET client_min_messages = error;
SELECT strata.disable_versions('changing');
DROP SCHEMA archive_test CASCADE;
DROP ROLE archive_owner;
