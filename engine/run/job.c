#include "engine/run/job.h"
#include "engine/run/letters.h"
#include "engine/run/savepoint.h"
#include "log/base/fault.h"
#include "log/base/limits.h"
#include "log/base/trace.h"
#include <errno.h>
#include <stdio.h>

static const struct sm_state job_phases[] = {
    /* picture: job.h */
    [J_STARTING] = {"starting", TO(J_RESTORING) | TO(J_CLOSING)},
    [J_RESTORING] = {"restoring", TO(J_OPENING) | TO(J_CLOSING)},
    [J_OPENING] = {"opening", TO(J_RUNNING) | TO(J_CLOSING)},
    [J_RUNNING] = {"running", TO(J_STOPPING) | TO(J_CLOSING)},
    [J_STOPPING] = {"stopping", TO(J_CLOSING)},
    [J_CLOSING] = {"closing", TO(J_STOPPED) | TO(J_FAILED)},
    [J_STOPPED] = {"stopped", 0},
    [J_FAILED] = {"failed", 0},
};

/* An epoch that takes longer than this is aborted by the coordinator, so that nobody who reads committed records waits
 * for a job that hangs; the job begins anew. */
enum { JOB_TXN_TIMEOUT_MS = 60000 };

/* Waits between failures: JOB_RETRY_FIRST_US, doubling up to JOB_RETRY_MAX_US, JOB_TRIES_MAX times (about a minute). */
enum { JOB_RETRY_FIRST_US = 100000, JOB_RETRY_MAX_US = 5000000, JOB_TRIES_MAX = 16 };

/* A stop waits so long for its last epoch, and for markers that a checkpoint needs: a disk that failed may never let
 * them be written. What was committed is not lost with it. */
enum { JOB_PATIENCE_MS = 10000 };

static void rows_cb(struct msg *m);
static void hurry_cb(struct msg *m);
static void tick_cb(struct timer *t);
static void again_cb(struct timer *t);
static void patience_cb(struct timer *t);
static void maybe_read_all(struct job *j);
static void step(struct job *j, enum epoch_event_kind kind, unsigned task);
static void every_cb(struct timer *t);
static void wait_to_emit(struct job *j);

struct job *job_new(struct engine *e, struct uuid id, struct loop *home)
{
    struct job *j = xzalloc(sizeof *j);
    j->engine = e;
    j->id = id;
    j->home = home;
    arena_init(&j->arena);
    j->shares = ARENA_ARRAY(&j->arena, struct share, engine_nloops(e));
    for (unsigned i = 0; i < engine_nloops(e); i++)
        share_init(&j->shares[i]);
    budget_init(&j->memory, INT64_MAX, engine_memory(e));
    sm_init(&j->sm, job_phases, "run.job", J_STARTING);
    list_init(&j->savings);
    list_init(&j->awaiting);
    wbuf_init(&j->record);
    wbuf_init(&j->key);
    timer_init(&j->tick, home, tick_cb);
    timer_init(&j->again, home, again_cb);
    timer_init(&j->every, home, every_cb);
    timer_init(&j->patience, home, patience_cb);
    j->rows_msg.run_cb = rows_cb;
    j->hurry_msg.run_cb = hurry_cb;
    j->bootstrap_epoch = INT64_MAX;
    proctime_init(&j->clock);
    return j;
}

bool job_is_over(const struct job *j) { return sm_is(&j->sm, J_STOPPED) || sm_is(&j->sm, J_FAILED); }

static bool is_closing(const struct job *j) { return sm_is(&j->sm, J_CLOSING) || job_is_over(j); }

static bool is_live(const struct job *j) { return sm_is(&j->sm, J_RUNNING) || sm_is(&j->sm, J_STOPPING); }

enum job_state job_state(const struct job *j)
{
    switch ((enum job_phase)j->sm.cur) {
    case J_STARTING:
    case J_OPENING:
        return JOB_STARTING;
    case J_RESTORING:
        return JOB_RESTORING;
    case J_RUNNING:
    case J_STOPPING:
        return JOB_RUNNING;
    case J_CLOSING:
    case J_FAILED:
        return j->retry ? JOB_STARTING : j->fail_status ? JOB_FAILED : JOB_PAUSED;
    case J_STOPPED:
        break;
    }
    return JOB_PAUSED;
}

/* ---- opening and running */

static void again_cb(struct timer *t) { job_begin(container_of(t, struct job, again)); }

