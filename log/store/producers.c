#include "log/store/producers.h"
#include "log/base/alloc.h"
#include "log/base/crc32c.h"
#include "log/base/map.h"

enum { LAST = 5, MAGIC = 0x57505231 /* "WPR1" */ };

struct past {
    int32_t first_seq, last_seq;
    int64_t offset, ts; /* base offset; append time or -1 */
    bool tentative;
};

struct producer {
    int64_t id;
    int16_t epoch;
    uint8_t n; /* of last[], oldest first */
    int64_t seen_ms; /* the broker's clock: a client's timestamps may lie anywhere */
    struct past last[LAST];
};

/* The producer as it was; n = 0 and fresh: it was not there. */
struct undo {
    struct producer was;
    bool fresh;
};

struct producers {
    struct map by_id; /* id in native bytes -> struct producer */
    struct undo *undo;
    size_t nundo, undo_cap;
};

struct producers *producers_new(void)
{
    struct producers *ps = xzalloc(sizeof *ps);
    map_init(&ps->by_id);
    return ps;
}

void producers_free(struct producers *ps)
{
    if (!ps)
        return;
    void *v;
    for (size_t i = 0; (v = map_next(&ps->by_id, &i)) != NULL;)
        xfree(v);
    map_fini(&ps->by_id);
    xfree(ps->undo);
    xfree(ps);
}

size_t producers_count(const struct producers *ps) { return ps->by_id.len; }

static struct str id_key(const int64_t *id) { return (struct str){(const char *)id, sizeof *id}; }

/* Sequence numbers run from 0 to 2^31 - 1 and on from 0. */
static int32_t seq_add(int32_t seq, int32_t n) { return (int32_t)(((uint32_t)seq + (uint32_t)n) & INT32_MAX); }

static int32_t last_seq(const struct recbatch *rb) { return seq_add(rb->base_sequence, rb->last_offset_delta); }

static bool is_idempotent(const struct recbatch *rb) { return rb->producer_id >= 0 && rb->base_sequence >= 0; }

int producers_check(struct producers *ps, const struct recbatch *rb, int64_t now_ms, int64_t expire_ms,
                    int64_t *offset, int64_t *ts, bool *tentative)
{
    if (!is_idempotent(rb))
        return 0;
    const struct producer *p = map_get(&ps->by_id, id_key(&rb->producer_id));
    if (!p || p->n == 0 || now_ms - p->seen_ms >= expire_ms)
        return 0; /* nothing is known: any start will do */
    if (rb->producer_epoch == p->epoch) {
        for (unsigned i = p->n; i-- > 0;) {
            const struct past *past = &p->last[i];
            if (past->first_seq != rb->base_sequence || past->last_seq != last_seq(rb))
                continue;
            *offset = past->offset;
            *ts = past->ts;
            *tentative = past->tentative;
            return 1;
        }
    }
    if (rb->producer_epoch < p->epoch)
        return E_PRODUCER_EPOCH;
    if (rb->producer_epoch > p->epoch)
        return rb->base_sequence == 0 ? 0 : E_SEQUENCE;
    return rb->base_sequence == seq_add(p->last[p->n - 1].last_seq, 1) ? 0 : E_SEQUENCE;
}

void producers_add(struct producers *ps, const struct recbatch *rb, int64_t now_ms, int64_t append_ts, bool tentative)
{
    if (!is_idempotent(rb))
        return;
    struct producer *p = map_get(&ps->by_id, id_key(&rb->producer_id));
    if (tentative) {
        struct undo *u = &VEC_PUSH(ps->undo, ps->nundo, ps->undo_cap);
        u->fresh = !p;
        if (p)
            u->was = *p;
        else
            u->was = (struct producer){.id = rb->producer_id};
    }
    if (!p) {
        p = xzalloc(sizeof *p);
        p->id = rb->producer_id;
        map_put(&ps->by_id, id_key(&p->id), p);
    }
    if (p->n > 0 && p->epoch != rb->producer_epoch)
        p->n = 0; /* a new epoch begins a new window */
    p->epoch = rb->producer_epoch;
    if (p->n == LAST) {
        memmove(p->last, p->last + 1, (LAST - 1) * sizeof *p->last);
        p->n--;
    }
    p->last[p->n++] = (struct past){rb->base_sequence, last_seq(rb), rb->base_offset, append_ts, tentative};
    p->seen_ms = now_ms;
}

void producers_settle(struct producers *ps)
{
    for (size_t i = 0; i < ps->nundo; i++) {
        struct producer *p = map_get(&ps->by_id, id_key(&ps->undo[i].was.id));
        CHECK(p);
        for (unsigned k = 0; k < p->n; k++)
            p->last[k].tentative = false;
    }
    ps->nundo = 0;
}

