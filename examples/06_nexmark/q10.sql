-- Every bid with its day and minute, as one would file them.
CREATE STREAM q10 AS
SELECT auction, bidder, price, dateTime, extra, FORMAT_TIMESTAMP(dateTime, 'yyyy-MM-dd') AS day,
       FORMAT_TIMESTAMP(dateTime, 'HH:mm') AS minute
FROM bid;
