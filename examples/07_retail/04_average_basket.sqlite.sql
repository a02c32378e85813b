SELECT country, COUNT(*) AS invoices, AVG(total) AS mean, MAX(total) AS largest
FROM (SELECT invoice, country, SUM(quantity * price) AS total FROM lines GROUP BY 1, 2)
WHERE total > 0.001 GROUP BY country
