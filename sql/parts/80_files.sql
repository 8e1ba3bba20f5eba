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

-- Where imports of the program strata-file have come to. Everybody has marks of his own.
CREATE TABLE strata.import_mark (
  relation oid NOT NULL,
  owner name NOT NULL DEFAULT current_user,
  token text NOT NULL,
  rows_done bigint NOT NULL DEFAULT 0,
  finished boolean NOT NULL DEFAULT false,
  changed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (relation, owner, token));
COMMENT ON TABLE strata.import_mark IS
  'rows of files that strata-file --resume has imported; written in the transactions that insert the rows';
COMMENT ON COLUMN strata.import_mark.relation IS 'the table that gets the rows';
COMMENT ON COLUMN strata.import_mark.owner IS 'who imports';
COMMENT ON COLUMN strata.import_mark.token IS 'what stands for the file and the options that choose its rows';
COMMENT ON COLUMN strata.import_mark.rows_done IS 'rows of the file that are committed or were skipped';
COMMENT ON COLUMN strata.import_mark.finished IS 'whether it was the whole file';
COMMENT ON COLUMN strata.import_mark.changed_at IS 'when the last batch began';
ALTER TABLE strata.import_mark ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_marks ON strata.import_mark USING (owner = current_user)
  WITH CHECK (owner = current_user AND pg_catalog.has_any_column_privilege(relation, 'INSERT'));
GRANT SELECT, INSERT, UPDATE, DELETE ON strata.import_mark TO PUBLIC;
