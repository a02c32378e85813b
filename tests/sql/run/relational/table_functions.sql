-- Table functions in FROM: UNNEST and EXPLODE of arrays, GENERATE_SERIES. They make rows of each row that stands before them.
CREATE STREAM orders (id INT KEY, customer VARCHAR, items ARRAY<VARCHAR>, prices ARRAY<INT>) WITH (TOPIC='orders', PARTITIONS=1);
CREATE TABLE tags (id INT PRIMARY KEY, words ARRAY<VARCHAR>) WITH (TOPIC='tags', PARTITIONS=1);
INSERT INTO orders VALUES (1, 'ann', ARRAY['ink', 'pen'], ARRAY[3, 4, 5]), (2, 'bob', ARRAY['cap'], NULL), (3, 'ann', NULL, NULL);
INSERT INTO tags VALUES (1, ARRAY['red', 'big']), (2, ARRAY['red']), (3, NULL);
-- Without elements there are no rows; a LEFT JOIN keeps the row.
SELECT id, item FROM orders CROSS JOIN UNNEST(items) AS i (item) ORDER BY id, item;
SELECT id, item FROM orders, UNNEST(orders.items) AS i (item) WHERE item <> 'pen' ORDER BY id;
SELECT id, item FROM orders LEFT JOIN UNNEST(items) AS i (item) ON TRUE ORDER BY id, item;
SELECT id, item FROM orders JOIN UNNEST(items) AS i (item) ON item = 'cap';
-- Several arrays side by side, as long as the longest; with their places.
SELECT id, item, price, ordinality FROM orders CROSS JOIN UNNEST(items, prices) WITH ORDINALITY AS i (item, price) ORDER BY id, ordinality;
-- A column without a name has the name of the function or its alias.
SELECT * FROM GENERATE_SERIES(1, 3) AS n;
SELECT * FROM GENERATE_SERIES(6, 0, -3);
SELECT id, n FROM orders CROSS JOIN GENERATE_SERIES(1, id) AS n ORDER BY id, n;
-- In a query inside a query they see the rows around it.
SELECT id FROM orders WHERE EXISTS (SELECT 1 FROM UNNEST(orders.items) AS i (item) WHERE item LIKE 'p%');
SELECT id, (SELECT SUM(price) FROM UNNEST(orders.prices) AS p (price)) AS total FROM orders ORDER BY id;
-- Maintained: what a changed row had made is taken back.
CREATE TABLE words AS SELECT word, COUNT(*) AS n FROM tags CROSS JOIN UNNEST(tags.words) AS w (word) GROUP BY word;
CREATE TABLE tagged AS SELECT id, word FROM tags LEFT JOIN UNNEST(tags.words) AS w (word) ON TRUE;
CREATE STREAM items AS SELECT id, item FROM orders CROSS JOIN UNNEST(items) AS i (item);
INSERT INTO tags VALUES (1, ARRAY['blue', 'big', 'big']), (3, ARRAY['red']);
\wait
SELECT * FROM words ORDER BY word;
SELECT * FROM tagged ORDER BY id, word;
SELECT * FROM items ORDER BY id, item;
-- What is none of this.
SELECT * FROM orders RIGHT JOIN UNNEST(orders.items) AS i (item) ON TRUE;
SELECT * FROM orders LEFT JOIN UNNEST(orders.items) AS i (item) ON item = 'pen';
SELECT * FROM UNNEST(orders.items) AS i (item), orders;
SELECT * FROM orders CROSS JOIN UNNEST(customer) AS i (item);
SELECT * FROM orders CROSS JOIN TOTALS(items) AS i (item);
SELECT * FROM orders CROSS JOIN UNNEST(items) AS i (item, price);
