-- Lambdas: what stands behind => is computed for each element; it may use other columns of the row.
CREATE STREAM s (k INT KEY, a ARRAY<INT>, m MAP<STRING, INT>, n ARRAY<ARRAY<INT>>) WITH (TOPIC='s', PARTITIONS=1);
INSERT INTO s VALUES (10, ARRAY[1, 2, NULL, 4], MAP('x' := 1, 'y' := 2), ARRAY[ARRAY[1, 2], ARRAY[3]]);
INSERT INTO s VALUES (20, CAST('[]' AS ARRAY<INT>), CAST('{}' AS MAP<STRING, INT>), NULL);
INSERT INTO s VALUES (30, NULL, NULL, NULL);
SELECT k, TRANSFORM(a, x => x * 2 + k) AS t, FILTER(a, x => x % 2 = 0) AS f, REDUCE(a, 0, (s, x) => s + COALESCE(x, 0)) AS r FROM s;
SELECT k, TRANSFORM(m, (k, v) => UCASE(k), (k, v) => v * 1.5) AS t, FILTER(m, (k, v) => k <> 'x' AND v > 1) AS f, REDUCE(m, '', (s, k, v) => s || k) AS r FROM s;
-- Inside one another; the inner one sees what the outer one has.
SELECT k, TRANSFORM(n, x => TRANSFORM(x, y => y + x[1] + k)) AS t, REDUCE(TRANSFORM(n, x => REDUCE(x, 0, (s, y) => s + y)), 0, (s, x) => s + x) AS total FROM s;
SELECT k, TRANSFORM(a, x => STRUCT(v := x, big := x > 2)) AS t FROM s;
-- The start of REDUCE is widened to what the lambda gives.
SELECT REDUCE(ARRAY[1, 2], 0, (s, x) => s + x * 0.5) AS r FROM s;
-- What fails in a lambda is NULL for its element, and is said.
SELECT k, TRANSFORM(a, x => 10 / (x - 2)) AS t FROM s WHERE k = 10;
-- In jobs as in queries.
CREATE TABLE sums AS SELECT k, SUM(REDUCE(a, 0, (s, x) => s + COALESCE(x, 0))) AS n FROM s WHERE ARRAY_LENGTH(FILTER(a, x => x > 0)) >= 0 GROUP BY k;
\wait
SELECT * FROM sums ORDER BY k;
EXPLAIN SELECT TRANSFORM(a, x => x + k) AS t FROM s EMIT CHANGES;
SELECT x => x FROM s;
SELECT TRANSFORM(a, x => y) FROM s;
SELECT TRANSFORM(a, (x, y) => x) FROM s;
SELECT FILTER(a, x => x + 1) FROM s;
SELECT TRANSFORM(k, x => x) FROM s;
SELECT TRANSFORM(a, x => COUNT(*)) FROM s;
SELECT UCASE(x => x) FROM s;
