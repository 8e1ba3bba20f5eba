-- Random work on a versioned table, compared with saved copies. STRATA_SEED and STRATA_STEPS in the environment search
-- further: STRATA_SEED=7 STRATA_STEPS=20000 psql -f sql/versions_model.sql
SET client_min_messages = warning;
\set seed 1
\set steps 600
\getenv seed STRATA_SEED
\getenv steps STRATA_STEPS
SET strata.auto_flush_interval = 0;
SET strata.version_drop_delay = '1h';
CREATE TABLE model (id int, part int, v vector(4), note text, PRIMARY KEY (id, part));
CREATE INDEX model_v ON model USING ivf (v);
SELECT strata.enable_versions('model');
CREATE TABLE saved (version name, id int, part int, v vector(4), note text);
-- Of branches: the rows they began with (shown by the version they were made from), those of them that were changed since.
CREATE TABLE base (version name, id int, part int, touched bool DEFAULT false);
CREATE INDEX ON saved (version);
CREATE INDEX ON base (version);
CREATE TABLE counts (step_kind text PRIMARY KEY, n int);
CREATE FUNCTION some_vector() RETURNS vector LANGUAGE sql VOLATILE AS
  $$SELECT array[random(), random(), random(), random()]::real[]::vector$$;
CREATE FUNCTION count_step(kind text) RETURNS void LANGUAGE sql AS
  $$INSERT INTO counts VALUES (kind, 1) ON CONFLICT (step_kind) DO UPDATE SET n = counts.n + 1$$;

-- A few rows change, one way or another; every seventh time it is taken back.
CREATE FUNCTION write_some() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  key int := floor(random() * 120);
  dice float := random();
BEGIN
  IF dice < 0.2 THEN
    INSERT INTO model VALUES (key, key % 3, some_vector(), 'inserted', 99) ON CONFLICT DO NOTHING;
  ELSIF dice < 0.35 THEN
    INSERT INTO model VALUES (key, key % 3, some_vector(), 'upserted')
      ON CONFLICT (id, part) DO UPDATE SET v = excluded.v, note = model.note || 'u';
  ELSIF dice < 0.55 THEN
    UPDATE model SET v = some_vector(), note = left(note || 'x', 20) WHERE id BETWEEN key AND key + 3;
  ELSIF dice < 0.6 THEN
    UPDATE model SET id = 1000 + floor(random() * 1000) WHERE id = key AND NOT EXISTS (SELECT FROM model WHERE id >= 1000);
  ELSIF dice < 0.8 THEN
    DELETE FROM model WHERE id BETWEEN key AND key + 2;
  ELSIF dice < 0.95 THEN
    MERGE INTO model m USING (SELECT k, k % 3 AS part FROM generate_series(key, key + 4) k) s ON m.id = s.k AND m.part = s.part
      WHEN MATCHED AND random() < 0.4 THEN DELETE
      WHEN MATCHED THEN UPDATE SET note = 'merged'
      WHEN NOT MATCHED THEN INSERT (id, part, v, note) VALUES (s.k, s.part, some_vector(), 'merged in');
  ELSE
    UPDATE model SET note = note WHERE id % 10 = key % 10;
  END IF;
END $$;

