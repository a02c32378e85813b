/* The algebra's nodes: making, deriving what is known of their rows, copying, and expressions over column ids. */
#include "sql/bind/tree.h"

#define KEYS_MAX 4 /* unique keys that are remembered of a node */

/* ---- Columns and lists of them */

unsigned column_add(struct columns *cs, struct tree_column c)
{
    if (cs->n == cs->cap) {
        struct tree_column *more = ARENA_ARRAY(cs->arena, struct tree_column, cs->cap = MAX(cs->cap * 2, 32u));
        if (cs->n)
            memcpy(more, cs->items, cs->n * sizeof *more);
        cs->items = more;
    }
    cs->items[cs->n] = c;
    return cs->n++;
}

bool ids_have(const struct ids *ids, unsigned id)
{
    unsigned i = 0;
    while (i < ids->n && ids->id[i] != id)
        i++;
    return i < ids->n;
}

static bool ids_within(const struct ids *part, const struct ids *whole)
{
    bool within = true;
    for (unsigned i = 0; i < part->n && within; i++)
        within = ids_have(whole, part->id[i]);
    return within;
}

struct ids ids_of(struct arena *a, const unsigned *id, unsigned n)
{
    struct ids ids = {n, ARENA_ARRAY(a, unsigned, n + 1)};
    for (unsigned i = 0; i < n; i++)
        ids.id[i] = id[i];
    return ids;
}

struct ids ids_join(struct arena *a, struct ids x, struct ids y)
{
    struct ids ids = {x.n + y.n, ARENA_ARRAY(a, unsigned, x.n + y.n + 1)};
    for (unsigned i = 0; i < ids.n; i++)
        ids.id[i] = i < x.n ? x.id[i] : y.id[i - x.n];
    return ids;
}

void ids_add(struct arena *a, struct ids *ids, unsigned id)
{
    if (!ids_have(ids, id))
        *ids = ids_join(a, *ids, (struct ids){1, &id});
}

bool tree_has(const struct tree *t, unsigned id) { return ids_have(&t->out, id); }

bool tree_unique_in(const struct tree *t, const struct ids *ids)
{
    bool unique = false;
    for (unsigned i = 0; i < t->nkeys && !unique; i++)
        unique = ids_within(&t->keys[i], ids);
    return unique;
}

/* ---- Expressions */

const struct expr *expr_of_id(const struct columns *cs, unsigned id)
{
    struct expr *e = &ARENA_NEW(cs->arena, struct placed)->e;
    e->kind = EX_COLUMN;
    e->type = cs->items[id].type;
    e->column = id;
    return e;
}

bool expr_reads(const struct expr *e, unsigned id)
{
    bool reads = e->kind == EX_COLUMN && e->column == id;
    for (unsigned i = 0; i < e->nargs && !reads; i++)
        reads = expr_reads(e->args[i], id);
    return reads;
}

bool expr_reads_only(const struct expr *e, const struct ids *ids)
{
    bool only = e->kind != EX_COLUMN || ids_have(ids, e->column);
    for (unsigned i = 0; i < e->nargs && only; i++)
        only = expr_reads_only(e->args[i], ids);
    return only;
}

bool expr_reads_any(const struct expr *e, const struct ids *ids)
{
    bool any = e->kind == EX_COLUMN && ids_have(ids, e->column);
    for (unsigned i = 0; i < e->nargs && !any; i++)
        any = expr_reads_any(e->args[i], ids);
    return any;
}

void expr_columns(const struct expr *e, struct ids *out, struct arena *a)
{
    if (e->kind == EX_COLUMN)
        ids_add(a, out, e->column);
    for (unsigned i = 0; i < e->nargs; i++)
        expr_columns(e->args[i], out, a);
}

const struct expr *expr_map_args(const struct expr *e, const struct expr *(*map_cb)(void *arg, const struct expr *e), void *arg,
                                 struct arena *a)
{
    const struct expr **args = e->nargs ? (const struct expr **)ARENA_ARRAY(a, const struct expr *, e->nargs) : NULL;
    bool same = true;
    for (unsigned i = 0; i < e->nargs; i++) {
        args[i] = map_cb(arg, e->args[i]);
        same &= args[i] == e->args[i];
    }
    if (same)
        return e;
    struct expr *copy = &ARENA_NEW(a, struct placed)->e;
    *copy = *e;
    copy->args = args;
    return copy;
}

