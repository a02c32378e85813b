-- Delay per state and weekday, each alone and together. (CUBE)
CREATE TABLE weekdays AS
  SELECT a.state AS state, DAYOFWEEK(f.dep_time) AS weekday, COUNT(*) AS flights, AVG(f.delay) AS mean
  FROM flights f JOIN airports a ON f.origin = a.iata GROUP BY CUBE(a.state, DAYOFWEEK(f.dep_time));
