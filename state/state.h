/* What operators remember: in-memory maps, the changes of an epoch, the checkpoint file of a task.
 *
 * Truth lies in the job's changelog topic: key = store number (4 bytes big-endian) + state key, value = absolute
 * value, null = gone. The checkpoint (SQLite) is a copy of a prefix of one changelog partition, taken on another
 * clock; damaged or missing, it is rebuilt. Thread: maps belong to a task; checkpoints to the worker job that holds
 * them. */
#ifndef STATE_STATE_H
#define STATE_STATE_H
#include "log/base/alloc.h"
#include "log/base/buf.h"
#include "log/base/disk.h"
#include "log/base/err.h"

/* ---- Memory that is counted but never refused: state must grow with its input. What no longer fits the budget is held
 * in `over`; whoever admits work looks at it. */
struct account {
    struct budget *budget; /* may be NULL */
    size_t bytes, over;    /* all bytes; those of them that the budget refused */
};
void account_add(struct account *a, size_t n);
void account_sub(struct account *a, size_t n);

/* ---- A map from key bytes to value bytes. Ordered ones also scan by prefix, in byte order. */
struct kv;
struct kv *kv_new(bool ordered, struct budget *budget);
void kv_passing(struct kv *kv); /* still empty: its pairs all go at once, by kv_clear, and cost no allocation each */
void kv_hash(struct kv *kv); /* an ordered one, still empty: finds keys by hash too, for 16 to 43 bytes an entry */
void kv_free(struct kv *kv);
/* Value of key; .ptr NULL if absent. Borrowed until the next change of kv. */
struct str kv_get(const struct kv *kv, struct str key);
void kv_put(struct kv *kv, struct str key, struct str value); /* copies both; over budget is counted, not refused */
bool kv_remove(struct kv *kv, struct str key);
void kv_clear(struct kv *kv);
size_t kv_count(const struct kv *kv);
size_t kv_bytes(const struct kv *kv);
/* Calls each_cb for every pair (ordered: ascending; with a prefix: those that start with it) until it answers non-zero,
 * which is returned. kv must not change meanwhile. */
int kv_scan(const struct kv *kv, struct str prefix, int (*each_cb)(void *arg, struct str key, struct str value), void *arg);
int kv_scan_from(const struct kv *kv, struct str prefix, struct str from,
                 int (*each_cb)(void *arg, struct str key, struct str value), void *arg); /* ordered: keys >= from */
/* Ordered: the first pair with a key above `after` (or equal, if `equal`). */
bool kv_next(const struct kv *kv, struct str after, bool equal, struct str *key, struct str *value);

/* Ordered ones only: the smallest and the largest pair whose key starts with prefix; false if there is none. */
bool kv_first(const struct kv *kv, struct str prefix, struct str *key, struct str *value);
bool kv_last(const struct kv *kv, struct str prefix, struct str *key, struct str *value);

/* ---- A store: a map with a cold level (a task's checkpoint). What it is, and why: README.md, "Stores".
 * Fetching is the task's: want -> fetch by a worker -> load, then the push. */

/* What of a task's state is dirty: changed after the epoch that its checkpoint holds. Numbers wrap; only distances
 * count. */
struct state_clock {
    bool cold;            /* there is a checkpoint, or may be one: what is removed must be remembered */
    uint32_t epoch, clean; /* running epoch; the last one that the checkpoint holds */
    size_t *fresh;         /* bytes that have become part of the running epoch; NULL: nobody counts them */
};
static inline void clock_fresh(const struct state_clock *c, size_t bytes)
{
    if (c->fresh)
        *c->fresh += bytes;
}
static inline bool clock_dirty(const struct state_clock *c, uint32_t epoch) { return (int32_t)(epoch - c->clean) > 0; }

