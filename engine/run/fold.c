#include "engine/run/fold.h"
#include "log/base/copy.h"
#include "log/base/map.h"
#include <sys/mman.h>

/* Ten million keys pass through here at a restart from nothing, so nothing is touched twice that is not in a cache:
 * changes lie one behind the other as they came; an entry of sixteen bytes holds where, and the eight bytes behind what
 * all keys of the store share. Those are sorted as numbers, of which bits that never differ are left out first, so that
 * a number in text costs half of its digits; only what is equal there is compared.
 *
 * A hash table finds keys that come again, among the last GENERATION keys only: so it fits a cache. What comes again
 * later is found by sorting, when there are many more changes than keys were found the last time. */

struct fold_slot {
    uint32_t hash, number; /* number: of the entry, plus one; 0: free */
};
struct entry {
    uint64_t head, at; /* at: chunk << 32 | byte; rises from change to change of a key */
};
struct fold_chunk {
    uint8_t *bytes;
    size_t size;
};
struct fold_part {
    uint32_t store;
    struct entry *entries, *spare; /* spare: as large, or NULL */
    size_t n, cap;
    size_t shared, stale; /* the first bytes that all keys have in common; entries whose head was taken behind more */
    struct fold_slot *slots; /* at most half full */
    size_t nslots, generation, puts, blind; /* generation: its first entry; blind: so many go unhashed */
};
#ifdef TINY
enum { SLOTS_MIN = 64, RADIX_MIN = 16, GENERATION = 32, CHUNK_MIN = 1024, CHUNK_BITS = 14, DIGIT = 4 };
#else
enum { SLOTS_MIN = 64, RADIX_MIN = 256, GENERATION = 16384, CHUNK_MIN = 65536, CHUNK_BITS = 23, DIGIT = 10 };
#endif
enum { AHEAD = 24, LARGE = 4 << 20, CHUNK_MAX = 1 << CHUNK_BITS };

void fold_init(struct fold *f) { *f = (struct fold){.n_max = 8 * GENERATION}; }

static void chunks_free(struct fold *f)
{
    for (size_t i = 0; i < f->kept_chunks; i++)
        xfree(f->chunks[i].bytes);
    xfree(f->chunks);
}

void fold_fini(struct fold *f)
{
    for (size_t i = 0; i < f->nparts; i++) {
        xfree(f->parts[i].entries);
        xfree(f->parts[i].spare);
        xfree(f->parts[i].slots);
    }
    xfree(f->parts);
    chunks_free(f);
    fold_init(f);
}

static void next_generation(struct fold_part *p, bool over);

void fold_reset(struct fold *f)
{
    for (size_t i = 0; i < f->nparts; i++) {
        f->parts[i].n = f->parts[i].stale = 0;
        next_generation(&f->parts[i], false);
    }
    f->nchunks = f->chunk_left = f->bytes = f->n = 0;
    f->n_max = 8 * GENERATION;
    f->last = NULL;
}

size_t fold_bytes(const struct fold *f)
{
    return f->bytes + 2 * f->n * sizeof(struct entry); /* sorting takes as much again */
}

/* Large memory in large pages: one fault for 512. */
static void *large(void *p, size_t bytes)
{
    uintptr_t from = ((uintptr_t)p + 4095) & ~(uintptr_t)4095, to = ((uintptr_t)p + bytes) & ~(uintptr_t)4095;
    if (bytes >= LARGE)
        (void)madvise((void *)from, to - from, MADV_HUGEPAGE); /* a wish */
    return p;
}

/* ---- Changes, one behind the other. */

static void chunk_add(struct fold *f, size_t need)
{
    if (f->nchunks < f->kept_chunks && f->chunks[f->nchunks].size < need) /* one that was kept is too small */
        for (; f->kept_chunks > f->nchunks; f->kept_chunks--)
            xfree(f->chunks[f->kept_chunks - 1].bytes);
    if (f->nchunks == f->kept_chunks) {
        size_t size = MAX(MIN(MAX(f->bytes, (size_t)CHUNK_MIN), (size_t)CHUNK_MAX), need);
        CHECK(size <= UINT32_MAX);
        f->wide |= size > CHUNK_MAX;
        VEC_PUSH(f->chunks, f->kept_chunks, f->cap_chunks) = (struct fold_chunk){large(xalloc(size), size), size};
    }
    f->chunk_left = f->chunks[f->nchunks++].size;
}

