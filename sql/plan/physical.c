/* Lowering: which of the engine's operators compute a tree, over edges of which mode, and where rows must
 * change tasks.
 *
 * Modes: a stream is append, a table upsert. What needs to know the row that goes (aggregates, table joins, sorting,
 * projections that lose the key) takes retract: NORMALIZE makes it of upsert. Exchange: keyed operators need all rows
 * of a key in one task; `spread` remembers what rows are already spread by, so that none is moved twice. Aggregates
 * over append are folded before their rows move. */
#include "sql/plan/lower.h"

#define SPREAD_COLUMNS 16

/* A node under construction and how its rows are spread over tasks. */
struct lowered {
    struct plan_node *node;
    unsigned *ids; /* the tree's column that its i-th is */
    bool spread; /* by the hash of cols; false: as the topic's partitions are, or by what is no longer a column */
    unsigned n, cols[SPREAD_COLUMNS];
    bool split;  /* the row of a unique key may go in one task and come in another */
};

struct plan_node *physical_node(struct arena *a, enum plan_kind kind, struct plan_node *input)
{
    struct plan_node *n = ARENA_NEW(a, struct plan_node);
    n->kind = kind;
    n->window_start_col = n->window_end_col = -1;
    n->limit = n->retention_ms = -1;
    if (input) {
        n->ninputs = 1;
        n->inputs[0] = input;
        n->out = input->out;
        n->mode = input->mode;
        n->nkey = input->nkey;
        n->key = input->key;
    }
    return n;
}

static int lower(struct lowering *lo, const struct tree *t, struct lowered *out);

/* ---- Columns to places */

static unsigned place_of_id(struct lowering *lo, const struct lowered *l, unsigned id)
{
    unsigned i = 0;
    while (i < l->node->out.n && l->ids[i] != id)
        i++;
    if (i < l->node->out.n)
        return i;
    lo->lost = lo->columns->items[id].name ? lo->columns->items[id].name : "?"; /* a mistake of ours; tree_lower says so */
    return 0;
}

static unsigned *places_of(struct lowering *lo, const struct lowered *l, const struct ids *ids)
{
    unsigned *places = ARENA_ARRAY(lo->arena, unsigned, ids->n + 1);
    for (unsigned i = 0; i < ids->n; i++)
        places[i] = place_of_id(lo, l, ids->id[i]);
    return places;
}

static const struct expr *expr_of_place(unsigned place, struct type t, struct arena *a)
{
    struct expr *e = ARENA_NEW(a, struct expr);
    e->kind = EX_COLUMN;
    e->type = t;
    e->column = place;
    return e;
}

struct placing {
    struct lowering *lo;
    const struct lowered *l;
};

static const struct expr *place_column(void *arg, unsigned id)
{
    const struct placing *p = arg;
    unsigned place = place_of_id(p->lo, p->l, id);
    return expr_of_place(place, p->l->node->out.cols[place].type, p->lo->arena);
}

/* An expression of the tree as one over the places of what is lowered so far. */
static const struct expr *placed(struct lowering *lo, const struct lowered *l, const struct expr *e)
{
    struct placing p = {lo, l};
    return expr_rewrite(e, place_column, &p, lo->arena);
}

static struct schema named(struct lowering *lo, const struct ids *ids)
{
    struct schema sc = {ids->n, ARENA_ARRAY(lo->arena, struct column, ids->n + 1)};
    for (unsigned i = 0; i < ids->n; i++)
        sc.cols[i] = (struct column){lo->columns->items[ids->id[i]].name, lo->columns->items[ids->id[i]].type};
    return sc;
}

/* ---- Helpers between operators */

/* cols may be NULL if n is 0 */
static unsigned *copy_columns(struct lowering *lo, const unsigned *cols, unsigned n)
{
    unsigned *copy = ARENA_ARRAY(lo->arena, unsigned, n + 1);
    for (unsigned i = 0; i < n; i++)
        copy[i] = cols[i];
    return copy;
}

static void set_key(struct lowering *lo, struct plan_node *n, const unsigned *cols, unsigned count)
{
    n->nkey = count;
    n->key = copy_columns(lo, cols, count);
}

/* Rows of a scan only come; taken as a changelog they are one too, so it is enough to say so along the way. */
static bool relabel_scan(struct plan_node *n)
{
    bool scan =
        n->kind == PLAN_SCAN || n->kind == PLAN_VALUES ||
        ((n->kind == PLAN_PROJECT || n->kind == PLAN_FILTER || n->kind == PLAN_EXCHANGE) && relabel_scan(n->inputs[0]));
    if (scan)
        n->mode = MODE_RETRACT;
    return scan;
}

static bool is_spread_by(const struct lowered *l, const unsigned *cols, unsigned n)
{
    return l->spread && l->n == n && (n == 0 || memcmp(l->cols, cols, n * sizeof *cols) == 0);
}

static void set_spread(struct lowered *l, const unsigned *cols, unsigned n)
{
    l->spread = n <= SPREAD_COLUMNS;
    l->n = l->spread ? n : 0;
    for (unsigned i = 0; i < l->n; i++)
        l->cols[i] = cols[i];
}

/* Rows to the tasks that own their hash of cols; none: all to one task. */
static void exchange(struct lowering *lo, struct lowered *l, const unsigned *cols, unsigned n, bool drop_null)
{
    if (is_spread_by(l, cols, n) && !drop_null)
        return;
    struct plan_node *x = physical_node(lo->arena, PLAN_EXCHANGE, l->node);
    x->nexchange = n;
    x->exchange_cols = copy_columns(lo, cols, n);
    x->drop_null_key = drop_null;
    l->node = x;
    set_spread(l, cols, n);
}

