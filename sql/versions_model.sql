-- Random work on a versioned table, compared with saved copies. STRATA_SEED and STRATA_STEPS in the environment search
-- further: STRATA_SEED=7 STRATA_STEPS=20000 psql -f sql/versions_model.sql
SET client_min_messages = warning;
\set seed 1
\set steps 500
\getenv seed STRATA_SEED
\getenv steps STRATA_STEPS
SET strata.auto_flush_interval = 0;
SET strata.version_drop_delay = '1h';
CREATE TABLE model (id int, part int, v vector(4), note text, PRIMARY KEY (id, part));
CREATE INDEX model_v ON model USING ivf (v);
SELECT strata.enable_versions('model');
CREATE TABLE saved (version name, dropped bool DEFAULT false, id int, part int, v vector(4), note text);
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
CREATE PROCEDURE run_model(steps int) LANGUAGE plpgsql AS $$
<<run>>
DECLARE
  dice float;
  version name;
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
    SELECT v.name INTO version FROM strata.versions v WHERE v.state = 'live' ORDER BY random() LIMIT 1;
    IF dice < 0.86 THEN
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
        INSERT INTO saved SELECT version, false, id, part, v, note FROM model;
        IF random() < 0.2 THEN
          PERFORM write_some();
          RAISE EXCEPTION 'taken back' USING ERRCODE = 'ST001';
        END IF;
        -- In the transaction that made the version, changes are after it.
        PERFORM write_some();
        PERFORM count_step('created');
      EXCEPTION WHEN SQLSTATE 'ST001' THEN PERFORM count_step('creation aborted');
      END;
    ELSIF dice < 0.935 AND version IS NOT NULL THEN
      number := number + 1;
      other := CASE WHEN random() < 0.5 THEN 'v' || number END;
      IF other IS NOT NULL THEN INSERT INTO saved SELECT other, false, id, part, v, note FROM model; END IF;
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
    ELSIF dice < 0.96 AND version IS NOT NULL THEN
      PERFORM strata.drop_version('model', version);
      UPDATE saved s SET dropped = true WHERE s.version = run.version;
      PERFORM count_step('dropped');
    ELSIF dice < 0.97 THEN
      SELECT v.name INTO version FROM strata.versions v WHERE v.state = 'dropped' ORDER BY random() LIMIT 1;
      IF FOUND THEN
        PERFORM strata.undrop_version('model', version);
        PERFORM count_step('undropped');
      END IF;
    ELSIF dice < 0.98 THEN
      PERFORM strata.collect_versions('model', now => true);
      PERFORM count_step('collected');
    ELSIF version IS NOT NULL THEN
      SELECT v.name INTO other FROM strata.versions v WHERE v.state = 'live' ORDER BY random() LIMIT 1;
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
SELECT setseed((:seed % 1000) / 1000.0) IS NULL AS seeded;
CALL run_model(:steps);
SELECT step_kind, n > 0 AS happened FROM counts ORDER BY step_kind;
-- nothing is shown twice, and no row of the past is kept for nobody
SELECT strata.collect_versions('model', now => true) >= 0 AS collected;
SELECT count(*) AS for_nobody FROM model_history.model h
WHERE NOT EXISTS (SELECT FROM strata.version v WHERE v.relid = 'model'::regclass AND v.ordinal >= h.strata_born AND v.ordinal < h.strata_died);
SELECT count(*) AS overlapping FROM model_history.model a JOIN model_history.model b
  ON a.id = b.id AND a.part = b.part AND a.strata_died < b.strata_died AND a.strata_died > b.strata_born;
SELECT bool_and(ok) AS ok FROM strata.versions v, strata.verify_version('model', v.name) WHERE v."table" = 'model'::regclass;
SELECT heap_rows = (SELECT count(*) FROM model_history.model) AS indexed
FROM strata.verify((SELECT indexrelid::regclass FROM pg_index i JOIN pg_class c ON c.oid = indexrelid JOIN pg_am a ON a.oid = relam
                    WHERE indrelid = 'model_history.model'::regclass AND amname = 'ivf'), true);
SELECT strata.disable_versions('model');
DROP TABLE model, saved, counts;
DROP FUNCTION some_vector, count_step, write_some, expected_diff;
DROP PROCEDURE check_versions, run_model;
