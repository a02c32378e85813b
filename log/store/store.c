/* The data folder as a whole, its shards, and the way of an append to its owner. */
#include "log/store/store.h"
#include "log/base/alloc.h"
#include "log/base/fault.h"
#include "log/base/random.h"
#include "log/base/trace.h"
#include "log/store/compact.h"
#include "log/store/shard.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { VERSION = 1, FORMAT = 1, PATH_BYTES = 4400, PROPERTIES_BYTES = 65536 };

static void store_path(const struct store *st, const char *name, char *out)
{
    int n = snprintf(out, PATH_BYTES, "%s/%s", st->dir, name);
    CHECK(n > 0 && n < PATH_BYTES);
}

struct uuid store_cluster_id(const struct store *st) { return st->cluster_id; }
struct uuid store_dir_id(const struct store *st) { return st->dir_id; }
const char *store_dir(const struct store *st) { return st->dir; }
struct disk *store_disk(const struct store *st) { return st->disk; }

/* ---- meta.properties */

struct properties {
    int64_t version, format, node; /* version: of the file, as Kafka has it; format: of all else */
    struct uuid cluster, dir;
};

static void properties_line(struct properties *out, struct str line)
{
    const char *eq = line.len ? memchr(line.ptr, '=', line.len) : NULL;
    if (!eq || line.ptr[0] == '#')
        return;
    struct str key = str_trim((struct str){line.ptr, (size_t)(eq - line.ptr)});
    struct str value = str_trim((struct str){eq + 1, line.len - (size_t)(eq + 1 - line.ptr)});
    if (str_eq(key, STR("version")) && !str_to_i64(value, &out->version))
        out->version = -1;
    if (str_eq(key, STR("weir.format")) && !str_to_i64(value, &out->format))
        out->format = -1;
    if (str_eq(key, STR("node.id")) && !str_to_i64(value, &out->node))
        out->node = -1;
    if (str_eq(key, STR("cluster.id")) && !uuid_parse(value, &out->cluster))
        out->cluster = (struct uuid){{0}};
    if (str_eq(key, STR("directory.id")) && !uuid_parse(value, &out->dir))
        out->dir = (struct uuid){{0}};
}

static void properties_parse(struct str text, struct properties *out)
{
    *out = (struct properties){.version = -1, .format = -1};
    while (text.len) {
        const char *nl = memchr(text.ptr, '\n', text.len);
        size_t n = nl ? (size_t)(nl - text.ptr) : text.len;
        properties_line(out, (struct str){text.ptr, n});
        n += nl != NULL;
        text.ptr += n;
        text.len -= n;
    }
}

static void uuid_new(struct uuid *id, struct loop *loop)
{
    for (size_t i = 0; i < 2; i++) {
        uint64_t bits = loop_random(loop);
        memcpy(id->b + 8 * i, &bits, 8);
    }
    id->b[6] = (uint8_t)((id->b[6] & 0x0f) | 0x40); /* version 4 */
    id->b[8] = (uint8_t)((id->b[8] & 0x3f) | 0x80);
}

static int properties_write(struct store *st, struct loop *loop, struct diag *d)
{
    char path[PATH_BYTES], cluster[UUID_TEXT], dir[UUID_TEXT];
    uuid_new(&st->cluster_id, loop);
    uuid_new(&st->dir_id, loop);
    uuid_format(st->cluster_id, cluster);
    uuid_format(st->dir_id, dir);
    struct wbuf w;
    wbuf_init(&w);
    wbuf_printf(&w, "# weir data folder\nversion=%d\nweir.format=%d\nnode.id=%" PRId64 "\ncluster.id=%s\n"
                    "directory.id=%s\n",
                VERSION, FORMAT, st->conf->node_id, cluster, dir);
    store_path(st, "meta.properties", path);
    int err = disk_write_file(st->disk, path, w.data, w.len);
    wbuf_fini(&w);
    return err ? diag_set(d, err, "cannot write %s: %s", path, err_text(err)) : 0;
}

static int newer(const struct store *st, const char *what, int64_t found, int known, struct diag *d)
{
    return diag_set(d, E_NEWER_FORMAT, "%s was written by a newer version of weir (%s %" PRId64
                    ", this one knows %d): use that version", st->dir, what, found, known);
}

