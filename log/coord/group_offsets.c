#include "log/coord/group_offsets.h"
#include "log/base/alloc.h"
#include "log/base/fault.h"

struct pending {
    struct list link; /* offset_txn.list */
    struct group_offset *of;
    struct offset_value value;
    int64_t at;
};
struct offset_txn {
    struct list list;
};

static struct str pid_key(const int64_t *pid) { return (struct str){(const char *)pid, sizeof *pid}; }

static void part_key(struct wbuf *w, struct str topic, int32_t partition)
{
    wbuf_init(w);
    wbuf_be32(w, (uint32_t)partition);
    wbuf_str(w, topic);
}

static struct str text_copy(struct str s)
{
    char *p = xalloc(s.len + 1);
    if (s.len)
        memcpy(p, s.ptr, s.len);
    return (struct str){p, s.len};
}

const struct group_offset *group_offsets_find(const struct group_offsets *o, struct str topic, int32_t partition)
{
    struct wbuf key;
    part_key(&key, topic, partition);
    const struct group_offset *of = map_get(&o->all, wbuf_view(&key));
    wbuf_fini(&key);
    return of;
}

static struct group_offset *place(struct group_offsets *o, struct str topic, int32_t partition)
{
    struct wbuf key;
    part_key(&key, topic, partition);
    struct group_offset *of = map_get(&o->all, wbuf_view(&key));
    if (!of) {
        of = xzalloc(sizeof *of);
        of->topic = text_copy(topic);
        of->partition = partition;
        of->at = -1;
        map_put(&o->all, wbuf_view(&key), of);
    }
    wbuf_fini(&key);
    return of;
}

static void place_free(struct group_offset *of)
{
    xfree((char *)of->topic.ptr);
    xfree((char *)of->value.metadata.ptr);
    xfree(of);
}

static void set(struct group_offset *of, const struct offset_value *v, int64_t at)
{
    if (at <= of->at && !BUG("offset_marker_order"))
        return; /* a newer record was there first, though the marker comes after it */
    struct str metadata = text_copy(v->metadata);
    xfree((char *)of->value.metadata.ptr);
    of->value = *v;
    of->value.metadata = metadata;
    of->committed = true;
    of->at = at;
}

static void pending_free(struct pending *p)
{
    list_remove(&p->link);
    p->of->npending--;
    xfree((char *)p->value.metadata.ptr);
    xfree(p);
}

static void put_pending(struct group_offsets *o, int64_t producer_id, struct group_offset *of,
                        const struct offset_value *v, int64_t at)
{
    struct offset_txn *txn = map_get(&o->txns, pid_key(&producer_id));
    struct pending *p = xzalloc(sizeof *p);
    if (!txn) {
        txn = xzalloc(sizeof *txn);
        list_init(&txn->list);
        map_put(&o->txns, pid_key(&producer_id), txn);
    }
    *p = (struct pending){.of = of, .value = *v, .at = at};
    p->value.metadata = text_copy(v->metadata);
    of->npending++;
    list_add_tail(&txn->list, &p->link);
}

void group_offsets_put(struct group_offsets *o, int64_t producer_id, struct str topic, int32_t partition,
                       const struct offset_value *v, int64_t at)
{
    struct group_offset *of = place(o, topic, partition);
    if (producer_id < 0 || BUG("offset_pending_visible"))
        set(of, v, at);
    else
        put_pending(o, producer_id, of, v, at);
}

static void forget(struct group_offsets *o, struct group_offset *of)
{
    struct wbuf key;
    part_key(&key, of->topic, of->partition);
    CHECK(map_remove(&o->all, wbuf_view(&key)) == of);
    wbuf_fini(&key);
    place_free(of);
}

static void forget_pending(struct group_offsets *o, const struct group_offset *of)
{
    struct offset_txn *txn;
    for (size_t i = 0; of->npending && (txn = map_next(&o->txns, &i)) != NULL;) {
        LIST_EACH_SAFE(l, &txn->list) {
            struct pending *p = container_of(l, struct pending, link);
            if (p->of == of)
                pending_free(p);
        }
    }
    CHECK(of->npending == 0);
}

void group_offsets_remove(struct group_offsets *o, struct str topic, int32_t partition)
{
    struct group_offset *of = (struct group_offset *)group_offsets_find(o, topic, partition);
    if (!of)
        return;
    forget_pending(o, of);
    forget(o, of);
}

void group_offsets_end(struct group_offsets *o, int64_t producer_id, bool commit)
{
    struct offset_txn *txn = map_remove(&o->txns, pid_key(&producer_id));
    if (!txn)
        return;
    LIST_EACH_SAFE(l, &txn->list) {
        struct pending *p = container_of(l, struct pending, link);
        struct group_offset *of = p->of;
        if (commit)
            set(of, &p->value, p->at);
        pending_free(p);
        if (!of->committed && of->npending == 0)
            forget(o, of);
    }
    xfree(txn);
}

bool group_offsets_has_txn(const struct group_offsets *o, int64_t producer_id)
{
    return map_get(&o->txns, pid_key(&producer_id)) != NULL;
}

void group_offsets_init(struct group_offsets *o)
{
    map_init(&o->all);
    map_init(&o->txns);
}

void group_offsets_fini(struct group_offsets *o)
{
    struct offset_txn *txn;
    struct group_offset *of;
    for (size_t i = 0; (txn = map_next(&o->txns, &i)) != NULL;) {
        LIST_EACH_SAFE(l, &txn->list)
            pending_free(container_of(l, struct pending, link));
        xfree(txn);
    }
    for (size_t i = 0; (of = map_next(&o->all, &i)) != NULL;)
        place_free(of);
    map_fini(&o->txns);
    map_fini(&o->all);
}
