-- A job reads what was there before it.
CREATE STREAM s (k INT KEY, v DOUBLE) WITH (TOPIC='s', PARTITIONS=1);
INSERT INTO s (k, v) VALUES (1, 1.5), (2, 2.5), (1, 3.0);
CREATE TABLE t AS SELECT k, MAX(v) AS top, MIN(v) AS low FROM s GROUP BY k;
\wait
SELECT k, top, low FROM t ORDER BY k;
-- A second relation over the same topic.
CREATE STREAM same (k INT KEY, v DOUBLE) WITH (TOPIC='s');
SELECT v FROM same WHERE k = 1;
