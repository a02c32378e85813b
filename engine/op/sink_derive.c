#include "engine/op/sink_topic.h"

/* A table whose rows are an aggregate's groups (plan_derives): what stands for it in the changelog and the checkpoint
 * is the aggregate's store, and a change costs one record there, not two.
 *
 * Going on: at the marker a group that changed comes as its row taken back, its new row, or both, one right behind the
 * other; so what becomes of a key is known without a look at what was. Records go out at once; the rows follow into
 * memory, for readers, when the epoch is committed. There they lie as any sink's: what a checkpoint has may go. Where
 * that has begun and nobody reads, they follow only when somebody does: most are in a checkpoint before, and leave the
 * groups their room.
 *
 * Coming back: values of the aggregate's store go through an aggregate and a chain of operators like the live ones,
 * which stand aside and are empty again afterwards. */

enum { DERIVE_BATCH = 512 };     /* values at once, while restoring */
enum { CHANGED_KEPT = 1 << 20 }; /* room for changes that is kept from epoch to epoch */

/* ---- What the marker changed, until it is committed: three lengths, key, row as it is, row as it was. */

enum { NOTHING = UINT32_MAX };

static void put_piece(struct wbuf *w, struct str s) { wbuf_be32(w, s.ptr ? (uint32_t)s.len : NOTHING); }

struct noted {
    struct str key, row, before;
};

static void note_change(struct wbuf *w, struct str key, struct str row, struct str before)
{
    put_piece(w, key);
    put_piece(w, row);
    put_piece(w, before);
    wbuf_str(w, key);
    wbuf_str(w, row);
    wbuf_str(w, before);
}

static struct str take_piece(struct rbuf *r, uint32_t len) { return len == NOTHING ? STR_NULL : rbuf_bytes(r, len); }

static bool next_change(struct rbuf *r, struct noted *n)
{
    if (!rbuf_left(r))
        return false;
    uint32_t key_len = rbuf_be32(r), row_len = rbuf_be32(r), before_len = rbuf_be32(r);
    n->key = rbuf_bytes(r, key_len);
    n->row = take_piece(r, row_len);
    n->before = take_piece(r, before_len);
    CHECK(!r->err);
    return true;
}

static void apply(struct topic_sink *k, struct str changes)
{
    struct rbuf r = rbuf_of(changes.ptr, changes.len);
    for (struct noted n; next_change(&r, &n);) {
        sink_scans_note(k, n.key, n.before);
        store_restore(k->rows, n.key, n.row); /* gone, also where only the checkpoint has it */
    }
}

/* The changes of one epoch, without what was before. */
struct derive_epoch {
    struct list link;
    uint32_t epoch;
    size_t len;
    char bytes[];
};

/* A row that is in memory changes at once: it would outlive the epoch put off, and the file would not be asked. */
static void put_off(struct op *op)
{
    struct topic_sink *k = op->state;
    struct rbuf r = rbuf_of((char *)k->changed.data, k->changed.len);
    struct wbuf w;
    wbuf_init(&w);
    for (struct noted n; next_change(&r, &n);)
        if (kv_get(store_map(k->rows), n.key).ptr)
            store_restore(k->rows, n.key, n.row);
        else
            note_change(&w, n.key, n.row, STR_NULL);
    if (!w.len)
        return;
    struct derive_epoch *e = xalloc(sizeof *e + w.len);
    *e = (struct derive_epoch){.epoch = op->env->clock->epoch, .len = w.len};
    memcpy(e->bytes, w.data, w.len);
    wbuf_fini(&w);
    account_add(&k->changes, sizeof *e + e->len);
    list_add_tail(&k->later, &e->link);
}

static void epoch_free(struct topic_sink *k, struct derive_epoch *e)
{
    account_sub(&k->changes, sizeof *e + e->len);
    list_remove(&e->link);
    xfree(e);
}

void derive_catch_up(struct topic_sink *k)
{
    while (!list_empty(&k->later)) {
        struct derive_epoch *e = container_of(k->later.next, struct derive_epoch, link);
        apply(k, (struct str){e->bytes, e->len});
        epoch_free(k, e);
    }
}

