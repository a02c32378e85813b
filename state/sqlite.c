#include "log/base/crc32c.h"
#include "log/base/limits.h"
#include "state/bucket.h"
#include "state/shelf.h"
#include "state/vfs.h"
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>

/* The checkpoint of a task, which is also the cold level of its stores. A directory (store, fence) -> bucket, which
 * memory holds whole, and buckets that each fit one leaf page, some of which memory holds (shelf.h): a cold read
 * costs one page at most, and brings its neighbours. A fence is the least key that may be in its bucket; the first
 * one of a store is empty. Writes come sorted, in transactions with a rollback journal, so each bucket is written
 * once; the journal is cut to nothing instead of unlinked, which saves a sync of the folder. One row per entry was
 * the first layout: it cost three times the bytes and a descent per entry, and neighbours came one by one. Layout:
 * state/README.md, "Checkpoint". */

enum { SOON = 16, BASE_FOLDS = 16 };
enum { LAYOUT = 2, APPLICATION = 0x57454952 /* "WEIR" */ };

struct checkpoint {
    struct vfs *vfs;
    uint64_t folds;   /* buckets written */
    size_t pages_max; /* bytes of pages that SQLite may keep */
    sqlite3 *db;
    sqlite3_stmt *get, *put, *remove, *dir_put, *dir_remove, *meta_put, *size_put;
    int64_t offset, aim, last_id;
    char *note;
    size_t note_len;
    struct checkpoint_size *sizes;
    size_t nsizes, cap_sizes;
    /* as they were when the transaction began */
    struct checkpoint_size *saved;
    size_t nsaved;
    int64_t saved_id;
    struct shelf shelf;
    bool shelf_stale;   /* an error left it behind the file */
    struct wbuf bucket; /* one that the shelf has no room for, or that is being changed */
    /* The bucket asked last, and how far the search has come: keys are asked in order. */
    struct {
        bool open, more;
        uint32_t store;
        struct wbuf asked; /* the last key */
        struct shelf_place place;
        struct bucket_iter it;
    } cursor;
    /* Places of keys that will be asked soon; they go round. */
    struct foreseen {
        uint32_t store;
        const char *key; /* where it is; NULL: none */
        struct shelf_place place;
    } soon[SOON];
    unsigned next_soon;
};

/* SQLite's codes stop here. The disk knows better than SQLite what went wrong. */
static int err_of(struct checkpoint *cp, int code)
{
    if (code == SQLITE_OK || code == SQLITE_DONE || code == SQLITE_ROW)
        return 0;
    int disk = vfs_error(cp->vfs);
    vfs_error_clear(cp->vfs);
    switch (code & 0xff) {
    case SQLITE_NOMEM: return -ENOMEM;
    case SQLITE_FULL: return -ENOSPC;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: return disk ? disk : -EIO;
    default: return E_CORRUPT; /* NOTADB, CORRUPT, or tables that are not there */
    }
}

static int run(struct checkpoint *cp, const char *sql) { return err_of(cp, sqlite3_exec(cp->db, sql, NULL, NULL, NULL)); }

static int number(struct checkpoint *cp, const char *sql, int64_t *out)
{
    sqlite3_stmt *st;
    int code = sqlite3_prepare_v2(cp->db, sql, -1, &st, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    if (code == SQLITE_ROW)
        *out = sqlite3_column_int64(st, 0);
    int err = code == SQLITE_ROW ? 0 : code == SQLITE_DONE ? E_CORRUPT : err_of(cp, code);
    sqlite3_finalize(st);
    return err;
}

static void note_set(struct checkpoint *cp, struct str note)
{
    char *copy = xalloc(note.len + 1);
    memcpy(copy, note.ptr ? note.ptr : "", note.len);
    copy[note.len] = 0;
    xfree(cp->note);
    cp->note = copy;
    cp->note_len = note.len;
}

static struct str column_blob(sqlite3_stmt *st, int column)
{
    const void *p = sqlite3_column_blob(st, column);
    return (struct str){p ? p : "", (size_t)sqlite3_column_bytes(st, column)};
}

static void bind_blob(sqlite3_stmt *st, int at, struct str s)
{
    CHECK(sqlite3_bind_blob64(st, at, s.len ? s.ptr : "", s.len, SQLITE_STATIC) == SQLITE_OK);
}

/* ---- Opening. */

/* The session's settings. The reserved bytes must be asked for before the first page is made. */
static int configure(struct checkpoint *cp)
{
    int reserved = VFS_RESERVED;
    CHECK(sqlite3_file_control(cp->db, "main", SQLITE_FCNTL_RESERVE_BYTES, &reserved) == SQLITE_OK);
    sqlite3_extended_result_codes(cp->db, 1);
    return run(cp, "PRAGMA page_size=4096; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=TRUNCATE;"
                   "PRAGMA synchronous=FULL; PRAGMA temp_store=MEMORY; PRAGMA trusted_schema=OFF;"
                   "PRAGMA cache_size=-" LIMIT_TEXT(CHECKPOINT_CACHE_KIB));
}

static int create(struct checkpoint *cp)
{
    char sql[1024];
    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE; PRAGMA application_id=%d; PRAGMA user_version=%d;"
             "CREATE TABLE dir(store INTEGER NOT NULL, fence BLOB NOT NULL, id INTEGER NOT NULL,"
             " PRIMARY KEY(store, fence)) WITHOUT ROWID;"
             "CREATE TABLE bucket(id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
             "CREATE TABLE size(store INTEGER PRIMARY KEY, entries INTEGER NOT NULL, bytes INTEGER NOT NULL);"
             "CREATE TABLE meta(id INTEGER PRIMARY KEY, offset INTEGER NOT NULL, aim INTEGER NOT NULL, note BLOB NOT NULL);"
             "INSERT INTO meta VALUES(1, -1, -1, x''); COMMIT",
             APPLICATION, LAYOUT);
    return run(cp, sql);
}

