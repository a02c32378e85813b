/* FROM: relations and queries, what their names mean, and how they are joined. */
#include "sql/bind/select.h"

/* ---- Relations and their columns */

static int bind_join(struct scope *sc, const struct ast_source *from, struct tree **out);

static void grow_columns(struct scope *sc, unsigned n)
{
    struct block *q = sc->q;
    if (q->ncols + n <= q->cap)
        return;
    struct block_column *more = ARENA_ARRAY(sc->b->arena, struct block_column, q->cap = (q->ncols + n) * 2);
    if (q->ncols)
        memcpy(more, q->cols, q->ncols * sizeof *more);
    q->cols = more;
}

static void add_column(struct scope *sc, struct tree *t, struct tree_column c, struct want want, bool key, bool pseudo)
{
    struct block *q = sc->q;
    grow_columns(sc, 1);
    c.source = q->sources[q->nsources - 1].alias;
    unsigned id = column_add(sc->b->columns, c);
    t->wants[t->out.n] = want;
    t->out.id[t->out.n++] = id;
    bool star = !pseudo || want.from == WANT_WINDOWSTART || want.from == WANT_WINDOWEND;
    q->cols[q->ncols++] = (struct block_column){.name = c.name, .type = c.type, .source = q->nsources - 1, .id = id, .key = key, .pseudo = pseudo, .star = star};
}

static void add_pseudo(struct scope *sc, struct tree *t, const char *name, uint8_t type, enum want_from from)
{
    add_column(sc, t, (struct tree_column){name, NULL, TYPE(type), type != T_INT}, (struct want){.from = from},
               from == WANT_WINDOWSTART, true);
}

/* The relation's declared columns, then ROWTIME, ROWPARTITION, ROWOFFSET and, if it is windowed, the window's bounds. */
static struct tree *read_relation(struct scope *sc, struct block_source *s)
{
    const struct relation *rel = s->rel;
    struct arena *a = sc->b->arena;
    struct tree *t = tree_new(a, TREE_SOURCE, NULL, NULL);
    t->rel = rel;
    t->place = s->place;
    bool proctime = !rel->sys && !rel->table; /* unless the stream has a column of this name */
    t->wants = ARENA_ARRAY(a, struct want, rel->ncols + 6);
    t->out.id = ARENA_ARRAY(a, unsigned, rel->ncols + 6);
    s->first = sc->q->ncols;
    for (unsigned i = 0; i < rel->ncols; i++)
        add_column(sc, t, (struct tree_column){rel->cols[i].name, NULL, rel->cols[i].type, false},
                   (struct want){.from = rel->cols[i].key ? WANT_KEY : WANT_VALUE, .index = rel->cols[i].index}, rel->cols[i].key, false);
    for (unsigned i = 0; i < rel->ncols; i++)
        proctime &= !str_eq_nocase(str_of(rel->cols[i].name), STR("PROCTIME"));
    if (!rel->sys) {
        add_pseudo(sc, t, "ROWTIME", T_BIGINT, WANT_ROWTIME);
        add_pseudo(sc, t, "ROWPARTITION", T_INT, WANT_ROWPARTITION);
        add_pseudo(sc, t, "ROWOFFSET", T_BIGINT, WANT_ROWOFFSET);
    }
    if (!rel->sys && rel->windowed) {
        add_pseudo(sc, t, "WINDOWSTART", T_BIGINT, WANT_WINDOWSTART);
        add_pseudo(sc, t, "WINDOWEND", T_BIGINT, WANT_WINDOWEND);
    }
    if (proctime)
        add_pseudo(sc, t, "PROCTIME", T_TIMESTAMP, WANT_PROCTIME);
    s->ncols = sc->q->ncols - s->first;
    t->scan = sc->use == QUERY_PULL && rel->table && (rel->sys || !uuid_is_zero(rel->job));
    tree_derive(t, a);
    return t;
}

struct relation *bind_relation(const struct binding *b, const struct ast_name *name)
{
    struct relation *r = name->schema.ptr ? sys_find(name->schema, name->text, b->arena, b->diag)
                                          : relation_find(b->image, name->text, b->arena, b->diag);
    if (r && !r->sys && name->quoted && !str_eq(name->text, str_of(r->name))) {
        bind_error(b, name->place, "42P01", "there is no stream or table \"%.*s\"", STR_ARG(name->text));
        diag_hint(b->diag, "in quotes upper and lower case count: \"%s\"", r->name);
        return NULL;
    }
    if (r)
        return r;
    if (b->diag)
        memcpy(b->diag->code, "42P01", 6);
    (void)diag_place(b->diag, E_SQL, b->text, name->place);
    return NULL;
}

