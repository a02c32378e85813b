/* Expressions: names to columns and functions, operators to overloads, every node with a type. */
#include <stdio.h>

#include "sql/bind/aggregate.h"
#include "sql/bind/over.h"

#define BOOLEAN TYPE(T_BOOLEAN)

/* ---- Columns */

/* Unquoted names match without regard to case, but an exact match wins over others. */
static bool name_matches(const struct ast_name *wanted, const char *have, bool exact)
{
    return exact || wanted->quoted ? str_eq(wanted->text, str_of(have)) : str_eq_nocase(wanted->text, str_of(have));
}

static bool in_source(const struct scope *sc, const struct block_column *c, const struct ast_name *qualifier)
{
    if (!qualifier->text.ptr)
        return !c->merged;
    return c->source != NO_COLUMN && name_matches(qualifier, sc->q->sources[c->source].alias, false);
}

static unsigned count_matches(const struct scope *sc, const struct ast_name *qualifier, const struct ast_name *name,
                              bool exact, bool faint, unsigned found[2])
{
    unsigned n = 0;
    for (unsigned i = 0; i < sc->q->ncols; i++)
        if (sc->q->cols[i].faint == faint && in_source(sc, &sc->q->cols[i], qualifier) && name_matches(name, sc->q->cols[i].name, exact)) {
            found[MIN(n, 1u)] = i;
            n++;
        }
    return n;
}

/* Does a name consist of these two, as what a join makes of equal names: c_k of c and k? before null: whatever it is. */
static bool is_joined_name(const char *name, struct str before, struct str k)
{
    size_t n = strlen(name);
    return n > k.len + 1 && name[n - k.len - 1] == '_' && str_eq_nocase((struct str){name + n - k.len, k.len}, k) &&
           (!before.ptr || str_eq_nocase((struct str){name, n - k.len - 1}, before));
}

/* "c_k" where a join named the column so: null, or what was meant by k or c.k; or "c.k", of a source, by c_k. */
static const char *joined_name(const struct scope *sc, struct str before, struct str k)
{
    for (unsigned i = 0; i < sc->q->ncols; i++)
        if (is_joined_name(sc->q->cols[i].name, before, k))
            return sc->q->cols[i].name;
    for (unsigned s = 0; !before.ptr && s < sc->q->nsources; s++) {
        const struct block_source *from = &sc->q->sources[s];
        for (unsigned i = from->first; i < from->first + from->ncols; i++) {
            const char *both = arena_printf(sc->b->arena, "%s_%s", from->alias, sc->q->cols[i].name);
            if (str_eq_nocase(str_of(both), k))
                return arena_printf(sc->b->arena, "%s.%s", from->alias, sc->q->cols[i].name);
        }
    }
    return NULL;
}

static int no_source(const struct scope *sc, const struct ast_name *qualifier, const struct ast_name *name)
{
    struct nearest near = nearest_of(qualifier->text);
    for (unsigned i = 0; i < sc->q->nsources; i++)
        nearest_add(&near, str_of(sc->q->sources[i].alias));
    bind_error(sc->b, qualifier->place, "42P01", "\"%.*s\" is not part of this FROM", STR_ARG(qualifier->text));
    struct str best = nearest_get(&near);
    const char *joined = joined_name(sc, qualifier->text, name->text);
    if (joined) {
        diag_hint(sc->b->diag, "the join named this column %s", joined);
        return E_SQL;
    }
    if (best.ptr)
        diag_hint(sc->b->diag, "did you mean \"%.*s\"?", STR_ARG(best));
    return E_SQL;
}