/* The rows of a key in one task, whatever partitions they lie in: once a topic has more of them, a key may go on in another
 * one, and not every producer hashes alike. */
static void gather_table(struct lowering *lo, struct lowered *l)
{
    exchange(lo, l, l->node->key, l->node->nkey, false);
}

static void to_retract(struct lowering *lo, struct lowered *l)
{
    if (l->node->mode == MODE_UPSERT) {
        gather_table(lo, l);
        l->node = physical_node(lo->arena, PLAN_NORMALIZE, l->node);
        l->node->mode = MODE_RETRACT;
    } else if (l->node->mode == MODE_APPEND) {
        relabel_scan(l->node);
    }
}

/* ---- Sources */

/* Places of a materialised table's rows: key columns, the window's bounds, value columns. */
static int scan_column(const struct relation *rel, struct want w, unsigned *out)
{
    unsigned bounds = rel->windowed ? 2 : 0;
    switch (w.from) {
    case WANT_KEY:
        *out = w.index;
        return 0;
    case WANT_VALUE:
        *out = rel->format.nkey + bounds + w.index;
        return 0;
    case WANT_WINDOWSTART:
    case WANT_WINDOWEND:
        *out = rel->format.nkey + (w.from == WANT_WINDOWEND);
        return 0;
    default:
        return E_NOT_FOUND;
    }
}

static struct plan_node *scan(struct lowering *lo, const struct relation *rel)
{
    const struct row_format *f = &rel->format;
    struct plan_node *s = physical_node(lo->arena, PLAN_SCAN, NULL);
    unsigned n = 0;
    s->relation = rel->name;
    s->job = rel->job;
    s->mode = MODE_APPEND;
    s->out.cols = ARENA_ARRAY(lo->arena, struct column, f->nkey + f->nvalue + 2);
    for (unsigned i = 0; i < f->nkey; i++)
        s->out.cols[n++] = f->key_cols[i];
    if (rel->windowed) {
        s->out.cols[n++] = (struct column){"WINDOWSTART", TYPE(T_BIGINT)};
        s->out.cols[n++] = (struct column){"WINDOWEND", TYPE(T_BIGINT)};
    }
    for (unsigned i = 0; i < f->nvalue; i++)
        s->out.cols[n++] = f->value_cols[i];
    s->out.n = n;
    return s;
}

/* A scan gives all columns; a projection takes those that are read. */
static int lower_scan(struct lowering *lo, const struct tree *t, struct lowered *out)
{
    struct plan_node *s = scan(lo, t->rel);
    const struct expr **exprs = ARENA_ARRAY(lo->arena, const struct expr *, t->out.n);
    struct schema shown = named(lo, &t->out);
    bool all = t->out.n == s->out.n;
    out->node = s;
    for (unsigned i = 0; i < t->out.n; i++) {
        unsigned at;
        if (scan_column(t->rel, t->wants[i], &at) != 0) {
            diag_set(lo->diag, E_SQL, "%s is not kept with the rows of table \"%s\"", shown.cols[i].name, t->rel->name);
            if (lo->diag)
                memcpy(lo->diag->code, "0A000", 6);
            diag_hint(lo->diag, "with EMIT CHANGES the table's changes are read from its topic, where it is known");
            return E_SQL;
        }
        exprs[i] = expr_of_place(at, shown.cols[i].type, lo->arena);
        all &= at == i;
    }
    if (all)
        return 0;
    struct plan_node *p = physical_node(lo->arena, PLAN_PROJECT, s);
    p->out = shown;
    p->exprs = exprs;
    out->node = p;
    return 0;
}

static int lower_source(struct lowering *lo, const struct tree *t, struct lowered *out)
{
    *out = (struct lowered){.ids = t->out.id};
    if (t->scan)
        return lower_scan(lo, t, out);
    struct plan_node *s = physical_node(lo->arena, PLAN_SOURCE, NULL);
    const struct relation *rel = t->rel;
    s->out = named(lo, &t->out);
    s->relation = rel->name;
    s->topic = rel->topic;
    s->topic_name = rel->topic_name;
    s->format = rel->format;
    s->nwants = t->out.n;
    s->wants = t->wants;
    s->table = rel->table;
    s->mode = rel->table ? MODE_UPSERT : MODE_APPEND;
    s->until_end = lo->until_end;
    s->by_clock = t->by_clock;
    s->from_latest = lo->from_latest && !rel->table; /* a table is all its rows, not only the newest */
    s->from_ms = rel->table ? 0 : lo->from_ms;
    unsigned *key = ARENA_ARRAY(lo->arena, unsigned, t->out.n), nkey = 0;
    for (unsigned i = 0; rel->table && i < t->out.n; i++)
        if (t->wants[i].from == WANT_KEY || t->wants[i].from == WANT_WINDOWSTART ||
            (t->wants[i].from == WANT_WINDOWEND && rel->format.window_bounds))
            key[nkey++] = i;
    set_key(lo, s, key, nkey);
    out->node = s;
    return 0;
}

/* ---- Constants */

static void project(struct lowering *lo, const struct tree *t, struct lowered *l);

