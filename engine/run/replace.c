#include "engine/run/plan.h"

#define UNSET UINT32_MAX

struct replacing {
    const struct plan *old;
    struct plan *new;
    struct arena *a;
    struct plan_diff *diff;
    unsigned version;
    const struct plan_node **old_exit, **new_exit; /* by node id: the exchange or sink that its fragment ends in */
    bool *taken;                                   /* by id of old nodes: its store has a new owner */
    bool *frag_taken;                              /* by id of old exits */
    struct wbuf x, y;
};

bool plan_node_keeps(const struct plan_node *n)
{
    switch (n->kind) {
    case PLAN_WINDOW:
    case PLAN_NORMALIZE:
    case PLAN_JOIN_LOOKUP:
    case PLAN_JOIN_TABLE:
    case PLAN_JOIN_INTERVAL:
    case PLAN_JOIN_TEMPORAL:
    case PLAN_TOPN:
    case PLAN_DEDUP:
    case PLAN_OVER:
    case PLAN_EVERY:
        return true;
    case PLAN_AGGREGATE:
    case PLAN_SESSION:
        return n->phase != AGG_PARTIAL;
    case PLAN_SINK_TOPIC:
        return n->inputs[0]->mode != MODE_APPEND && !n->derived;
    default:
        return false;
    }
}

/* Only the table's rows of a stream-table join are kept. */
static bool feeds_state(const struct plan_node *n, unsigned input)
{
    return plan_node_keeps(n) && (n->kind != PLAN_JOIN_LOOKUP || input == 1);
}

/* Can it give all rows once more? Closed windows have no rows any more. */
static bool can_repeat(const struct plan_node *n)
{
    return n->kind == PLAN_AGGREGATE && n->phase != AGG_PARTIAL && n->window_size_ms == 0 && !n->emit_final;
}

static void find_exits(const struct plan_node *n, const struct plan_node *exit, const struct plan_node **out)
{
    out[n->id] = exit;
    for (unsigned i = 0; i < n->ninputs; i++)
        find_exits(n->inputs[i], n->kind == PLAN_EXCHANGE ? n : exit, out);
}

/* ---- Identity. */
static bool same_subtree(struct replacing *r, const struct plan_node *x, const struct plan_node *y, bool state_only)
{
    wbuf_reset(&r->x);
    wbuf_reset(&r->y);
    plan_identity(x, state_only, &r->x);
    plan_identity(y, state_only, &r->y);
    return str_eq(wbuf_view(&r->x), wbuf_view(&r->y));
}

static const struct plan_node *find_same(struct replacing *r, const struct plan_node *old, const struct plan_node *n)
{
    if (old->kind == n->kind && !r->taken[old->id] && same_subtree(r, old, n, true))
        return old;
    for (unsigned i = 0; i < old->ninputs; i++) {
        const struct plan_node *m = find_same(r, old->inputs[i], n);
        if (m)
            return m;
    }
    return NULL;
}

/* The exact source first; else one of the same topic, whose columns may have changed. */
static const struct plan_node *find_source(struct replacing *r, const struct plan_node *old, const struct plan_node *n,
                                           bool exact)
{
    if (old->kind == PLAN_SOURCE && !r->taken[old->id] && uuid_eq(old->topic, n->topic) && old->table == n->table &&
        (!exact || same_subtree(r, old, n, false)))
        return old;
    for (unsigned i = 0; i < old->ninputs; i++) {
        const struct plan_node *m = find_source(r, old->inputs[i], n, exact);
        if (m)
            return m;
    }
    return NULL;
}

/* ---- Numbers. */
static void note(struct replacing *r, const struct plan_node *n, enum replace_fate fate)
{
    if (n->kind == PLAN_SOURCE)
        r->diff->sources[r->diff->nsources++] = (struct replaced){n, fate};
    else if (plan_node_keeps(n) || n->derived)
        r->diff->stores[r->diff->nstores++] = (struct replaced){n, fate};
}

