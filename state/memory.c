#include "log/base/map.h"
#include "state/kv.h"

/* The map that operators work on. Two indexes over the same pairs: a hash table with open addressing (16 bytes a slot;
 * slots are at most three quarters full, a removal moves the run back, so there are no tombstones), or a B+tree
 * (btree.c), or both: then only keys that come and go cost a way through the tree. The hash seed is fixed: the same history must scan in the same order in every run of the simulator. */

enum { CAP_MIN = 8, SLOTS_KEPT = 4096, PASSING_KEPT = 64 << 10 };
struct slot {
    uint64_t hash;
    struct pair *pair; /* NULL: free */
};
struct kv {
    bool ordered, hashed; /* which indexes there are */
    unsigned scans; /* running; nothing may change meanwhile */
    size_t count;
    struct account account;
    struct slot *slots;
    size_t cap;
    struct btree tree;
    struct arena *passing; /* its pairs lie there; NULL: each by itself */
};

void account_add(struct account *a, size_t n)
{
    a->bytes += n;
    if (a->budget && budget_take(a->budget, n))
        a->over += n;
}

void account_sub(struct account *a, size_t n)
{
    CHECK(n <= a->bytes);
    a->bytes -= n;
    if (!a->budget)
        return;
    size_t unpaid = MIN(n, a->over);
    a->over -= unpaid;
    budget_give(a->budget, n - unpaid);
}

struct kv *kv_new(bool ordered, struct budget *budget)
{
    struct kv *kv = xzalloc(sizeof *kv);
    kv->ordered = ordered;
    kv->hashed = !ordered;
    kv->account.budget = budget;
    kv->tree.account = &kv->account;
    return kv;
}

void kv_passing(struct kv *kv)
{
    CHECK(kv->count == 0 && !kv->passing);
    kv->passing = xalloc(sizeof *kv->passing);
    arena_init(kv->passing);
}

void kv_hash(struct kv *kv)
{
    CHECK(kv->count == 0);
    kv->hashed = true;
}

/* ---- Pairs. */

static size_t pair_size(const struct pair *p) { return sizeof *p + p->cap; }

static void pair_free(struct kv *kv, struct pair *p)
{
    account_sub(&kv->account, pair_size(p));
    if (!kv->passing)
        xfree(p);
}

static struct pair *pair_new(struct kv *kv, struct str key, struct str value)
{
    CHECK(key.len <= UINT32_MAX / 4 && value.len <= UINT32_MAX / 4);
    size_t cap = (key.len + value.len + 15) / 8 * 8; /* whole pair a multiple of eight, with a little to grow */
    struct pair *p = kv->passing ? arena_alloc(kv->passing, sizeof *p + cap) : xalloc(sizeof *p + cap);
    *p = (struct pair){.key_len = (uint32_t)key.len, .value_len = (uint32_t)value.len, .cap = (uint32_t)cap & INT32_MAX};
    memcpy(p->bytes, key.ptr ? key.ptr : "", key.len);
    memcpy(p->bytes + key.len, value.ptr ? value.ptr : "", value.len);
    account_add(&kv->account, pair_size(p));
    return p;
}

static bool pair_fits(const struct pair *p, struct str value) { return p->key_len + value.len <= p->cap; }

static void pair_set(struct kv *kv, struct pair **slot, struct str value)
{
    struct pair *p = *slot;
    if (!pair_fits(p, value)) {
        *slot = pair_new(kv, pair_key(p), value);
        pair_free(kv, p);
        return;
    }
    memmove(p->bytes + p->key_len, value.ptr ? value.ptr : "", value.len);
    p->value_len = (uint32_t)value.len;
}

/* ---- The hash index. */

static uint64_t hash_of(struct str key) { return hash_bytes(key.ptr, key.len, 0); }

/* The key's slot, or the free one where it belongs. */
static struct slot *slot_find(const struct kv *kv, struct str key, uint64_t hash)
{
    for (size_t mask = kv->cap - 1, i = hash & mask;; i = (i + 1) & mask) {
        struct slot *s = &kv->slots[i];
        if (!s->pair || (s->hash == hash && str_eq(pair_key(s->pair), key)))
            return s;
    }
}

