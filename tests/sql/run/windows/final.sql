-- sorted
-- EMIT FINAL over windows of windows and joins of windows: each row once, when its windows have closed.
CREATE STREAM bid (auction BIGINT, bidder BIGINT, price BIGINT, at BIGINT) WITH (TOPIC = 'bid', PARTITIONS = 1, TIMESTAMP = 'at');
INSERT INTO bid VALUES (1, 7, 10, 1000), (1, 8, 20, 2000), (2, 7, 30, 9000), (2, 7, 40, 11000), (3, 8, 15, 12000), (3, 8, 25, 19000), (3, 9, 35, 21000);

-- windowed over windowed: the same windows, and longer ones
CREATE TABLE most AS SELECT window_start, window_end, MAX(n) AS most FROM
  (SELECT auction, COUNT(*) AS n, window_start, window_end FROM TUMBLE(TABLE bid, DESCRIPTOR(ROWTIME), 10 SECONDS) GROUP BY auction, window_start, window_end) c
  GROUP BY window_start, window_end EMIT FINAL;
CREATE TABLE longer AS WITH seconds AS
  (SELECT bidder, COUNT(*) AS n, window_start AS s, window_end AS e FROM TUMBLE(TABLE bid, DESCRIPTOR(ROWTIME), 5 SECONDS) GROUP BY bidder, window_start, window_end)
  SELECT window_start, window_end, SUM(n) AS rows, COUNT(*) AS parts FROM TUMBLE(TABLE seconds, DESCRIPTOR(ROWTIME), 10 SECONDS) GROUP BY window_start, window_end EMIT FINAL;
-- windows joined by their bounds; a stream joined with windows by its event time
CREATE STREAM busiest AS SELECT c.auction AS auction, c.n AS n, c.window_start AS start FROM
  (SELECT auction, COUNT(*) AS n, window_start, window_end FROM TUMBLE(TABLE bid, DESCRIPTOR(ROWTIME), 10 SECONDS) GROUP BY auction, window_start, window_end) c
  JOIN (SELECT bidder, COUNT(*) AS n, window_start, window_end FROM TUMBLE(TABLE bid, DESCRIPTOR(ROWTIME), 10 SECONDS) GROUP BY bidder, window_start, window_end) b
  ON c.window_start = b.window_start AND c.window_end = b.window_end AND c.n = b.n EMIT FINAL;
CREATE STREAM highest AS SELECT b.auction AS auction, b.price AS price FROM bid b
  JOIN (SELECT MAX(price) AS price, window_start, window_end FROM TUMBLE(TABLE bid, DESCRIPTOR(ROWTIME), 10 SECONDS) GROUP BY window_start, window_end) w
  ON b.price = w.price AND b.ROWTIME BETWEEN w.window_start AND w.window_end EMIT FINAL;
CREATE STREAM visits AS SELECT bidder, n, e - s AS ms FROM (SELECT bidder, COUNT(*) AS n, WINDOWSTART AS s, WINDOWEND AS e FROM bid WINDOW SESSION (8 SECONDS) GROUP BY bidder) x WHERE n > 1 EMIT FINAL;
\wait
SELECT 'most' AS w, window_start, window_end, most FROM most;
SELECT 'longer' AS w, window_start, window_end, rows, parts FROM longer;
SELECT 'busiest' AS w, auction, n, start FROM busiest;
SELECT 'highest' AS w, auction, price FROM highest;
SELECT 'visits' AS w, bidder, n, ms FROM visits;

-- an hour later all are closed; what comes for them then is late
INSERT INTO bid VALUES (9, 9, 1, 3600000);
\wait
INSERT INTO bid VALUES (1, 7, 99, 3000);
\wait
SELECT 'all most' AS w, window_start, window_end, most FROM most;
SELECT 'all longer' AS w, window_start, window_end, rows, parts FROM longer;
SELECT 'all busiest' AS w, auction, n, start FROM busiest;
SELECT 'all highest' AS w, auction, price FROM highest;
SELECT 'all visits' AS w, bidder, n, ms FROM visits;
