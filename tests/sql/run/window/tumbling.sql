CREATE STREAM s (k VARCHAR KEY, v INT, at TIMESTAMP) WITH (TOPIC='s', PARTITIONS=1, TIMESTAMP='at');
CREATE TABLE per_minute AS SELECT k, COUNT(*) AS n, SUM(v) AS total FROM s
  WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 30 SECONDS) GROUP BY k;
INSERT INTO s VALUES ('a', 1, '2024-01-01T00:00:00'), ('a', 2, '2024-01-01T00:00:59.999'), ('b', 3, '2024-01-01T00:00:30');
INSERT INTO s VALUES ('a', 4, '2024-01-01T00:01:00');
-- late, but within grace: stream time stands at 00:01:00
INSERT INTO s VALUES ('a', 5, '2024-01-01T00:00:10');
\wait
SELECT k, WINDOWSTART, WINDOWEND, n, total FROM per_minute ORDER BY k, WINDOWSTART;
-- stream time moves to 00:01:30: the first minute is closed, what comes for it is dropped
INSERT INTO s VALUES ('b', 6, '2024-01-01T00:01:30');
\wait
INSERT INTO s VALUES ('a', 7, '2024-01-01T00:00:20');
\wait
SELECT k, WINDOWSTART, WINDOWEND, n, total FROM per_minute ORDER BY k, WINDOWSTART;
SELECT * FROM per_minute WHERE k = 'b' ORDER BY WINDOWSTART;
DESCRIBE per_minute;
