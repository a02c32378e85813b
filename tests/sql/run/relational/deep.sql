-- What a job costs to begin grows with its plan, not with the number of ways through it: 15 groups over groups.
CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH (TOPIC='t', PARTITIONS=1);
INSERT INTO t VALUES (1, 1), (2, 2), (3, 3);
CREATE TABLE deep AS SELECT n AS id, COUNT(*) AS n FROM (SELECT id AS id, COUNT(*) AS n FROM (SELECT n AS id, COUNT(*) AS n FROM (SELECT id AS id, COUNT(*) AS n FROM (SELECT n AS id, COUNT(*) AS n FROM (SELECT id AS id, COUNT(*) AS n FROM (SELECT n AS id, COUNT(*) AS n FROM (SELECT id AS id, COUNT(*) AS n FROM (SELECT n AS id, COUNT(*) AS n FROM (SELECT id AS id, COUNT(*) AS n FROM (SELECT n AS id, COUNT(*) AS n FROM (SELECT id AS id, COUNT(*) AS n FROM (SELECT n AS id, COUNT(*) AS n FROM (SELECT id AS id, COUNT(*) AS n FROM (SELECT id, COUNT(*) AS n FROM t GROUP BY id) GROUP BY id) GROUP BY n) GROUP BY id) GROUP BY n) GROUP BY id) GROUP BY n) GROUP BY id) GROUP BY n) GROUP BY id) GROUP BY n) GROUP BY id) GROUP BY n) GROUP BY id) GROUP BY n;
\wait
SELECT * FROM deep;
INSERT INTO t VALUES (4, 4);
\wait
SELECT * FROM deep;
