-- ROLLUP, CUBE, GROUPING SETS and GROUPING.
CREATE TABLE sales (id INT PRIMARY KEY, city VARCHAR, kind VARCHAR, n INT) WITH (PARTITIONS=2);
INSERT INTO sales VALUES (1,'Oslo','a',1),(2,'Oslo','b',2),(3,'Rome','a',4),(4,NULL,'b',8);
SELECT city, kind, SUM(n) AS n, GROUPING(city, kind) AS g FROM sales GROUP BY ROLLUP(city, kind) ORDER BY g, city, kind;
SELECT city, kind, SUM(n) AS n FROM sales GROUP BY CUBE(city, kind) ORDER BY 1, 2, 3;
SELECT city, kind, COUNT(*) AS c FROM sales GROUP BY GROUPING SETS ((city, kind), kind, ()) HAVING COUNT(*) > 0 ORDER BY 3, 1, 2;
SELECT GROUPING(city) FROM sales GROUP BY city;
CREATE TABLE per AS SELECT city, kind, SUM(n) AS n FROM sales GROUP BY ROLLUP(city, kind);
\wait
SELECT * FROM per ORDER BY 1, 2, 3;
