#include "log/store/partlog.h"
#include "log/base/alloc.h"
#include "log/base/map.h"
#include "log/base/trace.h"
#include "log/store/compact.h"
#include "log/store/shard.h"
#include <stdio.h>

enum { PATH_BYTES = 4400 };

static const struct sm_state part_states[] = {
    [PART_NEW] = {"new", TO(PART_OPENING) | TO(PART_DELETED)},
    [PART_OPENING] = {"opening", TO(PART_OPEN) | TO(PART_FAILED) | TO(PART_NEW) | TO(PART_DELETED)},
    [PART_OPEN] = {"open", TO(PART_FAILED) | TO(PART_DELETED)},
    [PART_FAILED] = {"failed", TO(PART_DELETED)},
    [PART_DELETED] = {"deleted", 0},
};

/* ---- segment lists */

static void seglist_free(struct counted *c)
{
    struct seglist *l = container_of(c, struct seglist, c);
    for (unsigned i = 0; i < l->n; i++)
        segment_release(l->seg[i]);
    xfree(l);
}

struct seglist *seglist_of(struct segment *const *seg, unsigned n)
{
    struct seglist *l = xalloc(sizeof *l + n * sizeof l->seg[0]);
    counted_init(&l->c, seglist_free);
    l->n = n;
    l->closed_bytes = 0;
    for (unsigned i = 0; i < n; i++) {
        l->seg[i] = segment_acquire(seg[i]);
        if (i + 1 < n)
            l->closed_bytes += atomic_load(&seg[i]->size);
    }
    return l;
}

struct seglist *seglist_new(const struct seglist *from, unsigned first, struct segment *extra)
{
    unsigned kept = from->n - first, n = kept + (extra != NULL);
    struct segment **seg = xalloc((n + 1) * sizeof(struct segment *));
    for (unsigned i = 0; i < kept; i++)
        seg[i] = from->seg[first + i];
    if (extra)
        seg[kept] = extra;
    struct seglist *l = seglist_of(seg, n);
    xfree(seg);
    return l;
}

/* ---- handles */

static void conf_free(struct counted *c) { xfree(container_of(c, struct conf_box, c)); }

static struct conf_box *conf_new(const struct part_conf *pc)
{
    struct conf_box *box = xalloc(sizeof *box);
    counted_init(&box->c, conf_free);
    box->v = *pc;
    /* Places in a segment are 32-bit in its index. */
    box->v.segment_bytes = MIN(MAX(pc->segment_bytes, INT64_C(1)), (int64_t)INT32_MAX);
    box->v.index_interval_bytes = MAX(pc->index_interval_bytes, INT64_C(1));
    return box;
}

void part_conf_default(struct part_conf *pc, const struct config *conf)
{
    *pc = (struct part_conf){
        .segment_bytes = conf->log_segment_bytes,
        .index_interval_bytes = conf->log_index_interval,
        .retention_ms = conf->log_retention_ms,
        .retention_bytes = conf->log_retention_bytes,
        .max_message_bytes = conf->message_max_bytes,
        .segment_ms = conf->log_roll_ms,
        .lag_min_ms = conf->cleaner_lag_min_ms,
        .lag_max_ms = conf->cleaner_lag_max_ms,
        .delete_retention_ms = conf->cleaner_delete_retention_ms,
        .dirty_ratio = 0.5,
        .compression = -1,
    };
}

static unsigned owner_of(const struct store *st, struct uuid topic, int32_t index)
{
    uint8_t key[20];
    memcpy(key, topic.b, 16);
    put_be32(key + 16, (uint32_t)index);
    return (unsigned)(hash_bytes(key, sizeof key, 0) % st->nshards);
}

struct part *part_new(struct store *st, struct uuid topic, int32_t index, const char *topic_name,
                      const struct part_conf *pc)
{
    struct part *p = xzalloc(sizeof *p);
    atomic_init(&p->refs, 1);
    p->store = st;
    p->shard = &st->shards[owner_of(st, topic, index)];
    p->topic = topic;
    p->index = index;
    p->name = xstrdup(topic_name);
    char id[UUID_TEXT];
    uuid_format(topic, id);
    size_t n = strlen(st->dir) + sizeof "/topics/" + UUID_TEXT + 12;
    p->dir = xalloc(n);
    snprintf(p->dir, n, "%s/topics/%s/%" PRId32, st->dir, id, index);
    cell_init(&p->conf, &conf_new(pc)->c);
    cell_init(&p->view, NULL);
    sm_init(&p->sm, part_states, "store.part", PART_NEW);
    list_init(&p->link);
    list_init(&p->ready_link);
    list_init(&p->pending);
    list_init(&p->watches);
    return p;
}

struct part *part_acquire(struct part *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    return p;
}

bool part_acquire_live(struct part *p)
{
    int refs = atomic_load(&p->refs);
    while (refs > 0)
        if (atomic_compare_exchange_weak(&p->refs, &refs, refs + 1))
            return true;
    return false;
}

