#!/bin/bash
# Kafka's Java client (Maven, pinned in java/pom.xml) against a server of its own.
set -u
cp="$ROOT/build/java/*"
"$WEIR" server --data "$TMPDIR/data" --listen 127.0.0.1:0 --set log.segment.bytes=4194304 \
    --set group.consumer.heartbeat.interval.ms=200 >"$TMPDIR/out" 2>"$TMPDIR/err" &
server=$!
for _ in $(seq 100); do grep -q '^weir ready' "$TMPDIR/out" && break; sleep 0.05; done
addr=$(sed -n 's/^weir ready listen=\([^ ]*\) .*/\1/p' "$TMPDIR/out")
[ -n "$addr" ] || { echo "FAIL the server is not ready"; cat "$TMPDIR/err"; exit 1; }
javac -cp "$cp" -d "$TMPDIR/classes" "$ROOT"/tests/client/java/{Txn,Group}.java || exit 1
for what in Txn Group; do
    timeout 120 java -Dorg.slf4j.simpleLogger.defaultLogLevel=error -cp "$TMPDIR/classes:$cp" $what "$addr" ||
        { echo "FAIL $what"; tail -20 "$TMPDIR/err"; exit 1; }
done
kill -TERM $server; wait $server || exit 1
