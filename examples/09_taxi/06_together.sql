-- Tweets about Apple and about Google per hour, and how alike they go day by day. (FULL JOIN, CORR)
CREATE TABLE together AS
  WITH a AS (SELECT DATE_TRUNC('HOUR', at) AS hour, SUM(value) AS tweets FROM apple GROUP BY DATE_TRUNC('HOUR', at)),
       g AS (SELECT DATE_TRUNC('HOUR', at) AS hour, SUM(value) AS tweets FROM google GROUP BY DATE_TRUNC('HOUR', at))
  SELECT CAST(COALESCE(a.hour, g.hour) AS DATE) AS day, COUNT(a.tweets) AS apple, COUNT(g.tweets) AS google,
         CORR(a.tweets, g.tweets) AS alike
  FROM a FULL JOIN g ON a.hour = g.hour GROUP BY CAST(COALESCE(a.hour, g.hour) AS DATE);
