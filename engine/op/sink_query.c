#include "engine/op/common.h"

/* The end of a push or pull query: rows for its client. Rows that only come go through at once. Changes are netted over
 * the epoch and given at its marker: retract as what has gone (-1), then what has come (+1), key by key; upsert as the
 * last row or delete of each key. The order is that of the encoded key and row. LIMIT counts rows that come. */

struct query_sink {
    struct arena arena;
    unsigned *cols;       /* all */
    struct kv *pending;   /* ordered; retract: key, row -> change; upsert: key -> change, row */
    struct wbuf key, value;
    struct emitter out;
    uint64_t given;       /* rows that came, so far */
};
struct change {
    int64_t ts, weight;
    uint32_t key_len;
};
/* A pending change, laid out for sorting. */
struct net_change {
    struct str key, row; /* row null: a delete of upsert */
    int64_t ts, weight;
};

static void give(struct op *op, struct batch *b);

static int query_sink_open(struct op *op, struct diag *d)
{
    (void)d;
    struct query_sink *q = op->state;
    arena_init(&q->arena);
    q->cols = all_columns(&q->arena, op_input(op, 0)->n);
    q->pending = kv_new(true, op->env->memory);
    wbuf_init(&q->key);
    wbuf_init(&q->value);
    emitter_init(&q->out, op, op_input(op, 0), true);
    q->out.give_cb = give;
    return 0;
}

/* Cuts off what is past LIMIT. */
static void give(struct op *op, struct batch *b)
{
    struct query_sink *q = op->state;
    struct batch out = *b;
    uint32_t *sel = arena_alloc(b->arena, sizeof *sel * MAX(b->nsel, 1u)), n = 0;
    uint64_t limit = op->node->limit < 0 ? UINT64_MAX : (uint64_t)op->node->limit;
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t row = batch_row(b, i);
        if (q->given >= limit)
            break;
        q->given += batch_weight(b, row) > 0;
        sel[n++] = row;
    }
    if (!n)
        return;
    out.sel = sel;
    out.nsel = n;
    op->stats.rows_out += n;
    op->env->result(op->env->task, op, &out);
}

/* ---- Changes in. */

static void put_change(struct query_sink *q, const struct change *c)
{
    wbuf_be64(&q->value, (uint64_t)c->ts);
    wbuf_be64(&q->value, (uint64_t)c->weight);
    wbuf_be32(&q->value, c->key_len);
}

static struct change get_change(struct rbuf *r)
{
    struct change c;
    c.ts = (int64_t)rbuf_be64(r);
    c.weight = (int64_t)rbuf_be64(r);
    c.key_len = rbuf_be32(r);
    return c;
}

static void pend(struct op *op, struct batch *in, uint32_t row)
{
    struct query_sink *q = op->state;
    const struct plan_node *input = op->node->inputs[0];
    bool upsert = input->mode == MODE_UPSERT;
    struct change c = {in->ts[row], batch_weight(in, row), 0};
    wbuf_reset(&q->key);
    wbuf_reset(&q->value);
    key_encode(in, input->key, input->nkey, row, &q->key);
    c.key_len = (uint32_t)q->key.len;
    if (!upsert) {
        row_encode(in, q->cols, in->ncols, row, &q->key);
        struct str before = kv_get(q->pending, wbuf_view(&q->key));
        if (before.ptr) {
            struct rbuf r = rbuf_of(before.ptr, before.len);
            c.weight += get_change(&r).weight;
        }
    }
    put_change(q, &c);
    if (upsert && c.weight > 0)
        row_encode(in, q->cols, in->ncols, row, &q->value);
    if (upsert || c.weight)
        kv_put(q->pending, wbuf_view(&q->key), wbuf_view(&q->value));
    else
        kv_remove(q->pending, wbuf_view(&q->key));
}

static void query_sink_push(struct op *op, unsigned input, struct batch *in)
{
    (void)input;
    if (op->node->inputs[0]->mode == MODE_APPEND) {
        give(op, in);
        return;
    }
    for (uint32_t i = 0; i < in->nsel; i++)
        pend(op, in, batch_row(in, i));
}

/* ---- Net changes out. */

struct collecting {
    struct net_change *changes;
    size_t n;
    bool upsert;
};

static int collect_cb(void *arg, struct str key, struct str value)
{
    struct collecting *c = arg;
    struct rbuf r = rbuf_of(value.ptr, value.len);
    struct change ch = get_change(&r);
    CHECK(!r.err && ch.key_len <= key.len);
    struct net_change *n = &c->changes[c->n++];
    *n = (struct net_change){.key = {key.ptr, ch.key_len}, .ts = ch.ts, .weight = ch.weight};
    if (c->upsert)
        n->row = ch.weight > 0 ? (struct str){(const char *)r.ptr, rbuf_left(&r)} : STR_NULL;
    else
        n->row = (struct str){key.ptr + ch.key_len, key.len - ch.key_len};
    return 0;
}

static int net_cmp(const void *pa, const void *pb)
{
    const struct net_change *a = pa, *b = pb;
    int cmp = str_cmp(a->key, b->key);
    if (!cmp)
        cmp = (a->weight > 0) - (b->weight > 0);
    return cmp ? cmp : str_cmp(a->row, b->row);
}

static void put_row(struct op *op, const struct net_change *n)
{
    struct query_sink *q = op->state;
    const struct plan_node *input = op->node->inputs[0];
    uint32_t row = emitter_row(&q->out, n->weight > 0 ? 1 : -1, n->ts);
    if (n->row.ptr) {
        CHECK(row_decode(n->row, &input->out, q->out.b, 0, row, ENGINE_BATCH_ROWS) == 0);
        return;
    }
    for (unsigned c = 0; c < input->out.n; c++)
        vec_set_null(&q->out.b->cols[c], q->out.b->arena, row, ENGINE_BATCH_ROWS);
    CHECK(key_columns(n->key, &input->out, input->key, input->nkey, q->out.b, input->key, row));
}

static void query_sink_marker(struct op *op, struct changes *out)
{
    (void)out;
    struct query_sink *q = op->state;
    size_t n = kv_count(q->pending);
    if (!n)
        return;
    struct collecting c = {xalloc(n * sizeof *c.changes), 0, op->node->inputs[0]->mode == MODE_UPSERT};
    kv_scan(q->pending, STR(""), collect_cb, &c);
    qsort(c.changes, c.n, sizeof *c.changes, net_cmp);
    for (size_t i = 0; i < c.n; i++) {
        int64_t times = c.upsert ? 1 : c.changes[i].weight < 0 ? -c.changes[i].weight : c.changes[i].weight;
        for (; times > 0; times--)
            put_row(op, &c.changes[i]);
    }
    emitter_flush(&q->out);
    xfree(c.changes);
    kv_clear(q->pending);
}

static void query_sink_close(struct op *op)
{
    struct query_sink *q = op->state;
    kv_free(q->pending);
    wbuf_fini(&q->key);
    wbuf_fini(&q->value);
    emitter_fini(&q->out);
    arena_fini(&q->arena);
}

const struct op_class sink_query_class = {
    .name = "RESULT",
    .size = sizeof(struct query_sink),
    .open = query_sink_open,
    .push = query_sink_push,
    .marker = query_sink_marker,
    .shows = true,
    .close = query_sink_close,
};
