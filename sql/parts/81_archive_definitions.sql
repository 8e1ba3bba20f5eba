-- archives: what a manifest keeps of the definition of a table, and how a table is made of it

CREATE FUNCTION strata._archive_expression(expression text) RETURNS text
  AS 'MODULE_PATHNAME', 'strata_archive_expression' LANGUAGE C STRICT VOLATILE;
COMMENT ON FUNCTION strata._archive_expression(text) IS 'an expression in parentheses, as a statement may contain it; error unless it is exactly one';

CREATE FUNCTION strata._archive_indexes("table" regclass) RETURNS jsonb
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT coalesce(jsonb_agg(jsonb_build_object(
    'definition', pg_get_indexdef(i.indexrelid),
    'method', m.amname,
    'options', coalesce(to_jsonb(c.reloptions), '[]'),
    'columns', (SELECT jsonb_agg(jsonb_strip_nulls(jsonb_build_object(
                         'column', a.attname, 'expression', CASE WHEN k.attnum = 0 THEN pg_get_indexdef(i.indexrelid, k.number::int, false) END,
                         'opclass_schema', n.nspname, 'opclass', o.opcname)) ORDER BY k.number)
                FROM unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k(attnum, opclass, number)
                LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = nullif(k.attnum, 0)
                JOIN pg_opclass o ON o.oid = k.opclass JOIN pg_namespace n ON n.oid = o.opcnamespace),
    'predicate', pg_get_expr(i.indpred, i.indrelid),
    'is_complete', true) ORDER BY c.relname), '[]')
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
  WHERE i.indrelid = "table" AND i.indisvalid AND NOT i.indisprimary $$;
COMMENT ON FUNCTION strata._archive_indexes(regclass) IS 'the indexes of a table, for a manifest';

CREATE FUNCTION strata._archive_columns("table" regclass) RETURNS jsonb
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT coalesce(jsonb_object_agg(a.attname, jsonb_strip_nulls(jsonb_build_object(
    'not_null', nullif(a.attnotnull, false),
    'generated', nullif(a.attgenerated, ''),
    'identity', nullif(a.attidentity, ''),
    'expression', CASE WHEN s.oid IS NULL OR pg_get_expr(d.adbin, d.adrelid) <> format('nextval(%L::regclass)', s.oid::regclass::text)
                       THEN pg_get_expr(d.adbin, d.adrelid) END,
    -- Of an identity column, or of a default that takes the next value of a sequence of the column.
    'sequence', CASE WHEN s.oid IS NOT NULL AND (a.attidentity <> '' OR pg_get_expr(d.adbin, d.adrelid) = format('nextval(%L::regclass)', s.oid::regclass::text))
                     THEN jsonb_build_object('type', s.type, 'start', s.start, 'increment', s.increment, 'min', s.min, 'max', s.max,
                                             'cache', s.cache, 'cycle', s.cycle, 'last', s.last) END,
    'collation', (SELECT jsonb_build_array(n.nspname, o.collname) FROM pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace
                  WHERE o.oid = a.attcollation AND o.oid <> t.typcollation)))), '{}')
  FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  LEFT JOIN LATERAL (
    SELECT q.seqrelid AS oid, format_type(q.seqtypid, NULL) AS type, q.seqstart AS start, q.seqincrement AS increment, q.seqmin AS min,
           q.seqmax AS max, q.seqcache AS cache, q.seqcycle AS cycle, pg_sequence_last_value(q.seqrelid) AS last
    FROM pg_depend p JOIN pg_sequence q ON q.seqrelid = p.objid
    WHERE p.classid = 'pg_class'::regclass AND p.refclassid = 'pg_class'::regclass AND p.refobjid = a.attrelid
      AND p.refobjsubid = a.attnum AND p.deptype IN ('a', 'i') ORDER BY p.objid LIMIT 1) s ON true
  WHERE a.attrelid = "table" AND a.attnum > 0 AND NOT a.attisdropped $$;
COMMENT ON FUNCTION strata._archive_columns(regclass) IS 'what a manifest keeps of the columns of a table besides name and type';

