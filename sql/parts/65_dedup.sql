-- de-duplication: a gate in front of a table's column of vectors

CREATE TYPE strata.dedup_settings AS (
  mode text, epsilon double precision, ttl interval, on_duplicate text, refresh boolean, normalized boolean,
  distance text, secret bytea);
COMMENT ON TYPE strata.dedup_settings IS 'how a registry of strata.set_dedup is kept; the secret keys its hashes';

CREATE FUNCTION strata.dedup_gate() RETURNS trigger
  AS 'MODULE_PATHNAME', 'strata_dedup_gate' LANGUAGE C;
COMMENT ON FUNCTION strata.dedup_gate() IS 'triggers of tables with a gate; made by strata.set_dedup';

CREATE FUNCTION strata.dedup_settle(registry regclass, vector) RETURNS boolean
  AS 'MODULE_PATHNAME', 'strata_dedup_settle' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1;
COMMENT ON FUNCTION strata.dedup_settle(regclass, vector) IS 'condition of a trigger of strata.set_dedup: notes that a row was stored; always false';
CREATE FUNCTION strata.dedup_settle(registry regclass, halfvec) RETURNS boolean
  AS 'MODULE_PATHNAME', 'strata_dedup_settle' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 1;
COMMENT ON FUNCTION strata.dedup_settle(regclass, halfvec) IS 'condition of a trigger of strata.set_dedup: notes that a row was stored; always false';

CREATE FUNCTION strata.vector_hash(vector, normalized boolean DEFAULT false, secret bytea DEFAULT NULL) RETURNS uuid
  AS 'MODULE_PATHNAME', 'strata_dedup_vector_hash' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 5;
COMMENT ON FUNCTION strata.vector_hash(vector, boolean, bytea) IS
  'SipHash-2-4 of 128 bits over the elements; equal vectors have equal hashes; the secret, 16 bytes, defaults to zeros';
CREATE FUNCTION strata.vector_hash(halfvec, normalized boolean DEFAULT false, secret bytea DEFAULT NULL) RETURNS uuid
  AS 'MODULE_PATHNAME', 'strata_dedup_halfvec_hash' LANGUAGE C IMMUTABLE PARALLEL SAFE COST 5;
COMMENT ON FUNCTION strata.vector_hash(halfvec, boolean, bytea) IS
  'SipHash-2-4 of 128 bits over the elements; equal vectors have equal hashes; the secret, 16 bytes, defaults to zeros';

CREATE FUNCTION strata.is_duplicate("table" regclass, vector) RETURNS boolean
  AS 'MODULE_PATHNAME', 'strata_dedup_is_duplicate' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 100;
COMMENT ON FUNCTION strata.is_duplicate(regclass, vector) IS
  'would the gate of the table leave a row with this vector out, as of now; another session may decide otherwise meanwhile';
CREATE FUNCTION strata.is_duplicate("table" regclass, halfvec) RETURNS boolean
  AS 'MODULE_PATHNAME', 'strata_dedup_is_duplicate' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 100;
COMMENT ON FUNCTION strata.is_duplicate(regclass, halfvec) IS
  'would the gate of the table leave a row with this vector out, as of now; another session may decide otherwise meanwhile';

CREATE FUNCTION strata.dedup_info(
    "table" regclass, OUT mode text, OUT epsilon double precision, OUT ttl interval, OUT on_duplicate text,
    OUT refresh boolean, OUT normalized boolean, OUT seen bigint, OUT stored bigint, OUT skipped bigint, OUT errors bigint,
    OUT bloom_skips bigint)
  AS 'MODULE_PATHNAME', 'strata_dedup_info' LANGUAGE C STRICT VOLATILE PARALLEL RESTRICTED COST 100;
COMMENT ON FUNCTION strata.dedup_info(regclass) IS 'settings and counters of the gate of a table; see the view strata.stat_dedup';

CREATE FUNCTION strata.dedup_own(registry regclass, "table" regclass) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_dedup_own' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata.dedup_own(regclass, regclass) IS 'makes a registry go when its table is dropped; called by strata.set_dedup';

