/* What was measured, as a table for people or as one JSON object for machines. Private to sql/bench. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H
#include "log/base/buf.h"
#include "sql/bench/samples.h"

struct figure {
    char name[64];
    const char *unit;    /* literal */
    double target;       /* 0: none */
    bool at_most;        /* the target is an upper bound */
    unsigned busy;       /* runs that other load on the machine disturbed */
    struct samples samples;
};
struct report {
    struct figure *figures;
    unsigned n, cap;
    char machine[256];
};
void report_fini(struct report *r);
/* Adds one run's value to the figure of this name, which is made at the first. The figure is borrowed until the
 * next. */
struct figure *report_add(struct report *r, const char *name, const char *unit, double value);
void report_target(struct figure *f, double target, bool at_most);
bool figure_met(struct figure *f); /* the median keeps the target; true without one */
void report_text(struct report *r, struct wbuf *out);
void report_json(struct report *r, struct wbuf *out);

#endif
