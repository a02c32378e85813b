-- Functions over the rows around a row: OVER (PARTITION BY .. ORDER BY .. frame).
CREATE TABLE t (id INT PRIMARY KEY, team VARCHAR, points INT) WITH (TOPIC='t', PARTITIONS=1);
INSERT INTO t VALUES (1, 'a', 10), (2, 'a', 20), (3, 'a', 20), (4, 'b', 5), (5, 'b', NULL), (6, 'a', 40);
-- Places: each row has its own, or equal rows share one.
SELECT id, ROW_NUMBER() OVER (PARTITION BY team ORDER BY points DESC, id) AS n, RANK() OVER (PARTITION BY team ORDER BY points DESC) AS rank, DENSE_RANK() OVER (PARTITION BY team ORDER BY points DESC) AS dense FROM t ORDER BY id;
SELECT id, PERCENT_RANK() OVER (ORDER BY points) AS p, CUME_DIST() OVER (ORDER BY points) AS c, NTILE(4) OVER (ORDER BY points, id) AS q FROM t ORDER BY id;
-- NULL is above all values unless the order says where it stands.
SELECT id, RANK() OVER (ORDER BY points) AS high, RANK() OVER (ORDER BY points NULLS FIRST) AS first, RANK() OVER (ORDER BY points DESC NULLS LAST) AS last FROM t ORDER BY id;
-- Rows before and behind.
SELECT id, LAG(points) OVER (ORDER BY id) AS before, LEAD(points, 2, -1) OVER (ORDER BY id) AS behind FROM t ORDER BY id;
SELECT id, FIRST_VALUE(id) OVER (PARTITION BY team ORDER BY id) AS f, LAST_VALUE(id) OVER (PARTITION BY team ORDER BY id ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS l, NTH_VALUE(id, 2) OVER (PARTITION BY team ORDER BY id) AS second FROM t ORDER BY id;
-- Aggregates over frames: of rows, of values, of groups of equal values. Without a frame: up to the last row that is equal.
SELECT id, SUM(points) OVER (PARTITION BY team ORDER BY points) AS up_to, SUM(points) OVER (PARTITION BY team) AS all, COUNT(*) OVER (PARTITION BY team ORDER BY id ROWS 1 PRECEDING) AS two FROM t ORDER BY id;
SELECT id, AVG(points) OVER (ORDER BY points RANGE BETWEEN 5 PRECEDING AND 5 FOLLOWING) AS near, MAX(id) OVER (ORDER BY points GROUPS BETWEEN 1 PRECEDING AND 1 PRECEDING) AS below, COUNT(*) OVER (ORDER BY points RANGE BETWEEN CURRENT ROW AND CURRENT ROW EXCLUDE CURRENT ROW) AS ties FROM t ORDER BY id;
SELECT id, SUM(points) FILTER (WHERE id > 2) OVER (ORDER BY id) AS some, COUNT(DISTINCT team) OVER (ORDER BY id) AS teams FROM t ORDER BY id;
-- Over groups, and inside expressions.
SELECT team, SUM(points) AS sum, RANK() OVER (ORDER BY SUM(points) DESC) AS place FROM t GROUP BY team ORDER BY team;
SELECT id, points * 100 / SUM(points) OVER () AS percent FROM t ORDER BY id;
-- In a table that follows its source.
CREATE TABLE totals AS SELECT id, team, SUM(points) OVER (PARTITION BY team ORDER BY id) AS total FROM t;
\wait
SELECT * FROM totals ORDER BY id;
INSERT INTO t VALUES (2, 'b', 7);
\wait
SELECT * FROM totals ORDER BY id;
