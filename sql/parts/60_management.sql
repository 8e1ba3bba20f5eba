
-- looking at and maintaining ivf indexes

CREATE FUNCTION strata.list_segments(
    index regclass, OUT index_oid oid, OUT id bigint, OUT kind text, OUT state text, OUT rows bigint,
    OUT deleted_rows bigint, OUT bytes bigint, OUT lists int, OUT spill boolean, OUT epoch bigint, OUT frame bigint, OUT lane int,
    OUT tier text, OUT merges int, OUT hits bigint, OUT bloom_bits bigint, OUT bloom_false_positive_rate float8,
    OUT created_at timestamptz, OUT retired_xid xid8, OUT why_not_merged text,
    OUT attributes jsonb)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'strata_list_segments' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 20 COST 1000;
COMMENT ON FUNCTION strata.list_segments(regclass) IS
  'everything an ivf index consists of: growing and sealed segments, codebooks (epochs), frames, calibrations';

CREATE VIEW strata.segments AS
  SELECT i.indrelid::regclass AS "table", i.indexrelid::regclass AS index, s.id, s.kind, s.state, s.rows,
         s.deleted_rows, s.bytes, s.lists, s.spill, s.epoch, s.frame, s.lane, s.tier, s.merges, s.hits, s.bloom_bits,
         s.bloom_false_positive_rate, s.created_at, s.retired_xid, s.why_not_merged, s.attributes
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
  JOIN pg_catalog.pg_am a ON a.oid = c.relam AND a.amname = 'ivf'
  CROSS JOIN LATERAL strata.list_segments(i.indexrelid) s
  WHERE pg_catalog.has_table_privilege(i.indrelid, 'SELECT');
COMMENT ON VIEW strata.segments IS 'segments, codebooks, frames and calibrations of all ivf indexes whose table may be read';
COMMENT ON COLUMN strata.segments."table" IS 'the indexed table';
COMMENT ON COLUMN strata.segments.index IS 'the ivf index';
COMMENT ON COLUMN strata.segments.id IS 'number within the index, never reused';
COMMENT ON COLUMN strata.segments.kind IS 'growing: rows in the order of their arrival; segment: sealed rows; epoch: a codebook; frame: coordinates of the codes; calibration: how far a codebook must be searched for a recall';
COMMENT ON COLUMN strata.segments.state IS 'growing: takes inserts; sealing: about to be sealed; sealed: scanned flat; indexed: has inverted lists; merging: being rewritten, still read; building: being written; retired: replaced, waits for old snapshots; live: a codebook, frame or calibration in use';
COMMENT ON COLUMN strata.segments.rows IS 'entries, deleted ones included';
COMMENT ON COLUMN strata.segments.deleted_rows IS 'entries that VACUUM marked as deleted';
COMMENT ON COLUMN strata.segments.bytes IS 'size of its pages';
COMMENT ON COLUMN strata.segments.lists IS 'inverted lists; 0: scanned flat';
COMMENT ON COLUMN strata.segments.spill IS 'of a codebook, and of what has its lists: whether every row lies in a second list, too (index option spill)';
COMMENT ON COLUMN strata.segments.epoch IS 'id of the codebook of its lists';
COMMENT ON COLUMN strata.segments.frame IS 'id of the frame of its codes';
COMMENT ON COLUMN strata.segments.lane IS 'which inserting sessions append to a growing segment';
COMMENT ON COLUMN strata.segments.tier IS 'hot or cold';
COMMENT ON COLUMN strata.segments.merges IS 'how often its rows were rewritten, at most';
COMMENT ON COLUMN strata.segments.hits IS 'decayed count of searches that returned rows of it';
COMMENT ON COLUMN strata.segments.bloom_bits IS 'size of the bloom filter over its row ids';
COMMENT ON COLUMN strata.segments.bloom_false_positive_rate IS 'share of foreign row ids that the filter lets pass, from the bits set in some of its pages';
COMMENT ON COLUMN strata.segments.created_at IS 'when it came to be';
COMMENT ON COLUMN strata.segments.retired_xid IS 'snapshots older than this may still need it';
COMMENT ON COLUMN strata.segments.why_not_merged IS 'why a live sealed segment is not being merged now';
COMMENT ON COLUMN strata.segments.attributes IS 'of each filter column of a sealed segment: least and largest value (where the index keeps their order), NULLs, distinct values; deleted rows count; null where row-level security hides rows';
GRANT SELECT ON strata.segments TO PUBLIC;

CREATE FUNCTION strata.verify(
    index regclass, heap boolean DEFAULT false, OUT rows bigint, OUT deleted_rows bigint, OUT heap_rows bigint,
    OUT objects int, OUT pages bigint, OUT free_pages bigint)
  AS 'MODULE_PATHNAME', 'strata_verify' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata.verify(regclass, boolean) IS
  'proves that every page and count of an ivf index is sound, with heap also that the table''s rows are indexed once each; error otherwise';

CREATE FUNCTION strata.flush(index regclass) RETURNS bigint
  AS 'MODULE_PATHNAME', 'strata_flush' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata.flush(regclass) IS 'seals the growing segment of an ivf index; returns the rows sealed';

CREATE PROCEDURE strata.merge(index regclass)
  AS 'MODULE_PATHNAME', 'strata_merge' LANGUAGE C;
COMMENT ON PROCEDURE strata.merge(regclass) IS 'merges the sealed segments of an ivf index that have not reached segment_size';

CREATE PROCEDURE strata.build_incremental(index regclass)
  AS 'MODULE_PATHNAME', 'strata_build_incremental' LANGUAGE C;
COMMENT ON PROCEDURE strata.build_incremental(regclass) IS
  'seals what is growing and gives inverted lists to the segments of an ivf index that have none; those that have are left untouched';

CREATE PROCEDURE strata.compact(index regclass, threshold float8 DEFAULT NULL, force boolean DEFAULT false)
  AS 'MODULE_PATHNAME', 'strata_compact' LANGUAGE C;
COMMENT ON PROCEDURE strata.compact(regclass, float8, boolean) IS
  'rewrites segments of an ivf index whose share of deleted rows exceeds the threshold (default: compact_threshold of the index; force: any), and does merges that are due';

CREATE PROCEDURE strata.retrain(index regclass)
  AS 'MODULE_PATHNAME', 'strata_retrain' LANGUAGE C;
COMMENT ON PROCEDURE strata.retrain(regclass) IS
  'trains a new codebook for an ivf index and carries its segments over';

CREATE FUNCTION strata.last_scan(
    OUT index regclass, OUT segments int, OUT lists bigint, OUT codes bigint, OUT growing_rows bigint,
    OUT refined bigint, OUT pages bigint, OUT prefetched bigint, OUT heap_rows bigint, OUT rows bigint,
    OUT continuations int, OUT segments_skipped int, OUT lists_skipped bigint, OUT masked bigint, OUT gathers int,
    OUT bloom_tests bigint, OUT bloom_skips bigint, OUT bloom_false_positives bigint, OUT open_ms float8,
    OUT rank_ms float8, OUT scan_ms float8, OUT refine_ms float8, OUT heap_ms float8)
  AS 'MODULE_PATHNAME', 'strata_last_scan' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED;
COMMENT ON FUNCTION strata.last_scan() IS
  'what the last ivf index scan of this session did: lists probed, codes scanned, rows refined, heap rows fetched, rows returned, what filters skipped, and, with strata.track_scan_timing, where the time went';
