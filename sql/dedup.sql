-- De-duplication: what the gate of strata.set_dedup lets through.
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS strata;
RESET client_min_messages;
\set SHOW_CONTEXT never
CREATE TABLE items (id int PRIMARY KEY, embedding vector(3), note text);

-- Hashes: equal vectors, equal hashes; a secret changes all of them.
SELECT strata.vector_hash('[1,0,3]'::vector) = strata.vector_hash('[1,-0,3]'::vector) AS zeros,
       strata.vector_hash('[1,0,3]'::vector) = strata.vector_hash('[1,0,4]'::vector) AS other,
       strata.vector_hash('[1,2,3]'::vector, true) = strata.vector_hash('[4,8,12]'::vector, true) AS scaled,
       strata.vector_hash('[1,2,3]'::vector) = strata.vector_hash('[1,2,3]'::vector, false, '\x000102030405060708090a0b0c0d0e0f') AS keyed,
       strata.vector_hash('[0,-0]'::halfvec) = strata.vector_hash('[0,0]'::halfvec) AS half_zeros,
       strata.vector_hash(NULL::vector) IS NULL AS null_in;
-- The reference value of SipHash-2-4-128 for the bytes of 1.0 and 2.0 under the key 00 01 .. 0f.
SELECT strata.vector_hash('[1,2]'::vector, false, '\x000102030405060708090a0b0c0d0e0f');
SELECT strata.vector_hash('[1]'::vector, false, '\x00');

-- Errors of set_dedup.
SELECT strata.set_dedup('items', 'nothing');
SELECT strata.set_dedup('items', 'note');
SELECT strata.set_dedup('items', 'embedding', mode => 'fuzzy');
SELECT strata.set_dedup('items', 'embedding', mode => 'near');
SELECT strata.set_dedup('items', 'embedding', epsilon => 1);
SELECT strata.set_dedup('items', 'embedding', mode => 'near', epsilon => -1);
SELECT strata.set_dedup('items', 'embedding', ttl => '0');
SELECT strata.set_dedup('items', 'embedding', refresh => true);
SELECT strata.set_dedup('items', 'embedding', on_duplicate => 'keep');
SELECT strata.set_dedup('items_pkey', 'embedding');
SELECT strata.drop_dedup('items');
SELECT strata.is_duplicate('items', '[1,2,3]'::vector);
INSERT INTO items VALUES (1, '[1,2,3]'), (2, '[1,2,3]');
SELECT strata.set_dedup('items', 'embedding');
DELETE FROM items WHERE id = 2;

-- Without ttl: no two rows with one vector at a time.
SELECT strata.set_dedup('items', 'embedding');
\d items
INSERT INTO items VALUES (2, '[1,2,3]'), (3, '[1,2,4]'), (4, '[1,2,4]'), (5, '[0,0,0]'), (6, '[-0,0,-0]'), (7, NULL), (8, NULL);
SELECT id, embedding FROM items ORDER BY id;
COPY items (id, embedding) FROM stdin;
10	[1,2,3]
11	[5,5,5]
12	[5,5,5]
\.
SELECT array_agg(id ORDER BY id) FROM items;
SELECT strata.is_duplicate('items', '[5,5,5]'::vector), strata.is_duplicate('items', '[5,5,6]'::vector),
       strata.is_duplicate('items', NULL::vector);
SELECT strata.is_duplicate('items', '[5,5,5]'::halfvec);
-- A row that goes gives its vector back.
DELETE FROM items WHERE id = 11;
INSERT INTO items VALUES (12, '[5,5,5]');
-- UPDATE: to a new vector, to one that is there, to itself, from and to null.
UPDATE items SET embedding = '[6,6,6]' WHERE id = 12;
UPDATE items SET embedding = '[1,2,3]' WHERE id = 12;
UPDATE items SET embedding = embedding, note = 'same' WHERE id = 12;
UPDATE items SET embedding = '[7,7,7]' WHERE id = 7;
UPDATE items SET embedding = NULL WHERE id = 7;
INSERT INTO items VALUES (13, '[7,7,7]'), (14, '[5,5,5]');
SELECT id, embedding, note FROM items ORDER BY id;
-- An abort gives the vector back, and so does a rolled back savepoint.
BEGIN;
INSERT INTO items VALUES (20, '[9,9,9]');
SAVEPOINT s;
INSERT INTO items VALUES (21, '[9,9,8]');
ROLLBACK TO s;
INSERT INTO items VALUES (22, '[9,9,8]');
ROLLBACK;
INSERT INTO items VALUES (23, '[9,9,9]'), (24, '[9,9,8]');
SELECT array_agg(id ORDER BY id) FROM items WHERE id >= 20;

