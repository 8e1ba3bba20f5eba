-- versioned tables: what differs between versions, and the way back

CREATE FUNCTION strata.diff("table" regclass, from_version name, to_version name DEFAULT 'latest', OUT change text, OUT key jsonb)
  RETURNS SETOF record
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp COST 100000
  AS $$
DECLARE
  key_columns name[] := strata._key("table");
  key_object text := (SELECT string_agg(format('%L, coalesce(a.%I, b.%I)', k, k, k), ', ') FROM unnest(key_columns) k);
  match text := strata._key_match("table", 'a', 'b');
  source text[] := ARRAY[strata._source("table", from_version), strata._source("table", to_version)];
  side text[] := source;
  low int;
  high int;
  columns name[];
BEGIN
  -- Two states of one table: only rows of the past and rows that are new in one of them can differ. Who may not read the
  -- past compares what he may read.
  IF has_table_privilege((strata._table("table")).history, 'SELECT') AND strata._ordinal_of("table", from_version) IS NOT NULL AND strata._ordinal_of("table", to_version) IS NOT NULL THEN
    low := least(strata._ordinal_of("table", from_version), strata._ordinal_of("table", to_version));
    high := greatest(strata._ordinal_of("table", from_version), strata._ordinal_of("table", to_version));
    side := strata._changed_rows(source, ARRAY[strata._ordinal_of("table", from_version), strata._ordinal_of("table", to_version)],
                                 low, high, "table");
  END IF;
  -- Columns that only one side has do not count.
  SELECT array_agg(x.attname ORDER BY x.attnum) INTO columns
  FROM pg_attribute x
  WHERE x.attrelid = source[1]::regclass AND x.attnum > 0 AND NOT x.attisdropped AND x.attname <> 'strata_born'
    AND EXISTS (SELECT FROM pg_attribute y WHERE y.attrelid = source[2]::regclass AND y.attname = x.attname
                AND NOT y.attisdropped AND y.atttypid = x.atttypid);
  RETURN QUERY EXECUTE format(
    'SELECT CASE WHEN a.strata_side IS NULL THEN ''added'' WHEN b.strata_side IS NULL THEN ''removed'' ELSE ''changed'' END, '
    'jsonb_build_object(%s) FROM (SELECT true AS strata_side, s.* FROM %s s) a FULL JOIN (SELECT true AS strata_side, s.* FROM %s s) b ON %s '
    'WHERE a.strata_side IS NULL OR b.strata_side IS NULL OR record_image_ne(ROW(%s), ROW(%s))',
    key_object, side[1], side[2], match,
    (SELECT string_agg(format('a.%I', c), ', ') FROM unnest(columns) c),
    (SELECT string_agg(format('b.%I', c), ', ') FROM unnest(columns) c));
END $$;
COMMENT ON FUNCTION strata.diff(regclass, name, name) IS
  'keys that were added, removed or changed from one version to the other; latest is the table as it is';

CREATE FUNCTION strata._ordinal_of("table" regclass, version name) RETURNS int
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  row strata.version;
BEGIN
  IF version = 'latest' THEN RETURN 2147483646; END IF;
  row := strata._find_version("table", version);
  RETURN CASE WHEN row.kind = 'snapshot' AND row.relid = "table" THEN row.ordinal END;
END $$;
COMMENT ON FUNCTION strata._ordinal_of(regclass, name) IS 'ordinal of a version that lives in the table and its history, else null';

-- For each of two versions of a table: its rows but those that both show because nobody touched them.
CREATE FUNCTION strata._changed_rows(source text[], ordinal int[], low int, high int, "table" regclass) RETURNS text[]
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  history regclass := (strata._table("table")).history;
  columns text := strata._columns("table", 't');
  result text[] := '{}';
  at int;
BEGIN
  FOREACH at IN ARRAY ordinal LOOP
    result := result || format(
      '(SELECT %s FROM %s t WHERE t.strata_born <= %s AND t.strata_born > %s UNION ALL '
      'SELECT %s FROM %s t WHERE t.strata_born <= %s AND t.strata_died > %s AND NOT (t.strata_born <= %s AND t.strata_died > %s))',
      columns, "table", at, low, columns, history, at, at, low, high);
  END LOOP;
  RETURN result;
END $$;
COMMENT ON FUNCTION strata._changed_rows(text[], int[], int, int, regclass) IS 'queries for the rows in which two versions can differ';

CREATE FUNCTION strata._restorable_columns("table" regclass, alias text) RETURNS text
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$SELECT strata._columns("table", alias, array_agg(attname))
       FROM pg_attribute
       WHERE attrelid = "table" AND attnum > 0 AND NOT attisdropped
         AND (attname = 'strata_born' OR attgenerated <> '' OR attidentity = 'a' OR attname = ANY (strata._key("table")))$$;
COMMENT ON FUNCTION strata._restorable_columns(regclass, text) IS 'columns that an UPDATE of a row may give a value';

CREATE PROCEDURE strata.rollback_to(
    "table" regclass, version name, keep_as name DEFAULT NULL, dry_run boolean DEFAULT false,
    INOUT removed bigint DEFAULT NULL, INOUT restored bigint DEFAULT NULL, INOUT changed bigint DEFAULT NULL)
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C;
COMMENT ON PROCEDURE strata.rollback_to(regclass, name, name, boolean, bigint, bigint, bigint) IS
  'makes the table what the version is, at once or not at all; keep_as keeps the present state as a version; dry_run only counts';

