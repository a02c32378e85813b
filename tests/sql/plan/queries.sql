CREATE STREAM flights (origin VARCHAR KEY, dest VARCHAR, delay INT, distance DOUBLE, at TIMESTAMP, carrier VARCHAR)
  WITH (TOPIC = 'flights', PARTITIONS = 4, TIMESTAMP = 'at');
CREATE TABLE airports (iata VARCHAR PRIMARY KEY, name VARCHAR, state VARCHAR, lat DOUBLE);
CREATE TABLE states (code VARCHAR PRIMARY KEY, title VARCHAR);
CREATE TABLE by_hour AS SELECT origin, COUNT(*) AS n, AVG(delay) AS avg_delay FROM flights
  WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 10 DAYS) GROUP BY origin;
CREATE TABLE totals AS SELECT origin, COUNT(*) AS n, SUM(distance) AS miles FROM flights GROUP BY origin;

-- push queries over a stream
SELECT * FROM flights EMIT CHANGES;
SELECT origin, delay * 2 AS twice FROM flights WHERE delay > 10 + 5 AND dest = 'JFK' EMIT CHANGES LIMIT 3;
SELECT COUNT(*) FROM flights EMIT CHANGES;
SELECT dest, COUNT(*) n, MAX(delay) FROM flights WHERE carrier LIKE 'U%' GROUP BY dest HAVING COUNT(*) > 5 AND dest <> 'LAX' EMIT CHANGES;
SELECT origin, WINDOWSTART, SUM(delay) FROM flights WINDOW TUMBLING (SIZE 1 DAY) GROUP BY origin EMIT FINAL;
SELECT f.origin, a.name FROM flights f LEFT JOIN airports a ON f.dest = a.iata WHERE f.delay > 0 AND a.state = 'CA' EMIT CHANGES;
SELECT f.origin, a.name FROM flights f JOIN airports a ON UCASE(f.dest) = a.iata WHERE f.delay > 0 AND a.state = 'CA' EMIT CHANGES;

-- push queries over tables
SELECT name FROM airports EMIT CHANGES;
SELECT iata, name FROM airports WHERE lat > 40 EMIT CHANGES;
SELECT state, COUNT(*) AS n FROM airports GROUP BY state EMIT CHANGES;
SELECT a.iata, a.name, s.title FROM airports a JOIN states s ON a.state = s.code EMIT CHANGES;
SELECT origin, n, WINDOWSTART FROM by_hour WHERE n > 3 EMIT CHANGES;
SELECT origin, SUM(n) FROM by_hour GROUP BY origin EMIT CHANGES;

-- pull queries
SELECT * FROM by_hour;
SELECT * FROM by_hour WHERE origin = 'SFO' AND WINDOWSTART >= '2024-01-01' AND WINDOWEND < TIMESTAMP '2024-01-02';
SELECT origin, n FROM totals ORDER BY miles DESC, 1 LIMIT 5;
SELECT COUNT(*), AVG(n) FROM totals WHERE origin IN ('SFO', 'LAX');
SELECT state, COUNT(*) AS n FROM airports GROUP BY state ORDER BY n DESC;
SELECT name FROM airports LIMIT 3 OFFSET 1;
SELECT MAX(delay) FROM flights;
SELECT * FROM flights WHERE delay IS NULL;
SELECT t.origin, a.name, t.n FROM totals t JOIN airports a ON t.origin = a.iata ORDER BY n;
SELECT f.origin FROM flights f JOIN airports a ON f.dest = a.iata;
SELECT origin, ROWTIME FROM totals;
SET 'auto.offset.reset' = 'latest';
SELECT delay FROM flights EMIT CHANGES;

-- aggregates: what splits is added up before the exchange, what keeps its values is not
SELECT origin, COUNT(DISTINCT dest), AVG(delay) FROM flights GROUP BY origin EMIT CHANGES;
SELECT dest, STDDEV_SAMP(delay) FILTER (WHERE carrier = 'UA'), LATEST_BY_OFFSET(delay) FROM flights GROUP BY dest EMIT CHANGES;
SELECT state, MAX(lat), COLLECT_LIST(iata) FROM airports GROUP BY state EMIT CHANGES;

-- windows: slices before the exchange, windows behind it
SELECT dest, WINDOWSTART, COUNT(*) FROM flights WINDOW HOPPING (SIZE 1 HOUR, ADVANCE BY 10 MINUTES, GRACE PERIOD 1 HOUR) GROUP BY dest EMIT CHANGES;
SELECT dest, COUNT(DISTINCT carrier) FROM flights WINDOW CUMULATE (SIZE 1 DAY, STEP 1 HOUR, TIME ZONE 'Europe/Paris') GROUP BY dest EMIT FINAL;
SELECT carrier, COUNT(*) FROM flights WINDOW SESSION (30 MINUTES) GROUP BY carrier EMIT CHANGES;
SELECT WINDOW_START, WINDOW_END, dest, SUM(delay) FROM TUMBLE(TABLE flights, DESCRIPTOR(at), INTERVAL '1' DAY, 6 HOURS) GROUP BY WINDOW_START, WINDOW_END, dest EMIT FINAL;