/* Keys that were removed since the checkpoint: what it says of them is not true any more. */
struct graves;
struct graves *graves_new(const struct state_clock *clock, struct budget *budget);
void graves_free(struct graves *g);
void graves_dig(struct graves *g, struct str key);
bool graves_has(const struct graves *g, struct str key); /* and the checkpoint does not know it yet */
void graves_tidy(struct graves *g, size_t steps); /* forgets those that the checkpoint knows; a piece of work */
size_t graves_bytes(const struct graves *g);

/* What an operator asks of the cold level. */
struct need {
    unsigned store;      /* as given to changes_put */
    bool range;          /* all keys that start with `key`, from `from` on (above it, if `above`), at most limit */
    bool above;
    uint32_t limit;      /* UINT32_MAX: all */
    uint32_t found;      /* filled in: how many came */
    struct str key, from;
};
struct needs {
    struct arena arena;
    struct need *v;
    size_t n, cap;
};
void needs_init(struct needs *w);
void needs_fini(struct needs *w);
void needs_reset(struct needs *w);
void needs_key(struct needs *w, unsigned store, struct str key);
void needs_range(struct needs *w, unsigned store, struct str prefix, struct str from, bool above, uint32_t limit);

struct store;
struct store *store_new(bool ordered, const struct state_clock *clock, struct budget *budget);
void store_hash(struct store *s); /* kv_hash */
void store_free(struct store *s);
void store_opened(struct store *s, int64_t cold_entries); /* the checkpoint holds so many: no longer whole, if any */
bool store_whole(const struct store *s);                  /* nothing of it is missing in memory */
/* What memory says of a key; after it was wanted that is the truth. .ptr NULL: absent. Until the next change. */
struct str store_get(struct store *s, struct str key);
void store_put(struct store *s, struct str key, struct str value);
/* Puts it if there is none: .ptr NULL. Else what is there, which stays, until the next change. */
struct str store_add(struct store *s, struct str key, struct str value);
/* The bytes of its value, to be changed; of a new one `len` zeros. Until the next change. */
uint8_t *store_edit(struct store *s, struct str key, size_t len);
bool store_remove(struct store *s, struct str key);                    /* false: it was not there */
bool store_buried(const struct store *s, struct str key);              /* gone, whatever the cold level says */
void store_pin(struct store *s, struct str key); /* if it is in memory it stays until this epoch is in the checkpoint */
void store_restore(struct store *s, struct str key, struct str value); /* from the changelog; null: gone */
void store_load(struct store *s, struct str key, struct str value);    /* from the cold level; memory knows better */
void store_want(struct store *s, unsigned number, struct str key, struct needs *w); /* if memory does not know the key */
int store_scan(const struct store *s, struct str prefix, int (*each_cb)(void *arg, struct str key, struct str value), void *arg);
const struct kv *store_map(const struct store *s); /* what is in memory */
/* Clean entries go that were not used since the last sweep. True: a sweep is over. */
bool store_evict(struct store *s, size_t steps);
/* All entries with this prefix go, unless one of them is dirty: then false. */
bool store_drop_clean(struct store *s, struct str prefix);
void store_tidy(struct store *s, size_t steps);
size_t store_count(const struct store *s); /* in memory */
size_t store_bytes(const struct store *s);

/* Ordered stores whose keys are loaded and dropped in units (all entries of one join key): unit_cb gives the length
 * of the unit's prefix of a key, gone_cb hears of a unit that was dropped. */
void store_units(struct store *s, size_t (*unit_cb)(void *arg, struct str key), void (*gone_cb)(void *arg, struct str unit),
                 void *arg);
void store_want_unit(struct store *s, unsigned number, struct str unit, struct needs *w);
bool store_unit_known(struct store *s, struct str unit);
void store_unit_loaded(struct store *s, struct str unit);
bool store_evict_units(struct store *s, size_t steps);

/* ---- The changes of one epoch of one task, ready for the changelog. */
struct changes {
    void *arg;
    void (*put_cb)(void *arg, unsigned store, struct str key, struct str value); /* value null: gone; both borrowed */
};
static inline void changes_put(struct changes *c, unsigned store, struct str key, struct str value)
{
    c->put_cb(c->arg, store, key, value);
}

