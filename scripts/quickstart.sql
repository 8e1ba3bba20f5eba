-- The tour of scripts/quickstart. psql variable `words`: a file with one word a line.
\set QUIET on
\pset pager off
\pset footer off
\set VERBOSITY terse
SET client_min_messages = warning;

\echo
\echo '-- A word as a vector: its letters, pairs and triples of letters, counted in 256 cells.'
\echo '-- Words that look alike have vectors that point the same way.'
\echo
\set ECHO queries
CREATE EXTENSION strata;

CREATE FUNCTION word_vector(word text) RETURNS vector
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
  SELECT ('{' || string_agg(cell || ':' || number, ',' ORDER BY cell) || '}/256')::sparsevec::vector
  FROM (SELECT 1 + (hashtext(substr(marked, start, length)) & 255) AS cell, count(*) AS number
        FROM (SELECT '^' || lower(word) || '$' AS marked) AS w,
             generate_series(1, 3) AS length,
             generate_series(1, length(marked) - length + 1) AS start
        GROUP BY cell) AS cells
$$;

SELECT word_vector('cab')::sparsevec AS "cells and counts of one word";

\set ECHO none
\echo '-- The index comes first, on the empty table. It never needs a rebuild.'
\echo
\set ECHO queries
CREATE TABLE words (word text PRIMARY KEY, gram vector(256) NOT NULL);

CREATE INDEX words_ivf ON words USING ivf (gram vector_cosine_ops);

\set ECHO none
CREATE TEMPORARY TABLE word_list (word text);
\set load '\\copy word_list FROM ' :'words'
:load
SELECT count(*) AS count FROM word_list \gset
\echo
\echo '-- Load' :count 'words from' :words
\echo
\set ECHO queries
\timing on
INSERT INTO words SELECT DISTINCT ON (word) word, word_vector(word) FROM word_list;
\timing off

\set ECHO none
\echo
\echo '-- Which words look like "compaktion"?'
\echo
\set ECHO queries
\timing on
SELECT word, round((gram <=> word_vector('compaktion'))::numeric, 3) AS distance
FROM words ORDER BY gram <=> word_vector('compaktion') LIMIT 8;
\timing off

\set ECHO none
\echo
\echo '-- The same without the index: every row is compared.'
\echo
SET enable_indexscan = off;
\set ECHO queries
\timing on
SELECT word, round((gram <=> word_vector('compaktion'))::numeric, 3) AS distance
FROM words ORDER BY gram <=> word_vector('compaktion') LIMIT 8;
\timing off
\set ECHO none
RESET enable_indexscan;

\echo
\echo '-- A new row is found by the next statement ...'
\echo
\set ECHO queries
\timing on
INSERT INTO words VALUES ('compaktion', word_vector('compaktion'));
\timing off

SELECT word FROM words ORDER BY gram <=> word_vector('compaktion') LIMIT 3;

\set ECHO none
\echo '-- ... and a deleted one is gone at once.'
\echo
\set ECHO queries
DELETE FROM words WHERE word = 'compaktion';

SELECT word FROM words ORDER BY gram <=> word_vector('compaktion') LIMIT 3;

\set ECHO none
\echo '-- Flush: the growing segment becomes a sealed one. It happens by itself, in the background; here, now.'
\echo '-- A codebook (epoch) was learnt from the rows meanwhile: its lists are what a search looks through.'
\echo
\set ECHO queries
SELECT strata.flush('words_ivf');

SELECT id, kind, state, rows, deleted_rows, lists, pg_size_pretty(bytes) AS size
FROM strata.segments WHERE index = 'words_ivf'::regclass ORDER BY id;

\set ECHO none
\echo '-- The plan of a prepared search: rows come out of the index in order, nothing is sorted.'
\echo
SET plan_cache_mode = force_generic_plan;
\set ECHO queries
PREPARE look_alike (vector) AS SELECT word FROM words ORDER BY gram <=> $1 LIMIT 8;

EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE look_alike(word_vector('compaktion'));