static int no_column(const struct scope *sc, const struct ast_name *qualifier, const struct ast_name *name)
{
    struct nearest near = nearest_of(name->text);
    const struct block_source *only = NULL;
    for (unsigned i = 0; i < sc->q->nsources; i++)
        if (!qualifier->text.ptr ? sc->q->nsources == 1 : name_matches(qualifier, sc->q->sources[i].alias, false))
            only = &sc->q->sources[i];
    if (qualifier->text.ptr && !only)
        return no_source(sc, qualifier, name);
    for (unsigned i = 0; i < sc->q->ncols; i++)
        if (in_source(sc, &sc->q->cols[i], qualifier))
            nearest_add(&near, str_of(sc->q->cols[i].name));
    for (unsigned i = 0; sc->items && !qualifier->text.ptr && i < sc->items->n; i++)
        if (sc->items->items[i].alias.text.ptr)
            nearest_add(&near, sc->items->items[i].alias.text);
    if (only && only->rel)
        bind_error(sc->b, name->place, "42703", "no column \"%.*s\" in %s \"%s\"", STR_ARG(name->text),
                   only->rel->table ? "table" : "stream", only->rel->name);
    else if (only && *only->alias)
        bind_error(sc->b, name->place, "42703", "no column \"%.*s\" in \"%s\"", STR_ARG(name->text), only->alias);
    else if (!sc->q->nsources)
        bind_error(sc->b, name->place, "42703", "no column \"%.*s\": there is no FROM", STR_ARG(name->text));
    else
        bind_error(sc->b, name->place, "42703", "no column \"%.*s\" in what FROM names", STR_ARG(name->text));
    struct str best = nearest_get(&near);
    const char *joined = qualifier->text.ptr ? NULL : joined_name(sc, STR_NULL, name->text);
    if (joined)
        diag_hint(sc->b->diag, "did you mean %s?", joined);
    else if (best.ptr && str_eq_nocase(best, name->text))
        diag_hint(sc->b->diag, "in quotes upper and lower case count: \"%.*s\"", STR_ARG(best));
    else if (best.ptr)
        diag_hint(sc->b->diag, "did you mean \"%.*s\"?", STR_ARG(best));
    else if (name->quoted)
        diag_hint(sc->b->diag, "double quotes are for names; a text stands in single quotes: '%.*s'",
                  STR_ARG(name->text));
    return E_SQL;
}

const struct block_column *resolve_column(struct scope *sc, const struct ast_name *qualifier,
                                          const struct ast_name *name, struct place place)
{
    unsigned found[2] = {0}, n = 0;
    const struct scope *in = sc;
    for (const struct scope *s = sc; s && !n; s = s->outer) { /* what is nearest hides what is farther out */
        for (unsigned pass = 0; s->q && n == 0 && pass < 4; pass++)
            n = count_matches(s, qualifier, name, pass % 2 == 0, pass >= 2, found);
        in = s;
    }
    if (n == 1)
        return &in->q->cols[found[0]];
    if (n == 0) {
        (void)no_column(sc, qualifier, name);
        return NULL;
    }
    const struct block_column *one = &in->q->cols[found[0]], *two = &in->q->cols[found[1]];
    const char *first = one->source == NO_COLUMN ? "" : in->q->sources[one->source].alias;
    const char *second = two->source == NO_COLUMN ? "" : in->q->sources[two->source].alias;
    if (one->source == two->source) {
        bind_error(sc->b, place, "42702", "column \"%.*s\" is twice in \"%s\"", STR_ARG(name->text), first);
        diag_hint(sc->b->diag, "give one of them another name with AS");
        return NULL;
    }
    bind_error(sc->b, place, "42702", "column \"%.*s\" is in both \"%s\" and \"%s\"", STR_ARG(name->text), first,
               second);
    diag_hint(sc->b->diag, "write %s.%.*s or %s.%.*s", first, STR_ARG(name->text), second, STR_ARG(name->text));
    return NULL;
}

static const struct ast_item *find_alias(const struct scope *sc, const struct ast_name *name)
{
    for (unsigned i = 0; sc->items && i < sc->items->n; i++) {
        const struct ast_item *it = &sc->items->items[i];
        if (it->expr && it->alias.text.ptr && str_eq_nocase(it->alias.text, name->text) &&
            (!name->quoted || str_eq(it->alias.text, name->text)))
            return it;
    }
    return NULL;
}

/* "a.b" where a is no source: a field of what a means. */
static bool is_field(struct scope *sc, const struct ast_expr *e, struct ast_expr *of, const struct expr **param)
{
    unsigned found[2];
    *of = (struct ast_expr){.kind = AST_COLUMN, .name = e->qualifier, .place = e->qualifier.place};
    if (resolve_param(sc, &e->qualifier, of->place, param))
        return true;
    bool any = false;
    for (const struct scope *s = sc; s; s = s->outer) {
        for (unsigned i = 0; s->q && i < s->q->nsources; i++)
            if (name_matches(&e->qualifier, s->q->sources[i].alias, false))
                return false;
        any |= s->q && count_matches(s, &of->qualifier, &of->name, false, false, found) > 0;
    }
    return any;
}

