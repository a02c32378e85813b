SELECT path, COUNT(*) AS hits, COUNT(DISTINCT address) AS addresses, MAX(NULLIF(referrer, '-')) AS referrer
FROM hits WHERE status = 404 GROUP BY 1
