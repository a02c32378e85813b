CREATE STREAM s (k VARCHAR KEY, a INT, d DOUBLE) WITH (TOPIC='s', PARTITIONS=1);
INSERT INTO s VALUES ('x', 1, 0.5), ('y', 3, NULL), ('x', -7, 2.5), (NULL, 4, 1.0);
SELECT COUNT(*) AS n, COUNT(d) AS nd, SUM(a) AS sa, AVG(d) AS ad, MIN(a) AS lo, MAX(a) AS hi FROM s;
SELECT k, COUNT(*) AS n, SUM(d) AS total FROM s GROUP BY k ORDER BY n DESC, k;
SELECT a > 0 AS positive, COUNT(*) AS n FROM s GROUP BY a > 0 ORDER BY n;
