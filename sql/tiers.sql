-- segments in two tiers, in one tablespace here (test/tap has two)
SET strata.auto_flush_interval = 0;
CREATE TABLE items (id int, v vector(40), tag int) WITH (autovacuum_enabled = off);
CREATE INDEX items_v ON items USING ivf (v, tag);
CREATE VIEW parts AS
  SELECT kind, state, tier, rows, deleted_rows, hits FROM strata.segments
  WHERE index::text = 'items_v' AND kind IN ('segment', 'growing') AND state <> 'retired' ORDER BY id;
CREATE FUNCTION vector_of(i int) RETURNS vector LANGUAGE sql IMMUTABLE AS
  $$ SELECT array_agg(sin(i * 1.7 + j * j) + sin(i % 31 * j))::vector FROM generate_series(1, 40) j $$;
CREATE FUNCTION segment(nth int) RETURNS bigint LANGUAGE sql AS
  $$ SELECT id FROM strata.segments WHERE index = 'items_v'::regclass AND kind = 'segment' AND state <> 'retired'
     ORDER BY id OFFSET nth - 1 LIMIT 1 $$;
INSERT INTO items SELECT i, vector_of(i), i % 10 FROM generate_series(1, 2000) i;
INSERT INTO items VALUES (2001, NULL, 1);
SELECT strata.flush('items_v');
INSERT INTO items SELECT i, vector_of(i), i % 10 FROM generate_series(3001, 4000) i;
SELECT strata.flush('items_v');
INSERT INTO items SELECT i, vector_of(i), i % 10 FROM generate_series(5001, 5050) i;
SET enable_seqscan = off;
CREATE FUNCTION answers() RETURNS TABLE (q int, ids int[]) LANGUAGE plpgsql AS $$
BEGIN
  FOR q IN SELECT generate_series(1, 5000, 397) LOOP
    ids := ARRAY(SELECT id FROM items ORDER BY v <-> vector_of(q) LIMIT 15); RETURN NEXT;
    ids := ARRAY(SELECT id FROM items WHERE tag = 3 ORDER BY v <-> vector_of(q) LIMIT 15); RETURN NEXT;
    ids := ARRAY(SELECT id FROM items WHERE v = vector_of(q)); RETURN NEXT;
  END LOOP;
END $$;
CREATE TABLE answers AS SELECT * FROM answers();

-- there is no place for cold segments yet; the place must be there before the transaction that moves
SELECT strata.set_segment_tier('items_v', segment(1), 'cold');
\echo :LAST_ERROR_SQLSTATE
BEGIN;
SELECT strata.set_cold_tablespace('items_v');
SELECT strata.set_segment_tier('items_v', segment(1), 'cold');
\echo :LAST_ERROR_SQLSTATE
ROLLBACK;
SELECT count(*) FROM pg_class WHERE relname = 'items_v_cold';
SELECT strata.set_cold_tablespace('items_v');
SELECT strata.set_cold_tablespace('items_v', 'pg_default');
\d items_v_cold
SELECT pg_relation_size('items_v_cold');

-- a move, and back; the answers stay what they were
SELECT strata.set_segment_tier('items_v', segment(1), 'hot') = segment(1) AS stays;
SELECT strata.set_segment_tier('items_v', segment(1), 'cold') > 0 AS moved;
SELECT * FROM parts;
SELECT count(*) FROM (SELECT * FROM answers() EXCEPT ALL SELECT * FROM answers) t;
SELECT rows, heap_rows FROM strata.verify('items_v', true);
SELECT pg_relation_size('items_v_cold') > 0 AS has_pages;
-- a move is not undone by its transaction
BEGIN;
SELECT strata.set_segment_tier('items_v', segment(1), 'cold') > 0 AS moved;
ROLLBACK;
SELECT * FROM parts;
SELECT count(*) FROM (SELECT * FROM answers() EXCEPT ALL SELECT * FROM answers) t;
SELECT rows, heap_rows FROM strata.verify('items_v', true);
-- what was opened before is read to its end
BEGIN;
DECLARE c CURSOR FOR SELECT id FROM items ORDER BY v <-> vector_of(7);
FETCH 1 FROM c;
SELECT strata.set_segment_tier('items_v', segment(1), 'hot') > 0 AS moved;
MOVE ALL c;
COMMIT;
SELECT strata.set_segment_tier('items_v', segment(2), 'cold') > 0 AS moved;
SELECT * FROM parts;
SELECT count(*) FROM (SELECT * FROM answers() EXCEPT ALL SELECT * FROM answers) t;

