#!/bin/bash
# weir quota, and what a client meets: librdkafka hears of the throttling and is held to the rate, others are not; topics
# beyond the rate of changes are refused; all of it survives kill -9.
. "$ROOT/tests/lib/server.sh"
w() { timeout 60 "$WEIR" "$@"; }
start
w quota list >said || fail list
[ -s said ] && fail "quotas from the start: $(cat said)"
for bad in "" "fly" "set" "set --ip a" "set --ip a x" "set --ip a x=y" "list x" "unset --user u" "list --dry-run" "set --fly"; do
    w quota $bad >/dev/null 2>&1; [ $? = 3 ] || fail "usage: $bad"
done
for bad in "--client-id a producer_byte_rate=0" "--client-id a fly=1" "--ip a producer_byte_rate=1" "--ip a --user b request_percentage=1" \
    "--user a connection_creation_rate=1" "--user a --user b request_percentage=1"; do
    w quota set $bad 2>said && fail "taken: $bad"
    [ -s said ] || fail "no sentence: $bad"
done
w quota set --client-id etl producer_byte_rate=20000 consumer_byte_rate=40000 >/dev/null || fail set
w quota set --user-default --client-id big request_percentage=100000 --dry-run | grep -q '^would change$' || fail dry
w quota set --client-id maker controller_mutation_rate=1 >/dev/null || fail set
w quota list --client-id etl >said; printf 'client-id etl  producer_byte_rate=20000\nclient-id etl  consumer_byte_rate=40000\n' | diff - said || fail list
w topic create t --partitions 1 >/dev/null || fail create
crash
w quota list | grep -q '^client-id maker  controller_mutation_rate=1$' || fail "after kill -9: $(w quota list)"

w quota set --client-id weir controller_mutation_rate=1 >/dev/null || fail set
w topic create many --partitions 30 >/dev/null || fail "create many"
w topic create more --partitions 1 2>said && fail "made beyond the rate"
grep -qi 'quota' said || fail "$(cat said)"
w topic list | grep -q '^more' && fail "made all the same"
w quota unset --client-id weir controller_mutation_rate >/dev/null || fail unset
w topic create more --partitions 1 >/dev/null || fail "create more"

# 230,000 bytes are 30,000 more than ten seconds' worth: 1.5 s to pay back, of which the client is told.
head -c 172000 /dev/urandom | base64 -w 999 >lines
for id in etl free; do
    kcat -b "$WEIR_SERVER" -P -t t -X client.id=$id -X debug=broker -X linger.ms=50 <lines 2>&1 | grep -i throttled >said.$id
    kcat -b "$WEIR_SERVER" -P -t t -X client.id=$id -X debug=broker <said.$id 2>&1 | grep -i throttled >>said.$id
done
grep -q 'throttled request for' said.etl || fail "not throttled: $(cat said.etl)"
[ -s said.free ] && fail "throttled: $(cat said.free)"
got=$(kcat -b "$WEIR_SERVER" -C -t t -X client.id=etl -o beginning -e -q | grep -c .)
all=$(kcat -b "$WEIR_SERVER" -C -t t -o beginning -e -q | grep -c .)
[ "$got" = "$all" ] && [ "$all" -ge $((2 * $(wc -l <lines))) ] || fail "read $got of $all"
echo ok