struct rewriting {
    const struct expr *(*by_cb)(void *arg, unsigned id);
    void *arg;
    struct arena *arena;
};

static const struct expr *rewrite(void *arg, const struct expr *e)
{
    const struct rewriting *rw = arg;
    if (e->kind != EX_COLUMN)
        return expr_map_args(e, rewrite, arg, rw->arena);
    const struct expr *by = rw->by_cb(rw->arg, e->column);
    return by ? by : e;
}

const struct expr *expr_rewrite(const struct expr *e, const struct expr *(*by_cb)(void *arg, unsigned id), void *arg,
                                struct arena *a)
{
    return rewrite(&(struct rewriting){by_cb, arg, a}, e);
}

bool expr_is_volatile(const struct expr *e)
{
    if (e->kind == EX_CALL && func_info(e->func)->is_volatile)
        return true;
    for (unsigned i = 0; i < e->nargs; i++)
        if (expr_is_volatile(e->args[i]))
            return true;
    return false;
}

static unsigned conjuncts(const struct expr *e) { return e->kind == EX_AND ? e->nargs : 1; }

const struct expr *expr_both(const struct expr *x, const struct expr *y, struct arena *a)
{
    if (!x || !y)
        return x ? x : y;
    struct expr *e = &ARENA_NEW(a, struct placed)->e;
    unsigned n = conjuncts(x), m = conjuncts(y);
    const struct expr **args = (const struct expr **)ARENA_ARRAY(a, const struct expr *, n + m);
    for (unsigned i = 0; i < n + m; i++) {
        const struct expr *from = i < n ? x : y;
        args[i] = from->kind == EX_AND ? from->args[i < n ? i : i - n] : from;
    }
    *e = (struct expr){.kind = EX_AND, .type = TYPE(T_BOOLEAN), .nargs = n + m, .args = args};
    return e;
}

/* ---- What is known of a node's rows */

static void add_key(struct tree *t, struct ids key, struct arena *a)
{
    if (!t->keys)
        t->keys = ARENA_ARRAY(a, struct ids, KEYS_MAX);
    for (unsigned i = 0; i < t->nkeys; i++)
        if (ids_within(&t->keys[i], &key))
            return;
    if (t->nkeys < KEYS_MAX)
        t->keys[t->nkeys++] = key;
}

static void take_keys(struct tree *t, const struct tree *from, struct arena *a)
{
    for (unsigned i = 0; i < from->nkeys; i++)
        add_key(t, from->keys[i], a);
}

static void take_bounds(struct tree *t, const struct tree *from)
{
    if (t->bounds || !from->bounds || !tree_has(t, from->start))
        return;
    t->bounds = from->bounds;
    t->start = from->start;
    t->end = tree_has(t, from->end) ? from->end : NO_COLUMN;
}

static void derive_source(struct tree *t, struct arena *a)
{
    struct ids key = {0, NULL};
    bool bounds = t->rel->windowed && t->rel->format.window_bounds;
    unsigned parts = t->rel->format.nkey + t->rel->windowed + bounds;
    t->stream = !t->rel->table;
    for (unsigned i = 0; i < t->out.n; i++) {
        if (t->wants[i].from == WANT_KEY || t->wants[i].from == WANT_WINDOWSTART ||
            (t->wants[i].from == WANT_WINDOWEND && bounds))
            ids_add(a, &key, t->out.id[i]);
        if (t->wants[i].from == WANT_WINDOWSTART)
            t->start = t->out.id[i];
        if (t->wants[i].from == WANT_WINDOWEND)
            t->end = t->out.id[i];
    }
    if (t->rel->table && key.n == parts && parts)
        add_key(t, key, a);
    if (t->start == NO_COLUMN)
        return;
    struct tree_window *w = ARENA_NEW(a, struct tree_window);
    w->size_ms = w->advance_ms = t->rel->format.window_size_ms;
    w->retention_ms = -1;
    t->bounds = w;
}