-- VACUUM reaches cold segments; merges keep tiers apart, a compaction keeps the tier
DELETE FROM items WHERE id % 7 = 0;
VACUUM items;
SELECT * FROM parts;
CALL strata.merge('items_v');
SELECT kind, state, tier, rows, deleted_rows FROM parts;
CALL strata.compact('items_v', force => true);
SELECT kind, state, tier, rows, deleted_rows FROM parts;
INSERT INTO items SELECT i, vector_of(i), i % 10 FROM generate_series(6001, 7000) i;
SELECT strata.flush('items_v');
CALL strata.merge('items_v');
SELECT kind, state, tier, rows, deleted_rows FROM parts;
SELECT rows, heap_rows FROM strata.verify('items_v', true);

-- strata.search_tiers leaves tiers out on purpose, and says so
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> vector_of(7) LIMIT 100000) t;
SET strata.search_tiers = 'hot';
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> vector_of(7) LIMIT 100000) t;
SELECT count(*) FROM generate_series(1, 3) g, LATERAL (SELECT id FROM items ORDER BY v <-> vector_of(g) LIMIT 3) t;
SELECT count(*) FROM items WHERE v = vector_of(6001);
SET strata.search_tiers = 'cold';
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> vector_of(7) LIMIT 100000) t;
SET strata.search_tiers = 'hot, cold';
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> vector_of(7) LIMIT 100000) t;
SET strata.search_tiers = 'warm';
RESET strata.search_tiers;