static int read_meta(struct checkpoint *cp)
{
    sqlite3_stmt *st;
    int code = sqlite3_prepare_v2(cp->db, "SELECT offset, aim, note FROM meta WHERE id = 1", -1, &st, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    if (code == SQLITE_ROW) {
        cp->offset = sqlite3_column_int64(st, 0);
        cp->aim = sqlite3_column_int64(st, 1);
        note_set(cp, column_blob(st, 2));
    }
    int err = code == SQLITE_ROW ? 0 : code == SQLITE_DONE ? E_CORRUPT : err_of(cp, code);
    sqlite3_finalize(st);
    return err;
}

static int prepare(struct checkpoint *cp, const char *sql, sqlite3_stmt **out)
{
    return err_of(cp, sqlite3_prepare_v3(cp->db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL));
}

static int prepare_all(struct checkpoint *cp)
{
    const struct {
        sqlite3_stmt **st;
        const char *sql;
    } all[] = {
        {&cp->get, "SELECT data FROM bucket WHERE id = ?1"},
        {&cp->put, "INSERT OR REPLACE INTO bucket VALUES(?1, ?2)"},
        {&cp->remove, "DELETE FROM bucket WHERE id = ?1"},
        {&cp->dir_put, "INSERT INTO dir VALUES(?1, ?2, ?3)"},
        {&cp->dir_remove, "DELETE FROM dir WHERE store = ?1 AND fence = ?2"},
        {&cp->meta_put, "UPDATE meta SET offset = ?1, aim = ?2, note = ?3 WHERE id = 1"},
        {&cp->size_put, "INSERT OR REPLACE INTO size VALUES(?1, ?2, ?3)"},
    };
    int err = 0;
    for (unsigned i = 0; !err && i < ARRAY_LEN(all); i++)
        err = prepare(cp, all[i].sql, all[i].st);
    return err;
}

static int read_sizes(struct checkpoint *cp)
{
    sqlite3_stmt *st;
    int code = sqlite3_prepare_v2(cp->db, "SELECT store, entries, bytes FROM size ORDER BY store", -1, &st, NULL);
    while (code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        VEC_PUSH(cp->sizes, cp->nsizes, cp->cap_sizes) = (struct checkpoint_size){
            (uint32_t)sqlite3_column_int64(st, 0), sqlite3_column_int64(st, 1), sqlite3_column_int64(st, 2)};
        code = SQLITE_OK;
    }
    int err = err_of(cp, code);
    sqlite3_finalize(st);
    return err ? err : number(cp, "SELECT coalesce(max(id), 0) FROM bucket", &cp->last_id);
}

/* The directory into memory. */
static int read_dir(struct checkpoint *cp)
{
    sqlite3_stmt *st;
    shelf_clear(&cp->shelf);
    int code = sqlite3_prepare_v2(cp->db, "SELECT store, fence, id FROM dir ORDER BY store, fence", -1, &st, NULL);
    int err = 0;
    while (!err && code == SQLITE_OK && (code = sqlite3_step(st)) == SQLITE_ROW) {
        int64_t store = sqlite3_column_int64(st, 0), id = sqlite3_column_int64(st, 2);
        err = store < 0 || store > UINT32_MAX || id < 1 || id > cp->last_id ? E_CORRUPT : 0;
        if (!err)
            shelf_fence(&cp->shelf, (uint32_t)store, column_blob(st, 1), id);
        code = SQLITE_OK;
    }
    err = err ? err : err_of(cp, code);
    sqlite3_finalize(st);
    cp->shelf_stale = err != 0;
    return err;
}

static int open_tables(struct checkpoint *cp)
{
    int64_t tables = 0, layout = 0, application = 0;
    int err = configure(cp);
    if (!err)
        err = number(cp, "SELECT count(*) FROM sqlite_schema", &tables);
    if (!err && tables == 0)
        err = create(cp);
    if (!err)
        err = number(cp, "PRAGMA user_version", &layout);
    if (!err)
        err = number(cp, "PRAGMA application_id", &application);
    if (!err && (layout != LAYOUT || application != APPLICATION))
        err = E_CORRUPT;
    if (!err)
        err = read_meta(cp);
    if (!err)
        err = read_sizes(cp);
    if (!err)
        err = read_dir(cp);
    return err ? err : prepare_all(cp);
}

/* SQLite would count its memory behind one lock for all threads. */
static void quiet(void) { (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); }

int checkpoint_open(struct checkpoint **out, struct disk *disk, const char *path, struct diag *d)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    CHECK(pthread_once(&once, quiet) == 0);
    struct checkpoint *cp = xzalloc(sizeof *cp);
    cp->offset = cp->aim = -1;
    shelf_init(&cp->shelf);
    wbuf_init(&cp->bucket);
    wbuf_init(&cp->cursor.asked);
    int err = vfs_new(&cp->vfs, disk);
    if (!err) {
        int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
        err = err_of(cp, sqlite3_open_v2(path, &cp->db, flags, vfs_name(cp->vfs)));
    }
    if (!err)
        err = open_tables(cp);
    if (err) {
        checkpoint_close(cp);
        return diag_set(d, err, "checkpoint %s: %s", path, err_text(err));
    }
    *out = cp;
    return 0;
}