static void fresh(struct replacing *r, struct plan_node *n)
{
    if (n->kind == PLAN_SOURCE || plan_node_keeps(n) || n->derived)
        n->store = r->new->next_store++;
    note(r, n, REPLACE_NEW);
}

static void take(struct replacing *r, struct plan_node *n, const struct plan_node *m, enum replace_fate fate)
{
    n->store = m->store;
    n->again = fate == REPLACE_AGAIN ? r->version : m->again;
    r->taken[m->id] = true;
    note(r, n, fate);
}

/* A store's rows lie with the tasks of its fragment: they can be taken over only together with the fragment. */
static bool take_frag(struct replacing *r, const struct plan_node *n, const struct plan_node *m)
{
    struct plan_node *exit = (struct plan_node *)r->new_exit[n->id];
    const struct plan_node *old_exit = r->old_exit[m->id];
    if (exit->frag == UNSET && !r->frag_taken[old_exit->id]) {
        exit->frag = old_exit->frag;
        r->frag_taken[old_exit->id] = true;
    }
    return exit->frag == old_exit->frag;
}

/* All of a subtree that is the same as m's. */
static void keep_all(struct replacing *r, struct plan_node *n, const struct plan_node *m)
{
    take(r, n, m, REPLACE_KEPT);
    if (n->kind == PLAN_EXCHANGE) {
        n->frag = m->frag;
        r->frag_taken[m->id] = true;
    }
    for (unsigned i = 0; i < n->ninputs; i++)
        keep_all(r, n->inputs[i], m->inputs[i]);
}

/* ---- Deciding, from the sink down. need: what stands above has to see all rows of n. */
static void settle(struct replacing *r, struct plan_node *n, bool need);

static void settle_source(struct replacing *r, struct plan_node *n, bool need)
{
    const struct plan_node *m = need ? NULL : find_source(r, r->old->sink, n, true);
    if (!m && !need)
        m = find_source(r, r->old->sink, n, false);
    if (m)
        take(r, n, m, REPLACE_KEPT);
    else
        fresh(r, n);
}

static void settle_store(struct replacing *r, struct plan_node *n, bool need)
{
    const struct plan_node *m = find_same(r, r->old->sink, n);
    bool lookup = n->kind == PLAN_JOIN_LOOKUP; /* its rows come with the stream's, whatever it keeps */
    bool keep = m && (!need || lookup || can_repeat(n)) && take_frag(r, n, m);
    if (keep)
        take(r, n, m, need && !lookup ? REPLACE_AGAIN : REPLACE_KEPT);
    else
        fresh(r, n);
    for (unsigned i = 0; i < n->ninputs; i++)
        if (keep && feeds_state(n, i))
            keep_all(r, n->inputs[i], m->inputs[i]);
        else
            settle(r, n->inputs[i], need || feeds_state(n, i));
}

static void settle(struct replacing *r, struct plan_node *n, bool need)
{
    if (n->kind == PLAN_SOURCE) {
        settle_source(r, n, need);
    } else if (plan_node_keeps(n)) {
        settle_store(r, n, need);
    } else {
        fresh(r, n);
        for (unsigned i = 0; i < n->ninputs; i++)
            settle(r, n->inputs[i], need);
    }
}

static void settle_sink(struct replacing *r)
{
    struct plan_node *n = r->new->sink;
    const struct plan_node *m = r->old->sink;
    bool table = n->inputs[0]->mode != MODE_APPEND, same = same_subtree(r, m, n, false);
    if (same && (n->derived || !m->derived)) {
        take_frag(r, n, m);
        keep_all(r, n, m);
        return;
    }
    if (table) {
        fresh(r, n);
        n->again = r->version;
    } else {
        take(r, n, m, REPLACE_KEPT);
    }
    settle(r, n->inputs[0], table);
    take_frag(r, n, m); /* if nothing else needs it */
}

static void number_frags(struct replacing *r, struct plan_node *n)
{
    if (n->frag == UNSET)
        n->frag = n->kind == PLAN_EXCHANGE || n == r->new->sink ? r->new->next_frag++ : 0;
    for (unsigned i = 0; i < n->ninputs; i++)
        number_frags(r, n->inputs[i]);
}

