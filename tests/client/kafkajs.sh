#!/bin/bash
# kafkajs (npm, pinned in kafkajs/package.json) against a server of its own; what it produced is read back by weir consume.
set -u
"$WEIR" server --data "$TMPDIR/data" --listen 127.0.0.1:0 --set log.segment.bytes=4194304 --set group.initial.rebalance.delay.ms=200 >"$TMPDIR/out" 2>"$TMPDIR/err" &
server=$!
for _ in $(seq 100); do grep -q '^weir ready' "$TMPDIR/out" && break; sleep 0.05; done
addr=$(sed -n 's/^weir ready listen=\([^ ]*\) .*/\1/p' "$TMPDIR/out")
[ -n "$addr" ] || { echo "FAIL the server is not ready"; cat "$TMPDIR/err"; exit 1; }
timeout 150 node "$ROOT/tests/client/kafkajs/test.js" "$addr" || { cat "$TMPDIR/err"; exit 1; }
timeout 100 node "$ROOT/tests/client/kafkajs/txn.js" "$addr" || { cat "$TMPDIR/err"; exit 1; }
got=$("$WEIR" consume js-a -p 2 -e -n 2 -f '%k=%s %h %T;' --server "$addr")
want='k2=value 0 2 h=header 2 1700000000002;k5=value 0 5 h=header 5 1700000000005;'
[ "$got" = "$want" ] || { echo "FAIL consume: wanted [$want], got [$got]"; exit 1; }
kill -TERM $server; wait $server || exit 1