/* Rows without a column have one, which nobody asks for. What cannot be computed here is computed by a projection. */
static int lower_values(struct lowering *lo, const struct tree *t, struct lowered *out)
{
    struct plan_node *v = physical_node(lo->arena, PLAN_VALUES, NULL);
    struct ids none = {1, ARENA_ARRAY(lo->arena, unsigned, 1)};
    struct column dummy = {"row", TYPE(T_INT)};
    struct wbuf w;
    bool constant = t->out.n > 0;
    for (unsigned i = 0; i < t->nrows * t->out.n; i++)
        constant &= t->rows[i]->kind == EX_CONST;
    if (!constant && t->out.n && t->nrows > 1) {
        diag_set(lo->diag, E_SQL, "VALUES of several rows takes constants");
        return E_SQL;
    }
    none.id[0] = NO_COLUMN;
    v->out = constant ? named(lo, &t->out) : (struct schema){1, ARENA_NEW(lo->arena, struct column)};
    if (!constant)
        v->out.cols[0] = dummy;
    v->mode = MODE_APPEND;
    v->nrows = t->nrows;
    v->rows = ARENA_ARRAY(lo->arena, struct str, t->nrows + 1);
    struct batch *b = batch_new(lo->arena, &v->out, 1);
    unsigned *all = ARENA_ARRAY(lo->arena, unsigned, v->out.n);
    b->n = b->nsel = 1;
    for (unsigned k = 0; k < v->out.n; k++)
        all[k] = k;
    wbuf_init(&w);
    for (unsigned i = 0; i < t->nrows; i++) {
        struct value zero = {.type = TYPE(T_INT)};
        for (unsigned k = 0; k < v->out.n; k++)
            batch_set_value(b, k, 0, constant ? &t->rows[i * t->out.n + k]->value : &zero, 1);
        wbuf_reset(&w);
        row_encode(b, all, v->out.n, 0, &w);
        v->rows[i] = arena_dup(lo->arena, wbuf_view(&w));
    }
    wbuf_fini(&w);
    *out = (struct lowered){.node = v, .ids = constant ? t->out.id : none.id};
    if (constant || !t->out.n)
        return 0;
    struct tree computed = {.kind = TREE_PROJECT, .out = t->out, .exprs = t->rows};
    project(lo, &computed, out);
    return 0;
}

/* ---- One input */

static void filter(struct lowering *lo, const struct expr *predicate, struct lowered *l)
{
    struct plan_node *f = physical_node(lo->arena, PLAN_FILTER, l->node);
    f->predicate = placed(lo, l, predicate);
    l->node = f;
}

/* Column of the projection that shows input column c as it is; false: none. */
static bool shown_at(const struct plan_node *p, unsigned c, unsigned *at)
{
    for (*at = 0; *at < p->out.n; (*at)++)
        if (p->exprs[*at]->kind == EX_COLUMN && p->exprs[*at]->column == c)
            return true;
    return false;
}

static unsigned shown_all(const struct plan_node *p, const unsigned *cols, unsigned count, unsigned *at)
{
    for (unsigned i = 0; i < count; i++)
        if (!shown_at(p, cols[i], &at[i]))
            return 0;
    return count;
}

/* The columns of an aggregate or a projection have the names that they are given; those of a source are the relation's. */
static bool rename_columns(struct plan_node *n, const struct schema *names)
{
    bool same = true, passes = n->kind == PLAN_FILTER || n->kind == PLAN_SORT;
    for (unsigned i = 0; i < names->n && same; i++)
        same = strcmp(n->out.cols[i].name, names->cols[i].name) == 0;
    if (same)
        return true;
    if (n->kind != PLAN_AGGREGATE && n->kind != PLAN_PROJECT && !(passes && rename_columns(n->inputs[0], names)))
        return false;
    n->out.cols = names->cols;
    return true;
}

/* A projection that changes nothing goes; one that only renames goes if the names can be given below. */
static void project(struct lowering *lo, const struct tree *t, struct lowered *l)
{
    const struct expr **exprs = ARENA_ARRAY(lo->arena, const struct expr *, t->out.n + 1);
    struct schema out = named(lo, &t->out);
    bool nothing = out.n == l->node->out.n;
    for (unsigned i = 0; i < t->out.n; i++) {
        exprs[i] = placed(lo, l, t->exprs[i]);
        nothing &= exprs[i]->kind == EX_COLUMN && exprs[i]->column == i;
    }
    l->ids = t->out.id;
    if (nothing && rename_columns(l->node, &out))
        return;
    struct plan_node *p = physical_node(lo->arena, PLAN_PROJECT, l->node);
    unsigned *at = ARENA_ARRAY(lo->arena, unsigned, MAX(l->node->nkey, (unsigned)SPREAD_COLUMNS) + 1);
    p->out = out;
    p->exprs = exprs;
    unsigned nkey = shown_all(p, l->node->key, l->node->nkey, at);
    if (l->node->mode == MODE_UPSERT && !nkey)
        to_retract(lo, l);
    p->inputs[0] = l->node;
    p->mode = l->node->mode;
    set_key(lo, p, at, nkey);
    l->node = p;
    l->spread = l->spread && shown_all(p, l->cols, l->n, at) == l->n;
    if (l->spread)
        memcpy(l->cols, at, l->n * sizeof *at);
}

/* How the windows of WINDOW, and of what keeps them, lie. */
static void set_windows(struct plan_node *n, const struct tree_window *w)
{
    n->window_size_ms = w->size_ms;
    n->grace_ms = w->grace_ms;
    n->retention_ms = w->retention_ms;
    n->window = w->kind;
    n->advance_ms = w->advance_ms;
    n->offset_ms = w->offset_ms;
    n->zone = w->zone;
}

