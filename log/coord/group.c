/* Life of groups: loading, time, writing, expiry, topics that go.
 *
 * Offsets change in memory only when their record is durable, by the same function that replays the log; so what a
 * restart finds is what was shown. A machine runs ahead of its record: what it hands out waits for the record where
 * that matters (assignments, a static member's new id). */
#include "log/coord/group.h"
#include "log/base/fault.h"
#include "log/base/limits.h"
#include "log/base/trace.h"
#include "log/coord/room.h"

struct groups_loop {
    struct groups *gs;
    struct loop *loop;
    struct timer expiry;
    struct cluster_sub sub;
    struct image *seen; /* NULL: none yet */
};
struct groups {
    struct coord *coord;
    struct group_conf machine;
    struct consumer_conf consumer;
    struct groups_loop *loops;
    bool closing;
};

const struct config *groups_config(const struct groups *gs) { return gs->coord->conf; }

/* ---- groups of a shard */

static void timer_fired(struct timer *t)
{
    struct group *g = container_of(t, struct group, timer);
    group_enter(g);
    group_state_tick(&g->st);
    if (g->consumer) {
        consumer_tick(g->consumer, g->st.now_ms);
        group_write_consumer(g);
    }
    group_leave(g);
}

static const struct group_out machine_out;

struct group *group_find(struct group_shard *sh, struct str id) { return map_get(&sh->groups, id); }

struct group *group_get(struct group_shard *sh, struct str id)
{
    struct group *g = group_find(sh, id);
    if (g)
        return g;
    g = xzalloc(sizeof *g);
    g->shard = sh;
    group_state_init(&g->st, id, &sh->gs->machine, &machine_out, g);
    group_offsets_init(&g->offsets);
    timer_init(&g->timer, sh->loop, timer_fired);
    list_init(&g->waiting);
    map_put(&sh->groups, id, g);
    return g;
}

static void consumer_free(struct group *g)
{
    if (g->consumer)
        consumer_fini(g->consumer);
    xfree(g->consumer);
    g->consumer = NULL;
}

static void group_free(struct group *g)
{
    CHECK(g->inflight == 0);
    timer_stop(&g->timer);
    consumer_free(g);
    group_state_fini(&g->st);
    group_offsets_fini(&g->offsets);
    xfree(g);
}

bool group_is_empty(const struct group *g)
{
    return group_state_is(&g->st, GROUP_EMPTY) && g->st.promised.len == 0 &&
           (!g->consumer || g->consumer->nmembers == 0);
}

bool group_reads(const struct group *g, struct str topic)
{
    return g->consumer ? consumer_reads(g->consumer, topic) : group_state_reads(&g->st, topic);
}

/* Nothing would be lost with it. */
static bool is_idle(const struct group *g)
{
    return g->inflight == 0 && group_is_empty(g) && list_empty(&g->waiting) && group_offsets_empty(&g->offsets);
}

static void drop(struct group *g)
{
    map_remove(&g->shard->groups, g->st.id);
    group_free(g);
}

void group_enter(struct group *g)
{
    group_state_clock(&g->st, loop_now_ms(g->shard->loop), loop_wall_ms(g->shard->loop));
}

void group_leave(struct group *g)
{
    if (is_idle(g) && g->st.generation == 0 && !g->st.protocol_type.ptr && !g->consumer) {
        drop(g);
        return;
    }
    int64_t next = MIN(group_state_next_ms(&g->st), g->consumer ? g->consumer->next_ms : INT64_MAX);
    int64_t now = loop_now_ms(g->shard->loop);
    if (next == INT64_MAX)
        timer_stop(&g->timer);
    else if (!timer_active(&g->timer) || g->timer.due_us > next * 1000)
        timer_start(&g->timer, MAX(next - now, 0));
}

/* ---- writing */

