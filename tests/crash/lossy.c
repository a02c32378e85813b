/* A disk that loses power, for the real program: an LD_PRELOAD library that keeps, beside the data folder, a shadow of
 * what completed syncs cover. After kill -9 a test puts the shadow in the folder's place: that is what a power failure
 * would have left of it, at worst.
 *
 *     WEIR_LOSSY_DIR=/data WEIR_LOSSY_SHADOW=/shadow LD_PRELOAD=.../liblossy.so weir server --data /data
 *
 * A file's bytes and length reach the shadow when fsync, fdatasync or a write through O_DSYNC of that file returns; a
 * name (made, renamed, removed) when the folder it is in is synced. A file of the shadow is a hard-linked object in
 * SHADOW.objects, named by inode number, so that its bytes and its names become durable apart from each other, as on a
 * real disk: a synced file without a synced name is not in the shadow. What the folder holds when the program starts
 * counts as durable.
 *
 * The folder's inode numbers stand for files, so a file's object is thrown away once neither a name in the folder nor
 * one in the shadow leads to it: else a new file with the same number would begin with old bytes.
 *
 * Threads: one lock around the bookkeeping. A write marks its range before it returns, so whoever syncs afterwards
 * copies it; the copy is made before the sync's caller hears of success. What another thread writes meanwhile may be
 * copied too: a disk may do that. Copies are whole files at first and only what has changed afterwards. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* ---- what is known of a file: which bytes its object lacks */

struct range {
    int64_t from, to;
};
struct known {
    ino_t ino;
    struct range *dirty;
    size_t n, cap;
    bool whole; /* everything: the object does not exist yet, or ranges became too many */
    struct known *next;
};

enum { BUCKETS = 1024, RANGES_MAX = 256 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct known *table[BUCKETS];
static char dir[PATH_MAX], shadow[PATH_MAX], objects[PATH_MAX + 16];
static bool on;

static struct {
    int (*open)(const char *, int, ...);
    int (*openat)(int, const char *, int, ...);
    int (*fsync)(int);
    int (*fdatasync)(int);
    ssize_t (*write)(int, const void *, size_t);
    ssize_t (*pwrite)(int, const void *, size_t, off_t);
    ssize_t (*writev)(int, const struct iovec *, int);
    ssize_t (*pwritev)(int, const struct iovec *, int, off_t);
    int (*ftruncate)(int, off_t);
    int (*fallocate)(int, int, off_t, off_t);
    int (*rename)(const char *, const char *);
    int (*mkdir)(const char *, mode_t);
} real;

static void fail(const char *what)
{
    fprintf(stderr, "lossy: %s: %s\n", what, strerror(errno));
    abort();
}

#define REAL(name) (*(void **)&real.name = dlsym(RTLD_NEXT, #name))

static void tree_copy(const char *path);
static void shadow_remove(const char *path);

/* Other libraries' beginnings may come before ours. */
static void resolve(void)
{
    if (real.rename)
        return;
    REAL(open), REAL(openat), REAL(fsync), REAL(fdatasync), REAL(write), REAL(pwrite), REAL(writev), REAL(pwritev);
    REAL(ftruncate), REAL(fallocate), REAL(mkdir), REAL(rename);
}

__attribute__((constructor)) static void begin(void)
{
    resolve();
    const char *d = getenv("WEIR_LOSSY_DIR"), *s = getenv("WEIR_LOSSY_SHADOW");
    if (!d || !s)
        return;
    if (!realpath(d, dir))
        fail("WEIR_LOSSY_DIR");
    mkdir(s, 0777);
    if (!realpath(s, shadow))
        fail("WEIR_LOSSY_SHADOW");
    snprintf(objects, sizeof objects, "%s.objects", shadow);
    shadow_remove(shadow);
    shadow_remove(objects);
    if (mkdir(shadow, 0777) || mkdir(objects, 0777))
        fail(shadow);
    tree_copy(dir);
    on = true;
}

static struct known *known_get(ino_t ino)
{
    struct known **at = &table[ino % BUCKETS];
    while (*at && (*at)->ino != ino)
        at = &(*at)->next;
    if (!*at) {
        *at = calloc(1, sizeof **at);
        if (!*at)
            fail("memory");
        (*at)->ino = ino;
        (*at)->whole = true;
    }
    return *at;
}

static void known_drop(ino_t ino)
{
    for (struct known **at = &table[ino % BUCKETS]; *at; at = &(*at)->next) {
        struct known *k = *at;
        if (k->ino != ino)
            continue;
        *at = k->next;
        free(k->dirty);
        free(k);
        return;
    }
}

static void known_mark(struct known *k, int64_t from, int64_t to)
{
    if (k->whole || from >= to)
        return;
    if (k->n && k->dirty[k->n - 1].from <= from && k->dirty[k->n - 1].to >= from) {
        if (to > k->dirty[k->n - 1].to)
            k->dirty[k->n - 1].to = to;
        return;
    }
    if (k->n == RANGES_MAX) {
        k->whole = true;
        return;
    }
    if (k->n == k->cap) {
        k->cap = k->cap ? 2 * k->cap : 8;
        k->dirty = realloc(k->dirty, k->cap * sizeof *k->dirty);
        if (!k->dirty)
            fail("memory");
    }
    k->dirty[k->n++] = (struct range){from, to};
}

/* ---- paths */

/* Where fd's file lies, if it is inside the folder. */
static bool inside(int fd, char path[PATH_MAX])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, PATH_MAX - 1);
    if (n <= 0)
        return false;
    path[n] = 0;
    size_t len = strlen(dir);
    return strncmp(path, dir, len) == 0 && (path[len] == '/' || path[len] == 0);
}

