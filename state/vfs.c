#include "state/vfs.h"
#include "log/base/alloc.h"
#include "log/base/crc32c.h"
#include "log/base/err.h"
#include "log/base/fault.h"
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>

/* A SQLite VFS over struct disk, so that checkpoints see the simulator's faults too.
 *
 * SQLite trusts what it reads. Therefore every page carries CRC32C(page number, content) in its last eight bytes (the
 * idea is that of SQLite's own cksumvfs): set when the page is written to the database, checked when it is read from
 * there, and when a rollback journal gives it back. The page number in the sum catches a page written to the wrong
 * place. No locks: one process owns the data folder, one worker job holds the file. No shared memory and no memory map:
 * neither the simulator nor a checksum could see through them. */

struct vfs {
    sqlite3_vfs base;
    struct disk *disk;
    int err;
    bool eager;
    unsigned random;
    char name[32];
};
struct vfs_file {
    sqlite3_file base;
    struct vfs *vfs;
    struct file *file;
    const char *path;     /* SQLite keeps it while the file is open */
    bool journal;
    bool sync_dir;        /* its name is not durable yet */
    bool delete_on_close;
    int64_t waiting; /* bytes written since they were last sent on */
};
enum { EAGER_BYTES = 4 << 20 };

static int note(struct vfs *v, int err, int sqlite_code)
{
    v->err = err;
    return err == -ENOSPC || err == -EDQUOT ? SQLITE_FULL : sqlite_code;
}

/* ---- Checksums. */

static uint64_t page_sum(const uint8_t *page, uint32_t number)
{
    uint8_t head[4];
    put_be32(head, number);
    uint32_t crc = crc32c(crc32c(0, head, sizeof head), page, VFS_PAGE - VFS_RESERVED);
    return (uint64_t)crc << 32 | (uint32_t)~crc;
}

static bool page_ok(const uint8_t *page, uint32_t number)
{
    return be64(page + VFS_PAGE - VFS_RESERVED) == page_sum(page, number);
}

/* The number of the page that a journal holds at pos; it stands right before the page. */
static int journal_page_number(struct vfs_file *f, int64_t pos, uint32_t *number)
{
    uint8_t b[4];
    if (pos < 4 || file_read(f->file, pos - 4, b, sizeof b) != sizeof b)
        return E_CORRUPT;
    *number = be32(b);
    return 0;
}

static int page_verify(struct vfs_file *f, int64_t pos, const uint8_t *page)
{
    uint32_t number = (uint32_t)(pos / VFS_PAGE + 1);
    if (f->journal && journal_page_number(f, pos, &number))
        return note(f->vfs, E_CORRUPT, SQLITE_IOERR_DATA);
    return page_ok(page, number) || BUG("checkpoint_sum_ignored") ? SQLITE_OK : note(f->vfs, E_CORRUPT, SQLITE_IOERR_DATA);
}

/* ---- Files. */

static int f_close(sqlite3_file *base)
{
    struct vfs_file *f = (struct vfs_file *)base;
    file_close(f->file);
    f->file = NULL;
    if (f->delete_on_close && disk_unlink(f->vfs->disk, f->path) != 0)
        return SQLITE_IOERR_DELETE;
    return SQLITE_OK;
}

static int f_read(sqlite3_file *base, void *p, int n, sqlite3_int64 pos)
{
    struct vfs_file *f = (struct vfs_file *)base;
    int64_t got = file_read(f->file, pos, p, (size_t)n);
    if (got < 0)
        return note(f->vfs, (int)got, SQLITE_IOERR_READ);
    if (got < n) {
        memset((char *)p + got, 0, (size_t)(n - got));
        return SQLITE_IOERR_SHORT_READ;
    }
    return n == VFS_PAGE ? page_verify(f, pos, p) : SQLITE_OK;
}

