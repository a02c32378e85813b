#include "engine/run/savepoint.h"
#include "log/base/crc32c.h"
#include "log/base/trace.h"
#include "log/wire/recbatch.h"
#include <stdio.h>

#define SAVE_MAGIC "WEIRSAVE"
#define SAVE_VERSION 1
#define SAVE_HEADER 16          /* magic, version, number of partitions */
#define SAVE_ENTRY 12           /* partition, bytes of the key, bytes of the value */
#define SAVE_FOOTER 16          /* END, number of entries, CRC32C of all before */
#define SAVE_END UINT32_MAX     /* in place of a partition */
#define SAVE_NULL UINT32_MAX    /* in place of the value's bytes */
#define SAVE_PIECE (1u << 20)
#define SAVE_ENTRY_MAX (64u << 20) /* no record is larger */

static char *save_path(struct engine *e, struct uuid id, const char *suffix)
{
    char name[UUID_TEXT], path[4096];
    uuid_format(id, name);
    snprintf(path, sizeof path, "%s/savepoints/%s.save%s", store_dir(broker_store(engine_broker(e))), name, suffix);
    return xstrdup(path);
}

static struct disk *save_disk(struct engine *e) { return store_disk(broker_store(engine_broker(e))); }

/* ---- Writing. */

struct save_out {
    struct saving *s;
    struct file *f;
    int64_t pos;
    uint32_t crc, partition;
    struct wbuf w;
};

static int put_out(struct save_out *o)
{
    int err = file_write(o->f, o->pos, o->w.data, o->w.len);
    o->crc = crc32c(o->crc, o->w.data, o->w.len);
    o->pos += (int64_t)o->w.len;
    wbuf_reset(&o->w);
    return err;
}

static int put_entry(struct save_out *o, struct str key, struct str value)
{
    wbuf_be32(&o->w, o->partition);
    wbuf_be32(&o->w, (uint32_t)key.len);
    wbuf_be32(&o->w, value.ptr ? (uint32_t)value.len : SAVE_NULL);
    wbuf_str(&o->w, key);
    wbuf_str(&o->w, value);
    o->s->facts.records++;
    return o->w.len > SAVE_PIECE ? put_out(o) : 0;
}

/* Commits before the last say nothing any more. */
static int saved_cb(void *arg, const struct record *rec)
{
    struct changelog_key k;
    if (changelog_key_parse(&k, rec->key) != 0)
        return E_CORRUPT;
    return k.commit ? 0 : put_entry(arg, rec->key, rec->value);
}

static int write_all(struct save_out *o)
{
    struct saving *s = o->s;
    int err = 0;
    wbuf_str(&o->w, STR(SAVE_MAGIC));
    wbuf_be32(&o->w, SAVE_VERSION);
    wbuf_be32(&o->w, s->nparts);
    for (o->partition = 0; !err && o->partition < s->nparts; o->partition++) {
        struct view *v = s->views[o->partition];
        err = view_scan(v, v->log_start, v->high_watermark, saved_cb, o);
    }
    o->partition = 0;
    if (!err)
        err = put_entry(o, wbuf_view(&s->commit_key), wbuf_view(&s->commit));
    if (!err)
        err = put_out(o);
    uint32_t crc = o->crc;
    wbuf_be32(&o->w, SAVE_END);
    wbuf_be64(&o->w, s->facts.records);
    wbuf_be32(&o->w, crc);
    if (!err)
        err = put_out(o);
    return err;
}

static int write_file(struct saving *s)
{
    struct disk *disk = save_disk(s->e);
    char *temp = save_path(s->e, s->id, ".part"), dir[4096];
    struct save_out o = {.s = s};
    snprintf(dir, sizeof dir, "%s/savepoints", store_dir(broker_store(engine_broker(s->e))));
    int err = disk_mkdir(disk, dir);
    if (!err)
        err = disk_sync_dir(disk, store_dir(broker_store(engine_broker(s->e))));
    if (!err)
        err = disk_open(disk, temp, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &o.f);
    wbuf_init(&o.w);
    if (!err)
        err = write_all(&o);
    if (!err)
        err = file_sync(o.f);
    if (o.f)
        file_close(o.f);
    if (!err)
        err = disk_rename(disk, temp, s->path);
    if (!err)
        err = disk_sync_dir(disk, dir);
    if (err && o.f && disk_unlink(disk, temp) != 0)
        trace(WARN, "run", "savepoint_not_removed path=%s", temp);
    s->facts.bytes = (uint64_t)o.pos;
    wbuf_fini(&o.w);
    xfree(temp);
    return err;
}

