-- row tiers: what they mean, what is refused, what stays as it is, keys over both tiers
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA tier_test;
SET search_path = tier_test, public;
CREATE FUNCTION complaint(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'none';
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ' ' || SQLERRM;
END $$;
CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO tier_test.log VALUES (TG_OP, TG_TABLE_NAME);
  RETURN coalesce(NEW, OLD);
END $$;
CREATE TABLE log (op text, tier name);
CREATE TABLE kinds (kind int PRIMARY KEY);
INSERT INTO kinds VALUES (1), (2);
CREATE TABLE "The items" (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, "Url" text NOT NULL UNIQUE, seen timestamptz DEFAULT '2000-01-01', kind int DEFAULT 1 REFERENCES kinds,
  v vector(4) CHECK (vector_dims(v) = 4), double text GENERATED ALWAYS AS ("Url" || "Url") STORED, big text);
CREATE INDEX "The v" ON "The items" USING ivf (v);
CREATE INDEX ON "The items" (seen);
CREATE TRIGGER " ON tier_test." BEFORE INSERT OR UPDATE OR DELETE ON "The items" FOR EACH ROW EXECUTE FUNCTION told();
INSERT INTO "The items" ("Url", seen, v, big)
SELECT 'u' || i, '2000-01-01'::timestamptz + i * interval '1 day', ARRAY[i % 7, i % 11, i % 13, 1]::vector,
       CASE WHEN i % 10 = 0 THEN (SELECT string_agg(md5(i::text || x), '') FROM generate_series(1, 200) x) END
FROM generate_series(1, 300) i;
TRUNCATE log;
CREATE VIEW new_items AS SELECT * FROM "The items" WHERE id > 0;
CREATE TABLE before AS SELECT * FROM "The items";

-- What it means, and what makes no sense.
SELECT * FROM strata.enable_row_tiers('"The items"', 'pg_default', 'seen', '10 years', dry_run => true);
SELECT * FROM strata.enable_row_tiers('log', 'pg_default', 'op', '10 years', dry_run => true);
SELECT complaint(statement) FROM unnest(ARRAY[
  $$SELECT strata.enable_row_tiers('"The items"', 'pg_default', 'id', '1 day')$$,
  $$SELECT strata.enable_row_tiers('"The items"', 'pg_default', 'absent', '1 day')$$,
  $$SELECT strata.enable_row_tiers('"The items"', 'pg_default', 'seen', '-1 day')$$,
  $$SELECT strata.enable_row_tiers('"The items"', 'pg_default', 'seen', '1 day', batch_rows => 0)$$,
  $$SELECT strata.enable_row_tiers('"The items"', 'absent', 'seen', '1 day')$$,
  $$SELECT strata.enable_row_tiers('"The items"', NULL, 'seen', '1 day')$$,
  $$SELECT strata.enable_row_tiers('"The items"', 'pg_default', 'seen', '1 day', cold_table => 'log')$$,
  $$CALL strata.run_row_tiering('"The items"')$$,
  $$SELECT strata.disable_row_tiers('"The items"')$$,
  $$SELECT strata.set_row_tiers('"The items"', cold_after => '1 day')$$]) AS statement;

-- Refused, and why.
CREATE TABLE bad (id int PRIMARY KEY, at date, v vector(2), x int, EXCLUDE USING btree (x WITH =), UNIQUE (x, at) DEFERRABLE, UNIQUE NULLS NOT DISTINCT (x, id));
CREATE UNIQUE INDEX ON bad (x) WHERE x > 0;
CREATE UNIQUE INDEX ON bad ((x + 1));
CREATE TABLE points (bad int REFERENCES bad);
CREATE TRIGGER rows AFTER UPDATE ON bad REFERENCING NEW TABLE AS n FOR EACH ROW EXECUTE FUNCTION told();
CREATE RULE r AS ON DELETE TO bad DO ALSO NOTHING;
ALTER TABLE bad FORCE ROW LEVEL SECURITY;
SELECT object, consequence FROM strata.enable_row_tiers('bad', 'pg_default', 'at', '1 day', dry_run => true) WHERE effect = 'refused' ORDER BY 1, 2;
SELECT complaint($$SELECT strata.enable_row_tiers('bad', 'pg_default', 'at', '1 day')$$);
CREATE TABLE parts (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE part PARTITION OF parts DEFAULT;
CREATE UNLOGGED TABLE volatile (at date);
CREATE TABLE parent (at date);
CREATE TABLE child () INHERITS (parent);
CREATE TABLE versioned (id int PRIMARY KEY, at date);
SELECT strata.enable_versions('versioned');
CREATE TABLE once (id int PRIMARY KEY, at date, v vector(2));
SELECT strata.set_dedup('once', 'v');
SELECT t, object, consequence FROM unnest('{parts,part,volatile,parent,child,versioned,once,new_items}'::regclass[]) t,
  LATERAL strata.enable_row_tiers(t, 'pg_default', CASE WHEN t = 'new_items'::regclass THEN 'seen' ELSE 'at' END, '1 day', dry_run => true)
WHERE effect = 'refused' ORDER BY 1, 2, 3;

-- Done: nothing is rewritten, and nothing looks different.
SELECT pg_relation_filenode('"The items"') AS file \gset
BEGIN;
SELECT count(*) FROM strata.enable_row_tiers('"The items"', 'pg_default', 'seen', NULL, batch_rows => 70, batch_pause => '0');
SELECT complaint($$SELECT strata.enable_row_tiers('"The items"', 'pg_default', 'seen', '1 day')$$);
SELECT pg_relation_filenode('"The items"') = :file AS same_file;
-- One batch.
SELECT strata.set_row_tiers('"The items"', cold_after => now() - '2000-09-01 12:00');
SELECT strata._move_batch('"The items"');
SELECT count(*) FROM ONLY "The items";
COMMIT;
CALL strata.run_row_tiering('"The items"');
SELECT count(*), min(seen) > '2000-09-01' FROM ONLY "The items";
SELECT count(*), max(seen) <= '2000-09-01' FROM "The items_cold";
SELECT "table", cold_table, cold_tablespace, by, batch_rows, moved_rows, returned_rows FROM strata.row_tiers;
SELECT count(*) FROM (SELECT * FROM before EXCEPT ALL SELECT * FROM "The items") x;
SELECT count(*) FROM (SELECT * FROM new_items EXCEPT ALL SELECT * FROM before) x;
SELECT * FROM log;
SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = '"The items_cold"'::regclass AND contype <> 'n' ORDER BY 1;
SELECT tgname FROM pg_trigger WHERE tgrelid = '"The items_cold"'::regclass AND NOT tgisinternal ORDER BY 1;
SELECT verified.* FROM pg_class c, LATERAL (SELECT rows - deleted_rows AS rows FROM strata.verify(c.oid)) verified
WHERE c.relname = 'The items_cold_v_idx';
-- One search, both tiers, in order.
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT "Url" FROM "The items" ORDER BY v <-> '[1,2,3,1]' LIMIT 10;
SELECT count(*) FROM (SELECT v <-> '[1,2,3,1]' AS d FROM "The items" ORDER BY v <-> '[1,2,3,1]' LIMIT 10) a
FULL JOIN (SELECT v <-> '[1,2,3,1]' AS d FROM before ORDER BY 1 LIMIT 10) b USING (d) WHERE a.d IS NULL OR b.d IS NULL;
RESET enable_seqscan;

-- Keys: u1 is cold, u299 hot.
SELECT complaint($$INSERT INTO "The items" ("Url") VALUES ('u1')$$), complaint($$UPDATE "The items" SET "Url" = 'u1' WHERE "Url" = 'u299'$$),
       complaint($$UPDATE "The items" SET "Url" = 'u299' WHERE "Url" = 'u1'$$), complaint($$INSERT INTO "The items_cold" ("Url", id) VALUES ('u299', -1)$$);
SELECT tableoid::regclass, count(*) FROM "The items" WHERE "Url" IN ('u1', 'u299') GROUP BY 1 ORDER BY 1;
INSERT INTO "The items" ("Url") VALUES ('u2'), ('u298') ON CONFLICT DO NOTHING;
INSERT INTO "The items" ("Url", kind) VALUES ('u3', 2), ('u297', 2), ('new', 2) ON CONFLICT ("Url") DO UPDATE SET kind = excluded.kind
RETURNING "Url", kind, tableoid::regclass;
BEGIN;
UPDATE "The items" SET kind = 2 WHERE "Url" = 'u4' RETURNING tableoid::regclass;
INSERT INTO "The items" ("Url", kind) VALUES ('u4', 1) ON CONFLICT ("Url") DO UPDATE SET kind = "The items".kind + 1 - excluded.kind RETURNING kind;
WITH upsert AS (INSERT INTO "The items" ("Url", kind) VALUES ('u5', 1) ON CONFLICT ("Url") DO UPDATE SET kind = 2 RETURNING "Url") SELECT * FROM upsert;
ROLLBACK;
BEGIN ISOLATION LEVEL REPEATABLE READ;
INSERT INTO "The items" ("Url", kind) VALUES ('u6', 1) ON CONFLICT ("Url") DO UPDATE SET kind = 2 RETURNING kind;
COMMIT;
-- Upserts in functions, one for each row, after a savepoint, of rows that the statement itself reads; MERGE.
CREATE FUNCTION upsert(url text) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  result int;
BEGIN
  INSERT INTO "The items" ("Url", kind) VALUES (url, 1) ON CONFLICT ("Url") DO UPDATE SET kind = 2 RETURNING kind INTO result;
  RETURN result;
END $$;
SELECT upsert('u' || i) FROM generate_series(30, 32) i;
BEGIN;
SAVEPOINT one;
SELECT upsert('u33');
ROLLBACK TO one;
SELECT upsert('u33'), upsert('u33');
COMMIT;
INSERT INTO "The items" ("Url") SELECT "Url" FROM "The items" WHERE "Url" IN ('u34', 'u35') ON CONFLICT ("Url") DO UPDATE SET kind = 2 RETURNING kind;
MERGE INTO "The items" t USING (VALUES ('u36'), ('newer')) s(url) ON t."Url" = s.url
WHEN MATCHED THEN UPDATE SET kind = 2 WHEN NOT MATCHED THEN INSERT ("Url", kind) VALUES (s.url, 2);
SELECT "Url", kind FROM "The items" WHERE "Url" IN ('u33', 'u34', 'u36', 'newer') ORDER BY 1;
SELECT count(*), count(DISTINCT "Url"), count(DISTINCT id) FROM "The items";
-- Foreign keys and triggers reach the cold tier.
SELECT complaint($$DELETE FROM kinds WHERE kind = 1$$), complaint($$UPDATE "The items" SET kind = 7 WHERE "Url" = 'u10'$$);
TRUNCATE log;
DELETE FROM "The items" WHERE "Url" = 'u10';
UPDATE "The items" SET big = 'x' WHERE "Url" = 'u11';
SELECT * FROM log;
-- Rows that become young again come back.
UPDATE "The items" SET seen = now() WHERE "Url" IN ('u11', 'u12');
CALL strata.run_row_tiering('"The items"');
SELECT "Url" FROM ONLY "The items" WHERE "Url" IN ('u11', 'u12', 'u13') ORDER BY 1;
-- What the table gets later, the cold tier gets with the next run.
CREATE INDEX later ON "The items" (kind) WHERE kind > 1;
ALTER TABLE "The items" ADD COLUMN extra int DEFAULT 5, ADD CONSTRAINT short CHECK (length("Url") < 100);
BEGIN;
CREATE UNIQUE INDEX clash ON "The items" (double);
ALTER TABLE "The items" DISABLE TRIGGER "~strata_tier_keys", DISABLE TRIGGER "~strata_tier_check";
INSERT INTO "The items" ("Url") SELECT "Url" FROM "The items_cold" LIMIT 1;
SELECT complaint($$SELECT strata._move_batch('"The items"')$$);
ROLLBACK;
CREATE UNIQUE INDEX twin ON "The items" (id, "Url");
SELECT complaint($$INSERT INTO "The items" ("Url") VALUES ('other')$$);
CALL strata.run_row_tiering('"The items"');
SELECT complaint($$INSERT INTO "The items" ("Url") VALUES ('other')$$);
SELECT replace(indexdef, 'tier_test.', '') FROM pg_indexes WHERE tablename = 'The items_cold' ORDER BY 1;
SELECT extra, count(*) FROM "The items" GROUP BY 1;

-- Privileges and policies are those of the table; the cold tier is its owner's alone.
CREATE ROLE tier_reader;
CREATE ROLE tier_owner;
GRANT USAGE ON SCHEMA tier_test TO tier_reader, tier_owner;
GRANT SELECT, UPDATE ON "The items" TO tier_reader;
CREATE POLICY few ON "The items" USING ("Url" IN ('u20', 'u290'));
ALTER TABLE "The items" ENABLE ROW LEVEL SECURITY;
SET ROLE tier_reader;
SELECT "Url" FROM "The items" ORDER BY 1;
SELECT complaint(statement) FROM unnest(ARRAY[
  $$SELECT FROM "The items_cold"$$,
  $$CALL strata.run_row_tiering('"The items"')$$,
  $$SELECT strata._move_batch('"The items"')$$,
  $$SELECT strata._move_for_owner('"The items"')$$,
  $$SELECT strata._move_rows('"The items"', '"The items_cold"', '{"(0,1)"}')$$,
  $$SELECT strata.set_row_tiers('"The items"', cold_after => '1 day')$$,
  $$SELECT strata.disable_row_tiers('"The items"')$$,
  $$INSERT INTO strata.row_tier VALUES ('"The items"', 'log', 'x', NULL, 1, '0')$$,
  $$DELETE FROM strata.row_tier$$]) AS statement;
RESET ROLE;
-- An owner who is none of the superusers can do it all, but with tables of his own only.
GRANT CREATE ON SCHEMA tier_test TO tier_owner;
SET ROLE tier_owner;
CREATE TABLE mine (id int PRIMARY KEY, at date, v vector(2));
INSERT INTO mine SELECT i, '2000-01-01', ARRAY[i, 1]::vector FROM generate_series(1, 50) i;
SELECT count(*) > 0 AS told FROM strata.enable_row_tiers('mine', 'pg_default', 'at', '1 year');
CALL strata.run_row_tiering('mine');
SELECT complaint(statement) FROM unnest(ARRAY[
  $$SELECT strata._move_rows('mine', 'log', '{"(0,1)"}')$$,
  $$SELECT strata._move_rows('mine', 'mine', '{"(0,1)"}')$$,
  $$SELECT strata._move_rows('mine_cold', 'mine', '{"(0,9999)"}')$$,
  $$SELECT strata.enable_versions('mine')$$]) AS statement;
SELECT (SELECT count(*) FROM ONLY mine) AS hot, (SELECT count(*) FROM mine) AS total;
SELECT strata.disable_row_tiers('mine');
SELECT count(*) FROM ONLY mine;
-- The trigger elsewhere.
CREATE TABLE odd (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
CREATE TABLE odd_part PARTITION OF odd DEFAULT;
CREATE TRIGGER each BEFORE INSERT ON odd_part FOR EACH ROW EXECUTE FUNCTION strata.tier_key();
CREATE TABLE lone (id int PRIMARY KEY);
CREATE TRIGGER each BEFORE INSERT OR DELETE ON lone FOR EACH ROW EXECUTE FUNCTION strata.tier_key();
CREATE TRIGGER every BEFORE UPDATE ON lone EXECUTE FUNCTION strata.tier_key();
SELECT complaint(statement) FROM unnest('{INSERT INTO odd VALUES (1),INSERT INTO lone VALUES (1),UPDATE lone SET id = 2,DELETE FROM lone,SELECT strata.tier_key()}'::text[]) statement;
DROP TABLE odd, lone;
-- Tiers go with their table.
CREATE TABLE other (at date);
SELECT count(*) > 0 AS told FROM strata.enable_row_tiers('other', 'pg_default', 'at', '1 year');
SELECT complaint('DROP TABLE other');
DROP TABLE other CASCADE;
SELECT count(*) FROM strata.row_tiers WHERE "table" = 'mine'::regclass;
DELETE FROM mine;
SELECT count(*) > 0 AS told FROM strata.enable_row_tiers('mine', 'pg_default', 'at', '1 year');
DROP TABLE mine_cold;
SELECT complaint($$CALL strata.run_row_tiering('mine')$$);
SELECT strata.disable_row_tiers('mine');
RESET ROLE;

-- Back to what it was.
SELECT strata.disable_row_tiers('"The items"') > 200 AS moved_back;
SELECT to_regclass('"The items_cold"'), count(*) FROM ONLY "The items";
SELECT tgname FROM pg_trigger WHERE tgrelid = '"The items"'::regclass AND NOT tgisinternal;
SELECT count(*) FROM strata.row_tier;
SET client_min_messages = error;
SELECT strata.disable_versions('versioned');
DROP SCHEMA tier_test CASCADE;
DROP ROLE tier_reader, tier_owner;
