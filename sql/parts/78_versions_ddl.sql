-- versioned tables: DDL on the table is followed by its history and versions, or refused

CREATE FUNCTION strata._sync_for_owner("table" regclass) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_version_service' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata._sync_for_owner(regclass) IS 'brings history and versions of a table in line with it, as its owner';
CREATE FUNCTION strata.__sync_for_owner("table" regclass) RETURNS void
  LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$SELECT strata._sync_table("table")$$;
COMMENT ON FUNCTION strata.__sync_for_owner(regclass) IS 'implementation of strata._sync_for_owner()';

-- Restoring a dump creates everything that strata would create, by itself. No event says so, but what every dump sets does.
CREATE FUNCTION strata._is_restoring() RETURNS boolean
  LANGUAGE sql STABLE
  AS $$SELECT pg_catalog.current_setting('check_function_bodies') = 'off' AND pg_catalog.current_setting('row_security') = 'off'$$;
COMMENT ON FUNCTION strata._is_restoring() IS 'whether the session restores a dump';

CREATE FUNCTION strata._check_altered("table" regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  class pg_class;
  reason text;
  trigger_name name;
BEGIN
  SELECT * INTO class FROM pg_class WHERE oid = "table";
  reason := CASE
    WHEN class.relispartition THEN 'be a partition'
    WHEN EXISTS (SELECT FROM pg_inherits WHERE inhrelid = "table" OR inhparent = "table") THEN 'take part in inheritance'
    WHEN class.relpersistence <> 'p' THEN 'be unlogged'
    WHEN EXISTS (SELECT FROM pg_rewrite WHERE ev_class = "table") THEN 'have rules'
    WHEN strata._key("table") || 'strata_died'::name IS DISTINCT FROM strata._key(head.history) THEN 'get another primary key'
    WHEN NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = "table" AND attname = 'strata_born' AND NOT attisdropped)
      THEN 'lose its column strata_born' END;
  IF reason IS NOT NULL THEN
    RAISE EXCEPTION 'table "%" cannot % while it has versions', "table", reason
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Use strata.disable_versions() first.';
  END IF;
  SELECT tgname INTO trigger_name FROM pg_trigger
  WHERE tgrelid = "table" AND tgtype & 3 = 3 AND tgname > '~strata_versions' COLLATE "C";
  IF FOUND THEN
    RAISE EXCEPTION 'trigger "%" would fire after that of the versions', trigger_name
      USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Rename it: BEFORE triggers fire in the order of their names.';
  END IF;
END $$;
COMMENT ON FUNCTION strata._check_altered(regclass) IS 'error when a table was changed so that its versions would no longer hold';

