/* What a start does: the write-ahead files are replayed into their segments, then each partition, when it is first
 * needed, reads its unsynced tail. Only what no one was told is durable may be cut off; damage to the rest is kept,
 * said loudly, and stops writes to that partition. */
#include "log/base/alloc.h"
#include "log/base/trace.h"
#include "log/store/compact.h"
#include "log/store/history.h"
#include "log/store/shard.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- one partition */

struct bases {
    struct seg_name *name;
    size_t n, cap;
    bool unfinished; /* there are files that compaction had not finished */
};

static int bases_each(void *arg, const char *name, bool is_dir)
{
    struct bases *bs = arg;
    struct seg_name sn;
    size_t len = strlen(name), tail = strlen(COMPACT_SUFFIX);
    bs->unfinished |= !is_dir && len > tail && strcmp(name + len - tail, COMPACT_SUFFIX) == 0;
    if (!is_dir && seg_name_parse(name, &sn))
        VEC_PUSH(bs->name, bs->n, bs->cap) = sn; /* the base comes first, at full width: byte order is its order */
    return 0;
}

struct recovery {
    struct opening *o;
    struct disk *disk;
    struct segment **seg;
    size_t n, cap;
    int64_t end; /* next offset so far */
    bool cut;    /* the tail ended early: what comes after it goes */
    int64_t damage_at;
};

static const char *recovery_dir(const struct recovery *rc) { return rc->o->part->dir; }

static void recovery_damage(struct recovery *rc, const struct segment *seg, int64_t pos, const char *what)
{
    rc->o->damage = E_CORRUPT;
    trace(ERROR, "store", "damaged segment=%s.log pos=%" PRId64 " what=%s: acknowledged records are damaged or missing",
          seg->stem, pos, what);
}

/* A closed segment below the recovery point: its index file says all, else every batch is read. */
static int closed_load(struct recovery *rc, struct segment *seg, int64_t size, int64_t next_base)
{
    struct seg_file *sf;
    struct index_head head;
    int err = segment_open_index(seg, 0, true, &sf);
    if (!err) {
        err = index_read_head(sf->f, &head);
        seg_file_release(sf);
    }
    seg->closed = true;
    if (!err && head.sealed && head.data_size == size && head.end_offset <= next_base &&
        head.end_offset >= seg->base) {
        atomic_store(&seg->size, size);
        atomic_store(&seg->end_offset, head.end_offset);
        atomic_store(&seg->max_ts, head.max_ts);
        atomic_store(&seg->file_entries, head.count);
        atomic_store(&seg->aborted_n, head.aborted);
        atomic_store(&seg->sealed, true);
        seg->born_ms = head.born_ms;
        seg->last_ms = head.last_ms;
        return 0;
    }
    trace(DEBUG, "store", "index_rebuilt segment=%s", seg->stem);
    err = segment_reindex(seg, size, rc->o->index_interval);
    if (err == E_CORRUPT || (!err && atomic_load(&seg->end_offset) > next_base)) {
        recovery_damage(rc, seg, atomic_load(&seg->size), "batch");
        atomic_store(&seg->size, size);
        err = 0;
    }
    return err;
}

/* The index as last written, if it covers nothing that might not be on disk; else an empty one. */
static void tail_index(struct segment *seg, int64_t durable_pos)
{
    struct seg_file *sf;
    struct index_head head;
    struct index *ix = NULL;
    if (segment_open_index(seg, 0, true, &sf) == 0) {
        if (index_read_head(sf->f, &head) == 0 && head.data_size <= durable_pos && head.end_offset >= seg->base &&
            index_load(sf->f, &head, &ix) == 0) {
            atomic_store(&seg->size, head.data_size);
            atomic_store(&seg->end_offset, head.end_offset);
            atomic_store(&seg->max_ts, head.max_ts);
            seg->born_ms = head.born_ms;
            seg->last_ms = head.last_ms;
            seg->flushed = head.count;
            seg->flushed_crc = head.crc;
            seg->indexed_pos = head.count ? index_at(ix, head.count - 1).pos : 0;
        }
        seg_file_release(sf);
    }
    if (!ix)
        ix = index_new();
    cell_set(&seg->index, &ix->c);
}

