-- Two streams: rows of equal keys meet if their times lie near each other, whichever comes first. A pair has the later time.
CREATE STREAM orders (id INT KEY, item VARCHAR, at TIMESTAMP) WITH (TOPIC='orders', PARTITIONS=1, TIMESTAMP='at');
CREATE STREAM shipments (id INT KEY, place VARCHAR, at TIMESTAMP) WITH (TOPIC='shipments', PARTITIONS=1, TIMESTAMP='at');
CREATE STREAM shipped AS SELECT o.id AS id, o.item AS item, s.place AS place, s.at AS sent FROM orders o
  JOIN shipments s WITHIN 1 HOUR ON o.id = s.id;
-- the shipment at most ten minutes before the order, at most an hour after it
CREATE STREAM soon AS SELECT o.id AS id, s.place AS place FROM orders o
  JOIN shipments s WITHIN (10 MINUTES, 1 HOUR) GRACE PERIOD 5 MINUTES ON o.id = s.id;
-- rows that have met nothing come when time has passed all that they could have met, and the grace
CREATE STREAM perhaps AS SELECT o.id AS id, o.item AS item, s.place AS place FROM orders o
  LEFT JOIN shipments s WITHIN 1 HOUR GRACE PERIOD 5 MINUTES ON o.id = s.id;
CREATE STREAM either AS SELECT o.id AS order_id, o.item AS item, s.place AS place FROM orders o
  FULL JOIN shipments s WITHIN 1 HOUR GRACE PERIOD 5 MINUTES ON o.id = s.id;
INSERT INTO orders VALUES (1, 'ink', '2024-01-01T08:00:00'), (2, 'pen', '2024-01-01T08:10:00'), (3, 'cap', '2024-01-01T08:20:00');
INSERT INTO shipments VALUES (1, 'Rome', '2024-01-01T08:30:00'), (2, 'Oslo', '2024-01-01T07:20:00'), (4, 'Bonn', '2024-01-01T08:40:00');
\wait
SELECT id, item, place, sent, ROWTIME FROM shipped ORDER BY id;
SELECT id, place FROM soon ORDER BY id;
SELECT * FROM perhaps ORDER BY id;
-- time moves on on both sides
INSERT INTO orders VALUES (5, 'box', '2024-01-01T12:00:00');
INSERT INTO shipments VALUES (5, 'Paris', '2024-01-01T12:00:00');
\wait
SELECT id, item, place, ROWTIME FROM perhaps ORDER BY id;
SELECT * FROM either ORDER BY order_id;
-- a query to the streams' end knows that nothing more comes
SELECT o.item, s.place FROM orders o LEFT JOIN shipments s WITHIN 10 MINUTES ON o.id = s.id ORDER BY item;
SELECT o.id, s.id AS sent FROM orders o FULL JOIN shipments s WITHIN (0 SECONDS, 1 HOUR) ON o.id = s.id ORDER BY sent;
EXPLAIN SELECT o.id, s.place FROM orders o LEFT JOIN shipments s WITHIN (10 MINUTES, 1 HOUR) GRACE PERIOD 5 MINUTES ON o.id = s.id AND s.place <> o.item;
