#!/bin/bash
# State on disk says whose it is: files of two tasks, or of two jobs, that change places while the server is stopped are not
# believed; the state comes from the changelog.
set -u
. "$ROOT/tests/lib/server.sh"
stop() { kill "$server"; wait "$server"; }
put() { for k in a b c d e f g h; do printf '%s\t{"v":%d}\n' $k "$1"; done | "$WEIR" produce s -K $'\t' --quiet || fail produce; }
check() {
    for t in t u; do
        ask "SELECT * FROM $t ORDER BY k;" >is
        [ "$(cut -d, -f2 is | tail -n +2 | sort -u)" = "$1" ] || fail "$2: $t: $(cat is)"
    done
}
swap() { mv "$1" x && mv "$2" "$1" && mv x "$2"; }
start
"$WEIR" sql -e "CREATE STREAM s (k VARCHAR KEY, v INT) WITH (TOPIC='s', PARTITIONS=2);
CREATE TABLE t AS SELECT k, SUM(v) AS n FROM s GROUP BY k;
CREATE TABLE u AS SELECT k, SUM(v) AS n FROM s GROUP BY k;" >/dev/null 2>said || fail "$(cat said)"
put 1
"$WEIR" job wait || fail wait
stop
files=(data/state/*/*-0.db data/state/*/*-1.db)
[ ${#files[@]} = 4 ] || fail "state: ${files[*]}"
for d in data/state/*; do swap "$d"/*-0.db "$d"/*-1.db; done
start
put 2
"$WEIR" job wait || fail wait
check 3 "tasks changed places"
stop
jobs=(data/state/*)
for i in 0 1; do swap "${jobs[0]}"/*-$i.db "${jobs[1]}"/*-$i.db; done
start
put 4
"$WEIR" job wait || fail wait
check 7 "jobs changed places"
stop
