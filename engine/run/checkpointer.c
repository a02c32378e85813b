/* Taking checkpoints: a worker folds the committed part of a task's changelog, from where its checkpoint ends to the
 * task's last committed change, to the last value of every key; the task's cold level writes that, piece by piece,
 * between its reads. Live operators are never touched. A commit is decided a moment before its markers are in the
 * changelog: the worker waits for them.
 *
 * A checkpoint that cannot be taken (disk full, damaged file) is tried again when as much again has been committed; the
 * changelog has everything meanwhile. */
#include "engine/run/fold.h"
#include "engine/run/job.h"
#include "log/base/fault.h"
#include "log/base/limits.h"
#include "log/base/trace.h"
#include "log/wire/recbatch.h"

/* What has changed is in the checkpoint after this time, long before compaction drops a tombstone that it lacks. */
enum { CHECKPOINT_AGE_MS = 3600000 };

struct checkpointing {
    struct task *t;
    int64_t from, upto; /* of the changelog: what the file lacks; the same: nothing */
    int64_t since_ms;   /* wall clock of the first commit that it lacks */
    uint64_t bytes;
    struct checkpoint_note note; /* of the last commit below upto */
    /* of the one at work */
    _Atomic bool busy;
    bool waits, failed; /* waits: for the markers; failed: the last one */
    struct watch watch; /* for the markers */
    struct work work;
    int64_t taken; /* upto, */
    uint64_t taken_bytes;
    struct checkpoint_note work_note;
    struct fold fold;
    struct checkpoint_change *piece;
    struct account memory; /* of fold */
    struct cold_put put;
    struct wbuf note_bytes;
    int status;
};

struct checkpointing *checkpointing_new(struct task *t)
{
    struct checkpointing *c = xzalloc(sizeof *c);
    c->t = t;
    c->memory.budget = &t->memory;
    return c;
}

void checkpointing_free(struct checkpointing *c)
{
    CHECK(!c->busy);
    xfree(c);
}

bool checkpointing_pending(const struct checkpointing *c) { return atomic_load(&c->busy); }
bool checkpointing_busy(const struct checkpointing *c) { return c->busy; }
bool checkpointing_waits(const struct checkpointing *c) { return c->waits; }
bool checkpointing_ahead(const struct checkpointing *c) { return c->upto > c->from && !c->failed; }
bool checkpointing_due(const struct checkpointing *c, uint64_t bytes_max)
{
    bool old = c->upto > c->from && c->note.wall_ms - c->since_ms > CHECKPOINT_AGE_MS;
    return (c->bytes > bytes_max || (old && !c->failed)) && !c->busy;
}

void checkpointing_begin(struct checkpointing *c, int64_t from, const struct checkpoint_note *note)
{
    c->from = c->upto = from;
    c->note = *note;
}

void checkpointing_commit(struct checkpointing *c, const struct checkpoint_note *note, int64_t upto, uint64_t bytes)
{
    if (c->upto == c->from)
        c->since_ms = note->wall_ms;
    c->note = *note;
    c->upto = MAX(c->upto, upto);
    c->bytes += bytes;
}

void checkpointing_tell(const struct checkpointing *c, struct checkpointing_facts *out)
{
    bool lacks = c->upto > c->from;
    *out = (struct checkpointing_facts){c->from, (int64_t)c->bytes, lacks ? c->since_ms : 0};
}

/* ---- the worker */

static void count_memory(struct checkpointing *c)
{
    size_t bytes = fold_bytes(&c->fold);
    if (bytes > c->memory.bytes)
        account_add(&c->memory, bytes - c->memory.bytes);
}

static int fold_cb(void *arg, const struct record *rec)
{
    struct checkpointing *c = arg;
    struct changelog_key k;
    if (changelog_key_parse(&k, rec->key) != 0)
        return E_CORRUPT;
    if (!k.commit && k.task == c->t->id)
        fold_put(&c->fold, k.store, k.key, rec->value);
    if (c->fold.n % 1024 == 0)
        count_memory(c);
    return 0;
}

static void fold_work(struct work *w)
{
    struct checkpointing *c = container_of(w, struct checkpointing, work);
    FAULT("checkpoint.begun");
    c->status = part_scan(c->t->changelog_part, c->from, c->taken, fold_cb, c);
    if (c->status)
        return;
    fold_sort(&c->fold);
    c->piece = xalloc(RESTORE_PUT_CHANGES * sizeof *c->piece);
    count_memory(c);
}

/* ---- home */

static void over(struct checkpointing *c)
{
    c->busy = false;
    c->failed = c->status != 0;
    c->bytes -= c->taken_bytes;
    if (c->status) {
        trace(WARN, "run", "checkpoint_failed job=%s task=%u-%u status=%s", c->t->job->def.name, c->t->frag->id,
              c->t->index, err_name(c->status));
    } else {
        c->from = c->taken;
    }
    fold_fini(&c->fold);
    xfree(c->piece);
    c->piece = NULL;
    account_sub(&c->memory, c->memory.bytes);
    wbuf_fini(&c->note_bytes);
    FAULT("checkpoint.over");
    job_checkpointed(c->t->job);
}

static void put_done(struct cold_put *p)
{
    struct checkpointing *c = container_of(p, struct checkpointing, put);
    c->status = p->status;
    over(c);
}

static void fold_done(struct work *w)
{
    struct checkpointing *c = container_of(w, struct checkpointing, work);
    if (c->status) {
        over(c);
        return;
    }
    const struct checkpoint_owner owner = task_owner(c->t);
    checkpoint_note_pack(&c->work_note, &owner, &c->note_bytes);
    c->put = (struct cold_put){.task = c->t,
                               .fold = &c->fold,
                               .piece = c->piece,
                               .offset = BUG("checkpoint_claims_written") ? part_end(c->t->changelog_part, false)
                                                                          : c->taken,
                               .epoch = c->work_note.epoch,
                               .note = wbuf_view(&c->note_bytes),
                               .done_cb = put_done};
    cold_put(&c->put);
}

static void marked_cb(struct watch *w, int status)
{
    struct checkpointing *c = container_of(w, struct checkpointing, watch);
    c->waits = false;
    c->status = status;
    if (status)
        over(c);
    else
        loop_work(c->t->job->home, LANE_HEAVY, &c->work);
}

void checkpointing_cancel(struct checkpointing *c)
{
    if (c->waits)
        part_unwatch(&c->watch);
    c->waits = false;
}

void checkpointing_start(struct checkpointing *c)
{
    CHECK(!c->busy && c->upto > c->from);
    c->busy = c->waits = true;
    c->taken = c->upto;
    c->taken_bytes = c->bytes;
    c->work_note = c->note;
    fold_init(&c->fold);
    wbuf_init(&c->note_bytes);
    c->watch = (struct watch){.loop = c->t->job->home,
                              .part = c->t->changelog_part,
                              .above = c->taken - 1,
                              .committed = true,
                              .fired_cb = marked_cb};
    c->work = (struct work){.loop = c->t->job->home, .lane = LANE_HEAVY, .work_cb = fold_work, .done_cb = fold_done};
    part_watch(c->t->changelog_part, &c->watch);
}
