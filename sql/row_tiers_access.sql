-- row tiers by access: parts of a table that searches find no rows in become cold, and come back when they do
\set VERBOSITY terse
SET client_min_messages = warning;
CREATE SCHEMA tier_test;
SET search_path = tier_test, public;
CREATE TABLE plain (id int PRIMARY KEY, v vector(2));
SELECT count(*) FROM strata.enable_row_tiers('plain', 'pg_default', 'access', '1 day');
CREATE TABLE items (id int PRIMARY KEY, v vector(2), filler text) WITH (autovacuum_enabled = off);
-- In the order of the first element, and 20 rows a block.
INSERT INTO items SELECT i, ARRAY[i, 0]::vector, repeat('x', 340) FROM generate_series(1, 600) i;
CREATE INDEX items_v ON items USING ivf (v);
SET enable_seqscan = off;
CREATE PROCEDURE search_near(place int, searches int, k int) LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1 .. searches LOOP
    PERFORM id FROM items ORDER BY v <-> ARRAY[place, 0]::vector LIMIT k;
  END LOOP;
END $$;

SELECT effect, object, consequence FROM strata.enable_row_tiers('items', 'pg_default', 'access', '0 seconds', dry_run => true) WHERE object = 'access';
BEGIN;
SELECT count(*) > 0 AS told FROM strata.enable_row_tiers('items', 'pg_default', 'access', '0 seconds', batch_rows => 200, batch_pause => '0');
-- The first look begins to watch. No search, no decision.
SELECT strata._move_batch('items') IS NULL AS nothing_moved;
SELECT watched_since IS NOT NULL AS watched FROM strata.row_tiers;
SELECT strata._move_batch('items') IS NULL AS nothing_moved;
CALL search_near(0, 1000, 60);
SELECT strata._move_batch('items');
SELECT count(*) FROM items_cold;
DO 'BEGIN WHILE strata._move_batch(''items'') IS NOT NULL LOOP NULL; END LOOP; END';
SELECT min(id) AS first, max(id) BETWEEN 60 AND 110 AS only_neighbours FROM ONLY items;
SELECT (SELECT count(*) FROM items) AS total, by, moved_rows = (SELECT count(*) FROM items_cold) AS counted FROM strata.row_tiers;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[400,0]' LIMIT 10) x WHERE id BETWEEN 395 AND 405;
-- What is searched in the cold tier comes back, and its neighbours do not.
CALL search_near(550, 600, 40);
DO 'BEGIN WHILE strata._move_batch(''items'') IS NOT NULL LOOP NULL; END LOOP; END';
SELECT count(*) FILTER (WHERE id BETWEEN 545 AND 555), count(*) FILTER (WHERE id BETWEEN 200 AND 400) FROM ONLY items;
SELECT returned_rows > 0 AS returned FROM strata.row_tiers;
-- Long enough is long enough.
SELECT strata.set_row_tiers('items', cold_after => '1 hour');
SELECT strata._move_batch('items') IS NULL AS too_soon;
SELECT count(*) FROM items;
SELECT strata.disable_row_tiers('items') > 0 AS moved_back;
COMMIT;
SELECT count(*), count(DISTINCT id) FROM ONLY items;
-- A column of that name goes before the word.
ALTER TABLE items ADD access timestamptz;
SELECT object FROM strata.enable_row_tiers('items', 'pg_default', 'access', '1 day', dry_run => true) WHERE object ~ 'access';
SET client_min_messages = error;
DROP SCHEMA tier_test CASCADE;
