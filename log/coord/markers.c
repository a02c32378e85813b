/* Markers: the control batches that end a transaction on its partitions. What this node leads (all there is on one
 * node) gets them in one set; partitions of __consumer_offsets through their log, which tells the groups.
 *
 * A partition that does not exist any more has nothing to end: UNKNOWN_TOPIC_OR_PARTITION, whoever asked goes on. */
#include "log/base/fault.h"
#include "log/coord/room.h"

/* One request at work. */
struct marking {
    struct coord_markers *m;
    struct image *im; /* keeps the parts alive */
    struct append *appends;
    unsigned *where; /* per append: its place in m->parts */
    struct append_set set;
    struct buf *buf;
    struct mark_place *places;
    unsigned nmarks;
    unsigned left; /* marks at work, 1 for the set */
};
struct mark_place {
    struct statelog_mark mark;
    struct marking *mg;
    unsigned where;
};

static void marking_done(struct marking *mg)
{
    if (--mg->left)
        return;
    struct coord_markers *m = mg->m;
    counted_release(&mg->im->c);
    buf_release(mg->buf);
    xfree(mg->appends);
    xfree(mg->where);
    xfree(mg->places);
    xfree(mg);
    m->done_cb(m);
}

static void set_done(struct append_set *set)
{
    struct marking *mg = container_of(set, struct marking, set);
    for (unsigned i = 0; i < set->n; i++)
        mg->m->parts[mg->where[i]].error = err_kafka(set->items[i].status);
    marking_done(mg);
}

static void mark_done(struct statelog_mark *mark, int status)
{
    struct mark_place *p = container_of(mark, struct mark_place, mark);
    p->mg->m->parts[p->where].error = status == E_BUSY ? K_COORDINATOR_NOT_AVAILABLE : err_kafka(status);
    marking_done(p->mg);
}

/* A slab with n markers; each is stamped in place. */
static struct buf *markers_build(const struct coord_markers *m, unsigned n, int64_t now_ms, uint32_t *len)
{
    struct wbuf w;
    wbuf_init(&w);
    recbatch_marker(&w, m->commit, m->producer_id, m->epoch, m->coordinator_epoch, now_ms);
    *len = (uint32_t)w.len;
    struct buf *b = buf_new(MAX(n, 1u) * w.len);
    for (unsigned i = 0; i < n; i++)
        memcpy(b->data + i * w.len, w.data, w.len);
    b->len = n * *len;
    wbuf_fini(&w);
    return b;
}

static void place_add(struct coord *c, struct marking *mg, unsigned i)
{
    const struct coord_part *cp = &mg->m->parts[i];
    const struct topic *t = image_topic(mg->im, cp->topic);
    if (!t || cp->index < 0 || cp->index >= t->nparts) {
        mg->m->parts[i].error = K_UNKNOWN_TOPIC;
    } else if (str_eq(cp->topic, str_of(statelog_topic(c->group_log))) &&
               cp->index < statelog_nparts(c->group_log)) {
        mg->places[mg->nmarks++] = (struct mark_place){.mg = mg, .where = i};
    } else {
        mg->where[mg->set.n] = i;
        mg->appends[mg->set.n++] = (struct append){.part = t->parts[cp->index],
                                                   .flags = mg->m->v2 ? APPEND_MARKER_V2 : APPEND_MARKER};
    }
}

void coord_write_markers(struct coord *c, struct coord_markers *m)
{
    struct marking *mg = xzalloc(sizeof *mg);
    mg->m = m;
    mg->im = cluster_image(c->cluster);
    mg->appends = xzalloc((m->nparts + 1) * sizeof *mg->appends);
    mg->where = xzalloc((m->nparts + 1) * sizeof *mg->where);
    mg->places = xzalloc((m->nparts + 1) * sizeof *mg->places);
    mg->set = (struct append_set){.from = m->from, .items = mg->appends, .done_cb = set_done};
    for (unsigned i = 0; i < m->nparts; i++)
        place_add(c, mg, i);
    uint32_t len;
    mg->buf = markers_build(m, mg->set.n, loop_wall_ms(m->from), &len);
    for (unsigned i = 0; i < mg->set.n; i++) {
        mg->appends[i].buf = mg->buf;
        mg->appends[i].bytes = mg->buf->data + i * len;
        mg->appends[i].len = len;
    }
    mg->left = mg->nmarks + 1;
    for (unsigned i = 0; i < mg->nmarks; i++) {
        struct mark_place *p = &mg->places[i];
        p->mark = (struct statelog_mark){.from = m->from, .done_cb = mark_done, .index = m->parts[p->where].index,
                                         .producer_id = m->producer_id, .epoch = m->epoch,
                                         .coordinator_epoch = m->coordinator_epoch, .commit = m->commit, .v2 = m->v2};
        statelog_mark(c->group_log, &p->mark);
    }
    FAULT("coord.before_markers");
    store_append(c->store, &mg->set);
}
