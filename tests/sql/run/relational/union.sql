-- Of a UNION whose sides are brought to common types each column stays the one that was named, also where not all are read.
CREATE TABLE t (id INT PRIMARY KEY, v INT) WITH (TOPIC='t', PARTITIONS=1);
INSERT INTO t VALUES (1, 1), (2, 2);
SELECT c2 FROM (SELECT 1 AS c1, CAST(id AS BIGINT) AS c2 FROM t UNION ALL SELECT CAST(2 AS BIGINT) AS c1, CAST(id + 10 AS BIGINT) AS c2 FROM t) AS x ORDER BY c2;
SELECT c3 FROM (SELECT id AS c1, 'a' AS c2, v AS c3 FROM t UNION ALL SELECT CAST(id AS BIGINT) AS c1, 'b' AS c2, v * 10 AS c3 FROM t) AS x ORDER BY c3;
SELECT COUNT(*) AS n FROM (SELECT CAST(id AS DECIMAL(12, 2)) AS c1, 'a' AS c2 FROM t UNION ALL SELECT CAST(id AS DECIMAL(4, 1)) AS c1, 'b' AS c2 FROM t) AS x;
CREATE TABLE kept AS SELECT c2, COUNT(*) AS n FROM (SELECT id AS c1, v + id AS c2 FROM t UNION ALL SELECT CAST(id AS BIGINT) AS c1, v AS c2 FROM t) AS x GROUP BY c2;
\wait
SELECT * FROM kept ORDER BY c2;
-- A day some days earlier.
SELECT DATE '2024-03-01' - 1 AS day, DATE '2024-03-01' - DATE '2024-02-28' AS days FROM t WHERE id = 1;
