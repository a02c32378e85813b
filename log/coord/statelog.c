/* An internal topic as a map of states.
 *
 * Each loop has a slot for each partition and fills those it owns, as the images say: a part that appears is replayed
 * (read by a worker, taken in by the loop, a piece at a time), one that goes is closed. Asks come from any loop: they
 * look the partition up in the newest image and go to its owner, which may see the topic before its own subscription
 * has told it; so either of the two begins the replay. */
#include "log/coord/statelog.h"
#include "log/base/limits.h"
#include "log/base/map.h"
#include "log/base/sm.h"
#include "log/base/trace.h"
#include <stdio.h>

enum { LP_LOADING, LP_LOADED, LP_FAILED, LP_GONE };
static const struct sm_state lp_states[] = {
    [LP_LOADING] = {"loading", TO(LP_LOADED) | TO(LP_FAILED) | TO(LP_GONE)},
    [LP_LOADED] = {"loaded", TO(LP_GONE)},
    [LP_FAILED] = {"failed", TO(LP_GONE)},
    [LP_GONE] = {"gone", 0},
};

/* What the log remembers of a transactional producer: the sequence of its next batch. */
struct sequence {
    int16_t epoch;
    int32_t next;
    int64_t used_ms;
};

struct statelog_part {
    struct statelog *sl;
    struct loop *loop;
    struct part *part;
    int32_t index;
    struct sm sm;
    void *state;
    unsigned holds;    /* writes, reads, the watch, and whoever asked for it */
    bool long_load;    /* there is something to replay */
    struct list asks;  /* statelog_ask.link */
    struct map seqs;   /* producer id -> struct sequence */
    size_t seqs_sweep; /* forget idle ones when there are so many */
    /* the replay */
    struct watch watch;
    struct work work;
    struct view *view;
    struct buf *buf;
    int64_t offset, upto;
    int32_t epoch; /* the partition's leader epoch */
    int rc;
};
struct slot_table { /* of one loop */
    struct statelog *sl;
    struct loop *loop;
    struct statelog_part **parts; /* NULL: not owned, or not seen yet */
    struct uuid topic;
    struct cluster_sub sub;
    /* making the topic */
    bool creating;
    struct change change;
    struct commit commit;
    struct list waiting; /* statelog_ask.link */
};
struct statelog {
    struct statelog_conf conf;
    int32_t nparts;
    struct slot_table *tables;
};

int32_t statelog_nparts(const struct statelog *sl) { return sl->nparts; }
const char *statelog_topic(const struct statelog *sl) { return sl->conf.cls->topic; }
struct loop *statelog_part_loop(const struct statelog_part *lp) { return lp->loop; }
int32_t statelog_part_index(const struct statelog_part *lp) { return lp->index; }
int32_t statelog_part_epoch(const struct statelog_part *lp) { return lp->epoch; }

/* One code point of UTF-8; bytes that are none count as Java's replacement character, one each. */
static uint32_t utf8_next(struct str *s)
{
    const uint8_t *p = (const uint8_t *)s->ptr;
    unsigned n = p[0] < 0x80                        ? 1
                 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
                 : (p[0] & 0xf0) == 0xe0       ? 3
                 : (p[0] & 0xf8) == 0xf0       ? 4
                                               : 0;
    uint32_t c = n == 1 ? p[0] : n == 2 ? p[0] & 0x1f : n == 3 ? p[0] & 0x0f : p[0] & 0x07;
    bool good = n > 0 && n <= s->len;
    for (unsigned i = 1; good && i < n; i++) {
        good = (p[i] & 0xc0) == 0x80;
        c = c << 6 | (p[i] & 0x3f);
    }
    if (!good) {
        c = 0xfffd;
        n = 1;
    }
    *s = (struct str){s->ptr + n, s->len - n};
    return c;
}

