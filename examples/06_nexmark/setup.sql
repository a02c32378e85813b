-- Nexmark: one stream of people, auctions and bids, and a table beside it (q13).
CREATE STREAM nexmark (
  event_type INT,
  person STRUCT<id BIGINT, name VARCHAR, emailAddress VARCHAR, creditCard VARCHAR, city VARCHAR, state VARCHAR,
                dateTime TIMESTAMP, extra VARCHAR>,
  auction STRUCT<id BIGINT, itemName VARCHAR, description VARCHAR, initialBid BIGINT, reserve BIGINT, dateTime TIMESTAMP,
                 expires TIMESTAMP, seller BIGINT, category BIGINT, extra VARCHAR>,
  bid STRUCT<auction BIGINT, bidder BIGINT, price BIGINT, channel VARCHAR, url VARCHAR, dateTime TIMESTAMP, extra VARCHAR>
) WITH (TOPIC = 'nexmark', PARTITIONS = 4, FORMAT = 'JSON');

CREATE VIEW person AS
  SELECT person->id AS id, person->name AS name, person->emailAddress AS emailAddress, person->creditCard AS creditCard,
         person->city AS city, person->state AS state, person->dateTime AS dateTime, person->extra AS extra
  FROM nexmark WHERE event_type = 0;

CREATE VIEW auction AS
  SELECT auction->id AS id, auction->itemName AS itemName, auction->description AS description,
         auction->initialBid AS initialBid, auction->reserve AS reserve, auction->dateTime AS dateTime,
         auction->expires AS expires, auction->seller AS seller, auction->category AS category, auction->extra AS extra
  FROM nexmark WHERE event_type = 1;

CREATE VIEW bid AS
  SELECT bid->auction AS auction, bid->bidder AS bidder, bid->price AS price, bid->channel AS channel, bid->url AS url,
         bid->dateTime AS dateTime, bid->extra AS extra
  FROM nexmark WHERE event_type = 2;

CREATE TABLE side (key BIGINT PRIMARY KEY, value VARCHAR)
  WITH (TOPIC = 'side', PARTITIONS = 4, KEY_FORMAT = 'JSON', VALUE_FORMAT = 'JSON');
