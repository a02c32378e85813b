#include "engine/run/task.h"
#include "engine/run/dead.h"
#include "engine/run/letters.h"
#include "engine/run/job.h"
#include "log/base/fault.h"
#include "log/base/limits.h"
#include <stdio.h>

static const struct sm_state task_states[] = {
    /* new -> open -> closing -> closed */
    [TASK_NEW] = {"new", TO(TASK_OPEN)},
    [TASK_OPEN] = {"open", TO(TASK_CLOSING)},
    [TASK_CLOSING] = {"closing", TO(TASK_CLOSED)},
    [TASK_CLOSED] = {"closed", 0},
};

const struct graph *job_graph(const struct job *j) { return j->graph; }

int64_t task_idle_timeout_ms(const struct task *t)
{
    return broker_config(engine_broker(t->job->engine))->idle_timeout_ms;
}

/* ---- what operators ask for */

static void flush_output(struct task *t, struct task_output *o);

static void flush_outputs(struct task *t)
{
    for (unsigned i = 0; i < t->noutputs; i++)
        flush_output(t, &t->outputs[i]);
    flush_output(t, &t->letterbox);
}

enum { RECORD_BYTES = 16 }; /* of a record in its recbatch, besides key and value */
enum { COUNTED_BYTES = 16384 };
enum { RECORD_ROOM = 128 }; /* of a recbatch of one record, besides key and value */

/* Is it written outside of the epochs' transactions? */
static bool is_loose(const struct task *t, const struct task_output *o)
{
    return !t->job->txn || t->job->def.at_least_once || (BUG("letters_apart") && o == &t->letterbox);
}

bool task_output_open(struct task *t, struct task_output *o, struct part *part)
{
    struct txn *txn = is_loose(t, o) ? NULL : t->job->txn;
    struct part_conf conf;
    int err = writer_open_txn(&o->writer, broker_store(engine_broker(t->job->engine)), part, t->loop, txn);
    if (err)
        task_fail(t, err, "its output cannot be written: %s", err_text(err));
    part_get_conf(part, &conf);
    o->record_max = (size_t)MIN(conf.max_message_bytes, conf.segment_bytes);
    return !err;
}

static void too_large(struct task *t, struct op *op, const struct task_output *o, int64_t ts_ms, struct str key,
                      struct str value)
{
    char text[160];
    snprintf(text, sizeof text, "the result's record of %zu bytes is larger than max.message.bytes of topic %s (%zu)",
             key.len + value.len, op->node->topic_name, o->record_max);
    task_bad(t, &(struct bad){.kind = BAD_OUTPUT, .stage = op->cls->name, .text = text, .partition = -1, .offset = -1,
                              .ts_ms = ts_ms, .key = key, .value = value});
}

static void env_output(void *task, struct op *op, int32_t part, int64_t ts_ms, struct str key, struct str value)
{
    struct task *t = task;
    CHECK(part >= 0 && (unsigned)part < t->noutputs && !t->job->query);
    struct task_output *o = &t->outputs[part];
    if (!o->writer && !task_output_open(t, o, t->output_parts[part]))
        return;
    if (UNLIKELY(key.len + value.len + RECORD_ROOM > o->record_max)) {
        too_large(t, op, o, ts_ms, key, value);
        return;
    }
    t->rows_out++;
    writer_record(o->writer, ts_ms, key, value);
    task_output_wrote(t, o, key.len + value.len + RECORD_BYTES, op->env->record || op->node->inputs[0]->mode == MODE_APPEND);
}

/* Counted in pieces: a record costs no more than an addition. */
static void collect(struct task *t, size_t bytes)
{
    t->uncounted += bytes;
    if (t->uncounted < COUNTED_BYTES)
        return;
    account_add(&t->writing, t->uncounted);
    t->uncounted = 0;
}

void task_output_wrote(struct task *t, struct task_output *o, size_t bytes, bool early)
{
    o->collected += bytes;
    t->collected += bytes;
    t->unflushed += bytes;
    collect(t, bytes);
    /* A stream's rows may go out before their epoch ends; a table's come once per key at the marker. */
    if (!early)
        return;
    if (o->collected > ENGINE_FLUSH_BYTES)
        flush_output(t, o);
    else if (t->collected > ENGINE_COLLECTED_BYTES)
        flush_outputs(t);
}

