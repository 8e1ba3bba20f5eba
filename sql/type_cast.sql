-- Casts among vector, halfvec, sparsevec and arrays of numbers.
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
  detail := regexp_replace(detail, '^No \w+ of that name accepts .*', '');  -- from 19 on
  RETURN SQLSTATE || ' ' || SQLERRM || CASE WHEN detail <> '' THEN ' (' || detail || ')' ELSE '' END;
END
$$;
SELECT castsource::regtype, casttarget::regtype, castcontext, obj_description(oid, 'pg_cast') AS comment
FROM pg_cast WHERE castsource::regtype::text ~ '^(vector|halfvec|sparsevec)$'
  OR casttarget::regtype::text ~ '^(vector|halfvec|sparsevec)$'
ORDER BY castsource::regtype::text COLLATE "C", casttarget::regtype::text COLLATE "C";

-- Arrays to vectors.
SELECT source, element, pg_temp.outcome(format('%L::%s[]::vector', source, element)) AS vector,
       pg_temp.outcome(format('%L::%s[]::halfvec', source, element)) AS halfvec,
       pg_temp.outcome(format('%L::%s[]::sparsevec', source, element)) AS sparsevec
FROM (VALUES ('{1,0,-3}', 'int'), ('{1,0,-3.5}', 'real'), ('{1,0,-3.5}', 'float8'), ('{1,0,-3.5}', 'numeric'),
  ('[5:6]={1,2}', 'int'), ('{16777217}', 'int'), ('{70000}', 'int'),
  ('{1e39}', 'float8'), ('{1e39}', 'numeric'), ('{1e-46,-1e-46}', 'float8'), ('{-0}', 'real'),
  ('{NaN}', 'real'), ('{1,Infinity}', 'float8'), ('{NaN}', 'numeric'),
  ('{}', 'int'), ('{1,NULL}', 'int'), ('{{1,2}}', 'int'),
  ('{123456789012345678901234567890.5}', 'numeric')) AS t (source, element);
SELECT type, pg_temp.outcome(format('ARRAY[1,2,3]::%s(3)', type)) AS same,
       pg_temp.outcome(format('ARRAY[1,2,3]::%s(2)', type)) AS other,
       pg_temp.outcome(format('vector_dims(array_fill(1, ''{16000}'')::%s)', type)) AS most,
       pg_temp.outcome(format('array_fill(1, ''{16001}'')::%s', type)) AS too_many,
       pg_temp.outcome(format('array_to_%s(array_fill(1, ''{16001}''), 16001, false)', type)) AS modifier
FROM unnest(ARRAY['vector', 'halfvec', 'sparsevec']) AS type;
-- An array that once had a NULL keeps its bitmap.
DO $$
DECLARE
  a int[] := ARRAY[1, NULL, 3];
BEGIN
  a[2] := 2;
  RAISE NOTICE '% % %', a::vector, a::halfvec, a::sparsevec;
END
$$;
SELECT pg_temp.outcome('ARRAY[1,2]::bigint[]::vector') AS no_cast,
       pg_temp.outcome('''{1}''::text[]::vector') AS nor_this;

-- Vectors to arrays.
SELECT '[1,2.5]'::vector::real[], '[1,2.5]'::halfvec::real[], array_dims('[1,2.5]'::vector::real[]),
       '[0.1]'::vector::real[] = ARRAY[0.1::real] AS exact;
SELECT (array_agg(x))[1:2], count(*)
FROM unnest((SELECT ARRAY(SELECT i FROM generate_series(1, 300) AS i)::vector)::real[]) AS x;

-- Among the types.
SELECT source, type, pg_temp.outcome(format('%L::%s::vector', source, type)) AS vector,
       pg_temp.outcome(format('%L::%s::halfvec', source, type)) AS halfvec,
       pg_temp.outcome(format('%L::%s::sparsevec', source, type)) AS sparsevec
FROM (VALUES ('[1,0,-2.5]', 'vector'), ('[0.1,70000]', 'vector'), ('[65519,1e-8,-0]', 'vector'),
  ('[1,0,-2.5]', 'halfvec'), ('[0.1,6e-8,-0]', 'halfvec'),
  ('{1:1,3:-2.5}/4', 'sparsevec'), ('{}/2', 'sparsevec'), ('{2:70000}/2', 'sparsevec'),
  ('{1:1e-8}/2', 'sparsevec'), ('{1:1}/16001', 'sparsevec')) AS t (source, type);
SELECT a || ' to ' || b AS cast, pg_temp.outcome(format('ARRAY[1,2,3]::vector::%s::%s(3)', a, b)) AS same,
       pg_temp.outcome(format('ARRAY[1,2,3]::vector::%s::%s(2)', a, b)) AS other
FROM unnest(ARRAY['vector', 'halfvec', 'sparsevec']) AS a, unnest(ARRAY['vector', 'halfvec', 'sparsevec']) AS b;

-- What is implicit, what is for assignments only, and what must not resolve.
SELECT expression, pg_temp.outcome(expression) FROM unnest(ARRAY[
  $$'[1]'::vector <-> '[2]'::halfvec$$, $$'[1]'::vector <-> '{}/1'::sparsevec$$, $$array_length('[1,2]'::vector, 1)$$,
  $$array_length('[1,2]'::halfvec, 1)$$,
  $$'[1]'::vector <-> ARRAY[1]::real[]$$, $$'[1]'::vector = ARRAY[1]::real[]$$, $$ARRAY[1] = ARRAY[1]$$,
  $$ARRAY[1]::real[] || 2$$]) AS expression;
CREATE TABLE cast_assignment (v vector(2), h halfvec(2), s sparsevec(2), r real[]);
INSERT INTO cast_assignment SELECT h, h, h, h FROM (VALUES ('[1,2]'::halfvec)) AS t (h);
INSERT INTO cast_assignment (v, h, s) SELECT s, s, s FROM (VALUES ('{2:3}/2'::sparsevec)) AS t (s);
INSERT INTO cast_assignment SELECT a, a, a, a FROM (VALUES (ARRAY[1, 2.5])) AS t (a);
INSERT INTO cast_assignment (r) SELECT '{1:1}/2'::sparsevec;
SELECT * FROM cast_assignment;
DROP TABLE cast_assignment;
