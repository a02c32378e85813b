SELECT origin, strftime('%s', dep_time) / 3600 * 3600000 AS WINDOWSTART, COUNT(*) AS flights, AVG(delay) AS mean
FROM flights GROUP BY 1, 2
