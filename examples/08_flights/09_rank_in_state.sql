-- The rank of each airport among those of its state. (RANK over an aggregate over a join)
CREATE TABLE rank_in_state AS
  SELECT iata, state, flights, RANK() OVER (PARTITION BY state ORDER BY flights DESC) AS place
  FROM (SELECT a.iata AS iata, a.state AS state, COUNT(*) AS flights
        FROM flights f JOIN airports a ON f.origin = a.iata GROUP BY a.iata, a.state) departures;