void job_begin_again(struct job *j)
{
    if (sm_is(&j->sm, J_STARTING))
        timer_start_us(&j->again, j->delay_us);
}

int64_t job_retry_delay_us(unsigned tries)
{
    if (tries > JOB_TRIES_MAX)
        return -1;
    return MIN((int64_t)JOB_RETRY_FIRST_US << MIN(tries - 1, 10u), (int64_t)JOB_RETRY_MAX_US);
}

static void inited_cb(void *arg, int status)
{
    struct job *j = arg;
    j->initing = false;
    FAULT("restart.inited");
    if (status)
        job_fail(j, status, "its transactions cannot begin: %s", err_text(status));
    job_maybe_restore(j);
    job_maybe_closed(j);
}

void job_init_txn(struct job *j)
{
    char id[UUID_TEXT], name[UUID_TEXT + 16];
    uuid_format(j->id, id);
    snprintf(name, sizeof name, "weir-job-%s", id);
    j->txn = txn_open(engine_broker(j->engine), name, JOB_TXN_TIMEOUT_MS, j->home);
    j->initing = true;
    txn_always(j->txn, j->changelog.parts[0]);
    txn_init(j->txn, inited_cb, j);
}

void job_restore(struct job *j)
{
    sm_move(&j->sm, J_RESTORING);
    j->restoring = true;
    j->restore_us = loop_now_us(j->home);
    restore_begin(j);
}

/* Room for complete vectors: what one commit record holds. */
static void size_record(struct job *j, struct commit_record *c)
{
    unsigned nsources = 0;
    for (unsigned i = 0; i < j->ntasks; i++)
        nsources += j->tasks[i].nsources;
    *c = (struct commit_record){
        .nsources = nsources, .ntasks = j->ntasks, .noutputs = j->def.at_least_once ? j->output.n : 0};
    c->sources = ARENA_ARRAY(&j->arena, struct commit_source, nsources + 1);
    c->tasks = ARENA_ARRAY(&j->arena, struct commit_task, j->ntasks);
    c->outputs = ARENA_ARRAY(&j->arena, struct commit_output, j->output.n + 1);
}

const struct commit_source *job_source_pos(const struct job *j, unsigned node, int32_t partition)
{
    for (unsigned i = 0; i < j->last.nsources; i++)
        if (j->last.sources[i].node == node && j->last.sources[i].partition == partition)
            return &j->last.sources[i];
    return NULL;
}

bool job_source_known(const struct job *j, unsigned node)
{
    for (unsigned i = 0; i < j->last.nsources; i++)
        if (j->last.sources[i].node == node)
            return true;
    return false;
}

/* Where an output partition ended at the last commit; before the first one: where it ends now. */
static int64_t output_end(const struct job *j, int32_t partition)
{
    for (unsigned i = 0; i < j->last.noutputs; i++)
        if (j->last.outputs[i].partition == partition)
            return j->last.outputs[i].end;
    return part_end(j->output.parts[partition], false);
}

static bool has_sources(const struct task *t, bool tables_only)
{
    return t->nsources && (!tables_only || t->frag->sources[0]->table);
}

/* Tables that a new version of the job reads are read whole before its streams go on. */
static bool has_new_tables(const struct job *j)
{
    for (unsigned i = 0; i < j->ntasks; i++)
        for (unsigned k = 0; k < j->tasks[i].nsources; k++) {
            const struct plan_node *n = j->tasks[i].frag->sources[k];
            if (n->table && !job_source_known(j, n->store))
                return true;
        }
    return false;
}

void job_begin_epoch(struct job *j)
{
    if (!j->txn || j->begun)
        return;
    j->begun = true;
    txn_begin(j->txn, j->last.epoch + 1);
}

