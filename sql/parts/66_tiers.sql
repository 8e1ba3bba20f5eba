
-- tiers: segments that are seldom used keep most of their bytes in another tablespace

CREATE FUNCTION strata.ivf_cold_handler(internal) RETURNS index_am_handler
  AS 'MODULE_PATHNAME', 'strata_ivf_cold_handler' LANGUAGE C;
COMMENT ON FUNCTION strata.ivf_cold_handler(internal) IS 'handler of index access method ivf_cold';

CREATE ACCESS METHOD ivf_cold TYPE INDEX HANDLER strata.ivf_cold_handler;
COMMENT ON ACCESS METHOD ivf_cold IS 'keeps what cold segments of an ivf index have in another tablespace; made by strata.set_cold_tablespace';

CREATE OPERATOR CLASS vector_cold_ops DEFAULT FOR TYPE vector USING ivf_cold AS STORAGE vector;
COMMENT ON OPERATOR CLASS vector_cold_ops USING ivf_cold IS 'companions of ivf indexes of vectors';
CREATE OPERATOR CLASS halfvec_cold_ops DEFAULT FOR TYPE halfvec USING ivf_cold AS STORAGE halfvec;
COMMENT ON OPERATOR CLASS halfvec_cold_ops USING ivf_cold IS 'companions of ivf indexes of half-precision vectors';
COMMENT ON OPERATOR FAMILY vector_cold_ops USING ivf_cold IS 'companions of ivf indexes of vectors';
COMMENT ON OPERATOR FAMILY halfvec_cold_ops USING ivf_cold IS 'companions of ivf indexes of half-precision vectors';

CREATE FUNCTION strata.set_cold_tablespace(index regclass, tablespace name DEFAULT NULL) RETURNS regclass
  AS 'MODULE_PATHNAME', 'strata_set_cold_tablespace' LANGUAGE C VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata.set_cold_tablespace(regclass, name) IS
  'says where an ivf index keeps its cold segments (null: where they are, or the default tablespace); returns the companion that holds them';

CREATE FUNCTION strata.set_segment_tier(index regclass, segment bigint, tier text) RETURNS bigint
  AS 'MODULE_PATHNAME', 'strata_set_segment_tier' LANGUAGE C STRICT VOLATILE PARALLEL UNSAFE COST 100000;
COMMENT ON FUNCTION strata.set_segment_tier(regclass, bigint, text) IS
  'moves a sealed segment of an ivf index to tier hot or cold; returns its number there, null when none of its rows was left';
