/* Compacted partitions under random records, tombstones, producers, passes, retention, faults and crashes, all from one
 * seed. The model keeps every record that was ever acknowledged; what the log shows must follow from it: each record is
 * as it was written, at its offset; one is missing only if a later one of its key was committed, if it was aborted, or
 * if it is a tombstone that has had its time, and then nothing older of its key is left; below what counts as clean no
 * key occurs twice and nothing aborted at all; producers and open transactions go on where they were, even when only
 * the batches can tell; searches by time agree with the records.
 * WEIR_SEED=n build/sim_compact runs one seed again, WEIR_TRACE=1 shows what the store says. */
#include "log/base/trace.h"
#include "log/store/compact.h"
#include "log/store/shard.h"
#include "tests/lib/seed.h"
#include "tests/unit/log/store/world.h"
#include <stdio.h>
#include <stdlib.h>

enum { PARTS = 3, PIDS = 3, ITEMS = 5, FLIGHT = 12, KEYS_MAX = 40, VIEWS = 2 };
enum outcome { PENDING, ACKED, UNKNOWN, REFUSED };

struct item {
    unsigned key; /* 0: none */
    bool tombstone;
    int64_t ts;
    size_t bytes;
};
struct batch {
    struct item item[ITEMS];
    int n;
    unsigned producer; /* 0: none */
    unsigned txn;      /* place in the model, plus one; 0: none */
    int16_t epoch;
    int32_t seq;
    enum codec codec;
    uint32_t mark; /* place in the model, plus one */
    enum outcome outcome;
    int64_t base, wall_ms;
    bool present[ITEMS]; /* in the log, as last read */
};
enum txn_outcome { OPEN, ENDING, COMMITTED, ABORTED };
struct txn {
    enum txn_outcome outcome;
    bool commit; /* what its marker says, once there is one */
    int16_t epoch; /* of the marker */
};
struct producer {
    int16_t epoch;
    int32_t seq;
    bool new_epoch; /* something failed: sequences begin anew, after the transaction has been aborted */
    bool frozen;    /* nobody knows what it has written, before a restart */
    unsigned txn;   /* open or ending, plus one */
};
struct held {
    struct view *view;
    uint64_t digest;
};

struct model {
    struct part *part;
    unsigned topic;
    struct batch *batch;
    size_t n, cap;
    struct producer producer[PIDS];
    struct txn *txn;
    size_t ntxns, txns_cap;
    int64_t trimmed, seen_hw;
    struct held held[VIEWS];
    struct part_conf conf;
};
struct flight {
    struct one one;
    bool used;
    struct model *m;
    size_t batch;
    unsigned marker_of; /* producer; 0: a batch */
};

static struct world world;
#define W (&world)
static struct random dice;
static struct model models[PARTS];
static struct flight flights[FLIGHT];
static unsigned keys;
static int64_t retention_ms; /* of tombstones, in this seed */
static uint64_t told_acked, told_crashes, told_dropped, told_passes, told_tombstones, told_held, told_markers, told_aborted;

static uint64_t roll(uint64_t n) { return random_below(&dice, n); }

static int64_t now_ms(void) { return loop_wall_ms(W->loops[0]); }

/* ---- batches */

static int64_t pid_of(const struct model *m, unsigned producer) { return 100 * (m->topic + 1) + producer; }

static void item_random(struct item *it)
{
    it->key = roll(40) == 0 ? 0 : 1 + (unsigned)roll(keys);
    it->tombstone = it->key && roll(4) == 0;
    it->ts = (int64_t)roll(100000);
    it->bytes = roll(6) == 0 ? roll(300) : roll(30);
}

static struct buf *batch_build(const struct model *m, const struct batch *b)
{
    struct wbuf out, scratch;
    wbuf_init(&out);
    wbuf_init(&scratch);
    struct recbatch_builder rb;
    recbatch_build(&rb, &out, b->codec, b->codec ? &scratch : NULL);
    if (b->txn)
        rb.attributes = RECBATCH_TXN;
    if (b->producer) {
        rb.producer_id = pid_of(m, b->producer);
        rb.producer_epoch = b->epoch;
        rb.base_sequence = b->seq;
    }
    char value[320];
    for (int i = 0; i < b->n; i++) {
        const struct item *it = &b->item[i];
        char key[16], note[8];
        put_be32(note, b->mark);
        put_be32(note + 4, (uint32_t)i);
        memset(value, (int)(b->mark + (uint32_t)i), it->bytes);
        struct record_header h = {STR("m"), {note, sizeof note}};
        int len = snprintf(key, sizeof key, "key%u", it->key);
        recbatch_add(&rb, it->ts, it->key ? (struct str){key, (size_t)len} : STR_NULL,
                     it->tombstone ? STR_NULL : (struct str){value, it->bytes}, &h, 1);
    }
    struct compress *c = compress_new();
    CHECK(recbatch_finish(&rb, c));
    compress_free(c);
    struct buf *buf = buf_new(out.len);
    memcpy(buf->data, out.data, out.len);
    buf->len = (uint32_t)out.len;
    wbuf_fini(&out);
    wbuf_fini(&scratch);
    return buf;
}

