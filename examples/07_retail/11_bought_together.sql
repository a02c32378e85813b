-- Which products do the French buy together five times or more? (a stream joined with itself)
CREATE TABLE bought_together AS
  SELECT a.stock AS one, b.stock AS other, COUNT(DISTINCT a.invoice) AS times
  FROM lines a JOIN lines b ON a.invoice = b.invoice AND a.stock < b.stock
  WHERE a.country = 'France' AND b.country = 'France'
  GROUP BY a.stock, b.stock HAVING COUNT(DISTINCT a.invoice) >= 5;
