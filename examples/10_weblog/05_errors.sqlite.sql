SELECT status, strftime('%s', at) / 60 * 60000 AS WINDOWSTART, COUNT(*) AS hits FROM hits WHERE status >= 400 GROUP BY 1, 2
