-- what background workers do to whole tables

CREATE FUNCTION strata._table_jobs(OUT relation oid, OUT job name, OUT due timestamptz) RETURNS SETOF record
  LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
  AS $$
  SELECT c.relation, 'archive'::name, min(c.due) FROM strata._archive_candidates() c GROUP BY c.relation
  UNION ALL
  -- Rows grow old all the time: an age of hours is looked at every minute, one of months once an hour.
  SELECT t.relation, 'move', coalesce(greatest(t.looked_at, CASE WHEN t.by_column IS NULL AND t.watched_since >= pg_postmaster_start_time()
                                                                THEN t.watched_since + t.cold_after END) + least(greatest(t.cold_after / 100, interval '1 minute'), interval '1 hour'), '-infinity')
  FROM strata.row_tier t JOIN pg_class c ON c.oid = t.relation WHERE t.cold_after IS NOT NULL
$$;
COMMENT ON FUNCTION strata._table_jobs() IS
  'work on tables and when it is due; a step of job X is strata._X_for_owner(table), which returns the milliseconds to wait before the next step, null after the last one';
