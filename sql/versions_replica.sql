-- The triggers that write a branch do not fire under session_replication_role = replica: an error, not rows lost.
SET client_min_messages = warning;
CREATE TABLE goods (id int PRIMARY KEY, note text, v vector(2));
INSERT INTO goods VALUES (1, 'a', '[1,0]'), (2, 'b', '[0,1]');
CREATE INDEX ON goods USING ivf (v);
SELECT strata.enable_versions('goods');
SELECT strata.create_version('goods', 'w', mode => 'branch');
-- A session that has used nothing of strata.
\c -
SET session_replication_role = replica;
INSERT INTO goods_w.goods (id, note) VALUES (3, 'lost');
\c -
SET session_replication_role = replica;
DELETE FROM goods_w.goods WHERE id = 1;
\c -
SET session_replication_role = replica;
COPY goods_w.goods (id, note) FROM stdin;
4	lost
\.
-- And one that has.
INSERT INTO goods_w.goods (id, note, strata_born) VALUES (5, 'lost', 0);
COPY goods_w.goods FROM stdin;
6	lost	[1,1]	0
\.
UPDATE goods_w.goods SET note = 'lost' WHERE id = 1;
WITH gone AS (DELETE FROM goods_w.goods RETURNING id) SELECT count(*) FROM gone;
RESET session_replication_role;
PREPARE change AS UPDATE goods_w.goods SET note = 'kept' WHERE id = 2;
SET session_replication_role = replica;
EXECUTE change;
-- What does not write is no error; nor is another view's business.
SELECT count(*) FROM goods_w.goods;
EXPLAIN (COSTS OFF, VERBOSE OFF) INSERT INTO goods_w.goods (id) VALUES (9);
COPY (SELECT id FROM goods_w.goods ORDER BY id) TO stdout;
CREATE VIEW other AS SELECT 1 AS id;
CREATE FUNCTION other_row() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN new; END$$;
CREATE TRIGGER other INSTEAD OF INSERT ON other FOR EACH ROW EXECUTE FUNCTION other_row();
INSERT INTO other VALUES (1);
RESET session_replication_role;
EXECUTE change;
COPY goods_w.goods (id, note) FROM stdin;
7	kept
\.
SELECT id, note, strata_born FROM goods_w.goods ORDER BY id;
SELECT strata.disable_versions('goods');
DROP VIEW other;
DROP FUNCTION other_row();
DROP TABLE goods;
