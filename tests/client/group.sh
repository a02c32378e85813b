#!/bin/bash
# weir group and weir consume --group: members share a topic's partitions and go on where the group stood; groups are listed,
# described, reset and deleted, but not while they are at work.
. "$ROOT/tests/lib/server.sh"
: >trace
: >ready
"$WEIR" server --data data --listen 127.0.0.1:0 --set log.segment.bytes=4194304 --set group.initial.rebalance.delay.ms=100 >ready 2>>trace &
server=$!
until grep -q ready ready; do kill -0 "$server" || fail "$(cat trace)"; sleep 0.02; done
export WEIR_SERVER=$(sed -n 's/.*listen=\([^ ]*\).*/\1/p' ready)
w() { timeout 60 "$WEIR" "$@"; }
same() { [ "$2" = "$3" ] || fail "$1: wanted [$2], got [$3]"; }

[ "$(w group list)" = 'group  state                type      protocol' ] || fail "none: $(w group list)"
w topic create t --partitions 4 >/dev/null || fail create
seq 1 1000 | sed 's/.*/k&:&/' | w produce t --key-separator : >/dev/null || fail produce

# a group reads everything once; the next reader finds nothing, then what is new
w consume t --group g --until-end >first || fail consume
same "all of it" 1000 "$(sort -n first | uniq | wc -l)"
same "nothing twice" "" "$(w consume t --group g --until-end)"
same state Empty "$(w group list | awk '$1 == "g" {print $2}')"
echo k:new | w produce t --key-separator : >/dev/null
same "what is new" new "$(w consume t --group g --until-end)"
# as many as are asked for are committed, not the whole batch they came in
same "ten of h" 10 "$(w consume t --group h --count 10 | wc -l)"
w consume t --group h --until-end >rest
same "the rest of h" 991 "$(wc -l <rest)"
w consume t --group h --partition 1 2>/dev/null; [ $? = 3 ] || fail "--partition with --group"

# two members share; one that leaves hands over
w consume t --group two >a 2>a.err & a=$!
w consume t --group two >b 2>b.err & b=$!
shared() { [ "$(w group describe two 2>/dev/null | grep -c '^  t ')" = 4 ] && [ "$(w group describe two | awk '$1 == "t" {print $6}' | sort -u | wc -l)" = 2 ]; }
for _ in $(seq 200); do shared && break; sleep 0.1; done
shared || fail "not shared: $(w group describe two)"
for i in $(seq 1 40); do echo "m$i:more$i"; done | w produce t --key-separator : >/dev/null
for _ in $(seq 100); do [ "$(cat a b | grep -c more)" -ge 40 ] && break; sleep 0.1; done
same "both together" 1041 "$(cat a b | sort -u | wc -l)"
[ "$(grep -c more a)" -gt 0 ] && [ "$(grep -c more b)" -gt 0 ] || fail "one member alone read what came"

# a group at work is neither reset nor deleted
w group reset two --to earliest >said 2>&1 && fail "reset a group at work"
grep -q 'cannot reset two: it is .* members' said || fail "$(cat said)"
w group delete two >said 2>&1 && fail "deleted a group at work"
grep -q 'cannot delete two: it has members' said || fail "$(cat said)"
kill -INT "$(pgrep -P "$a")"; wait "$a" || fail "a: $(cat a.err)"
for _ in $(seq 100); do w group describe two | grep -q ' 1 members' && break; sleep 0.1; done
echo m:last | w produce t --key-separator : >/dev/null
for _ in $(seq 100); do grep -q last b && break; sleep 0.1; done
grep -q last b || fail "the one that stayed did not take over"
kill -TERM "$(pgrep -P "$b")"; wait "$b" || fail "b: $(cat b.err)"
same "all is committed" "" "$(w consume t --group two --until-end)"
same lag 0 "$(w group describe two | awk '$1 == "t" {s += $5} END {print s}')"

