-- the recall that is reached: strata.measure_recall and strata.sample_queries
SET strata.auto_flush_interval = 0;
CREATE FUNCTION noise(seed int, dim int) RETURNS vector LANGUAGE sql IMMUTABLE AS
  $$ SELECT array_agg((hashint4(seed * 64 + d) & 1023) ORDER BY d)::vector FROM generate_series(1, dim) d $$;
CREATE TABLE items (id int PRIMARY KEY, tenant int, v vector(8), h halfvec(8)) WITH (autovacuum_enabled = off);
INSERT INTO items SELECT i, i % 10, noise(i, 8), noise(i, 8)::halfvec FROM generate_series(1, 24000) i;
CREATE INDEX items_l2 ON items USING ivf (v);
CREATE INDEX items_cosine ON items USING ivf (v vector_cosine_ops);
CREATE INDEX items_ip ON items USING ivf (v vector_ip_ops);
CREATE INDEX items_half ON items USING ivf (h) WHERE tenant < 3;
CREATE INDEX items_expression ON items USING ivf ((subvector(v, 1, 4)::vector(4)));
-- the target is reached, by each metric, on half vectors, expressions and a part of the table
SELECT i AS index, source, k_rows, target, recall >= target - 0.03 AS reached, worst_tenth <= recall AS sane, queries,
       rows_read BETWEEN 1 AND 24100 AS read_some
  FROM unnest(ARRAY['items_l2', 'items_cosine', 'items_ip', 'items_half', 'items_expression']) i,
       strata.measure_recall(i::regclass, sample => 150, k => 10);
-- it measures: one list is not enough, all of them are
SET strata.probes = 1;
SELECT target, recall < 0.8 AS low FROM strata.measure_recall('items_l2', 100);
SET strata.probes = 100000;
SELECT recall, worst_tenth FROM strata.measure_recall('items_l2', 50, 3);
RESET strata.probes;
-- what the snapshot sees: deleted rows are no neighbours, new rows are, and a row does not find itself
DELETE FROM items WHERE id % 2 = 0;
UPDATE items SET tenant = 0 WHERE id < 100;
SELECT recall >= 0.9 AS reached, queries FROM strata.measure_recall('items_l2', 100);
CREATE TABLE few (v vector(2));
CREATE INDEX few_v ON few USING ivf (v);
SELECT * FROM strata.measure_recall('few_v');
INSERT INTO few VALUES (NULL), ('[1,2]');
SELECT source, recall, queries FROM strata.measure_recall('few_v');
INSERT INTO few VALUES ('[1,2]'), ('[1,2]'), ('[3,4]');
SELECT source, recall, worst_tenth, queries FROM strata.measure_recall('few_v', k => 2);
-- recent queries
SELECT count(*) FROM strata.measure_recall('items_l2', 10);
SET strata.sample_queries = on;
SET enable_seqscan = off;
DO $$
BEGIN
  FOR i IN 1..3 LOOP
    PERFORM id FROM items ORDER BY v <-> noise(-i, 8) LIMIT 5;
    PERFORM pg_sleep(0.11);
  END LOOP;
END $$;
RESET enable_seqscan;
SELECT source, queries, recall > 0.5 AS found FROM strata.measure_recall('items_l2', 10);
SELECT source, queries FROM strata.measure_recall('items_l2', 2);
RESET strata.sample_queries;
-- rights: queries are for the owner, the rest for readers
CREATE ROLE recall_reader;
SET ROLE recall_reader;
SELECT count(*) FROM strata.measure_recall('items_l2', 10);
RESET ROLE;
GRANT SELECT ON items TO recall_reader;
SET ROLE recall_reader;
SELECT source, queries FROM strata.measure_recall('items_l2', 10);
RESET ROLE;
ALTER TABLE items ENABLE ROW LEVEL SECURITY;
SET ROLE recall_reader;
SELECT count(*) FROM strata.measure_recall('items_l2', 10);
RESET ROLE;
-- errors
SELECT strata.measure_recall('items_pkey');
SELECT strata.measure_recall('items_l2', 0);
SELECT strata.measure_recall('items_l2', k => 0);
SELECT strata.measure_recall('items_l2', 10000, 10000);
-- a session's own last scan is left alone
SET enable_seqscan = off;
SELECT count(*) FROM (SELECT id FROM items ORDER BY v <-> noise(7, 8) LIMIT 4) s;
SELECT count(*) FROM strata.measure_recall('items_l2', 10);
SELECT index, rows BETWEEN 4 AND 6 AS few FROM strata.last_scan();
DROP TABLE items, few;
DROP FUNCTION noise;
DROP ROLE recall_reader;
