/* Lowering: which of the engine's operators compute a logical tree, over edges of which mode, and where rows must
 * change tasks.
 *
 * Modes: a stream is append, a table upsert. What needs to know the row that goes (aggregates, table joins, sorting,
 * projections that lose the key) takes retract: NORMALIZE makes it of upsert. Exchange: keyed operators need all rows
 * of a key in one task; `spread` remembers what rows are already spread by, so that none is moved twice. Aggregates
 * over append are folded before their rows move. */
#include "sql/plan/logical.h"

#define SPREAD_COLUMNS 16

/* A node under construction and how its rows are spread over tasks. */
struct lowered {
    struct plan_node *node;
    bool spread; /* by the hash of cols; false: as the topic's partitions are, or by what is no longer a column */
    unsigned n, cols[SPREAD_COLUMNS];
    bool split;  /* the row of a unique key may go in one task and come in another */
};

struct plan_node *physical_node(struct arena *a, enum plan_kind kind, struct plan_node *input)
{
    struct plan_node *n = ARENA_NEW(a, struct plan_node);
    n->kind = kind;
    n->window_start_col = -1;
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

static int lower(struct lowering *lo, const struct logical *n, struct lowered *out);

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
        n->kind == PLAN_SCAN ||
        ((n->kind == PLAN_PROJECT || n->kind == PLAN_FILTER || n->kind == PLAN_EXCHANGE) && relabel_scan(n->inputs[0]));
    if (scan)
        n->mode = MODE_RETRACT;
    return scan;
}

