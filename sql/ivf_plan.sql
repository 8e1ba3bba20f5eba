-- what the planner makes of an ivf index
SET strata.auto_flush_interval = 0;
CREATE TABLE items (id int PRIMARY KEY, tenant int, v vector(16)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, i % 10, (SELECT array_agg((hashint4(i * 16 + d) & 1023) ORDER BY d) FROM generate_series(1, 16) d)::vector
  FROM generate_series(1, 40000) i;
CREATE INDEX items_v ON items USING ivf (v);
ANALYZE items;
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP RETURN NEXT regexp_replace(line, '\(v <-> .*', '(v <-> ...)'); END LOOP;
END $$;
-- chosen: few rows of many
SELECT plan($$SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 10$$);
SELECT plan($$SELECT id FROM items WHERE tenant = 3 ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 10$$);
-- not chosen: without an order, with the wrong one, for a key that finds the row, for all rows
SELECT plan($$SELECT count(*) FROM items$$);
SELECT plan($$SELECT id FROM items ORDER BY v <=> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 10$$);
SELECT plan($$SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' DESC LIMIT 10$$);
SELECT plan($$SELECT id FROM items WHERE id = 42 ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 10$$);
SET enable_seqscan = off;
SELECT bool_or(line LIKE '%Index%') AS uses_index
  FROM plan($$SELECT id FROM items WHERE v = '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]'$$) AS line;
RESET enable_seqscan;
-- costs: a small table is no worse off, a larger index costs more, a higher target costs more
CREATE FUNCTION startup_cost(query text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE j json;
BEGIN
  EXECUTE 'EXPLAIN (FORMAT json) ' || query INTO j;
  RETURN j->0->'Plan'->'Plans'->0->>'Startup Cost';
END $$;
CREATE TABLE tiny (id int, v vector(16));
CREATE INDEX tiny_v ON tiny USING ivf (v);
INSERT INTO tiny SELECT id, v FROM items LIMIT 100;
ANALYZE tiny;
SET enable_seqscan = off;
SELECT startup_cost($$SELECT id FROM tiny ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 10$$) < 10 AS cheap;
SELECT startup_cost($$SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 10$$) >
       startup_cost($$SELECT id FROM tiny ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 10$$) AS grows;
CREATE TEMP TABLE cost AS SELECT startup_cost($$SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 10$$) AS at_95;
SET strata.recall_target = 0.99;
SELECT startup_cost($$SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 10$$) > at_95 AS dearer FROM cost;
RESET strata.recall_target;
SET strata.probes = 1;
SELECT startup_cost($$SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 10$$) <= at_95 AS no_dearer FROM cost;
RESET strata.probes;
-- costs follow the calibration of the index, the LIMIT, and conditions that the index does not know
SELECT startup_cost($$SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 1000$$) > at_95 AS dearer FROM cost;
SELECT startup_cost($$SELECT id FROM items WHERE tenant = 3 AND id % 7 = 3 ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 10$$) > at_95 AS dearer FROM cost;
SET strata.recall_target = 0.9999;
SELECT startup_cost($$SELECT id FROM items ORDER BY v <-> '[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]' LIMIT 10$$) < 20 * at_95 AS bounded FROM cost;
RESET strata.recall_target;
DROP TABLE items, tiny, cost;
DROP FUNCTION plan, startup_cost;
