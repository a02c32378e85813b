#include "log/store/segment.h"
#include "log/base/alloc.h"
#include "log/base/err.h"
#include "log/base/trace.h"
#include <errno.h>
#include <stdio.h>

/* ---- open files */

struct lease {
    struct counted c;
    struct segment *seg;
};

void seg_files_init(struct seg_files *fs, struct disk *disk)
{
    fs->disk = disk;
    atomic_init(&fs->hand, 0);
    for (int i = 0; i < STORE_FILES_MAX; i++)
        cell_init(&fs->slot[i], NULL);
}

void seg_files_fini(struct seg_files *fs)
{
    for (int i = 0; i < STORE_FILES_MAX; i++)
        cell_set(&fs->slot[i], NULL);
}

static void lease_free(struct counted *c)
{
    struct lease *lease = container_of(c, struct lease, c);
    struct segment *seg = lease->seg;
    atomic_store(&seg->leased, false);
    cell_set(&seg->data_file, NULL);
    cell_set(&seg->index_file, NULL);
    cell_set(&seg->txn_file, NULL);
    segment_release(seg);
    xfree(lease);
}

/* Takes the next slot whose segment was not used since the hand last passed it. */
static void lease_take(struct segment *seg)
{
    if (atomic_exchange(&seg->leased, true))
        return;
    struct seg_files *fs = seg->files;
    struct lease *lease = xalloc(sizeof *lease);
    counted_init(&lease->c, lease_free);
    lease->seg = segment_acquire(seg);
    for (unsigned tries = 0;; tries++) {
        unsigned at = atomic_fetch_add_explicit(&fs->hand, 1, memory_order_relaxed) % STORE_FILES_MAX;
        struct counted *c = cell_get(&fs->slot[at]);
        bool spare = c && atomic_exchange(&container_of(c, struct lease, c)->seg->used, false);
        counted_release(c);
        if (spare && tries < 2 * STORE_FILES_MAX)
            continue;
        atomic_store(&seg->slot, at);
        cell_set(&fs->slot[at], &lease->c);
        return;
    }
}

static void seg_file_free(struct counted *c)
{
    struct seg_file *sf = container_of(c, struct seg_file, c);
    file_close(sf->f);
    xfree(sf);
}

void segment_path(const struct segment *seg, const char *suffix, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%s%s", seg->stem, suffix);
    CHECK(n > 0 && (size_t)n < cap);
}

enum { PATH_BYTES = 4400 };

/* A segment whose names are gone: what was kept of it. Whoever opens a name looks here afterwards, too: it may have
 * gone, and come back for other bytes, meanwhile. */
static bool seg_kept(struct segment *seg, const struct cell *cell, int *err, struct seg_file **out)
{
    if (!atomic_load(&seg->replaced))
        return false;
    *out = cell == &seg->data_file ? seg->kept_data : cell == &seg->index_file ? seg->kept_index : seg->kept_txn;
    *err = *out ? 0 : -ENOENT;
    if (*out)
        counted_acquire(&(*out)->c);
    return true;
}

static int seg_open(struct segment *seg, struct cell *cell, const char *suffix, int flags, bool block,
                    struct seg_file **out)
{
    struct counted *c = cell_get(cell);
    if (c) {
        atomic_store_explicit(&seg->used, true, memory_order_relaxed);
        *out = container_of(c, struct seg_file, c);
        return 0;
    }
    if (!block)
        return -EAGAIN;
    int err;
    if (seg_kept(seg, cell, &err, out))
        return err;
    char path[PATH_BYTES];
    segment_path(seg, suffix, path, sizeof path);
    struct file *f;
    err = disk_open(seg->files->disk, path, FILE_WRITE | flags, &f);
    int kept_err;
    if (seg_kept(seg, cell, &kept_err, out)) {
        if (!err)
            file_close(f);
        return kept_err;
    }
    if (err)
        return err;
    struct seg_file *sf = xalloc(sizeof *sf);
    counted_init(&sf->c, seg_file_free);
    sf->f = f;
    counted_acquire(&sf->c);
    cell_set(cell, &sf->c);
    lease_take(seg);
    *out = sf;
    return 0;
}

