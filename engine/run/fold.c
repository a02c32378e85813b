#include "engine/run/fold.h"
#include "log/base/map.h"

/* Ten million keys pass through here at a restart from nothing: so slots hold hash and number only, and where keys hardly come
 * twice there are none. Keys are sorted by the eight bytes behind what all of them share, as numbers; only what is equal there
 * is compared. */

struct fold_slot {
    uint32_t hash, number; /* number: of the change, plus one; 0: free */
};
#ifdef TINY
enum { SLOTS_MIN = 64, RADIX_MIN = 16, PLAIN_MIN = 32 };
#else
enum { SLOTS_MIN = 64, RADIX_MIN = 256, PLAIN_MIN = 16384 };
#endif
enum { AHEAD = 12 }; /* changes whose bytes are asked for before they are needed */

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
    f->n = f->puts = 0;
    f->plain = false;
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

static void push(struct fold *f, uint32_t store, struct str key, struct str value)
{
    CHECK(f->n < UINT32_MAX);
    VEC_PUSH(f->changes, f->n, f->cap) =
        (struct checkpoint_change){store, arena_dup(&f->arena, key), arena_dup(&f->arena, value)};
}

void fold_put(struct fold *f, uint32_t store, struct str key, struct str value)
{
    f->puts++;
    f->plain |= f->n == PLAIN_MIN && f->puts < f->n + f->n / 8;
    if (f->plain) {
        push(f, store, key, value);
        return;
    }
    if ((f->n + 1) * 2 > f->nslots)
        grow(f);
    uint32_t hash = hash_of(store, key);
    for (size_t i = hash & (f->nslots - 1);; i = (i + 1) & (f->nslots - 1)) {
        struct fold_slot *s = &f->slots[i];
        if (!s->number) {
            push(f, store, key, value);
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

/* By key, then as they came. */
static int head_cmp(const void *pa, const void *pb, void *changes)
{
    const struct head *a = pa, *b = pb;
    const struct checkpoint_change *c = changes;
    int cmp = str_cmp(c[a->number].key, c[b->number].key);
    return cmp ? cmp : (a->number > b->number) - (a->number < b->number);
}

/* The last of each key, in order, to out; gives how many. */
static size_t gather(const struct checkpoint_change *c, const struct head *sorted, size_t n, struct checkpoint_change *out)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (i + 2 * AHEAD < n)
            __builtin_prefetch(&c[sorted[i + 2 * AHEAD].number]);
        const struct checkpoint_change *x = &c[sorted[i].number];
        bool again = i + 1 < n && sorted[i + 1].bytes == sorted[i].bytes && str_eq(x->key, c[sorted[i + 1].number].key);
        if (!again)
            out[kept++] = *x;
    }
    return kept;
}

/* n changes of one store, to out. */
static size_t sort_store(struct checkpoint_change *c, size_t n, struct checkpoint_change *out)
{
    size_t shared = c[0].key.len;
    for (size_t i = 1; i < n && shared; i++)
        shared = MIN(shared, common(c[0].key, c[i].key));
    struct head *a = xalloc(n * sizeof *a), *b = xalloc(n * sizeof *b);
    for (size_t i = 0; i < n; i++)
        a[i] = (struct head){head_of(c[i].key, shared), (uint32_t)i};
    struct head *sorted = radix(a, b, n);
    for (size_t i = 0, k; i < n; i = k) {
        for (k = i + 1; k < n && sorted[k].bytes == sorted[i].bytes;)
            k++;
        if (k - i > 1)
            qsort_r(sorted + i, k - i, sizeof *sorted, head_cmp, c);
    }
    n = gather(c, sorted, n, out);
    xfree(a);
    xfree(b);
    return n;
}

/* Stores apart first, each as it came: there are few. */
struct store_part {
    uint32_t store;
    size_t n, at;
};

static struct store_part *part_of(struct store_part **parts, size_t *nparts, size_t *cap, uint32_t store)
{
    for (size_t i = 0; i < *nparts; i++)
        if ((*parts)[i].store == store)
            return &(*parts)[i];
    struct store_part *p = &VEC_PUSH(*parts, *nparts, *cap);
    *p = (struct store_part){.store = store};
    return p;
}

static int part_cmp(const void *pa, const void *pb)
{
    const struct store_part *a = pa, *b = pb;
    return (a->store > b->store) - (a->store < b->store);
}

void fold_sort(struct fold *f)
{
    if (f->n < RADIX_MIN && !f->plain) {
        checkpoint_sort(f->changes, f->n);
        return;
    }
    struct store_part *parts = NULL;
    size_t nparts = 0, cap = 0, at = 0, kept = 0;
    for (size_t i = 0; i < f->n; i++)
        part_of(&parts, &nparts, &cap, f->changes[i].store)->n++;
    qsort(parts, nparts, sizeof *parts, part_cmp);
    for (size_t i = 0; i < nparts; at += parts[i++].n)
        parts[i].at = at;
    struct checkpoint_change *apart = xalloc((f->n + 1) * sizeof *apart);
    for (size_t i = 0; i < f->n; i++)
        apart[part_of(&parts, &nparts, &cap, f->changes[i].store)->at++] = f->changes[i];
    for (size_t i = 0; i < nparts; i++)
        kept += sort_store(apart + parts[i].at - parts[i].n, parts[i].n, f->changes + kept);
    f->n = kept;
    xfree(apart);
    xfree(parts);
}
