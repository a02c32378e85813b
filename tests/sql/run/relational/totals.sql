-- A total is a row though there are no rows: COUNT is 0, all else NULL. In jobs too, from their first commit on, and again
-- when all rows have gone.
CREATE TABLE src (k INT PRIMARY KEY, a VARCHAR, v INT, here BOOLEAN) WITH (TOPIC='src', PARTITIONS=2);
CREATE TABLE t AS SELECT k, a, v FROM src WHERE here;
CREATE TABLE total AS SELECT COUNT(*) AS n, COUNT(v) AS nv, SUM(v) AS s, MIN(a) AS least FROM t;
CREATE TABLE large AS SELECT COUNT(*) AS n FROM t HAVING COUNT(*) <> 1;
CREATE TABLE sets AS SELECT a, COUNT(*) AS n, GROUPING(a) AS every FROM t GROUP BY ROLLUP (a);
CREATE TABLE few AS SELECT a, COUNT(*) AS n FROM t GROUP BY CUBE (a) HAVING COUNT(*) < 2 AND GROUPING(a) = 1;
-- What reads a total sees it: joins, UNION, DISTINCT, totals of totals, queries inside expressions.
CREATE TABLE u (k INT PRIMARY KEY, v INT) WITH (TOPIC='u', PARTITIONS=1);
INSERT INTO u VALUES (1, 0), (2, 2);
CREATE TABLE joined AS SELECT u.k AS k, x.n AS n FROM u JOIN (SELECT COUNT(*) AS n FROM t) AS x ON u.v = x.n;
CREATE TABLE both AS SELECT DISTINCT n FROM (SELECT COUNT(*) AS n FROM t UNION ALL SELECT MAX(v) FROM t) AS x;
CREATE TABLE twice AS SELECT COUNT(*) AS n, SUM(m) AS s FROM (SELECT COUNT(*) AS m FROM t) AS x;
CREATE TABLE asked AS SELECT k, (SELECT COUNT(*) FROM t WHERE t.v = u.v) AS n, v IN (SELECT COUNT(*) FROM t WHERE t.v = u.v) AS same FROM u;
\wait
SELECT n, nv, s, least FROM total;
SELECT n FROM large;
SELECT a, n, every FROM sets ORDER BY a;
SELECT a, n FROM few;
SELECT k, n FROM joined;
SELECT n FROM both ORDER BY n;
SELECT n, s FROM twice;
SELECT k, n, same FROM asked ORDER BY k;
INSERT INTO src VALUES (1, 'x', 2, TRUE), (2, 'y', NULL, TRUE);
\wait
SELECT n, nv, s, least FROM total;
SELECT n FROM large;
SELECT a, n, every FROM sets ORDER BY a;
SELECT a, n FROM few;
SELECT k, n FROM joined;
SELECT n FROM both ORDER BY n;
SELECT n, s FROM twice;
SELECT k, n, same FROM asked ORDER BY k;
INSERT INTO src (k, here) VALUES (1, FALSE), (2, FALSE);
\wait
SELECT n, nv, s, least FROM total;
SELECT n FROM large;
SELECT a, n, every FROM sets ORDER BY a;
SELECT a, n FROM few;
SELECT k, n FROM joined;
SELECT n FROM both ORDER BY n;
SELECT n, s FROM twice;
SELECT k, n, same FROM asked ORDER BY k;
-- Asked for in between: pull and push queries.
SELECT a, COUNT(*) AS n, SUM(v) AS s FROM t GROUP BY CUBE (a);
SELECT a, COUNT(*) AS n FROM t GROUP BY GROUPING SETS ((a), ()) HAVING COUNT(*) > 0;
SELECT COUNT(*) AS n FROM t EMIT CHANGES;
-- Plain groups have no row without rows.
SELECT a, COUNT(*) AS n FROM t GROUP BY a;
