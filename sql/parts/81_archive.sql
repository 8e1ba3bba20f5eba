-- archives: rows of a table or version in files of the server, checked, and readable without the table

CREATE FUNCTION strata._write_archive(
    query text, key int[], directory text, name text, about text, chunk_size bigint) RETURNS bigint
  AS 'MODULE_PATHNAME', 'strata_write_archive' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata._write_archive(text, int[], text, text, text, bigint) IS
  'writes the rows of a query as an archive, verified; returns their number';
CREATE FUNCTION strata.archive_manifest(path text) RETURNS jsonb
  AS 'MODULE_PATHNAME', 'strata_archive_manifest' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION strata.archive_manifest(text) IS 'what an archive says of itself: columns, key, counts, checksums, where it comes from';
CREATE FUNCTION strata._archive_names(directory text) RETURNS SETOF text
  AS 'MODULE_PATHNAME', 'strata_archive_names' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION strata._archive_names(text) IS 'the archives of a directory';
CREATE FUNCTION strata._check_archive_file(path text, file text, sha256 text) RETURNS bigint
  AS 'MODULE_PATHNAME', 'strata_check_archive_file' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 100000;
COMMENT ON FUNCTION strata._check_archive_file(text, text, text) IS 'error unless a file of an archive is as it was written; returns its rows';
CREATE FUNCTION strata._load_archive(
    "table" regclass, path text, columns name[], computed name[], files text[], sha256 text[]) RETURNS bigint
  AS 'MODULE_PATHNAME', 'strata_load_archive' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata._load_archive(regclass, text, name[], name[], text[], text[]) IS
  'copies files of an archive, which hold these columns, into a table that computes some of them itself; returns the rows';
CREATE FUNCTION strata._archive_type(type text) RETURNS text
  AS 'MODULE_PATHNAME', 'strata_archive_type' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION strata._archive_type(text) IS 'the name of a type as a statement may contain it';
CREATE FUNCTION strata._archive_key(type text, value text) RETURNS bytea
  AS 'MODULE_PATHNAME', 'strata_archive_key' LANGUAGE C VOLATILE STRICT;
COMMENT ON FUNCTION strata._archive_key(text, text) IS 'a value as archives hold it';
CREATE FUNCTION strata._archive_may_hold(path text, bloom_offset bigint, bloom_blocks bigint, key bytea[]) RETURNS boolean
  AS 'MODULE_PATHNAME', 'strata_archive_may_hold' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 1000;
COMMENT ON FUNCTION strata._archive_may_hold(text, bigint, bigint, bytea[]) IS 'asks the bloom filter of a file of an archive';
CREATE FUNCTION strata._archive_rows(
    path text, file text, sha256 text, types text[], key_columns int[], key bytea[]) RETURNS SETOF text[]
  AS 'MODULE_PATHNAME', 'strata_archive_rows' LANGUAGE C VOLATILE PARALLEL RESTRICTED COST 100000 ROWS 1;
COMMENT ON FUNCTION strata._archive_rows(text, text, text, text[], int[], bytea[]) IS 'rows of a file of an archive that have a key';

CREATE FUNCTION strata._manifest(path text) RETURNS jsonb
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  manifest jsonb := strata.archive_manifest(path);
BEGIN
  IF manifest->>'format' IS DISTINCT FROM 'strata-archive' OR jsonb_typeof(manifest->'chunks') IS DISTINCT FROM 'array'
     OR jsonb_typeof(manifest->'columns') IS DISTINCT FROM 'array' OR jsonb_typeof(manifest->'key') IS DISTINCT FROM 'array' THEN
    RAISE EXCEPTION 'directory "%" is no archive', path USING ERRCODE = 'data_corrupted';
  END IF;
  IF (manifest->>'format_version')::int > 1 THEN
    RAISE EXCEPTION 'archive "%" has format version %, this version of strata reads up to 1', path, manifest->>'format_version'
      USING ERRCODE = 'feature_not_supported', HINT = 'Update strata.';
  END IF;
  RETURN manifest;
END $$;
COMMENT ON FUNCTION strata._manifest(text) IS 'the manifest of an archive of a format that is known';

-- Archives a relation that has the columns of another one, whose definition is kept.
CREATE FUNCTION strata._archive_relation(
    relation regclass, definition regclass, directory text, name text, key name[], about jsonb, chunk_size bigint)
  RETURNS bigint
  -- Policies must not leave out rows silently.
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp SET row_security = off
  AS $$
DECLARE
  columns name[] := ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped ORDER BY attnum);
  primary_key name[] := ARRAY(
    SELECT a.attname FROM pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, number), pg_attribute a
    WHERE i.indrelid = definition AND i.indisprimary AND k.number <= i.indnkeyatts AND a.attrelid = definition AND a.attnum = k.attnum
    ORDER BY k.number);
  positions int[];
  facts jsonb;
  query text;