/* The column that shows an input's column as it is; NO_COLUMN: none. */
static unsigned shown_as(const struct tree *t, unsigned id)
{
    for (unsigned i = 0; i < t->out.n; i++)
        if (t->exprs[i]->kind == EX_COLUMN && t->exprs[i]->column == id)
            return t->out.id[i];
    return NO_COLUMN;
}

static void derive_project(struct tree *t, struct arena *a)
{
    const struct tree *in = t->inputs[0];
    t->stream = in->stream;
    for (unsigned i = 0; i < in->nkeys; i++) {
        struct ids key = ids_of(a, in->keys[i].id, in->keys[i].n);
        bool all = true;
        for (unsigned k = 0; k < key.n; k++) {
            key.id[k] = shown_as(t, key.id[k]);
            all &= key.id[k] != NO_COLUMN;
        }
        if (all)
            add_key(t, key, a);
    }
    if (in->bounds && shown_as(t, in->start) != NO_COLUMN) {
        t->bounds = in->bounds;
        t->start = shown_as(t, in->start);
        t->end = in->end == NO_COLUMN ? NO_COLUMN : shown_as(t, in->end);
    }
}

bool expr_is_equality(const struct expr *e)
{
    return e->kind == EX_CALL && e->nargs == 2 && strcmp(func_info(e->func)->name, "=") == 0;
}

static void add_equated(const struct expr *e, const struct expr *by, const struct tree *side, const struct tree *other,
                        struct ids *out, struct arena *a)
{
    if (e->kind == EX_COLUMN && tree_has(side, e->column) && expr_reads_only(by, &other->out))
        ids_add(a, out, e->column);
}

/* Columns of one side that the condition says are equal to something of the other side: for a row of that, one value. */
static void equated(const struct expr *on, const struct tree *side, const struct tree *other, struct ids *out,
                    struct arena *a)
{
    if (on->kind == EX_AND)
        for (unsigned i = 0; i < on->nargs; i++)
            equated(on->args[i], side, other, out, a);
    for (unsigned i = 0; expr_is_equality(on) && i < 2; i++)
        add_equated(on->args[i], on->args[1 - i], side, other, out, a);
}

struct ids join_equated(const struct tree *t, struct arena *a)
{
    struct ids ids = {0, NULL};
    if (t->on)
        equated(t->on, t->inputs[1], t->inputs[0], &ids, a);
    return ids;
}

static void derive_join(struct tree *t, struct arena *a)
{
    const struct tree *l = t->inputs[0], *r = t->inputs[1];
    bool one_sided = t->join == JOIN_SEMI || t->join == JOIN_ANTI;
    struct ids lids = {0, NULL}, rids = {0, NULL};
    t->out = one_sided ? l->out : ids_join(a, l->out, r->out);
    t->stream = t->meet == MEET_STATE ? t->join == JOIN_INNER && l->stream && r->stream : l->stream;
    take_bounds(t, t->join == JOIN_RIGHT ? r : l);
    if (one_sided) {
        take_keys(t, l, a);
        return;
    }
    if (t->on) {
        equated(t->on, l, r, &lids, a);
        equated(t->on, r, l, &rids, a);
    }
    for (unsigned i = 0; i < t->njoin; i++) {
        add_equated(t->left_keys[i], t->right_keys[i], l, r, &lids, a);
        add_equated(t->right_keys[i], t->left_keys[i], r, l, &rids, a);
    }
    if (tree_unique_in(r, &rids) && (t->join == JOIN_INNER || t->join == JOIN_LEFT))
        take_keys(t, l, a);
    if (tree_unique_in(l, &lids) && (t->join == JOIN_INNER || t->join == JOIN_RIGHT))
        take_keys(t, r, a);
    if (l->nkeys && r->nkeys)
        add_key(t, ids_join(a, l->keys[0], r->keys[0]), a);
}

