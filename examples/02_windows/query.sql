-- Event time is the column at, not the clock: old events give the same result as new ones.
CREATE STREAM flights (origin VARCHAR KEY, delay INT, at TIMESTAMP)
  WITH (TOPIC='flights', PARTITIONS=1, TIMESTAMP='at');

-- A window takes late rows until event time has passed its end by the grace period.
CREATE TABLE hourly AS
  SELECT origin, COUNT(*) AS flights, AVG(delay) AS mean, MAX(delay) AS worst
  FROM flights WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 10 MINUTES)
  GROUP BY origin
  HAVING COUNT(*) > 1;

INSERT INTO flights VALUES
  ('ORD', 10, '2024-01-01T08:05:00'), ('ORD', 20, '2024-01-01T08:50:00'),
  ('JFK',  0, '2024-01-01T08:55:00'), ('ORD',  6, '2024-01-01T09:05:00'),
  ('JFK', 40, '2024-01-01T08:59:00'), ('ORD', 70, '2024-01-01T09:30:00');
\wait
SELECT origin, FORMAT_TIMESTAMP(FROM_UNIXTIME(WINDOWSTART), 'HH:mm') AS since, flights, mean, worst
  FROM hourly ORDER BY origin, since;

-- 08:10 comes after 09:30: its window ended at 09:00 and its grace at 09:10. It is dropped, and counted.
INSERT INTO flights VALUES ('ORD', 999, '2024-01-01T08:10:00');
\wait
SELECT origin, FORMAT_TIMESTAMP(FROM_UNIXTIME(WINDOWSTART), 'HH:mm') AS since, flights, worst
  FROM hourly ORDER BY origin, since;
