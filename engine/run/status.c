#include "engine/run/status.h"
#include "engine/run/letters.h"
#include "log/base/limits.h"
#include <stdio.h>

const char *job_state_name(enum job_state s)
{
    static const char *const names[] = {"STARTING", "RESTORING", "RUNNING", "PAUSED", "FAILED"};
    return (unsigned)s < ARRAY_LEN(names) ? names[s] : "?";
}

struct ask {
    struct msg msg;
    struct gathering *g;
    struct task *task;
    struct job_source_status *sources; /* its part of the job's */
    struct job_task_status *out;
    uint64_t rows_out;
    char first_error[160];
    struct bad_log *bad; /* a copy; NULL: none */
};

struct gathering {
    struct job *j;
    struct arena *arena;
    struct job_status *st;
    struct ask *asks;
    unsigned left;
    void (*done_cb)(void *arg, struct job_status *st);
    void *arg;
};

static void fill_source(const struct source *s, struct job_source_status *out)
{
    out->topic = s->node->topic_name;
    out->partition = s->partition;
    out->position = s->offset;
    out->start = s->began;
    out->first = s->first;
    out->goal = s->goal;
    out->end = s->reader ? reader_end(s->reader) : -1;
    out->watermark_ms = s->watermark_ms;
    out->idle = s->idle;
    out->rows = s->rows;
    out->bytes = s->bytes;
    out->decode_errors = s->decode_errors;
    out->lost = s->lost;
    out->first_error_offset = s->first_error_offset;
    snprintf(out->first_error, sizeof out->first_error, "%s", s->first_error);
}

static void add_stats(struct node_stats *to, const struct node_stats *from)
{
    to->rows_in += from->rows_in;
    to->rows_out += from->rows_out;
    to->late += from->late;
    to->errors += from->errors;
    to->state_rows += from->state_rows;
    to->state_bytes += from->state_bytes;
    to->busy_us += from->busy_us;
}

/* What an operator keeps is in memory, in the file of the last checkpoint, or in both. */
static void add_op_stats(const struct task *t, const struct op *op, struct node_stats *to)
{
    uint32_t store = op->node->store << 16 | op->node->store * 8;
    struct node_stats stats = op->stats;
    if (t->cold && op->cls->evict)
        stats.state_rows = MAX(stats.state_rows, (uint64_t)cold_entries(t->cold, store));
    add_stats(to, &stats);
}

/* Task's loop. */
static void fill_op(const struct task *t, const struct op *op, struct job_node_status *out)
{
    out->here = true;
    out->rows = op->stats.state_rows;
    out->watermark_ms = op->passed_ms;
    add_op_stats(t, op, &out->stats);
    if (t->cold)
        cold_size(t->cold, op->node->store, &out->cold_rows, &out->cold_bytes);
}

static const char *waits_for(const struct task *t)
{
    return t->park.fetching                           ? "state on disk"
           : t->press.pressed                         ? "memory"
           : t->nfull                                 ? "consumers"
           : t->unflushed > ENGINE_UNFLUSHED_BYTES    ? "output"
           : t->nheld                                 ? "markers"
                                                      : NULL;
}

static void fill(struct ask *a)
{
    struct task *t = a->task;
    if (sm_is(&t->sm, TASK_OPEN) && !t->fail_status)
        for (unsigned i = 0; i < t->nsources; i++)
            fill_source(&t->sources[i], &a->sources[i]);
    for (unsigned i = 0; i < t->job->plan->nnodes; i++)
        add_stats(&a->out->nodes[i].stats, &t->foreign[i]);
    for (unsigned i = 0; i < t->frag->nops; i++)
        if (t->ops[i])
            fill_op(t, t->ops[i], &a->out->nodes[t->frag->ops[i]->id]);
    for (unsigned i = 0; i < t->nsources; i++)
        a->out->nodes[t->frag->sources[i]->id].here = true;
    a->out->shard = t->turns->number;
    a->out->waits = waits_for(t);
    a->out->busy_us = t->busy_us;
    a->out->rows_out = t->rows_out;
    a->out->memory_bytes = atomic_load_explicit(&t->memory.used, memory_order_relaxed);
    a->out->keeps = t->cold != NULL;
    a->out->changelog_end = t->changelog_end;
    a->rows_out = t->rows_out;
    snprintf(a->first_error, sizeof a->first_error, "%s", t->first_error);
    bad_log_add(&a->bad, t->bad);
}

static bool is_newer(const struct bad_note *x, const struct bad_note *y)
{
    return x->at_ms != y->at_ms ? x->at_ms > y->at_ms : x->offset > y->offset;
}

