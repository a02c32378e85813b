/* A store under random appends, faults and crashes, all from one seed: whatever happened, every acknowledged batch is
 * there once, byte for byte, at its offset and in order; what a reader saw stays; what was refused is not there; and
 * producers are remembered; and the last stable offset and the aborted transactions of any range are what reading all
 * of the log says, also when files of aborted transactions were deleted, cut or rotted between two lives. WEIR_SEED=n
 * build/sim_store runs one seed again, WEIR_TRACE=1 shows what the store says. */
#include "log/base/trace.h"
#include "tests/lib/seed.h"
#include "tests/unit/log/store/txnmodel.h"
#include "tests/unit/log/store/world.h"
#include <stdio.h>
#include <stdlib.h>

enum { PARTS = 6, FLIGHT = 24, WRITERS = 3 };
enum outcome { PENDING, ACKED, UNKNOWN, REFUSED };

struct batch {
    struct spec spec;
    int64_t base; /* if acked */
    enum outcome outcome;
};

/* A transactional producer. Each transaction has its own epoch. */
struct writer {
    int64_t pid;
    int16_t epoch;
    int32_t seq;
    bool open;
    bool failed; /* something of this epoch failed or may have: only a fence helps */
    unsigned in_flight;
};

struct model {
    struct part *part;
    unsigned topic;
    int32_t index;
    struct batch *batch;
    size_t n, cap;
    int64_t pid;
    int16_t epoch;
    int32_t seq;
    bool new_epoch;     /* something failed: sequences begin anew */
    int64_t seen_hw;    /* a view showed this */
    int64_t trimmed;    /* the log may begin here at most */
    unsigned in_flight;
    struct writer writers[WRITERS];
    struct txnmodel txns;
};

struct flight {
    struct one one;
    bool used, again;
    struct model *m;
    size_t batch;
};

static struct world world;
#define W (&world)
static struct random dice;
static struct model models[PARTS];
static struct flight flights[FLIGHT];
static unsigned topics;
static uint64_t marks;
static uint64_t told_aborted, told_committed;
static uint64_t told_acked, told_crashes, told_refused, told_unknown, told_dups;

static uint64_t roll(uint64_t n) { return random_below(&dice, n); }

/* ---- model */

static void model_init(struct model *m)
{
    *m = (struct model){.topic = topics++, .index = (int32_t)roll(3)};
    m->pid = 1000 + (int64_t)topics;
    for (int i = 0; i < WRITERS; i++)
        m->writers[i].pid = 1 + i;
}

static void model_fini(struct model *m)
{
    told_aborted += m->txns.naborted;
    told_committed += m->txns.committed;
    xfree(m->batch);
    txnmodel_fini(&m->txns);
}

static void model_attach(struct model *m)
{
    m->part = world_part(W, m->topic, m->index);
    struct part_conf pc;
    part_conf_default(&pc, &W->conf);
    pc.segment_bytes = 1500 << roll(4);
    part_set_conf(m->part, &pc);
}

static void spec_random(struct model *m, struct spec *sp)
{
    *sp = (struct spec){.n = 1 + (int)roll(4), .ts = (int64_t)roll(100000), .mark = ++marks};
    sp->bytes = roll(5) == 0 ? roll(1000 / (unsigned)sp->n) : roll(60);
    if (roll(4) == 0) /* not idempotent */
        return;
    if (m->new_epoch) {
        m->new_epoch = false;
        m->epoch++;
        m->seq = 0;
    }
    sp->pid = m->pid;
    sp->epoch = m->epoch;
    sp->seq = m->seq;
    m->seq += sp->n;
}

/* ---- appends in flight */

static struct writer *writer_of(struct model *m, const struct spec *sp)
{
    return sp->txn || sp->marker ? &m->writers[sp->pid - 1] : NULL;
}

static void txn_end(struct writer *wr, struct batch *b, int status, int64_t base)
{
    if (status == 0) {
        told_acked++;
        b->outcome = ACKED;
        b->base = base;
        return;
    }
    CHECK(status == E_STORAGE || status == E_FULL || status == E_SEQUENCE || status == E_TXN_UNVERIFIED ||
          status == E_TXN_STATE || status == E_PRODUCER_EPOCH);
    wr->failed = true;
    b->outcome = status == E_STORAGE ? UNKNOWN : REFUSED;
}

