/* One file each: what can be measured. Private to sql/bench. Every one starts what it needs, adds its figures to the report
 * and leaves nothing behind but the scratch folder, which its caller removes. */
#ifndef BENCH_KINDS_H
#define BENCH_KINDS_H
#include "sql/bench/bench.h"
#include "sql/bench/report.h"

struct bench {
    const struct bench_conf *bc;
    struct report *report;
    const char *scratch; /* a folder of this kind's own */
    const char *part;    /* only this part of the kind: NAME/PART; NULL: all */
    struct diag *diag;
};
#define BENCH_KINDS(X) /* name, is it among `all`, doc */                                    \
    X(calibrate, true, "this machine: memory copy, CRC32C, appends to files, write and fdatasync") \
    X(start, true, "process start to the first durable record; memory when idle")                  \
    X(produce, true, "records in through a socket, 100 bytes and 1 KiB")                           \
    X(fetch, true, "records out through a socket, 100 bytes and 1 KiB")                            \
    X(query, true, "continuous queries over preloaded JSON: a filter, a windowed count")           \
    X(latency, true, "from the acknowledgement of a record to its row in a push query") \
    X(nexmark, false, "Nexmark's queries, q0 to q23 but q12, or one as nexmark/q5: JSON topic to JSON topic, exactly once")
#define X(name, all, doc) int bench_##name(struct bench *b);
BENCH_KINDS(X)
#undef X

#endif
