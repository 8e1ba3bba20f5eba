
-- access method ivf

CREATE FUNCTION strata.ivf_handler(internal) RETURNS index_am_handler
  AS 'MODULE_PATHNAME', 'strata_ivf_handler' LANGUAGE C;
COMMENT ON FUNCTION strata.ivf_handler(internal) IS 'handler of index access method ivf';

CREATE ACCESS METHOD ivf TYPE INDEX HANDLER strata.ivf_handler;
COMMENT ON ACCESS METHOD ivf IS 'vector index that takes writes for ever: segments under a shared codebook';

-- support function 1: what an operator class says about its column

CREATE FUNCTION strata.ivf_vector_l2_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_vector_l2_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_vector_ip_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_vector_ip_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_vector_cosine_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_vector_cosine_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_halfvec_l2_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_halfvec_l2_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_halfvec_ip_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_halfvec_ip_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_halfvec_cosine_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_halfvec_cosine_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION strata.ivf_vector_l2_class(internal) IS 'ivf support: vector by Euclidean distance';
COMMENT ON FUNCTION strata.ivf_vector_ip_class(internal) IS 'ivf support: vector by inner product';
COMMENT ON FUNCTION strata.ivf_vector_cosine_class(internal) IS 'ivf support: vector by cosine distance';
COMMENT ON FUNCTION strata.ivf_halfvec_l2_class(internal) IS 'ivf support: halfvec by Euclidean distance';
COMMENT ON FUNCTION strata.ivf_halfvec_ip_class(internal) IS 'ivf support: halfvec by inner product';
COMMENT ON FUNCTION strata.ivf_halfvec_cosine_class(internal) IS 'ivf support: halfvec by cosine distance';

CREATE OPERATOR CLASS vector_l2_ops DEFAULT FOR TYPE vector USING ivf AS
  OPERATOR 1 <-> (vector, vector) FOR ORDER BY float_ops,
  FUNCTION 1 strata.ivf_vector_l2_class(internal);
COMMENT ON OPERATOR CLASS vector_l2_ops USING ivf IS 'nearest vectors by Euclidean distance';

CREATE OPERATOR CLASS vector_ip_ops FOR TYPE vector USING ivf AS
  OPERATOR 1 <#> (vector, vector) FOR ORDER BY float_ops,
  FUNCTION 1 strata.ivf_vector_ip_class(internal);
COMMENT ON OPERATOR CLASS vector_ip_ops USING ivf IS 'nearest vectors by inner product';

CREATE OPERATOR CLASS vector_cosine_ops FOR TYPE vector USING ivf AS
  OPERATOR 1 <=> (vector, vector) FOR ORDER BY float_ops,
  FUNCTION 1 strata.ivf_vector_cosine_class(internal);
COMMENT ON OPERATOR CLASS vector_cosine_ops USING ivf IS 'nearest vectors by cosine distance';

CREATE OPERATOR CLASS halfvec_l2_ops DEFAULT FOR TYPE halfvec USING ivf AS
  OPERATOR 1 <-> (halfvec, halfvec) FOR ORDER BY float_ops,
  FUNCTION 1 strata.ivf_halfvec_l2_class(internal);
COMMENT ON OPERATOR CLASS halfvec_l2_ops USING ivf IS 'nearest half-precision vectors by Euclidean distance';

CREATE OPERATOR CLASS halfvec_ip_ops FOR TYPE halfvec USING ivf AS
  OPERATOR 1 <#> (halfvec, halfvec) FOR ORDER BY float_ops,
  FUNCTION 1 strata.ivf_halfvec_ip_class(internal);
COMMENT ON OPERATOR CLASS halfvec_ip_ops USING ivf IS 'nearest half-precision vectors by inner product';

CREATE OPERATOR CLASS halfvec_cosine_ops FOR TYPE halfvec USING ivf AS
  OPERATOR 1 <=> (halfvec, halfvec) FOR ORDER BY float_ops,
  FUNCTION 1 strata.ivf_halfvec_cosine_class(internal);
COMMENT ON OPERATOR CLASS halfvec_cosine_ops USING ivf IS 'nearest half-precision vectors by cosine distance';

COMMENT ON OPERATOR FAMILY vector_l2_ops USING ivf IS 'vectors by Euclidean distance';
COMMENT ON OPERATOR FAMILY vector_ip_ops USING ivf IS 'vectors by inner product';
COMMENT ON OPERATOR FAMILY vector_cosine_ops USING ivf IS 'vectors by cosine distance';
COMMENT ON OPERATOR FAMILY halfvec_l2_ops USING ivf IS 'half-precision vectors by Euclidean distance';
COMMENT ON OPERATOR FAMILY halfvec_ip_ops USING ivf IS 'half-precision vectors by inner product';
COMMENT ON OPERATOR FAMILY halfvec_cosine_ops USING ivf IS 'half-precision vectors by cosine distance';
