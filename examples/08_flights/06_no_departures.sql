-- How many airports of each state have no departures? (NOT IN)
CREATE TABLE no_departures AS
  SELECT state, COUNT(*) AS airports, MIN(iata) AS one FROM airports
  WHERE iata NOT IN (SELECT origin FROM flights) GROUP BY state;
