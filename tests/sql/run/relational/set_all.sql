-- INTERSECT ALL gives a row as often as the side has it that has it less often, EXCEPT ALL as often as the left has it more often.
CREATE STREAM a (id INT KEY, x VARCHAR, y INT) WITH (TOPIC='a', PARTITIONS=1);
CREATE STREAM b (id INT KEY, x VARCHAR, y INT) WITH (TOPIC='b', PARTITIONS=1);
INSERT INTO a VALUES (1, 'p', 1), (2, 'p', 1), (3, 'p', 1), (4, 'q', 2), (5, NULL, 3), (6, NULL, 3);
INSERT INTO b VALUES (1, 'p', 1), (2, 'p', 1), (3, 'r', 4), (4, NULL, 3);
SELECT x, y FROM a INTERSECT ALL SELECT x, y FROM b ORDER BY y;
SELECT x, y FROM a EXCEPT ALL SELECT x, y FROM b ORDER BY y;
SELECT x, y FROM a INTERSECT SELECT x, y FROM b ORDER BY y;
SELECT x, y FROM a EXCEPT SELECT x, y FROM b ORDER BY y;
-- Equal rows that are joined meet as often as they are there.
SELECT COUNT(*) AS n FROM (SELECT x FROM a UNION ALL SELECT x FROM a) l JOIN (SELECT x FROM b UNION ALL SELECT x FROM b) r ON l.x = r.x;
CREATE TABLE both AS SELECT x, y FROM a INTERSECT ALL SELECT x, y FROM b;
CREATE TABLE more AS SELECT x, y FROM a EXCEPT ALL SELECT x, y FROM b;
CREATE TABLE pairs AS SELECT l.x AS x, COUNT(*) AS n FROM (SELECT x FROM a UNION ALL SELECT x FROM a) l
  JOIN (SELECT x FROM b UNION ALL SELECT x FROM b) r ON l.x = r.x GROUP BY l.x;
INSERT INTO b VALUES (5, 'p', 1), (6, 'p', 1), (7, 'q', 2);
INSERT INTO a VALUES (7, 'r', 4), (8, 'q', 2), (9, 'q', 2);
\wait
SELECT * FROM both ORDER BY y;
SELECT * FROM more ORDER BY y;
SELECT * FROM pairs ORDER BY x;
