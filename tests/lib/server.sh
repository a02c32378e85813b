# For scripts that source it: a server on ./data that can be killed and started again, what it says in ./trace, and a query.
fail() { echo "FAILED: $*"; [ -e trace ] && tail -20 trace; exit 1; }
start() {
    : >ready
    "$WEIR" server --data data --listen 127.0.0.1:0 >ready 2>>trace &
    server=$!
    until grep -q ready ready; do kill -0 "$server" || fail "$(cat trace)"; sleep 0.02; done
    export WEIR_SERVER=$(sed -n 's/.*listen=\([^ ]*\).*/\1/p' ready)
}
crash() { { kill -KILL "$server" && wait "$server"; } 2>/dev/null; start; }
ask() { "$WEIR" sql --mode csv -e "$1"; }
