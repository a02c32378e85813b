-- What is an invoice worth on average, per country? (a query in FROM)
CREATE TABLE average_basket AS
  SELECT country, COUNT(*) AS invoices, AVG(total) AS mean, MAX(total) AS largest
  FROM (SELECT invoice, country, SUM(quantity * price) AS total FROM lines GROUP BY invoice, country) baskets
  WHERE total > 0 GROUP BY country;