/* The bound of disorder of the streams that rows come from. */
static int64_t delay_below(const struct tree *t)
{
    int64_t most = t->kind == TREE_SOURCE && !t->rel->table && !t->by_clock ? t->rel->format.delay_ms : 0;
    for (unsigned i = 0; i < t->ninputs; i++) {
        int64_t below = delay_below(t->inputs[i]); /* MAX would ask twice */
        most = MAX(most, below);
    }
    return most;
}

/* Behind an exchange rows are out of order as tasks happen to run. */
static bool is_exchanged(const struct plan_node *n)
{
    bool is = n->kind == PLAN_EXCHANGE;
    for (unsigned i = 0; i < n->ninputs && !is; i++)
        is = is_exchanged(n->inputs[i]);
    return is;
}

static void window(struct lowering *lo, const struct tree *t, struct lowered *l)
{
    struct plan_node *w = physical_node(lo->arena, PLAN_WINDOW, l->node);
    struct ids bounds = {t->window_ids[2] == NO_COLUMN ? 2 : 3, (unsigned *)t->window_ids};
    struct schema added = named(lo, &bounds);
    unsigned n = l->node->out.n;
    w->out = (struct schema){n + bounds.n, ARENA_ARRAY(lo->arena, struct column, n + bounds.n)};
    memcpy(w->out.cols, l->node->out.cols, n * sizeof *w->out.cols);
    memcpy(w->out.cols + n, added.cols, bounds.n * sizeof *w->out.cols);
    set_windows(w, t->window);
    w->delay_ms = t->window->kind == WINDOW_TUMBLING && is_exchanged(l->node) ? INT64_MAX : delay_below(t);
    l->ids = ids_join(lo->arena, (struct ids){n, l->ids}, bounds).id;
    l->node = w;
}

static void unnest(struct lowering *lo, const struct tree *t, struct lowered *l)
{
    if (l->node->mode == MODE_UPSERT)
        to_retract(lo, l);
    struct plan_node *u = physical_node(lo->arena, PLAN_UNNEST, l->node);
    struct ids made = {t->nmade, t->out.id + t->out.n - t->nmade};
    struct schema added = named(lo, &made);
    unsigned n = l->node->out.n;
    const struct expr **arrays = ARENA_ARRAY(lo->arena, const struct expr *, t->nargs);
    for (unsigned i = 0; i < t->nargs; i++)
        arrays[i] = placed(lo, l, t->args[i]);
    u->out = (struct schema){n + added.n, ARENA_ARRAY(lo->arena, struct column, n + added.n)};
    memcpy(u->out.cols, l->node->out.cols, n * sizeof *u->out.cols);
    memcpy(u->out.cols + n, added.cols, added.n * sizeof *u->out.cols);
    u->narrays = t->nargs;
    u->arrays = arrays;
    u->keep_empty = t->keep_empty;
    u->mode = l->node->mode;
    u->nkey = 0;
    l->ids = ids_join(lo->arena, (struct ids){n, l->ids}, made).id;
    l->node = u;
}

static void sort(struct lowering *lo, const struct tree *t, struct lowered *l)
{
    if (l->node->mode == MODE_UPSERT)
        to_retract(lo, l);
    exchange(lo, l, NULL, 0, false);
    struct plan_node *s = physical_node(lo->arena, PLAN_SORT, l->node);
    s->mode = MODE_APPEND;
    s->nkey = 0;
    s->nsort = t->nsort;
    s->sort = ARENA_ARRAY(lo->arena, struct sort_key, t->nsort);
    for (unsigned i = 0; i < t->nsort; i++)
        s->sort[i] = (struct sort_key){place_of_id(lo, l, t->sort[i].id), t->sort[i].descending, t->sort[i].nulls_first};
    s->limit = t->limit;
    s->offset = t->offset;
    l->node = s;
}

/* ---- Places in an order */

/* Rows of a partition come together, in order. */
static struct plan_node *ordered_node(struct lowering *lo, const struct tree *t, struct lowered *l, enum plan_kind kind)
{
    if (l->node->mode == MODE_UPSERT)
        to_retract(lo, l);
    unsigned *by = places_of(lo, l, &t->groups);
    bool rows_change = l->node->mode == MODE_RETRACT;
    exchange(lo, l, by, t->groups.n, false);
    struct plan_node *n = physical_node(lo->arena, kind, l->node);
    n->mode = MODE_RETRACT;
    n->ngroup = t->groups.n;
    n->group_cols = by;
    n->nsort = t->nsort;
    n->sort = ARENA_ARRAY(lo->arena, struct sort_key, t->nsort + 1);
    for (unsigned i = 0; i < t->nsort; i++)
        n->sort[i] = (struct sort_key){place_of_id(lo, l, t->sort[i].id), t->sort[i].descending, t->sort[i].nulls_first};
    l->split |= rows_change;
    return n;
}

/* The node's columns and more behind them. */
static void add_columns(struct lowering *lo, struct lowered *l, struct plan_node *n, struct ids more)
{
    struct ids all = ids_join(lo->arena, (struct ids){n->out.n, l->ids}, more);
    struct schema added = named(lo, &more);
    struct column *cols = ARENA_ARRAY(lo->arena, struct column, all.n + 1);
    memcpy(cols, n->out.cols, n->out.n * sizeof *cols);
    memcpy(cols + n->out.n, added.cols, more.n * sizeof *cols);
    n->out = (struct schema){all.n, cols};
    l->ids = all.id;
    l->node = n;
}

