#include "state/shelf.h"
#include "log/base/limits.h"
#include "state/kv.h"

/* Ids of buckets are small numbers without holes, so an array finds them. They lie one behind the other on boards;
 * when there may be no more boards the oldest goes, and what was asked for while it lay there moves to the newest
 * (second chance). A bucket that has changed lies anew: its old place stays empty until its board goes. So nothing
 * is fragmented. */

struct shelved {
    uint32_t id;
    uint32_t len : 31, used : 1;
    char bytes[];
};
struct shelf_board {
    struct shelf_board *next;
    size_t used;
    _Alignas(8) char data[];
};
enum { BOARD_ROOM = SHELF_BOARD_BYTES - sizeof(struct shelf_board) };
enum { CAP_MIN = 64, PROMISED = 3, LINES = 6 /* the processor sees by itself how it goes on */ };

void shelf_init(struct shelf *s) { *s = (struct shelf){0}; }

/* The trees count by themselves, for nobody: what all is together is told the budget after each change. Boards are
 * counted before they are there, as soon as there are buckets for a part of them: else operators would grow into
 * their place. */
static void count(struct shelf *s)
{
    size_t now = s->cap * sizeof *s->buckets, buckets = 0;
    for (size_t i = 0; i < s->ndirs; i++) {
        now += kv_bytes(s->dirs[i].fences);
        buckets += kv_count(s->dirs[i].fences);
    }
    now += MAX(s->nboards * SHELF_BOARD_BYTES, MIN(s->max, buckets * BUCKET_BYTES * PROMISED));
    if (now > s->account.bytes)
        account_add(&s->account, now - s->account.bytes);
    else
        account_sub(&s->account, s->account.bytes - now);
}

static size_t place_bytes(size_t len) { return (sizeof(struct shelved) + len + 7) / 8 * 8; }

static struct shelf_board *take_oldest(struct shelf *s)
{
    struct shelf_board *b = s->oldest;
    s->oldest = b->next;
    s->nboards--;
    if (!s->oldest)
        s->newest = NULL;
    return b;
}

static void add_newest(struct shelf *s, struct shelf_board *b)
{
    b->next = NULL;
    b->used = 0;
    if (s->newest)
        s->newest->next = b;
    else
        s->oldest = b;
    s->newest = b;
    s->nboards++;
}

static struct shelved *lay(struct shelf *s, uint32_t id, struct str bytes)
{
    struct shelved *x = (struct shelved *)(void *)(s->newest->data + s->newest->used);
    s->newest->used += place_bytes(bytes.len);
    x->id = id;
    x->len = (uint32_t)bytes.len & INT32_MAX;
    x->used = 0;
    memcpy(x->bytes, bytes.ptr, bytes.len);
    return s->buckets[id] = x;
}

/* What lies on a board goes, or moves to the newest: half a board of it at most, so that there is room. */
static void clear_board(struct shelf *s, struct shelf_board *b, bool move)
{
    for (size_t at = 0; at < b->used;) {
        struct shelved *x = (struct shelved *)(void *)(b->data + at);
        at += place_bytes(x->len);
        if (s->buckets[x->id] != x)
            continue;
        s->buckets[x->id] = NULL;
        if (move && x->used && s->newest->used + place_bytes(x->len) <= BOARD_ROOM / 2)
            lay(s, x->id, (struct str){x->bytes, x->len});
    }
}

void shelf_clear(struct shelf *s)
{
    while (s->oldest) {
        struct shelf_board *b = take_oldest(s);
        clear_board(s, b, false);
        xfree(b);
    }
    for (size_t i = 0; i < s->ndirs; i++)
        kv_free(s->dirs[i].fences);
    s->ndirs = 0;
    count(s);
}

void shelf_fini(struct shelf *s)
{
    shelf_clear(s);
    account_sub(&s->account, s->account.bytes);
    xfree(s->dirs);
    xfree(s->buckets);
}

static size_t boards_max(const struct shelf *s) { return s->max / SHELF_BOARD_BYTES; }

