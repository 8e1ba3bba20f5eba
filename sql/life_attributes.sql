-- strata.segments.attributes: what a sealed segment knows of its filter columns
CREATE TYPE mood AS ENUM ('glad', 'sad');
CREATE TABLE attributed (
  v vector(3), flag bool, small int2, number int, large bigint, ratio real, exact float8, object oid, day date,
  at timestamptz, name text, "a ""mood""" mood, nothing int);
INSERT INTO attributed
  SELECT ARRAY[i, i % 7, 1]::vector, i % 2 = 0, (i - 50)::int2, i * 10, (-9e18)::bigint + i, i / 8.0 - 3, CASE WHEN i = 100 THEN 'NaN' ELSE -i::float8 END,
    i, date '2026-01-01' + i, timestamptz '2026-01-01 00:00+00' + i * interval '1 hour', 'n' || i % 3,
    CASE WHEN i % 4 > 0 THEN 'sad'::mood END, NULL
  FROM generate_series(1, 100) i;
CREATE INDEX attributed_v ON attributed USING ivf (v, flag, small, number, large, ratio, exact, object, day, at, name, "a ""mood""", nothing);
SET timezone = 'UTC';
SET datestyle = 'ISO';
SELECT key, value FROM strata.segments, jsonb_each(attributes)
WHERE index = 'attributed_v'::regclass ORDER BY key COLLATE "C";
-- Growing rows are in no summary; each segment has its own.
INSERT INTO attributed (v, number) VALUES ('[1,2,3]', -5);
SELECT kind, attributes -> 'number' AS number FROM strata.segments WHERE index = 'attributed_v'::regclass AND kind IN ('segment', 'growing') ORDER BY id;
SELECT strata.flush('attributed_v');
SELECT kind, attributes -> 'number' AS number FROM strata.segments WHERE index = 'attributed_v'::regclass AND kind IN ('segment', 'growing') ORDER BY id;
-- Those from whom rows are hidden are not told; an index without filter columns has nothing to tell.
CREATE ROLE attributes_reader;
GRANT SELECT ON attributed TO attributes_reader;
SET ROLE attributes_reader;
SELECT count(attributes) FROM strata.segments WHERE index = 'attributed_v'::regclass;
RESET ROLE;
ALTER TABLE attributed ENABLE ROW LEVEL SECURITY;
SET ROLE attributes_reader;
SELECT count(*) > 0 AS segments, count(attributes) FROM strata.segments WHERE index = 'attributed_v'::regclass;
RESET ROLE;
CREATE INDEX plain_v ON attributed USING ivf (v);
SELECT count(*) > 0 AS segments, count(attributes) FROM strata.segments WHERE index = 'plain_v'::regclass;
DROP TABLE attributed;
DROP TYPE mood;
DROP ROLE attributes_reader;