void derive_tidy(struct op *op)
{
    struct topic_sink *k = op->state;
    while (!list_empty(&k->later)) {
        struct derive_epoch *e = container_of(k->later.next, struct derive_epoch, link);
        if (clock_dirty(op->env->clock, e->epoch))
            return;
        epoch_free(k, e);
    }
}

void derive_drop(struct topic_sink *k)
{
    while (!list_empty(&k->later))
        epoch_free(k, container_of(k->later.next, struct derive_epoch, link));
    account_sub(&k->changes, k->changes.bytes);
}

void derive_committed(struct op *op)
{
    struct topic_sink *k = op->state;
    account_sub(&k->changes, k->changed_counted);
    k->changed_counted = 0;
    if (store_whole(k->rows) || !list_empty(&k->scans) || kv_count(k->again)) {
        derive_catch_up(k);
        apply(k, wbuf_view(&k->changed));
    } else if (k->changed.len) {
        put_off(op);
    }
    if (k->changed.cap > CHANGED_KEPT) {
        wbuf_fini(&k->changed);
        wbuf_init(&k->changed);
    }
    wbuf_reset(&k->changed);
    sink_count_state(op);
}

/* ---- Changes in. */

static void let_go(struct op *op)
{
    struct topic_sink *k = op->state;
    struct str image;
    int64_t ts;
    if (!k->held)
        return;
    k->held = false;
    CHECK(row_take(wbuf_view(&k->held_row), &ts, &image));
    sink_record(op, &k->of_image, sink_image_batch(op, image, ts), 0, true);
    note_change(&k->changed, wbuf_view(&k->held_key), STR_NULL, wbuf_view(&k->held_row));
    kv_remove(k->again, wbuf_view(&k->held_key));
}

static void swap(struct wbuf *a, struct wbuf *b)
{
    struct wbuf c = *a;
    *a = *b;
    *b = c;
}

static bool same_image(struct str a, struct str b)
{
    int64_t ts;
    return row_take(a, &ts, &a) && row_take(b, &ts, &b) && str_eq(a, b);
}

static void push_row(struct op *op, const struct batch *in, uint32_t row)
{
    struct topic_sink *k = op->state;
    wbuf_reset(&k->state_key);
    wbuf_reset(&k->row);
    key_encode(in, k->input_cols, k->nstate_key, row, &k->state_key);
    row_put(in, k->input_cols, k->image.n, row, &k->row);
    struct str key = wbuf_view(&k->state_key), value = wbuf_view(&k->row);
    bool takes_place = k->held && batch_weight(in, row) > 0 && str_eq(key, wbuf_view(&k->held_key));
    if (!takes_place)
        let_go(op);
    if (batch_weight(in, row) < 0) {
        swap(&k->held_key, &k->state_key);
        swap(&k->held_row, &k->row);
        k->held = true;
        return;
    }
    k->held = false;
    bool again = kv_remove(k->again, key);
    if (takes_place && !again && same_image(value, wbuf_view(&k->held_row)))
        return;
    sink_record(op, &k->of_input, in, row, false);
    note_change(&k->changed, key, value, takes_place ? wbuf_view(&k->held_row) : STR_NULL);
}

void derive_push(struct op *op, struct batch *in)
{
    for (uint32_t i = 0; i < in->nsel; i++)
        push_row(op, in, batch_row(in, i));
}

/* A row that must be written again although it did not change. */
static int again_cb(void *arg, struct str key, struct str value)
{
    (void)value;
    struct op *op = arg;
    struct topic_sink *k = op->state;
    struct str row = store_get(k->rows, key), image;
    int64_t ts;
    if (row.ptr && row_take(row, &ts, &image))
        sink_record(op, &k->of_image, sink_image_batch(op, image, ts), 0, false);
    return 0;
}

void derive_marker(struct op *op)
{
    struct topic_sink *k = op->state;
    let_go(op);
    kv_free(k->by_record_key);
    k->by_record_key = NULL;
    kv_scan(k->again, STR(""), again_cb, op);
    kv_clear(k->again);
    account_add(&k->changes, k->changed.len - k->changed_counted);
    k->changed_counted = k->changed.len;
    sink_count_state(op);
}

/* ---- Rows out of groups. */

struct derive {
    struct op_env env;
    struct op **ops; /* the aggregate first */
    unsigned n;
    struct wbuf keys; /* of the values taken: u32 length, key */
    size_t taken;
    void (*row_cb)(void *arg, struct str key, struct str row);
    void *arg;
};