static void put_notes(struct job_status *st, const struct bad_log *log, struct arena *a)
{
    if (!log)
        return;
    st->nnotes = MIN(log->n, (unsigned)BAD_NOTES);
    st->notes = ARENA_ARRAY(a, struct bad_note, st->nnotes + 1);
    for (unsigned i = 0; i < st->nnotes; i++) { /* what neither time nor offset tells apart stays as it came */
        const struct bad_note *note = &log->notes[(log->n - 1 - i) % BAD_NOTES];
        unsigned at = i;
        for (; at > 0 && is_newer(note, &st->notes[at - 1]); at--)
            st->notes[at] = st->notes[at - 1];
        st->notes[at] = *note;
    }
    for (unsigned k = 0; k < BAD_KINDS; k++) {
        st->bad[k] = log->counts[k];
        st->bad_all += log->counts[k];
    }
}

static void sum_sources(struct job_status *st)
{
    st->watermark_ms = INT64_MAX;
    for (unsigned i = 0; i < st->nsources; i++) {
        const struct job_source_status *s = &st->sources[i];
        st->rows_in += s->rows;
        st->lag += s->end < 0 ? 1 : MAX(0, s->end - s->committed); /* not opened yet: who knows */
        st->backfill += MAX(s->goal - s->first, 0);
        st->backfilled += MAX(MIN(s->committed, s->goal) - s->first, 0);
        if (!s->idle)
            st->watermark_ms = MIN(st->watermark_ms, s->watermark_ms);
    }
    if (st->watermark_ms == INT64_MAX)
        st->watermark_ms = WATERMARK_NONE;
}

/* What a job shows is its state at the last commit; so that is how far it has come. */
static void fill_committed(const struct job *j, struct job_status *st)
{
    struct job_source_status *s = st->sources;
    for (unsigned i = 0; i < j->ntasks; i++)
        for (unsigned k = 0; k < j->tasks[i].nsources; k++, s++) {
            const struct commit_source *pos = job_source_pos(j, j->tasks[i].frag->sources[k]->store, s->partition);
            s->committed = j->query ? s->position : pos && pos->offset >= 0 ? pos->offset : s->start;
        }
}

static void walk(const struct plan_node *n, struct job_status *st)
{
    const struct node_stats *s = &st->nodes[n->id];
    st->late_rows += s->late;
    st->state_rows += s->state_rows;
    st->state_bytes += s->state_bytes;
    if (n->kind == PLAN_EXCHANGE)
        st->null_keys += s->errors;
    else if (n->kind != PLAN_SOURCE)
        st->row_errors += s->errors;
    for (unsigned i = 0; i < n->ninputs; i++)
        walk(n->inputs[i], st);
}

static void measure_rate(struct job *j, struct job_status *st)
{
    int64_t now = loop_now_us(j->home);
    if (now - j->rate_us >= 1000000) {
        double s = (double)(now - j->rate_us) / 1e6;
        j->rate = j->rate_us && st->rows_in >= j->rate_rows ? (double)(st->rows_in - j->rate_rows) / s : 0;
        j->rate_us = now;
        j->rate_rows = st->rows_in;
    }
    st->rows_per_s = j->rate;
}

static void fill_checkpoint(const struct task *t, struct job_task_status *out)
{
    struct checkpointing_facts f = {.offset = -1};
    if (t->checkpointing)
        checkpointing_tell(t->checkpointing, &f);
    out->checkpoint_offset = f.offset;
    out->unsaved_bytes = f.bytes;
    out->unsaved_since_ms = f.since_ms;
}

static void sum_up(struct gathering *g)
{
    struct job_status *st = g->st;
    struct bad_log *bad = NULL;
    for (unsigned i = 0; i < g->j->ntasks; i++) {
        struct ask *a = &g->asks[i];
        for (unsigned k = 0; k < st->nnodes; k++)
            add_stats(&st->nodes[k], &a->out->nodes[k].stats);
        fill_checkpoint(&g->j->tasks[i], a->out);
        st->busy_us += a->out->busy_us;
        st->rows_out += a->rows_out;
        bad_log_add(&bad, a->bad);
        xfree(a->bad);
        if (!st->first_row_error[0])
            memcpy(st->first_row_error, a->first_error, sizeof st->first_row_error);
    }
    put_notes(st, bad, g->arena);
    xfree(bad);
    fill_committed(g->j, st);
    sum_sources(st);
    walk(g->j->plan->sink, st);
    st->nodes[g->j->plan->sink->id].rows_out = st->rows_out;
    measure_rate(g->j, st);
}

