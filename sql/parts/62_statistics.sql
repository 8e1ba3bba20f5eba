-- what workers do, and what indexes come to

CREATE TABLE strata.worker_failures (
  relation oid NOT NULL, failures int NOT NULL, first_at timestamptz NOT NULL, last_at timestamptz NOT NULL,
  next_try timestamptz NOT NULL, sqlstate text NOT NULL, message text NOT NULL, job name NOT NULL)
  WITH (vacuum_truncate = off);
-- A page that VACUUM leaves in place: on a full disk there would be none for the row that says so.
INSERT INTO strata.worker_failures VALUES (0, 0, pg_catalog.now(), pg_catalog.now(), pg_catalog.now(), '', '', '');
DELETE FROM strata.worker_failures;
COMMENT ON TABLE strata.worker_failures IS 'indexes and tables that background workers could not serve; written by them, shown in strata.stat_worker';
COMMENT ON COLUMN strata.worker_failures.job IS 'what failed: maintain an index; remove a table in the trash, collect versions, expire claims, archive versions, move rows between tiers';

CREATE FUNCTION strata.list_progress(
    OUT pid int, OUT database_oid oid, OUT index_oid oid, OUT table_oid oid, OUT worker boolean, OUT task text,
    OUT phase text, OUT done bigint, OUT total bigint, OUT since timestamptz, OUT phase_since timestamptz)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'strata_list_progress' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 5 COST 100;
COMMENT ON FUNCTION strata.list_progress() IS 'processes of the server that maintain or build ivf indexes, in any database';