void job_restored(struct job *j, int status, const char *why)
{
    j->restoring = false;
    FAULT("restart.restored");
    if (status)
        job_fail(j, status, "%s", why);
    if (!sm_is(&j->sm, J_RESTORING)) {
        job_maybe_closed(j);
        return;
    }
    if (j->fresh)
        j->last.bootstrapped &= !has_new_tables(j);
    size_record(j, &j->next);
    j->recorded = (struct checkpoint_note){j->last.epoch, j->last.wall_ms};
    const struct config *conf = broker_config(engine_broker(j->engine));
    int64_t max_us = conf->commit_interval_ms * 1000, min_us = MIN(max_us, conf->commit_interval_min_ms * 1000);
    epochs_init(&j->epochs, j->ntasks, j->task_epochs, min_us, max_us, j->last.epoch);
    j->every_ms = plan_every_ms(j->plan);
    atomic_store(&j->emitted_ms, j->last.epoch ? j->last.wall_ms : INT64_MIN); /* not sooner than it may have been */
    atomic_store(&j->holding, 0);
    sm_move(&j->sm, J_OPENING);
    job_begin_epoch(j);
    j->starting = j->ntasks;
    for (unsigned i = 0; i < j->ntasks; i++) {
        struct task *t = &j->tasks[i];
        j->tables_left += has_sources(t, true);
        j->sources_left += has_sources(t, false);
        j->scans_left += t->frag->scan != NULL;
        t->started = true;
        task_start(t);
    }
}

static void open_gate(struct job *j)
{
    bool all = j->last.bootstrapped || !j->graph->tables || !j->graph->streams;
    for (unsigned i = 0; i < j->ntasks; i++)
        task_gate(&j->tasks[i], all ? GATE_ALL : GATE_TABLES);
    j->gate_open = all;
}

/* The first epoch of a job's life, and of a new version of it, comes before its first row: it holds the offsets where
 * it begins. */
void job_task_started(struct job *j, struct task *t)
{
    (void)t;
    j->starting--;
    if (j->starting || !sm_is(&j->sm, J_OPENING))
        return;
    sm_move(&j->sm, J_RUNNING);
    j->began_epoch = j->last.epoch;
    j->rate_us = loop_now_us(j->home); /* the first who asks hears the mean since now */
    if (!j->query)
        trace(INFO, "run", "job_running name=%s tasks=%u epoch=%" PRId64, j->def.name, j->ntasks, j->last.epoch);
    bool begins = j->last.epoch == 0 || j->fresh;
    if (j->every_ms && !begins)
        wait_to_emit(j); /* what a task held back it holds still */
    if (!begins)
        open_gate(j);
    if (j->query && !j->graph->one_epoch)
        query_running(j->query);
    else if (!j->query && !j->fresh) /* else its first epoch shows what the new version makes of what it keeps */
        engine_job_settled(j);
    if (begins || j->dirty)
        step(j, EV_FORCE, 0);
}

void job_task_reached(struct job *j, struct task *t)
{
    if (!sm_is(&j->sm, J_RUNNING))
        return;
    if (has_sources(t, true))
        j->tables_left--;
    j->sources_left -= j->graph->ends;
    if (!j->gate_open && j->graph->tables && j->tables_left == 0 && j->bootstrap_epoch == INT64_MAX) {
        j->bootstrap_epoch = j->epochs.number + 1;
        step(j, EV_FORCE, 0);
    }
    maybe_read_all(j);
}

/* The epochs before a query's first row, and between its tables and its streams: rows of tables have arrived everywhere,
 * their answer has not. If the streams are empty the latter may be the last epoch, too. */
static void hide_epoch(struct job *j)
{
    int64_t n = j->epochs.number;
    bool early = n == 1 || (n == j->bootstrap_epoch && !j->read_all);
    j->hidden_epoch = j->query && j->graph->one_epoch && early ? n : 0;
}

bool job_hides(const struct job *j, int64_t epoch) { return epoch == j->hidden_epoch; }

static void maybe_read_all(struct job *j)
{
    if (sm_is(&j->sm, J_RUNNING) && j->graph->ends && !j->sources_left && !j->scans_left)
        job_end(j);
}

void job_scanned(struct job *j)
{
    CHECK(j->scans_left > 0);
    j->scans_left--;
    maybe_read_all(j);
}

/* A query that shows nothing before its input ends has one epoch only. */
static void note(struct job *j, enum epoch_event_kind kind)
{
    if (is_live(j) && !(j->query && j->graph->one_epoch && sm_is(&j->sm, J_RUNNING)))
        step(j, kind, 0);
    job_maybe_closed(j);
}

static void rows_cb(struct msg *m)
{
    struct job *j = container_of(m, struct job, rows_msg);
    atomic_store(&j->rows_told, false);
    note(j, EV_ROWS);
}

static void hurry_cb(struct msg *m)
{
    struct job *j = container_of(m, struct job, hurry_msg);
    atomic_store(&j->hurry_told, false);
    note(j, EV_HURRY);
}

void job_rows(struct job *j)
{
    if (!atomic_exchange(&j->rows_told, true))
        loop_post(j->home, &j->rows_msg);
}