static void forget_numbers(struct plan_node *n)
{
    n->frag = UNSET;
    n->again = n->store = 0;
    for (unsigned i = 0; i < n->ninputs; i++)
        forget_numbers(n->inputs[i]);
}

static void count_dropped(struct replacing *r, const struct plan_node *old)
{
    r->diff->ndropped += plan_node_keeps(old) && !r->taken[old->id];
    for (unsigned i = 0; i < old->ninputs; i++)
        count_dropped(r, old->inputs[i]);
}

int plan_replace(const struct plan *old, struct plan *new, unsigned version, struct arena *a,
                 struct plan_diff *out)
{
    struct replacing r = {.old = old, .new = new, .a = a, .diff = out, .version = version};
    *out = (struct plan_diff){.stores = ARENA_ARRAY(a, struct replaced, new->nnodes),
                              .sources = ARENA_ARRAY(a, struct replaced, new->nnodes)};
    r.old_exit = (const struct plan_node **)ARENA_ARRAY(a, const struct plan_node *, old->nnodes);
    r.new_exit = (const struct plan_node **)ARENA_ARRAY(a, const struct plan_node *, new->nnodes);
    r.taken = ARENA_ARRAY(a, bool, old->nnodes);
    r.frag_taken = ARENA_ARRAY(a, bool, old->nnodes);
    wbuf_init(&r.x);
    wbuf_init(&r.y);
    new->parallelism = old->parallelism; /* where the rows of a key are kept */
    new->next_store = old->next_store;
    new->next_frag = old->next_frag;
    find_exits(old->sink, old->sink, r.old_exit);
    find_exits(new->sink, new->sink, r.new_exit);
    forget_numbers(new->sink);
    settle_sink(&r);
    number_frags(&r, new->sink);
    count_dropped(&r, old->sink);
    wbuf_fini(&r.x);
    wbuf_fini(&r.y);
    return new->next_store > PLAN_STORES || new->next_frag > UINT16_MAX ? E_BUDGET : 0;
}

/* ---- Words. */
const char *plan_node_words(const struct plan_node *n, struct arena *a)
{
    struct wbuf w;
    wbuf_init(&w);
    switch (n->kind) {
    case PLAN_SOURCE:
        wbuf_printf(&w, "%s %s", n->table ? "table" : "stream", n->relation);
        break;
    case PLAN_AGGREGATE:
    case PLAN_SESSION:
        wbuf_str(&w, n->kind == PLAN_SESSION ? STR("sessions") : STR("groups"));
        for (unsigned i = 0; i < n->ngroup; i++)
            wbuf_printf(&w, "%s %s", i ? "," : " by", n->out.cols[i].name);
        break;
    case PLAN_JOIN_LOOKUP:
        wbuf_str(&w, STR("rows of the joined table"));
        break;
    case PLAN_JOIN_TABLE:
        wbuf_str(&w, STR("rows of both joined tables"));
        break;
    case PLAN_JOIN_INTERVAL:
        wbuf_str(&w, STR("rows of both joined streams"));
        break;
    case PLAN_JOIN_TEMPORAL:
        wbuf_str(&w, STR("versions of the joined table"));
        break;
    case PLAN_TOPN:
    case PLAN_OVER:
        wbuf_str(&w, STR("rows in order"));
        break;
    case PLAN_DEDUP:
        wbuf_printf(&w, "%s row of each partition", n->keep_last ? "last" : "first");
        break;
    case PLAN_NORMALIZE:
        wbuf_str(&w, STR("last row of each key"));
        break;
    case PLAN_EVERY:
        wbuf_str(&w, STR("changes that are held back"));
        break;
    case PLAN_WINDOW:
        wbuf_str(&w, STR("event time of the windows"));
        break;
    default:
        wbuf_printf(&w, "rows of %s", n->relation ? n->relation : "the result");
    }
    const char *words = arena_dup(a, wbuf_view(&w)).ptr;
    wbuf_fini(&w);
    return words;
}
