CREATE STREAM s (k INT KEY, v INT, w INT) WITH (TOPIC='s', PARTITIONS=1);
CREATE TABLE names (k INT PRIMARY KEY, name VARCHAR) WITH (TOPIC='names', PARTITIONS=1);
CREATE TABLE t AS SELECT k, SUM(v) AS total, COUNT(*) AS n FROM s GROUP BY k;
CREATE STREAM big AS SELECT k, v FROM s WHERE v > 10;
CREATE STREAM named AS SELECT s.k, s.v, n.name FROM s JOIN names n ON s.k = n.k;
INSERT INTO names VALUES (1, 'one'), (2, 'two');
INSERT INTO s VALUES (1, 1, 7), (1, 20, 8), (2, 5, 9);
\wait
-- the groups stay: given once more through the new condition
CREATE OR REPLACE TABLE t AS SELECT k, SUM(v) AS total, COUNT(*) AS n FROM s GROUP BY k HAVING SUM(v) > 10;
SELECT * FROM t;
-- the same again
CREATE OR REPLACE TABLE t AS SELECT k, SUM(v) AS total, COUNT(*) AS n FROM s GROUP BY k HAVING SUM(v) > 10;
INSERT INTO s VALUES (2, 6, 1), (1, 1, 1);
\wait
SELECT * FROM t;
-- another column of what is kept
CREATE OR REPLACE TABLE t AS SELECT k, SUM(v) AS total, COUNT(*) AS n, SUM(v) * 2 AS twice FROM s GROUP BY k;
\wait
SELECT * FROM t;
-- another sum: all of s is read again
EXPLAIN CREATE OR REPLACE TABLE t AS SELECT k, SUM(v) AS total, COUNT(*) AS n, SUM(w) AS twice FROM s GROUP BY k;
CREATE OR REPLACE TABLE t AS SELECT k, SUM(v) AS total, COUNT(*) AS n, SUM(w) AS twice FROM s GROUP BY k;
CREATE OR REPLACE TABLE t AS SELECT k, SUM(v) AS total, COUNT(*) AS n, CAST(SUM(w) AS BIGINT) AS twice FROM s GROUP BY k;
\wait
SELECT * FROM t;
-- streams go on
CREATE OR REPLACE STREAM big AS SELECT k, v, w FROM s WHERE v > 3;
CREATE OR REPLACE STREAM named AS SELECT s.k, s.v, n.name, s.w FROM s JOIN names n ON s.k = n.k WHERE s.v <> 8;
INSERT INTO s VALUES (1, 4, 1), (2, 8, 1);
\wait
SELECT * FROM big;
SELECT * FROM named;
-- what cannot be
CREATE OR REPLACE STREAM big AS SELECT k, v FROM s WHERE v > 3;
CREATE OR REPLACE STREAM big AS SELECT w AS k, v, k AS w FROM s PARTITION BY w;
CREATE OR REPLACE STREAM big AS SELECT k, CAST(v AS BIGINT) AS v, w FROM s;
CREATE OR REPLACE TABLE big AS SELECT k, SUM(v) AS v, COUNT(*) AS w FROM s GROUP BY k;
CREATE OR REPLACE STREAM big WITH (TOPIC='other') AS SELECT k, v, w FROM s;
CREATE OR REPLACE STREAM big WITH (VALUE_FORMAT='DELIMITED') AS SELECT k, v, w FROM s;
CREATE OR REPLACE TABLE t AS SELECT k, COUNT(*) AS total, COUNT(*) AS n, COUNT(*) AS twice FROM s WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY k;
CREATE OR REPLACE STREAM s AS SELECT k, v, w FROM big;
