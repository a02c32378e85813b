#include "state/kv.h"
#include "log/base/fault.h"

/* Stores: maps whose clean part may be dropped, because a checkpoint has it. Live entries lie in a plain map, so that
 * ordered lookups never meet a tombstone; what was removed since the checkpoint lies apart, in graves. */

/* ---- Graves. */

struct graves {
    const struct state_clock *clock;
    struct kv *keys;
    struct kv_hand hand;
    uint32_t tidied; /* clock->clean of the last whole sweep */
};

static const struct state_clock never; /* a query's state has no cold level */

struct graves *graves_new(const struct state_clock *clock, struct budget *budget)
{
    struct graves *g = xzalloc(sizeof *g);
    g->clock = clock ? clock : &never;
    g->keys = kv_new(false, budget);
    return g;
}

void graves_free(struct graves *g)
{
    if (!g)
        return;
    kv_free(g->keys);
    xfree(g);
}

void graves_dig(struct graves *g, struct str key)
{
    if (!g->clock->cold)
        return;
    kv_set(g->keys, key, STR(""))->epoch = g->clock->epoch;
    clock_fresh(g->clock, sizeof(struct pair) + key.len);
}

/* What was removed before the checkpoint's epoch counts no more: the file knows, also of what came after it. */
bool graves_has(const struct graves *g, struct str key)
{
    struct pair *p = kv_count(g->keys) ? kv_find(g->keys, key) : NULL;
    return p && clock_dirty(g->clock, p->epoch) && !BUG("grave_forgotten"); /* KAFKA-15302 */
}

static bool grave_known(void *arg, struct pair *p) { return !clock_dirty(arg, p->epoch); }

void graves_tidy(struct graves *g, size_t steps)
{
    if (!kv_count(g->keys) || g->tidied == g->clock->clean)
        return;
    struct state_clock now = *g->clock;
    if (kv_sweep(g->keys, &g->hand, steps, grave_known, &now))
        g->tidied = now.clean;
}

size_t graves_bytes(const struct graves *g) { return kv_bytes(g->keys); }

/* ---- Wants. */

void needs_init(struct needs *w)
{
    *w = (struct needs){0};
    arena_init(&w->arena);
}

void needs_fini(struct needs *w)
{
    arena_fini(&w->arena);
    xfree(w->v);
    w->v = NULL;
}

void needs_reset(struct needs *w)
{
    arena_reset(&w->arena);
    w->n = 0;
}

void needs_key(struct needs *w, unsigned store, struct str key)
{
    VEC_PUSH(w->v, w->n, w->cap) = (struct need){.store = store, .key = arena_dup(&w->arena, key.ptr ? key : STR(""))};
}

void needs_range(struct needs *w, unsigned store, struct str prefix, struct str from, bool above, uint32_t limit)
{
    VEC_PUSH(w->v, w->n, w->cap) = (struct need){.store = store,
                                                 .range = true,
                                                 .above = above,
                                                 .limit = limit,
                                                 .key = arena_dup(&w->arena, prefix.ptr ? prefix : STR("")),
                                                 .from = arena_dup(&w->arena, from.ptr ? from : STR(""))};
}

/* ---- Stores. */

struct store {
    const struct state_clock *clock;
    struct kv *map;
    struct graves *graves;
    bool whole;
    struct kv_hand hand;
    struct budget *budget;
    /* Units. While the first sweep is under way, all units above `frontier` are known: it was whole before. */
    size_t (*unit_cb)(void *arg, struct str key);
    void (*gone_cb)(void *arg, struct str unit);
    void *arg;
    struct kv *known;
    bool first_sweep;
    struct wbuf frontier;
};

struct store *store_new(bool ordered, const struct state_clock *clock, struct budget *budget)
{
    struct store *s = xzalloc(sizeof *s);
    s->clock = clock ? clock : &never;
    s->map = kv_new(ordered, budget);
    s->graves = graves_new(s->clock, budget);
    s->budget = budget;
    s->whole = true;
    wbuf_init(&s->hand.key);
    wbuf_init(&s->frontier);
    return s;
}

