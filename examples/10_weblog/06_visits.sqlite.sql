WITH f AS (SELECT address, bytes, strftime('%s', at) * 1000 AS t FROM hits),
     g AS (SELECT *, t - LAG(t) OVER (PARTITION BY address ORDER BY t) > 1800000 AS new FROM f),
     s AS (SELECT *, SUM(IFNULL(new, 0)) OVER (PARTITION BY address ORDER BY t) AS n FROM g)
SELECT address, MIN(t) AS WINDOWSTART, MAX(t) AS WINDOWEND, COUNT(*) AS hits, SUM(bytes) AS bytes FROM s GROUP BY address, n
