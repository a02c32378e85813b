/* Fetch: find views, read ranges of files, wait for more if there is too little, answer.
 *
 * fetch_step does all of it anew whenever something may have changed: at first, after parts were opened, when the high
 * watermark of one of them has moved, when time is up. Ranges that are not in memory are looked up and read ahead by a
 * worker, so that neither the index nor sendfile ever blocks the loop. */
#include "log/base/fault.h"
#include "log/broker/request.h"
#include "log/broker/session.h"
#include <errno.h>

struct fetch;
struct waiter {
    struct watch w;
    struct fetch_wait *fw;
};
/* The watches of one wait. They outlive it: each says goodbye in its own time. */
struct fetch_wait {
    struct fetch *f; /* NULL: the wait is over */
    unsigned left, n;
    struct waiter ones[];
};

struct fetch {
    struct req *r;
    struct fetch_request *in;
    struct image *im; /* keeps parts alive */
    struct fetch_scope sc;
    int16_t error;
    int64_t deadline_ms;
    struct timer timer;
    struct fetch_wait *fw;
    struct work work;
    bool opened;
    uint64_t total;
    int64_t most; /* what quotas leave */
};

static void fetch_step(struct fetch *f);

/* ---- one partition */

static void item_clear(struct fetch_item *it)
{
    if (it->slice.len)
        slice_release(&it->slice);
    if (it->view)
        counted_release(&it->view->c);
    it->view = NULL;
    it->part = NULL;
    it->slice = (struct slice){0};
    it->error = K_NONE;
    it->div_epoch = -1;
}

static void fetch_clear(struct fetch *f)
{
    for (uint32_t i = 0; i < f->sc.n; i++)
        item_clear(&f->sc.items[i]);
    if (f->im)
        counted_release(&f->im->c);
    f->im = NULL;
}

static int16_t item_find(struct fetch *f, struct fetch_item *it)
{
    const struct topic *t;
    int16_t code = req_topic(f->im, f->r->version >= 13, it->name, it->id, &t);
    if (code)
        return code;
    if (it->index < 0 || it->index >= t->nparts)
        return K_UNKNOWN_TOPIC;
    it->part = t->parts[it->index];
    it->view = part_view(it->part);
    return K_NONE;
}

/* Whether the follower's or client's history has left ours (KIP-320). */
static void item_diverges(struct fetch_item *it)
{
    if (it->last_epoch < 0)
        return;
    int32_t epoch;
    int64_t end;
    view_epoch_end(it->view, it->last_epoch, &epoch, &end);
    if (epoch < it->last_epoch || end < it->offset) {
        it->div_epoch = epoch;
        it->div_end = end;
    }
}

static int16_t item_check(struct fetch *f, struct fetch_item *it)
{
    const struct view *v = it->view;
    if (f->in->replica_id >= 0 || f->in->replica_state.replica_id >= 0)
        return K_CLUSTER_AUTHORIZATION; /* only brokers of the cluster may fetch as replicas, and there are no others */
    int16_t code = check_epoch(v, it->leader_epoch);
    if (code)
        return code;
    item_diverges(it);
    if (it->offset < v->log_start || it->offset > v->log_end)
        return it->div_epoch >= 0 ? K_NONE : K_OFFSET_RANGE;
    return K_NONE;
}

static int64_t fetch_end(const struct fetch *f, const struct view *v)
{
    return f->in->isolation_level == 1 && !BUG("lso_moves_in_read") ? v->lso : v->high_watermark;
}

/* A range is only as good as the list of what in it is void: both come from one view, so no marker can come between. */
static int item_slice(struct fetch *f, struct fetch_item *it, uint32_t max, bool block)
{
    int rc = view_read(it->view, it->offset, fetch_end(f, it->view), max, f->total == 0, block, &it->slice);
    if (rc < 0 || it->slice.len == 0 || f->in->isolation_level != 1)
        return rc;
    rc = view_aborted(it->view, it->offset, MIN(it->slice.end_offset, it->view->lso), block, &f->r->arena, &it->aborted,
                      &it->naborted);
    if (rc < 0)
        slice_release(&it->slice);
    return rc;
}