static int column(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    unsigned found[2];
    if (!e->qualifier.text.ptr && resolve_param(sc, &e->name, e->place, out))
        return 0;
    struct ast_expr of;
    const struct expr *whole = NULL; /* a lambda's parameter */
    if (e->qualifier.text.ptr && is_field(sc, e, &of, &whole)) {
        int err = whole ? 0 : column(sc, &of, &whole);
        return err ? err : resolve_field_of(sc, whole, &e->name, e->place, out);
    }
    if (!sc->q)
        return bind_error(sc->b, e->place, "42703", "there are no columns here; only constant values can stand");
    if (!e->qualifier.text.ptr && sc->window)
        for (unsigned i = 0; i < 2; i++)
            if (str_eq_nocase(e->name.text, i ? STR("WINDOWEND") : STR("WINDOWSTART"))) {
                if (sc->in_aggregate)
                    return bind_error(sc->b, e->place, "42803", "bounds of the window cannot be aggregated");
                *out = expr_column(sc->b, sc->q->window_ids[i], TYPE(T_BIGINT), e->place);
                return 0;
            }
    const struct ast_item *alias = e->qualifier.text.ptr ? NULL : find_alias(sc, &e->name);
    if (alias && count_matches(sc, &e->qualifier, &e->name, false, false, found) == 0) {
        struct scope inner = *sc;
        inner.items = NULL;
        return resolve_expr(&inner, alias->expr, out);
    }
    const struct block_column *col = resolve_column(sc, &e->qualifier, &e->name, e->place);
    if (col)
        *out = expr_column(sc->b, col->id, col->type, e->place);
    return col ? 0 : E_SQL;
}

/* ---- Calls */

static int resolve_args(struct scope *sc, const struct ast_expr *e, const struct expr ***out)
{
    *out = ARENA_ARRAY(sc->b->arena, const struct expr *, e->nargs + 1);
    int err = 0;
    for (unsigned i = 0; i < e->nargs && !err; i++)
        if (!resolve_unit(sc, e, e->args[i], &(*out)[i]))
            err = resolve_expr(sc, e->args[i], &(*out)[i]);
    return err;
}

/* Points the function table's sentence at `place`. */
int resolve_call_error(const struct scope *sc, struct place place, const char *code)
{
    struct diag *d = sc->b->diag;
    if (d)
        snprintf(d->code, sizeof d->code, "%s", code);
    return diag_place(d, E_SQL, sc->b->text, place);
}

int resolve_call(struct scope *sc, struct str name, const struct expr **args, unsigned nargs, struct place place,
                 struct place point, const struct expr **out)
{
    struct type *types = ARENA_ARRAY(sc->b->arena, struct type, nargs + 1);
    struct type *casts = ARENA_ARRAY(sc->b->arena, struct type, nargs + 1);
    struct type result;
    unsigned func;
    for (unsigned i = 0; i < nargs; i++)
        types[i] = args[i]->type;
    if (func_resolve(name, types, nargs, &func, casts, &result, sc->b->diag) != 0)
        return resolve_call_error(sc, point, "42883");
    struct expr *e = expr_make(sc->b, EX_CALL, result, place, nargs);
    e->func = func;
    for (unsigned i = 0; i < nargs; i++)
        ((const struct expr **)e->args)[i] = expr_cast(sc->b, args[i], casts[i]);
    *out = e;
    for (unsigned i = 0; i < nargs; i++)
        if (check_known(sc, casts[i], place_of(args[i])) != 0)
            return E_SQL;
    return check_known(sc, result, place);
}

/* A literal text beside a value of another type means a value of that type: time > '2024-01-01', n = '5'. Times of rows
 * and windows are numbers of ms, and meet texts and timestamps alike. */
