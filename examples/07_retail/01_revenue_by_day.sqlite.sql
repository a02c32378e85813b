SELECT country, date(at) AS day, COUNT(*) AS lines, SUM(quantity * price) AS revenue FROM lines GROUP BY 1, 2