void job_hurry(struct job *j)
{
    if (!atomic_exchange(&j->hurry_told, true))
        loop_post(j->home, &j->hurry_msg);
}

/* ---- epochs: the coordinator's part */

static void tick_cb(struct timer *t)
{
    struct job *j = container_of(t, struct job, tick);
    if (is_live(j))
        step(j, EV_TICK, 0);
}

static int64_t task_changed(const struct job *j, unsigned i)
{
    uint32_t id = j->tasks[i].id;
    if (i < j->last.ntasks && j->last.tasks[i].task == id)
        return j->last.tasks[i].changed;
    for (unsigned k = 0; k < j->last.ntasks; k++)
        if (j->last.tasks[k].task == id)
            return j->last.tasks[k].changed;
    return 0;
}

static void gather(struct job *j, struct commit_record *c)
{
    unsigned n = 0;
    c->epoch = j->epochs.number;
    c->wall_ms = loop_wall_ms(j->home);
    c->version = j->def.version;
    c->bootstrapped =
        j->last.bootstrapped || !j->graph->tables || !j->graph->streams || j->epochs.number >= j->bootstrap_epoch;
    for (unsigned i = 0; i < c->noutputs; i++)
        c->outputs[i] = (struct commit_output){(int32_t)i, output_end(j, (int32_t)i)};
    for (unsigned i = 0; i < j->ntasks; i++) {
        struct task *t = &j->tasks[i];
        for (unsigned k = 0; k < t->nsources; k++)
            c->sources[n++] = t->cut[k];
        for (unsigned k = 0; BUG("epoch_offsets_of_now") && k < t->nsources; k++)
            source_position(&t->sources[k], &c->sources[n - t->nsources + k]);
        c->tasks[i] = t->done;
        if (!t->done.changed)
            c->tasks[i].changed = task_changed(j, i);
        for (unsigned k = 0; k < t->noutputs && c->noutputs; k++)
            c->outputs[k].end = MAX(c->outputs[k].end, t->cut_ends[k]);
    }
    CHECK(n == c->nsources);
}

/* Some task has written something, or the job stands elsewhere than at its last commit. */
static bool worth_a_commit(const struct job *j)
{
    bool wrote = false;
    for (unsigned i = 0; i < j->ntasks; i++)
        wrote |= j->tasks[i].cut_wrote;
    return wrote || !j->last.epoch || !commit_same(&j->last, &j->next);
}

static void commit_flushed(void *arg, int status, int64_t base_offset, int64_t end_offset)
{
    struct job *j = arg;
    (void)base_offset;
    (void)end_offset;
    j->commit_flying = false;
    FAULT("epoch.record_flushed");
    if (status)
        job_fail(j, status, "its commit cannot be written: %s", err_text(status));
    else if (!is_closing(j))
        step(j, EV_RECORD, 0);
    job_maybe_closed(j);
}

/* All tasks are cut: what they have written, and will have written, belongs to the record's transaction. */
static void write_record(struct job *j)
{
    gather(j, &j->next);
    if (j->query || j->is_volatile || !worth_a_commit(j)) {
        step(j, EV_RECORD, 0);
        return;
    }
    FAULT("epoch.cut");
    if (!j->commits) {
        int err = writer_open_txn(&j->commits, broker_store(engine_broker(j->engine)), j->changelog.parts[0], j->home,
                                  BUG("epoch_record_apart") ? NULL : j->txn);
        if (err) {
            job_fail(j, err, "its commit cannot be written: %s", err_text(err));
            return;
        }
    }
    wbuf_reset(&j->record);
    wbuf_reset(&j->key);
    commit_pack(&j->next, &j->record);
    changelog_key_commit(&j->key);
    writer_record(j->commits, j->next.wall_ms, wbuf_view(&j->key), wbuf_view(&j->record));
    j->commit_flying = true;
    j->recorded = (struct checkpoint_note){j->next.epoch, j->next.wall_ms};
    if (BUG("epoch_record_apart"))
        writer_flush(j->commits, commit_flushed, j);
    else
        writer_flush_in(j->commits, j->epochs.number, commit_flushed, j);
}

static void checkpoints_add(struct job *j)
{
    for (unsigned i = 0; i < j->ntasks; i++) {
        struct task *t = &j->tasks[i];
        bool changed = t->done.changed == j->last.epoch;
        checkpointing_commit(t->checkpointing, &j->recorded, changed ? t->changelog_end : -1,
                             changed ? t->changelog_bytes + j->record.len : 0);
    }
}

