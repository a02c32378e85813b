/* An inode has its bytes as programs see them and its bytes as a stopped machine would find them; between lies an
 * ordered list of changes. Folders have the same two sides; their changes stand in one list of the whole disk, as in a
 * journal, because a move between two folders is one change of both. */
#include "tests/lib/simdisk.h"
#include "log/base/alloc.h"
#include "log/base/err.h"
#include "log/base/list.h"
#include "log/base/map.h"
#include "log/base/random.h"
#include "tests/lib/pages.h"
#include <errno.h>
#include <pthread.h>

enum { SECTOR = 512, NAME = 256 };

/* A change of a file: bytes at pos, or (bytes NULL) a new size. */
struct change {
    struct list link;
    int64_t pos;
    size_t n;
    uint8_t *bytes;
};

struct inode {
    int refs; /* names on either side, changes and open files that point here */
    bool is_dir, locked;
    struct pages now, durable;
    struct list changes;
    struct map names, durable_names; /* of struct inode */
    bool marked;                     /* by the walk that asked last */
};

/* A change of names: takes `gone` out of `from`, puts `inode` into `to` as `name`; either may be absent. */
struct move {
    struct list link;
    struct inode *from, *to, *inode;
    char gone[NAME], name[NAME];
};

struct simfile {
    struct file file;
    struct list link;    /* in simdisk.files */
    struct inode *inode; /* NULL once its process has ended */
    bool writable, locks;
};

struct simdisk {
    struct disk disk;
    pthread_mutex_t lock;
    struct random random;
    struct inode *root;
    struct list moves;
    struct list files; /* open ones; those of an ended process may never be closed */
    int64_t used, capacity;
    double fault[SIMDISK_FAULTS];
    unsigned fail_nth[SIMDISK_FAULTS];
    struct simdisk_counts counts;
};

static struct simdisk *of(struct disk *d) { return container_of(d, struct simdisk, disk); }
static struct simfile *file_of(struct file *f) { return container_of(f, struct simfile, file); }

static void unlock(pthread_mutex_t **m) { pthread_mutex_unlock(*m); }
#define GUARD(sd)                                                                                                      \
    __attribute__((cleanup(unlock))) pthread_mutex_t *guard = &(sd)->lock;                                             \
    pthread_mutex_lock(guard)

static bool fails(struct simdisk *sd, enum simdisk_fault kind)
{
    bool now = sd->fail_nth[kind] && --sd->fail_nth[kind] == 0;
    return random_chance(&sd->random, sd->fault[kind]) || now;
}

/* ---- inodes */

static struct inode *inode_new(bool is_dir)
{
    struct inode *ino = xzalloc(sizeof *ino);
    ino->is_dir = is_dir;
    ino->refs = 1;
    list_init(&ino->changes);
    map_init(&ino->names);
    map_init(&ino->durable_names);
    return ino;
}

static void inode_drop(struct simdisk *sd, struct inode *ino);

static void names_drop(struct simdisk *sd, struct map *names)
{
    struct inode *ino;
    for (size_t i = 0; (ino = map_next(names, &i));)
        inode_drop(sd, ino);
    map_clear(names);
}

static void change_free(struct change *c)
{
    list_remove(&c->link);
    xfree(c->bytes);
    xfree(c);
}

static void changes_clear(struct inode *ino)
{
    while (!list_empty(&ino->changes))
        change_free(container_of(ino->changes.next, struct change, link));
}

static void inode_drop(struct simdisk *sd, struct inode *ino)
{
    if (!ino || --ino->refs)
        return;
    sd->used -= ino->now.size;
    changes_clear(ino);
    pages_fini(&ino->now);
    pages_fini(&ino->durable);
    names_drop(sd, &ino->names);
    names_drop(sd, &ino->durable_names);
    map_fini(&ino->names);
    map_fini(&ino->durable_names);
    xfree(ino);
}

static struct inode *inode_hold(struct inode *ino)
{
    if (ino)
        ino->refs++;
    return ino;
}

static void name_put(struct simdisk *sd, struct map *names, const char *name, struct inode *ino)
{
    inode_drop(sd, map_put(names, str_of(name), inode_hold(ino)));
}

static void name_remove(struct simdisk *sd, struct map *names, const char *name)
{
    inode_drop(sd, map_remove(names, str_of(name)));
}

/* ---- paths */

struct place {
    struct inode *dir;   /* the folder that holds, or would hold, the last name */
    struct inode *inode; /* NULL if it is not there */
    char name[NAME];
};

