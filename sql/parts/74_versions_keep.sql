-- versioned tables: how long versions are kept, and whether they are what they were

CREATE FUNCTION strata.set_retention("table" regclass, keep_count int DEFAULT NULL, keep_age interval DEFAULT NULL) RETURNS void
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata.set_retention(regclass, int, interval) IS
  'versions beyond that number or age are dropped; null: no limit. Branches and tables of their own stay';

CREATE FUNCTION strata._set_retention("table" regclass, keep_count int, keep_age interval) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  PERFORM strata._table("table");
  IF keep_count < 0 OR keep_age <= interval '0' THEN
    RAISE EXCEPTION 'limits of retention must be positive' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  UPDATE strata.versioned_table t SET keep_count = _set_retention.keep_count, keep_age = _set_retention.keep_age
  WHERE t.relid = "table";
  PERFORM strata._expire("table");
END $$;
COMMENT ON FUNCTION strata._set_retention(regclass, int, interval) IS 'implementation of strata.set_retention()';

CREATE FUNCTION strata.retain_version("table" regclass, name name, retain interval) RETURNS timestamptz
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata.retain_version(regclass, name, interval) IS
  'changes how long a version is kept, from now on; null: for ever. Returns the end';

CREATE FUNCTION strata._retain_version("table" regclass, name name, retain interval) RETURNS timestamptz
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  version strata.version := strata._find_version("table", name);
BEGIN
  UPDATE strata.version v SET retain_until = clock_timestamp() + retain
  WHERE v.collection = version.collection AND v.name = version.name
  RETURNING v.retain_until INTO version.retain_until;
  RETURN version.retain_until;
END $$;
COMMENT ON FUNCTION strata._retain_version(regclass, name, interval) IS 'implementation of strata.retain_version()';

-- Drops what is past its time or number. A version that other objects depend on stays.
CREATE FUNCTION strata._expire("table" regclass) RETURNS int
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  version name;
  result int := 0;
BEGIN
  FOR version IN
    SELECT v.name
    FROM (SELECT x.name, x.retain_until, x.created_at, x.kind,
                 CASE WHEN x.kind = 'snapshot' AND x.retain_until IS NULL
                      THEN row_number() OVER (PARTITION BY x.kind, x.retain_until IS NULL ORDER BY x.created_at DESC, x.ordinal DESC) END AS age_rank
          FROM strata.version x
          WHERE x.state = 'live' AND (x.relid = head.relid OR head.is_head AND x.collection = head.collection AND x.ordinal IS NULL)) v
    WHERE v.retain_until <= clock_timestamp()
       OR v.age_rank > head.keep_count
       OR v.age_rank IS NOT NULL AND v.created_at <= clock_timestamp() - head.keep_age
  LOOP
    BEGIN
      PERFORM strata._drop_version(head.relid, version);
      result := result + 1;
    EXCEPTION
    WHEN undefined_object THEN
      NULL;  -- another session was faster
    WHEN dependent_objects_still_exist OR object_in_use THEN
      RAISE WARNING 'version "%" of table "%" is past its time but in use: %', version, head.relid, SQLERRM;
    END;
  END LOOP;
  RETURN result;
END $$;
COMMENT ON FUNCTION strata._expire(regclass) IS 'drops versions that retention does not keep; returns their number';

CREATE FUNCTION strata.collect_versions("table" regclass, now boolean DEFAULT false) RETURNS bigint
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata.collect_versions(regclass, boolean) IS
  'gives back the space of dropped versions, with now also of those that could still be taken back; returns the rows of the past deleted';

CREATE FUNCTION strata._collect_versions("table" regclass, now boolean) RETURNS bigint
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  head strata.versioned_table := strata._table("table");
  version name;
BEGIN
  PERFORM strata._expire("table");
  FOR version IN
    SELECT v.name FROM strata.version v
    WHERE (v.relid = head.relid OR head.is_head AND v.collection = head.collection) AND v.state = 'dropped'
      AND (now OR v.collect_after <= clock_timestamp())
  LOOP
    PERFORM strata._purge_version("table", version);
  END LOOP;
  RETURN strata._collect_history("table");