static void env_result(void *task, struct op *op, const struct batch *b)
{
    struct task *t = task;
    (void)op;
    if (!b->nsel)
        return;
    struct result *r = xzalloc(sizeof *r);
    arena_init(&r->arena);
    r->batch = batch_copy(b, NULL, 0, NULL, 0, &r->arena);
    r->bytes = r->arena.used;
    t->rows_out += b->nsel;
    list_add_tail(&t->results, &r->link);
    query_result(t->job->query, r->bytes);
}

static void env_error(void *task, struct op *op, const char *text)
{
    struct task *t = task;
    (void)op; /* has counted it */
    if (!t->first_error[0])
        snprintf(t->first_error, sizeof t->first_error, "%s", text);
}

static bool env_due(void *task)
{
    const struct task *t = task;
    return t->job->emits;
}

static void env_held(void *task, bool went, bool waits)
{
    struct task *t = task;
    if (went)
        atomic_store(&t->job->emitted_ms, t->job->opened_ms);
    if (waits != t->holds_back)
        atomic_fetch_add(&t->job->holding, waits ? 1 : -1);
    t->holds_back = waits;
}

static void op_exit(struct op *op, const struct batch *b) { task_exit(op->env->task, b); }

void task_exit(struct task *t, const struct batch *b)
{
    if (t->frag->exit)
        exchange_rows(t, t->frag->exit, b);
}

/* ---- making and opening */

static size_t channel_max(const struct task *t)
{
    int64_t part = broker_config(engine_broker(t->job->engine))->state_memory / ENGINE_CHANNELS_PART;
    int64_t share = part / MAX(1, (int64_t)t->frag->ntasks * t->noutlets);
    return (size_t)MIN(ENGINE_CHANNEL_BYTES, MAX(ENGINE_CHANNEL_MIN_BYTES, share));
}

static int64_t fresh_us(void *task) { return loop_fresh_us(((struct task *)task)->loop); }

void task_init(struct task *t, struct job *job, const struct frag *f, unsigned index, unsigned number)
{
    struct arena *a = &job->arena;
    unsigned nnodes = job->plan->nnodes;
    *t = (struct task){.job = job, .frag = f, .index = index, .number = number, .id = frag_task_id(f, index)};
    t->loop = job->query ? job->home : engine_place(job, number);
    t->turns = engine_turns(job->engine, t->loop);
    t->share = &job->shares[t->turns->number];
    sm_init(&t->sm, task_states, "run.task", TASK_NEW);
    list_init(&t->run_link);
    list_init(&t->inbox);
    list_init(&t->spare);
    list_init(&t->results);
    list_init(&t->scans);
    letters_init(t);
    park_init(t);
    needs_init(&t->mark_needs);
    budget_init(&t->memory, INT64_MAX, &job->memory);
    t->writing.budget = &t->memory;
    press_init(t);
    t->ops = ARENA_ARRAY(a, struct op *, f->nops + 1);
    t->foreign = ARENA_ARRAY(a, struct node_stats, nnodes);
    t->nsources = f->nsources;
    t->sources = ARENA_ARRAY(a, struct source, f->nsources + 1);
    t->cut = ARENA_ARRAY(a, struct commit_source, f->nsources + 1);
    t->ninlets = f->ninlets;
    t->inlets = ARENA_ARRAY(a, struct channel *, f->ninlets + 1);
    unsigned nmarks = MAX(1, f->ninlets + f->nsources);
    watermarks_init(&t->marks, ARENA_ARRAY(a, struct watermark_input, nmarks), nmarks);
    t->noutlets = f->to ? f->to->ntasks : 0;
    t->outlets = ARENA_ARRAY(a, struct channel, t->noutlets + 1);
    t->channel_max = channel_max(t);
    t->done = (struct commit_task){.task = t->id, .watermark_ms = WATERMARK_NONE};
    t->changelog_end = -1;
    t->busy.now_us = fresh_us;
    wbuf_init(&t->key);
    map_init(&t->dead);
    t->env = (struct op_env){.task = t,
                             .output = env_output,
                             .result = env_result,
                             .error = env_error,
                             .due = env_due,
                             .held = env_held,
                             .task_index = index,
                             .ntasks = f->ntasks,
                             .record = job->plan->sink->record,
                             .memory = &t->memory,
                             .busy = &t->busy,
                             .context = &t->context};
    if (!job->query) {
        t->clock.cold = true;
        t->clock.fresh = &t->press.fresh;
        t->cold = cold_new(t);
        t->env.clock = &t->clock;
        t->env.needs = &t->park.fetch.needs;
        t->env.park = park_rows;
        t->env.bad = letter_row;
        t->env.tells_late = job->def.late_letters;
    }
    if (!f->to && !job->query) {
        t->noutputs = job->output.n;
        t->output_parts = job->output.parts;
        t->outputs = ARENA_ARRAY(a, struct task_output, t->noutputs + 1);
        t->cut_ends = ARENA_ARRAY(a, int64_t, t->noutputs + 1);
        for (unsigned i = 0; i < t->noutputs; i++)
            t->outputs[i] = (struct task_output){.partition = (int32_t)i, .end = -1};
        t->env.output_parts = (int32_t)t->noutputs;
    }
    if (!job->query)
        t->changelog_part = job->changelog.parts[frag_changelog(job->graph, index)];
}

