SELECT iata, state, flights, RANK() OVER (PARTITION BY state ORDER BY flights DESC) AS place
FROM (SELECT a.iata, a.state, COUNT(*) AS flights FROM flights f JOIN airports a ON f.origin = a.iata GROUP BY 1, 2)