static struct batch *batch_random(struct model *m)
{
    struct batch *b = &VEC_PUSH(m->batch, m->n, m->cap);
    static const enum codec codecs[] = {CODEC_NONE, CODEC_NONE, CODEC_LZ4, CODEC_ZSTD};
    *b = (struct batch){.n = 1 + (int)roll(ITEMS), .base = -1, .mark = (uint32_t)m->n, .codec = codecs[roll(4)]};
    for (int i = 0; i < b->n; i++)
        item_random(&b->item[i]);
    b->producer = (unsigned)roll(PIDS + 1);
    struct producer *p = b->producer ? &m->producer[b->producer - 1] : NULL;
    if (p && (p->frozen || (p->txn && (p->new_epoch || m->txn[p->txn - 1].outcome != OPEN))))
        b->producer = 0;
    if (b->producer) {
        if (!p->txn && roll(3) == 0) {
            VEC_PUSH(m->txn, m->ntxns, m->txns_cap) = (struct txn){0};
            p->txn = (unsigned)m->ntxns;
        }
        b->txn = p->txn;
        if (p->new_epoch) {
            p->new_epoch = false;
            p->epoch++;
            p->seq = 0;
        }
        b->epoch = p->epoch;
        b->seq = p->seq;
        p->seq += b->n;
    }
    return b;
}

/* ---- appends in flight */

static void marker_end(struct flight *f, int status)
{
    struct producer *p = &f->m->producer[f->marker_of - 1];
    struct txn *t = &f->m->txn[p->txn - 1];
    CHECK(status == 0 || status == E_STORAGE || status == E_FULL);
    p->frozen |= status == E_STORAGE;
    if (status == E_FULL)
        t->outcome = OPEN;
    if (status)
        return;
    t->outcome = t->commit ? COMMITTED : ABORTED;
    told_markers++;
    p->txn = 0;
    if (t->epoch > p->epoch) {
        p->epoch = t->epoch;
        p->seq = 0;
        p->new_epoch = false;
    }
}

static void flight_end(struct flight *f)
{
    int status = f->one.a.status;
    f->used = false;
    buf_release(f->one.buf);
    if (f->marker_of) {
        marker_end(f, status);
        return;
    }
    struct batch *b = &f->m->batch[f->batch];
    if (status == 0) {
        told_acked++;
        b->outcome = ACKED;
        b->base = f->one.a.base_offset;
        return;
    }
    if (b->producer) {
        f->m->producer[b->producer - 1].new_epoch = true;
        f->m->producer[b->producer - 1].frozen |= status == E_STORAGE;
    }
    CHECK(status == E_STORAGE || status == E_FULL || status == E_SEQUENCE || status == E_PRODUCER_EPOCH ||
          status == E_TXN_STATE);
    b->outcome = status == E_STORAGE ? UNKNOWN : REFUSED;
}

static void flights_collect(void)
{
    for (int i = 0; i < FLIGHT; i++)
        if (flights[i].used && flights[i].one.done)
            flight_end(&flights[i]);
}

static void flights_wait(void)
{
    for (int i = 0; i < FLIGHT; i++)
        while (flights[i].used && !flights[i].one.done)
            CHECK(sim_step(W->sim));
    flights_collect();
}

static void flights_drop(void)
{
    for (int i = 0; i < FLIGHT; i++) {
        struct flight *f = &flights[i];
        if (!f->used)
            continue;
        f->used = false;
        buf_release(f->one.buf);
        if (f->marker_of)
            continue; /* ENDING says it */
        struct batch *b = &f->m->batch[f->batch];
        b->outcome = UNKNOWN;
        if (b->producer)
            f->m->producer[b->producer - 1].new_epoch = true;
    }
}

