#!/bin/bash
# Weir in twenty seconds: builds it if need be, starts a node in a scratch folder, feeds it flights, and shows a windowed
# GROUP BY and a JOIN change while the flights come in. Ends by itself and leaves nothing behind but the build.
set -u
root=$(cd "$(dirname "$0")/.." && pwd) && cd "$root" || exit 1
weir=$root/build/weir

if [ ! -x "$weir" ]; then
    . examples/setup.sh
    weir_packages build || exit 1
    echo "Building build/weir; this takes a minute."
    log=$(mktemp)
    { cmake -B build -G Ninja && cmake --build build; } >"$log" 2>&1 || {
        tail -40 "$log"
        echo "The build failed; all of it is in $log" >&2
        exit 1
    }
    rm -f "$log"
fi

scratch=$(mktemp -d) || exit 1
node= feeder=
finish() {
    trap - EXIT INT TERM
    rm -f "$scratch/feeding"
    [ -n "$feeder" ] && wait "$feeder" 2>/dev/null
    exec 3>&- # the node's shell reads its end, stops the jobs and leaves
    [ -n "$node" ] && wait "$node" 2>/dev/null
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM
sql() { "$weir" sql --data "$scratch/data" "$@" 3>&-; }

# A shell brings its own node; the ones below join it over the socket in its data folder. It is in a session of its own: a
# Ctrl-C is for the queries, the node ends after them, in finish.
mkfifo "$scratch/node"
setsid "$weir" sql --data "$scratch/data" --quiet <"$scratch/node" >/dev/null 2>"$scratch/errors" &
node=$!
exec 3>"$scratch/node"
for _ in $(seq 100); do
    [ -S "$scratch/data/weir.sock" ] && break
    kill -0 "$node" 2>/dev/null || { cat "$scratch/errors" >&2; exit 1; }
    sleep 0.02
done

cat >"$scratch/setup.sql" <<'SQL'
CREATE STREAM flights (origin VARCHAR KEY, carrier VARCHAR, delay INT) WITH (TOPIC='flights', PARTITIONS=4);
CREATE TABLE airports (iata VARCHAR PRIMARY KEY, city VARCHAR) WITH (TOPIC='airports', PARTITIONS=1);
INSERT INTO airports VALUES ('ORD', 'Chicago'), ('MDW', 'Chicago'), ('JFK', 'New York'), ('SFO', 'San Francisco');
CREATE TABLE by_city AS SELECT a.city AS city, COUNT(*) AS flights, ROUND(AVG(f.delay), 1) AS delay, MAX(f.delay) AS worst
  FROM flights f JOIN airports a ON f.origin = a.iata GROUP BY a.city;
SQL
sql --quiet -f "$scratch/setup.sql" || exit 1

# Events from a Kafka client: any would do; this one is weir's own.
feed() {
    RANDOM=7
    local airports=(ORD ORD ORD MDW JFK JFK SFO) carriers=(AA DL UA)
    while [ -e "$scratch/feeding" ]; do
        for _ in 1 2 3 4 5; do
            printf '%s\t{"carrier":"%s","delay":%d}\n' "${airports[RANDOM % 7]}" "${carriers[RANDOM % 3]}" \
                $((RANDOM % 60 - 10))
        done
        sleep 0.1
    done | "$weir" produce flights -K $'\t' --quiet --server "$scratch/data/weir.sock"
}
touch "$scratch/feeding"
feed 3>&- &
feeder=$!

echo
echo "Flights of each airport in windows of two seconds, as they come in:"
sql --echo --for 6 -e "SELECT origin,
       FORMAT_TIMESTAMP(FROM_UNIXTIME(WINDOWSTART), 'HH:mm:ss') AS since,
       COUNT(*) AS flights, ROUND(AVG(delay), 1) AS delay
  FROM flights WINDOW TUMBLING (SIZE 2 SECONDS) GROUP BY origin EMIT CHANGES;" || exit 1
echo
echo "The same flights joined with airports, in a table that a job keeps:"
sql --echo --for 5 -e "SELECT * FROM by_city EMIT CHANGES;" || exit 1
echo
echo "And what it holds now:"
sql --echo -e "SELECT * FROM by_city WHERE flights > 10 ORDER BY delay DESC;" -e "SHOW JOBS;" || exit 1

cat <<TEXT

That was build/weir. Next:
  build/weir sql                 a prompt with a node in ./weir-data; \\? helps
  build/weir server --data DIR   a server for Kafka clients and SQL, port 9092
  examples/01_first_query        and the folders after it: windows, joins, jobs
TEXT