/* A change: length of key, length of value, key, value. A length is one byte, or LONG and four; GONE is no value. */
enum { LONG = 255, LENGTH_MAX = 5 };
#define GONE UINT32_MAX

static uint8_t *put_length(uint8_t *p, uint32_t n)
{
    if (LIKELY(n < LONG)) {
        *p = (uint8_t)n;
        return p + 1;
    }
    *p = LONG;
    memcpy(p + 1, &n, sizeof n);
    return p + LENGTH_MAX;
}

static uint8_t *get_length(uint8_t *p, uint32_t *n)
{
    *n = *p;
    if (LIKELY(*n < LONG))
        return p + 1;
    memcpy(n, p + 1, sizeof *n);
    return p + LENGTH_MAX;
}

static uint64_t append(struct fold *f, struct str key, struct str value)
{
    uint32_t value_len = value.ptr ? (uint32_t)value.len : 0;
    CHECK(key.len < GONE && (!value.ptr || value.len < GONE));
    size_t need = 2 * LENGTH_MAX + key.len + value_len;
    if (UNLIKELY(need > f->chunk_left))
        chunk_add(f, need);
    const struct fold_chunk *chunk = &f->chunks[f->nchunks - 1];
    uint8_t *p = chunk->bytes + (chunk->size - f->chunk_left), *begin = p;
    p = put_length(p, (uint32_t)key.len);
    p = put_length(p, value.ptr ? value_len : GONE);
    copy_short(p, key.ptr, key.len);
    p += key.len;
    copy_short(p, value.ptr, value_len);
    f->chunk_left -= (size_t)(p + value_len - begin);
    f->bytes += (size_t)(p + value_len - begin);
    return (uint64_t)(f->nchunks - 1) << 32 | (uint32_t)(begin - chunk->bytes);
}

static uint8_t *bytes_of(const struct fold *f, uint64_t at) { return f->chunks[at >> 32].bytes + (uint32_t)at; }

/* Gives where the length of the value is. */
static uint8_t *change_of(const struct fold *f, uint64_t at, struct str *key, struct str *value)
{
    uint32_t key_len, value_len;
    uint8_t *length = get_length(bytes_of(f, at), &key_len), *p = get_length(length, &value_len);
    *key = (struct str){(char *)p, key_len};
    *value = value_len == GONE ? STR_NULL : (struct str){(char *)p + key_len, value_len};
    return length;
}

static struct str key_of(const struct fold *f, uint64_t at)
{
    struct str key, value;
    change_of(f, at, &key, &value);
    return key;
}

/* ---- Putting. */

static size_t common(struct str a, struct str b, size_t max)
{
    size_t i = 0, n = MIN(max, MIN(a.len, b.len));
    while (i < n && a.ptr[i] == b.ptr[i])
        i++;
    return i;
}

static uint64_t head_of(struct str key, size_t skip)
{
    uint8_t b[8] = {0};
    if (key.len - skip >= sizeof b)
        return be64(key.ptr + skip);
    memcpy(b, key.ptr + skip, key.len - skip);
    return be64(b);
}

static void push(struct fold *f, struct fold_part *p, struct str key, struct str value)
{
    if (UNLIKELY(p->n == 0)) {
        p->shared = key.len;
    } else {
        struct str first = key_of(f, p->entries[0].at);
        if (UNLIKELY(key.len < p->shared || memcmp(first.ptr, key.ptr, p->shared) != 0)) {
            p->shared = common(first, key, p->shared);
            p->stale = p->n;
        }
    }
    CHECK(p->n < UINT32_MAX);
    if (UNLIKELY(p->n == p->cap)) {
        p->cap = p->cap ? p->cap * 2 : 64;
        p->entries = large(xrealloc(p->entries, p->cap * sizeof *p->entries), p->cap * sizeof *p->entries);
        xfree(p->spare);
        p->spare = NULL;
    }
    p->entries[p->n++] = (struct entry){head_of(key, p->shared), append(f, key, value)};
    f->n++;
}