-- The same statement to a branch and to what was saved of it.
CREATE FUNCTION write_branch(branch name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  first_id int := floor(random() * 120);
  new_vector vector := some_vector();
  dice float := random();
BEGIN
  IF dice < 0.35 THEN
    BEGIN
      EXECUTE format('INSERT INTO %I.model VALUES (%s, %s, %L, ''of the branch'')', 'model_' || branch, first_id, first_id % 3, new_vector);
      IF EXISTS (SELECT FROM saved WHERE version = branch AND id = first_id AND part = first_id % 3) THEN
        RAISE EXCEPTION 'branch % took key % twice', branch, first_id;
      END IF;
      INSERT INTO saved VALUES (branch, first_id, first_id % 3, new_vector, 'of the branch');
    EXCEPTION WHEN unique_violation THEN
      IF NOT EXISTS (SELECT FROM saved WHERE version = branch AND id = first_id AND part = first_id % 3) THEN
        RAISE EXCEPTION 'branch % refused the free key %', branch, first_id;
      END IF;
    END;
    RETURN;
  END IF;
  UPDATE base b SET touched = true FROM saved s
  WHERE b.version = branch AND s.version = branch AND s.id = b.id AND s.part = b.part
    AND CASE WHEN dice < 0.9 THEN b.id BETWEEN first_id AND first_id + 3 ELSE b.id = first_id END;
  IF dice < 0.65 THEN
    EXECUTE format('UPDATE %I.model SET v = %L, note = left(note || ''b'', 20) WHERE id BETWEEN %s AND %s', 'model_' || branch,
                   new_vector, first_id, first_id + 3);
    UPDATE saved SET v = new_vector, note = left(note || 'b', 20) WHERE version = branch AND id BETWEEN first_id AND first_id + 3;
  ELSIF dice < 0.9 THEN
    EXECUTE format('DELETE FROM %I.model WHERE id BETWEEN %s AND %s', 'model_' || branch, first_id, first_id + 3);
    DELETE FROM saved WHERE version = branch AND id BETWEEN first_id AND first_id + 3;
  ELSE
    EXECUTE format('UPDATE %1$I.model SET id = id + 500 WHERE id = %2$s AND NOT EXISTS (SELECT FROM %1$I.model x WHERE x.id = %2$s + 500)',
                   'model_' || branch, first_id);
    UPDATE saved SET id = id + 500
    WHERE version = branch AND id = first_id AND NOT EXISTS (SELECT FROM saved x WHERE x.version = branch AND x.id = first_id + 500);
  END IF;
END $$;
-- What a merge has to do, from what was saved. moved: the table is not what it was when the branch was made.
CREATE FUNCTION expected_merge(branch name, branch_point int)
  RETURNS TABLE (id int, part int, v vector, note text, in_branch bool, in_head bool, moved bool, equal bool) LANGUAGE sql AS $$
  SELECT k.id, k.part, s.v, s.note, s.id IS NOT NULL, m.id IS NOT NULL, coalesce(m.strata_born > branch_point, k.in_base),
         s.id IS NOT NULL AND m.id IS NOT NULL AND (s.v, s.note) IS NOT DISTINCT FROM (m.v, m.note)
  FROM (SELECT b.id, b.part, true AS in_base FROM base b WHERE b.version = branch AND b.touched
        UNION ALL
        SELECT n.id, n.part, false FROM saved n
        WHERE n.version = branch AND NOT EXISTS (SELECT FROM base b WHERE b.version = branch AND b.id = n.id AND b.part = n.part)) k
  LEFT JOIN saved s ON s.version = branch AND s.id = k.id AND s.part = k.part
  LEFT JOIN model m ON m.id = k.id AND m.part = k.part
$$;
CREATE FUNCTION make_branch(branch name, source name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM strata.create_version('model', branch, mode => 'branch', from_version => source);
  IF source IS NULL THEN
    INSERT INTO saved SELECT branch, id, part, v, note FROM model;
    INSERT INTO base SELECT branch, id, part FROM model;
  ELSE
    INSERT INTO saved SELECT branch, id, part, v, note FROM saved s WHERE s.version = source;
    -- A branch of a branch is one of the version that the first was made from.
    IF EXISTS (SELECT FROM strata.versions x WHERE x.name = source AND x.kind = 'branch') THEN
      INSERT INTO base SELECT branch, id, part, touched FROM base b WHERE b.version = source;
    ELSE
      INSERT INTO base SELECT branch, id, part FROM saved s WHERE s.version = source;
    END IF;
  END IF;
END $$;
CREATE FUNCTION merge_some(branch name) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  mode text := (ARRAY['error', 'branch', 'head'])[1 + floor(random() * 3)::int];
  branch_point int := (SELECT x.ordinal FROM strata.version x WHERE x.name = branch);
  conflicts bigint;
  merged record;
BEGIN
  CREATE TEMP TABLE plan ON COMMIT DROP AS SELECT * FROM expected_merge(branch, branch_point);
  CREATE TEMP TABLE expected ON COMMIT DROP AS
    SELECT m.id, m.part, m.v, m.note FROM model m
    WHERE NOT EXISTS (SELECT FROM plan p WHERE p.id = m.id AND p.part = m.part AND NOT p.equal AND (NOT p.moved OR mode = 'branch'))
    UNION ALL
    SELECT p.id, p.part, p.v, p.note FROM plan p WHERE p.in_branch AND NOT p.equal AND (NOT p.moved OR mode = 'branch');
  SELECT count(*) INTO conflicts FROM plan p WHERE p.moved AND NOT p.equal AND (p.in_branch OR p.in_head);
  BEGIN
    SELECT * INTO merged FROM strata.merge_branch('model', branch, mode);
    IF merged.conflicts <> conflicts OR mode = 'error' AND conflicts > 0 THEN
      RAISE EXCEPTION 'merging % met % conflicts, not %', branch, merged.conflicts, conflicts;
    END IF;
    IF EXISTS ((SELECT id, part, v, note FROM model EXCEPT ALL SELECT * FROM expected)
               UNION ALL (SELECT * FROM expected EXCEPT ALL SELECT id, part, v, note FROM model)) THEN
      RAISE EXCEPTION 'merging % (on_conflict %) made something else of the table', branch, mode;
    END IF;
    PERFORM count_step('merged');
  EXCEPTION WHEN unique_violation THEN
    IF mode <> 'error' OR conflicts = 0 THEN RAISE; END IF;
    PERFORM count_step('merge refused');
  END;
  DROP TABLE plan, expected;
END $$;
-- A version with rows of its own, written to and put into the place of the table, which stays as a version.
CREATE FUNCTION promote_some(name name, source name, keep_as name) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF source IS NULL AND random() < 0.3 THEN
    PERFORM strata.create_version('model', name, mode => 'empty');
  ELSE
    PERFORM strata.create_version('model', name, mode => 'copy', from_version => source);
    IF source IS NULL THEN INSERT INTO saved SELECT name, id, part, v, note FROM model;
    ELSE INSERT INTO saved SELECT name, id, part, v, note FROM saved s WHERE s.version = source; END IF;
  END IF;
  EXECUTE format('INSERT INTO %I.model SELECT id, part, v, note FROM model WHERE id %% 7 = 3 ON CONFLICT DO NOTHING', 'model_' || name);
  DELETE FROM saved s WHERE s.version = name;
  EXECUTE format('INSERT INTO saved SELECT %L, id, part, v, note FROM %I.model', name, 'model_' || name);
  IF random() < 0.4 THEN
    PERFORM count_step('made a copy');
    RETURN;
  END IF;
  INSERT INTO saved SELECT keep_as, id, part, v, note FROM model;
  PERFORM strata.promote('model', name, keep_as);
  DELETE FROM saved s WHERE s.version = name;
  PERFORM count_step('promoted');
END $$;
CREATE PROCEDURE check_versions() LANGUAGE plpgsql AS $$
DECLARE
  version name;
  wrong bigint;
BEGIN
  FOR version IN SELECT v.name FROM strata.versions v WHERE v."table" = 'model'::regclass AND v.state = 'live' LOOP
    EXECUTE format('SELECT count(*) FROM ((SELECT id, part, v, note FROM %1$I.model EXCEPT ALL SELECT id, part, v, note FROM saved WHERE version = %2$L)
                    UNION ALL (SELECT id, part, v, note FROM saved WHERE version = %2$L EXCEPT ALL SELECT id, part, v, note FROM %1$I.model)) d',
                   'model_' || version, version) INTO wrong;
    IF wrong > 0 THEN RAISE EXCEPTION 'version % differs in % rows', version, wrong; END IF;
    -- The index finds what is there, nearest first.
    EXECUTE format('SELECT count(*) FROM (SELECT id, part FROM %1$I.model ORDER BY v <-> ''[0.5,0.5,0.5,0.5]'' LIMIT 7) a', 'model_' || version) INTO wrong;
    PERFORM count_step('compared');
  END LOOP;
END $$;
CREATE FUNCTION expected_diff(a name, b name) RETURNS TABLE (change text, key jsonb) LANGUAGE sql AS $$
  SELECT CASE WHEN x.id IS NULL THEN 'added' WHEN y.id IS NULL THEN 'removed' ELSE 'changed' END,
         jsonb_build_object('id', coalesce(x.id, y.id), 'part', coalesce(x.part, y.part))
  FROM (SELECT * FROM saved WHERE version = a) x FULL JOIN (SELECT * FROM saved WHERE version = b) y ON x.id = y.id AND x.part = y.part
  WHERE x.id IS NULL OR y.id IS NULL OR (x.v, x.note) IS DISTINCT FROM (y.v, y.note)
$$;
-- In an order that does not depend on who wrote to the catalog last.
CREATE VIEW listed AS SELECT * FROM strata.version ORDER BY name OFFSET 0;
CREATE PROCEDURE run_model(steps int) LANGUAGE plpgsql AS $$
<<run>>
DECLARE
  dice float;
  version name;   -- of all that live
  snapshot name;  -- of the present table
  branch name;    -- of the present table
  copy name;
  other name;
  number int := 0;
  planned_removed bigint;
  planned_restored bigint;
  planned_changed bigint;
  removed bigint;
  restored bigint;
  changed bigint;
BEGIN
  FOR step IN 1..steps LOOP
    dice := random();
    SELECT v.name INTO version FROM listed v WHERE v.state = 'live' ORDER BY random() LIMIT 1;
    SELECT v.name INTO snapshot FROM listed v
    WHERE v.state = 'live' AND v.kind = 'snapshot' AND v.relid = to_regclass('model') ORDER BY random() LIMIT 1;
    SELECT v.name INTO branch FROM listed v
    WHERE v.state = 'live' AND v.kind = 'branch' AND v.relid = to_regclass('model') ORDER BY random() LIMIT 1;
    SELECT v.name INTO copy FROM listed v WHERE v.state = 'live' AND v.kind = 'copy' ORDER BY random() LIMIT 1;
    IF dice < 0.15 AND branch IS NOT NULL THEN
      BEGIN
        PERFORM write_branch(branch) FROM generate_series(1, 1 + floor(random() * 3)::int);
        IF random() < 0.14 THEN RAISE EXCEPTION 'taken back' USING ERRCODE = 'ST001'; END IF;
      EXCEPTION WHEN SQLSTATE 'ST001' THEN PERFORM count_step('branch write aborted');
      END;
      PERFORM count_step('branch written');
    ELSIF dice < 0.17 THEN
      number := number + 1;
      PERFORM make_branch('b' || number, CASE WHEN random() < 0.6 THEN coalesce(branch, snapshot) END);
      PERFORM count_step('branched');
    ELSIF dice < 0.19 AND branch IS NOT NULL THEN
      PERFORM merge_some(branch);
    ELSIF dice < 0.20 THEN
      number := number + 1;
      PERFORM promote_some('c' || number, CASE WHEN random() < 0.5 THEN version END, 'old' || number);
    ELSIF dice < 0.21 AND copy IS NOT NULL THEN
      number := number + 1;
      INSERT INTO saved SELECT 'old' || number, id, part, v, note FROM model;
      PERFORM strata.promote('model', copy, 'old' || number);
      DELETE FROM saved s WHERE s.version = copy;
      PERFORM count_step('promoted again');
    ELSIF dice < 0.86 THEN
      BEGIN
        PERFORM write_some() FROM generate_series(1, 1 + floor(random() * 3)::int);
        IF random() < 0.14 THEN RAISE EXCEPTION 'taken back' USING ERRCODE = 'ST001'; END IF;
      EXCEPTION WHEN SQLSTATE 'ST001' THEN PERFORM count_step('aborted');
      END;
      PERFORM count_step('written');
    ELSIF dice < 0.91 THEN
      number := number + 1;
      version := 'v' || number;
      BEGIN
        PERFORM strata.create_version('model', version);
        INSERT INTO saved SELECT version, id, part, v, note FROM model;
        IF random() < 0.2 THEN
          PERFORM write_some();
          RAISE EXCEPTION 'taken back' USING ERRCODE = 'ST001';
        END IF;
        -- In the transaction that made the version, changes are after it.
        PERFORM write_some();
        PERFORM count_step('created');
      EXCEPTION WHEN SQLSTATE 'ST001' THEN PERFORM count_step('creation aborted');
      END;
    ELSIF dice < 0.935 AND snapshot IS NOT NULL THEN
      version := snapshot;
      number := number + 1;
      other := CASE WHEN random() < 0.5 THEN 'v' || number END;
      IF other IS NOT NULL THEN INSERT INTO saved SELECT other, id, part, v, note FROM model; END IF;
      CALL strata.rollback_to('model', version, NULL, true, planned_removed, planned_restored, planned_changed);
      CALL strata.rollback_to('model', version, other, false, removed, restored, changed);
      IF (removed, restored, changed) IS DISTINCT FROM (planned_removed, planned_restored, planned_changed) THEN
        RAISE EXCEPTION 'a dry run of a rollback to % promised something else', version;
      END IF;
      IF EXISTS ((SELECT id, part, v, note FROM model EXCEPT ALL SELECT id, part, v, note FROM saved s WHERE s.version = run.version)
                 UNION ALL (SELECT id, part, v, note FROM saved s WHERE s.version = run.version EXCEPT ALL SELECT id, part, v, note FROM model)) THEN
        RAISE EXCEPTION 'the table is not what version % is', version;
      END IF;
      PERFORM count_step('rolled back');
    ELSIF dice < 0.955 AND version IS NOT NULL THEN
      BEGIN
        PERFORM strata.drop_version('model', version);
        PERFORM count_step('dropped');
      EXCEPTION WHEN dependent_objects_still_exist THEN
        -- A table that was in the place of this one stays as long as it has versions of its own.
        IF version NOT LIKE 'old%' AND version NOT LIKE 'c%' THEN RAISE; END IF;
      END;
    ELSIF dice < 0.97 THEN
      SELECT v.name INTO version FROM listed v WHERE v.state = 'dropped' ORDER BY random() LIMIT 1;
      IF FOUND THEN
        PERFORM strata.undrop_version('model', version);
        PERFORM count_step('undropped');
      END IF;
    ELSIF dice < 0.98 THEN
      PERFORM strata.collect_versions('model', now => true);
      PERFORM count_step('collected');
    ELSIF version IS NOT NULL THEN
      SELECT v.name INTO other FROM listed v WHERE v.state = 'live' ORDER BY random() LIMIT 1;
      IF EXISTS ((SELECT * FROM strata.diff('model', version, other) EXCEPT ALL SELECT * FROM expected_diff(version, other))
                 UNION ALL (SELECT * FROM expected_diff(version, other) EXCEPT ALL SELECT * FROM strata.diff('model', version, other))) THEN
        RAISE EXCEPTION 'diff of % and % is wrong', version, other;
      END IF;
      PERFORM count_step('diffed');
    END IF;
    IF step % 20 = 0 THEN CALL check_versions(); END IF;
    COMMIT;
  END LOOP;
END $$;
SELECT setseed((:seed % 1000000) / 1000000.0) IS NULL AS seeded;
CALL run_model(:steps);
SELECT count(*) AS happened FROM counts
WHERE step_kind IN ('written', 'compared', 'created', 'rolled back', 'dropped', 'branched', 'branch written', 'merged', 'promoted');
-- nothing is shown twice, and no row of the past is kept for nobody
SELECT strata.collect_versions('model', now => true) >= 0 AS collected;
SELECT coalesce(bool_and(strata.collect_versions(relid, now => true) >= 0), true) AS collected
FROM strata.versioned_table WHERE relid <> 'model'::regclass;
SELECT count(*) AS for_nobody FROM model_history.model h
WHERE NOT EXISTS (SELECT FROM strata.version v WHERE v.relid = 'model'::regclass AND v.ordinal >= h.strata_born AND v.ordinal < h.strata_died);
SELECT count(*) AS overlapping FROM model_history.model a JOIN model_history.model b
  ON a.id = b.id AND a.part = b.part AND a.strata_died < b.strata_died AND a.strata_died > b.strata_born;
SELECT bool_and(ok) AS ok FROM strata.versions v, strata.verify_version('model', v.name) WHERE v."table" = 'model'::regclass AND v.kind = 'snapshot' AND v.state = 'live';
SELECT heap_rows = (SELECT count(*) FROM model_history.model) AS indexed
FROM strata.verify((SELECT indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = relam
                    WHERE indrelid = 'model_history.model'::regclass AND amname = 'ivf'), true);
-- versions of tables that were in its place, then those tables
SELECT count(strata.drop_version('model', name)) > 0 AS dropped FROM strata.version
WHERE relid <> 'model'::regclass AND state = 'live' AND ordinal IS NOT NULL;
SELECT bool_and(strata.collect_versions(relid, now => true) >= 0) AS collected FROM strata.versioned_table WHERE relid <> 'model'::regclass;
SELECT count(strata.drop_version('model', name)) > 0 AS dropped FROM strata.version WHERE relid <> 'model'::regclass AND state = 'live';
SELECT strata.collect_versions('model', now => true) >= 0 AS collected;
SELECT count(*) AS other_tables FROM strata.versioned_table WHERE relid <> 'model'::regclass;
SELECT strata.disable_versions('model');
DROP VIEW listed;
DROP TABLE model, saved, base, counts;
DROP FUNCTION some_vector, count_step, write_some, write_branch, expected_merge, make_branch, merge_some, promote_some, expected_diff;
DROP PROCEDURE check_versions, run_model;
