
-- filter columns of ivf indexes: support function 1 says how a column's values become keys

CREATE FUNCTION strata.ivf_bool_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_bool_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_int2_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_int2_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_int4_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_int4_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_int8_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_int8_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_float4_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_float4_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_float8_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_float8_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_oid_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_oid_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_enum_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_enum_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_numeric_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_numeric_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_text_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_text_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
CREATE FUNCTION strata.ivf_uuid_class(internal) RETURNS internal
  AS 'MODULE_PATHNAME', 'strata_ivf_uuid_class' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION strata.ivf_bool_class(internal) IS 'ivf support: filter column of boolean';
COMMENT ON FUNCTION strata.ivf_int2_class(internal) IS 'ivf support: filter column of smallint';
COMMENT ON FUNCTION strata.ivf_int4_class(internal) IS 'ivf support: filter column of integer and date';
COMMENT ON FUNCTION strata.ivf_int8_class(internal) IS 'ivf support: filter column of bigint, time and timestamps';
COMMENT ON FUNCTION strata.ivf_float4_class(internal) IS 'ivf support: filter column of real';
COMMENT ON FUNCTION strata.ivf_float8_class(internal) IS 'ivf support: filter column of double precision';
COMMENT ON FUNCTION strata.ivf_oid_class(internal) IS 'ivf support: filter column of oid';
COMMENT ON FUNCTION strata.ivf_enum_class(internal) IS 'ivf support: filter column of enumerations';
COMMENT ON FUNCTION strata.ivf_numeric_class(internal) IS 'ivf support: filter column of numeric';
COMMENT ON FUNCTION strata.ivf_text_class(internal) IS 'ivf support: filter column of text';
COMMENT ON FUNCTION strata.ivf_uuid_class(internal) IS 'ivf support: filter column of uuid';

CREATE OPERATOR FAMILY integer_ops USING ivf;
COMMENT ON OPERATOR FAMILY integer_ops USING ivf IS 'whole numbers as filter columns';
CREATE OPERATOR CLASS int2_ops DEFAULT FOR TYPE int2 USING ivf FAMILY integer_ops AS
  OPERATOR 11 <,
  OPERATOR 12 <=,
  OPERATOR 13 =,
  OPERATOR 14 >=,
  OPERATOR 15 >,
  FUNCTION 1 strata.ivf_int2_class(internal);
CREATE OPERATOR CLASS int4_ops DEFAULT FOR TYPE int4 USING ivf FAMILY integer_ops AS
  OPERATOR 11 <,
  OPERATOR 12 <=,
  OPERATOR 13 =,
  OPERATOR 14 >=,
  OPERATOR 15 >,
  FUNCTION 1 strata.ivf_int4_class(internal);
CREATE OPERATOR CLASS int8_ops DEFAULT FOR TYPE int8 USING ivf FAMILY integer_ops AS
  OPERATOR 11 <,
  OPERATOR 12 <=,
  OPERATOR 13 =,
  OPERATOR 14 >=,
  OPERATOR 15 >,
  FUNCTION 1 strata.ivf_int8_class(internal);
COMMENT ON OPERATOR CLASS int2_ops USING ivf IS 'filter column: equality and ranges';
COMMENT ON OPERATOR CLASS int4_ops USING ivf IS 'filter column: equality and ranges';
COMMENT ON OPERATOR CLASS int8_ops USING ivf IS 'filter column: equality and ranges';
ALTER OPERATOR FAMILY integer_ops USING ivf ADD
  OPERATOR 11 < (int2, int4),
  OPERATOR 12 <= (int2, int4),
  OPERATOR 13 = (int2, int4),
  OPERATOR 14 >= (int2, int4),
  OPERATOR 15 > (int2, int4),
  OPERATOR 11 < (int2, int8),
  OPERATOR 12 <= (int2, int8),
  OPERATOR 13 = (int2, int8),
  OPERATOR 14 >= (int2, int8),
  OPERATOR 15 > (int2, int8),
  OPERATOR 11 < (int4, int2),
  OPERATOR 12 <= (int4, int2),
  OPERATOR 13 = (int4, int2),
  OPERATOR 14 >= (int4, int2),
  OPERATOR 15 > (int4, int2),
  OPERATOR 11 < (int4, int8),
  OPERATOR 12 <= (int4, int8),
  OPERATOR 13 = (int4, int8),
  OPERATOR 14 >= (int4, int8),
  OPERATOR 15 > (int4, int8),
  OPERATOR 11 < (int8, int2),
  OPERATOR 12 <= (int8, int2),
  OPERATOR 13 = (int8, int2),
  OPERATOR 14 >= (int8, int2),
  OPERATOR 15 > (int8, int2),
  OPERATOR 11 < (int8, int4),
  OPERATOR 12 <= (int8, int4),
  OPERATOR 13 = (int8, int4),
  OPERATOR 14 >= (int8, int4),
  OPERATOR 15 > (int8, int4);

