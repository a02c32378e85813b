CREATE STREAM clicks (k VARCHAR KEY, n INT) WITH (TOPIC='clicks', PARTITIONS=1);
CREATE TABLE sums AS SELECT k, SUM(n + 1) AS total FROM clicks GROUP BY k;
INSERT INTO clicks (k, n) VALUES ('a', 1), ('b', 2);
\wait
SELECT * FROM sums ORDER BY k;
DROP TABLE sums DELETE TOPIC;
CREATE TABLE sums AS SELECT k, SUM(n + 2) AS total FROM clicks GROUP BY k;
INSERT INTO clicks (k, n) VALUES ('a', 5);
\wait
SELECT * FROM sums ORDER BY k;
SELECT COUNT(*) AS n FROM clicks;
