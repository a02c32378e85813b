WITH days AS (SELECT date(at) AS day, SUM(value) AS passengers FROM taxi GROUP BY 1)
SELECT day, passengers, mean
FROM (SELECT day, passengers, AVG(passengers) OVER (PARTITION BY strftime('%w', day)) AS mean FROM days) WHERE passengers > mean
