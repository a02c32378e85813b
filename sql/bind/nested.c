/* Expressions on nested values: made, taken apart, and gone through by lambdas; and the standard's calls with words in them
 * (EXTRACT(unit FROM x), TRIM(BOTH x FROM y), POSITION(x IN y)), which become plain ones. */
#include "sql/bind/resolve.h"

static struct expr *text_const(struct scope *sc, struct str s, struct place place)
{
    struct expr *e = expr_make(sc->b, EX_CONST, TYPE(T_VARCHAR), place, 0);
    e->value = (struct value){.type = TYPE(T_VARCHAR), .s = s};
    return e;
}

int check_known(struct scope *sc, struct type t, struct place place)
{
    if (type_depth(t) > TYPE_DEPTH)
        return bind_error(sc->b, place, "42804", "types are nested at most %d deep", TYPE_DEPTH);
    if (!type_is_nested(t) || type_is_known(t))
        return 0;
    bind_error(sc->b, place, "42804", "the type of NULL here cannot be told");
    diag_hint(sc->b->diag, "write CAST(NULL AS INT), or another type");
    return E_SQL;
}

/* ---- Making */

static int common_of(struct scope *sc, const struct ast_expr *e, const struct expr **args, unsigned from, unsigned step,
                     struct type *out)
{
    *out = TYPE(T_NULL);
    for (unsigned i = from; i < e->nargs; i += step) {
        struct type was = *out;
        if (type_common(was, args[i / step]->type, out))
            continue;
        char have[TYPE_TEXT], other[TYPE_TEXT];
        type_format(was, have);
        type_format(args[i / step]->type, other);
        return bind_error(sc->b, e->args[i]->place, "42804", "this is %s, but those before it are %s", other, have);
    }
    return 0;
}

static int make(struct scope *sc, struct type t, const struct expr **args, unsigned n, struct place place,
                const struct expr **out)
{
    struct expr *e = expr_make(sc->b, EX_MAKE, t, place, n);
    for (unsigned i = 0; i < n; i++) {
        unsigned part = t.id == T_STRUCT ? i : t.id == T_MAP ? i % 2 : 0;
        ((const struct expr **)e->args)[i] = expr_cast(sc->b, args[i], t.of->fields[part].type);
    }
    *out = e;
    return check_known(sc, t, place);
}

static int array(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr **args = ARENA_ARRAY(sc->b->arena, const struct expr *, e->nargs + 1);
    struct type common;
    if (!e->nargs) {
        bind_error(sc->b, e->place, "42804", "an empty ARRAY[] has no type");
        diag_hint(sc->b->diag, "write CAST('[]' AS ARRAY<INT>), or another type");
        return E_SQL;
    }
    for (unsigned i = 0; i < e->nargs; i++) {
        int err = resolve_expr(sc, e->args[i], &args[i]);
        if (err)
            return err;
    }
    int err = common_of(sc, e, args, 0, 1, &common);
    return err ? err : make(sc, type_array(common), args, e->nargs, e->place, out);
}

static int not_assigned(struct scope *sc, const struct ast_expr *call, const struct ast_expr *arg)
{
    bool map = str_eq_nocase(call->name.text, STR("MAP"));
    return bind_error(sc->b, arg->place, "42601", map ? "a MAP is written MAP('key' := value, ...)"
                                                      : "a STRUCT is written STRUCT(name := value, ...)");
}

static int make_map(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr **args = ARENA_ARRAY(sc->b->arena, const struct expr *, e->nargs * 2);
    struct type value = TYPE(T_NULL);
    for (unsigned i = 0; i < e->nargs; i++) {
        const struct ast_expr *pair = e->args[i];
        if (pair->kind != AST_ASSIGN)
            return not_assigned(sc, e, pair);
        int err = resolve_expr(sc, pair->args[0], &args[i * 2]);
        if (!err)
            err = resolve_expr(sc, pair->args[1], &args[i * 2 + 1]);
        if (err)
            return err;
        if (args[i * 2]->type.id != T_VARCHAR)
            return bind_error(sc->b, pair->args[0]->place, "42804", "the keys of a MAP are VARCHAR");
        if (!type_common(value, args[i * 2 + 1]->type, &value))
            return bind_error(sc->b, pair->args[1]->place, "42804", "this value has another type than those before it");
    }
    return make(sc, type_map(value), args, e->nargs * 2, e->place, out);
}

