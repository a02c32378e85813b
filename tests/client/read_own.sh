#!/bin/bash
# Who waits for a job sees its rows: a query that ends waits for the markers of what was committed before it began, however slow
# the disk is; a transaction that a client leaves open does not hold it for long.
set -u
cat >slow.c <<'C'
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
int fdatasync(int fd)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    usleep((useconds_t)rand() % 90000);
    return real(fd);
}
C
cc -shared -fPIC -o slow.so slow.c -ldl || exit 1
cat >jobs.sql <<'SQL'
CREATE STREAM orders (customer VARCHAR KEY, amount INT) WITH (TOPIC='orders', PARTITIONS=1);
CREATE STREAM big AS SELECT customer, amount FROM orders WHERE amount >= 10;
INSERT INTO orders (customer, amount) VALUES ('ann', 5), ('bob', 20), ('ann', 7);
\wait
SELECT * FROM big;
SQL
for i in 1 2 3 4 5 6 7 8; do
    rm -rf data
    ASAN_OPTIONS=${ASAN_OPTIONS-}:verify_asan_link_order=0 LD_PRELOAD=$PWD/slow.so "$WEIR" sql --data data --quiet -f jobs.sql >rows 2>err || { cat err; exit 1; }
    [ "$(cat rows)" = '{"customer":"bob","amount":20}' ] || { echo "round $i: $(cat rows err)"; exit 1; }
done
