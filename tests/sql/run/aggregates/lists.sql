-- Aggregates that make lists and maps: by offset, or as ORDER BY says; sets and tops by value.
CREATE STREAM sales (shop VARCHAR KEY, item VARCHAR, price INT) WITH (TOPIC = 'sales', PARTITIONS = 1);
INSERT INTO sales VALUES ('north', 'tea', 3), ('north', 'salt', 1), ('south', 'tea', 4), ('north', 'tea', 5), ('south', NULL, NULL);
SELECT shop, COLLECT_LIST(item) AS items, COLLECT_SET(item) AS set_of, ARRAY_AGG(price ORDER BY price DESC) AS prices FROM sales GROUP BY shop ORDER BY shop;
SELECT TOPK(price, 2) AS top, TOPKDISTINCT(item, 5) AS items, HISTOGRAM(item) AS h FROM sales;

-- in a table that follows its rows
CREATE TABLE stock (item VARCHAR PRIMARY KEY, shelf VARCHAR, n INT);
CREATE TABLE shelves AS SELECT shelf, COLLECT_LIST(item ORDER BY n) AS items, TOPK(n, 1) AS most FROM stock GROUP BY shelf;
INSERT INTO stock VALUES ('tea', 'A', 5), ('salt', 'A', 3), ('oil', 'B', 9), ('rice', 'A', 7);
\wait
SELECT * FROM shelves ORDER BY shelf;
INSERT INTO stock VALUES ('rice', 'B', 7);
\wait
SELECT * FROM shelves ORDER BY shelf;