static int make_struct(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr **args = ARENA_ARRAY(sc->b->arena, const struct expr *, e->nargs);
    struct type_field *fields = ARENA_ARRAY(sc->b->arena, struct type_field, e->nargs);
    for (unsigned i = 0; i < e->nargs; i++) {
        const struct ast_expr *pair = e->args[i];
        if (pair->kind != AST_ASSIGN || pair->args[0]->kind != AST_COLUMN || pair->args[0]->qualifier.text.ptr)
            return not_assigned(sc, e, pair);
        int err = resolve_expr(sc, pair->args[1], &args[i]);
        if (err)
            return err;
        fields[i] = (struct type_field){arena_dup(sc->b->arena, pair->args[0]->name.text).ptr, args[i]->type};
        if (args[i]->type.id == T_NULL)
            return bind_error(sc->b, pair->args[1]->place, "42804", "a field cannot be just NULL: write CAST(NULL AS VARCHAR)");
        if (!type_struct_names(fields, i + 1))
            return bind_error(sc->b, pair->args[0]->place, "42701", "the field %s is given twice", fields[i].name);
    }
    return make(sc, type_struct(fields, e->nargs), args, e->nargs, e->place, out);
}

/* ---- Taking apart */

int resolve_field_of(struct scope *sc, const struct expr *of, const struct ast_name *name, struct place place,
                     const struct expr **out)
{
    if (of->type.id != T_STRUCT) {
        char have[TYPE_TEXT];
        type_format(of->type, have);
        return bind_error(sc->b, place, "42703", "this is %s, which has no fields", have);
    }
    int at = type_field_find(of->type, name->text);
    bool exact = at >= 0 && str_eq(str_of(of->type.of->fields[at].name), name->text);
    if (at < 0 || (name->quoted && !exact)) {
        struct nearest near = nearest_of(name->text);
        for (unsigned i = 0; i < of->type.of->n; i++)
            nearest_add(&near, str_of(of->type.of->fields[i].name));
        bind_error(sc->b, name->place, "42703", "this structure has no field \"%.*s\"", STR_ARG(name->text));
        struct str best = nearest_get(&near);
        if (best.ptr)
            diag_hint(sc->b->diag, "did you mean \"%.*s\"?", STR_ARG(best));
        else
            diag_hint(sc->b->diag, "it is %s", type_text(of->type, sc->b->arena));
        return E_SQL;
    }
    struct expr *f = expr_make(sc->b, EX_FIELD, of->type.of->fields[at].type, place, 1);
    f->column = (unsigned)at;
    ((const struct expr **)f->args)[0] = of;
    *out = f;
    return 0;
}

static int field(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr *of;
    int err = resolve_expr(sc, e->args[0], &of);
    return err ? err : resolve_field_of(sc, of, &e->name, e->place, out);
}

static int element(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr *args[2];
    int err = resolve_expr(sc, e->args[0], &args[0]);
    if (!err)
        err = resolve_expr(sc, e->args[1], &args[1]);
    if (err)
        return err;
    uint8_t of = args[0]->type.id, by = args[1]->type.id;
    if (of == T_STRUCT) {
        bind_error(sc->b, e->op, "42804", "a structure has fields, not elements");
        diag_hint(sc->b->diag, "write ->NAME");
        return E_SQL;
    }
    if (of != T_ARRAY && of != T_MAP) {
        char have[TYPE_TEXT];
        type_format(args[0]->type, have);
        return bind_error(sc->b, e->op, "42804", "this is %s, which has no elements", have);
    }
    if (of == T_MAP ? by != T_VARCHAR : by != T_INT && by != T_BIGINT)
        return bind_error(sc->b, e->args[1]->place, "42804", of == T_MAP ? "the keys of a MAP are VARCHAR"
                                                                         : "the place in an ARRAY is a whole number, from 1 on");
    return resolve_call(sc, STR("[]"), args, 2, e->place, e->op, out);
}