/* ---- The checkpoint of one task, and the cold level of its stores: (store, key) -> value in sorted buckets, with
 * the changelog offset it reflects and a few bytes of the runner's own (the last commit it holds). One SQLite file.
 *
 * A checkpoint may be put piece by piece (checkpoint_put, each a durable transaction) between reads; only the seal
 * moves the offset. In between the file holds some values newer than its offset says, all of them committed:
 * replaying the changelog from the offset gives the same, because values are absolute. Blocking: worker jobs, one at
 * a time. */
struct checkpoint;
/* Opens or creates path on disk (through a VFS over it). Answers E_CORRUPT if the file is damaged or of another layout:
 * then the caller deletes it (checkpoint_delete) and rebuilds from the changelog. */
int checkpoint_open(struct checkpoint **out, struct disk *disk, const char *path, struct diag *d) MUST_USE;
void checkpoint_close(struct checkpoint *cp);
/* A new one is made without a journal and without syncs under another name, PATH.new, which a crash leaves as
 * nothing worth: begin deletes what is there of both. After the seal and a close, finish makes it durable and gives
 * it its name. */
int checkpoint_begin(struct checkpoint **out, struct disk *disk, const char *path, struct diag *d) MUST_USE;
int checkpoint_finish(struct disk *disk, const char *path) MUST_USE;
int checkpoint_delete(struct disk *disk, const char *path);
/* What it keeps in memory is counted in `budget` from now on; of packed entries it keeps at most max bytes. SQLite's
 * pages are not counted: they are an eighth of that, and CHECKPOINT_CACHE_KIB, at most. */
void checkpoint_memory(struct checkpoint *cp, struct budget *budget, size_t max);
int64_t checkpoint_offset(const struct checkpoint *cp); /* -1: empty */
int64_t checkpoint_aim(const struct checkpoint *cp);    /* no value in it is newer than this offset */
struct str checkpoint_note(const struct checkpoint *cp); /* borrowed until the next write */
struct checkpoint_size {
    uint32_t store;
    int64_t entries, bytes;
};
/* How much each store has, in order of stores; borrowed until the next write. */
size_t checkpoint_sizes(const struct checkpoint *cp, const struct checkpoint_size **out);
struct checkpoint_change {
    uint32_t store;
    struct str key, value; /* value null: gone */
};
void checkpoint_sort(struct checkpoint_change *changes, size_t n); /* by store and key; at most one per key */
/* Some of the sorted changes, from *done on, which is moved: as many as some `buckets` take, whole, or nothing. They
 * all belong before changelog offset `aim`. */
int checkpoint_put(struct checkpoint *cp, const struct checkpoint_change *sorted, size_t n, size_t *done, size_t buckets,
                   int64_t aim);
int checkpoint_seal(struct checkpoint *cp, int64_t offset, struct str note); /* all changes before offset are in */
/* All changes, offset and note, or nothing. Sorts. */
int checkpoint_write(struct checkpoint *cp, struct checkpoint_change *changes, size_t n, int64_t offset, struct str note);
/* Every entry, in order; a non-zero answer of each_cb ends it. E_CORRUPT when the file turns out damaged. */
typedef int (*checkpoint_each)(void *arg, uint32_t store, struct str key, struct str value);
int checkpoint_load(struct checkpoint *cp, checkpoint_each each_cb, void *arg);
/* It will be asked, with these very bytes, after some fifteen others at most: their place is fetched meanwhile. */
void checkpoint_foresee(struct checkpoint *cp, uint32_t store, struct str key);
/* The value of a key, if there is one. Ask in order of keys: neighbours come with one read. */
int checkpoint_get(struct checkpoint *cp, uint32_t store, struct str key, checkpoint_each each_cb, void *arg);
/* Entries of a store from key `from` on (above it, if `above`) that start with prefix, at most `limit`. */
int checkpoint_scan(struct checkpoint *cp, uint32_t store, struct str prefix, struct str from, bool above, size_t limit,
                    checkpoint_each each_cb, void *arg);

#endif