static void add_read(struct scope *sc, const struct relation *rel, struct place place)
{
    struct query *r = sc->result;
    for (unsigned i = 0; i < r->nreads; i++)
        if (r->reads[i].rel->sys ? r->reads[i].rel->sys == rel->sys : uuid_eq(r->reads[i].rel->id, rel->id))
            return;
    struct query_read *more = ARENA_ARRAY(sc->b->arena, struct query_read, r->nreads + 1);
    if (r->nreads)
        memcpy(more, r->reads, r->nreads * sizeof *more);
    more[r->nreads++] = (struct query_read){rel, place};
    r->reads = more;
}

/* ---- Sources */

/* `name` as FROM has it; NULL: an error. */
static struct block_source *add_source(struct scope *sc, const struct ast_source *from, const char *alias)
{
    struct block *q = sc->q;
    const struct ast_name *said = from->alias.text.ptr ? &from->alias : &from->name;
    for (unsigned k = 0; *alias && k < q->nsources; k++)
        if (str_eq_nocase(str_of(q->sources[k].alias), str_of(alias))) {
            bind_error(sc->b, said->place, "42712", "\"%s\" stands in FROM twice; give one another name with AS", alias);
            return NULL;
        }
    if (q->nsources == SQL_SOURCES) {
        bind_error(sc->b, said->place, "54000", "a query joins at most %d relations", SQL_SOURCES);
        return NULL;
    }
    if (!q->sources)
        q->sources = ARENA_ARRAY(sc->b->arena, struct block_source, SQL_SOURCES);
    q->sources[q->nsources] = (struct block_source){.alias = alias, .place = from->name.place, .first = q->ncols};
    return &q->sources[q->nsources++];
}

/* AS t (a, b): new names for its first columns. */
static int rename_source(struct scope *sc, const struct ast_names *names, const struct block_source *s)
{
    struct block *q = sc->q;
    unsigned n = 0;
    while (n < s->ncols && !q->cols[s->first + n].pseudo)
        n++;
    if (names->n > n)
        return bind_error(sc->b, names->items[n].place, "42P10", "%u columns are named here; there are %u", names->n, n);
    for (unsigned i = 0; i < names->n; i++)
        q->cols[s->first + i].name = arena_dup(sc->b->arena, names->items[i].text).ptr;
    return 0;
}

static const struct named_query *find_named(const struct scope *sc, const struct ast_name *name)
{
    const struct named_query *n = sc->named;
    while (n && (name->schema.ptr || !(name->quoted || n->cte->name.quoted ? str_eq(n->cte->name.text, name->text)
                                                                           : str_eq_nocase(n->cte->name.text, name->text))))
        n = n->before;
    return n;
}

/* A column that a node adds to a source of FROM. */
static unsigned add_made(struct scope *sc, struct block_source *s, const char *name, uint8_t type)
{
    struct block *q = sc->q;
    grow_columns(sc, 1);
    unsigned id = column_add(sc->b->columns, (struct tree_column){name, s->alias, TYPE(type), true});
    q->cols[q->ncols++] = (struct block_column){.name = name, .type = TYPE(type), .source = q->nsources - 1, .id = id, .star = true};
    s->ncols++;
    return id;
}

/* DESCRIPTOR(name): the rows' event time, or the clock. */
static int find_time(const struct scope *sc, const struct ast_name *said, const struct block_source *s, const struct tree *t, bool *clock)
{
    const char *name = s->rel ? s->rel->name : s->alias;
    *clock = false;
    for (unsigned i = s->first; i < s->first + s->ncols; i++) {
        const struct block_column *c = &sc->q->cols[i];
        if (!str_eq_nocase(said->text, str_of(c->name)))
            continue;
        *clock = tree_clock_time(t, c->id);
        if (*clock || tree_event_time(t, c->id))
            return 0;
    }
    if (str_eq_nocase(said->text, STR("ROWTIME"))) /* it need not be shown to count */
        return 0;
    bind_error(sc->b, said->place, "42601", "\"%.*s\" is not the event time of \"%s\"", STR_ARG(said->text), name);
    diag_hint(sc->b->diag, s->rel ? "write DESCRIPTOR(ROWTIME), or declare the stream WITH (TIMESTAMP = '%.*s')"
                                  : "write DESCRIPTOR(ROWTIME); or DESCRIPTOR(PROCTIME) for windows by the clock", STR_ARG(said->text));
    return E_SQL;
}