static struct flight *flight_find(void)
{
    for (int i = 0; i < FLIGHT; i++)
        if (!flights[i].used)
            return &flights[i];
    return NULL;
}

static void flight_start(struct flight *f, uint32_t flags)
{
    f->one.a = (struct append){.part = f->m->part, .buf = f->one.buf, .bytes = f->one.buf->data,
                               .len = f->one.buf->len, .flags = flags};
    one_submit(W, &f->one, W->loops[f->m->topic % W->nloops]);
}

static void op_append(struct model *m)
{
    struct flight *f = flight_find();
    if (!f) {
        flights_wait();
        return;
    }
    struct batch *b = batch_random(m);
    b->wall_ms = now_ms();
    *f = (struct flight){.used = true, .m = m, .batch = m->n - 1};
    f->one.buf = batch_build(m, b);
    flight_start(f, APPEND_VERIFIED);
}

/* Ends the open transaction of a producer. What must be aborted is, with the next epoch. */
static void marker_start(struct model *m, unsigned producer, struct flight *f)
{
    struct producer *p = &m->producer[producer - 1];
    struct txn *t = &m->txn[p->txn - 1];
    t->outcome = ENDING;
    t->commit = !p->new_epoch && roll(2);
    t->epoch = (int16_t)(p->epoch + (p->new_epoch || roll(3) == 0));
    *f = (struct flight){.used = true, .m = m, .marker_of = producer};
    struct wbuf w;
    wbuf_init(&w);
    recbatch_marker(&w, t->commit, pid_of(m, producer), t->epoch, 0, (int64_t)roll(100000));
    f->one.buf = buf_new(w.len);
    memcpy(f->one.buf->data, w.data, w.len);
    f->one.buf->len = (uint32_t)w.len;
    wbuf_fini(&w);
    flight_start(f, APPEND_MARKER);
}

static void op_marker(struct model *m)
{
    unsigned producer = 1 + (unsigned)roll(PIDS);
    struct producer *p = &m->producer[producer - 1];
    struct flight *f = flight_find();
    if (f && p->txn && !p->frozen && m->txn[p->txn - 1].outcome == OPEN)
        marker_start(m, producer, f);
}

/* ---- what the log says */

struct reading {
    struct model *m;
    bool settle;
    int64_t next; /* offset of the next record at least */
    int64_t max_ts, max_ts_offset, find_ts, found;
    uint64_t digest;
};

static void reading_record(struct reading *rd, struct record *rec)
{
    struct model *m = rd->m;
    struct record_header h;
    struct record copy = *rec;
    CHECK(record_header_next(&copy, &h) == 1 && h.value.len == 8);
    uint32_t mark = be32(h.value.ptr), i = be32(h.value.ptr + 4);
    CHECK(mark > 0 && mark <= m->n);
    struct batch *b = &m->batch[mark - 1];
    CHECK(i < (uint32_t)b->n && b->outcome != REFUSED);
    if (b->outcome == UNKNOWN && rd->settle) {
        b->outcome = ACKED;
        b->base = rec->offset - i;
    }
    const struct item *it = &b->item[i];
    CHECK(b->outcome != ACKED || b->base + i == rec->offset);
    CHECK(rec->offset >= rd->next && rec->ts_ms == it->ts);
    CHECK(!rec->key.ptr == !it->key && !rec->value.ptr == it->tombstone);
    char key[16];
    int len = snprintf(key, sizeof key, "key%u", it->key);
    CHECK(!it->key || str_eq(rec->key, (struct str){key, (size_t)len}));
    CHECK(it->tombstone || rec->value.len == it->bytes);
    for (size_t k = 0; k < rec->value.len; k++)
        CHECK((uint8_t)rec->value.ptr[k] == (uint8_t)(mark + i));
    b->present[i] = true;
    rd->digest = hash_u64(rd->digest ^ ((uint64_t)mark << 32 | i));
}

static void reading_any(struct reading *rd, struct record *rec, bool control)
{
    if (!control)
        reading_record(rd, rec);
    rd->next = rec->offset + 1;
    if (rec->ts_ms > rd->max_ts) {
        rd->max_ts = rec->ts_ms;
        rd->max_ts_offset = rec->offset;
    }
    if (rd->found < 0 && rec->ts_ms >= rd->find_ts)
        rd->found = rec->offset;
}