struct op *task_op(struct task *t, const struct plan_node *n)
{
    for (unsigned i = 0; i < t->frag->nops; i++)
        if (t->frag->ops[i] == n)
            return t->ops[i];
    return NULL;
}

struct op *task_sink(struct task *t) { return t->frag->to ? NULL : task_op(t, t->job->plan->sink); }

/* The operator that takes the rows of node n, which is not an operator of this task itself. */
static struct op *taker_of(struct task *t, const struct plan_node *n, unsigned *input)
{
    for (unsigned i = 0; i < t->frag->nops; i++)
        for (unsigned k = 0; k < t->frag->ops[i]->ninputs; k++)
            if (t->frag->ops[i]->inputs[k] == n) {
                *input = k;
                return t->ops[i];
            }
    *input = 0;
    return NULL;
}

int task_open_ops(struct task *t, struct diag *d)
{
    for (unsigned i = 0; i < t->frag->nops; i++) {
        int err = op_open(&t->ops[i], t->frag->ops[i], &t->env, d);
        if (err) {
            t->ops[i] = NULL;
            return err;
        }
    }
    for (unsigned i = 0; i < t->frag->nops; i++) {
        struct op *op = t->ops[i];
        op->next = taker_of(t, t->frag->ops[i], &op->next_input);
        op->exit_cb = op_exit;
        op->passed_ms = WATERMARK_NONE;
        t->holds |= op->cls->passes && op->cls->passes(op) != INT64_MAX;
    }
    return 0;
}

void task_close_ops(struct task *t)
{
    for (unsigned i = 0; i < t->frag->nops; i++) {
        if (t->ops[i])
            op_close(t->ops[i]);
        t->ops[i] = NULL;
    }
}

static void drop_results(struct task *t)
{
    for (struct list *l; (l = list_pop(&t->results)) != NULL;) {
        struct result *r = container_of(l, struct result, link);
        arena_fini(&r->arena);
        xfree(r);
    }
}

void task_fini(struct task *t)
{
    CHECK(sm_is(&t->sm, TASK_NEW) || sm_is(&t->sm, TASK_CLOSED));
    task_close_ops(t);
    drop_results(t);
    exchange_fini(t);
    park_fini(t);
    needs_fini(&t->mark_needs);
    letters_fini(t);
    account_sub(&t->writing, t->writing.bytes); /* what was collected for no epoch */
    cold_free(t->cold);
    wbuf_fini(&t->key);
    map_fini(&t->dead);
}

/* ---- telling home */

static void tell(struct task_msg *m, struct task *t, void (*run_cb)(struct msg *))
{
    m->task = t;
    m->msg.run_cb = run_cb;
    loop_post(t->job->home, &m->msg);
}
#define TASK_OF(m, field) container_of(container_of(m, struct task_msg, msg), struct task, field)

static void started_cb(struct msg *m)
{
    struct task *t = TASK_OF(m, is_started);
    job_task_started(t->job, t);
}
static void cut_cb(struct msg *m)
{
    struct task *t = TASK_OF(m, is_cut);
    job_task_cut(t->job, t);
}
static void done_cb(struct msg *m)
{
    struct task *t = TASK_OF(m, is_done);
    job_task_done(t->job, t);
}
static void failed_cb(struct msg *m)
{
    struct task *t = TASK_OF(m, has_failed);
    job_task_failed(t->job, t);
}
static void reached_cb(struct msg *m)
{
    struct task *t = TASK_OF(m, has_reached);
    job_task_reached(t->job, t);
}
static void closed_cb(struct msg *m)
{
    struct task *t = TASK_OF(m, is_closed);
    job_task_closed(t->job, t);
}

