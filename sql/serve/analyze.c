/* EXPLAIN ANALYZE: a plan with what running it took. A query is run to its sources' end, and its rows are counted only. A job
 * runs anyway: it is asked twice, and what came between is its rate. */
#include "sql/serve/session.h"

#define ANALYZE_MS 1000 /* between both answers */

struct measuring {
    struct session *s;
    struct timer timer;
    int64_t asked_us;
    struct job_status *before; /* of a job; NULL: not asked yet */
    double seconds;            /* between both */
    unsigned nnodes;           /* 0: it does not run */
    struct node_measure *nodes;
    uint64_t busy_us;
};

/* Of an operator the least of its tasks; of a source the least of its partitions that are not idle. */
int64_t operator_watermark(const struct job_status *st, const struct plan_node *n)
{
    int64_t least = INT64_MAX;
    for (unsigned i = 0; n->kind == PLAN_SOURCE && i < st->nsources; i++)
        if (!st->sources[i].idle && strcmp(st->sources[i].topic, n->topic_name) == 0)
            least = MIN(least, st->sources[i].watermark_ms);
    for (unsigned i = 0; n->kind != PLAN_SOURCE && i < st->ntasks; i++)
        if (st->tasks[i].nodes[n->id].here)
            least = MIN(least, st->tasks[i].nodes[n->id].watermark_ms);
    return least;
}

static void measure_below(struct measuring *m, const struct job_status *st, const struct plan_node *n)
{
    struct node_measure *to = &m->nodes[n->id];
    to->now = st->nodes[n->id];
    if (m->before && m->before->nnodes == st->nnodes)
        to->before = m->before->nodes[n->id];
    to->watermark_ms = operator_watermark(st, n);
    for (unsigned i = 0; i < n->ninputs; i++)
        measure_below(m, st, n->inputs[i]);
}

static struct measuring *measure(struct session *s, const struct plan *plan, const struct job_status *st)
{
    struct measuring *m = s->measuring ? s->measuring : ARENA_NEW(&s->memory, struct measuring);
    m->s = s;
    m->busy_us = st->busy_us;
    m->nnodes = plan && plan->nnodes == st->nnodes ? st->nnodes : 0;
    m->nodes = ARENA_ARRAY(&s->memory, struct node_measure, m->nnodes + 1);
    if (m->nnodes)
        measure_below(m, st, plan->sink);
    s->measuring = m;
    return m;
}

void analyze_plan(struct session *s, const struct plan *plan, const struct job_status *st, struct wbuf *out)
{
    s->measuring = NULL;
    const struct measuring *m = measure(s, plan, st);
    plan_explain(plan, m->nnodes ? m->nodes : NULL, 0, out);
}

static void tell_plan(struct session *s, const struct plan *plan, struct wbuf *text)
{
    const struct measuring *m = s->measuring;
    plan_explain(plan, m && m->nnodes ? m->nodes : NULL, m ? m->seconds : 0, text);
    tell_text(s, wbuf_view(text));
    wbuf_fini(text);
    s->rows = 0;
    s->measuring = NULL;
    session_done(s);
}

/* ---- A query */

void analyze_query(struct session *s, const struct job_status *st) { measure(s, s->p.plan, st); }

void analyze_told(struct session *s)
{
    struct wbuf text;
    wbuf_init(&text);
    wbuf_printf(&text, "%" PRId64 " row%s in %.1f ms", s->rows, s->rows == 1 ? "" : "s",
                (double)(loop_now_us(s->loop) - s->started_us) / 1000);
    if (s->measuring)
        wbuf_printf(&text, ", CPU %.1f ms", (double)s->measuring->busy_us / 1000);
    wbuf_u8(&text, '\n');
    tell_plan(s, s->p.plan, &text);
}

/* ---- A job */

static void ask(struct session *s);

static void again_cb(struct timer *t)
{
    struct session *s = container_of(t, struct measuring, timer)->s;
    if (session_release(s))
        ask(s);
}

static void wait_a_second(struct session *s, const struct job_status *st)
{
    struct measuring *m = s->measuring = ARENA_NEW(&s->memory, struct measuring);
    m->s = s;
    m->before = (struct job_status *)st;
    m->asked_us = loop_now_us(s->loop);
    session_hold(s);
    timer_init(&m->timer, s->loop, again_cb);
    timer_start(&m->timer, ANALYZE_MS);
}

static void answered_cb(void *arg, int status, struct job_status *st)
{
    struct session *s = arg;
    if (!session_release(s))
        return;
    const struct plan *plan = status ? NULL : job_plan_of(s, s->p.job);
    if (!status && !s->measuring && st->nnodes) {
        wait_a_second(s, st);
        return;
    }
    struct wbuf text;
    wbuf_init(&text);
    if (!status && s->measuring) {
        s->measuring->seconds = (double)(loop_now_us(s->loop) - s->measuring->asked_us) / 1e6;
        measure(s, plan, st);
    }
    if (!status)
        wbuf_printf(&text, "job %s: %s, lag %" PRId64 ", CPU %.1f s, memory %.1f MB\n", st->name, job_state_name(st->state), st->lag,
                    (double)st->busy_us / 1e6, (double)st->memory_bytes / 1e6);
    if (plan)
        tell_plan(s, plan, &text);
    else
        session_done(s);
}

static void ask(struct session *s)
{
    session_hold(s);
    engine_job_status(s->serve->engine, s->p.job, s->loop, &s->memory, answered_cb, s);
}

void analyze_job(struct session *s)
{
    s->measuring = NULL;
    ask(s);
}
