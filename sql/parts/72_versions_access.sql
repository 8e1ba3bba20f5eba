-- versioned tables: who may read what. Versions follow the table: its privileges, its policies, its owner.

CREATE FUNCTION strata._sync_privileges(source regclass, target regclass, kinds text[]) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  statement text;
BEGIN
  IF NOT EXISTS (SELECT FROM pg_class WHERE oid IN (source, target) AND relacl IS NOT NULL)
     AND NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid IN (source, target) AND attacl IS NOT NULL) THEN
    RETURN;
  END IF;
  FOR statement IN
    WITH wanted AS MATERIALIZED (
      SELECT NULL::name AS attribute, a.grantee, a.privilege_type, a.is_grantable
      FROM pg_class c, aclexplode(c.relacl) a
      WHERE c.oid = source AND a.grantee <> c.relowner AND a.privilege_type = ANY (kinds)
      UNION
      SELECT t.attname, a.grantee, a.privilege_type, a.is_grantable
      FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped, aclexplode(t.attacl) a
      WHERE c.oid = source AND a.grantee <> c.relowner AND a.privilege_type = ANY (kinds)
        AND EXISTS (SELECT FROM pg_attribute x WHERE x.attrelid = target AND x.attname = t.attname AND NOT x.attisdropped)
    ), present AS MATERIALIZED (
      SELECT NULL::name AS attribute, a.grantee, a.privilege_type, a.is_grantable
      FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = target AND a.grantee <> c.relowner
      UNION
      SELECT t.attname, a.grantee, a.privilege_type, a.is_grantable
      FROM pg_class c JOIN pg_attribute t ON t.attrelid = c.oid AND t.attnum > 0 AND NOT t.attisdropped, aclexplode(t.attacl) a
      WHERE c.oid = target AND a.grantee <> c.relowner
    )
    SELECT d.what
    FROM (SELECT 1 AS step, format('REVOKE %s%s ON TABLE %s FROM %s CASCADE', p.privilege_type, ' (' || quote_ident(p.attribute) || ')',
                                   target, CASE p.grantee WHEN 0 THEN 'PUBLIC' ELSE p.grantee::regrole::text END) AS what
          FROM (SELECT * FROM present EXCEPT SELECT * FROM wanted) p WHERE p.attribute IS NOT NULL
          UNION ALL
          SELECT 1, format('REVOKE %s ON TABLE %s FROM %s CASCADE', p.privilege_type, target,
                           CASE p.grantee WHEN 0 THEN 'PUBLIC' ELSE p.grantee::regrole::text END)
          FROM (SELECT * FROM present EXCEPT SELECT * FROM wanted) p WHERE p.attribute IS NULL
          UNION ALL
          SELECT CASE WHEN w.attribute IS NULL THEN 2 ELSE 3 END,
                 format('GRANT %s%s ON TABLE %s TO %s%s', w.privilege_type, coalesce(' (' || quote_ident(w.attribute) || ')', ''),
                        target, CASE w.grantee WHEN 0 THEN 'PUBLIC' ELSE w.grantee::regrole::text END,
                        CASE WHEN w.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
          -- Taking a privilege on the table takes that on its columns, too: all that are wanted are given again.
          FROM wanted w
          WHERE EXISTS (SELECT * FROM present EXCEPT SELECT * FROM wanted) OR EXISTS (SELECT * FROM wanted EXCEPT SELECT * FROM present)) d
    ORDER BY d.step
  LOOP
    EXECUTE statement;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._sync_privileges(regclass, regclass, text[]) IS 'gives a table or view the privileges of another one';

-- Rows of the past are read under the policies of the table. Row-level security of the reader needs views that read with
-- his rights, privileges on columns need views that read with the owner's: so it depends on the table.
CREATE FUNCTION strata._sync_policies(head regclass, history regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  policy record;
  secured boolean;
  forced boolean;
BEGIN
  -- FORCE holds for rows of the past; the owner of a branch sees and writes its own rows all the same.
  SELECT c.relrowsecurity, c.relforcerowsecurity AND EXISTS (SELECT FROM strata.versioned_table t WHERE t.history = _sync_policies.history)
  INTO secured, forced FROM pg_class c WHERE c.oid = head;
  IF secured <> (SELECT relrowsecurity FROM pg_class WHERE oid = history) THEN
    EXECUTE format('ALTER TABLE %s %s ROW LEVEL SECURITY', history, CASE WHEN secured THEN 'ENABLE' ELSE 'DISABLE' END);
  END IF;
  IF forced <> (SELECT relforcerowsecurity FROM pg_class WHERE oid = history) THEN
    EXECUTE format('ALTER TABLE %s %s ROW LEVEL SECURITY', history, CASE WHEN forced THEN 'FORCE' ELSE 'NO FORCE' END);
  END IF;
  FOR policy IN
    WITH wanted AS (
      SELECT polname, polpermissive, polroles,
             strata._policy_text(polqual, head, (SELECT relname FROM pg_class WHERE oid = history)) AS condition
      FROM pg_policy WHERE polrelid = head AND polcmd IN ('r', '*') AND polqual IS NOT NULL
    ), present AS (
      SELECT polname, polpermissive, polroles, pg_get_expr(polqual, polrelid) AS condition FROM pg_policy WHERE polrelid = history
    )
    SELECT p.polname, false AS is_new, p.polpermissive, p.polroles, p.condition
    FROM (SELECT * FROM present EXCEPT SELECT * FROM wanted) p
    UNION ALL
    SELECT w.polname, true, w.polpermissive, w.polroles, w.condition FROM (SELECT * FROM wanted EXCEPT SELECT * FROM present) w
    ORDER BY 2
  LOOP
    IF policy.is_new THEN
      EXECUTE format('CREATE POLICY %I ON %s AS %s FOR SELECT TO %s USING (%s)', policy.polname, history,
                     CASE WHEN policy.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                     (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', ') FROM unnest(policy.polroles) r),
                     policy.condition);
    ELSE
      EXECUTE format('DROP POLICY %I ON %s', policy.polname, history);
    END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._sync_policies(regclass, regclass) IS 'gives the history of a table its policies for reading';

-- A version with rows of its own has the policies of its table for all commands, and is written to under them. Where a
-- policy cannot be had, since it speaks of a column that the version has not, it is left to its owner. Without row-level
-- security of the table the version keeps what it has: it may have been given its own.
CREATE FUNCTION strata._sync_content(head regclass, content regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  wanted pg_class := (SELECT c FROM pg_class c WHERE oid = head);
  present pg_class := (SELECT c FROM pg_class c WHERE oid = content);
  statement text;
BEGIN
  IF NOT wanted.relrowsecurity THEN RETURN; END IF;
  IF NOT present.relrowsecurity THEN EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', content); END IF;
  IF wanted.relforcerowsecurity <> present.relforcerowsecurity THEN
    EXECUTE format('ALTER TABLE %s %s ROW LEVEL SECURITY', content, CASE WHEN wanted.relforcerowsecurity THEN 'FORCE' ELSE 'NO FORCE' END);
  END IF;
  FOR statement IN
    WITH policy AS MATERIALIZED (
      SELECT polrelid, polname, polcmd, polpermissive, polroles, strata._policy_text(polqual, polrelid, present.relname) AS condition,
             strata._policy_text(polwithcheck, polrelid, present.relname) AS checked
      FROM pg_policy WHERE polrelid IN (head, content)
    ), wanted AS (
      SELECT polname, polcmd, polpermissive, polroles, condition, checked FROM policy WHERE polrelid = head
    ), present AS (
      SELECT polname, polcmd, polpermissive, polroles, condition, checked FROM policy WHERE polrelid = content
    )
    SELECT d.what
    FROM (SELECT 1 AS step, format('DROP POLICY %I ON %s', p.polname, content) AS what FROM (SELECT * FROM present EXCEPT SELECT * FROM wanted) p
          UNION ALL
          SELECT 2, format('CREATE POLICY %I ON %s AS %s FOR %s TO %s', w.polname, content,
                           CASE WHEN w.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
                           CASE w.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
                           (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::text END, ', ') FROM unnest(w.polroles) r))
                    || coalesce(' USING (' || w.condition || ')', '') || coalesce(' WITH CHECK (' || w.checked || ')', '')
          FROM (SELECT * FROM wanted EXCEPT SELECT * FROM present) w) d
    ORDER BY d.step
  LOOP
    EXECUTE statement;
  END LOOP;
EXCEPTION WHEN undefined_column OR undefined_table OR undefined_function OR datatype_mismatch THEN
  EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', content);
  FOR statement IN SELECT format('DROP POLICY %I ON %s', polname, content) FROM pg_policy WHERE polrelid = content LOOP
    EXECUTE statement;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._sync_content(regclass, regclass) IS 'gives a version that is a table of its own the policies of its table';

CREATE FUNCTION strata._sync_view(head strata.versioned_table, version strata.version) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  secured boolean := (SELECT relrowsecurity FROM pg_class WHERE oid = head.relid);
  space name := strata._schema_of(version.collection, version.name);
  view regclass := (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = space AND c.relkind = 'v' ORDER BY c.oid LIMIT 1);
  wanted_name name := (SELECT relname FROM pg_class WHERE oid = head.relid);
BEGIN
  IF view IS NULL THEN RETURN; END IF;
  IF (SELECT relname FROM pg_class WHERE oid = view) <> wanted_name THEN
    EXECUTE format('ALTER VIEW %s RENAME TO %I', view, wanted_name);
  END IF;
  IF secured <> coalesce((SELECT 'security_invoker=true' = ANY (reloptions) FROM pg_class WHERE oid = view), false) THEN
    EXECUTE format('ALTER VIEW %s SET (security_invoker = %s)', view, CASE WHEN secured THEN 'true' ELSE 'false' END);
  END IF;
  PERFORM strata._sync_privileges(head.relid, view,
            CASE version.kind WHEN 'branch' THEN '{SELECT,INSERT,UPDATE,DELETE}' ELSE '{SELECT}' END::text[]);
END $$;
COMMENT ON FUNCTION strata._sync_view(strata.versioned_table, strata.version) IS 'name, privileges and kind of security of the view of a version';

CREATE FUNCTION strata._sync_indexes(head regclass, target regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  definition text;
BEGIN
  FOR definition IN
    WITH wanted AS (
      SELECT substr(pg_get_indexdef(i.indexrelid), strpos(pg_get_indexdef(i.indexrelid), ' USING ivf ')) AS shape
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
      WHERE i.indrelid = head AND a.amname = 'ivf' AND i.indisvalid
    ), present AS (
      SELECT substr(pg_get_indexdef(i.indexrelid), strpos(pg_get_indexdef(i.indexrelid), ' USING ivf ')) AS shape
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
      WHERE i.indrelid = target AND a.amname = 'ivf'
    )
    SELECT format('CREATE INDEX ON %s%s', target, w.shape) FROM (SELECT * FROM wanted EXCEPT SELECT * FROM present) w
  LOOP
    EXECUTE definition;
  END LOOP;
  FOR definition IN
    SELECT format('DROP INDEX %s', i.indexrelid::regclass)
    FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
    WHERE i.indrelid = target AND a.amname = 'ivf'
      AND NOT EXISTS (
        SELECT FROM pg_index h JOIN pg_class hc ON hc.oid = h.indexrelid
        WHERE h.indrelid = head AND hc.relam = c.relam
          AND substr(pg_get_indexdef(h.indexrelid), strpos(pg_get_indexdef(h.indexrelid), ' USING ivf '))
              = substr(pg_get_indexdef(i.indexrelid), strpos(pg_get_indexdef(i.indexrelid), ' USING ivf ')))
  LOOP
    EXECUTE definition;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._sync_indexes(regclass, regclass) IS 'gives a table the ivf indexes of another one';

-- New columns reach the history with what their default gave the rows of the table.
CREATE FUNCTION strata._sync_columns(head regclass, target regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  difference record;
BEGIN
  FOR difference IN
    SELECT a.attname, a.atthasmissing, a.attmissingval::text AS missing, a.attgenerated,
           format_type(a.atttypid, a.atttypmod) AS type, format_type(a.atttypid, NULL) AS bare_type,
           pg_get_expr(d.adbin, d.adrelid) AS value,
           (SELECT format('%I.%I', n.nspname, o.collname) FROM pg_collation o JOIN pg_namespace n ON n.oid = o.collnamespace
            WHERE o.oid = a.attcollation AND o.oid <> t.typcollation) AS collation
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE a.attrelid = head AND a.attnum > 0 AND NOT a.attisdropped
      AND NOT EXISTS (SELECT FROM pg_attribute x WHERE x.attrelid = target AND x.attname = a.attname AND NOT x.attisdropped)
    ORDER BY a.attnum
  LOOP
    EXECUTE format('ALTER TABLE %s ADD COLUMN %I %s%s%s', target, difference.attname, difference.type,
                   ' COLLATE ' || difference.collation,
                   CASE WHEN difference.attgenerated <> '' THEN format(' GENERATED ALWAYS AS (%s) STORED', difference.value)
                        WHEN difference.value IS NOT NULL THEN ' DEFAULT ' || difference.value ELSE '' END);
    IF difference.attgenerated <> '' THEN
      EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP EXPRESSION', target, difference.attname);
    ELSIF difference.value IS NOT NULL THEN
      EXECUTE format('ALTER TABLE %s ALTER COLUMN %I DROP DEFAULT', target, difference.attname);
    END IF;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._sync_columns(regclass, regclass) IS 'adds the columns that a history lacks';

-- The tables behind a branch are read with the reader's rights where the table has row-level security: its policies hold
-- for the rows of the branch, and a key that is gone is seen by whoever sees a row of that key. A policy that the branch
-- cannot have, since it speaks of a newer column, leaves the branch to the owner.
CREATE FUNCTION strata._sync_branch(head strata.versioned_table, version strata.version) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  secured boolean := (SELECT relrowsecurity FROM pg_class WHERE oid = head.relid);
  kinds text[] := CASE WHEN secured THEN '{SELECT}' ELSE '{}' END;
BEGIN
  BEGIN
    PERFORM strata._sync_policies(head.relid, version.delta);
  EXCEPTION WHEN undefined_column OR undefined_function OR datatype_mismatch THEN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', version.delta);
    kinds := '{}';
  END;
  IF secured <> (SELECT relrowsecurity FROM pg_class WHERE oid = version.gone) THEN
    IF secured THEN
      EXECUTE format('CREATE POLICY strata_key ON %1$s FOR SELECT USING (EXISTS (SELECT FROM %2$s t WHERE %4$s) OR EXISTS (SELECT FROM %3$s t WHERE %4$s))',
                     version.gone, head.relid, head.history,
                     strata._key_match(head.relid, 't', (SELECT quote_ident(relname) FROM pg_class WHERE oid = version.gone)));
    ELSE
      EXECUTE format('DROP POLICY strata_key ON %s', version.gone);
    END IF;
    EXECUTE format('ALTER TABLE %s %s ROW LEVEL SECURITY', version.gone, CASE WHEN secured THEN 'ENABLE' ELSE 'DISABLE' END);
  END IF;
  PERFORM strata._sync_privileges(head.relid, version.delta, kinds);
  PERFORM strata._sync_privileges(head.relid, version.gone, kinds);
END $$;
COMMENT ON FUNCTION strata._sync_branch(strata.versioned_table, strata.version) IS 'policies and privileges of the tables behind a branch';

CREATE FUNCTION strata._sync_table("table" regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  head_name name := (SELECT relname FROM pg_class WHERE oid = "table");
  version strata.version;
BEGIN
  IF head.is_head AND (SELECT relname FROM pg_class WHERE oid = head.history) <> head_name THEN
    EXECUTE format('ALTER TABLE %s RENAME TO %I', head.history, head_name);
  END IF;
  PERFORM strata._sync_columns(head.relid, head.history);
  PERFORM strata._sync_policies(head.relid, head.history);
  PERFORM strata._sync_privileges(head.relid, head.history,
            CASE WHEN (SELECT relrowsecurity FROM pg_class WHERE oid = head.relid) THEN '{SELECT}' ELSE '{}' END::text[]);
  PERFORM strata._sync_indexes(head.relid, head.history);
  FOR version IN SELECT * FROM strata.version v WHERE v.relid = head.relid AND v.ordinal IS NOT NULL AND v.state = 'live' LOOP
    PERFORM strata._sync_view(head, version);
    IF version.kind = 'branch' THEN PERFORM strata._sync_branch(head, version); END IF;
  END LOOP;
  FOR version IN
    SELECT v.* FROM strata.version v JOIN pg_class c ON c.oid = v.relid JOIN pg_class h ON h.oid = head.relid AND h.relowner = c.relowner
    WHERE head.is_head AND v.collection = head.collection AND v.ordinal IS NULL
  LOOP
    PERFORM strata._sync_content(head.relid, version.relid);
    PERFORM strata._sync_table(t.relid) FROM strata.versioned_table t WHERE t.relid = version.relid;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._sync_table(regclass) IS 'brings history and versions of a table in line with it';
