#!/bin/sh
# tidy finds each kind of breach that it is there for, and nothing in a tree that has none.
set -eu
tidy=$BUILD/tidy
mkdir -p tree/log/base tree/log/wire tree/log/store tree/log/net tree/engine/vec tree/sql/parse tree/udf
cd tree

expect() { # expect WORDS: the tree as it stands has exactly one finding, which says them
    found=$("$tidy" . || true)
    if [ "$(printf '%s\n' "$found" | grep -c .)" -ne 1 ] || ! printf '%s' "$found" | grep -q "$1"; then
        echo "expected one finding with \"$1\", got:" && echo "$found" && exit 1
    fi
}
with() { # with FILE LINE WORDS
    printf '%s\n' "$2" >"$1"
    expect "$3"
    rm "$1"
}

cat >log/store/good.c <<'END'
#include "log/base/base.h"
#include "log/wire/wire.h"
#include "log/store/private.h"
/* open("x") and time(NULL) in a comment, "rand()" in a text */
static const char *text = "time(0) // \" open(";
int good_open(void) { return cls->open(text) + it.time(0) + reopen(1); }
END
"$tidy" . || { echo "a good tree has findings"; exit 1; }

with log/wire/up.c '#include "log/store/store.h"' 'runs up'
with log/net/beside.c '#include "log/store/store.h"' 'runs up'
with log/store/back.c '#include "log/wire/private.h"' 'private'
with sql/parse/more.c '#include "log/wire/wire.h"' 'runs up'
with udf/more.c '#include "log/wire/wire.h"' 'runs up'
with log/store/lib.c '#include <sqlite3.h>' 'home'
with engine/vec/clock.c 'void f(void) { g(time(NULL)); }' 'clock.c'
with engine/vec/dice.c 'void f(void) { int x = rand(); }' 'random.c'
with log/store/file.c 'void f(void) { open("x", 0); }' 'disk.c'
with log/store/name.c 'static int index(int x)' 'libc'
with log/store/string.h '' 'named like'
with log/store/mark.c "/* TO""DO: later */" 'unfinished'
echo ok
