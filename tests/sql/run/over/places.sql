-- A condition on ROW_NUMBER, RANK or DENSE_RANK: the first rows of each partition, kept up to date.
CREATE STREAM bids (auction INT KEY, bidder VARCHAR, price INT, at BIGINT) WITH (TOPIC='bids', PARTITIONS=1, TIMESTAMP='at');
INSERT INTO bids VALUES (1, 'ann', 10, 1000), (1, 'bob', 30, 2000), (2, 'ann', 5, 3000), (1, 'cid', 20, 2500), (2, 'bob', 5, 4000), (1, 'ann', 40, 1500);
SELECT auction, bidder, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC, bidder) AS rn FROM bids) WHERE rn <= 2 ORDER BY auction, price DESC, bidder;
CREATE TABLE best AS SELECT auction, bidder, price, rn FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC, bidder) AS rn FROM bids) WHERE rn <= 2;
-- The last row by event time, whatever came last.
CREATE TABLE newest AS SELECT auction, bidder, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY at DESC) AS rn FROM bids) WHERE rn = 1;
-- The first one is a stream: each comes once, when event time has passed it.
CREATE STREAM firsts AS SELECT auction, bidder, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY at) AS rn FROM bids) WHERE rn = 1;
\wait
SELECT * FROM best ORDER BY auction, rn, price;
SELECT * FROM newest ORDER BY auction;
SELECT * FROM firsts;
INSERT INTO bids VALUES (2, 'cid', 50, 500), (3, 'ann', 1, 5000);
\wait
SELECT * FROM best ORDER BY auction, rn, price;
SELECT * FROM newest ORDER BY auction;
SELECT * FROM firsts;
-- Fields of one structure are different columns.
CREATE STREAM pairs (k INT KEY, p STRUCT<a INT, b INT>) WITH (TOPIC='pairs', PARTITIONS=1);
INSERT INTO pairs VALUES (1, STRUCT(a := 1, b := 1)), (2, STRUCT(a := 1, b := 2)), (3, STRUCT(a := 1, b := 2));
SELECT p->a AS a, p->b AS b, COUNT(*) AS n FROM pairs GROUP BY p->a, p->b ORDER BY a, b;
SELECT k FROM (SELECT k, ROW_NUMBER() OVER (PARTITION BY p->a, p->b ORDER BY k DESC) AS rn FROM pairs) WHERE rn = 1 ORDER BY k;
-- Ties share a place by RANK.
SELECT auction, bidder, price FROM (SELECT *, RANK() OVER (ORDER BY price) AS place FROM bids) WHERE place BETWEEN 2 AND 3 ORDER BY bidder;
SELECT bidder FROM (SELECT bidder, DENSE_RANK() OVER (ORDER BY price DESC) AS d FROM bids) WHERE 1 = d AND bidder <> 'x';