static int64_t reading_slice(struct reading *rd, const struct slice *s, int64_t from)
{
    uint8_t *bytes = xalloc(s->len);
    CHECK(slice_read(s, 0, bytes, s->len, true) == s->len);
    struct recbatch rb;
    struct compress *c = compress_new();
    int64_t next = from;
    for (uint32_t at = 0; at < s->len; at += rb.size) {
        CHECK(recbatch_peek(&rb, (struct str){(char *)bytes + at, s->len - at}) == 0);
        CHECK(recbatch_check_crc(&rb, bytes + at) == 0 && recbatch_last_offset(&rb) >= next);
        next = recbatch_last_offset(&rb) + 1;
        struct recbatch_iter it;
        struct record rec;
        struct wbuf room;
        wbuf_init(&room);
        CHECK(recbatch_iter(&it, &rb, c, &room, 1 << 20) == 0);
        while (recbatch_next(&it, &rec))
            if (rec.offset >= from)
                reading_any(rd, &rec, rb.attributes & RECBATCH_CONTROL);
        CHECK(recbatch_iter_err(&it) == 0);
        wbuf_fini(&room);
    }
    compress_free(c);
    xfree(bytes);
    return next;
}

/* From any offset a reader comes to the end, over holes. E_OFFSET_RANGE: the view is of a time before a deletion. */
static int view_walk(const struct view *v, int64_t from, struct reading *rd)
{
    while (from < v->high_watermark) {
        struct slice s;
        int err = view_read(v, from, INT64_MAX, 1 + (uint32_t)roll(3000), true, true, &s);
        if (err)
            return err;
        CHECK(s.len > 0);
        from = reading_slice(rd, &s, from);
        slice_release(&s);
    }
    CHECK(from == v->high_watermark);
    return 0;
}

static void check_times(const struct view *v, const struct reading *rd)
{
    int64_t offset, ts;
    CHECK(view_find_time(v, rd->find_ts, INT64_MAX, &offset, &ts) == 0);
    CHECK(offset == rd->found && (offset < 0 || ts >= rd->find_ts));
    CHECK(view_find_max_time(v, INT64_MAX, &offset, &ts) == 0);
    if (v->log_start == 0) /* a batch that the log's start cuts through counts as a whole */
        CHECK(offset == rd->max_ts_offset && (offset < 0 || ts == rd->max_ts));
}

static enum txn_outcome outcome_of(const struct model *m, const struct batch *b)
{
    return b->txn ? m->txn[b->txn - 1].outcome : COMMITTED;
}

/* What is not there must have had a reason to go, and what is there a reason to stay. */
static void check_missing(struct model *m, int64_t log_start)
{
    int64_t newest[KEYS_MAX + 1], newest_clean[KEYS_MAX + 1], gone[KEYS_MAX + 1];
    int64_t clean = m->part->clean.known ? m->part->clean.first_dirty : 0;
    memset(newest, 0xff, sizeof newest);
    memset(newest_clean, 0xff, sizeof newest_clean);
    memset(gone, 0xff, sizeof gone); /* a tombstone that is no longer there */
    for (size_t k = 0; k < m->n; k++)
        for (int i = 0; i < m->batch[k].n && m->batch[k].outcome == ACKED; i++) {
            const struct item *it = &m->batch[k].item[i];
            int64_t offset = m->batch[k].base + i;
            if (outcome_of(m, &m->batch[k]) != COMMITTED)
                continue;
            newest[it->key] = MAX(newest[it->key], offset);
            if (offset < clean)
                newest_clean[it->key] = MAX(newest_clean[it->key], offset);
            if (it->tombstone && !m->batch[k].present[i] && offset >= log_start)
                gone[it->key] = MAX(gone[it->key], offset);
        }
    for (size_t k = 0; k < m->n; k++) {
        const struct batch *b = &m->batch[k];
        for (int i = 0; i < b->n && b->outcome == ACKED; i++) {
            const struct item *it = &b->item[i];
            int64_t offset = b->base + i;
            if (offset < log_start)
                continue;
            if (outcome_of(m, b) == ABORTED) {
                CHECK(!b->present[i] || offset >= clean || offset < m->trimmed);
                told_aborted += !b->present[i];
                continue;
            }
            if (outcome_of(m, b) != COMMITTED) { /* of one that is ending the marker may be there already */
                CHECK(b->present[i] || outcome_of(m, b) == ENDING || offset < m->trimmed);
                continue;
            }
            if (b->present[i]) {
                CHECK(!it->key || offset > gone[it->key]);         /* nothing comes back */
                CHECK(!it->key || offset >= newest_clean[it->key]); /* what is clean is clean */
                continue;
            }
            told_dropped++;
            if (offset < m->trimmed) /* deleted; that a crash took the log's start back means nothing */
                continue;
            CHECK(it->key);
            if (newest[it->key] > offset)
                continue;
            told_tombstones++;
            CHECK(it->tombstone && now_ms() >= b->wall_ms + retention_ms);
        }
    }
}

