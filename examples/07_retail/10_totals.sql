-- Revenue per country and day, per country, and of all. (ROLLUP)
CREATE TABLE totals AS
  SELECT country, CAST(at AS DATE) AS day, GROUPING(country, CAST(at AS DATE)) AS level, SUM(quantity * price) AS revenue
  FROM lines GROUP BY ROLLUP(country, CAST(at AS DATE));