enum { PATH_BYTES = 1100 };

static int new_path(const char *path, char out[PATH_BYTES])
{
    int n = snprintf(out, PATH_BYTES, "%s.new", path);
    return n < 0 || n >= PATH_BYTES ? -ENAMETOOLONG : 0;
}

int checkpoint_begin(struct checkpoint **out, struct disk *disk, const char *path, struct diag *d)
{
    char name[PATH_BYTES];
    int err = new_path(path, name);
    if (!err)
        err = checkpoint_delete(disk, path); /* its journal must not meet the new file */
    if (err)
        return diag_set(d, err, "checkpoint %s: %s", path, err_text(err));
    err = checkpoint_open(out, disk, name, d);
    if (err)
        return err;
    err = run(*out, "PRAGMA synchronous=OFF; PRAGMA journal_mode=OFF");
    if (!err) {
        vfs_eager((*out)->vfs);
        return 0;
    }
    checkpoint_close(*out);
    return diag_set(d, err, "checkpoint %s: %s", path, err_text(err));
}

int checkpoint_finish(struct disk *disk, const char *path)
{
    char name[PATH_BYTES];
    struct file *f;
    int err = new_path(path, name);
    if (!err)
        err = disk_open(disk, name, FILE_WRITE, &f);
    if (err)
        return err;
    err = file_sync(f);
    file_close(f);
    if (!err)
        err = disk_rename(disk, name, path);
    return err ? err : vfs_sync_parent(disk, path);
}

static void cursor_close(struct checkpoint *cp)
{
    if (cp->cursor.open)
        bucket_iter_fini(&cp->cursor.it);
    cp->cursor.open = false;
}

/* The shelf may change: what points into it must go. */
static void forget(struct checkpoint *cp)
{
    cursor_close(cp);
    memset(cp->soon, 0, sizeof cp->soon);
}

void checkpoint_memory(struct checkpoint *cp, struct budget *budget, size_t max)
{
    size_t pages_max = MIN((size_t)CHECKPOINT_CACHE_KIB << 10, max / 8);
    forget(cp);
    if (pages_max != cp->pages_max) {
        char sql[64];
        snprintf(sql, sizeof sql, "PRAGMA cache_size=-%zu", pages_max / 1024 + 1);
        (void)run(cp, sql);
        cp->pages_max = pages_max;
    }
    shelf_memory(&cp->shelf, budget, max);
}

