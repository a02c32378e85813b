SELECT stock, SUM(quantity * price) AS revenue FROM lines GROUP BY stock ORDER BY revenue DESC, stock LIMIT 10
