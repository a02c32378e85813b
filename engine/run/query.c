/* Push and pull queries: a job without anything on disk, all of whose tasks live on the query's loop.
 *
 * Rows collect in the tasks and are told when their epoch is committed, which for a query is when all tasks have
 * reached its marker. A client that answers "wait" stops the sources, and so does too much that waits for a commit. A
 * scan is a source of another kind: the rows of a running job's table, walked piece by piece on the shards of its sinks
 * as they were at one committed epoch. */
#include "engine/run/job.h"
#include "engine/run/status.h"
#include "log/base/limits.h"
#include <stdio.h>

struct query {
    struct engine *e;
    struct job *job;
    struct loop *loop;
    const struct query_class *cls;
    void *arg;
    struct msg begin_msg, free_msg, end_msg;
    struct timer progress;
    struct list ready;  /* struct result, committed */
    size_t bytes, paid; /* of rows in the tasks and in ready; what of them the budget counts */
    int64_t left;       /* rows still wanted; -1: no limit */
    bool held;          /* the client is not ready for more */
    bool ended, closed, job_over, telling, freeing, summed;
    unsigned scans; /* under way */
    int status;
    char why[400];
};

static void maybe_end(struct query *q);

/* ---- life */

static void begin_cb(struct msg *m)
{
    struct query *q = container_of(m, struct query, begin_msg);
    if (!q->closed)
        job_begin(q->job);
    else
        job_abort(q->job);
}

static void progress_cb(struct timer *t)
{
    struct query *q = container_of(t, struct query, progress);
    struct arena a;
    if (q->ended || q->closed || q->job_over)
        return;
    timer_start(&q->progress, 1000);
    arena_init(&a);
    q->cls->progress(q->arg, job_status_now(q->job, &a));
    arena_fini(&a);
}

int query_start(struct query **out, struct engine *e, struct loop *loop, const struct plan *plan,
                const struct query_class *cls, void *arg, struct diag *d)
{
    struct job *j = job_new(e, (struct uuid){{0}}, loop);
    struct wbuf bytes;
    wbuf_init(&bytes);
    int err = plan_check(plan, d);
    if (!err && plan->sink->kind != PLAN_SINK_QUERY)
        err = diag_set(d, E_CORRUPT, "plan: a query ends in a result");
    if (!err) {
        plan_pack(plan, &bytes);
        err = plan_unpack(&j->plan, arena_dup(&j->arena, wbuf_view(&bytes)), &j->arena);
    }
    wbuf_fini(&bytes);
    if (err) {
        job_discard(j);
        return err;
    }
    struct query *q = xzalloc(sizeof *q);
    *q = (struct query){.e = e, .job = j, .loop = loop, .cls = cls, .arg = arg, .left = j->plan->sink->limit};
    j->query = q;
    j->def.name = "query";
    list_init(&q->ready);
    timer_init(&q->progress, loop, progress_cb);
    if (cls->progress)
        timer_start(&q->progress, 1000);
    q->begin_msg.run_cb = begin_cb;
    loop_post(loop, &q->begin_msg);
    *out = q;
    return 0;
}

static void drop_ready(struct query *q)
{
    for (struct list *l; (l = list_pop(&q->ready)) != NULL;) {
        struct result *r = container_of(l, struct result, link);
        arena_fini(&r->arena);
        xfree(r);
    }
}

static void free_cb(struct msg *m)
{
    struct query *q = container_of(m, struct query, free_msg);
    drop_ready(q);
    budget_give(&q->job->memory, q->paid);
    job_free(q->job);
    xfree(q);
}

/* By message, because a client may close its query from inside a callback. */
static void maybe_free(struct query *q)
{
    if (!q->closed || !q->job_over || q->scans || q->freeing)
        return;
    q->freeing = true;
    q->free_msg.run_cb = free_cb;
    loop_post(q->loop, &q->free_msg);
}