/* The epoch is committed: its record is the last one, and the next one's transaction may begin. */
static void epoch_ended(struct job *j)
{
    struct commit_record done = j->next;
    j->next = j->last;
    j->last = done;
    j->ended_ms = loop_wall_ms(j->home);
    if (!j->next.tasks || j->next.ntasks != done.ntasks || j->next.nsources != done.nsources ||
        j->next.noutputs != done.noutputs)
        size_record(j, &j->next);
    if (j->txn) {
        checkpoints_add(j);
        txn_begin(j->txn, j->last.epoch + 1);
    }
    step(j, EV_ENDED, 0);
}

static void ended_cb(void *arg, int status)
{
    struct job *j = arg;
    j->ending = false;
    FAULT("epoch.ended");
    if (status)
        job_fail(j, status, "its transaction cannot be committed: %s", err_text(status));
    else if (!is_closing(j))
        epoch_ended(j);
    job_maybe_closed(j);
}

/* All of it is durable. */
static void end_epoch(struct job *j)
{
    if (!j->txn) {
        epoch_ended(j);
        return;
    }
    FAULT("epoch.before_end");
    j->ending = true;
    txn_end(j->txn, true, ended_cb, j);
}

static void checkpoint_some(struct job *j, bool all)
{
    uint64_t max = engine_checkpoint_bytes(j);
    bool now = all || atomic_load(&j->pressed) > 0;
    for (unsigned n = 0; !j->query && n < j->ntasks && j->checkpoints < CHECKPOINTS_MAX; n++) {
        struct checkpointing *c = j->tasks[j->next_checkpoint++ % j->ntasks].checkpointing;
        if (checkpointing_busy(c) || !(now ? checkpointing_ahead(c) : checkpointing_due(c, max)))
            continue;
        j->checkpoints++;
        checkpointing_start(c);
    }
}

static void told_committed(struct job *j)
{
    for (unsigned i = 0; i < j->ntasks; i++)
        task_committed(&j->tasks[i], j->epochs.committed);
    if (!j->gate_open && (j->last.bootstrapped || j->epochs.committed == 1 || j->fresh))
        open_gate(j);
    if (j->query && j->graph->one_epoch && j->epochs.committed == 1)
        query_running(j->query); /* as its sources: no row before the first epoch, which would show it */
    if (j->fresh) {
        j->fresh = false;
        engine_job_settled(j);
    }
    saving_cut(j);
    if (atomic_load(&j->holding) > 0)
        wait_to_emit(j);
    if (j->query)
        query_committed(j->query);
    else
        checkpoint_some(j, false);
    engine_note_memory(j, false);
    if (engine_memory_full(j) && !atomic_load(&j->pressed))
        job_fail(j, E_BUDGET,
                 "the state of all jobs takes more than weir.job.memory.bytes (%" PRId64
                 "), and its own more than its share",
                 engine_memory(j->engine)->max);
}

static void begin_closing(struct job *j);

static void last_epoch_is_over(struct job *j)
{
    checkpoint_some(j, true);
    if (!j->checkpoints)
        begin_closing(j);
}

static int64_t emits_at_ms(const struct job *j)
{
    int64_t at;
    return __builtin_add_overflow(atomic_load(&j->emitted_ms), j->every_ms, &at) ? INT64_MAX : at;
}

/* What is held back goes with the first epoch when its time has come, and with the last one. */
static void open_tasks(struct job *j)
{
    hide_epoch(j);
    j->opened_ms = proctime_now(&j->clock, loop_wall_ms(j->home));
    j->emits = !j->every_ms || sm_is(&j->sm, J_STOPPING) || j->opened_ms >= emits_at_ms(j);
    for (unsigned i = 0; i < j->ntasks; i++)
        if (!j->tasks[i].ninlets)
            task_open_epoch(&j->tasks[i], j->epochs.number);
}

static void wait_to_emit(struct job *j)
{
    int64_t left = emits_at_ms(j) - proctime_now(&j->clock, loop_wall_ms(j->home));
    timer_start(&j->every, MAX(left, (int64_t)0) + 1);
}

static void every_cb(struct timer *t)
{
    struct job *j = container_of(t, struct job, every);
    if (sm_is(&j->sm, J_RUNNING))
        step(j, EV_ROWS, 0);
}

