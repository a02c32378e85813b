#!/bin/bash
# What a file says of a job beside its query is deployed like the query: compared, changed in place, shown. And messages.
set -u
. "$ROOT/tests/lib/server.sh"
value() { ask "SELECT $1 FROM sys.jobs WHERE job = 't';" | tail -1; }
put() { for k in a b c; do printf '%s\t{"v":%s}\n' $k "$1"; done | "$WEIR" produce s -K $'\t' --quiet || fail produce; }
deploy() { # deploy SETTING VALUE WORDS
    { printf "SET '%s' = '%s';\n" "$1" "$2"; cat v1.sql; } >v2.sql
    "$WEIR" deploy --plan v2.sql >said 2>&1 || fail "plan: $(cat said)"
    grep -q "$3" said || fail "plan of $1: $(cat said)"
    "$WEIR" deploy v2.sql >said 2>&1 || fail "deploy: $(cat said)"
    grep -q "$3" said || fail "deploy of $1: $(cat said)"
    "$WEIR" deploy v2.sql >said 2>&1
    grep -q "table t is unchanged" said || fail "deployed again: $(cat said)"
    put 1
    n=$((n + 1))
    "$WEIR" job wait t || fail "wait after $1"
    [ "$(ask "SELECT n FROM t;" | tail -n +2 | sort -u)" = $n ] || fail "rows after $1: $(ask "SELECT * FROM t;")"
}
n=0
start
cat >v1.sql <<'SQL'
CREATE STREAM s (k VARCHAR KEY, v INT) WITH (TOPIC='s', PARTITIONS=2);
CREATE TABLE t AS SELECT k, COUNT(*) AS n, SUM(100 / v) AS q FROM s GROUP BY k;
SQL
"$WEIR" deploy v1.sql >said 2>&1 || fail "$(cat said)"
deploy errors.tolerance stop "errors.tolerance is 'stop', was 'dead-letter'"
deploy job.cpu.share 30 "job.cpu.share is '30', was '10'"
deploy processing.guarantee at_least_once "processing.guarantee is 'at_least_once', was 'exactly_once'"
deploy processing.guarantee exactly_once "processing.guarantee is 'exactly_once', was 'at_least_once'"
deploy errors.tolerance dead-letter "errors.tolerance is 'dead-letter', was 'stop'"
deploy errors.deadletterqueue.topic.name bad "topic.name is 'bad', was 't_dlq'"
deploy processing.guarantee at_least_once "processing.guarantee is 'at_least_once', was 'exactly_once'"
[ "$(value "guarantee, errors_tolerance, dead_letter_topic, cpu_share")" = "at_least_once,dead-letter,bad,30" ] || fail "sys.jobs"
"$WEIR" job pause t >/dev/null 2>&1
for _ in 1 2; do
    "$WEIR" job describe t >said 2>&1
    grep -q "at least once; bad records: dead-letter, to topic bad; CPU share 30" said || fail "describe: $(cat said)"
    "$WEIR" job resume t >/dev/null 2>&1
done
put 0
"$WEIR" job wait t || fail wait
"$WEIR" job errors t >said 2>&1
grep -q "values could not be computed and are NULL" said || fail "errors: $(cat said)"

# with --keep-going the next -e runs
"$WEIR" sql --keep-going --mode csv -e "SELECT nothing FROM t;" -e "SELECT k FROM t WHERE k = 'a';" >said 2>&1 && fail "no failure"
grep -q '^a$' said || fail "keep-going: $(cat said)"
"$WEIR" sql --mode csv -e "SELECT nothing FROM t;" -e "SELECT k FROM t WHERE k = 'a';" >said 2>&1 && fail "no failure"
grep -q '^a$' said && fail "without keep-going: $(cat said)"
"$WEIR" transaction describe nope >said 2>&1 && fail "a transactional id that is none"
grep -q "no such transactional id" said || fail "transaction: $(cat said)"

# a source's topic is deleted: what to drop names all that read it, readers first
"$WEIR" sql -e "CREATE TABLE u AS SELECT k, MAX(v) AS top FROM s GROUP BY k; CREATE TABLE w AS SELECT n, COUNT(*) AS c FROM t GROUP BY n;" >/dev/null 2>&1
"$WEIR" job pause t >/dev/null 2>&1
"$WEIR" topic delete s >/dev/null 2>&1 || fail "topic delete"
"$WEIR" sql -e "RESUME t;" >said 2>&1 && fail "resumed without its source"
grep -q "resumed" said && fail "said to be resumed: $(cat said)"
drops=$(grep -o 'DROP [A-Z]* [a-z]*;' said | tr '\n' ' ')
case $drops in
*"TABLE w; "*"TABLE t; "*"STREAM s; "*) ;;
*) fail "hint: $(cat said)" ;;
esac
"$WEIR" sql -e "$drops" >said 2>&1 || fail "$drops: $(cat said)"
kill "$server"
wait "$server"

# settings that contradict each other are refused at the start; a small message.max.bytes holds for clients alone
"$WEIR" server --data other --listen 127.0.0.1:0 --set commit.interval.ms=1 --set commit.interval.min.ms=50 >said 2>&1 && fail "started"
grep -q "commit.interval.min.ms is 50, more than" said || fail "intervals: $(cat said)"
"$WEIR" server --data other --listen 127.0.0.1:0 --set message.max.bytes=0 >said 2>&1 && fail "started"
grep -q "message.max.bytes must lie between" said || fail "message.max.bytes: $(cat said)"
WEIR_MESSAGE_MAX_BYTES=150 start
"$WEIR" sql -e "CREATE STREAM s (k VARCHAR KEY, v INT) WITH (TOPIC='s', PARTITIONS=2); CREATE TABLE t AS SELECT k, SUM(v) AS n FROM s GROUP BY k;" >said 2>&1 || fail "$(cat said)"
echo 'a	{"v":1}' | "$WEIR" produce s -K $'\t' --quiet || fail produce
"$WEIR" job wait --for 20 || fail "with a small message.max.bytes"
kill "$server"
wait "$server"
