CREATE STREAM orders (id INT KEY, customer VARCHAR, amount INT) WITH (TOPIC='orders', PARTITIONS=1);
CREATE TABLE customers (id VARCHAR PRIMARY KEY, name VARCHAR, city VARCHAR) WITH (TOPIC='customers', PARTITIONS=1);
INSERT INTO customers VALUES ('c1', 'Ann', 'Rome'), ('c2', 'Bob', 'Oslo');
CREATE STREAM named AS SELECT o.id AS id, o.amount AS amount, c.name AS name FROM orders o JOIN customers c ON o.customer = c.id;
CREATE STREAM perhaps AS SELECT o.id AS id, c.name AS name FROM orders o LEFT JOIN customers c ON o.customer = c.id;
CREATE TABLE per_city AS SELECT c.city AS city, COUNT(*) AS n, SUM(o.amount) AS total FROM orders o JOIN customers c ON o.customer = c.id GROUP BY c.city;
\wait
INSERT INTO orders VALUES (1, 'c1', 10), (2, 'c3', 20), (3, 'c2', 30), (4, NULL, 40);
\wait
SELECT id, amount, name FROM named ORDER BY id;
SELECT id, name FROM perhaps ORDER BY id;
-- the table of now: rows that were joined before stay as they are
INSERT INTO customers VALUES ('c1', 'Anna', 'Paris'), ('c3', 'Cy', 'Oslo');
\wait
INSERT INTO orders VALUES (5, 'c1', 50), (6, 'c3', 60);
\wait
SELECT id, amount, name FROM named ORDER BY id;
SELECT id, name FROM perhaps ORDER BY id;
SELECT * FROM per_city ORDER BY city;
-- other conditions: of an outer join a row that they refuse has met nothing
CREATE STREAM elsewhere AS SELECT o.id AS id, c.name AS name FROM orders o LEFT JOIN customers c ON o.customer = c.id AND c.city <> 'Oslo' AND o.amount > 50;
\wait
INSERT INTO orders VALUES (7, 'c1', 70), (8, 'c1', 5), (9, 'c2', 90);
\wait
SELECT id, name FROM elsewhere WHERE id > 6 ORDER BY id;
EXPLAIN SELECT o.id FROM orders o LEFT JOIN customers c ON o.customer = c.id AND o.amount > 50 AND c.name = o.customer EMIT CHANGES;