/* After a start nothing is in flight: what the store says of open transactions is checked, and taken for the markers of
 * which nobody was told. */
static void txns_settle(struct model *m, const struct view *v)
{
    struct producer_info *pi;
    size_t n;
    int64_t lso = v->high_watermark;
    CHECK(part_producers(m->part, &pi, &n) == 0);
    for (unsigned p = 1; p <= PIDS; p++) {
        struct producer *pr = &m->producer[p - 1];
        const struct producer_info *known = NULL;
        for (size_t i = 0; i < n; i++)
            known = pi[i].id == pid_of(m, p) ? &pi[i] : known;
        int64_t first = INT64_MAX;
        for (size_t k = 0; k < m->n && pr->txn; k++)
            if (m->batch[k].txn == pr->txn && m->batch[k].outcome == ACKED)
                first = MIN(first, m->batch[k].base);
        pr->frozen = false;
        pr->new_epoch = true;
        if (known)
            pr->epoch = MAX(pr->epoch, known->epoch);
        if (!pr->txn)
            continue;
        struct txn *t = &m->txn[pr->txn - 1];
        if (known && known->txn_first >= 0) {
            CHECK(first == known->txn_first || first < m->trimmed);
            lso = MIN(lso, MAX(known->txn_first, v->log_start));
            t->outcome = OPEN;
        } else {
            CHECK(t->outcome == ENDING || first == INT64_MAX || first < m->trimmed);
            t->outcome = t->outcome == ENDING && t->commit ? COMMITTED : ABORTED;
            pr->txn = 0;
        }
    }
    CHECK(v->lso == lso);
    xfree(pi);
}

static void model_check(struct model *m, bool settle)
{
    struct view *v = world_view(W, m->part);
    flights_collect();
    CHECK(v && v->high_watermark >= m->seen_hw && v->log_start <= m->trimmed);
    for (size_t k = 0; k < m->n; k++)
        memset(m->batch[k].present, 0, sizeof m->batch[k].present);
    struct reading rd = {.m = m, .settle = settle, .max_ts = INT64_MIN, .max_ts_offset = -1,
                         .find_ts = (int64_t)roll(101000), .found = -1};
    CHECK(view_walk(v, v->log_start, &rd) == 0);
    for (size_t k = 0; k < m->n && settle; k++)
        if (m->batch[k].outcome == UNKNOWN)
            m->batch[k].outcome = REFUSED;
    if (settle)
        txns_settle(m, v);
    check_times(v, &rd);
    check_missing(m, v->log_start);
    struct reading again = {.m = m, .max_ts = INT64_MIN, .found = -1, .find_ts = INT64_MAX};
    int64_t from = v->log_start + (int64_t)roll((uint64_t)(v->high_watermark - v->log_start) + 1);
    CHECK(view_walk(v, from, &again) == 0);
    m->seen_hw = v->high_watermark;
    counted_release(&v->c);
}

/* The last batch that a producer has in the log is known as such: appended again it is a duplicate, and a gap after it
 * is refused. */
static void model_check_producers(struct model *m)
{
    for (unsigned p = 1; p <= PIDS; p++) {
        struct batch *last = NULL;
        for (size_t k = 0; k < m->n; k++)
            if (m->batch[k].producer == p && m->batch[k].outcome == ACKED)
                last = &m->batch[k];
        struct producer *pr = &m->producer[p - 1];
        if (!last)
            continue;
        struct view *v = part_view(m->part);
        bool trimmed = last->base + last->n <= v->log_start;
        counted_release(&v->c);
        if (trimmed || pr->epoch > last->epoch)
            continue;
        struct one o = {.buf = batch_build(m, last)};
        o.a = (struct append){.part = m->part, .buf = o.buf, .bytes = o.buf->data, .len = o.buf->len};
        one_submit(W, &o, W->loops[0]);
        CHECK(one_wait(W, &o) == 0 && o.a.base_offset == last->base);
        struct spec gap = {.n = 1, .pid = pid_of(m, p), .epoch = last->epoch, .seq = last->seq + last->n + 1};
        CHECK(world_append(W, m->part, &gap, NULL) == (pr->txn ? E_TXN_STATE : E_SEQUENCE));
        pr->epoch = last->epoch;
        pr->seq = last->seq + last->n;
        pr->new_epoch = false;
    }
}

