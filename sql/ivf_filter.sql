-- filter columns of an ivf index: every operator class against a sequential scan, look-ups by value and by radius
SET strata.auto_flush_interval = 0;
CREATE FUNCTION ivf_vector(seed int, dim int) RETURNS vector LANGUAGE sql IMMUTABLE AS
  $$ SELECT array_agg(((hashint4(seed * 1000 + d) & 65535) / 65535.0 - 0.4)::real ORDER BY d)::vector
     FROM generate_series(1, dim) d $$;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
ALTER TYPE mood ADD VALUE 'meh' BEFORE 'ok';

-- what is refused
CREATE TABLE refused (v vector(3), w vector(3), a int, c char(3), j jsonb);
CREATE INDEX ON refused USING ivf (a, v);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON refused USING ivf (v, w);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON refused USING ivf (v, j);
CREATE INDEX ON refused USING ivf (v, c);
CREATE INDEX ON refused USING ivf (v) INCLUDE (a);
\set VERBOSITY sqlstate
CREATE INDEX ON refused USING ivf (v, a DESC);
\set VERBOSITY default
CREATE INDEX ON refused USING ivf (v, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a);
\echo :LAST_ERROR_SQLSTATE
CREATE INDEX ON refused USING ivf (v, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a);
DROP TABLE refused;

-- one column of every type
CREATE TABLE items (id int PRIMARY KEY, v vector(12), b bool, i2 int2, i4 int4, i8 int8, f4 float4, f8 float8, n numeric,
  t text, vc varchar(20), u uuid, d date, tm time, ts timestamp, tz timestamptz, o oid, e mood) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING ivf (v, b, i2, i4, i8, f4, f8, n, t, u, d, tm, ts, tz, o, e, vc);
CREATE FUNCTION fill(first int, last int) RETURNS void LANGUAGE sql AS $$
  INSERT INTO items SELECT i, CASE WHEN i % 97 <> 0 THEN ivf_vector(i, 12) END, m % 2 = 0, m - 20, (m - 20) * 100000, (m - 20) * 10000000000,
    CASE m WHEN 0 THEN 'NaN' WHEN 1 THEN '-Infinity' WHEN 2 THEN '-0' WHEN 3 THEN 0.1 ELSE (m - 20)::float4 END,
    CASE m WHEN 0 THEN 'NaN' WHEN 1 THEN 'Infinity' WHEN 2 THEN '-0' WHEN 3 THEN 0.1 ELSE (m - 20)::float8 END,
    CASE m % 3 WHEN 0 THEN m ELSE (m || '.500')::numeric END, 'text ' || m, 'name ' || m, md5(m::text)::uuid,
    date '2020-01-15' + m - 20, time '12:00' + (m - 20) * interval '7 minutes', timestamp '2000-01-01' + (m - 20) * interval '1 day',
    timestamptz '2000-01-01 00:00+00' + (m - 20) * interval '1 hour', 4294967290 - m, (enum_range(NULL::mood))[1 + m % 4]
  FROM generate_series(first, last) i, LATERAL (SELECT CASE WHEN i % 10 = 0 THEN NULL ELSE (hashint4(i) & 65535) % 40 END AS m) x $$;
-- Rows by the index, ordered and not, and whether they are those of a sequential scan; `used`: the condition reaches the index.
CREATE FUNCTION compare(condition text, OUT rows bigint, OUT ordered boolean, OUT walked boolean, OUT used boolean) LANGUAGE plpgsql AS $$
DECLARE truth int[]; found int[]; line text;
BEGIN
  SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off;
  EXECUTE 'SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM items WHERE ' || condition INTO truth;
  SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_indexscan = on;
  EXECUTE 'SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM (SELECT id FROM items WHERE ' || condition ||
          ' ORDER BY v <-> ivf_vector(3, 12)) s' INTO found;
  rows := cardinality(truth); ordered := found = truth;
  EXECUTE 'SELECT coalesce(array_agg(id ORDER BY id), ''{}'') FROM items WHERE ' || condition INTO found;
  walked := found = truth; used := false;
  FOR line IN EXECUTE 'EXPLAIN (COSTS OFF) SELECT id FROM items WHERE ' || condition LOOP
    used := used OR line LIKE '%Index Cond%';
  END LOOP;
  RESET enable_sort;