void shelf_memory(struct shelf *s, struct budget *budget, size_t max)
{
    if (budget != s->account.budget) {
        account_sub(&s->account, s->account.bytes);
        s->account = (struct account){.budget = budget};
    }
    s->max = max;
    while (s->nboards > boards_max(s)) {
        struct shelf_board *b = take_oldest(s);
        clear_board(s, b, false);
        xfree(b);
    }
    count(s);
}

/* ---- The directory. */

static size_t place_of(const struct shelf *s, uint32_t store)
{
    size_t i = 0;
    while (i < s->ndirs && s->dirs[i].store < store)
        i++;
    return i;
}

static struct kv *fences_of(const struct shelf *s, uint32_t store)
{
    size_t i = place_of(s, store);
    return i < s->ndirs && s->dirs[i].store == store ? s->dirs[i].fences : NULL;
}

void shelf_fence(struct shelf *s, uint32_t store, struct str fence, int64_t id)
{
    if (!fences_of(s, store)) {
        size_t i = place_of(s, store);
        (void)VEC_PUSH(s->dirs, s->ndirs, s->cap_dirs);
        memmove(&s->dirs[i + 1], &s->dirs[i], (s->ndirs - 1 - i) * sizeof *s->dirs);
        s->dirs[i] = (struct shelf_dir){store, kv_new(true, NULL)};
    }
    kv_put(fences_of(s, store), fence, (struct str){(char *)&id, sizeof id});
    count(s);
}

void shelf_unfence(struct shelf *s, uint32_t store, struct str fence)
{
    kv_remove(fences_of(s, store), fence);
    count(s);
}

static int64_t id_of(struct str value)
{
    int64_t id;
    memcpy(&id, value.ptr, sizeof id);
    return id;
}

bool shelf_seek(const struct shelf *s, uint32_t store, struct str key, struct shelf_place *out)
{
    const struct kv *fences = fences_of(s, store);
    struct pair *above, *p = fences ? kv_floor(fences, key, &above) : NULL;
    if (!p)
        return false;
    *out = (struct shelf_place){pair_key(p), above ? pair_key(above) : STR_NULL, id_of(pair_value(p))};
    return true;
}

/* ---- Buckets. */

struct str shelf_get(struct shelf *s, int64_t id)
{
    struct shelved *b = (uint64_t)id < s->cap ? s->buckets[id] : NULL;
    if (!b)
        return STR_NULL;
    b->used = 1;
    return (struct str){b->bytes, b->len};
}

void shelf_prefetch(const struct shelf *s, int64_t id)
{
    const struct shelved *b = (uint64_t)id < s->cap ? s->buckets[id] : NULL;
    for (unsigned i = 0; b && i < LINES; i++)
        __builtin_prefetch((const char *)b + 64 * i);
}

static void grow(struct shelf *s, size_t id)
{
    size_t before = s->cap;
    s->cap = MAX(MAX(before * 2, (size_t)CAP_MIN), id + 1);
    s->buckets = xrealloc(s->buckets, s->cap * sizeof *s->buckets);
    memset(s->buckets + before, 0, (s->cap - before) * sizeof *s->buckets);
}

static void next_board(struct shelf *s)
{
    struct shelf_board *b = s->nboards >= boards_max(s) ? take_oldest(s) : NULL, *fresh = xalloc(SHELF_BOARD_BYTES);
    add_newest(s, fresh);
    if (b)
        clear_board(s, b, true);
    xfree(b);
}

struct str shelf_put(struct shelf *s, int64_t id, struct str bytes)
{
    size_t need = place_bytes(bytes.len);
    if (id < 0 || id > UINT32_MAX || need > BOARD_ROOM / 2 || !boards_max(s))
        return STR_NULL;
    if ((size_t)id >= s->cap)
        grow(s, (size_t)id);
    if (!s->newest || s->newest->used + need > BOARD_ROOM)
        next_board(s);
    const struct shelved *x = lay(s, (uint32_t)id, bytes);
    count(s);
    return (struct str){x->bytes, x->len};
}

void shelf_update(struct shelf *s, int64_t id, struct str bytes)
{
    bool here = (uint64_t)id < s->cap && s->buckets[id];
    if (here)
        s->buckets[id] = NULL;
    if (bytes.ptr && (here || s->nboards < boards_max(s)))
        (void)shelf_put(s, id, bytes);
}
