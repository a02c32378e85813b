SELECT a.stock AS one, b.stock AS other, COUNT(DISTINCT a.invoice) AS times
FROM lines a JOIN lines b ON a.invoice = b.invoice AND a.stock < b.stock
WHERE a.country = 'France' AND b.country = 'France' GROUP BY 1, 2 HAVING times >= 5
