#!/bin/bash
# What belongs to the server is written, grown, emptied and deleted by nobody else: the coordinators' topics and changelogs of
# jobs; and no job's bad records go there.
set -u
. "$ROOT/tests/lib/server.sh"
refused() { # refused WORDS COMMAND ...
    local words=$1
    shift
    "$@" >said 2>&1 && fail "taken: $*"
    grep -q "$words" said || fail "$*: $(cat said)"
}
start
"$WEIR" sql -e "CREATE STREAM s (k VARCHAR KEY, v INT) WITH (TOPIC='s', PARTITIONS=2);
CREATE TABLE t AS SELECT k, SUM(v) AS n FROM s GROUP BY k;" >/dev/null 2>said || fail "$(cat said)"
echo 'a	{"v":1}' | "$WEIR" produce s -K $'\t' --quiet
"$WEIR" job wait || fail wait
"$WEIR" consume s --group g --until-end >/dev/null 2>&1
log=$("$WEIR" topic list | grep -o '__job_[A-Za-z0-9_-]*_changelog')
[ -n "$log" ] || fail "no changelog: $("$WEIR" topic list)"
for topic in "$log" __transaction_state __consumer_offsets; do
    echo 'x	y' | "$WEIR" produce "$topic" -K $'\t' --quiet 2>said && fail "written: $topic"
    refused "$topic" "$WEIR" topic alter "$topic" --partitions 60
    refused "$topic" "$WEIR" topic delete "$topic"
    refused "$topic" "$WEIR" topic trim "$topic" --before latest
done
for name in "$log" __transaction_state __consumer_offsets __cluster_metadata __mine; do
    refused "__" "$WEIR" sql -e "SET 'errors.deadletterqueue.topic.name' = '$name'; CREATE TABLE u AS SELECT k, SUM(v) AS n FROM s GROUP BY k;"
done
echo 'a	{"v":2}' | "$WEIR" produce s -K $'\t' --quiet
"$WEIR" job wait || fail wait
[ "$(ask "SELECT n FROM t;")" = "n
3" ] || fail "the job"
"$WEIR" sql -e "DROP TABLE t;" >/dev/null 2>&1 || fail drop
kill "$server"
wait "$server"
