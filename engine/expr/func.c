#include "engine/expr/kernel.h"
#include <stdio.h>

/* The table of functions, and the choice of an overload: of those that the arguments fit by widening, the one that widens
 * least; the first of the table among equals. Signatures are read as they are written, at every choice: that is rare. */

#define F(kind, name, signature, kernel, rule, flags, doc) extern KERNEL(kernel);
#include "engine/expr/func.def"
#undef F

/* Of macros and aggregates, which are never called. */
void no_kernel(struct call *c) { CHECK(c == NULL); }

static const struct func table[] = {
#define F(k, n, signature, kernel_, rule_, flags_, doc_)                                                               \
    {.info = {n, n signature, doc_, ((flags_) & F_VOLATILE) != 0, FUNC_##k},                                           \
     .kernel = kernel_,                                                                                                \
     .rule = rule_,                                                                                                    \
     .flags = flags_},
#include "engine/expr/func.def"
#undef F
#define LISTED(name, signature, doc)                                                                                   \
    {.info = {name, name signature, doc, false, FUNC_AGGREGATE}, .kernel = no_kernel, .rule = R_SIGNATURE, .flags = F_STRICT},
#define A(kind, mode, name, signature, doc) LISTED(name, signature, doc)
#define S(kind, name, signature, doc) LISTED(name, signature, doc)
#include "engine/expr/agg.def"
#undef A
#undef LISTED
};

unsigned func_count(void) { return ARRAY_LEN(table); }

const struct func *func_at(unsigned func)
{
    CHECK(func < ARRAY_LEN(table));
    return &table[func];
}

const struct func_info *func_info(unsigned func) { return &func_at(func)->info; }

bool func_by_signature(struct str signature, unsigned *func)
{
    for (unsigned i = 0; i < ARRAY_LEN(table); i++)
        if (str_eq(str_of(table[i].info.signature), signature) && table[i].info.kind != FUNC_AGGREGATE) {
            *func = i;
            return true;
        }
    return false;
}

static bool is_named(const struct func *f, struct str name)
{
    if (str_eq(name, STR("!=")))
        name = STR("<>");
    return f->info.kind != FUNC_AGGREGATE && str_eq_nocase(str_of(f->info.name), name);
}

bool func_exists(struct str name)
{
    for (unsigned i = 0; i < ARRAY_LEN(table); i++)
        if (is_named(&table[i], name))
            return true;
    return false;
}

/* ---- types that go together */

static unsigned number_rank(struct type t)
{
    return t.id == T_INT ? 1 : t.id == T_BIGINT ? 2 : t.id == T_DECIMAL ? 3 : t.id == T_DOUBLE ? 4 : 0;
}

static struct type as_decimal(struct type t)
{
    if (t.id == T_INT)
        return TYPE_DECIMAL(10, 0);
    if (t.id == T_BIGINT)
        return TYPE_DECIMAL(19, 0);
    return t;
}

/* A STRUCT with the fields of both, those of a first. */
static bool struct_common(struct type a, struct type b, struct type *out)
{
    struct type_field *fields = xalloc((a.of->n + b.of->n) * sizeof *fields);
    unsigned n = a.of->n;
    bool ok = true;
    memcpy(fields, a.of->fields, n * sizeof *fields);
    for (unsigned i = 0; i < b.of->n && ok; i++) {
        const struct type_field *f = &b.of->fields[i];
        int at = type_field_find(a, str_of(f->name));
        if (at < 0)
            fields[n++] = *f;
        else
            ok = type_common(fields[at].type, f->type, &fields[at].type);
    }
    ok = ok && type_struct_names(fields, n);
    if (ok)
        *out = type_struct(fields, n);
    xfree(fields);
    return ok;
}

static bool nested_common(struct type a, struct type b, struct type *out)
{
    struct type element;
    if (a.id == T_STRUCT)
        return struct_common(a, b, out);
    if (!type_common(type_element(a), type_element(b), &element))
        return false;
    *out = a.id == T_ARRAY ? type_array(element) : type_map(element);
    return true;
}

bool type_common(struct type a, struct type b, struct type *out)
{
    if (type_eq(a, b) || b.id == T_NULL) {
        *out = a;
        return true;
    }
    if (a.id == T_NULL) {
        *out = b;
        return true;
    }
    unsigned ra = number_rank(a), rb = number_rank(b);
    if (ra && rb) {
        *out = ra > rb ? a : b;
        if (out->id == T_DECIMAL) {
            a = as_decimal(a);
            b = as_decimal(b);
            unsigned scale = MAX(a.scale, b.scale);
            unsigned whole = MAX(a.precision - a.scale, b.precision - b.scale);
            *out = TYPE_DECIMAL(MIN(whole + scale, 38u), scale);
        }
        return true;
    }
    if (a.id == b.id && type_is_nested(a))
        return nested_common(a, b, out);
    if ((a.id == T_DATE && b.id == T_TIMESTAMP) || (a.id == T_TIMESTAMP && b.id == T_DATE)) {
        *out = TYPE(T_TIMESTAMP);
        return true;
    }
    return false;
}

#define COST_NONE UINT32_MAX

/* What it costs to widen `from` to `to`. */
static unsigned widening(struct type from, struct type to)
{
    if (from.id == to.id)
        return 0;
    if (from.id == T_NULL)
        return 1;
    unsigned ra = number_rank(from), rb = number_rank(to);
    if (ra && rb)
        return ra < rb ? rb - ra : COST_NONE;
    return from.id == T_DATE && to.id == T_TIMESTAMP ? 1 : COST_NONE;
}

/* ---- signatures */

enum param_kind { PARAM_TYPE, PARAM_COMMON, PARAM_END };
struct reader { /* of "(VARCHAR, INT[, INT]) -> VARCHAR"; the last parameter repeats before "..." */
    const char *p;
    bool optional, repeats;
    enum param_kind kind;
    struct type type;
};

static const char *params_of(const struct func *f) { return f->info.signature + strlen(f->info.name); }

static void read_type(struct reader *rd)
{
    const char *start = rd->p;
    while ((*rd->p >= 'A' && *rd->p <= 'Z') || *rd->p == '_')
        rd->p++;
    struct str word = {start, (size_t)(rd->p - start)};
    rd->kind = PARAM_COMMON;
    if (str_eq(word, STR("T")))
        return;
    rd->kind = PARAM_TYPE;
    if (str_eq(word, STR("DECIMAL"))) {
        rd->type = TYPE_DECIMAL(38, 0);
        return;
    }
    CHECK(type_parse(word, &rd->type));
}

static void next_param(struct reader *rd)
{
    if (rd->repeats)
        return;
    while (*rd->p == '(' || *rd->p == ',' || *rd->p == ' ' || *rd->p == '[' || *rd->p == ']') {
        rd->optional |= *rd->p == '[';
        rd->p++;
    }
    if (*rd->p == ')') {
        rd->kind = PARAM_END;
        return;
    }
    read_type(rd);
    if (strncmp(rd->p, "...", 3) == 0)
        rd->repeats = rd->optional = true;
}

/* Fits the arguments to an overload: costs, and the types to cast to. */
static unsigned fit(const struct func *f, const struct type *args, unsigned nargs, struct type *casts)
{
    struct reader rd = {.p = params_of(f)};
    struct type common = TYPE(T_NULL);
    unsigned cost = 0;
    for (unsigned pass = 0; pass < 2; pass++) { /* first the common type, then everything */
        rd = (struct reader){.p = params_of(f)};
        for (unsigned i = 0; i < nargs; i++) {
            next_param(&rd);
            if (rd.kind == PARAM_END)
                return COST_NONE;
            if (rd.kind == PARAM_COMMON && pass == 0 && !type_common(common, args[i], &common))
                return COST_NONE;
            if (pass == 0)
                continue;
            casts[i] = rd.kind == PARAM_COMMON ? common : rd.type;
            if (rd.kind == PARAM_TYPE && rd.type.id == T_DECIMAL && number_rank(args[i]) && args[i].id != T_DOUBLE)
                casts[i] = as_decimal(args[i]);
            unsigned step = widening(args[i], casts[i]);
            if (step == COST_NONE)
                return COST_NONE;
            cost += step;
        }
    }
    if (!rd.optional) {
        next_param(&rd);
        if (rd.kind != PARAM_END && !rd.optional)
            return COST_NONE;
    }
    return cost;
}

/* ---- result types */

static struct type decimal_of(int precision, int scale)
{
    scale = MAX(0, MIN(scale, 38));
    return TYPE_DECIMAL(MAX(1, MIN(precision, 38)), scale);
}

/* ksqlDB's rules, held to 38 digits: sums and products keep their scale (a result that is too large is an error of its
 * row); quotients give up digits behind the point, down to six, before they give up those in front. */
static struct type decimal_result(enum func_rule rule, struct type a, struct type b)
{
    int p1 = a.precision, s1 = a.scale, p2 = b.precision, s2 = b.scale;
    switch (rule) {
    case R_ADD:
        return decimal_of(MAX(s1, s2) + MAX(p1 - s1, p2 - s2) + 1, MAX(s1, s2));
    case R_MUL:
        return decimal_of(p1 + p2 + 1, s1 + s2);
    case R_MOD:
        return decimal_of(MIN(p1 - s1, p2 - s2) + MAX(s1, s2), MAX(s1, s2));
    default: {
        int scale = MAX(6, s1 + p2 + 1), whole = p1 - s1 + s2;
        if (whole + scale > 38)
            scale = MAX(38 - whole, 6);
        return decimal_of(whole + scale, scale);
    }
    }
}

static struct type result_of(const struct func *f, const struct type *casts, unsigned nargs)
{
    switch (f->rule) {
    case R_FIRST:
        return casts[0];
    case R_ADD:
    case R_MUL:
    case R_DIV:
    case R_MOD:
        return decimal_result(f->rule, casts[0], casts[1]);
    case R_WHOLE:
        return decimal_of(casts[0].precision - casts[0].scale + 1, 0);
    case R_SIGNATURE:
        break;
    }
    struct reader rd = {.p = strstr(params_of(f), "-> ") + 3};
    read_type(&rd);
    if (rd.kind == PARAM_TYPE)
        return rd.type;
    struct type common = TYPE(T_NULL); /* all T arguments were given the same */
    struct reader params = {.p = params_of(f)};
    for (unsigned i = 0; i < nargs && common.id == T_NULL; i++) {
        next_param(&params);
        if (params.kind == PARAM_COMMON)
            common = casts[i];
    }
    return common;
}

/* ---- sentences */

static void put(char *to, size_t cap, const char *text)
{
    size_t n = strlen(to);
    snprintf(to + n, cap - n, "%s", text);
}

static int no_such_function(struct str name, struct diag *d)
{
    diag_set(d, E_SQL, "there is no function %.*s", STR_ARG(name));
    unsigned best = 3;
    const char *near = NULL;
    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        unsigned distance = str_distance(name, str_of(table[i].info.name));
        if (table[i].info.kind == FUNC_SCALAR && distance < best && distance < name.len) {
            best = distance;
            near = table[i].info.name;
        }
    }
    if (near)
        diag_hint(d, "did you mean %s?", near);
    else
        diag_hint(d, "SHOW FUNCTIONS lists all");
    return E_SQL;
}

