#include "log/base/disk.h"
#include "log/base/alloc.h"
#include "log/base/err.h"
#include "log/base/limits.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* ---- the operating system's files */

struct realfile {
    struct file file;
    int fd;
};

static int real_fd(struct file *f) { return container_of(f, struct realfile, file)->fd; }

static int real_open(struct disk *d, const char *path, int flags, struct file **out)
{
    int how = O_CLOEXEC | (flags & FILE_WRITE ? O_RDWR : O_RDONLY);
    how |= (flags & FILE_CREATE ? O_CREAT : 0) | (flags & FILE_EXCL ? O_EXCL : 0) | (flags & FILE_TRUNC ? O_TRUNC : 0);
    int fd;
    do
        fd = open(path, how, 0640);
    while (fd < 0 && errno == EINTR);
    if (fd < 0)
        return -errno;
    struct realfile *rf = xalloc(sizeof *rf);
    *rf = (struct realfile){{d}, fd};
    *out = &rf->file;
    return 0;
}

static void real_close(struct file *f)
{
    struct realfile *rf = container_of(f, struct realfile, file);
    close(rf->fd);
    xfree(rf);
}

static int64_t real_read(struct file *f, int64_t pos, void *p, size_t n)
{
    size_t got = 0;
    while (got < n) {
        ssize_t r = pread(real_fd(f), (char *)p + got, n - got, pos + (int64_t)got);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    return (int64_t)got;
}

/* What is only partly in memory counts as not there: the caller reads it again on a worker. */
static int64_t real_read_nowait(struct file *f, int64_t pos, void *p, size_t n)
{
    size_t got = 0;
    while (got < n) {
        struct iovec iov = {(char *)p + got, n - got};
        ssize_t r = preadv2(real_fd(f), &iov, 1, pos + (int64_t)got, RWF_NOWAIT);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0 && errno == EOPNOTSUPP) /* a file system that lives in memory has no such flag */
            return real_read(f, pos, p, n);
        if (r < 0)
            return -errno;
        if (r == 0)
            break;
        got += (size_t)r;
    }
    return (int64_t)got;
}

/* All of at most 64 pieces; the array is used up. */
static int pieces_write(int fd, int64_t pos, struct iovec *iov, int n)
{
    while (n) {
        ssize_t r = pwritev(fd, iov, n, pos);
        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        pos += r;
        for (size_t done = (size_t)r; n && done >= iov->iov_len; iov++, n--) {
            done -= iov->iov_len;
            r -= (ssize_t)iov->iov_len;
        }
        if (n) {
            iov->iov_base = (char *)iov->iov_base + r;
            iov->iov_len -= (size_t)r;
        }
    }
    return 0;
}

static int real_writev(struct file *f, int64_t pos, const struct iovec *iov, int n)
{
    enum { PIECES = 64 };
    struct iovec some[PIECES];
    while (n > 0) {
        int count = MIN(n, (int)PIECES);
        int64_t bytes = 0;
        for (int i = 0; i < count; i++) {
            some[i] = iov[i];
            bytes += (int64_t)iov[i].iov_len;
        }
        int err = pieces_write(real_fd(f), pos, some, count);
        if (err)
            return err;
        pos += bytes;
        iov += count;
        n -= count;
    }
    return 0;
}

static int real_sync(struct file *f)
{
    /* Not repeated after an error, EINTR aside: the kernel may have dropped the pages it failed to write. */
    int r;
    do
        r = fdatasync(real_fd(f));
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

static int real_truncate(struct file *f, int64_t size)
{
    int r;
    do
        r = ftruncate(real_fd(f), size);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : 0;
}

static int64_t real_size(struct file *f)
{
    struct stat st;
    if (fstat(real_fd(f), &st))
        return -errno;
    return S_ISREG(st.st_mode) || S_ISDIR(st.st_mode) ? st.st_size : -ESPIPE;
}

static int real_allocate(struct file *f, int64_t size)
{
    if (size <= 0)
        return 0;
    int r;
    do
        r = fallocate(real_fd(f), 0, 0, size);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return 0;
    if (errno != EOPNOTSUPP)
        return -errno;
    /* A file system that cannot reserve still extends; lack of space then shows at the write. */
    int64_t now = real_size(f);
    return now < 0 ? (int)now : now < size ? real_truncate(f, size) : 0;
}

static int real_rename(struct disk *d, const char *from, const char *to)
{
    (void)d;
    return rename(from, to) ? -errno : 0;
}

static int real_unlink(struct disk *d, const char *path)
{
    (void)d;
    return unlink(path) ? -errno : 0;
}

static int real_mkdir(struct disk *d, const char *path)
{
    (void)d;
    if (mkdir(path, 0750) == 0)
        return 0;
    int err = -errno;
    struct stat st;
    return err == -EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode) ? 0 : err;
}