void query_close(struct query *q)
{
    CHECK(!q->closed);
    q->closed = true;
    timer_stop(&q->progress);
    if (!q->job_over && q->job->graph)
        job_abort(q->job);
    maybe_free(q);
}

void query_closing(struct query *q)
{
    struct arena a;
    if (q->ended || q->closed || q->summed || !q->cls->summary)
        return;
    q->summed = true;
    arena_init(&a);
    q->cls->summary(q->arg, job_status_now(q->job, &a));
    arena_fini(&a);
}

void query_job_over(struct query *q)
{
    q->job_over = true;
    if (!q->ended && q->job->fail_status) {
        q->status = q->job->fail_status;
        snprintf(q->why, sizeof q->why, "%s", q->job->why);
    }
    maybe_end(q);
    maybe_free(q);
}

/* ---- rows */

void query_result(struct query *q, size_t bytes)
{
    if (budget_take(&q->job->memory, bytes))
        job_fail(q->job, E_BUDGET, "its result takes more memory than weir.job.memory.bytes leaves");
    else
        q->paid += bytes;
    q->bytes += bytes;
    if (q->bytes > ENGINE_RESULT_BYTES)
        job_hurry(q->job);
}

bool query_paused(const struct query *q)
{
    return q->held || (q->bytes > ENGINE_RESULT_BYTES && !q->job->graph->one_epoch);
}

static void finish(struct query *q)
{
    if (q->ended || q->closed)
        return;
    q->ended = true;
    timer_stop(&q->progress);
    q->cls->end(q->arg, q->status, q->status ? q->why : NULL);
}

static void maybe_end(struct query *q)
{
    if (q->job_over && list_empty(&q->ready))
        finish(q);
}

/* At most the first n of the selected rows. */
static void cut_batch(struct batch *b, int64_t n)
{
    if ((int64_t)b->nsel <= n)
        return;
    if (!b->sel)
        b->n = (uint32_t)n;
    b->nsel = (uint32_t)n;
}

static void tell_batch(struct query *q, struct result *r)
{
    if (q->left >= 0) {
        cut_batch(r->batch, q->left);
        q->left -= r->batch->nsel;
    }
    if (r->batch->nsel && !q->cls->rows(q->arg, r->batch))
        q->held = true;
}

static void tell_rows(struct query *q)
{
    if (q->telling)
        return;
    q->telling = true;
    while (!q->held && !q->closed && !q->ended && !list_empty(&q->ready)) {
        struct result *r = container_of(list_pop(&q->ready), struct result, link);
        q->bytes -= r->bytes;
        size_t back = MIN(q->paid, r->bytes);
        budget_give(&q->job->memory, back);
        q->paid -= back;
        tell_batch(q, r);
        arena_fini(&r->arena);
        xfree(r);
        if (q->left == 0)
            break;
    }
    q->telling = false;
    if (q->left == 0 && !q->closed) {
        drop_ready(q);
        query_closing(q);
        finish(q);
        job_abort(q->job);
    } else if (!q->closed && !query_paused(q)) {
        for (unsigned i = 0; i < q->job->ntasks; i++)
            task_wake(&q->job->tasks[i]);
    }
    maybe_end(q);
}

void query_committed(struct query *q)
{
    for (unsigned i = 0; i < q->job->ntasks; i++)
        for (struct list *l; (l = list_pop(&q->job->tasks[i].results)) != NULL;)
            list_add_tail(&q->ready, l);
    tell_rows(q);
}

void query_resume(struct query *q)
{
    q->held = false;
    tell_rows(q);
}

/* ---- scans */

struct scanned_rows {
    struct list link;
    struct batch *batch;
};

/* What one sink task is asked for: a piece of its rows at a time travels to the query and the request for the next
 * piece back, so that neither side holds more than a piece and the table's task is never kept long. */
