-- versioned tables: nearest rows of versions and branches, merged from several indexes
SET strata.auto_flush_interval = 0;
SET client_min_messages = warning;
CREATE FUNCTION some_vector() RETURNS vector LANGUAGE sql VOLATILE AS
  'SELECT array_agg(random())::real[]::vector FROM generate_series(1, 16)';
CREATE TABLE near (id int PRIMARY KEY, v vector(16));
SELECT setseed(0.25) IS NULL AS seeded;
INSERT INTO near SELECT i, some_vector() FROM generate_series(1, 6000) i;
CREATE INDEX near_v ON near USING ivf (v);
SELECT strata.enable_versions('near');
SELECT strata.create_version('near', 'v1');
SELECT strata.create_version('near', 'b1', mode => 'branch');
UPDATE near SET v = some_vector() WHERE id % 4 = 0;
DELETE FROM near WHERE id % 50 = 1;
INSERT INTO near_b1.near SELECT i, some_vector() FROM generate_series(10001, 10400) i;
DELETE FROM near_b1.near WHERE id % 40 = 3;
SELECT count(strata.flush(i.indexrelid::regclass)) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'ivf' AND i.indrelid::regclass::text ~ 'near|b1_delta';
VACUUM ANALYZE near, near_history.near, near_history.b1_delta, near_history.b1_gone;
CREATE TABLE asked AS SELECT i AS q, some_vector() AS v FROM generate_series(1, 12) i;
SET enable_seqscan = off;
-- Against the exact answer: share of the rows found, answers out of order, answers that are too short.
CREATE FUNCTION compare(source text, k int, OUT recall bool, OUT out_of_order bigint, OUT short bigint) LANGUAGE plpgsql AS $$
DECLARE
  asked_for record;
  exact float[];
  found float[];
  right_ones int := 0;
  total int := 0;
BEGIN
  out_of_order := 0;
  short := 0;
  FOR asked_for IN SELECT * FROM asked LOOP
    SET LOCAL enable_indexscan = on; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off;
    EXECUTE format('SELECT array_agg(d) FROM (SELECT v <-> $1 AS d FROM %s ORDER BY v <-> $1 LIMIT %s) s', source, k) INTO found USING asked_for.v;
    SET LOCAL enable_indexscan = off; SET LOCAL enable_seqscan = on; SET LOCAL enable_sort = on;
    EXECUTE format('SELECT array_agg(d) FROM (SELECT v <-> $1 AS d FROM %s ORDER BY v <-> $1 LIMIT %s) s', source, k) INTO exact USING asked_for.v;
    IF cardinality(found) < cardinality(exact) THEN short := short + 1; END IF;
    IF found <> (SELECT array_agg(d ORDER BY d) FROM unnest(found) d) THEN out_of_order := out_of_order + 1; END IF;
    total := total + cardinality(exact);
    right_ones := right_ones + (SELECT count(*) FROM unnest(found) d WHERE d <= exact[cardinality(exact)]);
  END LOOP;
  recall := right_ones >= 0.95 * total;
END $$;
SELECT k, c.* FROM unnest(ARRAY[1, 2, 10, 100]) k, compare('near_v1.near', k) c;
SELECT k, c.* FROM unnest(ARRAY[1, 2, 10, 100]) k, compare('near_b1.near', k) c;
SELECT c.* FROM compare('near_v1.near', 100000) c;
-- A version of which all rows near the query were changed since: the table has none of them.
SELECT strata.create_version('near', 'v2');
UPDATE near SET v = (SELECT array_agg(x + 10)::real[]::vector FROM unnest(v::real[]) x);
SELECT k, c.* FROM unnest(ARRAY[1, 10, 100]) k, compare('near_v2.near', k) c;
SELECT k, c.* FROM unnest(ARRAY[1, 10, 100]) k, compare('near_b1.near', k) c;
-- What is nearer in the table keeps rows of the past from being looked at.
SELECT strata.create_version('near', 'v3');
UPDATE near SET v = v WHERE id % 10 = 7;
SELECT count(*) FROM (SELECT id FROM near_v3.near ORDER BY v <-> '[10,10,10,10,10,10,10,10,10,10,10,10,10,10,10,10]' LIMIT 10) s;
SELECT index, refined < rows_of_history / 4 AS few FROM strata.last_scan(), (SELECT count(*) AS rows_of_history FROM near_history.near) h;
-- A child of the merge that holds nothing near is not asked for a row, and gives all of them when the merge comes so far.
SELECT strata.create_version('near', 'v4');
UPDATE near SET v = (SELECT array_agg(x + 90)::real[]::vector FROM unnest(v::real[]) x) WHERE id % 3 = 0;
ANALYZE near, near_history.near;
CREATE FUNCTION actual_rows(source text, query vector) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE format('EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) SELECT id FROM %s ORDER BY v <-> %L LIMIT 10', source, query) LOOP
    IF line ~ 'Merge Append|Index Scan' THEN RETURN NEXT regexp_replace(substring(line from '[MI].*'), '(\.0+)? loops', ' loops'); END IF;
  END LOOP;
