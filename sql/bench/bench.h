/* Measuring a weir on the machine it stands on: what `weir bench` prints.
 *
 * Every figure is taken apart from the load that makes it: the server is a process of its own, started on a scratch folder,
 * and its CPU time is read from its own clock. A run begins when the rest of the machine is quiet, and the machine's own
 * speed (the calibration block) is printed beside. sql/bench/README.md says what each figure means.
 * Thread: one; blocks. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H
#include "log/base/err.h"
#include "sql/bench/nexmark.h" /* events, for `weir datagen` too */

struct bench_conf {
    const char *program; /* the weir to start as server */
    const char *folder;  /* scratch folders are made here and removed again */
    unsigned runs;       /* of each figure */
    unsigned percent;    /* of the full volume: less is quicker and less exact */
    bool json;
    bool keep_busy;      /* do not wait for a quiet machine */
};
struct bench_kind {
    const char *name;
    bool in_all; /* takes part when nothing is named */
    const char *doc;
};
/* What can be measured. */
const struct bench_kind *bench_kinds(unsigned *n);
/* Measures the kinds named, or a part of one, NAME/PART (all kinds that are `in_all` if n is 0) and prints to standard output. 0, or the first error with its sentence
 * in d; what had been measured before is printed anyway. E_NOT_FOUND: no such kind. */
int bench_run(const struct bench_conf *bc, const char *const *names, unsigned n, struct diag *d) MUST_USE;

#endif
