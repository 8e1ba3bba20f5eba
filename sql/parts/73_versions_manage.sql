-- versioned tables: enable, create, drop, verify, disable

CREATE FUNCTION strata.enable_versions("table" regclass, schema_prefix name DEFAULT NULL) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata.enable_versions(regclass, name) IS
  'makes versions of a table possible: adds the column strata_born, triggers and a table for rows of the past; rewrites nothing';

CREATE FUNCTION strata._check_table("table" regclass) RETURNS void
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  class pg_class;
  reason text;
  hint text := 'Versions need an ordinary, permanent table with a primary key.';
  later_trigger name;
BEGIN
  SELECT * INTO class FROM pg_class WHERE oid = "table";
  IF class.relkind <> 'r' THEN
    reason := CASE class.relkind WHEN 'p' THEN 'it is partitioned' WHEN 'f' THEN 'it is a foreign table'
                WHEN 'v' THEN 'it is a view' WHEN 'm' THEN 'it is a materialized view' ELSE 'it is not a table' END;
  ELSIF class.relispartition THEN
    reason := 'it is a partition';
  ELSIF class.relpersistence <> 'p' THEN
    reason := CASE class.relpersistence WHEN 't' THEN 'it is temporary' ELSE 'it is unlogged' END;
    IF class.relpersistence = 'u' THEN hint := format('ALTER TABLE %s SET LOGGED makes it permanent.', "table"); END IF;
  ELSIF EXISTS (SELECT FROM pg_inherits WHERE inhrelid = "table" OR inhparent = "table") THEN
    reason := 'it inherits, or is inherited from';
  ELSIF class.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'strata'::regnamespace)
        OR EXISTS (SELECT FROM strata.versioned_table t WHERE t.history = "table")
        OR EXISTS (SELECT FROM strata.version v WHERE "table" IN (v.delta, v.gone)) THEN
    reason := 'it belongs to the system';
  ELSIF NOT EXISTS (SELECT FROM pg_index WHERE indrelid = "table" AND indisprimary AND indimmediate) THEN
    reason := 'it has no primary key, or a deferrable one';
  ELSIF EXISTS (SELECT FROM pg_attribute WHERE attrelid = "table" AND NOT attisdropped
                AND (attname IN ('strata_born', 'strata_died') OR starts_with(attname, 'strata_base_'))) THEN
    reason := 'it has a column strata_born, strata_died or strata_base_...';
    hint := 'Rename that column.';
  ELSIF EXISTS (SELECT FROM pg_rewrite WHERE ev_class = "table") THEN
    reason := 'it has rules';
    hint := 'Drop the rules, or use triggers instead.';
  END IF;
  IF reason IS NOT NULL THEN
    RAISE EXCEPTION 'cannot make versions of "%": %', "table", reason
      USING ERRCODE = 'feature_not_supported', HINT = hint;
  END IF;
  SELECT tgname INTO later_trigger FROM pg_trigger
  WHERE tgrelid = "table" AND tgtype & 3 = 3 AND tgname > '~strata_versions' COLLATE "C";
  IF FOUND THEN
    RAISE EXCEPTION 'trigger "%" would fire after that of the versions', later_trigger
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Rename it: BEFORE triggers fire in the order of their names.';
  END IF;
END $$;
COMMENT ON FUNCTION strata._check_table(regclass) IS 'error when a table cannot have versions';

CREATE FUNCTION strata._make_history("table" regclass, collection name) RETURNS regclass
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  history text := format('%I.%I', strata._schema_of(collection, 'history'), (SELECT relname FROM pg_class WHERE oid = "table"));
  column_name name;