static void dead_push(struct shard *sh, struct part *p)
{
    struct part *top = atomic_load(&sh->dead);
    do
        p->dead_next = top;
    while (!atomic_compare_exchange_weak(&sh->dead, &top, p));
}

/* The owner takes it apart: only it may touch the owner's half. After the loops have stopped store_close does. */
void part_release(struct part *p)
{
    if (!p)
        return;
    int before = atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before > 1)
        return;
    struct shard *sh = p->shard;
    dead_push(sh, p);
    if (!atomic_exchange(&sh->reap_posted, true))
        loop_post(sh->loop, &sh->reap_msg);
}

void part_free(struct part *p)
{
    CHECK(list_empty(&p->pending) && list_empty(&p->watches) && !p->opening && !p->committing && !p->retiring &&
          !p->swapping);
    compact_forget(p);
    list_remove(&p->link);
    list_remove(&p->ready_link);
    cell_set(&p->view, NULL);
    cell_set(&p->conf, NULL);
    if (p->list)
        counted_release(&p->list->c);
    if (p->epochs)
        counted_release(&p->epochs->c);
    producers_free(p->producers);
    xfree(p->name);
    xfree(p->dir);
    xfree(p);
}

struct uuid part_topic(const struct part *p) { return p->topic; }
int32_t part_index(const struct part *p) { return p->index; }
struct loop *part_owner(const struct part *p) { return p->shard->loop; }
void part_set_conf(struct part *p, const struct part_conf *pc) { cell_set(&p->conf, &conf_new(pc)->c); }

void part_get_conf(struct part *p, struct part_conf *out)
{
    struct conf_box *conf = part_conf_get(p);
    *out = conf->v;
    counted_release(&conf->c);
}

struct conf_box *part_conf_get(struct part *p)
{
    return container_of(cell_get(&p->conf), struct conf_box, c);
}

void part_snapshot(const struct part *p, struct segment *last, struct wbuf *out)
{
    struct txnindex *aborted = segment_aborted(last);
    producers_encode(p->producers, p->next_offset, aborted, out);
    if (aborted)
        counted_release(&aborted->c);
}

void part_lead(struct part *p, int32_t leader_epoch) { atomic_store(&p->leader_epoch, leader_epoch); }

void part_path(const struct part *p, const char *name, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%s/%s", p->dir, name);
    CHECK(n > 0 && (size_t)n < cap);
}

/* The folders above: topic's and all topics'. */
static void part_parents(const struct part *p, char topic[PATH_BYTES], char topics[PATH_BYTES])
{
    snprintf(topic, PATH_BYTES, "%s", p->dir);
    *strrchr(topic, '/') = 0;
    snprintf(topics, PATH_BYTES, "%s", topic);
    *strrchr(topics, '/') = 0;
}

int part_make_dir(struct part *p, bool sync)
{
    char topic[PATH_BYTES], topics[PATH_BYTES];
    part_parents(p, topic, topics);
    int err = disk_mkdir(p->store->disk, topic);
    if (!err)
        err = disk_mkdir(p->store->disk, p->dir);
    if (!err && sync)
        err = part_sync_dirs(p);
    if (!err)
        p->dir_made = true;
    return err;
}

/* Always all of them: another shard, or a process that died, may have made a folder without having synced it. */
int part_sync_dirs(const struct part *p)
{
    char topic[PATH_BYTES], topics[PATH_BYTES];
    part_parents(p, topic, topics);
    int err = disk_sync_dir(p->store->disk, topics);
    if (!err)
        err = disk_sync_dir(p->store->disk, topic);
    return err ? err : disk_sync_dir(p->store->disk, p->dir);
}

/* ---- what readers see */

struct view *part_view(struct part *p)
{
    struct counted *c = cell_get(&p->view);
    return c ? container_of(c, struct view, c) : NULL;
}

void part_publish(struct part *p)
{
    p->hidden = false;
    struct view *v = view_new(p);
    p->lso = v->lso;
    cell_set(&p->view, &v->c);
    watches_fire(p);
}

void part_fail(struct part *p, int error, const char *why)
{
    char id[UUID_TEXT];
    uuid_format(p->topic, id);
    trace(ERROR, "store", "part_failed topic=%s id=%s part=%d error=%s why=%s: writes are refused until restart",
          p->name, id, p->index, err_name(error), why);
    if (!p->error)
        p->error = E_STORAGE;
    if (sm_is(&p->sm, PART_OPEN) || sm_is(&p->sm, PART_OPENING))
        sm_move(&p->sm, PART_FAILED);
}

/* ---- opening */

static void opening_free(struct opening *o)
{
    if (o->list)
        counted_release(&o->list->c);
    if (o->epochs)
        counted_release(&o->epochs->c);
    producers_free(o->producers);
    xfree(o);
}

/* Moves what the worker found into the part. Segments that it had to look through are written down at the next
 * checkpoint, so that the next start need not. */
