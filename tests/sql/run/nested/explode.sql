-- EXPLODE makes a row of each element; several are walked side by side.
CREATE STREAM s (k INT KEY, a ARRAY<INT>, t ARRAY<VARCHAR>, o ARRAY<STRUCT<item VARCHAR, n INT>>) WITH (TOPIC='s', PARTITIONS=1);
INSERT INTO s VALUES (1, ARRAY[10, 20, 30], ARRAY['x', 'a text that is longer than twelve bytes'], ARRAY[STRUCT(item := 'pen', n := 2), STRUCT(item := 'ink', n := 1)]);
INSERT INTO s VALUES (2, CAST('[]' AS ARRAY<INT>), NULL, NULL);
INSERT INTO s VALUES (3, ARRAY[NULL, 5], ARRAY['y'], ARRAY[STRUCT(item := 'pen', n := 5)]);
SELECT k, EXPLODE(a) AS x FROM s;
SELECT k, EXPLODE(a) AS x, UNNEST(t) AS y FROM s;
SELECT k, EXPLODE(a) * 10 + k AS x FROM s WHERE k < 3;
SELECT CUBE_EXPLODE(ARRAY[k, 7]) AS c FROM s WHERE k = 1;
SELECT EXPLODE(GENERATE_SERIES(1, k)) AS i, k FROM s ORDER BY k, i;
-- Grouped in a query around it; a job keeps the groups.
CREATE TABLE sold AS SELECT e->item AS item, SUM(e->n) AS n FROM (SELECT EXPLODE(o) AS e FROM s) AS x GROUP BY e->item;
CREATE STREAM items AS SELECT k, EXPLODE(o)->item AS item FROM s;
\wait
SELECT * FROM sold ORDER BY item;
SELECT * FROM items;
-- Over a table: a row that is replaced takes its elements back.
CREATE TABLE carts (k INT PRIMARY KEY, a ARRAY<VARCHAR>) WITH (TOPIC='carts', PARTITIONS=1);
INSERT INTO carts VALUES (1, ARRAY['pen', 'ink']), (2, ARRAY['pen']);
CREATE TABLE wanted AS SELECT item, COUNT(*) AS n FROM (SELECT EXPLODE(a) AS item FROM carts) AS x GROUP BY item;
\wait
SELECT * FROM wanted ORDER BY item;
INSERT INTO carts VALUES (1, ARRAY['ink', 'cap', 'ink']);
\wait
SELECT * FROM wanted ORDER BY item;
EXPLAIN SELECT k, EXPLODE(a) AS x FROM s EMIT CHANGES;
SELECT EXPLODE(k) FROM s;
SELECT k FROM s WHERE EXPLODE(a) > 1;
SELECT EXPLODE(ARRAY[EXPLODE(a)]) FROM s;
SELECT COUNT(*) AS n, EXPLODE(a) AS x FROM s;
