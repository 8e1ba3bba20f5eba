-- The type vector: input, output, type modifier, operators, functions, aggregates, and the errors of each.
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

-- Text input and output.
SELECT literal, pg_temp.outcome(format('%L::vector', literal))
FROM unnest(ARRAY[
  '[1,2,3]', E' [ 1 ,\t2.50\n, -3e-2 ] ', '[+1,.5,5.,007]', '[0x10,1E3]', '[-0,0]', '[0.1,1.0000001]',
  '[3.4028235e38]', '[3.5e38]', '[-1e400]', '[1e-45,1e-46,-1e-400]', '[nan]', '[1,-NaN]', '[inf]', '[-Infinity]',
  '', '   ', '1,2', '(1,2)', '{1,2}', '[', '[ ', '[]', '[ ]', '[,]', '[1,]', '[,1]', '[1,,2]', '[1 2]', '[1', '[1,2',
  '[a]', '[1a]', '[1;2]', '[1e]', '[--1]', '[1]]', '[1] x', '[[1]]', '["1"]'
]) AS literal;
SELECT pg_temp.outcome(format('vector_dims(%L::vector)', '[' || repeat('1,', 15999) || '1]')) AS most,
       pg_temp.outcome(format('vector_dims(%L::vector)', '[' || repeat('1,', 16000) || '1]')) AS too_many,
       left(pg_temp.outcome(format('vector_dims(%L::vector)', '[' || repeat(',', 16001))), 50) AS only_commas;
-- A literal that is wrong is pointed at; a cast that fails is not.
SELECT '[1,x]'::vector;
SELECT '[1,2,3]'::vector(2);
-- Every finite float4 survives the way through text.
SELECT count(*) FROM generate_series(0, 20000) AS i,
  LATERAL (SELECT (random() * 2 - 1)::float4 * power(10, (random() * 70 - 35)::int)::float4 AS x) AS r
WHERE ARRAY[x]::vector::text::vector <> ARRAY[x]::vector OR ARRAY[x]::vector::text <> '[' || x || ']';

-- Type modifier.
SELECT modifier, pg_temp.outcome(format('%L::vector(%s)', '[1,2,3]', modifier))
FROM unnest(ARRAY['3', '2', '0', '-1', '16000', '16001', '3,3', '''a''']) AS modifier;
CREATE TABLE vector_typmod (v vector(3), w vector);
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = 'vector_typmod'::regclass
       AND attnum > 0;
INSERT INTO vector_typmod VALUES ('[1,2,3]', '[1]'), (ARRAY[4,5,6], ARRAY[1.5,2]), (NULL, NULL);
INSERT INTO vector_typmod VALUES ('[1,2]', '[1]');
INSERT INTO vector_typmod VALUES (ARRAY[1,2], '[1]');
ALTER TABLE vector_typmod ALTER w TYPE vector(2);
SELECT * FROM vector_typmod;
SELECT '{"[1,2,3]","[4,5,6]"}'::vector(3)[];
SELECT '{"[1,2,3]"}'::vector(2)[];
DROP TABLE vector_typmod;

-- Arithmetic.
SELECT expression, pg_temp.outcome(expression) FROM unnest(ARRAY[
  $$'[1,2,3]'::vector + '[10,20,30]'$$, $$'[1,2,3]'::vector - '[1,0,4]'$$, $$'[1,2,3]'::vector * '[2,-1,0]'$$,
  $$'[1,2]'::vector || '[3]'$$,
  $$'[1,2]'::vector + '[1]'$$, $$'[1,2]'::vector - '[1,2,3]'$$, $$'[1]'::vector * '[1,2]'$$,
  $$'[1,2e38]'::vector + '[1,2e38]'$$, $$'[-2e38]'::vector - '[2e38]'$$, $$'[1e20]'::vector * '[-1e20]'$$,
  $$'[1e-30]'::vector * '[1e-30]'$$, $$'[0]'::vector * '[1e-30]'$$, $$'[-1]'::vector * '[0]'$$,
  $$array_fill(1, '{9000}')::vector || array_fill(1, '{7001}')::vector$$,
  $$vector_dims(array_fill(1, '{9000}')::vector || array_fill(1, '{7000}')::vector)$$]) AS expression;
-- Longer than the buffer of a loop, and not a multiple of it.
SELECT v + v = v * ARRAY(SELECT 2 FROM generate_series(1, 333))::vector AS doubled,
       v - v = ARRAY(SELECT 0 FROM generate_series(1, 333))::vector AS nothing
FROM (SELECT ARRAY(SELECT i - 100.5 FROM generate_series(1, 333) AS i)::vector AS v) AS x;

