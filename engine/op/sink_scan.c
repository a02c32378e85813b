#include "engine/op/sink_topic.h"

/* Readers of a table: a walk in key order over the rows of the epoch that was committed when it began, in pieces, while
 * the table goes on. What a commit changes ahead of a walk is kept for it as it was (`undo`); what memory lacks is
 * fetched a chunk of neighbours at a time and not kept. So neither the writer nor the reader waits for the other, and
 * nothing is copied that is not asked for. */

enum { CHUNK = 256 };

struct sink_scan {
    struct list link;
    struct op *op;
    struct wbuf prefix, at; /* at: the key given last; nothing below it is looked at any more */
    bool begun;
    struct kv *undo;        /* key -> u8 1, row as it was; or u8 0: there was none */
    struct kv *chunk;       /* of the cold level, from `at` on */
    bool chunk_here, chunk_last; /* last: the cold level has no more behind it */
    struct wbuf chunk_end;
    struct batch *b;        /* being filled: the image's columns, then WINDOWEND */
};

struct sink_scan *sink_scan_open(struct op *op, struct str exact_key)
{
    CHECK(op->cls == &sink_topic_class);
    struct topic_sink *k = op->state;
    struct sink_scan *s = xzalloc(sizeof *s);
    derive_catch_up(k);
    s->op = op;
    wbuf_init(&s->prefix);
    wbuf_init(&s->at);
    wbuf_init(&s->chunk_end);
    wbuf_str(&s->prefix, exact_key);
    wbuf_str(&s->at, exact_key);
    s->undo = kv_new(true, op->env->memory);
    s->chunk = kv_new(true, op->env->memory);
    list_add_tail(&k->scans, &s->link);
    return s;
}

void sink_scan_close(struct sink_scan *s)
{
    list_remove(&s->link);
    kv_free(s->undo);
    kv_free(s->chunk);
    wbuf_fini(&s->prefix);
    wbuf_fini(&s->at);
    wbuf_fini(&s->chunk_end);
    xfree(s);
}

void sink_scans_note(struct topic_sink *k, struct str key, struct str before)
{
    for (struct list *l = k->scans.next; l != &k->scans; l = l->next) {
        struct sink_scan *s = container_of(l, struct sink_scan, link);
        bool ahead = !s->begun || str_cmp(key, wbuf_view(&s->at)) > 0;
        if (!ahead || !str_starts(key, wbuf_view(&s->prefix)) || kv_get(s->undo, key).ptr)
            continue;
        struct wbuf was;
        wbuf_init(&was);
        wbuf_u8(&was, before.ptr != NULL);
        wbuf_str(&was, before);
        kv_put(s->undo, key, wbuf_view(&was));
        wbuf_fini(&was);
    }
}

unsigned sink_scan_store(const struct op *op)
{
    return op->node->derived ? plan_derives(op->node)->store : op->node->store;
}

void sink_scan_load(struct sink_scan *s, struct str key, struct str value)
{
    if (s->op->node->derived)
        derive_take(s->op, key, value);
    else
        kv_put(s->chunk, key, value);
    wbuf_reset(&s->chunk_end);
    wbuf_str(&s->chunk_end, key);
}

static void derived_row(void *arg, struct str key, struct str row)
{
    struct sink_scan *s = arg;
    kv_put(s->chunk, key, row);
}

void sink_scan_loaded(struct sink_scan *s, const struct need *n)
{
    if (s->op->node->derived)
        derive_give(s->op, derived_row, s);
    s->chunk_here = true;
    s->chunk_last = n->found < n->limit;
}

/* ---- Rows out. */

static int give_rows(struct sink_scan *s, int (*each_cb)(void *arg, struct batch *b), void *arg)
{
    struct topic_sink *k = s->op->state;
    struct batch *b = s->b;
    if (!b)
        return 0;
    s->b = NULL;
    if (k->windowed && !k->bounds) { /* WINDOWEND beside WINDOWSTART */
        struct vec end = b->cols[k->image.n];
        memmove(&b->cols[k->nkey + 2], &b->cols[k->nkey + 1], (k->image.n - k->nkey - 1) * sizeof end);
        b->cols[k->nkey + 1] = end;
    }
    return each_cb(arg, b);
}

