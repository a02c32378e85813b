#include "log/broker/quota.h"
#include "log/base/map.h"
#include "log/base/pack.h"
#include <math.h>
#include <pthread.h>

static const struct {
    const char *key;
    bool whole; /* a limit is a whole number */
} kinds[] = {[QUOTA_PRODUCE] = {"producer_byte_rate", true},
             [QUOTA_FETCH] = {"consumer_byte_rate", true},
             [QUOTA_REQUEST] = {"request_percentage", false},
             [QUOTA_MUTATE] = {"controller_mutation_rate", false},
             [QUOTA_CONNECT] = {"connection_creation_rate", true}};
static const char *const types[] = {[QUOTA_USER] = "user", [QUOTA_CLIENT] = "client-id", [QUOTA_IP] = "ip"};

const char *quota_key(enum quota_kind kind) { return kinds[kind].key; }
const char *quota_type_name(enum quota_type type) { return types[type]; }

/* ---- what may be said */

const char *quota_entity_check(const struct quota_entity *e)
{
    bool any = false;
    for (unsigned i = 0; i < QUOTA_TYPES; i++) {
        any |= e->there[i];
        if (e->there[i] && e->name[i].ptr && !e->name[i].len)
            return "the name of an entity is empty; null names the default one";
    }
    if (!any)
        return "an entity has a user, a client-id, both, or an ip";
    if (e->there[QUOTA_IP] && (e->there[QUOTA_USER] || e->there[QUOTA_CLIENT]))
        return "an ip stands alone: no user or client-id goes with it";
    return NULL;
}

const char *quota_limit_check(const struct quota_entity *e, struct str key, double value, enum quota_kind *kind)
{
    for (*kind = 0; *kind < QUOTA_KINDS; ++*kind)
        if (str_eq(key, str_of(kinds[*kind].key)))
            break;
    if (*kind == QUOTA_KINDS)
        return "the limits are producer_byte_rate, consumer_byte_rate, request_percentage, controller_mutation_rate, "
               "and connection_creation_rate of an ip";
    if ((*kind == QUOTA_CONNECT) != e->there[QUOTA_IP])
        return "connection_creation_rate is the limit of an ip, and its only one";
    if (!(value > 0) || !isfinite(value))
        return "a limit is above 0; remove it for none";
    if (kinds[*kind].whole && (value > 9.2e18 || trunc(value) < value))
        return "this limit is a whole number";
    return NULL;
}

/* ---- objects */

/* What is no small letter, digit or one of "._-" is %XX: names of objects are the same in any case, client ids are not.
 */
static void put_escaped(struct wbuf *out, struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-')
            wbuf_u8(out, c);
        else
            wbuf_printf(out, "%%%02X", c);
    }
}

void quota_name(const struct quota_entity *e, struct wbuf *out)
{
    for (unsigned i = 0; i < QUOTA_TYPES; i++) {
        if (!e->there[i])
            continue;
        wbuf_printf(out, "%s=", types[i]);
        if (e->name[i].ptr)
            put_escaped(out, e->name[i]);
        else
            wbuf_u8(out, '*');
        wbuf_u8(out, ';');
    }
}

void quota_pack(const struct quota *q, struct wbuf *out)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < QUOTA_TYPES; i++)
        n += q->entity.there[i];
    pack_array(out, 2);
    pack_map(out, n);
    for (unsigned i = 0; i < QUOTA_TYPES; i++)
        if (q->entity.there[i]) {
            pack_str(out, str_of(types[i]));
            pack_str(out, q->entity.name[i]);
        }
    n = 0;
    for (unsigned k = 0; k < QUOTA_KINDS; k++)
        n += q->limit[k] > 0;
    pack_map(out, n);
    for (unsigned k = 0; k < QUOTA_KINDS; k++)
        if (q->limit[k] > 0) {
            pack_str(out, str_of(kinds[k].key));
            pack_double(out, q->limit[k]);
        }
}

