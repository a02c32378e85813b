/* One timed run of a benchmark, and the loop around the runs of a figure. Private to sql/bench.
 *
 *     for (struct laps l = laps_of(bc, pid); laps_next(&l);) {
 *         lap_start(&l); ...work... lap_stop(&l);
 *         if (laps_keep(&l)) report_add(...);
 *     }
 *
 * A run begins when the machine is quiet. One that others disturbed is done again, at most as often as there are runs;
 * after that it counts, and the report says so. */
#ifndef BENCH_LAP_H
#define BENCH_LAP_H
#include "sql/bench/bench.h"
#include "sql/bench/machine.h"
#include "sql/bench/report.h"

struct laps {
    const struct bench_conf *bc;
    int pid; /* the server whose CPU time is taken; 0: this process's */
    unsigned kept, spare;
    bool disturbed; /* the last lap */
    double wall_s, cpu_s; /* of the last lap; cpu_s: of pid */
    int64_t from_us, cpu_us, self_us;
    struct cpu_ticks ticks;
    bool quiet;
};
struct laps laps_of(const struct bench_conf *bc, int pid);
bool laps_next(struct laps *l);
void lap_start(struct laps *l);
void lap_stop(struct laps *l);
bool laps_keep(struct laps *l);
/* report_add, with the mark of a disturbed run. */
struct figure *laps_add(const struct laps *l, struct report *r, const char *name, const char *unit, double value);

#endif
