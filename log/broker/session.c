#include "log/broker/session.h"
#include "log/base/limits.h"
#include "log/base/list.h"
#include "log/base/map.h"

/* An unused session gives way after this long, a larger one after living this long (Kafka's
 * min.incremental.fetch.session.eviction.ms). */
enum { EVICT_MS = 120000 };

struct session_part {
    struct list link; /* in order of answers */
    struct fetch_item want;
    int64_t told_high_watermark, told_log_start; /* -1: nothing yet */
    char name[];
};
struct session {
    int32_t id, epoch; /* epoch: of the next request */
    bool by_id;
    int64_t created_ms, used_ms;
    struct list link; /* least recently used first */
    struct list parts;
    struct map index;
    unsigned n;
};
struct sessions {
    unsigned slots, shard, nshards, n, nparts; /* nparts: of all sessions */
    struct map by_id;
    struct list lru;
};

/* ---- keys */

struct part_key {
    char bytes[16 + 4 + 256];
};
static struct str part_key(struct part_key *k, bool by_id, struct str name, struct uuid id, int32_t index)
{
    memcpy(k->bytes, &index, 4);
    size_t n = by_id ? 16 : MIN(name.len, (size_t)256);
    memcpy(k->bytes + 4, by_id ? (const char *)id.b : name.ptr, n);
    return (struct str){k->bytes, n + 4};
}

static struct str id_key(const int32_t *id) { return (struct str){(const char *)id, sizeof *id}; }

/* ---- parts of a session */

static struct session_part *part_find(struct session *s, const struct fetch_item *it)
{
    struct part_key k;
    return map_get(&s->index, part_key(&k, s->by_id, it->name, it->id, it->index));
}

static void part_drop(struct sessions *ss, struct session *s, struct session_part *sp)
{
    struct part_key k;
    map_remove(&s->index, part_key(&k, s->by_id, sp->want.name, sp->want.id, sp->want.index));
    list_remove(&sp->link);
    xfree(sp);
    s->n--;
    ss->nparts--;
}

static void part_put(struct sessions *ss, struct session *s, const struct fetch_item *it)
{
    struct session_part *sp = part_find(s, it);
    if (sp) {
        struct str name = sp->want.name;
        sp->want = *it;
        sp->want.name = name;
        return;
    }
    struct part_key k;
    sp = xzalloc(sizeof *sp + it->name.len + 1);
    sp->want = *it;
    if (it->name.len)
        memcpy(sp->name, it->name.ptr, it->name.len);
    sp->want.name = (struct str){sp->name, it->name.len};
    sp->told_high_watermark = sp->told_log_start = -1;
    map_put(&s->index, part_key(&k, s->by_id, it->name, it->id, it->index), sp);
    list_add_tail(&s->parts, &sp->link);
    s->n++;
    ss->nparts++;
}

/* ---- sessions */

static void session_close(struct sessions *ss, struct session *s)
{
    while (!list_empty(&s->parts))
        part_drop(ss, s, container_of(s->parts.next, struct session_part, link));
    map_remove(&ss->by_id, id_key(&s->id));
    map_fini(&s->index);
    list_remove(&s->link);
    xfree(s);
    ss->n--;
}

struct sessions *sessions_new(unsigned slots, unsigned shard, unsigned nshards)
{
    struct sessions *ss = xzalloc(sizeof *ss);
    ss->slots = slots;
    ss->shard = shard;
    ss->nshards = nshards;
    map_init(&ss->by_id);
    list_init(&ss->lru);
    return ss;
}

void sessions_free(struct sessions *ss)
{
    while (!list_empty(&ss->lru))
        session_close(ss, container_of(ss->lru.next, struct session, link));
    map_fini(&ss->by_id);
    xfree(ss);
}

unsigned sessions_count(const struct sessions *ss) { return ss->n; }

/* Room for a session of n partitions: the longest unused one goes if it is old, else the largest of those that have
 * lived long enough, if it is larger than the new one. */
static bool make_room(struct sessions *ss, unsigned n, int64_t now_ms)
{
    while (ss->nparts + n > FETCH_SESSIONS_PARTS_MAX) { /* their memory is bounded too: the unused ones make room for it */
        struct session *s = ss->n ? container_of(ss->lru.next, struct session, link) : NULL;
        if (!s || now_ms - s->used_ms <= EVICT_MS)
            return false;
        session_close(ss, s);
    }
    if (ss->n < ss->slots)
        return true;
    if (ss->n == 0)
        return false;
    struct session *oldest = container_of(ss->lru.next, struct session, link), *large = NULL;
    if (now_ms - oldest->used_ms > EVICT_MS) {
        session_close(ss, oldest);
        return true;
    }
    LIST_EACH(l, &ss->lru) {
        struct session *s = container_of(l, struct session, link);
        if (now_ms - s->created_ms > EVICT_MS && s->n > n && (!large || s->n > large->n))
            large = s;
    }
    if (large)
        session_close(ss, large);
    return large != NULL;
}

static int32_t fresh_id(struct sessions *ss, uint64_t random)
{
    for (;; random = hash_u64(random + 1)) {
        uint32_t slot = (uint32_t)random & 0x7fffffff;
        int32_t id = (int32_t)((slot - slot % ss->nshards + ss->shard) & 0x7fffffff);
        if (id != 0 && !map_get(&ss->by_id, id_key(&id)))
            return id;
    }
}

