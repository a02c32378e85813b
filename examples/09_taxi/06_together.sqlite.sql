WITH a AS (SELECT strftime('%Y-%m-%d %H', at) AS hour, SUM(value) AS tweets FROM apple GROUP BY 1),
     g AS (SELECT strftime('%Y-%m-%d %H', at) AS hour, SUM(value) AS tweets FROM google GROUP BY 1),
     b AS (SELECT SUBSTR(COALESCE(a.hour, g.hour), 1, 10) AS day, a.tweets AS x, g.tweets AS y FROM a FULL JOIN g ON a.hour = g.hour),
     c AS (SELECT *, IIF(y IS NULL, NULL, x) AS u, IIF(x IS NULL, NULL, y) AS v FROM b)
SELECT day, COUNT(x) AS apple, COUNT(y) AS google,
       (AVG(u * v) - AVG(u) * AVG(v)) / SQRT((AVG(u * u) - AVG(u) * AVG(u)) * (AVG(v * v) - AVG(v) * AVG(v))) AS alike
FROM c GROUP BY 1