/* *found: there is such a file. */
static int properties_read(struct store *st, bool *found, struct diag *d)
{
    char path[PATH_BYTES], *text;
    size_t len;
    store_path(st, "meta.properties", path);
    int err = disk_read_file(st->disk, path, PROPERTIES_BYTES, &text, &len);
    *found = err != -ENOENT;
    if (err)
        return *found ? diag_set(d, err, "cannot read %s: %s", path, err_text(err)) : 0;
    struct properties pr;
    properties_parse((struct str){text, len}, &pr);
    xfree(text);
    if (pr.format > FORMAT)
        return newer(st, "format", pr.format, FORMAT, d);
    if (pr.format == FORMAT && pr.version > VERSION)
        return newer(st, "meta.properties of version", pr.version, VERSION, d);
    if (pr.version < 0 || pr.format < 1 || uuid_is_zero(pr.cluster) || uuid_is_zero(pr.dir))
        return diag_set(d, E_CORRUPT, "%s is damaged, or not weir's: version, weir.format, cluster.id or directory.id "
                        "is missing", path);
    if (pr.node != st->conf->node_id)
        return diag_set(d, E_BAD_CONFIG, "%s belongs to node %" PRId64 ", but node.id is %" PRId64, st->dir, pr.node,
                        st->conf->node_id);
    st->cluster_id = pr.cluster;
    st->dir_id = pr.dir;
    return 0;
}

/* ---- whose folder */

struct strangers {
    struct store *st;
    char first[200]; /* what is neither ours nor the file system's */
    bool data;       /* of ours, though there is no meta.properties */
};

static int name_each(void *arg, const char *name, bool is_dir)
{
    (void)arg, (void)name, (void)is_dir;
    return 1;
}

static bool is_empty(struct store *st, const char *name)
{
    char path[PATH_BYTES];
    store_path(st, name, path);
    return disk_list(st->disk, path, name_each, NULL) == 0;
}

/* What a server that was stopped before it wrote meta.properties may have left, and what is there as soon as it has. */
static int stranger_each(void *arg, const char *name, bool is_dir)
{
    static const char *const folders[] = {"wal", "topics", "trash"},
                             *const others[] = {"lock", "meta.properties", "meta.properties.tmp", "lost+found"};
    struct strangers *s = arg;
    for (size_t i = 0; i < ARRAY_LEN(others); i++)
        if (strcmp(name, others[i]) == 0)
            return 0;
    for (size_t i = 0; is_dir && i < ARRAY_LEN(folders); i++)
        if (strcmp(name, folders[i]) == 0 && is_empty(s->st, name))
            return 0;
    s->data |= strcmp(name, "checkpoint") == 0 || strcmp(name, "wal") == 0;
    if (!s->first[0])
        snprintf(s->first, sizeof s->first, "%s", name);
    return 0;
}

/* A folder that others use is not filled, nor what is called "trash" there emptied. */
static int refuse_strangers(struct store *st, struct diag *d)
{
    struct strangers s = {.st = st};
    int err = disk_list(st->disk, st->dir, stranger_each, &s);
    if (err == -ENOENT || (!err && !s.first[0]))
        return 0;
    if (err)
        return diag_set(d, err, "cannot read the folder %s: %s", st->dir, err_text(err));
    if (s.data)
        return diag_set(d, E_CORRUPT, "%s holds data but no meta.properties", st->dir);
    diag_set(d, E_BAD_CONFIG, "%s is no data folder of weir: it holds %s, but no meta.properties", st->dir, s.first);
    diag_hint(d, "name a folder that is new or empty");
    return E_BAD_CONFIG;
}

/* ---- opening */

static void reap_run(struct msg *m)
{
    struct shard *sh = container_of(m, struct shard, reap_msg);
    atomic_store(&sh->reap_posted, false);
    struct part *p = atomic_exchange(&sh->dead, NULL);
    while (p) {
        struct part *next = p->dead_next;
        part_free(p);
        p = next;
    }
}

static void turn_run(struct turn_end *t) { shard_commit(container_of(t, struct shard, turn)); }

void shard_wake(struct shard *sh) { loop_at_turn_end(sh->loop, &sh->turn); }

