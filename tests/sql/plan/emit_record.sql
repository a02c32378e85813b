CREATE STREAM orders (id INT KEY, customer VARCHAR, amount DOUBLE);
CREATE TABLE people (id INT PRIMARY KEY, name VARCHAR);
-- what an epoch changed, or what each record changed
EXPLAIN CREATE TABLE totals AS SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer;
EXPLAIN CREATE TABLE totals WITH (EMIT = 'record') AS SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer;
EXPLAIN SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer EMIT CHANGES;
-- the session's word for it, and its profile's
SET 'emit' = 'record';
EXPLAIN CREATE TABLE p AS SELECT id, name FROM people;
EXPLAIN SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer EMIT CHANGES;
EXPLAIN CREATE TABLE p WITH (EMIT = 'epoch') AS SELECT id, name FROM people;
UNSET 'emit';
SET 'sql.profile' = 'ksql';
EXPLAIN CREATE TABLE p AS SELECT id, name FROM people;
SET 'emit' = 'epoch';
EXPLAIN CREATE TABLE p AS SELECT id, name FROM people;
UNSET 'emit';
SET 'sql.profile' = 'standard';
-- a new version goes on as the one before, unless it says so
CREATE TABLE p WITH (EMIT = 'record') AS SELECT id, name FROM people;
EXPLAIN CREATE OR REPLACE TABLE p AS SELECT id, name FROM people WHERE id > 3;
EXPLAIN CREATE OR REPLACE TABLE p WITH (EMIT = 'epoch') AS SELECT id, name FROM people;
CREATE TABLE totals AS SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer;
EXPLAIN CREATE OR REPLACE TABLE totals WITH (EMIT = 'record') AS SELECT customer, SUM(amount) AS total FROM orders GROUP BY customer;
-- refused
CREATE TABLE q WITH (EMIT = 'often') AS SELECT id, name FROM people;
CREATE STREAM q (a INT) WITH (EMIT = 'record');
SET 'emit' = 'often';
SET 'sql.profile' = 'mysql';
CREATE TABLE q WITH (EMIT = 'record') AS SELECT customer, COUNT(*) AS n FROM orders GROUP BY customer EMIT CHANGES EVERY 1 MINUTE;
