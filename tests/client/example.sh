#!/bin/bash
# An example prints what its expected.txt says. BLESS=1 writes that file.
set -u
example=$ROOT/examples/$1
"$example/run.sh" >out 2>&1 || { cat out; echo "$1: exit code $?"; exit 1; }
[ -n "${BLESS-}" ] && cp out "$example/expected.txt"
diff -u "$example/expected.txt" out
