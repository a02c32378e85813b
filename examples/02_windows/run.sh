#!/bin/bash
. "$(dirname "$0")/../common.sh"
"$WEIR" sql --data data --mode box --echo -f "$here/query.sql"