void task_fail(struct task *t, int status, const char *fmt, ...)
{
    if (t->fail_status)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(t->fail_text, sizeof t->fail_text, fmt, ap);
    va_end(ap);
    t->fail_status = status;
    tell(&t->has_failed, t, failed_cb);
}

void task_damaged(struct task *t)
{
    t->job->rebuild = true;
    task_fail(t, E_CORRUPT, "the file of its state is damaged; it is made anew from the changelog");
}

void task_rows(struct task *t)
{
    if (t->dirty)
        return;
    t->dirty = true;
    job_rows(t->job);
}

/* ---- event time */

/* What an operator is told: the least of what feeds it. */
static int64_t told(struct task *t, const struct plan_node *n)
{
    int64_t ms = INT64_MAX;
    for (unsigned i = 0; i < n->ninputs; i++) {
        const struct op *op = t->holds ? task_op(t, n->inputs[i]) : NULL;
        ms = MIN(ms, op ? op->passed_ms : t->marks.ms);
    }
    return ms;
}

/* What operators give on hearing of it goes out under the time before: behind the new one it would be late. */
void task_tell_time(struct task *t)
{
    int64_t passed_ms = t->marks.ms;
    if (BUG("watermark_before_rows"))
        t->passed_ms = t->marks.ms;
    for (unsigned i = 0; i < t->frag->nops; i++) {
        struct op *op = t->ops[i];
        int64_t ms = told(t, op->node);
        if (op->cls->watermark && ms != WATERMARK_NONE) {
            uint64_t *was = op_busy(&t->env, &op->stats.busy_us);
            op->cls->watermark(op, ms);
            op_busy(&t->env, was);
        }
        passed_ms = op->passed_ms = op->cls->passes ? MIN(op->cls->passes(op), ms) : ms;
    }
    t->passed_ms = passed_ms;
}

/* Rows carry the watermark along. It travels on its own when no row may follow: `alone`, or all inputs fell asleep. */
void task_set_watermark(struct task *t, unsigned mark, int64_t ms, bool idle, bool alone)
{
    bool up = watermarks_set(&t->marks, mark, ms, idle);
    if (up)
        task_tell_time(t); /* rows that operators give on hearing of it travel before it */
    bool all_idle = watermarks_idle(&t->marks);
    if ((up && alone) || all_idle != t->marked_idle)
        exchange_watermark(t);
    t->marked_idle = all_idle;
}

/* Behind rows that wait for their state. */
static void set_watermark(struct task *t, unsigned mark, int64_t ms, bool idle, bool alone)
{
    if (park_empty(t) && !t->marking)
        task_set_watermark(t, mark, ms, idle, alone);
    else
        park_watermark(t, mark, ms, idle, alone);
}

void task_source_watermark(struct task *t, unsigned number, int64_t ms, bool idle, bool alone)
{
    set_watermark(t, number, ms, idle, alone);
}

/* ---- epochs: this task's part */

struct flush {
    struct task *task;
    struct task_output *output; /* NULL: the changelog */
    int64_t epoch;
    size_t bytes;
};

static void check_done(struct task *t)
{
    if (!t->reporting || (t->flushing[t->epoch & 1] && !t->job->is_volatile) || t->fail_status || !sm_is(&t->sm, TASK_OPEN))
        return;
    if (t->heard < t->epoch - 1) /* home's word about the epoch before is still on its way */
        return;
    t->reporting = false;
    for (unsigned i = 0; i < t->noutputs; i++)
        t->cut_ends[i] = t->outputs[i].end;
    if (t->job->def.at_least_once)
        tell(&t->is_cut, t, cut_cb);
    tell(&t->is_done, t, done_cb);
}

static void check_closed(struct task *t)
{
    if (!sm_is(&t->sm, TASK_CLOSING) || t->nsent || t->flushing[0] || t->flushing[1] || (t->cold && !cold_idle(t->cold)))
        return;
    sm_move(&t->sm, TASK_CLOSED);
    tell(&t->is_closed, t, closed_cb);
}

void task_cold_idle(struct task *t) { check_closed(t); }