int segment_open(struct segment *seg, int flags, bool block, struct seg_file **out)
{
    return seg_open(seg, &seg->data_file, ".log", flags, block, out);
}

int segment_open_index(struct segment *seg, int flags, bool block, struct seg_file **out)
{
    return seg_open(seg, &seg->index_file, ".index", flags, block, out);
}

int segment_open_aborted(struct segment *seg, bool block, struct seg_file **out)
{
    return seg_open(seg, &seg->txn_file, ".txn", 0, block, out);
}

/* What stands beside the data may not be written yet: then it is in memory. */
static int side_keep(int err, struct seg_file **kept)
{
    if (err)
        *kept = NULL;
    return err == -ENOENT ? 0 : err;
}

int segment_keep(struct segment *seg)
{
    if (atomic_load(&seg->replaced))
        return 0;
    int err = segment_open(seg, 0, true, &seg->kept_data);
    if (err)
        return err;
    err = side_keep(segment_open_index(seg, 0, true, &seg->kept_index), &seg->kept_index);
    if (!err)
        err = side_keep(segment_open_aborted(seg, true, &seg->kept_txn), &seg->kept_txn);
    if (!err) {
        atomic_store(&seg->replaced, true);
        return 0;
    }
    seg_file_release(seg->kept_data);
    seg_file_release(seg->kept_index);
    seg->kept_data = seg->kept_index = NULL;
    return err;
}

void segment_close_files(struct segment *seg)
{
    /* The slot may belong to another segment by now; then that one opens its files again when it needs them. */
    if (atomic_load(&seg->leased))
        cell_set(&seg->files->slot[atomic_load(&seg->slot)], NULL);
}

/* ---- segments */

static void segment_free(struct counted *c)
{
    struct segment *seg = container_of(c, struct segment, c);
    cell_set(&seg->data_file, NULL);
    cell_set(&seg->index_file, NULL);
    cell_set(&seg->txn_file, NULL);
    cell_set(&seg->index, NULL);
    cell_set(&seg->aborted, NULL);
    seg_file_release(seg->kept_data);
    seg_file_release(seg->kept_index);
    seg_file_release(seg->kept_txn);
    xfree(seg->stem);
    xfree(seg);
}

/* So many decimal or (hexadecimal) digits, and then `after`. */
static bool name_number(const char **p, unsigned digits, bool hex, char after, int64_t *out)
{
    int64_t v = 0;
    for (unsigned i = 0; i < digits; i++, (*p)++) {
        int d = **p >= '0' && **p <= '9' ? **p - '0' : hex && **p >= 'a' && **p <= 'f' ? **p - 'a' + 10 : -1;
        if (d < 0 || v > (INT64_MAX - d) / (hex ? 16 : 10))
            return false;
        v = v * (hex ? 16 : 10) + d;
    }
    *out = v;
    return *(*p)++ == after;
}

bool seg_name_parse(const char *name, struct seg_name *out)
{
    const char *p = name;
    int64_t generation = 0;
    *out = (struct seg_name){.end = -1};
    if (!name_number(&p, 20, false, strlen(name) == 24 ? '.' : '-', &out->base))
        return false;
    if (p[-1] == '-') {
        if (!name_number(&p, 20, false, '-', &out->end) || !name_number(&p, 8, true, '.', &generation))
            return false;
        out->generation = (uint32_t)generation;
        if (out->end <= out->base || !generation)
            return false;
    }
    return strcmp(p, "log") == 0;
}

void seg_name_format(const struct seg_name *sn, char out[SEG_NAME_BYTES])
{
    if (sn->generation)
        snprintf(out, SEG_NAME_BYTES, "%020" PRId64 "-%020" PRId64 "-%08x", sn->base, sn->end, sn->generation);
    else
        snprintf(out, SEG_NAME_BYTES, "%020" PRId64, sn->base);
}

