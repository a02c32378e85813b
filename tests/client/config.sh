#!/bin/bash
# weir config, and that a topic's settings change at work: what is refused, stored, kept and deleted follows at once, without
# a restart; and deletion frees the space.
. "$ROOT/tests/lib/server.sh"
: >trace
: >ready
"$WEIR" server --data data --listen 127.0.0.1:0 --set log.retention.check.interval.ms=100 --set weir.shards=2 >ready 2>>trace &
server=$!
until grep -q ready ready; do kill -0 "$server" || fail "$(cat trace)"; sleep 0.02; done
export WEIR_SERVER=$(sed -n 's/.*listen=\([^ ]*\).*/\1/p' ready)
w() { timeout 60 "$WEIR" "$@"; }
same() { [ "$2" = "$3" ] || fail "$1: wanted [$2], got [$3]"; }
put() { w produce "$@" >/dev/null 2>said; } # put TOPIC... <lines
until_true() { for _ in $(seq 100); do eval "$1" && return; sleep 0.1; done; fail "never: $1"; }
start_of() { w topic describe "$1" | sed -n 's/.*offsets \([0-9]*\) to .*/\1/p'; }

w topic create t >/dev/null || fail create
same "nothing set" "" "$(w config describe topic t)"
w config describe topic t --all | grep -q '^retention.ms  *604800000  (default)$' || fail "$(w config describe topic t --all)"
w config describe topic t retention.ms --docs | grep -q 'default: log.retention.ms = 604800000' || fail docs
same list "server 1 topic t" "$(w config list | awk '{print $1, $2}' | sort | tr '\n' ' ' | sed 's/ $//')"
w config describe server log.retention.check.interval.ms | grep -q ' 100$' || fail server
w config set topic t retention.ms=soon 2>said && fail "bad value"
grep -q 'must be a whole number' said || fail "$(cat said)"
w config set topic t max.message.byte=5 2>said && fail "bad key"
w config set topic nowhere retention.ms=5 2>/dev/null && fail "no topic"
w config describe topic t fly 2>/dev/null && fail "no setting"
w config set topic t retention.ms=5 --dry-run | grep -q '^would change t$' || fail dry
same "still nothing" "" "$(w config describe topic t)"
for bad in "set server a=b" "set topic t" "describe" "set topic t x" "list x" "fly" "list --dry-run"; do
    w config $bad >/dev/null 2>&1; [ $? = 3 ] || fail "usage: $bad"
done

# size of a batch
w topic create wide --config segment.bytes=65536 >/dev/null || fail create
head -c 3000 /dev/zero | tr '\0' x >big; echo >>big
put wide <big || fail "large, allowed"
w config set topic wide max.message.bytes=2000 >/dev/null || fail set
put wide <big && fail "a batch larger than max.message.bytes was taken"
w config unset topic wide max.message.bytes >/dev/null
put wide <big || fail "large, allowed again"

# replicas that must be in sync
w config set topic t min.insync.replicas=2 >/dev/null
echo x | put t && fail "acks=all with too few replicas"
grep -qi 'not enough replicas' said || fail "$(cat said)"
echo x | put t --acks 1 || fail "acks=1 does not ask for replicas"
w config set topic t min.insync.replicas=1 >/dev/null
echo x | put t || fail "enough replicas"

# whose clock, and how far from it
w config set topic t message.timestamp.before.max.ms=10000 message.timestamp.after.max.ms=10000 >/dev/null
now=$(date +%s%3N)
echo x | put t --timestamp $((now - 100000)) && fail "too old"
echo x | put t --timestamp $((now + 100000)) && fail "too new"
echo x | put t --timestamp $((now - 5000)) || fail "old enough"
w config set topic t message.timestamp.type=LogAppendTime >/dev/null
echo x | put t --timestamp 1000 || fail "the producer's time does not count"
at=$(w consume t -e -f '%T\n' | tail -1)
[ "$at" -ge "$now" ] || fail "not the server's time: $at"
w config unset topic t message.timestamp.type message.timestamp.before.max.ms message.timestamp.after.max.ms >/dev/null