static bool is_ours(int fd, struct stat *st)
{
    char path[PATH_MAX];
    return on && fstat(fd, st) == 0 && inside(fd, path);
}

static void object_path(ino_t ino, char out[PATH_MAX + 64])
{
    snprintf(out, PATH_MAX + 64, "%s/%llu", objects, (unsigned long long)ino);
}

/* ---- bytes */

static void copy_range(int from, int to, struct range r)
{
    char buf[65536];
    while (r.from < r.to) {
        size_t want = (size_t)(r.to - r.from) < sizeof buf ? (size_t)(r.to - r.from) : sizeof buf;
        ssize_t got = pread(from, buf, want, r.from);
        if (got < 0)
            fail("read");
        if (got == 0)
            return;
        for (ssize_t done = 0; done < got;) {
            ssize_t put = real.pwrite(to, buf + done, (size_t)(got - done), r.from + done);
            if (put <= 0)
                fail("write to the shadow");
            done += put;
        }
        r.from += got;
    }
}

/* The object becomes what the file is. Holds the lock. */
static void file_sync(int fd, const struct stat *st)
{
    char path[PATH_MAX + 64], proc[64];
    object_path(st->st_ino, path);
    struct known *k = known_get(st->st_ino);
    int to = real.open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    /* Opened anew, because fd may be for writing only. */
    snprintf(proc, sizeof proc, "/proc/self/fd/%d", fd);
    int from = real.open(proc, O_RDONLY | O_CLOEXEC);
    if (to < 0 || from < 0)
        fail(path);
    struct stat now;
    if (fstat(from, &now))
        fail("stat");
    if (k->whole)
        copy_range(from, to, (struct range){0, now.st_size});
    else
        for (size_t i = 0; i < k->n; i++)
            copy_range(from, to, k->dirty[i]);
    if (real.ftruncate(to, now.st_size))
        fail("truncate the shadow");
    k->whole = false;
    k->n = 0;
    close(to);
    close(from);
}

/* ---- names */

static void shadow_path(const char *path, char out[PATH_MAX + 64])
{
    snprintf(out, PATH_MAX + 64, "%s%s", shadow, path + strlen(dir));
}