struct group_write *group_write_new(struct group *g, void (*done_cb)(struct group_write *, int), void *arg)
{
    struct group_write *gw = xzalloc(sizeof *gw);
    gw->done_cb = done_cb;
    gw->arg = arg;
    gw->g = g;
    gw->write.producer_id = -1;
    gw->write.epoch = -1;
    wbuf_init(&gw->bytes);
    return gw;
}

struct wbuf *group_write_key(struct group_write *gw)
{
    if (gw->n == gw->cap) {
        gw->cap = gw->cap ? 2 * gw->cap : 4;
        gw->ends = xrealloc(gw->ends, 2 * gw->cap * sizeof *gw->ends);
        gw->dead = xrealloc(gw->dead, gw->cap * sizeof *gw->dead);
    }
    return &gw->bytes;
}

void group_write_value(struct group_write *gw) { gw->ends[2 * gw->n] = (uint32_t)gw->bytes.len; }

void group_write_end(struct group_write *gw, bool dead)
{
    gw->ends[2 * gw->n + 1] = (uint32_t)gw->bytes.len;
    gw->dead[gw->n++] = dead;
}

static void write_key(struct group_write *gw, struct str topic, int32_t partition)
{
    struct group_key k = {gw->g->st.id, topic, partition};
    group_key_write(&k, group_write_key(gw));
    group_write_value(gw);
}

void group_write_offset(struct group_write *gw, struct str topic, int32_t partition, const struct offset_value *v)
{
    write_key(gw, topic, partition);
    offset_value_write(v, &gw->bytes);
    group_write_end(gw, false);
}

void group_write_tombstone(struct group_write *gw, struct str topic, int32_t partition)
{
    write_key(gw, topic, partition);
    group_write_end(gw, true);
}

void group_write_state(struct group_write *gw)
{
    write_key(gw, STR_NULL, 0);
    group_value_write(&gw->g->st, &gw->bytes);
    group_write_end(gw, false);
}

static struct statelog_record record_at(const struct group_write *gw, unsigned i)
{
    const char *p = (const char *)gw->bytes.data;
    uint32_t from = i ? gw->ends[2 * i - 1] : 0, key = gw->ends[2 * i], end = gw->ends[2 * i + 1];
    struct str value = {p + key, end - key};
    return (struct statelog_record){{p + from, key - from}, gw->dead[i] ? STR_NULL : value};
}

/* Groups by id, since a group may go before the marker comes. */
struct shard_txn {
    struct map groups;
};

static struct str pid_key(const int64_t *pid) { return (struct str){(const char *)pid, sizeof *pid}; }

static void shard_txn_note(struct group_shard *sh, int64_t producer_id, struct str group)
{
    struct shard_txn *txn = map_get(&sh->txns, pid_key(&producer_id));
    if (!txn) {
        txn = xzalloc(sizeof *txn);
        map_init(&txn->groups);
        map_put(&sh->txns, pid_key(&producer_id), txn);
    }
    map_put(&txn->groups, group, txn);
}

static void shard_txn_free(struct shard_txn *txn)
{
    map_fini(&txn->groups);
    xfree(txn);
}

static void apply_offset(struct group *g, const struct group_key *k, struct str value, int64_t producer_id, int64_t at)
{
    struct offset_value v;
    if (!value.ptr)
        group_offsets_remove(&g->offsets, k->topic, k->partition);
    else if (offset_value_read(&v, value) == 0) {
        if (BUG("offset_reload_expiry") && !g->shard->loaded)
            v.commit_ms = 0; /* KAFKA-8069 */
        group_offsets_put(&g->offsets, producer_id, k->topic, k->partition, &v, at);
        if (producer_id >= 0)
            shard_txn_note(g->shard, producer_id, g->st.id);
    } else
        trace(WARN, "coord", "bad_offset group=%.*s topic=%.*s part=%d at=%lld: skipped", STR_ARG(k->group),
              STR_ARG(k->topic), k->partition, (long long)at);
}

