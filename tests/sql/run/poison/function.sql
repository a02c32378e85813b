-- A row that a C function fails is the dead letter of its record, wherever the function stands.
CREATE STREAM s (k VARCHAR KEY, v INT) WITH (TOPIC='in', PARTITIONS=1);
INSERT INTO s VALUES ('a', 2), ('b', 3), ('c', NULL), ('d', 8);
CREATE FUNCTION half(INT) RETURNS INT LANGUAGE C AS '${picky}', 'half';
CREATE STREAM items AS SELECT k, half(v) AS h FROM s;
CREATE STREAM where_ AS SELECT k, v FROM s WHERE half(v) > 0 OR v = 3;
CREATE TABLE summed AS SELECT k, SUM(half(v)) AS h FROM s GROUP BY k;
\wait
SELECT * FROM items;
SELECT * FROM where_;
SELECT * FROM summed;
SHOW ERRORS items;
SHOW ERRORS where_;
SHOW ERRORS summed;
PRINT summed_dlq FROM BEGINNING LIMIT 1;
-- Behind an aggregate the record is not known any more: the letter is the row.
CREATE TABLE behind AS SELECT k, half(CAST(COUNT(*) AS INT)) AS h FROM s GROUP BY k;
\wait
SELECT * FROM behind;
SELECT job, class, errors FROM sys.errors WHERE job = 'behind';
-- A query leaves NULL and says so.
SELECT k, half(v) AS h FROM s;
