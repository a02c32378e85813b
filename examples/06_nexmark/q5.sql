-- Which auctions had the most bids in the last ten seconds? Told every two seconds.
CREATE TABLE q5 AS
SELECT counted.auction, counted.num, counted.window_start
FROM (SELECT auction, COUNT(*) AS num, window_start, window_end
      FROM HOP(TABLE bid, DESCRIPTOR(ROWTIME), INTERVAL '2' SECOND, INTERVAL '10' SECOND)
      GROUP BY auction, window_start, window_end) counted
JOIN (SELECT MAX(num) AS most, window_start, window_end
      FROM (SELECT auction, COUNT(*) AS num, window_start, window_end
            FROM HOP(TABLE bid, DESCRIPTOR(ROWTIME), INTERVAL '2' SECOND, INTERVAL '10' SECOND)
            GROUP BY auction, window_start, window_end) c
      GROUP BY window_start, window_end) best
  ON counted.window_start = best.window_start AND counted.window_end = best.window_end AND counted.num >= best.most;
