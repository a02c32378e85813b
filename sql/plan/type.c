/* CREATE TYPE, DROP TYPE and SHOW TYPES: names for types. */
#include "sql/plan/statement.h"

int prepare_create_type(struct stmt *st)
{
    const struct ast_statement *ast = st->ast;
    const struct object *old = image_object(st->b.image, "type", ast->name.text);
    const char *name = arena_dup(st->arena, ast->name.text).ptr;
    struct type t;
    struct wbuf w;
    if (old && ast->if_clause)
        return stmt_nothing(st, "type \"%s\" exists already; nothing changed", old->name);
    if (old)
        return bind_error(&st->b, ast->name.place, "42710", "a type \"%s\" exists already; DROP it first", old->name);
    if (type_parse(ast->name.text, &t) || str_eq_nocase(ast->name.text, STR("ARRAY")) ||
        str_eq_nocase(ast->name.text, STR("MAP")) || str_eq_nocase(ast->name.text, STR("STRUCT")) ||
        str_eq_nocase(ast->name.text, STR("DECIMAL")))
        return bind_error(&st->b, ast->name.place, "42710", "%s is a built-in type; choose another name", name);
    int err = bind_type(&st->b, &ast->result, &t);
    if (err)
        return err;
    wbuf_init(&w);
    named_type_pack(t, arena_dup(st->arena, stmt_sql(st)).ptr, &w);
    change_put_object(stmt_change(st), "type", str_of(name), stmt_uuid(st), wbuf_view(&w), true);
    wbuf_fini(&w);
    stmt_message(st, "type \"%s\" created: %s", name, type_text(t, st->arena));
    return 0;
}

int prepare_drop_type(struct stmt *st)
{
    const struct ast_name *name = &st->ast->name;
    const struct object *o = image_object(st->b.image, "type", name->text);
    if (!o && st->ast->if_clause)
        return stmt_nothing(st, "there is no type \"%.*s\"; nothing changed", STR_ARG(name->text));
    if (!o) {
        bind_error(&st->b, name->place, "42704", "there is no type \"%.*s\" that was made by CREATE TYPE", STR_ARG(name->text));
        diag_hint(st->b.diag, "SHOW TYPES lists those");
        return E_SQL;
    }
    change_remove_object(stmt_change(st), "type", o->id);
    stmt_message(st, "type \"%s\" dropped; columns keep what it stood for", o->name);
    return 0;
}
