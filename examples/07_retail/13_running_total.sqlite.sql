SELECT day, revenue, SUM(revenue) OVER (ORDER BY day) AS so_far
FROM (SELECT date(at) AS day, SUM(quantity * price) AS revenue FROM lines GROUP BY 1)
