-- WATERMARK says how far out of order rows may come: event time is the greatest so far, less that. Windows close by it.
CREATE STREAM ticks (id INT, n INT, at BIGINT, WATERMARK FOR at AS at - INTERVAL '10' SECOND) WITH (TOPIC = 'ticks', PARTITIONS = 1);
CREATE TABLE closed AS SELECT id, COUNT(*) AS rows, SUM(n) AS total FROM ticks WINDOW TUMBLING (SIZE 20 SECONDS) GROUP BY id EMIT FINAL;

-- 22 s has come, but 20 s has not passed yet: 15 s is in time
INSERT INTO ticks VALUES (1, 1, 5000), (1, 2, 22000), (1, 4, 15000);
\wait
SELECT COUNT(*) AS closed FROM closed;
-- 31 s closes the first window; what comes for it now is late
INSERT INTO ticks VALUES (1, 8, 31000);
INSERT INTO ticks VALUES (1, 16, 19000), (1, 32, 55000);
\wait
SELECT id, WINDOWSTART AS s, rows, total FROM closed ORDER BY s;

-- the same in WITH; and a stream whose event time goes on with the clock when nothing comes
CREATE STREAM quiet (id INT, at BIGINT) WITH (TOPIC = 'quiet', PARTITIONS = 1, TIMESTAMP = 'at', WATERMARK_DELAY_MS = 5000, IDLE_TIMEOUT_MS = 1000);

-- errors
CREATE STREAM twice (id INT, at BIGINT, WATERMARK FOR at AS at) WITH (TOPIC = 'twice', PARTITIONS = 1, TIMESTAMP = 'id');
CREATE STREAM other (id INT, at BIGINT, WATERMARK FOR at AS id - 5 SECONDS) WITH (TOPIC = 'other', PARTITIONS = 1);
CREATE TABLE t (id INT PRIMARY KEY, at BIGINT, WATERMARK FOR at AS at - 5 SECONDS) WITH (TOPIC = 't', PARTITIONS = 1);
