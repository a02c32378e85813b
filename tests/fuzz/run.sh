#!/bin/bash
# Builds the fuzzers (clang, address and undefined sanitizers) and gives each its time. What they learn stays in
# $BUILD/fuzz/corpus, so that every run goes on from the last.
#
#     FUZZ_SECONDS=600 FUZZ=fuzz_wire tests/fuzz/run.sh       ten minutes of one
#
# A finding is left in $BUILD/fuzz/found; the fuzzer with that file as its argument repeats it.
set -u
root=${ROOT:-$(cd "$(dirname "$0")/../.." && pwd)}
build=${BUILD:-$root/build}/fuzz
launcher=
command -v ccache >/dev/null 2>&1 && launcher=-DCMAKE_C_COMPILER_LAUNCHER=ccache
cmake -S "$root" -B "$build" -G Ninja -DCMAKE_C_COMPILER=clang $launcher -DFUZZ=ON -DSANITIZE=address,undefined \
    >/dev/null && cmake --build "$build" --target fuzzers || exit 1

# What every fuzzer begins with, besides what it has learnt: fuzz_sql the statements of the golden tests, and the words.
seeds() {
    mkdir -p "$build/seeds/$1"
    [ "$1" = fuzz_sql ] || return
    cat "$root"/tests/fuzz/seeds/*.sql "$root"/tests/sql/*/*.sql "$root"/tests/sql/run/*/*.sql |
        awk -v dir="$build/seeds/$1" 'BEGIN {RS = ";\n"} length($0) < 4000 {f = dir "/" NR; printf "%s;", $0 >f; close(f)}'
    sed -nE 's/^[WR]\((\w+)\)/"\1"/p' "$root/sql/parse/keyword.def" >"$build/seeds/$1.dict"
    sed -nE 's/^[A-Z_]+\("?([A-Z_]+)"?,.*/"\1"/p' "$root/engine/expr/func.def" "$root/engine/expr/agg.def" | sort -u >>"$build/seeds/$1.dict"
    echo "-dict=$build/seeds/$1.dict"
}

status=0
for program in "$build"/${FUZZ:-fuzz_*}; do
    [ -x "$program" ] && [ -f "$program" ] || continue
    name=$(basename "$program")
    mkdir -p "$build/corpus/$name" "$build/found"
    echo "== $name"
    if ! "$program" -max_total_time="${FUZZ_SECONDS:-60}" -timeout=20 -rss_limit_mb=2048 -max_len=4096 \
        -artifact_prefix="$build/found/$name-" $(seeds "$name") "$build/corpus/$name" "$build/seeds/$name" >"$build/$name.log" 2>&1; then
        tail -40 "$build/$name.log"
        echo "To repeat: $program FILE, with the file named above."
        status=1
    else
        tail -1 "$build/$name.log"
    fi
done
exit $status