static void grow(struct fold_part *p)
{
    size_t n = p->nslots ? p->nslots * 2 : SLOTS_MIN;
    struct fold_slot *slots = xzalloc(n * sizeof *slots);
    for (size_t i = 0; i < p->nslots; i++) {
        size_t at = p->slots[i].hash & (n - 1);
        if (!p->slots[i].number)
            continue;
        while (slots[at].number)
            at = (at + 1) & (n - 1);
        slots[at] = p->slots[i];
    }
    xfree(p->slots);
    p->slots = slots;
    p->nslots = n;
}

/* Where keys hardly came twice, the next ones are not even looked for. */
static void next_generation(struct fold_part *p, bool over)
{
    size_t n = p->n - p->generation;
    p->blind = over && p->puts < n + n / 8 ? 15 * GENERATION : 0;
    p->generation = p->n;
    p->puts = 0;
    if (p->nslots)
        memset(p->slots, 0, p->nslots * sizeof *p->slots);
}

static void set_value(struct fold *f, struct entry *e, struct str key, struct str value)
{
    struct str same, old;
    uint8_t *length = change_of(f, e->at, &same, &old);
    if (!value.ptr || !old.ptr || value.len > old.len) {
        e->at = append(f, key, value);
        return;
    }
    uint32_t len = (uint32_t)value.len;
    if (*length == LONG) /* it stays as wide as it was */
        memcpy(length + 1, &len, sizeof len);
    else
        *length = (uint8_t)len;
    memcpy((char *)old.ptr, value.ptr, value.len); /* our own bytes */
}

static void put_hashed(struct fold *f, struct fold_part *p, struct str key, struct str value)
{
    if ((p->n - p->generation + 1) * 2 > p->nslots)
        grow(p);
    p->puts++;
    uint32_t hash = (uint32_t)hash_bytes(key.ptr, key.len, 0);
    for (size_t i = hash & (p->nslots - 1);; i = (i + 1) & (p->nslots - 1)) {
        struct fold_slot *s = &p->slots[i];
        if (!s->number) {
            push(f, p, key, value);
            *s = (struct fold_slot){hash, (uint32_t)p->n};
            break;
        }
        struct entry *e = &p->entries[s->number - 1];
        if (s->hash == hash && str_eq(key_of(f, e->at), key)) {
            set_value(f, e, key, value);
            return;
        }
    }
    if (p->n - p->generation == GENERATION)
        next_generation(p, true);
}

static struct fold_part *part_of(struct fold *f, uint32_t store)
{
    for (size_t i = 0; i < f->nparts; i++)
        if (f->parts[i].store == store)
            return &f->parts[i];
    struct fold_part *p = &VEC_PUSH(f->parts, f->nparts, f->cap);
    *p = (struct fold_part){.store = store};
    return p;
}

static void compact(struct fold *f);

void fold_put(struct fold *f, uint32_t store, struct str key, struct str value)
{
    if (UNLIKELY(!f->last || f->last->store != store))
        f->last = part_of(f, store);
    struct fold_part *p = f->last;
    if (p->blind) {
        push(f, p, key, value);
        if (--p->blind == 0)
            p->generation = p->n;
    } else {
        put_hashed(f, p, key, value);
    }
    if (UNLIKELY(f->n >= f->n_max))
        compact(f);
}

/* ---- Sorting. */

static void renew_heads(const struct fold *f, struct fold_part *p)
{
    for (size_t i = 0; i < p->stale; i++) {
        if (i + AHEAD < p->stale)
            __builtin_prefetch(bytes_of(f, p->entries[i + AHEAD].at));
        p->entries[i].head = head_of(key_of(f, p->entries[i].at), p->shared);
    }
    p->stale = 0;
}