int quota_unpack(struct quota *q, struct str body)
{
    struct unpack u = unpack_of(body);
    *q = (struct quota){0};
    if (unpack_array(&u) != 2)
        return E_CORRUPT;
    for (uint32_t n = unpack_map(&u), i; n > 0 && !unpack_err(&u); n--) {
        struct str type = unpack_str(&u), name = unpack_str(&u);
        for (i = 0; i < QUOTA_TYPES && !str_eq(type, str_of(types[i])); i++) {
        }
        if (i == QUOTA_TYPES)
            return E_CORRUPT;
        q->entity.there[i] = true;
        q->entity.name[i] = name;
    }
    for (uint32_t n = unpack_map(&u); n > 0 && !unpack_err(&u); n--) {
        struct str key = unpack_str(&u);
        double value = unpack_double(&u);
        enum quota_kind kind;
        if (quota_limit_check(&q->entity, key, value, &kind))
            return E_CORRUPT;
        q->limit[kind] = value;
    }
    return unpack_err(&u) || quota_entity_check(&q->entity) ? E_CORRUPT : 0;
}

/* ---- measuring */

struct bucket {
    double left; /* below 0: owed */
    int64_t at_ms;
};
enum { BUCKETS_SWEPT = 1024 };
struct quotas {
    struct cluster_sub sub;
    struct cluster *cl;
    pthread_mutex_t lock;
    _Atomic unsigned any; /* bit per kind that some entity has a limit of */
    struct image *image;  /* the entities' texts are its */
    struct quota *list;
    unsigned n, cap;
    struct map by_name; /* object's name -> of list */
    struct map buckets; /* kind, name of who is measured -> bucket */
    size_t sweep_at;
    struct wbuf name;
};

static void follow(struct cluster_sub *sub)
{
    struct quotas *qs = container_of(sub, struct quotas, sub);
    struct image *im = cluster_image(qs->cl);
    unsigned any = 0;
    pthread_mutex_lock(&qs->lock);
    qs->n = 0;
    map_clear(&qs->by_name);
    for (unsigned i = 0; i < im->nobjects; i++) {
        struct quota q;
        if (strcmp(im->objects[i]->kind, "quota") == 0 && quota_unpack(&q, im->objects[i]->body) == 0)
            VEC_PUSH(qs->list, qs->n, qs->cap) = q;
    }
    for (unsigned i = 0; i < qs->n; i++) {
        wbuf_reset(&qs->name);
        quota_name(&qs->list[i].entity, &qs->name);
        map_put(&qs->by_name, wbuf_view(&qs->name), &qs->list[i]);
        for (unsigned k = 0; k < QUOTA_KINDS; k++)
            any |= (unsigned)(qs->list[i].limit[k] > 0) << k;
    }
    if (qs->image)
        counted_release(&qs->image->c);
    qs->image = im;
    atomic_store(&qs->any, any);
    pthread_mutex_unlock(&qs->lock);
}

struct quotas *quotas_new(struct cluster *cl, struct loop *loop)
{
    struct quotas *qs = xzalloc(sizeof *qs);
    qs->cl = cl;
    CHECK(pthread_mutex_init(&qs->lock, NULL) == 0);
    map_init(&qs->by_name);
    map_init(&qs->buckets);
    wbuf_init(&qs->name);
    qs->sweep_at = BUCKETS_SWEPT;
    qs->sub = (struct cluster_sub){.loop = loop, .image_cb = follow};
    follow(&qs->sub); /* the image of the start */
    cluster_subscribe(cl, &qs->sub);
    return qs;
}

void quotas_free(struct quotas *qs)
{
    struct bucket *b;
    for (size_t i = 0; (b = map_next(&qs->buckets, &i)) != NULL;)
        xfree(b);
    map_fini(&qs->buckets);
    map_fini(&qs->by_name);
    wbuf_fini(&qs->name);
    xfree(qs->list);
    if (qs->image)
        counted_release(&qs->image->c);
    pthread_mutex_destroy(&qs->lock);
    xfree(qs);
}

bool quotas_any(const struct quotas *qs, enum quota_kind kind)
{
    return atomic_load_explicit(&qs->any, memory_order_relaxed) >> kind & 1;
}