# reset, by every way to say where
total=$(w group describe two | awk '$1 == "t" {s += $4} END {print s}')
before=$(w group describe two)
w group reset two --to earliest --dry-run >said || fail dry
grep -q '^would reset two' said || fail "$(cat said)"
same "a dry run changes nothing" "$before" "$(w group describe two)"
w group reset two --to earliest >said || fail "$(cat said)"
same earliest "$total" "$(w group describe two | awk '$1 == "t" {s += $5} END {print s}')"
w group reset two --to latest >/dev/null || fail latest
same latest 0 "$(w group describe two | awk '$1 == "t" {s += $5} END {print s}')"
w group reset two --to 5 --topic t:2 >/dev/null || fail offset
same "one partition" 5 "$(w group describe two | awk '$1 == "t" && $2 == 2 {print $3}')"
same "the others" 0 "$(w group describe two | awk '$1 == "t" && $2 != 2 {s += $5} END {print s}')"
w group reset two --to 99999999 --topic t:2 >/dev/null || fail "far offset"
same "nearest end" 0 "$(w group describe two | awk '$1 == "t" {s += $5} END {print s}')"
sleep 0.05; now=$(date +%s%3N); sleep 0.05
echo m:late | w produce t --key-separator : >/dev/null
w group reset two --to "@$now" >/dev/null || fail time
same "since a time" late "$(w consume t --group two --until-end)"
w group reset two --to -1h >/dev/null || fail ago
same "an hour ago is everything" "$((total + 1))" "$(w consume t --group two --until-end | wc -l)"
w group reset fresh --to earliest --topic t >/dev/null || fail "a new group"
same "new group" Empty "$(w group list | awk '$1 == "fresh" {print $2}')"
w group reset nobody --to latest 2>said && fail "nothing to reset"
grep -q 'say which --topic' said || fail "$(cat said)"
for bad in "reset two" "reset two --to sometime" "reset two --to -5" "describe" "list two" "delete two --to 5" "fly" "list --dry-run"; do
    w group $bad >/dev/null 2>&1; [ $? = 3 ] || fail "usage: $bad"
done

w group delete two fresh >said || fail "$(cat said)"
same deleted "deleted two deleted fresh" "$(tr '\n' ' ' <said | sed 's/ $//')"
w group delete two 2>said && fail "deleted twice"
grep -q 'there is no such group' said || fail "$(cat said)"
w group describe two 2>/dev/null && fail "described what is gone"
w group delete g --topic t >/dev/null || fail "offsets of a topic"
same "no offsets" 0 "$(w group describe g 2>/dev/null | grep -c '^  t ')"

# beside a member of another make, if there is one: each gets a part
if command -v kcat >/dev/null; then
    timeout 60 kcat -b "$WEIR_SERVER" -q -u -X partition.assignment.strategy=range -X auto.offset.reset=earliest -G mixed t >k 2>/dev/null & k=$!
    w consume t --group mixed >c 2>c.err & c=$!
    mixed() { [ "$(w group describe mixed 2>/dev/null | grep -c '^  member ')" = 2 ] && w group describe mixed | grep -q Stable; }
    for _ in $(seq 200); do mixed && break; sleep 0.1; done
    mixed || fail "mixed: $(w group describe mixed)"
    for i in $(seq 1 40); do echo "m$i:mix$i"; done | w produce t --key-separator : >/dev/null
    for _ in $(seq 150); do [ "$(cat k c | grep -c mix)" -ge 40 ] && break; sleep 0.1; done
    [ "$(grep -c mix k)" -gt 0 ] && [ "$(grep -c mix c)" -gt 0 ] || fail "kcat read $(grep -c mix k), weir $(grep -c mix c) of 40"
    kill "$(pgrep -P "$c")" "$(pgrep -P "$k")"; wait "$c" "$k"
fi
kill -TERM "$server"
wait "$server"
