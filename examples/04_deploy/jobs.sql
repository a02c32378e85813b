CREATE STREAM orders (customer VARCHAR KEY, amount INT) WITH (TOPIC='orders', PARTITIONS=2);

CREATE TABLE totals AS
  SELECT customer, COUNT(*) AS orders, SUM(amount) AS total FROM orders GROUP BY customer;

CREATE STREAM large AS
  SELECT customer, amount FROM orders WHERE amount >= ${large};
