-- Names that are not there: a join's columns under the names it gave them, relations, and all that describes one.
CREATE STREAM c (k VARCHAR KEY, v INT) WITH (TOPIC='c', PARTITIONS=1);
CREATE TABLE users (k VARCHAR PRIMARY KEY, name VARCHAR) WITH (TOPIC='users', PARTITIONS=1);
CREATE STREAM j AS SELECT * FROM c JOIN users ON c.k = users.k;
SELECT k FROM j EMIT CHANGES;
SELECT c_kk FROM j EMIT CHANGES;
SELECT c.k FROM j EMIT CHANGES;
SELECT c_k FROM c JOIN users ON c.k = users.k EMIT CHANGES;
SELECT * FROM userz;
SELECT * FROM customers;
DESCRIBE nope;
CREATE TABLE w AS SELECT k, COUNT(*) AS n FROM c WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY k;
PAUSE w;
DESCRIBE w;
\h SHOW
\h nothing
