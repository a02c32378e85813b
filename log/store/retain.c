/* What goes: old segments by age, size or log start, and whole partitions. Names are removed oldest first, so that a
 * crash leaves a log without holes. Readers keep what they hold open. */
#include "log/base/alloc.h"
#include "log/base/trace.h"
#include "log/store/shard.h"
#include <errno.h>
#include <stdio.h>

struct retire {
    struct work work;
    struct part *part;
    struct seglist *list; /* as it was; the first `n` go */
    unsigned n, removed;
    struct segment *empty; /* made first, so that the name keeps the end offset; or NULL */
    struct wbuf producers; /* as they are: what went with the segments is known from here on only */
    struct segment *last;
    int status;
};

static void retire_work(struct work *w)
{
    struct retire *rt = container_of(w, struct retire, work);
    struct disk *d = rt->part->store->disk;
    if (rt->empty) {
        struct seg_file *sf;
        rt->status = segment_open(rt->empty, FILE_CREATE, true, &sf);
        if (!rt->status) {
            seg_file_release(sf);
            rt->status = disk_sync_dir(d, rt->part->dir);
        }
    }
    if (!rt->status)
        rt->status = segment_write_producers(rt->last, &rt->producers);
    while (rt->removed < rt->n && !rt->status) {
        struct segment *seg = rt->list->seg[rt->removed];
        rt->status = segment_unlink(seg);
        segment_close_files(seg);
        rt->removed += !rt->status;
    }
    if (!rt->status)
        rt->status = disk_sync_dir(d, rt->part->dir);
}

/* Those that could not go stay in the list, below the log's start, and are tried again: a name left behind with a gap
 * after it would look like a torn log. */
static void retire_keep(struct retire *rt)
{
    struct part *p = rt->part;
    unsigned kept = rt->n - rt->removed, n = kept + p->list->n;
    struct segment **seg = xalloc((n + 1) * sizeof(struct segment *));
    memcpy(seg, rt->list->seg + rt->removed, kept * sizeof(struct segment *));
    memcpy(seg + kept, p->list->seg, p->list->n * sizeof(struct segment *));
    counted_release(&p->list->c);
    p->list = seglist_of(seg, n);
    xfree(seg);
    part_publish(p);
}

static void retire_done(struct work *w)
{
    struct retire *rt = container_of(w, struct retire, work);
    struct part *p = rt->part;
    if (rt->status) {
        trace(WARN, "store", "retire_failed topic=%s part=%d error=%s: tried again later", p->name, p->index,
              err_name(rt->status));
        retire_keep(rt);
    }
    p->retiring = false;
    segment_release(rt->empty);
    segment_release(rt->last);
    wbuf_fini(&rt->producers);
    counted_release(&rt->list->c);
    xfree(rt);
    part_settle(p);
    part_release(p);
}

/* Takes the first n segments off the log. All of them: the log goes on in a new, empty one. */
static void part_retire(struct part *p, unsigned n)
{
    struct retire *rt = xzalloc(sizeof *rt);
    rt->part = part_acquire(p);
    rt->list = p->list;
    rt->n = n;
    if (n == p->list->n) {
        rt->empty = segment_new(&p->store->files, p->dir, p->next_offset);
        cell_set(&rt->empty->index, &index_new()->c);
        p->pos = 0;
    }
    p->list = seglist_new(rt->list, n, rt->empty);
    p->log_start = MAX(p->log_start, p->list->seg[0]->base);
    struct epochs *es = epochs_cut(p->epochs, p->log_start, INT64_MAX);
    counted_release(&p->epochs->c);
    p->epochs = es;
    struct segment *last = seglist_last(p->list);
    p->point->latest = (struct mark){last->base, p->pos, p->next_offset, p->log_start};
    p->point->changed = true;
    p->retiring = true;
    rt->last = segment_acquire(last);
    wbuf_init(&rt->producers);
    part_snapshot(p, last, &rt->producers);
    part_publish(p);
    rt->work.work_cb = retire_work;
    rt->work.done_cb = retire_done;
    loop_work(p->shard->loop, LANE_DISK, &rt->work);
}

/* The part's segments, oldest first, that are past their time or beyond the size. */
static unsigned retire_count(const struct part *p, const struct part_conf *pc, int64_t now_ms)
{
    const struct seglist *l = p->list;
    int64_t bytes = l->closed_bytes + p->pos;
    unsigned n = 0;
    for (; n < l->n; n++) {
        bool last = n + 1 == l->n;
        int64_t size = last ? p->pos : atomic_load(&l->seg[n]->size);
        int64_t max_ts = atomic_load(&l->seg[n]->max_ts);
        if (last && size == 0)
            break;
        bool start = !last && l->seg[n + 1]->base <= p->log_start;
        bool old = !pc->keep && pc->retention_ms >= 0 && max_ts != INT64_MIN && now_ms - max_ts > pc->retention_ms;
        bool large = !last && !pc->keep && pc->retention_bytes >= 0 && bytes - size >= pc->retention_bytes;
        if (!start && !old && !large)
            break;
        bytes -= size;
    }
    return n;
}

