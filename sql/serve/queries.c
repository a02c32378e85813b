/* SELECT: rows of the engine's query become lines; a peer that does not read makes the query wait. */
#include "sql/serve/session.h"

static bool rows_cb(void *arg, struct batch *b)
{
    struct session *s = arg;
    if (s->p.analyze) {
        s->rows += b->nsel;
        return true;
    }
    size_t queued = tell_rows(s, b, s->p.schema.n, b->nsel);
    s->rows += b->nsel;
    s->query_full = queued > ANSWER_HIGH;
    return !s->query_full;
}

void query_drained(struct session *s)
{
    if (!s->query_full)
        return;
    s->query_full = false;
    query_resume(s->query);
}

static void progress_cb(void *arg, const struct job_status *st)
{
    struct session *s = arg;
    if (s->query_full || s->p.analyze) /* nobody reads it, and the next one is newer */
        return;
    if (!s->rows) {
        silence_begin(s, st, false);
        return;
    }
    struct arena a; /* a query may go on for months */
    arena_init(&a);
    tell_progress(s, st, NULL, why_less(s->p.plan, st, &a));
    arena_fini(&a);
}

/* What is not in the rows: kept for the end, behind the last of them. */
static void summary_cb(void *arg, const struct job_status *st)
{
    struct session *s = arg;
    if (s->p.analyze)
        analyze_query(s, st);
    s->left_out = why_less(s->p.plan, st, &s->memory);
    s->last = *st; /* topics' names are the query's own, which is closed, but not gone, when they are read */
    s->last.why = NULL;
    s->last.nodes = ARENA_ARRAY(&s->memory, struct node_stats, st->nnodes + 1);
    s->last.sources = ARENA_ARRAY(&s->memory, struct job_source_status, st->nsources + 1);
    if (st->nnodes)
        memcpy(s->last.nodes, st->nodes, st->nnodes * sizeof *st->nodes);
    if (st->nsources)
        memcpy(s->last.sources, st->sources, st->nsources * sizeof *st->sources);
    s->summed = true;
}

static void end_cb(void *arg, int status, const char *why)
{
    struct session *s = arg;
    query_close(s->query);
    s->query = NULL;
    silence_end(s);
    if (status) {
        session_error(s, status, "XX000", "the query ended: %s", why && *why ? why : err_text(status));
        silence_failed(s);
        return;
    }
    if (s->p.analyze) {
        analyze_told(s);
        return;
    }
    bool silent = (s->rows == 0 || s->p.total) && s->summed;
    if (s->left_out)
        tell_message(s, s->left_out);
    if (silent && !s->left_out)
        silence_begin(s, &s->last, true);
    else
        session_done(s);
}

static const struct query_class push_class = {.rows = rows_cb, .progress = progress_cb, .summary = summary_cb,
                                               .end = end_cb};
static const struct query_class pull_class = {.scan = sys_scan, .rows = rows_cb, .summary = summary_cb, .end = end_cb};

/* What the sources of a plan say: whether one begins at the end, and, for a query that is to end there, when to stop.
 */
static bool visit_sources(struct plan_node *n, bool until_end)
{
    bool latest = n->kind == PLAN_SOURCE && n->from_latest;
    if (n->kind == PLAN_SOURCE)
        n->until_end |= until_end;
    for (unsigned i = 0; i < n->ninputs; i++)
        latest |= visit_sources(n->inputs[i], until_end);
    return latest;
}

void query_begin(struct session *s)
{
    const struct plan *plan = s->p.plan;
    const struct plan_node *result = plan->sink->inputs[0];
    bool *keys = ARENA_ARRAY(&s->memory, bool, s->p.schema.n + 1);
    for (unsigned i = 0; i < result->nkey; i++)
        if (result->key[i] < s->p.schema.n)
            keys[result->key[i]] = true;
    bool latest = visit_sources(plan->sink, s->until_caught_up || s->p.analyze);
    if (s->p.note)
        tell_message(s, s->p.note);
    if (!s->p.analyze)
        tell_columns(s, s->p.push ? "push" : "pull", s->p.changes, latest, &s->p.schema, keys);
    if (s->limit == 0) {
        session_done(s);
        return;
    }
    s->query_full = false;
    s->left_out = NULL;
    s->summed = false;
    if (!sys_begin(s))
        query_run(s);
}

void query_run(struct session *s)
{
    const struct plan *plan = s->p.plan;
    if (s->limit >= 0)
        plan->sink->limit = plan->sink->limit < 0 ? s->limit : MIN(plan->sink->limit, s->limit);
    if (query_start(&s->query, s->serve->engine, s->loop, plan, s->p.push ? &push_class : &pull_class, s, &s->diag) !=
        0)
        session_fail(s);
}
