-- Passengers per day.
CREATE TABLE per_day AS
  SELECT CAST(at AS DATE) AS day, SUM(value) AS passengers, AVG(value) AS mean, STDDEV_POP(value) AS deviation
  FROM taxi GROUP BY CAST(at AS DATE);