static void save_work(struct work *w)
{
    struct saving *s = container_of(w, struct saving, work);
    s->status = write_file(s);
    if (s->status)
        snprintf(s->why, sizeof s->why, "%.200s cannot be written: %s", s->path, err_text(s->status));
}

/* ---- One saving from its cut to its answer. */

static void answer_cb(struct msg *m)
{
    struct saving *s = container_of(m, struct saving, msg);
    for (unsigned i = 0; i < s->nparts; i++) {
        counted_release(&s->views[i]->c);
        part_release(s->parts[i]);
    }
    xfree(s->views);
    xfree(s->parts);
    xfree(s->path);
    wbuf_fini(&s->commit);
    wbuf_fini(&s->commit_key);
    s->done_cb(s->arg, s->status, s->why, &s->facts);
    xfree(s);
}

static void answer(struct saving *s)
{
    s->msg.run_cb = answer_cb;
    loop_post(s->back, &s->msg);
}

static void save_done(struct work *w) { answer(container_of(w, struct saving, work)); }

void saving_fail(struct saving *s, int status, const char *why)
{
    s->status = status;
    snprintf(s->why, sizeof s->why, "%s", why);
    answer(s);
}

static void cut(struct saving *s, struct job *j)
{
    unsigned n = j->changelog.n;
    s->views = xzalloc(n * sizeof *s->views);
    s->parts = xzalloc(n * sizeof *s->parts);
    for (unsigned i = 0; i < n; i++) {
        struct view *v = part_view(j->changelog.parts[i]);
        if (!v) {
            saving_fail(s, E_STORAGE, "its changelog cannot be read");
            return;
        }
        s->views[i] = v;
        s->parts[i] = part_acquire(j->changelog.parts[i]);
        s->nparts = i + 1;
    }
    commit_pack(&j->last, &s->commit);
    changelog_key_commit(&s->commit_key);
    s->facts.epoch = j->last.epoch;
    s->facts.wall_ms = j->last.wall_ms;
    s->path = save_path(s->e, s->id, "");
    s->work = (struct work){.loop = j->home, .lane = LANE_HEAVY, .work_cb = save_work, .done_cb = save_done};
    loop_work(j->home, LANE_HEAVY, &s->work);
}

void saving_begin(struct saving *s, struct job *j)
{
    wbuf_init(&s->commit);
    wbuf_init(&s->commit_key);
    list_add_tail(&j->savings, &s->link);
    if (!sm_is(&j->sm, J_RUNNING) || j->fresh || j->last.epoch == 0)
        saving_cancel(j);
    else if (sm_is(&j->epochs.sm, EPOCH_IDLE))
        saving_cut(j);
}

void saving_cut(struct job *j)
{
    for (struct list *l; (l = list_pop(&j->savings)) != NULL;)
        cut(container_of(l, struct saving, link), j);
}

void saving_cancel(struct job *j)
{
    for (struct list *l; (l = list_pop(&j->savings)) != NULL;)
        saving_fail(container_of(l, struct saving, link), E_CANCELED, "the job does not run");
}

/* ---- Reading. */

struct save_in {
    struct file *f;
    char *path;
    unsigned partitions;          /* that it must be of */
    const atomic_bool *canceled; /* NULL: nobody can */
    int64_t end;                  /* of the entries: where the footer begins */
    int status;
    char why[500];
};

static bool is_canceled(const struct save_in *in) { return in->canceled && atomic_load(in->canceled); }

static int damaged(struct save_in *in, const char *what)
{
    if (!in->status)
        snprintf(in->why, sizeof in->why, "savepoint %.300s is damaged: %s", in->path, what);
    return in->status = E_CORRUPT;
}

static int read_at(struct save_in *in, int64_t pos, void *p, size_t n)
{
    int64_t got = file_read(in->f, pos, p, n);
    if (got < 0) {
        snprintf(in->why, sizeof in->why, "savepoint %.300s cannot be read: %s", in->path, err_text((int)got));
        return in->status = (int)got;
    }
    return (size_t)got == n ? 0 : damaged(in, "it is cut short");
}

