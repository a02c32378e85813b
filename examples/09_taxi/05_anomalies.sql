-- Temperatures more than three standard deviations off the mean of the 24 hours that end with them. (OVER with RANGE)
CREATE TABLE anomalies AS
  SELECT at, value, mean
  FROM (SELECT at, value,
               AVG(value) OVER (ORDER BY at RANGE BETWEEN INTERVAL '24' HOUR PRECEDING AND CURRENT ROW) AS mean,
               STDDEV_POP(value) OVER (ORDER BY at RANGE BETWEEN INTERVAL '24' HOUR PRECEDING AND CURRENT ROW) AS deviation
        FROM temperature) t
  WHERE ABS(value - mean) > 3 * deviation;
