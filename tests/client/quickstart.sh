#!/bin/bash
# The quick start without a terminal: ends by itself within 20 s, its first row is there within 2 s (1 s on an idle
# machine), all three queries tell rows, and nothing is left behind.
set -u
cp -r "$ROOT/examples" . && mkdir build && ln -s "$WEIR" build/weir
start=$(date +%s%N)
TMPDIR=$PWD timeout 60 ./examples/quickstart.sh 2>errors | while IFS= read -r line; do
    printf '%d %s\n' $((($(date +%s%N) - start) / 1000000)) "$line"
done >out
code=${PIPESTATUS[0]}
fail() { cat out errors; echo "FAILED: $*"; exit 1; }
[ "$code" = 0 ] || fail "exit code $code"
[ ! -s errors ] || fail "something on standard error"
first=$(grep -m1 '"origin"' out | cut -d' ' -f1)
last=$(tail -1 out | cut -d' ' -f1)
[ -n "$first" ] && [ "$first" -le 2000 ] || fail "first row after ${first:-no} ms"
[ "$last" -le 20000 ] || fail "took $last ms"
[ "$(grep -c '"op":"+","city"' out)" -ge 3 ] || fail "no changing join"
grep -q '"city":"Chicago"' out || fail "no final table"
grep -q 'build/weir sql' out || fail "does not say what to type next"
[ -z "$(find . -maxdepth 1 -name 'tmp.*')" ] || fail "left $(ls)"
echo "first row after $first ms, all in $last ms"
