-- tier policies: what they move, what they leave, who may set them
SET strata.auto_flush_interval = 0;
SET enable_seqscan = off;
CREATE TABLE items (id int, v vector(8)) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING ivf (v);
CREATE FUNCTION fill(part int) RETURNS bigint LANGUAGE sql AS $$
  INSERT INTO items SELECT part * 1000 + i, ARRAY[part * 100, i, 0, 0, 0, 0, 0, 1]::vector FROM generate_series(1, 200 + part) i;
  SELECT strata.flush('items_v') $$;
CREATE FUNCTION hit(part int, times int) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  FOR i IN 1..times LOOP
    PERFORM id FROM items ORDER BY v <-> ARRAY[part * 100, i, 0, 0, 0, 0, 0, 1]::vector LIMIT 1;
  END LOOP;
END $$;
SELECT sum(fill(part)) FROM generate_series(1, 5) part;
CREATE VIEW parts AS SELECT rows - 200 AS part, tier, round(hits) AS hits FROM strata.stat_access
  WHERE index::text = 'items_v' AND kind = 'segment' ORDER BY rows;
SELECT hit(2, 50), hit(4, 10), hit(5, 1);
SELECT * FROM parts;

-- a dry run sets nothing and moves nothing
SELECT rows - 200 AS part, tier, hits_per_day > 0 AS used, idle_since < now() AS idle
  FROM strata.set_tier_policy('items', min_hits_per_day => 0.5, dry_run => true);
SELECT count(*) FROM strata.tier_policies;
SELECT * FROM parts;
-- young segments stay, whatever their use
SELECT * FROM strata.set_tier_policy('items', cold_after => '90 days', min_hits_per_day => 0.5, dry_run => true);
-- the policy: what is used least goes, two stay
SELECT rows - 200 AS part, tier FROM strata.set_tier_policy('items', min_hits_per_day => 1000);
SELECT "table", cold_after, min_hits_per_day, cold_tablespace, hot_min_segments, hot_segments, cold_segments
  FROM strata.tier_policies;
CALL strata.run_tiering('items');
SELECT * FROM parts;
SELECT hot_segments, cold_segments, hot_bytes > 0 AS hot, cold_bytes > 0 AS cold FROM strata.tier_policies;
CALL strata.run_tiering('items');
SELECT * FROM parts;
SELECT rows, heap_rows FROM strata.verify('items_v', true);
-- a segment that warms up comes back at three times the rate, and not on the day it went
SELECT hit(1, 200), hit(3, 20);
SELECT * FROM parts;
SELECT count(*) FROM strata._tier_moves('items', NULL, 1, 2);
SELECT rows - 200 AS part, tier FROM strata._tier_moves('items', NULL, 1, 2, now() + interval '1 day 2 minutes');
SELECT rows - 200 AS part, tier FROM strata._tier_moves('items', NULL, 6, 2, now() + interval '1 day 2 minutes');
SELECT rows - 200 AS part, tier FROM strata._tier_moves('items', NULL, 100, 2, now() + interval '1 day 2 minutes');
-- without a rate: three hits in the time after which a segment is cold
SELECT rows - 200 AS part, tier FROM strata._tier_moves('items', '1 day', NULL, 2, now() + interval '1 day 2 minutes');
SELECT rows - 200 AS part, tier FROM strata._tier_moves('items', '1 hour', NULL, 2, now() + interval '1 day 2 minutes');
SELECT rows - 200 AS part, tier FROM strata._tier_moves('items', '1 hour', NULL, 0, now() + interval '1 day 2 minutes');
SELECT count(*) FROM strata._tier_moves('items', '2 days', NULL, 0, now() + interval '1 day 2 minutes') WHERE tier = 'cold';
-- an index that comes later gets its place when it is served
CREATE INDEX items_ip ON items USING ivf (v vector_ip_ops);
CALL strata.run_tiering('items');
SELECT relname FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'ivf_cold' ORDER BY relname;
-- inside of a transaction block the place must be there before
CREATE INDEX items_cosine ON items USING ivf (v vector_cosine_ops);
SELECT count(*) FROM strata.set_tier_policy('items', cold_after => '1 microsecond', hot_min_segments => 0, dry_run => true);
DELETE FROM strata.tier_policy;
INSERT INTO strata.tier_policy VALUES ('items', '1 microsecond', NULL, NULL, 0);
BEGIN;
CALL strata.run_tiering('items');
ROLLBACK;
CALL strata.run_tiering('items');
SELECT count(*) FROM strata.segments WHERE kind = 'segment' AND state <> 'retired' AND tier = 'hot';
-- dropped: nothing moves any more
SELECT strata.drop_tier_policy('items');
SELECT strata.drop_tier_policy('items');
CALL strata.run_tiering('items');
\echo :LAST_ERROR_SQLSTATE
SELECT count(*) FROM strata.tier_policies;
-- errors
SELECT * FROM strata.set_tier_policy('items');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM strata.set_tier_policy('items', cold_after => '-1 day');
SELECT * FROM strata.set_tier_policy('items', min_hits_per_day => 'nan');
SELECT * FROM strata.set_tier_policy('items', min_hits_per_day => -1);
SELECT * FROM strata.set_tier_policy('items', cold_after => '1 day', hot_min_segments => -1);
SELECT * FROM strata.set_tier_policy('items', cold_after => '1 day', cold_tablespace => 'nowhere');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM strata.set_tier_policy('items_v', cold_after => '1 day');
\echo :LAST_ERROR_SQLSTATE
SELECT * FROM strata.set_tier_policy(NULL, cold_after => '1 day');
CALL strata.run_tiering(NULL);
-- policies are their table's owner's
CREATE ROLE tier_user;
GRANT SELECT ON items TO tier_user;
SET ROLE tier_user;
SELECT * FROM strata.set_tier_policy('items', cold_after => '1 day');
\echo :LAST_ERROR_SQLSTATE
INSERT INTO strata.tier_policy VALUES ('items', '1 day', NULL, NULL, 0);
\echo :LAST_ERROR_SQLSTATE
CALL strata.run_tiering('items');
\echo :LAST_ERROR_SQLSTATE
CREATE TEMP TABLE own (id int, v vector(2));
CREATE INDEX own_v ON own USING ivf (v);
SELECT * FROM strata.set_tier_policy('own', cold_after => '1 day');
CALL strata.run_tiering('own');
SELECT strata.drop_tier_policy('own');
RESET ROLE;
DROP OWNED BY tier_user;
DROP ROLE tier_user;
-- A dump may have the policy of a table that was dropped: it is left out.
INSERT INTO strata.tier_policy VALUES (4000000000::oid, '1 day', NULL, NULL, 0);
SELECT count(*) FROM strata.tier_policy WHERE relation = 4000000000::oid;
DROP VIEW parts;
DROP TABLE items CASCADE;
DROP FUNCTION fill, hit;