-- ON CONFLICT: a row that is not stored leaves no claim behind.
INSERT INTO items VALUES (23, '[8,1,1]') ON CONFLICT DO NOTHING;
INSERT INTO items VALUES (30, '[8,1,1]');
INSERT INTO items VALUES (30, '[8,2,2]') ON CONFLICT (id) DO UPDATE SET embedding = excluded.embedding, note = 'upserted';
INSERT INTO items VALUES (31, '[8,1,1]'), (30, '[8,3,3]'), (32, '[8,3,3]') ON CONFLICT (id) DO UPDATE SET note = 'again';
SELECT id, embedding, note FROM items WHERE id >= 30 ORDER BY id;
INSERT INTO items VALUES (23, '[8,4,4]') ON CONFLICT DO NOTHING RETURNING id;
SELECT strata.is_duplicate('items', '[8,4,4]'::vector);
-- Another trigger that leaves rows out has its say first.
CREATE FUNCTION leave_out() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN CASE WHEN NEW.id < 0 THEN NULL ELSE NEW END; END $$;
CREATE TRIGGER leave_out BEFORE INSERT ON items FOR EACH ROW EXECUTE FUNCTION leave_out();
INSERT INTO items VALUES (-1, '[4,4,4]'), (40, '[4,4,4]');
SELECT id FROM items WHERE embedding = '[4,4,4]';
-- MERGE, and rows that a command deletes and inserts again.
MERGE INTO items t USING (VALUES (40, '[4,4,5]'::vector), (41, '[4,4,5]'), (42, '[4,4,6]')) s (id, v) ON t.id = s.id
  WHEN MATCHED THEN UPDATE SET embedding = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v);
WITH gone AS (DELETE FROM items WHERE id = 42 RETURNING *) INSERT INTO items SELECT id + 1, embedding FROM gone;
SELECT id, embedding FROM items WHERE id >= 40 ORDER BY id;
SELECT count(*) FROM items_embedding_dedup;
SELECT count(DISTINCT embedding) + 1 FROM items;
-- TRUNCATE gives everything back.
TRUNCATE items;
SELECT count(*) FROM items_embedding_dedup;
INSERT INTO items VALUES (1, '[1,2,3]'), (2, '[1,2,3]');
SELECT "table", "column", registry, mode, ttl, on_duplicate, refresh, normalized, seen > 0 AS seen, stored > 0 AS stored,
       skipped > 0 AS skipped, errors, seen = stored + skipped + errors AS adds_up FROM strata.stat_dedup;

-- Names change, the gate stays.
ALTER TABLE items RENAME COLUMN embedding TO v;
ALTER TABLE items RENAME TO things;
ALTER TABLE items_embedding_dedup RENAME TO seen_things;
INSERT INTO things VALUES (3, '[1,2,3]'), (4, '[1,1,1]');
SELECT array_agg(id ORDER BY id) FROM things;
\set VERBOSITY terse
ALTER TABLE things ALTER v TYPE halfvec(3);
\set VERBOSITY default
ALTER TABLE seen_things DROP CONSTRAINT items_embedding_dedup_pkey;
INSERT INTO things VALUES (5, '[1,2,3]');
DROP TABLE seen_things;
SELECT strata.drop_dedup('things');
INSERT INTO things VALUES (5, '[1,2,3]');
SELECT to_regclass('seen_things') IS NULL AS gone, count(*) FROM things;
DROP TABLE things;