/* Reads batches from what the index covers up to the first that is not whole and sound. */
static int tail_scan(struct recovery *rc, struct segment *seg, struct file *f, int64_t size, int64_t next_base,
                     int64_t *end_pos)
{
    void *buf = xalloc(STORE_SCAN_BYTES);
    struct scan s;
    scan_init(&s, f, atomic_load(&seg->size), size, true, buf, STORE_SCAN_BYTES);
    struct recbatch rb;
    int r;
    while ((r = scan_next(&s, &rb)) == 1) {
        bool sound = rb.base_offset >= atomic_load(&seg->end_offset) && recbatch_last_offset(&rb) < next_base;
        r = sound ? scan_check(&s, &rb) : E_CORRUPT;
        if (r) {
            s.pos = s.at;
            break;
        }
        segment_grow(seg, &rb, s.at, rc->o->index_interval);
    }
    xfree(buf);
    *end_pos = s.pos;
    return r == E_CORRUPT ? 0 : r;
}

/* Bytes that an earlier process wrote may be in the page cache alone, and marked clean there: after a failed sync the
 * next one succeeds without writing them. Written again they are dirty again. */
static int tail_rewrite(struct file *f, int64_t from, int64_t to)
{
    void *buf = xalloc(STORE_SCAN_BYTES);
    int err = 0;
    while (from < to && !err) {
        int64_t got = file_read(f, from, buf, (size_t)MIN(to - from, (int64_t)STORE_SCAN_BYTES));
        err = got > 0 ? file_write(f, from, buf, (size_t)got) : got < 0 ? (int)got : E_CORRUPT;
        from += got;
    }
    xfree(buf);
    return err;
}

/* Cuts off what is not whole; and what no checkpoint knows but is served from now on is made durable first. */
static int tail_cut(struct recovery *rc, struct segment *seg, struct file *f, int64_t size, int64_t durable_pos,
                    int64_t end_pos)
{
    if (end_pos < size) {
        trace(WARN, "store", "torn_tail segment=%s.log pos=%" PRId64 " cut=%" PRId64, seg->stem, end_pos,
              size - end_pos);
        int err = file_truncate(f, end_pos);
        if (err)
            return err;
        rc->cut = true;
    }
    if (end_pos == durable_pos && end_pos == size)
        return 0;
    int err = tail_rewrite(f, durable_pos, end_pos);
    if (err)
        return err;
    err = file_sync(f);
    if (err)
        atomic_store(&rc->o->part->shard->sync_failed, true);
    return err;
}

static int tail_load(struct recovery *rc, struct segment *seg, int64_t size, int64_t next_base)
{
    const struct mark *m = &rc->o->mark;
    int64_t durable_pos = rc->o->mark_known && m->seg_base == seg->base ? m->pos : 0;
    tail_index(seg, durable_pos);
    struct seg_file *sf;
    int err = segment_open(seg, 0, true, &sf);
    if (err)
        return err;
    int64_t end_pos = 0;
    err = tail_scan(rc, seg, sf->f, size, next_base, &end_pos);
    if (!err && end_pos < durable_pos) {
        recovery_damage(rc, seg, end_pos, "batch");
        atomic_store(&seg->size, MIN(size, durable_pos)); /* a reader meets the damage, and is told */
        atomic_store(&seg->end_offset, MAX(m->end_offset, atomic_load(&seg->end_offset)));
    } else if (!err) {
        err = tail_cut(rc, seg, sf->f, size, durable_pos, end_pos);
    }
    seg_file_release(sf);
    return err;
}

static int segment_size(struct segment *seg, int64_t *size)
{
    struct seg_file *sf;
    int err = segment_open(seg, 0, true, &sf);
    if (err)
        return err;
    *size = file_size(sf->f);
    seg_file_release(sf);
    return *size < 0 ? (int)*size : 0;
}

/* What lies behind a cut was never acknowledged: its names go too. */
static int segment_drop(struct segment *seg)
{
    trace(WARN, "store", "torn_tail segment=%s.log dropped", seg->stem);
    int err = segment_unlink(seg);
    segment_close_files(seg);
    segment_release(seg);
    return err;
}

