-- What processing.guarantee may be, and that jobs of both kinds give the same.
SET 'processing.guarantee' = 'sometimes';
CREATE STREAM clicks (who VARCHAR, n BIGINT) WITH (VALUE_FORMAT='JSON', PARTITIONS=1);
CREATE TABLE exact AS SELECT who, SUM(n) AS total FROM clicks GROUP BY who;
SET 'processing.guarantee' = 'at_least_once';
CREATE TABLE prompt AS SELECT who, SUM(n) AS total FROM clicks GROUP BY who;
CREATE STREAM copies AS SELECT who, n FROM clicks;
INSERT INTO clicks VALUES ('ann', 1), ('bob', 2), ('ann', 3);
\wait
SELECT who, total FROM exact ORDER BY who;
SELECT who, total FROM prompt ORDER BY who;
SELECT who, n FROM copies ORDER BY n;
