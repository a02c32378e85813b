#!/bin/bash
# Below its reserve of free disk the server refuses Produce and INSERT, with a reason, and is not ready; reads, deletes and commits of groups go on; once
# there is room again Produce goes on, without a restart. The reserve is set 2 GiB below what is free, and a file takes 4.
. "$ROOT/tests/lib/server.sh"
: >trace
free=$(($(stat -f -c '%a * %S' .)))
[ "$free" -gt $((6 << 30)) ] || fail "this test needs 6 GiB of free disk"
: >ready
"$WEIR" server --data data --listen 127.0.0.1:0 --set weir.disk.reserve.bytes=$((free - (2 << 30))) \
    --set group.initial.rebalance.delay.ms=0 --set log.retention.check.interval.ms=100 >ready 2>>trace &
server=$!
trap 'rm -f "$PWD/ballast"' EXIT
until grep -q ready ready; do kill -0 "$server" || fail "$(cat trace)"; sleep 0.02; done
export WEIR_SERVER=$(sed -n 's/.*listen=\([^ ]*\).*/\1/p' ready)
w() { timeout 60 "$WEIR" "$@"; }
get() { # the body of an answer
    exec 3<>"/dev/tcp/${WEIR_SERVER%:*}/${WEIR_SERVER##*:}"
    printf 'GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n' "$1" >&3
    timeout 5 cat <&3 | tr -d '\r' | grep -oE '^(ok|ready|not ready.*)$'
    exec 3>&-
}
put() { echo "$1" | w produce t --quiet >/dev/null 2>said; }

w topic create t >/dev/null && w topic create gone >/dev/null || fail create
w sql -e "CREATE STREAM s (line VARCHAR) WITH (TOPIC='s', PARTITIONS=1); INSERT INTO s VALUES ('before');" >said 2>&1 || fail "$(cat said)"
[ "$(get readyz)" = ready ] || fail "not ready: $(get readyz)"
put before || fail "there is room: $(cat said)"
fallocate -l 4G ballast || fail "no 4 GiB for a file"
for _ in $(seq 50); do put more || break; sleep 0.1; done
put more && fail "produce goes on below the reserve"
grep -qi 'disk' said || fail "refused without saying why: $(cat said)"
seq 2000000 | w produce t 2>said && fail "a long input is not refused"
[ "$(wc -l <said)" = 2 ] || fail "the reason and the counts, once: $(head -5 said)"
grep -q '^0 records appended to t, [0-9]* records not' said || fail "no counts: $(cat said)"
grep -q 'event=disk_low' trace || fail "the operator is not told"
w sql -e "INSERT INTO s VALUES ('more');" >said 2>&1 && fail "INSERT goes on below the reserve"
grep -q 'weir.disk.reserve.bytes' said || fail "INSERT is refused without saying why: $(cat said)"
[ "$(get healthz)" = ok ] || fail "the process lives: $(get healthz)"
[[ "$(get readyz)" == "not ready: the disk has less free than weir.disk.reserve.bytes"* ]] || fail "ready below the reserve: $(get readyz)"
[ "$(w consume t --group g -e | head -1)" = before ] || fail "reads stopped"
[ "$(w group describe g | awk '$1 == "t" {print $5}')" = 0 ] || fail "groups do not commit"
w topic delete gone >/dev/null || fail "deletes stopped"
w config set topic t retention.ms=60000 >/dev/null || fail "settings do not change"
kill -0 "$server" || fail "the server ended"
rm ballast
for _ in $(seq 50); do put after && break; sleep 0.1; done
put after || fail "there is room again: $(cat said)"
[ "$(get readyz)" = ready ] || fail "not ready though there is room: $(get readyz)"
w sql -e "INSERT INTO s VALUES ('after');" >said 2>&1 || fail "there is room again: $(cat said)"
grep -q 'event=disk_has_room' trace || fail "the operator is not told of room"
[ "$(w consume t -e | tail -1)" = after ] || fail "what came after is not there"
kill -TERM "$server"
wait "$server"
