#include "sql/bench/lap.h"
#include "log/base/clock.h"
#include <stdio.h>

enum {
    QUIET_MS = 20000, /* how long a run waits for a quiet machine */
    TICKS_MIN = 40,   /* of a run, all processors together, below which its share of ticks says nothing */
};

struct laps laps_of(const struct bench_conf *bc, int pid)
{
    return (struct laps){.bc = bc, .pid = pid, .spare = bc->keep_busy ? 0 : bc->runs};
}

bool laps_next(struct laps *l)
{
    if (l->kept == l->bc->runs)
        return false;
    /* A machine that was not quiet once will not be for the next run either: then do not wait as long again. */
    l->quiet = l->bc->keep_busy || machine_wait_quiet(l->spare ? QUIET_MS : 0);
    if (!l->quiet && l->spare)
        l->spare = 0;
    return true;
}

void lap_start(struct laps *l)
{
    cpu_ticks_read(&l->ticks);
    l->self_us = clock_cpu_us();
    l->cpu_us = l->pid ? clock_cpu_of_us(l->pid) : l->self_us;
    l->from_us = clock_mono_us();
}

void lap_stop(struct laps *l)
{
    struct cpu_ticks now = l->ticks;
    int64_t to_us = clock_mono_us(), self = clock_cpu_us() - l->self_us;
    int64_t cpu = l->pid ? clock_cpu_of_us(l->pid) - l->cpu_us : self;
    l->wall_s = (double)(to_us - l->from_us) / 1e6;
    l->cpu_s = (double)cpu / 1e6;
    cpu_ticks_read(&now);
    bool told = now.total - l->ticks.total >= TICKS_MIN;
    l->disturbed = !l->quiet || (told && cpu_others(l->ticks, now, self + (l->pid ? cpu : 0)) > BENCH_QUIET);
}

bool laps_keep(struct laps *l)
{
    if (l->disturbed && l->spare) {
        l->spare--;
        return false;
    }
    l->kept++;
    return true;
}

struct figure *laps_add(const struct laps *l, struct report *r, const char *name, const char *unit, double value)
{
    struct figure *f = report_add(r, name, unit, value);
    f->busy += l->disturbed;
    return f;
}
