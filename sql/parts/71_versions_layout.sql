-- versioned tables: names, columns, and the text of the views

CREATE FUNCTION strata._columns("table" regclass, alias text, without name[] DEFAULT '{}') RETURNS text
  AS 'MODULE_PATHNAME', 'strata_version_columns' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION strata._columns(regclass, text, name[]) IS 'the columns of a table, as a list for a statement';

CREATE FUNCTION strata._writable_columns("table" regclass, alias text) RETURNS text
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$SELECT strata._columns("table", alias, array_agg(attname))
       FROM pg_attribute
       WHERE attrelid = "table" AND attnum > 0 AND NOT attisdropped AND (attname = 'strata_born' OR attgenerated <> '')$$;
COMMENT ON FUNCTION strata._writable_columns(regclass, text) IS 'columns that a statement may give a value';

CREATE FUNCTION strata._key("table" regclass) RETURNS name[]
  AS 'MODULE_PATHNAME', 'strata_version_key' LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION strata._key(regclass) IS 'columns of the primary key';

CREATE FUNCTION strata._key_match("table" regclass, "left" text, "right" text, right_prefix text DEFAULT '') RETURNS text
  AS 'MODULE_PATHNAME', 'strata_version_key_match' LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION strata._key_match(regclass, text, text, text) IS 'condition that two rows have the same primary key';

CREATE FUNCTION strata._schema_of(collection name, version name) RETURNS name
  AS 'MODULE_PATHNAME', 'strata_version_schema' LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION strata._schema_of(name, name) IS 'the schema a version is read through';

CREATE FUNCTION strata._policy_text(expression pg_node_tree, relation regclass, name name) RETURNS text
  AS 'MODULE_PATHNAME', 'strata_policy_text' LANGUAGE C STRICT STABLE PARALLEL SAFE;
COMMENT ON FUNCTION strata._policy_text(pg_node_tree, regclass, name) IS 'an expression of a policy, for a table of another name';

CREATE FUNCTION strata._table(relation regclass) RETURNS strata.versioned_table
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  result strata.versioned_table;
BEGIN
  SELECT * INTO result FROM strata.versioned_table t WHERE t.relid = relation;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'table "%" has no versions', relation
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Enable them with strata.enable_versions().';
  END IF;
  RETURN result;
END $$;
COMMENT ON FUNCTION strata._table(regclass) IS 'catalog row of a table with versions, or an error';

CREATE FUNCTION strata._find_version("table" regclass, version name, wanted_state text DEFAULT 'live') RETURNS strata.version
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  result strata.version;
BEGIN
  -- Rows of other owners' tables have no business in this collection.
  SELECT v.* INTO result
  FROM strata.version v JOIN pg_class c ON c.oid = v.relid JOIN pg_class h ON h.oid = head.relid AND h.relowner = c.relowner
  WHERE v.collection = head.collection AND v.name = version AND v.state = wanted_state;
  IF FOUND THEN RETURN result; END IF;
  RAISE EXCEPTION 'table "%" has no % "%"', "table",
      CASE wanted_state WHEN 'live' THEN 'version' ELSE 'dropped version' END, version
    USING ERRCODE = 'undefined_object', HINT = 'SELECT * FROM strata.versions shows all versions.';
END $$;
COMMENT ON FUNCTION strata._find_version(regclass, name, text) IS 'catalog row of a version, or an error';

-- The conditions stand outside of the UNION ALL: only then does the planner see one ordered index scan a table, and
-- merges them.
CREATE FUNCTION strata._version_query(head regclass, history regclass, ordinal int, delta regclass, gone regclass)
  RETURNS text
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  columns text;
  newer name[] := '{}';
  base_key text := '';
  no_key text := '';
  result text;
