-- versioned tables: versions that are tables of their own (another model, other dimensions), and the switch to them

CREATE FUNCTION strata._vector_column("table" regclass) RETURNS name
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  names name[];
BEGIN
  SELECT array_agg(a.attname) INTO names
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  WHERE a.attrelid = "table" AND a.attnum > 0 AND NOT a.attisdropped AND t.typname IN ('vector', 'halfvec', 'sparsevec')
    AND EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
                WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.refclassid = 'pg_extension'::regclass
                  AND e.extname = 'strata');
  IF cardinality(names) = 1 THEN RETURN names[1]; END IF;
  RAISE EXCEPTION 'table "%" has % vector columns', "table", coalesce(cardinality(names), 0)
    USING ERRCODE = 'invalid_parameter_value', HINT = 'Leave dimensions out, and change the columns of the new version with ALTER TABLE.';
END $$;
COMMENT ON FUNCTION strata._vector_column(regclass) IS 'the only vector column of a table, or an error';

CREATE FUNCTION strata._make_content(head strata.versioned_table, name name, mode text, from_version name, dimensions int) RETURNS regclass
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = off
  AS $$
DECLARE
  space name := strata._schema_of(head.collection, name);
  content text := format('%I.%I', space, (SELECT relname FROM pg_class WHERE oid = head.relid));
  vector_column name;
  columns text;
BEGIN
  IF mode = 'copy' AND row_security_active(head.relid) THEN
    RAISE EXCEPTION 'cannot copy rows of "%" under the policies of the table', head.relid
      USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = 'FORCE ROW LEVEL SECURITY hides rows from its owner, too.',
            HINT = 'ALTER TABLE ... NO FORCE ROW LEVEL SECURITY first, and FORCE it afterwards: the version follows.';
  END IF;
  EXECUTE format('CREATE SCHEMA %I', space);
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC', space);
  EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL)', content, head.relid);
  EXECUTE format('ALTER TABLE %s DROP COLUMN strata_born', content);
  columns := strata._writable_columns(content::regclass, '');
  IF dimensions IS NOT NULL THEN
    vector_column := strata._vector_column(head.relid);
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I TYPE %s(%s)', content, vector_column,
                   (SELECT format_type(atttypid, NULL) FROM pg_attribute WHERE attrelid = head.relid AND attname = vector_column), dimensions);
    IF mode = 'copy' THEN
      -- Vectors of another model cannot be copied: they are to be filled in.
      IF (SELECT attnotnull FROM pg_attribute WHERE attrelid = head.relid AND attname = vector_column) THEN
        RAISE EXCEPTION 'column "%" cannot stay empty in a copy with other dimensions', vector_column
          USING ERRCODE = 'not_null_violation', HINT = 'Use mode empty, or allow nulls in the column.';
      END IF;
      SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) INTO columns FROM pg_attribute
      WHERE attrelid = content::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = '' AND attname <> vector_column;
    END IF;
  END IF;
  IF mode = 'copy' THEN
    EXECUTE format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s', content, columns, columns,
                   strata._source(head.relid, from_version));
  END IF;
  PERFORM strata._sync_content(head.relid, content::regclass);
  PERFORM strata._sync_privileges(head.relid, content::regclass, '{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}');
  RETURN content::regclass;
END $$;
COMMENT ON FUNCTION strata._make_content(strata.versioned_table, name, text, name, int) IS 'creates the table of a version with rows of its own';

CREATE FUNCTION strata._park_content(version strata.version) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  IF EXISTS (SELECT FROM strata.version v WHERE v.relid = version.relid AND v.ordinal IS NOT NULL) THEN
    RAISE EXCEPTION 'version "%" has versions of its own', version.name USING ERRCODE = 'dependent_objects_still_exist',
      HINT = 'Drop them first.';
  END IF;
  EXECUTE format('ALTER SCHEMA %I RENAME TO %I', strata._schema_of(version.collection, version.name),
                 '~' || strata._schema_of(version.collection, version.name));
END $$;
COMMENT ON FUNCTION strata._park_content(strata.version) IS 'puts the table of a dropped version out of the way';

CREATE FUNCTION strata._unpark_content(version strata.version) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  EXECUTE format('ALTER SCHEMA %I RENAME TO %I', '~' || strata._schema_of(version.collection, version.name),
                 strata._schema_of(version.collection, version.name));
END $$;
COMMENT ON FUNCTION strata._unpark_content(strata.version) IS 'makes the table of a dropped version readable again';

CREATE FUNCTION strata._drop_content(version strata.version) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  table_row strata.versioned_table;
BEGIN
  SELECT * INTO table_row FROM strata.versioned_table t WHERE t.relid = version.relid;
  IF FOUND THEN
    DELETE FROM strata.versioned_table t WHERE t.relid = version.relid;
    EXECUTE format('DROP TABLE %s, %s', version.relid, table_row.history);
  ELSE
    EXECUTE format('DROP TABLE %s', version.relid);
  END IF;
  EXECUTE format('DROP SCHEMA %I', '~' || strata._schema_of(version.collection, version.name));
END $$;
COMMENT ON FUNCTION strata._drop_content(strata.version) IS 'drops the table of a version';

CREATE FUNCTION strata.promote("table" regclass, name name, keep_as name DEFAULT NULL) RETURNS name
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata.promote(regclass, name, name) IS
  'puts a version of mode empty or copy into the place of the table, at once; the table stays as a version, whose name is returned';

