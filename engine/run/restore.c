/* Bringing a job back to its last commit. Its transactional producer has been initialised: whatever transaction was
 * open is aborted or completed, and below the last stable offset there is nothing that was not committed.
 *
 * 1. One worker looks at the notes of all checkpoints and for the last commit record in partition 0 of the changelog,
 * which gives offsets and watermarks.
 * 2. A worker per task opens the checkpoint, tells operators what it holds (small stores are loaded), and then gives
 * them the changelog after it. A long tail is folded into the checkpoint first. A checkpoint that cannot be read, or
 * knows of a commit that the changelog does not hold, is deleted: the changelog alone is enough. So is one that lacks
 * changes of a day ago: compaction may have dropped the tombstones among them.
 * 3. Two reasons to compare a table with its output topic: with processing.guarantee=at_least_once, now or at the last commit, that may hold
 * records of an epoch that was not committed; a new version of a job may have no row for what the one before wrote. One
 * worker reads the records back: keys that a sink knows are written again in the next epoch, for the others it writes a
 * tombstone. */
#include "engine/run/dead.h"
#include "engine/run/fold.h"
#include "engine/run/job.h"
#include "engine/run/savepoint.h"
#include "log/base/fault.h"
#include "log/base/limits.h"
#include "log/base/trace.h"
#include "log/wire/recbatch.h"
#include <stdio.h>

/* Topics keep tombstones for a day (delete.retention.ms); an hour of it is for clocks. */
enum { CHECKPOINT_AGE_MAX_MS = 23 * 3600000 };

struct task_restore {
    struct work work;
    struct restore *r;
    struct task *t;
    bool has_checkpoint;
    struct checkpoint_note note; /* of the checkpoint */
    int64_t offset, aim;         /* of the changelog that the checkpoint holds up to; that nothing in it is newer than */
    int64_t from, upto;          /* of the changelog: to be replayed, if the task is behind */
    bool behind;
    uint64_t bytes;
    int status;
    struct diag d;
};

struct orphan { /* a key in the output that no sink knows */
    unsigned part;
    struct str key;
};

struct restore {
    struct job *j;
    struct work work;
    struct arena arena;
    struct task_restore *tasks;
    struct fold *_Atomic folds[LANE_THREADS]; /* lent to tasks, one a worker */
    unsigned ntasks, left;
    bool found;       /* a commit record */
    struct wbuf last; /* the last one's bytes */
    int64_t now_ms;
    int status;
    char why[400];
    struct orphan *orphans;
    size_t norphans, cap_orphans;
    unsigned part; /* being scanned */
    bool dirty;
    struct seeding *seeding;
    struct writer **writers;
    unsigned flushing;
};

static struct disk *job_disk(const struct job *j) { return store_disk(broker_store(engine_broker(j->engine))); }

char *job_state_path(const struct job *j, const struct task *t, struct arena *a)
{
    char id[UUID_TEXT];
    uuid_format(j->id, id);
    const char *dir = store_dir(broker_store(engine_broker(j->engine)));
    return t ? arena_printf(a, "%s/state/%s/%u-%u.db", dir, id, t->frag->id, t->index)
             : arena_printf(a, "%s/state/%s", dir, id);
}

int job_state_folder(const struct job *j)
{
    struct disk *disk = job_disk(j);
    const char *dir = store_dir(broker_store(engine_broker(j->engine)));
    struct arena a;
    arena_init(&a);
    const char *state = arena_printf(&a, "%s/state", dir), *own = job_state_path(j, NULL, &a);
    int err = disk_mkdir(disk, state);
    if (!err)
        err = disk_sync_dir(disk, dir);
    if (!err)
        err = disk_mkdir(disk, own);
    if (!err)
        err = disk_sync_dir(disk, state);
    arena_fini(&a);
    return err;
}

/* ---- 1. notes and commits */

static void drop_checkpoint(struct task_restore *tr, const char *why)
{
    struct job *j = tr->r->j;
    trace(WARN, "run", "checkpoint_dropped job=%s task=%u-%u why=\"%s\"", j->def.name, tr->t->frag->index, tr->t->index,
          why);
    struct arena a;
    arena_init(&a);
    if (!BUG("checkpoint_not_deleted"))
        (void)checkpoint_delete(job_disk(j), job_state_path(j, tr->t, &a));
    arena_fini(&a);
    tr->has_checkpoint = false;
    tr->note = (struct checkpoint_note){0};
    tr->offset = tr->aim = -1;
}

