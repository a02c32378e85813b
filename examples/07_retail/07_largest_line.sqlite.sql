SELECT invoice, stock, quantity, price
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY invoice ORDER BY quantity * CAST(price * 100 + 0.5 AS INT) DESC, stock, quantity, price) AS place
      FROM lines)
WHERE place = 1