static void shadow_remove(const char *path)
{
    struct stat st;
    if (lstat(path, &st))
        return;
    if (S_ISDIR(st.st_mode)) {
        DIR *d = opendir(path);
        const struct dirent *de;
        while (d && (de = readdir(d)) != NULL) {
            char sub[PATH_MAX + 320];
            snprintf(sub, sizeof sub, "%s/%s", path, de->d_name);
            if (strcmp(de->d_name, ".") && strcmp(de->d_name, ".."))
                shadow_remove(sub);
        }
        if (d)
            closedir(d);
        rmdir(path);
    } else {
        unlink(path);
    }
}

/* A folder whose shadow does not lie where its name says: it was moved, or was synced before its name was. What is
 * durable in it goes where its name turns up. */
struct moved {
    ino_t ino; /* 0: done */
    char shadow[PATH_MAX + 64];
    struct moved *next;
};
static struct moved *moves;

static struct moved *moved_find(ino_t ino)
{
    for (struct moved *m = moves; m; m = m->next)
        if (m->ino == ino)
            return m;
    return NULL;
}

static struct moved *moved_add(ino_t ino)
{
    struct moved *m = calloc(1, sizeof *m);
    if (!m)
        fail("memory");
    m->ino = ino;
    m->next = moves;
    return moves = m;
}

/* A name is gone from a synced folder. What moved elsewhere waits there for its new name to be synced. */
static void name_gone(const char *copy)
{
    for (struct moved *m = moves; m; m = m->next) {
        if (!m->ino || strcmp(m->shadow, copy))
            continue;
        snprintf(m->shadow, sizeof m->shadow, "%s/moved-%llu", objects, (unsigned long long)m->ino);
        real.rename(copy, m->shadow);
        return;
    }
    shadow_remove(copy);
}

/* The name `path` in the shadow becomes the file st: an object that no sync has filled is an empty file. */
static void name_make(const char *to, const struct stat *st)
{
    struct stat have;
    if (S_ISDIR(st->st_mode)) {
        struct moved *m = moved_find(st->st_ino);
        if (!m && lstat(to, &have) == 0 && S_ISDIR(have.st_mode))
            return;
        if (m && strcmp(m->shadow, to))
            shadow_remove(to);
        if (!m || real.rename(m->shadow, to))
            real.mkdir(to, 0777);
        if (m)
            m->ino = 0;
        return;
    }
    char object[PATH_MAX + 64];
    struct stat ob;
    object_path(st->st_ino, object);
    if (lstat(object, &ob)) {
        int fd = real.open(object, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (fd < 0 || fstat(fd, &ob))
            fail(object);
        close(fd);
    }
    if (lstat(to, &have) == 0 && have.st_ino == ob.st_ino)
        return;
    shadow_remove(to);
    if (link(object, to))
        fail(to);
}

/* The shadow of the folder gets the names the folder has. Holds the lock. */
static void folder_sync(const char *path)
{
    char to[PATH_MAX + 64];
    struct stat st;
    if (lstat(path, &st))
        return;
    struct moved *m = moved_find(st.st_ino);
    shadow_path(path, to);
    if (!m && access(to, F_OK)) {
        m = moved_add(st.st_ino);
        snprintf(m->shadow, sizeof m->shadow, "%s/folder-%llu", objects, (unsigned long long)m->ino);
        real.mkdir(m->shadow, 0777);
    }
    if (m)
        snprintf(to, sizeof to, "%s", m->shadow);
    DIR *d = opendir(path);
    if (!d)
        return;
    const struct dirent *de;
    while ((de = readdir(d)) != NULL) {
        char name[PATH_MAX + 320], copy[PATH_MAX + 384];
        if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
            continue;
        snprintf(name, sizeof name, "%s/%s", path, de->d_name);
        snprintf(copy, sizeof copy, "%s/%s", to, de->d_name);
        if (lstat(name, &st) == 0 && (S_ISDIR(st.st_mode) || S_ISREG(st.st_mode)))
            name_make(copy, &st);
    }
    closedir(d);
    d = opendir(to);
    while (d && (de = readdir(d)) != NULL) {
        char name[PATH_MAX + 320], copy[PATH_MAX + 384];
        if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
            continue;
        snprintf(name, sizeof name, "%s/%s", path, de->d_name);
        snprintf(copy, sizeof copy, "%s/%s", to, de->d_name);
        if (lstat(name, &st) && errno == ENOENT)
            name_gone(copy);
    }
    if (d)
        closedir(d);
}

/* The start: all of it, names and bytes. */
static void tree_copy(const char *path)
{
    folder_sync(path);
    DIR *d = opendir(path);
    const struct dirent *de;
    while (d && (de = readdir(d)) != NULL) {
        char name[PATH_MAX + 320];
        struct stat st;
        snprintf(name, sizeof name, "%s/%s", path, de->d_name);
        if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, "..") || lstat(name, &st))
            continue;
        if (S_ISDIR(st.st_mode))
            tree_copy(name);
        int fd = S_ISREG(st.st_mode) ? real.open(name, O_RDONLY | O_CLOEXEC) : -1;
        if (fd >= 0) {
            file_sync(fd, &st);
            close(fd);
        }
    }
    if (d)
        closedir(d);
}

