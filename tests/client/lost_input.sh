#!/bin/bash
# Records that are deleted before a job has read them: the job goes on with what is left, its lag ends, and how many there were is
# said; a job that is to stop at what it cannot take stops. RESTORE says what is missing before it changes anything.
set -u
. "$ROOT/tests/lib/server.sh"
put() { seq "$1" "$2" | sed 's/.*/a\t{"v":&}/' | "$WEIR" produce s -K $'\t' --quiet || fail produce; }
n() { ask "SELECT n FROM t;" | tail -n +2; }
start
"$WEIR" sql -e "CREATE STREAM s (k VARCHAR KEY, v INT) WITH (TOPIC='s', PARTITIONS=1);
CREATE TABLE t AS SELECT k, COUNT(*) AS n FROM s GROUP BY k;" >/dev/null 2>said || fail "$(cat said)"
put 1 100
"$WEIR" job wait t || fail wait
"$WEIR" job savepoint t --as a >/dev/null 2>&1 || fail savepoint
"$WEIR" job pause t >/dev/null 2>&1 || fail pause
put 101 150
"$WEIR" job wait t 2>said && fail "a job that is paused has caught up"
grep -q "is paused" said || fail "wait: $(cat said)"
"$WEIR" job wait 2>said || fail "wait for all: $(cat said)"
grep -q "not waited for" said || fail "wait for all: $(cat said)"
"$WEIR" topic trim s --before latest >/dev/null 2>said || fail "trim: $(cat said)"
"$WEIR" job resume t >/dev/null 2>&1 || fail resume
"$WEIR" job wait t --for 20 || fail "its lag does not end"
put 151 160
"$WEIR" job wait t --for 20 || fail "its lag does not end"
[ "$(n)" = 110 ] || fail "rows: $(n)"
"$WEIR" job describe t >said 2>&1
grep -q "50 lost: deleted before they were read" said || fail "describe: $(cat said)"
"$WEIR" job errors t >said 2>&1
grep -q "50 lost record" said && grep -q "offsets 100 to 149 were deleted" said || fail "errors: $(cat said)"
[ "$(ask "SELECT lost FROM sys.sources WHERE job = 't';" | tail -1)" = 50 ] || fail "sys.sources"
[ "$(ask "SELECT errors FROM sys.errors WHERE job = 't' AND class = 'lost record';" | tail -1)" = 50 ] || fail "sys.errors"
crash
"$WEIR" job wait t --for 20 || fail "it is not committed"

# a savepoint whose input has gone: refused, or insisted on
"$WEIR" topic trim s --before latest >/dev/null 2>&1
"$WEIR" job restore t --from a >/dev/null 2>said && fail "restored without what came after"
grep -q "no longer holds offsets 100 to 159" said && grep -q "skip-lost" said || fail "restore: $(cat said)"
[ "$(n)" = 110 ] || fail "after a restore that was refused: $(n)"
"$WEIR" job restore t --from a --skip-lost >/dev/null 2>said || fail "restore: $(cat said)"
"$WEIR" job wait t --for 20 || fail "its lag does not end after the restore"
[ "$(n)" = 100 ] || fail "restored: $(n)"

# policy: stop
"$WEIR" job resume t --errors stop >/dev/null 2>&1
"$WEIR" job pause t >/dev/null 2>&1
put 1 5
"$WEIR" topic trim s --before latest >/dev/null 2>&1
"$WEIR" job resume t >/dev/null 2>&1
until "$WEIR" job describe t >said 2>&1; grep -q "lost record at topic s, partition 0, offset 160" said; do
    grep -q "^lag 0" said && fail "it has not stopped: $(cat said)"
    sleep 0.02
done
"$WEIR" job skip t >/dev/null 2>said || fail "skip: $(cat said)"
"$WEIR" job wait t --for 20 || fail "after the skip"
[ "$(n)" = 100 ] || fail "after the skip: $(n)"
kill "$server"
wait "$server"