static void derive_aggregate(struct tree *t, struct arena *a)
{
    const struct tree *in = t->inputs[0];
    unsigned *id = ARENA_ARRAY(a, unsigned, t->naggs + 1);
    for (unsigned i = 0; i < t->naggs; i++)
        id[i] = t->aggs[i].id;
    t->out = ids_join(a, t->groups, (struct ids){t->naggs, id});
    add_key(t, t->groups, a);
    take_bounds(t, in);
    t->stream = t->appends && in->stream;
    if (!t->appends || !t->bounds)
        return;
    struct tree_window *w = ARENA_NEW(a, struct tree_window);
    *w = *t->bounds; /* what has waited once need not wait again */
    w->grace_ms = 0;
    t->bounds = w->kind == WINDOW_SESSION ? NULL : w; /* a session that is over is no session that grows */
}

static void derive_window(struct tree *t, struct arena *a)
{
    const struct tree *in = t->inputs[0];
    unsigned n = t->window_ids[2] == NO_COLUMN ? 2 : 3;
    t->out = ids_join(a, in->out, (struct ids){n, t->window_ids});
    t->stream = in->stream;
    t->start = t->window_ids[0];
    t->end = t->window_ids[1];
    t->bounds = t->window;
    for (unsigned i = 0; i < in->nkeys; i++)
        add_key(t, ids_join(a, in->keys[i], (struct ids){1, t->window_ids}), a);
}

static void derive_over(struct tree *t, struct arena *a)
{
    const struct tree *in = t->inputs[0];
    unsigned *id = ARENA_ARRAY(a, unsigned, t->nover + 1);
    for (unsigned i = 0; i < t->nover; i++)
        id[i] = t->overs[i].id;
    t->out = ids_join(a, in->out, (struct ids){t->nover, id});
    take_keys(t, in, a);
    take_bounds(t, in);
}

/* The first row by event time, of rows that only come: it is known once the watermark has passed it, and then for ever. */
static bool is_first_row(const struct tree *t)
{
    return t->rank == RANK_ROW_NUMBER && t->rank_id == NO_COLUMN && t->limit == 1 && !t->offset && t->nsort == 1 &&
           !t->sort[0].descending && t->inputs[0]->stream && tree_event_time(t->inputs[0], t->sort[0].id);
}

static void derive_topn(struct tree *t, struct arena *a)
{
    const struct tree *in = t->inputs[0];
    t->out = t->rank_id == NO_COLUMN ? in->out : ids_join(a, in->out, (struct ids){1, &t->rank_id});
    t->stream = is_first_row(t);
    if (t->limit == 1 && t->rank <= RANK_ROW_NUMBER)
        add_key(t, t->groups, a);
    take_keys(t, in, a);
    if (t->rank == RANK_ROW_NUMBER && t->rank_id != NO_COLUMN)
        add_key(t, ids_join(a, t->groups, (struct ids){1, &t->rank_id}), a);
    take_bounds(t, in);
}

static void derive_expand(struct tree *t, struct arena *a)
{
    const struct tree *in = t->inputs[0];
    t->out = ids_join(a, in->out, t->groups_out);
    ids_add(a, &t->out, t->set_id);
    t->stream = in->stream;
    for (unsigned i = 0; i < in->nkeys; i++)
        add_key(t, ids_join(a, in->keys[i], (struct ids){1, &t->set_id}), a);
    take_bounds(t, in);
}

void tree_derive(struct tree *t, struct arena *a)
{
    struct tree *in = t->inputs[0];
    t->stream = false;
    t->nkeys = 0;
    t->keys = NULL;
    t->start = t->end = NO_COLUMN;
    t->bounds = NULL;
    switch (t->kind) {
    case TREE_SOURCE:
        derive_source(t, a);
        break;
    case TREE_VALUES:
        if (t->nrows <= 1)
            add_key(t, (struct ids){0, NULL}, a);
        break;
    case TREE_FILTER:
        t->out = in->out;
        t->stream = in->stream;
        take_keys(t, in, a);
        take_bounds(t, in);
        break;
    case TREE_PROJECT:
        derive_project(t, a);
        break;
    case TREE_JOIN:
        derive_join(t, a);
        break;
    case TREE_AGGREGATE:
        derive_aggregate(t, a);
        break;
    case TREE_EXPAND:
        derive_expand(t, a);
        break;
    case TREE_WINDOW:
        derive_window(t, a);
        break;
    case TREE_OVER:
        derive_over(t, a);
        break;
    case TREE_UNION:
        t->stream = in->stream && t->inputs[1]->stream;
        break;
    case TREE_TOPN:
        derive_topn(t, a);
        break;
    case TREE_UNNEST:
        t->out = ids_join(a, in->out, (struct ids){t->nmade, t->out.id + t->out.n - t->nmade});
        t->stream = in->stream;
        take_bounds(t, in);
        break;
    }
}

