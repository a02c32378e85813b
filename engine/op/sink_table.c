#include "engine/op/sink_topic.h"

/* The table behind a topic sink: every key's row as the topic's last record of it says.
 *
 * Within an epoch changes collect per key; a retracting input's as weights of whole rows, because a row's taking back
 * and the next one's coming may arrive in either order. At the marker the survivor of a key's rows, the committed one
 * among them, is its value; no survivor is a tombstone; the same as before is no record. Should two survive (the plan
 * says they cannot), the one that came last is taken. The result lies in an overlay until the epoch is committed, so
 * that readers see committed epochs only. */

enum { STORE_ROWS, STORE_EXPIRY };
enum { EXPIRY_PIECE = 4096 }; /* expiry keys fetched at once */

/* ---- Changes in. Pending key: state key, then for retract the image; value: */
struct pend {
    int64_t ts, weight;
    uint64_t seq;
    uint32_t key_len;
};
enum { PEND_BYTES = 28 };

static struct str pend_put(const struct pend *p, uint8_t out[PEND_BYTES])
{
    put_be64(out, (uint64_t)p->ts);
    put_be64(out + 8, (uint64_t)p->weight);
    put_be64(out + 16, p->seq);
    put_be32(out + 24, p->key_len);
    return (struct str){(char *)out, PEND_BYTES};
}

static struct pend pend_get(struct str v)
{
    CHECK(v.len >= PEND_BYTES);
    return (struct pend){(int64_t)be64(v.ptr), (int64_t)be64(v.ptr + 8), be64(v.ptr + 16), be32(v.ptr + 24)};
}

static void pend_retract(struct topic_sink *k, const struct batch *in, uint32_t row, struct pend *p)
{
    uint8_t bytes[PEND_BYTES];
    row_encode(in, k->input_cols, k->image.n, row, &k->state_key);
    struct str key = wbuf_view(&k->state_key), before = kv_get(k->pending, key);
    if (before.ptr) {
        struct pend b = pend_get(before);
        p->weight += b.weight;
        p->ts = MAX(p->ts, b.ts);
    }
    /* A row that came and went stays here with weight 0: its time and place in the order count. */
    kv_put(k->pending, key, pend_put(p, bytes));
}

static void pend_upsert(struct topic_sink *k, const struct batch *in, uint32_t row, const struct pend *p)
{
    uint8_t bytes[PEND_BYTES];
    wbuf_reset(&k->row);
    wbuf_str(&k->row, pend_put(p, bytes));
    if (p->weight > 0)
        row_encode(in, k->input_cols, k->image.n, row, &k->row);
    kv_put(k->pending, wbuf_view(&k->state_key), wbuf_view(&k->row));
}

void sink_pend(struct op *op, struct batch *in, uint32_t row)
{
    struct topic_sink *k = op->state;
    wbuf_reset(&k->state_key);
    key_encode(in, k->input_cols, k->nstate_key, row, &k->state_key);
    struct pend p = {in->ts[row], batch_weight(in, row), k->seq++, (uint32_t)k->state_key.len};
    if (k->upsert)
        pend_upsert(k, in, row, &p);
    else
        pend_retract(k, in, row, &p);
}

/* ---- Rows of state. */

/* What the marker sees: the committed row, unless this very marker has replaced it. */
static struct str current_row(const struct topic_sink *k, struct str key)
{
    struct str over = k->stepped ? kv_get(k->stepped, key) : STR_NULL;
    if (!over.ptr)
        over = kv_get(k->overlay, key);
    if (!over.ptr)
        return store_get(k->rows, key);
    return over.len ? over : STR_NULL;
}

struct batch *sink_image_batch(struct op *op, struct str image, int64_t ts)
{
    struct topic_sink *k = op->state;
    arena_reset(&k->scratch);
    struct batch *b = batch_new(&k->scratch, &k->image, 1);
    b->n = b->nsel = 1;
    b->ts[0] = ts;
    CHECK(row_decode(image, &k->image, b, 0, 0, 1) == 0);
    return b;
}

/* When a row ends, by retention: counted from the window's start, or from the row's own time. */
static int64_t row_time(const struct topic_sink *k, struct str key, int64_t ts, struct arena *a)
{
    if (!k->windowed)
        return ts;
    struct value v = {.i = ts};
    for (unsigned i = 0; i <= k->nkey; i++)
        if (key_decode(&key, k->image.cols[i].type, &v, a))
            return ts;
    return v.null ? ts : v.i;
}

