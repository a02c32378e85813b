SELECT ROW_NUMBER() OVER () AS place, path, bytes, hits
FROM (SELECT path, SUM(bytes) AS bytes, COUNT(*) AS hits FROM hits WHERE bytes IS NOT NULL GROUP BY path ORDER BY 2 DESC, 1 LIMIT 20)