CREATE FUNCTION strata._archive_constraints("table" regclass) RETURNS jsonb
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT coalesce(jsonb_agg(CASE c.contype
    WHEN 'c' THEN jsonb_build_object('kind', 'check', 'name', c.conname, 'expression', pg_get_expr(c.conbin, c.conrelid),
                                     'validated', c.convalidated, 'no_inherit', c.connoinherit)
    ELSE jsonb_build_object('kind', 'unique', 'name', c.conname, 'deferrable', c.condeferrable, 'deferred', c.condeferred,
                            'nulls_distinct', pg_get_constraintdef(c.oid) !~ '^UNIQUE NULLS NOT DISTINCT',
                            'columns', (SELECT jsonb_agg(a.attname ORDER BY k.number)
                                        FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, number)
                                        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                                        WHERE k.number <= i.indnkeyatts)) END ORDER BY c.contype, c.conname), '[]')
  FROM pg_constraint c LEFT JOIN pg_index i ON i.indexrelid = c.conindid
  WHERE c.conrelid = "table" AND c.contype IN ('c', 'u') $$;
COMMENT ON FUNCTION strata._archive_constraints(regclass) IS 'check and unique constraints of a table, for a manifest';

CREATE FUNCTION strata._archive_omitted("table" regclass) RETURNS jsonb
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT coalesce(jsonb_agg(what ORDER BY what), '[]') FROM (
    SELECT format(CASE contype WHEN 'f' THEN 'foreign key "%s"' ELSE 'exclusion constraint "%s"' END, conname) AS what
    FROM pg_constraint WHERE conrelid = "table" AND contype IN ('f', 'x')
    UNION ALL
    SELECT format('index "%s"', c.relname) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
    WHERE i.indrelid = "table" AND m.amname <> 'ivf' AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid)
    UNION ALL
    SELECT format('trigger "%s"', tgname) FROM pg_trigger WHERE tgrelid = "table" AND NOT tgisinternal AND tgname !~ '^(~|zzz_)strata_'
    UNION ALL
    SELECT format('policy "%s"', polname) FROM pg_policy WHERE polrelid = "table"
    UNION ALL
    SELECT format('rule "%s"', rulename) FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    WHERE ev_class = "table" AND c.relkind <> 'v' AND rulename <> '_RETURN'
    UNION ALL
    SELECT 'privileges' WHERE EXISTS (SELECT FROM pg_class WHERE oid = "table" AND relacl IS NOT NULL)
                           OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = "table" AND attacl IS NOT NULL)
    UNION ALL
    SELECT 'comments' WHERE EXISTS (
      SELECT FROM pg_description d LEFT JOIN pg_attribute a ON a.attrelid = d.objoid AND a.attnum = nullif(d.objsubid, 0)
      WHERE d.classoid = 'pg_class'::regclass AND d.objoid = "table" AND a.attname IS DISTINCT FROM 'strata_born')
    UNION ALL
    SELECT 'partitions' FROM pg_class WHERE oid = "table" AND relkind = 'p') o $$;
COMMENT ON FUNCTION strata._archive_omitted(regclass) IS 'what of a table strata.restore_archive() does not restore';

CREATE FUNCTION strata._archive_definitions("table" regclass) RETURNS jsonb
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT CASE WHEN relkind IN ('r', 'p')
    THEN jsonb_build_object('column_definitions', strata._archive_columns("table"), 'constraints', strata._archive_constraints("table"),
                            'not_restored', strata._archive_omitted("table"))
    ELSE '{}' END
  FROM pg_class WHERE oid = "table" $$;
COMMENT ON FUNCTION strata._archive_definitions(regclass) IS 'the definition of a table, for a manifest';

-- An expression of a manifest for a statement about the table. Whoever restores runs its functions, so they must be his
-- or those of a superuser. They are found without being run: in a constraint that is not validated.
CREATE FUNCTION strata._archive_trusted("table" regclass, expression text) RETURNS text
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  result text := strata._archive_expression(expression);
  stranger regprocedure;
BEGIN
  EXECUTE format('ALTER TABLE %s ADD CONSTRAINT strata_expression CHECK (%s IS NULL OR true) NOT VALID', "table", result);
  SELECT p.oid INTO stranger
  FROM pg_constraint c
  JOIN pg_depend d ON d.classid = 'pg_constraint'::regclass AND d.objid = c.oid
  LEFT JOIN pg_operator o ON d.refclassid = 'pg_operator'::regclass AND o.oid = d.refobjid
  JOIN pg_proc p ON p.oid = CASE d.refclassid WHEN 'pg_proc'::regclass THEN d.refobjid ELSE o.oprcode END
  JOIN pg_roles r ON r.oid = p.proowner
  WHERE c.conrelid = "table" AND c.conname = 'strata_expression' AND NOT r.rolsuper AND r.rolname <> current_user
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'function % belongs to somebody else', stranger USING ERRCODE = 'insufficient_privilege';
  END IF;
  EXECUTE format('ALTER TABLE %s DROP CONSTRAINT strata_expression', "table");
  RETURN result;
END $$;
COMMENT ON FUNCTION strata._archive_trusted(regclass, text) IS 'an expression for a statement; error when it calls functions of other users';

