#include "log/store/history.h"
#include "log/base/alloc.h"
#include <errno.h>

enum { PATH_BYTES = 4400 };

/* The snapshot beside seg[i]. False: there is none that can be used. */
static bool snapshot_load(struct history *h, unsigned i, int64_t *from, struct txnindex **aborted)
{
    struct segment *seg = h->seg[i];
    struct disk *disk = seg->files->disk;
    char path[PATH_BYTES], *bytes;
    size_t len;
    segment_path(seg, ".producers", path, sizeof path);
    if (disk_read_file(disk, path, STORE_SIDE_FILE_BYTES, &bytes, &len))
        return false;
    bool good = producers_decode(h->producers, (struct str){bytes, len}, h->now_ms, from, aborted) == 0;
    xfree(bytes);
    if (good && *from >= seg->base && *from <= h->end)
        return true;
    if (good && !h->only) { /* of a history that was cut off */
        int ignored = disk_unlink(disk, path);
        (void)ignored;
    }
    if (good) {
        counted_release(*aborted ? &(*aborted)->c : NULL);
        producers_free(h->producers);
        h->producers = producers_new();
    }
    *aborted = NULL;
    return false;
}

/* A sealed segment's are on disk, but for one whose file is damaged. */
static bool is_collected(const struct history *h, const struct segment *seg)
{
    return h->only ? seg == h->only : !atomic_load(&seg->sealed);
}

static int history_batch(struct history *h, struct scan *s, struct recbatch *rb, struct txnindex **aborted)
{
    if (!(rb->attributes & RECBATCH_CONTROL)) {
        producers_add(h->producers, rb, h->now_ms, rb->attributes & RECBATCH_APPEND_TIME ? rb->max_ts : -1, false);
        return 0;
    }
    struct recbatch_marker m;
    struct txnindex_entry e;
    int err = scan_body(s, rb);
    if (err)
        return err == E_TOO_LARGE ? E_CORRUPT : err;
    if (rb->count == 0 || recbatch_marker_read(rb, &m)) /* compacted away, or of a later version's kind */
        return 0;
    if (producers_end(h->producers, rb, &m, h->now_ms, false, &e))
        *aborted = txnindex_with(*aborted, e);
    return 0;
}

/* Runs the batches from offset `from` on through the producers' state. */
static int history_segment(struct history *h, struct segment *seg, int64_t from, struct txnindex **aborted)
{
    struct seg_file *sf;
    struct index_entry e;
    int err = segment_open(seg, 0, true, &sf);
    if (err)
        return err;
    int64_t size = atomic_load(&seg->size);
    if (segment_floor(seg, FLOOR_OFFSET, from, size, true, &e))
        e.pos = 0;
    void *buf = xalloc(STORE_SCAN_BYTES);
    struct scan s;
    scan_init(&s, sf->f, e.pos, size, true, buf, STORE_SCAN_BYTES);
    struct recbatch rb;
    int r;
    while ((r = scan_next(&s, &rb)) == 1) {
        if (rb.base_offset < from)
            continue;
        h->replayed += rb.size;
        h->until = rb.base_offset;
        r = history_batch(h, &s, &rb, aborted);
        if (r)
            break;
        h->until = recbatch_last_offset(&rb) + 1;
    }
    xfree(buf);
    seg_file_release(sf);
    return r;
}

static void history_collect(const struct history *h, struct segment *seg, struct txnindex *aborted)
{
    if (is_collected(h, seg)) {
        atomic_store(&seg->aborted_since, h->since); /* before the rest: who finds that looks here afterwards */
        atomic_store(&seg->aborted_n, txnindex_count(aborted));
        cell_set(&seg->aborted, aborted ? &aborted->c : NULL);
    } else if (aborted) {
        counted_release(&aborted->c);
    }
}

int history_read(struct history *h)
{
    struct txnindex *aborted = NULL;
    int64_t from = 0;
    bool found = false;
    h->producers = producers_new();
    h->from = h->n;
    h->replayed = 0;
    while (h->from > 0 && !found)
        found = snapshot_load(h, --h->from, &from, &aborted);
    if (!found)
        from = h->n ? h->seg[0]->base : 0;
    h->until = from;
    h->since = found ? 0 : from;
    int err = 0;
    for (unsigned i = h->from; i < h->n && !err; i++) {
        err = history_segment(h, h->seg[i], from, &aborted);
        if (err == -ENOENT && h->only && h->only != h->seg[i]) { /* retired meanwhile */
            h->since = h->seg[i + 1]->base;
            err = 0;
        }
        if (err && h->only)
            counted_release(aborted ? &aborted->c : NULL);
        else
            history_collect(h, h->seg[i], aborted);
        aborted = NULL;
    }
    if (!err)
        h->until = h->end;
    return err;
}

int history_aborted(struct segment *const *seg, unsigned i, int64_t end)
{
    struct history h = {.seg = seg, .n = i + 1, .end = end, .only = seg[i]};
    int err = history_read(&h);
    producers_free(h.producers);
    return err;
}
