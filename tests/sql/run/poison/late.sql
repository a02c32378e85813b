-- Rows whose windows have closed are counted; under late.records = 'dead-letter' they are kept, with the place they came from.
CREATE STREAM views (page VARCHAR KEY, n INT, at BIGINT) WITH (TOPIC = 'views', PARTITIONS = 1, TIMESTAMP = 'at');
CREATE TABLE counted AS SELECT page, SUM(n) AS total FROM views WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 5 SECONDS) GROUP BY page;
SET 'late.records' = 'dead-letter';
CREATE TABLE kept AS SELECT page, SUM(n) AS total FROM views WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 5 SECONDS) GROUP BY page;
CREATE TABLE hops AS SELECT page, SUM(n) AS total FROM views WINDOW HOPPING (SIZE 20 SECONDS, ADVANCE BY 10 SECONDS, GRACE PERIOD 0 SECONDS) WHERE n < 100 GROUP BY page;
SET 'late.records' = 'perhaps';
INSERT INTO views VALUES ('a', 1, 5000), ('a', 2, 16000), ('a', 4, 9000), ('a', 8, 31000), ('late', 16, 9999), ('late', 32, 11000), ('in time', 64, 20000);
\wait
SELECT page, WINDOWSTART, total FROM counted ORDER BY page, WINDOWSTART;
SELECT job, late FROM sys.jobs ORDER BY job;
SHOW ERRORS counted;
SHOW ERRORS kept;
PRINT kept_dlq FROM BEGINNING LIMIT 2;
PRINT hops_dlq FROM BEGINNING LIMIT 2;
RESUME kept WITH (LATE_RECORDS = 'count');
\wait
INSERT INTO views VALUES ('late', 128, 3);
\wait
SHOW ERRORS kept;
RESUME kept WITH (LATE_RECORDS = 'never');
