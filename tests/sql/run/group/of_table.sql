-- A group of a table loses a row when the table's row moves to another group.
CREATE TABLE people (id INT PRIMARY KEY, city VARCHAR, age INT) WITH (TOPIC='people', PARTITIONS=1);
CREATE TABLE per_city AS SELECT city, COUNT(*) AS n, MAX(age) AS oldest, MIN(age) AS youngest, AVG(age) AS mean FROM people GROUP BY city;
INSERT INTO people VALUES (1, 'Rome', 30), (2, 'Rome', 40), (3, 'Oslo', 50);
\wait
SELECT * FROM per_city ORDER BY city;
INSERT INTO people VALUES (2, 'Oslo', 41), (1, 'Rome', 31);
\wait
SELECT * FROM per_city ORDER BY city;
INSERT INTO people VALUES (1, 'Oslo', 31);
\wait
SELECT * FROM per_city ORDER BY city;
