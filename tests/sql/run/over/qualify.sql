-- WINDOW names what functions OVER rows share; QUALIFY chooses rows by what they give, as WHERE does by the rows themselves.
CREATE STREAM bids (id INT KEY, item VARCHAR, price INT) WITH (TOPIC='bids', PARTITIONS=1);
INSERT INTO bids VALUES (1, 'ink', 3), (2, 'ink', 7), (3, 'pen', 2), (4, 'ink', 5), (5, 'pen', 9);
SELECT id, item, price FROM bids QUALIFY ROW_NUMBER() OVER (PARTITION BY item ORDER BY price DESC) = 1 ORDER BY id;
SELECT id, RANK() OVER w AS place, MAX(price) OVER (w ROWS BETWEEN 1 PRECEDING AND CURRENT ROW) AS most FROM bids
  WINDOW w AS (PARTITION BY item ORDER BY price) QUALIFY place <= 2 ORDER BY id;
SELECT id, COUNT(*) OVER v AS n, SUM(price) OVER (w ORDER BY id) AS so_far FROM bids WINDOW w AS (PARTITION BY item), v AS (ORDER BY id) ORDER BY id;
-- Over groups: after HAVING.
SELECT item, SUM(price) AS total FROM bids GROUP BY item HAVING COUNT(*) > 1 QUALIFY RANK() OVER (ORDER BY SUM(price) DESC) = 1;
-- A value counts once with DISTINCT, as often as it is in the frame.
SELECT id, COUNT(DISTINCT item) OVER (ORDER BY id ROWS BETWEEN 2 PRECEDING AND CURRENT ROW) AS items FROM bids ORDER BY id;
-- Maintained by keeping the first rows alone.
EXPLAIN SELECT id, item, price FROM bids QUALIFY ROW_NUMBER() OVER (PARTITION BY item ORDER BY price DESC) <= 2 EMIT CHANGES;
CREATE TABLE best AS SELECT item, id, price FROM bids QUALIFY ROW_NUMBER() OVER (PARTITION BY item ORDER BY price DESC) = 1;
INSERT INTO bids VALUES (6, 'ink', 8);
\wait
SELECT * FROM best ORDER BY item;
SELECT id FROM bids QUALIFY price > 3;
SELECT id FROM bids WHERE RANK() OVER (ORDER BY id) = 1;
SELECT RANK() OVER w AS r FROM bids;
SELECT RANK() OVER (w ORDER BY id) AS r FROM bids WINDOW w AS (ORDER BY price);