static int place_find(struct simdisk *sd, const char *path, struct place *pl)
{
    *pl = (struct place){.inode = sd->root};
    while (*path) {
        size_t n = strcspn(path, "/");
        if (n && !(n == 1 && path[0] == '.')) {
            if (n >= NAME)
                return -ENAMETOOLONG;
            if (!pl->inode)
                return -ENOENT;
            if (!pl->inode->is_dir)
                return -ENOTDIR;
            CHECK(!(n == 2 && path[0] == '.' && path[1] == '.'));
            pl->dir = pl->inode;
            memcpy(pl->name, path, n);
            pl->name[n] = 0;
            pl->inode = map_get(&pl->dir->names, (struct str){path, n});
        }
        path += n + (path[n] == '/');
    }
    return 0;
}

/* Changes what programs see and remembers what a sync has to cover. Any of the folders may be absent. */
static void names_move(struct simdisk *sd, struct inode *from, const char *gone, struct inode *to, const char *name,
                       struct inode *ino)
{
    struct move *mv = xzalloc(sizeof *mv);
    inode_hold(ino); /* it may lose its last name below */
    if (from) {
        mv->from = inode_hold(from);
        memcpy(mv->gone, gone, strlen(gone) + 1);
        name_remove(sd, &from->names, gone);
    }
    if (to) {
        mv->to = inode_hold(to);
        mv->inode = inode_hold(ino);
        memcpy(mv->name, name, strlen(name) + 1);
        name_put(sd, &to->names, name, ino);
    }
    inode_drop(sd, ino);
    list_add_tail(&sd->moves, &mv->link);
}

static void move_free(struct simdisk *sd, struct move *mv)
{
    list_remove(&mv->link);
    inode_drop(sd, mv->from);
    inode_drop(sd, mv->to);
    inode_drop(sd, mv->inode);
    xfree(mv);
}

static void move_make_durable(struct simdisk *sd, struct move *mv)
{
    if (mv->from)
        name_remove(sd, &mv->from->durable_names, mv->gone);
    if (mv->to)
        name_put(sd, &mv->to->durable_names, mv->name, mv->inode);
}

/* ---- files */

static int sim_open(struct disk *d, const char *path, int flags, struct file **out)
{
    struct simdisk *sd = of(d);
    GUARD(sd);
    struct place pl;
    int err = place_find(sd, path, &pl);
    if (err)
        return err;
    if (pl.inode && pl.inode->is_dir)
        return -EISDIR;
    if (pl.inode && flags & FILE_CREATE && flags & FILE_EXCL)
        return -EEXIST;
    if (!pl.inode && !(flags & FILE_CREATE))
        return -ENOENT;
    if (!pl.inode) {
        struct inode *fresh = inode_new(false);
        names_move(sd, NULL, NULL, pl.dir, pl.name, fresh);
        pl.inode = fresh;
        inode_drop(sd, fresh); /* the name holds it */
    }
    struct simfile *sf = xzalloc(sizeof *sf);
    *sf = (struct simfile){.file = {d}, .inode = inode_hold(pl.inode), .writable = (flags & FILE_WRITE) != 0};
    list_add_tail(&sd->files, &sf->link);
    *out = &sf->file;
    if (flags & FILE_TRUNC && pl.inode->now.size) {
        struct change *c = xzalloc(sizeof *c);
        list_add_tail(&pl.inode->changes, &c->link);
        sd->used -= pl.inode->now.size;
        pages_resize(&pl.inode->now, 0);
    }
    return 0;
}

static void sim_close(struct file *f)
{
    struct simdisk *sd = of(f->disk);
    struct simfile *sf = file_of(f);
    GUARD(sd);
    if (sf->locks && sf->inode)
        sf->inode->locked = false;
    inode_drop(sd, sf->inode);
    list_remove(&sf->link);
    xfree(sf);
}

static bool is_dead(const struct simfile *sf) { return !sf->inode; }

static int64_t sim_read(struct file *f, int64_t pos, void *p, size_t n)
{
    struct simdisk *sd = of(f->disk);
    GUARD(sd);
    sd->counts.reads++;
    if (is_dead(file_of(f)) || fails(sd, SIMDISK_EIO_READ))
        return -EIO;
    return pos < 0 ? -EINVAL : (int64_t)pages_read(&file_of(f)->inode->now, pos, p, n);
}

