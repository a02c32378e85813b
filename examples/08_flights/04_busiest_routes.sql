-- The ten busiest routes. (Top-N)
CREATE TABLE busiest_routes AS
  SELECT origin, destination, flights
  FROM (SELECT origin, destination, flights, ROW_NUMBER() OVER (ORDER BY flights DESC, origin, destination) AS place
        FROM (SELECT origin, destination, COUNT(*) AS flights FROM flights GROUP BY origin, destination) routes) ranked
  WHERE place <= 10;