static void written(struct statelog_write *w, int status)
{
    struct group_write *gw = container_of(w, struct group_write, write);
    struct group *g = gw->g;
    for (unsigned i = 0; i < gw->n && status == 0; i++) {
        struct statelog_record rec = record_at(gw, i);
        struct consumer_record other;
        struct group_key k;
        if (consumer_key_read(&other, rec.key))
            continue;
        CHECK(group_key_read(&k, rec.key) == 0);
        if (k.topic.ptr)
            apply_offset(g, &k, rec.value, gw->write.producer_id, gw->write.append.base_offset + i);
    }
    g->inflight--;
    gw->done_cb(gw, status);
    wbuf_fini(&gw->bytes);
    xfree(gw->ends);
    xfree(gw->dead);
    xfree(gw);
}

void group_write_go(struct group_write *gw)
{
    struct statelog_record *recs = xzalloc(gw->n * sizeof *recs);
    for (unsigned i = 0; i < gw->n; i++)
        recs[i] = record_at(gw, i);
    gw->write.done_cb = written;
    gw->g->inflight++;
    statelog_append(gw->g->shard->lp, &gw->write, recs, gw->n);
    xfree(recs);
}

/* ---- groups of KIP-848 */

enum { CONSUMER_RECORDS = 500 }; /* in a batch: so none is larger than a topic takes */

static void write_consumer(struct group_write *gw, enum consumer_key kind, struct str member,
                           const struct consumer_member *m, bool dead)
{
    struct consumer_record rec = {kind, gw->g->st.id, member};
    consumer_key_write(&rec, group_write_key(gw));
    group_write_value(gw);
    if (!dead)
        consumer_value_write(gw->g->consumer, m, kind, &gw->bytes);
    group_write_end(gw, dead);
}

/* Of a group as a whole. */
static void write_tombstones(struct group_write *gw)
{
    if (!gw->g->consumer) {
        group_write_tombstone(gw, STR_NULL, 0);
        return;
    }
    write_consumer(gw, CONSUMER_TARGET, STR_NULL, NULL, true);
    write_consumer(gw, CONSUMER_GROUP, STR_NULL, NULL, true);
}

static void consumer_written(struct group_write *gw, int status)
{
    struct group *g = gw->g;
    g->done++;
    if (status < 0 && g->consumer)
        consumer_redo(g->consumer);
    group_call_consumed(g, status);
    group_enter(g);
    group_leave(g);
}

/* A batch that is full goes; what follows begins another one. */
static struct group_write *room(struct group *g, struct group_write *gw)
{
    if (gw && gw->n >= CONSUMER_RECORDS) {
        group_write_go(gw);
        gw = NULL;
    }
    if (!gw) {
        gw = group_write_new(g, consumer_written, NULL);
        g->asked++;
    }
    return gw;
}

/* The target's epoch comes behind all that it is made of: a target that is cut off by a crash is made again. */
void group_write_consumer(struct group *g)
{
    struct consumer *c = g->consumer;
    struct group_write *gw = NULL;
    if (!c || !consumer_dirty(c))
        return;
    for (unsigned i = 0; i < c->ngone; i++) {
        gw = room(g, gw);
        write_consumer(gw, CONSUMER_MEMBER_CURRENT, c->gone[i], NULL, true);
        write_consumer(gw, CONSUMER_MEMBER_TARGET, c->gone[i], NULL, true);
        write_consumer(gw, CONSUMER_MEMBER, c->gone[i], NULL, true);
    }
    if (c->dirty_epoch)
        write_consumer(gw = room(g, gw), CONSUMER_GROUP, STR_NULL, NULL, false);
    LIST_EACH (l, &c->members) {
        const struct consumer_member *m = container_of(l, struct consumer_member, link);
        if (m->dirty_self)
            write_consumer(gw = room(g, gw), CONSUMER_MEMBER, m->id, m, false);
        if (m->dirty_target)
            write_consumer(gw = room(g, gw), CONSUMER_MEMBER_TARGET, m->id, m, false);
    }
    if (c->dirty_target_epoch)
        write_consumer(gw = room(g, gw), CONSUMER_TARGET, STR_NULL, NULL, false);
    LIST_EACH (l, &c->members) {
        const struct consumer_member *m = container_of(l, struct consumer_member, link);
        if (m->dirty_current)
            write_consumer(gw = room(g, gw), CONSUMER_MEMBER_CURRENT, m->id, m, false);
    }
    consumer_clean(c);
    group_write_go(gw);
}

