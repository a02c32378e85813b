CREATE TABLE a (id INT PRIMARY KEY, x VARCHAR) WITH (TOPIC='a', PARTITIONS=1);
CREATE TABLE b (id INT PRIMARY KEY, y VARCHAR) WITH (TOPIC='b', PARTITIONS=1);
INSERT INTO a VALUES (1, 'a1'), (2, 'a2'), (3, 'a3');
INSERT INTO b VALUES (2, 'b2'), (3, 'b3'), (4, 'b4');
CREATE TABLE ab AS SELECT a.id AS id, a.x AS x, b.y AS y FROM a JOIN b ON a.id = b.id;
CREATE TABLE ab_left AS SELECT a.id AS id, a.x AS x, b.y AS y FROM a LEFT JOIN b ON a.id = b.id;
SELECT a.id AS aid, b.id AS bid, x, y FROM a FULL JOIN b ON a.id = b.id EMIT CHANGES;
\wait
SELECT * FROM ab ORDER BY id;
SELECT * FROM ab_left ORDER BY id;
INSERT INTO b VALUES (1, 'b1'), (2, 'b2x');
INSERT INTO a VALUES (3, 'a3x'), (4, 'a4');
\wait
SELECT * FROM ab ORDER BY id;
SELECT * FROM ab_left ORDER BY id;