/* A wish, whose failure the sync will see too. */
static void send_on(struct vfs_file *f, int n)
{
    f->waiting += n;
    if (f->waiting < EAGER_BYTES)
        return;
    f->waiting = 0;
    int fd = file_fd(f->file);
    if (fd >= 0)
        (void)sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static int f_write(sqlite3_file *base, const void *p, int n, sqlite3_int64 pos)
{
    struct vfs_file *f = (struct vfs_file *)base;
    if (!f->journal && n == VFS_PAGE) {
        /* In SQLite's own page buffer, so that the journal of the next transaction copies a valid page. */
        uint8_t *page = (uint8_t *)p;
        put_be64(page + VFS_PAGE - VFS_RESERVED, page_sum(page, (uint32_t)(pos / VFS_PAGE + 1)));
    }
    int err = file_write(f->file, pos, p, (size_t)n);
    if (!err && f->vfs->eager)
        send_on(f, n);
    return err ? note(f->vfs, err, SQLITE_IOERR_WRITE) : SQLITE_OK;
}

static int f_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct vfs_file *f = (struct vfs_file *)base;
    int err = file_truncate(f->file, size);
    return err ? note(f->vfs, err, SQLITE_IOERR_TRUNCATE) : SQLITE_OK;
}

/* Makes a name durable. The parent's name fits, as the path itself did. */
int vfs_sync_parent(struct disk *disk, const char *path)
{
    char dir[1024];
    const char *slash = strrchr(path, '/');
    int n = snprintf(dir, sizeof dir, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
    if (n < 0 || (size_t)n >= sizeof dir)
        return -ENAMETOOLONG;
    return disk_sync_dir(disk, n == 0 ? "/" : dir);
}

static int f_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    struct vfs_file *f = (struct vfs_file *)base;
    FAULT("checkpoint.before_sync");
    int err = file_sync(f->file);
    FAULT("checkpoint.after_sync");
    if (!err && f->sync_dir)
        err = vfs_sync_parent(f->vfs->disk, f->path);
    if (err)
        return note(f->vfs, err, SQLITE_IOERR_FSYNC);
    f->sync_dir = false;
    return SQLITE_OK;
}

static int f_size(sqlite3_file *base, sqlite3_int64 *out)
{
    struct vfs_file *f = (struct vfs_file *)base;
    int64_t size = file_size(f->file);
    if (size < 0)
        return note(f->vfs, (int)size, SQLITE_IOERR_FSTAT);
    *out = size;
    return SQLITE_OK;
}

static int f_lock(sqlite3_file *f, int level) { return (void)f, (void)level, SQLITE_OK; }
static int f_reserved(sqlite3_file *f, int *out) { return (void)f, *out = 0, SQLITE_OK; }
static int f_control(sqlite3_file *f, int op, void *arg) { return (void)f, (void)op, (void)arg, SQLITE_NOTFOUND; }
static int f_sector(sqlite3_file *f) { return (void)f, VFS_PAGE; }
static int f_character(sqlite3_file *f) { return (void)f, 0; }

static const sqlite3_io_methods file_methods = {
    .iVersion = 1,
    .xClose = f_close,
    .xRead = f_read,
    .xWrite = f_write,
    .xTruncate = f_truncate,
    .xSync = f_sync,
    .xFileSize = f_size,
    .xLock = f_lock,
    .xUnlock = f_lock,
    .xCheckReservedLock = f_reserved,
    .xFileControl = f_control,
    .xSectorSize = f_sector,
    .xDeviceCharacteristics = f_character,
};

/* ---- The file system. */