CREATE FUNCTION strata._follow_owner("table" regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  owner regrole := (SELECT relowner FROM pg_class WHERE oid = "table");
  old_owner oid := (SELECT relowner FROM pg_class WHERE oid = head.history);
  contents oid[];
  statement text;
BEGIN
  IF old_owner = owner THEN RETURN; END IF;
  SELECT array_agg(c.oid) INTO contents FROM strata.version v JOIN pg_class c ON c.oid = v.relid
  WHERE head.is_head AND v.collection = head.collection AND v.ordinal IS NULL AND c.relowner = old_owner;
  PERFORM set_config('strata.version_command', 'on', true);
  FOR statement IN
    SELECT format('ALTER SCHEMA %I OWNER TO %s', n.nspname, owner) FROM pg_namespace n
    WHERE n.nspname = strata._schema_of(head.collection, 'history')
       OR n.nspname IN (SELECT strata._schema_of(v.collection, v.name) FROM strata.version v WHERE v.relid = "table" AND v.ordinal IS NOT NULL)
       OR n.oid IN (SELECT c.relnamespace FROM pg_class c WHERE c.oid = ANY (contents))
    UNION ALL
    SELECT format('ALTER TABLE %s OWNER TO %s', c.oid::regclass, owner)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.oid = head.history OR c.oid = ANY (contents)
       OR c.oid IN (SELECT unnest(ARRAY[v.delta, v.gone]) FROM strata.version v WHERE v.relid = "table")
       OR c.relkind = 'v' AND n.nspname IN (SELECT strata._schema_of(v.collection, v.name) FROM strata.version v
                                            WHERE v.relid = "table" AND v.ordinal IS NOT NULL)
  LOOP
    EXECUTE statement;
  END LOOP;
  PERFORM strata._follow_owner(t.relid) FROM strata.versioned_table t WHERE t.relid = ANY (contents);
  PERFORM set_config('strata.version_command', 'off', true);
END $$;
COMMENT ON FUNCTION strata._follow_owner(regclass) IS 'gives history and versions the owner of the table';

CREATE FUNCTION strata._follow_rename("table" regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  target regclass;
  old_name name[];
  new_name name[];
BEGIN
  FOR target IN
    SELECT t.history FROM strata.versioned_table t WHERE t.relid = "table"
    UNION ALL SELECT v.delta FROM strata.version v WHERE v.relid = "table" AND v.delta IS NOT NULL
  LOOP
    SELECT array_agg(x.attname) INTO old_name FROM pg_attribute x
    WHERE x.attrelid = target AND x.attnum > 0 AND NOT x.attisdropped AND x.attname NOT IN ('strata_died')
      AND NOT EXISTS (SELECT FROM pg_attribute y WHERE y.attrelid = "table" AND y.attname = x.attname AND NOT y.attisdropped);
    SELECT array_agg(x.attname) INTO new_name FROM pg_attribute x
    WHERE x.attrelid = "table" AND x.attnum > 0 AND NOT x.attisdropped
      AND NOT EXISTS (SELECT FROM pg_attribute y WHERE y.attrelid = target AND y.attname = x.attname AND NOT y.attisdropped);
    IF cardinality(old_name) = 1 AND cardinality(new_name) = 1 THEN
      EXECUTE format('ALTER TABLE %s RENAME COLUMN %I TO %I', target, old_name[1], new_name[1]);
    END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._follow_rename(regclass) IS 'renames the column of a history that was renamed in the table';

CREATE FUNCTION strata._rename_for_owner("table" regclass) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_version_service' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata._rename_for_owner(regclass) IS 'follows a renamed column, as the owner of the table';
CREATE FUNCTION strata.__rename_for_owner("table" regclass) RETURNS void
  LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$SELECT strata._follow_rename("table")$$;
COMMENT ON FUNCTION strata.__rename_for_owner(regclass) IS 'implementation of strata._rename_for_owner()';

CREATE FUNCTION strata._follow_ddl() RETURNS event_trigger
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  touched regclass;
BEGIN
  IF current_setting('strata.version_command', true) = 'on' THEN RETURN; END IF;
  IF strata._is_restoring() OR NOT EXISTS (SELECT FROM strata.versioned_table) THEN RETURN; END IF;
  FOR touched IN
    SELECT DISTINCT t.relid
    FROM pg_event_trigger_ddl_commands() c
    JOIN strata.versioned_table t
      ON c.command_tag IN ('GRANT', 'REVOKE') AND lower(c.object_type) = 'table'
      OR c.classid = 'pg_class'::regclass AND c.objid = t.relid
      OR c.classid = 'pg_class'::regclass AND t.relid = (SELECT i.indrelid FROM pg_index i WHERE i.indexrelid = c.objid)
      OR c.classid = 'pg_policy'::regclass AND t.relid = (SELECT p.polrelid FROM pg_policy p WHERE p.oid = c.objid)
      OR c.classid = 'pg_trigger'::regclass AND t.relid = (SELECT g.tgrelid FROM pg_trigger g WHERE g.oid = c.objid)
      OR c.classid = 'pg_rewrite'::regclass AND t.relid = (SELECT r.ev_class FROM pg_rewrite r WHERE r.oid = c.objid)
    WHERE EXISTS (SELECT FROM pg_class x WHERE x.oid = t.relid)
  LOOP
    IF tg_tag NOT IN ('GRANT', 'REVOKE') THEN
      PERFORM strata._check_altered(touched);
      PERFORM strata._follow_owner(touched);
      PERFORM strata._rename_for_owner(touched);
    END IF;
    PERFORM strata._sync_for_owner(touched);
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._follow_ddl() IS 'makes history and versions follow DDL on their table';

CREATE FUNCTION strata._follow_drop() RETURNS event_trigger
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  head strata.versioned_table;
  version strata.version;
BEGIN
  IF current_setting('strata.version_command', true) = 'on' OR to_regclass('strata.versioned_table') IS NULL THEN
    RETURN;
  END IF;
  IF strata._is_restoring() OR NOT EXISTS (SELECT FROM strata.versioned_table) THEN RETURN; END IF;
  -- The table is gone: so are its versions.
  FOR head IN SELECT * FROM strata.versioned_table t WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.relid) LOOP
    PERFORM strata._forget_table(head);
  END LOOP;
  FOR version IN SELECT * FROM strata.version v WHERE v.ordinal IS NULL AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = v.relid) LOOP
    DELETE FROM strata.version v WHERE v.collection = version.collection AND v.name = version.name;
  END LOOP;
  FOR head IN SELECT * FROM strata.versioned_table t WHERE EXISTS (SELECT FROM pg_event_trigger_dropped_objects()) LOOP
    IF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = head.history)
       OR EXISTS (SELECT FROM strata.version v WHERE v.relid = head.relid
                  AND (v.delta IS NOT NULL AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = v.delta)
                       OR v.gone IS NOT NULL AND NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = v.gone)))
       OR NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = head.relid AND g.tgname = '~strata_versions')
       OR NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = head.relid AND g.tgname = '~strata_versions_truncate')
       OR NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = head.relid AND a.attname = 'strata_born' AND NOT a.attisdropped) THEN
      RAISE EXCEPTION 'the versions of table "%" need this object', head.relid USING ERRCODE = 'dependent_objects_still_exist',
        HINT = 'Use strata.drop_version() or strata.disable_versions().';
    END IF;
  END LOOP;
  -- A view of a version that somebody drops: the version is dropped, and can be taken back.
  FOR version IN
    SELECT v.* FROM pg_event_trigger_dropped_objects() d
    JOIN strata.version v ON d.schema_name = strata._schema_of(v.collection, v.name) AND v.ordinal IS NOT NULL AND v.state = 'live'
    JOIN pg_class c ON c.oid = v.relid AND c.relname = d.object_name
    WHERE d.object_type = 'view'
  LOOP
    IF tg_tag = 'ALTER TABLE' THEN
      RAISE EXCEPTION 'version "%" of table "%" needs this column', version.name, version.relid
        USING ERRCODE = 'dependent_objects_still_exist', HINT = 'Change columns with strata.alter_table(), which changes the versions, too.';
    END IF;
    UPDATE strata.version v SET state = 'dropped', collect_after = clock_timestamp() + current_setting('strata.version_drop_delay')::interval
    WHERE v.collection = version.collection AND v.name = version.name;
    IF to_regnamespace(quote_ident(strata._schema_of(version.collection, version.name))) IS NOT NULL THEN
      EXECUTE format('DROP SCHEMA %I', strata._schema_of(version.collection, version.name));
    END IF;
  END LOOP;
  -- Indexes and policies leave no trace of their table: who differs is brought in line.
  IF tg_tag IN ('DROP INDEX', 'DROP POLICY', 'DROP OWNED') THEN
    FOR head IN
      SELECT t.* FROM strata.versioned_table t
      WHERE (SELECT count(*) FROM pg_policy p WHERE p.polrelid = t.history)
            <> (SELECT count(*) FROM pg_policy p WHERE p.polrelid = t.relid AND p.polcmd IN ('r', '*') AND p.polqual IS NOT NULL)
         OR (SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
             WHERE i.indrelid = t.history AND a.amname = 'ivf')
            <> (SELECT count(*) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
                WHERE i.indrelid = t.relid AND a.amname = 'ivf' AND i.indisvalid)
    LOOP
      PERFORM strata._sync_for_owner(head.relid);
    END LOOP;
  END IF;