static int64_t sim_read_nowait(struct file *f, int64_t pos, void *p, size_t n)
{
    struct simdisk *sd = of(f->disk);
    pthread_mutex_lock(&sd->lock);
    bool cold = random_chance(&sd->random, 0.25);
    pthread_mutex_unlock(&sd->lock);
    return cold ? -EAGAIN : sim_read(f, pos, p, n);
}

/* Takes room for a file to reach `size`; gives the size that is granted. */
static int64_t grow(struct simdisk *sd, struct inode *ino, int64_t size)
{
    int64_t more = size - ino->now.size;
    if (more <= 0)
        return size;
    if (sd->capacity >= 0)
        more = MIN(more, MAX(sd->capacity - sd->used, INT64_C(0)));
    sd->used += more;
    return ino->now.size + more;
}

static void write_part(struct inode *ino, int64_t pos, const void *p, size_t n)
{
    struct change *c = xzalloc(sizeof *c);
    *c = (struct change){.pos = pos, .n = n, .bytes = xalloc(n)};
    memcpy(c->bytes, p, n);
    list_add_tail(&ino->changes, &c->link);
    pages_write(&ino->now, pos, p, n);
}

static int write_all(struct simdisk *sd, struct simfile *sf, int64_t pos, const void *p, size_t n)
{
    if (is_dead(sf))
        return -EIO;
    if (!sf->writable)
        return -EBADF;
    bool broken = fails(sd, SIMDISK_EIO_WRITE);
    if (broken)
        n = random_below(&sd->random, n + 1);
    int64_t end = grow(sd, sf->inode, pos + (int64_t)n);
    size_t fits = end <= pos ? 0 : MIN(n, (size_t)(end - pos));
    if (fits)
        write_part(sf->inode, pos, p, fits);
    else if (end > sf->inode->now.size)
        sd->used -= end - sf->inode->now.size;
    return broken ? -EIO : fits < n ? -ENOSPC : 0;
}

static int sim_writev(struct file *f, int64_t pos, const struct iovec *iov, int n)
{
    struct simdisk *sd = of(f->disk);
    GUARD(sd);
    CHECK(pos >= 0);
    sd->counts.writes++;
    /* One call is one change: a crash may keep any of its sectors, whatever pieces it came in. */
    size_t total = 0, at = 0;
    for (int i = 0; i < n; i++)
        total += iov[i].iov_len;
    uint8_t *all = xalloc(total);
    for (int i = 0; i < n; i++) {
        if (iov[i].iov_len)
            memcpy(all + at, iov[i].iov_base, iov[i].iov_len);
        at += iov[i].iov_len;
    }
    int err = total ? write_all(sd, file_of(f), pos, all, total) : is_dead(file_of(f)) ? -EIO : 0;
    xfree(all);
    return err;
}

static int resize(struct simdisk *sd, struct inode *ino, int64_t size)
{
    int64_t before = ino->now.size, granted = grow(sd, ino, size);
    if (granted < size) {
        sd->used -= granted - before;
        return -ENOSPC;
    }
    if (size < before)
        sd->used -= before - size;
    struct change *c = xzalloc(sizeof *c);
    c->pos = size;
    list_add_tail(&ino->changes, &c->link);
    pages_resize(&ino->now, size);
    return 0;
}

static int sim_truncate(struct file *f, int64_t size)
{
    struct simdisk *sd = of(f->disk);
    GUARD(sd);
    if (is_dead(file_of(f)))
        return -EIO;
    if (!file_of(f)->writable || size < 0)
        return -EINVAL;
    return size == file_of(f)->inode->now.size ? 0 : resize(sd, file_of(f)->inode, size);
}

static int sim_allocate(struct file *f, int64_t size)
{
    struct simdisk *sd = of(f->disk);
    GUARD(sd);
    if (is_dead(file_of(f)))
        return -EIO;
    if (!file_of(f)->writable)
        return -EBADF;
    return size <= file_of(f)->inode->now.size ? 0 : resize(sd, file_of(f)->inode, size);
}

static int64_t sim_size(struct file *f)
{
    struct simdisk *sd = of(f->disk);
    GUARD(sd);
    return is_dead(file_of(f)) ? -EIO : file_of(f)->inode->now.size;
}

static int sim_fd(struct file *f)
{
    (void)f;
    return -1;
}

static void change_apply(struct pages *p, const struct change *c)
{
    if (c->bytes)
        pages_write(p, c->pos, c->bytes, c->n);
    else
        pages_resize(p, c->pos);
}

