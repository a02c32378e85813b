#!/bin/bash
# The prompt on a real terminal (tmux): editing of several lines, history over sessions, search, completion, paste, Ctrl-C,
# colours, the live table with its keys, its last frame in the scrollback, a narrower window, NO_COLOR and TERM=dumb.
set -u
export HOME=$PWD LC_ALL=C.UTF-8
unset WEIR_SERVER WEIR_HISTORY NO_COLOR
export ASAN_OPTIONS=detect_leaks=0 # libedit never frees the names of added functions (el_set, EL_ADDFN)
session=0
mux() { tmux -S "$PWD/mux$session" -f /dev/null "$@"; }
trap 'mux kill-server 2>/dev/null' EXIT
screen() { mux capture-pane -p -J "$@" 2>/dev/null; }
fail() { echo "FAILED: $1"; echo "--- the screen"; screen; exit 1; }
# until the screen shows $1 (a pattern)
shows() {
    for _ in $(seq 250); do
        screen | grep -qE -- "$1" && return 0
        sleep 0.02
    done
    fail "nothing like '$1' on the screen: ${2-}"
}
hides() {
    for _ in $(seq 250); do
        screen | grep -qE -- "$1" || return 0
        sleep 0.02
    done
    fail "'$1' stayed on the screen: ${2-}"
}
type_text() { mux send-keys -l -- "${1//;/\\;}"; }
key() { mux send-keys "$@"; sleep 0.05; }
open() { # [ENVIRONMENT...]
    mux kill-server 2>/dev/null
    session=$((session + 1))
    mux new-session -d -x 80 -y 30 "env $* $WEIR sql --data data 2>&1; echo exit code \$?; exec sleep 1000"
    shows 'weir> ?$' 'prompt'
}

open TERM=xterm-256color
# ---- statements of several lines are edited as one
type_text "CREATE STREAM orders (who VARCHAR KEY,"; key Enter
type_text "amount INT) WITH (TOPIC='orders', PARTITIONS=1)"; key Enter
type_text ";"
key Up; key Up; key End; type_text " item VARCHAR,"; key Down; key Down; key End; key Enter
shows 'stream "orders" created' 'Up, End and Down inside a statement'
type_text "INSERT INTO orders VALUES ('ann', '東京', 1), ('bob', 'x', 2);"; key Enter
shows '2 rows inserted'
type_text "SELECT * FROM orders;"; key Enter
shows '│ ann +│ 東京 +│ +1 │' 'wide characters in a box'
shows '^2 rows'

# ---- completion of keywords, relations, columns
type_text "sele"; key Tab; shows 'weir> select $' 'a keyword keeps its case'
type_text "amo"; key Tab; shows 'select amount $' 'a column'
type_text "FROM ord"; key Tab; shows 'FROM order' 'a relation'
type_text " EMIT CHA"; key Tab; shows 'EMIT CHANGE$' 'what keywords and names share keeps its capitals'
type_text "S"; key Tab; shows 'EMIT CHANGES $' 'and then the rest'; key C-c
shows '\^C'
mux send-keys -R; mux clear-history; key C-l
# ---- history and its search
key Up; shows 'weir> SELECT \* FROM orders;$' 'Up brings the last statement'
key Up; key Up; shows '^amount INT\) WITH' 'statements of several lines come back whole'
key C-c
key C-r; type_text "INSERT"; shows "INSERT INTO orders VALUES" 'Ctrl-R'; key C-c; key C-c

# ---- a paste runs nothing by itself, its lines stay
printf 'SELECT who,\n  amount\nFROM orders;\n' | mux load-buffer -
mux paste-buffer -p; shows '^FROM orders;' 'bracketed paste'
screen | grep -q '│ who' && fail "a paste was run"
key Enter; shows '│ who +│ amount │' 'the pasted statement'

# ---- colours
type_text "SELECT 'a' -- b"; sleep 0.1
screen -e | grep -q $'\033\\[[0-9;]*34m.*SELECT' || fail "a keyword without colour"
screen -e | grep -q $'\033\\[32m'"[^a]*'a'" || fail "a string without colour"
key C-c
# ---- errors
type_text "SELECT amont FROM orders;"; key Enter
shows 'did you mean "amount"' 'error with hint'
shows '\^\^\^\^\^' 'caret'

# ---- the live table
key C-l
type_text "SELECT who, SUM(amount) AS total FROM orders GROUP BY who EMIT CHANGES;"; key Enter
shows '▶ live' 'status line'
shows '│ ann +│ +1 │'
"$WEIR" sql --data data --quiet -e "INSERT INTO orders VALUES ('ann', 'y', 10), ('cy', 'z', 100);" || fail "joining the node"
shows '│ ann +│ +11 │' 'a row changes in place'
shows '│ cy +│ +100 │' 'a new row'
[ "$(screen | grep -c '│ ann')" = 1 ] || fail "a row is there twice"
key p; shows '‖ paused' 'p pauses'; key p; shows '▶ live'
key s; key s; sleep 0.2
[ "$(screen | grep -E '│ (ann|bob|cy)' | head -1 | awk '{print $2}')" = cy ] || fail "s sorts by a column, largest first"
key /; type_text "ann"; hides '│ cy' '/ filters'; key Enter; key Escape; shows '│ cy' 'Escape ends the filter'
key c; "$WEIR" sql --data data --quiet -e "INSERT INTO orders VALUES ('bob', 'y', 5);"
shows '^- │ bob +│ +2 │' 'c tells changes'; shows '^\+ │ bob +│ +7 │'
key c; shows '│ bob +│ +7 │'
mux resize-window -x 50 -y 30; sleep 0.4
[ "$(screen | grep -c '▶ live')" = 1 ] || fail "a narrower window leaves old frames"
mux resize-window -x 80 -y 30; sleep 0.3
key e; shows 'READ stream orders from topic' 'e explains'; shows '│ cy' 'the rows stay beside the plan'; key e
hides 'READ stream orders from topic' 'e again takes the plan away'
key q; shows 'rows at the end in' 'q ends with a summary'
hides '▶ live' 'the status line goes'
shows '│ cy +│ +100 │' 'the last frame stays'
type_text "SELECT * FROM orders EMIT CHANGES;"; key Enter; shows '▶ live'
key C-c; shows '[0-9]+ rows in' 'Ctrl-C ends the query'
# ---- why nothing comes
type_text "SELECT * FROM orders WHERE amount > 1000 EMIT CHANGES;"; key Enter
shows 'WHERE let none of 5 rows pass' 'why nothing comes'; key q
type_text '\q'; key Enter; shows 'exit code 0' 'leaving'

# ---- the next session knows the history; Ctrl-D leaves
open TERM=xterm-256color NO_COLOR=1
key Up; key Up; shows 'weir> SELECT \* FROM orders WHERE amount > 1000' 'history over sessions'; key C-c
type_text "SELECT who FROM orders LIMIT 1;"; key Enter; shows '│ ann │'
screen -e | grep -q $'\033\\[[0-9;]*3[0-9]m' && fail "colour in spite of NO_COLOR"
key C-d; shows 'exit code 0' 'Ctrl-D'

open TERM=dumb
type_text "SELECT who FROM orders LIMIT 1;"; key Enter
shows '"who":"ann"' 'a dumb terminal gets lines'
type_text "exit"; key Enter; shows 'exit code 0' 'exit'
echo ok