-- Order: elements first, then dimensions; zeros are equal.
SELECT a, b, a < b AS lt, a <= b AS le, a = b AS eq, a <> b AS ne, a >= b AS ge, a > b AS gt, vector_cmp(a, b)
FROM (VALUES ('[1,2]'::vector, '[1,2]'::vector), ('[1,2]', '[1,3]'), ('[1,2]', '[1]'), ('[2]', '[1,9]'),
  ('[-1]', '[-2]'), ('[0,-0]', '[-0,0]'),
      ('[1,2,3]', '[1,2]')) AS t (a, b);
SELECT vector_hash('[0,1]') = vector_hash('[-0,1]') AS zeros, vector_hash('[1]') <> vector_hash('[1,0]') AS dimensions,
       vector_hash_extended('[0,1]', 5) = vector_hash_extended('[-0,1]', 5) AS zeros_extended,
       vector_hash_extended('[1]', 0) <> vector_hash_extended('[1]', 1) AS seeds,
       vector_hash_extended('[1]', 0) & 4294967295 = vector_hash('[1]')::bigint & 4294967295 AS extends;

-- Distances.
SELECT a, b, a <-> b AS l2, a <#> b AS negative_inner, a <=> b AS cosine, a <+> b AS l1
FROM (VALUES ('[1,2,3]'::vector, '[1,2,3]'::vector), ('[0,0]', '[3,4]'), ('[1,0]', '[0,5]'), ('[2,2]', '[-4,-4]'),
  ('[0,0]', '[0,0]'),
      ('[3e38]', '[-3e38]')) AS t (a, b);
SELECT l2_distance('[0,0]'::vector, '[3,4]'), inner_product('[1,2]'::vector, '[3,4]'),
       cosine_distance('[1,0]'::vector, '[0,1]'),
       l1_distance('[1,1]'::vector, '[-1,2]'), vector_l2_squared_distance('[0,0]', '[3,4]'),
       vector_negative_inner_product('[1,2]', '[3,4]'),
       vector_spherical_distance('[1,0]', '[0,1]') AS right_angle, vector_spherical_distance('[1,0]',
       '[-2,0]') AS opposite;
SELECT operator, pg_temp.outcome(format('%L::vector %s %L', '[1,2]', operator, '[1,2,3]'))
       FROM unnest(ARRAY['<->', '<#>', '<=>', '<+>']) AS operator;
-- Against sums in SQL, on all lengths around the widths of vector instructions, and unaligned: short values have a
-- header of one byte.
CREATE TABLE vector_pairs AS
SELECT n, ARRAY(SELECT (i * 7 + n) % 13 - 6 FROM generate_series(1, n) AS i)::real[] AS a,
       ARRAY(SELECT (i * 5 + n) % 11 - 5 FROM generate_series(1, n) AS i)::real[] AS b
