-- row tiers: rows of one table in two tablespaces, moved by a column that says how old they are, or by what is searched
--
-- The table stays the hot tier. The cold one inherits from it, so that a statement about the table reaches both, and
-- names, keys, privileges, policies and views stay what they are.

CREATE TABLE strata.row_tier (
  relation regclass CONSTRAINT row_tier_pkey PRIMARY KEY,
  cold regclass NOT NULL UNIQUE,
  by_column name,
  cold_after interval,
  batch_rows int NOT NULL CHECK (batch_rows BETWEEN 1 AND 1000000),
  batch_pause interval NOT NULL CHECK (batch_pause BETWEEN '0' AND '1 hour'),
  moved_rows bigint NOT NULL DEFAULT 0,
  returned_rows bigint NOT NULL DEFAULT 0,
  moved_at timestamptz,
  looked_at timestamptz,
  watched_since timestamptz,
  watched_blocks bigint
);
COMMENT ON TABLE strata.row_tier IS 'tables with row tiers; see the view strata.row_tiers';
COMMENT ON COLUMN strata.row_tier.by_column IS 'null: by access';
COMMENT ON COLUMN strata.row_tier.looked_at IS 'when nothing was left to move';
COMMENT ON COLUMN strata.row_tier.watched_since IS 'by access: since when searches are watched for rows of the first watched_blocks blocks';
SELECT pg_catalog.pg_extension_config_dump('strata.row_tier', '');
CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON strata.row_tier
  FOR EACH ROW EXECUTE FUNCTION strata._policy_guard();
ALTER TABLE strata.row_tier ENABLE ALWAYS TRIGGER guard;
GRANT SELECT, INSERT, UPDATE, DELETE ON strata.row_tier TO PUBLIC;

CREATE FUNCTION strata.tier_key() RETURNS trigger
  AS 'MODULE_PATHNAME', 'strata_tier_key' LANGUAGE C;
COMMENT ON FUNCTION strata.tier_key() IS 'keeps unique keys unique in both tiers of a table';
CREATE FUNCTION strata._move_rows("from" regclass, "to" regclass, rows tid[]) RETURNS bigint
  AS 'MODULE_PATHNAME', 'strata_move_rows' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata._move_rows(regclass, regclass, tid[]) IS 'moves rows that are locked from one tier of a table to the other; returns their number';

CREATE FUNCTION strata._tier_keys("table" regclass) RETURNS TABLE (index regclass, columns name[])
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT i.indexrelid, ARRAY(SELECT a.attname FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, number)
                             JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
                             WHERE k.number <= i.indnkeyatts ORDER BY k.number)
  FROM pg_index i WHERE i.indrelid = "table" AND i.indisunique AND i.indisvalid $$;
COMMENT ON FUNCTION strata._tier_keys(regclass) IS 'unique indexes of a table and their columns';

CREATE FUNCTION strata._tier_refusals("table" regclass) RETURNS TABLE (object text, consequence text)
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT format('table %s', c.oid::regclass), r.reason
  FROM pg_class c, LATERAL (VALUES
    (c.relkind = 'p', 'it is partitioned: give its partitions tablespaces'),
    (c.relkind NOT IN ('r', 'p'), 'it is no table'),
    (c.relispartition, 'it is a partition'),
    (c.relpersistence <> 'p', 'it is temporary or unlogged'),
    (c.reloftype <> 0, 'it is a typed table'),
    (c.relforcerowsecurity, 'policies that its owner is under would keep rows from being moved'),
    (c.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'strata'::regnamespace), 'it belongs to the system'),
    (EXISTS (SELECT FROM pg_inherits WHERE "table" IN (inhrelid, inhparent)) AND NOT c.relispartition AND c.relkind <> 'p',
     'it inherits, or is inherited from'),
    (EXISTS (SELECT FROM strata.versioned_table t WHERE "table" IN (t.relid, t.history))
     OR EXISTS (SELECT FROM strata.version v WHERE "table" IN (v.relid, v.delta, v.gone)), 'it has versions, whose triggers see one tier only'),
    (EXISTS (SELECT FROM pg_trigger WHERE tgrelid = "table" AND tgname ~ '^zzz_strata_dedup'), 'it is de-duplicated, and the gate would forget rows that move'),
    (EXISTS (SELECT FROM pg_publication_rel WHERE prrelid = "table"), 'a publication names it: rows that move would be lost to its subscribers'),
    (EXISTS (SELECT FROM pg_rewrite WHERE ev_class = "table" AND rulename <> '_RETURN'), 'it has rules')) AS r(holds, reason)
  WHERE c.oid = "table" AND r.holds
  UNION ALL
  SELECT format('foreign key "%s" of %s', conname, conrelid::regclass), 'rows that it points to would leave the tier it looks into'
  FROM pg_constraint WHERE contype = 'f' AND confrelid = "table" AND conparentid = 0
  UNION ALL
  SELECT format('constraint "%s"', conname), 'it would hold within each tier only'
  FROM pg_constraint WHERE conrelid = "table" AND (contype = 'x' OR contype IN ('u', 'p') AND condeferrable)
  UNION ALL
  SELECT format('unique index "%s"', x.relname), 'it would hold within each tier only, since it is partial, on expressions, or takes NULLs for equal'
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
  WHERE i.indrelid = "table" AND i.indisunique
    AND (i.indpred IS NOT NULL OR i.indexprs IS NOT NULL OR pg_get_indexdef(i.indexrelid) ~ ' NULLS NOT DISTINCT')
  UNION ALL
  SELECT format('trigger "%s"', tgname), 'row-level triggers with transition tables cannot be carried to the cold tier'
  FROM pg_trigger WHERE tgrelid = "table" AND tgtype & 1 = 1 AND (tgoldtable IS NOT NULL OR tgnewtable IS NOT NULL) $$;
