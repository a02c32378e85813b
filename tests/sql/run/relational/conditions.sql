-- Queries in ON of inner joins, and GROUP BY by number.
CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR, city INT) WITH (TOPIC='people', PARTITIONS=1);
CREATE TABLE cities (id INT PRIMARY KEY, city VARCHAR, size INT) WITH (TOPIC='cities', PARTITIONS=1);
INSERT INTO people VALUES (1, 'ann', 1), (2, 'bob', 2), (3, 'cat', 1), (4, 'dan', 9);
INSERT INTO cities VALUES (1, 'Rome', 30), (2, 'Oslo', 7), (3, 'Bonn', 3);
SELECT p.name, c.city FROM people p JOIN cities c ON p.city = c.id AND c.size > (SELECT AVG(size) FROM cities);
SELECT p.name, c.city FROM people p JOIN cities c ON p.city = c.id AND c.id NOT IN (SELECT id FROM cities WHERE size > 10);
SELECT p.name, c.city, d.city AS other FROM people p JOIN cities c ON p.city = c.id AND EXISTS (SELECT 1 FROM people q WHERE q.id > p.id)
  LEFT JOIN cities d ON d.id = p.id ORDER BY p.name;
CREATE TABLE large AS SELECT p.id AS id, p.name AS name, c.city AS city FROM people p
  JOIN cities c ON p.city = c.id AND c.size > (SELECT AVG(size) FROM cities);
INSERT INTO cities VALUES (2, 'Oslo', 90);
\wait
SELECT * FROM large ORDER BY id;
SELECT p.name, c.city FROM people p LEFT JOIN cities c ON p.city = c.id AND c.size > (SELECT AVG(size) FROM cities);
SELECT p.name, c.city FROM (people p JOIN cities c ON p.city = c.id AND c.size > (SELECT 5)) RIGHT JOIN cities d ON d.id = c.id;
-- A number in GROUP BY is an item of the list, a name one of its aliases.
SELECT UCASE(city) AS c, COUNT(*) AS n FROM cities GROUP BY 1 ORDER BY c;
SELECT size / 10 AS tens, COUNT(*) AS n FROM cities GROUP BY tens ORDER BY tens;
SELECT city, COUNT(*) AS n FROM cities GROUP BY 3;
SELECT city, COUNT(*) AS n FROM cities GROUP BY 2;
-- A stream or table is made of what comes.
CREATE TABLE two AS SELECT * FROM (VALUES (1, 'a'), (2, 'b')) AS v (id, x);
