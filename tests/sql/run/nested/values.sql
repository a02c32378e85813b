-- ARRAY, MAP and STRUCT are columns like others; in JSON topics they are arrays and objects.
CREATE STREAM orders (id INT KEY, tags ARRAY<VARCHAR>, prices MAP<STRING, DECIMAL(6, 2)>, buyer STRUCT<name VARCHAR, born DATE, addr STRUCT<city VARCHAR, floors INT ARRAY>>) WITH (TOPIC='orders', PARTITIONS=1);
INSERT INTO orders VALUES (1, ARRAY['new', 'gift'], MAP('pen' := 1.5, 'ink' := 12), STRUCT(name := 'Ada', born := DATE '1815-12-10', addr := STRUCT(city := 'London', floors := ARRAY[1, 2])));
INSERT INTO orders VALUES (2, CAST('[]' AS ARRAY<VARCHAR>), NULL, NULL);
INSERT INTO orders (id, buyer) VALUES (3, CAST('{"name":"Bo","addr":{"floors":[7]}}' AS STRUCT<name VARCHAR, born DATE, addr STRUCT<city VARCHAR, floors ARRAY<INT>>>));
SELECT * FROM orders;
DESCRIBE orders;
PRINT orders FROM BEGINNING LIMIT 1;
-- Elements: 1 is the first, -1 the last; what is not there is NULL. Fields by -> or by a point.
SELECT id, tags[1] AS first, tags[-1] AS last, tags[3] AS third, prices['ink'] AS ink FROM orders;
SELECT id, buyer->name, buyer->addr->city AS city, buyer.born, orders.buyer.addr.floors[1] AS floor FROM orders;
SELECT buyer->* FROM orders WHERE id = 1;
-- They are compared, grouped and sorted as wholes.
SELECT id FROM orders WHERE tags = ARRAY['new', 'gift'] OR buyer->addr->floors = ARRAY[7];
SELECT tags, COUNT(*) AS n FROM orders GROUP BY tags;
SELECT id, buyer FROM orders ORDER BY buyer DESC, id;
-- Two fields of one structure are two things, to aggregates and groups, too.
SELECT SUM(p->a) AS a, SUM(p->b) AS b, COUNT(*) AS n FROM (SELECT STRUCT(a := id, b := id * 10) AS p FROM orders) AS x;
SELECT p->a, p->b, COUNT(*) AS n FROM (SELECT STRUCT(a := id % 2, b := id % 3) AS p FROM orders) AS x GROUP BY p->a, p->b ORDER BY p->a, p->b;
SELECT p->b FROM (SELECT STRUCT(a := id, b := id) AS p FROM orders) AS x GROUP BY p->a;
CREATE TABLE tags AS SELECT id, LATEST_BY_OFFSET(buyer->addr) AS addr, COUNT(*) AS n FROM orders GROUP BY id;
\wait
SELECT * FROM tags ORDER BY id;
SELECT id, addr->floors[1] AS floor FROM tags ORDER BY id;
-- Functions on them.
SELECT ARRAY_LENGTH(tags) AS n, ARRAY_CONTAINS(tags, 'gift') AS gift, ARRAY_JOIN(tags, '+') AS j, ARRAY_SORT(tags) AS s FROM orders WHERE id < 3;
SELECT MAP_KEYS(prices) AS k, MAP_VALUES(prices) AS v, ENTRIES(prices, true) AS e, MAP_UNION(prices, MAP('cap' := 3)) AS u FROM orders WHERE id = 1;
SELECT SPLIT('a,b', ',') AS s, SPLIT_TO_MAP('a=1;b=2', ';', '=') AS m, GENERATE_SERIES(3, 1) AS g, SLICE(ARRAY[1, 2, 3, 4], 2, 3) AS part, ARRAY[1] || ARRAY[2] AS both FROM orders WHERE id = 1;
SELECT REGEXP_EXTRACT_ALL('[0-9]+', 'a1b22') AS r, JSON_ITEMS('[1,"x"]') AS i, JSON_KEYS('{"a":1}') AS k, JSON_RECORDS('{"a":[1]}') AS j FROM orders WHERE id = 1;
SELECT CAST(tags AS VARCHAR) AS text, CAST(prices AS MAP<STRING, INT>) AS whole, CAST(ARRAY[1, 2] AS ARRAY<DOUBLE>) AS d FROM orders WHERE id = 1;
-- Into a topic of one's own.
CREATE STREAM flat AS SELECT id, buyer->addr->floors AS floors, STRUCT(first := tags[1], n := ARRAY_LENGTH(tags)) AS t FROM orders;
\wait
SELECT * FROM flat;
-- What cannot be.
SELECT tags->x FROM orders;
SELECT buyer->nam FROM orders;
SELECT id[1] FROM orders;
SELECT buyer['name'] FROM orders;
SELECT ARRAY[1, 'x'] FROM orders;
SELECT ARRAY[] FROM orders;
SELECT STRUCT(a := 1, a := 2) FROM orders;
SELECT MAP('a', 1) FROM orders;
CREATE STREAM c (id INT KEY, tags ARRAY<INT>) WITH (TOPIC='c', VALUE_FORMAT='DELIMITED', PARTITIONS=1);
CREATE STREAM c (tags ARRAY<INT> KEY, x INT) WITH (TOPIC='c', KEY_FORMAT='JSON', PARTITIONS=1);
CREATE STREAM c (id INT, m MAP<INT, INT>) WITH (TOPIC='c', PARTITIONS=1);
CREATE TABLE t AS SELECT tags, COUNT(*) AS n FROM orders GROUP BY tags;