static void flight_end(struct flight *f)
{
    struct model *m = f->m;
    struct batch *b = &m->batch[f->batch];
    int status = f->one.a.status;
    int64_t base = f->one.a.base_offset;
    f->used = false;
    m->in_flight--;
    struct writer *wr = writer_of(m, &b->spec);
    if (wr) {
        wr->in_flight--;
        txn_end(wr, b, status, base);
        return;
    }
    if (f->again) { /* a repetition: the same answer, or refused because later ones came between */
        told_dups++;
        if (status == 0 && b->outcome == ACKED)
            CHECK(base == b->base);
        CHECK(status == 0 || status == E_SEQUENCE || status == E_PRODUCER_EPOCH || status == E_STORAGE ||
              status == E_FULL);
        if (status == 0) {
            b->outcome = ACKED;
            b->base = base;
        }
        return;
    }
    if (status == 0) {
        told_acked++;
        b->outcome = ACKED;
        b->base = base;
        return;
    }
    m->new_epoch = true;
    bool unknown = status == E_STORAGE;
    CHECK(unknown || status == E_FULL || status == E_SEQUENCE || status == E_PRODUCER_EPOCH);
    b->outcome = unknown ? UNKNOWN : REFUSED;
    told_unknown += unknown;
    told_refused += !unknown;
}

static void flights_collect(void)
{
    for (int i = 0; i < FLIGHT; i++) {
        struct flight *f = &flights[i];
        if (f->used && f->one.done) {
            buf_release(f->one.buf);
            flight_end(f);
        }
    }
}

static void flights_wait(void)
{
    for (int i = 0; i < FLIGHT; i++)
        while (flights[i].used && !flights[i].one.done)
            CHECK(sim_step(W->sim));
    flights_collect();
}

/* The process is gone: what was in flight may or may not have happened. */
static void flights_drop(void)
{
    for (int i = 0; i < FLIGHT; i++) {
        struct flight *f = &flights[i];
        if (!f->used)
            continue;
        f->used = false;
        f->m->in_flight--;
        struct batch *b = &f->m->batch[f->batch];
        struct writer *wr = writer_of(f->m, &b->spec);
        if (wr) {
            wr->in_flight--;
            wr->failed = true;
        }
        if (b->outcome == PENDING)
            b->outcome = UNKNOWN;
        buf_release(f->one.buf);
    }
}

static void append_start(struct model *m, size_t batch, bool again)
{
    for (int i = 0; i < FLIGHT; i++) {
        struct flight *f = &flights[i];
        if (f->used)
            continue;
        *f = (struct flight){.used = true, .again = again, .m = m, .batch = batch};
        f->one.buf = spec_build(&m->batch[batch].spec);
        f->one.a = (struct append){.part = m->part, .buf = f->one.buf, .bytes = f->one.buf->data,
                                   .len = f->one.buf->len, .flags = m->batch[batch].spec.flags};
        m->in_flight++;
        one_submit(W, &f->one, W->loops[m->topic % W->nloops]);
        return;
    }
    CHECK(false);
}

static bool flights_full(void)
{
    for (int i = 0; i < FLIGHT; i++)
        if (!flights[i].used)
            return false;
    return true;
}

static void op_append(struct model *m)
{
    if (flights_full())
        flights_wait();
    struct batch *b = &VEC_PUSH(m->batch, m->n, m->cap);
    *b = (struct batch){.base = -1};
    spec_random(m, &b->spec);
    append_start(m, m->n - 1, false);
}

static void txn_append(struct model *m, struct writer *wr, struct spec sp)
{
    if (flights_full())
        flights_wait();
    struct batch *b = &VEC_PUSH(m->batch, m->n, m->cap);
    sp.mark = ++marks;
    sp.ts = (int64_t)roll(100000);
    *b = (struct batch){.base = -1, .spec = sp};
    wr->in_flight++;
    append_start(m, m->n - 1, false);
}

/* Ends the transaction, or after a failure whatever may be open: the marker's epoch is above all that may be known. */
static void txn_marker(struct model *m, struct writer *wr)
{
    bool commit = !wr->failed && roll(2);
    wr->epoch++;
    wr->seq = 0;
    wr->open = wr->failed = false;
    txn_append(m, wr, (struct spec){.n = 1, .pid = wr->pid, .epoch = wr->epoch, .marker = commit ? COMMIT : ABORT,
                                    .flags = APPEND_MARKER_V2});
}

