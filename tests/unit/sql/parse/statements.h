/* Correct statements of every kind: each must parse, print and parse again to the same tree. Also the corpus that the
 * error test damages. Canonical form as the printer gives it; written in other ways in test_parse.c. */
static const char *const statements[] = {
    ("CREATE STREAM flights (origin VARCHAR KEY, dest VARCHAR, delay INT, at TIMESTAMP) WITH (TOPIC = 'flights', "
    "VALUE_FORMAT = 'JSON', PARTITIONS = 4, TIMESTAMP = 'at');"),
    ("CREATE OR REPLACE TABLE IF NOT EXISTS airports (iata VARCHAR PRIMARY KEY, name VARCHAR, state VARCHAR, "
    "lat DECIMAL(9, 6)) WITH (KAFKA_TOPIC = 'airports', FORMAT = JSON, WRAP_SINGLE_VALUE = FALSE);"),
    ("CREATE TABLE by_hour WITH (PARTITIONS = 8) AS SELECT origin, COUNT(*) AS n, AVG(delay) AS avg_delay FROM flights "
    "WINDOW TUMBLING (SIZE 1 HOURS, RETENTION 7 DAYS, GRACE PERIOD 10 MINUTES) WHERE delay IS NOT NULL GROUP BY origin "
    "HAVING COUNT(*) > 10 EMIT CHANGES;"),
    "CREATE STREAM late AS SELECT * FROM flights WHERE delay > 15 AND NOT cancelled PARTITION BY dest EMIT CHANGES;",
    ("CREATE STREAM joined AS SELECT f.origin, a.name AS airport, f.delay FROM flights AS f LEFT JOIN airports AS a ON "
    "f.dest = a.iata EMIT CHANGES;"),
    "CREATE TABLE both AS SELECT l.id, l.v, r.v AS w FROM lefts AS l FULL JOIN rights AS r ON l.id = r.id;",
    "CREATE FUNCTION score(INT, VARCHAR) RETURNS DOUBLE LANGUAGE C AS 'libscore.so', 'score';",
    "CREATE OR REPLACE VIEW IF NOT EXISTS late AS SELECT a FROM s WHERE a > 1;",
    "DROP VIEW IF EXISTS late;",
    "SHOW VIEWS;",
    "DROP FUNCTION IF EXISTS score;",
    "CREATE TYPE IF NOT EXISTS addr AS STRUCT<city VARCHAR, floors ARRAY<INT>>;",
    "DROP TYPE IF EXISTS addr;",
    "SHOW TYPES;",
    "DROP TABLE IF EXISTS by_hour DELETE TOPIC;",
    "DROP STREAM flights;",
    "INSERT INTO flights (origin, dest, delay) VALUES ('SFO', 'JFK', 12), ('LAX', 'it''s', -3);",
    "INSERT INTO airports VALUES ('SFO', 'San Francisco', NULL, 37.61);",
    ("SELECT origin, delay * 2 + 1 AS twice FROM flights WHERE dest IN ('JFK', 'LAX') AND delay BETWEEN 1 AND 10 EMIT "
    "CHANGES LIMIT 10;"),
    "SELECT origin, COUNT(*) AS n FROM flights GROUP BY origin ORDER BY n DESC, origin LIMIT 5 OFFSET 10;",
    "SELECT * FROM by_hour WHERE origin = 'SFO' AND WINDOWSTART >= TIMESTAMP '2024-01-01T00:00:00';",
    ("SELECT f.*, CASE WHEN delay > 60 THEN 'very' WHEN delay > 15 THEN 'late' ELSE 'ok' END AS how FROM flights AS f "
    "EMIT FINAL;"),
    "SELECT CASE origin WHEN 'SFO' THEN 1 END, CAST(delay AS DECIMAL(10, 2)), name LIKE '%x!%' ESCAPE '!' FROM flights;",
    ("SELECT a IS DISTINCT FROM b, a IS NOT DISTINCT FROM b, a NOT LIKE 'x%', a NOT IN (1, 2.5, 1E3), a || 'x' || b, "
    "-a - -b, \"Mixed Case\", \"select\" FROM s;"),
    ("WITH big AS (SELECT a FROM s WHERE a > 1), small (b) AS (SELECT a FROM s) SELECT DISTINCT x.a FROM big AS x, (SELECT "
    "b, c FROM t) AS y (p, q) WHERE x.a = y.p UNION ALL SELECT b FROM small ORDER BY a LIMIT 3;"),
    ("(SELECT a FROM s UNION SELECT a FROM t) INTERSECT SELECT a FROM u EXCEPT (VALUES (1), (2) ORDER BY column1 LIMIT 1);"),
    ("SELECT a FROM s JOIN t USING (a, b) CROSS JOIN u NATURAL LEFT JOIN (v FULL JOIN w ON v.a = w.a);"),
    ("SELECT (SELECT MAX(b) FROM t WHERE t.a = s.a) AS m, COUNT(DISTINCT c) FILTER (WHERE c > 0) FROM s WHERE EXISTS (SELECT "
    "1 FROM t) AND a NOT IN (SELECT a FROM u) AND b > ALL (SELECT b FROM v) AND b = ANY (SELECT b FROM w);"),
    "SELECT a, b, GROUPING(a) FROM s GROUP BY GROUPING SETS ((a, b), (a), ()), ROLLUP(c);",
    "SELECT 1 + 1 AS two;",
    ("CREATE STREAM nested (tags ARRAY<VARCHAR>, prices MAP<STRING, DECIMAL(6, 2)>, buyer STRUCT<name VARCHAR, \"a b\" "
    "ARRAY<STRUCT<x INT>>>, len INTERVAL YEAR TO MONTH, wait INTERVAL);"),
    ("SELECT tags[1], prices['ink'], buyer->name AS n, buyer->\"a b\"[-1]->x, s.buyer->name, buyer->*, ARRAY[1, 2][i + 1], "
    "MAP('a' := 1, 'b' := x + 1), STRUCT(a := 1, \"B c\" := NULL) FROM s;"),
    ("SELECT TRANSFORM(a, x => x + 1 OR x), REDUCE(m, 0, (s, k, v) => s + v), TRANSFORM(n, x => FILTER(x, y => y > x[1])) "
    "FROM s;"),
    ("SELECT INTERVAL '5' DAY, INTERVAL '1-2' YEAR TO MONTH, ts - INTERVAL '1' HOUR, EXTRACT(HOUR FROM ts), TRIM('x' FROM a), "
    "TRIM(BOTH 'x' FROM a), TRIM(LEADING FROM a), SUBSTRING(a FROM 2 FOR 3), SUBSTRING(a FROM 2), POSITION('x' IN a) FROM s;"),
    "SELECT a SIMILAR TO 'x%', a NOT REGEXP '^x', array, interval, struct, both FROM s;",
    "TERMINATE by_hour;",
    "TERMINATE ALL;",
    "PAUSE by_hour;",
    "RESUME ALL;",
    "RESUME by_hour WITH (ERRORS_TOLERANCE = 'skip', SKIP = 'flights/0/12');",
    "SHOW ERRORS;",
    "SHOW ERRORS by_hour LIMIT 5;",
    "PROMOTE by_hour;",
    "DISCARD by_hour;",
    "SAVEPOINT by_hour AS before;",
    "RESTORE by_hour FROM before;",
    "DROP SAVEPOINT IF EXISTS before;",
    "SHOW SAVEPOINTS;",
    "SHOW STREAMS;",
    "SHOW TABLES;",
    "SHOW TOPICS;",
    "SHOW QUERIES;",
    "SHOW JOBS;",
    "SHOW FUNCTIONS;",
    "SHOW PROPERTIES;",
    "SHOW VARIABLES;",
    "DESCRIBE flights;",
    "DESCRIBE by_hour EXTENDED;",
    "DESCRIBE FUNCTION score;",
    "EXPLAIN by_hour;",
    "EXPLAIN ANALYZE by_hour;",
    "EXPLAIN ANALYZE SELECT origin FROM flights;",
    "SELECT origin, RANK() OVER w AS r FROM flights WINDOW w AS (PARTITION BY origin ORDER BY delay DESC) QUALIFY r <= 3;",
    "SELECT SUM(delay) OVER (w ORDER BY delay ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS s FROM flights WINDOW w AS (PARTITION BY origin), v AS ();",
    "SELECT f.origin, x FROM flights AS f LEFT JOIN UNNEST(f.legs, f.miles) WITH ORDINALITY AS u (x, y, n) ON TRUE;",
    "SELECT n FROM flights CROSS JOIN GENERATE_SERIES(1, 3) AS n;",
    "EXPLAIN SELECT origin FROM flights WHERE delay > 5 EMIT CHANGES;",
    "SELECT dest, COUNT(*) FROM flights WINDOW TUMBLING (SIZE 10 SECONDS, BY PROCTIME) GROUP BY dest EMIT CHANGES EVERY 2 SECONDS;",
    "SELECT dest, COUNT(*) FROM SESSION(TABLE flights PARTITION BY (dest), DESCRIPTOR(ROWTIME), 10 SECONDS) GROUP BY dest EMIT FINAL;",
    "EXPLAIN CREATE TABLE n AS SELECT origin, SUM(delay) AS s FROM flights GROUP BY origin;",
    "PRINT flights FROM BEGINNING LIMIT 3;",
    "PRINT 'my-topic';",
    "SET 'auto.offset.reset' = 'latest';",
    "UNSET 'auto.offset.reset';",
    "DEFINE city = 'SFO';",
    "UNDEFINE city;",
};
