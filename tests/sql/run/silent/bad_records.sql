-- Why nothing comes out: the query names the job that fills what it reads, what became of its records, and what to type.
CREATE STREAM raw (line VARCHAR) WITH (TOPIC='clicks', PARTITIONS=1, VALUE_FORMAT='KAFKA');
INSERT INTO raw VALUES ('hello'), ('world'), ('12');
CREATE STREAM clicks (page VARCHAR, ms INT) WITH (TOPIC='clicks');
CREATE TABLE cnt AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;
CREATE STREAM slow AS SELECT page, ms FROM clicks WHERE ms > 100;
CREATE TABLE c2 AS SELECT page, COUNT(*) AS n FROM slow GROUP BY page;
\wait
SELECT * FROM cnt;
SELECT * FROM cnt EMIT CHANGES;
SELECT * FROM slow;
SELECT * FROM c2;
SELECT COUNT(*) FROM c2;
SELECT * FROM slow EMIT CHANGES;
-- A key without a row: what the job has left out may have been its.
INSERT INTO clicks (ROWTIME, page, ms) VALUES (90000, 'a', 1), (1000, 'b', 2);
CREATE TABLE jt AS SELECT page, COUNT(*) AS n FROM clicks WINDOW TUMBLING (SIZE 1 SECOND, GRACE PERIOD 0 SECONDS) GROUP BY page;
\wait
SELECT * FROM jt WHERE page = 'b' AND windowstart = 1000;
SELECT * FROM cnt WHERE page = 'x';