/* PARTITION BY of SESSION: whose sessions they are. What bounds them is known when they are summed up, not before. */
static int session_keys(struct scope *sc, const struct ast_source *from, const struct block_source *s)
{
    struct block *q = sc->q;
    q->session = &from->window;
    q->session_keys = (struct ids){0, ARENA_ARRAY(sc->b->arena, unsigned, from->keys.n + 1)};
    for (unsigned i = 0; i < from->keys.n; i++) {
        struct ast_name of = {.text = str_of(s->alias), .place = from->name.place};
        const struct block_column *c = resolve_column(sc, *s->alias ? &of : &(struct ast_name){0}, &from->keys.items[i],
                                                      from->keys.items[i].place);
        if (!c)
            return E_SQL;
        ids_add(sc->b->arena, &q->session_keys, c->id);
    }
    return 0;
}

/* TUMBLE(TABLE t, ...): each row once per window, with the window's bounds behind its columns. */
static int add_table_window(struct scope *sc, const struct ast_source *from, struct block_source *s, struct tree **t)
{
    static const char *const names[] = {"WINDOW_START", "WINDOW_END", "WINDOW_TIME"};
    const struct ast_window *w = &from->window;
    struct tree_window *windows;
    const char *name = s->rel ? s->rel->name : s->alias;
    if (s->table || (s->rel && s->rel->sys))
        return bind_error(sc->b, from->name.place, "42601", "windows are for streams; \"%s\" is a table", name);
    bool clock;
    int err = find_time(sc, &w->time, s, *t, &clock);
    if (!err)
        err = bind_windows(sc->b, w, 0, &windows);
    if (!err && clock)
        err = time_by_clock(sc->b, *t, w->time.place);
    if (err)
        return err;
    windows->processing = clock;
    if (windows->kind == WINDOW_SESSION)
        err = session_keys(sc, from, s);
    else if (from->keys.n)
        err = bind_error(sc->b, from->keys.items[0].place, "42601", "PARTITION BY is for SESSION: other windows are the same for all");
    if (err)
        return err;
    struct tree *made = tree_new(sc->b->arena, TREE_WINDOW, *t, NULL);
    made->window = windows;
    made->window_ids[2] = NO_COLUMN;
    for (unsigned i = 0; i < (windows->kind == WINDOW_SESSION ? 2u : 3u); i++)
        made->window_ids[i] = add_made(sc, s, names[i], T_TIMESTAMP);
    tree_derive(made, sc->b->arena);
    *t = made;
    return 0;
}

/* ROWTIME and PROCTIME of a query that is a stream, where it shows no columns of these names. */
static void show_times(struct scope *sc, struct block_source *s, struct tree **t)
{
    static const char *const names[] = {"ROWTIME", "PROCTIME"};
    struct block *q = sc->q;
    for (unsigned k = 0; k < ARRAY_LEN(names); k++) {
        bool has = false;
        for (unsigned i = s->first; i < s->first + s->ncols; i++)
            has |= str_eq_nocase(str_of(q->cols[i].name), str_of(names[k]));
        unsigned id = has ? NO_COLUMN : tree_show_time(t, k == 1, sc->b->columns, sc->b->arena);
        if (id == NO_COLUMN)
            continue;
        grow_columns(sc, 1);
        q->cols[q->ncols++] = (struct block_column){.name = names[k], .type = sc->b->columns->items[id].type,
                                                    .source = q->nsources - 1, .id = id, .pseudo = true, .faint = true};
        s->ncols++;
    }
}

/* A query in FROM, one that WITH names, or a view's (b is then of its text): columns as it shows them. */
static int add_query(struct scope *sc, const struct binding *b, const struct ast_source *from, const struct ast_select *query,
                     const struct named_query *named, const struct ast_names *names, struct tree **out)
{
    struct block *q = sc->q;
    const struct ast_name *said = from->alias.text.ptr ? &from->alias : &from->name;
    struct bound inner;
    struct scope in = {.b = b, .result = sc->result, .use = sc->use, .named = named, .nesting = sc->nesting + 1, .final = sc->final};
    int err = bind_body(&in, query, &inner);
    if (err)
        return err;
    struct block_source *s = add_source(sc, from, said->text.ptr ? arena_dup(sc->b->arena, said->text).ptr : "");
    if (!s)
        return E_SQL;
    s->table = !inner.tree->stream;
    s->ncols = inner.n;
    grow_columns(sc, inner.n);
    for (unsigned i = 0; i < inner.n; i++)
        if (*s->alias)
            sc->b->columns->items[inner.items[i].id].source = s->alias;
    for (unsigned i = 0; i < inner.n; i++)
        q->cols[q->ncols++] = (struct block_column){.name = inner.items[i].name,
                                                    .type = inner.items[i].type,
                                                    .source = q->nsources - 1,
                                                    .id = inner.items[i].id,
                                                    .key = inner.key && inner.key[i],
                                                    .star = true};
    *out = inner.tree;
    show_times(sc, s, out);
    err = names ? rename_source(sc, names, s) : 0;
    if (!err && from->window.given)
        err = add_table_window(sc, from, s, out);
    return err ? err : rename_source(sc, &from->columns, s);
}

