#include "engine/run/proctime.h"

enum { TICK_MIN_MS = 100, TICK_MAX_MS = 60000, ZONE_MS = 900000 }; /* zones: local time is so many quarters of an hour off */

void proctime_init(struct proctime *p)
{
    atomic_init(&p->now_ms, INT64_MIN);
    atomic_init(&p->rows_ms, INT64_MIN);
}

/* To ms, or what is there if that is more; gives it. */
static int64_t raise_to(_Atomic int64_t *to, int64_t ms)
{
    int64_t have = atomic_load(to);
    while (have < ms && !atomic_compare_exchange_weak(to, &have, ms))
        ;
    return MAX(have, ms);
}

void proctime_restore(struct proctime *p, int64_t ms)
{
    raise_to(&p->now_ms, ms);
    raise_to(&p->rows_ms, ms);
}

int64_t proctime_now(struct proctime *p, int64_t wall_ms) { return raise_to(&p->now_ms, wall_ms); }
void proctime_rows(struct proctime *p, int64_t ms) { raise_to(&p->rows_ms, ms); }

static int64_t divisor(int64_t a, int64_t b) { return b ? divisor(b, a % b) : a; }

/* Windows end at multiples of something; a session when nothing has come for a while, so a part of that will do. */
static int64_t step_of(const struct plan_node *n)
{
    if (n->window_size_ms > 0 && n->kind == PLAN_WINDOW && n->window != WINDOW_SESSION)
        return divisor(divisor(n->window_size_ms, n->advance_ms),
                       divisor(n->offset_ms < 0 ? -n->offset_ms : n->offset_ms, n->zone ? ZONE_MS : 0));
    if (n->window_size_ms > 0 && n->kind == PLAN_WINDOW)
        return MAX(n->window_size_ms / 10 / TICK_MIN_MS, INT64_C(1)) * TICK_MIN_MS;
    return n->kind == PLAN_DEDUP || n->kind == PLAN_JOIN_INTERVAL || n->kind == PLAN_JOIN_TEMPORAL ? 1000 : 0;
}

static int64_t steps(const struct plan_node *n)
{
    int64_t all = step_of(n);
    for (unsigned i = 0; i < n->ninputs; i++)
        all = divisor(all, steps(n->inputs[i]));
    return all;
}

int64_t proctime_tick_ms(const struct plan_node *sink)
{
    int64_t all = steps(sink);
    return all ? MAX(MIN(all, (int64_t)TICK_MAX_MS), (int64_t)TICK_MIN_MS) : TICK_MAX_MS;
}
