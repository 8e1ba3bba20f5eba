-- The type sparsevec: input, output, type modifier, functions, and the errors of each.
-- The text of a result, or SQLSTATE, message and detail of the error.
CREATE FUNCTION pg_temp.outcome(expression text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  result text;
  detail text;
BEGIN
  EXECUTE 'SELECT (' || expression || ')::text' INTO result;
  RETURN result;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN detail <> '' THEN ' (' || detail || ')' ELSE '' END;
END
$$;

-- Text input and output. Zeros are not stored; elements are sorted.
SELECT literal, pg_temp.outcome(format('%L::sparsevec', literal))
FROM unnest(ARRAY[
  '{1:1.5,3:2}/5', E' { 1 : 1 ,\n5\t:-2e1 } / 9 ', '{+2:+.5}/2', '{3:1,1:2}/3', '{1:0,2:1,3:-0}/3', '{}/1',
  '{ } / 1000000000', '{1000000000:1}/1000000000',
  '{1:1}/0', '{}/-5', '{}/1000000001', '{}/99999999999999999999', '{}/-99999999999999999999',
  '{0:1}/5', '{-1:1}/5', '{6:1}/5', '{2147483648:1}/5', '{-99999999999999999999:1}/5', '{9:0}/5',
  '{1:1,1:2}/5', '{2:1,1:1,2:1}/5',
  '{1:3.5e38}/1', '{1:-1e400}/1', '{1:1e-46}/1', '{1:1e-45}/1', '{1:nan}/1', '{1:inf}/1', '{1:-Infinity}/1',
  '', '1:1/1', '[1]', '{', '{ ', '{}', '{}/', '{}/x', '{}/1x', '{}/1.5', '{}/1/1', '{,}/1', '{:}/1', '{1}/1', '{1:}/1',
  '{:1}/1', '{1:1,}/1', '{1 1}/1', '{1.0:1}/1',
  '{0x1:1}/1', '{1:1x}/1', '{1:1}', '{1:1', '{1:1}x'
]) AS literal;
SELECT l2_norm(pg_temp.outcome(format('%L::sparsevec',
         '{' || (SELECT string_agg(i || ':1', ',') FROM generate_series(1, 16000) AS i) || '}/20000'))::sparsevec) ^ 2 AS most,
       pg_temp.outcome(format('%L::sparsevec',
         '{' || (SELECT string_agg(i || ':1', ',') FROM generate_series(1, 16001) AS i) || '}/20000')) AS too_many;
SELECT '{1:x}/5'::sparsevec;
SELECT modifier, pg_temp.outcome(format('%L::sparsevec(%s)', '{1:1}/3', modifier))
FROM unnest(ARRAY['3', '2', '0', '1000000000', '1000000001', '3,3', '''a''']) AS modifier;
CREATE TABLE sparsevec_typmod (v sparsevec(3));
INSERT INTO sparsevec_typmod VALUES ('{1:1}/3'), (NULL);
INSERT INTO sparsevec_typmod VALUES ('{1:1}/4');
SELECT v, vector_dims(v), format_type('sparsevec'::regtype, 3) FROM sparsevec_typmod;
DROP TABLE sparsevec_typmod;

-- Order and hash are those of the dense vectors.
WITH vectors AS MATERIALIZED (
  SELECT ARRAY[x, y, z]::vector AS v FROM unnest(ARRAY[0, -1, 2]) AS x, unnest(ARRAY[0, 1]) AS y,
  unnest(ARRAY[0, -1, 1]) AS z
  UNION ALL SELECT ARRAY[x, y]::vector FROM unnest(ARRAY[0, -1, 2]) AS x, unnest(ARRAY[0, 1]) AS y
  UNION ALL SELECT ARRAY[0, 1, 0, x]::vector FROM unnest(ARRAY[0, -1, 1]) AS x),
pairs AS (SELECT a.v AS a, b.v AS b, a.v::sparsevec AS x, b.v::sparsevec AS y FROM vectors AS a, vectors AS b)
SELECT count(*) AS pairs,
       count(*) FILTER (WHERE sparsevec_cmp(x, y) = vector_cmp(a, b)) AS cmp,
       count(*) FILTER (WHERE (x < y) = (a < b) AND (x <= y) = (a <= b) AND (x = y) = (a = b) AND (x <> y) = (a <> b)
       AND (x >= y) = (a >= b) AND (x > y) = (a > b)) AS operators,
       count(*) FILTER (WHERE (sparsevec_hash(x) = sparsevec_hash(y)) = (a = b)
       AND (sparsevec_hash_extended(x, 7) = sparsevec_hash_extended(y, 7)) = (a = b)) AS hash
FROM pairs;

-- Distances are those of the dense vectors, too.
WITH vectors AS MATERIALIZED (SELECT n, ARRAY(SELECT CASE (i * n) % 4 WHEN 0 THEN (i + n) % 7 - 3 ELSE 0 END
  FROM generate_series(1, 40) AS i)::vector AS v FROM generate_series(1, 40) AS n),
pairs AS (SELECT a.v AS a, b.v AS b, a.v::sparsevec AS x, b.v::sparsevec AS y FROM vectors AS a, vectors AS b)
SELECT count(*) AS pairs, count(*) FILTER (WHERE x <-> y = a <-> b) AS l2,
       count(*) FILTER (WHERE x <#> y = a <#> b) AS inner_product,
       count(*) FILTER (WHERE (x <=> y) - (a <=> b) BETWEEN -1e-6 AND 1e-6 OR (x <=> y) = 'NaN'
       AND (a <=> b) = 'NaN') AS cosine,
       count(*) FILTER (WHERE x <+> y = a <+> b) AS l1, count(*) FILTER (WHERE l2_norm(x) = vector_norm(a)) AS norm
FROM pairs;
SELECT l2_distance('{}/2'::sparsevec, '{1:3,2:4}/2'), inner_product('{1:1,2:2}/2'::sparsevec, '{1:3,2:4}/2'),
       cosine_distance('{1:1}/2'::sparsevec, '{2:1}/2'),
       l1_distance('{1:1}/2'::sparsevec, '{1:-1,2:2}/2'), sparsevec_l2_squared_distance('{}/2', '{1:3,2:4}/2'),
       sparsevec_negative_inner_product('{1:1}/2', '{1:3}/2'),
       cosine_distance('{}/2'::sparsevec, '{}/2') AS zero,
       l2_distance('{1:3e38}/1'::sparsevec, '{1:-3e38}/1') AS overflow;
SELECT operator, pg_temp.outcome(format('%L::sparsevec %s %L', '{1:1}/2', operator, '{1:1}/3'))
       FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) AS operator;

-- Measures.
SELECT vector_dims('{1:1}/1000000000'::sparsevec), l2_norm('{1:3,9:4}/9'::sparsevec),
       l2_norm('{}/3'::sparsevec) AS zero;
SELECT l2_normalize('{1:3,9:4}/9'::sparsevec), l2_normalize('{}/3'::sparsevec) AS zero,
       l2_normalize('{1:3e38,2:1e-30,3:3e38}/3'::sparsevec) AS leaves_out;

-- A value whose size does not fit its count.
CREATE CAST (bytea AS sparsevec) WITHOUT FUNCTION;
SELECT bytes, pg_temp.outcome(format('l2_norm(%L::bytea::sparsevec)', bytes)),
       pg_temp.outcome(format('%L::bytea::sparsevec::vector', bytes)) AS dense
FROM unnest(ARRAY['\x', '\x050000000100000000000000', '\x05000000ffffffff00000000',
  '\x05000000010000000000000000000000', '\x050000000100000000000000090000000000803f',
  '\x050000000100000000000000020000000000803f']) AS bytes;
DROP CAST (bytea AS sparsevec);
