-- Airports where flights only end, or which send out more than come in. (FULL JOIN of two aggregates)
CREATE TABLE balance AS
  WITH departures AS (SELECT origin AS iata, COUNT(*) AS n FROM flights GROUP BY origin),
       arrivals AS (SELECT destination AS iata, COUNT(*) AS n FROM flights GROUP BY destination)
  SELECT COALESCE(d.iata, a.iata) AS iata, COALESCE(d.n, 0) AS departures, COALESCE(a.n, 0) AS arrivals
  FROM departures d FULL JOIN arrivals a ON d.iata = a.iata
  WHERE d.n IS NULL OR COALESCE(a.n, 0) < d.n;
