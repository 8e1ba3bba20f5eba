-- The type halfvec: what half precision changes, and the same ground as the type vector.
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

-- Text input and output. The largest half is 65504; from 65520 on a number would round to infinity.
SELECT literal, pg_temp.outcome(format('%L::halfvec', literal))
FROM unnest(ARRAY[
  '[1,2,3]', ' [ 1 , -2.5 ] ', '[0.1]', '[1.0005,2049,2051]', '[65504,65519,-65519]', '[65520]', '[-1e6]', '[4e38]',
  '[1e400]',
  '[6e-8,5.97e-8,3e-8,2.9e-8,-1e-8,1e-50]', '[-0]', '[nan]', '[1,inf]', '[-Infinity]',
  '', '1', '[', '[]', '[1,]', '[1,,2]', '[1a]', '[1', '[1]2'
]) AS literal;
SELECT pg_temp.outcome(format('vector_dims(%L::halfvec)', '[' || repeat('1,', 15999) || '1]')) AS most,
       pg_temp.outcome(format('vector_dims(%L::halfvec)', '[' || repeat('1,', 16000) || '1]')) AS too_many;
SELECT modifier, pg_temp.outcome(format('%L::halfvec(%s)', '[1,2,3]', modifier))
FROM unnest(ARRAY['3', '2', '0', '16000', '16001', '3,3', '''a''']) AS modifier;
SELECT format_type('halfvec'::regtype, 3);
-- Every finite half survives the way through text: all numbers of 11 bits, at all exponents.
SELECT count(*) AS halves, count(*) FILTER (WHERE ARRAY[x]::halfvec::text = '[' || x::real || ']') AS exact
FROM (SELECT m * power(2::float8, e) AS x FROM generate_series(1024, 2047) AS m, generate_series(-24, 5) AS e
      UNION ALL SELECT -m * power(2::float8, -24) FROM generate_series(1, 1023) AS m) AS t;

-- Arithmetic.
SELECT expression, pg_temp.outcome(expression) FROM unnest(ARRAY[
  $$'[1,2,3]'::halfvec + '[10,20,30]'$$, $$'[1,2,3]'::halfvec - '[1,0,4]'$$, $$'[1,2,3]'::halfvec * '[2,-1,0]'$$,
  $$'[2048]'::halfvec + '[1]'$$, $$'[0.1]'::halfvec * '[0.1]'$$, $$'[1,2]'::halfvec || '[3]'$$,
  $$'[1,2]'::halfvec + '[1]'$$, $$'[1,2]'::halfvec - '[1,2,3]'$$, $$'[1]'::halfvec * '[1,2]'$$,
  $$'[65504]'::halfvec + '[65504]'$$, $$'[-65504]'::halfvec - '[16]'$$, $$'[300]'::halfvec * '[-300]'$$,
  $$'[1e-4]'::halfvec * '[1e-4]'$$,
  $$'[0]'::halfvec * '[1e-4]'$$,
  $$array_fill(1, '{9000}')::halfvec || array_fill(1, '{7001}')::halfvec$$]) AS expression;

-- Order and hash.
SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, halfvec_cmp(a, b)
FROM (VALUES ('[1,2]'::halfvec, '[1,2]'::halfvec), ('[1,2]', '[1,3]'), ('[1,2]', '[1]'), ('[-1]', '[-2]'),
  ('[0,-0]', '[-0,0]'), ('[1e-7]', '[0]')) AS t (a, b);
SELECT halfvec_hash('[0,1]') = halfvec_hash('[-0,1]') AS zeros,
       halfvec_hash('[1]') <> halfvec_hash('[1,0]') AS dimensions,
       halfvec_hash_extended('[0,1]', 5) = halfvec_hash_extended('[-0,1]', 5) AS zeros_extended,
       halfvec_hash_extended('[1]', 0) <> halfvec_hash_extended('[1]', 1) AS seeds;

-- Distances.
SELECT a, b, a <-> b AS l2, a <#> b AS negative_inner, a <=> b AS cosine, a <+> b AS l1
FROM (VALUES ('[1,2,3]'::halfvec, '[1,2,3]'::halfvec), ('[0,0]', '[3,4]'), ('[1,0]', '[0,5]'), ('[2,2]', '[-4,-4]'),
  ('[0,0]', '[0,0]'),
      ('[65504]', '[-65504]')) AS t (a, b);
SELECT l2_distance('[0,0]'::halfvec, '[3,4]'), inner_product('[1,2]'::halfvec, '[3,4]'),
       cosine_distance('[1,0]'::halfvec, '[0,1]'),
       l1_distance('[1,1]'::halfvec, '[-1,2]'), halfvec_l2_squared_distance('[0,0]', '[3,4]'),
       halfvec_negative_inner_product('[1,2]', '[3,4]'),
       halfvec_spherical_distance('[1,0]', '[0,1]') AS right_angle;
SELECT operator, pg_temp.outcome(format('%L::halfvec %s %L', '[1,2]', operator, '[1,2,3]'))
       FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) AS operator;