BEGIN
  IF delta IS NOT NULL THEN
    SELECT string_agg(format(', t.%I AS %I', k, 'strata_base_' || k), '' ORDER BY position),
           string_agg(format(', NULL::%s', format_type(a.atttypid, a.atttypmod)), '' ORDER BY position)
    INTO base_key, no_key
    FROM unnest(strata._key(head)) WITH ORDINALITY AS u (k, position)
    JOIN pg_attribute a ON a.attrelid = head AND a.attname = k;
    -- Columns that the table got after the branch was made.
    SELECT coalesce(array_agg(a.attname), '{}') INTO newer FROM pg_attribute a
    WHERE a.attrelid = head AND a.attnum > 0 AND NOT a.attisdropped
      AND NOT EXISTS (SELECT FROM pg_attribute b WHERE b.attrelid = delta AND b.attname = a.attname AND NOT b.attisdropped);
  END IF;
  columns := strata._columns(head, 't', newer);
  result := format('SELECT %s FROM (SELECT %s%s, 2147483647 AS strata_died FROM %s t UNION ALL SELECT %s%s, t.strata_died FROM %s t',
                   strata._columns(head, 'u', newer), columns, base_key, head, columns, base_key, history);
  IF delta IS NOT NULL THEN
    result := result || format(' UNION ALL SELECT %s%s, 2147483647 FROM %s t', columns, no_key, delta);
  END IF;
  result := result || format(') u WHERE u.strata_born <= %s AND u.strata_died > %s', ordinal, ordinal);
  IF delta IS NOT NULL THEN
    result := result || format(' AND NOT EXISTS (SELECT 1 FROM %s g WHERE %s)', gone,
                               strata._key_match(head, 'g', 'u', 'strata_base_'));
  END IF;
  RETURN result;
END $$;
COMMENT ON FUNCTION strata._version_query(regclass, regclass, int, regclass, regclass) IS 'the rows of a version, as a query';

CREATE FUNCTION strata._source("table" regclass, version name) RETURNS text
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  row strata.version;
BEGIN
  IF version = 'latest' THEN RETURN head.relid::text; END IF;
  row := strata._find_version("table", version);
  IF row.ordinal IS NULL THEN RETURN row.relid::text; END IF;
  RETURN format('%I.%I', strata._schema_of(row.collection, row.name), (SELECT relname FROM pg_class WHERE oid = row.relid));
END $$;
COMMENT ON FUNCTION strata._source(regclass, name) IS 'the name under which a version is read';

CREATE FUNCTION strata._new_name("table" regclass, wanted name) RETURNS name
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  result text := coalesce(wanted, 'v' || to_char(now(), 'YYYYMMDD_HH24MI'));
  base text := result;
  number int := 1;
  present text;
BEGIN
  IF result IN ('latest', 'history', 'head') THEN
    RAISE EXCEPTION 'version name "%" is reserved', result USING ERRCODE = 'reserved_name',
      HINT = 'Choose another name.';
  ELSIF result = '' OR strpos(result, '/') > 0 THEN
    RAISE EXCEPTION 'invalid version name "%"', result USING ERRCODE = 'invalid_name',
      HINT = 'A name is not empty and holds no slash.';
  END IF;
  LOOP
    IF octet_length(head.collection || '_' || result) > 62 OR octet_length(result) > 57 THEN
      RAISE EXCEPTION 'version name "%" is too long', result USING ERRCODE = 'name_too_long',
        DETAIL = format('Its schema would be "%s_%s"; names have at most 62 bytes.', head.collection, result),
        HINT = 'Choose a shorter name, or a shorter schema_prefix in strata.enable_versions().';
    END IF;
    SELECT v.state INTO present FROM strata.version v WHERE v.collection = head.collection AND v.name = result::name;
    IF present = 'dropped' THEN
      -- A dropped version makes place for a new one of its name.
      PERFORM strata._purge_version("table", result);
      present := NULL;
    END IF;
    IF present IS NULL AND to_regnamespace(quote_ident(strata._schema_of(head.collection, result))) IS NULL THEN
      RETURN result;
    ELSIF wanted IS NOT NULL AND present IS NOT NULL THEN
      RAISE EXCEPTION 'version "%" of table "%" already exists', result, "table" USING ERRCODE = 'duplicate_object',
        HINT = 'Choose another name, or drop that version first.';
    ELSIF wanted IS NOT NULL THEN
      RAISE EXCEPTION 'schema "%" already exists', strata._schema_of(head.collection, result)
        USING ERRCODE = 'duplicate_schema', DETAIL = format('Version "%s" would be read through it.', result),
        HINT = 'Choose another name, or another schema_prefix in strata.enable_versions().';
    END IF;
    number := number + 1;
    result := base || '_' || number;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._new_name(regclass, name) IS 'a free name for a version';
