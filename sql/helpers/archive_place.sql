-- For tests of archives: a schema, a directory of this run in the data directory of the server, and what an error says.
CREATE SCHEMA archive_test;
SET search_path = archive_test, public;
CREATE FUNCTION place(name text DEFAULT NULL) RETURNS text LANGUAGE sql AS $$
  SELECT current_setting('data_directory') || '/archives_' || oid || coalesce('/' || name, '')
  FROM pg_namespace WHERE nspname = 'archive_test'
$$;
CREATE FUNCTION complaint(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'none';
EXCEPTION WHEN OTHERS THEN
  RETURN regexp_replace(SQLSTATE || ' ' || SQLERRM, '"/[^"]*/archives_\d+', '".');
END $$;
-- The directory is made as an archive of nothing.
CREATE TABLE nothing ();
SELECT strata.archive_table('nothing', current_setting('data_directory'), substring(place() FROM '[^/]*$')) AS nothing;
