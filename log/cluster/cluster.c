/* The metadata log with a quorum of one. A commit is checked against the newest image by applying it to a draft,
 * written as one recbatch and waited for; then the draft becomes the image. Commits go one at a time: each is checked
 * against what the one before it has made, and what has failed to reach the disk has never been seen by anybody. */
#include "log/cluster/cluster.h"
#include "log/cluster/config.h"
#include "log/cluster/image.h"
#include "log/cluster/snapshot.h"
#include "log/base/limits.h"
#include "log/base/trace.h"
#include "log/wire/wire.h"
#include <errno.h>
#include <stdio.h>

/* Kafka's id for this topic. */
static const struct uuid metadata_id = {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}};

struct cluster {
    struct store *st;
    struct loop *loop0;
    const struct config *conf;
    struct cell image; /* struct image */
    struct part *part;
    struct list subs; /* loop0 */
    /* The commit at work and those behind it. loop0. */
    struct list queue;
    struct commit *current;
    struct draft *draft;
    unsigned records;
    struct append append;
    struct append_set set;
    struct buf *buf;
    /* Snapshots. loop0, but for the worker's part. */
    unsigned since_snapshot;
    bool snapshotting;
    struct work snapshot;
    struct image *snapshot_image;
    int snapshot_rc;
    struct msg trim;
    int64_t trim_to;
};

struct image *cluster_image(struct cluster *cl) { return (struct image *)(void *)cell_get(&cl->image); }
struct store *cluster_store(struct cluster *cl) { return cl->st; }

bool cluster_topic_config(struct cluster *cl, const struct topic *t, unsigned i, struct topic_config_item *out)
{
    return topic_config_item(t, cl->conf, i, out);
}

/* ---- telling */

static void sub_run(struct msg *m)
{
    struct cluster_sub *sub = container_of(m, struct cluster_sub, msg);
    atomic_store(&sub->queued, 0);
    sub->image_cb(sub);
}

static void sub_tell(struct cluster_sub *sub)
{
    if (atomic_exchange(&sub->queued, 1))
        return;
    sub->msg.run_cb = sub_run;
    loop_post(sub->loop, &sub->msg);
}

static void sub_add(struct msg *m)
{
    struct cluster_sub *sub = container_of(m, struct cluster_sub, msg);
    list_add_tail(&sub->cl->subs, &sub->link);
    atomic_store(&sub->queued, 0);
    sub_tell(sub);
}

void cluster_subscribe(struct cluster *cl, struct cluster_sub *sub)
{
    sub->cl = cl;
    list_init(&sub->link);
    atomic_store(&sub->queued, 1);
    sub->msg.run_cb = sub_add;
    loop_post(cl->loop0, &sub->msg);
}

static void sub_done(struct msg *m)
{
    struct cluster_sub *sub = container_of(m, struct cluster_sub, cancel);
    sub->done_cb(sub);
}

/* On loop0, after every tell of sub: the answer goes the same way and so arrives behind them. */
static void sub_remove(struct msg *m)
{
    struct cluster_sub *sub = container_of(m, struct cluster_sub, cancel);
    list_remove(&sub->link);
    sub->cancel.run_cb = sub_done;
    loop_post(sub->loop, &sub->cancel);
}

void cluster_unsubscribe(struct cluster *cl, struct cluster_sub *sub, void (*done_cb)(struct cluster_sub *))
{
    sub->done_cb = done_cb;
    sub->cancel.run_cb = sub_remove;
    loop_post(cl->loop0, &sub->cancel);
}

/* ---- snapshots */

static void trim_run(struct msg *m)
{
    struct cluster *cl = container_of(m, struct cluster, trim);
    int rc = part_trim(cl->part, cl->trim_to);
    if (rc < 0)
        trace(WARN, "cluster", "trim offset=%lld error=%s", (long long)cl->trim_to, err_name(rc));
}

static void snapshot_work(struct work *w)
{
    struct cluster *cl = container_of(w, struct cluster, snapshot);
    cl->snapshot_rc = snapshot_write(cl->snapshot_image, store_disk(cl->st), store_dir(cl->st));
}

