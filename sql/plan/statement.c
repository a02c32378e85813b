/* One statement: variables, tree, and the family it belongs to. */
#include <stdio.h>

#include "log/base/random.h"
#include "sql/plan/statement.h"

/* ---- Helpers of all families */

struct uuid stmt_uuid(const struct stmt *st)
{
    struct uuid id;
    do {
        uint64_t words[2] = {random_next(st->env->random), random_next(st->env->random)};
        memcpy(id.b, words, sizeof id.b);
    } while (uuid_is_zero(id));
    return id;
}

struct change *stmt_change(struct stmt *st)
{
    if (!st->out->has_change)
        change_init(&st->out->change);
    st->out->has_change = true;
    st->out->kind = PREPARED_CHANGE;
    return &st->out->change;
}

int stmt_nothing(struct stmt *st, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    st->out->kind = PREPARED_NOTHING;
    st->out->message = arena_vprintf(st->arena, fmt, ap);
    va_end(ap);
    return 0;
}

void stmt_message(struct stmt *st, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    st->out->message = arena_vprintf(st->arena, fmt, ap);
    va_end(ap);
}

struct ast_statement *stmt_create(const struct stmt *st)
{
    return st->ast->kind == AST_EXPLAIN ? st->ast->inner : (struct ast_statement *)st->ast;
}

struct str stmt_sql(const struct stmt *st)
{
    struct str s = str_trim(st->b.text);
    while (s.len && s.ptr[s.len - 1] == ';')
        s = str_trim((struct str){s.ptr, s.len - 1});
    return s;
}

/* ---- Statements of one line */

static int prepare_set(struct stmt *st)
{
    const struct ast_statement *ast = st->ast;
    struct nearest near = nearest_of(ast->text);
    st->out->kind = PREPARED_SET;
    for (unsigned i = 0; property_at(i); i++) {
        const struct property *p = property_at(i);
        nearest_add(&near, str_of(p->name));
        if (!str_eq_nocase(ast->text, str_of(p->name)))
            continue;
        st->out->name = str_of(p->name);
        char list[160];
        property_list(p, list, sizeof list);
        st->out->value = ast->kind == AST_SET ? property_value(p, ast->value) : STR_NULL;
        if (ast->kind == AST_UNSET || st->out->value.ptr)
            return 0;
        bind_error(&st->b, ast->text_place, "22023", "%s cannot be '%.*s'", p->name, (int)MIN(ast->value.len, 60),
                   ast->value.ptr);
        diag_hint(st->b.diag, "it is %s%s", p->values ? "one of " : "", list);
        return E_SQL;
    }
    bind_error(&st->b, ast->text_place, "42704", "there is no property '%.*s'", (int)MIN(ast->text.len, 60),
               ast->text.ptr);
    struct str best = nearest_get(&near);
    if (best.ptr)
        diag_hint(st->b.diag, "did you mean '%.*s'?", STR_ARG(best));
    else
        diag_hint(st->b.diag, "SHOW PROPERTIES lists what can be set");
    return E_SQL;
}

static int prepare_define(struct stmt *st)
{
    st->out->kind = PREPARED_DEFINE;
    st->out->name = st->ast->name.text;
    st->out->value = st->ast->kind == AST_DEFINE ? st->ast->value : STR_NULL;
    return 0;
}

/* Topics are named exactly; a relation's name stands for its topic where there is no such topic. */
int prepare_print(struct stmt *st)
{
    struct nearest near = nearest_of(st->ast->name.text);
    const struct topic *t = image_topic(st->b.image, st->ast->name.text);
    const struct relation *rel = t ? NULL : relation_find(st->b.image, st->ast->name.text, st->arena, NULL);
    t = rel ? image_topic_by_id(st->b.image, rel->topic) : t;
    for (unsigned i = 0; i < st->b.image->ntopics && !t; i++) {
        if (str_eq_nocase(str_of(st->b.image->topics[i]->name), st->ast->name.text) && !st->ast->name.quoted)
            t = st->b.image->topics[i];
        nearest_add(&near, str_of(st->b.image->topics[i]->name));
    }
    if (!t) {
        bind_error(&st->b, st->ast->name.place, "42P01", "there is no topic \"%.*s\"", STR_ARG(st->ast->name.text));
        if (nearest_get(&near).ptr)
            diag_hint(st->b.diag, "did you mean '%.*s'?", STR_ARG(nearest_get(&near)));
        return E_SQL;
    }
    st->out->kind = PREPARED_PRINT;
    st->out->topic = t->id;
    st->out->topic_name = t->name;
    st->out->from_beginning = st->ast->from_beginning;
    st->out->limit = st->ast->limit.given ? st->ast->limit.n : -1;
    return 0;
}

/* ---- Choosing */

static int prepare(struct stmt *st)
{
    switch (st->ast->kind) {
    case AST_CREATE:
        return prepare_create(st);
    case AST_CREATE_AS:
        return prepare_create_as(st);
    case AST_CREATE_VIEW:
        return prepare_create_view(st);
    case AST_DROP_VIEW:
        return prepare_drop_view(st);
    case AST_CREATE_FUNCTION:
        return prepare_create_function(st);
    case AST_DROP:
        return prepare_drop(st);
    case AST_DROP_FUNCTION:
        return prepare_drop_function(st);
    case AST_CREATE_TYPE:
        return prepare_create_type(st);
    case AST_DROP_TYPE:
        return prepare_drop_type(st);
    case AST_INSERT:
        return prepare_insert(st);
    case AST_SELECT:
        return prepare_select(st);
    case AST_SAVEPOINT:
        return prepare_savepoint(st);
    case AST_RESTORE:
        return prepare_restore(st);
    case AST_DROP_SAVEPOINT:
        return prepare_drop_savepoint(st);
    case AST_PROMOTE:
        return prepare_promote(st);
    case AST_DISCARD:
        return prepare_discard(st);
    case AST_TERMINATE:
    case AST_PAUSE:
    case AST_RESUME:
        return prepare_job_state(st);
    case AST_SHOW:
        return prepare_show(st);
    case AST_SHOW_ERRORS:
        return prepare_show_errors(st);
    case AST_DESCRIBE:
        return prepare_describe(st);
    case AST_DESCRIBE_FUNCTION:
        return prepare_describe_function(st);
    case AST_EXPLAIN:
        return prepare_explain(st);
    case AST_PRINT:
        return prepare_print(st);
    case AST_SET:
    case AST_UNSET:
        return prepare_set(st);
    case AST_DEFINE:
    case AST_UNDEFINE:
        return prepare_define(st);
    }
    return E_UNKNOWN;
}

static struct str variable(void *arg, struct str name) { return settings_get(arg, name); }

int statement_prepare(struct prepared *out, struct str text, const struct statement_env *env, struct arena *a,
                      struct diag *d)
{
    struct stmt st = {.env = env, .arena = a, .out = out};
    struct ast_statement *ast;
    struct substitution sub;
    *out = (struct prepared){.kind = PREPARED_NOTHING, .limit = -1};
    int err = lex_substitute(&sub, text, variable, (void *)env->vars, a, d);
    if (err)
        return err;
    st.b = (struct binding){.text = sub.text, .image = env->image, .arena = a, .diag = d};
    err = parse_statement(&ast, sub.text, a, d);
    if (!err && ast) {
        st.ast = ast;
        err = prepare(&st);
    }
    if (err) {
        prepared_fini(out);
        lex_place_back(&sub, text, d);
    }
    return err;
}

void prepared_fini(struct prepared *p)
{
    if (p->has_change)
        change_fini(&p->change);
    p->has_change = false;
}
