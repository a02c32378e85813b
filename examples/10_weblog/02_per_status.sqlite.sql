SELECT status, COUNT(*) AS hits, COUNT(DISTINCT path) AS paths FROM hits GROUP BY 1