static void read_note(struct task_restore *tr)
{
    struct job *j = tr->r->j;
    struct checkpoint *cp;
    struct diag d = {0};
    const char *path = job_state_path(j, tr->t, &tr->r->arena);
    tr->offset = -1;
    if (!disk_exists(job_disk(j), path))
        return;
    if (checkpoint_open(&cp, job_disk(j), path, &d) != 0) {
        drop_checkpoint(tr, d.text);
        return;
    }
    tr->offset = checkpoint_offset(cp);
    tr->aim = checkpoint_aim(cp);
    bool empty = tr->offset < 0;
    const struct checkpoint_owner owner = task_owner(tr->t);
    bool readable = !empty && checkpoint_note_unpack(&tr->note, &owner, checkpoint_note(cp)) == 0;
    checkpoint_close(cp);
    tr->has_checkpoint = readable;
    if (!readable && (!empty || tr->aim >= 0)) /* a first one that was never sealed cannot say whose it is either */
        drop_checkpoint(tr, "its note cannot be read, or says that it is another task's");
}

/* The last commit of those seen. */
static int commit_seen(void *arg, const struct record *rec)
{
    struct restore *r = arg;
    struct changelog_key k;
    if (changelog_key_parse(&k, rec->key) != 0)
        return E_CORRUPT;
    if (!k.commit)
        return 0;
    wbuf_reset(&r->last);
    wbuf_str(&r->last, rec->value);
    r->found = true;
    return 0;
}

/* Looks for it from the end backwards: a changelog may be long. */
static int find_last(struct restore *r)
{
    struct part *p = r->j->changelog.parts[0];
    int64_t start = part_start(p), end = part_end(p, true), back = 64;
    int err = 0;
    for (int64_t from = end; !err && !r->found && from > start; back *= 8) {
        from = MAX(start, end - back);
        err = part_scan(p, from, end, commit_seen, r);
    }
    if (!err && r->found)
        err = commit_unpack(&r->j->last, wbuf_view(&r->last), &r->j->arena);
    return err;
}

/* The last epoch that changed a task's state; 0: none. */
static int64_t last_change(const struct job *j, uint32_t id)
{
    for (unsigned i = 0; i < j->last.ntasks; i++)
        if (j->last.tasks[i].task == id)
            return j->last.tasks[i].changed;
    return 0;
}

/* What each task must replay: from where its checkpoint ends, if it changed after that. */
static void find_changes(struct restore *r)
{
    struct job *j = r->j;
    for (unsigned i = 0; i < r->ntasks; i++) {
        struct task_restore *tr = &r->tasks[i];
        int64_t changed = last_change(j, tr->t->id), end = part_end(tr->t->changelog_part, true);
        bool ahead = tr->note.epoch > j->last.epoch || tr->aim > end;
        if ((tr->has_checkpoint || tr->aim >= 0) && (ahead || !changed))
            drop_checkpoint(tr, "the changelog does not know what it holds");
        if (tr->has_checkpoint && changed > tr->note.epoch && r->now_ms - tr->note.wall_ms > CHECKPOINT_AGE_MAX_MS)
            drop_checkpoint(tr, "it is so old that compaction may have dropped tombstones which it lacks");
        tr->upto = end;
        tr->from = tr->has_checkpoint ? tr->offset : part_start(tr->t->changelog_part);
        tr->behind = changed > tr->note.epoch;
    }
}

/* Sources that begin at a time: where that is. */
static int find_starts(struct job *j)
{
    int err = 0;
    for (unsigned i = 0; i < j->ntasks; i++) {
        struct task *t = &j->tasks[i];
        for (unsigned k = 0; !err && k < t->nsources; k++) {
            const struct plan_node *n = t->frag->sources[k];
            if (n->from_ms > 0 && !job_source_known(j, n->store))
                err = source_find_start(&t->sources[k], n, job_part(j, n->topic, t->index));
        }
    }
    return err;
}