void checkpoint_close(struct checkpoint *cp)
{
    if (!cp)
        return;
    sqlite3_stmt *all[] = {cp->get, cp->put, cp->remove, cp->dir_put, cp->dir_remove, cp->meta_put, cp->size_put};
    for (unsigned i = 0; i < ARRAY_LEN(all); i++)
        sqlite3_finalize(all[i]);
    CHECK(sqlite3_close(cp->db) == SQLITE_OK);
    vfs_free(cp->vfs);
    cursor_close(cp);
    shelf_fini(&cp->shelf);
    wbuf_fini(&cp->bucket);
    wbuf_fini(&cp->cursor.asked);
    xfree(cp->sizes);
    xfree(cp->saved);
    xfree(cp->note);
    xfree(cp);
}

int checkpoint_delete(struct disk *disk, const char *path)
{
    static const char *const suffix[] = {"", "-journal", ".new", ".new-journal"}; /* in this order: a journal alone is harmless */
    char name[1100];
    for (unsigned i = 0; i < ARRAY_LEN(suffix); i++) {
        int n = snprintf(name, sizeof name, "%s%s", path, suffix[i]);
        if (n < 0 || (size_t)n >= sizeof name)
            return -ENAMETOOLONG;
        int err = disk_unlink(disk, name);
        if (err && err != -ENOENT)
            return err;
    }
    return 0;
}

int64_t checkpoint_offset(const struct checkpoint *cp) { return cp->offset; }
int64_t checkpoint_aim(const struct checkpoint *cp) { return MAX(cp->aim, cp->offset); }
struct str checkpoint_note(const struct checkpoint *cp) { return (struct str){cp->note, cp->note_len}; }

size_t checkpoint_sizes(const struct checkpoint *cp, const struct checkpoint_size **out)
{
    *out = cp->sizes;
    return cp->nsizes;
}

/* ---- Buckets of the file. */

static int step_once(struct checkpoint *cp, sqlite3_stmt *st)
{
    int code = sqlite3_step(st);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return err_of(cp, code);
}

/* The bucket's bytes: on the shelf, where it is put if it is wanted there, or in cp->bucket. */
static int read_bucket(struct checkpoint *cp, int64_t id, bool wanted, struct str *out)
{
    *out = shelf_get(&cp->shelf, id);
    if (out->ptr)
        return 0;
    sqlite3_bind_int64(cp->get, 1, id);
    int code = sqlite3_step(cp->get);
    if (code == SQLITE_ROW) {
        struct str bytes = column_blob(cp->get, 0);
        *out = wanted ? shelf_put(&cp->shelf, id, bytes) : STR_NULL;
        if (!out->ptr) {
            wbuf_reset(&cp->bucket);
            wbuf_str(&cp->bucket, bytes);
            wbuf_room(&cp->bucket, 1);
            *out = wbuf_view(&cp->bucket);
        }
    }
    sqlite3_reset(cp->get);
    return code == SQLITE_DONE ? E_CORRUPT : err_of(cp, code);
}

/* The same into cp->bucket, whatever becomes of the shelf. */
static int copy_bucket(struct checkpoint *cp, int64_t id)
{
    struct str bytes;
    int err = read_bucket(cp, id, false, &bytes);
    if (!err && bytes.ptr != (char *)cp->bucket.data) {
        wbuf_reset(&cp->bucket);
        wbuf_str(&cp->bucket, bytes);
    }
    return err;
}

static struct checkpoint_size *size_of(struct checkpoint *cp, uint32_t store)
{
    size_t i = 0;
    while (i < cp->nsizes && cp->sizes[i].store < store)
        i++;
    if (i < cp->nsizes && cp->sizes[i].store == store)
        return &cp->sizes[i];
    (void)VEC_PUSH(cp->sizes, cp->nsizes, cp->cap_sizes);
    memmove(&cp->sizes[i + 1], &cp->sizes[i], (cp->nsizes - 1 - i) * sizeof *cp->sizes);
    cp->sizes[i] = (struct checkpoint_size){.store = store};
    return &cp->sizes[i];
}

/* ---- Writing. */

static int change_cmp(const void *pa, const void *pb)
{
    const struct checkpoint_change *a = pa, *b = pb;
    if (a->store != b->store)
        return a->store < b->store ? -1 : 1;
    return str_cmp(a->key, b->key);
}

void checkpoint_sort(struct checkpoint_change *changes, size_t n)
{
    size_t i = 1;
    while (i < n && change_cmp(&changes[i - 1], &changes[i]) < 0)
        i++;
    if (i < n)
        qsort(changes, n, sizeof *changes, change_cmp);
}

/* A bucket and the changes that belong to it. */
struct folding {
    struct checkpoint *cp;
    uint32_t store;
    int64_t id;             /* of the first piece; 0: none yet */
    struct wbuf fence;      /* its key in dir */
    struct bucket_writer out;
    bool same_base;         /* as the old content */
    bool trial;             /* nothing is written: how many pieces, and bytes of those that are full? */
    size_t max;             /* bytes of a piece */
    size_t full;
    unsigned pieces;
    int err;
};