/* What stands at an expiry key: the layout. */
static const uint8_t expiry_value[] = {OP_LAYOUT};
#define EXPIRY_VALUE ((struct str){(const char *)expiry_value, sizeof expiry_value})

static bool expires(const struct op *op) { return op->node->retention_ms > 0; }

static void expiry_key(struct op *op, struct str key, struct str value, struct wbuf *out)
{
    struct topic_sink *k = op->state;
    int64_t ts;
    struct str image;
    CHECK(row_take(value, &ts, &image));
    arena_reset(&k->scratch);
    wbuf_reset(out);
    wbuf_be64(out, (uint64_t)row_time(k, key, ts, &k->scratch) ^ UINT64_C(1) << 63);
    wbuf_str(out, key);
}

/* Sets (value null: removes) a committed row and when it ends. The row before is in memory: the marker needed it, and
 * the marker has pinned it. */
static void set_row(struct op *op, struct str key, struct str value)
{
    struct topic_sink *k = op->state;
    struct str before = store_get(k->rows, key);
    sink_scans_note(k, key, before);
    if (expires(op) && before.ptr) {
        expiry_key(op, key, before, &k->row);
        store_remove(k->expiry, wbuf_view(&k->row));
    }
    if (expires(op) && value.ptr) {
        expiry_key(op, key, value, &k->row);
        store_put(k->expiry, wbuf_view(&k->row), EXPIRY_VALUE);
    }
    if (value.ptr)
        store_put(k->rows, key, value);
    else
        store_remove(k->rows, key);
}

/* ---- Netting. */

/* What an epoch makes of a key. image null: nothing is left. Borrowed from pending or the current row. */
struct outcome {
    struct str image;
    int64_t ts;       /* of the row, or of the last change */
    uint64_t seq;
    bool committed;   /* it is the row that was there before */
};
struct netting {
    struct op *op;
    struct changes *out;
    struct wbuf key;          /* state key at hand */
    bool open;
    struct str before;        /* its row before: image, */
    int64_t before_ts;
    bool before_met;          /* among the changes */
    struct outcome best;
    int64_t last_ts;
    enum { WRITE_ALL, WRITE_GONE, WRITE_THERE } write;
};

static void keep(struct netting *n, const struct outcome *o)
{
    bool better = !n->best.image.ptr || (n->best.committed && !o->committed) ||
                  (n->best.committed == o->committed && o->seq > n->best.seq);
    if (better)
        n->best = *o;
}

static void begin_key(struct netting *n, struct str key)
{
    struct topic_sink *k = n->op->state;
    wbuf_reset(&n->key);
    wbuf_str(&n->key, key);
    wbuf_room(&n->key, 1);
    struct str stored = current_row(k, wbuf_view(&n->key));
    n->open = true;
    n->before = STR_NULL;
    n->before_ts = INT64_MIN;
    if (stored.ptr)
        CHECK(row_take(stored, &n->before_ts, &n->before));
    n->before_met = false;
    n->best = (struct outcome){.image = STR_NULL};
    n->last_ts = INT64_MIN;
}

/* Where the row's end is noted goes to the changelog when it changes: for a window's row, once in its life. */
static void write_expiry(struct netting *n, struct str value)
{
    struct op *op = n->op;
    struct topic_sink *k = op->state;
    struct str key = wbuf_view(&n->key), before = current_row(k, key);
    struct wbuf was, is;
    wbuf_init(&was);
    wbuf_init(&is);
    if (before.ptr)
        expiry_key(op, key, before, &was);
    if (value.ptr)
        expiry_key(op, key, value, &is);
    if (before.ptr && !(value.ptr && str_eq(wbuf_view(&was), wbuf_view(&is))))
        changes_put(n->out, op_store(op, STORE_EXPIRY), wbuf_view(&was), STR_NULL);
    if (value.ptr && !(before.ptr && str_eq(wbuf_view(&was), wbuf_view(&is))))
        changes_put(n->out, op_store(op, STORE_EXPIRY), wbuf_view(&is), EXPIRY_VALUE);
    wbuf_fini(&was);
    wbuf_fini(&is);
}

