-- Which ten products brought most? (ORDER BY and LIMIT, maintained)
CREATE TABLE top_products AS
  SELECT stock, SUM(quantity * price) AS revenue FROM lines GROUP BY stock ORDER BY revenue DESC, stock LIMIT 10;
