#!/bin/bash
# Counts that are handed over before an exchange because time has passed arrive before that time does, however many they are.
. "$ROOT/tests/lib/server.sh"
: >ready
"$WEIR" server --data data --listen 127.0.0.1:0 --set weir.shards=2 --set commit.interval.ms=1000 \
    --set commit.interval.min.ms=1000 >ready 2>>trace &
server=$!
until grep -q ready ready; do kill -0 "$server" || fail "$(cat trace)"; sleep 0.02; done
export WEIR_SERVER=$(sed -n 's/.*listen=\([^ ]*\).*/\1/p' ready)
ask "CREATE STREAM s (k VARCHAR KEY, at BIGINT) WITH (TOPIC='s', PARTITIONS=1, TIMESTAMP='at');
     CREATE TABLE counts AS SELECT k, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 10 SECONDS, GRACE PERIOD 0 SECONDS) GROUP BY k;" \
    >/dev/null || fail create
{ seq 5000 | awk '{print "k" $1 "\t{\"at\":1000}"}'; printf 'last\t{"at":3600000}\n'; } |
    "$WEIR" produce s -K $'\t' --quiet || fail produce
"$WEIR" job wait
got=$(ask "SELECT COUNT(*) FROM counts; SELECT late FROM sys.jobs;" | grep -v '[a-zA-Z]' | tr '\n' ' ')
[ "$got" = "5001 0 " ] || fail "windows and late rows: $got"
echo ok