static void scan_work(struct work *w)
{
    struct restore *r = container_of(w, struct restore, work);
    struct job *j = r->j;
    if (j->query) {
        r->status = find_starts(j);
        if (r->status)
            snprintf(r->why, sizeof r->why, "the place to begin cannot be found: %s", err_text(r->status));
        return;
    }
    for (unsigned i = 0; i < j->ntasks; i++)
        read_note(&r->tasks[i]);
    r->status = find_last(r);
    bool waits = !r->found && !uuid_is_zero(j->def.savepoint); /* for its changelog to be filled */
    j->fresh = !waits && j->last.version != j->def.version;
    if (!r->status)
        find_changes(r);
    if (!r->status)
        r->status = find_starts(j);
    if (!r->status && j->fresh)
        dead_remove_files(j);
    if (r->status)
        snprintf(r->why, sizeof r->why, "its commits cannot be read back from the changelog: %s",
                 r->status == E_UNSUPPORTED ? "a version of weir without transactions wrote them; create the job again"
                                            : err_text(r->status));
}

/* ---- 2. operators */

/* The sink, if its rows are this node's groups. */
static struct op *heir_of(struct task *t, const struct plan_node *n)
{
    struct op *sink = task_sink(t);
    return sink && sink->node->derived && plan_derives(sink->node) == n ? sink : NULL;
}

static int restore_value(struct task *t, struct op *op, uint32_t store, struct str key, struct str value)
{
    if (!op->cls->restore)
        return E_CORRUPT;
    int err = op->cls->restore(op, store & 0xffff, key, value);
    struct op *heir = err || store % 8 ? NULL : heir_of(t, op->node);
    if (heir)
        sink_derive(heir, key, value);
    return err;
}

int task_restore_value(struct task *t, uint32_t store, struct str key, struct str value)
{
    for (unsigned i = 0; i < t->frag->nops; i++)
        if (t->frag->ops[i]->store == store >> 16 && plan_node_keeps(t->frag->ops[i]))
            return restore_value(t, t->ops[i], store, key, value);
    return store >> 16 < t->job->plan->next_store ? 0 : E_CORRUPT; /* of a version before this one */
}

static int loaded_cb(void *arg, uint32_t store, struct str key, struct str value)
{
    struct task_restore *tr = arg;
    return atomic_load(&tr->r->j->canceled) ? E_CANCELED : task_restore_value(tr->t, store, key, value);
}

static int changed_cb(void *arg, const struct record *rec)
{
    struct task_restore *tr = arg;
    struct changelog_key k;
    atomic_fetch_add_explicit(&tr->r->j->restored, 1, memory_order_relaxed);
    if (atomic_load(&tr->r->j->canceled))
        return E_CANCELED;
    if (changelog_key_parse(&k, rec->key) != 0)
        return E_CORRUPT;
    if (k.commit || k.task != tr->t->id)
        return 0;
    tr->bytes += rec->key.len + rec->value.len;
    return task_restore_value(tr->t, k.store, k.key, rec->value);
}

static int64_t memory_of(const struct task_restore *tr)
{
    return broker_config(engine_broker(tr->r->j->engine))->state_memory;
}

/* The operator that keeps a store; NULL: none does any more. */
static struct op *keeper(const struct task *t, uint32_t store)
{
    for (unsigned i = 0; i < t->frag->nops; i++)
        if (t->frag->ops[i]->store == store >> 16 && plan_node_keeps(t->frag->ops[i]))
            return t->ops[i];
    return NULL;
}

/* Must the whole store be in memory? A new version looks at all that it keeps; records of an epoch that never was are
 * compared with all rows of the table. */
static bool is_wanted_whole(const struct task_restore *tr, const struct op *op)
{
    const struct job *j = tr->r->j;
    bool late = j->fresh;
    bool shown = op->node == j->plan->sink || heir_of(tr->t, op->node);
    for (unsigned i = 0; !late && shown && i < j->last.noutputs && i < j->output.n; i++) {
        int32_t p = j->last.outputs[i].partition;
        late = (unsigned)p < j->output.n && part_end(j->output.parts[p], false) > j->last.outputs[i].end;
    }
    return late;
}