/* Of each byte the bits above those that ever differ go: order and equality stay. Gives how many bits are left. */
static unsigned squeeze(struct entry *e, size_t n)
{
    uint64_t differ = 0;
    unsigned width[8], bits = 0;
    for (size_t i = 1; i < n; i++)
        differ |= e[i].head ^ e[0].head;
    for (unsigned b = 0; b < 8; b++) {
        unsigned byte = differ >> 8 * b & 255;
        width[b] = byte ? 32 - (unsigned)__builtin_clz(byte) : 0;
        bits += width[b];
    }
    if (bits > 48) /* hardly a pass less */
        return 64;
    for (size_t i = 0; i < n; i++) {
        uint64_t out = 0;
        for (unsigned b = 8; b-- > 0;)
            out = out << width[b] | (e[i].head >> 8 * b & ((1u << width[b]) - 1));
        e[i].head = out;
    }
    return bits;
}

static unsigned digit_of(unsigned bits)
{
    unsigned passes = (bits + DIGIT - 1) / DIGIT;
    return passes ? (bits + passes - 1) / passes : 1;
}

static void begin_of_each(uint32_t *count, unsigned n)
{
    for (uint32_t b = 0, at = 0; b < n; b++) {
        uint32_t here = count[b];
        count[b] = at;
        at += here;
    }
}

/* By the heads, least digit first; gives where the result is: in from or to. */
static struct entry *radix(struct entry *from, struct entry *to, size_t n, unsigned bits)
{
    unsigned digit = digit_of(bits), mask = (1u << digit) - 1;
    for (unsigned shift = 0; shift < bits; shift += digit) {
        uint32_t count[1 << DIGIT] = {0};
        for (size_t i = 0; i < n; i++)
            count[from[i].head >> shift & mask]++;
        begin_of_each(count, mask + 1);
        for (size_t i = 0; i < n; i++)
            to[count[from[i].head >> shift & mask]++] = from[i];
        struct entry *other = from;
        from = to;
        to = other;
    }
    return from;
}

/* The same of numbers, by their bits from `shift` on. */
static uint64_t *radix_packed(uint64_t *from, uint64_t *to, size_t n, unsigned shift, unsigned bits)
{
    unsigned digit = digit_of(bits), mask = (1u << digit) - 1;
    for (unsigned end = shift + bits; shift < end; shift += digit) {
        uint32_t count[1 << DIGIT] = {0};
        for (size_t i = 0; i < n; i++)
            count[from[i] >> shift & mask]++;
        begin_of_each(count, mask + 1);
        for (size_t i = 0; i < n; i++)
            to[count[from[i] >> shift & mask]++] = from[i];
        uint64_t *other = from;
        from = to;
        to = other;
    }
    return from;
}

/* Head and place often fit one number together: half the memory to sort, and the entries' own has room for both
 * halves. */
static void sort_packed(struct entry *e, size_t n, unsigned bits, unsigned at_bits)
{
    uint64_t *half = (uint64_t *)e, at_mask = ((uint64_t)1 << at_bits) - 1;
    for (size_t i = 0; i < n; i++) {
        struct entry x = e[i];
        half[i] = x.head << at_bits | (x.at >> 32) << CHUNK_BITS | (uint32_t)x.at;
    }
    uint64_t *sorted = radix_packed(half, half + n, n, at_bits, bits);
    for (size_t k = 0; k < n; k++) {
        size_t i = sorted == half ? n - 1 - k : k; /* what is written has been read */
        uint64_t x = sorted[i], at = x & at_mask;
        e[i] = (struct entry){x >> at_bits, (at >> CHUNK_BITS) << 32 | (at & (((uint64_t)1 << CHUNK_BITS) - 1))};
    }
}

/* Stable, by the heads. */
static void sort_heads(const struct fold *f, struct fold_part *p)
{
    size_t bytes = p->cap * sizeof *p->entries;
    unsigned bits = squeeze(p->entries, p->n), at_bits = CHUNK_BITS;
    while ((f->nchunks - 1) >> (at_bits - CHUNK_BITS))
        at_bits++;
    if (!f->wide && bits + at_bits < 64) {
        sort_packed(p->entries, p->n, bits, at_bits);
        return;
    }
    if (!p->spare)
        p->spare = large(xalloc(bytes), bytes);
    struct entry *sorted = radix(p->entries, p->spare, p->n, bits);
    if (sorted == p->spare) {
        p->spare = p->entries;
        p->entries = sorted;
    }
}

