-- rerank = full: exact distances from copies of the vectors in the index; rerank = half: from copies of 16 bits a
-- dimension as far as these leave no doubt, else from the table
CREATE TABLE reranked (id int, v vector(24), h halfvec(24), note text);
INSERT INTO reranked SELECT i, x, x::halfvec, 'n' || i FROM generate_series(1, 400) i,
  LATERAL (SELECT array_agg(sin(i * 7 + d * i % 13) + d * 0.01 ORDER BY d)::vector(24) AS x FROM generate_series(1, 24) d) one;
INSERT INTO reranked VALUES (401, NULL, NULL, 'null'), (402, array_fill(0, ARRAY[24])::vector, array_fill(0, ARRAY[24])::halfvec, 'zero');
SET enable_seqscan = off;
-- Rows of the index against rows that were sorted, and heap rows that the index asked for.
CREATE FUNCTION compare(query text, rows int, columns text DEFAULT 'id', heap_rows_max int DEFAULT 0) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  found text[];
  truth text[];
  statement text := format('SELECT array_agg(found::text) FROM (SELECT %s FROM reranked ORDER BY %s LIMIT %s) found',
    CASE columns WHEN 'distance' THEN query ELSE columns END, query, rows);
BEGIN
  EXECUTE statement INTO found;
  PERFORM set_config('enable_indexscan', 'off', true);
  EXECUTE statement INTO truth;
  PERFORM set_config('enable_indexscan', 'on', true);
  RETURN (SELECT format('%s: %s, heap rows %s', index, CASE WHEN found = truth THEN 'exact' ELSE found::text || ' not ' || truth::text END,
    CASE WHEN heap_rows <= heap_rows_max THEN 'at most ' || heap_rows_max ELSE heap_rows::text END) FROM strata.last_scan());
END
$$;
SET strata.recall_target = 0.9999;
CREATE INDEX by_l2 ON reranked USING ivf (v vector_l2_ops) WITH (rerank = full);
SELECT compare('v <-> (SELECT v FROM reranked r WHERE r.id = 17)', 30);
CREATE INDEX by_ip ON reranked USING ivf (v vector_ip_ops) WITH (rerank = 'full');
SELECT compare('v <#> (SELECT v FROM reranked r WHERE r.id = 17)', 30);
CREATE INDEX by_cosine ON reranked USING ivf (v vector_cosine_ops) WITH (rerank = full);
SELECT compare('v <=> (SELECT v FROM reranked r WHERE r.id = 17)', 30);
CREATE INDEX by_half ON reranked USING ivf (h halfvec_l2_ops) WITH (rerank = full);
SELECT compare('h <-> (SELECT h FROM reranked r WHERE r.id = 17)', 30);
CREATE INDEX by_expression ON reranked USING ivf ((h::vector(24)) vector_l2_ops) WITH (rerank = full);
SELECT compare('h::vector(24) <-> (SELECT v FROM reranked r WHERE r.id = 17)', 30);
-- Copies of 16 bits a dimension: few heap rows; of halfvec the copies are whole.
DROP INDEX by_l2, by_ip, by_cosine, by_half, by_expression;
CREATE INDEX short_l2 ON reranked USING ivf (v vector_l2_ops) WITH (rerank = half);
SELECT compare('v <-> (SELECT v FROM reranked r WHERE r.id = 17)', 30, heap_rows_max => 3);
SELECT compare('v <-> (SELECT v + v FROM reranked r WHERE r.id = 170)', 401, heap_rows_max => 150);
DROP INDEX short_l2;
CREATE INDEX short_ip ON reranked USING ivf (v vector_ip_ops) WITH (rerank = half);
SELECT compare('v <#> (SELECT v FROM reranked r WHERE r.id = 17)', 30, heap_rows_max => 10);
CREATE INDEX short_cosine ON reranked USING ivf (v vector_cosine_ops) WITH (rerank = half);
SELECT compare('v <=> (SELECT v FROM reranked r WHERE r.id = 17)', 30, heap_rows_max => 10);
CREATE INDEX by_half ON reranked USING ivf (h halfvec_l2_ops) WITH (rerank = half);
SELECT compare('h <-> (SELECT h FROM reranked r WHERE r.id = 17)', 30);
CREATE INDEX by_half_full ON reranked USING ivf (h halfvec_l2_ops) WITH (rerank = full);
SELECT pg_relation_size('by_half') = pg_relation_size('by_half_full') AS same;
CREATE INDEX short_expression ON reranked USING ivf ((h::vector(24)) vector_l2_ops) WITH (rerank = half);
SELECT compare('h::vector(24) <-> (SELECT v FROM reranked r WHERE r.id = 17)', 30);
DROP INDEX short_ip, short_cosine, by_half, by_half_full, short_expression;
-- Values beyond halves, and near nothing; some rows are twice there, some nearly.
CREATE TABLE wild (id int, v vector(8));
INSERT INTO wild SELECT i, ARRAY[sin(i), cos(i * i), i, 1 / i::real, 7, sin(i * 3), i % 5, 1]::vector(8) FROM generate_series(1, 100) i;
INSERT INTO wild SELECT id + 1000, (SELECT array_agg(x * f ORDER BY o) FROM unnest(v::real[]) WITH ORDINALITY u (x, o))::vector(8)
  FROM wild, (VALUES (1, 1e5::real), (2, 1e-6), (3, 1e15), (4, 1e-20), (5, 1.0000002), (6, 1)) m (n, f) WHERE id % 6 + 1 = n;