static int open_store(struct task_restore *tr, struct checkpoint *cp, const struct checkpoint_size *size)
{
    struct op *op = keeper(tr->t, size->store);
    if (!op || !size->entries)
        return 0;
    if (op->cls->opened && size->bytes > MIN(COLD_SMALL_BYTES, memory_of(tr) / 1024) && !is_wanted_whole(tr, op)) {
        op->cls->opened(op, size->store & 0xffff, size->entries);
        struct op *heir = size->store % 8 ? NULL : heir_of(tr->t, op->node);
        if (heir)
            heir->cls->opened(heir, 0, size->entries);
        return 0;
    }
    return checkpoint_scan(cp, size->store, STR(""), STR(""), false, SIZE_MAX, loaded_cb, tr);
}

/* Small stores come whole; of others operators only learn that they are there. */
static int load_checkpoint(struct task_restore *tr)
{
    struct job *j = tr->r->j;
    struct task *t = tr->t;
    struct checkpoint *cp;
    struct arena a;
    arena_init(&a);
    t->clock.epoch = t->clock.clean = (uint32_t)tr->note.epoch;
    int err = checkpoint_open(&cp, job_disk(j), job_state_path(j, t, &a), &tr->d);
    if (!err) {
        const struct checkpoint_size *sizes;
        size_t n = checkpoint_sizes(cp, &sizes);
        for (size_t i = 0; !err && i < n; i++)
            err = open_store(tr, cp, &sizes[i]);
        cold_note_sizes(t->cold, sizes, n);
        checkpoint_close(cp);
    }
    arena_fini(&a);
    return err;
}

/* ---- a long tail: folded into the file in large sorted pieces, without operators */

struct bulk {
    struct task_restore *tr;
    struct checkpoint *cp;
    struct fold *fold;
    int64_t aim;
    unsigned unsaid; /* records that progress does not know of yet */
};
enum { RESTORE_SAY = 1024 };

/* Tasks hand on the memory of what they folded: new memory costs more than what is done in it. */
static struct fold *fold_borrow(struct restore *r)
{
    struct fold *f = NULL;
    for (unsigned i = 0; !f && i < ARRAY_LEN(r->folds); i++)
        f = atomic_exchange(&r->folds[i], NULL);
    if (!f) {
        f = xalloc(sizeof *f);
        fold_init(f);
    }
    return f;
}

static void fold_return(struct restore *r, struct fold *f)
{
    fold_reset(f);
    for (unsigned i = 0; f && i < ARRAY_LEN(r->folds); i++)
        f = atomic_exchange(&r->folds[i], f);
    if (f)
        fold_fini(f);
    xfree(f);
}

static void folds_free(struct restore *r)
{
    for (unsigned i = 0; i < ARRAY_LEN(r->folds); i++) {
        struct fold *f = atomic_exchange(&r->folds[i], NULL);
        if (f)
            fold_fini(f);
        xfree(f);
    }
}

static int bulk_flush(struct bulk *b)
{
    struct checkpoint_change *changes = xalloc(RESTORE_PUT_CHANGES * sizeof *changes);
    int err = 0;
    fold_sort(b->fold);
    for (size_t n; !err && (n = fold_take(b->fold, changes, RESTORE_PUT_CHANGES)) > 0;)
        for (size_t done = 0; !err && done < n;)
            err = atomic_load(&b->tr->r->j->canceled) ? E_CANCELED
                                                      : checkpoint_put(b->cp, changes, n, &done, SIZE_MAX, b->aim);
    FAULT("restart.folded");
    fold_reset(b->fold);
    xfree(changes);
    return err;
}

static int bulk_cb(void *arg, const struct record *rec)
{
    struct bulk *b = arg;
    struct changelog_key k;
    if (++b->unsaid == RESTORE_SAY) { /* several workers count on one line of memory */
        atomic_fetch_add_explicit(&b->tr->r->j->restored, b->unsaid, memory_order_relaxed);
        b->unsaid = 0;
    }
    if (changelog_key_parse(&k, rec->key) != 0)
        return E_CORRUPT;
    if (k.commit || k.task != b->tr->t->id)
        return 0;
    fold_put(b->fold, k.store, k.key, rec->value);
    return fold_bytes(b->fold) > RESTORE_FOLD_BYTES ? bulk_flush(b) : 0;
}

