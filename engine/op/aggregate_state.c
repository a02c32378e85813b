#include "engine/op/aggregate.h"

/* What GROUP BY remembers across restarts: groups, the counts behind MIN and MAX, and what has closed. Layout:
 * engine/README.md, "Operators". */

/* The group's key in the changelog: first what says when its window closes, so that what closes together lies together. */
static void put_key(const struct aggregate *a, const struct op *op, struct span span, uint32_t len, int64_t number,
                    struct str bytes, struct wbuf *out)
{
    if (a->windowed) {
        struct value v = {.type = TYPE(T_BIGINT), .i = a->by_end ? span.end : span.start};
        key_encode_value(&v, out);
        v.i = span.start;
        if (a->by_end)
            key_encode_value(&v, out);
    }
    if (a->how == KEY_ENCODED) {
        wbuf_str(out, bytes);
        return;
    }
    struct value v = {.type = op->node->out.cols[0].type, .null = len == GROUP_NULL_KEY};
    if (a->how == KEY_TEXT && !v.null)
        v.s = bytes;
    else if (v.type.id == T_BOOLEAN)
        v.b = number;
    else
        v.i = number;
    key_encode_value(&v, out);
}

void agg_state_key(const struct aggregate *a, const struct op *op, const struct pane *p, const struct group *g,
                   struct wbuf *out)
{
    bool number = a->how == KEY_NUMBER || g->key_len == GROUP_NULL_KEY;
    put_key(a, op, p->span, g->key_len, number ? g->key.number : 0, number ? STR("") : group_bytes(g), out);
}

void agg_cold_key(const struct aggregate *a, const struct op *op, struct span span, const struct group_key *key, struct wbuf *out)
{
    put_key(a, op, span, key->len, key->number, key->bytes, out);
}

void agg_save_group(struct op *op, const struct pane *p, const struct group *g, struct changes *out)
{
    struct aggregate *a = op->state;
    wbuf_reset(&a->key);
    wbuf_reset(&a->value);
    agg_state_key(a, op, p, g, &a->key);
    bool kept = g->rows != 0 || agg_is_total(op, g);
    if (kept) {
        wbuf_u8(&a->value, OP_LAYOUT);
        wbuf_varint(&a->value, g->rows);
        wbuf_be64(&a->value, (uint64_t)g->ts);
        for (unsigned i = 0; i < op->node->naggs; i++)
            acc_save(&a->accs[i], g, &a->value);
    }
    changes_put(out, op_store(op, STORE_GROUPS), wbuf_view(&a->key), kept ? wbuf_view(&a->value) : STR_NULL);
}

void agg_save_count(struct op *op, struct str key, struct changes *out)
{
    struct aggregate *a = op->state;
    struct str n = store_get(a->counts, key);
    wbuf_reset(&a->value);
    wbuf_u8(&a->value, OP_LAYOUT);
    wbuf_str(&a->value, n);
    changes_put(out, op_store(op, STORE_COUNTS), key, n.ptr ? wbuf_view(&a->value) : STR_NULL);
}

/* ---- Back again. */

/* Takes off what says which window it is. */
static bool take_span(struct op *op, struct str *bytes, struct span *span)
{
    struct aggregate *a = op->state;
    struct value first, start;
    *span = (struct span){0, 0};
    if (!a->windowed)
        return true;
    if (key_decode(bytes, TYPE(T_BIGINT), &first, &a->scratch) || first.null)
        return false;
    if (!a->by_end) {
        *span = (struct span){first.i, time_add(first.i, op->node->window_size_ms)};
        return true;
    }
    if (key_decode(bytes, TYPE(T_BIGINT), &start, &a->scratch) || start.null)
        return false;
    *span = (struct span){start.i, first.i};
    return true;
}

/* Takes a state key apart; the group's key borrows from `bytes` or the arena. */
static int parse_key(struct op *op, struct str bytes, struct span *span, struct group_key *key)
{
    struct aggregate *a = op->state;
    struct value v;
    if (!take_span(op, &bytes, span))
        return E_CORRUPT;
    *key = (struct group_key){.bytes = {bytes.ptr ? bytes.ptr : "", bytes.len}, .len = (uint32_t)bytes.len};
    for (unsigned c = 0; c < a->nkey; c++)
        if (key_decode(&bytes, op->node->out.cols[c].type, &v, &a->scratch))
            return E_CORRUPT;
    if (bytes.len)
        return E_CORRUPT;
    if (a->how == KEY_ENCODED) {
        key->hash = group_hash_bytes(key->bytes);
        return 0;
    }
    *key = (struct group_key){.len = GROUP_NULL_KEY};
    if (a->how == KEY_TEXT && !v.null)
        *key = (struct group_key){.bytes = {v.s.ptr ? v.s.ptr : "", v.s.len},
                                  .len = (uint32_t)v.s.len,
                                  .hash = group_hash_bytes(v.s)};
    else if (a->how == KEY_NUMBER && !v.null)
        *key = (struct group_key){.number = v.type.id == T_BOOLEAN ? v.b : v.i, .len = 8};
    if (a->how == KEY_NUMBER)
        key->hash = group_hash_number(key->number);
    return 0;
}

