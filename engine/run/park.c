#include "engine/run/task.h"

struct parked {
    struct list link;
    struct op *op; /* NULL: a watermark */
    unsigned input;
    struct arena arena;
    struct batch *b;
    unsigned mark;
    int64_t ms;
    bool idle, alone;
};

static void fetched_cb(struct cold_fetch *f);

void park_init(struct task *t)
{
    list_init(&t->park.items);
    list_init(&t->park.behind);
    cold_fetch_init(&t->park.fetch);
    t->park.fetch.done_cb = fetched_cb;
}

static void item_free(struct parked *p)
{
    arena_fini(&p->arena);
    xfree(p);
}

void park_fini(struct task *t)
{
    CHECK(!t->park.fetching);
    for (struct list *l; (l = list_pop(&t->park.items)) != NULL || (l = list_pop(&t->park.behind)) != NULL;)
        item_free(container_of(l, struct parked, link));
    cold_fetch_fini(&t->park.fetch);
}

bool park_empty(const struct task *t) { return list_empty(&t->park.items) && !t->park.fetching; }

static struct parked *item_new(void)
{
    struct parked *p = xzalloc(sizeof *p);
    arena_init(&p->arena);
    return p;
}

void park_rows(void *task, struct op *op, unsigned input, const struct batch *b)
{
    struct task *t = task;
    struct parked *p = item_new();
    p->op = op;
    p->input = input;
    p->b = batch_copy(b, NULL, 0, NULL, 0, &p->arena);
    bool first = park_empty(t) && !op->nparked;
    op->nparked++;
    list_add_tail(&t->park.items, &p->link);
    if (first)
        park_fetch(t, op);
    task_wake(t);
}

void park_watermark(struct task *t, unsigned mark, int64_t ms, bool idle, bool alone)
{
    struct parked *p = item_new();
    p->mark = mark;
    p->ms = ms;
    p->idle = idle;
    p->alone = alone;
    list_add_tail(t->marking ? &t->park.behind : &t->park.items, &p->link);
    task_wake(t);
}

void park_marked(struct task *t)
{
    for (struct list *l; (l = list_pop(&t->park.behind)) != NULL;)
        list_add_tail(&t->park.items, l);
}

/* ---- fetching */

static int load_all(struct op *op, const struct cold_fetch *f)
{
    int err = 0;
    for (size_t i = 0; !err && i < f->nfound; i++)
        err = op->cls->load(op, f->needs.v[f->found[i].need].store, f->found[i].key, f->found[i].value);
    for (size_t i = 0; !err && op->cls->loaded && i < f->needs.n; i++)
        op->cls->loaded(op, &f->needs.v[i]);
    return err;
}

static void fetched_cb(struct cold_fetch *f)
{
    struct task *t = container_of(container_of(f, struct park, fetch), struct task, park);
    t->park.fetching = false;
    if (!sm_is(&t->sm, TASK_OPEN))
        return;
    int err = f->status;
    if (!err && load_all(t->park.op, f)) {
        task_damaged(t);
        return;
    }
    if (err)
        task_fail(t, err, "its state cannot be read: %s", err_text(err));
    t->park.ready = true;
    task_wake(t);
}

void park_fetch(struct task *t, struct op *op)
{
    CHECK(!t->park.fetching && t->park.fetch.needs.n > 0);
    t->park.fetching = true;
    t->park.ready = false;
    t->park.op = op;
    t->park.fetch.node = op->node->store;
    cold_fetch(t->cold, &t->park.fetch);
}

void park_step(struct task *t)
{
    struct parked *p = container_of(t->park.items.next, struct parked, link);
    CHECK(!t->park.fetching);
    if (p->op && !t->park.ready && op_lacks(p->op, p->input, p->b)) {
        park_fetch(t, p->op);
        return;
    }
    t->park.ready = false;
    list_remove(&p->link);
    if (p->op) {
        p->op->nparked--;
        op_push_now(p->op, p->input, p->b);
    } else {
        task_set_watermark(t, p->mark, p->ms, p->idle, p->alone);
    }
    item_free(p);
}