CREATE OPERATOR FAMILY float_ops USING ivf;
COMMENT ON OPERATOR FAMILY float_ops USING ivf IS 'floating-point numbers as filter columns';
CREATE OPERATOR CLASS float4_ops DEFAULT FOR TYPE float4 USING ivf FAMILY float_ops AS
  OPERATOR 11 <,
  OPERATOR 12 <=,
  OPERATOR 13 =,
  OPERATOR 14 >=,
  OPERATOR 15 >,
  FUNCTION 1 strata.ivf_float4_class(internal);
CREATE OPERATOR CLASS float8_ops DEFAULT FOR TYPE float8 USING ivf FAMILY float_ops AS
  OPERATOR 11 <,
  OPERATOR 12 <=,
  OPERATOR 13 =,
  OPERATOR 14 >=,
  OPERATOR 15 >,
  FUNCTION 1 strata.ivf_float8_class(internal);
COMMENT ON OPERATOR CLASS float4_ops USING ivf IS 'filter column: equality and ranges';
COMMENT ON OPERATOR CLASS float8_ops USING ivf IS 'filter column: equality and ranges';
ALTER OPERATOR FAMILY float_ops USING ivf ADD
  OPERATOR 11 < (float4, float8),
  OPERATOR 12 <= (float4, float8),
  OPERATOR 13 = (float4, float8),
  OPERATOR 14 >= (float4, float8),
  OPERATOR 15 > (float4, float8),
  OPERATOR 11 < (float8, float4),
  OPERATOR 12 <= (float8, float4),
  OPERATOR 13 = (float8, float4),
  OPERATOR 14 >= (float8, float4),
  OPERATOR 15 > (float8, float4);

CREATE OPERATOR CLASS bool_ops DEFAULT FOR TYPE bool USING ivf AS
  OPERATOR 11 <,
  OPERATOR 12 <=,
  OPERATOR 13 =,
  OPERATOR 14 >=,
  OPERATOR 15 >,
  FUNCTION 1 strata.ivf_bool_class(internal);
COMMENT ON OPERATOR CLASS bool_ops USING ivf IS 'filter column: equality and ranges';
COMMENT ON OPERATOR FAMILY bool_ops USING ivf IS 'filter columns of type bool';

CREATE OPERATOR CLASS date_ops DEFAULT FOR TYPE date USING ivf AS
  OPERATOR 11 <,
  OPERATOR 12 <=,
  OPERATOR 13 =,
  OPERATOR 14 >=,
  OPERATOR 15 >,
  FUNCTION 1 strata.ivf_int4_class(internal);
COMMENT ON OPERATOR CLASS date_ops USING ivf IS 'filter column: equality and ranges';
COMMENT ON OPERATOR FAMILY date_ops USING ivf IS 'filter columns of type date';

CREATE OPERATOR CLASS time_ops DEFAULT FOR TYPE time USING ivf AS
  OPERATOR 11 <,
  OPERATOR 12 <=,
  OPERATOR 13 =,
  OPERATOR 14 >=,
  OPERATOR 15 >,
  FUNCTION 1 strata.ivf_int8_class(internal);
COMMENT ON OPERATOR CLASS time_ops USING ivf IS 'filter column: equality and ranges';
COMMENT ON OPERATOR FAMILY time_ops USING ivf IS 'filter columns of type time';

CREATE OPERATOR CLASS timestamp_ops DEFAULT FOR TYPE timestamp USING ivf AS
  OPERATOR 11 <,
  OPERATOR 12 <=,
  OPERATOR 13 =,
  OPERATOR 14 >=,
  OPERATOR 15 >,
  FUNCTION 1 strata.ivf_int8_class(internal);
COMMENT ON OPERATOR CLASS timestamp_ops USING ivf IS 'filter column: equality and ranges';
COMMENT ON OPERATOR FAMILY timestamp_ops USING ivf IS 'filter columns of type timestamp';

CREATE OPERATOR CLASS timestamptz_ops DEFAULT FOR TYPE timestamptz USING ivf AS
  OPERATOR 11 <,
  OPERATOR 12 <=,
  OPERATOR 13 =,
  OPERATOR 14 >=,
  OPERATOR 15 >,
  FUNCTION 1 strata.ivf_int8_class(internal);
