-- Routes that are flown both ways. (a query joined with itself)
CREATE TABLE both_ways AS
  WITH routes AS (SELECT origin, destination, COUNT(*) AS flights FROM flights GROUP BY origin, destination)
  SELECT there.origin AS one, there.destination AS other, there.flights AS there, back.flights AS back
  FROM routes there JOIN routes back ON there.origin = back.destination AND there.destination = back.origin
  WHERE there.origin < there.destination;