CREATE FUNCTION compare_wild(operator text, query text, rows int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  found float[];
  truth float[];
BEGIN
  EXECUTE format('SELECT array_agg(d) FROM (SELECT v %s %L AS d FROM wild ORDER BY v %1$s %2$L LIMIT %s) near', operator, query, rows) INTO found;
  PERFORM set_config('enable_indexscan', 'off', true);
  EXECUTE format('SELECT array_agg(d) FROM (SELECT v %s %L AS d FROM wild ORDER BY v %1$s %2$L LIMIT %s) near', operator, query, rows) INTO truth;
  PERFORM set_config('enable_indexscan', 'on', true);
  RETURN CASE WHEN found = truth THEN 'exact' ELSE found::text || ' not ' || truth::text END;
END
$$;
CREATE INDEX wild_l2 ON wild USING ivf (v vector_l2_ops) WITH (rerank = half);
CREATE INDEX wild_ip ON wild USING ivf (v vector_ip_ops) WITH (rerank = half);
CREATE INDEX wild_cosine ON wild USING ivf (v vector_cosine_ops) WITH (rerank = half);
SELECT operator, query, compare_wild(operator, query, 300)
FROM unnest(ARRAY['<->', '<#>', '<=>']) operator,
     unnest(ARRAY['[0,0,50,0,7,0,2,1]', '[1e-4,0,1e-4,0,1e-5,0,0,0]', '[1e15,1e12,3e16,0,7e15,0,0,1e15]', '[-70000,1,1,1,1,1,1,1]']) query
ORDER BY 1, 2;
INSERT INTO wild SELECT id + 5000, v FROM wild;
DELETE FROM wild WHERE id % 3 = 0;
VACUUM wild;
SELECT strata.flush('wild_l2') > 0 AS flushed;
CALL strata.merge('wild_l2');
SELECT operator, compare_wild(operator, '[0,0,50,0,7,0,2,1]', 300) FROM unnest(ARRAY['<->', '<#>', '<=>']) operator ORDER BY 1;
SELECT rows, heap_rows FROM strata.verify('wild_l2', heap => true);
DROP TABLE wild;
DROP FUNCTION compare_wild;
CREATE INDEX by_l2 ON reranked USING ivf (v vector_l2_ops) WITH (rerank = full);
CREATE INDEX by_cosine ON reranked USING ivf (v vector_cosine_ops) WITH (rerank = half);
CREATE INDEX by_half ON reranked USING ivf (h halfvec_l2_ops) WITH (rerank = half);
-- Growing rows have copies too; changed and deleted rows do not come back; flush and merge keep them.
INSERT INTO reranked SELECT id + 1000, v, h, 'twin' FROM reranked WHERE id % 5 = 2;
UPDATE reranked SET v = v + v, h = h + h WHERE id % 9 = 1;
DELETE FROM reranked WHERE id % 9 = 3;
SELECT compare('v <-> (SELECT v FROM reranked r WHERE r.id = 17)', 40, 'distance');
SELECT strata.flush('by_l2') > 0 AS flushed, strata.flush('by_half') > 0 AS half_flushed;
CALL strata.merge('by_l2');
CALL strata.compact('by_half', force => true);
VACUUM reranked;
SELECT compare('v <=> (SELECT v FROM reranked r WHERE r.id = 17)', 40, 'distance', 25);
SELECT compare('h <-> (SELECT h FROM reranked r WHERE r.id = 17)', 40, 'distance');
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
CREATE INDEX ON reranked USING ivf (v vector_l2_ops) WITH (rerank = quarter);
CREATE TABLE long_rows (v vector(8000), h halfvec(8000));
CREATE INDEX ON long_rows USING ivf (v) WITH (rerank = full);
CREATE INDEX ON long_rows USING ivf (v) WITH (rerank = half);
CREATE TABLE longest_rows (v vector(11000), h halfvec(11000));
CREATE INDEX ON longest_rows USING ivf (v) WITH (rerank = half);
CREATE INDEX ON longest_rows USING ivf (h halfvec_l2_ops) WITH (rerank = half);
CREATE INDEX ON long_rows USING ivf (h halfvec_l2_ops) WITH (rerank = full);
INSERT INTO long_rows SELECT array_fill(i, ARRAY[8000])::vector, array_fill(i, ARRAY[8000])::halfvec FROM generate_series(1, 5) i;
SELECT h::text::varchar(5) FROM long_rows ORDER BY h <-> array_fill(4.4, ARRAY[8000])::halfvec LIMIT 2;
DROP TABLE reranked, long_rows, longest_rows;
DROP FUNCTION compare;