END $$;
COMMENT ON FUNCTION strata._follow_drop() IS 'cleans up after a dropped table with versions; refuses to drop what versions need';

CREATE FUNCTION strata._forget_table(head strata.versioned_table) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  version strata.version;
BEGIN
  PERFORM set_config('strata.version_command', 'on', true);
  DELETE FROM strata.versioned_table t WHERE t.relid = head.relid;
  FOR version IN SELECT * FROM strata.version v WHERE v.relid = head.relid LOOP
    DELETE FROM strata.version v WHERE v.collection = version.collection AND v.name = version.name;
    IF version.delta IS NOT NULL THEN EXECUTE format('DROP TABLE IF EXISTS %s, %s', version.delta, version.gone); END IF;
    EXECUTE format('DROP SCHEMA IF EXISTS %I', strata._schema_of(version.collection, version.name));
  END LOOP;
  IF EXISTS (SELECT FROM pg_class WHERE oid = head.history) THEN EXECUTE format('DROP TABLE %s', head.history); END IF;
  IF NOT EXISTS (SELECT FROM strata.versioned_table t WHERE t.collection = head.collection) THEN
    DELETE FROM strata.version v WHERE v.collection = head.collection AND v.ordinal IS NULL;
    EXECUTE format('DROP SCHEMA IF EXISTS %I', strata._schema_of(head.collection, 'history'));
  ELSIF head.is_head THEN
    -- A table that it once took the place of is the one to ask for versions now.
    UPDATE strata.versioned_table t SET is_head = true
    WHERE t.relid = (SELECT x.relid FROM strata.versioned_table x JOIN pg_class c ON c.oid = x.relid
                     WHERE x.collection = head.collection ORDER BY x.relid::oid DESC LIMIT 1);
  END IF;
  PERFORM set_config('strata.version_command', 'off', true);
