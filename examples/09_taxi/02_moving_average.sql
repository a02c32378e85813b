-- The mean of the last 48 half hours. (OVER with ROWS)
CREATE TABLE moving_average AS
  SELECT at, value, AVG(value) OVER (ORDER BY at ROWS BETWEEN 47 PRECEDING AND CURRENT ROW) AS mean
  FROM (SELECT at, MAX(value) AS value FROM taxi GROUP BY at) series;