static void retain_fire(struct timer *t)
{
    struct shard *sh = container_of(t, struct shard, retain_timer);
    int64_t now_ms = loop_wall_ms(sh->loop);
    LIST_EACH(l, &sh->parts) {
        struct part *p = container_of(l, struct part, link);
        if (!part_acquire_live(p))
            continue;
        part_retain_step(p, now_ms);
        part_release(p);
    }
    timer_start(t, sh->store->conf->log_retention_check_ms);
}

static void start_run(struct msg *m)
{
    struct shard *sh = container_of(m, struct shard, start_msg);
    timer_start(&sh->retain_timer, sh->store->conf->log_retention_check_ms);
    compactor_start(sh->compactor);
}

void shard_fail(struct shard *sh, const char *why, int err)
{
    if (sh->failed || BUG("append_after_error"))
        return;
    trace(ERROR, "store", "shard_failed shard=%u error=%s why=%s: writes are refused until restart", sh->index,
          err_name(err), why);
    sh->failed = E_STORAGE;
    atomic_store(&sh->failed_shown, true);
    /* What waits for room in the write-ahead file will get none. */
    if (sh->commit.waiting)
        shard_wake(sh);
}

static void shard_init(struct shard *sh, struct store *st, struct loop *loop, unsigned index)
{
    sh->store = st;
    sh->loop = loop;
    sh->index = index;
    sh->turn.run_cb = turn_run;
    timer_init(&sh->retain_timer, loop, retain_fire);
    sh->start_msg.run_cb = start_run;
    sh->reap_msg.run_cb = reap_run;
    list_init(&sh->parts);
    list_init(&sh->ready);
    commit_init(&sh->commit);
    wbuf_init(&sh->checkpoint.points);
    points_init(&sh->points);
    sh->compactor = compactor_new(sh);
}

/* The data folder's own name must last as well. */
static int parent_sync(struct store *st)
{
    char *parent = xstrdup(st->dir), *slash;
    size_t n = strlen(parent);
    while (n > 1 && parent[n - 1] == '/')
        parent[--n] = 0;
    slash = strrchr(parent, '/');
    if (slash)
        slash[slash == parent] = 0;
    int err = disk_sync_dir(st->disk, slash ? parent : ".");
    xfree(parent);
    return err == -EACCES ? 0 : err; /* a parent that may be entered but not read is not ours to care for */
}

static int store_folders(struct store *st, struct diag *d)
{
    static const char *const names[] = {"", "wal", "topics", "trash"};
    int err = 0;
    char path[PATH_BYTES];
    for (size_t i = 0; i < ARRAY_LEN(names) && !err; i++) {
        store_path(st, names[i], path);
        if (i == 0)
            path[strlen(st->dir)] = 0;
        err = disk_mkdir(st->disk, path);
    }
    if (!err)
        err = disk_sync_dir(st->disk, st->dir);
    if (!err)
        err = parent_sync(st);
    if (err)
        return diag_set(d, err, "cannot make %s: %s", path, err_text(err));
    return 0;
}

static int trash_each(void *arg, const char *name, bool is_dir)
{
    const struct store *st = arg;
    (void)is_dir;
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s/trash/%s", st->dir, name);
    if (n > 0 && n < PATH_BYTES && disk_remove_tree(st->disk, path))
        trace(WARN, "store", "trash_kept path=%s", path);
    return 0;
}

static void trash_empty(struct store *st)
{
    char path[PATH_BYTES];
    store_path(st, "trash", path);
    int ignored = disk_list(st->disk, path, trash_each, st);
    (void)ignored;
}

static int checkpoint_write(struct store *st, enum points_kind kind)
{
    char path[PATH_BYTES];
    store_path(st, "checkpoint", path);
    struct wbuf w;
    wbuf_init(&w);
    points_encode(&st->points, st->incarnation, kind, &w);
    int err = disk_write_file(st->disk, path, w.data, w.len);
    wbuf_fini(&w);
    return err;
}

/* A new incarnation makes every older frame and checkpoint file stale at once. It is not to be guessed: a client's
 * record must not be able to look like a frame. */
