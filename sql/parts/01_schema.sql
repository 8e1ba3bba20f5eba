\echo Use "CREATE EXTENSION strata" to load this file. \quit

CREATE SCHEMA strata;
COMMENT ON SCHEMA strata IS 'strata: functions and views that manage ivf indexes, versions, de-duplication and tiers';
GRANT USAGE ON SCHEMA strata TO PUBLIC;