/* ---- views that are kept while the log changes */

static void held_drop(struct held *h)
{
    if (h->view)
        counted_release(&h->view->c);
    h->view = NULL;
}

static void op_hold(struct model *m)
{
    struct held *h = &m->held[roll(VIEWS)];
    struct reading rd = {.m = m, .max_ts = INT64_MIN, .found = -1, .find_ts = INT64_MAX};
    if (h->view) {
        int err = view_walk(h->view, h->view->log_start, &rd);
        CHECK(err == 0 || (err == E_OFFSET_RANGE && m->trimmed > h->view->log_start));
        CHECK(err || rd.digest == h->digest);
        told_held++;
        held_drop(h);
        return;
    }
    h->view = part_view(m->part);
    if (!h->view)
        return;
    CHECK(view_walk(h->view, h->view->log_start, &rd) == 0);
    h->digest = rd.digest;
}

/* ---- operations */

static void conf_random(struct model *m)
{
    struct part_conf pc;
    part_conf_default(&pc, &W->conf);
    pc.segment_bytes = 1500 << roll(3);
    pc.compact = true;
    pc.keep = true;
    pc.delete_retention_ms = retention_ms;
    pc.dirty_ratio = roll(2) ? 0 : 0.5;
    pc.lag_min_ms = roll(8) == 0 ? 100000 : 0;
    pc.lag_max_ms = roll(8) == 0 ? 1000 : INT64_MAX;
    m->conf = pc;
    part_set_conf(m->part, &pc);
}

static void op_trim(struct model *m)
{
    struct view *v = part_view(m->part);
    if (!v)
        return;
    int64_t to = v->log_start + (int64_t)roll((uint64_t)(v->high_watermark - v->log_start) / 3 + 1);
    counted_release(&v->c);
    if (part_trim(m->part, to) == 0)
        m->trimmed = MAX(m->trimmed, to);
}

static void op_any(void)
{
    struct model *m = &models[roll(PARTS)];
    uint64_t what = roll(1000);
    if (what < 400)
        op_append(m);
    else if (what < 450)
        op_marker(m);
    else if (what < 750)
        for (uint64_t n = roll(30); n-- > 0;)
            sim_step(W->sim);
    else if (what < 800)
        (void)part_roll(m->part);
    else if (what < 880)
        part_compact(m->part);
    else if (what < 900)
        sim_run_until(W->sim, sim_now_us(W->sim) + (int64_t)roll(40000000));
    else if (what < 930)
        op_hold(m);
    else if (what < 950)
        conf_random(m);
    else if (what < 960)
        sim_wall_jump(W->sim, (int64_t)roll((uint64_t)retention_ms + 1000));
    else if (what < 965)
        op_trim(m);
    else if (what < 970)
        simdisk_set_capacity(W->sd, roll(2) ? 1 : -1);
    else if (what < 990)
        flights_wait();
    else if (sm_is(&m->part->sm, PART_OPEN) && !W->st->shards[m->part->shard->index].failed)
        model_check(m, false);
    flights_collect();
}

/* ---- lives */

static void faults_draw(void)
{
    simdisk_set_fault(W->sd, SIMDISK_EIO_SYNC, roll(5) == 0 ? 0.003 : 0);
    simdisk_set_fault(W->sd, SIMDISK_EIO_WRITE, roll(6) == 0 ? 0.002 : 0);
    simdisk_set_fault(W->sd, SIMDISK_EIO_READ, 0);
}

/* Only the batches can tell of the producers then. */
static int snapshot_lose(void *arg, const char *name, bool is_dir)
{
    const char *dot = strrchr(name, '.');
    char path[400];
    if (is_dir || !dot || strcmp(dot, ".producers") != 0)
        return 0;
    snprintf(path, sizeof path, "%s/%s", (const char *)arg, name);
    return disk_unlink(W->disk, path);
}

