-- ordered scans: exact order, complete answers, NULLs, zero vectors, continuations
SET strata.auto_flush_interval = 0;
SET enable_seqscan = off;
CREATE FUNCTION ivf_vector(seed int, dim int) RETURNS vector LANGUAGE sql IMMUTABLE AS
  $$ SELECT array_agg(((hashint4(seed * 1000 + d) & 65535) / 65535.0 - 0.4)::real ORDER BY d)::vector
     FROM generate_series(1, dim) d $$;

CREATE TABLE items (id int PRIMARY KEY, v vector(24), h halfvec(24)) WITH (autovacuum_enabled = off);
CREATE INDEX items_l2 ON items USING ivf (v);
CREATE INDEX items_ip ON items USING ivf (v vector_ip_ops);
CREATE INDEX items_cosine ON items USING ivf (v vector_cosine_ops);
CREATE INDEX items_half_l2 ON items USING ivf (h);
CREATE INDEX items_half_ip ON items USING ivf (h halfvec_ip_ops);
CREATE INDEX items_half_cosine ON items USING ivf (h halfvec_cosine_ops);

-- How far an index scan agrees with a sequential scan: rows, rows of the true first `k`, and whether its distances ascend.
CREATE FUNCTION compare(operator text, col text, query text, k int, OUT rows bigint, OUT distinct_rows bigint,
                        OUT hits bigint, OUT ordered boolean, OUT plan text) LANGUAGE plpgsql AS $$
DECLARE
  found int[];
  truth int[];
  distances float8[];
  line text;
BEGIN
  SET LOCAL enable_seqscan = off;
  SET LOCAL enable_indexscan = on;
  FOR line IN EXECUTE format('EXPLAIN (COSTS OFF) SELECT id FROM items ORDER BY %I %s %s LIMIT %s', col, operator, query, k) LOOP
    IF line LIKE '%Scan%' THEN plan := trim(replace(line, '->', '')); END IF;
  END LOOP;
  EXECUTE format('SELECT array_agg(id), array_agg(d) FROM (SELECT id, %I %s %s AS d FROM items ORDER BY %1$I %2$s %3$s LIMIT %s) s',
                 col, operator, query, k) INTO found, distances;
  SET LOCAL enable_seqscan = on;
  SET LOCAL enable_indexscan = off;
  EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY %I %s %s LIMIT %s) s', col, operator, query, k) INTO truth;
  rows := cardinality(found);
  distinct_rows := (SELECT count(DISTINCT u) FROM unnest(found) u);
  hits := (SELECT count(*) FROM unnest(found) u WHERE u = ANY (truth));
  ordered := (SELECT coalesce(bool_and(d >= before), true)
              FROM (SELECT d, lag(d) OVER (ORDER BY n) AS before FROM unnest(distances) WITH ORDINALITY u(d, n)) w
              WHERE before IS NOT NULL AND d IS NOT NULL);
END $$;

-- growing rows
INSERT INTO items SELECT i, ivf_vector(i, 24), ivf_vector(i, 24)::halfvec FROM generate_series(1, 2000) i;
SELECT o AS operator, c AS col, r.* FROM (VALUES ('<->', 'v'), ('<#>', 'v'), ('<=>', 'v'), ('<->', 'h'), ('<#>', 'h'), ('<=>', 'h')) t(o, c),
  compare(o, c, '(SELECT ' || c || ' FROM items WHERE id = 7)', 20) r;
-- sealed rows: several segments, some scanned flat, some rows growing
SELECT strata.flush('items_l2'), strata.flush('items_ip'), strata.flush('items_cosine'),
       strata.flush('items_half_l2'), strata.flush('items_half_ip'), strata.flush('items_half_cosine');
INSERT INTO items SELECT i, ivf_vector(i, 24), ivf_vector(i, 24)::halfvec FROM generate_series(2001, 3000) i;
SELECT strata.flush('items_l2'), strata.flush('items_cosine');
INSERT INTO items SELECT i, ivf_vector(i, 24), ivf_vector(i, 24)::halfvec FROM generate_series(3001, 3200) i;
SELECT o AS operator, c AS col, r.rows, r.distinct_rows, r.hits >= 19 AS found, r.ordered
  FROM (VALUES ('<->', 'v'), ('<#>', 'v'), ('<=>', 'v'), ('<->', 'h'), ('<#>', 'h'), ('<=>', 'h')) t(o, c),
  compare(o, c, '(SELECT ' || c || ' FROM items WHERE id = 7)', 20) r;
-- more than there is
SELECT o AS operator, r.rows, r.distinct_rows FROM (VALUES ('<->'), ('<#>'), ('<=>')) t(o),
  compare(o, 'v', '(SELECT v FROM items WHERE id = 7)', 100000) r;

-- NULLs and zero vectors are rows, too
INSERT INTO items VALUES (-1, NULL, NULL), (-2, array_fill(0, ARRAY[24])::vector, array_fill(0, ARRAY[24])::halfvec);
SELECT o AS operator, r.rows, r.distinct_rows FROM (VALUES ('<->'), ('<#>'), ('<=>')) t(o),
  compare(o, 'v', '(SELECT v FROM items WHERE id = 7)', 100000) r;