static void table_grow(struct kv *kv)
{
    size_t before = kv->cap;
    struct slot *old = kv->slots;
    kv->cap = before ? before * 2 : CAP_MIN;
    kv->slots = xzalloc(kv->cap * sizeof *old);
    account_add(&kv->account, (kv->cap - before) * sizeof *old);
    for (size_t i = 0; i < before; i++) {
        if (!old[i].pair)
            continue;
        size_t at = old[i].hash & (kv->cap - 1);
        while (kv->slots[at].pair)
            at = (at + 1) & (kv->cap - 1);
        kv->slots[at] = old[i];
    }
    xfree(old);
}

static struct pair **table_put(struct kv *kv, struct str key, bool *added)
{
    if ((kv->count + 1) * 4 > kv->cap * 3)
        table_grow(kv);
    uint64_t hash = hash_of(key);
    struct slot *s = slot_find(kv, key, hash);
    *added = !s->pair;
    s->hash = hash;
    return &s->pair;
}

static struct pair *table_remove(struct kv *kv, struct str key)
{
    struct slot *s = kv->count ? slot_find(kv, key, hash_of(key)) : NULL;
    if (!s || !s->pair)
        return NULL;
    struct pair *p = s->pair;
    size_t mask = kv->cap - 1, hole = (size_t)(s - kv->slots);
    for (size_t i = (hole + 1) & mask; kv->slots[i].pair; i = (i + 1) & mask) {
        size_t home = kv->slots[i].hash & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue; /* its home lies after the hole */
        kv->slots[hole] = kv->slots[i];
        hole = i;
    }
    kv->slots[hole] = (struct slot){0};
    return p;
}

/* ---- Both. */

/* An empty key is a key; only for str_eq must it not look null. */
static struct str key_of(struct str key) { return key.ptr ? key : STR(""); }

struct pair *kv_find(const struct kv *kv, struct str key)
{
    key = key_of(key);
    if (!kv->hashed)
        return btree_get(&kv->tree, key);
    return kv->count ? slot_find(kv, key, hash_of(key))->pair : NULL;
}

struct str kv_get(const struct kv *kv, struct str key)
{
    struct pair *p = kv_find(kv, key);
    return p ? pair_value(p) : STR_NULL;
}

static struct pair **in_tree(struct kv *kv, struct str key)
{
    bool added;
    return btree_put(&kv->tree, key, &added);
}

static struct pair *put_pair(struct kv *kv, struct str key, struct str value, bool replace, bool *is_new)
{
    CHECK(!kv->scans);
    bool added;
    key = key_of(key);
    struct pair **slot = kv->hashed ? table_put(kv, key, &added) : btree_put(&kv->tree, key, &added);
    *is_new = added;
    if (!added && !replace)
        return *slot;
    struct pair **both = kv->hashed && kv->ordered && (added || !pair_fits(*slot, value)) ? in_tree(kv, key) : NULL;
    if (added) {
        kv->count++;
        *slot = pair_new(kv, key, value);
    } else {
        pair_set(kv, slot, value);
    }
    if (both)
        *both = *slot;
    return *slot;
}

struct pair *kv_set(struct kv *kv, struct str key, struct str value)
{
    bool added;
    return put_pair(kv, key, value, true, &added);
}

struct pair *kv_add(struct kv *kv, struct str key, struct str value, bool *added)
{
    return put_pair(kv, key, value, false, added);
}

void kv_put(struct kv *kv, struct str key, struct str value) { (void)kv_set(kv, key, value); }

bool kv_remove(struct kv *kv, struct str key)
{
    CHECK(!kv->scans);
    key = key_of(key);
    struct pair *p = kv->ordered ? btree_remove(&kv->tree, key) : NULL;
    if (kv->hashed)
        p = table_remove(kv, key);
    if (!p)
        return false;
    kv->count--;
    pair_free(kv, p);
    return true;
}