BEGIN
  EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING STORAGE INCLUDING COMPRESSION, strata_died int NOT NULL) '
                 'WITH (autovacuum_freeze_min_age = 0)', history, "table");
  FOR column_name IN
    SELECT attname FROM pg_attribute WHERE attrelid = history::regclass AND attnum > 0 AND attnotnull
      AND attname NOT IN ('strata_born', 'strata_died') AND attname <> ALL (strata._key("table"))
  LOOP
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP NOT NULL', history, column_name);
  END LOOP;
  EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (%s, strata_died)', history,
                 (SELECT string_agg(quote_ident(k), ', ') FROM unnest(strata._key("table")) k));
  EXECUTE format('COMMENT ON TABLE %s IS %L', history, format('rows of the past of %s that versions show', "table"));
  RETURN history::regclass;
END $$;
COMMENT ON FUNCTION strata._make_history(regclass, name) IS 'creates the table for rows of the past';

CREATE FUNCTION strata._add_triggers("table" regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  -- The name sorts after all others: a later trigger could still call a change off.
  EXECUTE format('CREATE TRIGGER "~strata_versions" BEFORE INSERT OR UPDATE OR DELETE ON %s '
                 'FOR EACH ROW EXECUTE FUNCTION strata.version_row()', "table");
  EXECUTE format('CREATE TRIGGER "~strata_versions_truncate" BEFORE TRUNCATE ON %s '
                 'FOR EACH STATEMENT EXECUTE FUNCTION strata.version_truncate()', "table");
END $$;
COMMENT ON FUNCTION strata._add_triggers(regclass) IS 'adds the triggers of a table with versions';

CREATE FUNCTION strata._enable_versions("table" regclass, schema_prefix name) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  prefix name := coalesce(schema_prefix, (SELECT relname FROM pg_class WHERE oid = "table"));
  history regclass;
BEGIN
  IF EXISTS (SELECT FROM strata.versioned_table t WHERE t.relid = "table") THEN
    RAISE EXCEPTION 'table "%" has versions already', "table" USING ERRCODE = 'duplicate_object';
  END IF;
  PERFORM strata._lock_table("table", 'ACCESS EXCLUSIVE');
  PERFORM strata._check_table("table");
  IF octet_length(prefix) > 55 THEN
    RAISE EXCEPTION 'schema prefix "%" is too long', prefix USING ERRCODE = 'name_too_long',
      HINT = 'Give a schema_prefix of at most 55 bytes.';
  ELSIF to_regnamespace(quote_ident(strata._schema_of(prefix, 'history'))) IS NOT NULL
        OR EXISTS (SELECT FROM strata.versioned_table t WHERE t.collection = prefix) THEN
    RAISE EXCEPTION 'schema "%" already exists', strata._schema_of(prefix, 'history')
      USING ERRCODE = 'duplicate_schema', DETAIL = 'It would hold the history of the table.',
            HINT = 'Give another schema_prefix.';
  END IF;
  EXECUTE format('ALTER TABLE %s ADD COLUMN strata_born int NOT NULL DEFAULT 0', "table");
  EXECUTE format('COMMENT ON COLUMN %s.strata_born IS %L', "table", 'which version of the table a row is new in; kept by strata');
  EXECUTE format('CREATE SCHEMA %I', strata._schema_of(prefix, 'history'));
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC', strata._schema_of(prefix, 'history'));
  history := strata._make_history("table", prefix);
  INSERT INTO strata.versioned_table (relid, history, collection) VALUES ("table", history, prefix);
  PERFORM strata._add_triggers("table");
  PERFORM strata._sync_table("table");
END $$;
COMMENT ON FUNCTION strata._enable_versions(regclass, name) IS 'implementation of strata.enable_versions()';

CREATE FUNCTION strata.create_version(
    "table" regclass, name name DEFAULT NULL, mode text DEFAULT 'snapshot', from_version name DEFAULT NULL,
    retain interval DEFAULT NULL, comment text DEFAULT NULL, dimensions int DEFAULT NULL) RETURNS name
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata.create_version(regclass, name, text, name, interval, text, int) IS
  'keeps the state of a table under a name; mode snapshot: read-only, branch: writable, empty and copy: a table of its own; returns the name';

-- The ordinal of a version of the table as it is when the transaction commits. Waits for those who write.
CREATE FUNCTION strata._take_ordinal("table" regclass) RETURNS int
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  result int;
BEGIN
  BEGIN
    PERFORM strata._lock_table("table", 'SHARE');
  EXCEPTION WHEN lock_not_available THEN
    RAISE EXCEPTION 'could not make a version of "%": a transaction that writes to it does not end', "table"
      USING ERRCODE = 'lock_not_available',
            HINT = 'Look for it in pg_stat_activity and pg_prepared_xacts, or raise strata.version_lock_timeout.';
  END;
  UPDATE strata.versioned_table t SET next_ordinal = next_ordinal + 1 WHERE t.relid = "table"
    RETURNING next_ordinal - 1 INTO result;
  RETURN result;
END $$;
COMMENT ON FUNCTION strata._take_ordinal(regclass) IS 'begins a new ordinal for changes of the table and returns the last one';

CREATE FUNCTION strata._make_view(head strata.versioned_table, version strata.version) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  space name := strata._schema_of(version.collection, version.name);
  view text;
  secured boolean;
BEGIN
  BEGIN
    EXECUTE format('CREATE SCHEMA IF NOT EXISTS %I', space);
  EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'permission denied for database "%"', current_database() USING ERRCODE = 'insufficient_privilege',
      DETAIL = format('A version is read through a schema of its own, "%s".', space),
      HINT = format('GRANT CREATE ON DATABASE %I TO %I lets the owner of the table make versions.', current_database(), current_user);
  END;
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC', space);
  SELECT format('%I.%I', space, c.relname), c.relrowsecurity INTO view, secured FROM pg_class c WHERE c.oid = head.relid;
  EXECUTE format('CREATE VIEW %s %s AS %s', view, CASE WHEN secured THEN 'WITH (security_invoker = true)' ELSE '' END,
                 strata._version_query(head.relid, head.history, version.ordinal, version.delta, version.gone));
  IF version.kind = 'branch' THEN
    PERFORM strata._make_branch_writable(head, version, view::regclass);
    IF secured THEN PERFORM strata._sync_branch(head, version); END IF;
  END IF;
  PERFORM strata._sync_privileges(head.relid, view::regclass, CASE version.kind WHEN 'branch' THEN '{SELECT,INSERT,UPDATE,DELETE}' ELSE '{SELECT}' END::text[]);
END $$;
COMMENT ON FUNCTION strata._make_view(strata.versioned_table, strata.version) IS 'creates schema and view of a version';

CREATE FUNCTION strata._create_version(
    "table" regclass, name name, mode text, from_version name, retain interval, comment text, dimensions int) RETURNS name
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  base strata.version;
  version strata.version;
  started timestamptz := clock_timestamp();
BEGIN
  IF mode IS NULL OR mode NOT IN ('snapshot', 'branch', 'empty', 'copy') THEN
    RAISE EXCEPTION 'unknown mode "%"', mode USING ERRCODE = 'invalid_parameter_value',
      HINT = 'Modes are snapshot, branch, empty and copy.';
  ELSIF dimensions IS NOT NULL AND mode NOT IN ('empty', 'copy') THEN
    RAISE EXCEPTION 'a % has the dimensions of its table', mode USING ERRCODE = 'invalid_parameter_value',
      HINT = 'Use mode empty or copy.';
  ELSIF retain <= interval '0' THEN
    RAISE EXCEPTION 'retain must be positive' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF from_version <> 'latest' THEN
    base := strata._find_version("table", from_version);
  END IF;
  version.name := strata._new_name("table", name);
  version.relid := head.relid;
  IF mode IN ('empty', 'copy') THEN
    version.relid := strata._make_content(head, version.name, mode, coalesce(from_version, 'latest'), dimensions);
  ELSIF base.name IS NULL THEN
    version.ordinal := strata._take_ordinal("table");
  ELSIF base.ordinal IS NULL OR (base.kind = 'branch' AND mode = 'snapshot') THEN
    RAISE EXCEPTION 'cannot make a % of version "%", which has rows of its own', mode, from_version
      USING ERRCODE = 'feature_not_supported', HINT = 'Use mode copy.';
  ELSE
    version.relid := base.relid;
    version.ordinal := base.ordinal;
    head := strata._table(base.relid);
  END IF;
  IF mode = 'branch' THEN
    SELECT * INTO version.delta, version.gone FROM strata._make_branch_tables(head, version.name, base);
  END IF;
  -- Few statements from here on, and few assignments: each of them is most of what the first version of a session costs.
  BEGIN
    INSERT INTO strata.version (relid, ordinal, collection, name, kind, parent, created_at, comment, retain_until, delta, gone)
    VALUES (version.relid, version.ordinal, head.collection, version.name, mode,
            coalesce(from_version, CASE WHEN mode <> 'empty' THEN 'latest' END), started, comment, started + retain,
            version.delta, version.gone)
    RETURNING * INTO version;
  EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION 'version "%" of table "%" already exists', version.name, "table" USING ERRCODE = 'duplicate_object',
      HINT = 'Somebody made it at the same time. Choose another name.';
  END;
  IF version.ordinal IS NULL THEN RETURN version.name; END IF;
  PERFORM strata._make_view(head, version);
  -- An older version may be one too many now, or past its time.
  PERFORM strata._expire(head.relid)
  WHERE head.keep_count IS NOT NULL OR head.keep_age IS NOT NULL
     OR EXISTS (SELECT FROM strata.version v WHERE v.collection = head.collection AND v.state = 'live'
                AND v.retain_until <= clock_timestamp());
  PERFORM strata._request_visit() FROM strata.archive_policy p WHERE p.relation = head.relid;
  IF mode = 'snapshot' AND current_setting('strata.count_versions')::boolean THEN PERFORM strata._request_collection(); END IF;
  RETURN version.name;
END $$;
COMMENT ON FUNCTION strata._create_version(regclass, name, text, name, interval, text, int) IS 'implementation of strata.create_version()';

CREATE FUNCTION strata.drop_version("table" regclass, name name) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata.drop_version(regclass, name) IS
  'drops a version; it can be taken back with strata.undrop_version() until strata.version_drop_delay has passed';

CREATE FUNCTION strata._drop_version("table" regclass, name name) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  version strata.version := strata._find_version("table", name);
  space name := strata._schema_of(version.collection, version.name);
BEGIN
  UPDATE strata.version v SET state = 'dropped', collect_after = clock_timestamp() + current_setting('strata.version_drop_delay')::interval
  WHERE v.collection = version.collection AND v.name = version.name AND v.state = 'live';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'version "%" was dropped concurrently', name USING ERRCODE = 'undefined_object';
  END IF;
  IF version.ordinal IS NOT NULL THEN
    EXECUTE (SELECT string_agg(format('DROP VIEW %s', c.oid::regclass), '; ') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = space AND c.relkind = 'v' AND c.relname = (SELECT relname FROM pg_class WHERE oid = version.relid));
  END IF;
  IF EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = space AND c.relkind IN ('r', 'v', 'm', 'p', 'f') AND c.oid <> version.relid) THEN
    RAISE EXCEPTION 'cannot drop version "%": schema "%" holds other objects', name, space
      USING ERRCODE = 'dependent_objects_still_exist', HINT = 'Drop or move them first.';
  ELSIF version.ordinal IS NULL THEN
    PERFORM strata._park_content(version);
  ELSE
    EXECUTE format('DROP SCHEMA %I', space);
  END IF;
  PERFORM strata._request_collection();
