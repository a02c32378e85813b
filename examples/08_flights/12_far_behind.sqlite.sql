WITH routes AS (SELECT origin, destination, AVG(delay) AS mean FROM flights GROUP BY 1, 2)
SELECT f.origin AS origin, f.destination AS destination, f.dep_time AS dep_time, f.delay AS delay
FROM flights f JOIN routes r ON r.origin = f.origin AND r.destination = f.destination WHERE f.delay > 600 + r.mean
