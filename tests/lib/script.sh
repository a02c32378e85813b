#!/bin/bash
# script.sh PATH [ARGUMENT ...]: runs one shell-script test in a scratch folder of its own (TMPDIR, also the current folder), as a
# process group of its own, and afterwards ends whatever of that group still runs. ctest gives WEIR, ROOT, BUILD and NODE_PATH.
set -u
scratch=$(mktemp -d "${TMPDIR:-/tmp}/weir-script.XXXXXX") || exit 1
export TMPDIR=$scratch
cd "$scratch" || exit 1
set -m
PYTHONDONTWRITEBYTECODE=1 "$@" </dev/null &
group=$!
set +m
finish() {
    kill -TERM -- "-$group" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        kill -0 -- "-$group" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL -- "-$group" 2>/dev/null
    rm -rf "$scratch"
}
trap 'finish; exit 143' TERM INT HUP
wait "$group"
status=$?
finish
exit "$status"