END $$;
COMMENT ON FUNCTION strata._drop_version(regclass, name) IS 'implementation of strata.drop_version()';

CREATE FUNCTION strata.undrop_version("table" regclass, name name) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata.undrop_version(regclass, name) IS 'takes a dropped version back whose space has not been given back yet';

CREATE FUNCTION strata._undrop_version("table" regclass, name name) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  version strata.version := strata._find_version("table", name, 'dropped');
BEGIN
  UPDATE strata.version v SET state = 'live', collect_after = NULL,
    retain_until = CASE WHEN v.retain_until > now() THEN v.retain_until END
  WHERE v.collection = version.collection AND v.name = version.name AND v.state = 'dropped';
  IF NOT FOUND THEN
    RAISE EXCEPTION 'version "%" is gone', name USING ERRCODE = 'undefined_object',
      HINT = 'strata.version_drop_delay says how long a dropped version is kept.';
  END IF;
  IF version.ordinal IS NOT NULL THEN
    PERFORM strata._make_view(strata._table(version.relid), version);
  ELSE
    PERFORM strata._unpark_content(version);
  END IF;
END $$;
COMMENT ON FUNCTION strata._undrop_version(regclass, name) IS 'implementation of strata.undrop_version()';

CREATE FUNCTION strata._purge_version("table" regclass, version_name name) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  version strata.version := strata._find_version("table", version_name, 'dropped');
BEGIN
  DELETE FROM strata.version v
  WHERE v.collection = version.collection AND v.name = version.name AND v.state = 'dropped';
  IF NOT FOUND THEN RETURN; END IF;
  IF version.delta IS NOT NULL THEN
    EXECUTE format('DROP TABLE %s, %s', version.delta, version.gone);
  ELSIF version.ordinal IS NULL THEN
    PERFORM strata._drop_content(version);
  END IF;