COMMENT ON FUNCTION strata._tier_refusals(regclass) IS 'why a table cannot have row tiers';

CREATE FUNCTION strata._tier_effects("table" regclass, by_column name) RETURNS TABLE (effect text, object text, consequence text)
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT 'refused', r.* FROM strata._tier_refusals("table") r
  UNION ALL
  SELECT 'changes', format('unique key (%s)', array_to_string(k.columns, ', ')),
         'each tier has an index for it; a trigger keeps keys unique over both: a new key costs a look into the cold tier, and COPY enters rows one by one'
  FROM strata._tier_keys("table") k
  UNION ALL
  SELECT 'changes', format('foreign key "%s"', conname), 'the cold tier gets one like it' FROM pg_constraint WHERE conrelid = "table" AND contype = 'f'
  UNION ALL
  SELECT 'changes', format('trigger "%s"', tgname), 'the cold tier gets one like it; it does not fire for rows that move'
  FROM pg_trigger WHERE tgrelid = "table" AND NOT tgisinternal AND tgtype & 1 = 1 AND tgtype & 24 <> 0
  UNION ALL
  SELECT 'changes', format('column "%s"', by_column), 'no index begins with it: each batch of rows to move is looked for in the whole table'
  WHERE by_column IS NOT NULL
    AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
                    JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                    WHERE i.indrelid = "table" AND a.attname = by_column AND m.amname IN ('btree', 'brin') AND i.indpred IS NULL)
  UNION ALL
  SELECT 'changes', format('publication "%s"', pubname), 'a row that moves is a DELETE and an INSERT into another table, which subscribers need, too'
  FROM pg_publication WHERE puballtables
  UNION ALL
  SELECT 'changes', v.object, v.consequence FROM (VALUES
    (CASE WHEN by_column IS NULL THEN 'access' END, 'is known of parts of the table, not of rows: a part in which no sampled search found a row for as long as cold_after is cold'),
    ('COPY ... TO', 'writes the hot tier; COPY (SELECT * FROM ...) TO writes all rows'),
    ('SELECT ... FROM ONLY', 'reads the hot tier'),
    ('VACUUM, REINDEX, CLUSTER, CREATE INDEX', 'reach the hot tier; autovacuum takes care of both, and a new index is made for the cold one with the next run'),
    ('UPDATE, DELETE', 'that meets a row on its way ends with SQLSTATE 40001: try it again'),
    ('new foreign keys to the table', 'see the hot tier only')) AS v(object, consequence)
  WHERE v.object IS NOT NULL
  UNION ALL
  SELECT 'stays', 'INSERT, ON CONFLICT, COPY ... FROM, SELECT *, views, privileges, policies, columns, defaults, identity, sequences, pg_dump', 'as they are' $$;
COMMENT ON FUNCTION strata._tier_effects(regclass, name) IS 'what row tiers mean for a table';

CREATE FUNCTION strata._require_no_refusal("table" regclass) RETURNS void
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  reasons text := (SELECT string_agg(r.object || ': ' || r.consequence, E'\n' ORDER BY r.object, r.consequence) FROM strata._tier_refusals("table") r);
BEGIN
  IF reasons IS NOT NULL THEN
    RAISE EXCEPTION 'table "%" cannot have row tiers', "table" USING ERRCODE = 'feature_not_supported', DETAIL = reasons,
      HINT = 'strata.enable_row_tiers(..., dry_run => true) lists all that row tiers mean for it.';
  END IF;
END $$;
COMMENT ON FUNCTION strata._require_no_refusal(regclass) IS 'error when a table cannot have row tiers';

CREATE FUNCTION strata._ivf_indexes("table" regclass) RETURNS SETOF regclass
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT i.indexrelid FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am m ON m.oid = c.relam
  WHERE i.indrelid = "table" AND i.indisvalid AND m.amname = 'ivf' $$;
COMMENT ON FUNCTION strata._ivf_indexes(regclass) IS 'the ivf indexes of a table';

