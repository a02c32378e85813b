-- Which line is the largest of its invoice? (ROW_NUMBER: a Top-N per group)
CREATE TABLE largest_line AS
  SELECT invoice, stock, quantity, price
  FROM (SELECT invoice, stock, quantity, price,
               ROW_NUMBER() OVER (PARTITION BY invoice ORDER BY quantity * price DESC, stock, quantity, price) AS place
        FROM lines) ranked
  WHERE place = 1;
