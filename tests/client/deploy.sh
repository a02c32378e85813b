#!/bin/bash
# Jobs of a node inside a shell stop with it, are named, and go on at the next open; a second shell joins; a server on the
# same folder goes on with them too, also after kill -9.
set -u
fail() {
    echo "FAILED: $*"
    [ -e trace ] && cat trace
    [ -n "${WEIR_SERVER-}" ] && "$WEIR" job list && "$WEIR" sql -e "PRINT s FROM BEGINNING;" --until-caught-up
    exit 1
}
put() { printf 'a\t{"v":%d}\n' "$1" | "$WEIR" produce s -K $'\t' --quiet || fail "produce"; }
sql() { "$WEIR" sql --data data "$@"; }
cat >jobs.sql <<'SQL'
CREATE STREAM s (k VARCHAR KEY, v INT) WITH (TOPIC='s', PARTITIONS=2);
CREATE TABLE t AS SELECT k, SUM(v) AS total FROM s GROUP BY k;
SQL
"$WEIR" deploy jobs.sql --data data >deployed 2>&1 || fail "deploy: $(cat deployed)"
grep -q 'table "t" created' deployed || fail "deploy does not say what it made: $(cat deployed)"
"$WEIR" deploy jobs.sql --data data | grep -q 'table t is unchanged' || fail "deploy is not idempotent"

# a shell that stays, and one that joins it
mkfifo hold
sql --quiet <hold >first 2>&1 &
first=$!
exec 3>hold
until [ -S data/weir.sock ]; do sleep 0.02; done
sql --quiet -e "INSERT INTO s VALUES ('a', 1), ('b', 2), ('a', 3);" -e '\wait' || fail "the second shell did not join"
[ "$(sql -e 'SELECT total FROM t WHERE k = '"'a'"';')" = '{"total":4}' ] || fail "table of the joined node"
"$WEIR" server --data data --listen 127.0.0.1:0 >server 2>&1 && fail "a server took a folder in use"
grep -qi "in use" server || fail "not refused by name: $(cat server)"
exec 3>&-
wait "$first" || fail "the first shell: $(cat first)"
[ -S data/weir.sock ] && fail "the socket stayed"

# the jobs went on where they were: what came meanwhile is counted once
sql --quiet -e "INSERT INTO s VALUES ('a', 10);" -e '\wait' || fail "reopen"
[ "$(sql -e 'SELECT total FROM t WHERE k = '"'a'"';')" = '{"total":14}' ] || fail "state after a reopen"

start() {
    : >ready # not the line of the server before
    "$WEIR" server --data data --listen 127.0.0.1:0 >ready 2>trace &
    server=$!
    until grep -q ready ready; do kill -0 "$server" || fail "$(cat trace)"; sleep 0.02; done
    export WEIR_SERVER=$(sed -n 's/.*listen=\([^ ]*\).*/\1/p' ready)
}
total() { "$WEIR" sql -e "SELECT total FROM t WHERE k = 'a';"; }
for round in 1 2 3; do
    start
    put 100
    [ "$round" = 2 ] && "$WEIR" job wait
    { kill -KILL "$server" && wait "$server"; } 2>/dev/null
    unset WEIR_SERVER
done
start
"$WEIR" job wait || fail "wait"
[ "$(total)" = '{"total":314}' ] || fail "after kill -9: $(total)"
"$WEIR" job pause t 2>/dev/null || fail "pause"
put 1000
"$WEIR" job list | grep -q '"state":"paused"' || fail "not paused"
kill "$server"
wait "$server" || fail "the server did not stop cleanly"
unset WEIR_SERVER
start
"$WEIR" job list | grep -q '"state":"paused"' || fail "a paused job went on by itself"
"$WEIR" job resume t 2>/dev/null && "$WEIR" job wait && [ "$(total)" = '{"total":1314}' ] || fail "after resume: $(total)"
"$WEIR" job describe t | grep -q 'READ stream s' || fail "describe"
"$WEIR" job terminate t 2>/dev/null || fail "terminate"
[ -z "$("$WEIR" job list)" ] || fail "terminated job is listed"
"$WEIR" job stop t 2>/dev/null; [ $? = 1 ] || fail "exit code of an unknown job"
for wrong in "sql -f missing" "deploy missing" "sql --data /proc/none -e x" "job list --data /proc/none" "sql --bogus" "job nope"; do
    "$WEIR" $wrong >/dev/null 2>&1; [ $? = 3 ] || fail "exit code of weir $wrong"
done
"$WEIR" job 2>&1 | grep -q ': list, .*, savepoint, restore, savepoints or wait?$' || fail "what weir job can do"
"$WEIR" job pause 2>/dev/null; [ $? = 3 ] || fail "pause without a name"
"$WEIR" job nonsense 2>/dev/null; [ $? = 3 ] || fail "exit code of wrong usage"
WEIR_SERVER=127.0.0.1:1 "$WEIR" job list 2>/dev/null; [ $? = 2 ] || fail "exit code of no server"
kill "$server"
wait "$server"
