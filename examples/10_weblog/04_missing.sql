-- What is asked for and not there, and who sends people there?
CREATE TABLE missing AS
  SELECT path, COUNT(*) AS hits, COUNT(DISTINCT address) AS addresses, MAX(NULLIF(referrer, '-')) AS referrer
  FROM hits WHERE status = 404 GROUP BY path;