/* Entities that a client may fall under, the most specific one first: 1 by name, 2 the default one. */
static const struct {
    uint8_t by[QUOTA_TYPES];
} ways[] = {{{1, 1, 0}}, {{1, 2, 0}}, {{1, 0, 0}}, {{2, 1, 0}}, {{2, 2, 0}},
            {{2, 0, 0}}, {{0, 1, 0}}, {{0, 2, 0}}, {{0, 0, 1}}, {{0, 0, 2}}};

/* The limit that holds, and in qs->name who is measured; 0: none. Locked. */
static double limit_of(struct quotas *qs, enum quota_kind kind, const struct quota_who *who)
{
    const struct str names[] = {[QUOTA_USER] = who->user, [QUOTA_CLIENT] = who->client_id, [QUOTA_IP] = who->ip};
    for (size_t w = 0; w < ARRAY_LEN(ways); w++) {
        struct quota_entity e = {0}, measured = {0};
        for (unsigned t = 0; t < QUOTA_TYPES; t++) {
            measured.there[t] = e.there[t] = ways[w].by[t] != 0;
            measured.name[t] = names[t].ptr ? names[t] : STR("");
            e.name[t] = ways[w].by[t] == 1 ? measured.name[t] : STR_NULL;
        }
        wbuf_reset(&qs->name);
        quota_name(&e, &qs->name);
        const struct quota *q = map_get(&qs->by_name, wbuf_view(&qs->name));
        if (!q || !(q->limit[kind] > 0))
            continue;
        wbuf_reset(&qs->name);
        wbuf_u8(&qs->name, (uint8_t)kind);
        quota_name(&measured, &qs->name);
        return q->limit[kind];
    }
    return 0;
}

/* Buckets of clients that have long stopped asking are full, and need not be remembered. */
static void sweep(struct quotas *qs, int64_t now_ms)
{
    struct map kept;
    struct str key;
    void *v;
    if (qs->buckets.len < qs->sweep_at)
        return;
    map_init(&kept);
    for (size_t i = 0; (key = map_next_key(&qs->buckets, &i, &v)).ptr;) {
        const struct bucket *b = v;
        if (now_ms - b->at_ms < 2 * QUOTA_BURST_S * 1000 || b->left < 0)
            map_put(&kept, key, v);
        else
            xfree(v);
    }
    map_fini(&qs->buckets);
    qs->buckets = kept;
    qs->sweep_at = MAX((size_t)BUCKETS_SWEPT, 2 * kept.len);
}

static struct bucket *bucket_of(struct quotas *qs, double limit, int64_t now_ms)
{
    struct bucket *b = map_get(&qs->buckets, wbuf_view(&qs->name));
    if (!b) {
        sweep(qs, now_ms);
        b = xzalloc(sizeof *b);
        *b = (struct bucket){limit * QUOTA_BURST_S, now_ms};
        map_put(&qs->buckets, wbuf_view(&qs->name), b);
    }
    b->left = MIN(b->left + limit * (double)MAX(now_ms - b->at_ms, 0) / 1000, limit * QUOTA_BURST_S);
    b->at_ms = MAX(now_ms, b->at_ms);
    return b;
}

int64_t quotas_take(struct quotas *qs, enum quota_kind kind, const struct quota_who *who, double n, int64_t now_ms)
{
    double ms = 0;
    if (!quotas_any(qs, kind))
        return 0;
    pthread_mutex_lock(&qs->lock);
    double limit = limit_of(qs, kind, who) * (kind == QUOTA_REQUEST ? 10 : 1);
    if (limit > 0) {
        struct bucket *b = bucket_of(qs, limit, now_ms);
        b->left -= n;
        ms = b->left < 0 ? ceil(-b->left / limit * 1000) : 0;
    }
    pthread_mutex_unlock(&qs->lock);
    return (int64_t)MIN(ms, (double)INT32_MAX);
}

double quotas_most(struct quotas *qs, enum quota_kind kind, const struct quota_who *who)
{
    if (!quotas_any(qs, kind))
        return INFINITY;
    pthread_mutex_lock(&qs->lock);
    double limit = limit_of(qs, kind, who);
    pthread_mutex_unlock(&qs->lock);
    return limit > 0 ? limit * QUOTA_BURST_S : INFINITY;
}
