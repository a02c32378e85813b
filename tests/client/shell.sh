#!/bin/bash
# What the shell says when something is not as its user thinks: PRINT at the end of a topic, rows that leave records out, an
# output that cannot be written, values and texts that make no sense, a place beyond the end of a topic.
. "$ROOT/tests/lib/server.sh"
start
w() { timeout 20 "$WEIR" "$@" >out 2>err </dev/null; code=$?; }
# The last command ended with code $1 and its standard error has the words $2.
said() { [ "$code" = "$1" ] && grep -qF -- "$2" err || fail "want $1, \"$2\"; got $code, \"$(cat err)\""; }
quiet() { [ "$code" = "$1" ] && [ ! -s err ] || fail "want $1, no word; got $code, \"$(cat err)\""; }

w topic create q; w topic create hd
printf '{"V":1}\nnonsense\n{"V":3}\n' | "$WEIR" produce hd --quiet

# PRINT ends with --for, and says what it waits for.
w sql --for 1 -e "PRINT q;";                 said 0 "topic q is empty"
w sql --for 1 -e "PRINT hd;";                said 0 "reading topic hd from its end; PRINT hd FROM BEGINNING shows the 3 records from before"
w sql --until-caught-up -e "PRINT q FROM BEGINNING;"; said 0 "topic q is empty"
w sql --until-caught-up -e "PRINT hd FROM BEGINNING;"; quiet 0
[ "$(wc -l <out)" = 3 ] || fail "PRINT hd FROM BEGINNING: $(cat out)"

# \h has its shapes from the grammar.
printf '%s\n' '\h drop' '\h select' '\h nonsense' >help.sql
w sql -f help.sql; quiet 0
grep -qxF 'DROP STREAM|TABLE [IF EXISTS] name [DELETE TOPIC];' out || fail "no shape of DROP: $(cat out)"
grep -qF '[WHERE expression]' out && grep -q 'a pull query' out || fail "no shape of SELECT: $(cat out)"
grep -qF 'no statement begins with nonsense' out || fail "a statement that there is none of: $(cat out)"
[ "$(awk 'length > 80' out | grep -cv '[.]$')" = 0 ] || fail "shapes are not wrapped: $(cat out)"
# What the rows of a push query leave out, however it ends.
w sql -e "CREATE STREAM hd (v INT) WITH (TOPIC='hd');"
left="1 of 3 records of topic hd could not be decoded and were left out"
w sql --for 3 -e "SELECT v FROM hd EMIT CHANGES;";             said 0 "$left"
w sql -e "SELECT v FROM hd EMIT CHANGES LIMIT 2;";             said 0 "$left"
w sql --rows 2 -e "SELECT v FROM hd EMIT CHANGES;";            said 0 "$left"
[ "$(wc -l <out)" = 2 ] || fail "--rows 2: $(cat out)"
w sql --until-caught-up -e "SELECT v FROM hd EMIT CHANGES;";   said 0 "$left"
[ "$(grep -c 'could not' err)" = 1 ] || fail "said more than once: $(cat err)"
timeout -s INT 3 "$WEIR" sql -e "SELECT v FROM hd EMIT CHANGES;" >out 2>err
grep -qF "$left" err || fail "Ctrl-C: $(cat err)"

# An output that cannot be written is a failure, a reader that has gone is none.
full="cannot write the output: No space left on device"
for command in "sql -e 'SELECT v FROM hd;'" "sql -e 'SELECT v FROM hd EMIT CHANGES;'" "consume hd -e" "topic list" "--help" \
    "--version" "sql --mode box -e 'SHOW TOPICS;'" "sql --mode csv -e 'SHOW TOPICS;'"; do
    eval "timeout 20 \"$WEIR\" $command" >/dev/full 2>err; code=$?; said 1 "$full"
done
"$WEIR" consume hd -e 2>err | :
[ ! -s err ] || fail "a closed pipe: $(cat err)"

# Values.
w produce hd --acks 5;             said 3 '--acks takes 0, 1 or all, not "5"'
w produce hd -z brotli;            said 3 '--compression takes none, gzip, snappy, lz4 or zstd, not "brotli"'
w produce hd -H x;                 said 3 '--header takes KEY=VALUE, not "x"'
w produce hd --timestamp soon;     said 3 '--timestamp takes ms since 1970, from 0 on, not "soon"'
w sql --mode pretty -e "";         said 3 '--mode takes box, ndjson, csv, json, markdown or vertical, not "pretty"'
w sql --rows -1 -e "";             said 3 '--rows takes a number of rows from 0 on, not "-1"'
w sql --for ever -e "";            said 3 '--for takes seconds, such as 10 or 0.5, not "ever"'
w sql --set x -e "";               said 3 '--set takes NAME=VALUE, not "x"'
w consume hd -f '%z';              said 3 '--format takes '
w consume hd -f 'a%%%s\n' -e;      quiet 0
w job errors -n 0;                 said 3 '-n takes a number from 1 on, not "0"'
w consume hd -o 99 -p 0 -e;        said 0 "partition 0 ends at 3"
w consume hd -o 3 -p 0 -e;         quiet 0

# Bytes that are no UTF-8, with their place.
printf 'SHOW TOPICS;\nSELECT \xff FROM em;' >latin.sql
w sql -f latin.sql;                said 1 "the statement is not UTF-8: byte 0xff at line 2, column 8"
kill -TERM "$server"
wait "$server"
