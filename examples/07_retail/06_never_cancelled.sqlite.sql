SELECT stock, SUM(quantity) AS sold FROM lines
WHERE stock NOT IN (SELECT stock FROM lines WHERE invoice LIKE 'C%') GROUP BY stock
