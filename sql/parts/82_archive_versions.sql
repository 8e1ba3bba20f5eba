-- archives of versions, and policies that make them

CREATE FUNCTION strata._archive_version("table" regclass, version_name name, directory text) RETURNS bigint
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  version strata.version := strata._find_version("table", version_name);
  -- Kinds without an ordinal have a table of their own, the others a view in their schema.
  source regclass;
  archive text := strata._schema_of(version.collection, version.name);
  path text := directory || '/' || archive;
  origin jsonb := jsonb_build_object(
    'system', (SELECT system_identifier::text FROM pg_control_system()), 'version', version.name, 'version_kind', version.kind,
    'version_created_at', version.created_at, 'version_created_by', version.created_by, 'comment', version.comment);
  row_count bigint;
BEGIN
  -- One at a time: a background worker may be at it.
  PERFORM FROM strata.version v WHERE v.collection = version.collection AND v.name = version.name AND v.state = 'live' FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'version "%" was dropped concurrently', version_name USING ERRCODE = 'undefined_object';
  END IF;
  source := CASE WHEN version.ordinal IS NULL THEN version.relid ELSE
    format('%I.%I', strata._schema_of(version.collection, version.name), (SELECT relname FROM pg_class WHERE oid = version.relid))::regclass END;
  IF version.kind <> 'snapshot' THEN
    -- What can be written must not change between the archive and the end of the version.
    IF current_setting('transaction_isolation') <> 'read committed' THEN
      RAISE EXCEPTION 'version "%" can be archived in a READ COMMITTED transaction only', version_name
        USING ERRCODE = 'feature_not_supported', HINT = 'Versions of kind snapshot can be archived in any.';
    END IF;
    EXECUTE format('LOCK TABLE %s IN SHARE MODE', concat_ws(', ', CASE WHEN version.ordinal IS NULL THEN version.relid END, version.delta, version.gone));
  END IF;
  IF version.kind = 'snapshot' AND archive IN (SELECT strata._archive_names(directory))
     AND strata._manifest(path)->'about' @> (origin || jsonb_build_object('relation', version.relid::text)) THEN
    -- Of an attempt that ended after the archive had its name.
    row_count := strata.verify_archive(path);
  ELSE
    row_count := strata._archive_relation(source, version.relid, directory, archive, strata._key("table"), origin, 33554432);
  END IF;
  PERFORM strata.drop_version("table", version_name);
  RETURN row_count;
END $$;
COMMENT ON FUNCTION strata._archive_version(regclass, name, text) IS 'implementation of strata.archive_version()';

CREATE PROCEDURE strata.archive_version("table" regclass, version name, directory text)
  LANGUAGE plpgsql
  AS $$
BEGIN
  PERFORM strata._archive_version("table", version, directory);
END $$;
COMMENT ON PROCEDURE strata.archive_version(regclass, name, text) IS
  'writes a version as an archive, verifies it, then drops the version';

CREATE TABLE strata.archive_policy (
  relation regclass CONSTRAINT archive_policy_pkey PRIMARY KEY,
  directory text NOT NULL,
  older_than interval,
  keep_last int CHECK (keep_last >= 0),
  CHECK (older_than IS NOT NULL OR keep_last IS NOT NULL)
);
COMMENT ON TABLE strata.archive_policy IS 'which versions of a table are archived; use strata.set_archive_policy() to change it';
COMMENT ON COLUMN strata.archive_policy.directory IS 'where the archives go, on the server';
COMMENT ON COLUMN strata.archive_policy.older_than IS 'age from which on snapshots are archived; null: any';
COMMENT ON COLUMN strata.archive_policy.keep_last IS 'snapshots that stay, the newest first; null: none';
SELECT pg_catalog.pg_extension_config_dump('strata.archive_policy', '');

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON strata.archive_policy
  FOR EACH ROW EXECUTE FUNCTION strata._policy_guard();
ALTER TABLE strata.archive_policy ENABLE ALWAYS TRIGGER guard;
GRANT SELECT, INSERT, UPDATE, DELETE ON strata.archive_policy TO PUBLIC;