static void add_view_read(struct query *r, struct uuid id, struct arena *a)
{
    struct uuid *more = ARENA_ARRAY(a, struct uuid, r->nviews + 1);
    if (r->nviews)
        memcpy(more, r->views, r->nviews * sizeof *more);
    more[r->nviews++] = id;
    r->views = more;
}

/* Places inside a view are of another text: what is found late points to its name. */
static void place_all(struct tree *t, struct place place)
{
    t->place = place;
    for (unsigned i = 0; i < t->ninputs; i++)
        place_all(t->inputs[i], place);
}

static int add_view(struct scope *sc, const struct ast_source *from, const struct sqlview *v, struct tree **out)
{
    struct binding b = *sc->b, *kept = ARENA_NEW(sc->b->arena, struct binding);
    struct ast_statement *st;
    unsigned before = sc->result->nreads;
    b.text = str_of(v->sql);
    *kept = b;
    int err = parse_statement(&st, b.text, b.arena, b.diag);
    if (!err && (!st || st->kind != AST_CREATE_VIEW))
        err = diag_set(b.diag, E_CORRUPT, "its stored description cannot be read");
    if (!err)
        err = add_query(sc, kept, from, st->select, NULL, NULL, out);
    if (err) {
        struct diag why = b.diag ? *b.diag : (struct diag){.text = ""};
        bind_error(sc->b, from->name.place, why.code[0] ? why.code : "42P01", "view \"%s\": %s", v->name, why.text);
        if (why.hint[0])
            diag_hint(b.diag, "%s", why.hint);
        return E_SQL;
    }
    for (unsigned i = before; i < sc->result->nreads; i++)
        sc->result->reads[i].place = from->name.place;
    place_all(*out, from->name.place);
    add_view_read(sc->result, v->id, sc->b->arena);
    return 0;
}

/* ---- Table functions: each row of what stands before them once per row that they make of it. */

/* The arrays whose elements are rows; GENERATE_SERIES gives one. */
static int function_arrays(struct scope *sc, const struct ast_source *from, struct tree *t)
{
    const struct ast_expr *call = from->call;
    bool series = str_eq_nocase(call->name.text, STR("GENERATE_SERIES")), cube = str_eq_nocase(call->name.text, STR("CUBE_EXPLODE"));
    if (!series && !cube && !str_eq_nocase(call->name.text, STR("UNNEST")) && !str_eq_nocase(call->name.text, STR("EXPLODE"))) {
        bind_error(sc->b, call->place, "42883", "%.*s makes no rows", STR_ARG(call->name.text));
        diag_hint(sc->b->diag, "in FROM there are UNNEST(array, ...), EXPLODE, CUBE_EXPLODE and GENERATE_SERIES(from, to [, step])");
        return E_SQL;
    }
    t->args = ARENA_ARRAY(sc->b->arena, const struct expr *, call->nargs + 1);
    t->nargs = series ? 1 : call->nargs;
    for (unsigned i = 0; i < t->nargs; i++) {
        const struct ast_expr *one = series ? call : call->args[i];
        int err = resolve_expr(sc, one, &t->args[i]);
        if (!err && cube)
            err = resolve_call(sc, STR("ARRAY_CUBE"), &t->args[i], 1, one->place, one->place, &t->args[i]);
        if (err)
            return err;
        if (t->args[i]->type.id != T_ARRAY) {
            char have[TYPE_TEXT];
            type_format(t->args[i]->type, have);
            return bind_error(sc->b, one->place, "42804", "%.*s takes arrays, this is %s", STR_ARG(call->name.text), have);
        }
    }
    return 0;
}

