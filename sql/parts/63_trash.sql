-- tables dropped softly

CREATE TABLE strata.dropped_tables (
  trash_schema name NOT NULL, table_name name NOT NULL, original_schema name NOT NULL, dropped_at timestamptz NOT NULL);
COMMENT ON TABLE strata.dropped_tables IS 'where tables in the trash came from; written by strata.drop_soft, shown in strata.trash';
SELECT pg_catalog.pg_extension_config_dump('strata.dropped_tables', '');
-- pg_dump reads it as whoever runs it.
GRANT SELECT ON strata.dropped_tables TO PUBLIC;

CREATE FUNCTION strata.drop_soft("table" regclass) RETURNS text
  AS 'MODULE_PATHNAME', 'strata_drop_soft' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE COST 10000;
COMMENT ON FUNCTION strata.drop_soft(regclass) IS
  'puts a table into the trash, out of sight; strata.undrop brings it back, a worker removes it after strata.gc_drop_tolerance; returns its name in the trash';

CREATE FUNCTION strata.undrop(name text, new_name name DEFAULT NULL) RETURNS regclass
  AS 'MODULE_PATHNAME', 'strata_undrop' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 10000;
COMMENT ON FUNCTION strata.undrop(text, name) IS
  'brings a table back from the trash, by its name there or by the one it had (then the one dropped last)';

CREATE FUNCTION strata.removal_time(dropped_at timestamptz) RETURNS timestamptz
  AS 'MODULE_PATHNAME', 'strata_removal_time' LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION strata.removal_time(timestamptz) IS 'when a table that was dropped at this time is removed for good';

CREATE VIEW strata.trash AS
  SELECT d.trash_schema AS name, d.original_schema AS schema, d.table_name AS "table",
         pg_catalog.pg_get_userbyid(c.relowner) AS owner, d.dropped_at, strata.removal_time(d.dropped_at) AS removed_at,
         pg_catalog.pg_total_relation_size(c.oid) AS bytes
  FROM strata.dropped_tables d
  JOIN pg_catalog.pg_namespace n ON n.nspname = d.trash_schema
  JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = d.table_name
  WHERE pg_catalog.pg_has_role(c.relowner, 'USAGE');
COMMENT ON VIEW strata.trash IS 'tables that were dropped softly and can be brought back, of roles that one is a member of';
COMMENT ON COLUMN strata.trash.name IS 'name in the trash: the schema that the table is in now';
COMMENT ON COLUMN strata.trash.schema IS 'the schema it was in';
COMMENT ON COLUMN strata.trash."table" IS 'its name';
COMMENT ON COLUMN strata.trash.owner IS 'its owner, who may bring it back';
COMMENT ON COLUMN strata.trash.dropped_at IS 'when it was dropped';
COMMENT ON COLUMN strata.trash.removed_at IS 'when a worker may remove it for good';
COMMENT ON COLUMN strata.trash.bytes IS 'size with indexes';
GRANT SELECT ON strata.trash TO PUBLIC;