# a compacted topic needs keys
w config append topic t cleanup.policy=compact >/dev/null || fail append
same policy "delete,compact" "$(w config describe topic t cleanup.policy | awk '{print $2}')"
echo x | put t && fail "no key in a compacted topic"
w config remove topic t cleanup.policy=compact >/dev/null || fail remove
echo x | put t || fail "keys are not needed any more"

# retention by size and by time: segments go, and their bytes
w topic create r --config segment.bytes=65536 >/dev/null
for i in $(seq 12); do head -c 40000 /dev/urandom | base64 -w 1000 | w produce r --quiet 2>/dev/null || fail "fill"; done
folder=$(du -s data/topics/*/0 | sort -n | tail -1 | cut -f 2)
before=$(du -sb "$folder" | cut -f 1)
same "nothing has gone" 0 "$(start_of r)"
w config set topic r retention.bytes=100000 >/dev/null
until_true '[ "$(start_of r)" -gt 0 ]'
until_true '[ "$(du -sb "$folder" | cut -f 1)" -lt 200000 ]'
[ "$before" -gt 400000 ] || fail "there was little to free: $before"
[ "$(w consume r -e | wc -l)" -gt 0 ] || fail "everything went"
w config set topic r retention.ms=1 >/dev/null
until_true '[ "$(w consume r -e | wc -l)" = 0 ]'
until_true '[ "$(du -sb "$folder" | cut -f 1)" -lt 40000 ]'
w config unset topic r retention.ms retention.bytes >/dev/null
echo again | put r || fail "after all has gone"
same "the new one stays" again "$(w consume r -e)"

# what is trimmed is gone for good, for readers and after a crash
for i in 1 2 3 4 5; do echo "n$i" | put r; done
begin=$(start_of r); end=$(w topic describe r | sed -n 's/.*offsets [0-9]* to \([0-9]*\).*/\1/p')
w topic trim r --before $((end - 2)) | grep -q "^partition 0 begins at $((end - 2))$" || fail trim
same "what is left" "n4 n5" "$(w consume r -e | tr '\n' ' ' | sed 's/ $//')"
w consume r -e --from $((end - 3)) 2>said && fail "a record that was trimmed"
grep -q 'outside the log' said || fail "$(cat said)"
w topic trim r --before "$begin" | grep -q "begins at $((end - 2))$" || fail "the start never goes back"
sleep 1 # it becomes durable soon after it is answered
crash
same "still" $((end - 2)) "$(start_of r)"
w topic trim r --before latest >/dev/null || fail "trim all"
same "nothing is left" "" "$(w consume r -e)"
w topic trim r --before 5 --partition 9 2>/dev/null && fail "no such partition"
w topic trim r 2>/dev/null; [ $? = 3 ] || fail "trim without a place"
w config set topic r cleanup.policy=compact >/dev/null
w topic trim r --before latest 2>said && fail "a compacted topic cannot be trimmed"
grep -q 'cleanup.policy' said || fail "$(cat said)"
w config unset topic r cleanup.policy >/dev/null

# smaller segments from the next append on
ls "$folder"/*.log | wc -l >was
w config set topic r segment.bytes=2048 >/dev/null
for i in $(seq 8); do head -c 1000 /dev/zero | tr '\0' y | put r || fail "small segments"; done
[ "$(ls "$folder"/*.log | wc -l)" -gt $(($(cat was) + 2)) ] || fail "segments did not become smaller"

# all of it survives a restart, and a deleted topic's bytes are freed
crash
same kept 2048 "$(w config describe topic r segment.bytes | awk '{print $2}')"
w topic delete r >/dev/null || fail delete
until_true '[ ! -e "$folder" ]'
kill -TERM "$server"
wait "$server"