COMMENT ON OPERATOR CLASS timestamptz_ops USING ivf IS 'filter column: equality and ranges';
COMMENT ON OPERATOR FAMILY timestamptz_ops USING ivf IS 'filter columns of type timestamptz';

CREATE OPERATOR CLASS oid_ops DEFAULT FOR TYPE oid USING ivf AS
  OPERATOR 11 <,
  OPERATOR 12 <=,
  OPERATOR 13 =,
  OPERATOR 14 >=,
  OPERATOR 15 >,
  FUNCTION 1 strata.ivf_oid_class(internal);
COMMENT ON OPERATOR CLASS oid_ops USING ivf IS 'filter column: equality and ranges';
COMMENT ON OPERATOR FAMILY oid_ops USING ivf IS 'filter columns of type oid';

CREATE OPERATOR CLASS enum_ops DEFAULT FOR TYPE anyenum USING ivf AS
  OPERATOR 13 =,
  FUNCTION 1 strata.ivf_enum_class(internal);
COMMENT ON OPERATOR CLASS enum_ops USING ivf IS 'filter column: equality';
COMMENT ON OPERATOR FAMILY enum_ops USING ivf IS 'filter columns of type anyenum';

CREATE OPERATOR CLASS numeric_ops DEFAULT FOR TYPE numeric USING ivf AS
  OPERATOR 13 =,
  FUNCTION 1 strata.ivf_numeric_class(internal);
COMMENT ON OPERATOR CLASS numeric_ops USING ivf IS 'filter column: equality';
COMMENT ON OPERATOR FAMILY numeric_ops USING ivf IS 'filter columns of type numeric';

CREATE OPERATOR CLASS text_ops DEFAULT FOR TYPE text USING ivf AS
  OPERATOR 13 =,
  FUNCTION 1 strata.ivf_text_class(internal);
COMMENT ON OPERATOR CLASS text_ops USING ivf IS 'filter column: equality';
COMMENT ON OPERATOR FAMILY text_ops USING ivf IS 'filter columns of type text';

CREATE OPERATOR CLASS uuid_ops DEFAULT FOR TYPE uuid USING ivf AS
  OPERATOR 13 =,
  FUNCTION 1 strata.ivf_uuid_class(internal);
COMMENT ON OPERATOR CLASS uuid_ops USING ivf IS 'filter column: equality';
COMMENT ON OPERATOR FAMILY uuid_ops USING ivf IS 'filter columns of type uuid';

-- look-up by value, and of what lies within a distance: distance < radius in a form that an index can answer

CREATE TYPE vector_ball AS (center vector, radius float8);
COMMENT ON TYPE vector_ball IS 'a point and a distance from it';
CREATE FUNCTION strata.ball(center vector, radius float8) RETURNS vector_ball
  LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN ROW(center, radius)::vector_ball;
COMMENT ON FUNCTION strata.ball(vector, float8) IS 'a point and a distance from it, as the operators <<->>, <<#>> and <<=>> take them';
CREATE FUNCTION strata.vector_l2_within(vector, vector_ball) RETURNS boolean
  AS 'MODULE_PATHNAME', 'strata_vector_l2_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 12;
COMMENT ON FUNCTION strata.vector_l2_within(vector, vector_ball) IS 'implementation of operator <<->>';
CREATE OPERATOR <<->> (
  LEFTARG = vector, RIGHTARG = vector_ball, FUNCTION = strata.vector_l2_within, RESTRICT = contsel, JOIN = contjoinsel);
COMMENT ON OPERATOR <<->> (vector, vector_ball) IS 'Euclidean distance from the center less than the radius: a <-> center < radius';
ALTER OPERATOR FAMILY vector_l2_ops USING ivf ADD
  OPERATOR 13 = (vector, vector),
  OPERATOR 16 <<->> (vector, vector_ball);
CREATE FUNCTION strata.vector_ip_within(vector, vector_ball) RETURNS boolean
  AS 'MODULE_PATHNAME', 'strata_vector_ip_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 12;
COMMENT ON FUNCTION strata.vector_ip_within(vector, vector_ball) IS 'implementation of operator <<#>>';
CREATE OPERATOR <<#>> (
  LEFTARG = vector, RIGHTARG = vector_ball, FUNCTION = strata.vector_ip_within, RESTRICT = contsel, JOIN = contjoinsel);