/* Gives -EAGAIN if a worker must do it. */
static int item_read(struct fetch *f, struct fetch_item *it, bool block)
{
    int64_t max = MIN((int64_t)f->in->max_bytes, req_broker(f->r)->bc.conf->fetch_max_bytes) - (int64_t)f->total;
    max = MIN(max, MIN((int64_t)it->max_bytes, f->most - (int64_t)f->total));
    it->naborted = 0;
    if (it->error || it->div_epoch >= 0 || it->offset >= fetch_end(f, it->view) || (f->total && max <= 0))
        return 0;
    int rc = item_slice(f, it, (uint32_t)MAX(max, 0), block);
    if (rc == -EAGAIN)
        return rc;
    if (rc < 0) {
        it->error = err_kafka(rc);
        it->slice.len = 0;
    }
    f->total += it->slice.len;
    return 0;
}

static bool item_cold(const struct fetch_item *it)
{
    uint8_t byte;
    for (uint32_t at = 0; at < it->slice.len; at += FETCH_PROBE_BYTES)
        if (slice_read(&it->slice, at, &byte, 1, false) < 0)
            return true;
    return false;
}

/* ---- cold bytes */

static void item_warm(struct fetch_item *it, uint8_t *scratch)
{
    for (uint32_t at = 0; at < it->slice.len; at += FETCH_PROBE_BYTES) {
        uint32_t n = MIN(it->slice.len - at, (uint32_t)FETCH_PROBE_BYTES);
        if (slice_read(&it->slice, at, scratch, n, true) < 0) {
            it->error = K_STORAGE;
            slice_release(&it->slice); /* an error comes without records */
            break;
        }
    }
}

static void warm_work(struct work *w)
{
    struct fetch *f = container_of(w, struct fetch, work);
    uint8_t *scratch = xalloc(FETCH_PROBE_BYTES);
    f->total = 0;
    for (uint32_t i = 0; i < f->sc.n; i++) {
        struct fetch_item *it = &f->sc.items[i];
        if (it->slice.len)
            slice_release(&it->slice);
        it->slice.len = 0;
        if (it->view && item_read(f, it, true) == 0 && it->slice.len)
            item_warm(it, scratch);
    }
    xfree(scratch);
}

/* ---- the answer */

static void put_item(struct req *r, const struct fetch_item *it, struct fetch_response_partition *p)
{
    fetch_response_partition_init(p);
    p->partition_index = it->index;
    p->error_code = it->error;
    p->high_watermark = p->last_stable_offset = p->log_start_offset = -1;
    if (it->view && !it->error) {
        p->high_watermark = it->view->high_watermark;
        p->last_stable_offset = it->view->lso;
        p->log_start_offset = it->view->log_start;
    }
    if (it->view && (it->error == K_FENCED_EPOCH || it->error == K_UNKNOWN_EPOCH)) {
        p->current_leader.leader_id = req_broker(r)->node_id;
        p->current_leader.leader_epoch = it->view->leader_epoch;
    }
    if (it->div_epoch >= 0) {
        p->diverging_epoch.epoch = it->div_epoch;
        p->diverging_epoch.end_offset = it->div_end;
    }
    p->records = (struct str){"", it->slice.len};
}

/* What in the slice is void, for the client to leave out. */
static void put_aborted(struct req *r, const struct fetch_item *it, struct fetch_response_partition *p)
{
    if (!it->slice.len || !it->naborted)
        return;
    p->aborted_transactions = REQ_ARRAY(r, struct fetch_response_aborted, it->naborted);
    p->aborted_transactions_n = it->naborted;
    for (uint32_t i = 0; i < it->naborted; i++)
        p->aborted_transactions[i] = (struct fetch_response_aborted){it->aborted[i].producer_id, it->aborted[i].first};
}

static bool same_topic(const struct fetch_item *a, const struct fetch_item *b, bool by_id)
{
    return by_id ? uuid_eq(a->id, b->id) : str_eq(a->name, b->name);
}

