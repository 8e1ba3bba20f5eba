-- A branch refuses keys that its base shows, and takes all others: whatever became of the row in the table since.
SET client_min_messages = warning;
CREATE COLLATION folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TABLE goods (shelf text COLLATE folded, place bigint, note text, PRIMARY KEY (place, shelf));
INSERT INTO goods VALUES ('a', 1, 'stays'), ('b', 1, 'changes'), ('c', 1, 'goes'), ('d', 1, 'comes back');
SELECT strata.enable_versions('goods');
SELECT strata.create_version('goods', 'w', mode => 'branch');
UPDATE goods SET note = 'changed' WHERE shelf = 'b';
DELETE FROM goods WHERE shelf IN ('c', 'd');
INSERT INTO goods VALUES ('d', 1, 'back'), ('e', 1, 'new');

INSERT INTO goods_w.goods VALUES ('a', 1, 'taken');
INSERT INTO goods_w.goods VALUES ('B', 1, 'taken, only in the history, and in another case');
INSERT INTO goods_w.goods VALUES ('c', 1, 'taken, only in the history');
INSERT INTO goods_w.goods VALUES ('d', 1, 'taken, in the history and newer in the table');
INSERT INTO goods_w.goods VALUES ('e', 1, 'free: newer than the branch'), ('a', 2, 'free');
INSERT INTO goods_w.goods VALUES (NULL, 1, 'no key');
UPDATE goods_w.goods SET place = 1, shelf = 'C' WHERE shelf = 'a' AND place = 2;
UPDATE goods_w.goods SET place = 1, shelf = 'g' WHERE shelf = 'a' AND place = 2;
DELETE FROM goods_w.goods WHERE shelf = 'c';
INSERT INTO goods_w.goods VALUES ('C', 1, 'free again');
-- What the transaction itself did to the table counts.
BEGIN;
INSERT INTO goods VALUES ('f', 1, 'new');
DELETE FROM goods WHERE shelf = 'a';
INSERT INTO goods_w.goods VALUES ('f', 1, 'free');
SAVEPOINT s;
INSERT INTO goods_w.goods VALUES ('a', 1, 'taken');
ROLLBACK TO s;
ROLLBACK;
SELECT * FROM goods_w.goods ORDER BY place, shelf;

-- A policy that hides a row from the owner himself does not make its key free.
CREATE ROLE strata_base_owner;
GRANT CREATE ON SCHEMA public TO strata_base_owner;
DO $$BEGIN EXECUTE format('GRANT CREATE ON DATABASE %I TO strata_base_owner', current_database()); END$$;
SET ROLE strata_base_owner;
CREATE TABLE secrets (id int PRIMARY KEY, tenant int);
INSERT INTO secrets VALUES (1, 1), (2, 2);
SELECT strata.enable_versions('secrets');
SELECT strata.create_version('secrets', 'w', mode => 'branch');
ALTER TABLE secrets ENABLE ROW LEVEL SECURITY;
ALTER TABLE secrets FORCE ROW LEVEL SECURITY;
CREATE POLICY mine ON secrets USING (tenant = 1);
SELECT * FROM secrets_w.secrets;
INSERT INTO secrets_w.secrets VALUES (2, 1);
INSERT INTO secrets_w.secrets VALUES (3, 1);
SELECT * FROM secrets_w.secrets ORDER BY id;
SELECT strata.disable_versions('secrets');
DROP TABLE secrets;
RESET ROLE;
SELECT strata.disable_versions('goods');
DROP TABLE goods;
DROP COLLATION folded;
DROP OWNED BY strata_base_owner;
DROP ROLE strata_base_owner;