SELECT id FROM (SELECT id, row_number() OVER () AS n FROM (SELECT id FROM items ORDER BY v <=> ivf_vector(7, 24) LIMIT 100000) s) w
  WHERE n > 3200 ORDER BY n;
SELECT strata.flush('items_cosine');
SELECT id FROM (SELECT id, row_number() OVER () AS n FROM (SELECT id FROM items ORDER BY v <=> ivf_vector(7, 24) LIMIT 100000) s) w
  WHERE n > 3200 ORDER BY n;
SELECT rows, distinct_rows FROM compare('<=>', 'v', '(SELECT v FROM items WHERE id = -2)', 100000);
SELECT rows, distinct_rows FROM compare('<->', 'v', '(SELECT v FROM items WHERE id = -1)', 100000);

-- a query of other dimensions
SELECT id FROM items ORDER BY v <-> '[1,2,3]' LIMIT 1;
\echo :LAST_ERROR_SQLSTATE

-- dead, updated, uncommitted and rolled-back rows
CREATE TABLE few (id int, v vector(2), note text) WITH (autovacuum_enabled = off);
CREATE INDEX few_v ON few USING ivf (v);
INSERT INTO few SELECT i, ARRAY[i, 0]::vector FROM generate_series(1, 10) i;
DELETE FROM few WHERE id = 3;
UPDATE few SET v = '[100,0]' WHERE id = 4;
UPDATE few SET note = 'hot' WHERE id = 5;
BEGIN;
INSERT INTO few VALUES (11, '[3,0]');
SAVEPOINT s;
INSERT INTO few VALUES (12, '[3.1,0]');
ROLLBACK TO s;
SELECT array_agg(id) FROM (SELECT id FROM few ORDER BY v <-> '[3.2,0]') s;
ROLLBACK;
SELECT array_agg(id) FROM (SELECT id FROM few ORDER BY v <-> '[3.2,0]') s;
SELECT strata.flush('few_v');
SELECT array_agg(id) FROM (SELECT id FROM few ORDER BY v <-> '[3.2,0]') s;
VACUUM few;
SELECT array_agg(id) FROM (SELECT id FROM few ORDER BY v <-> '[3.2,0]') s;
INSERT INTO few VALUES (13, '[3.3,0]'), (14, '[-1,0]');
SELECT array_agg(id) FROM (SELECT id FROM few ORDER BY v <-> '[3.2,0]') s;

-- filters that the index knows nothing of
SELECT array_agg(id) FROM (SELECT id FROM few WHERE id % 2 = 0 ORDER BY v <-> '[3.2,0]' LIMIT 3) s;
SELECT count(*) FROM (SELECT id FROM items WHERE id % 100 = 0 ORDER BY v <-> ivf_vector(9, 24) LIMIT 30) s;

-- cursors, prepared statements, lateral joins
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM few ORDER BY v <-> '[3.2,0]';
FETCH 2 FROM c;
INSERT INTO few VALUES (15, '[3.2,0]');
FETCH 2 FROM c;
COMMIT;
PREPARE nearest(vector) AS SELECT id FROM few ORDER BY v <-> $1 LIMIT 2;
SET plan_cache_mode = force_generic_plan;
EXECUTE nearest('[8.1,0]');
EXECUTE nearest('[1.1,0]');
EXPLAIN (COSTS OFF) EXECUTE nearest(NULL);
CREATE TABLE got AS EXECUTE nearest(NULL);
SELECT count(*) FROM got;
DROP TABLE got;
EXECUTE nearest('[1,2,3]');
RESET plan_cache_mode;
SELECT q, n.id FROM generate_series(1, 9, 3) q, LATERAL (SELECT id FROM few ORDER BY v <-> ARRAY[q, 0]::vector LIMIT 2) n;

-- settings
SET strata.max_scan_tuples = 4;
SELECT count(*) FROM (SELECT id FROM few ORDER BY v <-> '[3.2,0]') s;
RESET strata.max_scan_tuples;
SET strata.recall_target = 2;
SET strata.iterative_scan = sideways;
SET strata.simd_level = abacus;
SET strata.no_such_setting = 1;
SET strata.simd_level = scalar;
SELECT array_agg(id) FROM (SELECT id FROM few ORDER BY v <-> '[3.2,0]' LIMIT 3) s;
RESET strata.simd_level;
SET strata.iterative_scan = relaxed;
SELECT rows, distinct_rows FROM compare('<->', 'v', '(SELECT v FROM items WHERE id = 7)', 100000);
RESET strata.iterative_scan;
SELECT count(*) FILTER (WHERE short_desc IS NULL OR extra_desc IS NULL) AS undocumented, count(*) > 5 AS enough
  FROM pg_settings WHERE name LIKE 'strata.%';

DROP TABLE items, few;
DROP FUNCTION ivf_vector, compare;