/* Of what only comes, one row by event time needs no others. Until its end a query does not wait for watermarks. */
static void topn(struct lowering *lo, const struct tree *t, struct lowered *l)
{
    bool timed = t->rank == RANK_ROW_NUMBER && t->rank_id == NO_COLUMN && t->limit == 1 && !t->offset && t->nsort == 1 &&
                 l->node->mode == MODE_APPEND && !lo->until_end && tree_event_time(t->inputs[0], t->sort[0].id);
    struct plan_node *n = ordered_node(lo, t, l, timed ? PLAN_DEDUP : PLAN_TOPN);
    n->limit = t->limit;
    n->offset = t->offset;
    n->rank = t->rank;
    n->rank_shown = t->rank_id != NO_COLUMN;
    if (timed) {
        n->keep_last = t->sort[0].descending;
        n->mode = n->keep_last ? MODE_RETRACT : MODE_APPEND;
    }
    add_columns(lo, l, n, (struct ids){n->rank_shown, (unsigned *)&t->rank_id});
    if (t->limit == 1 && t->rank <= RANK_ROW_NUMBER && n->mode == MODE_RETRACT) {
        set_key(lo, n, n->group_cols, n->ngroup);
        l->split = false;
    }
}

static int column_or_none(struct lowering *lo, const struct lowered *l, const struct expr *e)
{
    return e ? (int)place_of_id(lo, l, e->column) : -1;
}

static void over(struct lowering *lo, const struct tree *t, struct lowered *l)
{
    struct plan_node *n = ordered_node(lo, t, l, PLAN_OVER);
    struct ids made = {t->nover, ARENA_ARRAY(lo->arena, unsigned, t->nover + 1)};
    n->nover = t->nover;
    n->overs = ARENA_ARRAY(lo->arena, struct over_func, t->nover + 1);
    for (unsigned i = 0; i < t->nover; i++) {
        const struct tree_over *o = &t->overs[i];
        struct over_func *f = &n->overs[i];
        *f = (struct over_func){.kind = o->kind, .type = o->type, .agg = o->agg, .arg = column_or_none(lo, l, o->arg),
                                .fallback = column_or_none(lo, l, o->fallback), .n = o->n, .frame = o->frame};
        const struct expr **inputs[] = {&f->agg.arg, &f->agg.arg2, &f->agg.filter};
        for (unsigned k = 0; k < ARRAY_LEN(inputs); k++)
            if (*inputs[k])
                *inputs[k] = placed(lo, l, *inputs[k]);
        made.id[i] = o->id;
    }
    add_columns(lo, l, n, made);
}

/* ---- Aggregates */

/* An aggregate of the tree over places. */
struct places {
    const struct tree *tree;
    struct schema out;
    bool closes; /* the last two groups are a window's bounds */
    unsigned by; /* groups that decide about the task: windows of a key stay together */
    unsigned *groups;
    struct agg *aggs;
};

static struct plan_node *aggregate_node(struct lowering *lo, const struct places *pl, struct plan_node *input,
                                        enum agg_phase phase, const unsigned *group_cols)
{
    struct plan_node *g = physical_node(lo->arena, PLAN_AGGREGATE, input);
    const struct tree *t = pl->tree;
    const struct tree_window *w = pl->closes ? t->inputs[0]->bounds : NULL;
    g->phase = phase;
    g->ngroup = t->groups.n;
    g->group_cols = copy_columns(lo, group_cols, t->groups.n);
    g->naggs = t->naggs;
    g->aggs = pl->aggs;
    g->retention_ms = -1;
    if (w)
        set_windows(g, w);
    if (w && w->kind == WINDOW_SESSION)
        g->kind = PLAN_SESSION;
    g->emit_final = t->emit_final;
    g->total = t->total && phase != AGG_PARTIAL;
    g->out = pl->out;
    unsigned *key = ARENA_ARRAY(lo->arena, unsigned, t->groups.n);
    for (unsigned i = 0; i < t->groups.n; i++)
        key[i] = i;
    bool comes = phase == AGG_PARTIAL || t->appends;
    set_key(lo, g, key, comes ? 0 : t->groups.n);
    g->mode = comes ? MODE_APPEND : MODE_RETRACT;
    return g;
}

/* Groups, then the columns in which each aggregate's partial result travels. */
static struct schema partial_schema(struct lowering *lo, const struct places *pl)
{
    const struct tree *t = pl->tree;
    struct schema sc = {0, ARENA_ARRAY(lo->arena, struct column, t->groups.n + t->naggs * 4)};
    for (; sc.n < t->groups.n; sc.n++)
        sc.cols[sc.n] = pl->out.cols[sc.n];
    for (unsigned i = 0; i < t->naggs; i++) {
        struct type types[4];
        unsigned count =
            agg_partial_columns(&pl->aggs[i], pl->aggs[i].arg ? pl->aggs[i].arg->type : TYPE(T_BIGINT), types);
        for (unsigned k = 0; k < count; k++)
            sc.cols[sc.n++] = (struct column){arena_printf(lo->arena, "partial_%u_%u", i, k), types[k]};
    }
    return sc;
}

/* Groups, those that bound a window last. closes: there are both bounds, and rows only come. */
static struct ids bounds_last(struct lowering *lo, const struct tree *t, bool *closes)
{
    const struct tree *in = t->inputs[0];
    struct ids out = {0, ARENA_ARRAY(lo->arena, unsigned, t->groups.n + 1)};
    *closes = in->bounds && in->stream && ids_have(&t->groups, in->start) && ids_have(&t->groups, in->end);
    for (unsigned i = 0; i < t->groups.n; i++)
        if (!*closes || (t->groups.id[i] != in->start && t->groups.id[i] != in->end))
            out.id[out.n++] = t->groups.id[i];
    if (*closes) {
        out.id[out.n++] = in->start;
        out.id[out.n++] = in->end;
    }
    return out;
}

