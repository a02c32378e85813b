-- What a join by time gives can be put into windows at once: a row without a match comes late, but never too late for its window.
CREATE STREAM ads (k VARCHAR KEY, n INT) WITH (TOPIC='ads', PARTITIONS=1);
CREATE STREAM clicks (k VARCHAR KEY, n INT) WITH (TOPIC='clicks', PARTITIONS=1);
CREATE TABLE per_minute AS SELECT a.k AS k, COUNT(*) AS shown, COUNT(c.n) AS clicked FROM ads a
  LEFT JOIN clicks c WITHIN (0 SECONDS, 5 MINUTES) GRACE PERIOD 0 SECONDS ON a.k = c.k
  WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 5 MINUTES) GROUP BY a.k EMIT FINAL;
INSERT INTO ads (ROWTIME, k, n) VALUES (1000, 'a', 1), (2000, 'b', 2), (61000, 'a', 3), (900000, 'z', 4);
INSERT INTO clicks (ROWTIME, k, n) VALUES (30000, 'a', 1), (62000, 'a', 2), (900000, 'z', 3);
\wait
INSERT INTO ads (ROWTIME, k, n) VALUES (2000000, 'z', 5);
INSERT INTO clicks (ROWTIME, k, n) VALUES (2000000, 'z', 6);
\wait
SELECT k, WINDOWSTART, shown, clicked FROM per_minute ORDER BY WINDOWSTART, k;
SELECT a.k, WINDOWSTART, COUNT(*) AS shown, COUNT(c.n) AS clicked FROM ads a
  LEFT JOIN clicks c WITHIN (0 SECONDS, 5 MINUTES) GRACE PERIOD 0 SECONDS ON a.k = c.k
  WINDOW TUMBLING (SIZE 1 MINUTE, GRACE PERIOD 0 SECONDS) GROUP BY a.k ORDER BY WINDOWSTART, a.k;
