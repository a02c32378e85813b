/* CREATE VIEW and DROP VIEW: a query with a name, which stands wherever FROM says the name. Nothing runs for it. */
#include "sql/plan/statement.h"

/* Who reads it; the others' rows are found by their ids, whatever they are called. */
static void keep_reads(struct stmt *st, const struct query *q, struct sqlview *v)
{
    v->reads = ARENA_ARRAY(st->arena, struct uuid, q->nreads + q->nviews);
    for (unsigned i = 0; i < q->nreads; i++)
        if (!q->reads[i].rel->sys)
            v->reads[v->nreads++] = q->reads[i].rel->id;
    for (unsigned i = 0; i < q->nviews; i++)
        v->reads[v->nreads++] = q->views[i];
}

/* 0: it may be made; 1: nothing is to be done. */
static int name_free(struct stmt *st, const struct object **old)
{
    const struct ast_statement *ast = st->ast;
    const struct relation *rel = image_object(st->b.image, "relation", ast->name.text)
                                     ? relation_find(st->b.image, ast->name.text, st->arena, NULL)
                                     : NULL;
    *old = image_object(st->b.image, "view", ast->name.text);
    if (rel)
        return bind_error(&st->b, ast->name.place, "42P07", "a %s \"%s\" exists already; choose another name",
                          rel->table ? "table" : "stream", rel->name);
    if (*old && ast->if_clause) {
        stmt_nothing(st, "view \"%s\" exists already; nothing changed", (*old)->name);
        return 1;
    }
    if (*old && !ast->or_replace) {
        bind_error(&st->b, ast->name.place, "42P07", "a view \"%s\" exists already", (*old)->name);
        diag_hint(st->b.diag, "write CREATE OR REPLACE VIEW, or DROP it");
        return E_SQL;
    }
    return 0;
}

/* A view that reads itself, through others perhaps, would have no end. */
static bool goes_round(const struct stmt *st, const struct sqlview *v, struct uuid id, unsigned depth)
{
    for (unsigned i = 0; i < v->nreads && depth < SQL_SOURCES; i++) {
        const struct object *o = image_object_by_id(st->b.image, v->reads[i]);
        struct sqlview next;
        if (uuid_eq(v->reads[i], id))
            return true;
        if (o && strcmp(o->kind, "view") == 0 && sqlview_unpack(&next, o, st->arena) == 0 &&
            goes_round(st, &next, id, depth + 1))
            return true;
    }
    return false;
}

int prepare_create_view(struct stmt *st)
{
    const struct ast_statement *ast = st->ast;
    const struct object *old;
    struct sqlview v = {.name = arena_dup(st->arena, ast->name.text).ptr, .sql = arena_dup(st->arena, stmt_sql(st)).ptr};
    struct query q;
    struct wbuf w;
    int err = name_free(st, &old);
    if (err)
        return err > 0 ? 0 : err;
    if (ast->select->emit != AST_EMIT_NONE)
        return bind_error(&st->b, ast->select->emit_place, "42601", "EMIT belongs to the query that reads the view");
    if ((err = bind_query(&st->b, ast->select, QUERY_PUSH, false, &q)) != 0)
        return err;
    keep_reads(st, &q, &v);
    if (old && goes_round(st, &v, old->id, 0))
        return bind_error(&st->b, ast->name.place, "42P19", "view \"%s\" would read itself", v.name);
    wbuf_init(&w);
    sqlview_pack(&v, &w);
    change_put_object(stmt_change(st), "view", str_of(v.name), old ? old->id : stmt_uuid(st), wbuf_view(&w), !old);
    wbuf_fini(&w);
    stmt_message(st, "view \"%s\" %s", v.name, old ? "replaced; running jobs keep the one they began with" : "created");
    return 0;
}

int prepare_drop_view(struct stmt *st)
{
    const struct ast_name *name = &st->ast->name;
    const struct object *o = image_object(st->b.image, "view", name->text);
    if (!o && st->ast->if_clause)
        return stmt_nothing(st, "there is no view \"%.*s\"; nothing changed", STR_ARG(name->text));
    if (!o) {
        bind_error(&st->b, name->place, "42P01", "there is no view \"%.*s\"", STR_ARG(name->text));
        diag_hint(st->b.diag, "SHOW VIEWS; lists what there is");
        return E_SQL;
    }
    const char *users = sqlview_users(st->b.image, o->id, st->arena);
    if (users)
        return bind_error(&st->b, name->place, "2BP01", "\"%s\" cannot be dropped: it is read by %s", o->name, users);
    change_remove_object(stmt_change(st), "view", o->id);
    stmt_message(st, "view \"%s\" dropped; running jobs keep it", o->name);
    return 0;
}

void views_show(struct stmt *st)
{
    static const char *const columns[] = {"view", "statement"};
    rows_columns(st, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; i < st->b.image->nobjects; i++) {
        const struct object *o = st->b.image->objects[i];
        struct sqlview v;
        if (strcmp(o->kind, "view") != 0 || sqlview_unpack(&v, o, st->arena) != 0)
            continue;
        const char *cells[] = {v.name, v.sql};
        rows_add(st, cells, (struct uuid){{0}});
    }
}

/* Bound anew: what it reads may have got columns since. */
int view_describe(struct stmt *st)
{
    static const char *const columns[] = {"column", "type"};
    const struct sqlview *v = sqlview_find(st->b.image, st->ast->name.text, st->arena);
    struct ast_statement *view;
    struct binding b = st->b;
    struct query q;
    int err = v ? 0 : diag_set(b.diag, E_CORRUPT, "the stored description of the view cannot be read");
    b.text = v ? str_of(v->sql) : STR("");
    if (!err)
        err = parse_statement(&view, b.text, st->arena, b.diag);
    if (!err)
        err = bind_query(&b, view->select, QUERY_PUSH, false, &q);
    if (err)
        return diag_place(st->b.diag, err, st->b.text, st->ast->name.place);
    rows_columns(st, columns, ARRAY_LEN(columns));
    for (unsigned i = 0; i < q.nitems; i++) {
        const char *cells[] = {q.items[i].name, type_text(q.items[i].type, st->arena)};
        rows_add(st, cells, (struct uuid){{0}});
    }
    return 0;
}
