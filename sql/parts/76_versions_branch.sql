-- versioned tables: branches, which can be written to, and brought back into the table

CREATE FUNCTION strata.version_branch_row() RETURNS trigger
  AS 'MODULE_PATHNAME', 'strata_version_branch_row' LANGUAGE C;
COMMENT ON FUNCTION strata.version_branch_row() IS 'writes to a branch';

CREATE FUNCTION strata._branch_born() RETURNS int
  AS 'MODULE_PATHNAME', 'strata_branch_born' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION strata._branch_born() IS 'strata_born of new rows of a branch; error where its triggers would not fire';

CREATE FUNCTION strata._make_branch_tables(
    head strata.versioned_table, name name, base strata.version, OUT delta regclass, OUT gone regclass)
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  space name := strata._schema_of(head.collection, 'history');
  delta_name text := format('%I.%I', space, name || '_delta');
  gone_name text := format('%I.%I', space, name || '_gone');
  key text := (SELECT string_agg(quote_ident(k), ', ') FROM unnest(strata._key(head.relid)) k);
BEGIN
  EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING GENERATED INCLUDING CONSTRAINTS)',
                 delta_name, head.relid);
  delta := delta_name::regclass;
  EXECUTE format('ALTER TABLE %s ALTER COLUMN strata_born SET DEFAULT 0, ADD PRIMARY KEY (%s)', delta, key);
  EXECUTE format('CREATE TABLE %s AS SELECT %s FROM %s WITH NO DATA', gone_name, key, head.relid);
  gone := gone_name::regclass;
  EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (%s)', gone, key);
  EXECUTE format('COMMENT ON TABLE %s IS %L', delta, format('rows of branch %s of %s', name, head.relid));
  EXECUTE format('COMMENT ON TABLE %s IS %L', gone, format('keys of rows that branch %s of %s does not show', name, head.relid));
  IF base.kind = 'branch' THEN
    EXECUTE format('LOCK TABLE %s, %s IN SHARE MODE', base.delta, base.gone);
    EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s t', delta,
                   strata._writable_columns(base.delta, ''), strata._writable_columns(base.delta, 't'), base.delta);
    EXECUTE format('INSERT INTO %s SELECT * FROM %s', gone, base.gone);
  END IF;
  PERFORM strata._sync_indexes(head.relid, delta);
END $$;
COMMENT ON FUNCTION strata._make_branch_tables(strata.versioned_table, name, strata.version) IS 'creates the tables behind a branch';