static int recovery_segment(struct recovery *rc, const struct seg_name *name, int64_t next_base)
{
    struct opening *o = rc->o;
    struct segment *seg = segment_named(&o->part->store->files, recovery_dir(rc), name);
    int64_t base = name->base;
    /* What compaction has made was synced before it had its name, and so was all that came before it. */
    bool closed = name->generation || (o->mark_known && base < o->mark.seg_base);
    bool beyond = !name->generation && (!o->mark_known || base > o->mark.seg_base);
    if (name->generation && rc->n && base != rc->end && !o->damage)
        recovery_damage(rc, rc->seg[rc->n - 1], atomic_load(&rc->seg[rc->n - 1]->size), "end of segment");
    if (rc->n && beyond && base != rc->end && !o->damage)
        rc->cut = true; /* the segment before it lost its tail, of which no one was told */
    if (rc->cut && beyond && !o->damage) /* nothing of a damaged partition is thrown away */
        return segment_drop(seg);
    VEC_PUSH(rc->seg, rc->n, rc->cap) = seg;
    int64_t size;
    int err = segment_size(seg, &size);
    if (!err)
        err = closed ? closed_load(rc, seg, size, next_base) : tail_load(rc, seg, size, next_base);
    rc->end = name->generation ? name->end : atomic_load(&seg->end_offset);
    if (!seg->born_ms && atomic_load(&seg->size) > 0)
        seg->born_ms = seg->last_ms = o->now_ms; /* nobody knows any more: as if it were new */
    return err;
}

/* A file in the middle of what the recovery point says another one holds: left of an append that failed, its removal
 * was lost. */
static bool base_is_stale(const struct opening *o, int64_t base)
{
    return o->mark_known && base > o->mark.seg_base && base < o->mark.end_offset;
}

static int bases_clean(struct recovery *rc, struct bases *bs)
{
    size_t kept = 0;
    int err = 0;
    for (size_t i = 0; i < bs->n; i++) {
        if (!bs->name[i].generation && base_is_stale(rc->o, bs->name[i].base)) {
            int one = segment_drop(segment_named(&rc->o->part->store->files, recovery_dir(rc), &bs->name[i]));
            err = err ? err : one;
        } else {
            bs->name[kept++] = bs->name[i];
        }
    }
    bs->n = kept;
    return err;
}

static int unfinished_each(void *arg, const char *name, bool is_dir)
{
    struct recovery *rc = arg;
    size_t len = strlen(name), tail = strlen(COMPACT_SUFFIX);
    if (is_dir || len <= tail || strcmp(name + len - tail, COMPACT_SUFFIX) != 0)
        return 0;
    static const char *const suffixes[] = {COMPACT_SUFFIX, ".index", ".txn", ".producers"};
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(suffixes) && !err; i++) {
        char file[128], path[4400];
        snprintf(file, sizeof file, "%.*s%s", (int)(len - tail), name, suffixes[i]);
        part_path(rc->o->part, file, path, sizeof path);
        err = disk_unlink(rc->disk, path);
        err = err == -ENOENT ? 0 : err;
    }
    return err;
}

/* Marks the names whose range a later generation stands for; bs is sorted by base, ranges lie in each other or
 * apart. */
static bool bases_mark(struct bases *bs, bool *over)
{
    struct seg_name cover = {.end = -1};
    bool any = false;
    for (size_t i = 0, end; i < bs->n; i = end) {
        size_t best = i;
        for (end = i + 1; end < bs->n && bs->name[end].base == bs->name[i].base; end++)
            if (bs->name[end].generation > bs->name[best].generation)
                best = end;
        bool covered = cover.end > bs->name[i].base && cover.generation > bs->name[best].generation;
        for (size_t k = i; k < end; k++)
            any |= over[k] = covered || k != best;
        if (!covered && bs->name[best].generation)
            cover = bs->name[best];
    }
    return any;
}

/* The files that one made by compaction stands for go; its own name is made durable first. */
static int bases_supersede(struct recovery *rc, struct bases *bs)
{
    int err = bs->unfinished ? disk_list(rc->disk, recovery_dir(rc), unfinished_each, rc) : 0;
    bool *over = xzalloc(bs->n + 1);
    if (!err && bases_mark(bs, over))
        err = disk_sync_dir(rc->disk, recovery_dir(rc));
    size_t kept = 0;
    for (size_t i = 0; i < bs->n && !err; i++) {
        if (!over[i]) {
            bs->name[kept++] = bs->name[i];
            continue;
        }
        struct segment *seg = segment_named(&rc->o->part->store->files, recovery_dir(rc), &bs->name[i]);
        err = segment_unlink(seg);
        segment_release(seg);
    }
    bs->n = kept;
    xfree(over);
    return err;
}

