#!/bin/bash
# Why a table is empty is still said after a restart, when the counters of its job begin anew: by what is durable, the end of
# its topic of dead letters, its places in the input and event time.
set -u
says() { # the answer to statement $1 has no row, and the notice has the words $2
    "$WEIR" sql --data data -e "$1" >rows 2>notice || { echo "$1 failed: $(cat notice)"; exit 1; }
    [ -s rows ] && { echo "$1 has rows: $(cat rows)"; exit 1; }
    grep -qF "$2" notice || { echo "$1: \"$(cat notice)\" is not about \"$2\""; exit 1; }
}
cat >setup.sql <<'SQL'
CREATE STREAM raw (line VARCHAR) WITH (TOPIC='clicks', PARTITIONS=1, VALUE_FORMAT='KAFKA');
INSERT INTO raw VALUES ('hello'), ('world');
CREATE STREAM clicks (page VARCHAR, ms INT) WITH (TOPIC='clicks');
CREATE TABLE cnt AS SELECT page, COUNT(*) AS n FROM clicks GROUP BY page;
CREATE STREAM o (k VARCHAR KEY, v INT) WITH (TOPIC='o', PARTITIONS=1);
CREATE TABLE w AS SELECT k, COUNT(*) AS n FROM o WINDOW TUMBLING (SIZE 1 HOUR) GROUP BY k EMIT FINAL;
INSERT INTO o (ROWTIME, k, v) VALUES (1000, 'a', 1), (2000, 'b', 2);
\wait
SQL
"$WEIR" sql --data data -f setup.sql >/dev/null 2>err || { cat err; exit 1; }
says "SELECT * FROM cnt" "bad records from before it was last started are in topic cnt_dlq"
says "SELECT * FROM cnt" "PRINT cnt_dlq FROM BEGINNING"
says "SELECT * FROM w" "event time stands at 1970-01-01T00:00:02.000"
"$WEIR" sql --data data --until-caught-up -e "\\wait" -e "SELECT * FROM cnt EMIT CHANGES" >rows 2>notice
grep -qF "cnt_dlq" notice || { echo "the push query: $(cat notice)"; exit 1; }
