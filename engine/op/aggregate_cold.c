#include "engine/op/aggregate.h"

/* GROUP BY whose groups are more than memory holds. The tables are a cache of decoded groups: clean ones, unused since the
 * last sweep, go; rows that need one wait until it has been fetched. Behind MIN and MAX over rows that may go again stand
 * the counts of values: a group's come and go with it (all of them: the values of one group must fit in memory).
 *
 * Closing windows reads what the checkpoint has of them in pieces: keys begin with the window's start or end, so they lie
 * together; each piece is closed before the next is fetched. */

enum { PIECE = 4096, AHEAD = 16 };

void aggregate_opened(struct op *op, unsigned store, int64_t entries)
{
    struct aggregate *a = op->state;
    a->cold |= entries > 0;
    if (store % OP_STORES == STORE_COUNTS)
        store_opened(a->counts, entries);
}

static bool is_counted(const struct op *op, unsigned agg)
{
    return ((const struct aggregate *)op->state)->accs[agg].keeps_values;
}

/* All counts of the group whose state key is given. */
static void want_counts(struct op *op, struct str state_key, struct needs *w)
{
    struct aggregate *a = op->state;
    for (unsigned i = 0; i < op->node->naggs; i++) {
        if (!is_counted(op, i))
            continue;
        wbuf_reset(&a->value);
        wbuf_be16(&a->value, (uint16_t)i);
        wbuf_str(&a->value, state_key);
        needs_range(w, op_store(op, STORE_COUNTS), wbuf_view(&a->value), STR(""), false, UINT32_MAX);
    }
}

static void want_block(struct op *op, struct block *blk, const struct span *spans, struct needs *w)
{
    struct aggregate *a = op->state;
    agg_block_keys(op, blk);
    agg_block_prefetch(blk);
    for (uint32_t i = 0; i < blk->n; i++) {
        bool here = blk->pane[i] && groups_find(&blk->pane[i]->groups, &blk->key[i]);
        if (here && !kv_count(a->partial))
            continue;
        wbuf_reset(&a->key);
        agg_cold_key(a, op, spans[i], &blk->key[i], &a->key);
        struct str key = wbuf_view(&a->key);
        if (here ? kv_get(a->partial, key).ptr == NULL : graves_has(a->graves, key))
            continue;
        if (w->n && !a->counted && str_eq(w->v[w->n - 1].key, key))
            continue;
        if (!here)
            needs_key(w, op_store(op, STORE_GROUPS), key);
        if (a->counted)
            want_counts(op, key, w);
    }
    blk->n = 0;
}

void aggregate_want(struct op *op, unsigned input, const struct batch *in, struct needs *w)
{
    (void)input;
    struct aggregate *a = op->state;
    if (kv_count(a->partial) && store_whole(a->counts))
        kv_clear(a->partial); /* restored, and nothing is missing */
    if (!a->cold || op->node->phase == AGG_PARTIAL)
        return;
    struct block blk;
    struct span wanted[AGG_BLOCK];
    blk.in = in;
    blk.n = 0;
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t row = batch_row(in, i);
        unsigned n;
        const struct span *spans = agg_row_spans(op, in, row, &n);
        for (unsigned k = 0; k < n; k++) {
            blk.rows[blk.n] = row;
            wanted[blk.n] = spans[k];
            blk.pane[blk.n++] = agg_pane_get(op, spans[k]);
            if (blk.n == AGG_BLOCK)
                want_block(op, &blk, wanted, w);
        }
    }
    if (blk.n)
        want_block(op, &blk, wanted, w);
}

int aggregate_load(struct op *op, unsigned store, struct str key, struct str value)
{
    struct aggregate *a = op->state;
    if (a->closing != CLOSING_NOTHING) {
        wbuf_reset(&a->closing_at);
        wbuf_str(&a->closing_at, key);
    }
    switch (store % OP_STORES) {
    case STORE_GROUPS:
        return agg_load_group(op, key, value);
    case STORE_COUNTS:
        return agg_load_count(op, key, value);
    default:
        return 0; /* STORE_CLOSED was read when the job started */
    }
}

