-- SESSION as a table function: PARTITION BY says whose sessions they are; they are there to be summed up.
CREATE STREAM bid (auction BIGINT, bidder BIGINT, price BIGINT) WITH (TOPIC = 'bids', PARTITIONS = 2, FORMAT = 'JSON');
EXPLAIN CREATE TABLE visits AS SELECT bidder, COUNT(*) AS bids, window_start, window_end FROM SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(ROWTIME), INTERVAL '10' SECOND) GROUP BY bidder, window_start, window_end;
EXPLAIN CREATE TABLE busy AS SELECT COUNT(*) AS bids, window_start, window_end FROM SESSION(TABLE bid, DESCRIPTOR(PROCTIME), INTERVAL '10' SECOND) GROUP BY window_start, window_end EMIT FINAL;
SELECT * FROM SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(ROWTIME), INTERVAL '10' SECOND) EMIT CHANGES;
CREATE TABLE bad AS SELECT bidder, COUNT(*) AS bids, window_start, window_end FROM SESSION(TABLE bid, DESCRIPTOR(ROWTIME), INTERVAL '10' SECOND) GROUP BY bidder, window_start, window_end;
CREATE TABLE bad AS SELECT bidder, COUNT(*) AS bids, window_start, window_end FROM SESSION(TABLE bid PARTITION BY bidder, DESCRIPTOR(ROWTIME), INTERVAL '10' SECOND) WHERE price > 4 GROUP BY bidder, window_start, window_end;
CREATE TABLE bad AS SELECT bidder, COUNT(*) AS bids, window_start, window_end FROM TUMBLE(TABLE bid PARTITION BY (bidder, auction), DESCRIPTOR(ROWTIME), INTERVAL '10' SECOND) GROUP BY bidder, window_start, window_end;