static void type_changed(struct group_write *gw, int status)
{
    (void)status; /* if it is not durable, the records that follow are not either */
    group_enter(gw->g);
    group_leave(gw->g);
}

/* Takes back the records of the type that it had. */
static void forget_type(struct group *g)
{
    struct group_write *gw = group_write_new(g, type_changed, NULL);
    write_tombstones(gw);
    group_write_go(gw);
}

static struct consumer *consumer_get(struct group *g)
{
    if (!g->consumer) {
        g->consumer = xzalloc(sizeof *g->consumer);
        consumer_init(g->consumer, g->st.id, &g->shard->gs->consumer);
    }
    return g->consumer;
}

bool group_make_consumer(struct group *g)
{
    if (!g->consumer && (!group_state_is(&g->st, GROUP_EMPTY) || g->st.promised.len))
        return false;
    if (!g->consumer && (g->st.generation || g->st.protocol_type.ptr)) {
        forget_type(g);
        group_state_load(&g->st, STR_NULL, 0, STR_NULL, 0);
    }
    consumer_get(g);
    return true;
}

bool group_make_classic(struct group *g)
{
    if (!g->consumer)
        return true;
    if (g->consumer->nmembers || !list_empty(&g->waiting))
        return false;
    forget_type(g);
    consumer_free(g);
    return true;
}

/* ---- erasing */

struct erase {
    struct group *g;
    unsigned left;
    int status;
    bool whole;
    void (*done_cb)(void *arg, int status);
    void *arg;
};

/* Whoever waits for a group that is going to be freed has been answered: it is empty. */
static void erase_done(struct erase *e)
{
    struct group *g = e->g;
    if (e->done_cb)
        e->done_cb(e->arg, e->status);
    if (e->whole && e->status == 0 && is_idle(g))
        drop(g);
    xfree(e);
}

static void erased(struct group_write *gw, int status)
{
    struct erase *e = gw->arg;
    e->status = e->status ? e->status : status;
    if (--e->left == 0)
        erase_done(e);
}

void group_erase(struct group *g, group_choose choose, void *choose_arg, bool whole,
                 void (*done_cb)(void *arg, int status), void *arg)
{
    struct erase *e = xzalloc(sizeof *e);
    struct group_write *gw = NULL;
    const struct group_offset *of;
    *e = (struct erase){.g = g, .left = 1, .whole = whole, .done_cb = done_cb, .arg = arg};
    for (size_t i = 0; (of = group_offsets_next(&g->offsets, &i)) != NULL;) {
        if (!choose(g, of, choose_arg))
            continue;
        if (!gw)
            gw = group_write_new(g, erased, e);
        group_write_tombstone(gw, of->topic, of->partition);
        if (gw->n == GROUP_TOMBSTONES) {
            e->left++;
            group_write_go(gw);
            gw = NULL;
        }
    }
    if (whole) {
        gw = gw ? gw : group_write_new(g, erased, e);
        write_tombstones(gw);
    }
    if (gw) {
        e->left++;
        group_write_go(gw);
    }
    if (--e->left == 0)
        erase_done(e);
}

/* ---- what the machines ask for */

struct stored {
    uint64_t ticket;
};

