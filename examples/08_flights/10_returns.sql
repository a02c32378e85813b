-- Flights met by one the other way within half an hour, before or after. (two streams, by event time)
CREATE TABLE returns AS
  SELECT f.origin AS one, f.destination AS other, COUNT(*) AS meetings, MAX(ABS(f.delay - g.delay)) AS apart
  FROM flights f JOIN flights g WITHIN 30 MINUTES GRACE PERIOD 30 DAYS
    ON f.origin = g.destination AND f.destination = g.origin
  WHERE f.origin < f.destination GROUP BY f.origin, f.destination;
