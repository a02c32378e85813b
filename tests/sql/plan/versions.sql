CREATE STREAM flights (origin VARCHAR KEY, dest VARCHAR, delay INT) WITH (TOPIC='flights', PARTITIONS=4);
CREATE TABLE airports (iata VARCHAR PRIMARY KEY, name VARCHAR, lat DOUBLE) WITH (TOPIC='airports', PARTITIONS=4);
CREATE TABLE by_origin AS SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin;
CREATE TABLE hourly AS SELECT origin, COUNT(*) AS n FROM flights WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY origin;
CREATE STREAM named AS SELECT f.dest, f.delay, a.name FROM flights f JOIN airports a ON f.dest = a.iata;
CREATE TABLE west AS SELECT iata, name FROM airports WHERE lat < 40;
-- what is kept, given once more, rebuilt
EXPLAIN CREATE OR REPLACE TABLE by_origin AS SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin HAVING COUNT(*) > 3;
EXPLAIN CREATE OR REPLACE TABLE by_origin AS SELECT origin, COUNT(*) AS n, MAX(delay) AS worst FROM flights GROUP BY origin;
EXPLAIN CREATE OR REPLACE TABLE hourly AS SELECT origin, COUNT(*) AS n FROM flights WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY origin HAVING COUNT(*) > 1;
EXPLAIN CREATE OR REPLACE STREAM named AS SELECT f.dest, f.delay, a.name FROM flights f JOIN airports a ON f.dest = a.iata WHERE f.delay > 5;
EXPLAIN CREATE OR REPLACE STREAM named AS SELECT f.dest, f.delay, a.name, a.lat FROM flights f JOIN airports a ON f.dest = a.iata;
EXPLAIN CREATE OR REPLACE TABLE west AS SELECT iata, name FROM airports WHERE lat < 50;
-- done, and done again
CREATE OR REPLACE TABLE by_origin AS SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin HAVING COUNT(*) > 3;
create or replace table by_origin as select origin, count(*) as n from flights group by origin having count(*) > 3;
EXPLAIN by_origin;
-- refused
CREATE OR REPLACE TABLE by_origin AS SELECT dest, COUNT(*) AS n FROM flights GROUP BY dest;
CREATE OR REPLACE TABLE by_origin AS SELECT origin, SUM(delay) AS delay FROM flights GROUP BY origin;
CREATE OR REPLACE TABLE by_origin (origin VARCHAR PRIMARY KEY, n BIGINT) WITH (TOPIC='by_origin');
CREATE OR REPLACE TABLE flights AS SELECT * FROM airports;
-- beside
SET 'replace.mode' = 'beside';
EXPLAIN CREATE OR REPLACE TABLE by_origin AS SELECT dest, COUNT(*) AS n FROM flights GROUP BY dest;
CREATE TABLE often AS SELECT n, COUNT(*) AS origins FROM by_origin GROUP BY n;
EXPLAIN CREATE OR REPLACE TABLE by_origin AS SELECT origin, SUM(delay) AS n FROM flights GROUP BY origin;
CREATE OR REPLACE TABLE by_origin AS SELECT origin, SUM(delay) AS n FROM flights GROUP BY origin;
PROMOTE by_origin;
DISCARD by_origin;
DROP TABLE often;
CREATE OR REPLACE TABLE by_origin AS SELECT dest, COUNT(*) AS n FROM flights GROUP BY dest;
CREATE OR REPLACE TABLE by_origin AS SELECT dest, COUNT(*) AS n FROM flights GROUP BY dest;
CREATE OR REPLACE TABLE by_origin AS SELECT dest, COUNT(*) AS m FROM flights GROUP BY dest;
SHOW TABLES;
DROP TABLE by_origin;
PROMOTE hourly;
PROMOTE by_origin;
SHOW TABLES;
SHOW JOBS;
CREATE OR REPLACE TABLE by_origin AS SELECT dest, COUNT(*) AS m FROM flights GROUP BY dest;
DISCARD by_origin;
DISCARD by_origin;
SHOW TOPICS;
-- savepoints
SAVEPOINT nothing AS sp1;
SAVEPOINT by_origin AS sp1;
RESTORE by_origin FROM sp1;
DROP SAVEPOINT sp1;
DROP SAVEPOINT IF EXISTS sp1;
SHOW SAVEPOINTS;
PAUSE by_origin;
SAVEPOINT by_origin AS sp1;