static int no_such_overload(struct str name, const struct type *args, unsigned nargs, struct diag *d)
{
    char types[200] = "", hint[290] = "there is ";
    unsigned n = 0;
    bool is_operator = false;
    for (unsigned i = 0; i < nargs && i < 8; i++) {
        char one[TYPE_TEXT];
        type_format(args[i], one);
        put(types, sizeof types, i ? ", " : "");
        put(types, sizeof types, one);
    }
    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        if (!is_named(&table[i], name))
            continue;
        is_operator = table[i].info.kind == FUNC_OPERATOR;
        if (n++ < 4) {
            put(hint, sizeof hint, n > 1 ? "; " : "");
            put(hint, sizeof hint, table[i].info.signature);
        }
    }
    if (is_operator && nargs == 2) {
        char left[TYPE_TEXT], right[TYPE_TEXT];
        type_format(args[0], left);
        type_format(args[1], right);
        diag_set(d, E_SQL, "%.*s cannot take %s and %s", STR_ARG(name), left, right);
        diag_hint(d, "CAST one side to the type of the other");
        return E_SQL;
    }
    diag_set(d, E_SQL, "%.*s cannot take (%s)", STR_ARG(name), types);
    diag_hint(d, "%s", hint);
    return E_SQL;
}

int func_resolve(struct str name, const struct type *args, unsigned nargs, unsigned *func, struct type *casts,
                 struct type *result, struct diag *d)
{
    unsigned best = COST_NONE, found = 0;
    for (unsigned i = 0; i < ARRAY_LEN(table); i++) {
        if (!is_named(&table[i], name))
            continue;
        unsigned cost = fit(&table[i], args, nargs, casts);
        if (cost < best) {
            best = cost;
            found = i;
        }
    }
    if (best == COST_NONE)
        return func_exists(name) ? no_such_overload(name, args, nargs, d) : no_such_function(name, d);
    fit(&table[found], args, nargs, casts);
    *func = found;
    *result = result_of(&table[found], casts, nargs);
    return 0;
}

bool func_fits(unsigned func, const struct type *args, unsigned nargs, struct type result)
{
    struct type *casts = xalloc(sizeof *casts * MAX(nargs, 1u));
    bool ok = fit(func_at(func), args, nargs, casts) != COST_NONE;
    for (unsigned i = 0; i < nargs && ok; i++)
        ok = type_eq(args[i], casts[i]) || args[i].id == T_NULL;
    ok = ok && type_eq(result_of(func_at(func), casts, nargs), result);
    xfree(casts);
    return ok;
}