static int meet_literal(struct scope *sc, const struct expr *other, const struct expr **literal)
{
    const struct expr *l = *literal;
    if (l->kind != EX_CONST || l->value.null || other->kind == EX_CONST)
        return 0;
    struct value v = value_null(other->type);
    bool pseudo = other->kind == EX_COLUMN && sc->b->columns->items[other->column].time;
    if (pseudo && (l->type.id == T_TIMESTAMP || (l->type.id == T_VARCHAR && timestamp_parse(l->value.s, &v.i)))) {
        v.null = false;
        v.i = l->type.id == T_TIMESTAMP ? l->value.i : v.i;
    } else if (l->type.id != T_VARCHAR || other->type.id == T_VARCHAR || other->type.id == T_NULL) {
        return 0;
    } else if (!value_cast(&l->value, other->type, &v, sc->b->arena)) {
        char type[TYPE_TEXT];
        type_format(other->type, type);
        return bind_error(sc->b, place_of(l), "22007", "this text cannot be compared with %s: it is not one", type);
    }
    struct expr *e = expr_make(sc->b, EX_CONST, v.type, place_of(l), 0);
    e->value = v;
    *literal = e;
    return 0;
}

/* ROWTIME, or so much before or after it: a moment in ms. */
static bool is_moment(const struct scope *sc, const struct expr *e)
{
    if (e->kind == EX_COLUMN)
        return e->type.id == T_BIGINT && sc->b->columns->items[e->column].time;
    const char *op = e->kind == EX_CALL && e->nargs == 2 && e->type.id == T_BIGINT ? func_info(e->func)->name : "";
    return (strcmp(op, "+") == 0 || strcmp(op, "-") == 0) && is_moment(sc, e->args[0]);
}

int resolve_compare(struct scope *sc, struct str op, const struct expr *left, const struct expr *right,
                    const struct ast_expr *e, const struct expr **out)
{
    const struct expr *args[2] = {left, right};
    int err = meet_literal(sc, left, &args[1]);
    if (!err)
        err = meet_literal(sc, right, &args[0]);
    for (unsigned i = 0; i < 2 && !err; i++)
        if (args[1 - i]->type.id == T_TIMESTAMP && is_moment(sc, args[i]))
            args[i] = expr_cast(sc->b, args[i], TYPE(T_TIMESTAMP));
    return err ? err : resolve_call(sc, op, args, 2, e->place, e->op.len ? e->op : e->place, out);
}

static bool is_comparison(struct str op) { return op.ptr[0] == '=' || op.ptr[0] == '<' || op.ptr[0] == '>'; }

static int binary(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr **args;
    int err = resolve_args(sc, e, &args);
    if (err)
        return err;
    if (!is_comparison(e->text))
        return resolve_call(sc, e->text, args, 2, e->place, e->op, out);
    for (unsigned i = 0; i < 2; i++)
        if (args[i]->kind == EX_CONST && args[i]->value.null && e->args[i]->kind == AST_NULL) {
            bind_error(sc->b, e->args[i]->place, "42601", "a comparison with NULL is never true");
            diag_hint(sc->b->diag, "write IS %sNULL", str_eq(e->text, STR("<>")) ? "NOT " : "");
            return E_SQL;
        }
    return resolve_compare(sc, e->text, args[0], args[1], e, out);
}

static struct expr *negate(const struct scope *sc, const struct expr *e)
{
    struct expr *not = expr_make(sc->b, EX_NOT, BOOLEAN, place_of(e), 1);
    ((const struct expr **)not ->args)[0] = e;
    return not ;
}

static void maybe_negate(const struct scope *sc, bool negated, const struct expr **out)
{
    if (negated)
        *out = negate(sc, *out);
}

static int between(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr **args, *low, *high;
    int err = resolve_args(sc, e, &args);
    if (!err)
        err = resolve_compare(sc, STR(">="), args[0], args[1], e, &low);
    if (!err)
        err = resolve_compare(sc, STR("<="), args[0], args[2], e, &high);
    if (err)
        return err;
    *out = expr_and(sc->b, low, high);
    maybe_negate(sc, e->negated, out);
    return 0;
}

/* The common type of args[from, n); points at the one that does not fit. */
static int common_type(struct scope *sc, const struct expr **args, const struct ast_expr *e, unsigned from,
                       unsigned step, unsigned n, struct type *out)
{
    *out = TYPE(T_NULL);
    for (unsigned i = from; i < n; i += step) {
        struct type was = *out;
        if (type_common(was, args[i]->type, out))
            continue;
        char have[TYPE_TEXT], other[TYPE_TEXT];
        type_format(was, have);
        type_format(args[i]->type, other);
        return bind_error(sc->b, e->args[i]->place, "42804", "this is %s, but those before it are %s", other, have);
    }
    return 0;
}