CREATE VIEW strata.stat_dedup AS
  SELECT t.tgrelid::regclass AS "table", a.attname AS "column", r.oid::regclass AS registry, i.mode, i.epsilon, i.ttl,
         i.on_duplicate, i.refresh, i.normalized, i.seen, i.stored, i.skipped, i.errors, i.bloom_skips,
         greatest(pg_catalog.pg_stat_get_live_tuples(r.oid) - 1, 0) AS registry_rows,
         pg_catalog.pg_total_relation_size(r.oid) AS registry_bytes
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_trigger'::regclass AND d.objid = t.oid
    AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> t.tgrelid AND d.refobjsubid = 0
  JOIN pg_catalog.pg_class r ON r.oid = d.refobjid AND r.relkind = 'r'
  JOIN pg_catalog.pg_depend c ON c.classid = 'pg_catalog.pg_trigger'::regclass AND c.objid = t.oid
    AND c.refclassid = 'pg_catalog.pg_class'::regclass AND c.refobjid = t.tgrelid AND c.refobjsubid > 0
  JOIN pg_catalog.pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = c.refobjsubid
  CROSS JOIN LATERAL strata.dedup_info(t.tgrelid) i
  WHERE t.tgname = 'zzz_strata_dedup_settle' AND t.tgfoid = 'strata.dedup_gate()'::regprocedure AND t.tgparentid = 0
    AND pg_catalog.has_table_privilege(t.tgrelid, 'SELECT');
COMMENT ON VIEW strata.stat_dedup IS 'gates of strata.set_dedup: their settings and what they did since the server started';
COMMENT ON COLUMN strata.stat_dedup.registry IS 'table with the hashes of the vectors that count as seen';
COMMENT ON COLUMN strata.stat_dedup.seen IS 'rows that came to the gate';
COMMENT ON COLUMN strata.stat_dedup.stored IS 'rows let through, those of transactions that rolled back included';
COMMENT ON COLUMN strata.stat_dedup.skipped IS 'duplicates left out';
COMMENT ON COLUMN strata.stat_dedup.errors IS 'duplicates answered with an error';
COMMENT ON COLUMN strata.stat_dedup.bloom_skips IS 'rows stored without a look-up before, since a bloom filter knew their vectors to be new';
COMMENT ON COLUMN strata.stat_dedup.registry_rows IS 'vectors that count as seen, expired ones included, by the statistics collector';
GRANT SELECT ON strata.stat_dedup TO PUBLIC;

CREATE FUNCTION strata.drop_dedup("table" regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  registry regclass;
BEGIN
  PERFORM strata.dedup_require_owner("table");
  EXECUTE pg_catalog.format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', "table");
  registry := strata.dedup_registry("table");
  IF registry IS NULL THEN
    RAISE EXCEPTION 'table "%" has no gate', "table" USING ERRCODE = 'undefined_object',
      HINT = 'The view strata.stat_dedup lists the gates.';
  END IF;
  EXECUTE pg_catalog.format('DROP TRIGGER zzz_strata_dedup_settle ON %s', "table");
  EXECUTE pg_catalog.format('DROP TRIGGER zzz_strata_dedup_row ON %s', "table");
  EXECUTE pg_catalog.format('DROP TRIGGER zzz_strata_dedup_begin ON %s', "table");
  EXECUTE pg_catalog.format('DROP TRIGGER zzz_strata_dedup_end ON %s', "table");
  EXECUTE pg_catalog.format('DROP TABLE %s', registry);
END $$;
COMMENT ON FUNCTION strata.drop_dedup(regclass) IS 'takes the gate of a table away, and with it what it remembered';

-- The registry of a table's gate, or null.
CREATE FUNCTION strata.dedup_registry("table" regclass) RETURNS regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  SELECT d.refobjid::pg_catalog.regclass
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass AND d.objid = t.oid
    AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.refobjid <> t.tgrelid AND d.refobjsubid = 0
  WHERE t.tgrelid = $1 AND t.tgname = 'zzz_strata_dedup_settle' $$;
COMMENT ON FUNCTION strata.dedup_registry(regclass) IS 'the registry of the gate of a table; null when it has no gate';

CREATE FUNCTION strata.dedup_require_owner("table" regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_class c
                 WHERE c.oid = $1 AND pg_catalog.pg_has_role(c.relowner, 'USAGE')) THEN
    RAISE EXCEPTION 'must be owner of table %', $1 USING ERRCODE = 'insufficient_privilege';
  END IF;
END $$;
COMMENT ON FUNCTION strata.dedup_require_owner(regclass) IS 'error unless the current user owns the table';

-- Distance operator for the near mode: that of an ivf index on the column, else the Euclidean one.
CREATE FUNCTION strata.dedup_distance("table" regclass, "column" name) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $$
  WITH operators AS (
    SELECT pg_catalog.quote_ident(n.nspname) || '.' || o.oprname AS name, o.oprname, 0 AS rank
    FROM pg_catalog.pg_index i
    JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_am m ON m.oid = c.relam AND m.amname = 'ivf'
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] AND a.attname = $2
    JOIN pg_catalog.pg_opclass k ON k.oid = i.indclass[0]
    JOIN pg_catalog.pg_amop p ON p.amopfamily = k.opcfamily AND p.amoppurpose = 'o'
    JOIN pg_catalog.pg_operator o ON o.oid = p.amopopr
    JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE i.indrelid = $1 AND o.oprname IN ('<->', '<=>', '<+>')
    UNION ALL
    SELECT pg_catalog.quote_ident(n.nspname) || '.' || o.oprname, o.oprname, 1
    FROM pg_catalog.pg_attribute a
    JOIN pg_catalog.pg_operator o ON o.oprleft = a.atttypid AND o.oprright = a.atttypid AND o.oprname = '<->'
    JOIN pg_catalog.pg_namespace n ON n.oid = o.oprnamespace
    WHERE a.attrelid = $1 AND a.attname = $2)
  SELECT name FROM operators ORDER BY rank, oprname LIMIT 1 $$;
