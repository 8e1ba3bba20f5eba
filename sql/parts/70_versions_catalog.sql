-- versioned tables: what is kept about them
--
-- Written by the owners of the tables, each his own rows: a trigger sees to it. src/pg/version/versioned_table.cpp reads
-- the first columns of both tables by their numbers.

CREATE TABLE strata.versioned_table (
  relid regclass CONSTRAINT versioned_table_pkey PRIMARY KEY,
  history regclass NOT NULL UNIQUE,
  next_ordinal int NOT NULL DEFAULT 1 CHECK (next_ordinal BETWEEN 1 AND 2147483646),
  collection name NOT NULL,
  is_head boolean NOT NULL DEFAULT true,
  keep_count int CHECK (keep_count >= 0),
  keep_age interval
);
CREATE UNIQUE INDEX versioned_table_head ON strata.versioned_table (collection) WHERE is_head;
COMMENT ON TABLE strata.versioned_table IS 'tables with versions; use strata.enable_versions() and strata.disable_versions() to change it';
COMMENT ON COLUMN strata.versioned_table.history IS 'rows of the past that some version still shows';
COMMENT ON COLUMN strata.versioned_table.next_ordinal IS 'what changes of the table carry in strata_born now, and the ordinal of the next version';
COMMENT ON COLUMN strata.versioned_table.collection IS 'first part of the names of the schemas; tables that took each other''s place share it';
COMMENT ON COLUMN strata.versioned_table.is_head IS 'false: another table took its place';
COMMENT ON COLUMN strata.versioned_table.keep_count IS 'versions to keep, the newest first; null: all';
COMMENT ON COLUMN strata.versioned_table.keep_age IS 'age up to which versions are kept; null: any';

CREATE TABLE strata.version (
  relid regclass NOT NULL,
  ordinal int,
  collection name,
  name name,
  kind text NOT NULL CHECK (kind IN ('snapshot', 'branch', 'empty', 'copy')),
  state text NOT NULL DEFAULT 'live' CHECK (state IN ('live', 'dropped')),
  parent name,
  created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
  created_by name NOT NULL DEFAULT session_user,
  comment text,
  retain_until timestamptz,
  collect_after timestamptz,
  row_count bigint,
  checksum numeric,
  delta regclass,
  gone regclass,
  recorded_at timestamptz,
  CONSTRAINT version_pkey PRIMARY KEY (collection, name),
  CHECK ((ordinal IS NULL) = (kind IN ('empty', 'copy'))),
  CHECK ((delta IS NULL) = (kind <> 'branch') AND (gone IS NULL) = (kind <> 'branch')),
  CHECK ((collect_after IS NULL) = (state = 'live')),
  CHECK ((checksum IS NULL) = (recorded_at IS NULL) AND (checksum IS NULL) = (row_count IS NULL))
);
CREATE INDEX version_relid ON strata.version (relid);
COMMENT ON TABLE strata.version IS 'versions of tables, dropped ones until their space is given back; see the view strata.versions';
COMMENT ON COLUMN strata.version.relid IS 'the table it is a version of; for kinds empty and copy the table that holds its rows';
COMMENT ON COLUMN strata.version.ordinal IS 'shows rows with strata_born <= ordinal < strata_died';
COMMENT ON COLUMN strata.version.recorded_at IS 'when count and checksum were taken';
COMMENT ON COLUMN strata.version.delta IS 'rows of a branch that are not in its base';
COMMENT ON COLUMN strata.version.gone IS 'keys of rows of the base that the branch does not show';

CREATE FUNCTION strata._version_catalog_guard() RETURNS trigger
  AS 'MODULE_PATHNAME', 'strata_version_catalog_guard' LANGUAGE C;
COMMENT ON FUNCTION strata._version_catalog_guard() IS 'rows about a table are changed by its owner only; makes sessions read them again';
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON strata.versioned_table
  FOR EACH ROW EXECUTE FUNCTION strata._version_catalog_guard();
ALTER TABLE strata.versioned_table ENABLE ALWAYS TRIGGER guard;
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON strata.version
  FOR EACH ROW EXECUTE FUNCTION strata._version_catalog_guard();
ALTER TABLE strata.version ENABLE ALWAYS TRIGGER guard;
GRANT SELECT, INSERT, UPDATE, DELETE ON strata.versioned_table, strata.version TO PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('strata.versioned_table', '');
SELECT pg_catalog.pg_extension_config_dump('strata.version', '');

CREATE FUNCTION strata.version_row() RETURNS trigger
  AS 'MODULE_PATHNAME', 'strata_version_row' LANGUAGE C;
COMMENT ON FUNCTION strata.version_row() IS 'keeps rows that a version still shows when they change, and marks new ones';
CREATE FUNCTION strata.version_truncate() RETURNS trigger
  AS 'MODULE_PATHNAME', 'strata_version_truncate' LANGUAGE C;
COMMENT ON FUNCTION strata.version_truncate() IS 'refuses TRUNCATE of a table that has versions';

CREATE FUNCTION strata._lock_table("table" regclass, mode text) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_lock_table' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata._lock_table(regclass, text) IS 'locks a table, waiting no longer than strata.version_lock_timeout';
CREATE FUNCTION strata._require_current("table" regclass) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_require_current' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata._require_current(regclass) IS 'error when the transaction''s snapshot is older than rows of the table';
CREATE FUNCTION strata._collect_history("table" regclass) RETURNS bigint
  AS 'MODULE_PATHNAME', 'strata_collect_history' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata._collect_history(regclass) IS 'deletes rows of the past that no version shows; returns their number';
CREATE FUNCTION strata._version_usage("table" regclass, OUT ordinal int, OUT own_rows bigint, OUT history_rows bigint, OUT row_bytes float8)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'strata_version_usage' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED COST 100000 ROWS 20;
COMMENT ON FUNCTION strata._version_usage(regclass) IS 'rows of the past that a version shows, those that no other one shows, and their mean size';
CREATE FUNCTION strata._row_checksum("row" record) RETURNS bigint
  AS 'MODULE_PATHNAME', 'strata_row_checksum' LANGUAGE C STRICT STABLE PARALLEL SAFE COST 10;
COMMENT ON FUNCTION strata._row_checksum(record) IS 'hash of the content of a row, strata_born and strata_died left out';