/* WITH ORDINALITY: one more array, of numbers, as long as the longest. */
static int add_numbers(struct scope *sc, struct place place, struct tree *t)
{
    const struct binding *b = sc->b;
    const struct expr **lengths = ARENA_ARRAY(b->arena, const struct expr *, t->nargs), *longest;
    struct expr *one = expr_make(b, EX_CONST, TYPE(T_BIGINT), place, 0);
    one->value = (struct value){.type = TYPE(T_BIGINT), .i = 1};
    int err = 0;
    for (unsigned i = 0; i < t->nargs && !err; i++)
        err = resolve_call(sc, STR("CARDINALITY"), &t->args[i], 1, place, place, &lengths[i]);
    if (!err)
        err = resolve_call(sc, STR("GREATEST"), lengths, t->nargs, place, place, &longest);
    if (err)
        return err;
    struct expr *step = expr_make(b, EX_CONST, TYPE(T_INT), place, 0);
    step->value = (struct value){.type = TYPE(T_INT), .i = 1};
    const struct expr *args[] = {one, expr_cast(b, longest, TYPE(T_BIGINT)), step};
    return resolve_call(sc, STR("GENERATE_SERIES"), args, 3, place, place, &t->args[t->nargs++]);
}

static bool reads_beside(const struct scope *sc, const struct tree *left, const struct tree *t)
{
    for (unsigned c = 0; c < sc->q->ncols; c++)
        for (unsigned i = 0; i < t->nargs; i++)
            if (expr_reads(t->args[i], sc->q->cols[c].id) && !tree_has(left, sc->q->cols[c].id))
                return true;
    return false;
}

/* left: what stands before it; keep: its rows that make none stay, with NULLs. */
static int bind_function(struct scope *sc, const struct ast_source *from, struct tree *left, bool keep, struct tree **out)
{
    struct arena *a = sc->b->arena;
    struct tree *t = tree_new(a, TREE_UNNEST, left, NULL);
    const char *none = sc->no_aggregates;
    sc->no_aggregates = "FROM";
    int err = function_arrays(sc, from, t);
    if (!err && reads_beside(sc, left, t)) {
        bind_error(sc->b, from->name.place, "42P01", "%.*s reads what does not stand before it in this FROM", STR_ARG(from->call->name.text));
        diag_hint(sc->b->diag, "write FROM relation CROSS JOIN UNNEST(relation.array) AS t (element)");
        err = E_SQL;
    }
    if (!err && from->ordinality)
        err = add_numbers(sc, from->name.place, t);
    sc->no_aggregates = none;
    if (err)
        return err;
    const struct ast_name *said = from->alias.text.ptr ? &from->alias : &from->call->name;
    struct block_source *s = add_source(sc, from, arena_dup(a, said->text).ptr);
    if (!s)
        return E_SQL;
    unsigned *ids = ARENA_ARRAY(a, unsigned, t->nargs);
    s->ncols = t->nmade = t->nargs;
    grow_columns(sc, t->nargs);
    for (unsigned i = 0; i < t->nargs; i++) {
        struct type type = type_element(t->args[i]->type);
        bool number = from->ordinality && i + 1 == t->nargs;
        const char *name = number ? "ordinality" : i ? arena_printf(a, "%s_%u", s->alias, i + 1) : s->alias;
        ids[i] = column_add(sc->b->columns, (struct tree_column){name, s->alias, type, false});
        sc->q->cols[sc->q->ncols++] = (struct block_column){.name = name, .type = type, .source = sc->q->nsources - 1, .id = ids[i], .star = true};
    }
    t->function = "UNNEST";
    t->out = ids_of(a, ids, t->nmade);
    t->keep_empty = keep;
    t->place = from->name.place;
    tree_derive(t, a);
    *out = t;
    return rename_source(sc, &from->columns, s);
}

/* One row of no column. */
static struct tree *one_row(struct scope *sc)
{
    struct tree *t = tree_new(sc->b->arena, TREE_VALUES, NULL, NULL);
    t->nrows = 1;
    tree_derive(t, sc->b->arena);
    return t;
}

static int bind_source(struct scope *sc, const struct ast_source *from, struct tree **out)
{
    if (from->kind == AST_FROM_FUNCTION)
        return bind_function(sc, from, one_row(sc), false, out);
    if (from->kind == AST_FROM_QUERY)
        return add_query(sc, sc->b, from, from->query, sc->named, NULL, out);
    if (from->kind == AST_FROM_JOIN)
        return bind_join(sc, from, out);
    const struct named_query *named = find_named(sc, &from->name);
    if (named)
        return add_query(sc, sc->b, from, named->cte->query, named->before, &named->cte->columns, out);
    const struct sqlview *view = from->name.schema.ptr ? NULL : sqlview_find(sc->b->image, from->name.text, sc->b->arena);
    if (view)
        return add_view(sc, from, view, out);
    const struct relation *rel = bind_relation(sc->b, &from->name);
    if (!rel)
        return E_SQL;
    struct block_source *s = add_source(sc, from,
                                        from->alias.text.ptr ? arena_dup(sc->b->arena, from->alias.text).ptr
                                        : rel->sys           ? rel->sys->name
                                                             : rel->name);
    if (!s)
        return E_SQL;
    s->rel = rel;
    s->table = rel->table;
    *out = read_relation(sc, s);
    add_read(sc, rel, from->name.place);
    int err = from->window.given ? add_table_window(sc, from, s, out) : 0;
    return err ? err : rename_source(sc, &from->columns, s);
}