BEGIN
  key := coalesce(key, primary_key);
  positions := ARRAY(SELECT array_position(columns, k) FROM unnest(key) WITH ORDINALITY AS u(k, number) ORDER BY number);
  IF array_position(positions, NULL) IS NOT NULL THEN
    RAISE EXCEPTION 'relation % has no column "%"', relation, key[array_position(positions, NULL)] USING ERRCODE = 'undefined_column';
  END IF;
  facts := jsonb_build_object(
    'relation', definition::text, 'archived_at', clock_timestamp(), 'archived_by', session_user, 'database', current_database(),
    'server_version', current_setting('server_version'),
    'extension_version', (SELECT extversion FROM pg_extension WHERE extname = 'strata'),
    'is_primary_key', key = primary_key AND cardinality(key) > 0,
    'dimensions', (SELECT coalesce(jsonb_object_agg(attname, atttypmod), '{}') FROM pg_attribute
                   WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped AND atttypmod > 0
                     AND atttypid::regtype::text ~ '(^|\.)(vector|halfvec)$'),
    'indexes', strata._archive_indexes(definition)) || strata._archive_definitions(definition) || about;
  query := format('SELECT %s FROM %s', (SELECT string_agg(quote_ident(c), ', ' ORDER BY number) FROM unnest(columns) WITH ORDINALITY AS u(c, number)), relation);
  IF cardinality(key) > 0 THEN
    query := query || ' ORDER BY ' || (SELECT string_agg(quote_ident(k), ', ' ORDER BY number) FROM unnest(key) WITH ORDINALITY AS u(k, number));
  END IF;
  RETURN strata._write_archive(query, positions, directory, name, facts::text, chunk_size);
END $$;
COMMENT ON FUNCTION strata._archive_relation(regclass, regclass, text, text, name[], jsonb, bigint) IS 'implementation of strata.archive_table() and strata.archive_version()';

CREATE FUNCTION strata.archive_table(
    relation regclass, directory text, name text DEFAULT NULL, key name[] DEFAULT NULL, chunk_size bigint DEFAULT 33554432)
  RETURNS bigint
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
BEGIN
  RETURN strata._archive_relation(relation, relation, directory, coalesce(name, (SELECT relname FROM pg_class WHERE oid = relation)),
                                  key, '{}', chunk_size);
END $$;
COMMENT ON FUNCTION strata.archive_table(regclass, text, text, name[], bigint) IS
  'writes the rows of a table or view as an archive, a directory of files of the server; returns their number';

CREATE FUNCTION strata.verify_archive(path text) RETURNS bigint
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  manifest jsonb := strata._manifest(path);
  chunk jsonb;
  total bigint := 0;
  found bigint;
BEGIN
  FOR chunk IN SELECT * FROM jsonb_array_elements(manifest->'chunks') LOOP
    found := strata._check_archive_file(path, chunk->>'file', chunk->>'sha256');
    IF found IS DISTINCT FROM (chunk->>'rows')::bigint THEN
      RAISE EXCEPTION 'file "%/%" has % rows, its manifest says %', path, chunk->>'file', found, chunk->>'rows' USING ERRCODE = 'data_corrupted';
    END IF;
    total := total + found;
  END LOOP;
  IF manifest ? 'bloom' THEN
    PERFORM strata._check_archive_file(path, manifest->'bloom'->>'file', manifest->'bloom'->>'sha256');
  END IF;
  IF total IS DISTINCT FROM (manifest->>'rows')::bigint THEN
    RAISE EXCEPTION 'archive "%" has % rows, its manifest says %', path, total, manifest->>'rows' USING ERRCODE = 'data_corrupted';
  END IF;
  RETURN total;
END $$;
COMMENT ON FUNCTION strata.verify_archive(text) IS 'proves that an archive is as it was written; returns its rows, error otherwise';

CREATE FUNCTION strata.archive_lookup(directory text, VARIADIC key text[], OUT archive text, OUT "row" jsonb) RETURNS SETOF record
  LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
  AS $$
DECLARE
  path text;
  manifest jsonb;
  chunk jsonb;
  columns text[];
  types text[];
  positions int[];
  sent bytea[];
BEGIN
  FOR archive IN SELECT n FROM strata._archive_names(directory) n ORDER BY n LOOP
    path := directory || '/' || archive;
    manifest := strata._manifest(path);
    CONTINUE WHEN jsonb_array_length(manifest->'key') <> cardinality(key) OR NOT manifest ? 'bloom';
    columns := ARRAY(SELECT c->>'name' FROM jsonb_array_elements(manifest->'columns') WITH ORDINALITY AS u(c, number) ORDER BY number);
    types := ARRAY(SELECT c->>'type' FROM jsonb_array_elements(manifest->'columns') WITH ORDINALITY AS u(c, number) ORDER BY number);
    positions := ARRAY(SELECT array_position(columns, k) FROM jsonb_array_elements_text(manifest->'key') WITH ORDINALITY AS u(k, number) ORDER BY number);
    sent := ARRAY(SELECT strata._archive_key(types[p], k) FROM unnest(positions, key) WITH ORDINALITY AS u(p, k, number) ORDER BY number);
    FOR chunk IN SELECT * FROM jsonb_array_elements(manifest->'chunks') LOOP
      CONTINUE WHEN NOT strata._archive_may_hold(path, (chunk->>'bloom_offset')::bigint, (chunk->>'bloom_blocks')::bigint, sent);
      FOR "row" IN SELECT (SELECT jsonb_object_agg(c, v) FROM unnest(columns, r) AS u(c, v))
                   FROM strata._archive_rows(path, chunk->>'file', chunk->>'sha256', types, positions, sent) r LOOP
        RETURN NEXT;
      END LOOP;
    END LOOP;
  END LOOP;
END $$;
COMMENT ON FUNCTION strata.archive_lookup(text, text[]) IS
  'rows with a key in the archives of a directory; reads only files whose bloom filter may hold it';
