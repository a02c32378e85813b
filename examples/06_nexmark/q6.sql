-- What does each seller's last ten auctions bring on the average?
CREATE TABLE q6 AS
SELECT id, seller, AVG(price) OVER (PARTITION BY seller ORDER BY bid_time, id ROWS BETWEEN 10 PRECEDING AND CURRENT ROW) AS average
FROM (SELECT a.id, a.seller, b.price, b.dateTime AS bid_time,
             ROW_NUMBER() OVER (PARTITION BY a.id, a.seller ORDER BY b.price DESC, b.dateTime) AS place
      FROM auction a JOIN bid b ON a.id = b.auction
      WHERE b.dateTime BETWEEN a.dateTime AND a.expires) w
WHERE place = 1;