-- With ttl: a vector counts as seen from its first sight on, whatever becomes of the row.
CREATE TABLE news (id int, v halfvec(2));
SELECT strata.set_dedup('news', 'v', ttl => '1 day', on_duplicate => 'error');
INSERT INTO news VALUES (1, '[1,2]');
INSERT INTO news VALUES (2, '[1,2]');
DELETE FROM news;
INSERT INTO news VALUES (3, '[1,2]');
UPDATE news_v_dedup SET expires_at = now() - interval '1 second' WHERE settings IS NULL;
SELECT strata.is_duplicate('news', '[1,2]'::halfvec);
INSERT INTO news VALUES (4, '[1,2]');
SELECT expires_at - now() BETWEEN interval '23 hours' AND interval '24 hours' AS renewed, count(*)
  FROM news_v_dedup WHERE settings IS NULL GROUP BY 1;
UPDATE news_v_dedup SET expires_at = now() - interval '1 second' WHERE settings IS NULL;
SELECT strata.expire_dedup('news'), strata.expire_dedup();
SELECT count(*) FROM news_v_dedup;
SELECT seen, stored, skipped, errors FROM strata.stat_dedup;
-- Settings change by calling it again; refresh counts the time from the last sight.
SELECT strata.set_dedup('news', 'v', ttl => '1 day', refresh => true);
UPDATE news_v_dedup SET expires_at = now() + interval '1 hour' WHERE settings IS NULL;
INSERT INTO news VALUES (5, '[1,2]');
SELECT expires_at - now() > interval '23 hours' AS refreshed FROM news_v_dedup WHERE settings IS NULL;
SELECT count(*) FROM news;
DROP TABLE news;
SELECT to_regclass('news_v_dedup') IS NULL AS gone;

-- Normalised: vectors that differ by a power of two as factor are the same.
CREATE TABLE directions (v vector(2));
SELECT strata.set_dedup('directions', 'v', normalized => true);
INSERT INTO directions VALUES ('[1,3]'), ('[2,6]'), ('[-1,-3]'), ('[0,0]');
SELECT * FROM directions;
DROP TABLE directions;

-- Near: within epsilon by the distance of the index, else the Euclidean one.
CREATE TABLE near (id int, v vector(2));
INSERT INTO near SELECT i, ARRAY[i, 0]::vector FROM generate_series(1, 50) i;
SELECT strata.set_dedup('near', 'v', mode => 'near', epsilon => 0.25);
INSERT INTO near VALUES (100, '[10.2,0]'), (101, '[10.5,0]'), (102, '[10.6,0]'), (103, '[10.5,0.3]');
SELECT id FROM near WHERE id >= 100;
SELECT strata.is_duplicate('near', '[20.1,0]'::vector), strata.is_duplicate('near', '[20.4,0]'::vector);
DELETE FROM near WHERE id = 101;
INSERT INTO near VALUES (104, '[10.55,0]');
SELECT id FROM near WHERE id >= 100;
CREATE INDEX ON near USING ivf (v vector_cosine_ops);
SELECT strata.set_dedup('near', 'v', mode => 'near', epsilon => 0.0001, ttl => '1 hour', on_duplicate => 'error');
INSERT INTO near VALUES (105, '[77,0]');
INSERT INTO near VALUES (105, '[0,77]');
-- What has been seen longer ago does not count.
UPDATE near_v_dedup SET expires_at = now() - interval '1 second' WHERE settings IS NULL;
INSERT INTO near VALUES (106, '[78,0]');
INSERT INTO near VALUES (107, '[79,0]');
DROP TABLE near;

