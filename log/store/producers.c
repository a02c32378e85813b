/* Two things of each producer wait for a commit to become durable: what a batch or marker changed (struct undo has it
 * as it was), and transactions that ended: they are in `ended` until the high watermark has passed their marker. Open
 * transactions are in `open`, by their first offset, so that the first undecided one is found without a search. */
#include "log/store/producers.h"
#include "log/base/alloc.h"
#include "log/base/crc32c.h"
#include "log/base/fault.h"
#include "log/base/list.h"
#include "log/base/map.h"
#include "log/store/store.h"

enum {
    LAST = 5,
    MAGIC = 0x57505232,   /* "WPR2" */
    MAGIC_1 = 0x57505231, /* without transactions */
    GUARD_NEW = 1,        /* of a producer without a marker */
};

struct past {
    int32_t first_seq, last_seq;
    int64_t offset, ts; /* base offset; append time or -1 */
    bool tentative;
};

struct known {
    int64_t id;
    int16_t epoch;
    uint8_t n; /* of last[], oldest first */
    int32_t coordinator_epoch; /* -1: no marker yet */
    int64_t seen_ms; /* the broker's clock: a client's timestamps may lie anywhere */
    int64_t txn_first; /* where its open transaction begins; -1: none */
    int64_t marker;    /* offset of its last marker; -1: none */
    struct past last[LAST];
};

struct producer {
    struct list open_link; /* while txn_first >= 0 */
    struct known k;
};

/* The producer as it was; fresh: it was not there. ended: the change put its transaction at the end of `ended`. */
struct undo {
    struct known was;
    bool fresh, ended;
};

struct ended {
    int64_t first, marker;
};

struct producers {
    struct map by_id; /* id in native bytes -> struct producer */
    struct list open;
    struct ended *ended; /* by marker */
    size_t nended, ended_cap;
    struct undo *undo;
    size_t nundo, undo_cap;
};

struct producers *producers_new(void)
{
    struct producers *ps = xzalloc(sizeof *ps);
    map_init(&ps->by_id);
    list_init(&ps->open);
    return ps;
}

static void producers_empty(struct producers *ps)
{
    void *v;
    for (size_t i = 0; (v = map_next(&ps->by_id, &i)) != NULL;)
        xfree(v);
    map_clear(&ps->by_id);
    list_init(&ps->open);
}

void producers_free(struct producers *ps)
{
    if (!ps)
        return;
    producers_empty(ps);
    map_fini(&ps->by_id);
    xfree(ps->ended);
    xfree(ps->undo);
    xfree(ps);
}

size_t producers_count(const struct producers *ps) { return ps->by_id.len; }

static struct str id_key(const int64_t *id) { return (struct str){(const char *)id, sizeof *id}; }

static struct producer *producer_find(const struct producers *ps, int64_t id)
{
    return map_get(&ps->by_id, id_key(&id));
}

static struct known known_new(int64_t id)
{
    return (struct known){.id = id, .epoch = -1, .coordinator_epoch = -1, .txn_first = -1, .marker = -1};
}

static struct producer *producer_new(struct producers *ps, const struct known *k)
{
    struct producer *p = xalloc(sizeof *p);
    list_init(&p->open_link);
    p->k = *k;
    map_put(&ps->by_id, id_key(&p->k.id), p);
    return p;
}

/* Puts the producer into the list of open transactions where its first offset belongs, or takes it out. A new
 * transaction is the last one; only what was undone is not. */
static void producer_sort(struct producers *ps, struct producer *p)
{
    list_remove(&p->open_link);
    if (p->k.txn_first < 0)
        return;
    struct list *at = ps->open.prev;
    while (at != &ps->open && container_of(at, struct producer, open_link)->k.txn_first > p->k.txn_first)
        at = at->prev;
    list_add_head(at, &p->open_link);
}

void producers_list(const struct producers *ps, struct producer_info *out)
{
    const struct producer *p;
    for (size_t i = 0; (p = map_next(&ps->by_id, &i)) != NULL; out++) {
        const struct known *k = &p->k;
        const struct past *last = k->n ? &k->last[k->n - 1] : NULL;
        *out = (struct producer_info){k->id, k->epoch, k->coordinator_epoch, last ? last->last_seq : -1,
                                      last ? last->offset : -1, k->seen_ms, k->txn_first};
    }
}

/* ---- batches */

/* Sequence numbers run from 0 to 2^31 - 1 and on from 0. */
static int32_t seq_add(int32_t seq, int32_t n) { return (int32_t)(((uint32_t)seq + (uint32_t)n) & INT32_MAX); }