/* By key, then as they came. */
static int entry_cmp(const void *pa, const void *pb, void *fold)
{
    const struct entry *a = pa, *b = pb;
    int cmp = str_cmp(key_of(fold, a->at), key_of(fold, b->at));
    return cmp ? cmp : (a->at > b->at) - (a->at < b->at);
}

/* Entries of one head, sorted as they came by the radix: gives how many are left once only the last of each key is. */
static size_t settle(struct fold *f, struct entry *e, size_t n, struct entry *out)
{
    size_t kept = 0;
    for (size_t i = 1; i < n; i++)
        if (entry_cmp(&e[i - 1], &e[i], f) > 0) {
            qsort_r(e, n, sizeof *e, entry_cmp, f);
            break;
        }
    for (size_t i = 0; i < n; i++)
        if (i + 1 == n || !str_eq(key_of(f, e[i].at), key_of(f, e[i + 1].at)))
            out[kept++] = e[i];
    return kept;
}

static void sort_part(struct fold *f, struct fold_part *p)
{
    size_t n = p->n, kept = 0;
    renew_heads(f, p);
    if (n < RADIX_MIN) {
        kept = settle(f, p->entries, n, p->entries);
    } else {
        sort_heads(f, p);
        struct entry *e = p->entries;
        for (size_t i = 0, k; i < n; i = k) {
            for (k = i + 1; k < n && e[k].head == e[i].head;)
                k++;
            if (k == i + 1)
                e[kept++] = e[i];
            else
                kept += settle(f, e + i, k - i, e + kept);
        }
    }
    p->n = p->stale = kept; /* the heads are squeezed */
    next_generation(p, false);
}

static int part_cmp(const void *pa, const void *pb)
{
    const struct fold_part *a = pa, *b = pb;
    return (a->store > b->store) - (a->store < b->store);
}

void fold_sort(struct fold *f)
{
    f->n = 0;
    if (f->nparts)
        qsort(f->parts, f->nparts, sizeof *f->parts, part_cmp);
    for (size_t i = 0; i < f->nparts; i++) {
        if (f->parts[i].n)
            sort_part(f, &f->parts[i]);
        f->n += f->parts[i].n;
    }
    f->last = NULL;
    f->at_part = f->at = 0;
}

/* What is left lies anew in chunks of its own. */
static void move(struct fold *f)
{
    struct fold old = *f;
    f->chunks = NULL;
    f->nchunks = f->kept_chunks = f->cap_chunks = f->chunk_left = f->bytes = 0;
    for (size_t i = 0; i < f->nparts; i++) {
        struct fold_part *p = &f->parts[i];
        for (size_t k = 0; k < p->n; k++) {
            if (k + AHEAD < p->n)
                __builtin_prefetch(bytes_of(&old, p->entries[k + AHEAD].at));
            struct str key, value;
            change_of(&old, p->entries[k].at, &key, &value);
            p->entries[k].at = append(f, key, value);
        }
    }
    chunks_free(&old);
}

/* Too many changes: what of them are the last of their keys? Rare where all are. */
static void compact(struct fold *f)
{
    size_t before = f->n;
    fold_sort(f);
    if (f->n < before / 2)
        move(f);
    f->n_max = MAX((size_t)8 * GENERATION, f->n * (f->n > before / 8 * 7 ? 32 : 4));
}

size_t fold_take(struct fold *f, struct checkpoint_change *out, size_t max)
{
    size_t n = 0;
    while (n < max && f->at_part < f->nparts) {
        const struct fold_part *p = &f->parts[f->at_part];
        size_t end = MIN(p->n, f->at + (max - n));
        for (; f->at < end; f->at++) {
            if (f->at + AHEAD < p->n) { /* sorted changes lie anywhere in memory */
                const uint8_t *next = bytes_of(f, p->entries[f->at + AHEAD].at);
                __builtin_prefetch(next);
                __builtin_prefetch(next + 40); /* most are shorter */
            }
            out[n].store = p->store;
            change_of(f, p->entries[f->at].at, &out[n].key, &out[n].value);
            n++;
        }
        if (f->at == p->n) {
            f->at_part++;
            f->at = 0;
        }
    }
    return n;
}
