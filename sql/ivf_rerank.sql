-- rerank = full: exact distances from copies of the vectors in the index
CREATE TABLE reranked (id int, v vector(24), h halfvec(24), note text);
INSERT INTO reranked SELECT i, x, x::halfvec, 'n' || i FROM generate_series(1, 400) i,
  LATERAL (SELECT array_agg(sin(i * 7 + d * i % 13) + d * 0.01 ORDER BY d)::vector(24) AS x FROM generate_series(1, 24) d) one;
INSERT INTO reranked VALUES (401, NULL, NULL, 'null'), (402, array_fill(0, ARRAY[24])::vector, array_fill(0, ARRAY[24])::halfvec, 'zero');
SET enable_seqscan = off;
-- Rows of the index against rows that were sorted, and heap rows that the index asked for.
CREATE FUNCTION compare(method text, query text, rows int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  found int[];
  truth int[];
BEGIN
  EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM reranked ORDER BY %s LIMIT %s) near', query, rows) INTO found;
  PERFORM set_config('enable_indexscan', 'off', true);
  EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM reranked ORDER BY %s LIMIT %s) near', query, rows) INTO truth;
  PERFORM set_config('enable_indexscan', 'on', true);
  RETURN format('%s: %s, heap rows %s', method, CASE WHEN found = truth THEN 'exact' ELSE found::text || ' not ' || truth::text END,
    (SELECT heap_rows FROM strata.last_scan()));
END
$$;
SET strata.recall_target = 0.9999;
CREATE INDEX by_l2 ON reranked USING ivf (v vector_l2_ops) WITH (rerank = full);
SELECT compare('l2', 'v <-> (SELECT v FROM reranked r WHERE r.id = 17)', 30);
CREATE INDEX by_ip ON reranked USING ivf (v vector_ip_ops) WITH (rerank = 'full');
SELECT compare('inner product', 'v <#> (SELECT v FROM reranked r WHERE r.id = 17)', 30);
CREATE INDEX by_cosine ON reranked USING ivf (v vector_cosine_ops) WITH (rerank = full);
SELECT compare('cosine', 'v <=> (SELECT v FROM reranked r WHERE r.id = 17)', 30);
CREATE INDEX by_half ON reranked USING ivf (h halfvec_l2_ops) WITH (rerank = full);
SELECT compare('half', 'h <-> (SELECT h FROM reranked r WHERE r.id = 17)', 30);
CREATE INDEX by_expression ON reranked USING ivf ((h::vector(24)) vector_l2_ops) WITH (rerank = full);
SELECT compare('expression', 'h::vector(24) <-> (SELECT v FROM reranked r WHERE r.id = 17)', 30);
-- Growing rows have copies too; changed and deleted rows do not come back; flush and merge keep them.
INSERT INTO reranked SELECT id + 1000, v, h, 'twin' FROM reranked WHERE id % 5 = 2;
UPDATE reranked SET v = v + v, h = h + h WHERE id % 9 = 1;
DELETE FROM reranked WHERE id % 9 = 3;
SELECT compare('l2', 'v <-> (SELECT v FROM reranked r WHERE r.id = 17), id', 40);
SELECT strata.flush('by_l2') > 0 AS flushed, strata.flush('by_half') > 0 AS half_flushed;
CALL strata.merge('by_l2');
CALL strata.compact('by_half', force => true);
VACUUM reranked;
SELECT compare('cosine', 'v <=> (SELECT v FROM reranked r WHERE r.id = 17), id', 40);
SELECT compare('half', 'h <-> (SELECT h FROM reranked r WHERE r.id = 17), id', 40);
SELECT rows, heap_rows FROM strata.verify('by_l2', heap => true);
SELECT rows, heap_rows FROM strata.verify('by_half', heap => true);
-- The option counts when an index is built.
CREATE INDEX later ON reranked USING ivf (v vector_l2_ops);
ALTER INDEX later SET (rerank = full);
INSERT INTO reranked SELECT 5000, v, h FROM reranked WHERE id = 17;
SELECT pg_relation_size('later') AS before \gset
REINDEX INDEX later;
SELECT pg_relation_size('later') > :before AS larger;
ALTER INDEX later RESET (rerank);
CREATE INDEX ON reranked USING ivf (v vector_l2_ops) WITH (rerank = half);
CREATE TABLE long_rows (v vector(8000), h halfvec(8000));
CREATE INDEX ON long_rows USING ivf (v) WITH (rerank = full);
CREATE INDEX ON long_rows USING ivf (h halfvec_l2_ops) WITH (rerank = full);
INSERT INTO long_rows SELECT array_fill(i, ARRAY[8000])::vector, array_fill(i, ARRAY[8000])::halfvec FROM generate_series(1, 5) i;
SELECT h::text::varchar(5) FROM long_rows ORDER BY h <-> array_fill(4.4, ARRAY[8000])::halfvec LIMIT 2;
DROP TABLE reranked, long_rows;
DROP FUNCTION compare;
