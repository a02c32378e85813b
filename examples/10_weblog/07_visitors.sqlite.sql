SELECT method, strftime('%s', at) / 3600 * 3600000 AS WINDOWSTART, COUNT(DISTINCT address) AS addresses FROM hits GROUP BY 1, 2
