-- A view is a query with a name: it stands wherever FROM says the name, and nothing runs for it.
CREATE STREAM bids (event_type INT, auction BIGINT, price BIGINT, channel VARCHAR) WITH (TOPIC = 'bids', PARTITIONS = 2);
CREATE TABLE channels (name VARCHAR PRIMARY KEY, owner VARCHAR);
CREATE VIEW bid AS SELECT auction, price AS amount, channel FROM bids WHERE event_type = 2;
DESCRIBE bid;
EXPLAIN SELECT auction, amount FROM bid WHERE amount > 10 EMIT CHANGES;

-- Views read views, and are joined as what they read would be.
CREATE VIEW owned AS SELECT b.auction, b.amount, c.owner FROM bid b JOIN channels c ON b.channel = c.name;
CREATE TABLE totals AS SELECT owner, SUM(amount) AS total FROM owned GROUP BY owner;
EXPLAIN totals;
SHOW VIEWS;

-- What a view reads stays as long as it does.
DROP STREAM bids;
DROP VIEW bid;
DROP VIEW owned;
DROP VIEW owned;
DROP VIEW IF EXISTS owned;

-- One name is one thing.
CREATE VIEW bids AS SELECT * FROM channels;
CREATE STREAM bid (a INT);
CREATE VIEW bid AS SELECT auction FROM bids;
CREATE VIEW IF NOT EXISTS bid AS SELECT auction FROM bids;
CREATE OR REPLACE VIEW bid AS SELECT auction, price FROM bids;
DESCRIBE bid;
CREATE OR REPLACE VIEW bid AS SELECT * FROM bid;

-- What is wrong in a view, or with it.
CREATE VIEW broken AS SELECT nothing FROM bids;
CREATE VIEW late AS SELECT * FROM bids EMIT CHANGES;
SELECT amount FROM bid;
INSERT INTO bid VALUES (1, 2);
SELECT * FROM bidd;

-- Rows of a view, or of a query that WITH names, are put into windows by their event time.
CREATE OR REPLACE VIEW bid AS SELECT auction, price FROM bids WHERE event_type = 2;
EXPLAIN SELECT auction, COUNT(*) AS n, window_start, window_end FROM TUMBLE(TABLE bid, DESCRIPTOR(ROWTIME), 10 SECONDS)
  GROUP BY auction, window_start, window_end EMIT CHANGES;
CREATE VIEW most AS SELECT auction, MAX(price) AS top FROM bids GROUP BY auction;
SELECT * FROM TUMBLE(TABLE most, DESCRIPTOR(ROWTIME), 10 SECONDS) EMIT CHANGES;
SELECT * FROM TUMBLE(TABLE bid, DESCRIPTOR(price), 10 SECONDS) EMIT CHANGES;
