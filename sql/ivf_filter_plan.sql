-- what the planner makes of an ivf index with filter columns
SET strata.auto_flush_interval = 0;
CREATE TABLE items (id int PRIMARY KEY, tenant int, flag bool, note text, other int, v vector(16)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, (hashint4(i) & 1023) % 1000, i % 100 = 0, 'note ' || i % 50, i % 20,
  (SELECT array_agg((hashint4(i * 16 + d) & 1023) ORDER BY d) FROM generate_series(1, 16) d)::vector
  FROM generate_series(1, 40000) i;
CREATE INDEX items_v ON items USING ivf (v, tenant, flag, note);
ANALYZE items;
CREATE FUNCTION plan(query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) ' || query LOOP
    IF line !~ 'Order By|Sort Key' THEN RETURN NEXT line; END IF;
  END LOOP;
END $$;
CREATE FUNCTION q() RETURNS vector LANGUAGE sql IMMUTABLE AS $$ SELECT array_fill(512, ARRAY[16])::vector $$;
-- conditions on filter columns go to the index, selective or not
SELECT plan('SELECT id FROM items WHERE tenant = 7 ORDER BY v <-> q() LIMIT 10');
SELECT plan('SELECT id FROM items WHERE tenant < 500 AND note = ''note 3'' ORDER BY v <-> q() LIMIT 10');
SELECT plan('SELECT id FROM items WHERE tenant IS NOT NULL ORDER BY v <-> q() LIMIT 10');
-- a key that finds the row is better, even beside a condition the index knows
SELECT plan('SELECT id FROM items WHERE id = 42 ORDER BY v <-> q() LIMIT 10');
SELECT plan('SELECT id FROM items WHERE id = 42 AND tenant = 7 ORDER BY v <-> q() LIMIT 10');
-- columns that are not in the index: the executor filters, the scan goes on
SELECT plan('SELECT id FROM items WHERE other = 7 ORDER BY v <-> q() LIMIT 10');
SELECT count(*) FROM (SELECT id FROM items WHERE other = 7 AND tenant < 300 ORDER BY v <-> q() LIMIT 100) s;
SET strata.max_scan_tuples = 50;
SELECT count(*) < 50 AS bounded FROM (SELECT id FROM items WHERE other = 7 ORDER BY v <-> q() LIMIT 100) s;
SELECT count(*) FROM (SELECT id FROM items WHERE tenant = 7 ORDER BY v <-> q() LIMIT 5) s;
RESET strata.max_scan_tuples;
-- without an order: look-ups are answered by the index where nothing better is there, most rows are not
SELECT plan('SELECT id FROM items WHERE v = q()');
SELECT plan('SELECT id FROM items WHERE tenant = 7');
SELECT plan('SELECT id FROM items WHERE tenant >= 0');
SELECT plan('SELECT id FROM items');
CREATE INDEX items_tenant ON items (tenant);
SELECT bool_or(line LIKE '%items_tenant%') AS btree FROM plan('SELECT id FROM items WHERE tenant = 7') line;
DROP INDEX items_tenant;
-- parameters of prepared statements and joins
PREPARE by_tenant(int) AS SELECT count(*) FROM (SELECT id FROM items WHERE tenant = $1 ORDER BY v <-> q() LIMIT 3) s;
SET plan_cache_mode = force_generic_plan;
EXECUTE by_tenant(7);
EXECUTE by_tenant(-7);
EXECUTE by_tenant(NULL);
RESET plan_cache_mode;
SELECT t, n.tenants FROM generate_series(5, 7) t,
  LATERAL (SELECT array_agg(DISTINCT tenant) AS tenants FROM (SELECT tenant FROM items WHERE tenant = t ORDER BY v <-> q() LIMIT 3) s) n;
-- counters: lists without a match are skipped, few rows are gathered
SET enable_seqscan = off;
SET enable_sort = off;
SELECT count(*) FROM (SELECT id FROM items WHERE tenant = 7 ORDER BY v <-> q() LIMIT 10) s;
SELECT rows, lists, codes, gathers, segments_skipped FROM strata.last_scan();
SELECT count(*) FROM (SELECT id FROM items WHERE tenant = -7 ORDER BY v <-> q() LIMIT 10) s;
SELECT rows, lists, codes, gathers, segments_skipped > 0 AS skipped FROM strata.last_scan();
SELECT count(*) FROM (SELECT id FROM items WHERE tenant < 500 ORDER BY v <-> q() LIMIT 10) s;
SELECT rows, lists > 0 AS lists, masked > 0 AS masked, codes > masked AS codes, gathers FROM strata.last_scan();
-- what the server evaluates itself is known to the scan all the same
SELECT count(*), bool_and(flag) FROM (SELECT flag FROM items WHERE flag ORDER BY v <-> q() LIMIT 10) s;
SELECT rows < 20 AS few FROM strata.last_scan();
SELECT count(*) FROM (SELECT flag FROM items WHERE tenant IN (1, 2, 3) ORDER BY v <-> q() LIMIT 10) s;
SELECT rows < 20 AS few FROM strata.last_scan();
DROP TABLE items;
-- a date beside a timestamp: comparisons that the index does not know are the executor's, and right
CREATE TABLE days (id int, day date, ts timestamp, tz timestamptz, v vector(4));
INSERT INTO days SELECT i, date '2026-01-01' + i, timestamp '2026-01-01' + i * interval '12 hours',
  timestamptz '2026-01-01 00:00+00' + i * interval '12 hours', ARRAY[i, 0, 0, 0]::vector FROM generate_series(1, 200) i;
CREATE INDEX ON days USING ivf (v, day, ts, tz);
CREATE FUNCTION both_ways(condition text, OUT in_index bool, OUT ids int[], OUT equal bool) LANGUAGE plpgsql AS $$
DECLARE
  query text := format('SELECT array_agg(id) FROM (SELECT id FROM days WHERE %s ORDER BY v <-> ''[1,0,0,0]'' LIMIT 4) s', condition);
  truth int[];
BEGIN
  in_index := (SELECT bool_or(line LIKE '%Index Cond%') FROM plan(query) line);
  EXECUTE query INTO ids;
  SET LOCAL enable_indexscan = off; SET LOCAL enable_seqscan = on; SET LOCAL enable_sort = on;
  EXECUTE query INTO truth;
  equal := ids = truth;
  SET LOCAL enable_indexscan = on; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off;
END $$;
SET TimeZone = 'UTC';
SELECT c, b.* FROM unnest(ARRAY['day >= date ''2026-03-01''', 'day >= timestamp ''2026-03-01 12:00''', 'day = timestamp ''2026-03-01 00:00''',
  'ts >= date ''2026-03-01''', 'ts = ''2026-03-01''', 'ts < timestamptz ''2026-01-03 00:00+00''', 'tz >= date ''2026-03-01''',
  'tz >= timestamptz ''2026-03-01 00:00+00''', 'tz >= date ''2026-03-01'' AND day >= date ''2026-04-01''']) c, both_ways(c) b;
SET TimeZone = 'Pacific/Auckland';
SELECT c, b.* FROM unnest(ARRAY['tz >= date ''2026-03-01''', 'ts >= timestamptz ''2026-03-01 00:00+00''']) c, both_ways(c) b;
RESET TimeZone;
DROP TABLE days;
DROP FUNCTION plan, q, both_ways;