/* ---- INTERVAL '5' DAY, INTERVAL '1 12:30' DAY TO MINUTE */

static int bad_interval(struct scope *sc, const struct ast_expr *e)
{
    bind_error(sc->b, e->place, "22007", "\"%.*s\" is not such an interval", (int)MIN(e->text.len, 60), e->text.ptr);
    diag_hint(sc->b->diag, "write INTERVAL '5' MINUTE, INTERVAL '1 02:03:04' DAY TO SECOND, INTERVAL '1-2' YEAR TO MONTH");
    return E_SQL;
}

/* A number of one unit, perhaps with a fraction. */
static bool of_unit(struct str text, int64_t unit, int64_t *out)
{
    i128 v, one = decimal_pow10(9);
    if (!decimal_parse(text, TYPE_DECIMAL(28, 9), false, &v) || v * unit % one)
        return false;
    v = v * unit / one;
    *out = (int64_t)v;
    return v >= INT64_MIN && v <= INT64_MAX;
}

static int interval(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    struct value v = {.null = false};
    int64_t unit;
    if (!interval_unit(e->name.text, &v.type, &unit)) {
        bind_error(sc->b, e->name.place, "42601", "\"%.*s\" is not a unit of time", STR_ARG(e->name.text));
        diag_hint(sc->b->diag, "units are MILLISECOND, SECOND, MINUTE, HOUR, DAY, WEEK, MONTH, QUARTER, YEAR");
        return E_SQL;
    }
    struct str text = str_trim(e->text);
    bool good;
    if (!e->qualifier.text.ptr) {
        good = of_unit(text, unit, &v.i);
    } else if (unit == 60000) { /* MINUTE TO SECOND: hours go without saying */
        bool negative = text.len && text.ptr[0] == '-';
        text = negative ? (struct str){text.ptr + 1, text.len - 1} : text;
        good = interval_parse(str_of(arena_printf(sc->b->arena, "%s0:%.*s", negative ? "-" : "", STR_ARG(text))), v.type, &v.i);
    } else if (unit == 3600000 && !memchr(text.ptr, ':', text.len)) {
        good = of_unit(text, unit, &v.i);
    } else {
        good = interval_parse(text, v.type, &v.i);
    }
    if (!good)
        return bad_interval(sc, e);
    struct expr *c = expr_make(sc->b, EX_CONST, v.type, e->place, 0);
    c->value = v;
    *out = c;
    return 0;
}

/* ---- Lambdas */

struct params {
    const struct params *outer;
    unsigned first, n; /* their numbers */
    struct ast_expr *const *names;
    const struct type *types;
};

bool resolve_param(struct scope *sc, const struct ast_name *name, struct place place, const struct expr **out)
{
    for (const struct params *ps = sc->params; ps; ps = ps->outer)
        for (unsigned i = 0; i < ps->n; i++) {
            const struct ast_name *own = &ps->names[i]->name;
            if (name->quoted || own->quoted ? !str_eq(own->text, name->text) : !str_eq_nocase(own->text, name->text))
                continue;
            struct expr *e = expr_make(sc->b, EX_PARAM, ps->types[i], place, 0);
            e->column = ps->first + i;
            *out = e;
            return true;
        }
    return false;
}