static struct session *session_new(struct sessions *ss, bool by_id, int64_t now_ms, uint64_t random)
{
    struct session *s = xzalloc(sizeof *s);
    s->id = fresh_id(ss, random);
    s->epoch = 1;
    s->by_id = by_id;
    s->created_ms = s->used_ms = now_ms;
    list_init(&s->parts);
    map_init(&s->index);
    list_add_tail(&ss->lru, &s->link);
    map_put(&ss->by_id, id_key(&s->id), s);
    ss->n++;
    return s;
}

/* ---- a request */

static uint32_t count_parts(const struct fetch_request *in)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->topics_n; i++)
        n += in->topics[i].partitions_n;
    return n;
}

static void items_of_request(const struct fetch_request *in, struct arena *a, struct fetch_scope *out)
{
    out->items = ARENA_ARRAY(a, struct fetch_item, count_parts(in));
    out->n = 0;
    for (uint32_t i = 0; i < in->topics_n; i++)
        for (uint32_t k = 0; k < in->topics[i].partitions_n; k++) {
            const struct fetch_request_partition *p = &in->topics[i].partitions[k];
            out->items[out->n++] = (struct fetch_item){
                .name = in->topics[i].topic,
                .id = in->topics[i].topic_id,
                .index = p->partition,
                .offset = p->fetch_offset,
                .max_bytes = p->partition_max_bytes,
                .leader_epoch = p->current_leader_epoch,
                .last_epoch = p->last_fetched_epoch,
            };
        }
}

static void session_forget(struct sessions *ss, struct session *s, const struct fetch_request *in)
{
    for (uint32_t i = 0; i < in->forgotten_topics_data_n; i++) {
        const struct fetch_request_forgotten *f = &in->forgotten_topics_data[i];
        for (uint32_t k = 0; k < f->partitions_n; k++) {
            struct fetch_item it = {.name = f->topic, .id = f->topic_id, .index = f->partitions[k]};
            struct session_part *sp = part_find(s, &it);
            if (sp)
                part_drop(ss, s, sp);
        }
    }
}

static int16_t incremental(struct sessions *ss, const struct fetch_request *in, bool by_id, int64_t now_ms,
                           struct arena *a, struct fetch_scope *out)
{
    struct session *s = map_get(&ss->by_id, id_key(&in->session_id));
    if (!s)
        return K_SESSION_NOT_FOUND;
    if (s->by_id != by_id)
        return K_SESSION_TOPIC_ID;
    if (s->epoch != in->session_epoch)
        return K_SESSION_EPOCH;
    s->epoch = s->epoch == INT32_MAX ? 1 : s->epoch + 1;
    s->used_ms = now_ms;
    list_remove(&s->link);
    list_add_tail(&ss->lru, &s->link);
    struct fetch_scope changed;
    items_of_request(in, a, &changed);
    session_forget(ss, s, in);
    for (uint32_t i = 0; i < changed.n; i++)
        part_put(ss, s, &changed.items[i]);
    if (s->n > FETCH_SESSION_PARTS_MAX || ss->nparts > FETCH_SESSIONS_PARTS_MAX) {
        session_close(ss, s);
        return K_SESSION_NOT_FOUND;
    }
    *out = (struct fetch_scope){.session_id = s->id, .items = ARENA_ARRAY(a, struct fetch_item, s->n)};
    LIST_EACH(l, &s->parts) {
        struct fetch_item *it = &out->items[out->n++];
        *it = container_of(l, struct session_part, link)->want;
        it->name = arena_dup(a, it->name); /* the session may go while the fetch waits */
    }
    return K_NONE;
}

int16_t sessions_begin(struct sessions *ss, const struct fetch_request *in, bool by_id, int64_t now_ms, uint64_t random,
                       struct arena *a, struct fetch_scope *out)
{
    *out = (struct fetch_scope){.full = true};
    if (in->session_epoch > 0)
        return incremental(ss, in, by_id, now_ms, a, out);
    struct session *old = in->session_id ? map_get(&ss->by_id, id_key(&in->session_id)) : NULL;
    if (old)
        session_close(ss, old);
    items_of_request(in, a, out);
    if (in->session_epoch < 0 || out->n > FETCH_SESSION_PARTS_MAX || !make_room(ss, out->n, now_ms))
        return K_NONE;
    struct session *s = session_new(ss, by_id, now_ms, random);
    for (uint32_t i = 0; i < out->n; i++)
        part_put(ss, s, &out->items[i]);
    out->session_id = s->id;
    return K_NONE;
}

/* ---- the answer */

static bool has_news(const struct fetch_item *it, const struct session_part *sp)
{
    if (it->error || it->slice.len || it->div_epoch >= 0)
        return true;
    return it->view && (it->view->high_watermark != sp->told_high_watermark ||
                        it->view->log_start != sp->told_log_start);
}

void sessions_tell(struct sessions *ss, struct fetch_scope *sc, int64_t now_ms)
{
    struct session *s = sc->session_id ? map_get(&ss->by_id, id_key(&sc->session_id)) : NULL;
    if (s)
        s->used_ms = now_ms;
    for (uint32_t i = 0; i < sc->n; i++) {
        struct fetch_item *it = &sc->items[i];
        struct session_part *sp = s ? part_find(s, it) : NULL;
        it->tell = sc->full || !sp || has_news(it, sp);
        if (!sp)
            continue;
        /* An error is told again once it is cured: nothing counts as told. */
        sp->told_high_watermark = it->error || !it->view ? -1 : it->view->high_watermark;
        sp->told_log_start = it->error || !it->view ? -1 : it->view->log_start;
        if (it->slice.len) { /* who had something goes behind the others */
            list_remove(&sp->link);
            list_add_tail(&s->parts, &sp->link);
        }
    }
}