static void op_txn(struct model *m)
{
    struct writer *wr = &m->writers[roll(WRITERS)];
    if (wr->failed || (wr->open && roll(3) == 0)) {
        txn_marker(m, wr);
        return;
    }
    struct spec sp = {.n = 1 + (int)roll(3), .bytes = roll(100), .pid = wr->pid, .epoch = wr->epoch, .seq = wr->seq,
                      .txn = true, .flags = wr->open ? 0 : APPEND_VERIFIED};
    wr->open = true;
    wr->seq += sp.n;
    txn_append(m, wr, sp);
}

static void op_again(struct model *m)
{
    if (!m->n || flights_full())
        return;
    size_t i = m->n - 1 - roll(MIN(m->n, (size_t)8));
    if (m->batch[i].spec.pid == m->pid && m->batch[i].outcome == ACKED)
        append_start(m, i, true);
}

/* ---- what the log says */

/* The batch whose bytes these are; they must be exactly what was appended. */
static size_t batch_find(const struct model *m, const struct recbatch *rb, const uint8_t *bytes, size_t from)
{
    for (size_t i = from; i < m->n; i++) {
        const struct spec *sp = &m->batch[i].spec;
        if (sp->n != rb->count || sp->ts != rb->base_ts || (sp->pid ? sp->pid : -1) != rb->producer_id)
            continue;
        struct buf *b = spec_build(sp);
        recbatch_stamp(b->data, rb->base_offset, 0);
        bool same = b->len == rb->size && memcmp(b->data, bytes, rb->size) == 0;
        buf_release(b);
        if (same)
            return i;
    }
    CHECK(false); /* bytes that nobody appended, or twice, or out of order */
}

struct check {
    struct model *m;
    bool *found;
    size_t next; /* batches appear in the order of their submission */
    int64_t offset;
};

static void check_slice(struct check *ck, const struct slice *s)
{
    uint8_t *bytes = xalloc(s->len);
    CHECK(slice_read(s, 0, bytes, s->len, true) == s->len);
    struct recbatch rb;
    for (uint32_t at = 0; at < s->len; at += rb.size) {
        CHECK(recbatch_peek(&rb, (struct str){(char *)bytes + at, s->len - at}) == 0);
        CHECK(rb.base_offset <= ck->offset && recbatch_last_offset(&rb) >= ck->offset);
        size_t i = batch_find(ck->m, &rb, bytes + at, ck->next);
        const struct batch *b = &ck->m->batch[i];
        CHECK(b->outcome != REFUSED);
        CHECK(b->outcome != ACKED || b->base == rb.base_offset);
        ck->found[i] = true;
        ck->next = i + 1;
        ck->offset = recbatch_last_offset(&rb) + 1;
    }
    xfree(bytes);
}

/* Reads the whole log of a quiet partition. settle: unknown outcomes become known. */
static void model_check(struct model *m, bool settle)
{
    struct view *v = world_view(W, m->part);
    CHECK(v);
    CHECK(v->high_watermark >= m->seen_hw);
    CHECK(v->log_start <= m->trimmed);
    struct check ck = {m, xzalloc(m->n + 1), 0, v->log_start};
    while (ck.offset < v->high_watermark) {
        struct slice s;
        int err = view_read(v, ck.offset, INT64_MAX, 1 + (uint32_t)roll(3000), true, true, &s);
        CHECK(err == 0);
        CHECK(s.len > 0);
        check_slice(&ck, &s);
        slice_release(&s);
    }
    for (size_t i = 0; i < m->n; i++) {
        struct batch *b = &m->batch[i];
        bool trimmed = b->outcome == ACKED && b->base + b->spec.n <= v->log_start;
        CHECK(b->outcome != ACKED || ck.found[i] || trimmed);
        if (settle && b->outcome == UNKNOWN && !ck.found[i])
            b->outcome = REFUSED; /* it is not there now, so it never will be */
    }
    m->seen_hw = v->high_watermark;
    txnmodel_check(&m->txns, v, &dice);
    xfree(ck.found);
    counted_release(&v->c);
}

/* The last batch of the producer that the log holds must be known as such: it is a duplicate, what follows is
 * welcome, and a gap is not. */