void part_retain_step(struct part *p, int64_t now_ms)
{
    /* After a failed sync the write-ahead file may hold what was answered with an error; the next start decides. */
    if (p->shard->failed || !sm_is(&p->sm, PART_OPEN) || p->committing || p->retiring || p->swapping ||
        !list_empty(&p->ready_link))
        return;
    producers_expire(p->producers, now_ms, p->store->conf->producer_expiration_ms);
    struct conf_box *conf = part_conf_get(p);
    unsigned n = retire_count(p, &conf->v, now_ms);
    counted_release(&conf->c);
    if (n)
        part_retire(p, n);
}

void part_retain(struct part *p, int64_t now_ms) { part_retain_step(p, now_ms); }

int part_trim(struct part *p, int64_t log_start)
{
    if (!sm_is(&p->sm, PART_OPEN))
        return p->error ? p->error : E_BUSY;
    if (log_start < 0 || log_start > p->next_offset)
        return E_OFFSET_RANGE;
    if (log_start <= p->log_start)
        return 0;
    p->log_start = log_start;
    struct epochs *es = epochs_cut(p->epochs, log_start, INT64_MAX);
    counted_release(&p->epochs->c);
    p->epochs = es;
    p->point->latest.log_start = log_start;
    p->point->changed = true;
    part_publish(p);
    part_retain_step(p, loop_wall_ms(p->shard->loop));
    checkpoint_soon(p->shard); /* else a crash, even long after, would bring the records back */
    return 0;
}

/* ---- whole partitions */

struct removal {
    struct work work;
    struct part *part;
    char *topic_dir, *trash, *trash_dir;
    int status;
};

static void removal_work(struct work *w)
{
    struct removal *rm = container_of(w, struct removal, work);
    struct disk *d = rm->part->store->disk;
    rm->status = disk_rename(d, rm->part->dir, rm->trash);
    if (rm->status == -ENOENT) {
        rm->status = 0;
        return;
    }
    if (!rm->status)
        rm->status = disk_sync_dir(d, rm->topic_dir);
    if (!rm->status)
        rm->status = disk_sync_dir(d, rm->trash_dir);
    if (!rm->status)
        rm->status = disk_remove_tree(d, rm->trash);
    /* The last partition takes the topic's folder along; before that it is not empty, which is fine. */
    int ignored = disk_rmdir(d, rm->topic_dir);
    (void)ignored;
}

static void removal_done(struct work *w)
{
    struct removal *rm = container_of(w, struct removal, work);
    struct part *p = rm->part;
    if (rm->status)
        trace(WARN, "store", "delete_failed topic=%s part=%d error=%s", p->name, p->index, err_name(rm->status));
    p->retiring = false;
    xfree(rm->topic_dir);
    xfree(rm->trash);
    xfree(rm->trash_dir);
    xfree(rm);
    part_settle(p);
    part_release(p);
}

static char *path_join(const char *a, const char *b, const char *c)
{
    size_t n = strlen(a) + strlen(b) + strlen(c) + 1;
    char *out = xalloc(n);
    snprintf(out, n, "%s%s%s", a, b, c);
    return out;
}

void part_remove(struct part *p)
{
    struct removal *rm = xzalloc(sizeof *rm);
    rm->part = part_acquire(p);
    char name[UUID_TEXT + 16], id[UUID_TEXT];
    uuid_format(p->topic, id);
    snprintf(name, sizeof name, "%s-%" PRId32, id, p->index);
    rm->topic_dir = path_join(p->store->dir, "/topics/", id);
    rm->trash_dir = path_join(p->store->dir, "/trash", "");
    rm->trash = path_join(rm->trash_dir, "/", name);
    struct point *point = points_get(&p->shard->points, p->topic, p->index);
    point->gone = true;
    point->known = point->changed = point->caught = false;
    if (p->list)
        for (unsigned i = 0; i < p->list->n; i++)
            segment_close_files(p->list->seg[i]);
    cell_set(&p->view, NULL);
    p->retiring = true;
    rm->work.work_cb = removal_work;
    rm->work.done_cb = removal_done;
    loop_work(p->shard->loop, LANE_DISK, &rm->work);
}
