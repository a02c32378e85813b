-- Departures in Alaska that follow within half an hour of one another. (session windows, over a join)
CREATE TABLE bursts AS
  SELECT f.origin AS origin, COUNT(*) AS flights, MIN(f.delay) AS best, MAX(f.delay) AS worst
  FROM flights f JOIN airports a ON f.origin = a.iata
  WINDOW SESSION (30 MINUTES, GRACE PERIOD 30 DAYS) WHERE a.state = 'AK' GROUP BY f.origin;