struct segment *segment_new(struct seg_files *files, const char *dir, int64_t base)
{
    struct seg_name name = {.base = base, .end = -1};
    return segment_named(files, dir, &name);
}

struct segment *segment_named(struct seg_files *files, const char *dir, const struct seg_name *name)
{
    struct segment *seg = xzalloc(sizeof *seg);
    counted_init(&seg->c, segment_free);
    seg->files = files;
    int64_t base = name->base;
    char text[SEG_NAME_BYTES];
    seg_name_format(name, text);
    size_t n = strlen(dir) + SEG_NAME_BYTES + 1;
    seg->stem = xalloc(n);
    snprintf(seg->stem, n, "%s/%s", dir, text);
    seg->name = *name;
    seg->base = base;
    cell_init(&seg->data_file, NULL);
    cell_init(&seg->index_file, NULL);
    cell_init(&seg->txn_file, NULL);
    cell_init(&seg->index, NULL);
    cell_init(&seg->aborted, NULL);
    atomic_init(&seg->end_offset, base);
    atomic_init(&seg->max_ts, INT64_MIN);
    return seg;
}

int segment_unlink(struct segment *seg)
{
    static const char *const suffixes[] = {".log", ".index", ".txn", ".producers"};
    int first = 0;
    for (size_t i = 0; i < ARRAY_LEN(suffixes); i++) {
        char path[PATH_BYTES];
        segment_path(seg, suffixes[i], path, sizeof path);
        int err = disk_unlink(seg->files->disk, path);
        if (err && err != -ENOENT && !first)
            first = err;
    }
    return first;
}

static int side_write(struct segment *seg, const char *suffix, const struct wbuf *bytes)
{
    char path[PATH_BYTES];
    segment_path(seg, suffix, path, sizeof path);
    int err = disk_write_file(seg->files->disk, path, bytes->data, bytes->len);
    if (err)
        trace(WARN, "store", "not_written path=%s error=%s", path, err_name(err));
    return err;
}

int segment_write_producers(struct segment *seg, const struct wbuf *bytes)
{
    return side_write(seg, ".producers", bytes);
}

int segment_write_aborted(struct segment *seg, uint32_t n)
{
    struct txnindex *tx = segment_aborted(seg);
    struct wbuf w;
    wbuf_init(&w);
    txnindex_encode(tx, n, &w);
    int err = side_write(seg, ".txn", &w);
    wbuf_fini(&w);
    counted_release(tx ? &tx->c : NULL);
    return err;
}

void segment_grow(struct segment *seg, const struct recbatch *rb, int64_t pos, int64_t index_interval)
{
    int64_t max_ts = atomic_load_explicit(&seg->max_ts, memory_order_relaxed);
    if (pos > 0 && pos - seg->indexed_pos >= index_interval) {
        struct counted *c = cell_get(&seg->index);
        if (c) {
            struct index_entry e = {(uint32_t)(rb->base_offset - seg->base), (uint32_t)pos, max_ts};
            index_add(container_of(c, struct index, c), e);
            counted_release(c);
        }
        seg->indexed_pos = pos;
    }
    atomic_store_explicit(&seg->max_ts, MAX(max_ts, rb->max_ts), memory_order_relaxed);
    atomic_store_explicit(&seg->end_offset, recbatch_last_offset(rb) + 1, memory_order_relaxed);
    atomic_store_explicit(&seg->size, pos + rb->size, memory_order_release);
}

struct txnindex *segment_aborted(struct segment *seg)
{
    struct counted *c = cell_get(&seg->aborted);
    return c ? container_of(c, struct txnindex, c) : NULL;
}

void segment_abort(struct segment *seg, struct txnindex_entry e)
{
    cell_set(&seg->aborted, &txnindex_with(segment_aborted(seg), e)->c);
    atomic_fetch_add(&seg->aborted_n, 1);
}

