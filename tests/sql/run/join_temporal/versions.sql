-- A row of a stream meets the version of a table that was valid at the row's time.
CREATE TABLE rates (currency VARCHAR PRIMARY KEY, rate INT, since TIMESTAMP) WITH (TOPIC='rates', PARTITIONS=1, TIMESTAMP='since');
CREATE STREAM orders (id INT KEY, currency VARCHAR, amount INT, at TIMESTAMP) WITH (TOPIC='orders', PARTITIONS=1, TIMESTAMP='at');
CREATE STREAM converted AS SELECT o.id AS id, o.amount * r.rate AS total FROM orders o
  JOIN rates FOR SYSTEM_TIME AS OF o.ROWTIME AS r ON o.currency = r.currency;
CREATE STREAM perhaps AS SELECT o.id AS id, r.rate AS rate FROM orders o
  LEFT JOIN rates FOR SYSTEM_TIME AS OF o.at AS r ON o.currency = r.currency AND r.rate > 10;
INSERT INTO rates VALUES ('EUR', 10, '2024-01-01T00:00:00'), ('EUR', 12, '2024-01-01T10:00:00'), ('USD', 9, '2024-01-01T00:00:00');
INSERT INTO orders VALUES (1, 'EUR', 5, '2024-01-01T09:00:00'), (2, 'EUR', 5, '2024-01-01T11:00:00'), (3, 'USD', 5, '2024-01-01T11:00:00'), (4, 'SEK', 5, '2024-01-01T11:30:00');
\wait
-- time moves on on both sides
INSERT INTO rates VALUES ('USD', 8, '2024-01-02T00:00:00');
INSERT INTO orders VALUES (5, 'USD', 5, '2024-01-02T00:00:01');
\wait
SELECT * FROM converted ORDER BY id;
SELECT * FROM perhaps ORDER BY id;
SELECT o.id, r.rate FROM orders o JOIN rates FOR SYSTEM_TIME AS OF o.ROWTIME AS r ON o.currency = r.currency ORDER BY id;
EXPLAIN SELECT o.id, r.rate FROM orders o JOIN rates FOR SYSTEM_TIME AS OF o.ROWTIME AS r ON o.currency = r.currency EMIT CHANGES;
SELECT o.id FROM orders o JOIN rates FOR SYSTEM_TIME AS OF o.amount AS r ON o.currency = r.currency;
SELECT o.id FROM orders o JOIN rates FOR SYSTEM_TIME AS OF o.ROWTIME AS r ON o.amount = r.rate;
SELECT o.id FROM orders o JOIN rates r WITHIN 1 HOUR ON o.currency = r.currency;
