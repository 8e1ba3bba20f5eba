-- import, export, archives

CREATE FUNCTION strata.import_file(
    "table" regclass, path text, format text DEFAULT 'auto', "column" name DEFAULT NULL, id_column name DEFAULT NULL,
    first_id bigint DEFAULT 0, on_error text DEFAULT 'abort', dimensions int DEFAULT NULL, skip_rows bigint DEFAULT 0,
    max_rows bigint DEFAULT NULL, OUT rows bigint, OUT skipped bigint)
  AS 'MODULE_PATHNAME', 'strata_import_file' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata.import_file(regclass, text, text, name, name, bigint, text, int, bigint, bigint) IS
  'inserts the rows of a file of vectors on the server (fvecs, bvecs, ivecs, npy) into a table, as COPY would';

CREATE FUNCTION strata.export_file(
    source text, path text, format text DEFAULT 'auto', "column" name DEFAULT NULL, overwrite boolean DEFAULT false)
  RETURNS bigint
  AS 'MODULE_PATHNAME', 'strata_export_file' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata.export_file(text, text, text, name, boolean) IS
  'writes the vectors of a table or query to a file on the server (fvecs, bvecs, ivecs, npy); returns the rows written';