static bool floor_holds(const struct segment *seg, enum seg_floor by, int64_t key, int64_t end, struct index_entry e)
{
    if (e.pos >= end)
        return false;
    switch (by) {
    case FLOOR_OFFSET: return seg->base + e.offset <= key;
    case FLOOR_POS: return e.pos <= key;
    case FLOOR_TIME: return e.max_ts < key;
    }
    return false;
}

/* Reads entry i from memory or from the file. */
struct entries {
    const struct index *ix;
    struct seg_file *sf;
    uint32_t n;
};

static int entries_at(const struct entries *es, uint32_t i, bool block, struct index_entry *out)
{
    if (!es->ix)
        return index_read_entry(es->sf->f, i, block, out);
    *out = index_at(es->ix, i);
    return 0;
}

int segment_floor(struct segment *seg, enum seg_floor by, int64_t key, int64_t end, bool block,
                  struct index_entry *out)
{
    *out = (struct index_entry){0, 0, INT64_MIN};
    struct counted *c = cell_get(&seg->index);
    struct entries es = {c ? container_of(c, struct index, c) : NULL, NULL, 0};
    int err = 0;
    if (es.ix) {
        es.n = index_count(es.ix);
    } else if ((es.n = atomic_load(&seg->file_entries)) > 0) {
        err = segment_open_index(seg, 0, block, &es.sf);
    }
    uint32_t lo = 0, hi = err ? 0 : es.n; /* entries below lo hold, from hi on they do not */
    while (lo < hi && !err) {
        uint32_t mid = lo + (hi - lo) / 2;
        struct index_entry e;
        err = entries_at(&es, mid, block, &e);
        if (!err && floor_holds(seg, by, key, end, e)) {
            *out = e;
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    counted_release(c);
    seg_file_release(es.sf);
    return err;
}

int segment_reindex(struct segment *seg, int64_t size, int64_t index_interval)
{
    struct seg_file *sf;
    int err = segment_open(seg, 0, true, &sf);
    if (err)
        return err;
    cell_set(&seg->index, &index_new()->c);
    seg->indexed_pos = 0;
    seg->flushed = seg->flushed_crc = 0;
    atomic_store(&seg->sealed, false);
    atomic_store(&seg->size, 0);
    atomic_store(&seg->end_offset, seg->base);
    atomic_store(&seg->max_ts, INT64_MIN);
    void *buf = xalloc(STORE_SCAN_BYTES);
    struct scan s;
    scan_init(&s, sf->f, 0, size, true, buf, STORE_SCAN_BYTES);
    struct recbatch rb;
    int r;
    while ((r = scan_next(&s, &rb)) == 1) {
        r = rb.base_offset < atomic_load(&seg->end_offset) ? E_CORRUPT : scan_check(&s, &rb);
        if (r)
            break;
        segment_grow(seg, &rb, s.at, index_interval);
    }
    xfree(buf);
    seg_file_release(sf);
    return r;
}

int segment_replace_index(struct segment *seg, int64_t index_interval)
{
    struct seg_file *sf;
    int err = segment_open(seg, 0, true, &sf);
    if (err)
        return err;
    struct index *ix = index_new();
    void *buf = xalloc(STORE_SCAN_BYTES);
    struct scan s;
    scan_init(&s, sf->f, 0, atomic_load(&seg->size), true, buf, STORE_SCAN_BYTES);
    struct recbatch rb;
    int64_t max_ts = INT64_MIN, next = seg->base, indexed = 0;
    int r;
    while ((r = scan_next(&s, &rb)) == 1 && rb.base_offset >= next) {
        if (s.at - indexed >= index_interval) {
            index_add(ix, (struct index_entry){(uint32_t)(rb.base_offset - seg->base), (uint32_t)s.at, max_ts});
            indexed = s.at;
        }
        max_ts = MAX(max_ts, rb.max_ts);
        next = recbatch_last_offset(&rb) + 1;
    }
    if (r == 0)
        cell_set(&seg->index, &ix->c);
    else
        counted_release(&ix->c);
    xfree(buf);
    seg_file_release(sf);
    return r == 1 ? E_CORRUPT : r;
}