static int put_bucket(struct folding *f)
{
    struct checkpoint *cp = f->cp;
    int64_t id = f->pieces++ ? 0 : f->id;
    bool is_new = id == 0;
    if (is_new)
        id = ++cp->last_id;
    sqlite3_bind_int64(cp->put, 1, id);
    bind_blob(cp->put, 2, wbuf_view(&f->out.bytes));
    int err = step_once(cp, cp->put);
    shelf_update(&cp->shelf, id, wbuf_view(&f->out.bytes));
    if (err || !is_new)
        return err;
    shelf_fence(&cp->shelf, f->store, wbuf_view(&f->fence), id);
    sqlite3_bind_int64(cp->dir_put, 1, f->store);
    bind_blob(cp->dir_put, 2, wbuf_view(&f->fence));
    sqlite3_bind_int64(cp->dir_put, 3, id);
    return step_once(cp, cp->dir_put);
}

/* Writes the piece, which is full; the next one begins with key. */
static int next_piece(struct folding *f, struct str key)
{
    f->full += f->out.bytes.len;
    if (f->trial) {
        f->pieces++;
        bucket_writer_reset(&f->out);
        return 0;
    }
    int err = put_bucket(f);
    struct str fence = bucket_fence(wbuf_view(&f->out.last), key);
    wbuf_reset(&f->fence);
    wbuf_str(&f->fence, fence);
    bucket_writer_reset(&f->out);
    return err;
}

/* Before an entry of so many bytes: a piece that would be too large is written first. */
static void make_room(struct folding *f, struct str key, size_t value_len)
{
    if (f->out.n && f->out.bytes.len + key.len + value_len + 8 > f->max && !f->err)
        f->err = next_piece(f, key);
}

static void fold_old(struct folding *f, struct bucket_iter *it)
{
    make_room(f, wbuf_view(&it->key), it->payload.len);
    if (f->same_base)
        bucket_copy(&f->out, it);
    else
        bucket_add(&f->out, wbuf_view(&it->key), bucket_value(it));
}

/* Changes behind the last old entry: most of them, where a file is made anew. */
static int fold_rest(struct folding *f, const struct checkpoint_change *c, size_t n)
{
    struct checkpoint_size *size = size_of(f->cp, f->store);
    int err = f->err;
    for (size_t done = 0; !err;) {
        size_t k = bucket_fill(&f->out, c + done, n - done, f->max);
        for (size_t i = done; i < done + k; i++) {
            size->entries += c[i].value.ptr != NULL;
            size->bytes += c[i].value.ptr ? (int64_t)(c[i].key.len + c[i].value.len) : 0;
        }
        done += k;
        if (done == n)
            break;
        err = next_piece(f, c[done].key);
    }
    return err;
}

enum { AHEAD = 8 };

/* What the entries will be like: as the last time, but now and then as they are now. */
static void choose_base(struct folding *f, const struct bucket_iter *it, const struct checkpoint_change *c, size_t n)
{
    size_t i = 0;
    while (i < n && !c[i].value.ptr)
        i++;
    bool keep = it->base.len && (i == n || f->cp->folds % BASE_FOLDS);
    f->same_base = keep;
    bucket_writer_base(&f->out, keep    ? (struct str){(const char *)it->base.bytes, it->base.len}
                                : i < n ? c[i].value
                                        : STR(""));
}

/* Merges the old entries (in cp->bucket) with n changes. */
static int merge(struct folding *f, const struct checkpoint_change *c, size_t n)
{
    struct bucket_iter it;
    struct checkpoint_size *size = size_of(f->cp, f->store);
    bucket_iter_init(&it, wbuf_view(&f->cp->bucket));
    choose_base(f, &it, c, n);
    bool more = bucket_next(&it);
    size_t i = 0;
    while (more) {
        if (i + AHEAD < n) { /* sorted changes lie anywhere in memory */
            __builtin_prefetch(c[i + AHEAD].key.ptr);
            __builtin_prefetch(c[i + AHEAD].value.ptr);
        }
        int cmp = i == n ? -1 : str_cmp(wbuf_view(&it.key), c[i].key);
        if (cmp <= 0) {
            size->entries -= cmp == 0;
            size->bytes -= cmp == 0 ? (int64_t)(it.key.len + it.value_len) : 0;
            if (cmp < 0)
                fold_old(f, &it);
            more = !it.err && bucket_next(&it);
        }
        if (cmp < 0)
            continue;
        if (c[i].value.ptr) {
            size->entries++;
            size->bytes += (int64_t)(c[i].key.len + c[i].value.len);
            make_room(f, c[i].key, c[i].value.len);
            bucket_add(&f->out, c[i].key, c[i].value);
        }
        i++;
    }
    int err = it.err ? it.err : fold_rest(f, c + i, n - i);
    bucket_iter_fini(&it);
    return err;
}

