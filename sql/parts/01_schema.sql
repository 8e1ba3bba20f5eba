\echo Use "CREATE EXTENSION strata" to load this file. \quit

CREATE SCHEMA strata;
COMMENT ON SCHEMA strata IS 'strata: functions and views that show and manage ivf indexes';
GRANT USAGE ON SCHEMA strata TO PUBLIC;
