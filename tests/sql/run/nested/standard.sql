-- Forms of the standard for functions that exist: they mean the same.
CREATE STREAM s (k INT KEY, x VARCHAR) WITH (TOPIC='s', PARTITIONS=1);
INSERT INTO s VALUES (1, 'xxabcxx'), (2, ' b ');
SELECT TRIM(x) AS t, TRIM('x' FROM x) AS both, TRIM(LEADING 'x' FROM x) AS l, TRIM(TRAILING FROM x) AS r, LTRIM(x, 'x') AS lt FROM s;
SELECT SUBSTRING(x FROM 3) AS a, SUBSTRING(x FROM 3 FOR 2) AS b, POSITION('b' IN x) AS p FROM s;
SELECT x LIKE '%b%' AS l, x SIMILAR TO 'x+(abc|d)x+' AS s, x REGEXP '^x.*x$' AS r, x NOT REGEXP 'a' AS n FROM s;
SELECT k::VARCHAR || '!' AS t, '2024-01-31'::DATE AS d, x::INT AS i FROM s;
SELECT EXTRACT(x) FROM s;
SELECT x IN 'abc' FROM s;
SELECT REPLACE(x FROM 2) FROM s;