static int sim_sync(struct file *f)
{
    struct simdisk *sd = of(f->disk);
    GUARD(sd);
    struct inode *ino = file_of(f)->inode;
    sd->counts.syncs++;
    if (is_dead(file_of(f)))
        return -EIO;
    bool broken = fails(sd, SIMDISK_EIO_SYNC);
    LIST_EACH (it, &ino->changes) {
        /* After a failure the kernel calls its pages clean: what did not get out never will. */
        if (!broken || random_chance(&sd->random, 0.5))
            change_apply(&ino->durable, container_of(it, struct change, link));
    }
    changes_clear(ino);
    return broken ? -EIO : 0;
}

/* ---- folders */

static int sim_rename(struct disk *d, const char *from, const char *to)
{
    struct simdisk *sd = of(d);
    GUARD(sd);
    struct place a, b;
    int err = place_find(sd, from, &a);
    if (!err)
        err = place_find(sd, to, &b);
    if (err)
        return err;
    if (!a.inode || !a.dir || !b.dir)
        return -ENOENT;
    if (a.inode == b.inode)
        return 0;
    if (b.inode && b.inode->is_dir != a.inode->is_dir)
        return b.inode->is_dir ? -EISDIR : -ENOTDIR;
    if (b.inode && b.inode->is_dir && b.inode->names.len)
        return -ENOTEMPTY;
    names_move(sd, a.dir, a.name, b.dir, b.name, a.inode);
    return 0;
}

static int remove_name(struct disk *d, const char *path, bool is_dir)
{
    struct simdisk *sd = of(d);
    GUARD(sd);
    struct place pl;
    int err = place_find(sd, path, &pl);
    if (err)
        return err;
    if (!pl.inode || !pl.dir)
        return -ENOENT;
    if (pl.inode->is_dir != is_dir)
        return is_dir ? -ENOTDIR : -EISDIR;
    if (is_dir && pl.inode->names.len)
        return -ENOTEMPTY;
    names_move(sd, pl.dir, pl.name, NULL, NULL, NULL);
    return 0;
}

static int sim_unlink(struct disk *d, const char *path) { return remove_name(d, path, false); }
static int sim_rmdir(struct disk *d, const char *path) { return remove_name(d, path, true); }

static int sim_mkdir(struct disk *d, const char *path)
{
    struct simdisk *sd = of(d);
    GUARD(sd);
    struct place pl;
    int err = place_find(sd, path, &pl);
    if (err)
        return err;
    if (pl.inode)
        return pl.inode->is_dir ? 0 : -EEXIST;
    struct inode *fresh = inode_new(true);
    names_move(sd, NULL, NULL, pl.dir, pl.name, fresh);
    inode_drop(sd, fresh);
    return 0;
}

/* Covers the folder and, for moves in or out of it, all that the other folder did before: its order is kept. */
static void dir_make_durable(struct simdisk *sd, struct inode *dir)
{
    dir->marked = true;
    for (struct list *it = sd->moves.prev; it != &sd->moves; it = it->prev) {
        struct move *mv = container_of(it, struct move, link);
        if ((mv->from && mv->from->marked) || (mv->to && mv->to->marked)) {
            if (mv->from)
                mv->from->marked = true;
            if (mv->to)
                mv->to->marked = true;
        }
    }
    struct list covered;
    list_init(&covered);
    LIST_EACH_SAFE (it, &sd->moves) {
        struct move *mv = container_of(it, struct move, link);
        if (!(mv->from && mv->from->marked) && !(mv->to && mv->to->marked))
            continue;
        move_make_durable(sd, mv);
        list_remove(it);
        list_add_tail(&covered, it);
    }
    dir->marked = false;
    LIST_EACH_SAFE (it, &covered) {
        struct move *mv = container_of(it, struct move, link);
        if (mv->from)
            mv->from->marked = false;
        if (mv->to)
            mv->to->marked = false;
        move_free(sd, mv);
    }
}

static int sim_sync_dir(struct disk *d, const char *path)
{
    struct simdisk *sd = of(d);
    GUARD(sd);
    sd->counts.dir_syncs++;
    struct place pl;
    int err = place_find(sd, path, &pl);
    if (err)
        return err;
    if (!pl.inode)
        return -ENOENT;
    if (!pl.inode->is_dir)
        return -ENOTDIR;
    if (fails(sd, SIMDISK_EIO_SYNC))
        return -EIO;
    dir_make_durable(sd, pl.inode);
    return 0;
}