static int drop_bucket(struct folding *f)
{
    struct checkpoint *cp = f->cp;
    shelf_update(&cp->shelf, f->id, STR_NULL);
    shelf_unfence(&cp->shelf, f->store, wbuf_view(&f->fence));
    sqlite3_bind_int64(cp->remove, 1, f->id);
    int err = step_once(cp, cp->remove);
    sqlite3_bind_int64(cp->dir_remove, 1, f->store);
    bind_blob(cp->dir_remove, 2, wbuf_view(&f->fence));
    return err ? err : step_once(cp, cp->dir_remove);
}

/* Puts the last piece, or takes an empty bucket away; the first of a store stays, for keys below the second's fence. */
static int finish_bucket(struct folding *f)
{
    if (f->out.n || f->pieces)
        return put_bucket(f);
    if (!f->id)
        return 0;
    return f->fence.len ? drop_bucket(f) : put_bucket(f);
}

/* Keys that only come at the end fill buckets whole. What has grown in the middle is halved: then others have room
 * too. */
static int merge_in_pieces(struct folding *f, const struct checkpoint_change *c, size_t n, bool bounded)
{
    struct checkpoint_size *size = size_of(f->cp, f->store), before = *size;
    f->max = BUCKET_BYTES;
    f->trial = bounded;
    int err = merge(f, c, n);
    f->trial = false;
    if (err || !bounded || !f->pieces)
        return err;
    size_t pieces = f->pieces + 1;
    f->max = MIN((size_t)BUCKET_BYTES, (f->full + f->out.bytes.len) / pieces + BUCKET_BYTES / 16);
    f->pieces = 0;
    *size = before;
    return merge(f, c, n);
}

/* One bucket with all its changes, which begin at c; *taken: how many. */
static int fold_bucket(struct checkpoint *cp, const struct checkpoint_change *c, size_t n, size_t *taken)
{
    struct folding f = {.cp = cp, .store = c->store};
    struct shelf_place place = {0};
    wbuf_init(&f.fence);
    bucket_writer_init(&f.out);
    wbuf_reset(&cp->bucket);
    int err = 0;
    if (shelf_seek(&cp->shelf, c->store, c->key, &place)) {
        f.id = place.id;
        wbuf_str(&f.fence, place.fence);
        err = copy_bucket(cp, f.id);
    }
    bool bounded = place.above.ptr != NULL;
    size_t k = 0;
    while (k < n && c[k].store == c->store && (!bounded || str_cmp(c[k].key, place.above) < 0))
        k++;
    if (!err)
        err = merge_in_pieces(&f, c, k, bounded);
    cp->folds++;
    if (!err)
        err = finish_bucket(&f);
    bucket_writer_fini(&f.out);
    wbuf_fini(&f.fence);
    *taken = k;
    return err;
}

static int write_sizes(struct checkpoint *cp)
{
    int err = 0;
    for (size_t i = 0; !err && i < cp->nsizes; i++) {
        sqlite3_bind_int64(cp->size_put, 1, cp->sizes[i].store);
        sqlite3_bind_int64(cp->size_put, 2, cp->sizes[i].entries);
        sqlite3_bind_int64(cp->size_put, 3, cp->sizes[i].bytes);
        err = step_once(cp, cp->size_put);
    }
    return err;
}

static int write_meta(struct checkpoint *cp, int64_t offset, int64_t aim, struct str note)
{
    sqlite3_bind_int64(cp->meta_put, 1, offset);
    sqlite3_bind_int64(cp->meta_put, 2, aim);
    bind_blob(cp->meta_put, 3, note);
    int err = step_once(cp, cp->meta_put);
    return err ? err : write_sizes(cp);
}

static int refresh(struct checkpoint *cp) { return cp->shelf_stale ? read_dir(cp) : 0; }

static int begin(struct checkpoint *cp)
{
    forget(cp);
    int err = refresh(cp);
    if (err)
        return err;
    cp->saved_id = cp->last_id;
    cp->saved = xrealloc(cp->saved, (cp->nsizes + 1) * sizeof *cp->saved);
    if (cp->nsizes)
        memcpy(cp->saved, cp->sizes, cp->nsizes * sizeof *cp->sizes);
    cp->nsaved = cp->nsizes;
    return run(cp, "BEGIN IMMEDIATE");
}

