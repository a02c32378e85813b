/* CREATE FUNCTION and DROP FUNCTION: C functions of users. */
#include "sql/plan/statement.h"

/* Opens the library once, so that a wrong path or symbol is told now and not by the first job. */
static int try_out(struct stmt *st, const struct function *f)
{
    const struct expr **args = (const struct expr **)ARENA_ARRAY(st->arena, const struct expr *, f->nargs);
    for (unsigned i = 0; i < f->nargs; i++) {
        struct expr *null = ARENA_NEW(st->arena, struct expr);
        *null = (struct expr){.kind = EX_CONST, .type = f->args[i], .value = value_null(f->args[i])};
        args[i] = null;
    }
    struct expr call = {
        .kind = EX_UDF, .type = f->result, .nargs = f->nargs, .args = args, .udf = {f->name, f->library, f->symbol}};
    const struct expr *root = &call;
    struct schema none = {0};
    struct prog *prog;
    if (prog_compile(&prog, &root, 1, &none, st->b.diag) != 0) {
        if (st->b.diag && !st->b.diag->code[0])
            memcpy(st->b.diag->code, "58P01", 6);
        return diag_place(st->b.diag, E_SQL, st->b.text, st->ast->text_place);
    }
    prog_free(prog);
    return 0;
}

/* What udf.h has a C type for. */
static bool passes(struct type t) { return t.id != T_DECIMAL && t.id != T_INTERVAL && !type_is_nested(t); }

static int read_types(struct stmt *st, struct function *f)
{
    const struct ast_statement *ast = st->ast;
    f->args = ARENA_ARRAY(st->arena, struct type, ast->types.n);
    for (unsigned i = 0; i <= ast->types.n; i++) {
        const struct ast_type *t = i < ast->types.n ? &ast->types.items[i] : &ast->result;
        struct type *to = i < ast->types.n ? &f->args[f->nargs++] : &f->result;
        int err = bind_type(&st->b, t, to);
        if (err)
            return err;
        if (passes(*to))
            continue;
        char name[TYPE_TEXT];
        type_format(*to, name);
        bind_error(&st->b, t->place, "0A000", "%s cannot be passed to C functions", name);
        diag_hint(st->b.diag, "%s", type_is_nested(*to) ? "pass its elements or fields, or all of it as VARCHAR: CAST gives JSON"
                                    : to->id == T_INTERVAL ? "use BIGINT"
                                                           : "use DOUBLE or BIGINT");
        return E_SQL;
    }
    return 0;
}

int prepare_create_function(struct stmt *st)
{
    const struct ast_statement *ast = st->ast;
    const struct object *old = image_object(st->b.image, "function", ast->name.text);
    struct function f = {.name = arena_dup(st->arena, ast->name.text).ptr};
    struct wbuf w;
    if (old && ast->if_clause)
        return stmt_nothing(st, "function \"%s\" exists already; nothing changed", old->name);
    if (old && !ast->or_replace)
        return bind_error(&st->b, ast->name.place, "42723",
                          "a function \"%s\" exists already; write CREATE OR REPLACE, or DROP it", old->name);
    if (func_exists(ast->name.text) || agg_named(ast->name.text, &(enum agg_kind){0}))
        return bind_error(&st->b, ast->name.place, "42723", "%.*s is a built-in function; choose another name",
                          STR_ARG(ast->name.text));
    if (!str_eq_nocase(ast->language.text, STR("C"))) {
        bind_error(&st->b, ast->language.place, "0A000", "functions are written in C; \"%.*s\" is not supported",
                   STR_ARG(ast->language.text));
        diag_hint(st->b.diag, "write LANGUAGE C");
        return E_SQL;
    }
    if (memchr(ast->text.ptr, 0, ast->text.len) || memchr(ast->value.ptr, 0, ast->value.len) || !ast->text.len ||
        !ast->value.len)
        return bind_error(&st->b, ast->text_place, "42601", "a library and a symbol are needed: AS 'lib.so', 'symbol'");
    int err = read_types(st, &f);
    if (err)
        return err;
    f.library = arena_dup(st->arena, ast->text).ptr;
    f.symbol = arena_dup(st->arena, ast->value).ptr;
    f.sql = arena_dup(st->arena, stmt_sql(st)).ptr;
    if ((err = try_out(st, &f)) != 0)
        return err;
    wbuf_init(&w);
    function_pack(&f, &w);
    change_put_object(stmt_change(st), "function", str_of(f.name), old ? old->id : stmt_uuid(st), wbuf_view(&w), !old);
    wbuf_fini(&w);
    stmt_message(st, "function \"%s\" %s", f.name,
                 old ? "replaced; running jobs keep the one they began with" : "created");
    return 0;
}

int prepare_drop_function(struct stmt *st)
{
    const struct ast_name *name = &st->ast->name;
    const struct object *o = image_object(st->b.image, "function", name->text);
    if (!o && st->ast->if_clause)
        return stmt_nothing(st, "there is no function \"%.*s\"; nothing changed", STR_ARG(name->text));
    if (!o && func_exists(name->text))
        return bind_error(&st->b, name->place, "42809", "%.*s is a built-in function and stays", STR_ARG(name->text));
    if (!o) {
        struct nearest near = nearest_of(name->text);
        for (unsigned i = 0; i < st->b.image->nobjects; i++)
            if (strcmp(st->b.image->objects[i]->kind, "function") == 0)
                nearest_add(&near, str_of(st->b.image->objects[i]->name));
        bind_error(&st->b, name->place, "42883", "there is no function \"%.*s\"", STR_ARG(name->text));
        if (nearest_get(&near).ptr)
            diag_hint(st->b.diag, "did you mean \"%.*s\"?", STR_ARG(nearest_get(&near)));
        return E_SQL;
    }
    change_remove_object(stmt_change(st), "function", o->id);
    stmt_message(st, "function \"%s\" dropped; running jobs keep it", o->name);
    return 0;
}