static int32_t last_seq(const struct recbatch *rb) { return seq_add(rb->base_sequence, rb->last_offset_delta); }

static bool is_idempotent(const struct recbatch *rb) { return rb->producer_id >= 0 && rb->base_sequence >= 0; }

static bool is_txn(const struct recbatch *rb) { return rb->attributes & RECBATCH_TXN; }

static bool is_expired(const struct known *k, int64_t now_ms, int64_t expire_ms)
{
    return k->txn_first < 0 && now_ms - k->seen_ms >= expire_ms;
}

static bool is_duplicate(const struct known *k, const struct recbatch *rb, struct producers_ask *ask)
{
    if (rb->producer_epoch != k->epoch)
        return false;
    for (unsigned i = k->n; i-- > 0;) {
        const struct past *past = &k->last[i];
        if (past->first_seq != rb->base_sequence || past->last_seq != last_seq(rb))
            continue;
        ask->offset = past->offset;
        ask->ts = past->ts;
        ask->tentative = past->tentative;
        return true;
    }
    return false;
}

/* The next marker changes it, so that what was verified before a marker admits nothing after it. */
static uint64_t guard_of(const struct known *k) { return k->marker < 0 ? GUARD_NEW : (uint64_t)k->marker + 2; }

static int check_txn(const struct known *k, const struct recbatch *rb, struct producers_ask *ask)
{
    bool open = k->txn_first >= 0;
    if (!is_txn(rb))
        return open ? E_TXN_STATE : 0;
    if (open && k->epoch == rb->producer_epoch)
        return 0;
    bool verified = (ask->flags & APPEND_VERIFIED) || BUG("txn_unverified");
    bool same = ask->guard == 0 || ask->guard == guard_of(k) || BUG("txn_no_guard");
    if (!verified || !same) {
        ask->guard = guard_of(k);
        return E_TXN_UNVERIFIED;
    }
    /* A transaction of an older epoch must have its marker before the next one begins. */
    return open && rb->producer_epoch > k->epoch ? E_TXN_STATE : 0;
}

static int check_sequence(const struct known *k, const struct recbatch *rb, uint32_t flags)
{
    if (k->epoch < 0) /* nothing is known: any start will do */
        return rb->base_sequence != 0 && is_txn(rb) && (flags & APPEND_TXN_V2) ? E_SEQUENCE : 0;
    if (rb->producer_epoch < k->epoch)
        return E_PRODUCER_EPOCH;
    int32_t next = rb->producer_epoch > k->epoch || k->n == 0 ? 0 : seq_add(k->last[k->n - 1].last_seq, 1);
    return rb->base_sequence == next ? 0 : E_SEQUENCE;
}

int producers_check(struct producers *ps, const struct recbatch *rb, struct producers_ask *ask)
{
    if (!is_idempotent(rb))
        return is_txn(rb) ? E_BAD_RECORD : 0;
    const struct producer *p = producer_find(ps, rb->producer_id);
    struct known none = known_new(rb->producer_id);
    if (p)
        none.marker = p->k.marker; /* an expired one's guard holds on */
    const struct known *k = p && !is_expired(&p->k, ask->now_ms, ask->expire_ms) ? &p->k : &none;
    if (is_duplicate(k, rb, ask))
        return 1;
    int err = check_txn(k, rb, ask);
    return err ? err : check_sequence(k, rb, ask->flags);
}

int32_t producers_next(const struct producers *ps, int64_t id, int16_t epoch, int64_t now_ms, int64_t expire_ms)
{
    const struct producer *p = producer_find(ps, id);
    if (!p || is_expired(&p->k, now_ms, expire_ms) || p->k.epoch != epoch || p->k.n == 0)
        return 0;
    return seq_add(p->k.last[p->k.n - 1].last_seq, 1);
}

/* The producer, made if need be, its state kept for the undo. */
static struct producer *producer_touch(struct producers *ps, int64_t id, bool tentative)
{
    struct producer *p = producer_find(ps, id);
    struct known none = known_new(id);
    if (tentative)
        VEC_PUSH(ps->undo, ps->nundo, ps->undo_cap) = (struct undo){.was = p ? p->k : none, .fresh = !p};
    return p ? p : producer_new(ps, &none);
}

static void known_epoch(struct known *k, int16_t epoch)
{
    if (k->epoch != epoch && !BUG("epoch_keeps_window"))
        k->n = 0; /* a new epoch begins a new window */
    k->epoch = epoch;
}