/* The key's new row goes to the topic, the overlay and the changelog. */
static void write_row(struct netting *n, struct str image, int64_t ts)
{
    struct op *op = n->op;
    struct topic_sink *k = op->state;
    struct str key = wbuf_view(&n->key);
    bool gone = !image.ptr;
    struct batch *b = sink_image_batch(op, gone ? n->before : image, ts);
    sink_record(op, &k->of_image, b, 0, gone);
    wbuf_reset(&k->row);
    if (!gone)
        row_put(b, k->image_cols, k->image.n, 0, &k->row);
    struct str value = gone ? STR_NULL : wbuf_view(&k->row);
    changes_put(n->out, op_store(op, STORE_ROWS), key, value);
    if (expires(op))
        write_expiry(n, value);
    kv_put(k->stepped ? k->stepped : k->overlay, key, gone ? STR("") : value);
    store_pin(k->rows, key);
}

static void end_key(struct netting *n)
{
    struct topic_sink *k = n->op->state;
    if (!n->open)
        return;
    n->open = false;
    if (!k->upsert && n->before.ptr && !n->before_met)
        keep(n, &(struct outcome){n->before, n->before_ts, 0, true});
    bool there = n->best.image.ptr, was = n->before.ptr;
    if (n->write != WRITE_ALL && (n->write == WRITE_THERE) != there)
        return;
    bool again = kv_remove(k->again, wbuf_view(&n->key));
    bool same = there == was && (!there || (!n->op->env->record && str_eq(n->best.image, n->before)));
    if ((there || was) && (!same || again))
        write_row(n, n->best.image, there ? n->best.ts : n->last_ts);
}

static int net_cb(void *arg, struct str key, struct str value)
{
    struct netting *n = arg;
    struct topic_sink *k = n->op->state;
    struct pend p = pend_get(value);
    struct str state_key = {key.ptr, p.key_len};
    if (!n->open || !str_eq(wbuf_view(&n->key), state_key)) {
        end_key(n);
        begin_key(n, state_key);
    }
    n->last_ts = MAX(n->last_ts, p.ts);
    struct str image = k->upsert ? (struct str){value.ptr + PEND_BYTES, value.len - PEND_BYTES}
                                 : (struct str){key.ptr + p.key_len, key.len - p.key_len};
    bool is_before = n->before.ptr && str_eq(image, n->before);
    int64_t weight = p.weight + (is_before && !k->upsert);
    n->before_met |= is_before;
    if (weight > 0 || BUG("sink_last_change_wins"))
        keep(n, &(struct outcome){image, p.ts, p.seq, is_before && p.weight <= 0});
    return 0;
}

/* Rows that must be written again although they did not change. */
static int again_cb(void *arg, struct str key, struct str value)
{
    (void)value;
    struct netting *n = arg;
    begin_key(n, key);
    n->open = false;
    if (n->before.ptr)
        write_row(n, n->before, n->before_ts);
    return 0;
}

static int64_t expiry_until(const struct op *op)
{
    const struct topic_sink *k = op->state;
    return k->wm_ms == INT64_MIN ? INT64_MIN : time_add(k->wm_ms, -op->node->retention_ms);
}

static int64_t expiry_time(struct str key) { return (int64_t)(be64(key.ptr) ^ UINT64_C(1) << 63); }

/* The next expiry key in memory above k->expiry_at that is due; copied there. */
static bool next_due(struct op *op, bool begin)
{
    struct topic_sink *k = op->state;
    struct str key, value;
    if (begin)
        wbuf_reset(&k->expiry_at);
    if (!kv_next(store_map(k->expiry), wbuf_view(&k->expiry_at), begin, &key, &value) || key.len < 8 ||
        expiry_time(key) > expiry_until(op))
        return false;
    wbuf_reset(&k->expiry_at);
    wbuf_str(&k->expiry_at, key);
    return true;
}

static void expire(struct netting *n)
{
    struct op *op = n->op;
    struct topic_sink *k = op->state;
    int64_t until = expiry_until(op);
    for (bool due = next_due(op, true); due; due = next_due(op, false)) {
        struct str key = wbuf_view(&k->expiry_at);
        begin_key(n, (struct str){key.ptr + 8, key.len - 8});
        n->open = false;
        store_remove(k->expiry, key);
        arena_reset(&k->scratch);
        /* The epoch may have given it a newer time; then its place is further on once it is committed. */
        if (n->before.ptr && row_time(k, wbuf_view(&n->key), n->before_ts, &k->scratch) <= until)
            write_row(n, STR_NULL, n->before_ts);
    }
    k->expired_ms = MAX(k->expired_ms, until);
}