-- the companion is part of its index
DROP INDEX items_v_cold;
REINDEX INDEX items_v_cold;
\echo :LAST_ERROR_SQLSTATE
REINDEX INDEX CONCURRENTLY items_v_cold;
\echo :LAST_ERROR_SQLSTATE
DROP INDEX items_v_cold_ccnew;
ALTER INDEX items_v_cold SET TABLESPACE pg_default;
EXPLAIN (COSTS OFF) SELECT id FROM items WHERE v IS NULL;
-- pg_upgrade brings everything along but who belongs to whom
SET allow_system_table_mods = on;
DELETE FROM pg_depend WHERE objid = 'items_v_cold'::regclass AND refobjid = 'items_v'::regclass AND deptype = 'i';
RESET allow_system_table_mods;
CREATE INDEX items_ip ON items USING ivf (v vector_ip_ops);
SELECT strata.set_cold_tablespace('items_ip');
REINDEX INDEX items_v_cold;
SELECT strata.set_cold_tablespace('items_v');
DROP INDEX items_v_cold;
DROP INDEX items_ip;
SELECT count(*) FROM (SELECT * FROM answers() EXCEPT ALL SELECT * FROM answers()) t;
-- an index built anew is hot, and its companion empty
REINDEX INDEX items_v;
SELECT kind, state, tier, rows FROM parts;
SELECT pg_relation_size('items_v_cold');
SELECT strata.set_segment_tier('items_v', segment(1), 'cold') > 0 AS moved;
REINDEX TABLE items;
SELECT kind, state, tier FROM parts;
SELECT strata.set_segment_tier('items_v', segment(1), 'cold') > 0 AS moved;
BEGIN;
REINDEX INDEX items_v;
SELECT kind, state, tier FROM parts;
ROLLBACK;
SELECT kind, state, tier FROM parts;
SELECT rows, heap_rows FROM strata.verify('items_v', true);
REINDEX INDEX CONCURRENTLY items_v;
SELECT kind, state, tier FROM parts;
SELECT strata.set_segment_tier('items_v', segment(1), 'cold') > 0 AS moved;
SELECT rows, heap_rows FROM strata.verify('items_v', true);
REINDEX TABLE CONCURRENTLY items;
SELECT kind, state, tier FROM parts;
SELECT strata.set_segment_tier('items_v', segment(1), 'cold') > 0 AS moved;
SELECT rows, heap_rows FROM strata.verify('items_v', true);
VACUUM FULL items;
SELECT kind, state, tier FROM parts;
SELECT strata.set_segment_tier('items_v', segment(1), 'cold') > 0 AS moved;
TRUNCATE items;
SELECT kind, state, tier FROM parts;
SELECT pg_relation_size('items_v_cold');
INSERT INTO items SELECT i, vector_of(i), 1 FROM generate_series(1, 100) i;
SELECT strata.flush('items_v');
SELECT strata.set_segment_tier('items_v', segment(1), 'cold') > 0 AS moved;
-- a segment without live rows is gone when it is moved
DELETE FROM items;
VACUUM items;
SELECT strata.set_segment_tier('items_v', segment(1), 'hot');
-- expressions, half precision, unlogged tables; not temporary ones
CREATE INDEX items_half ON items USING ivf ((v::halfvec(40)) halfvec_cosine_ops) WHERE id > 10;
SELECT strata.set_cold_tablespace('items_half');
SELECT pg_get_indexdef('items_half_cold'::regclass);
CREATE UNLOGGED TABLE loose (id int, v vector(3));
INSERT INTO loose SELECT i, ARRAY[i, 1, 2]::vector FROM generate_series(1, 500) i;
CREATE INDEX loose_v ON loose USING ivf (v);
SELECT strata.set_cold_tablespace('loose_v');
SELECT strata.set_segment_tier('loose_v', id, 'cold') > 0 AS moved FROM strata.segments
  WHERE index = 'loose_v'::regclass AND kind = 'segment';
SELECT id FROM loose ORDER BY v <-> '[250,1,2]' LIMIT 2;
CREATE TEMP TABLE short (v vector(2));
CREATE INDEX short_v ON short USING ivf (v);
SELECT strata.set_cold_tablespace('short_v');
SELECT strata.set_segment_tier('short_v', 1, 'cold');
-- errors
SELECT strata.set_segment_tier('items_v', 4711, 'cold');
\echo :LAST_ERROR_SQLSTATE
SELECT strata.set_segment_tier('items_v', -1, 'cold');
SELECT strata.set_segment_tier('items_v', 1, 'warm');
\echo :LAST_ERROR_SQLSTATE
SELECT strata.set_segment_tier('items', 1, 'cold');
SELECT strata.set_cold_tablespace('items_v', 'nowhere');
\echo :LAST_ERROR_SQLSTATE
SELECT strata.set_cold_tablespace(NULL) IS NULL AS none;
CREATE INDEX ON items USING ivf_cold (v) WITH (lists = 5);
CREATE ROLE tier_reader;
GRANT SELECT ON items TO tier_reader;
SET ROLE tier_reader;
SELECT strata.set_cold_tablespace('items_v');
\echo :LAST_ERROR_SQLSTATE
SELECT strata.set_segment_tier('items_v', 1, 'hot');
\echo :LAST_ERROR_SQLSTATE
RESET ROLE;
DROP OWNED BY tier_reader;
DROP ROLE tier_reader;
-- all of it goes with the table
DROP VIEW parts;
DROP TABLE items, loose, short, answers CASCADE;
SELECT count(*) FROM pg_class c JOIN pg_am a ON a.oid = c.relam WHERE a.amname = 'ivf_cold';
DROP FUNCTION segment, answers, vector_of;