void producers_add(struct producers *ps, const struct recbatch *rb, int64_t now_ms, int64_t append_ts, bool tentative)
{
    if (!is_idempotent(rb))
        return;
    struct producer *p = producer_touch(ps, rb->producer_id, tentative);
    struct known *k = &p->k;
    known_epoch(k, rb->producer_epoch);
    if (k->n == LAST) {
        memmove(k->last, k->last + 1, (LAST - 1) * sizeof *k->last);
        k->n--;
    }
    k->last[k->n++] = (struct past){rb->base_sequence, last_seq(rb), rb->base_offset, append_ts, tentative};
    k->seen_ms = now_ms;
    if (is_txn(rb) && k->txn_first < 0) {
        k->txn_first = rb->base_offset;
        producer_sort(ps, p);
    }
}

/* ---- markers */

int producers_check_end(struct producers *ps, const struct recbatch *rb, const struct recbatch_marker *m,
                        uint32_t flags)
{
    const struct producer *p = producer_find(ps, rb->producer_id);
    if (rb->producer_id < 0 || rb->producer_epoch < 0)
        return E_BAD_RECORD;
    if (!p)
        return 0;
    const struct known *k = &p->k;
    if (m->coordinator_epoch < k->coordinator_epoch)
        return E_COORD_EPOCH;
    if (rb->producer_epoch < k->epoch)
        return E_PRODUCER_EPOCH;
    bool again = rb->producer_epoch == k->epoch && k->txn_first >= 0;
    return again && (flags & APPEND_TXN_V2) && !BUG("marker_any_epoch") ? E_PRODUCER_EPOCH : 0;
}

/* Where the first transaction that is open but for p begins, or `none`. */
static int64_t first_open(const struct producers *ps, const struct producer *p, int64_t none)
{
    struct list *at = ps->open.next;
    if (at == &p->open_link)
        at = at->next;
    return at == &ps->open ? none : container_of(at, struct producer, open_link)->k.txn_first;
}

bool producers_end(struct producers *ps, const struct recbatch *rb, const struct recbatch_marker *m, int64_t now_ms,
                   bool tentative, struct txnindex_entry *aborted)
{
    struct producer *p = producer_touch(ps, rb->producer_id, tentative);
    struct known *k = &p->k;
    int64_t first = k->txn_first;
    known_epoch(k, rb->producer_epoch);
    k->coordinator_epoch = m->coordinator_epoch;
    k->marker = rb->base_offset;
    if (!BUG("marker_no_activity"))
        k->seen_ms = now_ms;
    if (first < 0)
        return false;
    *aborted = (struct txnindex_entry){k->id, first, rb->base_offset, first_open(ps, p, rb->base_offset + 1)};
    if (tentative) {
        VEC_PUSH(ps->ended, ps->nended, ps->ended_cap) = (struct ended){first, rb->base_offset};
        ps->undo[ps->nundo - 1].ended = true;
    }
    k->txn_first = -1;
    producer_sort(ps, p);
    return !m->commit;
}

int64_t producers_undecided(const struct producers *ps)
{
    int64_t first = list_empty(&ps->open) ? INT64_MAX
                                          : container_of(ps->open.next, struct producer, open_link)->k.txn_first;
    for (size_t i = 0; i < ps->nended && !BUG("lso_at_marker"); i++)
        first = MIN(first, ps->ended[i].first);
    return first;
}

void producers_passed(struct producers *ps, int64_t high_watermark)
{
    size_t n = 0;
    while (n < ps->nended && ps->ended[n].marker < high_watermark)
        n++;
    ps->nended -= n;
    if (n)
        memmove(ps->ended, ps->ended + n, ps->nended * sizeof *ps->ended);
}

/* ---- tentative or not */

void producers_settle(struct producers *ps)
{
    for (size_t i = 0; i < ps->nundo; i++) {
        struct producer *p = producer_find(ps, ps->undo[i].was.id);
        CHECK(p);
        for (unsigned n = 0; n < p->k.n; n++)
            p->k.last[n].tentative = false;
    }
    ps->nundo = 0;
}

size_t producers_mark(const struct producers *ps) { return ps->nundo; }

