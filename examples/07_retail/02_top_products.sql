-- Which ten products brought most? (Top-N)
CREATE TABLE top_products AS
  SELECT stock, revenue
  FROM (SELECT stock, revenue, ROW_NUMBER() OVER (ORDER BY revenue DESC, stock) AS place
        FROM (SELECT stock, SUM(quantity * price) AS revenue FROM lines GROUP BY stock) products) ranked
  WHERE place <= 10;
