#!/bin/bash
. "$(dirname "$0")/../common.sh"

jobs() { "$WEIR" job list --mode csv | sed -n 's/^\([a-z]*,[a-z]*,[0-9a-z]*\),.*/  \1/p'; }

start_server
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
start_server
"$WEIR" job resume large --mode box
printf 'ann\t{"amount":70}\n' | "$WEIR" produce orders -K $'\t' --quiet
"$WEIR" job wait
jobs
"$WEIR" sql --mode csv -e "SELECT * FROM totals ORDER BY customer; SELECT * FROM large ORDER BY amount;"