/* A sync of fd that the kernel has completed. */
static void synced(int fd)
{
    struct stat st;
    char path[PATH_MAX];
    if (!on || fstat(fd, &st) || !inside(fd, path))
        return;
    int keep = errno;
    pthread_mutex_lock(&lock);
    if (S_ISDIR(st.st_mode))
        folder_sync(path);
    else if (S_ISREG(st.st_mode))
        file_sync(fd, &st);
    pthread_mutex_unlock(&lock);
    errno = keep;
}

/* ---- the calls */

int fsync(int fd)
{
    resolve();
    int r = real.fsync(fd);
    if (r == 0)
        synced(fd);
    return r;
}

int fdatasync(int fd)
{
    resolve();
    int r = real.fdatasync(fd);
    if (r == 0)
        synced(fd);
    return r;
}

static void wrote(int fd, int64_t from, int64_t n)
{
    struct stat st;
    int keep = errno;
    if (n <= 0 || !is_ours(fd, &st))
        return;
    pthread_mutex_lock(&lock);
    known_mark(known_get(st.st_ino), from, from + n);
    pthread_mutex_unlock(&lock);
    int how = fcntl(fd, F_GETFL);
    if (how >= 0 && how & O_DSYNC)
        synced(fd);
    errno = keep;
}

ssize_t write(int fd, const void *p, size_t n)
{
    resolve();
    ssize_t r = real.write(fd, p, n);
    if (r > 0 && on)
        wrote(fd, lseek(fd, 0, SEEK_CUR) - r, r);
    return r;
}

ssize_t writev(int fd, const struct iovec *v, int n)
{
    resolve();
    ssize_t r = real.writev(fd, v, n);
    if (r > 0 && on)
        wrote(fd, lseek(fd, 0, SEEK_CUR) - r, r);
    return r;
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t pos)
{
    resolve();
    ssize_t r = real.pwrite(fd, p, n, pos);
    wrote(fd, pos, r);
    return r;
}

ssize_t pwritev(int fd, const struct iovec *v, int n, off_t pos)
{
    resolve();
    ssize_t r = real.pwritev(fd, v, n, pos);
    wrote(fd, pos, r);
    return r;
}

ssize_t pwrite64(int fd, const void *p, size_t n, off_t pos) { return pwrite(fd, p, n, pos); }
ssize_t pwritev64(int fd, const struct iovec *v, int n, off_t pos) { return pwritev(fd, v, n, pos); }

/* Lengths are copied with every sync; what a cut and a later growth leave are zeros that the object must get too. */
static void resized(int fd)
{
    struct stat st;
    if (!is_ours(fd, &st))
        return;
    pthread_mutex_lock(&lock);
    known_get(st.st_ino)->whole = true;
    pthread_mutex_unlock(&lock);
}

