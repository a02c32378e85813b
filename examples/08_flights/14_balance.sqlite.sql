WITH ends AS (SELECT origin AS iata, 1 AS d, 0 AS a FROM flights UNION ALL SELECT destination, 0, 1 FROM flights)
SELECT iata, SUM(d) AS departures, SUM(a) AS arrivals FROM ends GROUP BY 1 HAVING SUM(d) = 0 OR SUM(a) < SUM(d)