void sink_count_state(struct op *op)
{
    struct topic_sink *k = op->state;
    op->stats.state_rows = store_count(k->rows);
    op->stats.state_bytes = store_bytes(k->rows) + kv_bytes(k->overlay) + store_bytes(k->expiry) + k->changed.cap +
                            k->changes.bytes - k->changed_counted;
}

static void net_pending(struct netting *n)
{
    const struct topic_sink *k = n->op->state;
    kv_scan(k->pending, STR(""), net_cb, n);
    end_key(n);
}

static void net(struct op *op, struct changes *out)
{
    struct topic_sink *k = op->state;
    struct netting n = {.op = op, .out = out};
    wbuf_init(&n.key);
    kv_free(k->by_record_key);
    k->by_record_key = NULL;
    if (op->env->record) { /* what takes a row's place comes behind its tombstone */
        n.write = WRITE_GONE;
        net_pending(&n);
        n.write = WRITE_THERE;
    }
    net_pending(&n);
    kv_clear(k->pending);
    kv_scan(k->again, STR(""), again_cb, &n);
    kv_clear(k->again);
    if (expires(op))
        expire(&n);
    wbuf_fini(&n.key);
    k->seq = 0;
    sink_count_state(op);
}

static int marked_cb(void *arg, struct str key, struct str value)
{
    struct topic_sink *k = arg;
    kv_put(k->overlay, key, value);
    return 0;
}

void sink_net(struct op *op, struct changes *out)
{
    struct topic_sink *k = op->state;
    CHECK(kv_count(k->overlay) == 0); /* the marked epoch before this one is committed */
    net(op, out);
    if (!k->stepped)
        return;
    kv_scan(k->stepped, STR(""), marked_cb, k);
    kv_clear(k->stepped);
}

void sink_step(struct op *op, struct changes *out) { net(op, out); }

static int apply_cb(void *arg, struct str key, struct str value)
{
    set_row(arg, key, value.len ? value : STR_NULL);
    return 0;
}

void sink_apply(struct op *op)
{
    struct topic_sink *k = op->state;
    kv_scan(k->overlay, STR(""), apply_cb, op);
    kv_clear(k->overlay);
    sink_count_state(op);
}

/* ---- Restart. */

static bool is_entry(struct op *op, unsigned store, struct str key, struct str value)
{
    struct topic_sink *k = op->state;
    int64_t ts;
    struct str image;
    switch (store % OP_STORES) {
    case STORE_ROWS:
        return k->table && (!value.ptr || (row_take(value, &ts, &image) && row_fits(image, &k->image)));
    case STORE_EXPIRY:
        return k->table && key.len >= 8 && (!value.ptr || str_eq(value, EXPIRY_VALUE));
    default:
        return false;
    }
}

static struct store *store_at(struct op *op, unsigned store)
{
    struct topic_sink *k = op->state;
    return store % OP_STORES == STORE_ROWS ? k->rows : k->expiry;
}

int sink_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    if (!is_entry(op, store, key, value))
        return E_CORRUPT;
    store_restore(store_at(op, store), key, value);
    return 0;
}

/* ---- State larger than memory. The marker needs the rows of keys that changed, and of those whose time is over. */

void sink_opened(struct op *op, unsigned store, int64_t entries) { store_opened(store_at(op, store), entries); }

int sink_load(struct op *op, unsigned store, struct str key, struct str value)
{
    struct topic_sink *k = op->state;
    if (!is_entry(op, store, key, value))
        return E_CORRUPT;
    if (store % OP_STORES == STORE_EXPIRY) {
        wbuf_reset(&k->expiry_at);
        wbuf_str(&k->expiry_at, key);
    }
    store_load(store_at(op, store), key, value);
    return 0;
}

struct wanting {
    struct op *op;
    struct needs *w;
    struct wbuf last;
};

static int want_pending_cb(void *arg, struct str key, struct str value)
{
    struct wanting *n = arg;
    struct topic_sink *k = n->op->state;
    struct str state_key = {key.ptr, pend_get(value).key_len};
    if (n->last.len && str_eq(wbuf_view(&n->last), state_key))
        return 0;
    wbuf_reset(&n->last);
    wbuf_str(&n->last, state_key);
    store_want(k->rows, op_store(n->op, STORE_ROWS), state_key, n->w);
    return 0;
}