static int bulk_all(struct bulk *b)
{
    struct task_restore *tr = b->tr;
    struct wbuf note;
    int err = 0;
    b->aim = tr->upto;
    err = part_scan(tr->t->changelog_part, tr->from, tr->upto, bulk_cb, b);
    if (!err)
        err = bulk_flush(b);
    if (err)
        return err;
    tr->note = (struct checkpoint_note){tr->r->j->last.epoch, tr->r->j->last.wall_ms};
    wbuf_init(&note);
    const struct checkpoint_owner owner = task_owner(tr->t);
    checkpoint_note_pack(&tr->note, &owner, &note);
    err = checkpoint_seal(b->cp, b->aim, wbuf_view(&note));
    wbuf_fini(&note);
    return err;
}

static bool is_long(const struct task_restore *tr)
{
    return tr->behind && tr->upto - tr->from > MIN(RESTORE_TAIL_RECORDS, memory_of(tr) / 512);
}

static int bulk_tail(struct task_restore *tr)
{
    struct job *j = tr->r->j;
    struct bulk b = {.tr = tr, .fold = fold_borrow(tr->r)};
    bool anew = !tr->has_checkpoint; /* nothing of it would be missed */
    struct arena a;
    arena_init(&a);
    const char *path = job_state_path(j, tr->t, &a);
    int err = anew ? job_state_folder(j) : 0;
    if (!err)
        err = anew ? checkpoint_begin(&b.cp, job_disk(j), path, &tr->d) : checkpoint_open(&b.cp, job_disk(j), path, &tr->d);
    if (!err) {
        err = bulk_all(&b);
        checkpoint_close(b.cp);
        if (!err && anew)
            err = checkpoint_finish(job_disk(j), path);
    }
    if (!err) {
        tr->has_checkpoint = true;
        tr->behind = false;
        tr->from = tr->upto;
    }
    fold_return(tr->r, b.fold);
    arena_fini(&a);
    return err;
}

static int begin_anew(struct task_restore *tr)
{
    drop_checkpoint(tr, "it is damaged");
    task_close_ops(tr->t);
    cold_note_sizes(tr->t->cold, NULL, 0);
    tr->t->clock.clean = 0;
    tr->from = part_start(tr->t->changelog_part);
    tr->behind = true;
    return task_open_ops(tr->t, &tr->d);
}

static void set_time(struct task_restore *tr)
{
    struct task *t = tr->t;
    const struct commit_record *last = &tr->r->j->last;
    for (unsigned i = 0; i < last->ntasks; i++)
        if (last->tasks[i].task == t->id)
            t->marks.ms = last->tasks[i].watermark_ms;
    task_tell_time(t);
}

/* What a new version wants to see of kept state. */
static void repeat(struct task_restore *tr)
{
    for (unsigned i = 0; i < tr->t->frag->nops; i++) {
        struct op *op = tr->t->ops[i];
        if (op->node->again > tr->r->j->last.version && op->cls->again)
            op->cls->again(op);
    }
}

/* The checkpoint, once it lacks no more than can be replayed quickly. */
static int come_near(struct task_restore *tr)
{
    int err = is_long(tr) ? bulk_tail(tr) : 0;
    return !err && tr->has_checkpoint ? load_checkpoint(tr) : err;
}

static void task_work(struct work *w)
{
    struct task_restore *tr = container_of(w, struct task_restore, work);
    struct task *t = tr->t;
    tr->status = task_open_ops(t, &tr->d);
    if (tr->status)
        return;
    tr->status = come_near(tr);
    if (tr->status == E_CORRUPT) { /* also one that has been begun and has no note yet */
        tr->status = begin_anew(tr);
        if (!tr->status)
            tr->status = come_near(tr);
    }
    t->clock.epoch = (uint32_t)tr->r->j->last.epoch;
    if (!tr->status && tr->behind)
        tr->status = part_scan(t->changelog_part, tr->from, tr->upto, changed_cb, tr);
    if (tr->status && !tr->d.text[0])
        diag_set(&tr->d, tr->status, "its state cannot be read back from the changelog: %s", err_text(tr->status));
    if (!tr->status && task_sink(t) && task_sink(t)->node->derived)
        sink_derived(task_sink(t));
    if (!tr->status)
        set_time(tr);
    if (!tr->status && tr->r->j->fresh)
        repeat(tr);
    if (!tr->status && tr->r->j->fresh)
        tr->status = dead_find(t);
}