static int recovery_segments(struct recovery *rc)
{
    struct bases bs = {0};
    int err = disk_list(rc->disk, recovery_dir(rc), bases_each, &bs);
    rc->o->dir_found = bs.n > 0; /* an empty one may be known to no disk */
    if (err == -ENOENT)
        err = 0;
    if (!err)
        err = bases_clean(rc, &bs);
    if (!err)
        err = bases_supersede(rc, &bs);
    for (size_t i = 0; i < bs.n && !err; i++)
        err = recovery_segment(rc, &bs.name[i], i + 1 < bs.n ? bs.name[i + 1].base : INT64_MAX);
    /* An earlier process may have made or removed names without having synced them. */
    if (!err && bs.n)
        err = part_sync_dirs(rc->o->part);
    xfree(bs.name);
    return err;
}

/* Everything up to the recovery point must be there. */
static void recovery_compare(struct recovery *rc)
{
    struct opening *o = rc->o;
    if (!o->mark_known || o->damage)
        return;
    struct segment *last = rc->n ? rc->seg[rc->n - 1] : NULL;
    if (last && last->base >= o->mark.seg_base && rc->end >= o->mark.end_offset)
        return;
    /* All records had been retired, but the empty segment that follows them was not made yet. */
    if (o->mark.pos == 0 && o->mark.end_offset == o->mark.seg_base && o->mark.log_start == o->mark.end_offset) {
        rc->end = MAX(rc->end, o->mark.end_offset);
        return;
    }
    o->damage = E_CORRUPT;
    trace(ERROR, "store", "damaged folder=%s end=%" PRId64 " synced=%" PRId64 ": acknowledged records are missing",
          recovery_dir(rc), rc->end, o->mark.end_offset);
    rc->end = MAX(rc->end, o->mark.end_offset);
}

static void recovery_list(struct recovery *rc)
{
    rc->o->list = seglist_of(rc->seg, (unsigned)rc->n);
}

/* ---- producers and transactions */

/* Closed segments that no snapshot stands behind, of which it is not written down what was aborted in them. */
static int aborted_load(struct recovery *rc, unsigned n)
{
    int err = 0;
    for (unsigned i = 0; i < n && !err; i++) {
        if (atomic_load(&rc->seg[i]->sealed))
            continue;
        err = history_aborted(rc->seg, i, rc->seg[i + 1]->base);
        if (err)
            rc->o->known_end = rc->seg[i]->base;
    }
    return err;
}

static int recovery_producers(struct recovery *rc)
{
    struct history h = {.seg = rc->seg, .n = (unsigned)rc->n, .end = rc->end, .now_ms = rc->o->now_ms};
    int err = history_read(&h);
    rc->o->producers = h.producers;
    rc->o->unsnapped = h.replayed;
    if (err)
        rc->o->known_end = h.until;
    int other = aborted_load(rc, h.from);
    return err ? err : other;
}

/* ---- epochs */

/* The file was lost: every batch says its epoch. */
static int epochs_rebuild(struct recovery *rc, struct epochs **es)
{
    for (size_t i = 0; i < rc->n; i++) {
        struct seg_file *sf;
        int err = segment_open(rc->seg[i], 0, true, &sf);
        if (err)
            return err;
        uint8_t buf[STORE_PEEK_BYTES];
        struct scan s;
        scan_init(&s, sf->f, 0, atomic_load(&rc->seg[i]->size), true, buf, sizeof buf);
        struct recbatch rb;
        int r;
        while ((r = scan_next(&s, &rb)) == 1) {
            if (rb.leader_epoch <= epochs_last(*es))
                continue;
            struct epochs *more = epochs_with(*es, rb.leader_epoch, rb.base_offset);
            counted_release(&(*es)->c);
            *es = more;
        }
        seg_file_release(sf);
        if (r < 0 && r != E_CORRUPT)
            return r;
    }
    return 0;
}

static int recovery_epochs(struct recovery *rc)
{
    char path[4400], *bytes;
    size_t len;
    part_path(rc->o->part, "epochs", path, sizeof path);
    struct epochs *es = NULL;
    int err = disk_read_file(rc->disk, path, STORE_SIDE_FILE_BYTES, &bytes, &len);
    if (!err) {
        err = epochs_decode((struct str){bytes, len}, &es);
        xfree(bytes);
    }
    if (err) {
        if (err != -ENOENT)
            trace(WARN, "store", "epochs_rebuilt part=%s error=%s", recovery_dir(rc), err_name(err));
        es = epochs_new();
        err = epochs_rebuild(rc, &es);
    }
    rc->o->epochs = epochs_cut(es, rc->o->log_start, rc->end);
    counted_release(&es->c);
    return err;
}