static int store_begin(struct store *st, struct loop *loop, struct diag *d)
{
    points_forget_gone(&st->points);
    st->incarnation = ((st->incarnation >> 32) + 1) << 32 | (uint32_t)loop_random(loop);
    int err = checkpoint_write(st, POINTS_RUNNING);
    if (err)
        return diag_set(d, err, "cannot write %s/checkpoint: %s", st->dir, err_text(err));
    char path[PATH_BYTES], name[32];
    for (unsigned i = 0; i < st->nshards && st->sync; i++) {
        snprintf(name, sizeof name, "wal/%u.wal", i);
        store_path(st, name, path);
        err = wal_open(&st->shards[i].wal, st->disk, path, st->conf->wal_bytes, st->incarnation);
        if (err)
            return diag_set(d, err, "cannot reserve %" PRId64 " bytes for %s: %s", st->conf->wal_bytes, path,
                            err_text(err));
    }
    store_path(st, "wal", path);
    err = disk_sync_dir(st->disk, path);
    return err ? diag_set(d, err, "cannot sync %s: %s", path, err_text(err)) : 0;
}

static int config_sync(const struct config *conf, bool *sync, struct diag *d)
{
    *sync = strcmp(conf->log_sync, "os") != 0;
    if (*sync && strcmp(conf->log_sync, "always") != 0)
        return diag_set(d, E_BAD_CONFIG, "log.sync is '%s': it can be 'always' or 'os'", conf->log_sync);
    return 0;
}

static void store_free(struct store *st)
{
    for (unsigned i = 0; i < st->nshards; i++) {
        struct shard *sh = &st->shards[i];
        compactor_free(sh->compactor);
        commit_fini(&sh->commit);
        checkpoint_fini(sh);
        points_fini(&sh->points);
        wal_close(&sh->wal);
    }
    seg_files_fini(&st->files);
    points_fini(&st->points);
    file_close(st->lock);
    xfree(st->dir);
    xfree(st);
}

/* Who holds the folder writes its process number into the lock file, for the sentence that others get. */
static void lock_sign(struct file *lock)
{
    char pid[24];
    int n = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    if (file_truncate(lock, 0) < 0 || file_write(lock, 0, pid, (size_t)n) < 0)
        trace(WARN, "store", "lock_unsigned: another server's refusal will not tell this process");
}

static void lock_refused(struct disk *disk, const char *dir, const char *path, int err, struct diag *d)
{
    char *pid = NULL;
    size_t len = 0;
    if (err != E_LOCKED)
        diag_set(d, err, "%s: %s", dir, err_text(err));
    else if (disk_read_file(disk, path, 24, &pid, &len) == 0 && len > 1)
        diag_set(d, err, "%s is in use by another weir server, process %.*s", dir, (int)len - 1, pid);
    else
        diag_set(d, err, "%s is in use by another weir server", dir);
    free(pid);
}

int store_open(struct store **out, struct disk *disk, const char *dir, struct loop *const *loops, unsigned nloops,
               const struct config *conf, struct diag *d)
{
    CHECK(nloops > 0);
    bool sync;
    int err = config_sync(conf, &sync, d);
    if (err)
        return err;
    struct store *st = xzalloc(sizeof *st + nloops * sizeof st->shards[0]);
    st->disk = disk;
    st->dir = xstrdup(dir);
    st->conf = conf;
    st->sync = sync;
    st->nshards = nloops;
    points_init(&st->points);
    seg_files_init(&st->files, disk);
    for (unsigned i = 0; i < nloops; i++)
        shard_init(&st->shards[i], st, loops[i], i);

    bool known = false;
    err = properties_read(st, &known, d);
    if (!err && !known)
        err = refuse_strangers(st, d);
    if (!err)
        err = store_folders(st, d);
    if (err)
        goto fail;
    char path[PATH_BYTES];
    store_path(st, "lock", path);
    err = disk_lock(disk, path, &st->lock);
    if (err) {
        lock_refused(disk, dir, path, err, d);
        goto fail;
    }
    lock_sign(st->lock);
    err = properties_read(st, &known, d); /* again: now it is ours alone */
    if (!err && !known)
        err = properties_write(st, loops[0], d);
    if (!err)
        err = recover_store(st, d);
    if (!err)
        err = store_begin(st, loops[0], d);
    if (err)
        goto fail;
    trash_empty(st);
    for (unsigned i = 0; i < nloops; i++)
        loop_post(loops[i], &st->shards[i].start_msg);
    *out = st;
    return 0;
fail:
    store_free(st);
    return err;
}

