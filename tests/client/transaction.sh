#!/bin/bash
# weir transaction: transactional ids are listed and described; an open transaction that nobody ends can be aborted.
set -u
fail() { echo "FAILED: $*"; cat err; exit 1; }
: >ready
"$WEIR" server --data data --listen 127.0.0.1:0 >ready 2>err &
server=$!
until grep -q ready ready; do kill -0 "$server" || fail start; sleep 0.02; done
export WEIR_SERVER=$(sed -n 's/.*listen=\([^ ]*\).*/\1/p' ready)
[ "$("$WEIR" transaction list)" = 'id  state              producer' ] || fail "none: $("$WEIR" transaction list)"
"$WEIR" transaction describe nobody 2>said && fail "described nobody"
grep -q 'cannot describe nobody' said || fail "$(cat said)"
"$WEIR" transaction abort nobody 2>said && fail "aborted nobody"
"$WEIR" transaction 2>/dev/null; [ $? = 3 ] || fail usage
"$WEIR" transaction describe 2>/dev/null; [ $? = 3 ] || fail "describe of nothing"
"$WEIR" topic create t >/dev/null || fail create
python3 - "$WEIR_SERVER" <<'PY' || fail "begin"
import os, struct, sys, time
sys.path.insert(0, os.path.join(os.environ['ROOT'], 'tests', 'client'))
from eos import ask
name = lambda s: struct.pack('>h', len(s)) + s
while True:  # InitProducerId 1, AddPartitionsToTxn 1
    _, err, pid, epoch = struct.unpack('>ihqh', ask(sys.argv[1], 22, 1, False, name(b'left') + struct.pack('>i', 600000)))
    if err == 0:
        break
    assert err in (14, 15, 16), err
    time.sleep(0.05)
said = ask(sys.argv[1], 24, 1, False, name(b'left') + struct.pack('>qhi', pid, epoch, 1) + name(b't') + struct.pack('>ii', 1, 0))
assert said[-2:] == b'\0\0', said
PY
"$WEIR" transaction list | grep -Eq '^left  Ongoing +[0-9]+$' || fail "list: $("$WEIR" transaction list)"
"$WEIR" transaction describe left >said || fail describe
grep -q '^transaction left: Ongoing$' said && grep -q 'topic     t, partition 0' said && grep -q '600000 ms' said || fail "$(cat said)"
[ "$("$WEIR" transaction abort left)" = 'aborted left' ] || fail abort
"$WEIR" transaction describe left | grep -Eq '^transaction left: (CompleteAbort|Empty)$' || fail "after: $("$WEIR" transaction describe left)"
[ "$("$WEIR" transaction abort left)" = 'nothing open in left' ] || fail "abort again"
kill -TERM "$server"
wait "$server"
