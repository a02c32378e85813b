-- sorted
-- Rows that have the greatest or least of their group: a join of a query with its own MAX or MIN by that group.
CREATE STREAM bids (item INT, who VARCHAR, price INT) WITH (TOPIC = 'bids', PARTITIONS = 1, FORMAT = 'JSON');
INSERT INTO bids VALUES (1, 'ann', 5), (1, 'bob', 7), (2, 'ann', 1), (NULL, 'cid', 9), (2, 'cid', NULL), (1, 'ann', 2);
CREATE TABLE best AS
  SELECT s.item, s.who, s.total, m.most FROM (SELECT item, who, SUM(price) AS total FROM bids GROUP BY item, who) s
  JOIN (SELECT item, MAX(total) AS most FROM (SELECT item, who, SUM(price) AS total FROM bids GROUP BY item, who) x GROUP BY item) m
  ON s.item = m.item AND s.total >= m.most;
CREATE TABLE least AS
  SELECT s.item, s.who, s.total FROM (SELECT item, who, SUM(price) AS total FROM bids GROUP BY item, who) s
  JOIN (SELECT item, MIN(total) AS least FROM (SELECT item, who, SUM(price) AS total FROM bids GROUP BY item, who) x GROUP BY item) m
  ON s.item = m.item AND s.total = m.least;
\wait
SELECT 'most', * FROM best;
SELECT 'least', * FROM least;
INSERT INTO bids VALUES (1, 'bob', -3), (2, 'dan', 1), (3, 'eve', 4);
\wait
SELECT 'most', * FROM best;
SELECT 'least', * FROM least;
