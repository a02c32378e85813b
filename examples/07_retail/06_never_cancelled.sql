-- Which products did nobody ever give back? (NOT EXISTS, correlated)
CREATE TABLE never_cancelled AS
  SELECT stock, SUM(quantity) AS sold FROM lines l
  WHERE NOT EXISTS (SELECT 1 FROM lines c WHERE c.stock = l.stock AND c.invoice LIKE 'C%')
  GROUP BY stock;
