#include "tests/unit/log/store/world.h"

void world_init(struct world *w, uint64_t seed)
{
    *w = (struct world){.seed = seed, .sim = sim_new(seed), .sd = simdisk_new(seed ^ 0x9e3779b97f4a7c15u)};
    w->disk = simdisk_disk(w->sd);
    config_init(&w->conf);
    w->conf.wal_bytes = 65536;
    w->conf.wal_append_max = 4096;
    w->conf.log_segment_bytes = 4096;
    w->conf.log_index_interval = 256;
    w->conf.log_retention_ms = -1; /* the records of tests are as old as their numbers */
}

void world_fini(struct world *w)
{
    sim_free(w->sim);
    simdisk_free(w->sd);
    config_fini(&w->conf);
}

int world_open(struct world *w, unsigned nloops)
{
    w->nloops = nloops;
    for (unsigned i = 0; i < nloops; i++)
        w->loops[i] = sim_loop(w->sim, i);
    struct diag d = {0};
    return store_open(&w->st, w->disk, "/data", w->loops, nloops, &w->conf, &d);
}

void world_close(struct world *w)
{
    sim_run_idle(w->sim);
    store_close(w->st);
    w->st = NULL;
}

void world_crash(struct world *w, enum simdisk_end how)
{
    sim_crash(w->sim);
    simdisk_crash(w->sd, how);
    w->st = NULL;
}

void world_heal(struct world *w)
{
    for (int k = 0; k < SIMDISK_FAULTS; k++)
        simdisk_set_fault(w->sd, k, 0);
    simdisk_set_capacity(w->sd, -1);
}

void world_begin(struct world *w, struct random *dice, unsigned nloops_max)
{
    while (random_below(dice, 6) == 0) {
        simdisk_set_fault(w->sd, random_below(dice, 2) ? SIMDISK_EIO_WRITE : SIMDISK_EIO_SYNC, 0.1);
        if (world_open(w, 1 + (unsigned)random_below(dice, nloops_max)) == 0)
            for (uint64_t n = random_below(dice, 30); n-- > 0;)
                sim_step(w->sim);
        world_crash(w, random_below(dice, 2) ? SIMDISK_LOSE : SIMDISK_CRASH);
        world_heal(w);
    }
    CHECK(world_open(w, 1 + (unsigned)random_below(dice, nloops_max)) == 0);
}

struct store *world_real(const char *dir, const struct config *conf, struct loops *loops, struct loop **loop, unsigned n)
{
    struct store *st;
    struct diag d = {0};
    for (unsigned i = 0; i < n; i++)
        loop[i] = loops_get(loops, i);
    CHECK(store_open(&st, disk_real(), dir, loop, n, conf, &d) == 0);
    return st;
}

struct uuid world_topic(unsigned n)
{
    struct uuid id = {{0xbe, 0xef}};
    put_be32(id.b + 12, n + 1);
    return id;
}

struct part *world_part(struct world *w, unsigned topic, int32_t index)
{
    struct part_conf pc;
    part_conf_default(&pc, &w->conf);
    return part_new(w->st, world_topic(topic), index, "t", &pc);
}

static struct buf *marker_build(const struct spec *sp)
{
    struct wbuf out;
    wbuf_init(&out);
    recbatch_marker(&out, sp->marker == COMMIT, sp->pid, sp->epoch, sp->seq, sp->ts);
    struct buf *buf = buf_new(out.len);
    memcpy(buf->data, out.data, out.len);
    buf->len = (uint32_t)out.len;
    wbuf_fini(&out);
    return buf;
}

struct buf *spec_build(const struct spec *sp)
{
    if (sp->marker)
        return marker_build(sp);
    struct wbuf out, scratch;
    wbuf_init(&out);
    wbuf_init(&scratch);
    struct recbatch_builder b;
    recbatch_build(&b, &out, sp->codec, sp->codec ? &scratch : NULL);
    if (sp->pid) {
        b.producer_id = sp->pid;
        b.producer_epoch = sp->epoch;
        b.base_sequence = sp->seq;
        b.attributes |= sp->txn ? RECBATCH_TXN : 0;
    }
    size_t size = MAX(sp->bytes, (size_t)8);
    char *value = xzalloc(size);
    for (int i = 0; i < sp->n; i++) {
        put_be64(value, sp->mark);
        memset(value + 8, (int)(sp->mark + (uint64_t)i), size - 8);
        recbatch_add(&b, sp->ts + i, STR_NULL, (struct str){value, size}, NULL, 0);
    }
    struct compress *c = sp->codec ? compress_new() : NULL;
    CHECK(recbatch_finish(&b, c));
    compress_free(c);
    struct buf *buf = buf_new(out.len);
    memcpy(buf->data, out.data, out.len);
    buf->len = (uint32_t)out.len;
    xfree(value);
    wbuf_fini(&out);
    wbuf_fini(&scratch);
    return buf;
}

