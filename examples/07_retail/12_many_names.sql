-- Which products go by several names?
CREATE TABLE many_names AS
  SELECT stock, COUNT(DISTINCT description) AS names, MIN(description) AS first, MAX(description) AS last
  FROM lines WHERE description <> '' GROUP BY stock HAVING COUNT(DISTINCT description) > 1;
