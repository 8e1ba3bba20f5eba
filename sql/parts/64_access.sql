
-- where searches find their rows

CREATE FUNCTION strata.list_access(
    index regclass, OUT segment bigint, OUT kind text, OUT tier text, OUT rows bigint, OUT hits float8,
    OUT hits_per_day float8, OUT recent_hits bigint, OUT last_hit_at timestamptz, OUT idle_since timestamptz,
    OUT moved_at timestamptz)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'strata_list_access' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 20 COST 1000;
COMMENT ON FUNCTION strata.list_access(regclass) IS 'how often searches return rows of each segment of an ivf index, as in strata.stat_access';

CREATE VIEW strata.stat_access AS
  SELECT i.indrelid::regclass AS "table", i.indexrelid::regclass AS index, s.segment, s.kind, s.tier, s.rows, s.hits,
         s.hits_per_day, s.recent_hits, s.last_hit_at, s.idle_since, s.moved_at
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
  JOIN pg_catalog.pg_am a ON a.oid = c.relam AND a.amname = 'ivf'
  CROSS JOIN LATERAL strata.list_access(i.indexrelid) s
  WHERE pg_catalog.has_table_privilege(i.indrelid, 'SELECT');
COMMENT ON VIEW strata.stat_access IS 'how often searches return rows of each segment of the ivf indexes whose table may be read';
COMMENT ON COLUMN strata.stat_access."table" IS 'the indexed table';
COMMENT ON COLUMN strata.stat_access.index IS 'the ivf index';
COMMENT ON COLUMN strata.stat_access.segment IS 'number within the index, as in strata.segments';
COMMENT ON COLUMN strata.stat_access.kind IS 'growing or segment';
COMMENT ON COLUMN strata.stat_access.tier IS 'hot or cold';
COMMENT ON COLUMN strata.stat_access.rows IS 'entries of a sealed segment, deleted ones included';
COMMENT ON COLUMN strata.stat_access.hits IS 'searches that returned rows of it; each counts half after 7 days, a quarter after 14';
COMMENT ON COLUMN strata.stat_access.hits_per_day IS 'the rate that would keep hits where they are';
COMMENT ON COLUMN strata.stat_access.recent_hits IS 'those of them that are only in memory yet';
COMMENT ON COLUMN strata.stat_access.last_hit_at IS 'when a search last returned a row of it, to about the minute at which that was recorded; null: not known';
COMMENT ON COLUMN strata.stat_access.idle_since IS 'since when no search is known to have returned a row of it and no new row came to it';
COMMENT ON COLUMN strata.stat_access.moved_at IS 'when it last changed its tier';
GRANT SELECT ON strata.stat_access TO PUBLIC;

CREATE FUNCTION strata.list_access_ranges(
    index regclass, OUT first_block bigint, OUT last_block bigint, OUT samples bigint, OUT share float8)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'strata_list_access_ranges' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED ROWS 64 COST 100;
COMMENT ON FUNCTION strata.list_access_ranges(regclass) IS 'which blocks of the table searches through an ivf index find their rows on, as in strata.stat_access_ranges';

CREATE VIEW strata.stat_access_ranges AS
  SELECT i.indrelid::regclass AS "table", i.indexrelid::regclass AS index, s.first_block, s.last_block, s.samples,
         s.share
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i'
  JOIN pg_catalog.pg_am a ON a.oid = c.relam AND a.amname = 'ivf'
  CROSS JOIN LATERAL strata.list_access_ranges(i.indexrelid) s
  WHERE pg_catalog.has_table_privilege(i.indrelid, 'SELECT');
COMMENT ON VIEW strata.stat_access_ranges IS 'which parts of a table searches find their rows in: a sample, from one search in 64';
COMMENT ON COLUMN strata.stat_access_ranges."table" IS 'the indexed table';
COMMENT ON COLUMN strata.stat_access_ranges.index IS 'the ivf index';
COMMENT ON COLUMN strata.stat_access_ranges.first_block IS 'first block of a range of the table (the first number of ctid)';
COMMENT ON COLUMN strata.stat_access_ranges.last_block IS 'last block of it';
COMMENT ON COLUMN strata.stat_access_ranges.samples IS 'rows on these blocks that sampled searches returned; each counts half after 7 days';
COMMENT ON COLUMN strata.stat_access_ranges.share IS 'their share of all sampled rows';
GRANT SELECT ON strata.stat_access_ranges TO PUBLIC;

CREATE FUNCTION strata.reset_access(index regclass) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_reset_access' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE COST 1000;
COMMENT ON FUNCTION strata.reset_access(regclass) IS 'forgets which segments of an ivf index were used';
