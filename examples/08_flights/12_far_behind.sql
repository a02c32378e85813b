-- Flights ten hours later than the mean of their route. (a correlated query as a value)
CREATE TABLE far_behind AS
  SELECT f.origin AS origin, f.destination AS destination, f.dep_time AS dep_time, f.delay AS delay FROM flights f
  WHERE f.delay > 600 + (SELECT AVG(r.delay) FROM flights r WHERE r.origin = f.origin AND r.destination = f.destination);
