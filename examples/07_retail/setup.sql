-- One record a line of an invoice; a cancelled invoice's number begins with C.
CREATE STREAM lines (invoice VARCHAR KEY, stock VARCHAR, description VARCHAR, quantity INT, at TIMESTAMP,
                     price DECIMAL(10, 2), customer INT, country VARCHAR)
  WITH (TOPIC='lines', PARTITIONS=4, KEY_FORMAT='KAFKA', VALUE_FORMAT='JSON', TIMESTAMP='at');