static int want_again_cb(void *arg, struct str key, struct str value)
{
    (void)value;
    struct wanting *n = arg;
    struct topic_sink *k = n->op->state;
    store_want(k->rows, op_store(n->op, STORE_ROWS), key, n->w);
    return 0;
}

static void want_expiry(struct op *op, struct needs *w, bool first)
{
    struct topic_sink *k = op->state;
    if (first) {
        wbuf_reset(&k->expiry_at);
        if (k->expired_ms != INT64_MIN)
            wbuf_be64(&k->expiry_at, (uint64_t)k->expired_ms ^ UINT64_C(1) << 63);
    }
    needs_range(w, op_store(op, STORE_EXPIRY), STR(""), wbuf_view(&k->expiry_at), !first, EXPIRY_PIECE);
}

static void want_expired(struct op *op, struct needs *w)
{
    struct topic_sink *k = op->state;
    for (bool due = next_due(op, true); due; due = next_due(op, false)) {
        struct str key = wbuf_view(&k->expiry_at);
        store_want(k->rows, op_store(op, STORE_ROWS), (struct str){key.ptr + 8, key.len - 8}, w);
    }
}

void sink_prepare(struct op *op, bool first, struct changes *out, struct needs *w)
{
    (void)out;
    struct topic_sink *k = op->state;
    struct wanting n = {.op = op, .w = w};
    if (!k->table || k->derived)
        return;
    if (first) {
        wbuf_init(&n.last);
        if (!store_whole(k->rows)) {
            kv_scan(k->pending, STR(""), want_pending_cb, &n);
            kv_scan(k->again, STR(""), want_again_cb, &n);
        }
        wbuf_fini(&n.last);
        k->stage = SINK_EXPIRY;
        if (expires(op) && !store_whole(k->expiry) && expiry_until(op) > k->expired_ms)
            want_expiry(op, w, true);
        else
            k->stage = SINK_EXPIRED;
    }
    if (w->n)
        return;
    if (k->stage == SINK_EXPIRY) { /* sink_loaded says when there is no more */
        want_expiry(op, w, false);
        return;
    }
    if (k->stage == SINK_EXPIRED && expires(op) && !store_whole(k->rows))
        want_expired(op, w);
    k->stage = SINK_READY;
}

void sink_loaded(struct op *op, const struct need *n)
{
    struct topic_sink *k = op->state;
    if (n->store % OP_STORES != STORE_EXPIRY)
        return;
    bool past = k->expiry_at.len >= 8 && expiry_time(wbuf_view(&k->expiry_at)) > expiry_until(op);
    if (n->found < n->limit || past)
        k->stage = SINK_EXPIRED;
}

bool sink_evict(struct op *op, size_t steps)
{
    struct topic_sink *k = op->state;
    if (!k->table || (k->derived && kv_count(k->again))) /* rows to be written again stay until they are */
        return true;
    bool over = store_evict(k->rows, steps);
    return store_evict(k->expiry, steps) && over;
}

void sink_tidy(struct op *op, size_t steps)
{
    struct topic_sink *k = op->state;
    if (!k->table)
        return;
    derive_tidy(op);
    store_tidy(k->rows, steps);
    store_tidy(k->expiry, steps);
}

static int index_cb(void *arg, struct str key, struct str value)
{
    struct op *op = arg;
    struct topic_sink *k = op->state;
    int64_t ts;
    struct str image;
    size_t inner;
    CHECK(row_take(value, &ts, &image));
    if (sink_record_key(op, &k->of_image, sink_image_batch(op, image, ts), 0, &inner))
        kv_put(k->by_record_key, wbuf_view(&k->key), key);
    return 0;
}

bool sink_table_dirty(struct op *op, struct str topic_key)
{
    CHECK(op->cls == &sink_topic_class);
    struct topic_sink *k = op->state;
    if (!k->table)
        return true; /* a stream's rows that were not committed may repeat */
    if (!k->by_record_key) {
        k->by_record_key = kv_new(false, op->env->memory);
        store_scan(k->rows, STR(""), index_cb, op);
    }
    struct str state_key = kv_get(k->by_record_key, topic_key);
    if (state_key.ptr)
        kv_put(k->again, state_key, STR(""));
    return state_key.ptr != NULL;
}