static void model_check_producer(struct model *m)
{
    size_t last = m->n;
    for (size_t i = 0; i < m->n; i++)
        if (m->batch[i].outcome != REFUSED && m->batch[i].spec.pid == m->pid)
            last = i;
    if (last == m->n)
        return;
    struct batch *b = &m->batch[last];
    int64_t base;
    CHECK(world_append(W, m->part, &b->spec, &base) == 0);
    CHECK(b->outcome != ACKED || base == b->base);
    b->outcome = ACKED;
    b->base = base;
    struct spec gap = {.n = 1, .pid = m->pid, .epoch = b->spec.epoch, .seq = b->spec.seq + b->spec.n + 1};
    CHECK(world_append(W, m->part, &gap, NULL) == E_SEQUENCE);
    m->epoch = b->spec.epoch;
    m->seq = b->spec.seq + b->spec.n;
    m->new_epoch = false;
    op_append(m);
    flights_wait();
    CHECK(m->batch[m->n - 1].outcome == ACKED);
}

/* An open transaction of which nothing failed goes on after a restart, without anybody being asked; and it is still in
 * the way of what does not belong to it. */
static void model_check_writers(struct model *m)
{
    for (int i = 0; i < WRITERS; i++) {
        struct writer *wr = &m->writers[i];
        if (!wr->open || wr->failed)
            continue;
        CHECK(world_append(W, m->part, &(struct spec){.n = 1, .pid = wr->pid, .epoch = wr->epoch, .seq = wr->seq},
                           NULL) == E_TXN_STATE);
        struct spec sp = {.n = 1, .pid = wr->pid, .epoch = wr->epoch, .seq = wr->seq, .txn = true};
        wr->seq++;
        txn_append(m, wr, sp);
        flights_wait();
        CHECK(m->batch[m->n - 1].outcome == ACKED);
    }
}

static void sample(struct model *m)
{
    struct view *v = part_view(m->part);
    if (!v)
        return;
    m->seen_hw = MAX(m->seen_hw, v->high_watermark);
    txnmodel_check(&m->txns, v, &dice);
    for (size_t i = 0; i < m->n; i++) /* nobody is told before a reader can see it */
        CHECK(m->batch[i].outcome != ACKED || m->batch[i].base + m->batch[i].spec.n <= v->high_watermark);
    counted_release(&v->c);
}

/* ---- operations */

static void op_trim(struct model *m)
{
    struct view *v = part_view(m->part);
    if (!v)
        return;
    txnmodel_check(&m->txns, v, &dice); /* the model must have read what goes */
    int64_t to = v->log_start + (int64_t)roll((uint64_t)(v->high_watermark - v->log_start) + 1);
    counted_release(&v->c);
    if (part_trim(m->part, to) == 0)
        m->trimmed = MAX(m->trimmed, to);
}

static void op_retain(struct model *m)
{
    sample(m);
    struct part_conf pc;
    part_conf_default(&pc, &W->conf);
    pc.segment_bytes = 1500 << roll(4);
    pc.retention_bytes = (int64_t)roll(20000);
    if (roll(8) == 0)
        pc.retention_ms = 0;
    part_set_conf(m->part, &pc);
    part_retain(m->part, loop_wall_ms(W->loops[0]));
    struct view *v = part_view(m->part);
    if (v) {
        m->trimmed = MAX(m->trimmed, v->log_start);
        counted_release(&v->c);
    }
    pc.retention_bytes = pc.retention_ms = -1;
    part_set_conf(m->part, &pc);
}

static void op_delete(struct model *m)
{
    flights_wait();
    part_delete(m->part);
    part_release(m->part);
    model_fini(m);
    model_init(m);
    model_attach(m);
}

static void op_reattach(struct model *m)
{
    flights_wait();
    sim_run_idle(W->sim);
    sample(m);
    part_release(m->part);
    sim_run_idle(W->sim);
    model_attach(m);
}

static void faults_draw(void)
{
    /* Swarm: each kind is off in most lives, so that deep states are reached. */
    simdisk_set_fault(W->sd, SIMDISK_EIO_SYNC, roll(4) == 0 ? 0.005 : 0);
    simdisk_set_fault(W->sd, SIMDISK_EIO_WRITE, roll(6) == 0 ? 0.003 : 0);
}

