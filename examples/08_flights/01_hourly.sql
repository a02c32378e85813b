-- Flights and their mean delay per origin and hour. (a tumbling window)
CREATE TABLE hourly AS
  SELECT origin, COUNT(*) AS flights, AVG(delay) AS mean FROM flights
  WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 30 DAYS) GROUP BY origin;
