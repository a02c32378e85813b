/* Literals, and casts that are done at once when their argument is a constant. */
#include <stdio.h>

#include "sql/bind/resolve.h"

int bind_error(const struct binding *b, struct place place, const char *code, const char *fmt, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    diag_set(b->diag, E_SQL, "%s", text);
    if (b->diag)
        snprintf(b->diag->code, sizeof b->diag->code, "%s", code);
    return diag_place(b->diag, E_SQL, b->text, place);
}

static int no_type(const struct binding *b, const struct ast_type *t, const char *text)
{
    static const char *const names[] = {"BOOLEAN", "INT",  "BIGINT", "DOUBLE",    "DECIMAL", "VARCHAR", "BYTES",  "DATE",
                                        "TIME",    "TIMESTAMP", "STRING", "INTEGER", "INTERVAL", "ARRAY",   "MAP", "STRUCT"};
    struct nearest near = nearest_of(t->name);
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        nearest_add(&near, str_of(names[i]));
    for (unsigned i = 0; i < b->image->nobjects; i++)
        if (strcmp(b->image->objects[i]->kind, "type") == 0)
            nearest_add(&near, str_of(b->image->objects[i]->name));
    bind_error(b, t->place, "42704", "there is no type %s", text);
    struct str best = nearest_get(&near);
    if (best.ptr && str_eq_nocase(best, t->name))
        diag_hint(b->diag, "%s",
                  str_eq_nocase(t->name, STR("DECIMAL"))
                      ? "DECIMAL(p, s) has 1 to 38 digits, 0 to p of them behind the point"
                  : t->nparams ? "this type takes no number in parentheses"
                               : "nested types are ARRAY<INT>, MAP<VARCHAR, INT>, STRUCT<A INT, B VARCHAR>");
    else if (best.ptr)
        diag_hint(b->diag, "did you mean %.*s?", STR_ARG(best));
    else
        diag_hint(b->diag, "types are BOOLEAN, INT, BIGINT, DOUBLE, DECIMAL(p, s), VARCHAR, BYTES, DATE, TIME, TIMESTAMP, "
                           "INTERVAL, ARRAY, MAP, STRUCT");
    return E_SQL;
}

/* ARRAY<T>, MAP<VARCHAR, T>, STRUCT<A T, ...>. */
static int nested_type(const struct binding *b, const struct ast_type *t, struct type *out)
{
    bool array = str_eq_nocase(t->name, STR("ARRAY")), map = str_eq_nocase(t->name, STR("MAP"));
    struct type_field *parts = ARENA_ARRAY(b->arena, struct type_field, t->parts.n);
    for (unsigned i = 0; i < t->parts.n; i++) {
        const struct ast_column *part = &t->parts.items[i];
        int err = bind_type(b, &part->type, &parts[i].type);
        if (err)
            return err;
        parts[i].name = part->name.text.ptr ? arena_dup(b->arena, part->name.text).ptr : "";
        if (str_eq_nocase(t->name, STR("STRUCT")) && !type_struct_names(parts, i + 1))
            return bind_error(b, part->name.place, "42701", "the field %s is given twice", parts[i].name);
        if (type_depth(parts[i].type) >= TYPE_DEPTH)
            return bind_error(b, t->place, "42704", "types are nested at most %d deep", TYPE_DEPTH);
    }
    if (str_eq_nocase(t->name, STR("STRUCT")))
        *out = type_struct(parts, t->parts.n);
    else if (array && t->parts.n == 1)
        *out = type_array(parts[0].type);
    else if (map && t->parts.n == 2 && parts[0].type.id == T_VARCHAR)
        *out = type_map(parts[1].type);
    else
        return bind_error(b, t->place, "42704",
                          array ? "an ARRAY has one type of elements: ARRAY<INT>"
                          : map ? "a MAP has keys of VARCHAR and values of one type: MAP<VARCHAR, INT>"
                                : "only ARRAY, MAP and STRUCT have types in < >");
    return 0;
}

int bind_type(const struct binding *b, const struct ast_type *t, struct type *out)
{
    char text[80];
    if (t->parts.n)
        return nested_type(b, t, out);
    if (t->nparams == 2)
        snprintf(text, sizeof text, "%.*s(%u,%u)", (int)MIN(t->name.len, 40), t->name.ptr, t->params[0], t->params[1]);
    else if (t->nparams == 1)
        snprintf(text, sizeof text, "%.*s(%u)", (int)MIN(t->name.len, 40), t->name.ptr, t->params[0]);
    else
        snprintf(text, sizeof text, "%.*s", (int)MIN(t->name.len, 40), t->name.ptr);
    if (!t->quoted && type_parse(str_of(text), out))
        return 0;
    const struct object *obj = t->nparams ? NULL : image_object(b->image, "type", t->name);
    if (obj && named_type_unpack(obj, out, NULL, b->arena) == 0)
        return 0;
    return no_type(b, t, text);
}

struct expr *expr_make(const struct binding *b, enum expr_kind kind, struct type t, struct place place, unsigned nargs)
{
    struct placed *p = ARENA_NEW(b->arena, struct placed);
    p->e.kind = kind;
    p->e.type = t;
    p->e.nargs = nargs;
    p->e.args = nargs ? (const struct expr *const *)ARENA_ARRAY(b->arena, const struct expr *, nargs) : NULL;
    p->place = place;
    return &p->e;
}