static int in_list(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr **args;
    struct type common;
    if (e->bare) {
        bind_error(sc->b, e->args[1]->place, "42601", "IN needs a list in parentheses");
        diag_hint(sc->b->diag, "for an element of an array write ARRAY_CONTAINS(array, x)");
        return E_SQL;
    }
    int err = resolve_args(sc, e, &args);
    for (unsigned i = 1; i < e->nargs && !err; i++)
        err = meet_literal(sc, args[0], &args[i]);
    if (!err)
        err = common_type(sc, args, e, 0, 1, e->nargs, &common);
    if (err)
        return err;
    struct expr *in = expr_make(sc->b, EX_IN, BOOLEAN, e->place, e->nargs);
    for (unsigned i = 0; i < e->nargs; i++)
        ((const struct expr **)in->args)[i] = expr_cast(sc->b, args[i], common);
    *out = in;
    maybe_negate(sc, e->negated, out);
    return 0;
}

static int case_when(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr **args;
    struct type common;
    int err = resolve_args(sc, e, &args);
    if (err)
        return err;
    unsigned first = e->has_operand, pairs = (e->nargs - first) / 2, n = pairs * 2 + 1;
    /* Results stand at every second place from first + 1 on; the ELSE comes last. */
    const struct ast_expr *otherwise = e->has_else ? e->args[e->nargs - 1] : NULL;
    err = common_type(sc, args, e, first + 1, 2, first + pairs * 2, &common);
    if (!err && otherwise && !type_common(common, args[e->nargs - 1]->type, &common))
        err = bind_error(sc->b, otherwise->place, "42804", "the ELSE has another type than the results before it");
    if (!err && common.id == T_NULL)
        err =
            bind_error(sc->b, e->place, "42804", "all results are NULL: give one of them a type by CAST(NULL AS ...)");
    struct expr *c = expr_make(sc->b, EX_CASE, common, e->place, n);
    const struct expr **to = (const struct expr **)c->args;
    for (unsigned i = 0; i < pairs && !err; i++) {
        to[2 * i] = args[first + 2 * i];
        if (e->has_operand)
            err = resolve_compare(sc, STR("="), args[0], args[first + 2 * i], e->args[first + 2 * i], &to[2 * i]);
        if (!err && to[2 * i]->type.id != T_BOOLEAN)
            err = bind_error(sc->b, e->args[first + 2 * i]->place, "42804", "WHEN needs a condition");
        to[2 * i + 1] = expr_cast(sc->b, args[first + 2 * i + 1], common);
    }
    if (err)
        return err;
    struct expr *null = expr_make(sc->b, EX_CONST, common, e->place, 0);
    null->value = value_null(common);
    to[n - 1] = otherwise ? expr_cast(sc->b, args[e->nargs - 1], common) : null;
    *out = c;
    return 0;
}

static int cast(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr *arg;
    struct type to;
    int err = resolve_expr(sc, e->args[0], &arg);
    if (!err)
        err = bind_type(sc->b, &e->type, &to);
    if (err)
        return err;
    if (arg->type.id != T_NULL && !type_can_cast(arg->type, to)) {
        char have[TYPE_TEXT], want[TYPE_TEXT];
        type_format(arg->type, have);
        type_format(to, want);
        return bind_error(sc->b, e->place, "42846", "%s cannot be cast to %s", have, want);
    }
    *out = expr_cast(sc->b, arg, to);
    return 0;
}

/* Conditions under AND, OR and NOT. */
static int logic(struct scope *sc, const struct ast_expr *e, enum expr_kind kind, const struct expr **out)
{
    static const char *const words[] = {[EX_AND] = "AND", [EX_OR] = "OR", [EX_NOT] = "NOT"};
    struct expr *l = expr_make(sc->b, kind, BOOLEAN, e->place, e->nargs);
    for (unsigned i = 0; i < e->nargs; i++) {
        int err = resolve_condition(sc, e->args[i], words[kind], &((const struct expr **)l->args)[i]);
        if (err)
            return err;
    }
    *out = l;
    return 0;
}