int32_t statelog_index(const struct statelog *sl, struct str key)
{
    uint32_t h = 0;
    while (key.len) {
        uint32_t c = utf8_next(&key);
        if (c >= 0x10000) {
            h = 31 * h + (0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        h = 31 * h + c;
    }
    return (int32_t)((h & 0x7fffffff) % (uint32_t)sl->nparts);
}

/* ---- life of a part */

static void lp_free(struct statelog_part *lp)
{
    size_t i = 0;
    for (struct sequence *q; (q = map_next(&lp->seqs, &i));)
        xfree(q);
    map_fini(&lp->seqs);
    if (lp->state)
        lp->sl->conf.cls->close(lp->state);
    if (lp->view)
        counted_release(&lp->view->c);
    buf_release(lp->buf);
    part_release(lp->part);
    xfree(lp);
}

void statelog_hold(struct statelog_part *lp) { lp->holds++; }

void statelog_drop(struct statelog_part *lp)
{
    CHECK(lp->holds > 0);
    if (--lp->holds == 0 && sm_is(&lp->sm, LP_GONE))
        lp_free(lp);
}

static void lp_answer(struct statelog_part *lp, bool patient_too, int16_t error)
{
    LIST_EACH_SAFE(l, &lp->asks) {
        struct statelog_ask *ask = container_of(l, struct statelog_ask, link);
        if (ask->wait && !patient_too)
            continue;
        list_remove(l);
        ask->ask_cb(ask, error ? NULL : lp, error ? NULL : lp->state, error);
    }
}

static void lp_go(struct statelog_part *lp)
{
    statelog_hold(lp);
    sm_move(&lp->sm, LP_GONE);
    lp_answer(lp, true, K_COORDINATOR_NOT_AVAILABLE);
    statelog_drop(lp);
}

static void lp_fail(struct statelog_part *lp, int rc)
{
    trace(ERROR, "coord", "load_failed topic=%s part=%d offset=%lld error=%s: what it held is not served",
          statelog_topic(lp->sl), lp->index, (long long)lp->offset, err_name(rc));
    sm_move(&lp->sm, LP_FAILED);
    lp_answer(lp, true, K_COORDINATOR_NOT_AVAILABLE);
}

/* ---- sequences of transactional batches */

static struct str sequence_key(const int64_t *pid) { return (struct str){(const char *)pid, sizeof *pid}; }

/* The store has long forgotten a producer that we have not heard of for two days: then any sequence will do. */
static void sequences_sweep(struct statelog_part *lp, int64_t now_ms)
{
    enum { FORGET_MS = 2 * 86400000, SWEEP_MIN = 64 };
    struct sequence *q;
    struct map kept;
    map_init(&kept);
    size_t i = 0;
    for (struct str key; (key = map_next_key(&lp->seqs, &i, (void **)&q)).ptr;)
        if (now_ms - q->used_ms > FORGET_MS)
            xfree(q);
        else
            map_put(&kept, key, q);
    map_fini(&lp->seqs);
    lp->seqs = kept;
    lp->seqs_sweep = MAX(2 * kept.len, (size_t)SWEEP_MIN);
}

static struct sequence *sequence_of(struct statelog_part *lp, int64_t pid, int16_t epoch)
{
    int64_t now_ms = loop_wall_ms(lp->loop);
    struct sequence *q = map_get(&lp->seqs, sequence_key(&pid));
    if (!q) {
        if (lp->seqs.len >= lp->seqs_sweep)
            sequences_sweep(lp, now_ms);
        q = xzalloc(sizeof *q);
        q->epoch = epoch;
        map_put(&lp->seqs, sequence_key(&pid), q);
    }
    if (epoch > q->epoch)
        *q = (struct sequence){.epoch = epoch};
    q->used_ms = now_ms;
    return q;
}

/* After 2^31-1 comes 0. */
static int32_t sequence_after(int32_t seq, int32_t n) { return (int32_t)(((uint32_t)seq + (uint32_t)n) & 0x7fffffff); }

/* ---- replay */

static void load_step(struct statelog_part *lp);

static int replay_control(struct statelog_part *lp, const struct recbatch *rb)
{
    struct recbatch_marker m;
    int rc = recbatch_marker_read(rb, &m);
    if (rc == 0)
        lp->sl->conf.cls->marker(lp->state, rb->producer_id, rb->producer_epoch, m.commit);
    return rc == E_UNSUPPORTED ? 0 : rc; /* another kind of control record */
}

static int replay_batch(struct statelog_part *lp, const struct recbatch *rb)
{
    struct recbatch_iter it;
    struct record rec;
    if (rb->attributes & RECBATCH_CONTROL)
        return rb->count ? replay_control(lp, rb) : 0;
    int rc = recbatch_iter(&it, rb, NULL, NULL, 0);
    if (rc < 0)
        return rc;
    while (recbatch_next(&it, &rec))
        if (rec.offset >= lp->offset)
            lp->sl->conf.cls->record(lp->state, rb, &rec);
    return recbatch_iter_err(&it);
}

static int replay_bytes(struct statelog_part *lp, struct str bytes)
{
    while (bytes.len) {
        struct recbatch rb;
        int rc = recbatch_peek(&rb, bytes);
        if (rc == 0)
            rc = recbatch_check_crc(&rb, bytes.ptr);
        if (rc == 0)
            rc = replay_batch(lp, &rb);
        if (rc < 0)
            return rc;
        if (rb.producer_id >= 0 && rb.base_sequence >= 0 && !(rb.attributes & RECBATCH_CONTROL)) {
            struct sequence *q = sequence_of(lp, rb.producer_id, rb.producer_epoch);
            if (q->epoch == rb.producer_epoch)
                q->next = sequence_after(rb.base_sequence, rb.last_offset_delta + 1);
        }
        lp->offset = recbatch_last_offset(&rb) + 1;
        bytes = (struct str){bytes.ptr + rb.size, bytes.len - rb.size};
    }
    return 0;
}

static void read_work(struct work *w)
{
    struct statelog_part *lp = container_of(w, struct statelog_part, work);
    struct slice s;
    lp->rc = view_read(lp->view, lp->offset, lp->upto, STATELOG_READ_BYTES, true, true, &s);
    if (lp->rc < 0 || s.len == 0)
        return;
    lp->buf = buf_new(s.len);
    lp->buf->len = s.len;
    int64_t n = slice_read(&s, 0, lp->buf->data, s.len, true);
    lp->rc = n < 0 ? (int)n : n < lp->buf->len ? E_CORRUPT : 0;
    slice_release(&s);
}

static void read_done(struct work *w)
{
    struct statelog_part *lp = container_of(w, struct statelog_part, work);
    struct buf *buf = lp->buf;
    lp->buf = NULL;
    if (sm_is(&lp->sm, LP_LOADING)) {
        int rc = lp->rc;
        if (rc == 0 && buf)
            rc = replay_bytes(lp, (struct str){(const char *)buf->data, buf->len});
        else if (rc == 0)
            lp->offset = lp->upto; /* compaction has left nothing up to the end */
        if (rc < 0)
            lp_fail(lp, rc);
        else
            load_step(lp);
    }
    buf_release(buf);
    statelog_drop(lp);
}

static void load_step(struct statelog_part *lp)
{
    if (lp->offset < lp->upto) {
        if (!lp->long_load) {
            lp->long_load = true;
            lp_answer(lp, false, K_COORDINATOR_LOADING);
        }
        statelog_hold(lp);
        lp->work = (struct work){.loop = lp->loop, .work_cb = read_work, .done_cb = read_done};
        loop_work(lp->loop, LANE_DISK, &lp->work);
        return;
    }
    counted_release(&lp->view->c);
    lp->view = NULL;
    sm_move(&lp->sm, LP_LOADED);
    statelog_hold(lp);
    lp->sl->conf.cls->loaded(lp->state);
    lp_answer(lp, true, K_NONE);
    statelog_drop(lp);
}

static void opened(struct watch *w, int status)
{
    struct statelog_part *lp = container_of(w, struct statelog_part, watch);
    if (sm_is(&lp->sm, LP_LOADING)) {
        lp->view = part_view(lp->part);
        if (status < 0 || !lp->view) {
            lp_fail(lp, status < 0 ? status : E_STORAGE);
        } else {
            lp->offset = lp->view->log_start;
            lp->upto = lp->view->high_watermark;
            lp->epoch = lp->view->leader_epoch;
            load_step(lp);
        }
    }
    statelog_drop(lp);
}

static struct statelog_part *lp_new(struct slot_table *t, int32_t index, struct part *part)
{
    struct statelog_part *lp = xzalloc(sizeof *lp);
    lp->sl = t->sl;
    lp->loop = t->loop;
    lp->part = part_acquire(part);
    lp->index = index;
    sm_init(&lp->sm, lp_states, "coord.statelog", LP_LOADING);
    list_init(&lp->asks);
    map_init(&lp->seqs);
    lp->state = t->sl->conf.cls->open(t->sl->conf.arg, lp);
    statelog_hold(lp);
    lp->watch = (struct watch){.loop = lp->loop, .part = part, .above = -1, .fired_cb = opened};
    part_watch(part, &lp->watch);
    return lp;
}

/* The part's own place, made at first need. */
static struct statelog_part *table_part(struct slot_table *t, int32_t index, struct part *part)
{
    struct statelog_part *lp = t->parts[index];
    if (lp && lp->part != part) { /* the topic was deleted and made again */
        t->parts[index] = NULL;
        lp_go(lp);
        lp = NULL;
    }
    if (!lp)
        lp = t->parts[index] = lp_new(t, index, part);
    return lp;
}

static void table_clear(struct slot_table *t)
{
    for (int32_t i = 0; i < t->sl->nparts; i++) {
        struct statelog_part *lp = t->parts[i];
        t->parts[i] = NULL;
        if (lp)
            lp_go(lp);
    }
}

static void image_news(struct cluster_sub *sub)
{
    struct slot_table *t = container_of(sub, struct slot_table, sub);
    struct image *im = cluster_image(t->sl->conf.cluster);
    const struct topic *topic = image_topic(im, str_of(statelog_topic(t->sl)));
    struct uuid id = topic ? topic->id : (struct uuid){{0}};
    if (!uuid_eq(id, t->topic)) {
        if (!topic)
            table_clear(t);
        t->topic = id;
        for (int32_t i = 0; topic && i < MIN(topic->nparts, t->sl->nparts); i++)
            if (part_owner(topic->parts[i]) == t->loop)
                table_part(t, i, topic->parts[i]);
            else if (t->parts[i]) {
                lp_go(t->parts[i]);
                t->parts[i] = NULL;
            }
    }
    counted_release(&im->c);
}

/* ---- asking */

static void ask_go(struct statelog_ask *ask);

static void ask_refused(struct msg *m)
{
    struct statelog_ask *ask = container_of(m, struct statelog_ask, msg);
    ask->ask_cb(ask, NULL, NULL, K_COORDINATOR_NOT_AVAILABLE);
}

static void ask_refuse(struct statelog_ask *ask)
{
    ask->msg.run_cb = ask_refused;
    loop_post(ask->loop, &ask->msg);
}

static void ask_arrive(struct msg *m)
{
    struct statelog_ask *ask = container_of(m, struct statelog_ask, msg);
    struct slot_table *t = &ask->sl->tables[loop_index(part_owner(ask->part))];
    struct statelog_part *lp = table_part(t, ask->index, ask->part);
    part_release(ask->part);
    ask->part = NULL;
    if (sm_is(&lp->sm, LP_LOADED))
        ask->ask_cb(ask, lp, lp->state, K_NONE);
    else if (sm_is(&lp->sm, LP_FAILED))
        ask->ask_cb(ask, NULL, NULL, K_COORDINATOR_NOT_AVAILABLE);
    else if (ask->wait || !lp->long_load)
        list_add_tail(&lp->asks, &ask->link);
    else
        ask->ask_cb(ask, NULL, NULL, K_COORDINATOR_LOADING);
}

static void created(struct commit *c, int status)
{
    struct slot_table *t = container_of(c, struct slot_table, commit);
    struct list waiting;
    list_init(&waiting);
    change_fini(&t->change);
    t->creating = false;
    if (status < 0 && status != E_EXISTS)
        trace(WARN, "coord", "create_failed topic=%s error=%s text=%s", statelog_topic(t->sl), err_name(status),
              c->diag.text);
    for (struct list *l; (l = list_pop(&t->waiting));)
        list_add_tail(&waiting, l);
    for (struct list *l; (l = list_pop(&waiting));) {
        struct statelog_ask *ask = container_of(l, struct statelog_ask, link);
        if (status < 0 && status != E_EXISTS)
            ask_refuse(ask);
        else
            ask_go(ask);
    }
}

static void topic_create(struct slot_table *t)
{
    static const struct topic_config configs[] = {
        {"cleanup.policy", "compact"},
        {"compression.type", "uncompressed"},
        {"segment.bytes", LIMIT_TEXT(STATELOG_SEGMENT_BYTES)},
    };
    struct uuid id;
    struct diag d;
    put_be64(id.b, loop_random(t->loop)); /* chance of the loop, so that a seed repeats a history */
    put_be64(id.b + 8, loop_random(t->loop));
    t->creating = true;
    change_init(&t->change);
    int rc = change_create_topic(&t->change, str_of(statelog_topic(t->sl)), &id, t->sl->nparts, configs,
                                 ARRAY_LEN(configs), &d);
    CHECK(rc == 0);
    t->commit = (struct commit){.from = t->loop, .change = &t->change, .done_cb = created};
    cluster_commit(t->sl->conf.cluster, &t->commit);
}

static void ask_go(struct statelog_ask *ask)
{
    struct statelog *sl = ask->sl;
    struct slot_table *t = &sl->tables[loop_index(ask->loop)];
    struct image *im = cluster_image(sl->conf.cluster);
    const struct topic *topic = image_topic(im, str_of(statelog_topic(sl)));
    if (!topic) {
        list_add_tail(&t->waiting, &ask->link);
        if (!t->creating)
            topic_create(t);
    } else if (ask->index >= topic->nparts) {
        ask_refuse(ask);
    } else {
        ask->part = part_acquire(topic->parts[ask->index]);
        ask->msg.run_cb = ask_arrive;
        loop_post(part_owner(ask->part), &ask->msg);
    }
    counted_release(&im->c);
}

void statelog_ask(struct statelog *sl, struct statelog_ask *ask)
{
    CHECK(ask->index >= 0 && ask->index < sl->nparts);
    ask->sl = sl;
    list_init(&ask->link);
    ask_go(ask);
}

void *statelog_each(struct statelog *sl, struct loop *loop, int32_t *iter, int16_t *error)
{
    struct slot_table *t = &sl->tables[loop_index(loop)];
    while (*iter < sl->nparts) {
        struct statelog_part *lp = t->parts[(*iter)++];
        if (lp && sm_is(&lp->sm, LP_LOADED))
            return lp->state;
        if (lp && sm_is(&lp->sm, LP_LOADING))
            *error = K_COORDINATOR_LOADING;
    }
    return NULL;
}

/* ---- appending */

/* Takes what is in w. */
static struct buf *buf_of(struct wbuf *w)
{
    struct buf *b = buf_new(w->len);
    memcpy(b->data, w->data, w->len);
    b->len = (uint32_t)w->len;
    wbuf_fini(w);
    return b;
}

static void written(struct append_set *set)
{
    struct statelog_write *w = container_of(set, struct statelog_write, set);
    struct statelog_part *lp = w->lp;
    buf_release(w->buf);
    w->buf = NULL;
    if (w->append.status < 0 && w->producer_id >= 0) {
        /* Later ones fail as well, for their sequence comes too early: the first that failed tells where to go on. */
        struct sequence *q = sequence_of(lp, w->producer_id, w->epoch);
        if (q->epoch == w->epoch && (int32_t)((uint32_t)q->next - (uint32_t)w->base_sequence) > 0)
            q->next = w->base_sequence;
    }
    w->guard = w->append.guard;
    w->done_cb(w, w->append.status);
    statelog_drop(lp);
}

void statelog_append(struct statelog_part *lp, struct statelog_write *w, const struct statelog_record *recs,
                     unsigned n)
{
    CHECK(n > 0);
    CHECK(!sm_is(&lp->sm, LP_LOADING));
    struct wbuf out;
    struct recbatch_builder b;
    wbuf_init(&out);
    recbatch_build(&b, &out, CODEC_NONE, NULL);
    int64_t now_ms = loop_wall_ms(lp->loop);
    for (unsigned i = 0; i < n; i++)
        recbatch_add(&b, now_ms, recs[i].key, recs[i].value, NULL, 0);
    if (w->producer_id >= 0) {
        struct sequence *q = sequence_of(lp, w->producer_id, w->epoch);
        b.producer_id = w->producer_id;
        b.producer_epoch = w->epoch;
        b.base_sequence = w->base_sequence = q->next;
        b.attributes |= RECBATCH_TXN;
        if (q->epoch == w->epoch)
            q->next = sequence_after(q->next, (int32_t)n);
    }
    CHECK(recbatch_finish(&b, NULL));
    w->lp = lp;
    w->buf = buf_of(&out);
    w->append = (struct append){.part = lp->part, .buf = w->buf, .bytes = w->buf->data, .len = w->buf->len,
                                .flags = w->flags, .guard = w->guard};
    w->set = (struct append_set){.from = lp->loop, .items = &w->append, .n = 1, .done_cb = written};
    statelog_hold(lp);
    store_append(lp->sl->conf.store, &w->set);
}

/* ---- markers */

static void mark_home(struct msg *msg)
{
    struct statelog_mark *m = container_of(msg, struct statelog_mark, msg);
    m->done_cb(m, m->status);
}

static void mark_end(struct statelog_mark *m, int status)
{
    m->status = status;
    m->msg.run_cb = mark_home;
    loop_post(m->from, &m->msg);
}

static void mark_written(struct append_set *set)
{
    struct statelog_mark *m = container_of(set, struct statelog_mark, set);
    struct statelog_part *lp = m->lp;
    buf_release(m->buf);
    if (m->append.status == 0)
        lp->sl->conf.cls->marker(lp->state, m->producer_id, m->epoch, m->commit);
    mark_end(m, m->append.status);
    statelog_drop(lp);
}

static void mark_arrive(struct statelog_ask *ask, struct statelog_part *lp, void *state, int16_t error)
{
    struct statelog_mark *m = container_of(ask, struct statelog_mark, ask);
    (void)state;
    if (error) {
        mark_end(m, E_BUSY);
        return;
    }
    struct wbuf w;
    wbuf_init(&w);
    recbatch_marker(&w, m->commit, m->producer_id, m->epoch, m->coordinator_epoch, loop_wall_ms(lp->loop));
    m->lp = lp;
    m->buf = buf_of(&w);
    m->append = (struct append){.part = lp->part, .buf = m->buf, .bytes = m->buf->data, .len = m->buf->len,
                                .flags = m->v2 ? APPEND_MARKER_V2 : APPEND_MARKER};
    m->set = (struct append_set){.from = lp->loop, .items = &m->append, .n = 1, .done_cb = mark_written};
    statelog_hold(lp);
    store_append(lp->sl->conf.store, &m->set);
}

void statelog_mark(struct statelog *sl, struct statelog_mark *m)
{
    m->sl = sl;
    m->ask = (struct statelog_ask){.index = m->index, .wait = true, .ask_cb = mark_arrive, .loop = m->from};
    statelog_ask(sl, &m->ask);
}

/* ---- opening */

void statelog_open(struct statelog **out, const struct statelog_conf *conf)
{
    struct statelog *sl = xzalloc(sizeof *sl);
    sl->conf = *conf;
    struct image *im = cluster_image(conf->cluster);
    const struct topic *topic = image_topic(im, str_of(conf->cls->topic));
    sl->nparts = topic ? topic->nparts : conf->nparts;
    counted_release(&im->c);
    sl->tables = xzalloc(conf->nloops * sizeof *sl->tables);
    for (unsigned i = 0; i < conf->nloops; i++) {
        struct slot_table *t = &sl->tables[i];
        t->sl = sl;
        t->loop = conf->loops[i];
        t->parts = xzalloc((size_t)sl->nparts * sizeof(struct statelog_part *));
        list_init(&t->waiting);
        t->sub = (struct cluster_sub){.loop = t->loop, .image_cb = image_news};
        cluster_subscribe(conf->cluster, &t->sub);
    }
    *out = sl;
}

void statelog_close(struct statelog *sl)
{
    if (!sl)
        return;
    for (unsigned i = 0; i < sl->conf.nloops; i++) {
        struct slot_table *t = &sl->tables[i];
        for (int32_t k = 0; k < sl->nparts; k++)
            if (t->parts[k])
                lp_free(t->parts[k]);
        if (t->creating)
            change_fini(&t->change);
        xfree(t->parts);
    }
    xfree(sl->tables);
    xfree(sl);
}
