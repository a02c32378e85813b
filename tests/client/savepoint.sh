#!/bin/bash
# A savepoint keeps what a job held at a commit; the job goes back to it and on from there, a table's topic too, as if what came
# since had never been read: over kill -9, another version in between, and to the sentence about a file that is damaged.
set -u
. "$ROOT/tests/lib/server.sh"
put() { for k in a b c; do printf '%s%s\t{"v":%d,"w":1}\n' $k "$2" "$1"; done | "$WEIR" produce s -K $'\t' --quiet || fail produce; }
topic() { # the table as its topic says, by a reader of committed records
    "$WEIR" consume t --until-end --json 2>/dev/null | python3 -c 'import json, sys
rows = {}
for line in sys.stdin:
    record = json.loads(line)
    rows[record["key"]] = record["value"]
for k in sorted(rows):
    if rows[k] is not None:
        print(k, rows[k])'
}
start
cat >v1.sql <<'SQL'
CREATE STREAM s (k VARCHAR KEY, v INT, w INT) WITH (TOPIC='s', PARTITIONS=4);
CREATE TABLE t AS SELECT k, SUM(v) AS total, MAX(v) AS top FROM s GROUP BY k;
SQL
"$WEIR" deploy v1.sql >/dev/null || fail "v1"
for i in $(seq 20); do put "$i" "$((i % 5))"; done
"$WEIR" job wait || fail "wait"
"$WEIR" job savepoint t --as sp1 >/dev/null 2>said || fail "savepoint: $(cat said)"
"$WEIR" job savepoint t --as sp1 2>/dev/null && fail "the same name twice"
"$WEIR" job savepoint nothing --as sp2 2>/dev/null && fail "of no job"
[ "$("$WEIR" job savepoints --mode csv | cut -d, -f1,2 | tail -1)" = "sp1,t" ] || fail "list: $("$WEIR" job savepoints --mode csv)"

# what is read meanwhile is read again after the restore, once; the savepoint's rows are there at once
put 1000 new
put 7 0
"$WEIR" job wait
ask "SELECT * FROM t ORDER BY k;" >now
"$WEIR" job pause t >/dev/null 2>&1 || fail pause
"$WEIR" job restore t --from sp1 >/dev/null 2>said || fail "restore: $(cat said)"
crash
"$WEIR" job resume t >/dev/null 2>said || fail "resume: $(cat said)"
"$WEIR" job wait
ask "SELECT * FROM t ORDER BY k;" >after
diff now after || fail "what came since was not read again once"
"$WEIR" consume t --until-end --json | grep '"key":"anew"' | grep -q '"value":null' || fail "what the savepoint lacks was not taken back"

# another version in between, with more columns: both go back
"$WEIR" sql -e "CREATE OR REPLACE TABLE t AS SELECT k, SUM(v) AS total, MAX(v) AS top, SUM(w) AS n FROM s GROUP BY k HAVING SUM(v) > 100;" >/dev/null 2>&1 || fail replace
put 5 1
"$WEIR" job wait
"$WEIR" job restore t --from sp1 >/dev/null 2>said || fail "restore over another version: $(cat said)"
"$WEIR" job wait
ask "SELECT * FROM t ORDER BY k;" >after
ask "SELECT k, SUM(v) AS total, MAX(v) AS top FROM s GROUP BY k ORDER BY k;" >want
diff want after || fail "restored over another version"
crash
put 6 2
"$WEIR" job wait
ask "SELECT * FROM t ORDER BY k;" >after
ask "SELECT k, SUM(v) AS total, MAX(v) AS top FROM s GROUP BY k ORDER BY k;" >want
diff want after || fail "after the restore and kill -9"
[ "$(topic | cut -d' ' -f1)" = "$(tail -n +2 want | cut -d, -f1)" ] || fail "keys of the topic: $(topic)"

# restored under kill -9
for i in 1 2 3 4 5; do
    "$WEIR" job restore t --from sp1 >/dev/null 2>&1 &
    restoring=$!
    sleep 0.0$i
    crash
    wait "$restoring"
    put "$i" "$i"
done
"$WEIR" job wait
ask "SELECT * FROM t ORDER BY k;" >after
ask "SELECT k, SUM(v) AS total, MAX(v) AS top FROM s GROUP BY k ORDER BY k;" >want
diff want after || fail "restored under kill -9"

# the same kind of filling, paused before it has begun: then the file may not go; without it, a version that makes everything
# anew takes nothing from there and takes back what it does not have
"$WEIR" job pause t >/dev/null 2>&1 || fail pause
"$WEIR" job restore t --from sp1 >/dev/null 2>said || fail "restore while paused: $(cat said)"
"$WEIR" sql -e "DROP SAVEPOINT sp1;" >/dev/null 2>said && fail "dropped before the job took its state from it"
grep -q "has not taken its state" said || fail "drop: $(cat said)"
file=$(echo data/savepoints/*.save)
mv "$file" saved
"$WEIR" sql -e "CREATE OR REPLACE TABLE t AS SELECT k, SUM(v) AS total, MAX(v) AS top FROM s WHERE k <> 'anew' GROUP BY k;" >/dev/null 2>said ||
    fail "replace without the file: $(cat said)"
"$WEIR" job resume t >/dev/null 2>said || fail "resume without the file: $(cat said)"
"$WEIR" job wait || fail "wait without the file"
ask "SELECT * FROM t ORDER BY k;" >after
ask "SELECT k, SUM(v) AS total, MAX(v) AS top FROM s WHERE k <> 'anew' GROUP BY k ORDER BY k;" >want
diff want after || fail "made anew without the file"
[ "$(topic | cut -d' ' -f1)" = "$(tail -n +2 want | cut -d, -f1)" ] || fail "keys of the topic, anew: $(topic)"

# a file that is gone, cut or has one byte changed is named, nothing of it is taken, and the job goes on as it was
refused() { # refused WORDS
    "$WEIR" job restore t --from sp1 >/dev/null 2>said && fail "restored from a damaged file"
    grep -q "$1" said && grep -q "nothing changed" said || fail "damaged: $(cat said)"
    put 3 3
    "$WEIR" job wait || fail "the job does not go on: $(cat said)"
    ask "SELECT * FROM t ORDER BY k;" >after
    ask "SELECT k, SUM(v) AS total, MAX(v) AS top FROM s WHERE k <> 'anew' GROUP BY k ORDER BY k;" >want
    diff want after || fail "after a restore that was refused"
}
refused "cannot be opened"
head -c $(($(stat -c %s saved) - 7)) saved >"$file"
refused "is damaged"
cp saved "$file"
printf '\377' | dd of="$file" bs=1 seek=$(($(stat -c %s "$file") / 2)) conv=notrunc 2>/dev/null
refused "is damaged: its checksum"
crash
"$WEIR" job wait || fail "restart"
"$WEIR" sql -e "DROP SAVEPOINT sp1;" >/dev/null 2>&1 || fail "drop"
[ "$("$WEIR" job savepoints)" = "" ] || fail "dropped and listed"
crash
[ -e "$file" ] && fail "the file of a dropped savepoint stays"
kill "$server"
wait "$server"