/* Ends a transaction; after an error everything is as before it. */
static int end(struct checkpoint *cp, int err)
{
    if (!err)
        err = run(cp, "COMMIT");
    if (!err)
        return 0;
    /* If the rollback fails too, the journal stays and the next open rolls back. */
    if (!sqlite3_get_autocommit(cp->db))
        sqlite3_exec(cp->db, "ROLLBACK", NULL, NULL, NULL);
    vfs_error_clear(cp->vfs);
    cp->shelf_stale = true;
    cp->last_id = cp->saved_id;
    if (cp->nsaved)
        memcpy(cp->sizes, cp->saved, cp->nsaved * sizeof *cp->sizes);
    cp->nsizes = cp->nsaved;
    return err;
}

static int put_some(struct checkpoint *cp, const struct checkpoint_change *sorted, size_t n, size_t *done, size_t buckets)
{
    int err = 0;
    for (; !err && *done < n && buckets; buckets--) {
        size_t taken;
        err = fold_bucket(cp, sorted + *done, n - *done, &taken);
        *done += taken;
    }
    return err;
}

int checkpoint_put(struct checkpoint *cp, const struct checkpoint_change *sorted, size_t n, size_t *done, size_t buckets,
                   int64_t aim)
{
    size_t from = *done;
    int64_t to = MAX(aim, checkpoint_aim(cp));
    int err = begin(cp);
    if (err)
        return err;
    err = put_some(cp, sorted, n, done, buckets);
    if (!err)
        err = write_meta(cp, cp->offset, to, checkpoint_note(cp));
    err = end(cp, err);
    if (err)
        *done = from;
    else
        cp->aim = to;
    return err;
}

static int seal(struct checkpoint *cp, int64_t offset, struct str note, const struct checkpoint_change *changes, size_t n)
{
    CHECK(offset >= cp->offset);
    size_t done = 0;
    int64_t aim = MAX(offset, checkpoint_aim(cp));
    int err = begin(cp);
    if (err)
        return err;
    err = put_some(cp, changes, n, &done, SIZE_MAX);
    if (!err)
        err = write_meta(cp, offset, aim, note);
    err = end(cp, err);
    if (err)
        return err;
    cp->offset = offset;
    cp->aim = aim;
    note_set(cp, note);
    return 0;
}

int checkpoint_seal(struct checkpoint *cp, int64_t offset, struct str note) { return seal(cp, offset, note, NULL, 0); }

int checkpoint_write(struct checkpoint *cp, struct checkpoint_change *changes, size_t n, int64_t offset, struct str note)
{
    checkpoint_sort(changes, n);
    return seal(cp, offset, note, changes, n);
}

/* ---- Reading. */

void checkpoint_foresee(struct checkpoint *cp, uint32_t store, struct str key)
{
    struct foreseen *f = &cp->soon[cp->next_soon++ % SOON];
    f->key = NULL;
    if (cp->shelf_stale || !shelf_seek(&cp->shelf, store, key, &f->place))
        return;
    f->store = store;
    f->key = key.ptr;
    shelf_prefetch(&cp->shelf, f->place.id);
}

static bool foreseen(struct checkpoint *cp, uint32_t store, struct str key)
{
    for (unsigned i = 0; i < SOON; i++)
        if (cp->soon[i].key == key.ptr && cp->soon[i].store == store && key.ptr) {
            cp->cursor.place = cp->soon[i].place;
            return true;
        }
    return false;
}

/* Leads the cursor to the bucket where key belongs; it stays where it is if that is behind it in the same one. */
static int cursor_seek(struct checkpoint *cp, uint32_t store, struct str key)
{
    struct str asked = wbuf_view(&cp->cursor.asked), bytes;
    struct shelf_place *place = &cp->cursor.place;
    if (cp->cursor.open && cp->cursor.store == store && str_cmp(asked, key) <= 0 &&
        (!place->above.ptr || str_cmp(key, place->above) < 0))
        return 0;
    cursor_close(cp);
    if (!foreseen(cp, store, key) && !shelf_seek(&cp->shelf, store, key, place))
        return 0;
    int err = read_bucket(cp, place->id, true, &bytes);
    if (err)
        return err;
    cp->cursor.store = store;
    cp->cursor.open = true;
    bucket_iter_init(&cp->cursor.it, bytes);
    cp->cursor.more = bucket_next(&cp->cursor.it);
    return 0;
}

