SELECT day, value AS passengers, at AS since
FROM (SELECT date(at) AS day, value, at, ROW_NUMBER() OVER (PARTITION BY date(at) ORDER BY value DESC, at) AS place FROM taxi)
WHERE place = 1