static void flushed_cb(void *arg, int status, int64_t base_offset, int64_t end_offset)
{
    struct flush *f = arg;
    struct task *t = f->task;
    (void)base_offset;
    t->flushing[f->epoch & 1]--;
    account_sub(&t->writing, f->bytes);
    if (f->output)
        t->unflushed -= f->bytes;
    if (status)
        task_fail(t, status, "its %s cannot be written: %s",
                  f->output == &t->letterbox ? "topic of dead letters" : f->output ? "output" : "changelog",
                  err_text(status));
    else if (f->output)
        f->output->end = MAX(f->output->end, end_offset);
    else
        t->changelog_end = end_offset;
    if (f->output)
        FAULT("epoch.output_flushed");
    else
        FAULT("epoch.changelog_flushed");
    xfree(f);
    check_done(t);
    task_wake(t);
    check_closed(t); /* last: home may free the task from here on */
}

static void flush(struct task *t, struct writer *w, struct task_output *o, size_t bytes)
{
    struct flush *f = xzalloc(sizeof *f);
    *f = (struct flush){t, o, t->filling, bytes};
    account_add(&t->writing, t->uncounted);
    t->uncounted = 0;
    t->flushing[t->filling & 1]++;
    t->wrote = true;
    if (o && is_loose(t, o))
        writer_flush(w, flushed_cb, f);
    else
        writer_flush_in(w, t->filling, flushed_cb, f);
}

static void flush_output(struct task *t, struct task_output *o)
{
    if (!o->writer || !o->collected)
        return;
    size_t bytes = o->collected;
    o->collected = 0;
    t->collected -= bytes;
    flush(t, o->writer, o, bytes);
}

static void put_changelog(struct task *t, struct str key, struct str value)
{
    if (!t->changelog) {
        int err = writer_open_txn(&t->changelog, broker_store(engine_broker(t->job->engine)), t->changelog_part,
                                  t->loop, t->job->txn);
        if (err) {
            task_fail(t, err, "its changelog cannot be written: %s", err_text(err));
            return;
        }
    }
    writer_record(t->changelog, loop_wall_ms(t->loop), key, value);
    t->changelog_filling += key.len + value.len;
    collect(t, key.len + value.len + RECORD_BYTES);
    t->changelog_collected += key.len + value.len + RECORD_BYTES;
}

static void flush_changelog(struct task *t)
{
    size_t bytes = t->changelog_collected;
    t->changelog_collected = 0;
    if (bytes)
        flush(t, t->changelog, NULL, bytes);
}

static void put_tombstone(struct task *t, struct str key) { put_changelog(t, key, STR_NULL); }

static void put_change(void *arg, unsigned store, struct str key, struct str value)
{
    struct task *t = arg;
    CHECK(store < 1u << 16);
    if (t->job->query || t->job->is_volatile)
        return;
    wbuf_reset(&t->key);
    changelog_key_state(t->id, t->marker_op->node->store << 16 | store, key, &t->key);
    put_changelog(t, wbuf_view(&t->key), value);
}

static void ops_committed(struct task *t, int64_t epoch)
{
    if (t->committed >= epoch)
        return;
    t->committed = epoch;
    for (unsigned i = 0; i < t->frag->nops; i++)
        if (t->ops[i]->cls->committed)
            t->ops[i]->cls->committed(t->ops[i]);
}

static void mark_begin(struct task *t)
{
    ops_committed(t, t->marking - 1); /* a marker says so too, and may overtake home's word */
    t->mark_begun = t->mark_first = true;
    t->mark_op = 0;
    t->dirty = false;
    t->done.watermark_ms = t->marks.ms;
    for (unsigned i = 0; i < t->nsources; i++)
        source_position(&t->sources[i], &t->cut[i]);
}

/* A marker, or a step's part of one. False: state has to be fetched first. */
static bool mark_op_now(struct task *t, struct op *op)
{
    struct changes changes = {t, put_change};
    t->marker_op = op;
    if (op->cls->prepare && t->env.needs && !t->mark_wants) {
        bool first = t->mark_first;
        t->mark_first = false;
        needs_reset(&t->mark_needs);
        op->cls->prepare(op, first, &changes, &t->mark_needs);
        t->mark_wants = t->mark_needs.n > 0;
        if (t->mark_wants && !park_empty(t))
            return false; /* rows that it gave wait for state of their own: that comes first */
    }
    if (t->mark_wants) {
        struct needs wanted = t->mark_needs;
        t->mark_needs = *t->env.needs;
        *t->env.needs = wanted;
        t->mark_wants = false;
        park_fetch(t, op);
        return false;
    }
    bool hidden = op->cls->shows && !t->stepping && job_hides(t->job, t->marking);
    if (t->stepping && op->cls->step)
        op->cls->step(op, &changes);
    else if (op->cls->marker && !hidden)
        op->cls->marker(op, &changes);
    t->mark_first = true;
    return true;
}