END $$;
CREATE TABLE conditions (n serial, condition text);
INSERT INTO conditions (condition) VALUES
  ('i2 = 3'), ('i2 = 3::int8'), ('i2 < 3'), ('i2 <= 3::int4'), ('i2 > 40000'), ('i2 < 40000'), ('i2 >= -100000::int8'), ('i2 = 70000'),
  ('i4 = 300000'), ('i4 < -100000'), ('i4 >= 100000::int8'), ('i4 BETWEEN -500000 AND 500000'), ('i4 > 5000000000'), ('i4 <> 300000'),
  ('i8 = 50000000000'), ('i8 < 0'), ('i8 > 3::int2'), ('i8 <= -10000000000'), ('i8 = 4'),
  ('f4 = 4'), ('f4 = 0'), ('f4 = ''NaN'''), ('f4 > 5'), ('f4 < 0.1'), ('f4 <= 0.1'), ('f4 <= 0.1::float8'), ('f4 = 0.1::float8'), ('f4 >= 0.1::float8'), ('f4 > ''-Infinity'''),
  ('f8 = -0.0'), ('f8 = ''NaN'''), ('f8 >= ''Infinity'''), ('f8 < 0.1::float4'), ('f8 > 0.1'), ('f8 < ''NaN'''),
  ('n = 3'), ('n = 4.5'), ('n = 4.50000'), ('n > 4'), ('t = ''text 5'''), ('t = ''nothing'''), ('t > ''text 5'''), ('vc = ''name 7'''),
  ('u = md5(''7'')::uuid'), ('u = md5(''no'')::uuid'), ('d = ''2020-01-17'''), ('d < ''2020-01-12'''), ('d > ''infinity'''), ('tm >= ''12:30'''), ('tm = ''12:07'''),
  ('ts = ''2000-01-03'''), ('ts < ''1999-12-20'''), ('ts BETWEEN ''1999-12-25'' AND ''2000-01-05'''), ('tz > ''2000-01-01 05:00+00'''), ('tz = ''2000-01-01 05:00+00'''),
  ('o = 4294967285'), ('o > 4294967285'), ('e = ''sad'''), ('e = ''meh'''), ('e > ''meh'''), ('b'), ('NOT b'), ('b IS TRUE'), ('b IS NULL'),
  ('i4 IS NULL'), ('i4 IS NOT NULL'), ('t IS NULL'), ('v IS NULL'), ('v IS NOT NULL AND i2 = 3'), ('v IS NULL AND i2 = 3'),
  ('i4 IN (100000, 300000, 7)'), ('i4 = ANY (ARRAY[100000, NULL]::int8[])'), ('t = ANY (''{text 1,text 2,none}'')'), ('i4 = ANY (''{}'')'), ('i4 = ANY (NULL::int[])'),
  ('i4 < ANY (ARRAY[-1700000, -1500000])'), ('i4 = NULL'), ('i4 > 0 AND i4 < 500000 AND t = ''text 22'' AND b'), ('i4 > 0 AND id % 3 = 0'), ('i4 = 100000 OR t = ''text 5''');
SELECT fill(1, 1500);
CREATE TABLE outcome AS SELECT n, condition, r.* FROM conditions, compare(condition) r;
SELECT n, condition, rows, ordered, walked FROM outcome ORDER BY n;
-- not every version of the server offers booleans
SELECT condition FROM outcome WHERE NOT used AND condition NOT IN ('b', 'NOT b', 'b IS TRUE') ORDER BY n;
-- the same when rows are sealed in lists and not, deleted, merged and built at once: only what differs is shown
CREATE FUNCTION differences() RETURNS TABLE (condition text) LANGUAGE sql AS
  $$ SELECT c.condition FROM conditions c, compare(c.condition) r WHERE NOT (r.ordered AND r.walked) $$;
