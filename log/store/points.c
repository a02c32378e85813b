#include "log/store/points.h"
#include "log/base/alloc.h"
#include "log/base/crc32c.h"
#include "log/base/err.h"

enum { MAGIC = 0x57435031 /* "WCP1" */, HEAD = 24, GONE = 1 };

struct key {
    uint8_t b[20];
};

static struct key key_of(struct uuid topic, int32_t index)
{
    struct key k;
    memcpy(k.b, topic.b, 16);
    put_be32(k.b + 16, (uint32_t)index);
    return k;
}

static struct str key_str(const struct key *k) { return (struct str){(const char *)k->b, sizeof k->b}; }

void points_init(struct points *ps) { map_init(&ps->by_part); }

void points_fini(struct points *ps)
{
    void *v;
    for (size_t i = 0; (v = map_next(&ps->by_part, &i)) != NULL;)
        xfree(v);
    map_fini(&ps->by_part);
}

struct point *points_find(const struct points *ps, struct uuid topic, int32_t index)
{
    struct key k = key_of(topic, index);
    return map_get(&ps->by_part, key_str(&k));
}

struct point *points_get(struct points *ps, struct uuid topic, int32_t index)
{
    struct point *p = points_find(ps, topic, index);
    if (p)
        return p;
    p = xzalloc(sizeof *p);
    p->topic = topic;
    p->index = index;
    struct key k = key_of(topic, index);
    map_put(&ps->by_part, key_str(&k), p);
    return p;
}

void points_encode(const struct points *ps, uint64_t incarnation, enum points_kind kind, struct wbuf *out)
{
    size_t at = out->len;
    wbuf_be32(out, MAGIC);
    wbuf_be32(out, 0); /* checksum of what follows */
    wbuf_be64(out, incarnation);
    wbuf_be32(out, kind);
    wbuf_be32(out, 0);
    const struct point *p;
    for (size_t i = 0; (p = map_next(&ps->by_part, &i)) != NULL;) {
        if (!p->known && !p->caught && !p->gone)
            continue;
        const struct mark *m = p->caught ? &p->catch : &p->durable;
        wbuf_put(out, p->topic.b, 16);
        wbuf_be32(out, (uint32_t)p->index);
        wbuf_be32(out, p->gone ? GONE : 0);
        wbuf_be64(out, (uint64_t)m->seg_base);
        wbuf_be64(out, (uint64_t)m->pos);
        wbuf_be64(out, (uint64_t)m->end_offset);
        wbuf_be64(out, (uint64_t)m->log_start);
    }
    put_be32(out->data + at + 4, crc32c(0, out->data + at + 8, out->len - at - 8));
}

int points_decode_head(struct str bytes, uint64_t *incarnation, enum points_kind *kind)
{
    struct rbuf r = rbuf_of(bytes.ptr, bytes.len);
    uint32_t magic = rbuf_be32(&r), crc = rbuf_be32(&r);
    if (r.err || magic != MAGIC || crc != crc32c(0, r.ptr, rbuf_left(&r)) || bytes.len < HEAD)
        return E_CORRUPT;
    *incarnation = rbuf_be64(&r);
    *kind = rbuf_be32(&r) == POINTS_CLEAN ? POINTS_CLEAN : POINTS_RUNNING;
    return 0;
}

static bool mark_is_sane(const struct mark *m)
{
    return m->seg_base >= 0 && m->pos >= 0 && m->end_offset >= m->seg_base && m->log_start >= 0;
}

int points_decode(struct points *ps, struct str bytes, uint64_t *incarnation, enum points_kind *kind)
{
    int err = points_decode_head(bytes, incarnation, kind);
    if (err)
        return err;
    struct rbuf r = rbuf_of(bytes.ptr + HEAD, bytes.len - HEAD);
    if (rbuf_left(&r) % 56 != 0)
        return E_CORRUPT;
    while (rbuf_left(&r) > 0) {
        struct uuid topic;
        memcpy(topic.b, rbuf_take(&r, 16), 16);
        int32_t index = (int32_t)rbuf_be32(&r);
        bool gone = rbuf_be32(&r) & GONE;
        struct mark m = {.seg_base = (int64_t)rbuf_be64(&r)};
        m.pos = (int64_t)rbuf_be64(&r);
        m.end_offset = (int64_t)rbuf_be64(&r);
        m.log_start = (int64_t)rbuf_be64(&r);
        if (!gone && !mark_is_sane(&m))
            continue; /* a sound checksum over nonsense: the partition is scanned from its beginning */
        struct point *p = points_get(ps, topic, index);
        p->gone = gone;
        p->known = !gone;
        p->durable = m;
    }
    return 0;
}

void points_merge(struct points *to, const struct points *from)
{
    const struct point *p;
    for (size_t i = 0; (p = map_next(&from->by_part, &i)) != NULL;) {
        if (!p->known && !p->gone)
            continue;
        struct point *q = points_get(to, p->topic, p->index);
        q->known = p->known && !p->gone;
        q->gone = p->gone;
        q->durable = p->durable;
    }
}

void points_forget_gone(struct points *ps)
{
    struct points kept;
    points_init(&kept);
    points_merge(&kept, ps);
    points_fini(ps);
    struct point *p;
    points_init(ps);
    for (size_t i = 0; (p = map_next(&kept.by_part, &i)) != NULL;)
        if (p->known)
            *points_get(ps, p->topic, p->index) = *p;
    points_fini(&kept);
}
