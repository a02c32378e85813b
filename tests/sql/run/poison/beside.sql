-- The next version of a job does with bad records what the one does that it runs beside.
CREATE STREAM raw (line VARCHAR) WITH (TOPIC='in', PARTITIONS=1, VALUE_FORMAT='KAFKA');
INSERT INTO raw VALUES ('{"V":1}'), ('bad');
CREATE STREAM s (v INT) WITH (TOPIC='in');
SET 'errors.tolerance'='skip';
CREATE STREAM h AS SELECT v FROM s;
UNSET 'errors.tolerance';
SET 'replace.mode'='beside';
CREATE OR REPLACE STREAM h AS SELECT v, v + 1 AS w FROM s;
\wait
SHOW ERRORS;
SHOW TOPICS;
