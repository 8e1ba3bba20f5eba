-- Vectors as ordinary values: btree and hash indexes, grouping, joins, parallel aggregates, costs.
CREATE TABLE indexed AS
SELECT i, ARRAY[i % 7, -(i % 3)]::vector AS v, ARRAY[i % 7, -(i % 3)]::halfvec AS h,
       ARRAY[i % 7, -(i % 3)]::sparsevec AS s FROM generate_series(1, 2100) AS i;
INSERT INTO indexed VALUES (0, NULL, NULL, NULL), (-1, '[-0,-0]', '[-0,-0]', '{}/2');
CREATE INDEX ON indexed (v);
CREATE INDEX ON indexed (h);
CREATE INDEX ON indexed (s);
ANALYZE indexed;
SET enable_seqscan = off;
SET enable_bitmapscan = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM indexed WHERE v = '[0,0]';
SELECT (SELECT count(*) FROM indexed WHERE v = '[0,0]') AS v, (SELECT count(*) FROM indexed WHERE h = '[0,-0]') AS h,
       (SELECT count(*) FROM indexed WHERE s = '{}/2') AS s;
SELECT (SELECT count(*) FROM indexed WHERE v > '[5]') AS gt, (SELECT count(*) FROM indexed WHERE h <= '[1,-1]') AS le,
       (SELECT count(*) FROM indexed WHERE s BETWEEN '{1:1}/1' AND '{1:2}/2') AS between_;
EXPLAIN (COSTS OFF) SELECT v FROM indexed ORDER BY v LIMIT 2;
SELECT count(*) AS rows, count(*) FILTER (WHERE v >= before_v OR before_v IS NULL) AS v,
       count(*) FILTER (WHERE h >= before_h OR before_h IS NULL) AS h
FROM (SELECT v, h, lag(v) OVER (ORDER BY v) AS before_v, lag(h) OVER (ORDER BY h) AS before_h FROM indexed
  WHERE v IS NOT NULL) AS t;
DROP INDEX indexed_v_idx, indexed_h_idx, indexed_s_idx;
CREATE INDEX ON indexed USING hash (v);
CREATE INDEX ON indexed USING hash (h);
CREATE INDEX ON indexed USING hash (s);
EXPLAIN (COSTS OFF) SELECT count(*) FROM indexed WHERE v = '[0,0]';
SELECT (SELECT count(*) FROM indexed WHERE v = '[-0,0]') AS v, (SELECT count(*) FROM indexed WHERE h = '[0,0]') AS h,
       (SELECT count(*) FROM indexed WHERE s = '{}/2') AS s;
RESET enable_seqscan;
RESET enable_bitmapscan;

-- Grouping by hash and by order find the same groups.
SET enable_sort = off;
EXPLAIN (COSTS OFF) SELECT v, count(*) FROM indexed GROUP BY v;
SELECT (SELECT count(*) FROM (SELECT v FROM indexed GROUP BY v) AS t) AS v, (SELECT count(*)
       FROM (SELECT h FROM indexed GROUP BY h) AS t) AS h,
       (SELECT count(*) FROM (SELECT DISTINCT s FROM indexed) AS t) AS s;
RESET enable_sort;
SET enable_hashagg = off;
SELECT (SELECT count(*) FROM (SELECT v FROM indexed GROUP BY v) AS t) AS v, (SELECT count(*)
       FROM (SELECT h FROM indexed GROUP BY h) AS t) AS h,
       (SELECT count(*) FROM (SELECT DISTINCT s FROM indexed) AS t) AS s;
RESET enable_hashagg;

-- Joins.
SET enable_mergejoin = off;
SET enable_nestloop = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM indexed AS a JOIN indexed AS b ON a.v = b.v;
SELECT count(*) FROM indexed AS a JOIN indexed AS b ON a.v = b.v;
RESET enable_mergejoin;
SET enable_hashjoin = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM indexed AS a JOIN indexed AS b ON a.v = b.v;
SELECT count(*) FROM indexed AS a JOIN indexed AS b ON a.v = b.v;
RESET enable_nestloop;
RESET enable_hashjoin;
SELECT count(*) FROM (SELECT v FROM indexed EXCEPT SELECT '[0,0]') AS t;

-- A unique key, and a table partitioned by hash.
CREATE TABLE keyed (v vector(2) PRIMARY KEY);
INSERT INTO keyed VALUES ('[1,0]'), ('[1,-0]') ON CONFLICT DO NOTHING;
SELECT * FROM keyed;
DROP TABLE keyed;
CREATE TABLE parted (v vector) PARTITION BY HASH (v);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO parted SELECT ARRAY[i]::vector FROM generate_series(1, 100) AS i;
SELECT count(*) AS rows, count(DISTINCT tableoid) AS partitions FROM parted;
DROP TABLE parted;

-- Parallel aggregates, whose partial states are combined.
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
EXPLAIN (COSTS OFF) SELECT sum(v), avg(v), sum(h), avg(h) FROM indexed;
SELECT sum(v), avg(v) = ARRAY[3, -1]::vector * ARRAY[2100.0 / 2101, 2100.0 / 2101]::vector AS avg_v,
       sum(h) FILTER (WHERE i <= 210), l2_distance(avg(h), '[3,-1]') < 0.01 AS avg_h FROM indexed;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;
DROP TABLE indexed;

-- The planner knows that a distance costs more than a comparison of numbers: the cheap condition comes first.
CREATE TABLE filtered (v vector, i int);
EXPLAIN (COSTS OFF) SELECT * FROM filtered WHERE v <-> '[1]' < 1 AND i < 5;
DROP TABLE filtered;

-- Everything the types consist of has a comment.
SELECT pg_describe_object(d.classid, d.objid, 0) AS without_comment
FROM pg_depend AS d JOIN pg_extension AS e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
  AND d.deptype = 'e'
WHERE e.extname = 'strata' AND obj_description(d.objid, d.classid::regclass::text) IS NULL
  AND NOT EXISTS (SELECT FROM pg_type AS t WHERE t.oid = d.objid AND d.classid = 'pg_type'::regclass
  AND (t.typcategory = 'A' OR t.typtype = 'c'))
  AND d.classid <> 'pg_class'::regclass;
