CREATE STREAM flights (origin VARCHAR KEY, delay INT) WITH (TOPIC='flights', PARTITIONS=1);
INSERT INTO flights VALUES ('ORD', 20), ('JFK', 20), ('JFK', -5), ('SFO', 15), ('OAK', NULL);

CREATE FUNCTION delay_cost(INT, VARCHAR) RETURNS DOUBLE LANGUAGE C AS '${lib}', 'delay_cost';
SELECT origin, delay, delay_cost(delay, origin) AS cost FROM flights;

-- In a job too.
CREATE STREAM dear AS
  SELECT origin, delay_cost(delay, origin) AS cost FROM flights WHERE delay_cost(delay, origin) > 20;
\wait
SELECT * FROM dear;