/* ---- 3. the output of tables */

static int output_seen(void *arg, const struct record *rec)
{
    struct restore *r = arg;
    bool known = false;
    if (!rec->key.ptr)
        return 0;
    r->dirty = true;
    for (unsigned i = 0; i < r->j->ntasks; i++) {
        struct op *sink = task_sink(&r->j->tasks[i]);
        known |= sink && sink_table_dirty(sink, rec->key);
    }
    if (!known)
        VEC_PUSH(r->orphans, r->norphans, r->cap_orphans) = (struct orphan){r->part, arena_dup(&r->arena, rec->key)};
    return 0;
}

/* A new version that writes all of its rows: nothing from before stays that it does not write. */
static bool writes_anew(const struct job *j)
{
    return j->fresh && j->plan->sink->again > j->last.version;
}

/* Where the output ended at the last commit, as far as it is not part of it. */
static int64_t known_end(const struct job *j, unsigned partition)
{
    for (unsigned i = 0; i < j->last.noutputs; i++)
        if ((unsigned)j->last.outputs[i].partition == partition)
            return j->last.outputs[i].end;
    return INT64_MAX;
}

static void settle_work(struct work *w)
{
    struct restore *r = container_of(w, struct restore, work);
    struct job *j = r->j;
    for (r->part = 0; !r->status && r->part < j->output.n; r->part++) {
        int64_t from = writes_anew(j) ? 0 : known_end(j, r->part);
        if (from < INT64_MAX)
            r->status = part_scan(j->output.parts[r->part], MAX(from, part_start(j->output.parts[r->part])),
                                  part_end(j->output.parts[r->part], false), output_seen, r);
    }
    if (r->status)
        snprintf(r->why, sizeof r->why, "its output cannot be read back: %s", err_text(r->status));
}

/* ---- the sequence; home loop */

static void finish(struct restore *r)
{
    struct job *j = r->j;
    j->dirty |= r->dirty;
    for (unsigned i = 0; i < j->ntasks && !j->query; i++) {
        struct task_restore *tr = &r->tasks[i];
        checkpointing_begin(j->tasks[i].checkpointing, tr->from, &tr->note);
        if (tr->behind)
            checkpointing_commit(j->tasks[i].checkpointing, &(struct checkpoint_note){j->last.epoch, j->last.wall_ms},
                                 tr->upto, tr->bytes);
    }
    job_restored(j, r->status, r->why);
}

static void tombstones_flushed(void *arg, int status, int64_t base_offset, int64_t end_offset)
{
    struct restore *r = arg;
    (void)base_offset;
    (void)end_offset;
    if (status && !r->status) {
        r->status = status;
        snprintf(r->why, sizeof r->why, "its output cannot be written: %s", err_text(status));
    }
    if (--r->flushing == 0)
        finish(r);
}

static int tombstone(struct restore *r, const struct orphan *o)
{
    struct job *j = r->j;
    if (!r->writers[o->part]) {
        int err = writer_open_txn(&r->writers[o->part], broker_store(engine_broker(j->engine)),
                                  j->output.parts[o->part], j->home, j->def.at_least_once ? NULL : j->txn);
        if (err)
            return err;
    }
    writer_record(r->writers[o->part], loop_wall_ms(j->home), o->key, STR_NULL);
    return 0;
}

