#!/bin/bash
# PROMOTE of what is read: a reader of the old version is in the way, and the refusal says how to take it along; a reader of the next
# one goes over with it, at its place, each record once. Everything survives kill -9.
set -u
. "$ROOT/tests/lib/server.sh"
put() { for k in a b c; do printf '%s\t{"v":%d,"w":1}\n' $k "$1"; done | "$WEIR" produce s -K $'\t' --quiet || fail produce; }
run() { "$WEIR" sql --quiet -e "$1" >said 2>&1; }
start
run "CREATE STREAM s (k VARCHAR KEY, v INT, w INT) WITH (TOPIC='s', PARTITIONS=4);
CREATE TABLE t AS SELECT k, SUM(v) AS total FROM s GROUP BY k;
CREATE TABLE r AS SELECT total, COUNT(*) AS n FROM t GROUP BY total;" || fail "$(cat said)"
put 5
"$WEIR" job wait || fail "wait"
run "SET 'replace.mode' = 'beside'; CREATE OR REPLACE TABLE t AS SELECT k, SUM(v) + SUM(w) AS total FROM s GROUP BY k;" ||
    fail "beside: $(cat said)"
"$WEIR" job wait || fail "wait"
"$WEIR" job promote t >said 2>&1 && fail "promoted over a reader"
grep -q 'read by job' said && grep -q 'FROM t_next' said || fail "the refusal: $(cat said)"
# the reader goes first, beside as well, so that its rows stay
run "SET 'replace.mode' = 'beside'; CREATE OR REPLACE TABLE r AS SELECT total, COUNT(*) AS n FROM t_next GROUP BY total;" ||
    fail "the reader beside: $(cat said)"
"$WEIR" job wait || fail "wait"
[ "$(ask "SELECT * FROM r;")" = $'total,n\n5,3' ] || fail "the reader's old rows: $(ask "SELECT * FROM r;")"
"$WEIR" job promote r >said 2>&1 || fail "promote r: $(cat said)"
"$WEIR" job promote t >said 2>&1 || fail "promote t: $(cat said)"
[ "$(ask "SELECT * FROM r;")" = $'total,n\n6,3' ] || fail "after promote: $(ask "SELECT * FROM r;")"
crash
put 1
"$WEIR" job wait || fail "wait"
[ "$(ask "SELECT * FROM t ORDER BY k;")" = $'k,total\na,8\nb,8\nc,8' ] || fail "t goes on: $(ask "SELECT * FROM t;")"
[ "$(ask "SELECT * FROM r;")" = $'total,n\n8,3' ] || fail "r goes on: $(ask "SELECT * FROM r;")"
run "DROP TABLE t;" && fail "dropped under its reader"
grep -q 'used by job "r"' said || fail "the reader of t: $(cat said)"
run "CREATE OR REPLACE TABLE r AS SELECT total, COUNT(*) AS n FROM t GROUP BY total;" || fail "by its name now: $(cat said)"
"$WEIR" job wait || fail "wait"
[ "$(ask "SELECT * FROM r;")" = $'total,n\n8,3' ] || fail "r as said now: $(ask "SELECT * FROM r;")"
kill "$server"
wait "$server"