/* ---- closing */

/* Producers of every open part that has appended since they were last written, so that opening reads nothing. */
static void producers_close(struct part *p)
{
    struct segment *last = p->list ? seglist_last(p->list) : NULL;
    if (!last || !p->unsnapped || !sm_is(&p->sm, PART_OPEN))
        return;
    struct wbuf w;
    wbuf_init(&w);
    part_snapshot(p, last, &w);
    int ignored = segment_write_producers(last, &w);
    (void)ignored; /* an older one and more to read will do */
    wbuf_fini(&w);
}

static int shard_close(struct shard *sh)
{
    timer_stop(&sh->retain_timer);
    compactor_free(sh->compactor);
    sh->compactor = NULL;
    LIST_EACH(l, &sh->parts)
        producers_close(container_of(l, struct part, link));
    reap_run(&sh->reap_msg);
    CHECK(list_empty(&sh->parts)); /* every handle must be released before */
    return checkpoint_shut(sh);
}

void store_close(struct store *st)
{
    int err = 0;
    for (unsigned i = 0; i < st->nshards; i++) {
        int one = shard_close(&st->shards[i]);
        err = err ? err : st->shards[i].failed ? E_STORAGE : one;
    }
    /* Not clean: what could not be synced is in the write-ahead files, where the next start finds it. */
    if (!err) {
        for (unsigned i = 0; i < st->nshards; i++)
            points_merge(&st->points, &st->shards[i].points);
        points_forget_gone(&st->points);
        err = checkpoint_write(st, POINTS_CLEAN);
    }
    if (err)
        trace(WARN, "store", "unclean_close folder=%s error=%s: the next start recovers", st->dir, err_name(err));
    store_free(st);
}

/* ---- appending */

/* The appends of one set that go to one shard. */
struct parcel {
    struct msg msg;
    struct list items;
};

static void items_take(struct list *items)
{
    for (struct list *l; (l = list_pop(items));) {
        struct append *a = container_of(l, struct append, link);
        part_take(a->part, a);
    }
}

static void parcel_run(struct msg *m)
{
    struct parcel *pc = container_of(m, struct parcel, msg);
    items_take(&pc->items);
    xfree(pc);
}

static void reply_run(struct msg *m)
{
    struct append_set *set = container_of(m, struct append_set, reply);
    set->done_cb(set);
}

void store_append(struct store *st, struct append_set *set)
{
    set->reply.run_cb = reply_run;
    atomic_store(&set->left, set->n + 1); /* one for this call: it must not be answered before it is handed out */
    struct parcel *parcels[LOOPS_MAX] = {0};
    for (unsigned i = 0; i < set->n; i++) {
        struct append *a = &set->items[i];
        a->set = set;
        a->status = 0;
        a->base_offset = a->append_time_ms = a->log_start = -1;
        struct parcel **pc = &parcels[a->part->shard->index];
        if (!*pc) {
            *pc = xalloc(sizeof **pc);
            (*pc)->msg.run_cb = parcel_run;
            list_init(&(*pc)->items);
        }
        list_add_tail(&(*pc)->items, &a->link);
    }
    for (unsigned i = 0; i < st->nshards; i++) {
        if (!parcels[i])
            continue;
        if (st->shards[i].loop == set->from)
            parcel_run(&parcels[i]->msg);
        else
            loop_post(st->shards[i].loop, &parcels[i]->msg);
    }
    if (atomic_fetch_sub_explicit(&set->left, 1, memory_order_acq_rel) == 1)
        loop_post(set->from, &set->reply);
}

void store_stats(struct store *st, struct store_stats *out)
{
    *out = (struct store_stats){0};
    for (unsigned i = 0; i < st->nshards; i++) {
        struct shard *sh = &st->shards[i];
        out->appends += counter_get(&sh->appends);
        out->append_bytes += counter_get(&sh->append_bytes);
        out->syncs += counter_get(&sh->syncs);
        out->wal_bytes += counter_get(&sh->wal_bytes);
        out->large_syncs += counter_get(&sh->large_syncs);
        out->failed |= atomic_load(&sh->failed_shown);
    }
}
