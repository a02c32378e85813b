-- Every aggregate, over a stream and over a table whose rows change.
CREATE STREAM sales (shop VARCHAR KEY, item VARCHAR, price INT, weight DOUBLE, paid BOOLEAN) WITH (TOPIC = 'sales', PARTITIONS = 1);
INSERT INTO sales VALUES ('north', 'tea', 3, 0.5, TRUE), ('north', 'salt', 1, 1.0, TRUE), ('south', 'tea', 4, 0.25, FALSE),
  ('north', 'tea', 5, 0.75, FALSE), ('south', NULL, NULL, NULL, NULL);

-- DISTINCT and FILTER stand with any of them
SELECT shop, COUNT(*) AS n, COUNT(DISTINCT item) AS items, SUM(price) FILTER (WHERE paid) AS paid, COUNT(*) FILTER (WHERE NOT paid) AS unpaid
  FROM sales GROUP BY shop ORDER BY shop;
SELECT SUM(DISTINCT price) AS prices, AVG(DISTINCT weight) AS weight FROM sales;

-- how far values lie apart, and together
SELECT VAR_SAMP(price) AS vs, VAR_POP(price) AS vp, STDDEV_SAMP(price) AS ss, STDDEV_POP(weight) AS sp, CORRELATION(price, weight) AS c FROM sales;
SELECT MEDIAN(price) AS middle, PERCENTILE(price, 0.25) AS quarter FROM sales;
SELECT shop, BOOL_AND(paid) AS every, BOOL_OR(paid) AS any FROM sales GROUP BY shop ORDER BY shop;

-- texts made of values: by value, or as ORDER BY says
SELECT shop, STRING_AGG(item, ', ') AS items, STRING_AGG(item, '+' ORDER BY price DESC) AS dear_first FROM sales GROUP BY shop ORDER BY shop;

-- of which row a value is taken
SELECT shop, EARLIEST_BY_OFFSET(price) AS first, LATEST_BY_OFFSET(item) AS last, ARG_MAX(item, price) AS dearest, ATTR(shop) AS same, ATTR(item) AS item
  FROM sales GROUP BY shop ORDER BY shop;

-- in a table that follows its rows: what was counted is taken off again
CREATE TABLE stock (item VARCHAR PRIMARY KEY, shelf VARCHAR, n INT);
CREATE TABLE shelves AS SELECT shelf, COUNT(DISTINCT n) AS sizes, MAX(n) AS most, STRING_AGG(item, ' ' ORDER BY n) AS items, STDDEV_POP(n) AS spread FROM stock GROUP BY shelf;
INSERT INTO stock VALUES ('tea', 'A', 5), ('salt', 'A', 5), ('oil', 'B', 9);
INSERT INTO stock VALUES ('rice', 'A', 7);
\wait
SELECT * FROM shelves ORDER BY shelf;
INSERT INTO stock VALUES ('rice', 'B', 7);
\wait
SELECT * FROM shelves ORDER BY shelf;
