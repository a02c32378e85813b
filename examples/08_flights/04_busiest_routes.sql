-- The ten busiest routes. (ORDER BY and LIMIT, maintained)
CREATE TABLE busiest_routes AS
  SELECT origin, destination, COUNT(*) AS flights FROM flights
  GROUP BY origin, destination ORDER BY flights DESC, origin, destination LIMIT 10;