void store_hash(struct store *s) { kv_hash(s->map); }

void store_free(struct store *s)
{
    if (!s)
        return;
    kv_free(s->map);
    kv_free(s->known);
    graves_free(s->graves);
    wbuf_fini(&s->hand.key);
    wbuf_fini(&s->frontier);
    xfree(s);
}

void store_opened(struct store *s, int64_t cold_entries) { s->whole &= cold_entries == 0; }
bool store_whole(const struct store *s) { return s->whole; }

struct str store_get(struct store *s, struct str key)
{
    struct pair *p = kv_find(s->map, key);
    if (!p)
        return STR_NULL;
    p->used = 1;
    return pair_value(p);
}

static void put(struct store *s, struct str key, struct str value, uint32_t epoch)
{
    struct pair *p = kv_set(s->map, key, value);
    if (p->epoch != epoch && epoch == s->clock->epoch)
        clock_fresh(s->clock, sizeof *p + key.len + value.len);
    p->epoch = epoch;
    p->used = 1;
}

void store_put(struct store *s, struct str key, struct str value)
{
    put(s, key, value, s->clock->epoch);
}

struct str store_add(struct store *s, struct str key, struct str value)
{
    bool added;
    struct pair *p = kv_add(s->map, key, value, &added);
    p->used = 1;
    if (!added)
        return pair_value(p);
    clock_fresh(s->clock, sizeof *p + key.len + value.len);
    p->epoch = s->clock->epoch;
    return STR_NULL;
}

uint8_t *store_edit(struct store *s, struct str key, size_t len)
{
    static const char zeros[64];
    bool added;
    CHECK(len <= sizeof zeros);
    struct pair *p = kv_add(s->map, key, (struct str){zeros, len}, &added);
    CHECK(p->value_len == len);
    if (added || p->epoch != s->clock->epoch)
        clock_fresh(s->clock, sizeof *p + key.len + len);
    p->epoch = s->clock->epoch;
    p->used = 1;
    return (uint8_t *)p->bytes + p->key_len;
}

bool store_remove(struct store *s, struct str key)
{
    if (!kv_remove(s->map, key))
        return false;
    graves_dig(s->graves, key);
    return true;
}

void store_pin(struct store *s, struct str key)
{
    struct pair *p = kv_find(s->map, key);
    if (p)
        p->epoch = s->clock->epoch;
}

bool store_buried(const struct store *s, struct str key) { return graves_has(s->graves, key); }

void store_restore(struct store *s, struct str key, struct str value)
{
    if (value.ptr) {
        store_put(s, key, value);
        return;
    }
    kv_remove(s->map, key);
    graves_dig(s->graves, key);
}

void store_load(struct store *s, struct str key, struct str value)
{
    if (!kv_find(s->map, key) && !graves_has(s->graves, key))
        put(s, key, value, s->clock->clean);
}

void store_want(struct store *s, unsigned number, struct str key, struct needs *w)
{
    if (!s->whole && !kv_find(s->map, key) && !graves_has(s->graves, key))
        needs_key(w, number, key);
}

int store_scan(const struct store *s, struct str prefix, int (*each_cb)(void *arg, struct str key, struct str value), void *arg)
{
    return kv_scan(s->map, prefix, each_cb, arg);
}

const struct kv *store_map(const struct store *s) { return s->map; }
size_t store_count(const struct store *s) { return kv_count(s->map); }

size_t store_bytes(const struct store *s)
{
    return kv_bytes(s->map) + (s->known ? kv_bytes(s->known) : 0) + graves_bytes(s->graves);
}

void store_tidy(struct store *s, size_t steps) { graves_tidy(s->graves, steps); }

/* ---- Dropping. */

static bool drop_cb(void *arg, struct pair *p)
{
    struct store *s = arg;
    if (clock_dirty(s->clock, p->epoch))
        return false;
    bool drop = !p->used;
    p->used = 0;
    s->whole &= !drop;
    return drop;
}

bool store_evict(struct store *s, size_t steps) { return !s->clock->cold || kv_sweep(s->map, &s->hand, steps, drop_cb, s); }