END $$;
COMMENT ON FUNCTION strata._collect_versions(regclass, boolean) IS 'implementation of strata.collect_versions()';

CREATE FUNCTION strata._collection_due("table" regclass) RETURNS boolean
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$SELECT EXISTS (SELECT FROM strata.versioned_table t
                      JOIN strata.version v ON v.relid = t.relid OR t.is_head AND v.collection = t.collection
                      WHERE t.relid = "table" AND (v.collect_after <= clock_timestamp()
                                                   OR v.retain_until <= clock_timestamp() AND v.state = 'live'))
           OR EXISTS (SELECT FROM strata.versioned_table t JOIN strata.version v USING (relid)
                      WHERE t.relid = "table" AND v.kind = 'snapshot' AND v.state = 'live' AND v.retain_until IS NULL
                        AND v.created_at <= clock_timestamp() - t.keep_age)$$;
COMMENT ON FUNCTION strata._collection_due(regclass) IS 'whether strata.collect_versions() has something to do';

CREATE FUNCTION strata._collect_for_owner("table" regclass) RETURNS bigint
  AS 'MODULE_PATHNAME', 'strata_version_service' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata._collect_for_owner(regclass) IS 'collects what is due, as the owner of the table';
CREATE FUNCTION strata.__collect_for_owner("table" regclass) RETURNS bigint
  LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$SELECT strata._collect_versions("table", false)$$;
COMMENT ON FUNCTION strata.__collect_for_owner(regclass) IS 'implementation of strata._collect_for_owner()';

-- Everything in this database that is due; called by background workers.
CREATE FUNCTION strata._collect_all() RETURNS bigint
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  relation regclass;
  result bigint := 0;
BEGIN
  FOR relation IN SELECT t.relid FROM strata.versioned_table t WHERE strata._collection_due(t.relid) LOOP
    BEGIN
      result := result + strata._collect_for_owner(relation);
    EXCEPTION WHEN OTHERS THEN
      RAISE WARNING 'could not collect versions of "%": %', relation, SQLERRM;
    END;
  END LOOP;
  RETURN result;
END $$;
COMMENT ON FUNCTION strata._collect_all() IS 'collects what is due in the database';

CREATE FUNCTION strata._next_collection() RETURNS timestamptz
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$SELECT min(coalesce(v.collect_after, v.retain_until)) FROM strata.version v$$;
COMMENT ON FUNCTION strata._next_collection() IS 'when the next version is due to be dropped or forgotten';

CREATE FUNCTION strata._request_collection() RETURNS void
  AS 'MODULE_PATHNAME', 'strata_request_collection' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION strata._request_collection() IS 'starts a background worker that collects, when the transaction commits';

CREATE FUNCTION strata._column_names(relation regclass) RETURNS name[]
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$SELECT array_agg(attname ORDER BY attnum) FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped$$;
COMMENT ON FUNCTION strata._column_names(regclass) IS 'the columns of a table or view, in their order';

-- Counts and checksums of the versions that have none, in one pass over the table and its history, whatever their number.
-- Versions that somebody drops or checks at the moment are left out: who counts in the background is nobody to wait for,
-- nor to be in a deadlock with.
CREATE FUNCTION strata._record_versions("table" regclass) RETURNS bigint
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = off
  AS $$
DECLARE
  head strata.versioned_table;
  columns name[];
  pending name[];
  result bigint;
