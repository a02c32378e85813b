#include "log/base/crc32c.h"
#include "log/base/limits.h"
#include "state/state.h"
#include "state/vfs.h"
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>

/* The checkpoint of a task: one SQLite file with one table (store, key) -> value in key order, and one row of what it
 * reflects. Writes come sorted, in one transaction with a rollback journal, so each page is written once; the journal is
 * cut to nothing instead of unlinked, which saves a sync of the folder. Layout: state/README.md, "Checkpoint". */

enum { LAYOUT = 1, APPLICATION = 0x57454952 /* "WEIR" */ };

struct checkpoint {
    struct vfs *vfs;
    sqlite3 *db;
    sqlite3_stmt *put, *remove, *meta_put, *load;
    int64_t offset;
    char *note;
    size_t note_len;
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
    char sql[512];
    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE; PRAGMA application_id=%d; PRAGMA user_version=%d;"
             "CREATE TABLE pair(store INTEGER NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL, PRIMARY KEY(store, key))"
             " WITHOUT ROWID;"
             "CREATE TABLE meta(id INTEGER PRIMARY KEY, offset INTEGER NOT NULL, note BLOB NOT NULL);"
             "INSERT INTO meta VALUES(1, -1, x''); COMMIT",
             APPLICATION, LAYOUT);
    return run(cp, sql);
}

static int read_meta(struct checkpoint *cp)
{
    sqlite3_stmt *st;
    int code = sqlite3_prepare_v2(cp->db, "SELECT offset, note FROM meta WHERE id = 1", -1, &st, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(st);
    if (code == SQLITE_ROW) {
        cp->offset = sqlite3_column_int64(st, 0);
        note_set(cp, column_blob(st, 1));
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
    int err = prepare(cp, "INSERT INTO pair VALUES(?1, ?2, ?3) ON CONFLICT(store, key) DO UPDATE SET value = ?3", &cp->put);
    if (!err)
        err = prepare(cp, "DELETE FROM pair WHERE store = ?1 AND key = ?2", &cp->remove);
    if (!err)
        err = prepare(cp, "UPDATE meta SET offset = ?1, note = ?2 WHERE id = 1", &cp->meta_put);
    if (!err)
        err = prepare(cp, "SELECT store, key, value FROM pair ORDER BY store, key", &cp->load);
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
    return err ? err : prepare_all(cp);
}

int checkpoint_open(struct checkpoint **out, struct disk *disk, const char *path, struct diag *d)
{
    struct checkpoint *cp = xzalloc(sizeof *cp);
    cp->offset = -1;
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

void checkpoint_close(struct checkpoint *cp)
{
    if (!cp)
        return;
    sqlite3_finalize(cp->put);
    sqlite3_finalize(cp->remove);
    sqlite3_finalize(cp->meta_put);
    sqlite3_finalize(cp->load);
    CHECK(sqlite3_close(cp->db) == SQLITE_OK);
    vfs_free(cp->vfs);
    xfree(cp->note);
    xfree(cp);
}

int checkpoint_delete(struct disk *disk, const char *path)
{
    static const char *const suffix[] = {"", "-journal"}; /* in this order: a journal alone is harmless */
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
struct str checkpoint_note(const struct checkpoint *cp) { return (struct str){cp->note, cp->note_len}; }

/* ---- Writing. */

static int change_cmp(const void *pa, const void *pb)
{
    const struct checkpoint_change *a = pa, *b = pb;
    if (a->store != b->store)
        return a->store < b->store ? -1 : 1;
    return str_cmp(a->key, b->key);
}

static int step_once(struct checkpoint *cp, sqlite3_stmt *st)
{
    int code = sqlite3_step(st);
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    return err_of(cp, code);
}

static int write_change(struct checkpoint *cp, const struct checkpoint_change *c)
{
    sqlite3_stmt *st = c->value.ptr ? cp->put : cp->remove;
    sqlite3_bind_int64(st, 1, c->store);
    bind_blob(st, 2, c->key);
    if (c->value.ptr)
        bind_blob(st, 3, c->value);
    return step_once(cp, st);
}

static int write_all(struct checkpoint *cp, const struct checkpoint_change *changes, size_t n, int64_t offset, struct str note)
{
    int err = 0;
    for (size_t i = 0; !err && i < n; i++) {
        CHECK(i == 0 || change_cmp(&changes[i - 1], &changes[i]) < 0);
        err = write_change(cp, &changes[i]);
    }
    if (err)
        return err;
    sqlite3_bind_int64(cp->meta_put, 1, offset);
    bind_blob(cp->meta_put, 2, note);
    err = step_once(cp, cp->meta_put);
    return err ? err : run(cp, "COMMIT");
}

int checkpoint_write(struct checkpoint *cp, struct checkpoint_change *changes, size_t n, int64_t offset, struct str note)
{
    CHECK(offset >= cp->offset);
    qsort(changes, n, sizeof *changes, change_cmp);
    int err = run(cp, "BEGIN IMMEDIATE");
    if (err)
        return err;
    err = write_all(cp, changes, n, offset, note);
    if (err) {
        /* If the rollback fails too, the journal stays and the next open rolls back. */
        if (!sqlite3_get_autocommit(cp->db))
            sqlite3_exec(cp->db, "ROLLBACK", NULL, NULL, NULL);
        vfs_error_clear(cp->vfs);
        return err;
    }
    cp->offset = offset;
    note_set(cp, note);
    return 0;
}

/* ---- Reading. */

int checkpoint_load(struct checkpoint *cp, int (*each_cb)(void *arg, uint32_t store, struct str key, struct str value), void *arg)
{
    int code, stop = 0;
    int64_t store_before = -1;
    struct wbuf key_before;
    wbuf_init(&key_before);
    while (!stop && (code = sqlite3_step(cp->load)) == SQLITE_ROW) {
        int64_t store = sqlite3_column_int64(cp->load, 0);
        struct str key = column_blob(cp->load, 1), value = column_blob(cp->load, 2);
        /* Pages are checked by their sums; that they hang together is seen from the order. */
        bool ascends = store > store_before || (store == store_before && str_cmp(wbuf_view(&key_before), key) < 0);
        if (!ascends || store < 0 || store > UINT32_MAX) {
            stop = E_CORRUPT;
            break;
        }
        store_before = store;
        wbuf_reset(&key_before);
        wbuf_str(&key_before, key);
        stop = each_cb(arg, (uint32_t)store, key, value);
    }
    wbuf_fini(&key_before);
    sqlite3_reset(cp->load);
    return stop ? stop : err_of(cp, code);
}
