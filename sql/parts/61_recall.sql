
-- the recall that is reached

CREATE FUNCTION strata.measure_recall(
    index regclass, sample int DEFAULT 200, k int DEFAULT 10, OUT source text, OUT k_rows int, OUT target float8,
    OUT recall float8, OUT worst_tenth float8, OUT queries int, OUT rows_read float8)
  RETURNS SETOF record
  AS 'MODULE_PATHNAME', 'strata_measure_recall' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE ROWS 2 COST 1000000;
COMMENT ON FUNCTION strata.measure_recall(regclass, int, int) IS
  'share of the true k nearest rows that searches through an ivf index find, with the settings of this session: asked by a sample of rows, and by recent queries that strata.sample_queries kept; reads the whole table twice';
