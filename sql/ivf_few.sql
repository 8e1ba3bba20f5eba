-- Segments of few rows, whose refine codes are all evaluated, and what a session keeps of an index between searches.
SET enable_seqscan = off;
SET enable_sort = off;
CREATE TABLE few (id int PRIMARY KEY, v vector(20));
INSERT INTO few SELECT i, array(SELECT sin(i * g) FROM generate_series(1, 20) g)::float8[]::vector FROM generate_series(1, 200) i;
CREATE INDEX few_v ON few USING ivf (v vector_l2_ops);
CREATE FUNCTION rows_that_differ(wanted int) RETURNS TABLE (query int, hits int, wrong int) LANGUAGE plpgsql AS $$
DECLARE q vector; by_index int[]; by_sort int[];
BEGIN
  FOR query IN SELECT generate_series(1, 391, 30) LOOP
    q := array(SELECT sin(query * 0.5 * g) FROM generate_series(1, 20) g)::float8[]::vector;
    by_index := array(SELECT id FROM few ORDER BY v <-> q LIMIT wanted);
    by_sort := array(SELECT id FROM few ORDER BY (v <-> q) + 0, id LIMIT wanted);
    hits := cardinality(by_index);
    wrong := (SELECT count(*) FROM unnest(by_index, by_sort) WITH ORDINALITY AS t(a, b, n)
              WHERE (SELECT f.v <-> q FROM few f WHERE f.id = a) <> (SELECT f.v <-> q FROM few f WHERE f.id = b));
    RETURN NEXT;
  END LOOP;
END $$;
SELECT sum(hits), sum(wrong) FROM rows_that_differ(1);
SELECT sum(hits), sum(wrong) FROM rows_that_differ(10);
SELECT sum(hits), sum(wrong) FROM rows_that_differ(500);
SELECT count(*) FROM (SELECT id FROM few ORDER BY v <-> array_fill(0.1, ARRAY[20])::vector LIMIT 10) nearest;
SELECT segments, lists, codes, refined FROM strata.last_scan();

-- Deleted rows, and rows of the growing segment beside the others.
DELETE FROM few WHERE id % 3 = 0;
VACUUM few;
INSERT INTO few SELECT i, array(SELECT sin(i * g) FROM generate_series(1, 20) g)::float8[]::vector FROM generate_series(201, 300) i;
SELECT sum(hits), sum(wrong) FROM rows_that_differ(10);
SELECT sum(hits), sum(wrong) FROM rows_that_differ(500);

-- Another metric, and a filter.
DROP INDEX few_v;
CREATE INDEX few_v ON few USING ivf (v vector_ip_ops, id);
SELECT count(*) FILTER (WHERE a <> b) FROM
  (SELECT v <#> '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]' AS a, row_number() OVER () n FROM
    (SELECT v FROM few ORDER BY v <#> '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]' LIMIT 50) nearest) x
  JOIN (SELECT v <#> '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]' AS b, row_number() OVER
    (ORDER BY v <#> '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]') n FROM few) y USING (n);
SELECT array_agg(id ORDER BY id) FROM
  (SELECT id FROM few WHERE id BETWEEN 10 AND 17 ORDER BY v <#> '[1,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]' LIMIT 10) AS inside;
DROP TABLE few CASCADE;
DROP FUNCTION rows_that_differ;

-- A table that is emptied where it lies, in the transaction that made it: its index begins again in the same file.
BEGIN;
CREATE TABLE again (id int, v vector(3));
INSERT INTO again SELECT i, ARRAY[i, 0, 0]::vector FROM generate_series(1, 50) i;
CREATE INDEX ON again USING ivf (v vector_l2_ops);
SELECT id FROM again ORDER BY v <-> '[3,0,0]' LIMIT 2;
TRUNCATE again;
SELECT id FROM again ORDER BY v <-> '[3,0,0]' LIMIT 2;
INSERT INTO again VALUES (1000, '[100,0,0]'), (1001, '[-100,0,0]');
SELECT id FROM again ORDER BY v <-> '[3,0,0]' LIMIT 3;
COMMIT;
SELECT id FROM again ORDER BY v <-> '[3,0,0]' LIMIT 3;
DROP TABLE again;
-- The same at every commit.
CREATE TEMP TABLE passing (id int, v vector(3)) ON COMMIT DELETE ROWS;
CREATE INDEX ON passing USING ivf (v vector_l2_ops);
BEGIN;
INSERT INTO passing VALUES (1, '[1,0,0]'), (2, '[2,0,0]'), (3, '[3,0,0]');
SELECT id FROM passing ORDER BY v <-> '[3,0,0]' LIMIT 2;
COMMIT;
BEGIN;
INSERT INTO passing VALUES (4, '[4,0,0]');
SELECT id FROM passing ORDER BY v <-> '[3,0,0]' LIMIT 2;
SELECT id FROM passing ORDER BY v <-> '[3,0,0]' LIMIT 2;
COMMIT;
SELECT id FROM passing ORDER BY v <-> '[3,0,0]' LIMIT 2;
DROP TABLE passing;