static void ignore_error(void *task, struct op *op, const char *text) { (void)task, (void)op, (void)text; }
static void ignore_change(void *arg, unsigned store, struct str key, struct str value)
{
    (void)arg, (void)store, (void)key, (void)value;
}

/* Behind the last of them: rows as the sink's input. */
static void exit_cb(struct op *last, const struct batch *b)
{
    struct op *op = last->env->task;
    struct topic_sink *k = op->state;
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t row = batch_row(b, i);
        wbuf_reset(&k->state_key);
        wbuf_reset(&k->row);
        key_encode(b, k->input_cols, k->nstate_key, row, &k->state_key);
        row_put(b, k->input_cols, k->image.n, row, &k->row);
        k->derive->row_cb(k->derive->arg, wbuf_view(&k->state_key), wbuf_view(&k->row));
    }
}

static unsigned chain_length(const struct op *op)
{
    const struct plan_node *end = plan_derives(op->node);
    unsigned n = 1;
    for (const struct plan_node *m = op->node->inputs[0]; m != end; m = m->inputs[0])
        n++;
    return n;
}

/* The live ones are open: so can these be. */
static struct derive *derive_new(struct op *op)
{
    struct derive *d = xzalloc(sizeof *d);
    struct diag diag = {0};
    d->env = (struct op_env){.task = op, .error = ignore_error, .memory = op->env->memory};
    d->n = chain_length(op);
    d->ops = xzalloc(d->n * sizeof *d->ops);
    wbuf_init(&d->keys);
    const struct plan_node *node = op->node->inputs[0];
    for (unsigned i = d->n; i-- > 0; node = node->inputs[0]) {
        CHECK(op_open(&d->ops[i], node, &d->env, &diag) == 0);
        d->ops[i]->next = i + 1 < d->n ? d->ops[i + 1] : NULL;
        d->ops[i]->exit_cb = exit_cb;
    }
    return d;
}

void derive_free(struct derive *d)
{
    for (unsigned i = 0; d && i < d->n; i++)
        op_close(d->ops[i]);
    if (!d)
        return;
    wbuf_fini(&d->keys);
    xfree(d->ops);
    xfree(d);
}

void derive_take(struct op *op, struct str key, struct str value)
{
    struct topic_sink *k = op->state;
    struct derive *d = k->derive ? k->derive : (k->derive = derive_new(op));
    /* What cannot be read the live aggregate has refused, or will when it comes to it. */
    (void)d->ops[0]->cls->restore(d->ops[0], op_store(d->ops[0], 0), key, value);
    wbuf_be32(&d->keys, (uint32_t)key.len);
    wbuf_str(&d->keys, key);
    d->taken++;
}

void derive_give(struct op *op, void (*row_cb)(void *arg, struct str key, struct str row), void *arg)
{
    struct topic_sink *k = op->state;
    struct derive *d = k->derive;
    struct changes changes = {NULL, ignore_change};
    if (!d || !d->taken)
        return;
    struct op *aggregate = d->ops[0];
    d->row_cb = row_cb;
    d->arg = arg;
    aggregate->cls->again(aggregate);
    aggregate->cls->marker(aggregate, &changes);
    struct rbuf r = rbuf_of((char *)d->keys.data, d->keys.len);
    while (rbuf_left(&r)) {
        uint32_t len = rbuf_be32(&r);
        (void)aggregate->cls->restore(aggregate, op_store(aggregate, 0), rbuf_bytes(&r, len), STR_NULL);
    }
    wbuf_reset(&d->keys);
    d->taken = 0;
}

/* ---- Restart. */

static void restore_row(void *arg, struct str key, struct str row)
{
    struct topic_sink *k = arg;
    store_restore(k->rows, key, row);
}

void sink_derived(struct op *op) { derive_give(op, restore_row, op->state); }

/* Its row is gone, unless its group says otherwise. */
void sink_derive(struct op *op, struct str key, struct str value)
{
    struct topic_sink *k = op->state;
    if (!value.ptr || !store_whole(k->rows))
        store_restore(k->rows, key, STR_NULL);
    else
        store_remove(k->rows, key);
    derive_take(op, key, value);
    if (k->derive->taken >= DERIVE_BATCH)
        sink_derived(op);
}
