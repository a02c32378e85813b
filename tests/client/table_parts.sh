#!/bin/bash
# A table whose topic gets more partitions has one row per key all the same, wherever its key lies from then on: in jobs that
# group it, copy it or join it, and in queries.
. "$ROOT/tests/lib/server.sh"
put() { for i in $(seq 0 19); do printf 'k%d\t{"x":%s}\n' "$i" "$1"; done | "$WEIR" produce u -K $'\t' --quiet || fail produce; }
# table QUERY: what `ask` says, without its header, in one line
row() { ask "$1" | tail -n +2 | tr '\n' ' ' | sed 's/ $//'; }
same() { [ "$2" = "$3" ] || fail "$1: wanted [$2], got [$3]"; }
start
ask "CREATE TABLE u (k VARCHAR PRIMARY KEY, x INT) WITH (TOPIC='u', PARTITIONS=2);
     CREATE TABLE grouped AS SELECT x, COUNT(*) AS n FROM u GROUP BY x;
     CREATE TABLE copied AS SELECT k, x FROM u;
     CREATE TABLE joined AS SELECT a.k AS k, b.x AS x FROM copied a JOIN u b ON a.k = b.k;" >/dev/null || fail create
put 1
"$WEIR" job wait
same "before" "1,20" "$(row "SELECT * FROM grouped;")"
"$WEIR" topic alter u --partitions 5 >/dev/null || fail alter
put 2
"$WEIR" job wait
for _ in $(seq 100); do [ "$(row "SELECT * FROM grouped;")" = "2,20" ] && break; sleep 0.1; done
same "grouped" "2,20" "$(row "SELECT * FROM grouped;")"
"$WEIR" job wait
same "copied" "20,20,40" "$(row "SELECT COUNT(*), COUNT(DISTINCT k), SUM(x) FROM copied;")"
same "joined" "20,40" "$(row "SELECT COUNT(*), SUM(x) FROM joined;")"
same "asked" "20,20" "$(row "SELECT COUNT(*), COUNT(DISTINCT k) FROM u;")"
crash
put 3
"$WEIR" job wait
same "after kill -9" "3,20" "$(row "SELECT * FROM grouped;")"
same "copied after it" "20,60" "$(row "SELECT COUNT(*), SUM(x) FROM copied;")"
echo ok
