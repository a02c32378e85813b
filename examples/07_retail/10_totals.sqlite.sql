SELECT country, date(at) AS day, 0 AS level, SUM(quantity * price) AS revenue FROM lines GROUP BY 1, 2 UNION ALL
SELECT country, NULL, 1, SUM(quantity * price) FROM lines GROUP BY 1 UNION ALL
SELECT NULL, NULL, 3, SUM(quantity * price) FROM lines
