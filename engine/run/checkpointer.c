/* Taking checkpoints: a worker folds the committed part of a task's changelog, from where its checkpoint ends, to the
 * last value of every key and writes that in one transaction. Live operators are never touched.
 *
 * A checkpoint that cannot be taken (disk full, damaged file) is tried again when as much again has been committed; the
 * changelog has everything meanwhile. */
#include "engine/run/job.h"
#include "log/base/map.h"
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
    char *path;
    struct arena arena;
    struct map index; /* store and key -> its place in changes, plus one */
    struct checkpoint_change *changes;
    size_t nchanges, cap_changes;
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
    if (k.commit || k.task != c->t->id)
        return 0;
    uintptr_t at = (uintptr_t)map_get(&c->index, rec->key);
    if (!at) {
        struct str key = arena_dup(&c->arena, k.key);
        VEC_PUSH(c->changes, c->nchanges, c->cap_changes) = (struct checkpoint_change){.store = k.store, .key = key};
        at = c->nchanges;
        map_put(&c->index, rec->key, (void *)at);
    }
    c->changes[at - 1].value = arena_dup(&c->arena, rec->value);
    return 0;
}

static int write_file(struct checkpointing *c)
{
    struct job *j = c->t->job;
    struct disk *disk = store_disk(broker_store(engine_broker(j->engine)));
    struct checkpoint *cp;
    struct diag d = {0};
    struct wbuf note;
    int err = disk_mkdir(disk, arena_printf(&c->arena, "%s/state", store_dir(broker_store(engine_broker(j->engine)))));
    if (!err)
        err = disk_mkdir(disk, job_state_path(j, NULL, &c->arena));
    if (!err)
        err = checkpoint_open(&cp, disk, c->path, &d);
    if (err)
        return err;
    wbuf_init(&note);
    checkpoint_note_pack(&c->work_note, &note);
    err = checkpoint_write(cp, c->changes, c->nchanges, c->work_ranges[c->taken - 1].end, wbuf_view(&note));
    wbuf_fini(&note);
    checkpoint_close(cp);
    return err;
}

static void fold_work(struct work *w)
{
    struct checkpointing *c = container_of(w, struct checkpointing, work);
    map_init(&c->index);
    c->status = 0;
    for (size_t i = 0; !c->status && i < c->taken; i++)
        c->status = part_scan(c->t->changelog_part, c->work_ranges[i].start, c->work_ranges[i].end, fold_cb, c);
    if (!c->status)
        c->status = write_file(c);
    map_fini(&c->index);
    xfree(c->changes);
    c->changes = NULL;
    c->nchanges = c->cap_changes = 0;
    arena_fini(&c->arena);
}

static void fold_done(struct work *w)
{
    struct checkpointing *c = container_of(w, struct checkpointing, work);
    c->busy = false;
    c->failed = c->status != 0;
    c->bytes -= c->taken_bytes;
    if (c->status) {
        trace(WARN, "run", "checkpoint_failed job=%s task=%u-%u status=%s", c->t->job->def.name, c->t->frag->index,
              c->t->index, err_name(c->status));
    } else {
        c->n -= c->taken;
        memmove(c->ranges, c->ranges + c->taken, c->n * sizeof *c->ranges);
    }
    xfree(c->work_ranges);
    job_checkpointed(c->t->job);
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
    arena_init(&c->arena);
    c->path = job_state_path(c->t->job, c->t, &c->arena);
    c->work = (struct work){.loop = c->t->job->home, .lane = LANE_HEAVY, .work_cb = fold_work, .done_cb = fold_done};
    loop_work(c->t->job->home, LANE_HEAVY, &c->work);
}
