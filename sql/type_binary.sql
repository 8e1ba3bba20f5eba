-- The binary format of the types: what COPY writes, what it reads back, and what it refuses.
SELECT vector_send('[1,-2]'), halfvec_send('[1,-2]'), sparsevec_send('{2:1,3:-2}/5'), sparsevec_send('{}/7') AS empty;
CREATE TABLE binary_source (id int, v vector(2), h halfvec, s sparsevec);
INSERT INTO binary_source VALUES (1, '[1,2]', '[3,4,5]', '{1:1,4:-2}/4'), (2, '[-0,1e-45]', '[-0,6e-8]',
  '{}/1000000000'), (3, NULL, NULL, NULL),
  (4, '[3.4028235e38,-1]', '[65504]', '{1000000000:3e38}/1000000000');
INSERT INTO binary_source SELECT 5, '[0,0]', array_fill(0.5, '{16000}')::halfvec,
  ARRAY(SELECT i FROM generate_series(1, 16000) AS i)::sparsevec;
CREATE TABLE binary_target (LIKE binary_source);
\copy binary_source TO 'results/type_binary.copy' WITH (FORMAT binary)
\copy binary_target FROM 'results/type_binary.copy' WITH (FORMAT binary)
SELECT count(*) AS rows, count(*) FILTER (WHERE a.v::text = b.v::text) AS vectors,
       count(*) FILTER (WHERE a.h::text = b.h::text) AS halfvecs,
       count(*) FILTER (WHERE a.s::text = b.s::text) AS sparsevecs
FROM binary_source AS a JOIN binary_target AS b USING (id);
SELECT id, v, h, s FROM binary_target WHERE id < 5 ORDER BY id;
DROP TABLE binary_source, binary_target;

-- What binary input makes of `bytes`: the value, or SQLSTATE and message of the error.
CREATE FUNCTION pg_temp.receive(type text, bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  -- Header of the format, one column, its length, its bytes, end.
  message bytea := '\x5047434f50590aff0d0a00' || '\x0000000000000000'::bytea || '\x0001' || int4send(length(bytes))
                   || bytes || '\xffff';
  escaped text := (SELECT string_agg('\' || b / 64 || b / 8 % 8 || b % 8, '' ORDER BY i)
                   FROM generate_series(0, length(message) - 1) AS i, get_byte(message, i) AS b);
  result text;
BEGIN
  EXECUTE format('CREATE TEMP TABLE received (x %s)', type);
  EXECUTE format('COPY received FROM PROGRAM %L WITH (FORMAT binary)', format('printf ''%s''', escaped));
  SELECT x::text INTO result FROM received;
  DROP TABLE received;
  RETURN result;
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ' ' || SQLERRM;
END
$$;
SELECT type, bytes, pg_temp.receive(type, bytes)
FROM (VALUES
  ('vector', '\x000200003f800000c0000000'::bytea), ('vector(2)', '\x000200003f800000c0000000'),
  ('vector(3)', '\x000200003f800000c0000000'), ('vector', '\x'), ('vector', '\x0002'), ('vector', '\x00020000'),
  ('vector', '\x000200003f800000'), ('vector', '\x000200003f800000c00000'), ('vector', '\x000100003f800000c0000000'),
  ('vector', '\x00000000'), ('vector', '\xffff0000'), ('vector', '\x3e810000'), ('vector', '\x000100013f800000'),
  ('vector', '\x0001ffff3f800000'), ('vector', '\x000100007fc00000'), ('vector', '\x000100007f800000'),
  ('vector', '\x00010000ff800000'), ('vector', '\x0001000080000000'),
  ('halfvec', '\x000200003c00c000'), ('halfvec(1)', '\x000200003c00c000'), ('halfvec', '\x000200003c00'),
  ('halfvec', '\x00000000'), ('halfvec', '\x3e810000'), ('halfvec', '\x000100013c00'), ('halfvec', '\x000100007e00'),
  ('halfvec', '\x000100007c00'), ('halfvec', '\x00010000fc00'), ('halfvec', '\x000100000001'),
  ('sparsevec', '\x000000050000000200000000000000010000000440000000c0000000'),
  ('sparsevec', '\x000000050000000000000000'), ('sparsevec(4)', '\x000000050000000000000000'),
  ('sparsevec', '\x0000000500000000'), ('sparsevec', '\x00000005000000010000000000000001'),
  ('sparsevec', '\x000000000000000000000000'), ('sparsevec', '\xffffffff0000000000000000'),
  ('sparsevec', '\x3b9aca010000000000000000'), ('sparsevec', '\x00000005ffffffff00000000'),
  ('sparsevec', '\x00ffffff00003e8100000000'), ('sparsevec', '\x000000010000000200000000'),
  ('sparsevec', '\x000000050000000000000001'), ('sparsevec', '\x000000050000000100000000000000053f800000'),
  ('sparsevec', '\x000000050000000100000000ffffffff3f800000'),
  ('sparsevec', '\x00000005000000020000000000000003000000013f8000003f800000'),
  ('sparsevec', '\x00000005000000020000000000000003000000033f8000003f800000'),
  ('sparsevec', '\x0000000500000001000000000000000100000000'),
  ('sparsevec', '\x0000000500000001000000000000000180000000'),
  ('sparsevec', '\x000000050000000100000000000000017fc00000'),
  ('sparsevec', '\x00000005000000010000000000000001ff800000')
  ) AS t (type, bytes);
