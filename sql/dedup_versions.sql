-- de-duplication of versioned tables: what counts is what the table holds now
CREATE TABLE gated (id int PRIMARY KEY, v vector(3));
CREATE INDEX ON gated USING ivf (v vector_l2_ops);
INSERT INTO gated VALUES (1, '[1,1,1]'), (2, '[2,2,2]'), (3, '[3,3,3]');
SELECT strata.enable_versions('gated');
SELECT strata.set_dedup('gated', 'v');
SELECT strata.create_version('gated', 'v1');
-- A row that only versions hold is none of the table: its vector may come back.
INSERT INTO gated VALUES (4, '[2,2,2]');
DELETE FROM gated WHERE id = 2;
INSERT INTO gated VALUES (5, '[2,2,2]');
UPDATE gated SET v = '[4,4,4]' WHERE id = 3;
SELECT strata.create_version('gated', 'v2');
SELECT id, v FROM gated ORDER BY id;
-- A rollback gives vectors back and claims those it restores.
CALL strata.rollback_to('gated', 'v1');
SELECT id, v FROM gated ORDER BY id;
INSERT INTO gated VALUES (20, '[3,3,3]'), (21, '[2,2,2]'), (22, '[4,4,4]');
SELECT id, v FROM gated ORDER BY id;
-- A branch has the gate of its table, and judges by what it holds itself; the table judges when it is merged.
SELECT strata.create_version('gated', 'work', mode => 'branch', from_version => 'v2');
SELECT id, v FROM gated_work.gated ORDER BY id;
INSERT INTO gated_work.gated (id, v) VALUES (30, '[7,7,7]'), (31, '[1,1,1]'), (32, '[8,8,8]'), (33, '[7,7,7]'), (34, '[3,3,3]');
INSERT INTO gated_work.gated (id, v) VALUES (35, '[-0,0,0]'), (36, '[0,0,0]'), (37, NULL), (38, NULL);
UPDATE gated_work.gated SET v = '[2,2,2]' WHERE id IN (1, 32);
UPDATE gated_work.gated SET v = v + v WHERE id = 32;
DELETE FROM gated_work.gated WHERE id = 5;
INSERT INTO gated_work.gated (id, v) VALUES (39, '[2,2,2]');
SELECT id, v FROM gated_work.gated ORDER BY id;
INSERT INTO gated VALUES (40, '[7,7,7]');
SELECT strata.merge_branch('gated', 'work', on_conflict => 'branch');
SELECT id, v FROM gated ORDER BY id;
-- Other settings hold in branches from the next row on.
SELECT strata.set_dedup('gated', 'v', on_duplicate => 'error');
SELECT strata.create_version('gated', 'strict', mode => 'branch');
INSERT INTO gated_strict.gated (id, v) VALUES (50, '[9,9,9]');
INSERT INTO gated_strict.gated (id, v) VALUES (51, '[9,9,9]');
SELECT strata.set_dedup('gated', 'v', mode => 'near', epsilon => 0.5);
INSERT INTO gated_strict.gated (id, v) VALUES (55, '[9.1,9,9]'), (56, '[19,19,19]'), (57, '[19,19,19.4]');
SELECT id, v FROM gated_strict.gated WHERE id >= 50 ORDER BY id;
-- Registry and table agree.
SELECT (SELECT count(*) FROM gated_v_dedup WHERE settings IS NULL) = (SELECT count(v) FROM gated) AS agree;
SELECT strata.drop_dedup('gated');
SELECT strata.disable_versions('gated');
DROP TABLE gated;
CREATE TABLE directions (id int PRIMARY KEY, v vector(3));
SELECT strata.enable_versions('directions');
SELECT strata.set_dedup('directions', 'v', normalized => true);
INSERT INTO directions VALUES (1, '[0,5,0]');
SELECT strata.create_version('directions', 'more', mode => 'branch');
INSERT INTO directions_more.directions (id, v) VALUES (2, '[0,2.5,0]'), (3, '[0,5,1e-3]'), (4, '[1,0,0]'), (5, '[-1,0,0]'), (6, '[4,0,0]');
SELECT id, v FROM directions_more.directions ORDER BY id;
SELECT seen, stored, skipped, errors FROM strata.stat_dedup WHERE "table" = 'directions'::regclass;
SELECT strata.drop_dedup('directions');
INSERT INTO directions_more.directions (id, v) VALUES (8, '[0,5,0]');
SELECT count(*) FROM directions_more.directions;
SELECT strata.disable_versions('directions');
DROP TABLE directions;
