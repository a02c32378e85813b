-- Windows by the clock: a row is in the window in which it is read. A stream has a column PROCTIME, the moment of that.
CREATE STREAM bids (auction BIGINT, bidder BIGINT, price BIGINT) WITH (TOPIC = 'bids', PARTITIONS = 2, FORMAT = 'JSON');
CREATE TABLE people (id BIGINT PRIMARY KEY, name VARCHAR) WITH (TOPIC = 'people', PARTITIONS = 2, FORMAT = 'JSON');
CREATE VIEW dear AS SELECT auction, bidder, price * 2 AS price FROM bids WHERE price > 100;
-- As a table function, over a stream or a view.
EXPLAIN CREATE TABLE q12 AS SELECT bidder, COUNT(*) AS bids, window_start, window_end FROM TUMBLE(TABLE bids, DESCRIPTOR(PROCTIME), INTERVAL '10' SECOND) GROUP BY bidder, window_start, window_end;
EXPLAIN CREATE TABLE hops AS SELECT bidder, COUNT(*) AS bids, window_start, window_end FROM HOP(TABLE dear, DESCRIPTOR(PROCTIME()), INTERVAL '2' SECOND, INTERVAL '10' SECOND) GROUP BY bidder, window_start, window_end;
-- As a clause.
EXPLAIN CREATE TABLE final AS SELECT bidder, COUNT(*) AS bids FROM bids WINDOW TUMBLING (SIZE 10 SECONDS, BY PROCTIME) GROUP BY bidder EMIT FINAL;
EXPLAIN CREATE TABLE visits AS SELECT bidder, COUNT(*) AS bids FROM dear WINDOW SESSION (10 SECONDS, BY PROCTIME) GROUP BY bidder;
-- As a column, and to look something up as it is at that moment.
EXPLAIN CREATE STREAM at AS SELECT bidder, price, PROCTIME() AS at FROM dear;
EXPLAIN CREATE STREAM named AS SELECT bidder, price, name FROM bids b JOIN people FOR SYSTEM_TIME AS OF b.PROCTIME p ON p.id = b.bidder;
-- A stream's own column of this name is that.
CREATE STREAM own (proctime VARCHAR, k INT) WITH (TOPIC = 'own', PARTITIONS = 1, FORMAT = 'JSON');
EXPLAIN SELECT proctime FROM own EMIT CHANGES;
-- What cannot be.
CREATE TABLE bad AS SELECT bidder, COUNT(*) AS bids FROM (SELECT x.auction, y.bidder FROM dear x JOIN bids y WITHIN 10 SECONDS ON x.auction = y.auction) a WINDOW TUMBLING (SIZE 10 SECONDS, BY PROCTIME) GROUP BY bidder;
CREATE TABLE bad AS SELECT bidder, COUNT(*) AS bids FROM bids WINDOW TUMBLING (SIZE 10 SECONDS, BY PROCTIME, GRACE PERIOD 1 SECOND) GROUP BY bidder;
CREATE TABLE bad AS SELECT bidder, COUNT(*) AS bids FROM bids WINDOW TUMBLING (SIZE 10 SECONDS, BY price) GROUP BY bidder;
CREATE STREAM bad AS SELECT a.auction, b.bidder FROM TUMBLE(TABLE dear, DESCRIPTOR(PROCTIME), INTERVAL '10' SECOND) a JOIN bids b WITHIN 5 SECONDS ON a.auction = b.auction;
SELECT id, PROCTIME() FROM people EMIT CHANGES;
-- Event time of what FROM names goes through projections, filters and joins: ROWTIME of a query or a view.
EXPLAIN CREATE STREAM rt AS SELECT bidder, price, ROWTIME AS at FROM (SELECT bidder, price FROM bids WHERE price > 4) b;
EXPLAIN CREATE STREAM near AS SELECT a.auction, b.bidder FROM dear a JOIN bids b ON a.auction = b.auction AND b.ROWTIME BETWEEN a.ROWTIME - 1000 AND a.ROWTIME;
EXPLAIN CREATE STREAM three AS SELECT a.auction, c.bidder FROM (SELECT x.auction AS auction, y.bidder FROM dear x JOIN bids y WITHIN 10 SECONDS ON x.auction = y.auction) a JOIN bids c ON a.auction = c.auction AND c.ROWTIME BETWEEN a.ROWTIME - 1000 AND a.ROWTIME;
EXPLAIN CREATE STREAM both AS SELECT a.auction, b.bidder FROM (SELECT auction FROM dear UNION ALL SELECT auction FROM bids) a JOIN bids b ON a.auction = b.auction AND b.ROWTIME BETWEEN a.ROWTIME - 1000 AND a.ROWTIME;
-- A relation's own ROWTIME is found first.
EXPLAIN SELECT ROWTIME AS t FROM bids b JOIN (SELECT auction FROM dear) d WITHIN 1 SECOND ON b.auction = d.auction EMIT CHANGES;