-- A column of that name goes before the word.
CREATE FUNCTION strata._tier_column("table" regclass, by name) RETURNS name
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT CASE WHEN by <> 'access' OR EXISTS (SELECT FROM pg_attribute WHERE attrelid = "table" AND attname = by AND attnum > 0 AND NOT attisdropped)
         THEN by END $$;
COMMENT ON FUNCTION strata._tier_column(regclass, name) IS 'the column by which rows are moved; null: by access';

CREATE FUNCTION strata._check_tier_arguments(
    "table" regclass, by_column name, cold_after interval, batch_rows int, batch_pause interval) RETURNS void
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  type oid := (SELECT atttypid FROM pg_attribute WHERE attrelid = "table" AND attname = by_column AND attnum > 0 AND NOT attisdropped);
BEGIN
  IF by_column IS NULL THEN
    IF NOT EXISTS (SELECT FROM strata._ivf_indexes("table")) THEN
      RAISE EXCEPTION 'table "%" has no ivf index: nobody knows what is searched', "table" USING ERRCODE = 'object_not_in_prerequisite_state',
        HINT = 'Move its rows by a column, or create the index first.';
    END IF;
  ELSIF type IS NULL THEN
    RAISE EXCEPTION 'table "%" has no column "%"', "table", by_column USING ERRCODE = 'undefined_column',
      HINT = 'Rows are moved by a column of type timestamptz, timestamp or date, or by access.';
  ELSIF type NOT IN ('timestamptz'::regtype, 'timestamp'::regtype, 'date'::regtype) THEN
    RAISE EXCEPTION 'column "%" is of type %, not timestamptz, timestamp or date', by_column, type::regtype USING ERRCODE = 'datatype_mismatch';
  END IF;
  IF cold_after < interval '0' OR batch_rows IS NULL OR batch_rows NOT BETWEEN 1 AND 1000000
        OR batch_pause IS NULL OR batch_pause NOT BETWEEN interval '0' AND interval '1 hour' THEN
    RAISE EXCEPTION 'cold_after may not be negative, batch_rows is in 1 .. 1000000, batch_pause in 0 .. 1 hour' USING ERRCODE = 'invalid_parameter_value';
  END IF;
END $$;
COMMENT ON FUNCTION strata._check_tier_arguments(regclass, name, interval, int, interval) IS 'error when row tiers are asked for in a way that makes no sense';

CREATE FUNCTION strata.enable_row_tiers(
    "table" regclass, cold_tablespace name, by name, cold_after interval, batch_rows int DEFAULT 1000,
    batch_pause interval DEFAULT '100 ms', cold_table name DEFAULT NULL, dry_run boolean DEFAULT false)
  RETURNS TABLE (effect text, object text, consequence text)
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  by_column name := strata._tier_column("table", by);
BEGIN
  IF by IS NULL THEN
    RAISE EXCEPTION 'by must not be null' USING ERRCODE = 'null_value_not_allowed', HINT = 'Name a column, or access.';
  END IF;
  PERFORM strata._check_tier_arguments("table", by_column, cold_after, batch_rows, batch_pause);
  RETURN QUERY SELECT e.* FROM strata._tier_effects("table", by_column) e;
  IF NOT dry_run THEN
    PERFORM strata._make_row_tiers("table", cold_tablespace, by_column, cold_after, batch_rows, batch_pause, cold_table);
  END IF;
END $$;
COMMENT ON FUNCTION strata.enable_row_tiers(regclass, name, name, interval, int, interval, name, boolean) IS
  'gives a table a cold tier in another tablespace, to which rows are moved whose column "by" is older than cold_after, or with by => access those that no search has found for so long; returns what that means, with dry_run without doing it';

CREATE FUNCTION strata._make_row_tiers(
    "table" regclass, cold_tablespace name, by_column name, cold_after interval, batch_rows int, batch_pause interval, cold_table name) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata._make_row_tiers(regclass, name, name, interval, int, interval, name) IS 'does what strata.enable_row_tiers() says, as the owner of the table';

CREATE FUNCTION strata.__make_row_tiers(
    "table" regclass, cold_tablespace name, by_column name, cold_after interval, batch_rows int, batch_pause interval, cold_table name) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  class pg_class;
  cold text;
  cold_oid regclass;