-- Partitions: judged over the whole table; an UPDATE may move rows.
CREATE TABLE parted (id int, v vector(2)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
SELECT strata.set_dedup('parted_1', 'v');
SELECT strata.set_dedup('parted', 'v');
INSERT INTO parted VALUES (1, '[1,1]'), (11, '[1,1]'), (2, '[2,2]'), (12, '[3,3]');
INSERT INTO parted_2 VALUES (13, '[2,2]'), (14, '[4,4]');
UPDATE parted SET id = id + 10 WHERE id = 1;
UPDATE parted SET id = id + 10, v = '[5,5]' WHERE id = 2;
UPDATE parted SET id = id - 10, v = v WHERE id = 14;
INSERT INTO parted VALUES (3, '[1,1]'), (3, '[2,2]'), (3, '[4,4]'), (3, '[5,5]');
SELECT tableoid::regclass, * FROM parted ORDER BY id;
CREATE TABLE parted_3 PARTITION OF parted FOR VALUES FROM (20) TO (30);
INSERT INTO parted VALUES (21, '[3,3]'), (22, '[6,6]');
SELECT array_agg(id ORDER BY id) FROM parted;
SELECT "table", "column" FROM strata.stat_dedup;
DROP TABLE parted;

-- Somebody else's table is none of one's business, nor its registry.
CREATE ROLE dedup_guest;
CREATE TABLE mine (v vector(2));
SELECT strata.set_dedup('mine', 'v');
GRANT INSERT ON mine TO dedup_guest;
GRANT CREATE ON SCHEMA public TO dedup_guest;
SET ROLE dedup_guest;
INSERT INTO mine VALUES ('[1,1]'), ('[1,1]');
SELECT strata.set_dedup('mine', 'v');
SELECT strata.drop_dedup('mine');
SELECT strata.is_duplicate('mine', '[1,1]'::vector);
SELECT * FROM strata.stat_dedup;
SELECT * FROM mine_v_dedup;
CREATE TABLE guest (v vector(2));
CREATE TRIGGER zzz_strata_dedup_settle AFTER INSERT ON guest FOR EACH ROW
  WHEN (strata.dedup_settle('mine_v_dedup'::regclass, NEW.v)) EXECUTE FUNCTION strata.dedup_gate();
CREATE TRIGGER zzz_strata_dedup_row BEFORE INSERT ON guest FOR EACH ROW EXECUTE FUNCTION strata.dedup_gate();
INSERT INTO guest VALUES ('[3,3]');
SELECT strata.dedup_own('mine_v_dedup', 'guest');
DROP TABLE guest;
RESET ROLE;
SELECT count(*) FROM mine;
REVOKE CREATE ON SCHEMA public FROM dedup_guest;
DROP TABLE mine;
DROP ROLE dedup_guest;
SELECT strata.dedup_gate();

-- What a statement replicates has been judged before: it is stored, and remembered.
CREATE TABLE copied (v vector(1));
SELECT strata.set_dedup('copied', 'v');
SET session_replication_role = replica;
INSERT INTO copied VALUES ('[1]'), ('[1]');
RESET session_replication_role;
INSERT INTO copied VALUES ('[1]');
SELECT count(*) FROM copied;
DROP TABLE copied;
CREATE TEMPORARY TABLE passing (v vector(1));
SELECT strata.set_dedup('passing', 'v') IS NOT NULL AS set;
INSERT INTO passing VALUES ('[1]'), ('[1]');
SELECT count(*) FROM passing;
DROP TABLE passing;

-- Large statements: what a bloom filter knows to be new is not looked up, and nothing else changes.
CREATE TABLE many (id int, v vector(2));
SELECT strata.set_dedup('many', 'v');
INSERT INTO many SELECT i, ARRAY[i, 0]::vector FROM generate_series(1, 6000) i;
INSERT INTO many SELECT i, ARRAY[i, 0]::vector FROM generate_series(3001, 9000) i;
INSERT INTO many SELECT i, ARRAY[i % 500, 1]::vector FROM generate_series(1, 3000) i;
SELECT count(*), count(DISTINCT v) FROM many;
SELECT seen, stored, skipped, bloom_skips > 5000 AS bloom, bloom_skips <= stored AS bounded FROM strata.stat_dedup;
BEGIN;
INSERT INTO many SELECT i, ARRAY[i, 2]::vector FROM generate_series(1, 3000) i;
ROLLBACK;
INSERT INTO many SELECT i, ARRAY[i % 2500, 2]::vector FROM generate_series(1, 3000) i;
DELETE FROM many WHERE id <= 1000;
INSERT INTO many SELECT i, ARRAY[i, 0]::vector FROM generate_series(1, 2000) i;
SELECT count(*), count(DISTINCT v) FROM many;
DROP TABLE many;
