#!/bin/bash
. "$(dirname "$0")/../common.sh"

start_server

"$WEIR" deploy "$here/setup.sql"
"$WEIR" datagen nexmark-side | "$WEIR" produce side --json --quiet
"$WEIR" datagen nexmark --events 20000 --per-second 400 | "$WEIR" produce nexmark --json --quiet
# One last record in each partition, an hour later: all windows close.
for p in 0 1 2 3; do
    echo "{\"timestamp\": 1436922050000, \"partition\": $p, \"value\": {\"event_type\": 3}}"
done | "$WEIR" produce nexmark --json --quiet
queries='0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23'
for q in $queries; do
    "$WEIR" deploy "$here/q$q.sql"
done
"$WEIR" job wait
echo "# highest bids of every ten seconds"
"$WEIR" sql --mode csv -e "SELECT auction, bidder, price, dateTime FROM q7 ORDER BY dateTime, price;"
echo "# winning bids, on the average of each category"
"$WEIR" sql --mode csv -e "SELECT category, ROUND(average) FROM q4 ORDER BY category;"
echo "# people who came and sold at once"
"$WEIR" sql --mode csv -e "SELECT COUNT(*), MIN(id), MAX(id) FROM q8;"
echo "# bids in windows by the clock: which ones depends on it, not how many bids"
"$WEIR" sql --mode csv -e "SELECT SUM(bids) AS bids, COUNT(DISTINCT bidder) AS bidders FROM q12;"
echo "# rows of each query"
for q in $queries; do
    [ "$q" = 12 ] && continue
    printf 'q%s ' "$q"
    "$WEIR" sql --mode csv -e "SELECT COUNT(*) AS n FROM q$q;" | tail -1
done