int checkpoint_get(struct checkpoint *cp, uint32_t store, struct str key, checkpoint_each each_cb, void *arg)
{
    struct bucket_iter *it = &cp->cursor.it;
    int err = refresh(cp);
    if (!err)
        err = cursor_seek(cp, store, key);
    if (err || !cp->cursor.open)
        return err;
    wbuf_reset(&cp->cursor.asked);
    wbuf_str(&cp->cursor.asked, key);
    wbuf_room(&cp->cursor.asked, 1); /* an empty key is not null */
    if (cp->cursor.more)
        cp->cursor.more = bucket_seek(it, key);
    if (it->err)
        return it->err;
    if (!cp->cursor.more || !str_eq(wbuf_view(&it->key), key))
        return 0;
    struct str value = bucket_value(it);
    return value.ptr ? each_cb(arg, store, key, value) : it->err;
}

/* Entries of one bucket. *over: the end of the range is reached. */
struct scanning {
    uint32_t store;
    struct str prefix, from;
    bool above, over;
    size_t left;
    checkpoint_each each_cb;
    void *arg;
};

static int scan_bucket(struct scanning *s, struct str bytes)
{
    struct bucket_iter it;
    int err = 0;
    bucket_iter_init(&it, bytes);
    while (!err && !s->over && bucket_next(&it)) {
        struct str key = wbuf_view(&it.key);
        int cmp = str_cmp(key, s->from);
        if (cmp < 0 || (cmp == 0 && s->above))
            continue;
        if (!str_starts(key, s->prefix)) {
            s->over = str_cmp(key, s->prefix) > 0;
            continue;
        }
        if (s->left == 0) {
            s->over = true;
            break;
        }
        s->left--;
        struct str value = bucket_value(&it);
        err = value.ptr ? s->each_cb(s->arg, s->store, key, value) : it.err;
    }
    err = err ? err : it.err;
    bucket_iter_fini(&it);
    return err;
}

int checkpoint_scan(struct checkpoint *cp, uint32_t store, struct str prefix, struct str from, bool above, size_t limit,
                    checkpoint_each each_cb, void *arg)
{
    struct scanning s = {store, prefix, from, above, limit == 0, limit, each_cb, arg};
    if (str_cmp(s.from, prefix) < 0) {
        s.from = prefix;
        s.above = false;
    }
    struct shelf_place place;
    struct str bytes;
    cursor_close(cp);
    int err = refresh(cp);
    bool found = !err && shelf_seek(&cp->shelf, store, s.from, &place);
    while (!err && found && !s.over) {
        err = read_bucket(cp, place.id, true, &bytes);
        if (!err)
            err = scan_bucket(&s, bytes);
        found = place.above.ptr && shelf_seek(&cp->shelf, store, place.above, &place);
    }
    return err;
}

struct loading {
    checkpoint_each each_cb;
    void *arg;
    int64_t store;    /* of the entry before */
    struct wbuf last; /* its key */
    struct wbuf fence;
};

/* Pages are checked by their sums; that they hang together is seen from the order. */
static int load_cb(void *arg, uint32_t store, struct str key, struct str value)
{
    struct loading *l = arg;
    if ((store == l->store && str_cmp(wbuf_view(&l->last), key) >= 0) || str_cmp(wbuf_view(&l->fence), key) > 0)
        return E_CORRUPT;
    l->store = store;
    wbuf_reset(&l->last);
    wbuf_str(&l->last, key);
    return l->each_cb(l->arg, store, key, value);
}

static int load_store(struct checkpoint *cp, uint32_t store, struct loading *l)
{
    struct shelf_place place;
    struct str bytes;
    int err = 0;
    for (bool more = shelf_seek(&cp->shelf, store, STR(""), &place); !err && more;
         more = place.above.ptr && shelf_seek(&cp->shelf, store, place.above, &place)) {
        wbuf_reset(&l->fence);
        wbuf_str(&l->fence, place.fence);
        err = read_bucket(cp, place.id, false, &bytes);
        struct scanning s = {.store = store, .prefix = STR(""), .from = STR(""), .left = SIZE_MAX,
                             .each_cb = load_cb, .arg = l};
        if (!err)
            err = scan_bucket(&s, bytes);
    }
    return err;
}

int checkpoint_load(struct checkpoint *cp, checkpoint_each each_cb, void *arg)
{
    struct loading l = {.each_cb = each_cb, .arg = arg, .store = -1};
    cursor_close(cp);
    int err = refresh(cp);
    wbuf_init(&l.last);
    wbuf_init(&l.fence);
    for (size_t i = 0; !err && i < cp->shelf.ndirs; i++)
        err = load_store(cp, cp->shelf.dirs[i].store, &l);
    wbuf_fini(&l.last);
    wbuf_fini(&l.fence);
    return err;
}