static void aggregate(struct lowering *lo, const struct tree *t, struct lowered *l)
{
    bool closes;
    struct ids by = bounds_last(lo, t, &closes), results = {t->naggs, t->out.id + t->groups.n};
    struct ids all = ids_join(lo->arena, by, results);
    struct places pl = {.tree = t,
                        .out = named(lo, &all),
                        .closes = closes,
                        .by = t->groups.n - (closes ? 2 : 0),
                        .groups = places_of(lo, l, &by),
                        .aggs = ARENA_ARRAY(lo->arena, struct agg, t->naggs)};
    unsigned *groups = ARENA_ARRAY(lo->arena, unsigned, t->groups.n);
    for (unsigned i = 0; i < t->groups.n; i++)
        groups[i] = i;
    bool splits = true;
    for (unsigned i = 0; i < t->naggs; i++) {
        pl.aggs[i] = t->aggs[i].agg;
        const struct expr **inputs[] = {&pl.aggs[i].arg, &pl.aggs[i].arg2, &pl.aggs[i].filter};
        for (unsigned k = 0; k < ARRAY_LEN(inputs); k++)
            if (*inputs[k])
                *inputs[k] = placed(lo, l, *inputs[k]);
        splits &= agg_splits(&pl.aggs[i]);
    }
    if (l->node->mode == MODE_UPSERT)
        to_retract(lo, l);
    bool drop = lo->key_groups == t;
    if (l->node->mode == MODE_APPEND && splits && (drop || !is_spread_by(l, pl.groups, pl.by))) {
        struct plan_node *w = l->node;
        bool sliced = closes && w->kind == PLAN_WINDOW && w->out.n == w->inputs[0]->out.n + 2 &&
                      (w->window == WINDOW_HOPPING || w->window == WINDOW_CUMULATE);
        if (sliced)
            w->sliced = true;
        l->node = aggregate_node(lo, &pl, w, AGG_PARTIAL, pl.groups);
        l->node->sliced = sliced;
        l->node->emit_final = false;
        l->node->out = partial_schema(lo, &pl);
        l->spread = false;
        exchange(lo, l, groups, pl.by, drop);
        l->node = aggregate_node(lo, &pl, l->node, AGG_FINAL, groups);
        l->node->sliced = sliced;
    } else {
        exchange(lo, l, pl.groups, pl.by, drop);
        l->node = aggregate_node(lo, &pl, l->node, AGG_FULL, pl.groups);
    }
    l->ids = all.id;
    set_spread(l, groups, pl.by);
    l->split = false;
}

/* ---- Joins */

static bool is_key(const struct lowered *l, const struct plan_node *n, const struct ids *key, unsigned *at)
{
    for (unsigned i = 0; i < key->n; i++) {
        unsigned p = 0;
        while (p < n->out.n && l->ids[p] != key->id[i])
            p++;
        if (p == n->out.n)
            return false;
        at[i] = p;
    }
    return true;
}

/* What the tree knows to be unique. Of a FULL join it may be NULL on either side. */
static void key_of_join(struct lowering *lo, const struct tree *t, struct plan_node *j, const struct lowered *l)
{
    j->nkey = 0;
    if (t->join == JOIN_FULL || j->mode == MODE_APPEND)
        return;
    for (unsigned i = 0; i < t->nkeys && !j->nkey; i++) {
        unsigned *at = ARENA_ARRAY(lo->arena, unsigned, t->keys[i].n + 1);
        if (is_key(l, j, &t->keys[i], at))
            set_key(lo, j, at, t->keys[i].n);
    }
}

/* Is an equality on something else than the key? A row whose value there changes moves from one task to another. */
static bool joined_beside_key(const struct plan_node *j)
{
    const struct plan_node *kept = j->inputs[j->join == JOIN_RIGHT];
    const unsigned *cols = j->join == JOIN_RIGHT ? j->right_cols : j->left_cols;
    for (unsigned i = 0; i < j->njoin; i++) {
        bool key = false;
        for (unsigned k = 0; k < kept->nkey && !key; k++)
            key = kept->key[k] == cols[i];
        if (!key)
            return true;
    }
    return false;
}

static unsigned *key_places(struct lowering *lo, const struct lowered *l, const struct expr *const *keys, unsigned n)
{
    unsigned *at = ARENA_ARRAY(lo->arena, unsigned, n + 1);
    for (unsigned i = 0; i < n; i++)
        at[i] = place_of_id(lo, l, keys[i]->column);
    return at;
}

/* Columns of the same name on both sides are shown with their relation's in front. */
static void tell_apart(struct lowering *lo, struct schema *out, const unsigned *ids, unsigned nl)
{
    const struct tree_column *cs = lo->columns->items;
    for (unsigned r = nl; r < out->n; r++)
        for (unsigned l = 0; l < nl; l++) {
            if (strcmp(out->cols[l].name, out->cols[r].name) != 0)
                continue;
            if (cs[ids[l]].source)
                out->cols[l].name = arena_printf(lo->arena, "%s.%s", cs[ids[l]].source, out->cols[l].name);
            if (cs[ids[r]].source)
                out->cols[r].name = arena_printf(lo->arena, "%s.%s", cs[ids[r]].source, out->cols[r].name);
            break;
        }
}