int ftruncate(int fd, off_t size)
{
    resolve();
    int r = real.ftruncate(fd, size);
    if (r == 0)
        resized(fd);
    return r;
}
int ftruncate64(int fd, off_t size) { return ftruncate(fd, size); }

int fallocate(int fd, int mode, off_t pos, off_t n)
{
    resolve();
    int r = real.fallocate(fd, mode, pos, n);
    if (r == 0)
        resized(fd);
    return r;
}
int fallocate64(int fd, int mode, off_t pos, off_t n) { return fallocate(fd, mode, pos, n); }

/* A file that is made anew may have the number of one that is gone; an opened one may have been cut. */
static void opened(int fd, int flags, bool fresh)
{
    struct stat st;
    if (fd < 0 || !(fresh || flags & O_TRUNC) || !is_ours(fd, &st) || !S_ISREG(st.st_mode))
        return;
    int keep = errno;
    pthread_mutex_lock(&lock);
    if (fresh) {
        char object[PATH_MAX + 64];
        object_path(st.st_ino, object);
        unlink(object); /* names in the shadow keep the old bytes */
        known_drop(st.st_ino);
    }
    known_get(st.st_ino)->whole = true;
    pthread_mutex_unlock(&lock);
    errno = keep;
}

static int open_any(int at, const char *path, int flags, mode_t mode)
{
    resolve();
    if (!on || !(flags & O_CREAT)) {
        int plain = real.openat(at, path, flags, mode);
        if (on)
            opened(plain, flags, false);
        return plain;
    }
    /* Whether the call makes the file is known for sure only if it must. */
    int fd = real.openat(at, path, flags | O_EXCL, mode);
    bool fresh = fd >= 0;
    if (!fresh && errno == EEXIST && !(flags & O_EXCL))
        fd = real.openat(at, path, flags & ~O_CREAT, mode);
    if (fd < 0 && errno == ENOENT) /* it went between the two */
        return open_any(at, path, flags, mode);
    opened(fd, flags, fresh);
    return fd;
}

static mode_t mode_of(int flags, va_list ap) { return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0; }

#define OPEN(at, path) \
    do { \
        va_list ap; \
        va_start(ap, flags); \
        mode_t mode = mode_of(flags, ap); \
        va_end(ap); \
        return open_any((at), (path), flags, mode); \
    } while (0)

int open(const char *path, int flags, ...) { OPEN(AT_FDCWD, path); }
int open64(const char *path, int flags, ...) { OPEN(AT_FDCWD, path); }
int openat(int at, const char *path, int flags, ...) { OPEN(at, path); }
int openat64(int at, const char *path, int flags, ...) { OPEN(at, path); }
int creat(const char *path, mode_t mode) { return open(path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

/* A new folder may have the number of one that is gone: what was known of that one is not its. */
int mkdir(const char *path, mode_t mode)
{
    resolve();
    struct stat st;
    int r = real.mkdir(path, mode);
    if (r || !on || lstat(path, &st))
        return r;
    pthread_mutex_lock(&lock);
    struct moved *m = moved_find(st.st_ino);
    if (m) {
        shadow_remove(m->shadow);
        m->ino = 0;
    }
    pthread_mutex_unlock(&lock);
    return r;
}

/* Where a folder goes is remembered: its contents move with its name, when that is synced. */
int rename(const char *from, const char *to)
{
    resolve();
    char full[PATH_MAX];
    struct stat st;
    bool folder = on && lstat(from, &st) == 0 && S_ISDIR(st.st_mode) && realpath(from, full);
    size_t len = strlen(dir);
    folder = folder && strncmp(full, dir, len) == 0 && full[len] == '/';
    int r = real.rename(from, to);
    if (r || !folder)
        return r;
    pthread_mutex_lock(&lock);
    if (!moved_find(st.st_ino)) {
        struct moved *m = moved_add(st.st_ino);
        shadow_path(full, m->shadow);
    }
    pthread_mutex_unlock(&lock);
    return r;
}