/* ---- Making */

struct tree *tree_new(struct arena *a, enum tree_kind kind, struct tree *left, struct tree *right)
{
    struct tree *t = ARENA_NEW(a, struct tree);
    t->kind = kind;
    t->ninputs = (left != NULL) + (right != NULL);
    t->inputs[0] = left;
    t->inputs[1] = right;
    t->limit = -1;
    t->start = t->end = t->set_id = t->rank_id = NO_COLUMN;
    for (unsigned i = 0; i < 3; i++)
        t->window_ids[i] = NO_COLUMN;
    return t;
}

struct tree *tree_filter(struct arena *a, struct tree *in, const struct expr *predicate)
{
    struct tree *t = tree_new(a, TREE_FILTER, in, NULL);
    t->predicate = predicate;
    tree_derive(t, a);
    return t;
}

struct tree *tree_project(struct arena *a, struct tree *in, struct ids ids, const struct expr **exprs)
{
    struct tree *t = tree_new(a, TREE_PROJECT, in, NULL);
    t->out = ids;
    t->exprs = exprs;
    tree_derive(t, a);
    return t;
}

struct tree *tree_keep(struct arena *a, const struct columns *cs, struct tree *in, struct ids ids)
{
    const struct expr **exprs = ARENA_ARRAY(a, const struct expr *, ids.n + 1);
    for (unsigned i = 0; i < ids.n; i++)
        exprs[i] = expr_of_id(cs, ids.id[i]);
    return tree_project(a, in, ids, exprs);
}

struct tree *tree_add(struct arena *a, const struct columns *cs, struct tree *in, struct ids ids,
                      const struct expr **exprs)
{
    struct ids all = ids_join(a, in->out, ids);
    const struct expr **both = ARENA_ARRAY(a, const struct expr *, all.n + 1);
    for (unsigned i = 0; i < all.n; i++)
        both[i] = i < in->out.n ? expr_of_id(cs, all.id[i]) : exprs[i - in->out.n];
    return tree_project(a, in, all, both);
}

struct tree *tree_join(struct arena *a, enum join_kind kind, struct tree *left, struct tree *right,
                       const struct expr *on)
{
    struct tree *t = tree_new(a, TREE_JOIN, left, right);
    t->join = kind;
    t->on = on;
    tree_derive(t, a);
    return t;
}

/* ---- Every expression of a node */

static void use(const struct expr **e, const struct expr *(*use_cb)(void *arg, const struct expr *e), void *arg)
{
    if (*e)
        *e = use_cb(arg, *e);
}

static void use_agg(struct agg *a, const struct expr *(*use_cb)(void *arg, const struct expr *e), void *arg)
{
    use(&a->arg, use_cb, arg);
    use(&a->arg2, use_cb, arg);
    use(&a->filter, use_cb, arg);
}