void kv_clear(struct kv *kv)
{
    CHECK(!kv->scans);
    if (!kv->count)
        return;
    for (size_t i = 0; !kv->ordered && !kv->passing && i < kv->cap; i++)
        if (kv->slots[i].pair)
            pair_free(kv, kv->slots[i].pair);
    if (kv->cap > SLOTS_KEPT && kv->count < kv->cap / 16) { /* it was once larger than it is now */
        account_sub(&kv->account, kv->cap * sizeof *kv->slots);
        xfree(kv->slots);
        kv->slots = NULL;
        kv->cap = 0;
    }
    if (kv->cap)
        memset(kv->slots, 0, kv->cap * sizeof *kv->slots);
    struct btree_at at = btree_seek(&kv->tree, STR(""));
    for (struct pair *p; !kv->passing && (p = btree_pair(at)) != NULL; at = btree_next(at))
        pair_free(kv, p);
    btree_fini(&kv->tree);
    if (kv->passing) /* all but the slots is theirs */
        account_sub(&kv->account, kv->account.bytes - kv->cap * sizeof *kv->slots);
    if (kv->passing && kv->passing->used > PASSING_KEPT) {
        arena_fini(kv->passing);
        arena_init(kv->passing);
    } else if (kv->passing) {
        arena_reset(kv->passing);
    }
    kv->count = 0;
}

void kv_free(struct kv *kv)
{
    if (!kv)
        return;
    kv_clear(kv);
    btree_fini(&kv->tree);
    account_sub(&kv->account, kv->cap * sizeof *kv->slots);
    CHECK(kv->account.bytes == 0);
    if (kv->passing)
        arena_fini(kv->passing);
    xfree(kv->passing);
    xfree(kv->slots);
    xfree(kv);
}

size_t kv_count(const struct kv *kv) { return kv->count; }
size_t kv_bytes(const struct kv *kv) { return kv->account.bytes; }

static int scan_tree(const struct kv *kv, struct str prefix, struct str from,
                     int (*each_cb)(void *, struct str, struct str), void *arg)
{
    int err = 0;
    struct btree_at at = btree_seek(&kv->tree, str_cmp(from, prefix) > 0 ? from : prefix);
    for (struct pair *p; !err && (p = btree_pair(at)) != NULL && str_starts(pair_key(p), prefix); at = btree_next(at))
        err = each_cb(arg, pair_key(p), pair_value(p));
    return err;
}

static int scan_table(const struct kv *kv, struct str prefix, int (*each_cb)(void *, struct str, struct str), void *arg)
{
    int err = 0;
    for (size_t i = 0; !err && i < kv->cap; i++) {
        const struct pair *p = kv->slots[i].pair;
        if (p && str_starts(pair_key(p), prefix))
            err = each_cb(arg, pair_key(p), pair_value(p));
    }
    return err;
}

int kv_scan_from(const struct kv *kv, struct str prefix, struct str from,
                 int (*each_cb)(void *arg, struct str key, struct str value), void *arg)
{
    CHECK(kv->ordered || from.len == 0);
    unsigned *scans = &((struct kv *)kv)->scans;
    ++*scans;
    prefix = key_of(prefix);
    int err = kv->ordered ? scan_tree(kv, prefix, key_of(from), each_cb, arg) : scan_table(kv, prefix, each_cb, arg);
    --*scans;
    return err;
}

int kv_scan(const struct kv *kv, struct str prefix, int (*each_cb)(void *arg, struct str key, struct str value), void *arg)
{
    return kv_scan_from(kv, prefix, STR(""), each_cb, arg);
}

/* ---- Sweeping. */

static bool sweep_table(struct kv *kv, struct kv_hand *hand, size_t steps, bool (*drop_cb)(void *, struct pair *), void *arg)
{
    for (; steps && hand->slot < kv->cap; steps--) {
        struct pair *p = kv->slots[hand->slot].pair;
        if (p && drop_cb(arg, p))
            kv_remove(kv, pair_key(p)); /* another may have moved here: it is looked at next */
        else
            hand->slot++;
    }
    bool over = hand->slot >= kv->cap;
    if (over)
        hand->slot = 0;
    return over;
}