-- What cannot be restored is told and left out; the rows are what matters.
CREATE FUNCTION strata._archive_apply("table" regclass, what text, statement text, VARIADIC expressions text[] DEFAULT '{}') RETURNS boolean
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  EXECUTE format(statement, VARIADIC ARRAY["table"::text] || ARRAY(
    SELECT strata._archive_trusted("table", e) FROM unnest(expressions) WITH ORDINALITY AS u(e, number) ORDER BY number));
  RETURN true;
EXCEPTION WHEN OTHERS THEN
  -- Out of resources, a deadlock, a damaged page: not a matter of the definition.
  IF SQLSTATE ~ '^(40|53|57|58|XX)' THEN RAISE; END IF;
  RAISE NOTICE '% is not restored: %', what, SQLERRM;
  RETURN false;
END $$;
COMMENT ON FUNCTION strata._archive_apply(regclass, text, text, text[]) IS
  'runs a statement with %1$s for the table and %2$s ... for expressions; false and a notice when it fails';

CREATE FUNCTION strata._make_archived_table(target text, manifest jsonb, generated name[]) RETURNS regclass
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  definitions jsonb := coalesce(manifest->'about'->'column_definitions', '{}');
BEGIN
  EXECUTE format('CREATE TABLE %s (%s)', target, (
    SELECT coalesce(string_agg(concat(
      format('%I %s', c->>'name', strata._archive_type(c->>'type')),
      CASE WHEN d ? 'collation' THEN format(' COLLATE %I.%I', d->'collation'->>0, d->'collation'->>1) END,
      CASE WHEN c->>'name' = ANY (generated)
           THEN format(' GENERATED ALWAYS AS %s %s', strata._archive_expression(d->>'expression'),
                       CASE d->>'generated' WHEN 'v' THEN 'VIRTUAL' ELSE 'STORED' END) END), ', ' ORDER BY number), '')
    FROM jsonb_array_elements(manifest->'columns') WITH ORDINALITY AS u(c, number), LATERAL (SELECT definitions->(c->>'name')) AS x(d)));
  RETURN target::regclass;
END $$;
COMMENT ON FUNCTION strata._make_archived_table(text, jsonb, name[]) IS 'creates the table of a manifest; some columns are generated, the others plain';

CREATE FUNCTION strata._restore_sequence("table" regclass, column_name name, kind text, sequence jsonb) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  options text := format('INCREMENT %s MINVALUE %s MAXVALUE %s START %s CACHE %s %s', (sequence->>'increment')::bigint, (sequence->>'min')::bigint,
                         (sequence->>'max')::bigint, (sequence->>'start')::bigint, (sequence->>'cache')::bigint,
                         CASE WHEN (sequence->>'cycle')::boolean THEN 'CYCLE' ELSE 'NO CYCLE' END);
  name text;
BEGIN
  IF kind IS NOT NULL THEN
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I ADD GENERATED %s AS IDENTITY (%s)', "table", column_name,
                   CASE kind WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, options);
    name := pg_get_serial_sequence("table"::text, column_name);
  ELSE
    SELECT format('%I.%I', n.nspname, left(c.relname, 28) || '_' || left(column_name, 28) || '_seq') INTO name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = "table";
    EXECUTE format('CREATE SEQUENCE %s AS %s %s OWNED BY %s.%I', name, strata._archive_type(sequence->>'type'), options, "table", column_name);
    EXECUTE format('ALTER TABLE %s ALTER COLUMN %I SET DEFAULT nextval(%L)', "table", column_name, name);
  END IF;
  IF sequence->>'last' IS NOT NULL THEN PERFORM setval(name::regclass, (sequence->>'last')::bigint); END IF;
EXCEPTION WHEN OTHERS THEN
  IF SQLSTATE ~ '^(40|53|57|58|XX)' THEN RAISE; END IF;
  RAISE NOTICE 'sequence of column "%" is not restored: %', column_name, SQLERRM;
END $$;
COMMENT ON FUNCTION strata._restore_sequence(regclass, name, text, jsonb) IS 'makes an identity column, or a sequence that is the default of a column';

CREATE FUNCTION strata._restore_columns("table" regclass, manifest jsonb, generated name[], definitions boolean) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  column_name name;
  d jsonb;
