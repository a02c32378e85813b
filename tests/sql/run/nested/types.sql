-- CREATE TYPE gives a type a name. Columns have the type, not the name.
CREATE TYPE addr AS STRUCT<city VARCHAR, floors ARRAY<INT>>;
CREATE TYPE person AS STRUCT<name VARCHAR, home addr, work addr>;
CREATE TYPE IF NOT EXISTS addr AS INT;
CREATE TYPE addr AS INT;
CREATE TYPE int AS BIGINT;
SHOW TYPES;
CREATE STREAM people (k INT KEY, p person, tags VARCHAR ARRAY) WITH (TOPIC='people', PARTITIONS=1);
INSERT INTO people VALUES (1, CAST('{"name":"Ada","home":{"city":"London"}}' AS person), ARRAY['x']);
DROP TYPE addr;
DROP TYPE addr;
DROP TYPE IF EXISTS addr;
SHOW TYPES;
SELECT k, p->name, p->home->city AS city, p->work FROM people;
DESCRIBE people;
CREATE STREAM more (k INT KEY, a addr) WITH (TOPIC='more', PARTITIONS=1);
CREATE FUNCTION f(ARRAY<INT>) RETURNS INT LANGUAGE C AS 'libf.so', 'f';