static int like(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr **args;
    int err = resolve_args(sc, e, &args);
    if (!err)
        err = resolve_call(sc, !e->text.ptr ? STR("LIKE") : str_eq(e->text, STR("REGEXP")) ? STR("REGEXP_LIKE") : e->text, args,
                           e->nargs, e->place, e->op, out);
    if (!err)
        maybe_negate(sc, e->negated, out);
    return err;
}

static int is_null(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    struct expr *n = expr_make(sc->b, EX_IS_NULL, BOOLEAN, e->place, 1);
    int err = resolve_expr(sc, e->args[0], &((const struct expr **)n->args)[0]);
    *out = n;
    if (!err)
        maybe_negate(sc, e->negated, out);
    return err;
}

static int is_distinct(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr **args;
    int err = resolve_args(sc, e, &args);
    return err ? err
               : resolve_compare(sc, e->negated ? STR("IS NOT DISTINCT FROM") : STR("IS DISTINCT FROM"), args[0], args[1], e,
                         out);
}

/* ---- Functions by name: aggregates, built-in ones, C functions */

static int udf(struct scope *sc, const struct ast_expr *e, const struct object *obj, const struct expr **out)
{
    struct function f;
    const struct expr **args;
    if (function_unpack(&f, obj, sc->b->arena) != 0)
        return bind_error(sc->b, e->name.place, "58030", "the stored description of this function cannot be read");
    if (e->nargs != f.nargs)
        return bind_error(sc->b, e->place, "42883", "%s takes %u argument%s", f.name, f.nargs, f.nargs == 1 ? "" : "s");
    int err = resolve_args(sc, e, &args);
    struct expr *u = expr_make(sc->b, EX_UDF, f.result, e->place, f.nargs);
    u->udf = (struct udf_ref){f.name, f.library, f.symbol};
    for (unsigned i = 0; i < f.nargs && !err; i++) {
        struct type common;
        char want[TYPE_TEXT], have[TYPE_TEXT];
        type_format(f.args[i], want);
        type_format(args[i]->type, have);
        if (!type_common(f.args[i], args[i]->type, &common) || !type_eq(common, f.args[i])) {
            err = bind_error(sc->b, e->args[i]->place, "42883", "%s takes %s here, this is %s", f.name, want, have);
            diag_hint(sc->b->diag, "write CAST(... AS %s)", want);
        }
        ((const struct expr **)u->args)[i] = err ? NULL : expr_cast(sc->b, args[i], f.args[i]);
    }
    *out = u;
    return err;
}

static int no_function(const struct scope *sc, const struct ast_expr *e)
{
    struct nearest near = nearest_of(e->name.text);
    for (unsigned i = 0; i < func_count(); i++)
        if (lex_next(str_of(func_info(i)->name), 0).cls == LEX_NAME)
            nearest_add(&near, str_of(func_info(i)->name));
    for (unsigned i = 0; i < sc->b->image->nobjects; i++)
        if (strcmp(sc->b->image->objects[i]->kind, "function") == 0)
            nearest_add(&near, str_of(sc->b->image->objects[i]->name));
    bind_error(sc->b, e->name.place, "42883", "there is no function \"%.*s\"", STR_ARG(e->name.text));
    struct str best = nearest_get(&near);
    if (best.ptr)
        diag_hint(sc->b->diag, "did you mean \"%.*s\"?", STR_ARG(best));
    else
        diag_hint(sc->b->diag, "SHOW FUNCTIONS lists what there is");
    return E_SQL;
}

static int named_call(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr **args;
    enum agg_kind kind;
    if (agg_named(e->name.text, &kind))
        return resolve_aggregate(sc, e, kind, out);
    if (str_eq_nocase(e->name.text, STR("GROUPING")))
        return resolve_grouping(sc, e, out);
    if (e->distinct || e->has_order || e->has_filter)
        return bind_error(sc->b, e->place, "42883", "%s is for aggregates, and %.*s is none",
                          e->distinct ? "DISTINCT" : e->has_order ? "ORDER BY" : "FILTER", STR_ARG(e->name.text));
    int err = 0;
    if (!e->nargs && !e->star && str_eq_nocase(e->name.text, STR("PROCTIME"))) { /* a column, as in other dialects a function */
        struct ast_expr as = *e;
        as.kind = AST_COLUMN;
        return resolve_expr(sc, &as, out);
    }
    if (resolve_special(sc, e, out, &err))
        return err;
    const struct object *obj = image_object(sc->b->image, "function", e->name.text);
    if (e->star && (obj || func_exists(e->name.text)))
        return bind_error(sc->b, e->place, "42883", "only COUNT can take *");
    if (func_exists(e->name.text)) {
        err = resolve_args(sc, e, &args);
        return err ? err : resolve_call(sc, e->name.text, args, e->nargs, e->place, e->place, out);
    }
    return obj ? udf(sc, e, obj, out) : no_function(sc, e);
}

