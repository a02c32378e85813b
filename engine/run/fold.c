#include "engine/run/fold.h"
#include "log/base/map.h"

/* Ten million keys pass through here at a restart from nothing: so slots hold hash and number only, and keys are sorted by
 * the eight bytes behind what all of them share, as numbers; only what is equal there is compared. */

struct fold_slot {
    uint32_t hash, number; /* number: of the change, plus one; 0: free */
};
enum { SLOTS_MIN = 64, RADIX_MIN = 256 };

void fold_init(struct fold *f)
{
    *f = (struct fold){0};
    arena_init(&f->arena);
}

void fold_fini(struct fold *f)
{
    arena_fini(&f->arena);
    xfree(f->changes);
    xfree(f->slots);
}

void fold_reset(struct fold *f)
{
    arena_reset(&f->arena);
    f->n = 0;
    if (f->nslots)
        memset(f->slots, 0, f->nslots * sizeof *f->slots);
}

size_t fold_bytes(const struct fold *f)
{
    return f->arena.used + f->n * sizeof *f->changes + f->nslots * sizeof *f->slots;
}

static uint32_t hash_of(uint32_t store, struct str key) { return (uint32_t)hash_bytes(key.ptr, key.len, store); }

static void grow(struct fold *f)
{
    size_t n = f->nslots ? f->nslots * 2 : SLOTS_MIN;
    struct fold_slot *slots = xzalloc(n * sizeof *slots);
    for (size_t i = 0; i < f->nslots; i++) {
        size_t at = f->slots[i].hash & (n - 1);
        if (!f->slots[i].number)
            continue;
        while (slots[at].number)
            at = (at + 1) & (n - 1);
        slots[at] = f->slots[i];
    }
    xfree(f->slots);
    f->slots = slots;
    f->nslots = n;
}

static void set_value(struct fold *f, struct checkpoint_change *c, struct str value)
{
    if (value.ptr && c->value.ptr && value.len <= c->value.len) {
        memcpy((char *)c->value.ptr, value.ptr, value.len); /* the arena's own bytes */
        c->value.len = value.len;
    } else {
        c->value = arena_dup(&f->arena, value);
    }
}

void fold_put(struct fold *f, uint32_t store, struct str key, struct str value)
{
    if ((f->n + 1) * 2 > f->nslots)
        grow(f);
    uint32_t hash = hash_of(store, key);
    for (size_t i = hash & (f->nslots - 1);; i = (i + 1) & (f->nslots - 1)) {
        struct fold_slot *s = &f->slots[i];
        if (!s->number) {
            CHECK(f->n < UINT32_MAX);
            VEC_PUSH(f->changes, f->n, f->cap) =
                (struct checkpoint_change){store, arena_dup(&f->arena, key), arena_dup(&f->arena, value)};
            *s = (struct fold_slot){hash, (uint32_t)f->n};
            return;
        }
        struct checkpoint_change *c = &f->changes[s->number - 1];
        if (s->hash == hash && c->store == store && str_eq(c->key, key)) {
            set_value(f, c, value);
            return;
        }
    }
}

/* ---- Sorting. */

struct head {
    uint64_t bytes;
    uint32_t number;
};

static size_t common(struct str a, struct str b)
{
    size_t i = 0;
    while (i < a.len && i < b.len && a.ptr[i] == b.ptr[i])
        i++;
    return i;
}

static uint64_t head_of(struct str key, size_t skip)
{
    uint8_t b[8] = {0};
    memcpy(b, key.ptr + skip, MIN(key.len - skip, sizeof b));
    return be64(b);
}

/* By the heads, least byte first; bytes that all have in common cost no pass. */
static struct head *radix(struct head *from, struct head *to, size_t n)
{
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t count[256] = {0}, at = 0;
        for (size_t i = 0; i < n; i++)
            count[from[i].bytes >> shift & 255]++;
        if (count[from[0].bytes >> shift & 255] == n)
            continue;
        for (unsigned b = 0; b < 256; b++) {
            size_t here = count[b];
            count[b] = at;
            at += here;
        }
        for (size_t i = 0; i < n; i++)
            to[count[from[i].bytes >> shift & 255]++] = from[i];
        struct head *other = from;
        from = to;
        to = other;
    }
    return from;
}

/* n changes of one store. */
static void sort_store(struct checkpoint_change *c, size_t n)
{
    size_t shared = c[0].key.len;
    for (size_t i = 1; i < n && shared; i++)
        shared = MIN(shared, common(c[0].key, c[i].key));
    struct head *a = xalloc(n * sizeof *a), *b = xalloc(n * sizeof *b);
    for (size_t i = 0; i < n; i++)
        a[i] = (struct head){head_of(c[i].key, shared), (uint32_t)i};
    struct head *sorted = radix(a, b, n);
    struct checkpoint_change *out = xalloc(n * sizeof *out);
    for (size_t i = 0; i < n; i++)
        out[i] = c[sorted[i].number];
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && sorted[k].bytes == sorted[i].bytes;)
            k++;
        if (k - i > 1)
            checkpoint_sort(out + i, k - i);
    }
    memcpy(c, out, n * sizeof *c);
    xfree(out);
    xfree(a);
    xfree(b);
}

/* Stores apart first: there are few. */
static int store_cmp(const void *pa, const void *pb)
{
    const struct checkpoint_change *a = pa, *b = pb;
    return (a->store > b->store) - (a->store < b->store);
}

void fold_sort(struct fold *f)
{
    if (f->n < RADIX_MIN) {
        checkpoint_sort(f->changes, f->n);
        return;
    }
    bool one = true;
    for (size_t i = 1; one && i < f->n; i++)
        one = f->changes[i].store == f->changes[0].store;
    if (!one)
        qsort(f->changes, f->n, sizeof *f->changes, store_cmp);
    for (size_t i = 0, k; i < f->n; i = k) {
        for (k = i + 1; k < f->n && f->changes[k].store == f->changes[i].store;)
            k++;
        sort_store(f->changes + i, k - i);
    }
}