BEGIN
  IF EXISTS (SELECT FROM strata.row_tier t WHERE t.relation = "table") THEN
    RAISE EXCEPTION 'table "%" has row tiers already', "table" USING ERRCODE = 'duplicate_object',
      HINT = 'strata.set_row_tiers() changes when its rows are moved.';
  END IF;
  DELETE FROM strata.row_tier t WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = t.relation);
  PERFORM strata._lock_table("table", 'ACCESS EXCLUSIVE');
  PERFORM strata._require_no_refusal("table");
  SELECT * INTO class FROM pg_class WHERE oid = "table";
  IF cold_tablespace IS NULL THEN
    RAISE EXCEPTION 'cold_tablespace must not be null' USING ERRCODE = 'null_value_not_allowed', HINT = 'The cold tier may be in pg_default, too.';
  END IF;
  cold := format('%I.%I', (SELECT nspname FROM pg_namespace WHERE oid = class.relnamespace), coalesce(cold_table, left(class.relname, 58) || '_cold'));
  PERFORM set_config('default_tablespace', cold_tablespace, true);
  EXECUTE format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY) TABLESPACE %I', cold, "table", cold_tablespace);
  cold_oid := cold::regclass;
  PERFORM strata._keep_private(cold_oid);
  EXECUTE format('COMMENT ON TABLE %s IS %L', cold, format('cold tier of %s; kept by strata', "table"));
  EXECUTE format('ALTER TABLE %s INHERIT %s', cold, "table");
  INSERT INTO strata.row_tier VALUES ("table", cold_oid, by_column, cold_after, batch_rows, batch_pause);
  PERFORM strata._sync_tiers("table");
  PERFORM strata._request_visit();
END $$;
COMMENT ON FUNCTION strata.__make_row_tiers(regclass, name, name, interval, int, interval, name) IS 'implementation of strata._make_row_tiers()';

