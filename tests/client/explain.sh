#!/bin/bash
# EXPLAIN ANALYZE: a query is run and only counted, a job is asked twice; each operator has rows, busy time, state, watermark.
set -u
cat >setup.sql <<'SQL'
CREATE STREAM orders (id INT KEY, item VARCHAR, amount INT, at TIMESTAMP) WITH (TOPIC='orders', PARTITIONS=2, TIMESTAMP='at');
CREATE TABLE hours AS SELECT item, COUNT(*) AS n, SUM(amount) AS total FROM orders
  WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 0 SECONDS) GROUP BY item;
INSERT INTO orders VALUES (1, 'ink', 3, '2024-01-01T08:00:00'), (2, 'pen', 4, '2024-01-01T08:10:00'), (3, 'ink', 5, '2024-01-01T09:10:00');
\wait
EXPLAIN ANALYZE SELECT item, SUM(amount) AS total FROM orders GROUP BY item;
EXPLAIN ANALYZE SELECT item FROM orders WHERE amount > 3 EMIT CHANGES;
EXPLAIN ANALYZE hours;
SELECT kind, rows_in, watermark FROM sys.operators WHERE kind = 'WINDOW' AND busy_ms IS NOT NULL;
SQL
"$WEIR" sql --data data --echo -f setup.sql </dev/null >said 2>&1 || { cat said; exit 1; }
# Busy time is a matter of chance; which task had the later row of a window, too.
sed -E 's/busy [0-9.]+ ms/busy T/; s/ \([0-9.]+ %\)//; s/in [0-9.]+ ms, CPU [0-9.]+ ms/in T/; s/CPU [0-9.]+ s, memory [0-9.]+ MB/CPU T/
    s/ \([0-9]+\/s\)/ (R)/g; s/, [0-9]+ bytes/, B bytes/' said >masked
want() {
    grep -qF -- "$1" masked || { echo "missing: $1"; cat said; exit 1; }
}
want '2 rows in T'
want 'Rows: in 3, out 3; busy T'
want 'job hours: RUNNING, lag 0, CPU T'
want 'WINDOW tumbling 1h, grace 0d  [append]'
want 'Rows: in 3 (R), out 3 (R); busy T; watermark 2024-01-01T0'
want '"kind":"WINDOW","rows_in":3,"watermark":"2024-01-01T0'
[ "$(grep -c 'watermark 2024-01-01T' masked)" -ge 5 ] || { echo "operators of hours have no watermark"; cat said; exit 1; }
