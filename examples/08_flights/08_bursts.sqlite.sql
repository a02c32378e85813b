WITH f AS (SELECT origin, delay, strftime('%s', dep_time) * 1000 AS t FROM flights
           WHERE origin IN (SELECT iata FROM airports WHERE state = 'AK')),
     g AS (SELECT *, t - LAG(t) OVER (PARTITION BY origin ORDER BY t) > 1800000 AS new FROM f),
     s AS (SELECT *, SUM(IFNULL(new, 0)) OVER (PARTITION BY origin ORDER BY t) AS n FROM g)
SELECT origin, MIN(t) AS WINDOWSTART, MAX(t) AS WINDOWEND, COUNT(*) AS flights, MIN(delay) AS best, MAX(delay) AS worst
FROM s GROUP BY origin, n
