
-- tier policies: which segments are moved, and when

CREATE TABLE strata.tier_policy (
  relation regclass CONSTRAINT tier_policy_pkey PRIMARY KEY,
  cold_after interval CHECK (cold_after > '0'),
  min_hits_per_day float8 CHECK (min_hits_per_day >= 0 AND min_hits_per_day < 'infinity'),
  cold_tablespace name,
  hot_min_segments int NOT NULL CHECK (hot_min_segments >= 0),
  CHECK (cold_after IS NOT NULL OR min_hits_per_day IS NOT NULL)
);
COMMENT ON TABLE strata.tier_policy IS 'which segments of a table''s ivf indexes become cold; use strata.set_tier_policy() to change it';
COMMENT ON COLUMN strata.tier_policy.cold_after IS 'a segment is cold when no search returned a row of it for so long; null: any time';
COMMENT ON COLUMN strata.tier_policy.min_hits_per_day IS 'and when it has fewer hits a day; null: any number';
COMMENT ON COLUMN strata.tier_policy.cold_tablespace IS 'where cold segments go; null: the default tablespace';
COMMENT ON COLUMN strata.tier_policy.hot_min_segments IS 'segments of an index that stay hot, those used most';
SELECT pg_catalog.pg_extension_config_dump('strata.tier_policy', '');

CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON strata.tier_policy
  FOR EACH ROW EXECUTE FUNCTION strata._policy_guard();
ALTER TABLE strata.tier_policy ENABLE ALWAYS TRIGGER guard;
GRANT SELECT, INSERT, UPDATE, DELETE ON strata.tier_policy TO PUBLIC;

CREATE FUNCTION strata._movable_indexes("table" regclass) RETURNS SETOF regclass
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT i.indexrelid::regclass
  FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid AND c.relkind = 'i' AND c.relpersistence <> 't'
       JOIN pg_am a ON a.oid = c.relam AND a.amname = 'ivf'
  WHERE i.indrelid = "table" AND i.indisvalid
  ORDER BY i.indexrelid $$;
COMMENT ON FUNCTION strata._movable_indexes(regclass) IS 'ivf indexes of a table whose segments can be moved';

CREATE FUNCTION strata._tier_moves(
    "table" regclass, cold_after interval, min_hits_per_day float8, hot_min_segments int, at timestamptz DEFAULT now())
  RETURNS TABLE (index regclass, segment bigint, tier text, rows bigint, hits_per_day float8, idle_since timestamptz)
  LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
  -- A segment comes back at three times the rate at which it goes, and moves once a day at most, so that it does not
  -- go to and fro.
  SELECT s.index, s.segment, CASE s.tier WHEN 'hot' THEN 'cold' ELSE 'hot' END, s.rows, s.hits_per_day, s.idle_since
  FROM (SELECT i.index, a.*, row_number() OVER (PARTITION BY i.index, a.tier
                                                 ORDER BY a.hits_per_day DESC, a.idle_since DESC, a.segment DESC) AS place
        FROM strata._movable_indexes("table") i(index), strata.list_access(i.index) a
        WHERE a.kind = 'segment') s
  WHERE (s.moved_at IS NULL OR s.moved_at <= at - interval '1 day')
    AND CASE s.tier
        WHEN 'hot' THEN s.place > hot_min_segments
          AND (cold_after IS NULL OR s.idle_since <= at - cold_after)
          AND (min_hits_per_day IS NULL OR s.hits_per_day < min_hits_per_day)
        ELSE s.hits_per_day >= 3 * coalesce(nullif(min_hits_per_day, 0), 86400 / extract(epoch FROM cold_after)) END
  ORDER BY s.index::oid, s.tier, s.hits_per_day, s.idle_since, s.segment $$;
COMMENT ON FUNCTION strata._tier_moves(regclass, interval, float8, int, timestamptz) IS 'the moves that a policy wants, in their order';

CREATE FUNCTION strata.set_tier_policy(
    "table" regclass, cold_after interval DEFAULT NULL, min_hits_per_day float8 DEFAULT NULL,
    cold_tablespace name DEFAULT NULL, hot_min_segments int DEFAULT 2, dry_run boolean DEFAULT false)
  RETURNS TABLE (index regclass, segment bigint, tier text, rows bigint, hits_per_day float8, idle_since timestamptz)
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
#variable_conflict use_column
BEGIN
  IF cold_after IS NULL AND min_hits_per_day IS NULL THEN
    RAISE EXCEPTION 'a policy needs cold_after, min_hits_per_day or both' USING ERRCODE = 'invalid_parameter_value',
      HINT = 'strata.drop_tier_policy() ends a policy.';
  END IF;
  IF cold_after <= '0' OR NOT (min_hits_per_day >= 0 AND min_hits_per_day < 'infinity') OR hot_min_segments < 0 THEN
    RAISE EXCEPTION 'cold_after must be greater than zero, min_hits_per_day and hot_min_segments not less than zero'
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF "table" IS NULL OR (SELECT relkind FROM pg_class WHERE oid = "table") NOT IN ('r', 'm') THEN
    RAISE EXCEPTION '"%" is not a table with rows of its own', "table" USING ERRCODE = 'wrong_object_type',
      HINT = 'Name the partitions of a partitioned table one by one.';
  END IF;
  IF cold_tablespace IS NOT NULL AND NOT EXISTS (SELECT FROM pg_tablespace WHERE spcname = cold_tablespace) THEN
    RAISE EXCEPTION 'tablespace "%" does not exist', cold_tablespace USING ERRCODE = 'undefined_object';
  END IF;
  IF NOT coalesce(dry_run, false) THEN
    DELETE FROM strata.tier_policy p WHERE p.relation = "table";
    INSERT INTO strata.tier_policy
      VALUES ("table", cold_after, min_hits_per_day, cold_tablespace, coalesce(hot_min_segments, 2));
    PERFORM strata.set_cold_tablespace(i, cold_tablespace) FROM strata._movable_indexes("table") i;
  END IF;
  RETURN QUERY SELECT * FROM strata._tier_moves("table", cold_after, min_hits_per_day, coalesce(hot_min_segments, 2));