void tree_each_expr(struct tree *t, const struct expr *(*use_cb)(void *arg, const struct expr *e), void *arg)
{
    use(&t->predicate, use_cb, arg);
    for (unsigned i = 0; t->kind == TREE_VALUES && i < t->nrows * t->out.n; i++)
        use(&t->rows[i], use_cb, arg);
    for (unsigned i = 0; t->kind == TREE_PROJECT && i < t->out.n; i++)
        use(&t->exprs[i], use_cb, arg);
    use(&t->on, use_cb, arg);
    for (unsigned i = 0; i < t->njoin; i++) {
        use(&t->left_keys[i], use_cb, arg);
        use(&t->right_keys[i], use_cb, arg);
    }
    use(&t->residual, use_cb, arg);
    if (t->window && t->window->time)
        use(&t->window->time, use_cb, arg);
    use(&t->left_time, use_cb, arg);
    use(&t->right_time, use_cb, arg);
    use(&t->as_of, use_cb, arg);
    for (unsigned i = 0; i < t->naggs; i++)
        use_agg(&t->aggs[i].agg, use_cb, arg);
    for (unsigned i = 0; i < t->nover; i++) {
        use_agg(&t->overs[i].agg, use_cb, arg);
        use(&t->overs[i].arg, use_cb, arg);
        use(&t->overs[i].fallback, use_cb, arg);
    }
    for (unsigned i = 0; i < t->nargs; i++)
        use(&t->args[i], use_cb, arg);
}

/* ---- NULLs */

bool tree_never_null(const struct tree *t, unsigned id)
{
    for (unsigned i = 0; t->kind == TREE_SOURCE && i < t->out.n; i++)
        if (t->out.id[i] == id)
            return (t->rel->table && t->wants[i].from == WANT_KEY) || t->wants[i].from >= WANT_ROWTIME;
    for (unsigned i = 0; t->kind == TREE_AGGREGATE && i < t->naggs; i++)
        if (t->aggs[i].id == id)
            return t->aggs[i].agg.kind == AGG_COUNT || t->aggs[i].agg.kind == AGG_COUNT_STAR;
    for (unsigned i = 0; t->kind == TREE_PROJECT && i < t->out.n; i++)
        if (t->out.id[i] == id)
            return t->exprs[i]->kind == EX_COLUMN ? tree_never_null(t->inputs[0], t->exprs[i]->column)
                                                  : t->exprs[i]->kind == EX_CONST && !t->exprs[i]->value.null;
    if (t->kind == TREE_WINDOW && (t->window_ids[0] == id || t->window_ids[1] == id))
        return true;
    if (t->kind == TREE_JOIN) {
        bool right = !tree_has(t->inputs[0], id);
        bool kept = right ? t->join == JOIN_INNER || t->join == JOIN_RIGHT : t->join != JOIN_RIGHT && t->join != JOIN_FULL;
        return kept && tree_never_null(t->inputs[right], id);
    }
    if (t->kind == TREE_FILTER) {
        const struct expr *p = t->predicate;
        unsigned n = p->kind == EX_AND ? p->nargs : 1;
        for (unsigned i = 0; i < n; i++) {
            const struct expr *one = p->kind == EX_AND ? p->args[i] : p;
            if (one->kind == EX_NOT && one->args[0]->kind == EX_IS_NULL && one->args[0]->args[0]->kind == EX_COLUMN &&
                one->args[0]->args[0]->column == id)
                return true;
        }
    }
    return t->ninputs == 1 && tree_has(t->inputs[0], id) && tree_never_null(t->inputs[0], id);
}

/* ---- What a tree reads of others */

struct reading {
    struct arena *a;
    struct ids read;
};

static const struct expr *note_read(void *arg, const struct expr *e)
{
    struct reading *rd = arg;
    expr_columns(e, &rd->read, rd->a);
    return e;
}

static void collect(const struct tree *t, struct reading *rd, struct ids *made)
{
    tree_each_expr((struct tree *)t, note_read, rd); /* changes nothing */
    for (unsigned i = 0; i < t->out.n; i++)
        ids_add(rd->a, made, t->out.id[i]);
    for (unsigned i = 0; i < t->ninputs; i++)
        collect(t->inputs[i], rd, made);
}

struct ids tree_free(const struct tree *t, struct arena *a)
{
    struct reading rd = {a, {0, NULL}};
    struct ids made = {0, NULL}, free = {0, NULL};
    collect(t, &rd, &made);
    for (unsigned i = 0; i < rd.read.n; i++)
        if (!ids_have(&made, rd.read.id[i]))
            ids_add(a, &free, rd.read.id[i]);
    return free;
}

/* ---- Copies */

