-- A pull query over a table, a stream and constants answers once, when all of them have been read.
CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH (TOPIC='t', PARTITIONS=1);
CREATE STREAM s (k INT KEY, n INT) WITH (TOPIC='s', PARTITIONS=1);
INSERT INTO t VALUES (1, 10);
INSERT INTO s VALUES (1, 1), (2, 1), (3, 2);
SELECT c.x, total.rows FROM (VALUES (1)) c(x) LEFT JOIN (SELECT COUNT(*) AS rows FROM s CROSS JOIN t) total ON TRUE;
SELECT COUNT(*) AS rows FROM (SELECT n, (SELECT v FROM t) AS v FROM (SELECT n FROM s GROUP BY n)) HAVING COUNT(*) < 2;
SELECT c.x, pair.n FROM (VALUES (1), (2)) c(x) LEFT JOIN (SELECT n, v FROM s CROSS JOIN t) pair ON c.x = pair.n ORDER BY 1 LIMIT 3;
SELECT c.x, gone.n FROM (VALUES (1), (2)) c(x) LEFT JOIN (SELECT n, v FROM s CROSS JOIN t) gone ON c.x + 1 = gone.n;