static int minus(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    const struct expr **args;
    int err = resolve_args(sc, e, &args);
    if (!err)
        err = resolve_call(sc, STR("-"), args, 1, e->place, e->op, out);
    struct value v;
    if (!err && args[0]->kind == EX_CONST && expr_const(*out, &v, sc->b->arena, sc->b->diag) == 0) {
        struct expr *c = expr_make(sc->b, EX_CONST, v.type, e->place, 0);
        c->value = v;
        *out = c;
    }
    return err;
}

/* ---- The switch */

int resolve_expr(struct scope *sc, const struct ast_expr *e, const struct expr **out)
{
    switch (e->kind) {
    case AST_COLUMN:
        return column(sc, e, out);
    case AST_CALL:
        return named_call(sc, e, out);
    case AST_OVER:
        return resolve_over(sc, e, out);
    case AST_NEG:
        return minus(sc, e, out);
    case AST_NOT:
        return logic(sc, e, EX_NOT, out);
    case AST_AND:
        return logic(sc, e, EX_AND, out);
    case AST_OR:
        return logic(sc, e, EX_OR, out);
    case AST_BINARY:
        return binary(sc, e, out);
    case AST_BETWEEN:
        return between(sc, e, out);
    case AST_IN:
        return e->query ? resolve_query(sc, e, out) : in_list(sc, e, out);
    case AST_QUERY:
    case AST_EXISTS:
    case AST_ANY:
    case AST_ALL:
        return resolve_query(sc, e, out);
    case AST_GROUPING_SETS:
    case AST_GROUPING_SET:
        return bind_error(sc->b, e->place, "42601", "GROUPING SETS can stand in GROUP BY only");
    case AST_LIKE:
        return like(sc, e, out);
    case AST_IS_NULL:
        return is_null(sc, e, out);
    case AST_IS_DISTINCT:
        return is_distinct(sc, e, out);
    case AST_CASE:
        return case_when(sc, e, out);
    case AST_CAST:
        return cast(sc, e, out);
    case AST_INTERVAL:
    case AST_ARRAY:
    case AST_ELEMENT:
    case AST_FIELD:
    case AST_ASSIGN:
    case AST_LAMBDA:
        return resolve_nested(sc, e, out);
    default:
        return literal_value(sc->b, e, out);
    }
}

int resolve_condition(struct scope *sc, const struct ast_expr *e, const char *clause, const struct expr **out)
{
    char type[TYPE_TEXT];
    int err = resolve_expr(sc, e, out);
    if (err)
        return err;
    if ((*out)->type.id == T_NULL)
        *out = expr_cast(sc->b, *out, BOOLEAN);
    type_format((*out)->type, type);
    if ((*out)->type.id != T_BOOLEAN)
        return bind_error(sc->b, e->place, "42804", "%s needs a condition, true or false; this is %s", clause, type);
    return 0;
}

int bind_constant(const struct binding *b, const struct ast_expr *e, struct type want, const struct expr **out)
{
    struct scope sc = {.b = b, .no_aggregates = "a constant"};
    const struct expr *value;
    char have[TYPE_TEXT], need[TYPE_TEXT];
    int err = resolve_expr(&sc, e, &value);
    if (err)
        return err;
    type_format(value->type, have);
    type_format(want, need);
    if (value->type.id != T_NULL && !type_can_cast(value->type, want))
        return bind_error(b, e->place, "42804", "this is %s; the column takes %s", have, need);
    *out = expr_cast(b, value, want);
    if ((*out)->kind == EX_CAST && value->kind == EX_CONST)
        return bind_error(b, e->place, "22000", "this value does not fit the column's type %s", need);
    return 0;
}
