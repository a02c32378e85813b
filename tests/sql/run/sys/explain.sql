-- EXPLAIN tells of each operator: what its edge carries (append: rows only come; upsert: a row per key; retract: rows come and
-- are taken back), what is unique, what it keeps and how that grows, what aggregates cost, and why rows change tasks.
CREATE STREAM orders (id INT KEY, customer INT, item VARCHAR, amount INT) WITH (TOPIC='orders', PARTITIONS=2);
CREATE TABLE customers (id INT PRIMARY KEY, name VARCHAR, city VARCHAR) WITH (TOPIC='customers', PARTITIONS=2);
-- Rows only come: counts and sums are two numbers a group, and are added up before they move.
EXPLAIN SELECT item, COUNT(*) AS n, SUM(amount) AS total, MAX(amount) AS most FROM orders GROUP BY item EMIT CHANGES;
-- A table's rows change: a MAX must know what comes behind the largest, and a MEDIAN always needs all values.
EXPLAIN SELECT city, COUNT(*) AS n, MAX(name) AS last, COUNT(DISTINCT name) AS names FROM customers GROUP BY city EMIT CHANGES;
EXPLAIN SELECT item, MEDIAN(amount) AS middle FROM orders GROUP BY item EMIT CHANGES;
-- State that time bounds, and state that nothing bounds.
EXPLAIN SELECT item, COUNT(*) AS n FROM orders WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 5 MINUTES) GROUP BY item EMIT CHANGES;
EXPLAIN SELECT a.id AS one, b.id AS other FROM orders a JOIN orders b WITHIN 1 HOUR ON a.item = b.item EMIT CHANGES;
EXPLAIN SELECT a.id AS one, b.id AS other FROM orders a JOIN orders b ON a.item = b.item EMIT CHANGES;
EXPLAIN SELECT o.id, c.name FROM orders o LEFT JOIN customers c ON o.customer = c.id EMIT CHANGES;
EXPLAIN SELECT * FROM (SELECT item, amount, ROW_NUMBER() OVER (PARTITION BY item ORDER BY amount DESC) AS place FROM orders) o
  WHERE place <= 3 EMIT CHANGES;
EXPLAIN SELECT id, SUM(amount) OVER (PARTITION BY customer ORDER BY id) AS so_far FROM orders EMIT CHANGES;
EXPLAIN SELECT item FROM orders UNION SELECT city FROM customers EMIT CHANGES;
-- A table that is a query's groups one for one is not kept a second time.
EXPLAIN CREATE TABLE totals AS SELECT item, SUM(amount) AS total FROM orders GROUP BY item;
-- EXPLAIN ANALYZE runs it: a query to the end of what it reads, a job for a second. It makes nothing.
EXPLAIN ANALYZE CREATE TABLE totals AS SELECT item, SUM(amount) AS total FROM orders GROUP BY item;
EXPLAIN ANALYZE nobody;