/* The body over parameters of these types. */
static int lambda_body(struct scope *sc, const struct ast_expr *e, const struct type_field *params, const struct expr **out)
{
    unsigned n = e->nargs - 1;
    struct type *types = ARENA_ARRAY(sc->b->arena, struct type, n);
    struct params own = {sc->params, sc->params ? sc->params->first + sc->params->n : 0, n, e->args, types};
    struct scope inner = *sc;
    for (unsigned i = 0; i < n; i++)
        types[i] = params[i].type;
    inner.params = &own;
    inner.no_aggregates = "a lambda";
    return resolve_expr(&inner, e->args[n], out);
}

struct lambda_call {
    const struct ast_expr *e;
    const struct expr **args; /* of lambdas the bodies */
    struct type *types, *casts;
    struct type result;
    unsigned func;
};

#define SETTLE_ROUNDS 6
/* Types follow from one another: arguments give those of parameters, these the bodies', and those perhaps wider parameters. */
static int settle_types(struct scope *sc, struct lambda_call *lc)
{
    bool changed = true;
    for (unsigned round = 0; changed; round++) {
        changed = false;
        if (round == SETTLE_ROUNDS) {
            bind_error(sc->b, lc->e->place, "42804", "the type of what this lambda gives grows with each element");
            diag_hint(sc->b->diag, "CAST its result to a type that is wide enough");
            return E_SQL;
        }
        if (func_resolve(lc->e->name.text, lc->types, lc->e->nargs, &lc->func, lc->casts, &lc->result, sc->b->diag) != 0)
            return resolve_call_error(sc, lc->e->place, "42883");
        for (unsigned i = 0; i < lc->e->nargs; i++) {
            if (lc->types[i].id != T_LAMBDA)
                continue;
            const struct type_shape *want = lc->casts[i].of;
            struct type *params = ARENA_ARRAY(sc->b->arena, struct type, want->n);
            int err = lambda_body(sc, lc->e->args[i], want->fields, &lc->args[i]);
            if (err)
                return err;
            for (unsigned k = 0; k + 1 < want->n; k++)
                params[k] = want->fields[k].type;
            struct type given = lc->args[i]->type;
            if (round && given.id == T_DECIMAL) /* sums of decimals have a digit more each time */
                given.precision = 38;
            struct type t = type_lambda(params, want->n - 1, given);
            changed |= !type_eq(t, lc->types[i]);
            lc->types[i] = t;
        }
    }
    return 0;
}

static int close_lambda(struct scope *sc, const struct ast_expr *e, struct type t, const struct expr **arg)
{
    struct type want = t.of->fields[t.of->n - 1].type;
    const struct expr *body = *arg;
    if (!type_eq(body->type, want) && body->type.id != T_NULL) {
        struct type common;
        char have[TYPE_TEXT], need[TYPE_TEXT];
        type_format(body->type, have);
        type_format(want, need);
        if (!type_common(body->type, want, &common) || !type_eq(common, want))
            return bind_error(sc->b, e->args[e->nargs - 1]->place, "42804", "this lambda must give %s, and gives %s", need, have);
    }
    struct expr *l = expr_make(sc->b, EX_LAMBDA, t, e->place, 1);
    l->column = sc->params ? sc->params->first + sc->params->n : 0;
    ((const struct expr **)l->args)[0] = expr_cast(sc->b, body, want);
    *arg = l;
    return check_known(sc, type_array(want), e->place);
}

