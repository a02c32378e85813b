/* FROM: relations side by side in the source row, and what their ON conditions equate. */
#include "sql/bind/select.h"

/* ---- Relations and their columns */

static void add_column(struct scope *sc, struct tree *t, struct tree_column c, struct want want, bool key, bool pseudo)
{
    struct block *q = sc->q;
    c.source = q->sources[q->nsources].alias;
    unsigned id = column_add(sc->b->columns, c);
    t->wants[t->out.n] = want;
    t->out.id[t->out.n++] = id;
    bool star = !pseudo || want.from >= WANT_WINDOWSTART;
    q->cols[q->ncols++] = (struct block_column){c.name, c.type, q->nsources, id, key, pseudo, star};
}

static void add_pseudo(struct scope *sc, struct tree *t, const char *name, uint8_t type, enum want_from from)
{
    add_column(sc, t, (struct tree_column){name, NULL, TYPE(type), type == T_BIGINT}, (struct want){from, 0},
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
    t->wants = ARENA_ARRAY(a, struct want, rel->ncols + 5);
    t->out.id = ARENA_ARRAY(a, unsigned, rel->ncols + 5);
    s->first = sc->q->ncols;
    for (unsigned i = 0; i < rel->ncols; i++)
        add_column(sc, t, (struct tree_column){rel->cols[i].name, NULL, rel->cols[i].type, false},
                   (struct want){rel->cols[i].key ? WANT_KEY : WANT_VALUE, rel->cols[i].index}, rel->cols[i].key, false);
    if (!rel->sys) {
        add_pseudo(sc, t, "ROWTIME", T_BIGINT, WANT_ROWTIME);
        add_pseudo(sc, t, "ROWPARTITION", T_INT, WANT_ROWPARTITION);
        add_pseudo(sc, t, "ROWOFFSET", T_BIGINT, WANT_ROWOFFSET);
    }
    if (!rel->sys && rel->windowed) {
        add_pseudo(sc, t, "WINDOWSTART", T_BIGINT, WANT_WINDOWSTART);
        add_pseudo(sc, t, "WINDOWEND", T_BIGINT, WANT_WINDOWEND);
    }
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
    struct query_read *more = ARENA_ARRAY(sc->b->arena, struct query_read, r->nreads + 1);
    if (r->nreads)
        memcpy(more, r->reads, r->nreads * sizeof *more);
    more[r->nreads++] = (struct query_read){rel, place};
    r->reads = more;
}

/* ---- ON */

struct on {
    struct scope *sc;
    struct block_source *right; /* the one being joined */
    struct tree *tree;          /* of it */
    const struct expr *all;     /* the whole condition */
    const struct expr *rest;    /* the last of it that is no equality between the sides */
};

static int add_equality(struct on *on, const struct ast_expr *e, const struct expr *left, const struct expr *right,
                        const struct expr **out)
{
    const struct binding *b = on->sc->b;
    struct type common;
    char lt[TYPE_TEXT], rt[TYPE_TEXT];
    type_format(left->type, lt);
    type_format(right->type, rt);
    /* The table's key is looked up as it is; only the other side can be widened. */
    if (!type_common(left->type, right->type, &common) || (!type_eq(common, right->type) && right->kind == EX_COLUMN)) {
        bind_error(b, e->place, "42804", "the two sides of the join differ in type: %s and %s", lt, rt);
        diag_hint(b->diag, "CAST the left side to %s", rt);
        return E_SQL;
    }
    unsigned n = on->right->njoin++;
    on->right->left[n] = expr_cast(b, left, common);
    on->right->right[n] = expr_cast(b, right, common);
    return resolve_compare(on->sc, STR("="), on->right->left[n], on->right->right[n], e, out);
}

static bool is_of(const struct expr *e, const struct tree *t)
{
    return expr_reads_any(e, &t->out) && expr_reads_only(e, &t->out);
}

static int add_condition(struct on *on, const struct ast_expr *e)
{
    const struct expr *one = NULL, *left, *right;
    int err;
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
        if (is_of(left, on->sc->q->tree) && is_of(right, on->tree))
            err = add_equality(on, e, left, right, &one);
        else if (is_of(right, on->sc->q->tree) && is_of(left, on->tree))
            err = add_equality(on, e, right, left, &one);
        if (err)
            return err;
    }
    if (!one && (err = resolve_condition(on->sc, e, "ON", &one)) == 0)
        on->rest = one;
    on->all = expr_and(on->sc->b, on->all, one);
    return err;
}

/* ---- Which joins there are */

/* Do the right sides of the equalities cover the whole key of the relation being joined? */
static bool covers_key(const struct block *q, const struct block_source *s)
{
    for (unsigned c = s->first; c < s->first + s->ncols; c++) {
        bool found = !q->cols[c].key;
        for (unsigned i = 0; i < s->njoin && !found; i++)
            found = s->right[i]->kind == EX_COLUMN && s->right[i]->column == q->cols[c].id;
        if (!found)
            return false;
    }
    return true;
}

static bool covers_left_key(const struct block *q, const struct block_source *s)
{
    for (unsigned c = 0; c < s->first; c++) {
        bool found = !q->cols[c].key || q->cols[c].source != 0;
        for (unsigned i = 0; i < s->njoin && !found; i++)
            found = s->left[i]->kind == EX_COLUMN && s->left[i]->column == q->cols[c].id;
        if (!found)
            return false;
    }
    return true;
}