SELECT strata.flush('items_v');
SELECT * FROM differences();
CALL strata.retrain('items_v');
SELECT fill(1501, 2500);
SELECT strata.flush('items_v');
SELECT fill(2501, 2600);
DELETE FROM items WHERE id % 7 = 0;
UPDATE items SET i4 = 12345, t = 'changed' WHERE id % 50 = 1;
INSERT INTO conditions (condition) VALUES ('i4 = 12345'), ('t = ''changed''');
SELECT * FROM differences();
VACUUM items;
SELECT * FROM differences();
CALL strata.merge('items_v');
SELECT * FROM differences();
SELECT rows > 0 AS rows FROM strata.verify('items_v', true);
REINDEX INDEX items_v;
SELECT * FROM differences();
SELECT rows > 0 AS rows FROM strata.verify('items_v', true);

-- LIMIT gets its rows, the nearest first
CREATE FUNCTION nearest(condition text, k int, OUT rows int, OUT hits int) LANGUAGE plpgsql AS $$
DECLARE truth int[]; found int[];
BEGIN
  SET LOCAL enable_seqscan = on; SET LOCAL enable_indexscan = off; SET LOCAL enable_bitmapscan = off;
  EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM items WHERE %s ORDER BY v <-> ivf_vector(5, 12) LIMIT %s) s', condition, k) INTO truth;
  SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off; SET LOCAL enable_indexscan = on;
  EXECUTE format('SELECT array_agg(id) FROM (SELECT id FROM items WHERE %s ORDER BY v <-> ivf_vector(5, 12) LIMIT %s) s', condition, k) INTO found;
  rows := cardinality(found); hits := (SELECT count(*) FROM unnest(found) f WHERE f = ANY (truth));
  RESET enable_sort;
END $$;
SELECT c, r.rows, r.hits >= 9 AS found FROM unnest(ARRAY['i4 = 300000', 'b', 'i4 > 0', 't IN (''text 1'', ''text 2'')', 'i2 < -18', 'true']) c, nearest(c, 10) r;

-- look-up by value
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE v = ivf_vector(8, 12);
SELECT id FROM items WHERE v = ivf_vector(8, 12);
SELECT segments, rows, bloom_tests, bloom_skips + bloom_false_positives AS misses FROM strata.last_scan();
SELECT id FROM items WHERE v = ivf_vector(-8, 12);
SELECT segments, rows, bloom_tests, bloom_skips + bloom_false_positives AS misses FROM strata.last_scan();
SELECT id FROM items WHERE v = '[1,2,3]';
SELECT id FROM items WHERE v = NULL;
INSERT INTO items (id, v) VALUES (-1, array_fill(0, ARRAY[12])::vector), (-2, ('[-0' || repeat(',0', 11) || ']')::vector);
SELECT id FROM items WHERE v = array_fill(0, ARRAY[12])::vector ORDER BY id;
-- of a filter column: what cannot match is not looked at
SELECT count(*) FROM items WHERE i8 = 123;
SELECT segments, segments_skipped > 0 AS skipped, rows FROM strata.last_scan();

-- within a radius
SELECT strata.flush('items_v');
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE v <<->> strata.ball(ivf_vector(9, 12), 0.9);
CREATE FUNCTION within(r float8, OUT by_index bigint, OUT truth bigint) LANGUAGE plpgsql AS $$
BEGIN
  SET LOCAL enable_indexscan = on;
  SELECT count(*) INTO by_index FROM items WHERE v <<->> strata.ball(ivf_vector(9, 12), r);
  SET LOCAL enable_indexscan = off; SET LOCAL enable_seqscan = on;
  SELECT count(*) INTO truth FROM items WHERE v <-> ivf_vector(9, 12) < r;