static void part_install(struct part *p, struct opening *o)
{
    p->list = o->list;
    p->producers = o->producers;
    p->epochs = o->epochs;
    o->list = NULL;
    o->producers = NULL;
    o->epochs = NULL;
    p->next_offset = o->next_offset;
    p->pos = o->pos;
    p->log_start = o->log_start;
    p->unsnapped = o->unsnapped;
    p->known_end = o->known_end;
    p->dir_made = o->dir_found;
    p->point = points_get(&p->shard->points, p->topic, p->index);
    struct segment *last = seglist_last(p->list);
    if (!o->damage && last) {
        p->point->latest = (struct mark){last->base, p->pos, p->next_offset, p->log_start};
        p->point->changed = true;
    }
    p->roll_next = last && last->closed; /* it may not grow any more: its index is sealed */
    for (unsigned i = 0; i < p->list->n && !o->damage; i++) {
        struct segment *seg = p->list->seg[i];
        seg->closed = i + 1 < p->list->n;
        if (!atomic_load(&seg->sealed))
            checkpoint_touch(p->shard, seg, NULL, false);
    }
}

static void part_opened(struct work *w)
{
    struct opening *o = container_of(w, struct opening, work);
    struct part *p = o->part;
    p->opening = NULL;
    if (atomic_load(&p->shard->sync_failed))
        shard_fail(p->shard, "a segment cannot be synced", E_STORAGE);
    if (o->error) {
        part_fail(p, o->error, "cannot be opened");
        watches_fire_all(p, E_STORAGE);
    } else {
        part_install(p, o);
        if (o->damage) {
            part_fail(p, o->damage, "stored records are damaged or missing");
        } else {
            sm_move(&p->sm, PART_OPEN);
        }
        part_publish(p);
    }
    opening_free(o);
    part_settle(p);
    part_release(p);
}

static void part_open_work(struct work *w) { recover_part(container_of(w, struct opening, work)); }

static struct opening *part_begin_opening(struct part *p)
{
    sm_move(&p->sm, PART_OPENING);
    if (list_empty(&p->link))
        list_add_tail(&p->shard->parts, &p->link);
    struct opening *o = xzalloc(sizeof *o);
    o->part = part_acquire(p);
    const struct point *live = points_find(&p->shard->points, p->topic, p->index);
    const struct point *found = points_find(&p->store->points, p->topic, p->index);
    if (live && !live->gone) { /* it was open before under another handle */
        o->mark = live->latest;
        o->mark_known = true;
    } else if (found && found->known) {
        o->mark = found->durable;
        o->mark_known = true;
    }
    struct conf_box *conf = part_conf_get(p);
    o->index_interval = conf->v.index_interval_bytes;
    counted_release(&conf->c);
    o->now_ms = loop_wall_ms(p->shard->loop);
    o->work.work_cb = part_open_work;
    o->work.done_cb = part_opened;
    p->opening = o;
    return o;
}

void part_need(struct part *p)
{
    if (!sm_is(&p->sm, PART_NEW))
        return;
    struct opening *o = part_begin_opening(p);
    loop_work(p->shard->loop, LANE_DISK, &o->work);
}

int part_open(struct part *p)
{
    if (sm_is(&p->sm, PART_NEW)) {
        struct opening *o = part_begin_opening(p);
        part_open_work(&o->work);
        part_opened(&o->work);
    }
    return p->error;
}

/* ---- events */

int part_producers(struct part *p, struct producer_info **out, size_t *n)
{
    if (!p->producers)
        return p->error ? p->error : E_BUSY;
    *n = producers_count(p->producers);
    *out = xalloc((*n + 1) * sizeof **out);
    producers_list(p->producers, *out);
    return 0;
}

void part_take(struct part *p, struct append *a)
{
    list_add_tail(&p->pending, &a->link);
    part_need(p);
    part_settle(p);
}

static void part_refuse(struct part *p, int status)
{
    for (struct list *l; (l = list_pop(&p->pending));) {
        struct append *a = container_of(l, struct append, link);
        a->status = status;
        append_done(a);
    }
}

void part_settle(struct part *p)
{
    if (p->opening || p->committing || p->retiring)
        return;
    if (atomic_load(&p->delete_asked) && !sm_is(&p->sm, PART_DELETED) && !p->swapping) {
        compact_forget(p);
        sm_move(&p->sm, PART_DELETED);
        p->error = E_NO_TOPIC;
        watches_fire_all(p, E_NO_TOPIC);
        part_remove(p);
    }
    if (list_empty(&p->pending))
        return;
    if (sm_is(&p->sm, PART_OPEN)) {
        if (list_empty(&p->ready_link))
            list_add_tail(&p->shard->ready, &p->ready_link);
        shard_wake(p->shard);
    } else {
        list_remove(&p->ready_link);
        part_refuse(p, p->error);
    }
}

static void part_delete_run(struct msg *m)
{
    struct part *p = container_of(m, struct part, delete_msg);
    if (list_empty(&p->link))
        list_add_tail(&p->shard->parts, &p->link);
    part_settle(p);
    part_release(p);
}

void part_delete(struct part *p)
{
    if (atomic_exchange(&p->delete_asked, true))
        return;
    part_acquire(p);
    p->delete_msg.run_cb = part_delete_run;
    loop_post(p->shard->loop, &p->delete_msg);
}