CREATE TABLE halfvec_pairs AS
SELECT n, ARRAY(SELECT (i * 7 + n) % 13 - 6 FROM generate_series(1, n) AS i)::vector AS a,
       ARRAY(SELECT (i * 5 + n) % 11 - 5 FROM generate_series(1, n) AS i)::vector AS b
FROM generate_series(1, 130) AS n;
CREATE TABLE halfvec_stored AS SELECT n, a::halfvec AS a, b::halfvec AS b FROM halfvec_pairs;
SELECT count(*) AS pairs, count(*) FILTER (WHERE h.a <-> h.b = v.a <-> v.b) AS l2,
       count(*) FILTER (WHERE h.a <#> h.b = v.a <#> v.b) AS inner_product,
       count(*) FILTER (WHERE (h.a <=> h.b) - (v.a <=> v.b) BETWEEN -1e-6 AND 1e-6 OR (v.a <=> v.b) = 'NaN'
       AND (h.a <=> h.b) = 'NaN') AS cosine,
       count(*) FILTER (WHERE h.a <+> h.b = v.a <+> v.b) AS l1,
       count(*) FILTER (WHERE l2_norm(h.a) = vector_norm(v.a)) AS norm
FROM halfvec_pairs AS v JOIN halfvec_stored AS h USING (n);
DROP TABLE halfvec_pairs, halfvec_stored;

-- Measures and parts.
SELECT vector_dims('[1,2,3]'::halfvec), l2_norm('[3,4]'::halfvec),
       l2_norm('[65504,65504]'::halfvec) > 92000 AS beyond_half;
SELECT l2_normalize('[3,4]'::halfvec), l2_normalize('[0,0]'::halfvec) AS zero, l2_normalize('[6e-8]'::halfvec) AS tiny,
       l2_normalize('[65504,0]'::halfvec) AS large;
SELECT binary_quantize('[1,0,-1,-0,6e-8]'::halfvec),
       binary_quantize(ARRAY(SELECT CASE i % 3 WHEN 0 THEN 1 ELSE -1 END FROM generate_series(1,
       70) AS i)::halfvec) = (repeat('001', 23) || '0')::bit(70) AS pattern;
SELECT start, count, pg_temp.outcome(format('subvector(%L::halfvec, %s, %s)', '[1,2,3,4,5]', start, count))
FROM (VALUES (1, 5), (2, 3), (4, 9), (-1, 3), (6, 1), (1, 0), (-2147483647, 2147483647), (2, 2147483647)) AS t (start,
  count);
CREATE TABLE halfvec_toast (v halfvec);
INSERT INTO halfvec_toast SELECT ARRAY(SELECT i FROM generate_series(1, 4000) AS i)::halfvec;
SELECT vector_dims(v), v <-> v AS l2, v = v AS equal, vector_dims(v::halfvec(4000)), subvector(v, 3998, 2)
       FROM halfvec_toast;
DROP TABLE halfvec_toast;

-- Aggregates.
SELECT sum(v), avg(v), count(v) FROM (VALUES ('[1,2]'::halfvec), ('[4,-6]'), (NULL)) AS t (v);
SELECT sum(v), avg(v) FROM (VALUES (NULL::halfvec)) AS t (v);
SELECT i, sum(v) OVER (ORDER BY i), avg(v) OVER (ORDER BY i ROWS 1 PRECEDING)
FROM (SELECT i, ARRAY[i, 10 * i]::halfvec AS v FROM generate_series(1, 4) AS i) AS t;
SELECT expression, pg_temp.outcome(expression) FROM unnest(ARRAY[
  $$(SELECT sum(v) FROM (VALUES ('[1,2]'::halfvec), ('[1]')) AS t (v))$$,
  $$(SELECT avg(v) FROM (VALUES ('[1,2]'::halfvec), ('[1]')) AS t (v))$$,
  $$(SELECT sum(v) FROM (VALUES ('[65504]'::halfvec), ('[65504]')) AS t (v))$$,
  $$(SELECT avg(v) FROM (VALUES ('[65504]'::halfvec), ('[65504]')) AS t (v))$$,
  $$halfvec_accum('{0}', '[1,2]')$$, $$halfvec_accum('{3,1}', '[1,2]')$$, $$halfvec_accum('{}', '[1]')$$,
  $$halfvec_combine('{2,1,1}', '{3,10,20}')$$, $$halfvec_combine('{0}', '{3,10}')$$, $$halfvec_combine('{}', '{0}')$$,
  $$halfvec_combine('{0}', array_fill(1::float8, '{16002}'))$$,
  $$halfvec_avg('{4,2,4}')$$, $$halfvec_avg('{0}')$$, $$halfvec_avg('{1}')$$, $$halfvec_avg('{1,1e300}')$$,
  $$halfvec_avg('{1,1e6}')$$,
  $$halfvec_avg('{1,NaN}')$$, $$halfvec_avg('{}')$$]) AS expression;
