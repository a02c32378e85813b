-- A stream is a topic with columns: the topic is made if it is not there.
CREATE STREAM orders (customer VARCHAR KEY, item VARCHAR, amount INT)
  WITH (TOPIC='orders', PARTITIONS=1, VALUE_FORMAT='JSON');

INSERT INTO orders VALUES ('ann', 'tea', 3), ('bob', 'coffee', 2), ('ann', 'cake', 5);

-- What is there now, then the query ends: a pull query.
SELECT customer, item, amount FROM orders WHERE amount > 2;
SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer ORDER BY total DESC;

-- The same, told row by row and for ever: a push query. LIMIT ends it here.
SELECT customer, item FROM orders EMIT CHANGES LIMIT 3;

-- A table that a job keeps true from now on, also over restarts.
CREATE TABLE totals AS SELECT customer, COUNT(*) AS orders, SUM(amount) AS total FROM orders GROUP BY customer;
INSERT INTO orders VALUES ('bob', 'cake', 4);
\wait
SELECT * FROM totals ORDER BY customer;

-- Its rows are a topic too: kcat and every other Kafka client can read it.
SHOW TOPICS;
