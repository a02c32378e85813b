SELECT customer, COUNT(DISTINCT date(at)) AS days, COUNT(DISTINCT invoice) AS invoices, MIN(at) AS since
FROM lines WHERE customer IS NOT NULL AND quantity > 0 GROUP BY 1 HAVING COUNT(DISTINCT date(at)) >= 3
