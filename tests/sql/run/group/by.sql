CREATE STREAM s (id INT KEY, city VARCHAR, kind VARCHAR, v INT) WITH (TOPIC='s', PARTITIONS=1);
CREATE TABLE by_city AS SELECT city, COUNT(*) AS n, COUNT(v) AS nv, SUM(v) AS total, AVG(v) AS mean, MIN(v) AS low, MAX(v) AS high FROM s GROUP BY city;
CREATE TABLE by_two AS SELECT city, kind, COUNT(*) AS n FROM s GROUP BY city, kind;
CREATE TABLE by_length AS SELECT LEN(city) AS letters, COUNT(*) AS n FROM s GROUP BY LEN(city);
INSERT INTO s VALUES (1, 'Rome', 'x', 1), (2, 'Oslo', 'y', 2), (3, 'Rome', 'y', 4), (4, 'Paris', 'x', NULL), (5, NULL, 'x', 9), (6, 'Rome', 'x', -10);
\wait
SELECT * FROM by_city ORDER BY city;
SELECT * FROM by_two ORDER BY city, kind;
SELECT * FROM by_length ORDER BY letters;
SELECT n FROM by_city WHERE city = 'Rome';