COMMENT ON FUNCTION strata.dedup_distance(regclass, name) IS 'operator by which the near mode of strata.set_dedup measures';

CREATE FUNCTION strata.set_dedup(
    "table" regclass, "column" name, mode text DEFAULT 'exact', epsilon double precision DEFAULT NULL,
    ttl interval DEFAULT NULL, on_duplicate text DEFAULT 'skip', refresh boolean DEFAULT false,
    normalized boolean DEFAULT false) RETURNS regclass
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  info record;
  registry regclass;
  registry_name name;
  distance text;
  twins bigint;
BEGIN
  IF "table" IS NULL OR "column" IS NULL OR mode IS NULL OR on_duplicate IS NULL OR refresh IS NULL OR normalized IS NULL THEN
    RAISE EXCEPTION 'only epsilon and ttl may be null' USING ERRCODE = 'null_value_not_allowed';
  END IF;
  PERFORM strata.dedup_require_owner("table");
  SELECT c.relkind, c.relname, n.nspname, c.relpersistence, c.relispartition, c.relowner::regrole AS owner,
         t.typname AS type INTO info
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = "column" AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_type t ON t.oid = a.atttypid
  WHERE c.oid = "table";
  IF info.relkind NOT IN ('r', 'p') THEN
    RAISE EXCEPTION '"%" is not a table', "table" USING ERRCODE = 'wrong_object_type';
  ELSIF info.relispartition THEN
    RAISE EXCEPTION '"%" is a partition', "table" USING ERRCODE = 'wrong_object_type',
      HINT = 'Set the gate on the partitioned table: duplicates are looked for in all of it.';
  ELSIF info.type IS NULL THEN
    RAISE EXCEPTION 'column "%" of table "%" does not exist', "column", "table" USING ERRCODE = 'undefined_column';
  ELSIF info.type NOT IN ('vector', 'halfvec') THEN
    RAISE EXCEPTION 'column "%" is not of type vector or halfvec', "column" USING ERRCODE = 'datatype_mismatch';
  ELSIF mode NOT IN ('exact', 'near') THEN
    RAISE EXCEPTION 'unknown mode "%"', mode USING ERRCODE = 'invalid_parameter_value', HINT = 'The modes are exact and near.';
  ELSIF on_duplicate NOT IN ('skip', 'error') THEN
    RAISE EXCEPTION 'unknown value "%" for on_duplicate', on_duplicate USING ERRCODE = 'invalid_parameter_value',
      HINT = 'Duplicates are left out by skip, and answered with an error by error.';
  ELSIF (mode = 'near') <> (epsilon IS NOT NULL) THEN
    RAISE EXCEPTION 'epsilon goes with mode near, and mode near needs it' USING ERRCODE = 'invalid_parameter_value';
  ELSIF epsilon < 0 OR epsilon = 'NaN' OR epsilon = 'Infinity' THEN
    RAISE EXCEPTION 'epsilon must be a distance of zero or more' USING ERRCODE = 'invalid_parameter_value';
  ELSIF ttl <= interval '0' THEN
    RAISE EXCEPTION 'ttl must be positive' USING ERRCODE = 'invalid_parameter_value',
      HINT = 'Without ttl a vector counts as seen as long as its row exists.';
  ELSIF refresh AND ttl IS NULL THEN
    RAISE EXCEPTION 'refresh needs a ttl' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', "table");
  IF strata.dedup_registry("table") IS NOT NULL THEN
    PERFORM strata.drop_dedup("table");
  END IF;
  IF mode = 'near' THEN
    distance := strata.dedup_distance("table", "column");
  END IF;

  registry_name := left(info.relname, 28) || '_' || left("column", 27) || '_dedup';
  IF to_regclass(format('%I.%I', info.nspname, registry_name)) IS NOT NULL THEN
    registry_name := left(info.relname, 28) || '_' || left("column", 16) || '_dedup' || "table"::oid;
  END IF;
  EXECUTE format('CREATE %s TABLE %I.%I (hash uuid PRIMARY KEY, expires_at timestamptz, settings strata.dedup_settings)',
    CASE info.relpersistence WHEN 'u' THEN 'UNLOGGED' WHEN 't' THEN 'TEMPORARY' ELSE '' END, info.nspname, registry_name);
  registry := format('%I.%I', info.nspname, registry_name)::regclass;
  EXECUTE format('ALTER TABLE %s OWNER TO %s', registry, info.owner);
  EXECUTE format('COMMENT ON TABLE %s IS %L', registry,
    format('vectors of %s.%s that count as seen; kept by strata.set_dedup', "table", "column"));
  PERFORM strata.dedup_own(registry, "table");
  EXECUTE format('INSERT INTO %s VALUES (%L, NULL, ROW($1, $2, $3, $4, $5, $6, $7, $8))', registry,
    '00000000-0000-0000-0000-000000000000')
    USING mode, epsilon, ttl, on_duplicate, refresh, normalized, distance, uuid_send(gen_random_uuid());

  -- Rows that exist count as seen now.
  EXECUTE format(
    'WITH secret AS MATERIALIZED (SELECT (settings).secret FROM %1$s), '
    'hashes AS (SELECT strata.vector_hash(%2$I, $1, secret) AS hash, count(*) AS row_count FROM %3$s, secret '
    'WHERE %2$I IS NOT NULL GROUP BY 1), '
    'stored AS (INSERT INTO %1$s SELECT hash, now() + $2 FROM hashes ORDER BY hash) '
    'SELECT count(*) FILTER (WHERE row_count > 1) FROM hashes', registry, "column", "table")
    USING normalized, ttl INTO twins;
  IF twins > 0 AND ttl IS NULL THEN
    RAISE EXCEPTION 'table "%" holds % vectors more than once', "table", twins USING ERRCODE = 'unique_violation',
      HINT = format('Remove them first, or give a ttl. This finds them: SELECT %1$I, count(*) FROM %2$s GROUP BY 1 HAVING count(*) > 1', "column", "table");
  END IF;

  EXECUTE format('CREATE TRIGGER zzz_strata_dedup_begin BEFORE INSERT OR DELETE OR UPDATE OF %I ON %s '
    'FOR EACH STATEMENT EXECUTE FUNCTION strata.dedup_gate()', "column", "table");
  EXECUTE format('CREATE TRIGGER zzz_strata_dedup_row BEFORE INSERT OR DELETE OR UPDATE OF %I ON %s '
    'FOR EACH ROW EXECUTE FUNCTION strata.dedup_gate()', "column", "table");
  EXECUTE format('CREATE TRIGGER zzz_strata_dedup_settle AFTER INSERT ON %s FOR EACH ROW '
    'WHEN (strata.dedup_settle(%L::regclass, NEW.%I)) EXECUTE FUNCTION strata.dedup_gate()', "table", registry, "column");
  EXECUTE format('CREATE TRIGGER zzz_strata_dedup_end AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON %s '
    'FOR EACH STATEMENT EXECUTE FUNCTION strata.dedup_gate()', "table");
  EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER zzz_strata_dedup_row, ENABLE ALWAYS TRIGGER zzz_strata_dedup_settle', "table");
  RETURN registry;