-- The policies and privileges of the table are asked when it is read through the table; nobody needs more.
CREATE FUNCTION strata._keep_private(cold regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  grantee oid;
BEGIN
  FOR grantee IN SELECT DISTINCT a.grantee FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = cold AND a.grantee <> c.relowner LOOP
    EXECUTE format('REVOKE ALL ON TABLE %s FROM %s CASCADE', cold, CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END);
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._keep_private(regclass) IS 'takes back what default privileges gave';

CREATE FUNCTION strata._statement_for(statement text, head text, "from" regclass, "to" regclass) RETURNS text
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  place int := strpos(substr(statement, length(head) + 1), format(' ON %s ', "from"));
BEGIN
  IF place = 0 OR NOT starts_with(statement, head) THEN
    RAISE EXCEPTION 'could not carry to the cold tier: %', statement USING ERRCODE = 'feature_not_supported';
  END IF;
  RETURN substr(statement, 1, length(head) + place - 1) || format(' ON %s ', "to")
         || substr(statement, length(head) + place + length(format(' ON %s ', "from")));
END $$;
COMMENT ON FUNCTION strata._statement_for(text, text, regclass, regclass) IS 'a statement that begins with head, about another table';

-- Makes what the cold tier lacks. Repeated before rows are moved, as the table may have got indexes or triggers since.
CREATE FUNCTION strata._sync_tiers("table" regclass) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  tier strata.row_tier;
  space name;
  statement text;
  keys name[];
  clash boolean;
BEGIN
  SELECT * INTO STRICT tier FROM strata.row_tier t WHERE t.relation = "table";
  IF NOT EXISTS (SELECT FROM pg_class WHERE oid = tier.cold) THEN
    RAISE EXCEPTION 'the cold tier of table "%" was dropped', "table" USING ERRCODE = 'object_not_in_prerequisite_state',
      HINT = 'Use strata.disable_row_tiers().';
  ELSIF (SELECT relowner FROM pg_class WHERE oid = tier.cold) <> (SELECT relowner FROM pg_class WHERE oid = "table") THEN
    RAISE EXCEPTION 'tiers "%" and "%" have different owners', "table", tier.cold USING ERRCODE = 'object_not_in_prerequisite_state',
      HINT = format('ALTER TABLE %s OWNER TO %s.', tier.cold, (SELECT relowner::regrole FROM pg_class WHERE oid = "table"));
  ELSIF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = tier.cold AND inhparent = "table") THEN
    RAISE EXCEPTION 'table "%" is not the cold tier of "%" any more', tier.cold, "table" USING ERRCODE = 'object_not_in_prerequisite_state',
      HINT = format('ALTER TABLE %s INHERIT %s.', tier.cold, "table");
  END IF;
  space := (SELECT coalesce(s.spcname, (SELECT d.spcname FROM pg_database b JOIN pg_tablespace d ON d.oid = b.dattablespace WHERE b.datname = current_database()))
            FROM pg_class c LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace WHERE c.oid = tier.cold);
  PERFORM set_config('default_tablespace', space, true);
  -- Indexes, by what follows the name of the table.
  FOR statement, keys IN
    WITH shape AS (
      SELECT i.indrelid, i.indexrelid, x.relname, i.indisunique, pg_get_indexdef(i.indexrelid) AS definition,
             regexp_replace(substr(pg_get_indexdef(i.indexrelid), length(format('CREATE %sINDEX %I ON %s ', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, x.relname, i.indrelid::regclass)) + 1), '^ONLY ', '') AS rest
      FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid IN ("table", tier.cold) AND i.indisvalid)
    SELECT format('CREATE %sINDEX ON %s %s', CASE WHEN h.indisunique THEN 'UNIQUE ' ELSE '' END, tier.cold, h.rest),
           (SELECT k.columns FROM strata._tier_keys("table") k WHERE k.index = h.indexrelid)
    FROM shape h WHERE h.indrelid = "table"
      AND NOT EXISTS (SELECT FROM shape c WHERE c.indrelid = tier.cold AND c.rest = h.rest AND (c.indisunique OR NOT h.indisunique))
  LOOP
    EXECUTE statement;
    CONTINUE WHEN keys IS NULL;
    EXECUTE format('SELECT EXISTS (SELECT FROM ONLY %s JOIN %s USING (%s))', "table", tier.cold, (SELECT string_agg(quote_ident(k), ', ') FROM unnest(keys) k))
      INTO clash;
    IF clash THEN
      RAISE EXCEPTION 'rows of both tiers of "%" have the same key (%)', "table", array_to_string(keys, ', ') USING ERRCODE = 'unique_violation',
        HINT = 'The table has got a unique index that its cold tier does not meet.';
    END IF;
  END LOOP;
  FOR statement IN
    SELECT format('ALTER INDEX %s SET TABLESPACE %I', i.indexrelid::regclass, space) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
    WHERE i.indrelid = tier.cold AND x.reltablespace <> (SELECT reltablespace FROM pg_class WHERE oid = tier.cold)
    UNION ALL
    SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s', tier.cold, h.conname, pg_get_constraintdef(h.oid)) FROM pg_constraint h
    WHERE h.conrelid = "table" AND h.contype = 'f' AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conrelid = tier.cold AND c.conname = h.conname)
    UNION ALL
    SELECT strata._statement_for(pg_get_triggerdef(h.oid), format('CREATE %sTRIGGER %I', CASE WHEN h.tgconstraint <> 0 THEN 'CONSTRAINT ' ELSE '' END, h.tgname), "table", tier.cold)
    FROM pg_trigger h
    WHERE h.tgrelid = "table" AND NOT h.tgisinternal AND h.tgtype & 1 = 1 AND h.tgtype & 24 <> 0 AND h.tgname !~ '^~strata_tier_'
      AND NOT EXISTS (SELECT FROM pg_trigger c WHERE c.tgrelid = tier.cold AND c.tgname = h.tgname)
    UNION ALL
    SELECT format('ALTER TABLE %s %s TRIGGER %I', tier.cold, CASE h.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, h.tgname)
    FROM pg_trigger h LEFT JOIN pg_trigger c ON c.tgrelid = tier.cold AND c.tgname = h.tgname
    WHERE h.tgrelid = "table" AND NOT h.tgisinternal AND h.tgtype & 1 = 1 AND h.tgtype & 24 <> 0 AND h.tgname !~ '^~strata_tier_'
      AND h.tgenabled <> 'O' AND c.tgenabled IS DISTINCT FROM h.tgenabled
    UNION ALL
    SELECT format('CREATE TRIGGER %I %s ON %s FOR EACH ROW EXECUTE FUNCTION strata.tier_key()', t.name, t.events, t.target)
    FROM (VALUES ('~strata_tier_keys', 'BEFORE INSERT OR UPDATE', "table"), ('~strata_tier_check', 'AFTER INSERT OR UPDATE', "table"),
                 ('~strata_tier_check', 'AFTER INSERT OR UPDATE', tier.cold)) AS t(name, events, target)
    WHERE EXISTS (SELECT FROM strata._tier_keys("table")) AND NOT EXISTS (SELECT FROM pg_trigger c WHERE c.tgrelid = t.target AND c.tgname = t.name)
  LOOP
    EXECUTE statement;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._sync_tiers(regclass) IS 'gives the cold tier of a table the indexes, foreign keys and triggers that it lacks';

CREATE FUNCTION strata.disable_row_tiers("table" regclass) RETURNS bigint
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata.disable_row_tiers(regclass) IS 'moves all rows back and drops the cold tier of a table, in one transaction; returns the rows';

CREATE FUNCTION strata._disable_row_tiers("table" regclass) RETURNS bigint
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = off
  AS $$
DECLARE
  tier strata.row_tier := strata._row_tier("table");
  rows tid[];
  result bigint := 0;
BEGIN
  PERFORM strata._lock_table("table", 'ACCESS EXCLUSIVE');
  WHILE EXISTS (SELECT FROM pg_class WHERE oid = tier.cold) LOOP
    PERFORM strata._lock_table(tier.cold, 'ACCESS EXCLUSIVE');
    EXECUTE format('SELECT array_agg(c) FROM (SELECT ctid AS c FROM %s LIMIT 100000) x', tier.cold) INTO rows;
    EXIT WHEN rows IS NULL;
    result := result + strata._move_rows(tier.cold, "table", rows);
  END LOOP;
  IF EXISTS (SELECT FROM pg_class WHERE oid = tier.cold) THEN EXECUTE format('DROP TABLE %s', tier.cold); END IF;
  EXECUTE format('DROP TRIGGER IF EXISTS "~strata_tier_keys" ON %s', "table");
  EXECUTE format('DROP TRIGGER IF EXISTS "~strata_tier_check" ON %s', "table");
  DELETE FROM strata.row_tier t WHERE t.relation = "table";
  RETURN result;
