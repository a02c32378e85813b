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