END $$;
SELECT strata.create_version('near', 'v5');
UPDATE near SET v = v WHERE id % 3 = 0;
ANALYZE near, near_history.near;
SELECT l FROM actual_rows('near_v5.near', '[10,10,10,10,10,10,10,10,10,10,10,10,10,10,10,10]') l;
SELECT k, c.* FROM unnest(ARRAY[1, 10, 100]) k, compare('near_v4.near', k) c;
-- A cursor goes on where the first rows ended.
BEGIN;
DECLARE c CURSOR FOR SELECT id, v <-> '[10,10,10,10,10,10,10,10,10,10,10,10,10,10,10,10]' AS d FROM near_v4.near ORDER BY d LIMIT 4000;
CREATE TEMP TABLE got (n serial, id int, d float8);
CREATE FUNCTION fetch_all(c refcursor) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
  r record;
BEGIN
  LOOP
    FETCH c INTO r;
    EXIT WHEN NOT FOUND;
    INSERT INTO got (id, d) VALUES (r.id, r.d);
  END LOOP;
  RETURN count(*) FROM got;
END $$;
SELECT fetch_all('c');
SELECT count(DISTINCT id), bool_and(d >= before) FROM (SELECT id, d, lag(d) OVER (ORDER BY n) AS before FROM got) s;
ROLLBACK;
-- The inner side of a join starts anew for each query, and with another vector.
SELECT count(*), count(DISTINCT (q, id)), bool_and(d >= before), count(*) FILTER (WHERE d <= worst) > 230
FROM (SELECT a.q, n.id, n.d, lag(n.d) OVER (PARTITION BY a.q ORDER BY n.n) AS before, a.worst
      FROM (SELECT q, v, (SELECT max(x.d) FROM (SELECT (n.v <-> u.v) + 0 AS d FROM near_v4.near n ORDER BY 1 LIMIT 10) x) AS worst
            FROM (SELECT q, v FROM asked UNION ALL
                  SELECT q + 100, (SELECT array_agg(x + 10)::real[]::vector FROM unnest(v::real[]) x) FROM asked) u OFFSET 0) a,
           LATERAL (SELECT id, v <-> a.v AS d, row_number() OVER () AS n
                    FROM (SELECT id, v FROM near_v4.near ORDER BY v <-> a.v LIMIT 10) t) n) s;
-- Many versions cost a search of the table nothing: it looks at the same lists, rows and pages as before.
CREATE FUNCTION looked_at() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM id FROM near ORDER BY v <-> '[10,10,10,10,10,10,10,10,10,10,10,10,10,10,10,10]' LIMIT 10;
  RETURN (SELECT concat_ws(' ', index, lists, codes, growing_rows, refined, heap_rows, pages) FROM strata.last_scan());
END $$;
SELECT count(looked_at()) AS warm FROM generate_series(1, 3);
CREATE TEMP TABLE alone AS SELECT looked_at() AS l;
SELECT count(strata.create_version('near', ('w' || i)::name)) FROM generate_series(1, 64) i;
SELECT looked_at() = l AS same FROM alone;
SELECT strata.disable_versions('near');
DROP TABLE near, asked;
DROP FUNCTION compare, some_vector, actual_rows, looked_at;
