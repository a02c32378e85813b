CREATE STREAM all_types (k BIGINT KEY, b BOOLEAN, i INT, l BIGINT, d DOUBLE, x DECIMAL(10,2), s VARCHAR, y BYTES, da DATE, ti TIME, ts TIMESTAMP)
  WITH (TOPIC='all_types', PARTITIONS=1);
INSERT INTO all_types VALUES (9223372036854775807, TRUE, -1, 42, 0.1, 12345678.90, 'it''s', NULL, '2001-02-03', '04:05:06.789', '2001-02-03T04:05:06.789');
INSERT INTO all_types (k, s) VALUES (1, 'only s');
INSERT INTO all_types (s) VALUES ('no key');
INSERT INTO all_types (k, d, x) VALUES (1 + 1, 1.0 / 4, CAST('7.5' AS DECIMAL(10,2)));
SELECT * FROM all_types;
SELECT k, ROWTIME FROM all_types WHERE k = 3;
INSERT INTO all_types (ROWTIME, k, s) VALUES (1000, 3, 'early');
SELECT k, ROWTIME, ROWPARTITION, ROWOFFSET, s FROM all_types WHERE k = 3;
INSERT INTO all_types (k, nix) VALUES (1, 2);
INSERT INTO all_types (k, i) VALUES (1, 'abc');
INSERT INTO all_types (k, i) VALUES (1);
INSERT INTO nowhere VALUES (1);
