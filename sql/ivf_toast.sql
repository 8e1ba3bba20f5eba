-- Scans read vectors from their TOAST table by themselves: the same rows in the same order as without the index.
SET strata.auto_flush_interval = 0;
SET strata.recall_target = 0.9999;
CREATE FUNCTION far_vector(seed int, dim int) RETURNS real[] LANGUAGE sql IMMUTABLE AS
  $$ SELECT array_agg((sin(seed * d * 0.37) + cos(seed * 1.1 + d))::real ORDER BY d) FROM generate_series(1, dim) d $$;
CREATE TABLE far (id int PRIMARY KEY, v vector(700));
INSERT INTO far SELECT i, far_vector(i, 700)::vector FROM generate_series(1, 400) i;
CREATE INDEX far_v ON far USING ivf (v);
CREATE TABLE asked AS SELECT 1 AS q, far_vector(1001, 700)::vector(700) AS v
  UNION ALL SELECT 2, far_vector(7, 700)::vector(700);

-- Ids in the order of the index, and whether a sort gives the same; three times, so that places of values are known.
CREATE FUNCTION differences(wanted int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE by_index int[]; by_sort int[]; wrong bigint := 0; query record;
BEGIN
  FOR round IN 1..3 LOOP
    FOR query IN SELECT * FROM asked LOOP
      SET LOCAL enable_seqscan = off;
      by_index := ARRAY(SELECT id FROM far ORDER BY v <-> query.v LIMIT wanted);
      SET LOCAL enable_seqscan = on;
      SET LOCAL enable_indexscan = off;
      by_sort := ARRAY(SELECT id FROM far ORDER BY v <-> query.v LIMIT wanted);
      SET LOCAL enable_indexscan = on;
      IF cardinality(by_index) <> wanted THEN RAISE 'scan returned % rows', cardinality(by_index); END IF;
      wrong := wrong + (SELECT count(*) FROM unnest(by_index, by_sort) AS both_ids(a, b) WHERE a IS DISTINCT FROM b);
    END LOOP;
  END LOOP;
  RETURN wrong;
END $$;
SELECT count(*) > 0 AS out_of_line FROM far WHERE pg_column_size(v) > 2000
  AND (SELECT pg_relation_size(reltoastrelid) > 400 * 2800 FROM pg_class WHERE oid = 'far'::regclass);
SELECT differences(250);

-- values that go and come, in this and in other places
DELETE FROM far WHERE id % 3 = 0;
SELECT differences(250);
VACUUM far;
INSERT INTO far SELECT i, far_vector(i + 20000, 700)::vector FROM generate_series(1000, 1200) i;
UPDATE far SET v = far_vector(id + 5000, 700)::vector WHERE id % 7 = 0;
SELECT differences(250);
DO $$ BEGIN
  FOR round IN 1..4 LOOP
    DELETE FROM far WHERE id % 5 = round AND id < 2000;
    UPDATE far SET id = id + 2000 * round WHERE id % 5 = round;
  END LOOP;
END $$;
VACUUM far;
INSERT INTO far SELECT i, far_vector(i + 50000, 700)::vector FROM generate_series(10000, 10020) i;
DELETE FROM far WHERE id % 4 = 1;
VACUUM far;
INSERT INTO far SELECT i, far_vector(i + 60000, 700)::vector FROM generate_series(11000, 11300) i;
SELECT differences(250);
BEGIN;
SAVEPOINT s;
UPDATE far SET v = far_vector(id + 9000, 700)::vector WHERE id % 5 = 0;
SELECT differences(250);
ROLLBACK TO s;
SELECT differences(250);
COMMIT;
VACUUM FULL far;
SELECT differences(250);
TRUNCATE far;
INSERT INTO far SELECT i, far_vector(i + 30000, 700)::vector FROM generate_series(1, 150) i;
SELECT differences(140);

-- compressed, and in one piece with the row
ALTER TABLE far ALTER v SET STORAGE EXTENDED;
INSERT INTO far SELECT 2000 + i, array_fill(i / 8.0::real, ARRAY[700])::vector FROM generate_series(1, 40) i;
ALTER TABLE far ALTER v SET STORAGE MAIN;
INSERT INTO far SELECT 3000 + i, far_vector(i + 40000, 700)::vector FROM generate_series(1, 40) i;
SELECT differences(140);
ALTER TABLE far ALTER v SET STORAGE EXTERNAL;

-- where a value lies is guessed from those around it: few are looked up in the index of the TOAST table
CREATE TABLE many (id int, v vector(700));
INSERT INTO many SELECT i, far_vector(i + 70000, 700)::vector FROM generate_series(1, 400) i;
CREATE INDEX ON many USING ivf (v);
CREATE VIEW lookups AS SELECT idx_scan FROM pg_stat_all_indexes
  WHERE relid = (SELECT reltoastrelid FROM pg_class WHERE oid = 'many'::regclass);
\c -
SET enable_seqscan = off;
SELECT pg_stat_force_next_flush();
SELECT idx_scan AS before FROM lookups \gset
SELECT count(*) FROM (SELECT id FROM many ORDER BY v <-> far_vector(1001, 700)::vector(700) LIMIT 300) s;
SELECT heap_rows >= 300 AS read_them FROM strata.last_scan();
SELECT pg_stat_force_next_flush();
SELECT idx_scan - :before BETWEEN 1 AND 100 AS looked_few_up FROM lookups;
DROP VIEW lookups;
DROP TABLE many;
RESET enable_seqscan;
SET strata.auto_flush_interval = 0;

-- a cursor that rests keeps nobody from the pages it has read
BEGIN;
SET LOCAL enable_seqscan = off;
DECLARE c CURSOR FOR SELECT id FROM far ORDER BY v <-> (SELECT v FROM asked WHERE q = 1);
FETCH 2 FROM c;
CLOSE c;
COMMIT;

-- temporary tables have buffers of their own
CREATE TEMP TABLE near_by (id int, v vector(700));
INSERT INTO near_by SELECT id, v FROM far;
CREATE INDEX ON near_by USING ivf (v);
SET enable_seqscan = off;
SELECT array_agg(id) = (SELECT array_agg(id) FROM (SELECT id FROM far ORDER BY v <-> (SELECT v FROM asked WHERE q = 1)
  LIMIT 30) s) AS same FROM (SELECT id FROM near_by ORDER BY v <-> (SELECT v FROM asked WHERE q = 1) LIMIT 30) s;

-- A distance that is only sorted by is not computed a second time; one that somebody reads is.
-- Servers differ in how they name parameters and disabled nodes.
CREATE FUNCTION plan_of(statement text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE 'EXPLAIN (VERBOSE, COSTS OFF) ' || statement LOOP
    CONTINUE WHEN line ~ 'Disabled: ';
    line := regexp_replace(line, '(Init|Sub)Plan (expr|array)_1', '\1Plan 1');
    line := regexp_replace(line, '\(InitPlan 1\)\.col1|\$0', 'asked');
    line := replace(replace(line, 'InitPlan 1 (returns asked)', 'InitPlan 1'), 'ARRAY(SubPlan 1)', '(SubPlan 1)');
    RETURN NEXT line;
  END LOOP;
END $$;
SELECT plan_of('SELECT id FROM far ORDER BY v <-> (SELECT v FROM asked WHERE q = 1) LIMIT 3');
SELECT plan_of('SELECT id, v <-> (SELECT v FROM asked WHERE q = 1) AS d FROM far ORDER BY d LIMIT 3');
SELECT plan_of('SELECT id FROM far ORDER BY v <-> (SELECT v FROM asked WHERE q = 1) FETCH FIRST 3 ROWS WITH TIES');
SELECT plan_of('SELECT a.q, s.id FROM asked a, LATERAL (SELECT id FROM far ORDER BY far.v <-> a.v LIMIT 2) s');
SELECT plan_of('SELECT ARRAY(SELECT id FROM far ORDER BY far.v <-> a.v LIMIT 2) FROM asked a');
DROP FUNCTION plan_of;
SELECT count(*) FROM (SELECT id FROM far ORDER BY v <-> (SELECT v FROM asked WHERE q = 1) FETCH FIRST 3 ROWS WITH TIES) s;
SELECT bool_and(d = near_d) AS distances_are_right FROM (
  SELECT v <-> (SELECT v FROM asked WHERE q = 1) AS d,
    lag(v <-> (SELECT v FROM asked WHERE q = 1), 0) OVER () AS near_d
  FROM far ORDER BY d LIMIT 20) s;

DROP TABLE far, asked, near_by;
DROP FUNCTION differences(int), far_vector(int, int);
