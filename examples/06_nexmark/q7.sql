-- The highest bids of every ten seconds.
CREATE TABLE q7 AS
SELECT b.auction, b.price, b.bidder, b.dateTime, b.extra
FROM bid b
JOIN (SELECT MAX(price) AS most, window_end
      FROM TUMBLE(TABLE bid, DESCRIPTOR(ROWTIME), INTERVAL '10' SECOND)
      GROUP BY window_start, window_end) w
  ON b.price = w.most AND b.dateTime BETWEEN w.window_end - INTERVAL '10' SECOND AND w.window_end;
