SELECT date(at) AS day, SUM(value) AS passengers, AVG(value) AS mean,
       SQRT(AVG(value * value) - AVG(value) * AVG(value)) AS deviation
FROM taxi GROUP BY 1
