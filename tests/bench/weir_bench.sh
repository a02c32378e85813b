#!/bin/sh
# weir bench measures every kind, and what it prints for machines is JSON with all figures and no nonsense in them.
set -eu
export WEIR_LOG_SEGMENT_BYTES=1073741824 # its batches would not fit a segment of a tiny build
"$WEIR" bench all --data "$PWD" --runs 1 --percent 2 --now --json > out.json
python3 - <<'P'
import json
figures = json.load(open('out.json'))['figures']
names = ' '.join(f['name'] for f in figures)
for kind in ('calibration: CRC32C', 'start to first', 'produce 1024 B', 'fetch 100 B', 'bare loop', 'windowed count', 'push row, p99'):
    assert kind in names, kind
assert all(f['median'] >= 0 and f['min'] <= f['median'] <= f['max'] for f in figures), figures
P
test "$(ls)" = out.json # scratch folders are gone
"$WEIR" bench nonsense 2> err && exit 1 || test $? -eq 3
