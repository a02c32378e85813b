#!/bin/bash
. "$(dirname "$0")/../common.sh"

start() {
    : >ready # not the line of the server before
    "$WEIR" server --data data --listen "${WEIR_SERVER:-127.0.0.1:0}" >ready 2>trace &
    server=$!
    until grep -q '^weir ready' ready; do
        kill -0 "$server" || { cat trace; exit 1; }
        sleep 0.02
    done
    WEIR_SERVER=$(sed -n 's/^weir ready listen=\([^ ]*\) .*/\1/p' ready)
    export WEIR_SERVER
}
jobs() { "$WEIR" job list --mode csv | sed -n 's/^\([a-z]*,[a-z]*,[0-9a-z]*\),.*/  \1/p'; }

start
echo "# deployed"
"$WEIR" deploy "$here/jobs.sql" --define large=10
echo "# deployed again: nothing to do"
"$WEIR" deploy "$here/jobs.sql" --define large=10
echo "# what another definition would do"
"$WEIR" deploy "$here/jobs.sql" --define large=99 --plan

printf 'ann\t{"amount":5}\nbob\t{"amount":20}\n' | "$WEIR" produce orders -K $'\t' --quiet
"$WEIR" job wait
echo "# paused"
"$WEIR" job pause large --mode box
jobs
{ kill -KILL "$server" && wait "$server"; } 2>/dev/null || true

echo "# after kill -9 and a new start"
start
"$WEIR" job resume large --mode box
printf 'ann\t{"amount":70}\n' | "$WEIR" produce orders -K $'\t' --quiet
"$WEIR" job wait
jobs
"$WEIR" sql --mode csv -e "SELECT * FROM totals ORDER BY customer; SELECT * FROM large ORDER BY amount;"