static int v_open(sqlite3_vfs *base, const char *path, sqlite3_file *out, int flags, int *out_flags)
{
    struct vfs *v = (struct vfs *)base;
    struct vfs_file *f = (struct vfs_file *)out;
    *f = (struct vfs_file){.vfs = v, .path = path};
    if (!path) /* temporary files: SQLite is told to keep them in memory */
        return SQLITE_CANTOPEN;
    int mode = flags & SQLITE_OPEN_READWRITE ? FILE_WRITE : FILE_READ;
    if (flags & SQLITE_OPEN_CREATE)
        mode |= FILE_CREATE;
    if (flags & SQLITE_OPEN_EXCLUSIVE)
        mode |= FILE_EXCL;
    f->sync_dir = (flags & SQLITE_OPEN_CREATE) && !disk_exists(v->disk, path);
    f->journal = !(flags & SQLITE_OPEN_MAIN_DB);
    f->delete_on_close = flags & SQLITE_OPEN_DELETEONCLOSE;
    int err = disk_open(v->disk, path, mode, &f->file);
    if (err)
        return note(v, err, SQLITE_CANTOPEN);
    f->base.pMethods = &file_methods;
    if (out_flags)
        *out_flags = flags;
    return SQLITE_OK;
}

static int v_delete(sqlite3_vfs *base, const char *path, int sync_dir)
{
    struct vfs *v = (struct vfs *)base;
    int err = disk_unlink(v->disk, path);
    if (err == -ENOENT)
        return SQLITE_IOERR_DELETE_NOENT;
    if (!err && sync_dir)
        err = vfs_sync_parent(v->disk, path);
    return err ? note(v, err, SQLITE_IOERR_DELETE) : SQLITE_OK;
}

/* An empty file is as good as none to SQLite's callers of this, and only the database and its journal are asked for. */
static int v_access(sqlite3_vfs *base, const char *path, int flags, int *out)
{
    (void)flags;
    *out = disk_exists(((struct vfs *)base)->disk, path);
    return SQLITE_OK;
}

static int v_full(sqlite3_vfs *base, const char *path, int n, char *out)
{
    (void)base;
    int len = snprintf(out, (size_t)n, "%s", path);
    return len >= 0 && len < n ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* Chance and time serve SQLite for names of temporary files and for row ids and dates that we do not use: they only
 * have to be the same in every run of the simulator. */
static int v_random(sqlite3_vfs *base, int n, char *out)
{
    struct vfs *v = (struct vfs *)base;
    for (int i = 0; i < n; i++)
        out[i] = (char)(++v->random * 2654435761u >> 24);
    return n;
}
static int v_sleep(sqlite3_vfs *base, int us) { return (void)base, us; }
static int v_time(sqlite3_vfs *base, double *out) { return (void)base, *out = 2440587.5, SQLITE_OK; }
static int v_last(sqlite3_vfs *base, int n, char *out) { return (void)n, (void)out, ((struct vfs *)base)->err; }

int vfs_new(struct vfs **out, struct disk *disk)
{
    struct vfs *v = xzalloc(sizeof *v);
    snprintf(v->name, sizeof v->name, "weir-%p", (void *)v);
    v->disk = disk;
    v->base = (sqlite3_vfs){
        .iVersion = 1,
        .szOsFile = sizeof(struct vfs_file),
        .mxPathname = 1024,
        .zName = v->name,
        .xOpen = v_open,
        .xDelete = v_delete,
        .xAccess = v_access,
        .xFullPathname = v_full,
        .xRandomness = v_random,
        .xSleep = v_sleep,
        .xCurrentTime = v_time,
        .xGetLastError = v_last,
    };
    if (sqlite3_vfs_register(&v->base, 0) != SQLITE_OK) {
        xfree(v);
        return E_UNKNOWN;
    }
    *out = v;
    return 0;
}

void vfs_free(struct vfs *v)
{
    if (!v)
        return;
    CHECK(sqlite3_vfs_unregister(&v->base) == SQLITE_OK);
    xfree(v);
}

const char *vfs_name(const struct vfs *v) { return v->name; }
void vfs_eager(struct vfs *v) { v->eager = true; }
int vfs_error(const struct vfs *v) { return v->err; }
void vfs_error_clear(struct vfs *v) { v->err = 0; }
