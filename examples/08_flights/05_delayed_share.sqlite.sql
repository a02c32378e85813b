SELECT origin, (strftime('%s', dep_time) / 3600 - hop.n) * 3600000 AS WINDOWSTART, COUNT(*) AS flights,
       CAST(SUM(delay >= 15) AS REAL) / COUNT(*) AS share
FROM flights, (SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2) hop GROUP BY 1, 2
