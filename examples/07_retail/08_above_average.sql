-- Which customers spend more than customers do on average? (WITH, used twice; a query as a value)
CREATE TABLE above_average AS
  WITH spent AS (SELECT customer, SUM(quantity * price) AS total FROM lines WHERE customer IS NOT NULL GROUP BY customer)
  SELECT customer, total FROM spent WHERE total > (SELECT AVG(total) FROM spent);
