-- spill: every row lies in a second list, too
CREATE TABLE spilled (id int PRIMARY KEY, v vector(16), kind int);
INSERT INTO spilled SELECT i, x, i % 10 FROM generate_series(1, 24000) i,
  LATERAL (SELECT array_agg(hashint4(i * 100 + d)::float4 / 1e9 ORDER BY d)::vector(16) AS x FROM generate_series(1, 16) d) one;
SET enable_seqscan = off;
SET max_parallel_maintenance_workers = 0;
-- Whether searches for 30 rows that are near give the same rows as a look at all of them.
CREATE FUNCTION compare(condition text DEFAULT 'true') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  query text;
  found int[];
  truth int[];
  exact int := 0;
BEGIN
  FOR i IN 1 .. 10 LOOP
    query := format('SELECT array_agg(id) FROM (SELECT id FROM spilled WHERE %s ORDER BY v <-> (SELECT v FROM spilled q WHERE q.id = %s) LIMIT 30) near',
      condition, (SELECT min(id) FROM spilled WHERE id > i * 1000));
    EXECUTE query INTO found;
    SET LOCAL enable_indexscan = off;
    EXECUTE query INTO truth;
    SET LOCAL enable_indexscan = on;
    exact := exact + (found = truth)::int;
  END LOOP;
  RETURN exact || ' of 10 exact';
END
$$;
CREATE FUNCTION codebooks(name text DEFAULT 'spilled_v') RETURNS TABLE (kind text, spill boolean, number bigint) LANGUAGE sql AS $$
  SELECT kind, spill, count(*) FROM strata.segments
  WHERE index::text = name AND lists > 0 AND state IN ('live', 'indexed') GROUP BY 1, 2 ORDER BY 1, 2
$$;
SET strata.recall_target = 0.9999;
CREATE INDEX spilled_v ON spilled USING ivf (v, kind) WITH (spill = off);
SELECT pg_relation_size('spilled_v') AS size_without \gset
SELECT * FROM codebooks();
DROP INDEX spilled_v;
CREATE INDEX spilled_v ON spilled USING ivf (v, kind) WITH (spill = on);
SELECT * FROM codebooks();
SELECT pg_relation_size('spilled_v') - :size_without BETWEEN 24000 * 12 AND 24000 * 20 AS grew_by_second_entries;
SELECT rows FROM strata.verify('spilled_v');
SELECT compare();
-- Filters: few rows pass, many do, and conditions that are asked of every row that comes near.
SELECT compare('kind = 3');
SELECT compare('kind < 8');
SELECT compare('kind = 3 AND id % 3 = 0');
-- No row comes twice, however many are asked for.
SELECT count(*), count(DISTINCT id) FROM (SELECT id FROM spilled ORDER BY v <-> (SELECT v FROM spilled q WHERE q.id = 7) LIMIT 24000) all_rows;
-- Rows come and go; segments are merged.
DELETE FROM spilled WHERE id % 4 = 0;
INSERT INTO spilled SELECT i, x, i % 10 FROM generate_series(24001, 30000) i,
  LATERAL (SELECT array_agg(hashint4(i * 100 + d)::float4 / 1e9 ORDER BY d)::vector(16) AS x FROM generate_series(1, 16) d) one;
VACUUM spilled;
SELECT strata.flush('spilled_v') IS NOT NULL AS flushed;
SELECT compare();
CALL strata.compact('spilled_v', force => true);
SELECT rows FROM strata.verify('spilled_v');
SELECT * FROM codebooks();
SELECT compare('kind <> 5');
-- The option takes effect with the next codebook.
ALTER INDEX spilled_v SET (spill = off);
SELECT * FROM codebooks();
REINDEX INDEX spilled_v;
SELECT * FROM codebooks();
SELECT rows FROM strata.verify('spilled_v');
SELECT compare();
-- Neighbours in one list: second lists do not pay, and auto, the default, leaves them out.
CREATE TABLE islands (v vector(8));
INSERT INTO islands SELECT x FROM generate_series(1, 24000) i,
  LATERAL (SELECT array_agg(hashint4(i % 150 * 100 + d)::float4 / 1e7 + hashint4(i * 100 + d)::float4 / 1e10 ORDER BY d)::vector(8) AS x FROM generate_series(1, 8) d) one;
CREATE INDEX islands_v ON islands USING ivf (v);
SELECT * FROM codebooks('islands_v');
DROP TABLE islands;
ALTER INDEX spilled_v SET (spill = sometimes);
-- By workers, too.
SET max_parallel_maintenance_workers = 2;
SET min_parallel_table_scan_size = 0;
DROP INDEX spilled_v;
CREATE INDEX spilled_v ON spilled USING ivf (v) WITH (spill = on);
SELECT * FROM codebooks();
SELECT rows FROM strata.verify('spilled_v');
SELECT compare();
DROP TABLE spilled;
DROP FUNCTION compare, codebooks;