static bool mark_op(struct task *t, struct op *op)
{
    uint64_t *was = op_busy(&t->env, &op->stats.busy_us);
    bool done = mark_op_now(t, op);
    op_busy(&t->env, was);
    return done;
}

/* All operators in turn, as far as the state in memory allows: rows that wait go first, also those that an operator gave
 * to the next one. True: all are through. */
static bool mark_ops(struct task *t)
{
    while (park_empty(t) && !t->fail_status && !letters_wait(t)) {
        if (t->holds && t->mark_first)
            task_tell_time(t); /* rows that waited for the marker are out */
        if (t->mark_op == t->frag->nops)
            return true;
        if (mark_op(t, t->ops[t->mark_op]))
            t->mark_op++;
    }
    return false;
}

/* emit=record: the rows of a record are in. */
static void step_begin(struct task *t)
{
    t->stepping = t->env.record;
    t->mark_first = true;
    t->mark_op = 0;
}

static void step_run(struct task *t)
{
    if (!mark_ops(t))
        return;
    t->stepping = false;
    exchange_step(t);
    if (t->changelog_collected > ENGINE_FLUSH_BYTES)
        flush_changelog(t);
}

static void mark_end(struct task *t)
{
    int64_t epoch = t->marking;
    t->marking = 0;
    t->mark_begun = false;
    park_marked(t);
    exchange_marker(t, epoch);
    dead_bury(t, put_tombstone);
    flush_changelog(t);
    flush_outputs(t);
    t->changelog_bytes = t->changelog_filling;
    t->changelog_filling = 0;
    t->done.changed = t->changelog_bytes ? epoch : 0;
    t->changed = t->changelog_bytes ? epoch : t->changed;
    t->fed = false;
    t->cut_wrote = t->wrote;
    t->wrote = false;
    t->epoch = epoch;
    t->filling = epoch + 1;
    t->clock.epoch = (uint32_t)t->filling;
    press_marked(t);
    press_committed(t);
    t->reporting = true;
    if (!t->job->def.at_least_once)
        tell(&t->is_cut, t, cut_cb); /* what it has to say is known, though not yet durable */
    check_done(t);
}

/* Goes on with the marker, as far as it can. */
static void mark_run(struct task *t)
{
    if (t->stepping || !park_empty(t) || t->fail_status || letters_wait(t))
        return;
    if (!t->mark_begun)
        mark_begin(t);
    if (mark_ops(t))
        mark_end(t);
}

/* The epoch ends here: operators emit what they collected and say what changed; the marker follows; all is written.
 * With at_least_once the commit tells where the output ends, which is known only when it is durable. */
static void mark(struct task *t, int64_t epoch)
{
    CHECK(!t->reporting && !t->marking && epoch == t->epoch + 1);
    t->marking = epoch;
    mark_run(t);
    task_wake(t);
}

/* ---- rows coming in */

bool task_blocked(const struct task *t) { return t->nfull > 0 || t->unflushed > ENGINE_UNFLUSHED_BYTES; }

void task_wake(struct task *t)
{
    if (!sm_is(&t->sm, TASK_OPEN) || t->run_link.next != &t->run_link)
        return;
    turns_ready(t->turns, t);
}

void task_receive(struct task *t, struct parcel *p)
{
    if (sm_is(&t->sm, TASK_CLOSING) || sm_is(&t->sm, TASK_CLOSED)) {
        parcel_return(p);
        return;
    }
    list_add_tail(&t->inbox, &p->link);
    task_wake(t);
}

void task_credit(struct task *t, struct channel *ch, bool was_full)
{
    if (was_full && ch->flying <= ch->max) {
        CHECK(t->nfull > 0);
        t->nfull--;
        task_wake(t);
    }
    check_closed(t);
}

static void push_parcel(struct task *t, struct parcel *p)
{
    unsigned input;
    struct op *op = taker_of(t, p->ch->from->frag->exit, &input);
    t->fed = true;
    if (op)
        op_push(op, input, p->batch);
    else
        task_exit(t, p->batch);
}

