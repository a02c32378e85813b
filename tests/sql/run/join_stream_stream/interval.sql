-- Conditions that bound how far apart the times of two streams' rows lie make it such a join, too; so its state has an end.
CREATE STREAM clicks (k VARCHAR KEY, page VARCHAR) WITH (TOPIC='clicks', PARTITIONS=1);
CREATE STREAM buys (k VARCHAR KEY, item VARCHAR, at BIGINT) WITH (TOPIC='buys', PARTITIONS=1, TIMESTAMP='at');
INSERT INTO clicks (ROWTIME, k, page) VALUES (1000, 'a', 'home'), (2000, 'b', 'home'), (61000, 'a', 'shop');
INSERT INTO buys VALUES ('a', 'ink', 61500), ('b', 'pen', 600000), ('c', 'cap', 600000);
SELECT c.k, c.page, b.item FROM clicks c JOIN buys b ON c.k = b.k AND b.at BETWEEN c.ROWTIME AND c.ROWTIME + 60000 ORDER BY page;
SELECT c.k, c.page, b.item FROM clicks c JOIN buys b ON c.k = b.k AND b.ROWTIME - c.ROWTIME BETWEEN 0 AND 60500 ORDER BY page;
SELECT c.k, c.page, b.item FROM clicks c LEFT JOIN buys b ON c.k = b.k AND c.ROWTIME <= b.at AND b.at < c.ROWTIME + 60000 ORDER BY page, item;
EXPLAIN SELECT c.k, b.item FROM clicks c JOIN buys b ON c.k = b.k AND b.at >= c.ROWTIME AND b.at < c.ROWTIME + 60000 EMIT CHANGES;
-- in a comma join WHERE says it
EXPLAIN SELECT c.k, b.item FROM clicks c, buys b WHERE c.k = b.k AND b.ROWTIME BETWEEN c.ROWTIME - 1000 AND c.ROWTIME + 1000 EMIT CHANGES;
-- a bound on one side only: all rows are kept
EXPLAIN SELECT c.k, b.item FROM clicks c JOIN buys b ON c.k = b.k AND b.at >= c.ROWTIME EMIT CHANGES;