static int look_cb(void *arg, struct pair *p) { return clock_dirty(arg, p->epoch); }

/* Calls each_cb with the pairs of an ordered map that have a prefix. */
static int each_pair(struct store *s, struct str prefix, int (*each_cb)(void *arg, struct pair *p), void *arg)
{
    struct btree_at at = kv_seek(s->map, prefix);
    int err = 0;
    for (struct pair *p; !err && (p = btree_pair(at)) != NULL && str_starts(pair_key(p), prefix); at = btree_next(at))
        err = each_cb(arg, p);
    return err;
}

static void drop_all(struct store *s, struct str prefix)
{
    struct wbuf key;
    struct pair *p;
    wbuf_init(&key);
    while ((p = btree_pair(kv_seek(s->map, prefix))) != NULL && str_starts(pair_key(p), prefix)) {
        wbuf_reset(&key);
        wbuf_str(&key, pair_key(p));
        wbuf_room(&key, 1);
        kv_remove(s->map, wbuf_view(&key));
    }
    wbuf_fini(&key);
    s->whole = false;
}

bool store_drop_clean(struct store *s, struct str prefix)
{
    struct state_clock now = *s->clock;
    if (each_pair(s, prefix, look_cb, &now))
        return false;
    drop_all(s, prefix);
    return true;
}

/* ---- Units. */

void store_units(struct store *s, size_t (*unit_cb)(void *arg, struct str key), void (*gone_cb)(void *arg, struct str unit),
                 void *arg)
{
    s->unit_cb = unit_cb;
    s->gone_cb = gone_cb;
    s->arg = arg;
    s->known = kv_new(false, s->budget);
}

bool store_unit_known(struct store *s, struct str unit)
{
    if (s->whole || (s->first_sweep && str_cmp(unit, wbuf_view(&s->frontier)) > 0))
        return true;
    struct pair *p = kv_find(s->known, unit);
    if (p)
        p->used = 1;
    return p != NULL;
}

void store_want_unit(struct store *s, unsigned number, struct str unit, struct needs *w)
{
    if (!store_unit_known(s, unit))
        needs_range(w, number, unit, unit, false, UINT32_MAX);
}

void store_unit_loaded(struct store *s, struct str unit)
{
    if (!store_unit_known(s, unit))
        kv_set(s->known, unit, STR(""))->used = 1;
}

static bool drop_unit(struct store *s, struct str unit)
{
    if (!store_drop_clean(s, unit))
        return false;
    s->gone_cb(s->arg, unit);
    return true;
}

static bool drop_known_cb(void *arg, struct pair *p)
{
    struct store *s = arg;
    if (p->used) {
        p->used = 0;
        return false;
    }
    return drop_unit(s, pair_key(p));
}

/* Once over everything there is: drops each unit that is clean, and writes down the others. */
static bool sweep_first(struct store *s, size_t steps)
{
    for (; steps; steps--) {
        struct str after = wbuf_view(&s->frontier);
        struct pair *p = btree_pair(kv_seek(s->map, after));
        while (p && s->frontier.len && str_starts(pair_key(p), after))
            p = btree_pair(kv_seek_past(s->map, after));
        if (!p) {
            s->first_sweep = false;
            return true;
        }
        struct str unit = {pair_key(p).ptr, s->unit_cb(s->arg, pair_key(p))};
        wbuf_reset(&s->frontier);
        wbuf_str(&s->frontier, unit);
        wbuf_room(&s->frontier, 1);
        unit = wbuf_view(&s->frontier);
        if (!drop_unit(s, unit))
            kv_put(s->known, unit, STR(""));
    }
    return false;
}

bool store_evict_units(struct store *s, size_t steps)
{
    if (!s->clock->cold)
        return true;
    if (s->whole) {
        s->whole = false;
        s->first_sweep = true;
        wbuf_reset(&s->frontier);
    }
    return s->first_sweep ? sweep_first(s, steps) : kv_sweep(s->known, &s->hand, steps, drop_known_cb, s);
}