END $$;
COMMENT ON FUNCTION strata._disable_row_tiers(regclass) IS 'implementation of strata.disable_row_tiers()';

CREATE FUNCTION strata._row_tier("table" regclass) RETURNS strata.row_tier
  LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  tier strata.row_tier;
BEGIN
  SELECT * INTO tier FROM strata.row_tier t WHERE t.relation = "table";
  IF NOT FOUND THEN
    RAISE EXCEPTION 'table "%" has no row tiers', "table" USING ERRCODE = 'undefined_object', HINT = 'Use strata.enable_row_tiers().';
  END IF;
  RETURN tier;
END $$;
COMMENT ON FUNCTION strata._row_tier(regclass) IS 'the tiers of a table; error when it has none';

CREATE FUNCTION strata.set_row_tiers(
    "table" regclass, by name DEFAULT NULL, cold_after interval DEFAULT NULL, batch_rows int DEFAULT NULL, batch_pause interval DEFAULT NULL) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata.set_row_tiers(regclass, name, interval, int, interval) IS
  'changes when and how rows of a table with row tiers are moved; nulls stay as they are';

CREATE FUNCTION strata._set_row_tiers("table" regclass, by name, cold_after interval, batch_rows int, batch_pause interval) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  tier strata.row_tier := strata._row_tier("table");
BEGIN
  IF by IS NOT NULL THEN tier.by_column := strata._tier_column("table", by); END IF;
  tier.cold_after := coalesce(cold_after, tier.cold_after);
  tier.batch_rows := coalesce(batch_rows, tier.batch_rows);
  tier.batch_pause := coalesce(batch_pause, tier.batch_pause);
  PERFORM strata._check_tier_arguments("table", tier.by_column, tier.cold_after, tier.batch_rows, tier.batch_pause);
  UPDATE strata.row_tier t SET (by_column, cold_after, batch_rows, batch_pause, looked_at, watched_since)
    = (tier.by_column, tier.cold_after, tier.batch_rows, tier.batch_pause, NULL, CASE WHEN by IS NULL THEN t.watched_since END) WHERE t.relation = "table";
  PERFORM strata._request_visit();
END $$;
COMMENT ON FUNCTION strata._set_row_tiers(regclass, name, interval, int, interval) IS 'implementation of strata.set_row_tiers()';

-- One batch: rows that have become old, else rows that have become young again. Rows that others have locked are left
-- for a later one.
CREATE FUNCTION strata._move_for_owner("table" regclass) RETURNS int
  AS 'MODULE_PATHNAME', 'strata_version_service' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata._move_for_owner(regclass) IS 'moves a batch of rows between the tiers of a table, as its owner; returns the milliseconds to wait before the next one, null when nothing was moved';
REVOKE ALL ON FUNCTION strata._move_for_owner(regclass) FROM PUBLIC;
CREATE FUNCTION strata._move_batch("table" regclass) RETURNS int
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata._move_batch(regclass) IS 'the same for the owner of the table';
CREATE FUNCTION strata.__move_batch("table" regclass) RETURNS int
  LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
  AS 'SELECT strata._move_some("table", true)';
COMMENT ON FUNCTION strata.__move_batch(regclass) IS 'implementation of strata._move_batch()';

CREATE FUNCTION strata.__move_for_owner("table" regclass) RETURNS int
  LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
  AS 'SELECT strata._move_some("table", false)';
COMMENT ON FUNCTION strata.__move_for_owner(regclass) IS 'implementation of strata._move_for_owner()';

-- Rows of the hot tier that have grown old, else rows of the cold one that have become young again, locked.
CREATE FUNCTION strata._rows_by_column(tier strata.row_tier, OUT rows tid[], OUT is_return boolean)
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = off
  AS $$
DECLARE
  border text := format('(now() - $1)::%s', (SELECT format_type(atttypid, NULL) FROM pg_attribute
                                             WHERE attrelid = tier.relation AND attname = tier.by_column AND NOT attisdropped));
BEGIN
  is_return := false;
  EXECUTE format('SELECT array_agg(c) FROM (SELECT ctid AS c FROM ONLY %s WHERE %I < %s LIMIT $2 FOR UPDATE SKIP LOCKED) x', tier.relation, tier.by_column, border)
    INTO rows USING tier.cold_after, tier.batch_rows;
  IF rows IS NULL THEN
    is_return := true;
    EXECUTE format('SELECT array_agg(c) FROM (SELECT ctid AS c FROM ONLY %s WHERE %I >= %s LIMIT $2 FOR UPDATE SKIP LOCKED) x', tier.cold, tier.by_column, border)
      INTO rows USING tier.cold_after, tier.batch_rows;
  END IF;
