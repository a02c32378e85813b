CREATE STREAM s (id INT KEY, v INT) WITH (TOPIC='s', PARTITIONS=1);
CREATE STREAM positive AS SELECT id, v * 2 AS twice FROM s WHERE v > 0;
CREATE STREAM by_value AS SELECT v, id FROM s PARTITION BY v;
INSERT INTO s VALUES (1, 1), (2, -2), (3, NULL), (4, 4);
\wait
SELECT * FROM positive;
SELECT * FROM by_value;