int resolve_lambdas(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    struct arena *a = sc->b->arena;
    struct lambda_call lc = {.e = e,
                             .args = ARENA_ARRAY(a, const struct expr *, e->nargs),
                             .types = ARENA_ARRAY(a, struct type, e->nargs),
                             .casts = ARENA_ARRAY(a, struct type, e->nargs)};
    int err = 0;
    for (unsigned i = 0; i < e->nargs && !err; i++) {
        const struct ast_expr *arg = e->args[i];
        if (arg->kind == AST_LAMBDA) {
            lc.types[i] = type_lambda(ARENA_ARRAY(a, struct type, arg->nargs), arg->nargs - 1, TYPE(T_NULL));
        } else {
            err = resolve_expr(sc, arg, &lc.args[i]);
            if (!err)
                lc.types[i] = lc.args[i]->type;
        }
    }
    if (!err)
        err = settle_types(sc, &lc);
    if (err)
        return err;
    struct expr *call = expr_make(sc->b, EX_CALL, lc.result, e->place, e->nargs);
    call->func = lc.func;
    for (unsigned i = 0; i < e->nargs && !err; i++) {
        if (e->args[i]->kind == AST_LAMBDA)
            err = close_lambda(sc, e->args[i], lc.casts[i], &lc.args[i]);
        else
            lc.args[i] = expr_cast(sc->b, lc.args[i], lc.casts[i]);
        ((const struct expr **)call->args)[i] = lc.args[i];
    }
    *out = call;
    return err ? err : check_known(sc, lc.result, e->place);
}

/* ---- Calls with words in them */

static bool is_named(const struct ast_expr *e, const char *name) { return str_eq_nocase(e->name.text, str_of(name)); }