/* emit=record: the rows of a step come together, whatever else comes between them. */
static void take_step(struct task *t, struct parcel *p)
{
    for (struct list *l; (l = list_pop(&p->ch->rest)) != NULL;) {
        struct parcel *before = container_of(l, struct parcel, link);
        push_parcel(t, before);
        parcel_return(before);
    }
    push_parcel(t, p);
    step_begin(t);
}

void task_take_scan(struct task *t, struct batch *b)
{
    unsigned input;
    struct op *op = taker_of(t, t->frag->scan, &input);
    if (op)
        op_push(op, input, b);
    else
        task_exit(t, b);
}

static void splice_front(struct list *head, struct list *l)
{
    while (!list_empty(l)) {
        struct list *last = l->prev;
        list_remove(last);
        list_add_head(head, last);
    }
}

static void take_marker(struct task *t, struct channel *ch, int64_t epoch)
{
    ch->held = true;
    if (++t->nheld < t->ninlets)
        return;
    mark(t, epoch);
    t->nheld = 0;
    for (unsigned i = 0; i < t->ninlets; i++) {
        t->inlets[i]->held = false;
        splice_front(&t->inbox, &t->inlets[i]->waiting);
    }
}

/* Takes one parcel out of the inbox; what comes from a channel whose marker is here waits for the other markers. */
static bool take_parcel(struct task *t)
{
    struct list *l = list_pop(&t->inbox);
    if (!l)
        return false;
    struct parcel *p = container_of(l, struct parcel, link);
    struct channel *ch = p->ch;
    if (ch->held) {
        list_add_tail(&ch->waiting, &p->link);
        return true;
    }
    if (p->kind == PARCEL_BATCH && t->env.record && !p->step) {
        list_add_tail(&ch->rest, &p->link);
        return true;
    }
    if (p->kind == PARCEL_BATCH && t->env.record)
        take_step(t, p);
    else if (p->kind == PARCEL_BATCH)
        push_parcel(t, p);
    set_watermark(t, ch->inlet, p->watermark_ms, p->idle, p->kind == PARCEL_WATERMARK);
    enum parcel_kind kind = p->kind;
    int64_t epoch = p->epoch;
    parcel_return(p);
    if (kind == PARCEL_MARKER)
        take_marker(t, ch, epoch);
    return true;
}

static bool read_some(struct task *t)
{
    if (t->job->query ? query_paused(t->job->query) : press_waits(t))
        return false;
    for (unsigned i = 0; i < t->nsources; i++) {
        struct source *s = &t->sources[t->next_source];
        t->next_source = (t->next_source + 1) % t->nsources;
        if (source_turn(s) != SOURCE_MORE)
            continue;
        step_begin(t);
        t->fed = true;
        t->read = s;
        return true;
    }
    return false;
}

/* A step of a turn is over. If it was a source's batch, what that cost bounds its next one. */
static bool goes_on(struct task *t, int64_t *at, int64_t until)
{
    int64_t now = loop_fresh_us(t->loop);
    if (t->read && !t->env.record)
        t->read->rows_max = fair_rows(t->read->rows_max, now - *at);
    t->read = NULL;
    *at = now;
    return now < until;
}

bool task_turn(struct task *t)
{
    int64_t at = loop_fresh_us(t->loop), until = at + ENGINE_TURN_US;
    t->context.now_ms = loop_wall_ms(t->loop);
    do {
        if (t->fail_status || t->park.fetching || letters_wait(t))
            return false;
        if (!park_empty(t)) {
            park_step(t);
            continue;
        }
        if (t->stepping) {
            step_run(t);
            continue;
        }
        if (t->marking) {
            mark_run(t);
            continue;
        }
        if (t->cold && press_relieve(t, until))
            continue;
        if (task_blocked(t))
            return false;
        if (!take_parcel(t) && !read_some(t))
            return false;
    } while (goes_on(t, &at, until));
    return true;
}

/* ---- orders from home */

static void order(struct task *t, struct task_msg *m, void (*run_cb)(struct msg *))
{
    m->task = t;
    m->msg.run_cb = run_cb;
    loop_post(t->loop, &m->msg);
}

