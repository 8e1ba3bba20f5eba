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
-- A branch takes every row; those that the table has go when it is merged.
SELECT strata.create_version('gated', 'work', mode => 'branch', from_version => 'v1');
INSERT INTO gated_work.gated (id, v) VALUES (30, '[7,7,7]'), (31, '[1,1,1]'), (32, '[8,8,8]');
INSERT INTO gated VALUES (40, '[7,7,7]');
SELECT strata.merge_branch('gated', 'work');
SELECT id, v FROM gated ORDER BY id;
-- Registry and table agree.
SELECT (SELECT count(*) FROM gated_v_dedup WHERE settings IS NULL) = (SELECT count(*) FROM gated) AS agree;
SELECT strata.drop_dedup('gated');
SELECT strata.disable_versions('gated');
DROP TABLE gated;