static int check_join(const struct binding *b, const struct block *q, const struct block_source *s, const struct on *on)
{
    const struct relation *left = q->sources[0].rel;
    if (s->rel->windowed || left->windowed)
        return bind_error(b, s->place, "0A000", "windowed tables cannot be joined");
    if (!s->rel->table && left->table) {
        bind_error(b, s->place, "0A000", "a table cannot be joined with a stream on its right");
        diag_hint(b->diag, "put the stream first: FROM %s JOIN %s ...", s->rel->name, left->name);
        return E_SQL;
    }
    if (!s->rel->table)
        return bind_error(b, s->place, "0A000", "joins of two streams are not supported; join the stream to a table");
    if (s->njoin == 0)
        return bind_error(b, on->rest ? place_of(on->rest) : s->place, "42601",
                          "ON needs an equality between \"%s\" and what stands left of it", s->alias);
    if (s->rel->sys && !left->table) {
        bind_error(b, s->place, "0A000", "a stream cannot be joined with %s", s->rel->name);
        diag_hint(b->diag, "tables can: it shows what is now, and a stream's rows are of other times");
        return E_SQL;
    }
    if (!s->rel->sys && !covers_key(q, s)) {
        const char *key = "";
        for (unsigned c = s->first; c < s->first + s->ncols && !*key; c++)
            key = q->cols[c].key ? q->cols[c].name : "";
        bind_error(b, place_of(s->right[0]), "0A000", "\"%s\" can be joined on its whole primary key only", s->alias);
        diag_hint(b->diag, "its key begins with column \"%s\"", key);
        return E_SQL;
    }
    bool outer_right = s->join == AST_JOIN_RIGHT || s->join == AST_JOIN_FULL;
    if (outer_right && !left->table)
        return bind_error(b, s->place, "0A000", "a stream and a table can be joined by JOIN or LEFT JOIN only");
    bool keyed = !s->rel->sys || !left->sys;
    if (outer_right && keyed && (!covers_left_key(q, s) || s->njoin != s->rel->format.nkey || q->nsources > 2))
        return bind_error(b, s->place, "0A000",
                          "RIGHT and FULL JOIN need the whole primary key of both tables, and no third table");
    if (on->rest && s->join != AST_JOIN_INNER)
        return bind_error(b, place_of(on->rest), "0A000",
                          "ON of an outer join can hold equalities between the two sides only");
    return 0;
}

static int join(struct scope *sc, struct block_source *s, struct tree *right, const struct ast_source *from)
{
    static const enum join_kind kinds[] = {JOIN_INNER, JOIN_LEFT, JOIN_RIGHT, JOIN_FULL};
    struct block *q = sc->q;
    unsigned most = from->on->kind == AST_AND ? from->on->nargs : 1;
    for (unsigned i = 0; from->on->kind == AST_AND && i < from->on->nargs; i++)
        most += from->on->args[i]->nargs;
    s->left = ARENA_ARRAY(sc->b->arena, const struct expr *, most);
    s->right = ARENA_ARRAY(sc->b->arena, const struct expr *, most);
    struct on on = {.sc = sc, .right = s, .tree = right};
    sc->no_aggregates = "ON";
    int err = add_condition(&on, from->on);
    if (!err)
        err = check_join(sc->b, q, s, &on);
    if (err)
        return err;
    struct tree *t = tree_join(sc->b->arena, kinds[s->join], q->tree, right, on.all);
    t->place = s->place;
    t->meet = q->tree->stream && s->rel->table && sc->use != QUERY_PULL ? MEET_LOOKUP : MEET_STATE;
    tree_derive(t, sc->b->arena);
    q->tree = t;
    return 0;
}

int bind_from(struct scope *sc, const struct ast_select *s)
{
    const struct binding *b = sc->b;
    struct block *q = sc->q;
    unsigned room = 0;
    if (s->from.n > SQL_SOURCES)
        return bind_error(b, s->from.items[SQL_SOURCES].place, "54000", "a query joins at most %d relations",
                          SQL_SOURCES);
    q->sources = ARENA_ARRAY(b->arena, struct block_source, s->from.n);
    struct relation **rels = ARENA_ARRAY(b->arena, struct relation *, s->from.n);
    for (unsigned i = 0; i < s->from.n; i++) {
        rels[i] = bind_relation(b, &s->from.items[i].name);
        if (!rels[i])
            return E_SQL;
        room += rels[i]->ncols + 5;
    }
    q->cols = ARENA_ARRAY(b->arena, struct block_column, room);
    for (unsigned i = 0; i < s->from.n; i++) {
        const struct ast_source *from = &s->from.items[i];
        const struct ast_name *alias = from->alias.text.ptr ? &from->alias : &from->name;
        struct block_source *src = &q->sources[i];
        for (unsigned k = 0; k < i; k++)
            if (str_eq_nocase(str_of(q->sources[k].alias), alias->text))
                return bind_error(b, alias->place, "42712",
                                  "\"%.*s\" stands in FROM twice; give one another name with AS", STR_ARG(alias->text));
        *src = (struct block_source){.rel = rels[i], .join = from->join, .place = i ? from->place : from->name.place};
        src->alias = from->alias.text.ptr ? arena_dup(b->arena, from->alias.text).ptr
                     : rels[i]->sys       ? rels[i]->sys->name
                                          : rels[i]->name;
        struct tree *t = read_relation(sc, src);
        add_read(sc, rels[i], from->name.place);
        q->nsources = i + 1;
        int err = i ? join(sc, src, t, from) : 0;
        if (err)
            return err;
        if (!i)
            q->tree = t;
    }
    return 0;
}
