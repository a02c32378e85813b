-- sorted
-- Windows of every kind over one stream; rows are 5 s, 12 s, 14 s, 31 s and 61 s after midnight.
CREATE STREAM views (page VARCHAR KEY, n INT, at BIGINT) WITH (TOPIC = 'views', PARTITIONS = 1, TIMESTAMP = 'at');
INSERT INTO views VALUES ('a', 1, 5000), ('a', 2, 12000), ('b', 4, 14000), ('a', 8, 31000), ('a', 16, 61000);

CREATE TABLE hops AS SELECT page, COUNT(*) AS rows, SUM(n) AS total FROM views WINDOW HOPPING (SIZE 20 SECONDS, ADVANCE BY 10 SECONDS) GROUP BY page;
CREATE TABLE growing AS SELECT page, SUM(n) AS total FROM views WINDOW CUMULATE (SIZE 1 MINUTE, STEP 20 SECONDS) GROUP BY page;
CREATE TABLE sessions AS SELECT page, COUNT(*) AS rows, SUM(n) AS total FROM views WINDOW SESSION (20 SECONDS) GROUP BY page;
CREATE TABLE shifted AS SELECT page, SUM(n) AS total FROM views WINDOW TUMBLING (SIZE 30 SECONDS, OFFSET 10 SECONDS) GROUP BY page;
CREATE TABLE days AS SELECT page, SUM(n) AS total FROM views WINDOW TUMBLING (SIZE 1 DAY, TIME ZONE 'Europe/Paris') GROUP BY page;
\wait
SELECT 'hops' AS w, page, WINDOWSTART AS s, WINDOWEND AS e, rows, total FROM hops ORDER BY page, s;
SELECT 'growing' AS w, page, WINDOWSTART AS s, WINDOWEND AS e, total FROM growing ORDER BY page, s, e;
SELECT 'sessions' AS w, page, WINDOWSTART AS s, WINDOWEND AS e, rows, total FROM sessions ORDER BY page, s;
SELECT 'shifted' AS w, page, WINDOWSTART AS s, WINDOWEND AS e, total FROM shifted ORDER BY page, s;
SELECT 'days' AS w, page, WINDOWSTART AS s, WINDOWEND AS e, total FROM days ORDER BY page, s;

-- a row between two sessions makes them one: a tombstone for each that is no more
INSERT INTO views VALUES ('a', 32, 45000);
\wait
SELECT 'joined' AS w, page, WINDOWSTART AS s, WINDOWEND AS e, rows, total FROM sessions ORDER BY page, s;

-- windows as a table function: each row once per window, with the window's bounds
SELECT 'tumble' AS w, page, n, WINDOW_START, WINDOW_END, WINDOW_TIME FROM TUMBLE(TABLE views, DESCRIPTOR(at), 1 MINUTE) ORDER BY n;
SELECT 'hop' AS w, page, n, WINDOW_START FROM HOP(TABLE views, DESCRIPTOR(at), INTERVAL '30' SECOND, INTERVAL '1' MINUTE) WHERE n < 4 ORDER BY n, WINDOW_START;
SELECT 'cumulate' AS w, WINDOW_START, WINDOW_END, SUM(n) AS total FROM CUMULATE(TABLE views, DESCRIPTOR(ROWTIME), 30 SECONDS, 1 MINUTE)
  GROUP BY WINDOW_START, WINDOW_END ORDER BY WINDOW_START, WINDOW_END;

SELECT 'session' AS w, page, COUNT(*) AS rows, WINDOW_START, WINDOW_END FROM SESSION(TABLE views PARTITION BY page, DESCRIPTOR(at), 20 SECONDS)
  GROUP BY page, WINDOW_START, WINDOW_END ORDER BY page, WINDOW_START;

-- a windowed result is a table as others are: it can be grouped again
CREATE TABLE busiest AS SELECT page, MAX(total) AS most, COUNT(*) AS windows FROM hops GROUP BY page;
\wait
SELECT 'busiest' AS w, page, most, windows FROM busiest ORDER BY page;