END $$;
COMMENT ON FUNCTION strata._rows_by_column(strata.row_tier) IS 'a batch of rows to move, by the column that says how old they are';

-- Parts of the hot tier, as strata.stat_access_ranges has them, where no sampled search found a row since they are
-- watched; else parts of the cold one that searches find rows in four times as often as in others. Nothing when too few
-- searches were sampled to tell: eight rows a part.
CREATE FUNCTION strata._rows_by_access(tier strata.row_tier, OUT rows tid[], OUT is_return boolean)
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = off
  AS $$
DECLARE
  part record;
  more tid[];
BEGIN
  FOR part IN
    WITH hot AS MATERIALIZED (
      SELECT r.* FROM strata._ivf_indexes(tier.relation) i, LATERAL strata.list_access_ranges(i) r
    ), cold AS MATERIALIZED (
      SELECT r.* FROM strata._ivf_indexes(tier.cold) i, LATERAL strata.list_access_ranges(i) r
    ), width AS (
      SELECT min(last_block - first_block + 1) AS blocks, sum(samples) AS samples FROM hot
    )
    SELECT false AS is_return, b AS first_block, b + w.blocks - 1 AS last_block
    FROM width w, generate_series(0, tier.watched_blocks - 1, w.blocks) b
    WHERE w.samples >= 8 * ceil(tier.watched_blocks::numeric / w.blocks)
      AND NOT EXISTS (SELECT FROM hot h WHERE h.first_block < b + w.blocks AND h.last_block >= b)
    UNION ALL
    SELECT true, c.first_block, c.last_block FROM cold c, LATERAL (SELECT count(*) AS parts, sum(samples) AS samples FROM cold) a
    WHERE c.samples >= 8 AND c.samples * least(64, ceil(pg_relation_size(tier.cold)::numeric / current_setting('block_size')::int / (c.last_block - c.first_block + 1))) >= 4 * a.samples
    ORDER BY 1, 2
  LOOP
    EXIT WHEN cardinality(rows) >= tier.batch_rows OR part.is_return AND NOT is_return AND rows IS NOT NULL;
    is_return := part.is_return;
    EXECUTE format('SELECT array_agg(c) FROM (SELECT ctid AS c FROM ONLY %s WHERE ctid >= %L AND ctid < %L LIMIT $1 FOR UPDATE SKIP LOCKED) x',
                   CASE WHEN is_return THEN tier.cold ELSE tier.relation END, format('(%s,0)', part.first_block), format('(%s,0)', part.last_block + 1))
      INTO more USING tier.batch_rows - coalesce(cardinality(rows), 0);
    rows := rows || more;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata._rows_by_access(strata.row_tier) IS 'a batch of rows to move, by what searches find';

-- What was counted is lost when the server ends; then the watch begins anew.
CREATE FUNCTION strata._watch_over(tier strata.row_tier) RETURNS boolean
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$SELECT coalesce(tier.watched_since >= pg_postmaster_start_time() AND tier.watched_since + tier.cold_after <= clock_timestamp(), false)$$;
COMMENT ON FUNCTION strata._watch_over(strata.row_tier) IS 'whether searches were watched for long enough to tell which parts are cold';

CREATE FUNCTION strata._move_some("table" regclass, wait boolean) RETURNS int
  -- Policies must not keep rows where they are silently.
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = off
  AS $$
DECLARE
  tier strata.row_tier := strata._row_tier("table");
  rows tid[];
  is_return boolean;
  moved bigint := 0;
  returned bigint := 0;
BEGIN
  PERFORM strata._check_tier_arguments("table", tier.by_column, tier.cold_after, tier.batch_rows, tier.batch_pause);
  IF tier.cold_after IS NULL THEN RETURN NULL; END IF;
  -- One mover at a time: two would only wait for each other.
  IF wait THEN
    PERFORM pg_advisory_xact_lock('strata.row_tier'::regclass::oid::int, "table"::oid::int);
  ELSIF NOT pg_try_advisory_xact_lock('strata.row_tier'::regclass::oid::int, "table"::oid::int) THEN
    RETURN NULL;
  END IF;
  PERFORM strata._sync_tiers("table");
  BEGIN
    IF tier.by_column IS NOT NULL THEN
      SELECT * INTO rows, is_return FROM strata._rows_by_column(tier);
    ELSIF strata._watch_over(tier) THEN
      SELECT * INTO rows, is_return FROM strata._rows_by_access(tier);
    END IF;
    IF rows IS NOT NULL AND NOT is_return THEN
      moved := strata._move_rows("table", tier.cold, rows);
    ELSIF rows IS NOT NULL THEN
      returned := strata._move_rows(tier.cold, "table", rows);
    END IF;
  EXCEPTION WHEN serialization_failure OR deadlock_detected THEN
    -- A writer came in between: the batch is tried again.
    RETURN extract(epoch FROM tier.batch_pause) * 1000 + 10;
  END;
  -- Rows come and go: what is left is watched for another time.
  IF tier.by_column IS NULL AND rows IS NULL AND (tier.watched_since IS NULL OR tier.watched_since < pg_postmaster_start_time() OR strata._watch_over(tier)) THEN
    UPDATE strata.row_tier t SET watched_since = clock_timestamp(), watched_blocks = pg_relation_size("table") / current_setting('block_size')::int
    WHERE t.relation = "table";
  END IF;
  UPDATE strata.row_tier t
  SET moved_rows = t.moved_rows + moved, returned_rows = t.returned_rows + returned,
      moved_at = CASE WHEN rows IS NULL THEN t.moved_at ELSE clock_timestamp() END,
      looked_at = CASE WHEN rows IS NULL THEN clock_timestamp() ELSE t.looked_at END
  WHERE t.relation = "table";
  RETURN CASE WHEN moved + returned > 0 THEN extract(epoch FROM tier.batch_pause) * 1000 END;