static void open_sources(struct task *t)
{
    for (unsigned i = 0; i < t->nsources && !t->fail_status; i++) {
        struct source *s = &t->sources[i];
        const struct plan_node *n = t->frag->sources[i];
        struct diag d = {0};
        s->op = taker_of(t, n, &s->input);
        s->mark = t->ninlets + i;
        int err = source_open(s, t, n, job_part(t->job, n->topic, t->index),
                              job_source_pos(t->job, n->store, (int32_t)t->index), &d);
        if (err)
            task_fail(t, err, "%s", d.text);
        else
            watermarks_set(&t->marks, s->mark, s->watermark_ms, s->idle);
    }
    t->marked_idle = watermarks_idle(&t->marks);
    task_tell_time(t);
}

static void start_cb(struct msg *m)
{
    struct task *t = TASK_OF(m, to_start);
    sm_move(&t->sm, TASK_OPEN);
    t->epoch = t->committed = t->heard = t->job->last.epoch;
    t->filling = t->epoch + 1;
    t->clock.epoch = (uint32_t)t->filling;
    random_seed(&t->context.random, loop_random(t->loop));
    press_start(t);
    open_sources(t);
    tell(&t->is_started, t, started_cb);
}

void task_start(struct task *t) { order(t, &t->to_start, start_cb); }

/* Consumers hear what is known of event time before the first row. */
static void gate_cb(struct msg *m)
{
    struct task *t = TASK_OF(m, to_gate);
    bool tables = t->new_gate >= GATE_TABLES, streams = t->new_gate == GATE_ALL;
    if (!sm_is(&t->sm, TASK_OPEN) || t->fail_status)
        return;
    for (unsigned i = 0; i < t->nsources; i++)
        t->sources[i].shut = !(t->sources[i].node->table ? tables : streams);
    if (job_graph(t->job)->timed)
        exchange_watermark(t);
    task_wake(t);
}

void task_gate(struct task *t, enum task_gate gate)
{
    t->new_gate = gate;
    order(t, &t->to_gate, gate_cb);
}

void task_source_reached(struct task *t)
{
    for (unsigned i = 0; i < t->nsources; i++)
        if (t->sources[i].stop_at != INT64_MAX && !t->sources[i].reached)
            return;
    tell(&t->has_reached, t, reached_cb);
}

static void shut_cb(struct msg *m)
{
    struct task *t = TASK_OF(m, to_shut);
    for (unsigned i = 0; i < t->nsources; i++)
        t->sources[i].shut = true;
}

void task_shut(struct task *t) { order(t, &t->to_shut, shut_cb); }

static void open_cb(struct msg *m)
{
    struct task *t = TASK_OF(m, to_open);
    if (sm_is(&t->sm, TASK_OPEN) && !t->fail_status)
        mark(t, t->new_epoch);
}

void task_open_epoch(struct task *t, int64_t epoch)
{
    t->new_epoch = epoch;
    order(t, &t->to_open, open_cb);
}

static void committed_cb(struct msg *m)
{
    struct task *t = TASK_OF(m, to_committed);
    if (!sm_is(&t->sm, TASK_OPEN))
        return;
    t->heard = t->new_committed;
    press_committed(t);
    ops_committed(t, t->heard);
    check_done(t);
}

void task_committed(struct task *t, int64_t epoch)
{
    t->new_committed = epoch;
    order(t, &t->to_committed, committed_cb);
}

static void return_all(struct list *l)
{
    for (struct list *p; (p = list_pop(l)) != NULL;)
        parcel_return(container_of(p, struct parcel, link));
}

static void close_cb(struct msg *m)
{
    struct task *t = TASK_OF(m, to_close);
    sm_move(&t->sm, TASK_CLOSING);
    fair_forget(t->share, &t->run_link);
    press_stop(t);
    for (struct list *l; (l = list_pop(&t->scans)) != NULL;) {
        struct task_scan *s = container_of(l, struct task_scan, link);
        s->closed_cb(s);
    }
    if (t->cold)
        cold_stop(t->cold);
    for (unsigned i = 0; i < t->nsources; i++)
        source_close(&t->sources[i]);
    return_all(&t->inbox);
    for (unsigned i = 0; i < t->ninlets; i++) {
        return_all(&t->inlets[i]->waiting);
        return_all(&t->inlets[i]->rest);
    }
    if (t->changelog)
        writer_close(t->changelog);
    for (unsigned i = 0; i < t->noutputs; i++)
        if (t->outputs[i].writer)
            writer_close(t->outputs[i].writer);
    if (t->letterbox.writer)
        writer_close(t->letterbox.writer);
    check_closed(t);
}

void task_close(struct task *t) { order(t, &t->to_close, close_cb); }
