-- A scan knows the LIMIT of its plan, so that it looks far enough at once: continuations stay at zero.
SET enable_seqscan = off;
SET strata.auto_flush_interval = 0;
CREATE TABLE limited (id int, part int, v vector(8));
INSERT INTO limited SELECT i, i % 10, ARRAY(SELECT sin(i * d) FROM generate_series(1, 8) d)::vector
FROM generate_series(1, 5000) i;
CREATE INDEX limited_v ON limited USING ivf (v);
ANALYZE limited;

-- constant, parameter, with OFFSET, in a lateral subquery, with a condition
SELECT count(*) FROM (SELECT id FROM limited ORDER BY v <-> '[0,0,0,0,0,0,0,0]' LIMIT 300) s;
SELECT rows, continuations FROM strata.last_scan();
PREPARE few(int) AS SELECT count(*) FROM (SELECT id FROM limited ORDER BY v <-> '[1,0,0,0,0,0,0,0]' LIMIT $1) s;
EXECUTE few(150);
SELECT rows, continuations FROM strata.last_scan();
SELECT count(*) FROM (SELECT id FROM limited ORDER BY v <-> '[0,1,0,0,0,0,0,0]' OFFSET 100 LIMIT 50) s;
SELECT rows, continuations FROM strata.last_scan();
SELECT count(*) FROM (VALUES ('[0,0,1,0,0,0,0,0]'::vector)) q (v),
  LATERAL (SELECT id FROM limited l ORDER BY l.v <-> q.v LIMIT 120) s;
SELECT rows, continuations FROM strata.last_scan();
SELECT count(*) FROM (SELECT id FROM limited WHERE part = 3 ORDER BY v <-> '[0,0,0,1,0,0,0,0]' LIMIT 20) s;
SELECT continuations FROM strata.last_scan();

-- no LIMIT: the scan goes on until it has returned every row
SELECT count(*) FROM (SELECT id FROM limited ORDER BY v <-> '[0,0,0,0,1,0,0,0]' OFFSET 0) s;
SELECT rows, continuations > 0 AS went_on FROM strata.last_scan();

-- an error below a scan leaves nothing behind for the next one
DO $$
BEGIN
  BEGIN
    PERFORM 1 / (id - id) FROM limited ORDER BY v <-> '[0,0,0,0,0,1,0,0]' LIMIT 5;
  EXCEPTION WHEN division_by_zero THEN
    PERFORM id FROM limited ORDER BY v <-> '[0,0,0,0,0,1,0,0]' LIMIT 60;
  END;
END $$;
SELECT rows, continuations FROM strata.last_scan();
DROP TABLE limited;
