WITH routes AS (SELECT origin, destination, COUNT(*) AS flights FROM flights GROUP BY 1, 2)
SELECT there.origin AS one, there.destination AS other, there.flights AS there, back.flights AS back
FROM routes there JOIN routes back ON there.origin = back.destination AND there.destination = back.origin
WHERE there.origin < there.destination