void aggregate_loaded(struct op *op, const struct need *n)
{
    struct aggregate *a = op->state;
    if (a->closing != CLOSING_NOTHING)
        a->closing_more = n->found == n->limit;
    if (n->store % OP_STORES != STORE_COUNTS || a->closing != CLOSING_NOTHING || n->key.len < 2)
        return;
    /* The last aggregate's come last: then the group has all. */
    unsigned last = op->node->naggs;
    while (!is_counted(op, --last))
        ;
    if (be16(n->key.ptr) == last)
        kv_remove(a->partial, (struct str){n->key.ptr + 2, n->key.len - 2});
}

/* ---- Closing. */

static void put_place(struct wbuf *out, int64_t place)
{
    struct value v = {.type = TYPE(T_BIGINT), .i = place};
    key_encode_value(&v, out);
}

/* What a state key begins with: its window's start, or end; INT64_MAX if it has none. */
static int64_t place_of(struct op *op, struct str key)
{
    struct aggregate *a = op->state;
    struct value v;
    return key_decode(&key, TYPE(T_BIGINT), &v, &a->scratch) || v.null ? INT64_MAX : v.i;
}

/* The first key that may have to be closed. */
static void begin_range(struct op *op)
{
    struct aggregate *a = op->state;
    wbuf_reset(&a->closing_at);
    if (a->closing == CLOSING_COUNTS)
        wbuf_be16(&a->closing_at, (uint16_t)a->closing_agg);
    if (a->closed_ms != INT64_MIN)
        put_place(&a->closing_at, a->closed_ms);
    a->closing_more = true;
}

static void want_piece(struct op *op, struct needs *w)
{
    struct aggregate *a = op->state;
    uint8_t agg[2];
    put_be16(agg, (uint16_t)a->closing_agg);
    bool counts = a->closing == CLOSING_COUNTS;
    struct str prefix = counts ? (struct str){(const char *)agg, 2} : STR("");
    needs_range(w, op_store(op, counts ? STORE_COUNTS : STORE_GROUPS), prefix, wbuf_view(&a->closing_at), true, PIECE);
}

/* Groups in memory of windows that are over and that the piece has reached. */
static void close_reached(struct op *op, struct changes *out)
{
    struct aggregate *a = op->state;
    int64_t reached = a->closing_more ? place_of(op, wbuf_view(&a->closing_at)) : INT64_MAX;
    int64_t until = MIN(agg_closed_until(op), reached);
    struct pane *p;
    for (size_t i = 0; (p = map_next(&a->panes, &i)) != NULL;) {
        if ((a->by_end ? p->span.end : p->span.start) > until)
            continue;
        agg_close_pane(op, p, out);
        a->closed_some = true;
        i = 0;
    }
    a->closing_more &= reached <= agg_closed_until(op);
}

struct burial {
    struct op *op;
    struct changes *out;
    struct needs keys;
    int64_t until;
};

static int bury_cb(void *arg, struct str key, struct str value)
{
    (void)value;
    struct burial *b = arg;
    if (place_of(b->op, (struct str){key.ptr + 2, key.len - 2}) > b->until)
        return 1;
    changes_put(b->out, op_store(b->op, STORE_COUNTS), key, STR_NULL);
    needs_key(&b->keys, 0, key);
    return 0;
}

/* Counts of windows that are over go without a look at their groups. */
static void bury_counts(struct op *op, struct changes *out)
{
    struct aggregate *a = op->state;
    uint8_t agg[2];
    struct burial b = {.op = op, .out = out, .until = agg_closed_until(op)};
    put_be16(agg, (uint16_t)a->closing_agg);
    needs_init(&b.keys);
    store_scan(a->counts, (struct str){(const char *)agg, 2}, bury_cb, &b);
    for (size_t i = 0; i < b.keys.n; i++)
        store_remove(a->counts, b.keys.v[i].key);
    needs_fini(&b.keys);
    struct str at = wbuf_view(&a->closing_at);
    a->closing_more &= at.len >= 2 && place_of(op, (struct str){at.ptr + 2, at.len - 2}) <= b.until;
}

static bool next_counted(struct op *op, unsigned from)
{
    struct aggregate *a = op->state;
    for (a->closing_agg = from; a->closing_agg < op->node->naggs; a->closing_agg++)
        if (is_counted(op, a->closing_agg))
            return true;
    return false;
}