static void step(struct job *j, enum epoch_event_kind kind, unsigned task)
{
    int64_t now = loop_now_us(j->home);
    struct epoch_event ev = {kind, task, j->epochs.number};
    struct epoch_effects fx = epochs_step(&j->epochs, &ev, now);
    if (fx.timer_us >= 0)
        timer_start_us(&j->tick, MAX(0, fx.timer_us - now));
    if (fx.committed)
        told_committed(j);
    if (is_closing(j))
        return;
    if (fx.open)
        open_tasks(j);
    if (fx.record)
        write_record(j);
    if (fx.commit)
        end_epoch(j);
    if (fx.over)
        last_epoch_is_over(j);
}

void job_task_cut(struct job *j, struct task *t)
{
    if (is_live(j))
        step(j, EV_CUT, t->number);
}

void job_task_done(struct job *j, struct task *t)
{
    if (is_live(j))
        step(j, EV_DONE, t->number);
}

void job_checkpointed(struct job *j)
{
    j->checkpoints--;
    if (sm_is(&j->sm, J_RUNNING) && atomic_load(&j->pressed) > 0)
        checkpoint_some(j, false);
    if (sm_is(&j->sm, J_STOPPING) && sm_is(&j->epochs.sm, EPOCH_OVER) && !j->checkpoints)
        last_epoch_is_over(j);
    job_maybe_closed(j);
}

/* ---- ending */

/* Is a checkpoint being written? That takes its time, but it ends. */
static bool writes_checkpoint(const struct job *j)
{
    for (unsigned i = 0; i < j->ntasks; i++) {
        const struct checkpointing *c = j->tasks[i].checkpointing;
        if (c && checkpointing_busy(c) && !checkpointing_waits(c))
            return true;
    }
    return false;
}

static void patience_cb(struct timer *t)
{
    struct job *j = container_of(t, struct job, patience);
    if (!sm_is(&j->sm, J_STOPPING))
        return;
    if (writes_checkpoint(j)) {
        timer_start(t, JOB_PATIENCE_MS);
        return;
    }
    trace(WARN, "run", "stopped_short job=%s epoch=%" PRId64, j->def.name, j->last.epoch);
    begin_closing(j);
}

static void stop_reading(struct job *j)
{
    sm_move(&j->sm, J_STOPPING);
    if (!j->query)
        timer_start(&j->patience, JOB_PATIENCE_MS);
    for (unsigned i = 0; i < j->ntasks; i++)
        task_shut(&j->tasks[i]);
    if (j->every_ms)
        step(j, EV_FORCE, 0); /* with what is held back */
    step(j, EV_STOP, 0);
}

void job_stop(struct job *j)
{
    if (sm_is(&j->sm, J_RUNNING))
        stop_reading(j);
    else if (!sm_is(&j->sm, J_STOPPING) && !is_closing(j))
        begin_closing(j);
}

void job_abort(struct job *j)
{
    if (!is_closing(j))
        begin_closing(j);
}

void job_end(struct job *j)
{
    if (!sm_is(&j->sm, J_RUNNING))
        return;
    j->read_all = true;
    step(j, EV_FORCE, 0);
    if (sm_is(&j->sm, J_RUNNING))
        stop_reading(j);
}

/* What may pass by itself: room on the disk, a coordinator that is not there yet, a transaction that had to be aborted,
 * somebody else who held this job for a while. A disk that failed for good fails the next tries too. */
static bool may_pass(int status)
{
    switch (status) {
    case E_FULL:
    case -ENOSPC:
    case -EDQUOT:
    case -EMFILE:
    case -ENFILE:
    case E_COORDINATOR:
    case E_TIMEOUT:
    case E_STORAGE:
    case E_PRODUCER_EPOCH:
    case E_TXN_STATE:
    case E_TXN_UNVERIFIED:
    case E_TXN_ABORTABLE:
        return true;
    default:
        return false;
    }
}

static void plan_retry(struct job *j, int status)
{
    if (sm_is(&j->sm, J_RUNNING) && j->last.epoch > j->began_epoch)
        j->tries = 0;
    j->tries++;
    j->retry = !j->query && !sm_is(&j->sm, J_STOPPING) && (may_pass(status) || j->rebuild) &&
               job_retry_delay_us(j->tries) >= 0;
}