/* A NULL equals nothing: such rows can only be of use to the side that an outer join keeps. */
static bool drops_null(const struct tree *t, bool right)
{
    if (!t->njoin)
        return false;
    return right ? t->join != JOIN_RIGHT && t->join != JOIN_FULL
                 : t->join == JOIN_INNER || t->join == JOIN_RIGHT || t->join == JOIN_SEMI;
}

/* Both sides side by side; then what is shown of them. */
static void join_columns(struct lowering *lo, const struct tree *t, const struct lowered *left,
                         const struct lowered *right, struct plan_node *j, struct lowered *out)
{
    unsigned nl = left->node->out.n, nr = right->node->out.n;
    out->ids = ids_join(lo->arena, (struct ids){nl, left->ids}, (struct ids){nr, right->ids}).id;
    j->out = (struct schema){nl + nr, ARENA_ARRAY(lo->arena, struct column, nl + nr + 1)};
    memcpy(j->out.cols, left->node->out.cols, nl * sizeof *j->out.cols);
    memcpy(j->out.cols + nl, right->node->out.cols, nr * sizeof *j->out.cols);
    tell_apart(lo, &j->out, out->ids, nl);
    out->node = j;
    if (t->residual)
        j->residual = placed(lo, out, t->residual);
    if (t->join == JOIN_SEMI || t->join == JOIN_ANTI)
        j->out.n = nl;
}

static int join(struct lowering *lo, const struct tree *t, struct lowered *out)
{
    struct lowered left, right;
    static const enum plan_kind kinds[] = {[MEET_STATE] = PLAN_JOIN_TABLE, [MEET_LOOKUP] = PLAN_JOIN_LOOKUP,
                                           [MEET_INTERVAL] = PLAN_JOIN_INTERVAL, [MEET_TEMPORAL] = PLAN_JOIN_TEMPORAL};
    bool kept = t->meet == MEET_STATE;
    int err = lower(lo, t->inputs[0], &left);
    if (!err)
        err = lower(lo, t->inputs[1], &right);
    if (err)
        return err;
    unsigned *left_cols = key_places(lo, &left, t->left_keys, t->njoin);
    unsigned *right_cols = key_places(lo, &right, t->right_keys, t->njoin);
    if (kept) {
        to_retract(lo, &left);
        to_retract(lo, &right);
    }
    exchange(lo, &left, left_cols, t->njoin, drops_null(t, false));
    exchange(lo, &right, right_cols, t->njoin, drops_null(t, true));
    struct plan_node *j = physical_node(lo->arena, kinds[t->meet], left.node);
    bool comes = left.node->mode == MODE_APPEND && right.node->mode == MODE_APPEND &&
                 (t->join == JOIN_INNER || t->join == JOIN_SEMI);
    j->ninputs = 2;
    j->inputs[1] = right.node;
    j->mode = !kept || comes ? MODE_APPEND : MODE_RETRACT;
    j->before_ms = t->before_ms;
    j->after_ms = t->after_ms;
    j->grace_ms = t->grace_ms;
    j->join = t->join;
    j->njoin = t->njoin;
    j->left_cols = left_cols;
    j->right_cols = right_cols;
    *out = left;
    join_columns(lo, t, &left, &right, j, out);
    key_of_join(lo, t, j, out);
    out->split = kept && joined_beside_key(j);
    out->spread = left.spread && t->join != JOIN_RIGHT && t->join != JOIN_FULL;
    return 0;
}

/* ---- Grouping sets */

static void expand(struct lowering *lo, const struct tree *t, struct lowered *l)
{
    to_retract(lo, l);
    struct plan_node *x = physical_node(lo->arena, PLAN_EXPAND, l->node);
    unsigned n = l->node->out.n, k = t->groups.n;
    struct ids made = ids_join(lo->arena, t->groups_out, (struct ids){1, (unsigned *)&t->set_id});
    struct schema added = named(lo, &made);
    x->out = (struct schema){n + k + 1, ARENA_ARRAY(lo->arena, struct column, n + k + 1)};
    memcpy(x->out.cols, l->node->out.cols, n * sizeof *x->out.cols);
    memcpy(x->out.cols + n, added.cols, (k + 1) * sizeof *x->out.cols);
    x->ngroup = k;
    x->group_cols = places_of(lo, l, &t->groups);
    x->nsets = t->nsets;
    x->in_set = t->in_set;
    x->nkey = 0;
    l->ids = ids_join(lo->arena, (struct ids){n, l->ids}, made).id;
    l->node = x;
}

/* ---- UNION ALL */

/* The rows of a side, in the order of the union's columns. */
static int side(struct lowering *lo, const struct tree *t, unsigned i, struct lowered *out)
{
    int err = lower(lo, t->inputs[i], out);
    if (err)
        return err;
    struct tree keep = {.kind = TREE_PROJECT, .out = t->out, .exprs = ARENA_ARRAY(lo->arena, const struct expr *, t->out.n + 1)};
    for (unsigned k = 0; k < t->out.n; k++)
        keep.exprs[k] = expr_of_id(lo->columns, t->from[i].id[k]);
    to_retract(lo, out);
    project(lo, &keep, out);
    return 0;
}

