-- The worst flight of each origin. (ROW_NUMBER)
CREATE TABLE worst_flight AS
  SELECT origin, destination, dep_time, delay
  FROM (SELECT origin, destination, dep_time, delay,
               ROW_NUMBER() OVER (PARTITION BY origin ORDER BY delay DESC, dep_time, destination) AS place
        FROM flights) ranked
  WHERE place = 1;
