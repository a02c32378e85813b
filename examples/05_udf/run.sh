#!/bin/bash
. "$(dirname "$0")/../common.sh"
cc -O2 -shared -fPIC -I "$BUILD/include" -o libdelay.so "$here/delay.c"
"$WEIR" sql --data data --mode box --define lib="$scratch/libdelay.so" -f "$here/query.sql"