static void to_retract(struct lowering *lo, struct lowered *l)
{
    if (l->node->mode == MODE_UPSERT) {
        l->node = physical_node(lo->arena, PLAN_NORMALIZE, l->node);
        l->node->mode = MODE_RETRACT;
    } else if (l->node->mode == MODE_APPEND) {
        relabel_scan(l->node);
    }
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
static int lower_scan(struct lowering *lo, const struct logical *n, struct lowered *out)
{
    struct plan_node *s = scan(lo, n->rel);
    const struct expr **exprs = ARENA_ARRAY(lo->arena, const struct expr *, n->out.n);
    bool all = n->out.n == s->out.n;
    out->node = s;
    for (unsigned i = 0; i < n->out.n; i++) {
        unsigned at;
        if (scan_column(n->rel, n->wants[i], &at) != 0) {
            diag_set(lo->diag, E_SQL, "%s is not kept with the rows of table \"%s\"", n->out.cols[i].name,
                     n->rel->name);
            if (lo->diag)
                memcpy(lo->diag->code, "0A000", 6);
            diag_hint(lo->diag, "with EMIT CHANGES the table's changes are read from its topic, where it is known");
            return E_SQL;
        }
        exprs[i] = expr_of_column(at, n->out.cols[i].type, lo->arena);
        all &= at == i;
    }
    if (all)
        return 0;
    struct plan_node *p = physical_node(lo->arena, PLAN_PROJECT, s);
    p->out = n->out;
    p->exprs = exprs;
    out->node = p;
    return 0;
}

static int lower_source(struct lowering *lo, const struct logical *n, struct lowered *out)
{
    *out = (struct lowered){0};
    if (n->scan)
        return lower_scan(lo, n, out);
    struct plan_node *s = physical_node(lo->arena, PLAN_SOURCE, NULL);
    const struct relation *rel = n->rel;
    s->out = n->out;
    s->relation = rel->name;
    s->topic = rel->topic;
    s->topic_name = rel->topic_name;
    s->format = rel->format;
    s->nwants = n->out.n;
    s->wants = n->wants;
    s->table = rel->table;
    s->mode = rel->table ? MODE_UPSERT : MODE_APPEND;
    s->until_end = lo->until_end;
    s->from_latest = lo->from_latest && !rel->table; /* a table is all its rows, not only the newest */
    s->from_ms = rel->table ? 0 : lo->from_ms;
    unsigned *key = ARENA_ARRAY(lo->arena, unsigned, n->out.n), nkey = 0;
    for (unsigned i = 0; rel->table && i < n->out.n; i++)
        if (n->wants[i].from == WANT_KEY || n->wants[i].from == WANT_WINDOWSTART)
            key[nkey++] = i;
    set_key(lo, s, key, nkey);
    out->node = s;
    return 0;
}

/* ---- One input */

/* Column of the projection that shows input column c as it is; false: none. */
static bool shown_at(const struct logical *n, unsigned c, unsigned *at)
{
    for (*at = 0; *at < n->out.n; (*at)++)
        if (n->exprs[*at]->kind == EX_COLUMN && n->exprs[*at]->column == c)
            return true;
    return false;
}

static unsigned shown_all(const struct logical *n, const unsigned *cols, unsigned count, unsigned *at)
{
    for (unsigned i = 0; i < count; i++)
        if (!shown_at(n, cols[i], &at[i]))
            return 0;
    return count;
}

static void project(struct lowering *lo, const struct logical *n, struct lowered *l)
{
    unsigned *at = ARENA_ARRAY(lo->arena, unsigned, MAX(l->node->nkey, (unsigned)SPREAD_COLUMNS) + 1);
    unsigned nkey = shown_all(n, l->node->key, l->node->nkey, at);
    if (l->node->mode == MODE_UPSERT && !nkey)
        to_retract(lo, l);
    struct plan_node *p = physical_node(lo->arena, PLAN_PROJECT, l->node);
    p->out = n->out;
    p->exprs = n->exprs;
    set_key(lo, p, at, nkey);
    l->node = p;
    l->spread = l->spread && shown_all(n, l->cols, l->n, at) == l->n;
    if (l->spread)
        memcpy(l->cols, at, l->n * sizeof *at);
}

static void window(struct lowering *lo, const struct logical *n, struct lowered *l)
{
    struct plan_node *w = physical_node(lo->arena, PLAN_WINDOW, l->node);
    w->out = n->out;
    w->window_size_ms = n->size_ms;
    w->grace_ms = n->grace_ms;
    w->retention_ms = n->retention_ms;
    l->node = w;
}

static void sort(struct lowering *lo, const struct logical *n, struct lowered *l)
{
    if (l->node->mode == MODE_UPSERT)
        to_retract(lo, l);
    exchange(lo, l, NULL, 0, false);
    struct plan_node *s = physical_node(lo->arena, PLAN_SORT, l->node);
    s->mode = MODE_APPEND;
    s->nkey = 0;
    s->nsort = n->nsort;
    s->sort = n->sort;
    s->limit = n->limit;
    s->offset = n->offset;
    l->node = s;
}

/* ---- Aggregates */

static struct plan_node *aggregate_node(struct lowering *lo, const struct logical *n, struct plan_node *input,
                                        enum agg_phase phase, const unsigned *group_cols)
{
    struct plan_node *g = physical_node(lo->arena, PLAN_AGGREGATE, input);
    g->phase = phase;
    g->ngroup = n->ngroup;
    g->group_cols = copy_columns(lo, group_cols, n->ngroup);
    g->naggs = n->naggs;
    g->aggs = n->aggs;
    g->window_size_ms = n->size_ms;
    g->grace_ms = n->grace_ms;
    g->retention_ms = n->retention_ms;
    g->emit_final = n->emit_final;
    g->out = n->out;
    unsigned *key = ARENA_ARRAY(lo->arena, unsigned, n->ngroup);
    for (unsigned i = 0; i < n->ngroup; i++)
        key[i] = i;
    set_key(lo, g, key, phase == AGG_PARTIAL ? 0 : n->ngroup);
    g->mode = phase == AGG_PARTIAL ? MODE_APPEND : MODE_RETRACT;
    return g;
}

/* Groups, then the columns in which each aggregate's partial result travels. */
static struct schema partial_schema(struct lowering *lo, const struct logical *n)
{
    struct schema sc = {0, ARENA_ARRAY(lo->arena, struct column, n->ngroup + n->naggs * 4)};
    for (; sc.n < n->ngroup; sc.n++)
        sc.cols[sc.n] = n->out.cols[sc.n];
    for (unsigned i = 0; i < n->naggs; i++) {
        struct type types[4];
        unsigned count =
            agg_partial_columns(&n->aggs[i], n->aggs[i].arg ? n->aggs[i].arg->type : TYPE(T_BIGINT), types);
        for (unsigned k = 0; k < count; k++)
            sc.cols[sc.n++] = (struct column){arena_printf(lo->arena, "partial_%u_%u", i, k), types[k]};
    }
    return sc;
}

static void aggregate(struct lowering *lo, const struct logical *n, struct lowered *l)
{
    unsigned by = n->ngroup - (n->size_ms > 0 ? 2 : 0); /* windows of a key stay together */
    unsigned *groups = ARENA_ARRAY(lo->arena, unsigned, n->ngroup);
    for (unsigned i = 0; i < n->ngroup; i++)
        groups[i] = i;
    if (l->node->mode == MODE_UPSERT)
        to_retract(lo, l);
    bool drop = lo->drop_null_groups;
    if (l->node->mode == MODE_APPEND && (drop || !is_spread_by(l, n->group_cols, by))) {
        l->node = aggregate_node(lo, n, l->node, AGG_PARTIAL, n->group_cols);
        l->node->emit_final = false;
        l->node->out = partial_schema(lo, n);
        l->spread = false;
        exchange(lo, l, groups, by, drop);
        l->node = aggregate_node(lo, n, l->node, AGG_FINAL, groups);
    } else {
        exchange(lo, l, n->group_cols, by, drop);
        l->node = aggregate_node(lo, n, l->node, AGG_FULL, n->group_cols);
    }
    set_spread(l, groups, by);
    l->split = false;
}

/* ---- Joins */

static void key_of_join(struct lowering *lo, const struct logical *n, struct plan_node *j)
{
    const struct plan_node *l = j->inputs[0], *r = j->inputs[1];
    unsigned *key = ARENA_ARRAY(lo->arena, unsigned, MAX(l->nkey, r->nkey));
    j->nkey = 0;
    if (n->join == JOIN_FULL || n->lookup)
        return;
    const struct plan_node *from = n->join == JOIN_RIGHT ? r : l;
    for (unsigned i = 0; i < from->nkey; i++)
        key[i] = from->key[i] + (from == r ? l->out.n : 0);
    set_key(lo, j, key, from->nkey);
}

/* Is an equality on something else than the key? A row whose value there changes moves from one task to another. */
static bool joined_beside_key(const struct logical *n, const struct plan_node *left, const struct plan_node *right)
{
    const struct plan_node *kept = n->join == JOIN_RIGHT ? right : left;
    const unsigned *cols = n->join == JOIN_RIGHT ? n->right_cols : n->left_cols;
    for (unsigned i = 0; i < n->njoin; i++) {
        bool key = false;
        for (unsigned k = 0; k < kept->nkey && !key; k++)
            key = kept->key[k] == cols[i];
        if (!key)
            return true;
    }
    return false;
}

static int join(struct lowering *lo, const struct logical *n, struct lowered *out)
{
    struct lowered left, right;
    int err = lower(lo, n->inputs[0], &left);
    if (!err)
        err = lower(lo, n->inputs[1], &right);
    if (err)
        return err;
    if (!n->lookup) {
        to_retract(lo, &left);
        to_retract(lo, &right);
    }
    /* A NULL equals nothing: such rows can only be of use to the side that an outer join keeps. */
    exchange(lo, &left, n->left_cols, n->njoin, n->join == JOIN_INNER || n->join == JOIN_RIGHT);
    exchange(lo, &right, n->right_cols, n->njoin, n->join == JOIN_INNER || n->join == JOIN_LEFT);
    struct plan_node *j = physical_node(lo->arena, n->lookup ? PLAN_JOIN_LOOKUP : PLAN_JOIN_TABLE, left.node);
    j->ninputs = 2;
    j->inputs[1] = right.node;
    j->out = n->out;
    j->mode = n->lookup ? MODE_APPEND : MODE_RETRACT;
    j->join = n->join;
    j->njoin = n->njoin;
    j->left_cols = n->left_cols;
    j->right_cols = n->right_cols;
    key_of_join(lo, n, j);
    *out = left;
    out->node = j;
    out->split = !n->lookup && joined_beside_key(n, left.node, right.node);
    out->spread = left.spread && n->join != JOIN_RIGHT && n->join != JOIN_FULL;
    return 0;
}

/* ---- The switch */

static int lower(struct lowering *lo, const struct logical *n, struct lowered *out)
{
    if (n->kind == L_SOURCE)
        return lower_source(lo, n, out);
    if (n->kind == L_JOIN)
        return join(lo, n, out);
    int err = lower(lo, n->inputs[0], out);
    if (err)
        return err;
    switch (n->kind) {
    case L_FILTER:
        if (n->inputs[0]->kind == L_SOURCE && n->inputs[0]->scan)
            lookup_keys(n->predicate, n->inputs[0], out->node->ninputs ? out->node->inputs[0] : out->node, lo->arena);
        out->node = physical_node(lo->arena, PLAN_FILTER, out->node);
        out->node->predicate = n->predicate;
        break;
    case L_PROJECT:
        project(lo, n, out);
        break;
    case L_WINDOW:
        window(lo, n, out);
        break;
    case L_AGGREGATE:
        aggregate(lo, n, out);
        break;
    default:
        sort(lo, n, out);
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

int logical_lower(struct lowering *lo, const struct logical *n, struct plan_node **out)
{
    struct lowered l;
    int err = lower(lo, n, &l);
    if (!err && lo->result && l.node->mode == MODE_UPSERT)
        to_retract(lo, &l);
    if (!err && l.split && l.node->mode == MODE_RETRACT)
        gather_keys(lo, &l);
    *out = err ? NULL : l.node;
    return err;
}

int plan_finish(struct plan_node *sink, unsigned parallelism, struct arena *a, struct plan **out, struct diag *d)
{
    struct plan *p = ARENA_NEW(a, struct plan);
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