void job_fail(struct job *j, int status, const char *fmt, ...)
{
    if (is_closing(j))
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(j->why, sizeof j->why, fmt, ap);
    va_end(ap);
    j->fail_status = status;
    plan_retry(j, status);
    if (!j->query)
        trace(WARN, "run", "job_failed name=%s status=%s again=%s why=\"%s\"", j->def.name, err_name(status),
              j->retry ? "yes" : "no", j->why);
    begin_closing(j);
}

void job_task_failed(struct job *j, struct task *t)
{
    if (t->fail_status)
        job_fail(j, t->fail_status, "%s", t->fail_text);
}

static void begin_closing(struct job *j)
{
    if (j->query && !j->fail_status)
        query_closing(j->query);
    sm_move(&j->sm, J_CLOSING);
    saving_cancel(j);
    atomic_store(&j->canceled, true);
    timer_stop(&j->tick);
    timer_stop(&j->every);
    timer_stop(&j->again);
    timer_stop(&j->patience);
    if (j->txn)
        txn_cancel(j->txn);
    for (unsigned i = 0; i < j->ntasks; i++)
        if (j->tasks[i].checkpointing)
            checkpointing_cancel(j->tasks[i].checkpointing);
    for (unsigned i = 0; i < j->nwatches; i++)
        if (j->watches[i].pending)
            part_unwatch(&j->watches[i].watch);
    for (unsigned i = 0; i < j->ntasks; i++)
        if (j->tasks[i].started) {
            j->closing++;
            task_close(&j->tasks[i]);
        }
    job_maybe_closed(j);
}

void job_task_closed(struct job *j, struct task *t)
{
    (void)t;
    j->closing--;
    job_maybe_closed(j);
}

/* Freeing gigabytes of state takes its time: a worker does it. */
static void close_work(struct work *w)
{
    struct job *j = container_of(w, struct job, close_work);
    for (unsigned i = 0; i < j->ntasks; i++)
        task_close_ops(&j->tasks[i]);
}

static void close_done(struct work *w)
{
    struct job *j = container_of(w, struct job, close_work);
    j->closing_ops = false;
    if (j->commits)
        writer_close(j->commits);
    j->commits = NULL;
    txn_close(j->txn);
    j->txn = NULL;
    for (unsigned i = 0; i < j->ntasks; i++) {
        bad_log_add(&j->bad, j->tasks[i].bad);
        task_fini(&j->tasks[i]);
        if (j->tasks[i].checkpointing)
            checkpointing_free(j->tasks[i].checkpointing);
    }
    j->ntasks = 0;
    if (j->restore)
        restore_free(j->restore);
    for (unsigned i = 0; i < j->ntopics; i++)
        job_parts_release(&j->topics[i]);
    job_parts_release(&j->output);
    job_parts_release(&j->changelog);
    job_parts_release(&j->letterbox);
    j->restore = NULL;
    sm_move(&j->sm, j->fail_status ? J_FAILED : J_STOPPED);
    if (j->query)
        query_job_over(j->query);
    else
        engine_job_over(j);
}

/* What was left open ends here rather than by its timeout. If that fails too, the next producer ends it. */
static void aborted_cb(void *arg, int status)
{
    struct job *j = arg;
    j->ending = false;
    FAULT("epoch.aborted");
    if (status)
        trace(WARN, "run", "abort_failed job=%s status=%s", j->def.name, err_name(status));
    job_maybe_closed(j);
}

void job_maybe_closed(struct job *j)
{
    if (!sm_is(&j->sm, J_CLOSING) || j->closing || j->watching || j->restoring || j->commit_flying || j->checkpoints ||
        j->closing_ops || j->making || j->initing || j->ending || atomic_load(&j->rows_told) ||
        atomic_load(&j->hurry_told))
        return;
    if (j->txn && txn_used(j->txn)) {
        j->ending = true;
        txn_end(j->txn, false, aborted_cb, j);
        return;
    }
    j->closing_ops = true;
    j->close_work = (struct work){.loop = j->home, .lane = LANE_HEAVY, .work_cb = close_work, .done_cb = close_done};
    loop_work(j->home, LANE_HEAVY, &j->close_work);
}

void job_free(struct job *j)
{
    CHECK(job_is_over(j) && list_empty(&j->awaiting));
    job_discard(j);
}

void job_discard(struct job *j)
{
    engine_note_memory(j, true);
    xfree(j->bad);
    wbuf_fini(&j->record);
    wbuf_fini(&j->key);
    arena_fini(&j->arena);
    xfree(j);
}