void recover_part(struct opening *o)
{
    struct recovery rc = {.o = o, .disk = o->part->store->disk};
    o->known_end = INT64_MAX;
    o->error = recovery_segments(&rc);
    if (!o->error) {
        recovery_compare(&rc);
        recovery_list(&rc);
        struct segment *last = seglist_last(o->list);
        if (!last && o->mark_known)
            rc.end = o->mark.end_offset;
        o->next_offset = rc.end;
        o->pos = last ? atomic_load(&last->size) : 0;
        o->log_start = MAX(o->mark_known ? o->mark.log_start : 0, rc.n ? rc.seg[0]->base : rc.end);
        o->log_start = MIN(o->log_start, o->next_offset);
        int err = recovery_producers(&rc);
        if (!err)
            err = recovery_epochs(&rc);
        else
            o->epochs = epochs_new();
        if (err == E_CORRUPT && !o->damage)
            o->damage = err;
        else if (err && !o->damage)
            o->error = err;
    }
    for (size_t i = 0; i < rc.n; i++)
        segment_release(rc.seg[i]);
    xfree(rc.seg);
}

/* ---- the folder: checkpoints, then the write-ahead files */

struct replay {
    struct store *st;
    struct seg_files files; /* of the segments touched */
    struct map segs;        /* path -> struct segment */
    uint64_t entries, bytes;
};

static struct segment *replay_segment(struct replay *rp, const struct wal_entry *e, const char *dir)
{
    char key[4400];
    int n = snprintf(key, sizeof key, "%s/%020" PRId64, dir, e->seg_base);
    CHECK(n > 0 && (size_t)n < sizeof key);
    struct segment *seg = map_get(&rp->segs, str_of(key));
    if (!seg) {
        seg = segment_new(&rp->files, dir, e->seg_base);
        map_put(&rp->segs, str_of(key), seg);
    }
    return seg;
}

static bool entry_is_needed(const struct point *p, const struct wal_entry *e)
{
    if (p && p->gone)
        return false;
    return !p || !p->known || e->seg_base > p->durable.seg_base ||
           (e->seg_base == p->durable.seg_base && e->pos + e->len > p->durable.pos);
}

/* Writes a run where it belongs. A segment that is not there went by retention or with its topic: its name was synced
 * before the first acknowledged byte. */
static int replay_entry(void *arg, const struct wal_entry *e, const void *bytes)
{
    struct replay *rp = arg;
    struct point *p = points_find(&rp->st->points, e->topic, e->index);
    if (!entry_is_needed(p, e) || e->pos < 0 || e->seg_base < 0 || e->end_offset < e->seg_base || e->index < 0)
        return 0;
    char dir[4300], id[UUID_TEXT];
    uuid_format(e->topic, id);
    int n = snprintf(dir, sizeof dir, "%s/topics/%s/%" PRId32, rp->st->dir, id, e->index);
    CHECK(n > 0 && (size_t)n < sizeof dir);
    struct segment *seg = replay_segment(rp, e, dir);
    struct seg_file *sf;
    int err = segment_open(seg, 0, true, &sf);
    if (err == -ENOENT)
        return 0;
    if (err)
        return err;
    err = file_write(sf->f, e->pos, bytes, e->len);
    seg_file_release(sf);
    if (err)
        return err;
    if (!p)
        p = points_get(&rp->st->points, e->topic, e->index);
    p->durable = (struct mark){e->seg_base, e->pos + e->len, e->end_offset, p->known ? p->durable.log_start : 0};
    p->known = true;
    rp->entries++;
    rp->bytes += e->len;
    return 0;
}

static int replay_sync(struct replay *rp)
{
    struct segment *seg;
    for (size_t i = 0; (seg = map_next(&rp->segs, &i)) != NULL;) {
        struct seg_file *sf;
        int err = segment_open(seg, 0, true, &sf);
        if (err == -ENOENT)
            continue;
        if (!err) {
            err = file_sync(sf->f);
            seg_file_release(sf);
        }
        if (err)
            return err;
    }
    return 0;
}

struct names {
    char **name;
    size_t n, cap;
    const char *suffix;
};

static int names_each(void *arg, const char *name, bool is_dir)
{
    struct names *ns = arg;
    size_t len = strlen(name), tail = strlen(ns->suffix);
    if (!is_dir && len > tail && !strcmp(name + len - tail, ns->suffix))
        VEC_PUSH(ns->name, ns->n, ns->cap) = xstrdup(name);
    return 0;
}