-- What would still point to the old table after the switch.
CREATE FUNCTION strata._check_promotable(head regclass) RETURNS void
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  obstacle text;
BEGIN
  SELECT format('foreign key "%s" of %s', conname, conrelid::regclass) INTO obstacle FROM pg_constraint
  WHERE confrelid = head AND contype = 'f' AND conrelid <> head LIMIT 1;
  IF obstacle IS NULL THEN
    SELECT format('view %s', r.ev_class::regclass) INTO obstacle
    FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = head AND r.ev_class <> head
      AND NOT EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                      JOIN strata.version v ON v.relid = head AND v.ordinal IS NOT NULL
                           AND n.nspname = strata._schema_of(v.collection, v.name)
                      WHERE c.oid = r.ev_class) LIMIT 1;
  END IF;
  IF obstacle IS NOT NULL THEN
    RAISE EXCEPTION 'cannot put another table in the place of "%": % refers to it', head, obstacle
      USING ERRCODE = 'dependent_objects_still_exist', HINT = 'Drop it, and create it again after strata.promote().';
  END IF;
END $$;
COMMENT ON FUNCTION strata._check_promotable(regclass) IS 'error when something refers to a table that would not follow its name';

CREATE FUNCTION strata._promote("table" regclass, name name, keep_as name) RETURNS name
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  version strata.version := strata._find_version("table", name);
  old_name name;
  head_name name := (SELECT relname FROM pg_class WHERE oid = "table");
  head_space name := (SELECT n.nspname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = "table");
  history regclass;
  statement text;
BEGIN
  IF version.ordinal IS NOT NULL THEN
    RAISE EXCEPTION 'version "%" is a %', name, version.kind USING ERRCODE = 'wrong_object_type',
      HINT = CASE version.kind WHEN 'branch' THEN 'Use strata.merge_branch().' ELSE 'Use strata.rollback_to().' END;
  ELSIF NOT head.is_head THEN
    RAISE EXCEPTION 'table "%" is not the present one', "table" USING ERRCODE = 'object_not_in_prerequisite_state';
  END IF;
  PERFORM strata._lock_table("table", 'ACCESS EXCLUSIVE');
  PERFORM strata._lock_table(version.relid, 'ACCESS EXCLUSIVE');
  PERFORM strata._check_promotable("table");
  old_name := strata._new_name("table", keep_as);
  EXECUTE format('CREATE SCHEMA %I', strata._schema_of(head.collection, old_name));
  EXECUTE format('GRANT USAGE ON SCHEMA %I TO PUBLIC', strata._schema_of(head.collection, old_name));
  EXECUTE format('ALTER TABLE %s SET SCHEMA %I', "table", strata._schema_of(head.collection, old_name));
  EXECUTE format('ALTER TABLE %s SET SCHEMA %I', version.relid, head_space);
  EXECUTE format('DROP SCHEMA %I', strata._schema_of(head.collection, name));
  -- The user's triggers go with the name. Sequences of identity columns go on where the old ones were.
  FOR statement IN
    SELECT replace(pg_get_triggerdef(g.oid), ' ON ' || "table"::text || ' ', ' ON ' || version.relid::text || ' ')
    FROM pg_trigger g WHERE g.tgrelid = "table" AND NOT g.tgisinternal AND NOT starts_with(g.tgname, '~strata_versions')
      AND NOT EXISTS (SELECT FROM pg_trigger x WHERE x.tgrelid = version.relid AND x.tgname = g.tgname)
  LOOP
    EXECUTE statement;
  END LOOP;
  FOR statement IN
    SELECT format('SELECT setval(%L, greatest((SELECT last_value FROM %s), (SELECT last_value FROM %s)))',
                  pg_get_serial_sequence(version.relid::text, a.attname), pg_get_serial_sequence(version.relid::text, a.attname),
                  pg_get_serial_sequence("table"::text, b.attname))
    FROM pg_attribute a JOIN pg_attribute b ON b.attrelid = "table" AND b.attname = a.attname AND b.attidentity <> ''
    WHERE a.attrelid = version.relid AND a.attidentity <> '' AND NOT a.attisdropped
  LOOP
    EXECUTE statement;
  END LOOP;
  DELETE FROM strata.version v WHERE v.collection = version.collection AND v.name = version.name;
  UPDATE strata.versioned_table t SET is_head = false WHERE t.relid = "table";
  -- Each table has a history; that of the present one has its name.
  EXECUTE format('ALTER TABLE %s RENAME TO %I', head.history, left(head_name, 50) || '_' || "table"::oid);
  IF EXISTS (SELECT FROM strata.versioned_table t WHERE t.relid = version.relid) THEN
    UPDATE strata.versioned_table t SET is_head = true, keep_count = head.keep_count, keep_age = head.keep_age WHERE t.relid = version.relid;
  ELSE
    PERFORM strata._check_table(version.relid);
    EXECUTE format('ALTER TABLE %s ADD COLUMN strata_born int NOT NULL DEFAULT 0', version.relid);
    history := strata._make_history(version.relid, head.collection);
    INSERT INTO strata.versioned_table (relid, history, collection, keep_count, keep_age)
      VALUES (version.relid, history, head.collection, head.keep_count, head.keep_age);
    PERFORM strata._add_triggers(version.relid);
  END IF;
  INSERT INTO strata.version (relid, collection, name, kind, parent, comment)
    VALUES ("table", head.collection, old_name, 'copy', NULL, format('the table until "%s" took its place', name));
  PERFORM strata._sync_content("table", version.relid);
  PERFORM strata._sync_privileges("table", version.relid, '{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}');
  PERFORM strata._sync_table(version.relid);
  RETURN old_name;
END $$;
COMMENT ON FUNCTION strata._promote(regclass, name, name) IS 'implementation of strata.promote()';