static void snapshots_lose(const struct model *m)
{
    char dir[200], id[UUID_TEXT];
    uuid_format(world_topic(m->topic), id);
    snprintf(dir, sizeof dir, "/data/topics/%s/0", id);
    if (disk_list(W->disk, dir, snapshot_lose, dir) == 0)
        CHECK(disk_sync_dir(W->disk, dir) == 0);
}

static void life_end(void)
{
    if (roll(5) == 0) {
        flights_wait();
        sim_run_idle(W->sim);
        for (int i = 0; i < PARTS; i++) {
            for (int k = 0; k < VIEWS; k++)
                held_drop(&models[i].held[k]);
            part_release(models[i].part);
        }
        world_close(W);
    } else {
        for (int i = 0; i < PARTS; i++)
            memset(models[i].held, 0, sizeof models[i].held);
        flights_drop();
        world_crash(W, roll(4) == 0 ? SIMDISK_KILL : roll(2) ? SIMDISK_LOSE : SIMDISK_CRASH);
        told_crashes++;
    }
    world_heal(W);
}

static void life_begin(void)
{
    for (int i = 0; i < PARTS; i++)
        if (roll(4) == 0)
            snapshots_lose(&models[i]);
    world_begin(W, &dice, 3);
    for (int i = 0; i < PARTS; i++) {
        models[i].part = world_part(W, models[i].topic, 0);
        model_check(&models[i], true); /* before it is compacted: what is unknown becomes known */
        model_check_producers(&models[i]);
        conf_random(&models[i]);
    }
}

/* Everything closed, synced and compacted: what is left is what the model says, and no more. */
static void converge(struct model *m)
{
    flights_wait();
    m->conf.dirty_ratio = 0;
    m->conf.lag_min_ms = 0;
    part_set_conf(m->part, &m->conf);
    struct part *p = m->part;
    for (unsigned k = 1; k <= PIDS; k++)
        if (m->producer[k - 1].txn)
            marker_start(m, k, &flights[k]);
    flights_wait();
    for (int tries = 0; tries < 400 && (!p->list || p->list->n > 0); tries++) {
        (void)part_roll(p);
        part_compact(p);
        sim_run_until(W->sim, sim_now_us(W->sim) + 2000000);
        if (p->clean.known && p->list && p->pos == 0 && p->clean.first_dirty == p->next_offset)
            break;
        CHECK(tries < 399);
    }
    told_passes++;
    model_check(m, false);
}

static void seed_run(uint64_t seed)
{
    random_seed(&dice, seed);
    world_init(W, seed);
    W->conf.wal_append_max = 200 << roll(5);
    W->conf.producer_expiration_ms = INT64_MAX / 2;
    W->conf.cleaner_buffer = roll(3) ? 1 << 16 : 1024; /* ten keys and some a shard: several passes */
    W->conf.cleaner_backoff_ms = 1000;
    W->conf.cleaner_rate = roll(3) ? INT64_MAX : 100000;
    keys = 2 + (unsigned)roll(KEYS_MAX - 2);
    retention_ms = roll(3) ? 60000 : roll(2) ? 0 : 86400000;
    memset(models, 0, sizeof models);
    memset(flights, 0, sizeof flights);
    for (unsigned i = 0; i < PARTS; i++)
        models[i].topic = i;
    for (uint64_t lives = 2 + roll(5); lives-- > 0;) {
        life_begin();
        faults_draw();
        for (uint64_t ops = roll(500); ops-- > 0;)
            op_any();
        life_end();
    }
    life_begin();
    for (int i = 0; i < PARTS; i++)
        converge(&models[i]);
    world_crash(W, SIMDISK_LOSE);
    life_begin();
    world_crash(W, SIMDISK_KILL);
    for (int i = 0; i < PARTS; i++) {
        xfree(models[i].batch);
        xfree(models[i].txn);
    }
    world_fini(W);
}

/* A dead node's memory is the operating system's affair. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

int main(void)
{
    trace_level = getenv("WEIR_TRACE") ? DEBUG : ERROR;
    int64_t rounds = seeds_run(200, seed_run);
    printf("%" PRId64 " seeds: %" PRIu64 " acknowledged, %" PRIu64 " times one was missing, %" PRIu64
           " of them tombstones, %" PRIu64 " aborted, %" PRIu64 " markers, %" PRIu64 " converged, %" PRIu64 " old views, %" PRIu64 " crashes\n",
           rounds, told_acked, told_dropped, told_tombstones, told_aborted, told_markers, told_passes, told_held, told_crashes);
    return 0;
}