FROM generate_series(1, 130) AS n;
CREATE TABLE vector_stored AS SELECT n, a::vector AS a, b::vector AS b FROM vector_pairs;
SELECT count(*) AS pairs,
       count(*) FILTER (WHERE (s.a <-> s.b) ^ 2 - x.l2 BETWEEN -1e-6 AND 1e-6) AS l2,
       count(*) FILTER (WHERE s.a <#> s.b = -x.ip) AS inner_product,
       count(*) FILTER (WHERE (s.a <=> s.b) - (1 - x.ip / sqrt(x.aa * x.bb)) BETWEEN -1e-6 AND 1e-6) AS cosine,
       count(*) FILTER (WHERE s.a <+> s.b = x.l1) AS l1,
       count(*) FILTER (WHERE vector_norm(s.a) = sqrt(x.aa)) AS norm
FROM vector_pairs AS p JOIN vector_stored AS s USING (n),
  LATERAL (SELECT sum((u - v) * (u - v)) AS l2, sum(u * v) AS ip, sum(abs(u - v)) AS l1, sum(u * u) AS aa,
  sum(v * v) AS bb
           FROM unnest(p.a, p.b) AS t (u, v)) AS x
WHERE x.aa > 0 AND x.bb > 0;
DROP TABLE vector_pairs, vector_stored;

-- Measures and parts.
SELECT vector_dims('[1,2,3]'::vector), vector_norm('[3,4]'), vector_norm('[3e37,4e37]')::real, vector_norm('[0]');
SELECT l2_normalize('[3,4]'::vector), l2_normalize('[0,0]'::vector) AS zero, l2_normalize('[-3e38,0]'::vector) AS large,
       l2_normalize('[1e-40]'::vector) AS tiny;
SELECT binary_quantize('[1,0,-1,-0,1e-40]'::vector), length(binary_quantize(array_fill(1, '{100}')::vector)) AS bits,
       binary_quantize(ARRAY(SELECT CASE i % 3 WHEN 0 THEN 1 ELSE -1 END FROM generate_series(1, 70) AS i)::vector)
         = (repeat('001', 23) || '0')::bit(70) AS pattern;
SELECT start, count, pg_temp.outcome(format('subvector(%L::vector, %s, %s)', '[1,2,3,4,5]', start, count))
FROM (VALUES (1, 5), (2, 3), (4, 9), (0, 3), (-1, 3), (5, 1), (6, 1), (1, 0), (1, -1), (-1, 2),
  (2147483647, 2147483647),
      (-2147483647, 2147483647), (2, 2147483647)) AS t (start, count);

-- Toasted values.
CREATE TABLE vector_toast (v vector);
INSERT INTO vector_toast SELECT ARRAY(SELECT i FROM generate_series(1, 3000) AS i)::vector;
SELECT pg_relation_size(reltoastrelid) > 10000 AS out_of_line FROM pg_class WHERE relname = 'vector_toast';
SELECT vector_dims(v), v <-> v AS l2, v = v AS equal, vector_dims(v::vector(3000)),
       vector_hash(v) = vector_hash(v + v - v) AS hash, subvector(v, 2999, 5) FROM vector_toast;
SELECT v::vector(2) FROM vector_toast;
DROP TABLE vector_toast;

-- A value whose size does not fit its dimensions: only reachable with a cast that no one should make.
CREATE CAST (bytea AS vector) WITHOUT FUNCTION;
SELECT bytes, pg_temp.outcome(format('%L::bytea::vector + %L', bytes, '[1]')),
       pg_temp.outcome(format('vector_dims(%L::bytea::vector)', bytes)) AS dims
FROM unnest(ARRAY['\x', '\x01', '\x02000000', '\x020000000000803f', '\x010000000000803f']) AS bytes;
DROP CAST (bytea AS vector);

-- Aggregates.
SELECT sum(v), avg(v), count(v) FROM (VALUES ('[1,2]'::vector), ('[4,-6]'), (NULL)) AS t (v);
SELECT sum(v), avg(v) FROM (VALUES (NULL::vector)) AS t (v);
SELECT sum(v), avg(v) FROM (SELECT '[1]'::vector AS v WHERE false) AS t;
SELECT g, sum(v), avg(v) FROM (SELECT i % 3 AS g, ARRAY[i, 1]::vector AS v FROM generate_series(1,
       12) AS i) AS t GROUP BY g ORDER BY g;
-- The state is updated in place, so that a moving window is the place to look for one that leaks into another.
SELECT i, sum(v) OVER (ORDER BY i), avg(v) OVER (ORDER BY i ROWS 1 PRECEDING), sum(v) OVER (ORDER BY i ROWS 1 PRECEDING)
FROM (SELECT i, ARRAY[i, 10 * i]::vector AS v FROM generate_series(1, 5) AS i) AS t;
SELECT expression, pg_temp.outcome(expression) FROM unnest(ARRAY[
  $$(SELECT sum(v) FROM (VALUES ('[1,2]'::vector), ('[1]')) AS t (v))$$,
  $$(SELECT avg(v) FROM (VALUES ('[1,2]'::vector), ('[1]')) AS t (v))$$,
  $$(SELECT sum(v) FROM (VALUES ('[3e38]'::vector), ('[3e38]')) AS t (v))$$,
  $$(SELECT avg(v) FROM (VALUES ('[3e38]'::vector), ('[3e38]')) AS t (v))$$,
  $$vector_accum('{0}', '[1,2]')$$, $$vector_accum('{3,1,1}', '[1,2]')$$, $$vector_accum('{3,1}', '[1,2]')$$,
  $$vector_accum('{}', '[1]')$$, $$vector_accum('{{0}}', '[1]')$$, $$vector_accum('{NULL}', '[1]')$$,
  $$vector_accum('{1,1.7e308}', '[1]') IS NOT NULL$$,
  $$vector_combine('{2,1,1}', '{3,10,20}')$$, $$vector_combine('{0}', '{3,10}')$$, $$vector_combine('{3,10}', '{0}')$$,
  $$vector_combine('{0}', '{0}')$$, $$vector_combine('{1,1}', '{1,1,1}')$$, $$vector_combine('{}', '{0}')$$,
  $$vector_combine('{0}', '{NULL}')$$, $$vector_combine('{1,1.7e308}', '{1,1.7e308}')$$,
  $$vector_combine('{0}', array_fill(1::float8, '{16002}'))$$,
  $$vector_avg('{4,2,4}')$$, $$vector_avg('{0}')$$, $$vector_avg('{1}')$$, $$vector_avg('{1,1e300}')$$,
  $$vector_avg('{1,NaN}')$$,
  $$vector_avg('{}')$$, $$vector_avg('{{1,1}}')$$, $$vector_avg(array_fill(1::float8, '{16002}'))$$]) AS expression;
-- The arguments of functions called by hand are not touched.
SELECT state, vector_accum(state, '[1]'), vector_combine(state, '{1,1}'), state
       FROM (VALUES ('{1,5}'::float8[])) AS t (state);