/* All pieces of one range have been closed: on to the next. */
static void range_over(struct op *op)
{
    struct aggregate *a = op->state;
    unsigned from = a->closing == CLOSING_GROUPS ? 0 : a->closing_agg + 1;
    a->closing = CLOSING_NOTHING;
    if (a->counted && !store_whole(a->counts) && next_counted(op, from)) {
        a->closing = CLOSING_COUNTS;
        begin_range(op);
        return;
    }
    a->closed_ms = agg_closed_until(op);
}

/* Whether the total has been given already. */
static void want_total(struct op *op, struct needs *w)
{
    struct aggregate *a = op->state;
    struct group_key key = agg_total_key(a);
    struct pane *p = agg_pane_get(op, (struct span){0, 0});
    if (!a->due || !a->cold || (p && groups_find(&p->groups, &key)))
        return;
    needs_key(w, op_store(op, STORE_GROUPS), key.bytes);
    if (a->counted)
        want_counts(op, key.bytes, w);
}

void aggregate_prepare(struct op *op, bool first, struct changes *out, struct needs *w)
{
    struct aggregate *a = op->state;
    if (first) {
        want_total(op, w);
        bool due = a->cold && a->windowed && op->node->phase != AGG_PARTIAL && agg_closed_until(op) > a->closed_ms;
        if (!due)
            return;
        agg_mark_panes(op, out); /* what changed is said before it is closed */
        a->closing = CLOSING_GROUPS;
        begin_range(op);
    } else if (a->closing == CLOSING_GROUPS) {
        close_reached(op, out);
    } else if (a->closing == CLOSING_COUNTS) {
        bury_counts(op, out);
    }
    if (a->closing != CLOSING_NOTHING && !a->closing_more)
        range_over(op);
    arena_reset(&a->scratch);
    emitter_flush(&a->out);
    if (a->closing != CLOSING_NOTHING)
        want_piece(op, w);
}

/* ---- Dropping. */

static bool drop_group(struct op *op, struct pane *p, struct group *g)
{
    struct aggregate *a = op->state;
    if (!group_settled(g) || clock_dirty(a->clock, group_epoch(g)))
        return false;
    if (!group_passed_over(g)) {
        group_pass_over(g);
        return false;
    }
    wbuf_reset(&a->key);
    agg_state_key(a, op, p, g, &a->key);
    bool clean = true;
    for (unsigned i = 0; a->counted && i < op->node->naggs; i++) {
        if (!is_counted(op, i))
            continue;
        wbuf_reset(&a->value);
        wbuf_be16(&a->value, (uint16_t)i);
        wbuf_str(&a->value, wbuf_view(&a->key));
        clean &= store_drop_clean(a->counts, wbuf_view(&a->value));
    }
    CHECK(clean); /* counts change with their group */
    kv_remove(a->partial, wbuf_view(&a->key));
    agg_group_clear(a, op->node, g);
    groups_evict(&p->groups, g);
    a->ngroups--;
    a->cold = true;
    return true;
}

bool aggregate_evict(struct op *op, size_t steps)
{
    struct aggregate *a = op->state;
    if (op->node->phase == AGG_PARTIAL || !a->clock || !a->clock->cold)
        return true;
    while (steps) {
        size_t at = a->hand_pane;
        struct pane *p = map_next(&a->panes, &at);
        if (!p) {
            a->hand_pane = a->hand_slot = 0;
            return true;
        }
        for (; steps && a->hand_slot < p->groups.cap; steps--) {
            groups_prefetch_at(&p->groups, a->hand_slot + AHEAD);
            struct group *g = groups_at(&p->groups, a->hand_slot);
            if (!g || !drop_group(op, p, g))
                a->hand_slot++;
        }
        if (a->hand_slot < p->groups.cap)
            break;
        a->hand_slot = 0;
        if (!p->groups.len && !p->ndirty)
            agg_pane_drop(op, p); /* others may have moved: the sweep goes on from where it is */
        else
            a->hand_pane = at;
        steps -= steps > 0;
    }
    return false;
}

void aggregate_tidy(struct op *op, size_t steps)
{
    struct aggregate *a = op->state;
    graves_tidy(a->graves, steps);
    store_tidy(a->counts, steps);
}