static int real_rmdir(struct disk *d, const char *path)
{
    (void)d;
    return rmdir(path) ? -errno : 0;
}

static int real_sync_dir(struct disk *d, const char *path)
{
    (void)d;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int err = fsync(fd) ? -errno : 0;
    close(fd);
    return err;
}

static bool real_exists(struct disk *d, const char *path)
{
    (void)d;
    return access(path, F_OK) == 0;
}

/* ---- listing */

struct entry {
    char *name;
    bool is_dir;
};

static int entry_cmp(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static bool entry_is_dir(DIR *dir, const struct dirent *de)
{
    if (de->d_type != DT_UNKNOWN)
        return de->d_type == DT_DIR;
    struct stat st;
    return fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

static int entries_read(const char *path, struct entry **out, size_t *out_n)
{
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    struct entry *list = NULL;
    size_t n = 0, cap = 0;
    const struct dirent *de;
    while (errno = 0, (de = readdir(dir)) != NULL) {
        if (!strcmp(de->d_name, ".") || !strcmp(de->d_name, ".."))
            continue;
        VEC_PUSH(list, n, cap) = (struct entry){xstrdup(de->d_name), entry_is_dir(dir, de)};
    }
    int err = -errno;
    closedir(dir);
    *out = list;
    *out_n = n;
    return err;
}

static int real_list(struct disk *d, const char *path, int (*each_cb)(void *, const char *, bool), void *arg)
{
    (void)d;
    struct entry *list = NULL;
    size_t n = 0;
    int err = entries_read(path, &list, &n);
    if (n)
        qsort(list, n, sizeof *list, entry_cmp);
    for (size_t i = 0; i < n; i++) {
        if (!err)
            err = each_cb(arg, list[i].name, list[i].is_dir);
        xfree(list[i].name);
    }
    xfree(list);
    return err;
}

static int real_lock(struct disk *d, const char *path, struct file **out)
{
    struct file *f = NULL;
    int err = real_open(d, path, FILE_WRITE | FILE_CREATE, &f);
    if (err)
        return err;
    if (flock(real_fd(f), LOCK_EX | LOCK_NB)) {
        err = errno == EWOULDBLOCK ? E_LOCKED : -errno;
        real_close(f);
        return err;
    }
    *out = f;
    return 0;
}

static int real_space(struct disk *d, const char *path, int64_t *left, int64_t *all)
{
    (void)d;
    struct statvfs st;
    if (statvfs(path, &st))
        return -errno;
    *left = (int64_t)(st.f_bavail * st.f_frsize);
    *all = (int64_t)(st.f_blocks * st.f_frsize);
    return 0;
}

static const struct disk_class real_class = {
    .open = real_open,
    .close = real_close,
    .read = real_read,
    .read_nowait = real_read_nowait,
    .writev = real_writev,
    .sync = real_sync,
    .truncate = real_truncate,
    .allocate = real_allocate,
    .size = real_size,
    .fd = real_fd,
    .rename = real_rename,
    .unlink = real_unlink,
    .mkdir = real_mkdir,
    .rmdir = real_rmdir,
    .sync_dir = real_sync_dir,
    .exists = real_exists,
    .list = real_list,
    .lock = real_lock,
    .space = real_space,
};

struct disk *disk_real(void)
{
    static struct disk real = {&real_class};
    return &real;
}

/* ---- any disk */

int disk_open(struct disk *d, const char *path, int flags, struct file **out)
{
    return d->cls->open(d, path, flags, out);
}

void file_close(struct file *f)
{
    if (f)
        f->disk->cls->close(f);
}

int64_t file_read(struct file *f, int64_t pos, void *p, size_t n) { return f->disk->cls->read(f, pos, p, n); }

int64_t file_read_nowait(struct file *f, int64_t pos, void *p, size_t n)
{
    return f->disk->cls->read_nowait(f, pos, p, n);
}

int file_write(struct file *f, int64_t pos, const void *p, size_t n)
{
    struct iovec iov = {(void *)(uintptr_t)p, n};
    return f->disk->cls->writev(f, pos, &iov, 1);
}

int file_writev(struct file *f, int64_t pos, const struct iovec *iov, int n)
{
    return f->disk->cls->writev(f, pos, iov, n);
}

int file_sync(struct file *f) { return f->disk->cls->sync(f); }
int file_truncate(struct file *f, int64_t size) { return f->disk->cls->truncate(f, size); }
int file_allocate(struct file *f, int64_t size) { return f->disk->cls->allocate(f, size); }
int64_t file_size(struct file *f) { return f->disk->cls->size(f); }
int file_fd(struct file *f) { return f->disk->cls->fd(f); }
int disk_rename(struct disk *d, const char *from, const char *to) { return d->cls->rename(d, from, to); }
int disk_unlink(struct disk *d, const char *path) { return d->cls->unlink(d, path); }
int disk_mkdir(struct disk *d, const char *path) { return d->cls->mkdir(d, path); }
int disk_rmdir(struct disk *d, const char *path) { return d->cls->rmdir(d, path); }
int disk_sync_dir(struct disk *d, const char *path) { return d->cls->sync_dir(d, path); }
bool disk_exists(struct disk *d, const char *path) { return d->cls->exists(d, path); }

int disk_list(struct disk *d, const char *dir, int (*each_cb)(void *arg, const char *name, bool is_dir), void *arg)
{
    return d->cls->list(d, dir, each_cb, arg);
}

int disk_lock(struct disk *d, const char *path, struct file **out) { return d->cls->lock(d, path, out); }
int64_t disk_free_bytes(struct disk *d, const char *path)
{
    int64_t left, all;
    int err = d->cls->space(d, path, &left, &all);
    return err ? err : left;
}

int64_t disk_total_bytes(struct disk *d, const char *path)
{
    int64_t left, all;
    int err = d->cls->space(d, path, &left, &all);
    return err ? err : all;
}

struct removal {
    struct disk *disk;
    const char *path;
    unsigned depth;
};

static int tree_remove(struct disk *d, const char *path, unsigned depth);

static int removal_each(void *arg, const char *name, bool is_dir)
{
    const struct removal *rm = arg;
    size_t n = strlen(rm->path) + strlen(name) + 2;
    char *path = xalloc(n);
    snprintf(path, n, "%s/%s", rm->path, name);
    int err = is_dir ? tree_remove(rm->disk, path, rm->depth + 1) : disk_unlink(rm->disk, path);
    xfree(path);
    return err;
}

static int tree_remove(struct disk *d, const char *path, unsigned depth)
{
    if (depth > DISK_TREE_DEPTH)
        return -ELOOP;
    struct removal rm = {d, path, depth};
    int err = disk_list(d, path, removal_each, &rm);
    return err ? err : disk_rmdir(d, path);
}

int disk_remove_tree(struct disk *d, const char *path)
{
    int err = tree_remove(d, path, 0);
    if (err == -ENOTDIR)
        err = disk_unlink(d, path);
    return err == -ENOENT ? 0 : err;
}

int disk_read_file(struct disk *d, const char *path, size_t max, char **out, size_t *len)
{
    struct file *f;
    int err = disk_open(d, path, FILE_READ, &f);
    if (err)
        return err;
    int64_t size = file_size(f);
    char *text = NULL;
    if (size < 0)
        err = (int)size;
    else if ((uint64_t)size > max)
        err = -EFBIG;
    if (err)
        goto done;
    text = xalloc((size_t)size + 1);
    int64_t got = file_read(f, 0, text, (size_t)size);
    if (got < 0) {
        err = (int)got;
        xfree(text);
        goto done;
    }
    text[got] = 0;
    *out = text;
    *len = (size_t)got;
done:
    file_close(f);
    return err;
}

static int temp_write(struct disk *d, const char *temp, const void *p, size_t n)
{
    struct file *f;
    int err = disk_open(d, temp, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &f);
    if (err)
        return err;
    err = file_write(f, 0, p, n);
    if (!err)
        err = file_sync(f);
    file_close(f);
    return err;
}

int disk_write_file(struct disk *d, const char *path, const void *p, size_t n)
{
    size_t len = strlen(path);
    char *temp = xalloc(len + 5), *folder = xstrndup(path, len);
    snprintf(temp, len + 5, "%s.tmp", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = 0; /* the root keeps its slash */

    bool made = true;
    int err = temp_write(d, temp, p, n);
    if (!err)
        err = disk_rename(d, temp, path);
    if (!err)
        made = false;
    if (!err)
        err = disk_sync_dir(d, slash ? folder : ".");
    if (err && made) {
        int ignored = disk_unlink(d, temp);
        (void)ignored; /* the first error is the one to tell */
    }
    xfree(temp);
    xfree(folder);
    return err;
}
