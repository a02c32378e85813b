SELECT state, COUNT(*) AS airports, MIN(iata) AS one FROM airports WHERE iata NOT IN (SELECT origin FROM flights) GROUP BY state
