-- CREATE INDEX ... USING ivf with parallel workers: the same rows as without, wherever workers may not be had
SET strata.auto_flush_interval = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_maintenance_workers = 2;
CREATE FUNCTION parallel_vector(seed int, dim int) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
  $$ SELECT array_agg(((hashint4(seed * 1000 + d) & 65535) / 65535.0)::real ORDER BY d)::vector
     FROM generate_series(1, dim) d $$;
CREATE TABLE many AS SELECT i AS id, parallel_vector(i, 8)::vector(8) AS v FROM generate_series(1, 24000) i;
INSERT INTO many SELECT -i, NULL FROM generate_series(1, 7) i;
INSERT INTO many SELECT i, '[0,0,0,0,0,0,0,0]' FROM generate_series(30001, 30009) i;
SELECT count(*) FROM many;

-- workers do take part: rows are refused by processes other than this one, which takes its time
CREATE TABLE part AS SELECT * FROM many WHERE id BETWEEN 1 AND 3000;
SELECT set_config('test.leader', pg_backend_pid()::text, false) IS NOT NULL AS is_set;
CREATE FUNCTION refuse_elsewhere(v vector, id int) RETURNS vector LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
  IF pg_backend_pid() <> current_setting('test.leader')::int THEN RAISE EXCEPTION 'refused by a worker'; END IF;
  IF id % 100 = 0 THEN PERFORM pg_sleep(0.1); END IF;
  RETURN v;
END $$;
\set SHOW_CONTEXT never
CREATE INDEX part_refused ON part USING ivf ((refuse_elsewhere(v, id)::vector(8)));
SELECT count(*) FROM pg_class WHERE relname = 'part_refused';
DROP TABLE part;

-- the same answers
CREATE TABLE nearest (way text, query int, ids int[]);
CREATE FUNCTION remember(way text) RETURNS void LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
  INSERT INTO nearest SELECT way, q, ARRAY(
    SELECT id FROM many ORDER BY v <=> parallel_vector(q, 8) LIMIT 5) FROM generate_series(1, 20) q;
END $$;
SET strata.probes = 10000;  -- every list: the answers are exact, whatever the lists
CREATE INDEX many_v ON many USING ivf (v vector_cosine_ops) WITH (segment_size = 1);
SELECT remember('parallel');
SELECT kind, count(*), sum(rows) AS rows FROM strata.segments WHERE index = 'many_v'::regclass
  GROUP BY kind ORDER BY kind;
SELECT rows, deleted_rows, heap_rows FROM strata.verify('many_v', true);
SET max_parallel_maintenance_workers = 0;
REINDEX INDEX many_v;
SELECT remember('serial');
SELECT kind, count(*), sum(rows) AS rows FROM strata.segments WHERE index = 'many_v'::regclass
  GROUP BY kind ORDER BY kind;
SELECT count(*) AS queries, count(*) FILTER (WHERE a.ids = b.ids) AS equal
  FROM nearest a JOIN nearest b USING (query) WHERE a.way = 'parallel' AND b.way = 'serial';
SET max_parallel_maintenance_workers = 2;
REINDEX INDEX CONCURRENTLY many_v;
SELECT rows, deleted_rows, heap_rows FROM strata.verify('many_v', true);
VACUUM FULL many;
SELECT rows, deleted_rows, heap_rows FROM strata.verify('many_v', true);
DROP INDEX many_v;
CREATE INDEX CONCURRENTLY many_v ON many USING ivf (v vector_l2_ops);
SELECT rows, deleted_rows, heap_rows FROM strata.verify('many_v', true);
DROP INDEX many_v;
RESET strata.probes;

-- within a transaction that wrote rows; the table says how many workers
BEGIN;
ALTER TABLE many SET (parallel_workers = 1);
INSERT INTO many SELECT i, parallel_vector(i, 8) FROM generate_series(40001, 40100) i;
SAVEPOINT before;
INSERT INTO many SELECT i, parallel_vector(i, 8) FROM generate_series(50001, 50100) i;
ROLLBACK TO before;
CREATE INDEX many_v ON many USING ivf (v);
SELECT rows, heap_rows FROM strata.verify('many_v', true);
ROLLBACK;

-- partial and expression indexes; an expression that no worker may evaluate
CREATE INDEX many_odd ON many USING ivf (v) WHERE id % 2 = 1;
SELECT rows, heap_rows FROM strata.verify('many_odd', true);
CREATE FUNCTION twice(v vector) RETURNS vector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS 'SELECT v OPERATOR(public.+) v';
CREATE FUNCTION twice_alone(v vector) RETURNS vector LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE AS
  $$ BEGIN IF v IS NULL THEN RETURN NULL; END IF; RETURN v OPERATOR(public.+) v; END $$;
CREATE INDEX many_twice ON many USING ivf ((twice(v)::vector(8)));
SELECT rows, heap_rows FROM strata.verify('many_twice', true);
CREATE INDEX many_alone ON many USING ivf ((twice_alone(v)::vector(8)));
SELECT rows, heap_rows FROM strata.verify('many_alone', true);
DROP INDEX many_odd, many_twice, many_alone;

-- workers that cannot be had, memory for none; flat segments; temporary and unlogged tables
SET max_parallel_workers = 0;
CREATE INDEX many_v ON many USING ivf (v);
SELECT rows, heap_rows FROM strata.verify('many_v', true);
DROP INDEX many_v;
RESET max_parallel_workers;
SET maintenance_work_mem = '12MB';
CREATE INDEX many_v ON many USING ivf (v);
SELECT rows, heap_rows FROM strata.verify('many_v', true);
RESET maintenance_work_mem;
CREATE TABLE few AS SELECT * FROM many WHERE id < 3000;
CREATE INDEX few_v ON few USING ivf (v);
SELECT kind, rows, lists FROM strata.segments WHERE index = 'few_v'::regclass ORDER BY kind;
SELECT rows, heap_rows FROM strata.verify('few_v', true);
CREATE TEMP TABLE temporary AS SELECT * FROM many WHERE id < 3000;
CREATE INDEX temporary_v ON temporary USING ivf (v);
SELECT rows, heap_rows FROM strata.verify('temporary_v', true);
CREATE UNLOGGED TABLE unlogged AS SELECT * FROM many;
CREATE INDEX unlogged_v ON unlogged USING ivf (v);
SELECT rows, heap_rows FROM strata.verify('unlogged_v', true);
DROP TABLE many, few, temporary, unlogged, nearest;
DROP FUNCTION remember, parallel_vector, twice, twice_alone, refuse_elsewhere;