static void snapshot_done(struct work *w)
{
    struct cluster *cl = container_of(w, struct cluster, snapshot);
    cl->snapshotting = false;
    if (cl->snapshot_rc < 0) {
        trace(WARN, "cluster", "snapshot_failed error=%s", err_name(cl->snapshot_rc));
    } else {
        cl->trim_to = cl->snapshot_image->version;
        cl->trim.run_cb = trim_run;
        loop_post(part_owner(cl->part), &cl->trim);
    }
    counted_release(&cl->snapshot_image->c);
    cl->snapshot_image = NULL;
}

static void maybe_snapshot(struct cluster *cl)
{
    if (cl->snapshotting || cl->since_snapshot < CLUSTER_SNAPSHOT_RECORDS)
        return;
    cl->since_snapshot = 0;
    cl->snapshotting = true;
    cl->snapshot_image = cluster_image(cl);
    cl->snapshot.work_cb = snapshot_work;
    cl->snapshot.done_cb = snapshot_done;
    loop_work(cl->loop0, LANE_DISK, &cl->snapshot);
}

/* ---- commits */

static void commit_run_next(struct cluster *cl);

static void commit_answer(struct msg *m)
{
    struct commit *c = container_of(m, struct commit, msg);
    c->done_cb(c, c->status);
}

static void commit_end(struct cluster *cl, int status)
{
    struct commit *c = cl->current;
    cl->current = NULL;
    if (cl->draft)
        draft_free(cl->draft);
    cl->draft = NULL;
    c->status = status;
    c->msg.run_cb = commit_answer;
    loop_post(c->from, &c->msg);
}

static void publish(struct cluster *cl, int64_t version)
{
    struct image *old = cluster_image(cl);
    struct image *next = draft_seal(cl->draft, version, cl->st);
    cl->draft = NULL;
    counted_acquire(&next->c);
    cell_set(&cl->image, &next->c);
    image_effects(old, next);
    counted_release(&old->c);
    counted_release(&next->c);
    LIST_EACH(l, &cl->subs) sub_tell(container_of(l, struct cluster_sub, link));
}

static void append_done(struct append_set *set)
{
    struct cluster *cl = container_of(set, struct cluster, set);
    buf_release(cl->buf);
    cl->buf = NULL;
    int rc = cl->append.status;
    if (rc < 0) {
        diag_set(&cl->current->diag, rc, "the change could not be written: %s", err_text(rc));
    } else {
        publish(cl, cl->append.base_offset + cl->records);
        cl->since_snapshot += cl->records;
        maybe_snapshot(cl);
    }
    commit_end(cl, rc);
    commit_run_next(cl);
}

static void commit_write(struct cluster *cl)
{
    struct change *ch = cl->current->change;
    struct wbuf w;
    struct recbatch_builder b;
    wbuf_init(&w);
    recbatch_build(&b, &w, CODEC_NONE, NULL);
    for (unsigned i = 0; i < ch->n; i++)
        recbatch_add(&b, loop_wall_ms(cl->loop0), STR_NULL, wbuf_view(&ch->records[i]), NULL, 0);
    CHECK(recbatch_finish(&b, NULL));
    cl->buf = buf_new(w.len);
    memcpy(cl->buf->data, w.data, w.len);
    cl->buf->len = (uint32_t)w.len;
    wbuf_fini(&w);
    cl->records = ch->n;
    cl->append = (struct append){.part = cl->part, .buf = cl->buf, .bytes = cl->buf->data, .len = cl->buf->len};
    cl->set = (struct append_set){.from = cl->loop0, .items = &cl->append, .n = 1, .done_cb = append_done};
    store_append(cl->st, &cl->set);
}

static int draft_change(struct draft *dr, const struct change *ch, struct diag *d)
{
    int rc = 0;
    for (unsigned i = 0; i < ch->n && rc == 0; i++)
        rc = draft_apply(dr, wbuf_view(&ch->records[i]), true, d);
    return rc;
}

