-- What came in per country and day?
CREATE TABLE revenue_by_day AS
  SELECT country, CAST(at AS DATE) AS day, COUNT(*) AS lines, SUM(quantity * price) AS revenue
  FROM lines GROUP BY country, CAST(at AS DATE);
