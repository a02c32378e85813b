-- The ten highest bids of each auction.
CREATE TABLE q19 AS
SELECT *
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS place FROM bid) b
WHERE place <= 10;
