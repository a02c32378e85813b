-- How much does the delay change from one flight of a route to the next, out of Boston? (LAG)
CREATE TABLE change AS
  SELECT destination, COUNT(*) AS flights, MAX(delay - before) AS rise, AVG(delay - before) AS mean
  FROM (SELECT destination, delay,
               LAG(delay) OVER (PARTITION BY destination ORDER BY dep_time, delay, distance) AS before
        FROM flights WHERE origin = 'BOS') f
  GROUP BY destination;