static bool sweep_tree(struct kv *kv, struct kv_hand *hand, size_t steps, bool (*drop_cb)(void *, struct pair *), void *arg)
{
    struct btree_at at = btree_seek(&kv->tree, hand->under_way ? wbuf_view(&hand->key) : STR(""));
    struct pair *p = btree_pair(at);
    if (p && hand->under_way && str_eq(pair_key(p), wbuf_view(&hand->key)))
        at = btree_next(at);
    for (; steps && (p = btree_pair(at)) != NULL; steps--) {
        wbuf_reset(&hand->key);
        wbuf_str(&hand->key, pair_key(p));
        wbuf_room(&hand->key, 1);
        hand->under_way = true;
        if (!drop_cb(arg, p)) {
            at = btree_next(at);
            continue;
        }
        kv_remove(kv, wbuf_view(&hand->key));
        at = btree_seek(&kv->tree, wbuf_view(&hand->key));
    }
    if (!p)
        hand->under_way = false;
    return !p;
}

bool kv_sweep(struct kv *kv, struct kv_hand *hand, size_t steps, bool (*drop_cb)(void *arg, struct pair *p), void *arg)
{
    CHECK(!kv->scans);
    if (!kv->count) {
        hand->slot = 0;
        hand->under_way = false;
        return true;
    }
    return kv->ordered ? sweep_tree(kv, hand, steps, drop_cb, arg) : sweep_table(kv, hand, steps, drop_cb, arg);
}

static bool take_pair(const struct pair *p, struct str prefix, struct str *key, struct str *value)
{
    if (!p || !str_starts(pair_key(p), prefix))
        return false;
    *key = pair_key(p);
    *value = pair_value(p);
    return true;
}

bool kv_first(const struct kv *kv, struct str prefix, struct str *key, struct str *value)
{
    CHECK(kv->ordered);
    prefix = key_of(prefix);
    return take_pair(btree_pair(btree_seek(&kv->tree, prefix)), prefix, key, value);
}

/* The least bytes that follow all those with this prefix: the last byte below 0xff counted up, the rest cut off. */
struct btree_at kv_seek_past(const struct kv *kv, struct str prefix)
{
    size_t n = prefix.len;
    while (n && (uint8_t)prefix.ptr[n - 1] == 0xff)
        n--;
    if (!n)
        return btree_end(&kv->tree);
    char *past = xalloc(n);
    memcpy(past, prefix.ptr, n);
    past[n - 1] = (char)((uint8_t)past[n - 1] + 1);
    struct btree_at at = btree_seek(&kv->tree, (struct str){past, n});
    xfree(past);
    return at.node ? at : btree_end(&kv->tree);
}

bool kv_last(const struct kv *kv, struct str prefix, struct str *key, struct str *value)
{
    CHECK(kv->ordered);
    prefix = key_of(prefix);
    return take_pair(btree_pair(btree_back(&kv->tree, kv_seek_past(kv, prefix))), prefix, key, value);
}

struct btree_at kv_seek(const struct kv *kv, struct str key)
{
    CHECK(kv->ordered);
    return btree_seek(&kv->tree, key_of(key));
}

struct pair *kv_floor(const struct kv *kv, struct str key, struct pair **above)
{
    struct btree_at at = kv_seek(kv, key);
    struct pair *p = btree_pair(at);
    if (p && str_eq(pair_key(p), key_of(key))) {
        *above = btree_pair(btree_next(at));
        return p;
    }
    *above = p;
    return btree_pair(btree_back(&kv->tree, at.node ? at : btree_end(&kv->tree)));
}

bool kv_next(const struct kv *kv, struct str after, bool equal, struct str *key, struct str *value)
{
    struct btree_at at = kv_seek(kv, after);
    struct pair *p = btree_pair(at);
    if (p && !equal && str_eq(pair_key(p), key_of(after)))
        p = btree_pair(btree_next(at));
    return take_pair(p, STR(""), key, value);
}
