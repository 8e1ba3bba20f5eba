-- EXPLAIN (ANALYZE) tells what ivf indexes did; strata.track_scan_timing
CREATE TABLE explained (id int, v vector(3));
INSERT INTO explained SELECT i, ARRAY[sin(i), cos(i), i % 7]::vector FROM generate_series(1, 500) i;
CREATE INDEX explained_v ON explained USING ivf (v vector_l2_ops);
ANALYZE explained;
SET enable_seqscan = off;
-- Numbers that differ from run to run are replaced; lines of the plan and the server's own are not the matter here.
CREATE FUNCTION explained(options text, query text) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
  line text;
BEGIN
  FOR line IN EXECUTE format('EXPLAIN (ANALYZE, COSTS OFF, %s) %s', options, query) LOOP
    CONTINUE WHEN line !~ '^ *(Index .*: (rows|scans)=|Times:)';
    line := regexp_replace(line, '(refined|pages|codes)=\d+', '\1=N', 'g');
    line := regexp_replace(line, ' prefetched=\d+', '');
    RETURN NEXT regexp_replace(line, '\d+\.\d+', 'N', 'g');
  END LOOP;
END
$$;
SELECT explained('TIMING ON', 'SELECT id FROM explained ORDER BY v <-> ''[1,2,3]'' LIMIT 3');
SELECT explained('TIMING OFF', 'SELECT id FROM explained ORDER BY v <-> ''[1,2,3]'' LIMIT 3');
SELECT explained('SUMMARY OFF', 'SELECT id FROM explained ORDER BY v <-> ''[1,2,3]'' LIMIT 3');
SELECT explained('TIMING OFF', 'SELECT count(*) FROM explained');
-- Scans of a nested loop are added up, each index has a line of its own.
CREATE INDEX "Explained by cosine" ON explained USING ivf (v vector_cosine_ops);
SELECT explained('TIMING OFF', 'SELECT q.i, near.id FROM generate_series(1, 4) q(i),
  LATERAL (SELECT id FROM explained ORDER BY v <-> ARRAY[q.i, 0, 0]::vector LIMIT 2) near,
  LATERAL (SELECT id FROM explained ORDER BY v <=> ''[1,1,1]'' LIMIT 1) far');
-- An EXPLAIN that fails leaves nothing behind; one within another shows its own.
SELECT explained('TIMING OFF', 'SELECT 1 / (id - id) FROM explained ORDER BY v <-> ''[1,2,3]'' LIMIT 1');
SELECT explained('TIMING OFF', 'SELECT id FROM explained ORDER BY v <-> ''[1,2,3]'' LIMIT 1');
DO $$
BEGIN
  PERFORM explained('TIMING OFF', 'SELECT 1 / (id - id) FROM explained ORDER BY v <-> ''[1,2,3]'' LIMIT 1');
EXCEPTION WHEN division_by_zero THEN
  RAISE NOTICE 'failed';
END
$$;
SELECT explained('TIMING OFF', 'SELECT explained(''TIMING OFF'', ''SELECT id FROM explained ORDER BY v <-> ''''[0,0,0]'''' LIMIT 2''),
  id FROM explained ORDER BY v <-> ''[1,2,3]'' LIMIT 1');
-- Structured formats have the same numbers.
CREATE FUNCTION explained_json(query text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
  answer jsonb;
BEGIN
  EXECUTE 'EXPLAIN (ANALYZE, FORMAT json) ' || query INTO answer;
  RETURN answer;
END
$$;
SELECT answer -> 0 -> 'Plan' ->> 'Node Type' AS plan, scan ->> 'Index Name' AS index, scan ->> 'rows' AS rows,
  scan ->> 'segments' AS segments, scan ? 'heap' AS timed
FROM explained_json('SELECT id FROM explained ORDER BY v <-> ''[1,2,3]'' LIMIT 3') answer,
  LATERAL jsonb_array_elements(answer -> 1 -> 'IVF Scans') scan;
-- Without EXPLAIN the clock runs on demand.
SELECT count(*) FROM (SELECT id FROM explained ORDER BY v <-> '[1,2,3]' LIMIT 3) near;
SELECT open_ms, rank_ms, scan_ms, refine_ms, heap_ms FROM strata.last_scan();
SET strata.track_scan_timing = on;
SELECT count(*) FROM (SELECT id FROM explained ORDER BY v <-> '[1,2,3]' LIMIT 3) near;
SELECT open_ms > 0 AS open, rank_ms >= 0 AS rank, scan_ms > 0 AS scan, refine_ms > 0 AS refine, heap_ms >= 0 AS heap
FROM strata.last_scan();
RESET strata.track_scan_timing;
DROP TABLE explained;
DROP FUNCTION explained, explained_json;
