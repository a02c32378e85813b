#!/bin/bash
# RESUME of a failed job begins it anew, though its metadata says already that it runs; where that cannot help, because a topic
# that it reads was deleted, it is said what can. What a job that does not run lags behind is not known, not 0.
. "$ROOT/tests/lib/server.sh"
: >trace
start
w() { timeout 60 "$WEIR" "$@" >out 2>&1; }
failures() { grep -c 'event=job_failed name=cnt' trace; }
until_failed() { # so many times
    for _ in $(seq 200); do [ "$(failures)" -ge "$1" ] && return; sleep 0.05; done
    fail "$(failures) failures, not $1: $(cat out)"
}
has() { grep -qF "$1" out || fail "\"$(cat out)\" is not about \"$1\""; }

cat >setup.sql <<'SQL'
CREATE STREAM e (k VARCHAR KEY, v INT) WITH (TOPIC='e', PARTITIONS=1);
CREATE STREAM raw (line VARCHAR) WITH (TOPIC='e', VALUE_FORMAT='KAFKA');
SET 'errors.tolerance' = 'stop';
CREATE TABLE cnt AS SELECT k, COUNT(*) AS n FROM e GROUP BY k;
INSERT INTO raw VALUES ('bad');
SQL
w sql -f setup.sql || fail "$(cat out)"
until_failed 1
w sql -e "RESUME cnt;" || fail "$(cat out)"
has "1 failed job is begun anew from its last commit"
until_failed 2
w job start cnt
until_failed 3
w job resume --all
until_failed 4
w job list --mode json; has '"state":"failed","lag":null'
w job pause cnt && w job list --mode json; has '"state":"paused","lag":null'
w job describe cnt; has "RESUME cnt; lets it go on"
w job resume cnt --errors dead-letter || fail "$(cat out)"
w job wait cnt || fail "$(cat out)"
w sql -e "RESUME cnt;" || fail "$(cat out)"
has 'job "cnt" is resumed already; nothing changed'
[ "$(failures)" = 4 ] || fail "RESUME of a running job ended it"

w topic delete e || fail "$(cat out)"
until_failed 5
w job describe cnt; has "DROP TABLE cnt; DROP STREAM e;"
w sql -e "SELECT * FROM cnt;"; has "DROP TABLE cnt; DROP STREAM e;"
w sql -e "RESUME cnt;" && fail "a job without its topic runs"
has "the job does not run: "
has "DROP TABLE cnt; DROP STREAM e;"
w sql -e "DROP TABLE cnt; DROP STREAM e; DROP STREAM raw;" || fail "what the hint says is refused: $(cat out)"
kill -TERM "$server"
wait "$server"