/* Kafka's word for a record of a group that could not be written. */
static int16_t store_error(int status)
{
    switch (status) {
    case 0:
        return K_NONE;
    case E_TOO_LARGE:
    case E_SEGMENT_SIZE:
        return K_UNKNOWN_SERVER;
    case E_NO_TOPIC:
        return K_COORDINATOR_NOT_AVAILABLE;
    default:
        return K_NOT_COORDINATOR;
    }
}

static void state_stored(struct group_write *gw, int status)
{
    struct group *g = gw->g;
    struct stored *s = gw->arg;
    group_enter(g);
    group_state_stored(&g->st, s->ticket, store_error(status));
    group_leave(g);
    xfree(s);
}

static void machine_store(void *arg, uint64_t ticket)
{
    struct group *g = arg;
    struct stored *s = xzalloc(sizeof *s);
    s->ticket = ticket;
    struct group_write *gw = group_write_new(g, state_stored, s);
    group_write_state(gw);
    group_write_go(gw);
}

static const struct group_out machine_out = {group_call_joined, group_call_synced, machine_store};

/* ---- expiry */

static bool is_old(const struct group *g, const struct group_offset *of, void *arg)
{
    const struct config *conf = groups_config(g->shard->gs);
    const struct group_state *st = &g->st;
    int64_t now = *(const int64_t *)arg, since = of->value.commit_ms;
    if ((of->npending && !BUG("offset_expire_pending")) || !of->committed)
        return false;
    if (g->consumer && consumer_reads(g->consumer, of->topic))
        return false;
    if (st->protocol_type.ptr && group_state_is(st, GROUP_EMPTY) && st->changed_ms > 0)
        since = MAX(since, st->changed_ms); /* a group that was in use begins to age when it is left */
    else if (st->protocol_type.ptr && !group_state_is(st, GROUP_EMPTY) &&
             (!group_state_is(st, GROUP_STABLE) || group_state_reads(st, of->topic)))
        return false;
    if (of->value.expire_ms >= 0)
        return now >= of->value.expire_ms;
    return now - since >= conf->offsets_retention_minutes * 60000;
}

static void group_expire(struct group *g, int64_t now)
{
    const struct group_offset *of;
    size_t old = 0;
    if (g->inflight)
        return; /* a commit on its way may make an old offset young */
    for (size_t i = 0; (of = group_offsets_next(&g->offsets, &i)) != NULL;)
        old += is_old(g, of, &now);
    bool whole = group_is_empty(g) && list_empty(&g->waiting) && old == g->offsets.all.len;
    if (old || whole)
        group_erase(g, is_old, &now, whole, NULL, NULL);
}

/* Erasing writes, which ends later: the map does not change meanwhile. */
static void expiry_fired(struct timer *t)
{
    struct groups_loop *gl = container_of(t, struct groups_loop, expiry);
    struct group_shard *sh;
    int64_t now = loop_wall_ms(gl->loop);
    int16_t error = 0;
    for (int32_t i = 0; (sh = statelog_each(gl->gs->coord->group_log, gl->loop, &i, &error)) != NULL;) {
        struct group *g;
        for (size_t k = 0; (g = map_next(&sh->groups, &k)) != NULL;)
            group_expire(g, now);
    }
    timer_start(t, gl->gs->coord->conf->offsets_check_ms);
}

/* ---- topics that go */

static bool is_gone(const struct group *g, const struct group_offset *of, void *arg)
{
    (void)g;
    const struct topic *t = image_topic(arg, of->topic);
    return !t || of->partition >= t->nparts;
}

struct renewed {
    const struct image *was, *is;
};

/* Gone, or another one of that name. */
static bool is_renewed(const struct group *g, const struct group_offset *of, void *arg)
{
    (void)g;
    const struct renewed *r = arg;
    const struct topic *was = image_topic(r->was, of->topic), *is = image_topic(r->is, of->topic);
    return was && (!is || !uuid_eq(was->id, is->id));
}