/* Rows of two places meet behind an exchange: by what is asked for above, if that is known, else by all columns. */
static int union_all(struct lowering *lo, const struct tree *t, struct lowered *out)
{
    struct lowered in[2];
    struct ids by = {MIN(t->out.n, (unsigned)SPREAD_COLUMNS), t->out.id};
    for (unsigned i = 0; i < 2; i++) {
        int err = side(lo, t, i, &in[i]);
        if (err)
            return err;
        exchange(lo, &in[i], places_of(lo, &in[i], &by), by.n, false);
    }
    struct plan_node *u = physical_node(lo->arena, PLAN_UNION, in[0].node);
    u->ninputs = 2;
    u->inputs[1] = in[1].node;
    u->out = named(lo, &t->out);
    u->nkey = 0;
    u->mode = in[0].node->mode == MODE_APPEND && in[1].node->mode == MODE_APPEND ? MODE_APPEND : MODE_RETRACT;
    *out = in[0];
    out->node = u;
    out->ids = t->out.id;
    out->split = true;
    return 0;
}

/* ---- The switch */

static int lower(struct lowering *lo, const struct tree *t, struct lowered *out)
{
    if (t->kind == TREE_SOURCE)
        return lower_source(lo, t, out);
    if (t->kind == TREE_VALUES)
        return lower_values(lo, t, out);
    if (t->kind == TREE_JOIN)
        return join(lo, t, out);
    if (t->kind == TREE_UNION)
        return union_all(lo, t, out);
    int err = lower(lo, t->inputs[0], out);
    if (err)
        return err;
    switch (t->kind) {
    case TREE_FILTER:
        if (t->inputs[0]->kind == TREE_SOURCE && t->inputs[0]->scan)
            lookup_keys(t->predicate, t->inputs[0], out->node->ninputs ? out->node->inputs[0] : out->node, lo->columns);
        filter(lo, t->predicate, out);
        break;
    case TREE_PROJECT:
        project(lo, t, out);
        break;
    case TREE_WINDOW:
        window(lo, t, out);
        break;
    case TREE_UNNEST:
        unnest(lo, t, out);
        break;
    case TREE_AGGREGATE:
        aggregate(lo, t, out);
        break;
    case TREE_OVER:
        over(lo, t, out);
        break;
    case TREE_EXPAND:
        expand(lo, t, out);
        break;
    default: /* a query that ends puts all in order once it has them */
        if (t->rank || t->groups.n || !lo->until_end)
            topn(lo, t, out);
        else
            sort(lo, t, out);
    }
    return 0;
}

/* What ends a plan nets the changes of a key, so it must see all of them. */
static void gather_keys(struct lowering *lo, struct lowered *l)
{
    unsigned *key = ARENA_ARRAY(lo->arena, unsigned, lo->nkey + l->node->nkey);
    unsigned n = lo->nkey ? lo->nkey : l->node->nkey;
    for (unsigned i = 0; i < n; i++)
        key[i] = lo->nkey ? i : l->node->key[i];
    if (n)
        exchange(lo, l, key, n, false);
}

void lowering_start(struct lowering *lo, const struct settings *props)
{
    struct str reset = property_get(props, "auto.offset.reset");
    lo->from_latest = str_eq(reset, STR("latest"));
    if (!reset_time(reset, &lo->from_ms))
        lo->from_ms = 0;
}

int tree_lower(struct lowering *lo, const struct tree *t, struct plan_node **out, unsigned **ids)
{
    struct lowered l;
    int err = lower(lo, t, &l);
    if (!err && lo->lost) {
        err = diag_set(lo->diag, E_SQL, "this query cannot be planned");
        diag_hint(lo->diag, "this is a mistake in weir (column %s is lost); please report the statement", lo->lost);
    }
    if (!err && lo->result && l.node->mode == MODE_UPSERT)
        to_retract(lo, &l);
    if (!err && lo->every_ms && l.node->mode == MODE_UPSERT)
        to_retract(lo, &l);
    if (!err && l.node->mode == MODE_UPSERT)
        gather_table(lo, &l);
    if (!err && l.split && l.node->mode == MODE_RETRACT)
        gather_keys(lo, &l);
    if (!err && lo->every_ms) {
        l.node = physical_node(lo->arena, PLAN_EVERY, l.node);
        l.node->every_ms = lo->every_ms;
    }
    *out = err ? NULL : l.node;
    *ids = err ? NULL : l.ids;
    return err;
}

static void measure(const struct plan_node *n, unsigned depth, unsigned *nodes, unsigned *deepest)
{
    ++*nodes;
    *deepest = MAX(*deepest, depth);
    for (unsigned i = 0; i < n->ninputs; i++)
        measure(n->inputs[i], depth + 1, nodes, deepest);
}

int plan_finish(struct plan_node *sink, unsigned parallelism, struct arena *a, struct plan **out, struct diag *d)
{
    struct plan *p = ARENA_NEW(a, struct plan);
    unsigned nodes = 0, deepest = 0;
    measure(sink, 1, &nodes, &deepest);
    if (nodes > PLAN_NODES || deepest > PLAN_DEPTH) {
        diag_set(d, E_SQL, "this query takes %u operators, %u above one another; there can be %d and %d", nodes, deepest,
                 PLAN_NODES, PLAN_DEPTH);
        if (d)
            memcpy(d->code, "54001", 6);
        diag_hint(d, "make tables of parts of it by CREATE TABLE ... AS SELECT");
        return E_SQL;
    }
    p->sink = sink;
    p->parallelism = parallelism;
    plan_number(p);
    *out = p;
    struct diag why;
    if (plan_check(p, &why) == 0)
        return 0;
    diag_set(d, E_SQL, "this query cannot be planned");
    diag_hint(d, "this is a mistake in weir (%.200s); please report the statement", why.text);
    return E_SQL;
}

unsigned plan_parallelism(int32_t partitions)
{
    unsigned n = 1;
    while (n < 16 && (int32_t)(n * 2) <= partitions)
        n *= 2;
    return n;
}