struct scan_part {
    struct msg msg;
    struct scan *scan;
    struct task *sink; /* NULL once it has closed */
    struct loop *loop; /* of the sink */
    struct task_scan watch;
    struct str *keys;         /* whose rows; NULL: all */
    unsigned nwalks, at;      /* one a key, opened at once, so that all show one commit; the one at work */
    struct sink_scan **walks; /* NULL: closed */
    struct cold_fetch fetch;
    struct arena arena, fields; /* rows of a piece; while they are made */
    struct list rows;
    bool began, over, unwanted; /* unwanted: the query is over */
    int status;
};

struct scan {
    struct job_find find;
    struct query *q;
    struct task *task; /* of the query, whose fragment begins with the scan */
    unsigned nparts, left;
    int status;
    struct scan_part *parts;
    struct msg done_msg;
};

static int copy_rows(void *arg, struct batch *b)
{
    struct scan_part *p = arg;
    struct scanned_rows *r = ARENA_NEW(&p->arena, struct scanned_rows);
    r->batch = batch_copy(b, NULL, 0, NULL, 0, &p->arena);
    r->batch->arena = &p->arena;
    list_add_tail(&p->rows, &r->link);
    return 0;
}

static const char *scan_why(int status)
{
    switch (status) {
    case 0:
        return NULL;
    case E_CANCELED:
        return "its job was stopped";
    case E_CORRUPT:
        return "a file of its state is damaged, and is being made anew from the changelog: ask again";
    default:
        return err_text(status);
    }
}

static void scan_over(struct scan *s, const char *why)
{
    struct query *q = s->q;
    q->scans--;
    for (unsigned i = 0; i < s->nparts; i++) {
        cold_fetch_fini(&s->parts[i].fetch);
        arena_fini(&s->parts[i].arena);
        arena_fini(&s->parts[i].fields);
        xfree(s->parts[i].keys);
    }
    if (why)
        job_fail(q->job, E_NOT_FOUND, "table %s cannot be looked at: %s", s->task->frag->scan->relation, why);
    else if (!q->job_over)
        job_scanned(q->job);
    xfree(s->parts);
    xfree(s);
    maybe_free(q);
}

static void give_rows(struct scan *s, struct scan_part *p)
{
    struct task *t = s->task;
    struct node_stats *stats = &t->foreign[t->frag->scan->id];
    for (struct list *l; (l = list_pop(&p->rows)) != NULL;) {
        struct batch *b = container_of(l, struct scanned_rows, link)->batch;
        if (!sm_is(&t->sm, TASK_OPEN))
            continue;
        stats->rows_in += b->nsel;
        stats->rows_out += b->nsel;
        task_take_scan(t, b);
    }
}

static void part_run(struct msg *m);

/* Query's loop: a piece of the rows of one sink task has arrived. */
static void part_back(struct msg *m)
{
    struct scan_part *p = container_of(m, struct scan_part, msg);
    struct scan *s = p->scan;
    if (!s->q->job_over)
        give_rows(s, p);
    arena_reset(&p->arena);
    if (!p->over) {
        p->unwanted = s->q->job_over;
        m->run_cb = part_run;
        loop_post(p->loop, m);
        return;
    }
    if (p->status && !s->status)
        s->status = p->status;
    if (--s->left == 0)
        scan_over(s, scan_why(s->status));
}

static void walks_close(struct scan_part *p)
{
    for (unsigned i = p->at; p->walks && i < p->nwalks; i++)
        sink_scan_close(p->walks[i]);
    xfree(p->walks);
    p->walks = NULL;
}

static void part_send(struct scan_part *p)
{
    if (p->over && p->walks) {
        list_remove(&p->watch.link);
        walks_close(p);
    }
    p->msg.run_cb = part_back;
    loop_post(p->scan->q->loop, &p->msg);
}