static bool any_gone(const struct image *was, const struct image *is)
{
    for (unsigned i = 0; i < was->ntopics; i++)
        if (!image_topic_by_id(is, was->topics[i]->id))
            return true;
    return false;
}

static void group_scan(struct group *g, group_choose choose, void *arg)
{
    const struct group_offset *of;
    bool found = false;
    for (size_t i = 0; !found && (of = group_offsets_next(&g->offsets, &i)) != NULL;)
        found = choose(g, of, arg);
    if (found)
        group_erase(g, choose, arg, false, NULL, NULL);
}

static void image_news(struct cluster_sub *sub)
{
    struct groups_loop *gl = container_of(sub, struct groups_loop, sub);
    struct image *im = cluster_image(gl->gs->coord->cluster);
    struct renewed r = {gl->seen, im};
    if (gl->seen && any_gone(gl->seen, im)) {
        struct group_shard *sh;
        int16_t error = 0;
        for (int32_t i = 0; (sh = statelog_each(gl->gs->coord->group_log, gl->loop, &i, &error)) != NULL;) {
            struct group *g;
            for (size_t k = 0; (g = map_next(&sh->groups, &k)) != NULL;)
                group_scan(g, is_renewed, &r);
        }
    }
    if (gl->seen)
        counted_release(&gl->seen->c);
    gl->seen = im;
}

/* ---- the log's class */

static void *shard_open(void *arg, struct statelog_part *lp)
{
    struct group_shard *sh = xzalloc(sizeof *sh);
    sh->gs = arg;
    sh->lp = lp;
    sh->loop = statelog_part_loop(lp);
    map_init(&sh->groups);
    map_init(&sh->txns);
    return sh;
}

static void consumer_replayed(struct group_shard *sh, const struct consumer_record *cr, const struct record *rec)
{
    struct group *g = group_get(sh, cr->group);
    if (cr->kind == CONSUMER_GROUP && !rec->value.ptr) {
        consumer_free(g);
        return;
    }
    if (!rec->value.ptr && !g->consumer)
        return;
    int rc = consumer_value_read(consumer_get(g), cr, rec->value);
    if (rc < 0)
        trace(WARN, "coord", "bad_consumer_group group=%.*s at=%lld error=%s: skipped", STR_ARG(cr->group),
              (long long)rec->offset, err_name(rc));
}

static void shard_record(void *state, const struct recbatch *rb, const struct record *rec)
{
    struct group_shard *sh = state;
    struct consumer_record cr;
    struct group_key k;
    if (consumer_key_read(&cr, rec->key)) {
        consumer_replayed(sh, &cr, rec);
        return;
    }
    int rc = group_key_read(&k, rec->key);
    if (rc < 0) {
        trace(WARN, "coord", "bad_group_record at=%lld error=%s: skipped", (long long)rec->offset, err_name(rc));
        return;
    }
    struct group *g = group_get(sh, k.group);
    if (k.topic.ptr)
        apply_offset(g, &k, rec->value, rb->attributes & RECBATCH_TXN ? rb->producer_id : -1, rec->offset);
    else if (!rec->value.ptr)
        group_state_load(&g->st, STR_NULL, 0, STR_NULL, 0);
    else if ((rc = group_value_read(&g->st, rec->value)) < 0)
        trace(WARN, "coord", "bad_group group=%.*s at=%lld error=%s: skipped", STR_ARG(k.group), (long long)rec->offset,
              err_name(rc));
}

static void shard_marker(void *state, int64_t producer_id, int16_t epoch, bool commit)
{
    (void)epoch;
    struct group_shard *sh = state;
    if (BUG("offset_marker_missed") && !sh->loaded)
        return; /* Redpanda 6423: offsets that are unstable for ever */
    struct shard_txn *txn = map_remove(&sh->txns, pid_key(&producer_id));
    struct str id;
    void *unused;
    for (size_t i = 0; txn && (id = map_next_key(&txn->groups, &i, &unused)).ptr;) {
        struct group *g = group_find(sh, id);
        if (g)
            group_offsets_end(&g->offsets, producer_id, commit);
    }
    if (txn)
        shard_txn_free(txn);
}