END $$;
COMMENT ON FUNCTION strata._purge_version(regclass, name) IS 'forgets a dropped version';

CREATE FUNCTION strata.disable_versions("table" regclass) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata.disable_versions(regclass) IS 'drops all versions of a table, its history and the column strata_born; the table stays';

CREATE FUNCTION strata._disable_versions("table" regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  version strata.version;
BEGIN
  PERFORM strata._lock_table("table", 'ACCESS EXCLUSIVE');
  IF head.is_head AND EXISTS (SELECT FROM strata.version v WHERE v.collection = head.collection AND v.ordinal IS NULL AND v.state = 'live') THEN
    RAISE EXCEPTION 'table "%" has versions that are tables of their own', "table"
      USING ERRCODE = 'dependent_objects_still_exist',
            DETAIL = (SELECT string_agg(quote_ident(v.name), ', ' ORDER BY v.name) FROM strata.version v
                      WHERE v.collection = head.collection AND v.ordinal IS NULL AND v.state = 'live'),
            HINT = 'Drop or promote them first.';
  END IF;
  FOR version IN SELECT * FROM strata.version v WHERE v.relid = "table" AND v.ordinal IS NOT NULL AND v.state = 'live' LOOP
    PERFORM strata._drop_version("table", version.name);
  END LOOP;
  FOR version IN SELECT * FROM strata.version v
      WHERE v.state = 'dropped' AND (v.relid = "table" AND v.ordinal IS NOT NULL OR head.is_head AND v.collection = head.collection) LOOP
    PERFORM strata._purge_version("table", version.name);
  END LOOP;
  DELETE FROM strata.versioned_table t WHERE t.relid = "table";
  EXECUTE format('DROP TRIGGER "~strata_versions" ON %s', "table");
  EXECUTE format('DROP TRIGGER "~strata_versions_truncate" ON %s', "table");
  EXECUTE format('DROP TABLE %s', head.history);
  IF NOT EXISTS (SELECT FROM strata.versioned_table t WHERE t.collection = head.collection) THEN
    EXECUTE format('DROP SCHEMA %I', strata._schema_of(head.collection, 'history'));
  END IF;
  EXECUTE format('ALTER TABLE %s DROP COLUMN strata_born', "table");
END $$;
COMMENT ON FUNCTION strata._disable_versions(regclass) IS 'implementation of strata.disable_versions()';
