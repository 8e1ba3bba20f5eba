-- make_rows(first, last): rows of a benchmark, numbered, made at a few microseconds each and the same in every run.
-- Needs the psql variable dim. 1,000 centres; around each of them overlapping noise of 24 latent dimensions, and a
-- tenth of it that has no direction. A row is a sum of vectors of pools: those of a cluster differ, all four million.
CREATE FUNCTION fill(float8) RETURNS vector LANGUAGE sql IMMUTABLE RETURN array_fill($1::real, ARRAY[:dim])::vector;
CREATE UNLOGGED TABLE pool AS
  WITH coordinate AS (
    SELECT kind, id, (SELECT array_agg((hashint8((kind * 10000 + id) * 10000 + d)::bigint & 1023) / 1024.0 - 0.5 ORDER BY d)
                      FROM generate_series(1, :dim) d)::real[]::vector AS v
    FROM (VALUES (0, 1000), (1, 24), (2, 2003)) kinds (kind, size), generate_series(0, size - 1) id
  )
  SELECT kind, id, v FROM coordinate WHERE kind = 0
  UNION ALL
  SELECT side, d.id, sum(l.v * fill(((hashint8(side * 100000 + d.id * 24 + l.id)::bigint & 1023) / 1024.0 - 0.5) * 0.6))
                     + (array_agg(d.v))[1] * fill(0.1)
  FROM generate_series(1, 2) side, coordinate d, coordinate l WHERE d.kind = 2 AND l.kind = 1 GROUP BY side, d.id;
ANALYZE pool;
CREATE FUNCTION make_rows(first bigint, last bigint, OUT id int, OUT v vector) RETURNS SETOF record LANGUAGE sql STABLE AS $$
  SELECT i::int, a.v + b.v + c.v
  FROM generate_series(first, last) i
  JOIN pool a ON a.kind = 0 AND a.id = i % 1000
  JOIN pool b ON b.kind = 1 AND b.id = (hashint8extended(i, 1) & 2147483647) % 2003
  JOIN pool c ON c.kind = 2 AND c.id = (hashint8extended(i, 2) & 2147483647) % 1999
$$;
