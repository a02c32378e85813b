-- Why nothing comes out, when nothing is wrong with the records.
CREATE STREAM o (k VARCHAR KEY, v INT) WITH (TOPIC='o', PARTITIONS=2);
CREATE TABLE t AS SELECT k, COUNT(*) AS n FROM o GROUP BY k;
CREATE TABLE big AS SELECT k, COUNT(*) AS n FROM o WHERE v > 100 GROUP BY k;
CREATE TABLE have AS SELECT k, COUNT(*) AS n FROM o GROUP BY k HAVING COUNT(*) > 10;
SELECT * FROM t;
SELECT * FROM o;
SELECT * FROM o EMIT CHANGES;
SELECT * FROM t EMIT CHANGES;
PAUSE t;
SELECT * FROM t;
SELECT * FROM t EMIT CHANGES;
RESUME t;
INSERT INTO o (ROWTIME, k, v) VALUES (1000, 'a', 1), (2000, 'b', 2);
\wait
SELECT * FROM t WHERE k = 'x';
SELECT * FROM t WHERE n > 5;
SELECT COUNT(*) FROM t WHERE n > 5;
SELECT * FROM big;
SELECT * FROM have;
CREATE TABLE users (k VARCHAR PRIMARY KEY, name VARCHAR) WITH (TOPIC='users', PARTITIONS=2);
CREATE STREAM j AS SELECT o.k, v, name FROM o JOIN users ON o.k = users.k;
\wait
SELECT * FROM j;
SELECT * FROM users;
INSERT INTO users VALUES ('zz', 'Z');
\wait
SELECT * FROM j;
SELECT o.k, v, name FROM o JOIN users ON o.k = users.k EMIT CHANGES;
SET 'auto.offset.reset' = 'latest';
SELECT * FROM o EMIT CHANGES;
CREATE STREAM late AS SELECT * FROM o;
SELECT * FROM late;
SET 'errors.tolerance' = 'stop';
SET 'auto.offset.reset' = 'earliest';
CREATE STREAM oi (k INT KEY, v INT) WITH (TOPIC='o');
CREATE TABLE ti AS SELECT k, COUNT(*) AS n FROM oi GROUP BY k;
\wait ti
SELECT * FROM ti;
SELECT * FROM ti EMIT CHANGES;
SELECT * FROM sys.errors WHERE job = 'nobody';
