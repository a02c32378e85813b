-- What cannot be decoded, or gives no key, goes to the job's topic of dead letters as it came; the rest goes on.
CREATE STREAM raw (line VARCHAR) WITH (TOPIC='in', PARTITIONS=1, VALUE_FORMAT='KAFKA');
INSERT INTO raw VALUES ('{"V":1,"A":"1"}'), ('{"V":"x","A":"1"}'), ('{"V":2,"A":"zwei"}'), ('nonsense'), ('{"V":3,"A":"2"}');
CREATE STREAM s (a VARCHAR, v INT) WITH (TOPIC='in');
CREATE TABLE g AS SELECT CAST(a AS INT) AS n, COUNT(*) AS c, SUM(v) AS v FROM s GROUP BY CAST(a AS INT);
CREATE STREAM p AS SELECT CAST(a AS INT) AS n, v FROM s PARTITION BY CAST(a AS INT);
-- A value that is no key stays NULL, and is counted.
CREATE STREAM c AS SELECT CAST(a AS INT) AS n, v FROM s;
\wait
SELECT * FROM g;
SELECT * FROM p;
SELECT * FROM c;
-- g reads only what it needs of a record
SHOW ERRORS g;
SHOW ERRORS p LIMIT 1;
SHOW ERRORS c;
SHOW ERRORS nobody;
PRINT p_dlq FROM BEGINNING LIMIT 3;
SHOW TOPICS;
