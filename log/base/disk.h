/* Files: the only way the log, the metadata and the checkpoints touch a disk.
 *
 * This is a seam: disk_real() is the operating system; tests/lib has a seeded one that tears, loses and fails. Calls
 * block, so they run in worker jobs (loop.h), except reads that answer from cache (file_read_nowait), small writes into
 * the page cache, and everything while a node opens. Any thread; one file is written by one thread at a time.
 * Errors: negative errno (-ENOSPC, -EIO, -ENOENT, ...). A name or a byte is durable only after the sync that covers it:
 * file_sync for bytes and length, disk_sync_dir for names. */
#ifndef BASE_DISK_H
#define BASE_DISK_H
#include "log/base/base.h"
#include <sys/uio.h>

struct disk;
struct file;

enum { FILE_READ = 0, FILE_WRITE = 1, FILE_CREATE = 2, FILE_EXCL = 4, FILE_TRUNC = 8 };

struct disk *disk_real(void);

int disk_open(struct disk *d, const char *path, int flags, struct file **out) MUST_USE;
void file_close(struct file *f); /* NULL is fine; does not sync */
/* Reads up to n bytes at pos; gives the count, short only at the end of the file. */
int64_t file_read(struct file *f, int64_t pos, void *p, size_t n) MUST_USE;
/* As file_read, but -EAGAIN if the bytes are not in memory. */
int64_t file_read_nowait(struct file *f, int64_t pos, void *p, size_t n) MUST_USE;
/* Writes all or answers an error; after an error any part may have been written. */
int file_write(struct file *f, int64_t pos, const void *p, size_t n) MUST_USE;
int file_writev(struct file *f, int64_t pos, const struct iovec *iov, int n) MUST_USE;
int file_sync(struct file *f) MUST_USE; /* fdatasync */
int file_truncate(struct file *f, int64_t size) MUST_USE;
int file_allocate(struct file *f, int64_t size) MUST_USE; /* reserves and extends; ENOSPC shows here */
int64_t file_size(struct file *f);
int file_fd(struct file *f); /* for sendfile; -1 if the disk has none, then read instead */

int disk_rename(struct disk *d, const char *from, const char *to) MUST_USE;
int disk_unlink(struct disk *d, const char *path) MUST_USE;
int disk_mkdir(struct disk *d, const char *path) MUST_USE; /* existing is fine; parents are not made */
int disk_rmdir(struct disk *d, const char *path) MUST_USE;
int disk_sync_dir(struct disk *d, const char *path) MUST_USE;
bool disk_exists(struct disk *d, const char *path);
/* Calls each_cb for every name in dir but "." and "..", in byte order; a non-zero answer of each_cb ends it and is
 * returned. */
int disk_list(struct disk *d, const char *dir, int (*each_cb)(void *arg, const char *name, bool is_dir), void *arg) MUST_USE;
int disk_remove_tree(struct disk *d, const char *path); /* not there is fine */
/* Whole file into malloc'd memory (NUL after it), at most max bytes; gives. A pipe or device has no size: -ESPIPE. */
int disk_read_file(struct disk *d, const char *path, size_t max, char **out, size_t *len) MUST_USE;
/* Replaces a file so that a crash leaves the old or the new: temp file, sync, rename, sync of the folder. */
int disk_write_file(struct disk *d, const char *path, const void *p, size_t n) MUST_USE;
/* Exclusive lock on a file for this process's life; E_LOCKED if another process (or node) has it. */
int disk_lock(struct disk *d, const char *path, struct file **out) MUST_USE;
int64_t disk_free_bytes(struct disk *d, const char *path);  /* blocking, like the rest */
int64_t disk_total_bytes(struct disk *d, const char *path); /* of the file system that path is on */

struct disk_class {
    int (*open)(struct disk *, const char *path, int flags, struct file **out);
    void (*close)(struct file *);
    int64_t (*read)(struct file *, int64_t pos, void *p, size_t n);
    int64_t (*read_nowait)(struct file *, int64_t pos, void *p, size_t n);
    int (*writev)(struct file *, int64_t pos, const struct iovec *iov, int n);
    int (*sync)(struct file *);
    int (*truncate)(struct file *, int64_t size);
    int (*allocate)(struct file *, int64_t size);
    int64_t (*size)(struct file *);
    int (*fd)(struct file *);
    int (*rename)(struct disk *, const char *from, const char *to);
    int (*unlink)(struct disk *, const char *path);
    int (*mkdir)(struct disk *, const char *path);
    int (*rmdir)(struct disk *, const char *path);
    int (*sync_dir)(struct disk *, const char *path);
    bool (*exists)(struct disk *, const char *path);
    int (*list)(struct disk *, const char *dir, int (*each_cb)(void *, const char *, bool), void *arg);
    int (*lock)(struct disk *, const char *path, struct file **out);
    int (*space)(struct disk *, const char *path, int64_t *left, int64_t *all);
};
struct disk {
    const struct disk_class *cls;
};
struct file {
    struct disk *disk;
};

#endif
