-- What a query could not read or compute is said behind its rows.
CREATE STREAM s (k INT KEY, at VARCHAR, v INT) WITH (TOPIC='s', PARTITIONS=1);
INSERT INTO s VALUES (1, '2020-01-02', 5), (2, 'garbage', 6), (3, '2020-01-03', 0);
CREATE STREAM timed (k INT KEY, at VARCHAR, v INT) WITH (TOPIC='s', TIMESTAMP='at');
SELECT k, ROWTIME FROM timed;
SELECT k, v FROM timed WHERE v > 100 EMIT CHANGES;
SELECT k, 10 / v AS q, CAST(at AS INT) AS n FROM s;
SELECT COUNT(*) FROM timed WHERE 10 / v > 1;
CREATE STREAM t (a DECIMAL);
CREATE STREAM t (a INT) WITH (PARTITIONS=20000);
