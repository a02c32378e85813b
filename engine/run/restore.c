/* Bringing a job back to its last commit.
 *
 * 1. One worker looks at the notes of all checkpoints and for the last commit record in partition 0 of the changelog,
 *    which gives offsets and watermarks. The commits from the oldest note on that lacks anything say which ranges of
 * the changelog were committed. Whatever lies between was written by an epoch that never committed, and is skipped.
 * 2. A worker per task opens the checkpoint, tells operators what it holds (small stores are loaded), and then gives them
 * the committed ranges after it. Long ranges are folded into the checkpoint first. A checkpoint that cannot be read, or
 * knows of a commit that the changelog does not hold, is deleted: the changelog alone is enough.
 * 3. The output of a table may hold records of an uncommitted epoch. One worker reads them back: keys that a sink knows
 * are written again in the next epoch; for the others a tombstone is written before the job runs. */
#include "engine/run/fold.h"
#include "engine/run/job.h"
#include "log/base/limits.h"
#include "log/base/trace.h"
#include "log/wire/recbatch.h"
#include <stdio.h>

struct range {
    int64_t start, end;
};

struct task_restore {
    struct work work;
    struct restore *r;
    struct task *t;
    bool has_checkpoint;
    struct checkpoint_note note; /* of the checkpoint */
    int64_t offset, aim;         /* of the changelog that the checkpoint holds up to; that nothing in it is newer than */
    struct range *ranges;        /* committed after the note, ascending */
    size_t nranges, cap;
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
    unsigned ntasks, left;
    int64_t last_at;  /* offset of the last commit record; -1: none */
    struct wbuf last; /* its bytes */
    int status;
    char why[400];
    struct orphan *orphans;
    size_t norphans, cap_orphans;
    unsigned part; /* being scanned */
    bool dirty;
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

/* ---- reading a partition; blocking */

static int scan_bytes(struct str bytes, int64_t from, int64_t to, struct compress *c, struct wbuf *room, int64_t *next,
                      int (*each_cb)(void *arg, const struct record *rec), void *arg)
{
    while (bytes.len) {
        struct recbatch rb;
        struct recbatch_iter it;
        struct record rec;
        int err = recbatch_peek(&rb, bytes);
        if (err)
            return err == E_SHORT && *next > from ? 0 : err;
        wbuf_reset(room);
        bool control = rb.attributes & RECBATCH_CONTROL;
        err = control ? 0 : recbatch_iter(&it, &rb, c, room, compress_limit(rb.payload.len));
        while (!err && !control && recbatch_next(&it, &rec))
            if (rec.offset >= from && rec.offset < to && (err = each_cb(arg, &rec)) != 0)
                return err;
        if (!err && !control)
            err = recbatch_iter_err(&it);
        if (err)
            return err;
        *next = recbatch_last_offset(&rb) + 1;
        bytes.ptr += rb.size;
        bytes.len -= rb.size;
    }
    return 0;
}

int part_scan(struct part *p, int64_t from, int64_t to, int (*each_cb)(void *arg, const struct record *rec), void *arg)
{
    struct view *v = part_view(p);
    if (!v)
        return E_STORAGE;
    struct compress *c = compress_new();
    struct wbuf bytes, room;
    wbuf_init(&bytes);
    wbuf_init(&room);
    int err = to > v->high_watermark || from < v->log_start ? E_OFFSET_RANGE : 0;
    while (!err && from < to) {
        struct slice s;
        err = view_read(v, from, v->high_watermark, 1 << 20, true, true, &s);
        if (err)
            break;
        wbuf_reset(&bytes);
        int64_t got = slice_read(&s, 0, wbuf_room(&bytes, s.len), s.len, true);
        slice_release(&s);
        int64_t next = from;
        err = got < 0
                  ? (int)got
                  : scan_bytes((struct str){(char *)bytes.data, (size_t)got}, from, to, c, &room, &next, each_cb, arg);
        if (!err && next <= from)
            err = E_CORRUPT;
        from = next;
    }
    wbuf_fini(&bytes);
    wbuf_fini(&room);
    compress_free(c);
    counted_release(&v->c);
    return err;
}

static int64_t part_start(struct part *p)
{
    struct view *v = part_view(p);
    int64_t start = v ? v->log_start : 0;
    if (v)
        counted_release(&v->c);
    return start;
}

static int64_t part_end(struct part *p)
{
    struct view *v = part_view(p);
    int64_t end = v ? v->high_watermark : 0;
    if (v)
        counted_release(&v->c);
    return end;
}

/* ---- 1. notes and commits */

static void drop_checkpoint(struct task_restore *tr, const char *why)
{
    struct job *j = tr->r->j;
    trace(WARN, "run", "checkpoint_dropped job=%s task=%u-%u why=\"%s\"", j->def.name, tr->t->frag->index, tr->t->index,
          why);
    struct arena a;
    arena_init(&a);
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
    bool readable = !empty && checkpoint_note_unpack(&tr->note, checkpoint_note(cp)) == 0;
    checkpoint_close(cp);
    tr->has_checkpoint = readable;
    if (!empty && !readable)
        drop_checkpoint(tr, "its note cannot be read");
}

static void range_add(struct task_restore *tr, int64_t start, int64_t end)
{
    struct range *last = tr->nranges ? &tr->ranges[tr->nranges - 1] : NULL;
    if (last && last->end == start)
        last->end = end;
    else
        VEC_PUSH(tr->ranges, tr->nranges, tr->cap) = (struct range){start, end};
}

static struct task_restore *find_task(struct restore *r, uint32_t id)
{
    for (unsigned i = 0; i < r->j->ntasks; i++)
        if (r->tasks[i].t->id == id)
            return &r->tasks[i];
    return NULL;
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
    r->last_at = rec->offset;
    return 0;
}

/* Looks for it from the end backwards: a job of years has millions of commits. */
static int find_last(struct restore *r)
{
    struct part *p = r->j->changelog.parts[0];
    int64_t start = part_start(p), end = part_end(p), back = 64;
    int err = 0;
    for (int64_t from = end; !err && r->last_at < 0 && from > start; back *= 8) {
        from = MAX(start, end - back);
        err = part_scan(p, from, end, commit_seen, r);
    }
    if (!err && r->last_at >= 0)
        err = commit_unpack(&r->j->last, wbuf_view(&r->last), &r->j->arena);
    return err;
}

static int ranges_seen(void *arg, const struct record *rec)
{
    struct restore *r = arg;
    struct changelog_key k;
    struct commit_record c;
    struct arena a;
    if (changelog_key_parse(&k, rec->key) != 0)
        return E_CORRUPT;
    if (!k.commit)
        return 0;
    arena_init(&a);
    int err = commit_unpack(&c, rec->value, &a);
    for (unsigned i = 0; !err && i < c.ntasks; i++) {
        struct task_restore *tr = find_task(r, c.tasks[i].task);
        if (tr && c.epoch > tr->note.epoch && c.tasks[i].end > c.tasks[i].start)
            range_add(tr, c.tasks[i].start, c.tasks[i].end);
    }
    arena_fini(&a);
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

/* The committed ranges that each checkpoint lacks, from the oldest note on that lacks any. */
static int find_ranges(struct restore *r)
{
    struct job *j = r->j;
    struct part *p = j->changelog.parts[0];
    int64_t end = part_end(p), from = end;
    for (unsigned i = 0; i < r->ntasks; i++) {
        struct task_restore *tr = &r->tasks[i];
        int64_t changed = last_change(j, tr->t->id);
        bool ahead =
            tr->note.epoch > j->last.epoch || tr->note.commit_at >= end || tr->aim > part_end(tr->t->changelog_part);
        if ((tr->has_checkpoint || tr->aim >= 0) && (ahead || !changed))
            drop_checkpoint(tr, "the changelog does not know what it holds");
        if (changed > tr->note.epoch)
            from = MIN(from, tr->has_checkpoint ? tr->note.commit_at : part_start(p));
    }
    return part_scan(p, from, end, ranges_seen, r);
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
    j->fresh = j->last.epoch > 0 && j->last.version != j->def.version;
    if (!r->status)
        r->status = find_ranges(r);
    if (!r->status)
        r->status = find_starts(j);
    if (r->status)
        snprintf(r->why, sizeof r->why, "its commits cannot be read back from the changelog: %s", err_text(r->status));
}

/* ---- 2. operators */

int task_restore_value(struct task *t, uint32_t store, struct str key, struct str value)
{
    for (unsigned i = 0; i < t->frag->nops; i++)
        if (t->frag->ops[i]->store == store >> 16 && plan_node_keeps(t->frag->ops[i])) {
            if (!t->ops[i]->cls->restore)
                return E_CORRUPT;
            return t->ops[i]->cls->restore(t->ops[i], store & 0xffff, key, value);
        }
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
    for (unsigned i = 0; !late && op->node == j->plan->sink && i < j->last.noutputs && i < j->output.n; i++) {
        int32_t p = j->last.outputs[i].partition;
        late = (unsigned)p < j->output.n && part_end(j->output.parts[p]) > j->last.outputs[i].end;
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
    struct fold fold;
    int64_t aim;
};

static int bulk_flush(struct bulk *b)
{
    size_t done = 0;
    int err = 0;
    fold_sort(&b->fold);
    while (!err && done < b->fold.n)
        err = atomic_load(&b->tr->r->j->canceled)
                  ? E_CANCELED
                  : checkpoint_put(b->cp, b->fold.changes, b->fold.n, &done, RESTORE_PUT_BUCKETS, b->aim);
    fold_reset(&b->fold);
    return err;
}

static int bulk_cb(void *arg, const struct record *rec)
{
    struct bulk *b = arg;
    struct changelog_key k;
    atomic_fetch_add_explicit(&b->tr->r->j->restored, 1, memory_order_relaxed);
    if (changelog_key_parse(&k, rec->key) != 0)
        return E_CORRUPT;
    if (k.commit || k.task != b->tr->t->id)
        return 0;
    fold_put(&b->fold, k.store, k.key, rec->value);
    return fold_bytes(&b->fold) > RESTORE_FOLD_BYTES ? bulk_flush(b) : 0;
}

static int bulk_all(struct bulk *b)
{
    struct task_restore *tr = b->tr;
    struct wbuf note;
    int err = 0;
    b->aim = tr->ranges[tr->nranges - 1].end;
    for (size_t i = 0; !err && i < tr->nranges; i++)
        err = part_scan(tr->t->changelog_part, tr->ranges[i].start, tr->ranges[i].end, bulk_cb, b);
    if (!err)
        err = bulk_flush(b);
    if (err)
        return err;
    tr->note = (struct checkpoint_note){tr->r->j->last.epoch, tr->r->last_at};
    wbuf_init(&note);
    checkpoint_note_pack(&tr->note, &note);
    err = checkpoint_seal(b->cp, b->aim, wbuf_view(&note));
    wbuf_fini(&note);
    return err;
}

static bool is_long(const struct task_restore *tr)
{
    uint64_t n = 0;
    for (size_t i = 0; i < tr->nranges; i++)
        n += (uint64_t)(tr->ranges[i].end - tr->ranges[i].start);
    return n > (uint64_t)MIN(RESTORE_TAIL_RECORDS, memory_of(tr) / 512);
}

static int bulk_tail(struct task_restore *tr)
{
    struct job *j = tr->r->j;
    struct bulk b = {.tr = tr};
    struct arena a;
    arena_init(&a);
    fold_init(&b.fold);
    int err = disk_mkdir(job_disk(j), arena_printf(&a, "%s/state", store_dir(broker_store(engine_broker(j->engine)))));
    if (!err)
        err = disk_mkdir(job_disk(j), job_state_path(j, NULL, &a));
    if (!err)
        err = checkpoint_open(&b.cp, job_disk(j), job_state_path(j, tr->t, &a), &tr->d);
    if (!err) {
        err = bulk_all(&b);
        checkpoint_close(b.cp);
    }
    if (!err) {
        tr->has_checkpoint = true;
        tr->nranges = 0;
    }
    fold_fini(&b.fold);
    arena_fini(&a);
    return err;
}

/* All committed ranges of this task, for a task whose checkpoint turned out to be unreadable. */
static int all_ranges_cb(void *arg, const struct record *rec)
{
    struct task_restore *tr = arg;
    struct changelog_key k;
    struct commit_record c;
    if (changelog_key_parse(&k, rec->key) != 0)
        return E_CORRUPT;
    if (!k.commit)
        return 0;
    struct arena a;
    arena_init(&a);
    int err = commit_unpack(&c, rec->value, &a);
    for (unsigned i = 0; !err && i < c.ntasks; i++)
        if (c.tasks[i].task == tr->t->id && c.tasks[i].end > c.tasks[i].start)
            range_add(tr, c.tasks[i].start, c.tasks[i].end);
    arena_fini(&a);
    return err;
}

static int begin_anew(struct task_restore *tr)
{
    struct part *p = tr->r->j->changelog.parts[0];
    drop_checkpoint(tr, "it is damaged");
    task_close_ops(tr->t);
    cold_note_sizes(tr->t->cold, NULL, 0);
    tr->t->clock.clean = 0;
    tr->nranges = 0;
    int err = part_scan(p, part_start(p), part_end(p), all_ranges_cb, tr);
    return err ? err : task_open_ops(tr->t, &tr->d);
}

static void set_time(struct task_restore *tr)
{
    struct task *t = tr->t;
    const struct commit_record *last = &tr->r->j->last;
    for (unsigned i = 0; i < last->ntasks; i++)
        if (last->tasks[i].task == t->id)
            t->marks.ms = last->tasks[i].watermark_ms;
    for (unsigned i = 0; t->marks.ms != WATERMARK_NONE && i < t->frag->nops; i++)
        if (t->ops[i]->cls->watermark)
            t->ops[i]->cls->watermark(t->ops[i], t->marks.ms);
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
    if (tr->status == E_CORRUPT && tr->has_checkpoint) {
        tr->status = begin_anew(tr);
        if (!tr->status)
            tr->status = come_near(tr);
    }
    t->clock.epoch = (uint32_t)tr->r->j->last.epoch;
    for (size_t i = 0; !tr->status && i < tr->nranges; i++)
        tr->status = part_scan(t->changelog_part, tr->ranges[i].start, tr->ranges[i].end, changed_cb, tr);
    if (tr->status && !tr->d.text[0])
        diag_set(&tr->d, tr->status, "its state cannot be read back from the changelog: %s", err_text(tr->status));
    if (!tr->status)
        set_time(tr);
    if (!tr->status && tr->r->j->fresh)
        repeat(tr);
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

static void settle_work(struct work *w)
{
    struct restore *r = container_of(w, struct restore, work);
    struct job *j = r->j;
    for (unsigned i = 0; !r->status && i < j->last.noutputs && i < j->output.n; i++) {
        /* A new version writes all of its rows: nothing from before stays that it does not write. */
        bool anew = j->fresh && j->plan->sink->again > j->last.version;
        int64_t from = anew ? 0 : j->last.outputs[i].end;
        r->part = (unsigned)j->last.outputs[i].partition;
        if (r->part < j->output.n)
            r->status = part_scan(j->output.parts[r->part], MAX(from, part_start(j->output.parts[r->part])),
                                  part_end(j->output.parts[r->part]), output_seen, r);
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
        for (size_t k = 0; k < tr->nranges; k++)
            checkpointing_add(j->tasks[i].checkpointing, tr->ranges[k].start, tr->ranges[k].end, k ? 0 : tr->bytes);
        if (r->last_at >= 0)
            checkpointing_commit(j->tasks[i].checkpointing, &(struct checkpoint_note){j->last.epoch, r->last_at}, 0);
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
        int err = writer_open(&r->writers[o->part], broker_store(engine_broker(j->engine)), j->output.parts[o->part],
                              j->home);
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
    for (unsigned i = 0; i < j->output.n; i++)
        if (r->writers[i]) {
            r->flushing++;
            writer_flush(r->writers[i], tombstones_flushed, r);
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
    bool table = r->j->plan->sink->kind == PLAN_SINK_TOPIC && r->j->plan->sink->inputs[0]->mode != MODE_APPEND;
    if (r->status || r->j->query || !table || r->last_at < 0)
        finish(r);
    else
        run_work(r, settle_work, settled);
}

static void scanned(struct work *w)
{
    struct restore *r = container_of(w, struct restore, work);
    struct job *j = r->j;
    if (r->status) {
        finish(r);
        return;
    }
    uint64_t records = 0;
    r->left = j->ntasks;
    for (unsigned i = 0; i < j->ntasks; i++)
        for (size_t k = 0; k < r->tasks[i].nranges; k++)
            records += (uint64_t)(r->tasks[i].ranges[k].end - r->tasks[i].ranges[k].start);
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
    r->last_at = -1;
    arena_init(&r->arena);
    wbuf_init(&r->last);
    r->ntasks = j->ntasks;
    r->tasks = ARENA_ARRAY(&r->arena, struct task_restore, r->ntasks);
    for (unsigned i = 0; i < j->ntasks; i++)
        r->tasks[i] = (struct task_restore){.r = r, .t = &j->tasks[i], .offset = -1, .aim = -1};
    run_work(r, scan_work, scanned);
}

void restore_free(struct restore *r)
{
    for (unsigned i = 0; r->writers && i < r->j->output.n; i++)
        if (r->writers[i])
            writer_close(r->writers[i]);
    for (unsigned i = 0; i < r->ntasks; i++)
        xfree(r->tasks[i].ranges);
    xfree(r->orphans);
    wbuf_fini(&r->last);
    arena_fini(&r->arena);
    xfree(r);
}
