#!/bin/bash
# A full disk: writes are refused with a sentence, reads go on, writes go on by themselves once there is room, and nothing that
# was acknowledged is lost, also after kill -9. On a small mounted file system.
set -u
mnt=$TMPDIR/small
mkdir "$mnt" && mount -t tmpfs -o size=24m none "$mnt" || exit 1
server=
finish() {
    [ -n "$server" ] && kill -KILL "$server" 2>/dev/null && wait "$server" 2>/dev/null
    umount "$mnt"
}
trap finish EXIT
fail() { echo "FAILED: $*"; tail -5 server.log; exit 1; }

start() {
    "$WEIR" server --data "$mnt/data" --listen "${at:-127.0.0.1:0}" --set weir.wal.bytes=1048576 --set log.segment.bytes=2097152 \
        --set weir.shards=2 --set weir.disk.reserve.bytes=0 >ready.txt 2>>server.log &
    server=$!
    for _ in $(seq 100); do grep -q ready ready.txt && break; sleep 0.05; done
    at=$(sed -n 's/.*listen=\([^ ,]*\).*/\1/p' ready.txt)
    [ -n "$at" ] || fail "the server did not start"
}
count() { timeout 60 "$WEIR" consume numbers --server "$at" --until-end | wc -l; }
# produce N: appends numbered lines of 1,000 bytes one after another; prints how many were acknowledged before the first refusal.
produce() {
    awk -v n="$1" 'BEGIN { pad = sprintf("%990s", ""); for (i = 0; i < n; i++) printf "%08d%s\n", i, pad }' |
        timeout 120 "$WEIR" produce numbers --server "$at" >produced.txt 2>refused.txt
}

start
"$WEIR" topic create numbers --partitions 2 --server "$at" >/dev/null || fail "create"
produce 5000 || fail "the disk should still have room: $(cat refused.txt)"
[ "$(count)" = 5000 ] || fail "5000 were acknowledged, $(count) are there"

produce 60000 && fail "60 MB went into 24 MB"
grep -qi 'full\|space\|storage' refused.txt || fail "refused without saying why: $(cat refused.txt)"
kill -0 "$server" || fail "the server ended"
before=$(count)
[ "$before" -ge 5000 ] || fail "reads stopped, or records were lost: $before"
produce 2000 && fail "a full disk took 2 MB more"
after=$(count) # what still fitted is there, nothing of before is lost
[ "$after" -ge "$before" ] && [ "$after" -lt $((before + 2000)) ] || fail "from $before to $after on a full disk"
before=$after

mount -o remount,size=96m "$mnt" || exit 1
produce 1000 || fail "there is room again, but: $(cat refused.txt)"
[ "$(count)" = $((before + 1000)) ] || fail "after room came back $(count), wanted $((before + 1000))"

kill -KILL "$server"; wait "$server" 2>/dev/null
start
[ "$(count)" = $((before + 1000)) ] || fail "after kill -9 $(count), wanted $((before + 1000))"
kill -TERM "$server"; wait "$server" || fail "unclean stop"
server=
echo "full disk: refused, read, went on; $((before + 1000)) records kept"
