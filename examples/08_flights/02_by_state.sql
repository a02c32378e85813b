-- Arrivals per state, and the worst of them. (a stream joined with a table)
CREATE TABLE by_state AS
  SELECT a.state AS state, COUNT(*) AS flights, AVG(f.delay) AS mean, MAX(f.delay) AS worst
  FROM flights f JOIN airports a ON f.destination = a.iata GROUP BY a.state;