static bool sim_exists(struct disk *d, const char *path)
{
    struct simdisk *sd = of(d);
    GUARD(sd);
    struct place pl;
    return place_find(sd, path, &pl) == 0 && pl.inode;
}

struct listed {
    char name[NAME];
    bool is_dir;
};

static int listed_cmp(const void *a, const void *b)
{
    return strcmp(((const struct listed *)a)->name, ((const struct listed *)b)->name);
}

static int dir_read(struct simdisk *sd, const char *path, struct listed **out, size_t *out_n)
{
    GUARD(sd);
    struct place pl;
    int err = place_find(sd, path, &pl);
    if (err)
        return err;
    if (!pl.inode)
        return -ENOENT;
    if (!pl.inode->is_dir)
        return -ENOTDIR;
    struct listed *all = xzalloc((pl.inode->names.len + 1) * sizeof *all);
    struct str name;
    void *value;
    size_t n = 0;
    for (size_t i = 0; (name = map_next_key(&pl.inode->names, &i, &value)).ptr; n++) {
        memcpy(all[n].name, name.ptr, name.len);
        all[n].is_dir = ((struct inode *)value)->is_dir;
    }
    qsort(all, n, sizeof *all, listed_cmp);
    *out = all;
    *out_n = n;
    return 0;
}

static int sim_list(struct disk *d, const char *path, int (*each_cb)(void *, const char *, bool), void *arg)
{
    struct listed *all = NULL;
    size_t n = 0;
    int err = dir_read(of(d), path, &all, &n);
    for (size_t i = 0; i < n && !err; i++)
        err = each_cb(arg, all[i].name, all[i].is_dir);
    xfree(all);
    return err;
}

static int sim_lock(struct disk *d, const char *path, struct file **out)
{
    struct simdisk *sd = of(d);
    struct file *f = NULL;
    int err = sim_open(d, path, FILE_WRITE | FILE_CREATE, &f);
    if (err)
        return err;
    pthread_mutex_lock(&sd->lock);
    struct simfile *sf = file_of(f);
    if (sf->inode->locked)
        err = E_LOCKED;
    else
        sf->locks = sf->inode->locked = true;
    pthread_mutex_unlock(&sd->lock);
    if (err)
        sim_close(f);
    else
        *out = f;
    return err;
}

static int sim_space(struct disk *d, const char *path, int64_t *left, int64_t *all)
{
    struct simdisk *sd = of(d);
    GUARD(sd);
    (void)path;
    *all = sd->capacity < 0 ? INT64_C(1) << 40 : sd->capacity;
    *left = sd->capacity < 0 ? *all : MAX(sd->capacity - sd->used, INT64_C(0));
    return 0;
}

/* ---- the end of a process or of a machine */

/* Sectors of an unsynced write are kept one by one; the size may be right even where the last ones are lost. */
static void change_tear(struct simdisk *sd, struct pages *p, const struct change *c)
{
    int64_t end = c->pos + (int64_t)c->n;
    for (int64_t at = c->pos, next; at < end; at = next) {
        next = MIN(end, (at / SECTOR + 1) * SECTOR);
        if (random_chance(&sd->random, 0.5))
            pages_write(p, at, c->bytes + (at - c->pos), (size_t)(next - at));
    }
    if (p->size < end && random_chance(&sd->random, 0.5))
        pages_resize(p, end);
}

static void file_stop(struct simdisk *sd, struct inode *ino, bool lose)
{
    LIST_EACH (it, &ino->changes) {
        struct change *c = container_of(it, struct change, link);
        uint64_t luck = lose ? 0 : random_below(&sd->random, 3);
        if (luck == 1 || (luck == 2 && !c->bytes))
            change_apply(&ino->durable, c);
        else if (luck == 2)
            change_tear(sd, &ino->durable, c);
    }
    changes_clear(ino);
    sd->used += ino->durable.size - ino->now.size;
    pages_copy(&ino->now, &ino->durable);
}

/* What a folder did not do, it did nothing after; a move between folders happened in both or in none. */
static void moves_stop(struct simdisk *sd, bool lose)
{
    double keep = lose ? 0 : random_unit(&sd->random);
    struct list dropped;
    list_init(&dropped);
    LIST_EACH_SAFE (it, &sd->moves) {
        struct move *mv = container_of(it, struct move, link);
        bool stopped = (mv->from && mv->from->marked) || (mv->to && mv->to->marked);
        if (!stopped && random_chance(&sd->random, keep)) {
            move_make_durable(sd, mv);
            move_free(sd, mv);
            continue;
        }
        if (mv->from)
            mv->from->marked = true;
        if (mv->to)
            mv->to->marked = true;
        list_remove(it);
        list_add_tail(&dropped, it);
    }
    LIST_EACH (it, &dropped) {
        struct move *mv = container_of(it, struct move, link);
        if (mv->from)
            mv->from->marked = false;
        if (mv->to)
            mv->to->marked = false;
    }
    while (!list_empty(&dropped))
        move_free(sd, container_of(dropped.next, struct move, link));
}

