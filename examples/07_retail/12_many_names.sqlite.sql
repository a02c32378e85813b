SELECT stock, COUNT(DISTINCT description) AS names, MIN(description) AS first, MAX(description) AS last
FROM lines WHERE description <> '' GROUP BY 1 HAVING names > 1