/* The whole file is checked before anything of it is believed. */
static int check_file(struct save_in *in, char *piece)
{
    uint8_t head[SAVE_HEADER], foot[SAVE_FOOTER];
    uint32_t crc = 0;
    in->end = file_size(in->f) - SAVE_FOOTER;
    if (in->end < SAVE_HEADER)
        return damaged(in, "it is cut short");
    for (int64_t pos = 0; pos < in->end && !is_canceled(in); pos += SAVE_PIECE) {
        size_t n = (size_t)MIN(in->end - pos, (int64_t)SAVE_PIECE);
        if (read_at(in, pos, piece, n))
            return in->status;
        crc = crc32c(crc, piece, n);
    }
    if (is_canceled(in))
        return in->status = E_CANCELED;
    if (read_at(in, 0, head, sizeof head) || read_at(in, in->end, foot, sizeof foot))
        return in->status;
    if (memcmp(head, SAVE_MAGIC, 8) != 0 || be32(foot) != SAVE_END || be32(foot + 12) != crc)
        return damaged(in, "its checksum does not hold");
    if (be32(head + 8) > SAVE_VERSION)
        return damaged(in, "a newer version of weir wrote it");
    if (be32(head + 12) != in->partitions)
        return damaged(in, "it is of another job");
    return 0;
}

static int open_file(struct save_in *in, struct disk *disk, char *piece)
{
    in->status = disk_open(disk, in->path, FILE_READ, &in->f);
    if (in->status)
        snprintf(in->why, sizeof in->why, "savepoint %.300s cannot be opened: %s", in->path, err_text(in->status));
    return in->status ? in->status : check_file(in, piece);
}

static void close_file(struct save_in *in)
{
    if (in->f)
        file_close(in->f);
    xfree(in->path);
}

/* ---- Is a file whole? Asked before a job's state is given up for it. */

struct save_check {
    struct work work;
    struct engine *e;
    const struct plan *plan;
    struct save_in in;
    struct arena arena;
    void (*done_cb)(void *arg, int status, const char *why);
    void *arg;
};

/* The commit, which is the last entry; NULL text: told. The file is whole. */
static struct str last_entry(struct save_check *c)
{
    int64_t pos = SAVE_HEADER, at = pos;
    uint32_t nkey = 0, nvalue = 0;
    char *piece = xalloc(SAVE_PIECE);
    size_t have = 0, off = 0; /* of piece, which begins at pos */
    while (pos + (int64_t)off < c->in.end && !c->in.status) {
        if (have - off < SAVE_ENTRY) {
            pos += (int64_t)off;
            have = (size_t)MIN(c->in.end - pos, (int64_t)SAVE_PIECE);
            off = 0;
            if (have < SAVE_ENTRY ? damaged(&c->in, "an entry has no end") : read_at(&c->in, pos, piece, have))
                break;
        }
        at = pos + (int64_t)off;
        nkey = be32(piece + off + 4);
        nvalue = be32(piece + off + 8) == SAVE_NULL ? 0 : be32(piece + off + 8);
        size_t size = SAVE_ENTRY + (size_t)nkey + nvalue;
        if (size <= have - off) {
            off += size;
        } else { /* its end is in another piece */
            pos = at + (int64_t)size;
            have = off = 0;
        }
    }
    xfree(piece);
    if (c->in.status || nkey > SAVE_ENTRY_MAX || nvalue > SAVE_ENTRY_MAX)
        return STR_NULL;
    char *value = arena_alloc(&c->arena, nvalue + 1);
    bool read = read_at(&c->in, at + SAVE_ENTRY + nkey, value, nvalue) == 0;
    return read ? (struct str){value, nvalue} : STR_NULL;
}

static const struct plan_node *find_source(const struct plan_node *n, unsigned store)
{
    const struct plan_node *found = n->kind == PLAN_SOURCE && n->store == store ? n : NULL;
    for (unsigned i = 0; !found && i < n->ninputs; i++)
        found = find_source(n->inputs[i], store);
    return found;
}

