WITH f AS (SELECT a.state, (strftime('%w', dep_time) + 6) % 7 + 1 AS weekday, delay FROM flights JOIN airports a ON origin = iata)
SELECT state, weekday, COUNT(*) AS flights, AVG(delay) AS mean FROM f GROUP BY 1, 2 UNION ALL
SELECT state, NULL, COUNT(*), AVG(delay) FROM f GROUP BY 1 UNION ALL
SELECT NULL, weekday, COUNT(*), AVG(delay) FROM f GROUP BY 2 UNION ALL
SELECT NULL, NULL, COUNT(*), AVG(delay) FROM f