END $$;
SELECT r, by_index = truth AS same, truth > 0 AS some FROM unnest(ARRAY[-1, 0, 0.5, 0.9, 1.1, 100, 'NaN']::float8[]) r, within(r);
SELECT array_agg(id) = (SELECT array_agg(id) FROM (SELECT id FROM items ORDER BY v <-> ivf_vector(9, 12) LIMIT 5) l) AS same
  FROM (SELECT id FROM items WHERE v <<->> strata.ball(ivf_vector(9, 12), 2) ORDER BY v <-> ivf_vector(9, 12) LIMIT 5) s;
SELECT count(*) FROM items WHERE v <<->> strata.ball(ivf_vector(9, 12), NULL);
SELECT count(*) FROM items WHERE v <<->> strata.ball('[1,2]'::vector, 3);
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) = (SELECT count(*) FROM items WHERE i4 > 0 AND v <-> ivf_vector(9, 12) < 1) AS same
  FROM items WHERE i4 > 0 AND v <<->> strata.ball(ivf_vector(9, 12), 1);
CREATE TABLE few (v vector(2), h halfvec(2));
INSERT INTO few SELECT ARRAY[i, 1]::vector, ARRAY[i, 1]::halfvec FROM generate_series(-5, 5) i;
CREATE INDEX few_ip ON few USING ivf (v vector_ip_ops);
CREATE INDEX few_cosine ON few USING ivf (v vector_cosine_ops);
CREATE INDEX few_half ON few USING ivf (h halfvec_cosine_ops);
SELECT (SELECT count(*) FROM few WHERE v <<#>> strata.ball('[1,1]'::vector, -2)) AS ip, (SELECT count(*) FROM few WHERE v <<=>> strata.ball('[1,1]'::vector, 0.1)) AS cosine,
       (SELECT count(*) FROM few WHERE h <<=>> strata.ball('[1,1]'::halfvec, 0.1)) AS half;
EXPLAIN (COSTS OFF) SELECT count(*) FROM few WHERE v <<#>> strata.ball('[1,1]'::vector, -2);
EXPLAIN (COSTS OFF) SELECT count(*) FROM few WHERE h <<=>> strata.ball('[1,1]'::halfvec, 0.1);
RESET enable_seqscan;

-- a collation that knows equal strings of different bytes
CREATE COLLATION IF NOT EXISTS nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE words (v vector(2), t text COLLATE nocase);
INSERT INTO words SELECT ARRAY[i, i]::vector, CASE i % 3 WHEN 0 THEN 'abc' WHEN 1 THEN 'ABC' ELSE 'other' END FROM generate_series(1, 90) i;
CREATE INDEX words_v ON words USING ivf (v, t);
SET enable_seqscan = off;
EXPLAIN (COSTS OFF) SELECT count(*) FROM words WHERE t = 'aBc';
SELECT count(*) FROM words WHERE t = 'aBc';
SELECT count(*) FROM words WHERE t COLLATE "C" = 'ABC';
RESET enable_seqscan;

-- operator classes and operators are valid and have comments
SELECT count(*) AS classes, count(*) FILTER (WHERE NOT amvalidate(c.oid)) AS invalid,
       count(*) FILTER (WHERE obj_description(c.oid, 'pg_opclass') IS NULL OR obj_description(c.opcfamily, 'pg_opfamily') IS NULL) AS without_comment
  FROM pg_opclass c JOIN pg_am a ON a.oid = c.opcmethod WHERE amname = 'ivf';
SELECT count(*) AS operators, count(*) FILTER (WHERE obj_description(oid, 'pg_operator') IS NULL) AS without_comment FROM pg_operator WHERE oprname ~ '^<<[-#=]+>>$';

DROP TABLE items, conditions, outcome, few, words;
DROP COLLATION nocase;
DROP FUNCTION ivf_vector, fill, compare, differences, nearest, within;
DROP TYPE mood;