/* A partition that nobody has opened since the start is not known. */
static void find_missing_input(struct save_check *c, const struct image *im, const struct commit_record *commit)
{
    for (unsigned i = 0; i < commit->nsources && !c->in.status; i++) {
        const struct commit_source *s = &commit->sources[i];
        const struct plan_node *n = find_source(c->plan->sink, s->node);
        const struct topic *t = n ? image_topic_by_id(im, n->topic) : NULL;
        struct view *v = t && t->parts && s->partition < t->nparts ? part_view(t->parts[s->partition]) : NULL;
        if (v && v->log_start > s->offset) {
            c->in.status = E_OFFSET_RANGE;
            snprintf(c->in.why, sizeof c->in.why,
                     "topic %s, partition %d, no longer holds offsets %" PRId64 " to %" PRId64 ", which came after the savepoint",
                     n->topic_name, s->partition, s->offset, v->log_start - 1);
        }
        if (v)
            counted_release(&v->c);
    }
}

static void check_work(struct work *w)
{
    struct save_check *c = container_of(w, struct save_check, work);
    struct commit_record commit = {0};
    char *piece = xalloc(SAVE_PIECE);
    struct str last = open_file(&c->in, save_disk(c->e), piece) == 0 ? last_entry(c) : STR_NULL;
    xfree(piece);
    if (!c->in.status && (!last.ptr || commit_unpack(&commit, last, &c->arena) != 0))
        (void)damaged(&c->in, "it ends without a commit");
    struct image *im = cluster_image(broker_cluster(engine_broker(c->e)));
    if (!c->in.status)
        find_missing_input(c, im, &commit);
    counted_release(&im->c);
}

static void check_done(struct work *w)
{
    struct save_check *c = container_of(w, struct save_check, work);
    c->done_cb(c->arg, c->in.status, c->in.why);
    close_file(&c->in);
    arena_fini(&c->arena);
    xfree(c);
}

void engine_savepoint_check(struct engine *e, struct uuid id, const struct plan *plan, struct loop *loop,
                            void (*done_cb)(void *arg, int status, const char *why), void *arg)
{
    struct save_check *c = xzalloc(sizeof *c);
    c->e = e;
    c->in.path = save_path(e, id, "");
    c->in.partitions = plan->parallelism;
    c->plan = plan;
    arena_init(&c->arena);
    c->done_cb = done_cb;
    c->arg = arg;
    c->work = (struct work){.loop = loop, .lane = LANE_HEAVY, .work_cb = check_work, .done_cb = check_done};
    loop_work(loop, LANE_HEAVY, &c->work);
}

/* ---- Filling a changelog. */

struct seeding {
    struct job *j;
    void (*done_cb)(void *arg, int status, const char *why);
    void *arg;
    struct work work;
    struct save_in in;
    int64_t pos; /* of the entries: next to read */
    char *piece;
    size_t len, cap;
    bool last; /* the commit alone is left, and all else is durable */
    struct writer **writers;
    bool *written;
    unsigned flushing;
};

static void open_work(struct work *w)
{
    struct seeding *s = container_of(w, struct seeding, work);
    struct disk *disk = save_disk(s->j->engine);
    struct arena a;
    arena_init(&a);
    s->pos = SAVE_HEADER;
    s->piece = xalloc(s->cap = SAVE_PIECE);
    if (open_file(&s->in, disk, s->piece) == 0)
        (void)disk_remove_tree(disk, job_state_path(s->j, NULL, &a));
    arena_fini(&a);
}

/* Whole entries from pos on, at least one. */
static void read_work(struct work *w)
{
    struct seeding *s = container_of(w, struct seeding, work);
    size_t want = (size_t)MIN(s->in.end - s->pos, (int64_t)SAVE_PIECE);
    uint8_t head[SAVE_ENTRY];
    if (read_at(&s->in, s->pos, head, sizeof head))
        return;
    size_t value = be32(head + 8) == SAVE_NULL ? 0 : be32(head + 8), first = SAVE_ENTRY + be32(head + 4) + value;
    if (be32(head + 4) > SAVE_ENTRY_MAX || value > SAVE_ENTRY_MAX || (int64_t)first > s->in.end - s->pos) {
        (void)damaged(&s->in, "an entry has no end");
        return;
    }
    want = MAX(want, first);
    if (want > s->cap)
        s->piece = xrealloc(s->piece, s->cap = want);
    s->len = want;
    (void)read_at(&s->in, s->pos, s->piece, want);
}

