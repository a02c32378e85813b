CREATE STREAM s (k VARCHAR KEY, v INT) WITH (TOPIC='s', PARTITIONS=1);
CREATE TABLE busy AS SELECT k, COUNT(*) AS n FROM s GROUP BY k HAVING COUNT(*) > 1;
CREATE TABLE low AS SELECT k, SUM(v) AS total FROM s GROUP BY k HAVING SUM(v) < 10;
INSERT INTO s VALUES ('a', 1), ('b', 20), ('a', 3);
\wait
SELECT * FROM busy;
SELECT * FROM low;
-- a group may leave again
INSERT INTO s VALUES ('a', 100), ('b', -15);
\wait
SELECT * FROM busy ORDER BY k;
SELECT * FROM low;
SELECT k, COUNT(*) AS n FROM s GROUP BY k HAVING MAX(v) = 20;
