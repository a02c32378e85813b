SELECT 'machine' AS what, (strftime('%s', at) / 21600 - hop.n) * 21600000 AS WINDOWSTART, COUNT(*) AS readings,
       MAX(value) - MIN(value) AS span
FROM temperature, (SELECT 0 AS n UNION ALL SELECT 1) hop GROUP BY 2