/* Sink's loop: the next piece, or what it needs. */
static void part_step(struct scan_part *p)
{
    needs_reset(&p->fetch.needs);
    bool ended = true;
    int err = 0;
    while (!err && ended && p->at < p->nwalks) {
        err = sink_scan_step(p->walks[p->at], &p->fetch.needs, &p->fields, ENGINE_BATCH_ROWS, &ended, copy_rows, p);
        if (!err && ended && !p->fetch.needs.n)
            sink_scan_close(p->walks[p->at++]);
        ended &= !p->fetch.needs.n;
    }
    p->over = p->at == p->nwalks;
    if (!err && p->fetch.needs.n) {
        p->fetch.node = sink_scan_store(task_sink(p->sink));
        cold_fetch(p->sink->cold, &p->fetch);
        return;
    }
    arena_reset(&p->fields);
    p->status = err;
    p->over |= err != 0;
    part_send(p);
}

static void part_fetched(struct cold_fetch *f)
{
    struct scan_part *p = container_of(f, struct scan_part, fetch);
    if (!p->sink || f->status) {
        p->status = p->sink ? f->status : E_CANCELED;
        p->over = true;
        part_send(p);
        return;
    }
    for (size_t i = 0; i < f->nfound; i++)
        sink_scan_load(p->walks[p->at], f->found[i].key, f->found[i].value);
    sink_scan_loaded(p->walks[p->at], &f->needs.v[0]);
    part_step(p);
}

/* The table's task closes under it. A piece or a fetch that is under way finds that out. */
static void part_closed(struct task_scan *watch)
{
    struct scan_part *p = container_of(watch, struct scan_part, watch);
    list_init(&watch->link);
    walks_close(p);
    p->sink = NULL;
}

static void walks_open(struct scan_part *p)
{
    p->walks = xzalloc(MAX(p->nwalks, 1u) * sizeof(struct sink_scan *));
    for (unsigned i = 0; i < p->nwalks; i++)
        p->walks[i] = sink_scan_open(task_sink(p->sink), p->keys ? p->keys[i] : STR(""));
}

static void part_run(struct msg *m)
{
    struct scan_part *p = container_of(m, struct scan_part, msg);
    bool open = p->sink && (p->began || sm_is(&p->sink->sm, TASK_OPEN));
    if (open && !p->began) {
        walks_open(p);
        p->watch.closed_cb = part_closed;
        list_add_tail(&p->sink->scans, &p->watch.link);
    }
    p->began = true;
    if (open && !p->unwanted) {
        part_step(p);
        return;
    }
    p->status = open ? 0 : E_CANCELED;
    p->over = true;
    part_send(p);
}

static void refused_cb(struct msg *m)
{
    struct scan *s = container_of(m, struct scan, done_msg);
    scan_over(s, "it is a stream, whose rows are not kept");
}

/* The keys that are looked up in one of the sink's tasks: its own, and those of which nobody knows whose they are.
 * NULL: all rows are wanted. */
static struct str *keys_of(const struct job *table, const struct plan_node *scan, unsigned task, unsigned *n)
{
    *n = 1;
    if (!scan->lookup)
        return NULL;
    struct str *keys = xzalloc((scan->nkeys + 1) * sizeof *keys);
    *n = 0;
    for (unsigned i = 0; i < scan->nkeys; i++) {
        int owner = plan_key_owner(table->plan, scan->keys[i]);
        if (owner < 0 || (unsigned)owner == task)
            keys[(*n)++] = scan->keys[i];
    }
    return keys;
}