static void settled(struct work *w)
{
    struct restore *r = container_of(w, struct restore, work);
    struct job *j = r->j;
    r->writers = ARENA_ARRAY(&r->arena, struct writer *, j->output.n + 1);
    for (size_t i = 0; !r->status && i < r->norphans; i++)
        r->status = tombstone(r, &r->orphans[i]);
    r->flushing = 1;
    job_begin_epoch(j);
    for (unsigned i = 0; i < j->output.n; i++)
        if (r->writers[i]) {
            r->flushing++;
            if (j->def.at_least_once)
                writer_flush(r->writers[i], tombstones_flushed, r);
            else
                writer_flush_in(r->writers[i], j->last.epoch + 1, tombstones_flushed, r);
        }
    tombstones_flushed(r, 0, 0, 0);
}

static void run_work(struct restore *r, void (*work_cb)(struct work *), void (*done_cb)(struct work *))
{
    r->work = (struct work){.loop = r->j->home, .lane = LANE_HEAVY, .work_cb = work_cb, .done_cb = done_cb};
    loop_work(r->j->home, LANE_HEAVY, &r->work);
}

static void task_done(struct work *w)
{
    struct task_restore *tr = container_of(w, struct task_restore, work);
    struct restore *r = tr->r;
    if (tr->status && !r->status) {
        r->status = tr->status;
        snprintf(r->why, sizeof r->why, "%s", tr->d.text);
    }
    if (--r->left)
        return;
    folds_free(r);
    bool table = r->j->plan->sink->kind == PLAN_SINK_TOPIC && r->j->plan->sink->inputs[0]->mode != MODE_APPEND;
    bool may_differ = (r->found && (r->j->def.at_least_once || r->j->last.noutputs)) || writes_anew(r->j);
    if (r->status || r->j->query || !table || !may_differ)
        finish(r);
    else
        run_work(r, settle_work, settled);
}

static void scanned(struct work *w);

/* The changelog has been filled from a savepoint: now its last commit is looked for again. */
static void seeded_cb(void *arg, int status, const char *why)
{
    struct restore *r = arg;
    r->status = status;
    if (status)
        snprintf(r->why, sizeof r->why, "%s", why);
    seeding_free(r->seeding);
    r->seeding = NULL;
    if (status) {
        finish(r);
        return;
    }
    for (unsigned i = 0; i < r->ntasks; i++) /* what was beside the old changelog */
        r->tasks[i] = (struct task_restore){.r = r, .t = &r->j->tasks[i], .offset = -1, .aim = -1};
    run_work(r, scan_work, scanned);
}

static void scanned(struct work *w)
{
    struct restore *r = container_of(w, struct restore, work);
    struct job *j = r->j;
    if (r->status) {
        finish(r);
        return;
    }
    if (!r->found && !j->query && !uuid_is_zero(j->def.savepoint)) {
        r->seeding = seeding_begin(j, seeded_cb, r);
        return;
    }
    uint64_t records = 0;
    r->left = j->ntasks;
    for (unsigned i = 0; i < j->ntasks; i++)
        if (r->tasks[i].behind)
            records += (uint64_t)(r->tasks[i].upto - r->tasks[i].from);
    atomic_store(&j->to_restore, records);
    for (unsigned i = 0; i < j->ntasks; i++) {
        struct work *tw = &r->tasks[i].work;
        *tw = (struct work){.loop = j->home, .lane = LANE_HEAVY, .work_cb = task_work, .done_cb = task_done};
        loop_work(j->home, LANE_HEAVY, tw);
    }
}

void restore_begin(struct job *j)
{
    struct restore *r = xzalloc(sizeof *r);
    j->restore = r;
    r->j = j;
    arena_init(&r->arena);
    wbuf_init(&r->last);
    r->ntasks = j->ntasks;
    r->tasks = ARENA_ARRAY(&r->arena, struct task_restore, r->ntasks);
    for (unsigned i = 0; i < j->ntasks; i++)
        r->tasks[i] = (struct task_restore){.r = r, .t = &j->tasks[i], .offset = -1, .aim = -1};
    r->now_ms = loop_wall_ms(j->home);
    run_work(r, scan_work, scanned);
}

void restore_free(struct restore *r)
{
    for (unsigned i = 0; r->writers && i < r->j->output.n; i++)
        if (r->writers[i])
            writer_close(r->writers[i]);
    xfree(r->orphans);
    folds_free(r);
    wbuf_fini(&r->last);
    arena_fini(&r->arena);
    xfree(r);
}
