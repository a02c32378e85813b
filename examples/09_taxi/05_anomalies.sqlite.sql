WITH t AS (SELECT at, strftime('%s', at) + 0 AS s, value, value - 80 AS v FROM temperature),
     m AS (SELECT at, value, AVG(value) OVER day AS mean, AVG(v) OVER day AS one, AVG(v * v) OVER day AS two
           FROM t WINDOW day AS (ORDER BY s RANGE BETWEEN 86400 PRECEDING AND CURRENT ROW))
SELECT at, value, mean FROM m WHERE ABS(value - mean) > 3 * SQRT(MAX(two - one * one, 0))
