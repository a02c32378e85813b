#include "engine/expr/nested.h"

/* TRANSFORM, FILTER and REDUCE. The elements of all rows go through the lambda together, in batches of a bounded number;
 * REDUCE takes the first elements of all rows, then the second ones, and so on. */

struct walk {
    struct call *c;
    const struct lambdas *ls;
    struct batch *b[2];     /* one a lambda */
    uint32_t *rows;         /* of each element, its row */
    struct str *raw;        /* and its key bytes; of a MAP's entry key and value */
    uint32_t row;           /* whose result is being made; UINT32_MAX: none's */
    struct wbuf out;
    struct map_entry *entries; /* TRANSFORM of a MAP */
    unsigned nentries, entries_cap;
    void (*take_cb)(struct walk *w, uint32_t e, struct batch *results);
};

static void close_row(struct walk *w)
{
    if (w->row != UINT32_MAX && w->entries)
        nested_put_map(w->entries, w->nentries, &w->out);
    if (w->row != UINT32_MAX && vec_valid(w->c->out, w->row))
        out_parts(w->c, w->row, &w->out);
    w->nentries = 0;
    wbuf_reset(&w->out);
}

/* Runs the lambdas over what was gathered, and hands on element by element. */
static void run(struct walk *w)
{
    struct batch results[2];
    struct vec out[2];
    if (!w->b[0] || !w->b[0]->n)
        return;
    for (unsigned i = 0; i < w->ls->n; i++) {
        lambda_run(w->c, &w->ls->of[i], w->b[i], w->rows, &out[i]);
        results[i] = *w->b[i];
        results[i].cols = &out[i];
    }
    for (uint32_t e = 0; e < w->b[0]->n; e++) {
        if (w->rows[e] != w->row) {
            close_row(w);
            w->row = w->rows[e];
        }
        w->take_cb(w, e, results);
    }
    w->b[0] = NULL;
}

static void begin(struct walk *w)
{
    for (unsigned i = 0; i < w->ls->n; i++)
        w->b[i] = lambda_batch(w->c, &w->ls->of[i], ENGINE_BATCH_ROWS);
    w->rows = ARENA_ARRAY(w->c->arena, uint32_t, ENGINE_BATCH_ROWS);
    w->raw = ARENA_ARRAY(w->c->arena, struct str, ENGINE_BATCH_ROWS);
}

static void add_element(struct walk *w, uint32_t r, const struct value *params, unsigned n, struct str raw)
{
    if (!w->b[0])
        begin(w);
    uint32_t at = w->b[0]->n;
    for (unsigned i = 0; i < w->ls->n; i++) {
        lambda_add(w->c, &w->ls->of[i], w->b[i], r, ENGINE_BATCH_ROWS);
        for (unsigned k = 0; k < n; k++)
            batch_set_value(w->b[i], k, at, &params[k], ENGINE_BATCH_ROWS);
    }
    w->rows[at] = r;
    w->raw[at] = raw;
    if (w->b[0]->n == ENGINE_BATCH_ROWS)
        run(w);
}

static void walk_rows(struct call *c, void (*take_cb)(struct walk *w, uint32_t e, struct batch *results))
{
    struct walk w = {.c = c, .ls = c->aux, .row = UINT32_MAX, .take_cb = take_cb};
    bool map = c->args[0]->type.id == T_MAP;
    wbuf_init(&w.out);
    ROWS (c, r) {
        if (arg_null(c, 0, r)) {
            call_null(c, r);
            continue;
        }
        out_str(c, r, STR("")); /* without elements it stays so */
        struct nested n = arg_nested(c, 0, r);
        struct value params[2];
        const char *start = (const char *)n.r.ptr;
        while (nested_next(&n, &params[0], c->arena) && (!map || nested_next(&n, &params[1], c->arena))) {
            const char *end = (const char *)n.r.ptr;
            add_element(&w, r, params, map ? 2 : 1, (struct str){start, (size_t)(end - start)});
            start = end;
        }
    }
    run(&w);
    close_row(&w);
    wbuf_fini(&w.out);
    xfree(w.entries);
}