/* The table's home loop: its tasks hear of commits from here, in order, so all of them are asked about one epoch. */
static void found_cb(struct job_find *f, struct job *table)
{
    struct scan *s = container_of(f, struct scan, find);
    const struct frag *sinks = &table->graph->frags[0];
    if (table->plan->sink->inputs[0]->mode == MODE_APPEND) {
        s->done_msg.run_cb = refused_cb;
        loop_post(s->q->loop, &s->done_msg);
        return;
    }
    s->nparts = s->left = sinks->ntasks;
    s->parts = xzalloc(s->nparts * sizeof *s->parts);
    for (unsigned i = 0; i < s->nparts; i++) {
        struct scan_part *p = &s->parts[i];
        struct task *sink = &table->tasks[sinks->first_task + i];
        *p = (struct scan_part){.scan = s, .sink = sink, .loop = sink->loop, .msg = {.run_cb = part_run}};
        cold_fetch_init(&p->fetch);
        p->fetch.done_cb = part_fetched;
        p->keys = keys_of(table, s->task->frag->scan, i, &p->nwalks);
        list_init(&p->watch.link);
        arena_init(&p->arena);
        arena_init(&p->fields);
        list_init(&p->rows);
    }
    for (unsigned i = 0; i < s->nparts; i++) {
        struct scan_part *p = &s->parts[i];
        p->msg.run_cb = p->nwalks ? part_run : part_back; /* no key of it is wanted */
        p->over = !p->nwalks;
        loop_post(p->nwalks ? p->loop : s->q->loop, &p->msg);
    }
}

static void missing_cb(struct job_find *f, const char *why) { scan_over(container_of(f, struct scan, find), why); }

/* ---- scans of what is no table of a job: the client knows the rows */

static void give_cb(void *to, struct batch *b)
{
    struct task *t = to;
    struct node_stats *stats = &t->foreign[t->frag->scan->id];
    stats->rows_in += b->nsel;
    stats->rows_out += b->nsel;
    task_take_scan(t, b);
}

static void given_cb(struct msg *m)
{
    struct scan *s = container_of(m, struct scan, done_msg);
    struct query *q = s->q;
    if (!q->job_over && !q->closed && sm_is(&s->task->sm, TASK_OPEN)) {
        struct arena a;
        arena_init(&a);
        q->cls->scan(q->arg, s->task->frag->scan, &a, give_cb, s->task);
        arena_fini(&a);
    }
    scan_over(s, NULL);
}

static void give_begin(struct scan *s)
{
    if (!s->q->cls->scan) {
        job_fail(s->q->job, E_NOT_FOUND, "nobody knows the rows of %s", s->task->frag->scan->relation);
        s->q->scans--;
        xfree(s);
        return;
    }
    s->done_msg.run_cb = given_cb;
    loop_post(s->q->loop, &s->done_msg);
}

/* ---- VALUES: the plan has the rows */

static void give_values(struct task *t, struct arena *a)
{
    const struct plan_node *n = t->frag->scan;
    for (unsigned at = 0; at < n->nrows;) {
        uint32_t rows = MIN(n->nrows - at, (unsigned)ENGINE_BATCH_ROWS);
        struct batch *b = batch_new(a, &n->out, rows);
        b->n = b->nsel = rows;
        for (uint32_t i = 0; i < rows; i++, at++) {
            b->ts[i] = 0;
            CHECK(row_decode(n->rows[at], &n->out, b, 0, i, rows) == 0);
        }
        give_cb(t, b);
    }
}

static void values_cb(struct msg *m)
{
    struct scan *s = container_of(m, struct scan, done_msg);
    if (!s->q->job_over && !s->q->closed && sm_is(&s->task->sm, TASK_OPEN)) {
        struct arena a;
        arena_init(&a);
        give_values(s->task, &a);
        arena_fini(&a);
    }
    scan_over(s, NULL);
}

void query_running(struct query *q)
{
    for (unsigned i = 0; i < q->job->ntasks; i++) {
        struct task *t = &q->job->tasks[i];
        if (!t->frag->scan)
            continue;
        struct scan *s = xzalloc(sizeof *s);
        *s = (struct scan){.q = q, .task = t, .find = {.found_cb = found_cb, .missing_cb = missing_cb}};
        q->scans++;
        if (t->frag->scan->kind == PLAN_VALUES) {
            s->done_msg.run_cb = values_cb;
            loop_post(q->loop, &s->done_msg);
            continue;
        }
        if (uuid_is_zero(t->frag->scan->job)) {
            give_begin(s);
            continue;
        }
        engine_find_job(q->e, t->frag->scan->job, q->loop, &s->find);
    }
}
