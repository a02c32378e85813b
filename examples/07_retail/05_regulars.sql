-- Who bought on three days or more?
CREATE TABLE regulars AS
  SELECT customer, COUNT(DISTINCT CAST(at AS DATE)) AS days, COUNT(DISTINCT invoice) AS invoices, MIN(at) AS since
  FROM lines WHERE customer IS NOT NULL AND quantity > 0
  GROUP BY customer HAVING COUNT(DISTINCT CAST(at AS DATE)) >= 3;