static int names_list(struct store *st, const char *suffix, struct names *out)
{
    char path[4400];
    snprintf(path, sizeof path, "%s/wal", st->dir);
    *out = (struct names){.suffix = suffix};
    return disk_list(st->disk, path, names_each, out);
}

static void names_free(struct names *ns)
{
    for (size_t i = 0; i < ns->n; i++)
        xfree(ns->name[i]);
    xfree(ns->name);
}

static int replay_files(struct store *st)
{
    struct names ns;
    int err = names_list(st, ".wal", &ns);
    struct replay rp = {.st = st};
    seg_files_init(&rp.files, st->disk);
    map_init(&rp.segs);
    for (size_t i = 0; i < ns.n && !err; i++) {
        char path[4400];
        bool damaged;
        snprintf(path, sizeof path, "%s/wal/%s", st->dir, ns.name[i]);
        err = wal_replay(st->disk, path, st->incarnation, replay_entry, &rp, &damaged);
        if (damaged)
            trace(ERROR, "store", "wal_damaged file=%s: acknowledged records in it may be lost", path);
    }
    if (!err)
        err = replay_sync(&rp);
    if (!err && rp.entries)
        trace(INFO, "store", "replayed entries=%" PRIu64 " bytes=%" PRIu64, rp.entries, rp.bytes);
    struct segment *seg;
    seg_files_fini(&rp.files);
    for (size_t i = 0; (seg = map_next(&rp.segs, &i)) != NULL;)
        segment_release(seg);
    map_fini(&rp.segs);
    names_free(&ns);
    return err;
}

/* The newest checkpoint files of each shard lie over the folder's. */
static int points_overlay(struct store *st)
{
    struct names ns;
    int err = names_list(st, ".points", &ns);
    for (size_t i = 0; i < ns.n && !err; i++) {
        char path[4400], *bytes;
        size_t len;
        snprintf(path, sizeof path, "%s/wal/%s", st->dir, ns.name[i]);
        err = disk_read_file(st->disk, path, STORE_POINTS_BYTES, &bytes, &len);
        if (err)
            break;
        uint64_t incarnation;
        enum points_kind kind;
        struct str s = {bytes, len};
        int bad = points_decode_head(s, &incarnation, &kind);
        if (!bad && incarnation == st->incarnation)
            bad = points_decode(&st->points, s, &incarnation, &kind);
        if (bad)
            trace(WARN, "store", "checkpoint_damaged file=%s: partitions are scanned instead", path);
        xfree(bytes);
    }
    names_free(&ns);
    return err;
}

/* Without its checkpoint the folder's newest frames tell which incarnation was the last. */
static int incarnation_guess(struct store *st)
{
    struct names ns;
    int err = names_list(st, ".wal", &ns);
    for (size_t i = 0; i < ns.n && !err; i++) {
        char path[4400];
        uint64_t newest;
        snprintf(path, sizeof path, "%s/wal/%s", st->dir, ns.name[i]);
        err = wal_newest(st->disk, path, &newest);
        st->incarnation = MAX(st->incarnation, newest);
    }
    names_free(&ns);
    return err;
}

static int checkpoint_read(struct store *st, enum points_kind *kind)
{
    char path[4400], *bytes;
    size_t len;
    snprintf(path, sizeof path, "%s/checkpoint", st->dir);
    *kind = POINTS_RUNNING;
    int err = disk_read_file(st->disk, path, STORE_POINTS_BYTES, &bytes, &len);
    if (!err) {
        err = points_decode(&st->points, (struct str){bytes, len}, &st->incarnation, kind);
        xfree(bytes);
    }
    if (err == 0 || err == -ENOENT)
        return err == 0 ? 0 : incarnation_guess(st);
    if (err != E_CORRUPT)
        return err;
    trace(ERROR, "store", "checkpoint_damaged file=%s: every partition is scanned as a whole", path);
    return incarnation_guess(st);
}

int recover_store(struct store *st, struct diag *d)
{
    enum points_kind kind;
    int err = checkpoint_read(st, &kind);
    if (!err && kind != POINTS_CLEAN)
        err = points_overlay(st);
    if (!err && kind != POINTS_CLEAN)
        err = replay_files(st);
    if (err)
        return diag_set(d, err, "the data folder %s cannot be recovered: %s", st->dir, err_text(err));
    return 0;
}