CREATE VIEW strata.progress AS
  SELECT p.pid, d.datname AS database, coalesce(i.indrelid, t.oid)::regclass AS "table", i.indexrelid::regclass AS index, p.task,
         p.phase, p.done, p.total,
         CASE WHEN p.done > 0
              THEN p.done / greatest(extract(epoch FROM clock_timestamp() - p.phase_since), 0.001)::float8 END AS rate,
         p.since, p.worker
  FROM strata.list_progress() p
  JOIN pg_catalog.pg_database d ON d.oid = p.database_oid
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = p.index_oid AND d.datname = pg_catalog.current_database()
  LEFT JOIN pg_catalog.pg_class t ON t.oid = coalesce(p.table_oid, p.index_oid) AND t.relkind <> 'i'
       AND d.datname = pg_catalog.current_database()
  WHERE p.task IS NOT NULL
    AND (pg_catalog.has_table_privilege(coalesce(i.indrelid, t.oid), 'SELECT') OR pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE'));
COMMENT ON VIEW strata.progress IS 'maintenance and builds of ivf indexes at this moment, by workers, by procedures and by commands';
COMMENT ON COLUMN strata.progress.pid IS 'process id';
COMMENT ON COLUMN strata.progress.database IS 'database it works in';
COMMENT ON COLUMN strata.progress."table" IS 'the table (of CREATE INDEX on a partitioned one, that one); null in other databases, and until a new table is committed';
COMMENT ON COLUMN strata.progress.index IS 'the ivf index; null in other databases, for work on a table, and until a new index is committed';
COMMENT ON COLUMN strata.progress.task IS 'seal, merge, compact, carry (into a newer codebook), discard (nothing but deleted rows), train, calibrate, reclaim, tier (a segment goes to another tier), build (CREATE INDEX and REINDEX); of a table: archive (a version), move (rows between tiers)';
COMMENT ON COLUMN strata.progress.phase IS 'place: rows are put into lists; write: pages are written; publish: the new segment takes the place of the old ones; sample, cluster: a codebook is trained; query: a calibration; reclaim: pages are freed; archive, move: rows are; sort: a build sorts its rows by list';
COMMENT ON COLUMN strata.progress.done IS 'rows of the phase that are done (query: sample queries, reclaim: segments); null where a build does not count: in sample, cluster, sort, query';
COMMENT ON COLUMN strata.progress.total IS 'of how many, an estimate in phase place of a build; null when not known';
COMMENT ON COLUMN strata.progress.rate IS 'done in a second, since the phase began';
COMMENT ON COLUMN strata.progress.since IS 'when the task began';
COMMENT ON COLUMN strata.progress.worker IS 'true: a background worker; false: a session that called a procedure or builds an index';
GRANT SELECT ON strata.progress TO PUBLIC;

CREATE VIEW strata.stat_worker AS
  SELECT w.pid, coalesce(d.datname, pg_catalog.current_database()) AS database,
         coalesce(i.indrelid, f.relation)::regclass AS "table", i.indexrelid::regclass AS index,
         CASE WHEN w.pid IS NULL THEN NULL WHEN w.index_oid IS NULL THEN 'idle' ELSE coalesce(w.task, 'look') END AS task,
         w.phase, w.since, coalesce(f.failures, 0) AS errors, f.message AS last_error, f.sqlstate AS last_sqlstate,
         f.last_at AS last_error_at, f.next_try, f.job
  FROM (SELECT * FROM strata.list_progress() WHERE worker) w
  LEFT JOIN pg_catalog.pg_database d ON d.oid = w.database_oid
  FULL JOIN strata.worker_failures f ON f.relation = w.index_oid AND d.datname = pg_catalog.current_database()
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = coalesce(f.relation, w.index_oid)
       AND coalesce(d.datname, pg_catalog.current_database()) = pg_catalog.current_database()
  WHERE pg_catalog.pg_has_role('pg_read_all_stats', 'USAGE')
     OR pg_catalog.has_table_privilege(coalesce(i.indrelid, f.relation), 'SELECT');
COMMENT ON VIEW strata.stat_worker IS 'background workers of strata, and the indexes and tables that they failed to serve';
COMMENT ON COLUMN strata.stat_worker.pid IS 'process id; null: nobody is at it now';
COMMENT ON COLUMN strata.stat_worker.database IS 'database it works in';
COMMENT ON COLUMN strata.stat_worker."table" IS 'the table; null in other databases';
COMMENT ON COLUMN strata.stat_worker.index IS 'the ivf index; null in other databases';
COMMENT ON COLUMN strata.stat_worker.task IS 'idle: between two indexes; look: looks whether something is due; else as in strata.progress';
COMMENT ON COLUMN strata.stat_worker.phase IS 'as in strata.progress';
COMMENT ON COLUMN strata.stat_worker.since IS 'when the task began';
COMMENT ON COLUMN strata.stat_worker.errors IS 'failures in a row';
COMMENT ON COLUMN strata.stat_worker.last_error IS 'message of the last of them';
COMMENT ON COLUMN strata.stat_worker.last_sqlstate IS 'its SQLSTATE';
COMMENT ON COLUMN strata.stat_worker.last_error_at IS 'when that was';
COMMENT ON COLUMN strata.stat_worker.next_try IS 'not before; the time doubles with each failure, up to an hour';
COMMENT ON COLUMN strata.stat_worker.job IS 'what failed: maintain (an index), remove (a table in the trash), collect (versions), expire (claims), archive (versions), move (rows between tiers)';
GRANT SELECT ON strata.stat_worker TO PUBLIC;

CREATE FUNCTION strata.list_index_stats(
    index regclass, OUT rows bigint, OUT growing_rows bigint, OUT deleted_rows bigint, OUT segments bigint,
    OUT epochs bigint, OUT bytes bigint, OUT live_bytes bigint, OUT retired_bytes bigint, OUT free_bytes bigint,
    OUT sealed_rows bigint, OUT merged_rows bigint, OUT sealed_bytes bigint, OUT merged_bytes bigint)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'strata_list_index_stats' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 1 COST 1000;
COMMENT ON FUNCTION strata.list_index_stats(regclass) IS 'sizes and counts of an ivf index, as in strata.stat_index';

CREATE VIEW strata.stat_index AS
  SELECT i.indrelid::regclass AS "table", i.indexrelid::regclass AS index, s.rows, s.growing_rows, s.deleted_rows,
         s.segments, s.epochs, s.bytes, s.live_bytes, s.retired_bytes, s.free_bytes, s.sealed_rows, s.merged_rows,
         s.sealed_bytes, s.merged_bytes,
         (s.sealed_bytes + s.merged_bytes)::float8 / nullif(s.sealed_bytes, 0) AS write_amplification
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
  JOIN pg_catalog.pg_am a ON a.oid = c.relam AND a.amname = 'ivf'
  CROSS JOIN LATERAL strata.list_index_stats(i.indexrelid) s
  WHERE pg_catalog.has_table_privilege(i.indrelid, 'SELECT');
COMMENT ON VIEW strata.stat_index IS 'one line for each ivf index whose table may be read';
COMMENT ON COLUMN strata.stat_index."table" IS 'the indexed table';
COMMENT ON COLUMN strata.stat_index.index IS 'the ivf index';
COMMENT ON COLUMN strata.stat_index.rows IS 'entries that are searched, deleted ones included';
COMMENT ON COLUMN strata.stat_index.growing_rows IS 'those of growing segments';
COMMENT ON COLUMN strata.stat_index.deleted_rows IS 'those of sealed segments that VACUUM marked as deleted';
COMMENT ON COLUMN strata.stat_index.segments IS 'sealed segments';
COMMENT ON COLUMN strata.stat_index.epochs IS 'codebooks in use';
COMMENT ON COLUMN strata.stat_index.bytes IS 'size of the file';
COMMENT ON COLUMN strata.stat_index.live_bytes IS 'of it in use, without the share of deleted rows';
COMMENT ON COLUMN strata.stat_index.retired_bytes IS 'of it replaced, waiting for old snapshots';
COMMENT ON COLUMN strata.stat_index.free_bytes IS 'of it free to be used again';
COMMENT ON COLUMN strata.stat_index.sealed_rows IS 'rows ever sealed, and built by CREATE INDEX';
COMMENT ON COLUMN strata.stat_index.merged_rows IS 'rows ever rewritten by merges and compactions';
COMMENT ON COLUMN strata.stat_index.sealed_bytes IS 'bytes ever written by seals, and by CREATE INDEX';
COMMENT ON COLUMN strata.stat_index.merged_bytes IS 'bytes ever written by merges and compactions';
COMMENT ON COLUMN strata.stat_index.write_amplification IS 'bytes written for each byte sealed; 1: nothing was rewritten';
GRANT SELECT ON strata.stat_index TO PUBLIC;

CREATE FUNCTION strata.locate(
    index regclass, key tid, OUT segment bigint, OUT kind text, OUT bloom text, OUT outcome text, OUT entry bigint,
    OUT row_id tid, OUT deleted boolean)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'strata_locate_tid' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 10 COST 10000;
COMMENT ON FUNCTION strata.locate(regclass, tid) IS
  'the way to the entry of a row (its ctid): segments that the bloom filter rules out, false positives, the entry';

CREATE FUNCTION strata.locate(
    index regclass, key vector, OUT segment bigint, OUT kind text, OUT bloom text, OUT outcome text, OUT entry bigint,
    OUT row_id tid, OUT deleted boolean)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'strata_locate_vector' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 10 COST 10000;
COMMENT ON FUNCTION strata.locate(regclass, vector) IS 'the way to the entries of rows with exactly this vector';

CREATE FUNCTION strata.locate(
    index regclass, key halfvec, OUT segment bigint, OUT kind text, OUT bloom text, OUT outcome text, OUT entry bigint,
    OUT row_id tid, OUT deleted boolean)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'strata_locate_vector' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 10 COST 10000;
COMMENT ON FUNCTION strata.locate(regclass, halfvec) IS 'the way to the entries of rows with exactly this vector';

CREATE FUNCTION strata._request_visit() RETURNS void
  AS 'MODULE_PATHNAME', 'strata_request_visit' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata._request_visit() IS 'starts a background worker for this database when the transaction commits';