/* A bare word as the first argument means its text: DATEADD(DAYS, 1, d). */
static bool takes_unit(const struct ast_expr *e)
{
    static const char *const names[] = {"DATEADD", "DATESUB", "TIMEADD", "TIMESUB", "TIMESTAMPADD", "TIMESTAMPSUB"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (is_named(e, names[i]))
            return true;
    return e->words && is_named(e, "EXTRACT");
}

bool resolve_unit(struct scope *sc, const struct ast_expr *call, const struct ast_expr *arg, const struct expr **out)
{
    if (arg != call->args[0] || arg->kind != AST_COLUMN || arg->qualifier.text.ptr || !takes_unit(call))
        return false;
    *out = text_const(sc, arg->name.text, arg->place);
    return true;
}

static int words_of(struct scope *sc, const struct ast_expr *e, const struct expr **args)
{
    for (unsigned i = 0; i < e->nargs; i++) {
        int err = resolve_unit(sc, e, e->args[i], &args[i]) ? 0 : resolve_expr(sc, e->args[i], &args[i]);
        if (err)
            return err;
    }
    return 0;
}

static int call_of_words(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr *args[3];
    struct str side = e->text;
    bool trim = is_named(e, "TRIM"), sub = is_named(e, "SUBSTRING"), extract = is_named(e, "EXTRACT");
    bool fits = trim ? e->nargs < 3 && (side.ptr || e->nargs == 2) : !side.ptr && (sub ? e->nargs >= 2 : extract && e->nargs == 2);
    if (!fits) {
        bind_error(sc->b, e->place, "42601", "%.*s is not called with these words", STR_ARG(e->name.text));
        diag_hint(sc->b->diag, "there are EXTRACT(unit FROM x), SUBSTRING(x FROM n FOR m), TRIM(BOTH x FROM y), POSITION(x IN y)");
        return E_SQL;
    }
    int err = words_of(sc, e, args);
    if (err || !trim)
        return err ? err : resolve_call(sc, e->name.text, args, e->nargs, e->place, e->place, out);
    const char *name = !side.ptr || str_eq_nocase(side, STR("BOTH")) ? "TRIM"
                       : str_eq_nocase(side, STR("LEADING"))         ? "LTRIM"
                                                                      : "RTRIM";
    const struct expr *turned[2] = {args[e->nargs - 1], args[0]};
    return resolve_call(sc, str_of(name), turned, e->nargs, e->place, e->place, out);
}

static int position(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr *args[2];
    const struct ast_expr *in = e->args[0];
    int err = resolve_expr(sc, in->args[1], &args[0]);
    if (!err)
        err = resolve_expr(sc, in->args[0], &args[1]);
    return err ? err : resolve_call(sc, STR("INSTR"), args, 2, e->place, e->place, out);
}

/* ---- EXPLODE, UNNEST, CUBE_EXPLODE: a column of elements, which a TREE_UNNEST below the items makes */

static bool is_table_function(const struct ast_expr *e)
{
    return is_named(e, "EXPLODE") || is_named(e, "UNNEST") || is_named(e, "CUBE_EXPLODE");
}

static int check_explode(struct scope *sc, const struct ast_expr *e)
{
    if (!sc->items_here || sc->in_aggregate || sc->params || !sc->q)
        return bind_error(sc->b, e->place, "42601", "%.*s makes rows: it can only stand in the list of a SELECT",
                          STR_ARG(e->name.text));
    if (e->nargs != 1)
        return bind_error(sc->b, e->place, "42883", "%.*s takes one array", STR_ARG(e->name.text));
    return 0;
}

static int explode(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr *arg;
    struct block *q = sc->q;
    int err = check_explode(sc, e);
    if (err)
        return err;
    struct scope inner = *sc;
    inner.items_here = false; /* not in one another */
    if ((err = resolve_expr(&inner, e->args[0], &arg)) != 0)
        return err;
    if (is_named(e, "CUBE_EXPLODE") && (err = resolve_call(sc, STR("ARRAY_CUBE"), &arg, 1, e->place, e->place, &arg)) != 0)
        return err;
    if (arg->type.id != T_ARRAY) {
        char have[TYPE_TEXT];
        type_format(arg->type, have);
        return bind_error(sc->b, e->args[0]->place, "42804", "%.*s takes an array, this is %s", STR_ARG(e->name.text), have);
    }
    struct type t = type_element(arg->type);
    const struct expr **args = ARENA_ARRAY(sc->b->arena, const struct expr *, q->nunnest + 1);
    unsigned *ids = ARENA_ARRAY(sc->b->arena, unsigned, q->nunnest + 1);
    for (unsigned i = 0; i < q->nunnest; i++) {
        args[i] = q->unnest[i];
        ids[i] = q->unnest_ids[i];
    }
    args[q->nunnest] = arg;
    ids[q->nunnest] = column_add(sc->b->columns, (struct tree_column){"element", NULL, t, false});
    *out = expr_column(sc->b, ids[q->nunnest++], t, e->place);
    q->unnest = args;
    q->unnest_ids = ids;
    return 0;
}

bool resolve_special(struct scope *sc, const struct ast_expr *e, const struct expr **out, int *err)
{
    const struct ast_expr *first = e->nargs ? e->args[0] : NULL;
    bool lambdas = false;
    for (unsigned i = 0; i < e->nargs; i++)
        lambdas |= e->args[i]->kind == AST_LAMBDA;
    if (is_table_function(e))
        *err = explode(sc, e, out);
    else if (e->words)
        *err = call_of_words(sc, e, out);
    else if (lambdas)
        *err = resolve_lambdas(sc, e, out);
    else if (first && is_named(e, "MAP"))
        *err = make_map(sc, e, out);
    else if (first && is_named(e, "STRUCT"))
        *err = make_struct(sc, e, out);
    else if (is_named(e, "POSITION") && e->nargs == 1 && first->kind == AST_IN && first->nargs == 2 && !first->negated)
        *err = position(sc, e, out);
    else
        return false;
    return true;
}

int resolve_nested(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    switch (e->kind) {
    case AST_ARRAY:
        return array(sc, e, out);
    case AST_ELEMENT:
        return element(sc, e, out);
    case AST_FIELD:
        return field(sc, e, out);
    case AST_INTERVAL:
        return interval(sc, e, out);
    case AST_LAMBDA:
        bind_error(sc->b, e->place, "42601", "a lambda can only be an argument of a function that takes one");
        diag_hint(sc->b->diag, "those are TRANSFORM, FILTER and REDUCE");
        return E_SQL;
    default: /* AST_ASSIGN */
        return bind_error(sc->b, e->place, "42601", ":= stands in MAP(key := value) and STRUCT(name := value)");
    }
}
