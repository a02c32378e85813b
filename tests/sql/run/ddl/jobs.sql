CREATE STREAM orders (customer VARCHAR KEY, amount INT) WITH (TOPIC='orders', PARTITIONS=1);
CREATE TABLE totals AS SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer;
CREATE STREAM big AS SELECT customer, amount FROM orders WHERE amount >= 10;
DROP STREAM orders;
INSERT INTO orders (customer, amount) VALUES ('ann', 5), ('bob', 20), ('ann', 7);
\wait
SELECT * FROM totals ORDER BY customer;
SELECT * FROM big;
PAUSE totals;
INSERT INTO orders (customer, amount) VALUES ('ann', 100);
RESUME totals;
\wait
SELECT * FROM totals ORDER BY customer;
PAUSE nothing;
TERMINATE big;
SHOW STREAMS;
DROP TABLE totals DELETE TOPIC;
DROP STREAM big;
DROP STREAM orders DELETE TOPIC;
SHOW TOPICS;
SHOW JOBS;
