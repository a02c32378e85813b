CREATE STREAM orders (id INT KEY, customer VARCHAR, amount INT) WITH (TOPIC='orders', PARTITIONS=1);
CREATE TABLE customers (id VARCHAR PRIMARY KEY, name VARCHAR, city VARCHAR) WITH (TOPIC='customers', PARTITIONS=1);
INSERT INTO customers VALUES ('c1', 'Ann', 'Rome'), ('c2', 'Bob', 'Oslo');

-- A stream joined with a table: each order meets the customer of that moment.
CREATE STREAM named AS
  SELECT o.id AS id, c.name AS name, o.amount AS amount
  FROM orders o LEFT JOIN customers c ON o.customer = c.id;
-- Joined, and grouped by a column of the table.
CREATE TABLE per_city AS
  SELECT c.city AS city, COUNT(*) AS orders, SUM(o.amount) AS total
  FROM orders o JOIN customers c ON o.customer = c.id GROUP BY c.city;
\wait
INSERT INTO orders VALUES (1, 'c1', 10), (2, 'c2', 20), (3, 'c9', 30);
\wait
INSERT INTO customers VALUES ('c1', 'Ann', 'Paris');
\wait
INSERT INTO orders VALUES (4, 'c1', 40);
\wait
SELECT id, name, amount FROM named ORDER BY id;
SELECT * FROM per_city ORDER BY city;

-- Two tables joined are a table: it follows both sides.
CREATE TABLE limits (id VARCHAR PRIMARY KEY, credit INT) WITH (TOPIC='limits', PARTITIONS=1);
CREATE TABLE accounts AS
  SELECT c.id AS id, c.name AS name, l.credit AS credit FROM customers c LEFT JOIN limits l ON c.id = l.id;
INSERT INTO limits VALUES ('c1', 100);
\wait
SELECT * FROM accounts ORDER BY id;
INSERT INTO limits VALUES ('c1', 200), ('c2', 50);
\wait
SELECT * FROM accounts ORDER BY id;
