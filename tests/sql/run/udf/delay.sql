CREATE STREAM f (origin VARCHAR KEY, delay INT) WITH (TOPIC='f', PARTITIONS=1);
INSERT INTO f VALUES ('ORD', 20), ('JFK', 20), ('JFK', -5), ('SFO', 15), ('OAK', NULL);
CREATE FUNCTION delay_cost(INT, VARCHAR) RETURNS DOUBLE LANGUAGE C AS '${lib}', 'delay_cost';
SELECT origin, delay, delay_cost(delay, origin) AS cost FROM f;
CREATE STREAM dear AS SELECT origin, delay_cost(delay, origin) AS cost FROM f WHERE delay_cost(delay, origin) > 20;
\wait
SELECT * FROM dear;
CREATE FUNCTION nothing(INT) RETURNS INT LANGUAGE C AS '${lib}', 'no_such_symbol';
CREATE FUNCTION nothing(INT) RETURNS INT LANGUAGE C AS '/no/such/library.so', 'f';
SELECT delay_cost(origin, delay) FROM f;
DROP FUNCTION delay_cost;
SELECT delay_cost(delay, origin) FROM f;