/* Makes what is durable below a folder all that there is. In byte order of names, so that the seed decides alone. */
static void tree_stop(struct simdisk *sd, struct inode *dir, bool lose)
{
    names_drop(sd, &dir->names);
    struct str name;
    void *value;
    for (size_t i = 0; (name = map_next_key(&dir->durable_names, &i, &value)).ptr;) {
        struct inode *ino = value;
        name_put(sd, &dir->names, name.ptr, ino);
        if (ino->is_dir)
            tree_stop(sd, ino, lose);
        else
            file_stop(sd, ino, lose);
    }
}

void simdisk_crash(struct simdisk *sd, enum simdisk_end how)
{
    GUARD(sd);
    LIST_EACH (it, &sd->files) {
        struct simfile *sf = container_of(it, struct simfile, link);
        if (sf->locks && sf->inode)
            sf->inode->locked = false;
        inode_drop(sd, sf->inode);
        sf->inode = NULL;
    }
    if (how != SIMDISK_KILL) {
        moves_stop(sd, how == SIMDISK_LOSE);
        tree_stop(sd, sd->root, how == SIMDISK_LOSE);
    }
}

/* ---- making, ending, faults */

static const struct disk_class sim_class = {
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .read_nowait = sim_read_nowait,
    .writev = sim_writev,
    .sync = sim_sync,
    .truncate = sim_truncate,
    .allocate = sim_allocate,
    .size = sim_size,
    .fd = sim_fd,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .mkdir = sim_mkdir,
    .rmdir = sim_rmdir,
    .sync_dir = sim_sync_dir,
    .exists = sim_exists,
    .list = sim_list,
    .lock = sim_lock,
    .space = sim_space,
};

struct simdisk *simdisk_new(uint64_t seed)
{
    struct simdisk *sd = xzalloc(sizeof *sd);
    sd->disk.cls = &sim_class;
    CHECK(pthread_mutex_init(&sd->lock, NULL) == 0);
    random_seed(&sd->random, seed);
    sd->root = inode_new(true);
    list_init(&sd->moves);
    list_init(&sd->files);
    sd->capacity = -1;
    return sd;
}

void simdisk_free(struct simdisk *sd)
{
    LIST_EACH_SAFE (it, &sd->files) {
        struct simfile *sf = container_of(it, struct simfile, link);
        inode_drop(sd, sf->inode);
        xfree(sf);
    }
    while (!list_empty(&sd->moves))
        move_free(sd, container_of(sd->moves.next, struct move, link));
    inode_drop(sd, sd->root);
    CHECK(sd->used == 0);
    pthread_mutex_destroy(&sd->lock);
    xfree(sd);
}

struct disk *simdisk_disk(struct simdisk *sd) { return &sd->disk; }

void simdisk_set_fault(struct simdisk *sd, enum simdisk_fault kind, double probability)
{
    GUARD(sd);
    sd->fault[kind] = probability;
}

void simdisk_fail_nth(struct simdisk *sd, enum simdisk_fault kind, unsigned nth)
{
    GUARD(sd);
    sd->fail_nth[kind] = nth;
}

void simdisk_set_capacity(struct simdisk *sd, int64_t bytes)
{
    GUARD(sd);
    sd->capacity = bytes;
}

int simdisk_flip(struct simdisk *sd, const char *path, int64_t pos, unsigned bit)
{
    GUARD(sd);
    struct place pl;
    if (place_find(sd, path, &pl) || !pl.inode || pl.inode->is_dir)
        return -ENOENT;
    uint8_t byte;
    if (pages_read(&pl.inode->now, pos, &byte, 1) != 1)
        return -EINVAL;
    byte ^= (uint8_t)(1u << (bit & 7));
    pages_write(&pl.inode->now, pos, &byte, 1);
    if (pos < pl.inode->durable.size)
        pages_write(&pl.inode->durable, pos, &byte, 1);
    return 0;
}

struct simdisk_counts simdisk_counts(struct simdisk *sd)
{
    GUARD(sd);
    return sd->counts;
}