static void shard_loaded(void *state)
{
    struct group_shard *sh = state;
    struct image *im = cluster_image(sh->gs->coord->cluster);
    struct group **all = xzalloc((sh->groups.len + 1) * sizeof *all), *g;
    size_t n = 0;
    for (size_t i = 0; (g = map_next(&sh->groups, &i)) != NULL;)
        all[n++] = g;
    sh->loaded = true;
    for (size_t i = 0; i < n; i++) {
        group_enter(all[i]);
        group_state_load_done(&all[i]->st);
        if (all[i]->consumer)
            consumer_load_done(all[i]->consumer, all[i]->st.now_ms);
        group_scan(all[i], is_gone, im);
        group_leave(all[i]);
    }
    xfree(all);
    counted_release(&im->c);
}

static void shard_close(void *state)
{
    struct group_shard *sh = state;
    struct group *g;
    for (size_t i = 0; (g = map_next(&sh->groups, &i)) != NULL;) {
        if (!sh->gs->closing) {
            group_enter(g);
            group_state_kill(&g->st);
            g->done = g->asked;
            group_call_consumed(g, E_NO_TOPIC);
        }
        g->inflight = 0; /* what was on its way at the end of the server never ends */
        group_free(g);
    }
    struct shard_txn *txn;
    for (size_t i = 0; (txn = map_next(&sh->txns, &i)) != NULL;)
        shard_txn_free(txn);
    map_fini(&sh->txns);
    map_fini(&sh->groups);
    xfree(sh);
}

static const struct statelog_class log_class = {
    .topic = "__consumer_offsets",
    .open = shard_open,
    .record = shard_record,
    .marker = shard_marker,
    .loaded = shard_loaded,
    .close = shard_close,
};

/* ---- life */

void groups_open(struct coord *c)
{
    struct groups *gs = c->groups = xzalloc(sizeof *gs);
    gs->coord = c;
    gs->machine = (struct group_conf){(int32_t)c->conf->group_session_min_ms, (int32_t)c->conf->group_session_max_ms,
                                      (int32_t)c->conf->group_initial_delay_ms, c->conf->group_max_size};
    gs->consumer = (struct consumer_conf){(int32_t)c->conf->consumer_session_ms,
                                          (int32_t)c->conf->consumer_heartbeat_ms, c->conf->consumer_max_size};
    struct statelog_conf lc = {.cls = &log_class,
                               .arg = gs,
                               .store = c->store,
                               .cluster = c->cluster,
                               .loops = c->loops,
                               .nloops = c->nloops,
                               .nparts = (int32_t)c->conf->offsets_parts};
    statelog_open(&c->group_log, &lc);
    gs->loops = xzalloc(c->nloops * sizeof *gs->loops);
    for (unsigned i = 0; i < c->nloops; i++) {
        struct groups_loop *gl = &gs->loops[i];
        gl->gs = gs;
        gl->loop = c->loops[i];
        gl->sub = (struct cluster_sub){.loop = gl->loop, .image_cb = image_news};
        cluster_subscribe(c->cluster, &gl->sub);
        timer_init(&gl->expiry, gl->loop, expiry_fired);
        timer_start(&gl->expiry, c->conf->offsets_check_ms);
    }
}

void groups_close(struct coord *c)
{
    struct groups *gs = c->groups;
    gs->closing = true;
    for (unsigned i = 0; i < c->nloops; i++) {
        timer_stop(&gs->loops[i].expiry);
        if (gs->loops[i].seen)
            counted_release(&gs->loops[i].seen->c);
    }
    statelog_close(c->group_log);
    xfree(gs->loops);
    xfree(gs);
}