BEGIN
  -- Names stand for the same tables to the end: nobody takes this one's place meanwhile.
  PERFORM strata._lock_table("table", 'ACCESS SHARE');
  head := strata._table("table");
  columns := strata._column_names("table");
  -- A version that was made before a column came or went shows others than the table has: its first check counts it.
  SELECT array_agg(v.name) INTO pending FROM strata.version v
  WHERE v.relid = "table" AND v.kind = 'snapshot' AND v.state = 'live' AND v.checksum IS NULL
    AND strata._column_names(strata._source("table", v.name)::regclass) = columns;
  IF pending IS NULL THEN RETURN 0; END IF;
  EXECUTE format(
    'WITH part AS MATERIALIZED ('
    'SELECT r.born, r.died, count(*) AS rows, sum(r.hash) AS checksum '
    'FROM (SELECT t.strata_born AS born, 2147483647 AS died, strata._row_checksum(t) AS hash FROM %s t '
    'UNION ALL SELECT t.strata_born, t.strata_died, strata._row_checksum(t) FROM %s t) r GROUP BY r.born, r.died), '
    'total AS (SELECT v.name, coalesce(sum(p.rows), 0) AS rows, coalesce(sum(p.checksum), 0) AS checksum '
    'FROM strata.version v LEFT JOIN part p ON p.born <= v.ordinal AND p.died > v.ordinal '
    'WHERE v.collection = $1 AND v.name = ANY ($2) GROUP BY v.name) '
    'UPDATE strata.version v SET row_count = t.rows, checksum = t.checksum, recorded_at = clock_timestamp() '
    'FROM total t JOIN (SELECT x.name FROM strata.version x WHERE x.collection = $1 AND x.name = ANY ($2) FOR UPDATE SKIP LOCKED) free '
    'ON free.name = t.name WHERE v.collection = $1 AND v.name = t.name AND v.checksum IS NULL', head.relid, head.history)
    USING head.collection, pending;
  GET DIAGNOSTICS result = ROW_COUNT;
  RETURN result;
END $$;
COMMENT ON FUNCTION strata._record_versions(regclass) IS 'records count and checksum of the versions of a table that have none';

CREATE FUNCTION strata._record_for_owner("table" regclass) RETURNS bigint
  AS 'MODULE_PATHNAME', 'strata_version_service' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata._record_for_owner(regclass) IS 'records counts and checksums, as the owner of the table';
CREATE FUNCTION strata.__record_for_owner("table" regclass) RETURNS bigint
  LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$SELECT strata._record_versions("table")$$;
COMMENT ON FUNCTION strata.__record_for_owner(regclass) IS 'implementation of strata._record_for_owner()';

-- Of all tables of this database; called by background workers, of which one is enough. It keeps the locks of tables that
-- it has counted, so it must not wait for one as long as others wait before they look for a deadlock (deadlock_timeout).
CREATE FUNCTION strata._record_all() RETURNS bigint
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET lock_timeout = '300ms'
  AS $$
DECLARE
  relation regclass;
  result bigint := 0;
BEGIN
  IF NOT pg_try_advisory_xact_lock(5356, 0) THEN RETURN 0; END IF;
  FOR relation IN
    SELECT t.relid FROM strata.versioned_table t
    WHERE EXISTS (SELECT FROM strata.version v WHERE v.relid = t.relid AND v.kind = 'snapshot' AND v.state = 'live' AND v.checksum IS NULL)
  LOOP
    BEGIN
      result := result + strata._record_for_owner(relation);
    EXCEPTION
    WHEN lock_not_available THEN
      NULL;  -- left to the next visit, or to its first check
    WHEN OTHERS THEN
      RAISE WARNING 'could not count the versions of "%": %', relation, SQLERRM;
    END;
  END LOOP;
  RETURN result;
END $$;
COMMENT ON FUNCTION strata._record_all() IS 'records counts and checksums in the database';

CREATE FUNCTION strata.verify_version(
    "table" regclass, name name, OUT rows bigint, OUT checksum numeric, OUT rows_at_creation bigint, OUT checksum_at_creation numeric,
    OUT recorded_at timestamptz, OUT ok boolean)
  RETURNS record
  AS 'MODULE_PATHNAME', 'strata_version_command' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata.verify_version(regclass, name) IS
  'counts the rows of a version and compares them, and a checksum of their content, with what was recorded at recorded_at: after the version was made, in the background, or by the first call';