static void take_result(struct walk *w, uint32_t e, struct batch *results)
{
    struct value v = batch_value(&results[0], 0, e);
    key_encode_value(&v, &w->out);
}

static void take_if(struct walk *w, uint32_t e, struct batch *results)
{
    struct value v = batch_value(&results[0], 0, e);
    if (!v.null && v.b)
        wbuf_str(&w->out, w->raw[e]);
}

static void take_entry(struct walk *w, uint32_t e, struct batch *results)
{
    struct value key = batch_value(&results[0], 0, e), v = batch_value(&results[1], 0, e);
    struct wbuf part;
    if (key.null) {
        if (vec_valid(w->c->out, w->row))
            call_fail(w->c, w->row, "a key of a MAP is NULL");
        return;
    }
    wbuf_init(&part);
    key_encode_value(&v, &part);
    VEC_PUSH(w->entries, w->nentries, w->entries_cap) =
        (struct map_entry){.key = arena_dup(w->c->arena, key.s), .value = arena_dup(w->c->arena, wbuf_view(&part))};
    wbuf_fini(&part);
}

KERNEL(lambda_transform) { walk_rows(c, take_result); }
KERNEL(lambda_transform_map) { walk_rows(c, take_entry); }
KERNEL(lambda_filter) { walk_rows(c, take_if); }

/* ---- REDUCE */

struct reduction { /* of a row */
    uint32_t row;
    struct nested n;
    struct value state;
};

static struct value keep(struct value v, struct arena *a)
{
    if (!v.null && type_is_text(v.type))
        v.s = arena_dup(a, v.s.ptr ? v.s : STR(""));
    return v;
}

static void put_state(struct call *c, const struct reduction *rd)
{
    if (rd->state.null)
        call_null(c, rd->row);
    else
        out_value(c, rd->row, &rd->state);
}

/* One element further in all rows that have one; the others are done and leave. Gives how many are left. */
static uint32_t reduce_step(struct call *c, struct reduction *rows, uint32_t n, struct arena *a)
{
    const struct lambda *l = &((const struct lambdas *)c->aux)->of[0];
    struct call inner = *c;
    inner.arena = a;
    struct batch *b = lambda_batch(&inner, l, n);
    uint32_t *numbers = ARENA_ARRAY(a, uint32_t, n), left = 0;
    bool map = rows[0].n.type.id == T_MAP;
    for (uint32_t i = 0; i < n; i++) {
        struct value part[2];
        if (!nested_next(&rows[i].n, &part[0], a) || (map && !nested_next(&rows[i].n, &part[1], a))) {
            put_state(c, &rows[i]);
            continue;
        }
        uint32_t e = lambda_add(&inner, l, b, rows[i].row, n);
        batch_set_value(b, 0, e, &rows[i].state, n);
        for (unsigned k = 0; k < 1u + map; k++)
            batch_set_value(b, 1 + k, e, &part[k], n);
        numbers[e] = rows[i].row;
        rows[left++] = rows[i];
    }
    if (!left)
        return 0;
    struct vec out;
    lambda_run(&inner, l, b, numbers, &out);
    b->cols = &out;
    for (uint32_t i = 0; i < left; i++)
        rows[i].state = keep(batch_value(b, 0, i), a);
    return left;
}

KERNEL(lambda_reduce)
{
    struct reduction *rows = ARENA_ARRAY(c->arena, struct reduction, c->nsel + 1u);
    uint32_t n = 0;
    ROWS (c, r) {
        struct reduction rd = {.row = r, .state = arg_value(c, 1, r)};
        rd.state.type = c->out->type;
        if (arg_null(c, 0, r)) {
            put_state(c, &rd);
            continue;
        }
        rd.n = arg_nested(c, 0, r);
        rows[n++] = rd;
    }
    struct arena turns[2]; /* states live in one while those of the next step are made in the other */
    arena_init(&turns[0]);
    arena_init(&turns[1]);
    for (unsigned turn = 0; n; turn ^= 1) {
        arena_reset(&turns[turn]);
        n = reduce_step(c, rows, n, &turns[turn]);
    }
    arena_fini(&turns[0]);
    arena_fini(&turns[1]);
}