CREATE FUNCTION strata._make_branch_writable(head strata.versioned_table, version strata.version, view regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  statement text;
BEGIN
  EXECUTE format('CREATE TRIGGER strata_branch INSTEAD OF INSERT OR UPDATE OR DELETE ON %s '
                 'FOR EACH ROW EXECUTE FUNCTION strata.version_branch_row()', view);
  EXECUTE format('ALTER VIEW %s ALTER COLUMN strata_born SET DEFAULT strata._branch_born()', view);
  FOR statement IN
    SELECT format('ALTER VIEW %s ALTER COLUMN %I SET DEFAULT %s', view, a.attname, pg_get_expr(d.adbin, d.adrelid))
    FROM pg_attribute a JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = head.relid AND a.attgenerated = '' AND a.attname <> 'strata_born'
      AND EXISTS (SELECT FROM pg_attribute x WHERE x.attrelid = view AND x.attname = a.attname)
  LOOP
    EXECUTE statement;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._make_branch_writable(strata.versioned_table, strata.version, regclass) IS 'triggers and defaults of the view of a branch';

-- What a branch changes, beside the table: one row a key.
--   branch_row: the branch shows a row; base_row: the version it was made from did; head_row: the table does;
--   moved: the table changed the row since, or lost it, or got one of its own
CREATE FUNCTION strata._branch_changes(head strata.versioned_table, branch strata.version) RETURNS text
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  key_columns name[] := strata._key(head.relid);
  content text := strata._writable_columns(branch.delta, 'b');
  replaced text := strata._writable_columns(branch.delta, 't');
BEGIN
  RETURN format(
    'SELECT %s, x.branch_row, x.base_row, t.strata_born IS NOT NULL AS head_row, '
    'coalesce(t.strata_born > %s, x.base_row) AS moved, '
    'x.branch_row AND t.strata_born IS NOT NULL AND record_image_eq(x.content, ROW(%s)) AS equal '
    'FROM (SELECT %s, b.strata_born IS NOT NULL AS branch_row, g.strata_gone IS NOT NULL AS base_row, ROW(%s) AS content '
    'FROM %s b FULL JOIN (SELECT true AS strata_gone, * FROM %s) g ON %s) x LEFT JOIN %s t ON %s',
    (SELECT string_agg(format('x.%I', k), ', ') FROM unnest(key_columns) k), branch.ordinal, replaced,
    (SELECT string_agg(format('coalesce(b.%I, g.%I) AS %I', k, k, k), ', ') FROM unnest(key_columns) k), content,
    branch.delta, branch.gone, strata._key_match(head.relid, 'b', 'g'), head.relid, strata._key_match(head.relid, 't', 'x'));
END $$;
COMMENT ON FUNCTION strata._branch_changes(strata.versioned_table, strata.version) IS 'query for the keys that a branch changes';

CREATE FUNCTION strata.merge_branch(
    "table" regclass, branch name, on_conflict text DEFAULT 'error',
    OUT inserted bigint, OUT updated bigint, OUT deleted bigint, OUT conflicts bigint)
  RETURNS record
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata.merge_branch(regclass, name, text) IS
  'brings the changes of a branch into the table; rows that both changed: error, or the one of branch or head wins. The branch stays';

CREATE FUNCTION strata._merge_branch(
    "table" regclass, branch name, on_conflict text,
    OUT inserted bigint, OUT updated bigint, OUT deleted bigint, OUT conflicts bigint)
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = off
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  version strata.version := strata._find_version("table", branch);
  key_columns text := (SELECT string_agg(quote_ident(k), ', ') FROM unnest(strata._key("table")) k);
  changes text;
  keys text;
BEGIN
  IF on_conflict IS NULL OR on_conflict NOT IN ('error', 'branch', 'head') THEN
    RAISE EXCEPTION 'unknown on_conflict "%"', on_conflict USING ERRCODE = 'invalid_parameter_value',
      HINT = 'It is error, branch or head.';
  ELSIF version.kind <> 'branch' THEN
    RAISE EXCEPTION 'version "%" is not a branch', branch USING ERRCODE = 'wrong_object_type',
      HINT = 'Use strata.rollback_to() or strata.promote().';
  ELSIF version.relid <> head.relid THEN
    RAISE EXCEPTION 'branch "%" is not of the present table', branch USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  PERFORM strata._lock_table("table", 'SHARE ROW EXCLUSIVE');
  PERFORM strata._lock_table(version.delta, 'SHARE');
  PERFORM strata._lock_table(version.gone, 'SHARE');
  PERFORM strata._require_current("table");
  PERFORM strata._require_current(version.delta);
  PERFORM strata._require_current(version.gone);
  changes := strata._branch_changes(head, version);
  -- Both did the same, or both deleted: no conflict, and nothing to do.
  EXECUTE format('SELECT count(*), string_agg(strata_key, '', '') FILTER (WHERE n <= 5) FROM '
                 '(SELECT row_number() OVER () AS n, ROW(%s)::text AS strata_key FROM (%s) c '
                 'WHERE c.moved AND NOT c.equal AND (c.branch_row OR c.head_row)) d', key_columns, changes)
    INTO conflicts, keys;
  IF conflicts > 0 AND on_conflict = 'error' THEN
    RAISE EXCEPTION 'branch "%" and table "%" both changed % rows', branch, "table", conflicts
      USING ERRCODE = 'unique_violation', DETAIL = format('Keys: %s%s', keys, CASE WHEN conflicts > 5 THEN ', ...' ELSE '' END),
            HINT = 'Look at strata.branch_conflicts(), and pass on_conflict => ''branch'' or ''head''.';
  END IF;
  changes := format('SELECT * FROM (%s) c WHERE NOT c.equal AND (NOT c.moved OR %L)', changes, on_conflict = 'branch');
  EXECUTE format('DELETE FROM %s t USING (%s) o WHERE NOT o.branch_row AND %s', "table", changes, strata._key_match("table", 't', 'o'));
  GET DIAGNOSTICS deleted = ROW_COUNT;
  updated := 0;
  IF strata._restorable_columns(version.delta, '') IS NOT NULL THEN
    EXECUTE format('UPDATE %s t SET (%s) = ROW(%s) FROM (%s) o JOIN %s d ON %s WHERE o.head_row AND %s', "table",
                   strata._restorable_columns(version.delta, ''), strata._restorable_columns(version.delta, 'd'), changes, version.delta,
                   strata._key_match("table", 'd', 'o'), strata._key_match("table", 't', 'o'));
    GET DIAGNOSTICS updated = ROW_COUNT;
  END IF;
  EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM (%s) o JOIN %s d ON %s WHERE NOT o.head_row', "table",
                 strata._writable_columns(version.delta, ''), strata._writable_columns(version.delta, 'd'), changes, version.delta,
                 strata._key_match("table", 'd', 'o'));
  GET DIAGNOSTICS inserted = ROW_COUNT;
END $$;
COMMENT ON FUNCTION strata._merge_branch(regclass, name, text) IS 'implementation of strata.merge_branch()';

CREATE FUNCTION strata.branch_conflicts("table" regclass, branch name, OUT key jsonb, OUT in_branch text, OUT in_table text)
  RETURNS SETOF record
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp COST 100000
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  version strata.version := strata._find_version("table", branch);
BEGIN
  IF version.kind <> 'branch' THEN
    RAISE EXCEPTION 'version "%" is not a branch', branch USING ERRCODE = 'wrong_object_type';
  END IF;
  RETURN QUERY EXECUTE format(
    'SELECT jsonb_build_object(%s), CASE WHEN NOT c.branch_row THEN ''deleted'' WHEN c.base_row THEN ''changed'' ELSE ''added'' END, '
    'CASE WHEN NOT c.head_row THEN ''deleted'' WHEN c.base_row THEN ''changed'' ELSE ''added'' END '
    'FROM (%s) c WHERE c.moved AND NOT c.equal AND (c.branch_row OR c.head_row)',
    (SELECT string_agg(format('%L, c.%I', k, k), ', ') FROM unnest(strata._key("table")) k), strata._branch_changes(head, version));
END $$;
COMMENT ON FUNCTION strata.branch_conflicts(regclass, name) IS 'rows that both the branch and the table changed since the branch was made';