CREATE FUNCTION strata._verify_version(
    "table" regclass, name name, OUT rows bigint, OUT checksum numeric, OUT rows_at_creation bigint, OUT checksum_at_creation numeric,
    OUT recorded_at timestamptz, OUT ok boolean)
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = off
  AS $$
DECLARE
  version strata.version;
BEGIN
  PERFORM strata._lock_table("table", 'ACCESS SHARE');
  version := strata._find_version("table", name);
  EXECUTE format('SELECT count(*), coalesce(sum(strata._row_checksum(strata_row)), 0) FROM %s AS strata_row', strata._source("table", name))
    INTO rows, checksum;
  IF version.kind <> 'snapshot' THEN RETURN; END IF;
  IF version.checksum IS NULL THEN
    recorded_at := clock_timestamp();
    UPDATE strata.version v SET row_count = rows, checksum = _verify_version.checksum, recorded_at = _verify_version.recorded_at
    WHERE v.collection = version.collection AND v.name = version.name;
    rows_at_creation := rows;
    checksum_at_creation := checksum;
  ELSE
    recorded_at := version.recorded_at;
    rows_at_creation := version.row_count;
    checksum_at_creation := version.checksum;
  END IF;
  ok := rows = rows_at_creation AND checksum = checksum_at_creation;
END $$;
COMMENT ON FUNCTION strata._verify_version(regclass, name) IS 'implementation of strata.verify_version()';

CREATE VIEW strata.versions AS
  WITH usage AS MATERIALIZED (
    SELECT t.relid, u.ordinal, u.own_rows * u.row_bytes AS own_bytes, u.history_rows * u.row_bytes AS history_bytes
    FROM strata.versioned_table t CROSS JOIN LATERAL strata._version_usage(t.relid) u
    WHERE pg_catalog.has_table_privilege(t.relid, 'SELECT'))
  SELECT h.relid AS "table", v.name, v.kind, v.parent, v.created_at, v.created_by, v.comment, v.row_count AS rows,
         CASE v.kind WHEN 'snapshot' THEN u.own_bytes::bigint
                     WHEN 'branch' THEN pg_catalog.pg_total_relation_size(v.delta) + pg_catalog.pg_total_relation_size(v.gone)
                     ELSE pg_catalog.pg_total_relation_size(v.relid) END AS own_bytes,
         CASE v.kind WHEN 'snapshot' THEN pg_catalog.pg_total_relation_size(v.relid) + (u.history_bytes - u.own_bytes)::bigint
                     WHEN 'branch' THEN pg_catalog.pg_total_relation_size(v.relid) + u.history_bytes::bigint
                     ELSE 0 END AS shared_bytes,
         v.retain_until, v.state
  FROM strata.versioned_table h
  JOIN strata.version v ON v.collection = h.collection
  LEFT JOIN usage u ON u.relid = v.relid AND u.ordinal = v.ordinal
  WHERE h.is_head AND pg_catalog.has_table_privilege(h.relid, 'SELECT');
COMMENT ON VIEW strata.versions IS 'versions of all tables that may be read';
COMMENT ON COLUMN strata.versions."table" IS 'the table, as it is now';
COMMENT ON COLUMN strata.versions.name IS 'name of the version; <table>_<name> is the schema to read it through';
COMMENT ON COLUMN strata.versions.kind IS 'snapshot: read-only; branch: writable; empty, copy: a table of its own';
COMMENT ON COLUMN strata.versions.parent IS 'the version it was made from; latest: the table';
COMMENT ON COLUMN strata.versions.rows IS 'rows of a snapshot, counted soon after it was made';
COMMENT ON COLUMN strata.versions.own_bytes IS 'what dropping it would free, about';
COMMENT ON COLUMN strata.versions.shared_bytes IS 'size of what it shares with the table and with other versions, about';
COMMENT ON COLUMN strata.versions.retain_until IS 'dropped after that; null: kept';
COMMENT ON COLUMN strata.versions.state IS 'live; dropped: can be taken back with strata.undrop_version() until its space is given back';
GRANT SELECT ON strata.versions TO PUBLIC;
