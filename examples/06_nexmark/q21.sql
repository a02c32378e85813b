-- The id of each channel: known, or in its address.
CREATE STREAM q21 AS
SELECT auction, bidder, price, channel,
       CASE LCASE(channel) WHEN 'apple' THEN '0' WHEN 'google' THEN '1' WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
            ELSE REGEXP_EXTRACT('(&|^)channel_id=([^&]*)', url, 2) END AS channel_id
FROM bid
WHERE LCASE(channel) IN ('apple', 'google', 'facebook', 'baidu')
   OR REGEXP_EXTRACT('(&|^)channel_id=([^&]*)', url, 2) IS NOT NULL;