static void op_any(void)
{
    struct model *m = &models[roll(PARTS)];
    uint64_t what = roll(1000);
    if (what < 350)
        op_append(m);
    else if (what < 600)
        op_txn(m);
    else if (what < 640)
        op_again(m);
    else if (what < 860)
        for (uint64_t n = roll(30); n-- > 0;)
            sim_step(W->sim);
    else if (what < 900)
        flights_wait();
    else if (what < 950)
        sample(m);
    else if (what < 970)
        op_trim(m);
    else if (what < 980)
        op_retain(m);
    else if (what < 990)
        simdisk_set_capacity(W->sd, roll(2) ? 1 : -1);
    else if (what < 994)
        op_delete(m);
    else
        op_reattach(m);
    flights_collect();
}

/* ---- lives */

static void life_end(void)
{
    if (roll(5) == 0) {
        flights_wait();
        sim_run_idle(W->sim);
        for (int i = 0; i < PARTS; i++) {
            sample(&models[i]);
            part_release(models[i].part);
        }
        world_close(W);
    } else {
        for (int i = 0; i < PARTS; i++)
            sample(&models[i]);
        flights_drop();
        world_crash(W, roll(4) == 0 ? SIMDISK_KILL : roll(2) ? SIMDISK_LOSE : SIMDISK_CRASH);
        told_crashes++;
    }
    world_heal(W);
}

/* What the log says of aborted transactions lies beside it in .txn files, which are copies: some are deleted, cut, or
 * rot. */
static uint64_t told_harmed;

static int harm_file(void *arg, const char *name, bool is_dir)
{
    const char *dir = arg;
    char path[600];
    size_t n = strlen(name);
    CHECK(snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path);
    if (is_dir)
        return disk_list(W->disk, path, harm_file, path);
    if (n < 4 || strcmp(name + n - 4, ".txn") || roll(3) == 0)
        return 0;
    struct file *f;
    told_harmed++;
    if (roll(3) == 0)
        return disk_unlink(W->disk, path);
    CHECK(disk_open(W->disk, path, FILE_WRITE, &f) == 0);
    int64_t size = file_size(f);
    bool cut = roll(2);
    if (cut && size > 0)
        CHECK(file_truncate(f, (int64_t)roll((uint64_t)size)) == 0);
    CHECK(file_sync(f) == 0);
    file_close(f);
    if (!cut && size > 0)
        CHECK(simdisk_flip(W->sd, path, (int64_t)roll((uint64_t)size), (unsigned)roll(8)) == 0);
    return 0;
}

static void harm_aborts(void)
{
    if (roll(3) == 0)
        CHECK(disk_list(W->disk, "/data/topics", harm_file, (void *)"/data/topics") == 0);
}

static void life_begin(void)
{
    world_begin(W, &dice, 4);
    for (int i = 0; i < PARTS; i++) {
        model_attach(&models[i]);
        if (roll(4) == 0 && models[i].n == 0)
            continue;
        model_check(&models[i], true);
        model_check_producer(&models[i]);
        model_check_writers(&models[i]);
    }
}

static void seed_run(uint64_t seed)
{
    random_seed(&dice, seed);
    world_init(W, seed);
    W->conf.wal_append_max = 200 << roll(5);
    W->conf.producer_expiration_ms = INT64_MAX / 2; /* idle steps pass hours */
    memset(models, 0, sizeof models);
    memset(flights, 0, sizeof flights);
    topics = 0;
    marks = 0;
    for (int i = 0; i < PARTS; i++)
        model_init(&models[i]);
    for (uint64_t lives = 2 + roll(5); lives-- > 0;) {
        life_begin();
        faults_draw();
        for (uint64_t ops = roll(400); ops-- > 0;)
            op_any();
        life_end();
        harm_aborts();
    }
    life_begin();
    world_crash(W, SIMDISK_KILL);
    for (int i = 0; i < PARTS; i++)
        model_fini(&models[i]);
    world_fini(W);
}

/* A dead node's memory is the operating system's affair. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }

int main(void)
{
    trace_level = getenv("WEIR_TRACE") ? DEBUG : ERROR;
    int64_t rounds = seeds_run(200, seed_run);
    printf("%" PRId64 " seeds: %" PRIu64 " acknowledged, %" PRIu64 " refused, %" PRIu64 " unknown, %" PRIu64
           " repeated, %" PRIu64 " crashes; transactions: %" PRIu64 " committed, %" PRIu64 " aborted; %" PRIu64 " files of aborts harmed\n",
           rounds, told_acked, told_refused, told_unknown, told_dups, told_crashes, told_committed, told_aborted, told_harmed);
    return 0;
}
