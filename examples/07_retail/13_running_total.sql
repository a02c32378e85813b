-- Revenue since the month began, day by day. (OVER with a frame)
CREATE TABLE running_total AS
  SELECT day, revenue, SUM(revenue) OVER (ORDER BY day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS so_far
  FROM (SELECT CAST(at AS DATE) AS day, SUM(quantity * price) AS revenue FROM lines GROUP BY CAST(at AS DATE)) days;
