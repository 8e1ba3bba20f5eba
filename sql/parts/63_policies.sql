-- tables of policies: everybody may read and write them, each row is its table's owner's

CREATE FUNCTION strata._policy_guard() RETURNS trigger
  LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  relation regclass := CASE TG_OP WHEN 'DELETE' THEN OLD.relation ELSE NEW.relation END;
BEGIN
  IF TG_OP = 'UPDATE' AND NEW.relation <> OLD.relation THEN
    RAISE EXCEPTION 'a policy belongs to its table' USING ERRCODE = 'insufficient_privilege';
  END IF;
  -- In a dump there may be the policy of a table that was dropped.
  IF TG_OP = 'INSERT' AND NOT EXISTS (SELECT FROM pg_class WHERE oid = relation) THEN RETURN NULL; END IF;
  -- The policy of a table that is gone is anybody's to remove.
  IF NOT (SELECT coalesce(bool_and(pg_has_role(current_user, relowner, 'USAGE')), TG_OP = 'DELETE') FROM pg_class WHERE oid = relation) THEN
    RAISE EXCEPTION 'must be owner of table %', relation USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
COMMENT ON FUNCTION strata._policy_guard() IS 'policies are changed by the owner of the table only';