/* ---- ON */

struct on {
    struct scope *sc;
    const struct tree *left, *right;
    bool inner;             /* and not within an outer one: WHERE may ask what its ON does */
    const struct expr *all; /* the whole condition */
};

static bool is_of(const struct expr *e, const struct tree *t)
{
    return expr_reads_any(e, &t->out) && expr_reads_only(e, &t->out);
}

static int add_equality(struct on *on, const struct ast_expr *e, const struct expr *left, const struct expr *right,
                        const struct expr **out)
{
    const struct binding *b = on->sc->b;
    struct type common;
    char lt[TYPE_TEXT], rt[TYPE_TEXT];
    type_format(left->type, lt);
    type_format(right->type, rt);
    if (!type_common(left->type, right->type, &common)) {
        bind_error(b, e->place, "42804", "the two sides of the join differ in type: %s and %s", lt, rt);
        diag_hint(b->diag, "CAST the left side to %s", rt);
        return E_SQL;
    }
    return resolve_compare(on->sc, STR("="), expr_cast(b, left, common), expr_cast(b, right, common), e, out);
}

/* A comma binds weaker than JOIN, so what stands before it is not there for an ON behind it. */
static int check_sides(const struct on *on, const struct ast_expr *e, const struct expr *one)
{
    const struct block *q = on->sc->q;
    for (unsigned i = 0; i < q->ncols; i++) {
        const struct block_column *c = &q->cols[i];
        if (!expr_reads(one, c->id) || ids_have(&on->left->out, c->id) || ids_have(&on->right->out, c->id))
            continue;
        bind_error(on->sc->b, e->place, "42P01", "column \"%s\" in this ON is of neither side of its JOIN", c->name);
        diag_hint(on->sc->b->diag, "a comma binds weaker than JOIN: write CROSS JOIN instead of it, or the condition in WHERE");
        return E_SQL;
    }
    return 0;
}

static void ask_later(struct scope *sc, const struct ast_expr *e)
{
    struct ast_exprs *l = &sc->q->later;
    struct ast_expr **more = ARENA_ARRAY(sc->b->arena, struct ast_expr *, l->n + 1);
    if (l->n)
        memcpy(more, l->items, l->n * sizeof *more);
    more[l->n++] = (struct ast_expr *)e;
    l->items = more;
}

static int add_condition(struct on *on, const struct ast_expr *e)
{
    const struct expr *one = NULL, *left, *right;
    int err;
    if (on->inner && e->kind != AST_AND && has_query(e)) {
        ask_later(on->sc, e);
        return 0;
    }
    if (e->kind == AST_AND) {
        for (unsigned i = 0; i < e->nargs; i++)
            if ((err = add_condition(on, e->args[i])) != 0)
                return err;
        return 0;
    }
    if (e->kind == AST_BINARY && str_eq(e->text, STR("="))) {
        if ((err = resolve_expr(on->sc, e->args[0], &left)) != 0 ||
            (err = resolve_expr(on->sc, e->args[1], &right)) != 0)
            return err;
        if (is_of(left, on->left) && is_of(right, on->right))
            err = add_equality(on, e, left, right, &one);
        else if (is_of(right, on->left) && is_of(left, on->right))
            err = add_equality(on, e, right, left, &one);
        if (err)
            return err;
    }
    err = one ? 0 : resolve_condition(on->sc, e, "ON", &one);
    if (!err)
        err = check_sides(on, e, one);
    on->all = err ? NULL : expr_and(on->sc->b, on->all, one);
    return err;
}

/* ---- USING, NATURAL: the columns of both sides that are equated by name */

static unsigned find_shared(const struct block *q, unsigned first, unsigned end, const struct ast_name *name, unsigned *n)
{
    unsigned at = end;
    *n = 0;
    for (unsigned i = first; i < end; i++) {
        const struct block_column *c = &q->cols[i];
        if (c->merged || c->pseudo || !(name->quoted ? str_eq(name->text, str_of(c->name))
                                                     : str_eq_nocase(name->text, str_of(c->name))))
            continue;
        at = i;
        ++*n;
    }
    return at;
}

struct using {
    struct on on;
    enum ast_join_kind join;
    unsigned first, middle, end; /* left columns, right columns */
    unsigned nfull;              /* of a FULL join: what is whichever side is there */
    struct ids ids;
    const struct expr **exprs;
};