size_t producers_mark(const struct producers *ps) { return ps->nundo; }

void producers_undo_to(struct producers *ps, size_t mark)
{
    CHECK(mark <= ps->nundo);
    while (ps->nundo > mark) {
        const struct undo *u = &ps->undo[--ps->nundo];
        if (u->fresh) {
            xfree(map_remove(&ps->by_id, id_key(&u->was.id)));
        } else {
            struct producer *p = map_get(&ps->by_id, id_key(&u->was.id));
            CHECK(p);
            *p = u->was;
        }
    }
}

void producers_undo(struct producers *ps) { producers_undo_to(ps, 0); }

void producers_expire(struct producers *ps, int64_t now_ms, int64_t expire_ms)
{
    CHECK(ps->nundo == 0);
    int64_t *gone = NULL;
    size_t n = 0, cap = 0;
    struct producer *p;
    for (size_t i = 0; (p = map_next(&ps->by_id, &i)) != NULL;)
        if (now_ms - p->seen_ms >= expire_ms)
            VEC_PUSH(gone, n, cap) = p->id;
    for (size_t i = 0; i < n; i++)
        xfree(map_remove(&ps->by_id, id_key(&gone[i])));
    xfree(gone);
}

/* ---- snapshot */

void producers_encode(const struct producers *ps, int64_t end_offset, struct wbuf *out)
{
    size_t at = out->len;
    wbuf_be32(out, MAGIC);
    wbuf_be32(out, 0); /* checksum of what follows */
    wbuf_be64(out, (uint64_t)end_offset);
    wbuf_be32(out, (uint32_t)ps->by_id.len);
    const struct producer *p;
    for (size_t i = 0; (p = map_next(&ps->by_id, &i)) != NULL;) {
        wbuf_be64(out, (uint64_t)p->id);
        wbuf_be16(out, (uint16_t)p->epoch);
        wbuf_be64(out, (uint64_t)p->seen_ms);
        wbuf_u8(out, p->n);
        for (unsigned k = 0; k < p->n; k++) {
            wbuf_be32(out, (uint32_t)p->last[k].first_seq);
            wbuf_be32(out, (uint32_t)p->last[k].last_seq);
            wbuf_be64(out, (uint64_t)p->last[k].offset);
            wbuf_be64(out, (uint64_t)p->last[k].ts);
        }
    }
    put_be32(out->data + at + 4, crc32c(0, out->data + at + 8, out->len - at - 8));
}

static void producer_decode(struct producers *ps, struct rbuf *r, int64_t now_ms)
{
    struct producer p = {.id = (int64_t)rbuf_be64(r)};
    p.epoch = (int16_t)rbuf_be16(r);
    p.seen_ms = (int64_t)rbuf_be64(r);
    p.seen_ms = MIN(p.seen_ms, now_ms); /* a clock that was ahead must not keep it for ever */
    uint8_t n = rbuf_u8(r);
    if (n > LAST || p.id < 0)
        r->err = r->err ? r->err : E_SYNTAX;
    for (; p.n < n && !r->err; p.n++) {
        struct past *past = &p.last[p.n];
        past->first_seq = (int32_t)rbuf_be32(r);
        past->last_seq = (int32_t)rbuf_be32(r);
        past->offset = (int64_t)rbuf_be64(r);
        past->ts = (int64_t)rbuf_be64(r);
    }
    if (r->err || map_get(&ps->by_id, id_key(&p.id)))
        return;
    struct producer *kept = xalloc(sizeof *kept);
    *kept = p;
    map_put(&ps->by_id, id_key(&kept->id), kept);
}

int producers_decode(struct producers *ps, struct str bytes, int64_t now_ms, int64_t *end_offset)
{
    CHECK(ps->by_id.len == 0);
    struct rbuf r = rbuf_of(bytes.ptr, bytes.len);
    uint32_t magic = rbuf_be32(&r), crc = rbuf_be32(&r);
    if (r.err || magic != MAGIC || crc != crc32c(0, r.ptr, rbuf_left(&r)))
        return E_CORRUPT;
    *end_offset = (int64_t)rbuf_be64(&r);
    uint32_t n = rbuf_be32(&r);
    for (uint32_t i = 0; i < n && !r.err; i++)
        producer_decode(ps, &r, now_ms);
    if (!r.err && rbuf_left(&r) == 0)
        return 0;
    void *v;
    for (size_t i = 0; (v = map_next(&ps->by_id, &i)) != NULL;)
        xfree(v);
    map_clear(&ps->by_id);
    return E_CORRUPT;
}
