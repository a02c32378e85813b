-- Windows by the clock: which one a row is in depends on when it is read, but it is in one. Changes told every so often.
CREATE STREAM bid (auction BIGINT, bidder BIGINT, at BIGINT) WITH (TOPIC = 'bid', PARTITIONS = 1, TIMESTAMP = 'at');
CREATE TABLE clocked AS SELECT bidder, COUNT(*) AS bids FROM bid WINDOW TUMBLING (SIZE 1 HOUR, BY PROCTIME) GROUP BY bidder;
CREATE TABLE hops AS SELECT bidder, COUNT(*) AS bids, window_start, window_end FROM HOP(TABLE bid, DESCRIPTOR(PROCTIME()), 1 HOUR, 2 HOURS) GROUP BY bidder, window_start, window_end;
CREATE TABLE every AS SELECT bidder, COUNT(*) AS bids FROM bid GROUP BY bidder EMIT CHANGES EVERY 1 HOUR;
CREATE STREAM stamped AS SELECT bidder, PROCTIME() > TIMESTAMP '2024-01-01T00:00:00' AS recent FROM bid;
INSERT INTO bid VALUES (1, 7, 1000), (1, 8, 90000000), (2, 7, 5), (2, 7, 40);
\wait
SELECT bidder, SUM(bids) AS bids FROM clocked GROUP BY bidder ORDER BY bidder;
SELECT bidder, SUM(bids) AS bids FROM hops GROUP BY bidder ORDER BY bidder;
SELECT bidder, recent FROM stamped;
-- the first change is told at once, the next after an hour, or when the job stops
INSERT INTO bid VALUES (3, 7, 50);
\wait
SELECT COUNT(*) AS n, MAX(bids) AS most FROM every;
PAUSE every;
RESUME every;
SELECT COUNT(*) AS n, MAX(bids) AS most FROM every;