static void run(struct seeding *s, void (*work_cb)(struct work *), void (*done_cb)(struct work *))
{
    s->work = (struct work){.loop = s->j->home, .lane = LANE_HEAVY, .work_cb = work_cb, .done_cb = done_cb};
    loop_work(s->j->home, LANE_HEAVY, &s->work);
}

static void read_done(struct work *w);

static void seeding_step(struct seeding *s)
{
    if (atomic_load(&s->j->canceled) && !s->in.status)
        s->in.status = E_CANCELED;
    if (s->in.status || s->pos == s->in.end)
        s->done_cb(s->arg, s->in.status, s->in.why);
    else
        run(s, read_work, read_done);
}

static void flushed_cb(void *arg, int status, int64_t base_offset, int64_t end_offset)
{
    struct seeding *s = arg;
    (void)base_offset, (void)end_offset;
    if (status && !s->in.status) {
        s->in.status = status;
        snprintf(s->in.why, sizeof s->in.why, "its changelog cannot be written: %s", err_text(status));
    }
    if (--s->flushing == 0)
        seeding_step(s);
}

static int put_record(struct seeding *s, unsigned partition, struct str key, struct str value)
{
    if (partition >= s->j->changelog.n)
        return damaged(&s->in, "it is of another job");
    if (!s->writers[partition]) {
        struct job *j = s->j;
        int err = writer_open(&s->writers[partition], broker_store(engine_broker(j->engine)),
                              j->changelog.parts[partition], j->home);
        if (err) {
            snprintf(s->in.why, sizeof s->in.why, "its changelog cannot be written: %s", err_text(err));
            return s->in.status = err;
        }
    }
    writer_record(s->writers[partition], loop_wall_ms(s->j->home), key, value);
    s->written[partition] = true;
    return 0;
}

/* The entries of a piece go out; a commit waits until all before it is durable. */
static void put_piece(struct seeding *s)
{
    struct rbuf r = rbuf_of(s->piece, s->len);
    size_t used = 0;
    while (rbuf_left(&r) >= SAVE_ENTRY) {
        uint32_t partition = rbuf_be32(&r), nkey = rbuf_be32(&r), nvalue = rbuf_be32(&r);
        struct str key = rbuf_bytes(&r, nkey), value = nvalue == SAVE_NULL ? STR_NULL : rbuf_bytes(&r, nvalue);
        struct changelog_key k;
        if (r.err)
            break;
        if (changelog_key_parse(&k, key) != 0) {
            (void)damaged(&s->in, "an entry has no key");
            break;
        }
        if (k.commit && !s->last) {
            s->last = true;
            break;
        }
        if (put_record(s, partition, key, value))
            break;
        used = s->len - rbuf_left(&r);
    }
    s->pos += (int64_t)used;
}

static void read_done(struct work *w)
{
    struct seeding *s = container_of(w, struct seeding, work);
    if (!s->in.status)
        put_piece(s);
    s->flushing = 1;
    for (unsigned i = 0; i < s->j->changelog.n; i++)
        if (s->written[i]) {
            s->written[i] = false;
            s->flushing++;
            writer_flush(s->writers[i], flushed_cb, s);
        }
    flushed_cb(s, 0, 0, 0);
}

static void open_done(struct work *w) { seeding_step(container_of(w, struct seeding, work)); }

struct seeding *seeding_begin(struct job *j, void (*done_cb)(void *arg, int status, const char *why), void *arg)
{
    struct seeding *s = xzalloc(sizeof *s);
    s->j = j;
    s->done_cb = done_cb;
    s->arg = arg;
    s->in.path = save_path(j->engine, j->def.savepoint, "");
    s->in.partitions = j->plan->parallelism;
    s->in.canceled = &j->canceled;
    s->writers = xzalloc(j->changelog.n * sizeof *s->writers);
    s->written = xzalloc(j->changelog.n * sizeof *s->written);
    trace(INFO, "run", "restoring_savepoint job=%s path=%s", j->def.name, s->in.path);
    run(s, open_work, open_done);
    return s;
}

void seeding_free(struct seeding *s)
{
    for (unsigned i = 0; i < s->j->changelog.n; i++)
        if (s->writers[i])
            writer_close(s->writers[i]);
    close_file(&s->in);
    xfree(s->piece);
    xfree(s->writers);
    xfree(s->written);
    xfree(s);
}