END $$;
COMMENT ON FUNCTION strata.set_dedup(regclass, name, text, double precision, interval, text, boolean, boolean) IS
  'puts a gate in front of a table that keeps duplicates of its vectors out; returns the registry';

CREATE FUNCTION strata.expire_dedup("table" regclass DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  gate record;
  gone bigint;
  total bigint := 0;
BEGIN
  IF "table" IS NOT NULL THEN
    PERFORM strata.dedup_require_owner("table");
  END IF;
  FOR gate IN SELECT s.registry FROM strata.stat_dedup s JOIN pg_class c ON c.oid = s."table"
              WHERE s.ttl IS NOT NULL AND ($1 IS NULL OR s."table" = $1) AND pg_has_role(c.relowner, 'USAGE') LOOP
    EXECUTE format('DELETE FROM %1$s WHERE ctid = ANY (ARRAY (SELECT ctid FROM %1$s WHERE expires_at <= now() '
                   'FOR UPDATE SKIP LOCKED))', gate.registry);
    GET DIAGNOSTICS gone = ROW_COUNT;
    total := total + gone;
  END LOOP;
  RETURN total;
END $$;
COMMENT ON FUNCTION strata.expire_dedup(regclass) IS
  'removes what has outlived its ttl from the registries of own tables, or of one; returns the rows; background workers do so too';
