#!/bin/bash
# A file that is deployed again: unchanged, replaced in place, or beside the version that runs, which is promoted once it has
# caught up; --plan says all of it before. Everything survives kill -9, and the results are those of a new job.
set -u
. "$ROOT/tests/lib/server.sh"
put() { for k in a b c; do printf '%s\t{"v":%d,"w":1}\n' $k "$1"; done | "$WEIR" produce s -K $'\t' --quiet || fail produce; }
same() { # after a wait, table $1 says what query $2 says of the whole input
    "$WEIR" job wait || fail "wait"
    ask "SELECT * FROM $1 ORDER BY k;" >got
    ask "$2" >want
    diff got want || fail "$3"
}
start
cat >v1.sql <<'SQL'
CREATE STREAM s (k VARCHAR KEY, v INT, w INT) WITH (TOPIC='s', PARTITIONS=4);
CREATE TABLE t AS SELECT k, SUM(v) AS total FROM s GROUP BY k;
SQL
cat >v2.sql <<'SQL'
CREATE STREAM s (k VARCHAR KEY, v INT, w INT) WITH (TOPIC='s', PARTITIONS=4);
-- as it was, with a condition over it
CREATE TABLE t AS SELECT k, SUM(v) AS total FROM s GROUP BY k HAVING SUM(v) > 10;
SQL
cat >v3.sql <<'SQL'
CREATE STREAM s (k VARCHAR KEY, v INT, w INT) WITH (TOPIC='s', PARTITIONS=4);
CREATE TABLE t AS SELECT k, SUM(v) AS total, SUM(w) AS n FROM s GROUP BY k;
CREATE STREAM odd AS SELECT k, v FROM s WHERE v % 2 = 1;
SQL
"$WEIR" deploy v1.sql --plan >plan || fail "plan of v1"
grep -q '^new      t' plan && grep -q 'read     stream s from its beginning, 0 records' plan || fail "plan of v1: $(cat plan)"
[ -z "$("$WEIR" job list)" ] || fail "--plan changed something"
"$WEIR" deploy v1.sql >/dev/null || fail "v1"
put 5
same t "SELECT k, SUM(v) AS total FROM s GROUP BY k ORDER BY k;" "v1"
"$WEIR" deploy v1.sql --plan | grep -q 'table t is unchanged' || fail "unchanged"

# in place, at once after which the server dies
"$WEIR" deploy v2.sql --plan >plan || fail "plan of v2"
grep -q '^replace  t' plan && grep -q 'keep     groups by k' plan && grep -q 'go on    stream s' plan || fail "plan of v2: $(cat plan)"
"$WEIR" deploy v2.sql >/dev/null || fail "v2"
[ "$(ask "SELECT * FROM t;")" = "k,total" ] || fail "what the condition leaves out: $(ask "SELECT * FROM t;")"
changelog=$("$WEIR" topic list | grep -o '__job[^ "]*')
[ "$("$WEIR" consume "$changelog" --until-end --json | grep -c '"value":null')" = 0 ] || fail "rows that are derived were kept as well"
crash
put 7
same t "SELECT k, SUM(v) AS total FROM s GROUP BY k HAVING SUM(v) > 10 ORDER BY k;" "v2"
for round in 1 2 3 4 5 6; do
    "$WEIR" deploy v$((round % 2 + 1)).sql >/dev/null 2>&1 &
    deploying=$!
    sleep 0.0$round
    crash
    wait "$deploying"
    put 1
done
"$WEIR" deploy v2.sql >/dev/null || fail "v2 again"
same t "SELECT k, SUM(v) AS total FROM s GROUP BY k HAVING SUM(v) > 10 ORDER BY k;" "replaced under kill -9"

# beside
"$WEIR" deploy v3.sql --plan --beside >plan || fail "plan of v3: $(cat plan)"
grep -q '^beside   t' plan && grep -q '^new      odd' plan || fail "plan of v3: $(cat plan)"
"$WEIR" deploy v3.sql --beside >/dev/null 2>said || fail "v3: $(cat said)"
"$WEIR" deploy v3.sql --beside 2>/dev/null | grep -q 'is unchanged' || fail "beside twice"
"$WEIR" job wait t_next || fail "wait for t_next"
put 3
crash
same t "SELECT k, SUM(v) AS total FROM s GROUP BY k HAVING SUM(v) > 10 ORDER BY k;" "the old one goes on"
same t_next "SELECT k, SUM(v) AS total, SUM(w) AS n FROM s GROUP BY k ORDER BY k;" "the next one"
"$WEIR" sql -e "DROP TABLE t;" 2>/dev/null && fail "dropped under its next version"
"$WEIR" job discard t >/dev/null 2>&1 || fail "discard"
"$WEIR" topic list | grep -q t_v2 && fail "the topic of what was discarded is there"
"$WEIR" job promote t 2>/dev/null; [ $? = 1 ] || fail "promoted what is not there"
"$WEIR" deploy v3.sql --beside >/dev/null 2>&1 && "$WEIR" job wait || fail "v3 again"
"$WEIR" job promote t >said 2>&1 || fail "promote: $(cat said)"
"$WEIR" job describe t | grep -q '^job t: running' || fail "its name after promote: $("$WEIR" job describe t | head -1)"
crash
put 2
same t "SELECT k, SUM(v) AS total, SUM(w) AS n FROM s GROUP BY k ORDER BY k;" "after promote"
"$WEIR" job list | grep -q '"name":"t_next"' && fail "t_next is there after promote"
"$WEIR" deploy v3.sql --plan | grep -q 'table t is unchanged' || fail "v3 is in place"
"$WEIR" deploy v2.sql --plan 2>said >plan && fail "columns that go"
grep -q 'refuse   "t" cannot be replaced in place: column n would be gone' plan || fail "refused: $(cat plan)"
"$WEIR" job describe t | grep -q '^job t: running' || fail "describe: $("$WEIR" job describe t | head -1)"
kill "$server"
wait "$server"
