#!/bin/bash
# kcat (librdkafka 2.0.2) against a server of its own: what it produces comes back exactly, with every codec and acks.
set -u
fails=0
check() { # check NAME WANTED GOT
    if [ "$2" = "$3" ]; then echo "ok   $1"; else echo "FAIL $1: wanted [$2], got [$3]"; fails=$((fails + 1)); fi
}
"$WEIR" server --data "$TMPDIR/data" --listen 127.0.0.1:0 --set weir.shards=2 --set log.segment.bytes=4194304 --set group.initial.rebalance.delay.ms=500 >"$TMPDIR/out" 2>"$TMPDIR/err" &
server=$!
for _ in $(seq 100); do grep -q '^weir ready' "$TMPDIR/out" && break; sleep 0.05; done
addr=$(sed -n 's/^weir ready listen=\([^ ]*\) .*/\1/p' "$TMPDIR/out")
[ -n "$addr" ] || { echo "FAIL the server is not ready"; cat "$TMPDIR/err"; exit 1; }
k() { timeout 30 kcat -b "$addr" "$@"; }

seq 1 5000 | sed 's/$/ some text that compresses well, some text that compresses well/' >"$TMPDIR/lines"
want=$(md5sum <"$TMPDIR/lines")
for codec in none gzip snappy lz4 zstd; do
    for acks in 1 -1; do
        k -P -t "c-$codec-$acks" -z "$codec" -X acks=$acks <"$TMPDIR/lines"
        check "codec $codec acks $acks" "$want" "$(k -C -t "c-$codec-$acks" -e -q | md5sum)"
    done
done
k -P -t acks0 -X acks=0 <"$TMPDIR/lines"
for _ in $(seq 50); do [ "$(k -C -t acks0 -e -q | wc -l)" = 5000 ] && break; sleep 0.1; done
check "acks 0" "$want" "$(k -C -t acks0 -e -q | md5sum)"
k -P -t idem -X enable.idempotence=true <"$TMPDIR/lines"
check "idempotent" "$want" "$(k -C -t idem -e -q | md5sum)"

printf 'k1:v1\n:empty key\nk3:\n' | k -P -t kv -K : -Z -H h1=one -H 'h2=two words'
check "keys, nulls, headers" "0 [k1:2] [v1:2] h1=one,h2=two words
1 [:-1] [empty key:9] h1=one,h2=two words
2 [k3:2] [:-1] h1=one,h2=two words" "$(k -C -t kv -e -q -f '%o [%k:%K] [%s:%S] %h\n')"
big=$(head -c 700000 /dev/zero | tr '\0' x)
printf '%s\n' "$big" | k -P -t bigrec
check "a record of 700 kB" 700001 "$(k -C -t bigrec -e -q | wc -c)"

before=$(date +%s%3N); sleep 0.02
printf 'a\nb\n' | k -P -t times
sleep 0.05; middle=$(date +%s%3N); sleep 0.05
printf 'c\nd\n' | k -P -t times
check "from a timestamp" "c d " "$(k -C -t times -e -q -o "s@$middle" | tr '\n' ' ')"
check "from an early timestamp" "a b c d " "$(k -C -t times -e -q -o "s@$before" | tr '\n' ' ')"
check "from an offset" "d " "$(k -C -t times -e -q -o 3 | tr '\n' ' ')"
check "from the tail" "c d " "$(k -C -t times -e -q -o -2 | tr '\n' ' ')"
check "offset for a time" "times [0] offset 2" "$(k -Q -t "times:0:$middle")"
ts=$(k -C -t times -o 0 -c 1 -q -f '%T')
check "timestamps are the producer's" yes "$([ "$ts" -ge "$before" ] && [ "$ts" -lt "$middle" ] && echo yes)"

k -C -t times -o end -q -u -c 2 >"$TMPDIR/tail" &
tail=$!
sleep 0.7
printf 'live1\n' | k -P -t times
sleep 0.1
printf 'live2\n' | k -P -t times
wait $tail
check "tail" "live1 live2 " "$(tr '\n' ' ' <"$TMPDIR/tail")"

"$WEIR" topic create parts --partitions 4 --server "$addr" >/dev/null
seq 1 1000 | sed 's/.*/key&:&/' | k -P -t parts -K :
check "list" "  topic \"parts\" with 4 partitions:" "$(k -L -t parts | grep 'topic "parts"')"
check "all partitions" 1000 "$(k -C -t parts -e -q | wc -l)"
check "cluster" 1 "$(k -L | grep -c "broker 1 at $addr (controller)")"

# Two members of a group share a topic; both together read all of it, and whoever comes later begins where they ended.
"$WEIR" topic create shared --partitions 4 --server "$addr" >/dev/null
group() { exec kcat -b "$addr" -G crew -X auto.offset.reset=earliest -X session.timeout.ms=6000 -X auto.commit.interval.ms=100 -u "$@" shared; }
group -f '%s\n' >"$TMPDIR/one" 2>"$TMPDIR/one.err" & one=$!
group -f '%s\n' >"$TMPDIR/two" 2>"$TMPDIR/two.err" & two=$!
for _ in $(seq 200); do
    grep -q 'assigned: shared \[[0-9]\], shared \[[0-9]\]$' "$TMPDIR/one.err" && grep -q 'assigned: shared \[[0-9]\], shared \[[0-9]\]$' "$TMPDIR/two.err" && break
    sleep 0.1
done
for p in 0 1 2 3; do seq 1 100 | sed "s/^/$p-/" | k -P -t shared -p $p; done
for _ in $(seq 100); do [ "$(cat "$TMPDIR/one" "$TMPDIR/two" | wc -l)" -ge 400 ] && break; sleep 0.1; done
check "a group reads all, once" 400 "$(cat "$TMPDIR/one" "$TMPDIR/two" | sort -u | wc -l)"
check "each member has a share" "200 200" "$(wc -l <"$TMPDIR/one") $(wc -l <"$TMPDIR/two")"
sleep 0.5
kill -TERM $one $two; wait $one $two
echo later | k -P -t shared -p 1
check "committed offsets" later "$(timeout 30 kcat -b "$addr" -G crew -q -u -f '%s\n' -c 1 shared 2>/dev/null)"

kill -TERM $server; wait $server
check "clean stop" 0 $?
grep -E 'level=(warn|error)' "$TMPDIR/err"
exit $((fails > 0))