int cluster_check(struct cluster *cl, const struct change *ch, struct diag *d)
{
    struct image *im = cluster_image(cl);
    struct draft *dr = draft_new(im, cl->conf);
    counted_release(&im->c);
    int rc = draft_change(dr, ch, d);
    draft_free(dr);
    return rc;
}

struct image *cluster_preview(struct cluster *cl, struct image *base, const struct change *ch, struct diag *d)
{
    struct draft *dr = draft_new(base, cl->conf);
    if (draft_change(dr, ch, d) < 0) {
        draft_free(dr);
        return NULL;
    }
    return draft_seal(dr, base->version, NULL);
}

/* Checks the commit at work; gives 1 if there is something to write. */
static int commit_check(struct cluster *cl)
{
    struct commit *c = cl->current;
    struct image *im = cluster_image(cl);
    cl->draft = draft_new(im, cl->conf);
    counted_release(&im->c);
    int rc = draft_change(cl->draft, c->change, &c->diag);
    return rc < 0 ? rc : c->change->n > 0;
}

static void commit_run_next(struct cluster *cl)
{
    while (!cl->current && !list_empty(&cl->queue)) {
        cl->current = container_of(list_pop(&cl->queue), struct commit, link);
        int rc = commit_check(cl);
        if (rc > 0)
            commit_write(cl);
        else
            commit_end(cl, rc);
    }
}

/* The message carries the commit only: what it belongs to stands in the message before it. */
struct commit_msg {
    struct msg msg;
    struct cluster *cl;
    struct commit *c;
};

static void commit_arrive(struct msg *m)
{
    struct commit_msg *cm = container_of(m, struct commit_msg, msg);
    struct cluster *cl = cm->cl;
    list_add_tail(&cl->queue, &cm->c->link);
    xfree(cm);
    commit_run_next(cl);
}

void cluster_commit(struct cluster *cl, struct commit *c)
{
    struct commit_msg *cm = xalloc(sizeof *cm);
    *cm = (struct commit_msg){.msg.run_cb = commit_arrive, .cl = cl, .c = c};
    c->diag = (struct diag){.text = ""};
    loop_post(cl->loop0, &cm->msg);
}

/* ---- opening */

static int replay_batch(struct draft *dr, const struct recbatch *rb, int64_t *version, struct diag *d)
{
    struct recbatch_iter it;
    struct record rec;
    int rc = recbatch_iter(&it, rb, NULL, NULL, 0);
    if (rc < 0)
        return diag_set(d, rc, "the metadata log is damaged at offset %lld", (long long)rb->base_offset);
    while (recbatch_next(&it, &rec)) {
        if (rec.offset < *version)
            continue;
        rc = draft_apply(dr, rec.value, false, d);
        if (rc < 0)
            return rc;
        *version = rec.offset + 1;
    }
    return recbatch_iter_err(&it);
}

static int replay_bytes(struct draft *dr, struct str bytes, int64_t *version, struct diag *d)
{
    while (bytes.len) {
        struct recbatch rb;
        int rc = recbatch_peek(&rb, bytes);
        if (rc == 0)
            rc = recbatch_check_crc(&rb, bytes.ptr);
        if (rc < 0)
            return diag_set(d, E_CORRUPT, "the metadata log is damaged after offset %lld", (long long)*version);
        rc = replay_batch(dr, &rb, version, d);
        if (rc < 0)
            return rc;
        bytes = (struct str){bytes.ptr + rb.size, bytes.len - rb.size};
    }
    return 0;
}