static void put_row(struct sink_scan *s, struct arena *a, struct str value)
{
    struct topic_sink *k = s->op->state;
    int64_t ts;
    struct str image;
    CHECK(row_take(value, &ts, &image));
    if (!s->b) {
        s->b = batch_new(a, &k->shown, ENGINE_BATCH_ROWS);
        s->b->n = s->b->nsel = 0;
    }
    struct batch *b = s->b;
    uint32_t row = b->n++;
    b->nsel = b->n;
    b->ts[row] = ts;
    CHECK(row_decode(image, &k->image, b, 0, row, ENGINE_BATCH_ROWS) == 0);
    if (k->windowed && !k->bounds)
        b->cols[k->image.n].i64[row] = time_add(b->cols[k->nkey].i64[row], s->op->node->format.window_size_ms);
}

/* One of the sources of the walk, at its next pair. */
struct walker {
    const struct kv *kv;
    struct str key, value; /* key null: no more */
};

static void walk_on(struct walker *w, const struct sink_scan *s)
{
    if (!kv_next(w->kv, wbuf_view(&s->at), !s->begun, &w->key, &w->value) || !str_starts(w->key, wbuf_view(&s->prefix)))
        w->key = STR_NULL;
}

/* The next row. False: at the end, or at the end of the chunk. */
static bool next_row(struct sink_scan *s, bool whole, struct str *value)
{
    struct topic_sink *k = s->op->state;
    struct walker w[] = {{.kv = s->undo}, {.kv = store_map(k->rows)}, {.kv = s->chunk}};
    int least = -1;
    for (int i = 0; i < 3; i++) {
        walk_on(&w[i], s);
        if (w[i].key.ptr && (least < 0 || str_cmp(w[i].key, w[least].key) < 0))
            least = i;
    }
    if (least < 0)
        return false;
    struct str key = w[least].key;
    if (!whole && !s->chunk_last && str_cmp(key, wbuf_view(&s->chunk_end)) > 0)
        return false; /* what lies behind the chunk is not known yet */
    *value = w[least].value;
    if (least == 0) /* as it was */
        *value = w[0].value.ptr[0] ? (struct str){w[0].value.ptr + 1, w[0].value.len - 1} : STR_NULL;
    else if (least == 2 && store_buried(k->rows, key))
        *value = STR_NULL;
    s->begun = true;
    struct wbuf at;
    wbuf_init(&at);
    wbuf_str(&at, key);
    wbuf_room(&at, 1);
    wbuf_fini(&s->at);
    s->at = at;
    return true;
}

int sink_scan_step(struct sink_scan *s, struct needs *w, struct arena *a, size_t rows, bool *over,
                   int (*each_cb)(void *arg, struct batch *b), void *arg)
{
    struct topic_sink *k = s->op->state;
    bool whole = store_whole(k->rows);
    int err = 0;
    *over = false;
    if (!whole && !s->chunk_here) {
        needs_range(w, sink_scan_store(s->op) * OP_STORES, wbuf_view(&s->prefix), wbuf_view(&s->at), s->begun, CHUNK);
        return 0;
    }
    struct str value;
    bool more = false;
    for (; !err && rows && (more = next_row(s, whole, &value)); rows--) {
        if (value.ptr)
            put_row(s, a, value);
        if (s->b && s->b->n == ENGINE_BATCH_ROWS)
            err = give_rows(s, each_cb, arg);
    }
    if (!err)
        err = give_rows(s, each_cb, arg);
    if (more && whole)
        return err;
    if (more) { /* a chunk is true for one turn only: what memory knew better may be evicted in the next */
        s->chunk_here = false;
        kv_clear(s->chunk);
        return err;
    }
    *over = whole || s->chunk_last;
    /* On to the next chunk: all up to this one's end has been given. */
    if (!*over && str_cmp(wbuf_view(&s->chunk_end), wbuf_view(&s->at)) > 0) {
        wbuf_reset(&s->at);
        wbuf_str(&s->at, wbuf_view(&s->chunk_end));
        s->begun = true;
    }
    s->chunk_here = false;
    kv_clear(s->chunk);
    return err;
}

int sink_table_scan(struct op *op, struct str exact_key, struct arena *a, int (*each_cb)(void *arg, struct batch *b),
                    void *arg)
{
    struct sink_scan *s = sink_scan_open(op, exact_key);
    bool over = false;
    int err = 0;
    CHECK(store_whole(((struct topic_sink *)op->state)->rows));
    while (!err && !over)
        err = sink_scan_step(s, op->env->needs, a, SIZE_MAX, &over, each_cb, arg);
    sink_scan_close(s);
    return err;
}
