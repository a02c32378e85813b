/* FROM: relations side by side in the source row, and what their ON conditions equate. */
#include "sql/bind/select.h"

/* ---- Relations and their columns */

static void add_column(struct query *q, const char *name, struct type type, struct want want, bool key, bool pseudo)
{
    q->cols[q->ncols++] = (struct query_column){name, type, q->nsources, want, key, pseudo};
}

static void add_columns(struct query *q, struct query_source *s)
{
    const struct relation *rel = s->rel;
    s->first = q->ncols;
    for (unsigned i = 0; i < rel->ncols; i++)
        add_column(q, rel->cols[i].name, rel->cols[i].type,
                   (struct want){rel->cols[i].key ? WANT_KEY : WANT_VALUE, rel->cols[i].index}, rel->cols[i].key,
                   false);
    if (rel->sys) {
        s->ncols = q->ncols - s->first;
        return;
    }
    add_column(q, "ROWTIME", TYPE(T_BIGINT), (struct want){WANT_ROWTIME, 0}, false, true);
    add_column(q, "ROWPARTITION", TYPE(T_INT), (struct want){WANT_ROWPARTITION, 0}, false, true);
    add_column(q, "ROWOFFSET", TYPE(T_BIGINT), (struct want){WANT_ROWOFFSET, 0}, false, true);
    if (rel->windowed) {
        add_column(q, "WINDOWSTART", TYPE(T_BIGINT), (struct want){WANT_WINDOWSTART, 0}, true, true);
        add_column(q, "WINDOWEND", TYPE(T_BIGINT), (struct want){WANT_WINDOWEND, 0}, false, true);
    }
    s->ncols = q->ncols - s->first;
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

/* ---- ON */

struct on {
    struct scope *sc;
    struct query *q;
    struct query_source *right; /* the one being joined */
    const struct expr *rest;    /* conditions that are no equality between the sides */
    struct place rest_place;
};

/* Which sides an expression reads: bit 0 what stands to the left, bit 1 the relation being joined. */
static unsigned sides_of(const struct on *on, const struct expr *e)
{
    if (e->kind == EX_COLUMN)
        return e->column >= on->right->first ? 2 : 1;
    unsigned sides = 0;
    for (unsigned i = 0; i < e->nargs; i++)
        sides |= sides_of(on, e->args[i]);
    return sides;
}

static int add_equality(struct on *on, const struct ast_expr *e, const struct expr *left, const struct expr *right)
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
    on->right->left[on->right->njoin] = expr_cast(b, left, common);
    on->right->right[on->right->njoin++] = expr_cast(b, right, common);
    return 0;
}

static int add_condition(struct on *on, const struct ast_expr *e)
{
    const struct expr *whole, *left, *right;
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
        unsigned l = sides_of(on, left), r = sides_of(on, right);
        if ((l | r) == 3 && l != 3 && r != 3 && l && r)
            return l == 1 ? add_equality(on, e, left, right) : add_equality(on, e, right, left);
    }
    if ((err = resolve_condition(on->sc, e, "ON", &whole)) != 0)
        return err;
    on->rest = expr_and(on->sc->b, on->rest, whole);
    on->rest_place = e->place;
    return 0;
}

/* ---- Which joins there are */

/* Do the right sides of the equalities cover the whole key of the relation being joined? */
static bool covers_key(const struct query *q, const struct query_source *s)
{
    for (unsigned c = s->first; c < s->first + s->ncols; c++) {
        bool found = !q->cols[c].key;
        for (unsigned i = 0; i < s->njoin && !found; i++)
            found = s->right[i]->kind == EX_COLUMN && s->right[i]->column == c;
        if (!found)
            return false;
    }
    return true;
}

static bool covers_left_key(const struct query *q, const struct query_source *s)
{
    for (unsigned c = 0; c < s->first; c++) {
        bool found = !q->cols[c].key || q->cols[c].source != 0;
        for (unsigned i = 0; i < s->njoin && !found; i++)
            found = s->left[i]->kind == EX_COLUMN && s->left[i]->column == c;
        if (!found)
            return false;
    }
    return true;
}

static int check_join(const struct binding *b, const struct query *q, const struct query_source *s, const struct on *on)
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
        return bind_error(b, on->rest ? on->rest_place : s->place, "42601",
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
        return bind_error(b, on->rest_place, "0A000",
                          "ON of an outer join can hold equalities between the two sides only");
    return 0;
}

static int join(struct scope *sc, struct query *q, struct query_source *s, const struct ast_source *from, struct on *on)
{
    unsigned most = from->on->kind == AST_AND ? from->on->nargs : 1;
    for (unsigned i = 0; from->on->kind == AST_AND && i < from->on->nargs; i++)
        most += from->on->args[i]->nargs;
    s->left = ARENA_ARRAY(sc->b->arena, const struct expr *, most);
    s->right = ARENA_ARRAY(sc->b->arena, const struct expr *, most);
    *on = (struct on){.sc = sc, .q = q, .right = s};
    int err = add_condition(on, from->on);
    return err ? err : check_join(sc->b, q, s, on);
}

int bind_from(struct scope *sc, const struct ast_select *s, const struct expr **conditions)
{
    const struct binding *b = sc->b;
    struct query *q = sc->q;
    unsigned room = 0;
    if (s->from.n > SQL_SOURCES)
        return bind_error(b, s->from.items[SQL_SOURCES].place, "54000", "a query joins at most %d relations",
                          SQL_SOURCES);
    q->sources = ARENA_ARRAY(b->arena, struct query_source, s->from.n);
    struct relation **rels = ARENA_ARRAY(b->arena, struct relation *, s->from.n);
    for (unsigned i = 0; i < s->from.n; i++) {
        rels[i] = bind_relation(b, &s->from.items[i].name);
        if (!rels[i])
            return E_SQL;
        room += rels[i]->ncols + 5;
    }
    q->cols = ARENA_ARRAY(b->arena, struct query_column, room);
    for (unsigned i = 0; i < s->from.n; i++) {
        const struct ast_source *from = &s->from.items[i];
        const struct ast_name *alias = from->alias.text.ptr ? &from->alias : &from->name;
        struct query_source *src = &q->sources[i];
        struct on on;
        for (unsigned k = 0; k < i; k++)
            if (str_eq_nocase(str_of(q->sources[k].alias), alias->text))
                return bind_error(b, alias->place, "42712",
                                  "\"%.*s\" stands in FROM twice; give one another name with AS", STR_ARG(alias->text));
        *src = (struct query_source){.rel = rels[i], .join = from->join, .place = i ? from->place : from->name.place};
        src->alias = from->alias.text.ptr ? arena_dup(b->arena, from->alias.text).ptr : rels[i]->sys ? rels[i]->sys->name : rels[i]->name;
        add_columns(q, src);
        q->nsources = i + 1;
        int err = i ? join(sc, q, src, from, &on) : 0;
        if (err)
            return err;
        if (i)
            *conditions = expr_and(b, *conditions, on.rest);
    }
    return 0;
}