COMMENT ON OPERATOR <<#>> (vector, vector_ball) IS 'negative inner product from the center less than the radius: a <#> center < radius';
ALTER OPERATOR FAMILY vector_ip_ops USING ivf ADD
  OPERATOR 13 = (vector, vector),
  OPERATOR 16 <<#>> (vector, vector_ball);
CREATE FUNCTION strata.vector_cosine_within(vector, vector_ball) RETURNS boolean
  AS 'MODULE_PATHNAME', 'strata_vector_cosine_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 12;
COMMENT ON FUNCTION strata.vector_cosine_within(vector, vector_ball) IS 'implementation of operator <<=>>';
CREATE OPERATOR <<=>> (
  LEFTARG = vector, RIGHTARG = vector_ball, FUNCTION = strata.vector_cosine_within, RESTRICT = contsel, JOIN = contjoinsel);
COMMENT ON OPERATOR <<=>> (vector, vector_ball) IS 'cosine distance from the center less than the radius: a <=> center < radius';
ALTER OPERATOR FAMILY vector_cosine_ops USING ivf ADD
  OPERATOR 13 = (vector, vector),
  OPERATOR 16 <<=>> (vector, vector_ball);

CREATE TYPE halfvec_ball AS (center halfvec, radius float8);
COMMENT ON TYPE halfvec_ball IS 'a point and a distance from it';
CREATE FUNCTION strata.ball(center halfvec, radius float8) RETURNS halfvec_ball
  LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN ROW(center, radius)::halfvec_ball;
COMMENT ON FUNCTION strata.ball(halfvec, float8) IS 'a point and a distance from it, as the operators <<->>, <<#>> and <<=>> take them';
CREATE FUNCTION strata.halfvec_l2_within(halfvec, halfvec_ball) RETURNS boolean
  AS 'MODULE_PATHNAME', 'strata_halfvec_l2_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 12;
COMMENT ON FUNCTION strata.halfvec_l2_within(halfvec, halfvec_ball) IS 'implementation of operator <<->>';
CREATE OPERATOR <<->> (
  LEFTARG = halfvec, RIGHTARG = halfvec_ball, FUNCTION = strata.halfvec_l2_within, RESTRICT = contsel, JOIN = contjoinsel);
COMMENT ON OPERATOR <<->> (halfvec, halfvec_ball) IS 'Euclidean distance from the center less than the radius: a <-> center < radius';
ALTER OPERATOR FAMILY halfvec_l2_ops USING ivf ADD
  OPERATOR 13 = (halfvec, halfvec),
  OPERATOR 16 <<->> (halfvec, halfvec_ball);
CREATE FUNCTION strata.halfvec_ip_within(halfvec, halfvec_ball) RETURNS boolean
  AS 'MODULE_PATHNAME', 'strata_halfvec_ip_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 12;
COMMENT ON FUNCTION strata.halfvec_ip_within(halfvec, halfvec_ball) IS 'implementation of operator <<#>>';
CREATE OPERATOR <<#>> (
  LEFTARG = halfvec, RIGHTARG = halfvec_ball, FUNCTION = strata.halfvec_ip_within, RESTRICT = contsel, JOIN = contjoinsel);
COMMENT ON OPERATOR <<#>> (halfvec, halfvec_ball) IS 'negative inner product from the center less than the radius: a <#> center < radius';
ALTER OPERATOR FAMILY halfvec_ip_ops USING ivf ADD
  OPERATOR 13 = (halfvec, halfvec),
  OPERATOR 16 <<#>> (halfvec, halfvec_ball);
CREATE FUNCTION strata.halfvec_cosine_within(halfvec, halfvec_ball) RETURNS boolean
  AS 'MODULE_PATHNAME', 'strata_halfvec_cosine_within' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE COST 12;
COMMENT ON FUNCTION strata.halfvec_cosine_within(halfvec, halfvec_ball) IS 'implementation of operator <<=>>';
CREATE OPERATOR <<=>> (
  LEFTARG = halfvec, RIGHTARG = halfvec_ball, FUNCTION = strata.halfvec_cosine_within, RESTRICT = contsel, JOIN = contjoinsel);
COMMENT ON OPERATOR <<=>> (halfvec, halfvec_ball) IS 'cosine distance from the center less than the radius: a <=> center < radius';
ALTER OPERATOR FAMILY halfvec_cosine_ops USING ivf ADD
  OPERATOR 13 = (halfvec, halfvec),
  OPERATOR 16 <<=>> (halfvec, halfvec_ball);