static struct job_status *facts(struct job *j, struct arena *a)
{
    struct job_status *st = ARENA_NEW(a, struct job_status);
    st->id = j->id;
    st->name = j->def.name ? arena_strdup(a, j->def.name) : "";
    st->sql = j->def.sql ? arena_strdup(a, j->def.sql) : "";
    st->state = job_state(j);
    st->why = j->why[0] && st->state != JOB_RUNNING ? arena_strdup(a, j->why) : NULL;
    uint64_t all = atomic_load(&j->to_restore), done = atomic_load(&j->restored);
    st->restored = st->state != JOB_RESTORING ? 1.0 : all ? (double)MIN(done, all) / (double)all : 0.0;
    st->restored_records = MIN(done, all);
    st->restore_records = all;
    st->restore_left_ms = -1;
    if (st->state == JOB_RESTORING && done) {
        double left = (double)(all - MIN(done, all)) / (double)done;
        st->restore_left_ms = (int64_t)((double)(loop_now_us(j->home) - j->restore_us) / 1000 * left);
    }
    st->watermark_ms = WATERMARK_NONE;
    st->tolerance = j->def.tolerance;
    st->at_least_once = j->def.at_least_once;
    st->late_letters = j->def.late_letters;
    st->cpu_share = j->def.cpu_share ? j->def.cpu_share : ENGINE_SHARE;
    st->memory_share = -1;
    st->dead_topic = j->def.name ? job_dead_topic(&j->def, a) : "";
    st->began_ms = j->began_ms;
    return st;
}

static struct gathering *prepare(struct job *j, struct arena *a)
{
    struct gathering *g = ARENA_NEW(a, struct gathering);
    g->j = j;
    g->arena = a;
    g->st = facts(j, a);
    bool open = sm_is(&j->sm, J_RUNNING) || sm_is(&j->sm, J_STOPPING);
    if (!open) { /* workers of a restore may be writing what was committed last */
        g->st->lag = j->query ? 0 : -1;
        put_notes(g->st, j->bad, a);
        return g;
    }
    g->st->epoch = j->last.epoch;
    g->st->committed_ms = j->ended_ms ? j->ended_ms : j->last.wall_ms;
    g->left = j->ntasks;
    g->asks = ARENA_ARRAY(a, struct ask, j->ntasks);
    g->st->ntasks = j->ntasks;
    g->st->tasks = ARENA_ARRAY(a, struct job_task_status, j->ntasks + 1);
    g->st->memory_share = engine_memory_share(j);
    g->st->memory_bytes = atomic_load_explicit(&j->memory.used, memory_order_relaxed);
    for (unsigned i = 0; i < j->ntasks; i++)
        g->st->nsources += j->tasks[i].nsources;
    g->st->nnodes = j->plan->nnodes;
    g->st->nodes = ARENA_ARRAY(a, struct node_stats, j->plan->nnodes);
    struct job_source_status *s = g->st->sources = ARENA_ARRAY(a, struct job_source_status, g->st->nsources + 1);
    for (unsigned i = 0; i < j->ntasks; i++) {
        g->asks[i] = (struct ask){.g = g, .task = &j->tasks[i], .sources = s, .out = &g->st->tasks[i]};
        g->st->tasks[i] = (struct job_task_status){.fragment = j->tasks[i].frag->index, .index = j->tasks[i].index};
        g->st->tasks[i].nodes = ARENA_ARRAY(a, struct job_node_status, j->plan->nnodes);
        for (unsigned k = 0; k < j->plan->nnodes; k++)
            g->st->tasks[i].nodes[k].watermark_ms = WATERMARK_NONE;
        for (unsigned k = 0; k < j->tasks[i].nsources; k++, s++)
            *s = (struct job_source_status){.topic = j->tasks[i].frag->sources[k]->topic_name,
                                            .partition = (int32_t)j->tasks[i].index,
                                            .end = -1,
                                            .idle = true,
                                            .watermark_ms = WATERMARK_NONE};
    }
    return g;
}

static void answered_cb(struct msg *m)
{
    struct gathering *g = container_of(m, struct ask, msg)->g;
    if (--g->left)
        return;
    sum_up(g);
    g->done_cb(g->arg, g->st);
}

static void ask_cb(struct msg *m)
{
    struct ask *a = container_of(m, struct ask, msg);
    fill(a);
    m->run_cb = answered_cb;
    loop_post(a->g->j->home, m);
}

void job_status_gather(struct job *j, struct arena *a, void (*done_cb)(void *arg, struct job_status *st), void *arg)
{
    struct gathering *g = prepare(j, a);
    g->done_cb = done_cb;
    g->arg = arg;
    if (!g->left) {
        done_cb(arg, g->st);
        return;
    }
    for (unsigned i = 0; i < j->ntasks; i++) {
        g->asks[i].msg.run_cb = ask_cb;
        loop_post(j->tasks[i].loop, &g->asks[i].msg);
    }
}

struct job_status *job_status_now(struct job *j, struct arena *a)
{
    struct gathering *g = prepare(j, a);
    if (!g->left)
        return g->st;
    for (unsigned i = 0; i < j->ntasks; i++)
        fill(&g->asks[i]);
    sum_up(g);
    return g->st;
}
