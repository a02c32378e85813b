#include "log/store/index.h"
#include "log/base/alloc.h"
#include "log/base/buf.h"
#include "log/base/crc32c.h"
#include "log/base/err.h"

enum {
#ifdef TINY
    INDEX_FIRST = 2, /* a power of two */
#else
    INDEX_FIRST = 64,
#endif
    INDEX_MAGIC = 0x57495831, /* "WIX1" */
    INDEX_CRC_FROM = 8,
};

static void index_free(struct counted *c)
{
    struct index *ix = container_of(c, struct index, c);
    for (int k = 0; k < INDEX_CHUNKS; k++)
        xfree(ix->chunk[k]);
    xfree(ix);
}

struct index *index_new(void)
{
    struct index *ix = xzalloc(sizeof *ix);
    counted_init(&ix->c, index_free);
    return ix;
}

/* Entry i lies in chunk k at *at: chunks double, so k is the position of the highest bit. */
static unsigned index_chunk(uint32_t i, uint32_t *at)
{
    uint32_t n = i / INDEX_FIRST + 1;
    unsigned k = 31u - (unsigned)__builtin_clz(n);
    *at = i - ((1u << k) - 1) * INDEX_FIRST;
    return k;
}

void index_add(struct index *ix, struct index_entry e)
{
    uint32_t i = atomic_load_explicit(&ix->count, memory_order_relaxed), at;
    unsigned k = index_chunk(i, &at);
    CHECK(k < INDEX_CHUNKS);
    if (!ix->chunk[k])
        ix->chunk[k] = xalloc(((size_t)INDEX_FIRST << k) * sizeof *ix->chunk[k]);
    ix->chunk[k][at] = e;
    atomic_store_explicit(&ix->count, i + 1, memory_order_release);
}

struct index_entry index_at(const struct index *ix, uint32_t i)
{
    CHECK(i < index_count(ix));
    uint32_t at;
    unsigned k = index_chunk(i, &at);
    return ix->chunk[k][at];
}

/* ---- file */

static void entry_put(uint8_t *p, struct index_entry e)
{
    put_be32(p, e.offset);
    put_be32(p + 4, e.pos);
    put_be64(p + 8, (uint64_t)e.max_ts);
}

static struct index_entry entry_get(const uint8_t *p)
{
    return (struct index_entry){be32(p), be32(p + 4), (int64_t)be64(p + 8)};
}

static void head_put(uint8_t p[INDEX_HEAD], const struct index_head *h)
{
    memset(p, 0, INDEX_HEAD);
    put_be32(p, INDEX_MAGIC);
    put_be32(p + 8, h->crc);
    put_be32(p + 12, h->count);
    put_be32(p + 16, h->sealed);
    put_be32(p + 20, h->aborted);
    put_be64(p + 24, (uint64_t)h->data_size);
    put_be64(p + 32, (uint64_t)h->end_offset);
    put_be64(p + 40, (uint64_t)h->max_ts);
    put_be64(p + 48, (uint64_t)h->born_ms);
    put_be64(p + 56, (uint64_t)h->last_ms);
    put_be32(p + 4, crc32c(0, p + INDEX_CRC_FROM, INDEX_HEAD - INDEX_CRC_FROM));
}

int index_flush(const struct index *ix, struct file *f, struct index_head *head, uint32_t *flushed, uint32_t *crc)
{
    enum { SOME = 256 };
    uint8_t bytes[SOME * INDEX_ENTRY];
    CHECK(head->count <= index_count(ix));
    uint32_t done = *flushed, sum = *crc;
    while (done < head->count) {
        uint32_t n = MIN(head->count - done, (uint32_t)SOME);
        for (uint32_t i = 0; i < n; i++)
            entry_put(bytes + i * INDEX_ENTRY, index_at(ix, done + i));
        int err = file_write(f, INDEX_HEAD + (int64_t)done * INDEX_ENTRY, bytes, n * INDEX_ENTRY);
        if (err)
            return err;
        sum = crc32c(sum, bytes, n * INDEX_ENTRY);
        done += n;
    }
    head->crc = sum;
    uint8_t first[INDEX_HEAD];
    head_put(first, head);
    int err = file_write(f, 0, first, sizeof first);
    if (err)
        return err;
    *flushed = done;
    *crc = sum;
    return 0;
}

int index_read_head(struct file *f, struct index_head *out)
{
    uint8_t p[INDEX_HEAD];
    int64_t got = file_read(f, 0, p, sizeof p);
    if (got < 0)
        return (int)got;
    if (got != sizeof p || be32(p) != INDEX_MAGIC ||
        be32(p + 4) != crc32c(0, p + INDEX_CRC_FROM, INDEX_HEAD - INDEX_CRC_FROM))
        return E_CORRUPT;
    *out = (struct index_head){
        .crc = be32(p + 8),
        .count = be32(p + 12),
        .sealed = be32(p + 16) & 1,
        .aborted = be32(p + 20),
        .data_size = (int64_t)be64(p + 24),
        .end_offset = (int64_t)be64(p + 32),
        .max_ts = (int64_t)be64(p + 40),
        .born_ms = (int64_t)be64(p + 48),
        .last_ms = (int64_t)be64(p + 56),
    };
    return out->data_size < 0 || out->end_offset < 0 ? E_CORRUPT : 0;
}

/* Entries must rise, or a search in them would lead anywhere. */
static bool entry_follows(struct index_entry e, struct index_entry before, int64_t data_size)
{
    return e.offset > before.offset && e.pos > before.pos && e.max_ts >= before.max_ts && e.pos < data_size;
}

int index_load(struct file *f, const struct index_head *head, struct index **out)
{
    enum { SOME = 256 };
    uint8_t bytes[SOME * INDEX_ENTRY];
    struct index *ix = index_new();
    struct index_entry before = {0, 0, INT64_MIN};
    uint32_t crc = 0;
    int err = 0;
    for (uint32_t done = 0; done < head->count && !err;) {
        uint32_t n = MIN(head->count - done, (uint32_t)SOME);
        int64_t got = file_read(f, INDEX_HEAD + (int64_t)done * INDEX_ENTRY, bytes, n * INDEX_ENTRY);
        if (got != n * INDEX_ENTRY) {
            err = got < 0 ? (int)got : E_CORRUPT;
            break;
        }
        crc = crc32c(crc, bytes, n * INDEX_ENTRY);
        for (uint32_t i = 0; i < n && !err; i++) {
            struct index_entry e = entry_get(bytes + i * INDEX_ENTRY);
            if (!entry_follows(e, before, head->data_size))
                err = E_CORRUPT;
            else
                index_add(ix, before = e);
        }
        done += n;
    }
    if (!err && crc != head->crc)
        err = E_CORRUPT;
    if (err) {
        counted_release(&ix->c);
        ix = NULL;
    }
    *out = ix;
    return err;
}

int index_read_entry(struct file *f, uint32_t i, bool block, struct index_entry *out)
{
    uint8_t p[INDEX_ENTRY];
    int64_t pos = INDEX_HEAD + (int64_t)i * INDEX_ENTRY;
    int64_t got = block ? file_read(f, pos, p, sizeof p) : file_read_nowait(f, pos, p, sizeof p);
    if (got != sizeof p)
        return got < 0 ? (int)got : E_CORRUPT;
    *out = entry_get(p);
    return 0;
}