void producers_undo_to(struct producers *ps, size_t mark)
{
    CHECK(mark <= ps->nundo);
    while (ps->nundo > mark) {
        const struct undo *u = &ps->undo[--ps->nundo];
        struct producer *p = producer_find(ps, u->was.id);
        CHECK(p);
        if (u->ended)
            ps->nended--;
        p->k = u->was;
        producer_sort(ps, p);
        if (u->fresh)
            xfree(map_remove(&ps->by_id, id_key(&u->was.id)));
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
        if (is_expired(&p->k, now_ms, expire_ms))
            VEC_PUSH(gone, n, cap) = p->k.id;
    for (size_t i = 0; i < n; i++)
        xfree(map_remove(&ps->by_id, id_key(&gone[i])));
    xfree(gone);
}

/* ---- snapshot */

static void known_encode(const struct known *k, struct wbuf *out)
{
    wbuf_be64(out, (uint64_t)k->id);
    wbuf_be16(out, (uint16_t)k->epoch);
    wbuf_be64(out, (uint64_t)k->seen_ms);
    wbuf_be32(out, (uint32_t)k->coordinator_epoch);
    wbuf_be64(out, BUG("txn_start_in_memory") ? UINT64_MAX : (uint64_t)k->txn_first);
    wbuf_be64(out, (uint64_t)k->marker);
    wbuf_u8(out, k->n);
    for (unsigned n = 0; n < k->n; n++) {
        wbuf_be32(out, (uint32_t)k->last[n].first_seq);
        wbuf_be32(out, (uint32_t)k->last[n].last_seq);
        wbuf_be64(out, (uint64_t)k->last[n].offset);
        wbuf_be64(out, (uint64_t)k->last[n].ts);
    }
}

void producers_encode(const struct producers *ps, int64_t end_offset, const struct txnindex *aborted, struct wbuf *out)
{
    size_t at = out->len;
    wbuf_be32(out, MAGIC);
    wbuf_be32(out, 0); /* checksum of what follows */
    wbuf_be64(out, (uint64_t)end_offset);
    txnindex_put(aborted, out);
    wbuf_be32(out, (uint32_t)ps->by_id.len);
    const struct producer *p;
    LIST_EACH(l, &ps->open) /* in their order, so that decoding need not search for their places */
        known_encode(&container_of(l, struct producer, open_link)->k, out);
    for (size_t i = 0; (p = map_next(&ps->by_id, &i)) != NULL;)
        if (p->k.txn_first < 0)
            known_encode(&p->k, out);
    put_be32(out->data + at + 4, crc32c(0, out->data + at + 8, out->len - at - 8));
}

static void producer_decode(struct producers *ps, struct rbuf *r, uint32_t magic, int64_t now_ms)
{
    struct known k = known_new((int64_t)rbuf_be64(r));
    k.epoch = (int16_t)rbuf_be16(r);
    k.seen_ms = (int64_t)rbuf_be64(r);
    k.seen_ms = MIN(k.seen_ms, now_ms); /* a clock that was ahead must not keep it for ever */
    if (magic == MAGIC) {
        k.coordinator_epoch = (int32_t)rbuf_be32(r);
        k.txn_first = (int64_t)rbuf_be64(r);
        k.marker = (int64_t)rbuf_be64(r);
    }
    uint8_t n = rbuf_u8(r);
    if (n > LAST || k.id < 0 || k.txn_first < -1 || k.marker < -1)
        r->err = r->err ? r->err : E_SYNTAX;
    for (; k.n < n && !r->err; k.n++) {
        struct past *past = &k.last[k.n];
        past->first_seq = (int32_t)rbuf_be32(r);
        past->last_seq = (int32_t)rbuf_be32(r);
        past->offset = (int64_t)rbuf_be64(r);
        past->ts = (int64_t)rbuf_be64(r);
    }
    if (!r->err && !producer_find(ps, k.id))
        producer_sort(ps, producer_new(ps, &k));
}

int producers_decode(struct producers *ps, struct str bytes, int64_t now_ms, int64_t *end_offset,
                     struct txnindex **aborted)
{
    CHECK(ps->by_id.len == 0);
    *aborted = NULL;
    struct rbuf r = rbuf_of(bytes.ptr, bytes.len);
    uint32_t magic = rbuf_be32(&r), crc = rbuf_be32(&r);
    if (r.err || (magic != MAGIC && magic != MAGIC_1) || crc != crc32c(0, r.ptr, rbuf_left(&r)))
        return E_CORRUPT;
    *end_offset = (int64_t)rbuf_be64(&r);
    if (magic == MAGIC && txnindex_get(&r, aborted))
        return E_CORRUPT;
    uint32_t n = rbuf_be32(&r);
    for (uint32_t i = 0; i < n && !r.err; i++)
        producer_decode(ps, &r, magic, now_ms);
    if (!r.err && rbuf_left(&r) == 0)
        return 0;
    producers_empty(ps);
    if (*aborted)
        counted_release(&(*aborted)->c);
    *aborted = NULL;
    return E_CORRUPT;
}