CREATE FUNCTION strata._rollback_to(
    "table" regclass, version name, keep_as name, dry_run boolean,
    INOUT removed bigint, INOUT restored bigint, INOUT changed bigint)
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = off
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  row strata.version := strata._find_version("table", version);
  columns text := strata._writable_columns("table", '');
  old_columns text := strata._writable_columns("table", 'o');
  match text := strata._key_match("table", 't', 'o');
  old_rows text;
  keeps_keys boolean;
BEGIN
  IF row.relid <> head.relid THEN
    RAISE EXCEPTION 'version "%" is not of the present table', version USING ERRCODE = 'object_not_in_prerequisite_state',
      HINT = 'Make its table the present one with strata.promote() first.';
  ELSIF row.kind = 'branch' THEN
    RAISE EXCEPTION 'version "%" is a branch', version USING ERRCODE = 'wrong_object_type',
      HINT = 'Bring its changes in with strata.merge_branch(), or roll back to the version it was made from.';
  END IF;
  old_rows := format('(SELECT * FROM %s WHERE strata_born <= %s AND strata_died > %s)', head.history, row.ordinal, row.ordinal);
  IF dry_run THEN
    EXECUTE format(
      'SELECT count(*) FILTER (WHERE o.strata_died IS NULL), count(*) FILTER (WHERE t.strata_born IS NULL), '
      'count(*) FILTER (WHERE o.strata_died IS NOT NULL AND t.strata_born IS NOT NULL) '
      'FROM (SELECT * FROM %s WHERE strata_born > %s) t FULL JOIN %s o ON %s', "table", row.ordinal, old_rows, match)
      INTO removed, restored, changed;
    RETURN;
  END IF;
  PERFORM strata._lock_table("table", 'SHARE ROW EXCLUSIVE');
  PERFORM strata._require_current("table");
  PERFORM strata._require_current(head.history);
  IF keep_as IS NOT NULL THEN
    PERFORM strata._create_version("table", keep_as, 'snapshot', NULL, NULL, format('before the rollback to %s', version), NULL);
  END IF;
  -- Rows that something refers to have to stay where they are. Otherwise all go before the others come, so that no
  -- unique column stands in the way.
  keeps_keys := EXISTS (SELECT FROM pg_constraint WHERE confrelid = "table" AND contype = 'f');
  -- What the triggers copy meanwhile is born after the version: the old rows stay the same.
  EXECUTE format('DELETE FROM %s t WHERE t.strata_born > %s AND NOT EXISTS (SELECT FROM %s o WHERE %s)',
                 "table", row.ordinal, old_rows, match);
  GET DIAGNOSTICS removed = ROW_COUNT;
  changed := 0;
  IF NOT keeps_keys THEN
    EXECUTE format('DELETE FROM %s t USING %s o WHERE %s', "table", old_rows, match);
    GET DIAGNOSTICS changed = ROW_COUNT;
  ELSIF strata._restorable_columns("table", '') IS NOT NULL THEN
    EXECUTE format('UPDATE %s t SET (%s) = ROW(%s) FROM %s o WHERE %s', "table",
                   strata._restorable_columns("table", ''), strata._restorable_columns("table", 'o'), old_rows, match);
    GET DIAGNOSTICS changed = ROW_COUNT;
  END IF;
  EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s o WHERE NOT EXISTS (SELECT FROM %s t WHERE %s)',
                 "table", columns, old_columns, old_rows, "table", match);
  GET DIAGNOSTICS restored = ROW_COUNT;
  IF NOT keeps_keys THEN restored := restored - changed; END IF;
END $$;
COMMENT ON FUNCTION strata._rollback_to(regclass, name, name, boolean, bigint, bigint, bigint) IS 'implementation of strata.rollback_to()';

-- Columns by the row type of the table: what the version has not got is null.
CREATE FUNCTION strata._at_query("table" regclass, version name) RETURNS text
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  source text := strata._source("table", version);
BEGIN
  RETURN format('SELECT %s FROM %s AS s',
    (SELECT string_agg(CASE WHEN a.attisdropped THEN 'NULL::pg_catalog.int4'
                            WHEN EXISTS (SELECT FROM pg_attribute x WHERE x.attrelid = source::regclass AND x.attname = a.attname
                                         AND NOT x.attisdropped AND x.atttypid = a.atttypid AND x.atttypmod = a.atttypmod) THEN format('s.%I', a.attname)
                            ELSE format('NULL::%s AS %I', format_type(a.atttypid, a.atttypmod), a.attname) END, ', ' ORDER BY a.attnum)
     FROM pg_attribute a WHERE a.attrelid = "table" AND a.attnum > 0), source);
END $$;
COMMENT ON FUNCTION strata._at_query(regclass, name) IS 'the query that strata.at() stands for';

CREATE FUNCTION strata.at("row" anyelement, version name) RETURNS SETOF anyelement
  LANGUAGE plpgsql STABLE COST 100000 ROWS 1000 SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  RETURN QUERY EXECUTE pg_catalog.format('SELECT %s FROM (%s) AS t',
    (SELECT pg_catalog.string_agg('t.' || pg_catalog.quote_ident(a.attname), ', ' ORDER BY a.attnum)
     FROM pg_catalog.pg_attribute a
     WHERE a.attrelid = (SELECT t.typrelid FROM pg_catalog.pg_type t WHERE t.oid = pg_catalog.pg_typeof("row"))
       AND a.attnum > 0 AND NOT a.attisdropped),
    strata._at_query((SELECT t.typrelid FROM pg_catalog.pg_type t WHERE t.oid = pg_catalog.pg_typeof("row"))::pg_catalog.regclass, version));
END $$;
COMMENT ON FUNCTION strata.at(anyelement, name) IS
  'the rows of a version, of a table that is named by its row type: SELECT * FROM strata.at(NULL::items, ''v2'')';