BEGIN
  FOR column_name, d IN
    SELECT c->>'name', coalesce(manifest->'about'->'column_definitions'->(c->>'name'), '{}')
           || CASE WHEN manifest->'about'->'not_null' ? (c->>'name') THEN '{"not_null": true}' ELSE '{}' END::jsonb
    FROM jsonb_array_elements(manifest->'columns') WITH ORDINALITY AS u(c, number) ORDER BY number
  LOOP
    IF d ? 'not_null' THEN
      PERFORM strata._archive_apply("table", format('NOT NULL of column "%s"', column_name), format('ALTER TABLE %%1$s ALTER COLUMN %s SET NOT NULL', replace(quote_ident(column_name), '%', '%%')));
    END IF;
    CONTINUE WHEN NOT definitions OR d ? 'generated';
    IF d ? 'sequence' THEN
      PERFORM strata._restore_sequence("table", column_name, d->>'identity', d->'sequence');
    ELSIF d ? 'expression' THEN
      PERFORM strata._archive_apply("table", format('default of column "%s"', column_name), format('ALTER TABLE %%1$s ALTER COLUMN %s SET DEFAULT %%2$s', replace(quote_ident(column_name), '%', '%%')), d->>'expression');
    END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._restore_columns(regclass, jsonb, name[], boolean) IS 'NOT NULL, defaults, identities of a restored table';

CREATE FUNCTION strata._restore_constraints("table" regclass, manifest jsonb) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  c jsonb;
  name text;
BEGIN
  FOR c IN SELECT e FROM jsonb_array_elements(manifest->'about'->'constraints') WITH ORDINALITY AS u(e, number) ORDER BY number LOOP
    name := replace(quote_ident(c->>'name'), '%', '%%');
    IF c->>'kind' = 'unique' THEN
      -- Under a name of its own: those of indexes are unique in their schema.
      PERFORM strata._archive_apply("table", format('unique constraint "%s"', c->>'name'), concat(
        'ALTER TABLE %1$s ADD UNIQUE ', CASE WHEN NOT (c->>'nulls_distinct')::boolean THEN 'NULLS NOT DISTINCT ' END,
        '(', (SELECT string_agg(replace(quote_ident(k), '%', '%%'), ', ' ORDER BY number)
              FROM jsonb_array_elements_text(c->'columns') WITH ORDINALITY AS u(k, number)), ')',
        CASE WHEN (c->>'deferrable')::boolean THEN ' DEFERRABLE' END, CASE WHEN (c->>'deferred')::boolean THEN ' INITIALLY DEFERRED' END));
    ELSIF strata._archive_apply("table", format('check constraint "%s"', c->>'name'),
                                format('ALTER TABLE %%1$s ADD CONSTRAINT %s CHECK %%2$s%s NOT VALID', name,
                                       CASE WHEN (c->>'no_inherit')::boolean THEN ' NO INHERIT' ELSE '' END), c->>'expression')
          AND (c->>'validated')::boolean THEN
      -- Rows of an old version may be older than the constraint.
      PERFORM strata._archive_apply("table", format('validity of check constraint "%s"', c->>'name'),
                                    format('ALTER TABLE %%1$s VALIDATE CONSTRAINT %s', name));
    END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._restore_constraints(regclass, jsonb) IS 'unique and check constraints of a restored table';

CREATE FUNCTION strata._restore_indexes("table" regclass, manifest jsonb) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  index jsonb;
  expressions text[];
BEGIN
  FOR index IN SELECT i FROM jsonb_array_elements(manifest->'about'->'indexes') i
               WHERE i->>'method' = 'ivf' AND coalesce(i->>'is_complete', i->>'plain')::boolean LOOP
    expressions := ARRAY(SELECT c->>'expression' FROM jsonb_array_elements(index->'columns') WITH ORDINALITY AS u(c, number)
                         WHERE c ? 'expression' ORDER BY number) || array_remove(ARRAY[index->>'predicate'], NULL);
    PERFORM strata._archive_apply("table", format('index "%s"', index->>'definition'), concat('CREATE INDEX ON %1$s USING ivf (', (
      SELECT string_agg(concat(CASE WHEN c ? 'expression' THEN format('%%%s$s', place) ELSE replace(quote_ident(c->>'column'), '%', '%%') END,
                               ' ', replace(format('%I.%I', c->>'opclass_schema', c->>'opclass'), '%', '%%')), ', ' ORDER BY number)
      FROM (SELECT c, number, 1 + count(*) FILTER (WHERE c ? 'expression') OVER (ORDER BY number) AS place
            FROM jsonb_array_elements(index->'columns') WITH ORDINALITY AS u(c, number)) AS u), ')',
      replace(' WITH (' || (SELECT string_agg(format('%I = %L', split_part(o, '=', 1), substr(o, strpos(o, '=') + 1)), ', ')
                            FROM jsonb_array_elements_text(index->'options') o) || ')', '%', '%%'),
      CASE WHEN index ? 'predicate' AND index->>'predicate' IS NOT NULL THEN format(' WHERE %%%s$s', 1 + cardinality(expressions)) END),
      VARIADIC expressions);
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._restore_indexes(regclass, jsonb) IS 'the ivf indexes of a restored table';