CREATE FUNCTION strata.set_archive_policy(
    "table" regclass, older_than interval DEFAULT NULL, keep_last int DEFAULT NULL, directory text DEFAULT NULL) RETURNS void
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  DELETE FROM strata.archive_policy p WHERE p.relation = "table";
  IF older_than IS NULL AND keep_last IS NULL AND directory IS NULL THEN RETURN; END IF;
  IF directory IS NULL OR directory NOT LIKE '/%' THEN
    RAISE EXCEPTION 'a policy needs the whole path of a directory on the server' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF older_than IS NULL AND keep_last IS NULL THEN
    RAISE EXCEPTION 'a policy needs older_than, keep_last or both' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  PERFORM strata._table("table");
  INSERT INTO strata.archive_policy VALUES ("table", directory, older_than, keep_last);
  PERFORM strata._request_visit();
END $$;
COMMENT ON FUNCTION strata.set_archive_policy(regclass, interval, int, text) IS
  'which snapshots of a table background workers and strata.run_archiving() archive; nulls only: none';

-- Snapshots that the number to keep does not keep, and since when their age does not.
CREATE FUNCTION strata._archive_candidates(OUT relation regclass, OUT ordinal int, OUT version name, OUT due timestamptz) RETURNS SETOF record
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT p.relation, v.ordinal, v.name, v.created_at + coalesce(p.older_than, interval '0')
  FROM strata.archive_policy p,
       LATERAL (SELECT s.*, row_number() OVER (ORDER BY s.ordinal DESC) AS age
                FROM strata.version s WHERE s.relid = p.relation AND s.state = 'live' AND s.kind = 'snapshot') v
  WHERE p.keep_last IS NULL OR v.age > p.keep_last $$;
COMMENT ON FUNCTION strata._archive_candidates() IS 'snapshots that policies want archived, now or later';

CREATE FUNCTION strata._archive_due("table" regclass) RETURNS SETOF name
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT c.version FROM strata._archive_candidates() c
  WHERE c.relation = "table" AND c.due < clock_timestamp()
  ORDER BY c.ordinal $$;
COMMENT ON FUNCTION strata._archive_due(regclass) IS 'snapshots that the policy of a table wants archived, the oldest first';

CREATE FUNCTION strata._archive_if_there("table" regclass, version name, directory text) RETURNS int
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  PERFORM strata._archive_version("table", version, directory);
  RETURN 1;
EXCEPTION WHEN undefined_object THEN
  RETURN 0;  -- another session was faster
END $$;
COMMENT ON FUNCTION strata._archive_if_there(regclass, name, text) IS 'archives a version unless somebody else has done so; returns how many';

CREATE FUNCTION strata._run_archiving("table" regclass) RETURNS bigint
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  policy strata.archive_policy;
  version name;
  count bigint := 0;
BEGIN
  SELECT * INTO policy FROM strata.archive_policy p WHERE p.relation = "table";
  IF NOT FOUND THEN
    RAISE EXCEPTION 'table % has no archive policy', "table" USING ERRCODE = 'undefined_object', HINT = 'Use strata.set_archive_policy().';
  END IF;
  FOR version IN SELECT strata._archive_due("table") LOOP
    count := count + strata._archive_if_there("table", version, policy.directory);
  END LOOP;
  RETURN count;
END $$;
COMMENT ON FUNCTION strata._run_archiving(regclass) IS 'implementation of strata.run_archiving(); returns the versions archived';

CREATE PROCEDURE strata.run_archiving("table" regclass)
  LANGUAGE plpgsql
  AS $$
BEGIN
  PERFORM strata._run_archiving("table");
END $$;
COMMENT ON PROCEDURE strata.run_archiving(regclass) IS 'archives the versions that the policy of a table wants archived, and drops them';

-- One version a step, so that each has a transaction of its own.
CREATE FUNCTION strata._archive_for_owner("table" regclass) RETURNS int
  AS 'MODULE_PATHNAME', 'strata_version_service' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata._archive_for_owner(regclass) IS 'archives the oldest version that is due, as the owner of the table; returns 0, null when none was';
REVOKE ALL ON FUNCTION strata._archive_for_owner(regclass) FROM PUBLIC;
CREATE FUNCTION strata.__archive_for_owner("table" regclass) RETURNS int
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  version name := (SELECT v FROM strata._archive_due("table") v LIMIT 1);
BEGIN
  IF version IS NULL THEN RETURN NULL; END IF;
  PERFORM strata._archive_if_there("table", version, (SELECT p.directory FROM strata.archive_policy p WHERE p.relation = "table"));
  RETURN 0;
END $$;
COMMENT ON FUNCTION strata.__archive_for_owner(regclass) IS 'implementation of strata._archive_for_owner()';
