SELECT f.origin AS one, f.destination AS other, COUNT(*) AS meetings, MAX(ABS(f.delay - g.delay)) AS apart
FROM flights f JOIN flights g ON f.origin = g.destination AND f.destination = g.origin
  AND ABS(strftime('%s', f.dep_time) - strftime('%s', g.dep_time)) <= 1800
WHERE f.origin < f.destination GROUP BY 1, 2