struct copying {
    struct columns *cs;
    unsigned *map; /* as long as the columns were before; NO_COLUMN: not made in what is copied */
};

static unsigned copied_id(const struct copying *c, unsigned id)
{
    return id == NO_COLUMN || c->map[id] == NO_COLUMN ? id : c->map[id];
}

static struct ids copied_ids(const struct copying *c, struct ids ids)
{
    struct ids copy = ids_of(c->cs->arena, ids.id, ids.n);
    for (unsigned i = 0; i < copy.n; i++)
        copy.id[i] = copied_id(c, copy.id[i]);
    return copy;
}

static const struct expr *copied_column(void *arg, unsigned id)
{
    const struct copying *c = arg;
    return c->map[id] == NO_COLUMN ? NULL : expr_of_id(c->cs, c->map[id]);
}

static const struct expr *copied_expr(void *arg, const struct expr *e)
{
    return expr_rewrite(e, copied_column, arg, ((struct copying *)arg)->cs->arena);
}

#define COPY_ARRAY(a, to, n)                                                                                           \
    do {                                                                                                               \
        size_t n_ = (n);                                                                                               \
        void *copy_ = arena_alloc((a), (n_ + 1) * sizeof *(to));                                                       \
        if (n_ > 0)                                                                                                    \
            memcpy(copy_, (to), n_ * sizeof *(to));                                                                    \
        (to) = copy_;                                                                                                  \
    } while (0)

static struct tree *copy_node(const struct tree *t, struct copying *c)
{
    struct arena *a = c->cs->arena;
    struct tree *n = ARENA_NEW(a, struct tree);
    *n = *t;
    for (unsigned i = 0; i < t->ninputs; i++)
        n->inputs[i] = copy_node(t->inputs[i], c);
    n->out = copied_ids(c, t->out);
    n->groups = copied_ids(c, t->groups);
    n->groups_out = copied_ids(c, t->groups_out);
    n->from[0] = copied_ids(c, t->from[0]);
    n->from[1] = copied_ids(c, t->from[1]);
    n->set_id = copied_id(c, t->set_id);
    n->rank_id = copied_id(c, t->rank_id);
    for (unsigned i = 0; i < 3; i++)
        n->window_ids[i] = copied_id(c, t->window_ids[i]);
    if (t->kind == TREE_SOURCE)
        COPY_ARRAY(a, n->wants, t->out.n);
    if (t->kind == TREE_PROJECT)
        COPY_ARRAY(a, n->exprs, t->out.n);
    if (t->kind == TREE_VALUES)
        COPY_ARRAY(a, n->rows, t->nrows * t->out.n);
    if (t->window)
        COPY_ARRAY(a, n->window, 1);
    COPY_ARRAY(a, n->left_keys, t->njoin);
    COPY_ARRAY(a, n->right_keys, t->njoin);
    COPY_ARRAY(a, n->aggs, t->naggs);
    COPY_ARRAY(a, n->sort, t->nsort);
    COPY_ARRAY(a, n->overs, t->nover);
    COPY_ARRAY(a, n->args, t->nargs);
    for (unsigned i = 0; i < t->naggs; i++)
        n->aggs[i].id = copied_id(c, n->aggs[i].id);
    for (unsigned i = 0; i < t->nsort; i++)
        n->sort[i].id = copied_id(c, n->sort[i].id);
    for (unsigned i = 0; i < t->nover; i++)
        n->overs[i].id = copied_id(c, n->overs[i].id);
    tree_each_expr(n, copied_expr, c);
    tree_derive(n, a);
    return n;
}

struct tree *tree_copy(const struct tree *t, struct columns *cs, unsigned *map)
{
    struct reading rd = {cs->arena, {0, NULL}};
    struct ids made = {0, NULL};
    struct copying c = {cs, map};
    for (unsigned i = 0; i < cs->n; i++)
        map[i] = NO_COLUMN;
    collect(t, &rd, &made);
    for (unsigned i = 0; i < made.n; i++)
        map[made.id[i]] = column_add(cs, cs->items[made.id[i]]);
    return copy_node(t, &c);
}