/* Reads the log from *version on. */
static int replay_log(struct cluster *cl, struct draft *dr, int64_t *version, struct diag *d)
{
    int rc = part_open(cl->part);
    if (rc < 0)
        return diag_set(d, rc, "cannot open the metadata log: %s", err_text(rc));
    struct view *v = part_view(cl->part);
    CHECK(v);
    int64_t from = *version;
    if (v->log_start > from || v->high_watermark < from)
        rc = diag_set(d, E_CORRUPT, "the metadata log holds offsets %lld to %lld, but its snapshot ends at %lld",
                      (long long)v->log_start, (long long)v->high_watermark, (long long)from);
    while (rc == 0 && *version < v->high_watermark) {
        struct slice s;
        int64_t before = *version;
        rc = view_read(v, *version, v->high_watermark, 1 << 20, true, true, &s);
        if (rc < 0 || s.len == 0)
            break;
        char *bytes = xalloc(s.len);
        int64_t n = slice_read(&s, 0, bytes, s.len, true);
        rc = n < 0 ? (int)n : n < s.len ? E_CORRUPT : replay_bytes(dr, (struct str){bytes, s.len}, version, d);
        xfree(bytes);
        slice_release(&s);
        if (rc == 0 && *version == before)
            rc = diag_set(d, E_CORRUPT, "the metadata log has a hole at offset %lld", (long long)before);
    }
    cl->since_snapshot = (unsigned)MIN(*version - from, (int64_t)UINT32_MAX);
    counted_release(&v->c);
    if (rc < 0 && d && !d->text[0])
        diag_set(d, rc, "cannot read the metadata log: %s", err_text(rc));
    return rc;
}

/* A crash between a delete's commit and its rename leaves a folder that belongs to no topic. */
struct orphans {
    struct cluster *cl;
    const struct image *im;
};
static int orphan_cb(void *arg, const char *name, bool is_dir)
{
    struct orphans *o = arg;
    struct uuid id;
    if (!is_dir || !uuid_parse(str_of(name), &id) || uuid_eq(id, metadata_id) || image_topic_by_id(o->im, id))
        return 0;
    char path[4096];
    snprintf(path, sizeof path, "%s/topics/%s", store_dir(o->cl->st), name);
    trace(INFO, "cluster", "remove_orphan folder=%s", path);
    return disk_remove_tree(store_disk(o->cl->st), path);
}

static int cluster_replay(struct cluster *cl, struct diag *d)
{
    struct image *first = image_first(store_cluster_id(cl->st));
    struct draft *dr = draft_new(first, cl->conf);
    counted_release(&first->c);
    int64_t version = 0;
    int rc = snapshot_read(dr, &version, store_disk(cl->st), store_dir(cl->st), d);
    if (rc == 0)
        rc = replay_log(cl, dr, &version, d);
    if (rc < 0) {
        draft_free(dr);
        return rc;
    }
    struct image *im = draft_seal(dr, version, cl->st);
    cell_init(&cl->image, &im->c);
    struct orphans o = {cl, im};
    char path[4096];
    snprintf(path, sizeof path, "%s/topics", store_dir(cl->st));
    rc = disk_list(store_disk(cl->st), path, orphan_cb, &o);
    if (rc < 0 && rc != -ENOENT)
        trace(WARN, "cluster", "orphans_stay error=%s", err_name(rc));
    return 0;
}

int cluster_open(struct cluster **out, struct store *st, struct loop *loop0, const struct config *conf, struct diag *d)
{
    struct cluster *cl = xzalloc(sizeof *cl);
    cl->st = st;
    cl->loop0 = loop0;
    cl->conf = conf;
    list_init(&cl->subs);
    list_init(&cl->queue);
    cell_init(&cl->image, NULL);
    cl->snapshot.loop = loop0;
    struct part_conf pc;
    part_conf_default(&pc, conf);
    pc.keep = true;
    pc.retention_ms = pc.retention_bytes = -1;
    pc.segment_ms = INT64_MAX;
    pc.max_message_bytes = INT32_MAX;
    pc.segment_bytes = METADATA_SEGMENT_BYTES;
    pc.compression = -1;
    cl->part = part_new(st, metadata_id, 0, "__cluster_metadata", &pc);
    int rc = cluster_replay(cl, d);
    if (rc < 0) {
        cluster_close(cl);
        return rc;
    }
    *out = cl;
    return 0;
}

void cluster_close(struct cluster *cl)
{
    if (!cl)
        return;
    if (cl->draft)
        draft_free(cl->draft);
    buf_release(cl->buf);
    cell_set(&cl->image, NULL);
    part_release(cl->part);
    xfree(cl);
}