/* Of a FULL join a row may have either side only: the column is whichever is there. */
static void share_full(struct using *u, struct block_column *l, struct block_column *r)
{
    const struct binding *b = u->on.sc->b;
    struct place place = {0, 0};
    const struct expr *left = expr_column(b, l->id, l->type, place), *right = expr_column(b, r->id, r->type, place);
    struct type common = l->type;
    (void)type_common(l->type, r->type, &common);
    const struct expr *e = expr_either(b, expr_cast(b, left, common), expr_cast(b, right, common));
    unsigned id = column_add(b->columns, (struct tree_column){l->name, NULL, common, false});
    u->ids.id[u->nfull] = id;
    u->exprs[u->nfull++] = e;
    grow_columns(u->on.sc, 1);
    struct block *q = u->on.sc->q;
    q->cols[q->ncols++] = (struct block_column){
        .name = l->name, .type = common, .source = NO_COLUMN, .id = id, .star = true, .shared = true};
}

static int share(struct using *u, const struct ast_name *name)
{
    struct scope *sc = u->on.sc;
    unsigned nl, nr, l = find_shared(sc->q, u->first, u->middle, name, &nl),
                     r = find_shared(sc->q, u->middle, u->end, name, &nr);
    if (nl != 1 || nr != 1)
        return bind_error(sc->b, name->place, "42703", "column \"%.*s\" is %s on the %s of this join",
                          STR_ARG(name->text), (nl != 1 ? nl : nr) ? "more than once" : "not",
                          nl != 1 ? "left" : "right");
    struct block_column *lc = &sc->q->cols[l], *rc = &sc->q->cols[r];
    struct ast_expr at = {.place = name->place, .op = name->place};
    const struct expr *one;
    int err = add_equality(&u->on, &at, expr_column(sc->b, lc->id, lc->type, name->place),
                           expr_column(sc->b, rc->id, rc->type, name->place), &one);
    if (err)
        return err;
    u->on.all = expr_and(sc->b, u->on.all, one);
    lc->merged = u->join == AST_JOIN_RIGHT || u->join == AST_JOIN_FULL;
    rc->merged = !(u->join == AST_JOIN_RIGHT);
    lc->shared = !lc->merged;
    rc->shared = !rc->merged;
    if (u->join == AST_JOIN_FULL) {
        share_full(u, lc, rc);
        sc->q->cols[l].merged = sc->q->cols[r].merged = true; /* they may have moved */
    }
    return 0;
}

static int share_all(struct using *u, const struct ast_source *from)
{
    const struct block *q = u->on.sc->q;
    int err = 0;
    for (unsigned i = 0; i < from->using.n && !err; i++)
        err = share(u, &from->using.items[i]);
    for (unsigned i = u->first; from->natural && i < u->middle && !err; i++) {
        struct ast_name name = {.text = str_of(q->cols[i].name), .place = from->place};
        unsigned n;
        if (q->cols[i].merged || q->cols[i].pseudo)
            continue;
        find_shared(q, u->middle, u->end, &name, &n);
        err = n ? share(u, &name) : 0;
    }
    if (!err && from->natural && !u->on.all)
        err = bind_error(u->on.sc->b, from->place, "42703", "NATURAL JOIN: no column has the same name on both sides");
    return err;
}

/* ---- Joins */

static int meet(struct scope *sc, struct tree *t, const struct ast_source *from)
{
    if (from->within.given)
        return join_within(sc, t, &from->within);
    if (from->right->as_of)
        return join_as_of(sc, t, from->right->as_of);
    join_meet(sc, t);
    return 0;
}

static int refuse_as_of(const struct scope *sc, const struct ast_source *from)
{
    return bind_error(sc->b, from->as_of->place, "42601", "FOR SYSTEM_TIME AS OF stands behind the right side of a JOIN");
}

/* Conditions of WHERE that a comma or CROSS JOIN has on both of its sides are that join's. Gives what is left of them. */
const struct expr *join_conditions(const struct scope *sc, struct tree *t, const struct expr *where)
{
    const struct expr *rest = NULL, *left = NULL;
    if (t->kind != TREE_JOIN || t->join != JOIN_INNER || t->on)
        return where;
    struct ids *l = &t->inputs[0]->out, *r = &t->inputs[1]->out;
    unsigned n = where->kind == EX_AND ? where->nargs : 1;
    for (unsigned i = 0; i < n; i++) {
        const struct expr *one = where->kind == EX_AND ? where->args[i] : where;
        bool of_left = expr_reads_any(one, l), of_right = expr_reads_any(one, r);
        bool here = expr_reads_only(one, &t->out); /* not of what a query inside it will give */
        const struct expr **to = here && of_left && of_right ? &t->on : here && of_left ? &left : &rest;
        *to = expr_and(sc->b, *to, one);
    }
    if (left)
        left = join_conditions(sc, t->inputs[0], left);
    join_meet(sc, t);
    tree_derive(t, sc->b->arena);
    return expr_and(sc->b, left, rest);
}