static void one_done(struct append_set *set) { container_of(set, struct one, set)->done = true; }

void one_submit(struct world *w, struct one *o, struct loop *from)
{
    o->set = (struct append_set){.from = from, .items = &o->a, .n = 1, .done_cb = one_done};
    store_append(w->st, &o->set);
}

void one_start(struct world *w, struct one *o, struct part *p, const struct spec *sp)
{
    *o = (struct one){.buf = spec_build(sp)};
    o->a = (struct append){.part = p, .buf = o->buf, .bytes = o->buf->data, .len = o->buf->len, .flags = sp->flags,
                           .guard = sp->guard};
    one_submit(w, o, w->loops[0]);
}

int one_wait(struct world *w, struct one *o)
{
    while (!o->done)
        CHECK(sim_step(w->sim));
    buf_release(o->buf);
    return o->a.status;
}

int world_append(struct world *w, struct part *p, const struct spec *sp, int64_t *base_offset)
{
    struct one o;
    one_start(w, &o, p, sp);
    int err = one_wait(w, &o);
    if (base_offset)
        *base_offset = o.a.base_offset;
    return err;
}

struct seen {
    struct watch watch;
    bool fired;
};

static void seen_cb(struct watch *watch, int status)
{
    (void)status;
    container_of(watch, struct seen, watch)->fired = true;
}

struct view *world_view(struct world *w, struct part *p)
{
    struct seen s = {.watch = {.loop = w->loops[0], .above = -1, .fired_cb = seen_cb}};
    part_watch(p, &s.watch);
    while (!s.fired)
        CHECK(sim_step(w->sim));
    return part_view(p);
}

/* Every recbatch of the slice; gives the next offset wanted, or an error. */
static int64_t slice_check(const struct slice *s, int64_t offset, uint64_t *marks, size_t cap, int64_t from)
{
    uint8_t *bytes = xalloc(s->len);
    int64_t got = slice_read(s, 0, bytes, s->len, true);
    CHECK(got == s->len);
    struct recbatch rb;
    for (uint32_t at = 0; at < s->len; at += rb.size) {
        CHECK(recbatch_peek(&rb, (struct str){(char *)bytes + at, s->len - at}) == 0);
        CHECK(recbatch_check_crc(&rb, bytes + at) == 0);
        CHECK(rb.base_offset <= offset && recbatch_last_offset(&rb) >= offset);
        struct recbatch_iter it;
        struct wbuf room;
        wbuf_init(&room);
        struct compress *c = compress_new();
        CHECK(recbatch_iter(&it, &rb, c, &room, 1 << 24) == 0);
        struct record rec;
        while (recbatch_next(&it, &rec)) {
            if (marks && !(rb.attributes & RECBATCH_CONTROL) && rec.offset >= from && (size_t)(rec.offset - from) < cap)
                marks[rec.offset - from] = be64(rec.value.ptr);
        }
        CHECK(recbatch_iter_err(&it) == 0);
        compress_free(c);
        wbuf_fini(&room);
        offset = recbatch_last_offset(&rb) + 1;
    }
    xfree(bytes);
    return offset;
}

int64_t world_read(struct world *w, struct part *p, int64_t offset, uint32_t max_bytes, uint64_t *marks, size_t cap)
{
    struct view *v = world_view(w, p);
    if (!v)
        return E_STORAGE;
    int64_t from = offset;
    while (offset < v->high_watermark) {
        struct slice s;
        int err = view_read(v, offset, INT64_MAX, max_bytes, true, true, &s);
        if (err) {
            counted_release(&v->c);
            return err;
        }
        CHECK(s.len > 0);
        offset = slice_check(&s, offset, marks, cap, from);
        slice_release(&s);
    }
    CHECK(offset == v->high_watermark);
    counted_release(&v->c);
    return offset - from;
}
