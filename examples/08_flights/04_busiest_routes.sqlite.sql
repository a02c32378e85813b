SELECT origin, destination, COUNT(*) AS flights FROM flights GROUP BY 1, 2 ORDER BY flights DESC, origin, destination LIMIT 10