/* left JOIN UNNEST(left.array) ON ...: a LEFT one keeps rows without elements, so it is ON TRUE. */
static int join_function(struct scope *sc, const struct ast_source *from, struct tree *left, struct tree **out)
{
    bool keep = from->join == AST_JOIN_LEFT, always = from->on && from->on->kind == AST_BOOLEAN && str_eq_nocase(from->on->text, STR("TRUE"));
    struct on on = {.sc = sc, .left = left};
    if (from->join > AST_JOIN_LEFT || from->natural || from->using.n || from->within.given || (keep && !always)) {
        bind_error(sc->b, from->place, "0A000", "a table function makes rows of what stands before it: it is joined by CROSS JOIN, or "
                                                "LEFT JOIN ... ON TRUE");
        diag_hint(sc->b->diag, "put a condition on its rows into WHERE, or into ON of an inner JOIN");
        return E_SQL;
    }
    int err = bind_function(sc, from->right, left, keep, out);
    if (err || !from->on || always)
        return err;
    on.right = *out;
    sc->no_aggregates = "ON";
    err = add_condition(&on, from->on);
    sc->no_aggregates = NULL;
    if (!err)
        *out = tree_filter(sc->b->arena, *out, on.all);
    return err;
}

static int bind_join(struct scope *sc, const struct ast_source *from, struct tree **out)
{
    static const enum join_kind kinds[] = {JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_FULL};
    struct arena *a = sc->b->arena;
    struct block *q = sc->q;
    struct tree *left, *right;
    struct using u = {.on = {.sc = sc}, .join = from->join, .first = q->ncols};
    if (from->left->as_of)
        return refuse_as_of(sc, from->left);
    bool left_lacks = from->join == AST_JOIN_RIGHT || from->join == AST_JOIN_FULL;
    bool right_lacks = from->join == AST_JOIN_LEFT || from->join == AST_JOIN_FULL;
    u.on.inner = from->join == AST_JOIN_INNER && !q->null_sides;
    q->null_sides += left_lacks;
    int err = bind_source(sc, from->left, &left);
    q->null_sides -= left_lacks;
    u.middle = q->ncols;
    if (!err && from->right->kind == AST_FROM_FUNCTION)
        return join_function(sc, from, left, out);
    q->null_sides += right_lacks;
    if (!err)
        err = bind_source(sc, from->right, &right);
    q->null_sides -= right_lacks;
    if (err)
        return err;
    u.end = q->ncols;
    u.on.left = left;
    u.on.right = right;
    u.ids.id = ARENA_ARRAY(a, unsigned, u.end - u.first + 1);
    u.exprs = ARENA_ARRAY(a, const struct expr *, u.end - u.first + 1);
    sc->no_aggregates = "ON";
    err = from->on ? add_condition(&u.on, from->on) : share_all(&u, from);
    sc->no_aggregates = NULL;
    if (err)
        return err;
    struct tree *t = tree_join(a, kinds[from->join], left, right, u.on.all);
    t->place = from->place;
    err = meet(sc, t, from);
    tree_derive(t, a);
    q->last_join = *out = t;
    u.ids.n = u.nfull;
    if (u.nfull)
        *out = tree_add(a, sc->b->columns, t, u.ids, u.exprs);
    return err;
}

int bind_from(struct scope *sc, const struct ast_select *s)
{
    struct block *q = sc->q;
    struct arena *a = sc->b->arena;
    if (!s->from.n) { /* one row of no column */
        q->tree = one_row(sc);
        return 0;
    }
    for (unsigned i = 0; i < s->from.n; i++) {
        struct tree *t;
        if (s->from.items[i]->as_of)
            return refuse_as_of(sc, s->from.items[i]);
        if (i && s->from.items[i]->kind == AST_FROM_FUNCTION) {
            int err = bind_function(sc, s->from.items[i], q->tree, false, &q->tree);
            if (err)
                return err;
            continue;
        }
        int err = bind_source(sc, s->from.items[i], &t);
        if (err)
            return err;
        q->tree = i ? tree_join(a, JOIN_INNER, q->tree, t, NULL) : t;
        if (i)
            q->last_join = q->tree;
    }
    return 0;
}