static bool load_group(struct op *op, struct group *g, struct str value)
{
    struct aggregate *a = op->state;
    struct rbuf r = rbuf_of(value.ptr, value.len);
    if (rbuf_u8(&r) != OP_LAYOUT)
        return false;
    g->rows = rbuf_varint(&r);
    g->ts = (int64_t)rbuf_be64(&r);
    group_settle(g, a->clock ? a->clock->epoch : 0);
    if (!count_possible(g->rows))
        return false;
    for (unsigned i = 0; i < op->node->naggs; i++)
        if (!acc_load(&a->accs[i], g, &r, &a->scratch))
            return false;
    return !r.err && rbuf_left(&r) == 0;
}

static int restore_group(struct op *op, struct str bytes, struct str value)
{
    struct aggregate *a = op->state;
    struct span span;
    struct group_key key;
    if (parse_key(op, bytes, &span, &key))
        return E_CORRUPT;
    struct pane *p = agg_pane_make(op, span);
    struct group *g = groups_put(&p->groups, &key);
    a->ngroups += g->ts == INT64_MIN;
    bool ok = !value.ptr || load_group(op, g, value);
    if (!value.ptr)
        graves_dig(a->graves, bytes);
    else if (a->counted && a->clock && a->clock->cold) /* whether its counts are there will be seen */
        kv_put(a->partial, bytes, STR(""));
    if (!value.ptr || !ok) {
        agg_group_clear(a, op->node, g);
        groups_remove(&p->groups, g);
        a->ngroups--;
        if (!p->groups.len)
            agg_pane_drop(op, p);
    }
    return ok ? 0 : E_CORRUPT;
}

/* Is it (aggregate, group, value), as count_values writes it? */
static bool count_key_fits(struct op *op, struct str key)
{
    struct aggregate *a = op->state;
    if (!a->counted || key.len < 2 || be16(key.ptr) >= op->node->naggs)
        return false;
    unsigned agg = be16(key.ptr);
    struct str rest = {key.ptr + 2, key.len - 2};
    struct value v;
    struct span span;
    bool ok = take_span(op, &rest, &span);
    for (unsigned c = 0; ok && c < a->nkey; c++)
        ok = key_decode(&rest, op->node->out.cols[c].type, &v, &a->scratch) == 0;
    return ok && a->accs[agg].keeps_values && acc_value_fits(&a->accs[agg], rest, &a->scratch);
}

static bool count_fits(struct op *op, struct str key, struct str value)
{
    if (!count_key_fits(op, key))
        return false;
    unsigned n = ((const struct aggregate *)op->state)->accs[be16(key.ptr)].sharing;
    bool ok = !value.ptr || (value.len == 1 + n * 8 && value.ptr[0] == OP_LAYOUT);
    for (unsigned i = 0; ok && value.ptr && i < n; i++)
        ok = count_possible((int64_t)be64(value.ptr + 1 + i * 8));
    return ok;
}

static struct str count_of(struct str value) { return value.ptr ? (struct str){value.ptr + 1, value.len - 1} : STR_NULL; }

static int restore_count(struct op *op, struct str key, struct str value)
{
    struct aggregate *a = op->state;
    if (!count_fits(op, key, value))
        return E_CORRUPT;
    store_restore(a->counts, key, count_of(value));
    return 0;
}

int agg_load_count(struct op *op, struct str key, struct str value)
{
    struct aggregate *a = op->state;
    bool fits = value.ptr && count_fits(op, key, value);
    arena_reset(&a->scratch);
    if (!fits)
        return E_CORRUPT;
    store_load(a->counts, key, count_of(value));
    return 0;
}

/* From the checkpoint: what memory has, or has removed, is newer. */
int agg_load_group(struct op *op, struct str bytes, struct str value)
{
    struct aggregate *a = op->state;
    struct span span;
    struct group_key key;
    int err = parse_key(op, bytes, &span, &key);
    struct pane *p = err ? NULL : agg_pane_make(op, span);
    if (!err && !groups_find(&p->groups, &key) && !graves_has(a->graves, bytes)) {
        struct group *g = groups_put(&p->groups, &key);
        a->ngroups++;
        if (load_group(op, g, value))
            group_settle(g, a->clock->clean);
        else
            err = E_CORRUPT;
        if (err) {
            agg_group_clear(a, op->node, g);
            groups_remove(&p->groups, g);
            a->ngroups--;
        }
    }
    arena_reset(&a->scratch);
    return err;
}

int aggregate_restore(struct op *op, unsigned store, struct str key, struct str value)
{
    struct aggregate *a = op->state;
    int err = E_CORRUPT;
    switch (store % OP_STORES) {
    case STORE_GROUPS:
        err = restore_group(op, key, value);
        break;
    case STORE_COUNTS:
        err = restore_count(op, key, value);
        break;
    case STORE_CLOSED:
        if (value.len == 9 && value.ptr[0] == OP_LAYOUT && key.len == 0) {
            a->wm_ms = (int64_t)be64(value.ptr + 1);
            a->closed_ms = agg_closed_until(op);
            err = 0;
        }
    }
    arena_reset(&a->scratch);
    return err;
}
