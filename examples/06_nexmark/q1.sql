-- Currency conversion.
CREATE STREAM q1 AS
SELECT auction, bidder, CAST(0.908 * price AS DECIMAL(23, 3)) AS price, dateTime, extra FROM bid;
