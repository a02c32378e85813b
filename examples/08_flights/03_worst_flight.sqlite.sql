SELECT origin, destination, dep_time, delay
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY origin ORDER BY delay DESC, dep_time, destination) AS place FROM flights)
WHERE place = 1
