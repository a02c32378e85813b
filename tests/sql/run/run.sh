#!/bin/bash
# Golden tests of SQL as users run it: each FEATURE/NAME.sql goes through `weir sql -f` on a fresh embedded node, and what
# comes out, errors included, must equal NAME.out.
#
#     run.sh FEATURE...        WEIR: the program, ROOT: the sources, TMPDIR: scratch
#     BLESS=1 run.sh FEATURE   writes the .out files instead; then read the difference
#
# \wait in a file waits until the jobs have caught up. Push queries end when caught up. Rows of several partitions come in
# any order: files use one partition, or ORDER BY, or say `-- sorted` in their first line: then lines are compared sorted.
set -u
here=$ROOT/tests/sql/run
scratch=$(mktemp -d "${TMPDIR:-/tmp}/golden.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
failed=0 ran=0
for feature in "$@"; do
    for file in "$here/$feature"/*.sql; do
        name=$feature/$(basename "$file" .sql)
        ran=$((ran + 1))
        rm -rf "$scratch/data"
        if grep -q '\${lib}' "$file" && [ ! -e "$scratch/libdelay.so" ]; then
            cc -O2 -shared -fPIC -I "$BUILD/include" -o "$scratch/libdelay.so" "$ROOT/examples/05_udf/delay.c" || exit 1
        fi
        if grep -q '\${picky}' "$file" && [ ! -e "$scratch/libpicky.so" ]; then
            cc -O2 -shared -fPIC -I "$BUILD/include" -o "$scratch/libpicky.so" "$here/picky.c" || exit 1
        fi
        (cd "$scratch" && timeout 60 "$WEIR" sql --data data --echo --keep-going --until-caught-up \
            --define "lib=$scratch/libdelay.so" --define "picky=$scratch/libpicky.so" -f "$file") </dev/null >"$scratch/raw" 2>&1
        code=$?
        { sed -E -e "s|$scratch|SCRATCH|g" -e 's/"time":"[^"]*"/"time":"NOW"/; s/\([0-9.e+]+ a second\)/(RATE)/; s/busy [0-9.]+ ms/busy T ms/' \
            -e '/^ts=/d; s/^rowtime: 1[0-9]{12}/rowtime: NOW/; s/(errors.timestamp",")1[0-9]{12}/\1NOW/' \
            "$scratch/raw"; echo "exit code $code"; } >"$scratch/out"
        head -1 "$file" | grep -q -- '-- sorted' && sort -o "$scratch/out" "$scratch/out"
        if [ -n "${BLESS-}" ]; then
            cp "$scratch/out" "${file%.sql}.out"
        elif ! diff -u "${file%.sql}.out" "$scratch/out"; then
            echo "FAILED: $name (BLESS=1 writes what came)"
            failed=$((failed + 1))
        fi
    done
done
echo "$ran files, $failed failed"
[ "$failed" = 0 ] && [ "$ran" -gt 0 ]