END $$;
COMMENT ON FUNCTION strata._forget_table(strata.versioned_table) IS 'removes what is left of a dropped table with versions';

CREATE EVENT TRIGGER strata_versions_ddl ON ddl_command_end EXECUTE FUNCTION strata._follow_ddl();
COMMENT ON EVENT TRIGGER strata_versions_ddl IS 'versions follow DDL on their table';
CREATE EVENT TRIGGER strata_versions_drop ON sql_drop EXECUTE FUNCTION strata._follow_drop();
COMMENT ON EVENT TRIGGER strata_versions_drop IS 'versions follow what is dropped';

CREATE FUNCTION strata.alter_table("table" regclass, action text) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata.alter_table(regclass, text) IS
  'ALTER TABLE <table> <action> where versions stand in the way: drops a column, or changes its type, in them, too';

CREATE FUNCTION strata._alter_table("table" regclass, action text) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  version strata.version;
  target regclass;
  statement text;
BEGIN
  PERFORM strata._lock_table("table", 'ACCESS EXCLUSIVE');
  FOR version IN SELECT * FROM strata.version v WHERE v.relid = "table" AND v.ordinal IS NOT NULL AND v.state = 'live' LOOP
    EXECUTE format('DROP VIEW %s', strata._source("table", version.name));
  END LOOP;
  EXECUTE format('ALTER TABLE %s %s', "table", action);
  FOR target IN
    SELECT head.history UNION ALL SELECT v.delta FROM strata.version v WHERE v.relid = "table" AND v.delta IS NOT NULL
  LOOP
    FOR statement IN
      SELECT format('ALTER TABLE %s DROP COLUMN %I', target, x.attname) FROM pg_attribute x
      WHERE x.attrelid = target AND x.attnum > 0 AND NOT x.attisdropped AND x.attname <> 'strata_died'
        AND NOT EXISTS (SELECT FROM pg_attribute y WHERE y.attrelid = "table" AND y.attname = x.attname AND NOT y.attisdropped)
      UNION ALL
      SELECT format('ALTER TABLE %s ALTER COLUMN %I TYPE %s USING %I::%s', target, x.attname,
                    format_type(y.atttypid, y.atttypmod), x.attname, format_type(y.atttypid, y.atttypmod))
      FROM pg_attribute x JOIN pg_attribute y ON y.attrelid = "table" AND y.attname = x.attname AND NOT y.attisdropped
      WHERE x.attrelid = target AND x.attnum > 0 AND NOT x.attisdropped AND (x.atttypid, x.atttypmod) <> (y.atttypid, y.atttypmod)
    LOOP
      EXECUTE statement;
    END LOOP;
  END LOOP;
  PERFORM strata._check_altered("table");
  PERFORM strata._sync_table("table");
  -- What the versions hold is something else now, by intent.
  PERFORM strata._request_collection();
  UPDATE strata.version v SET row_count = NULL, checksum = NULL, recorded_at = NULL WHERE v.relid = "table" AND v.ordinal IS NOT NULL;
  FOR version IN SELECT * FROM strata.version v WHERE v.relid = "table" AND v.ordinal IS NOT NULL AND v.state = 'live' LOOP
    PERFORM strata._make_view(head, version);
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._alter_table(regclass, text) IS 'implementation of strata.alter_table()';
