-- where searches find their rows: hits of segments, samples of the table's blocks
SET strata.auto_flush_interval = 0;
CREATE TABLE items (id int, v vector(4)) WITH (autovacuum_enabled = off, fillfactor = 10);
CREATE INDEX items_v ON items USING ivf (v);
INSERT INTO items SELECT i, ARRAY[i, 0, 0, 1]::vector FROM generate_series(1, 1000) i;
SELECT strata.flush('items_v');
INSERT INTO items SELECT i, ARRAY[i, 0, 0, 1]::vector FROM generate_series(5001, 6000) i;
SELECT strata.flush('items_v');
INSERT INTO items SELECT i, ARRAY[i, 0, 0, 1]::vector FROM generate_series(9001, 9010) i;
CREATE VIEW access AS
  SELECT kind, tier, rows, round(hits::numeric, 2) AS hits, recent_hits, hits_per_day > 0 AS rated,
         last_hit_at > now() - interval '5 minutes' AS lately
  FROM strata.stat_access WHERE index = 'items_v'::regclass ORDER BY segment;
SELECT * FROM access;
SET enable_seqscan = off;
PREPARE nearest(text, int) AS SELECT id FROM items ORDER BY v <-> $1::vector LIMIT $2;
-- a search counts once for a segment, however many rows it takes from there; segments without a row do not count
EXECUTE nearest('[500.2,0,0,1]', 3);
EXECUTE nearest('[501,0,0,1]', 1);
EXECUTE nearest('[9005.2,0,0,1]', 2);
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> '[5000,0,0,1]' LIMIT 1500) t;
SELECT * FROM access;
SELECT hits FROM strata.segments WHERE index = 'items_v'::regclass AND kind = 'segment' AND state <> 'retired' ORDER BY id;
-- a scan that is not read to a row of it does not count, nor one that nobody is to count
SELECT id FROM items ORDER BY v <-> '[1,0,0,1]' LIMIT 0;
SET strata.track_access = off;
EXECUTE nearest('[500.2,0,0,1]', 3);
RESET strata.track_access;
SELECT count(*) FROM strata.measure_recall('items_v', sample => 20);
SELECT * FROM access;
-- each rescan is a search
SELECT count(*) FROM generate_series(1, 5) g,
  LATERAL (SELECT id FROM items ORDER BY v <-> ARRAY[g * 100, 0, 0, 1]::vector LIMIT 2) t;
SELECT * FROM access;
-- VACUUM adds them to what the index knows
VACUUM items;
SELECT * FROM access;
-- what was counted for segments goes on with the segment that they become
SELECT strata.flush('items_v');
SELECT * FROM access;
CALL strata.merge('items_v');
SELECT * FROM access;
EXECUTE nearest('[500,0,0,1]', 1);
SELECT * FROM access;
-- one search in 64 is a sample
SELECT strata.reset_access('items_v');
DO $$ BEGIN
  FOR i IN 1..640 LOOP
    PERFORM id FROM items ORDER BY v <-> ARRAY[500 + i % 100, 0, 0, 1]::vector LIMIT 5;
  END LOOP;
END $$;
SELECT sum(samples) BETWEEN 40 AND 100 AS samples, round(sum(share)::numeric, 3) AS share,
       max(first_block) < (SELECT pg_relation_size('items') / 8192) AS in_range
  FROM strata.stat_access_ranges WHERE index = 'items_v'::regclass;
SELECT count(*) > 0 AS found FROM strata.stat_access_ranges r WHERE index = 'items_v'::regclass
   AND NOT EXISTS (SELECT FROM items WHERE id BETWEEN 490 AND 610 AND (ctid::text::point)[0] BETWEEN first_block AND last_block);
-- forgotten on demand, and with the file of the index
SELECT * FROM access;
SELECT strata.reset_access('items_v');
SELECT * FROM access;
SELECT count(*) FROM strata.stat_access_ranges WHERE index = 'items_v'::regclass;
EXECUTE nearest('[500,0,0,1]', 1);
REINDEX INDEX items_v;
SELECT * FROM access;
EXECUTE nearest('[500,0,0,1]', 1);
SELECT * FROM access;
-- temporary and unlogged tables count as well; rolled back searches too
CREATE TEMP TABLE short (v vector(2));
CREATE INDEX short_v ON short USING ivf (v);
INSERT INTO short VALUES ('[1,2]');
BEGIN;
SELECT * FROM short ORDER BY v <-> '[1,2]' LIMIT 1;
ROLLBACK;
SELECT kind, hits FROM strata.stat_access WHERE index = 'short_v'::regclass;
VACUUM short;
SELECT kind, round(hits::numeric, 2) AS hits, recent_hits FROM strata.stat_access WHERE index = 'short_v'::regclass;
-- privileges
CREATE ROLE access_reader;
SET ROLE access_reader;
SELECT count(*) FROM strata.stat_access WHERE index::text = 'items_v';
SELECT * FROM strata.list_access('items_v');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM strata.list_access_ranges('items_v');
SELECT strata.reset_access('items_v');
\echo :LAST_ERROR_SQLSTATE
SET strata.track_access = off;
RESET ROLE;
SELECT strata.reset_access('items');
\echo :LAST_ERROR_SQLSTATE
SELECT strata.reset_access(NULL) IS NULL AS none;
DROP ROLE access_reader;
DROP VIEW access;
DROP TABLE items;