/* Neighbours of one topic share an entry, and the order of partitions stays. Gives the slices in that order. */
static struct slice *build(struct fetch *f, struct fetch_response *out)
{
    struct req *r = f->r;
    struct fetch_response_partition *parts = REQ_ARRAY(r, struct fetch_response_partition, f->sc.n);
    struct slice *slices = REQ_ARRAY(r, struct slice, f->sc.n);
    const struct fetch_item *last = NULL;
    unsigned n = 0, nslices = 0;
    out->responses = REQ_ARRAY(r, struct fetch_response_topic, f->sc.n);
    out->responses_n = 0;
    for (uint32_t i = 0; i < f->sc.n; i++) {
        struct fetch_item *it = &f->sc.items[i];
        if (!it->tell)
            continue;
        if (!last || !same_topic(last, it, r->version >= 13))
            out->responses[out->responses_n++] =
                (struct fetch_response_topic){.topic = it->name, .topic_id = it->id, .partitions = &parts[n]};
        last = it;
        put_item(r, it, &parts[n]);
        put_aborted(r, it, &parts[n++]);
        out->responses[out->responses_n - 1].partitions_n++;
        if (it->slice.len) {
            slices[nslices++] = it->slice;
            it->slice.len = 0; /* its reference goes with the answer */
        }
    }
    return slices;
}

static void fetch_answer(struct fetch *f)
{
    struct req *r = f->r;
    struct fetch_response out;
    struct wire_gaps gaps = {.arena = &r->arena};
    struct slice *slices = NULL;
    fetch_response_init(&out);
    out.error_code = f->error;
    out.session_id = f->sc.session_id;
    if (!f->error) {
        sessions_tell(r->desk->sessions, &f->sc, loop_now_ms(r->desk->loop));
        slices = build(f, &out);
    }
    req_charge(r, QUOTA_FETCH, (double)f->total);
    out.throttle_time_ms = (int32_t)r->throttle_ms;
    req_header(r, &r->desk->out);
    fetch_response_encode_gaps(&out, &r->desk->out, r->version, &gaps);
    fetch_clear(f);
    req_reply_slices(r, &gaps, slices);
}

/* ---- waiting */

static void wait_leave(struct fetch *f)
{
    struct fetch_wait *fw = f->fw;
    if (!fw)
        return;
    f->fw = NULL;
    fw->f = NULL;
    timer_stop(&f->timer); /* the next step may take a worker's time, and must not be stepped into */
    for (unsigned i = 0; i < fw->n; i++)
        if (fw->ones[i].fw)
            part_unwatch(&fw->ones[i].w);
    if (fw->left == 0)
        xfree(fw);
}

static void wait_fired(struct watch *w, int status)
{
    struct waiter *one = container_of(w, struct waiter, w);
    struct fetch_wait *fw = one->fw;
    struct fetch *f = fw->f;
    one->fw = NULL;
    part_release(w->part);
    /* A part whose disk has failed gets no more records, but is read on: the wait lasts as long as the client asked
     * for, else consumers at its end would ask again and again without a pause. */
    if (f && status != E_STORAGE) {
        if (status < 0)
            f->deadline_ms = 0; /* waiting on is of no use: the next step finds out why, and answers */
        wait_leave(f);
        fetch_step(f);
    }
    if (--fw->left == 0 && !fw->f)
        xfree(fw);
}

static void timer_fired(struct timer *t)
{
    struct fetch *f = container_of(t, struct fetch, timer);
    wait_leave(f);
    fetch_step(f);
}

static void gone(struct req *r)
{
    struct fetch *f = r->own;
    if (!f->fw)
        return; /* a worker or an owner has it and will come back */
    wait_leave(f);
    f->deadline_ms = 0;
    fetch_answer(f);
}

