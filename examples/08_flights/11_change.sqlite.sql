SELECT destination, COUNT(*) AS flights, MAX(delay - before) AS rise, AVG(delay - before) AS mean
FROM (SELECT destination, delay, LAG(delay) OVER (PARTITION BY destination ORDER BY dep_time, delay, distance) AS before
      FROM flights WHERE origin = 'BOS')
GROUP BY 1
