-- Distances between bit strings.
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
SELECT a, b, a <~> b AS hamming, a <%> b AS jaccard
FROM (VALUES (B'1010', B'1010'), (B'1111', B'0000'), (B'1100', B'1010'), (B'0000', B'0000'), (B'', B''),
  (B'111111111', B'111111110'), (B'1', B'0')) AS t (a, b);
SELECT hamming_distance('101', '110'), jaccard_distance('1110', '0111');
SELECT operator, pg_temp.outcome(format('B''101'' %s B''1010''', operator))
       FROM unnest(ARRAY['<~>', '<%>']) AS operator;
SELECT pg_temp.outcome('hamming_distance(''10'', ''1''::varbit)'),
       pg_temp.outcome('B''101''::varbit <~> B''111''::varbit') AS varbit;
-- All lengths around the widths of vector instructions, stored with short and long headers.
CREATE TABLE bits AS
SELECT n, (SELECT string_agg(((i * i + n) % 3 % 2)::text, '') FROM generate_series(1, n) AS i)::varbit AS a,
       (SELECT string_agg(((i * n + i) % 5 % 2)::text, '') FROM generate_series(1, n) AS i)::varbit AS b
FROM generate_series(1, 1500, 7) AS n;
SELECT count(*) AS pairs, count(*) FILTER (WHERE a <~> b = differing) AS hamming,
       count(*) FILTER (WHERE a <%> b = CASE WHEN common = 0 THEN 1 ELSE 1 - common::float8 / either END) AS jaccard
FROM bits, LATERAL (SELECT count(*) FILTER (WHERE get_bit(a, i) <> get_bit(b, i)) AS differing,
  count(*) FILTER (WHERE get_bit(a, i) = 1 AND get_bit(b, i) = 1) AS common,
                           count(*) FILTER (WHERE get_bit(a, i) = 1 OR get_bit(b, i) = 1) AS either
                    FROM generate_series(0, n - 1) AS i) AS x;
DROP TABLE bits;
-- Large enough to be compressed and stored out of line.
CREATE TABLE long_bits AS SELECT repeat('0110', 100000)::varbit AS a, repeat('0101', 100000)::varbit AS b;
SELECT a <~> b AS hamming, a <%> b AS jaccard FROM long_bits;
DROP TABLE long_bits;