END $$;
COMMENT ON FUNCTION strata.set_tier_policy(regclass, interval, float8, name, int, boolean) IS
  'which segments of a table''s ivf indexes a worker, or strata.run_tiering(), moves between tiers; returns what it would move now; with dry_run that is all it does';

CREATE FUNCTION strata.drop_tier_policy("table" regclass) RETURNS boolean
  LANGUAGE plpgsql STRICT VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  DELETE FROM strata.tier_policy p WHERE p.relation = "table";
  RETURN FOUND;
END $$;
COMMENT ON FUNCTION strata.drop_tier_policy(regclass) IS
  'ends the tier policy of a table; segments stay where they are; false: there was none';

CREATE FUNCTION strata._next_tier_move("table" regclass, OUT index regclass, OUT segment bigint, OUT tier text)
  RETURNS SETOF record
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  policy strata.tier_policy;
BEGIN
  SELECT * INTO policy FROM strata.tier_policy p WHERE p.relation = "table";
  IF NOT FOUND THEN
    RAISE EXCEPTION 'table % has no tier policy', "table" USING ERRCODE = 'undefined_object', HINT = 'Use strata.set_tier_policy().';
  END IF;
  -- An index that came after the policy, or after a restore, wants a place for its cold segments.
  FOR index IN
    SELECT i.index FROM strata._movable_indexes("table") i(index)
    WHERE NOT EXISTS (SELECT FROM pg_depend d JOIN pg_class c ON c.oid = d.objid JOIN pg_am a ON a.oid = c.relam
                      WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = i.index AND d.classid = 'pg_class'::regclass
                        AND d.deptype = 'i' AND a.amname = 'ivf_cold')
  LOOP
    PERFORM strata.set_cold_tablespace(index, policy.cold_tablespace);
    RETURN NEXT;
    RETURN;
  END LOOP;
  RETURN QUERY SELECT m.index, m.segment, m.tier
    FROM strata._tier_moves("table", policy.cold_after, policy.min_hits_per_day, policy.hot_min_segments) m LIMIT 1;
END $$;
COMMENT ON FUNCTION strata._next_tier_move(regclass) IS
  'the next move that the policy of a table wants; without a segment: a place was made, and there may be more to do';

CREATE PROCEDURE strata.run_tiering("table" regclass)
  AS 'MODULE_PATHNAME', 'strata_run_tiering' LANGUAGE C;
COMMENT ON PROCEDURE strata.run_tiering(regclass) IS 'moves the segments of a table''s ivf indexes that its tier policy wants moved';

CREATE VIEW strata.tier_policies AS
  SELECT p.relation AS "table", p.cold_after, p.min_hits_per_day, p.cold_tablespace, p.hot_min_segments,
         s.hot_segments, s.cold_segments, s.hot_bytes, s.cold_bytes
  FROM strata.tier_policy p
  CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE l.tier = 'hot') AS hot_segments, count(*) FILTER (WHERE l.tier = 'cold') AS cold_segments,
           coalesce(sum(l.bytes) FILTER (WHERE l.tier = 'hot'), 0)::bigint AS hot_bytes,
           coalesce(sum(l.bytes) FILTER (WHERE l.tier = 'cold'), 0)::bigint AS cold_bytes
    FROM strata._movable_indexes(p.relation) i(index), strata.list_segments(i.index) l
    WHERE l.kind = 'segment' AND l.state <> 'retired' AND pg_catalog.has_table_privilege(p.relation, 'SELECT')) s
  WHERE pg_catalog.has_table_privilege(p.relation, 'SELECT');
COMMENT ON VIEW strata.tier_policies IS 'tier policies of the tables that may be read, and how their segments are spread';
COMMENT ON COLUMN strata.tier_policies."table" IS 'the table';
COMMENT ON COLUMN strata.tier_policies.cold_after IS 'a segment is cold when no search returned a row of it for so long';
COMMENT ON COLUMN strata.tier_policies.min_hits_per_day IS 'and when it has fewer hits a day; it comes back at three times that';
COMMENT ON COLUMN strata.tier_policies.cold_tablespace IS 'where cold segments go; null: the default tablespace';
COMMENT ON COLUMN strata.tier_policies.hot_min_segments IS 'segments of an index that stay hot, those used most';
COMMENT ON COLUMN strata.tier_policies.hot_segments IS 'sealed segments of its ivf indexes that are hot';
COMMENT ON COLUMN strata.tier_policies.cold_segments IS 'and cold';
COMMENT ON COLUMN strata.tier_policies.hot_bytes IS 'size of the hot ones';
COMMENT ON COLUMN strata.tier_policies.cold_bytes IS 'size of the cold ones, most of it in the companions';
GRANT SELECT ON strata.tier_policies TO PUBLIC;