CREATE FUNCTION strata._restore_archive(path text, space name, table_name name, indexes boolean, definitions boolean) RETURNS bigint
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  manifest jsonb := strata._manifest(path);
  name text := format('%I.%I', space, table_name);
  target regclass;
  columns name[] := ARRAY(SELECT c->>'name' FROM jsonb_array_elements(manifest->'columns') WITH ORDINALITY AS u(c, number) ORDER BY number);
  key name[] := ARRAY(SELECT k FROM jsonb_array_elements_text(manifest->'key') WITH ORDINALITY AS u(k, number) ORDER BY number);
  files text[] := ARRAY(SELECT c->>'file' FROM jsonb_array_elements(manifest->'chunks') WITH ORDINALITY AS u(c, number) ORDER BY number);
  sums text[] := ARRAY(SELECT c->>'sha256' FROM jsonb_array_elements(manifest->'chunks') WITH ORDINALITY AS u(c, number) ORDER BY number);
  generated name[] := '{}';
  column_name name;
  expression text;
  loaded bigint;
  omitted text;
BEGIN
  target := strata._make_archived_table(name, manifest, '{}');
  FOR column_name, expression IN
    SELECT k, d->>'expression' FROM jsonb_each(manifest->'about'->'column_definitions') AS u(k, d)
    WHERE definitions AND d ? 'generated' AND k = ANY (columns)
  LOOP
    IF strata._archive_apply(target, format('expression of the generated column "%s"', column_name), 'SELECT 1', expression) THEN
      generated := generated || column_name;
    END IF;
  END LOOP;
  IF cardinality(generated) > 0 THEN
    -- A column can be generated from its birth only.
    EXECUTE format('DROP TABLE %s', name);
    target := strata._make_archived_table(name, manifest, generated);
  END IF;
  loaded := strata._load_archive(target, path, columns, generated, files, sums);
  IF loaded IS DISTINCT FROM (manifest->>'rows')::bigint THEN
    RAISE EXCEPTION 'archive "%" has % rows, its manifest says %', path, loaded, manifest->>'rows' USING ERRCODE = 'data_corrupted';
  END IF;
  IF (manifest->'about'->>'is_primary_key')::boolean THEN
    EXECUTE format('ALTER TABLE %s ADD PRIMARY KEY (%s)', name, (
      SELECT string_agg(quote_ident(k), ', ' ORDER BY number) FROM unnest(key) WITH ORDINALITY AS u(k, number)));
  END IF;
  PERFORM strata._restore_columns(target, manifest, generated, definitions);
  IF definitions THEN
    PERFORM strata._restore_constraints(target, manifest);
    SELECT string_agg(o, ', ' ORDER BY o) INTO omitted FROM jsonb_array_elements_text(manifest->'about'->'not_restored') o;
    IF omitted IS NOT NULL THEN
      RAISE NOTICE 'not restored with table "%": %', table_name, omitted;
    END IF;
  END IF;
  IF indexes THEN PERFORM strata._restore_indexes(target, manifest); END IF;
  RETURN loaded;
END $$;
COMMENT ON FUNCTION strata._restore_archive(text, name, name, boolean, boolean) IS 'implementation of strata.restore_archive()';

CREATE FUNCTION strata.restore_archive(path text, target text, indexes boolean DEFAULT true, definitions boolean DEFAULT true) RETURNS bigint
  LANGUAGE plpgsql VOLATILE
  AS $$
DECLARE
  names text[] := pg_catalog.parse_ident(target);
BEGIN
  IF pg_catalog.cardinality(names) OPERATOR(pg_catalog.>) 2 THEN
    RAISE EXCEPTION 'invalid name of a table: "%"', target USING ERRCODE = 'invalid_name';
  END IF;
  IF pg_catalog.cardinality(names) OPERATOR(pg_catalog.=) 1 THEN
    names := pg_catalog.array_prepend(pg_catalog.current_schema()::text, names);
  END IF;
  RETURN strata._restore_archive(path, names[1], names[2], indexes, definitions);
END $$;
COMMENT ON FUNCTION strata.restore_archive(text, text, boolean, boolean) IS
  'creates a table from an archive, with NOT NULL and primary key; unless indexes is false with its ivf indexes, unless definitions is false with defaults, identity and generated columns, unique and check constraints; returns the rows';
