CREATE STREAM bids (auction BIGINT KEY, bidder BIGINT, price BIGINT, at TIMESTAMP) WITH (TOPIC = 'bids', PARTITIONS = 4, TIMESTAMP = 'at');
CREATE TABLE players (id BIGINT PRIMARY KEY, team VARCHAR, points INT);

-- the rows of the first places: an operator of its own, which keeps what can still count
EXPLAIN CREATE TABLE best AS SELECT * FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS rn FROM bids) WHERE rn <= 10;
EXPLAIN CREATE TABLE third AS SELECT auction, bidder, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC, bidder) AS rn FROM bids) WHERE rn = 3;
EXPLAIN CREATE TABLE leaders AS SELECT id, team, points FROM (SELECT *, RANK() OVER (PARTITION BY team ORDER BY points DESC NULLS LAST) AS place FROM players) p WHERE place < 3 AND points > 0;
SELECT * FROM (SELECT id, DENSE_RANK() OVER (ORDER BY points) AS place FROM players) WHERE 2 >= place EMIT CHANGES;

-- the last or the first row by event time
EXPLAIN CREATE TABLE newest AS SELECT bidder, auction, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY at DESC) AS rn FROM bids) WHERE rn = 1;
EXPLAIN CREATE STREAM first_bids AS SELECT auction, bidder, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY ROWTIME) AS rn FROM bids) WHERE rn = 1;
CREATE TABLE first_bids AS SELECT auction, bidder, price FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY ROWTIME) AS rn FROM bids) WHERE rn = 1;

-- functions over the rows around a row
SELECT auction, price, SUM(price) OVER (PARTITION BY auction ORDER BY at) AS total FROM bids EMIT CHANGES;
SELECT price, AVG(price) OVER (PARTITION BY auction ORDER BY at ROWS 2 PRECEDING), price - LAG(price, 1, 0) OVER (PARTITION BY auction ORDER BY at) AS step FROM bids EMIT CHANGES;
SELECT price, COUNT(*) OVER (PARTITION BY auction ORDER BY at RANGE BETWEEN INTERVAL '10' MINUTES PRECEDING AND CURRENT ROW EXCLUDE TIES) FROM bids EMIT CHANGES;
SELECT id, NTILE(4) OVER (ORDER BY points NULLS FIRST), FIRST_VALUE(id) OVER (PARTITION BY team ORDER BY points GROUPS BETWEEN 1 PRECEDING AND 1 FOLLOWING) FROM players EMIT CHANGES;
SELECT team, SUM(points) AS sum, RANK() OVER (ORDER BY SUM(points) DESC) AS place FROM players GROUP BY team EMIT CHANGES;
SELECT id, points, points * 100.0 / SUM(points) OVER () AS part FROM players ORDER BY RANK() OVER (ORDER BY points DESC), id;

-- what cannot be
SELECT id FROM players WHERE RANK() OVER (ORDER BY points) = 1;
SELECT RANK(points) OVER (ORDER BY points) FROM players;
SELECT LCASE(team) OVER (ORDER BY points) FROM players;
SELECT SUM(points) OVER (ORDER BY team RANGE 3 PRECEDING) FROM players;
SELECT SUM(points) OVER (ORDER BY points ROWS -1 PRECEDING) FROM players;
SELECT SUM(points) OVER (ORDER BY points ROWS BETWEEN CURRENT ROW AND 1 PRECEDING) FROM players;
SELECT NTILE(0) OVER (ORDER BY points) FROM players;
SELECT LAG(points, 1, 'none') OVER (ORDER BY points) FROM players;
CREATE STREAM s AS SELECT auction, RANK() OVER (ORDER BY price) FROM bids;
-- what partitions and numbers rows is the key of the result, computed or not
EXPLAIN CREATE TABLE upper AS SELECT * FROM (SELECT UCASE(team) AS team, points, ROW_NUMBER() OVER (PARTITION BY UCASE(team) ORDER BY points DESC) AS rn FROM players) WHERE rn <= 2;
EXPLAIN CREATE TABLE odd AS SELECT * FROM (SELECT bidder % 2 AS odd, price, ROW_NUMBER() OVER (PARTITION BY bidder % 2 ORDER BY at DESC) AS rn FROM bids) WHERE rn = 1;