END $$;
COMMENT ON FUNCTION strata._move_some(regclass, boolean) IS 'moves a batch of rows; unless it may wait, leaves it to another session that is at it';

CREATE FUNCTION strata._show_task("table" regclass, task text) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_show_task' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata._show_task(regclass, text) IS 'shows a task on a table in strata.progress; null: its end';

CREATE PROCEDURE strata.run_row_tiering("table" regclass)
  LANGUAGE plpgsql
  AS $$
DECLARE
  pause int;
BEGIN
  LOOP
    PERFORM strata._show_task("table", 'move');
    pause := strata._move_batch("table");
    COMMIT;
    EXIT WHEN pause IS NULL;
    PERFORM pg_catalog.pg_sleep(pause / 1000.0);
  END LOOP;
  PERFORM strata._show_task(NULL, NULL);
END $$;
COMMENT ON PROCEDURE strata.run_row_tiering(regclass) IS 'moves all rows between the tiers of a table that are in the wrong one, batch by batch, each a transaction';

CREATE VIEW strata.row_tiers AS
  SELECT t.relation AS "table", t.cold AS cold_table, coalesce(s.spcname, d.spcname) AS cold_tablespace, coalesce(t.by_column, 'access') AS by, t.cold_after,
         t.batch_rows, t.batch_pause, greatest(h.reltuples, 0)::bigint AS hot_rows, greatest(c.reltuples, 0)::bigint AS cold_rows,
         pg_catalog.pg_total_relation_size(t.relation) AS hot_bytes, pg_catalog.pg_total_relation_size(t.cold) AS cold_bytes,
         t.moved_rows, t.returned_rows, t.moved_at, t.looked_at,
         CASE WHEN t.by_column IS NULL THEN t.watched_since END AS watched_since
  FROM strata.row_tier t
  JOIN pg_catalog.pg_class h ON h.oid = t.relation JOIN pg_catalog.pg_class c ON c.oid = t.cold
  JOIN pg_catalog.pg_database b ON b.datname = pg_catalog.current_database() JOIN pg_catalog.pg_tablespace d ON d.oid = b.dattablespace
  LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
  WHERE pg_catalog.has_table_privilege(t.relation, 'SELECT');
COMMENT ON VIEW strata.row_tiers IS 'tables with row tiers that may be read';
COMMENT ON COLUMN strata.row_tiers."table" IS 'the table, which holds the hot rows itself';
COMMENT ON COLUMN strata.row_tiers.cold_table IS 'where its cold rows are';
COMMENT ON COLUMN strata.row_tiers.by IS 'the column that says how old a row is; access: what searches find';
COMMENT ON COLUMN strata.row_tiers.cold_after IS 'age from which on rows are cold; null: none is moved';
COMMENT ON COLUMN strata.row_tiers.batch_rows IS 'rows moved in one transaction';
COMMENT ON COLUMN strata.row_tiers.batch_pause IS 'wait between two of them';
COMMENT ON COLUMN strata.row_tiers.hot_rows IS 'as counted by VACUUM or ANALYZE';
COMMENT ON COLUMN strata.row_tiers.cold_rows IS 'as counted by VACUUM or ANALYZE';
COMMENT ON COLUMN strata.row_tiers.moved_rows IS 'rows ever moved to the cold tier';
COMMENT ON COLUMN strata.row_tiers.returned_rows IS 'rows ever moved back, since they had become young again';
COMMENT ON COLUMN strata.row_tiers.moved_at IS 'when a batch was moved last';
COMMENT ON COLUMN strata.row_tiers.looked_at IS 'when nothing was left to move';
COMMENT ON COLUMN strata.row_tiers.watched_since IS 'by access: since when searches are watched; after cold_after rows move, and the watch begins anew';
GRANT SELECT ON strata.row_tiers TO PUBLIC;
