-- How many bids does somebody make in one go?
CREATE TABLE q11 AS
SELECT bidder, COUNT(*) AS bids, WINDOWSTART AS window_start, WINDOWEND AS window_end
FROM bid WINDOW SESSION (10 SECONDS)
GROUP BY bidder;