const struct expr *expr_column(const struct binding *b, unsigned column, struct type t, struct place place)
{
    struct expr *e = expr_make(b, EX_COLUMN, t, place, 0);
    e->column = column;
    return e;
}

static struct expr *constant(const struct binding *b, struct value v, struct place place)
{
    struct expr *e = expr_make(b, EX_CONST, v.type, place, 0);
    e->value = v;
    return e;
}

const struct expr *expr_cast(const struct binding *b, const struct expr *e, struct type to)
{
    if (type_eq(e->type, to))
        return e;
    if (e->kind == EX_CONST) {
        struct value v = value_null(to);
        if (e->value.null || value_cast(&e->value, to, &v, b->arena))
            return constant(b, v, place_of(e));
    }
    struct expr *cast = expr_make(b, EX_CAST, to, place_of(e), 1);
    ((const struct expr **)cast->args)[0] = e;
    return cast;
}

static int bad_literal(const struct binding *b, const struct ast_expr *e, const char *what)
{
    return bind_error(b, e->place, "22007", "\"%.*s\" is not %s", (int)MIN(e->text.len, 60), e->text.ptr, what);
}

static int typed_literal(const struct binding *b, const struct ast_expr *e, struct value *v)
{
    int32_t small = 0;
    if (str_eq_nocase(e->name.text, STR("TIMESTAMP"))) {
        v->type = TYPE(T_TIMESTAMP);
        return timestamp_parse(e->text, &v->i) ? 0 : bad_literal(b, e, "a timestamp such as '2024-01-31T23:59:00'");
    }
    bool date = str_eq_nocase(e->name.text, STR("DATE"));
    if (!(date ? date_parse(e->text, &small) : time_parse(e->text, &small)))
        return bad_literal(b, e, date ? "a date such as '2024-01-31'" : "a time such as '23:59:00'");
    v->type = TYPE(date ? T_DATE : T_TIME);
    v->i = small;
    return 0;
}

/* Digits with a point: DECIMAL as wide as written. Whole numbers: the narrowest of INT, BIGINT, DECIMAL. */
static int number_literal(const struct binding *b, const struct ast_expr *e, struct value *v)
{
    if (e->kind == AST_DOUBLE) {
        v->type = TYPE(T_DOUBLE);
        return double_parse(e->text, &v->f) ? 0 : bad_literal(b, e, "a number in the range of DOUBLE");
    }
    if (e->kind == AST_INTEGER && str_to_i64(e->text, &v->i)) {
        v->type = TYPE(v->i <= INT32_MAX ? T_INT : T_BIGINT);
        return 0;
    }
    struct str digits = e->text;
    while (digits.len > 1 && digits.ptr[0] == '0') {
        digits.ptr++;
        digits.len--;
    }
    const char *point = memchr(digits.ptr, '.', digits.len);
    size_t scale = point ? digits.len - (size_t)(point - digits.ptr) - 1 : 0,
           whole = digits.len - scale - (point != NULL);
    if (whole + scale > 38)
        return bind_error(b, e->place, "22003",
                          "a number has at most 38 digits; write it with an exponent for a DOUBLE");
    v->type = TYPE_DECIMAL(MAX(whole + scale, (size_t)1), scale);
    return decimal_parse(digits, v->type, false, &v->d) ? 0 : bad_literal(b, e, "a number");
}

int literal_value(const struct binding *b, const struct ast_expr *e, const struct expr **out)
{
    struct value v = {.type = TYPE(T_NULL)};
    int err = 0;
    switch (e->kind) {
    case AST_NULL:
        v.null = true;
        break;
    case AST_BOOLEAN:
        v.type = TYPE(T_BOOLEAN);
        v.b = (e->text.ptr[0] | 32) == 't';
        v.i = v.b;
        break;
    case AST_STRING:
        v.type = TYPE(T_VARCHAR);
        v.s = e->text;
        break;
    case AST_TYPED:
        err = typed_literal(b, e, &v);
        break;
    default:
        err = number_literal(b, e, &v);
    }
    if (!err)
        *out = constant(b, v, e->place);
    return err;
}

bool expr_same(const struct expr *a, const struct expr *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || !type_eq(a->type, b->type) || a->nargs != b->nargs)
        return false;
    bool numbered = a->kind == EX_COLUMN || a->kind == EX_FIELD || a->kind == EX_PARAM || a->kind == EX_LAMBDA;
    if (numbered && a->column != b->column)
        return false;
    if (a->kind == EX_CONST)
        return a->value.null == b->value.null && (a->value.null || value_cmp(&a->value, &b->value) == 0);
    if (a->kind == EX_CALL && (a->func != b->func || func_info(a->func)->is_volatile))
        return false;
    if (a->kind == EX_UDF && (strcmp(a->udf.library, b->udf.library) != 0 || strcmp(a->udf.symbol, b->udf.symbol) != 0))
        return false;
    for (unsigned i = 0; i < a->nargs; i++)
        if (!expr_same(a->args[i], b->args[i]))
            return false;
    return true;
}

const struct expr *expr_and(const struct binding *b, const struct expr *left, const struct expr *right)
{
    if (!left || !right)
        return left ? left : right;
    struct expr *e = expr_make(b, EX_AND, TYPE(T_BOOLEAN), place_of(left), 2);
    const struct expr **args = (const struct expr **)e->args;
    args[0] = left;
    args[1] = right;
    return e;
}
