-- EMIT FINAL over windows of windows and joins of windows: final results are a stream, at the last moment of their window.
CREATE STREAM bid (auction BIGINT, bidder BIGINT, price BIGINT) WITH (TOPIC = 'bids', PARTITIONS = 2, FORMAT = 'JSON');
CREATE TABLE people (id BIGINT PRIMARY KEY, name VARCHAR) WITH (TOPIC = 'people', PARTITIONS = 2, FORMAT = 'JSON');
EXPLAIN CREATE TABLE most AS SELECT MAX(num) AS most, window_start, window_end FROM (SELECT auction, COUNT(*) AS num, window_start, window_end FROM HOP(TABLE bid, DESCRIPTOR(ROWTIME), INTERVAL '2' SECOND, INTERVAL '10' SECOND) GROUP BY auction, window_start, window_end) c GROUP BY window_start, window_end EMIT FINAL;
EXPLAIN CREATE STREAM q5 AS SELECT counted.auction, counted.num, counted.window_start
FROM (SELECT auction, COUNT(*) AS num, window_start, window_end
      FROM HOP(TABLE bid, DESCRIPTOR(ROWTIME), INTERVAL '2' SECOND, INTERVAL '10' SECOND)
      GROUP BY auction, window_start, window_end) counted
JOIN (SELECT MAX(num) AS most, window_start, window_end
      FROM (SELECT auction, COUNT(*) AS num, window_start, window_end
            FROM HOP(TABLE bid, DESCRIPTOR(ROWTIME), INTERVAL '2' SECOND, INTERVAL '10' SECOND)
            GROUP BY auction, window_start, window_end) c
      GROUP BY window_start, window_end) best
  ON counted.window_start = best.window_start AND counted.window_end = best.window_end AND counted.num >= best.most EMIT FINAL;
EXPLAIN CREATE STREAM q7 AS SELECT b.auction, b.price, b.bidder FROM bid b
JOIN (SELECT MAX(price) AS most, window_end FROM TUMBLE(TABLE bid, DESCRIPTOR(ROWTIME), INTERVAL '10' SECOND) GROUP BY window_start, window_end) w
  ON b.price = w.most AND b.ROWTIME BETWEEN w.window_end - INTERVAL '10' SECOND AND w.window_end EMIT FINAL;
EXPLAIN CREATE TABLE hours AS WITH minutes AS (SELECT bidder, COUNT(*) AS n, window_start AS s, window_end AS e FROM TUMBLE(TABLE bid, DESCRIPTOR(ROWTIME), INTERVAL '1' MINUTE) GROUP BY bidder, window_start, window_end) SELECT MAX(n) AS n, window_start, window_end FROM TUMBLE(TABLE minutes, DESCRIPTOR(ROWTIME), INTERVAL '1' HOUR) GROUP BY window_start, window_end EMIT FINAL;
EXPLAIN CREATE STREAM plain AS SELECT auction, n * 2 AS n, s FROM (SELECT auction, COUNT(*) AS n, WINDOWSTART AS s FROM bid WINDOW SESSION (10 SECONDS) GROUP BY auction) x WHERE n > 3 EMIT FINAL;
-- What has no final result.
CREATE TABLE bad AS SELECT MAX(n) AS m FROM (SELECT auction, COUNT(*) AS n, WINDOWSTART AS s FROM bid WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY auction) x EMIT FINAL;
CREATE TABLE bad AS SELECT auction, MAX(n) AS m FROM (SELECT auction, COUNT(*) AS n FROM bid GROUP BY auction) x GROUP BY auction EMIT FINAL;
CREATE STREAM bad AS SELECT auction, name FROM (SELECT auction, COUNT(*) AS n, WINDOWSTART AS s FROM bid WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY auction) x LEFT JOIN people p ON p.name = 'x' EMIT FINAL;
CREATE STREAM named AS SELECT auction, name FROM (SELECT auction, COUNT(*) AS n, WINDOWSTART AS s FROM bid WINDOW TUMBLING (SIZE 10 SECONDS) GROUP BY auction) x LEFT JOIN people p ON p.id = x.auction EMIT FINAL;
CREATE STREAM bad AS SELECT auction FROM bid EMIT FINAL;
