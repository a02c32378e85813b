#include "tests/unit/engine/run/sums.h"
#include "engine/run/job.h"
#include "log/wire/recbatch.h"
#include "tests/lib/planlib.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

struct jobworld W;
struct uuid in, out, changelog, job;

struct uuid id_of(uint8_t n) { return (struct uuid){{n, 0xaa}}; }

void create_topic(const char *name, struct uuid id, int32_t nparts)
{
    struct change ch;
    change_init(&ch);
    jw_must(change_create_topic(&ch, str_of(name), &id, nparts, NULL, 0, NULL) == 0, "topic");
    jw_commit(&W, &ch);
    change_fini(&ch);
}

int setup(void **state)
{
    (void)state;
    jw_init(&W, 1);
    jw_open(&W, 2);
    in = id_of(1), out = id_of(2), changelog = id_of(3), job = id_of(4);
    create_topic("in", in, PARTS);
    create_topic("out", out, PARTS);
    create_topic("changelog", changelog, TASKS);
    jw_start(&W);
    return 0;
}

int teardown(void **state)
{
    (void)state;
    jw_stop(&W);
    jw_fini(&W);
    return 0;
}

void again(unsigned nloops)
{
    jw_stop(&W);
    jw_open(&W, nloops);
    jw_start(&W);
}

/* ---- plans */

void put_sums_to(struct uuid output, bool stopped)
{
    struct arena a;
    struct planlib pl;
    arena_init(&a);
    planlib_init(&pl, &a, TASKS);
    struct plan_node *n = pl_exchange(&pl, pl_source(&pl, "I", in, false), 1, (unsigned[]){0});
    n = pl_aggregate(&pl, n, 1, (unsigned[]){0}, AGG_SUM, 1, 0, 0);
    jw_put_job(&W, "sums", job, planlib_done(&pl, pl_sink_topic(&pl, n, output, 0, 1, -1, 0)), output, changelog,
               stopped);
    arena_fini(&a);
}

void put_sums(bool stopped) { put_sums_to(out, stopped); }

static int last_value(void *arg, const struct record *rec)
{
    int64_t *values = arg;
    values[be64(rec->key.ptr) % KEYS] = rec->value.ptr ? (int64_t)be64(rec->value.ptr) : -1;
    return 0;
}

int64_t output_value(int64_t key)
{
    int64_t values[KEYS];
    for (int i = 0; i < KEYS; i++)
        values[i] = -1;
    for (int32_t i = 0; i < PARTS; i++) {
        struct part *p = jw_part(&W, out, i);
        assert_int_equal(part_scan(p, 0, part_end(p, true), last_value, values), 0);
    }
    return values[key];
}

/* ---- asking */

static void status_cb(void *arg, int status, struct job_status *st)
{
    struct answer *x = arg;
    *x = (struct answer){.done = true, .status = status, .st = st};
}

struct job_status *status_of(struct uuid id, struct arena *a)
{
    struct answer x = {.done = false};
    engine_job_status(W.e, id, W.loops[W.nloops - 1], a, status_cb, &x);
    jw_wait(&W, &x.done, "a status");
    return x.status ? NULL : x.st;
}

enum job_state state_of(struct uuid id)
{
    struct arena a;
    arena_init(&a);
    struct job_status *st = status_of(id, &a);
    jw_must(st, "no such job");
    enum job_state s = st->state;
    arena_fini(&a);
    return s;
}

static void await_cb(void *arg, int status, const char *why)
{
    struct answer *x = arg;
    *x = (struct answer){.done = true, .status = status};
    snprintf(x->why, sizeof x->why, "%s", why ? why : "");
}

struct answer await(struct uuid id)
{
    struct answer x = {.done = false};
    engine_job_await(W.e, id, W.loops[0], await_cb, &x);
    jw_wait(&W, &x.done, "the job to be up");
    return x;
}

struct answer resume(struct uuid id)
{
    struct answer x = {.done = false};
    engine_job_again(W.e, id, W.loops[0], await_cb, &x);
    jw_wait(&W, &x.done, "the job to be begun anew");
    return x;
}