static void fetch_wait(struct fetch *f)
{
    struct fetch_wait *fw = xzalloc(sizeof *fw + f->sc.n * sizeof fw->ones[0]);
    fw->f = f;
    f->fw = fw;
    for (uint32_t i = 0; i < f->sc.n; i++) {
        struct waiter *one = &fw->ones[fw->n++];
        const struct fetch_item *it = &f->sc.items[i];
        one->fw = fw;
        one->w = (struct watch){.loop = f->r->desk->loop, .part = part_acquire(it->part),
                                .above = fetch_end(f, it->view), .committed = f->in->isolation_level == 1,
                                .fired_cb = wait_fired};
    }
    fw->left = fw->n;
    fetch_clear(f);
    timer_start(&f->timer, MAX(f->deadline_ms - loop_now_ms(f->r->desk->loop), 1));
    for (unsigned i = 0; i < fw->n; i++)
        part_watch(fw->ones[i].w.part, &fw->ones[i].w);
}

/* ---- steps */

static void fetch_decide(struct fetch *f)
{
    bool news = f->sc.n == 0;
    for (uint32_t i = 0; i < f->sc.n && !news; i++)
        news = f->sc.items[i].error || f->sc.items[i].div_epoch >= 0;
    bool enough = f->total >= (uint64_t)MAX(f->in->min_bytes, 0);
    if (news || enough || loop_now_ms(f->r->desk->loop) >= f->deadline_ms || (!f->r->client && !f->r->call))
        fetch_answer(f);
    else
        fetch_wait(f);
}

static void warm_done(struct work *w) { fetch_decide(container_of(w, struct fetch, work)); }

static void opened(struct req *r)
{
    struct fetch *f = r->own;
    f->opened = true;
    fetch_step(f);
}

/* Asks the owners of parts that have no view yet; true if there are any. */
static bool fetch_opens(struct fetch *f)
{
    unsigned n = 0;
    struct part **parts = REQ_ARRAY(f->r, struct part *, f->sc.n);
    for (uint32_t i = 0; i < f->sc.n; i++)
        if (f->sc.items[i].part && !f->sc.items[i].view)
            parts[n++] = f->sc.items[i].part;
    if (n && !f->opened) {
        req_open_parts(f->r, parts, n, opened);
        return true;
    }
    for (uint32_t i = 0; i < f->sc.n; i++)
        if (f->sc.items[i].part && !f->sc.items[i].view)
            f->sc.items[i].error = K_STORAGE;
    return false;
}

static void fetch_step(struct fetch *f)
{
    bool cold = false;
    fetch_clear(f);
    f->im = req_image(f->r);
    f->total = 0;
    for (uint32_t i = 0; i < f->sc.n; i++)
        f->sc.items[i].error = item_find(f, &f->sc.items[i]);
    if (fetch_opens(f))
        return;
    for (uint32_t i = 0; i < f->sc.n; i++) {
        struct fetch_item *it = &f->sc.items[i];
        if (it->view && !it->error)
            it->error = item_check(f, it);
        if (it->view && (item_read(f, it, false) == -EAGAIN || item_cold(it)))
            cold = true;
    }
    if (!cold) {
        fetch_decide(f);
        return;
    }
    f->work = (struct work){.loop = f->r->desk->loop, .work_cb = warm_work, .done_cb = warm_done};
    loop_work(f->r->desk->loop, LANE_DISK, &f->work);
}

void api_fetch(struct req *r)
{
    if (REQ_DECODE(r, fetch_request) < 0)
        return;
    struct fetch *f = REQ_NEW(r, struct fetch);
    f->r = r;
    f->in = r->own;
    r->own = f;
    r->gone_cb = gone;
    int64_t now_ms = loop_now_ms(r->desk->loop);
    timer_init(&f->timer, r->desk->loop, timer_fired);
    f->deadline_ms = now_ms + MAX(f->in->max_wait_ms, 0);
    f->most = (int64_t)MIN(req_fetch_most(r), (double)INT32_MAX);
    f->error = sessions_begin(r->desk->sessions, f->in, r->version >= 13, now_ms, loop_random(r->desk->loop), &r->arena,
                              &f->sc);
    if (f->error)
        fetch_answer(f);
    else
        fetch_step(f);
}
