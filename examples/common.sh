# Sourced by each example's run.sh: WEIR is the program, the current folder a scratch one that goes away at the end.
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
BUILD=${BUILD:-$root/build}
WEIR=${WEIR:-$BUILD/weir}
[ -x "$WEIR" ] || { echo "no $WEIR: cmake -B build -G Ninja && cmake --build build" >&2; exit 1; }
scratch=$(mktemp -d) || exit 1
server=
cleanup() {
    [ -n "$server" ] && kill "$server" 2>/dev/null && wait "$server" 2>/dev/null
    rm -rf "$scratch"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
cd "$scratch" || exit 1
set -e

# A server on ./data, on the same address each time; WEIR_SERVER says where.
start_server() {
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
