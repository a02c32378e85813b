SELECT a.state AS state, COUNT(*) AS flights, AVG(f.delay) AS mean, MAX(f.delay) AS worst
FROM flights f JOIN airports a ON f.destination = a.iata GROUP BY a.state
