/* Taking checkpoints: a worker folds the committed part of a task's changelog, from where its checkpoint ends, to the
 * last value of every key; the task's cold level writes that, piece by piece, between its reads. Live operators are never
 * touched.
 *
 * A checkpoint that cannot be taken (disk full, damaged file) is tried again when as much again has been committed; the
 * changelog has everything meanwhile. */
#include "engine/run/fold.h"
#include "engine/run/job.h"
#include "log/base/trace.h"
#include "log/wire/recbatch.h"

struct range {
    int64_t start, end;
};

struct checkpointing {
    struct task *t;
    struct range *ranges; /* committed, not yet in the file */
    size_t n, cap;
    uint64_t bytes;
    struct checkpoint_note note; /* of the last commit among them */
    /* of the one at work */
    bool busy, failed; /* failed: the last one */
    struct work work;
    size_t taken;
    uint64_t taken_bytes;
    struct range *work_ranges;
    struct checkpoint_note work_note;
    struct fold fold;
    struct cold_put put;
    struct wbuf note_bytes;
    int status;
};

struct checkpointing *checkpointing_new(struct task *t)
{
    struct checkpointing *c = xzalloc(sizeof *c);
    c->t = t;
    return c;
}

void checkpointing_free(struct checkpointing *c)
{
    CHECK(!c->busy);
    xfree(c->ranges);
    xfree(c);
}

bool checkpointing_busy(const struct checkpointing *c) { return c->busy; }
bool checkpointing_ahead(const struct checkpointing *c) { return c->n > 0 && !c->failed; }
bool checkpointing_due(const struct checkpointing *c, uint64_t bytes_max) { return c->bytes > bytes_max && !c->busy; }

void checkpointing_add(struct checkpointing *c, int64_t start, int64_t end, uint64_t bytes)
{
    /* What a worker has taken is not stretched any more. */
    struct range *last = c->n > (c->busy ? c->taken : 0) ? &c->ranges[c->n - 1] : NULL;
    c->bytes += bytes;
    if (last && last->end == start)
        last->end = end;
    else
        VEC_PUSH(c->ranges, c->n, c->cap) = (struct range){start, end};
}

void checkpointing_commit(struct checkpointing *c, const struct checkpoint_note *note, size_t bytes)
{
    c->note = *note;
    c->bytes += c->n ? bytes : 0;
}

/* ---- the worker */

static int fold_cb(void *arg, const struct record *rec)
{
    struct checkpointing *c = arg;
    struct changelog_key k;
    if (changelog_key_parse(&k, rec->key) != 0)
        return E_CORRUPT;
    if (!k.commit && k.task == c->t->id)
        fold_put(&c->fold, k.store, k.key, rec->value);
    return 0;
}

static void fold_work(struct work *w)
{
    struct checkpointing *c = container_of(w, struct checkpointing, work);
    c->status = 0;
    for (size_t i = 0; !c->status && i < c->taken; i++)
        c->status = part_scan(c->t->changelog_part, c->work_ranges[i].start, c->work_ranges[i].end, fold_cb, c);
    if (!c->status)
        fold_sort(&c->fold);
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
        c->n -= c->taken;
        memmove(c->ranges, c->ranges + c->taken, c->n * sizeof *c->ranges);
    }
    xfree(c->work_ranges);
    fold_fini(&c->fold);
    wbuf_fini(&c->note_bytes);
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
    checkpoint_note_pack(&c->work_note, &c->note_bytes);
    c->put = (struct cold_put){.task = c->t,
                               .changes = c->fold.changes,
                               .n = c->fold.n,
                               .offset = c->work_ranges[c->taken - 1].end,
                               .epoch = c->work_note.epoch,
                               .note = wbuf_view(&c->note_bytes),
                               .done_cb = put_done};
    cold_put(&c->put);
}

void checkpointing_start(struct checkpointing *c)
{
    CHECK(!c->busy && c->n > 0);
    c->busy = true;
    c->taken = c->n;
    c->taken_bytes = c->bytes;
    c->work_note = c->note;
    c->work_ranges = xalloc(c->n * sizeof *c->ranges);
    memcpy(c->work_ranges, c->ranges, c->n * sizeof *c->ranges);
    fold_init(&c->fold);
    wbuf_init(&c->note_bytes);
    c->work = (struct work){.loop = c->t->job->home, .lane = LANE_HEAVY, .work_cb = fold_work, .done_cb = fold_done};
    loop_work(c->t->job->home, LANE_HEAVY, &c->work);
}
