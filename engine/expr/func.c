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

bool type_is_known(struct type t)
{
    bool known = t.id != T_NULL;
    for (unsigned i = 0; t.of && i < t.of->n; i++)
        known &= type_is_known(t.of->fields[i].type);
    return known;
}

#define COST_NONE UINT32_MAX

/* What it costs to widen `from` to `to`. */
static unsigned widening(struct type from, struct type to)
{
    if (type_is_nested(from) && from.id == to.id) {
        struct type common;
        return type_eq(from, to) ? 0 : type_common(from, to, &common) && type_eq(common, to) ? 1 : COST_NONE;
    }
    if (from.id == to.id)
        return 0;
    if (from.id == T_NULL)
        return 1;
    unsigned ra = number_rank(from), rb = number_rank(to);
    if (ra && rb)
        return ra < rb ? rb - ra : COST_NONE;
    return from.id == T_DATE && to.id == T_TIMESTAMP ? 1 : COST_NONE;
}

/* ---- signatures: "(VARCHAR, INT[, INT]) -> VARCHAR"; the last parameter repeats before "...". A capital letter alone stands
 * for a type, the same one wherever it stands: "(ARRAY<T>, T) -> BOOLEAN". A lambda's parameter is "(S, T) => S". */

#define LETTERS 26
#define LAMBDA_PARAMS 4
struct vars {
    struct type of[LETTERS]; /* T_NULL: nothing is known yet */
};
struct reader {
    const char *p;
    bool optional, repeats, end;
    const char *param; /* the text of the parameter at hand */
};

static const char *params_of(const struct func *f) { return f->info.signature + strlen(f->info.name); }
static const char *result_text(const struct func *f) { return strstr(params_of(f), ") -> ") + 5; }

static bool starts(const char **p, const char *word)
{
    size_t n = strlen(word);
    bool here = strncmp(*p, word, n) == 0;
    *p += here ? n : 0;
    return here;
}

static struct str capitals(const char **p)
{
    const char *start = *p;
    while ((**p >= 'A' && **p <= 'Z') || **p == '_')
        ++*p;
    return (struct str){start, (size_t)(*p - start)};
}

static struct type *var_at(struct vars *vars, const char **p)
{
    struct str word = capitals(p);
    return word.len == 1 ? &vars->of[word.ptr[0] - 'A'] : NULL;
}

static bool learn(struct vars *vars, const char **p, struct type arg);

static bool learn_lambda(struct vars *vars, const char **p, struct type arg)
{
    unsigned n = 0;
    while (!starts(p, ") => ")) { /* the parameters are what other arguments say */
        starts(p, ", ");
        capitals(p);
        n++;
    }
    if (arg.id != T_LAMBDA || arg.of->n != n + 1)
        return false;
    return learn(vars, p, arg.of->fields[n].type);
}

/* Takes what an argument's type says of the letters in the parameter's text, and passes over that. */
static bool learn(struct vars *vars, const char **p, struct type arg)
{
    static const struct type none = {0};
    if (starts(p, "("))
        return learn_lambda(vars, p, arg);
    bool array = starts(p, "ARRAY<");
    if (array || starts(p, "MAP<VARCHAR, ")) {
        bool good = arg.id == (array ? T_ARRAY : T_MAP);
        if (!good && arg.id != T_NULL)
            return false;
        return learn(vars, p, good ? type_element(arg) : none) && starts(p, ">");
    }
    if (strncmp(*p, "STRUCT<", 7) == 0) { /* all of it is said */
        *p = strchr(*p, '>') + 1;
        return true;
    }
    struct type *var = var_at(vars, p);
    return !var || (arg.id != T_LAMBDA && type_common(*var, arg, var));
}

/* The type that a text stands for, given the letters. arg: the argument, whose precision some parameters take. */
static struct type build(struct vars *vars, const char **p, struct type arg)
{
    if (starts(p, "(")) {
        struct type params[LAMBDA_PARAMS];
        unsigned n = 0;
        while (!starts(p, ") => ")) {
            starts(p, ", ");
            CHECK(n < LAMBDA_PARAMS);
            params[n++] = build(vars, p, TYPE(T_NULL));
        }
        return type_lambda(params, n, build(vars, p, TYPE(T_NULL)));
    }
    if (starts(p, "ARRAY<")) {
        struct type element = build(vars, p, TYPE(T_NULL));
        CHECK(starts(p, ">"));
        return type_array(element);
    }
    if (starts(p, "MAP<VARCHAR, ")) {
        struct type element = build(vars, p, TYPE(T_NULL));
        CHECK(starts(p, ">"));
        return type_map(element);
    }
    const char *start = *p;
    if (starts(p, "STRUCT<")) {
        struct type_field fields[2];
        for (unsigned i = 0; i < 2; i++) { /* of the two fields K and V */
            fields[i].name = i ? "V" : "K";
            *p += 2;
            fields[i].type = build(vars, p, TYPE(T_NULL));
            *p += i ? 1 : 2;
        }
        return type_struct(fields, 2);
    }
    struct type *var = var_at(vars, p), t;
    if (var)
        return *var;
    struct str word = {start, (size_t)(*p - start)};
    if (str_eq(word, STR("DECIMAL"))) /* of any precision */
        return number_rank(arg) && arg.id != T_DOUBLE ? as_decimal(arg) : TYPE_DECIMAL(38, 0);
    if (str_eq(word, STR("INTERVAL")) && arg.id == T_INTERVAL)
        return arg;
    CHECK(type_parse(word, &t));
    return t;
}

/* To the next parameter: rd->param is its text, rd->p stands there until it was read. */
static void next_param(struct reader *rd)
{
    if (rd->repeats) {
        rd->p = rd->param;
        return;
    }
    if (!rd->param)
        rd->p++; /* the opening parenthesis */
    while (*rd->p == ',' || *rd->p == ' ' || *rd->p == '[' || *rd->p == ']') {
        rd->optional |= *rd->p == '[';
        rd->p++;
    }
    rd->end = *rd->p == ')';
    rd->param = rd->p;
}

static void param_done(struct reader *rd)
{
    if (!rd->repeats && starts(&rd->p, "..."))
        rd->repeats = rd->optional = true;
}

/* Two intervals meet only if they are of one kind. */
static bool intervals_agree(const struct type *args, unsigned nargs)
{
    for (unsigned i = 1; i < nargs; i++)
        if (args[i].id == T_INTERVAL && args[0].id == T_INTERVAL && !type_eq(args[i], args[0]))
            return false;
    return true;
}

/* "T...": none of it may stand there, too. */
static bool may_be_left_out(const char *param)
{
    struct vars none = {0};
    return learn(&none, &param, TYPE(T_NULL)) && starts(&param, "...");
}

/* Fits the arguments to an overload: costs, and the types to cast to. */
static unsigned fit_vars(const struct func *f, const struct type *args, unsigned nargs, struct type *casts, struct vars *vars)
{
    struct reader rd = {.p = params_of(f)};
    unsigned cost = 0;
    *vars = (struct vars){0};
    if (!intervals_agree(args, nargs))
        return COST_NONE;
    for (unsigned pass = 0; pass < 2; pass++) { /* first the letters, then everything */
        rd = (struct reader){.p = params_of(f)};
        for (unsigned i = 0; i < nargs; i++) {
            next_param(&rd);
            if (rd.end || (pass == 0 && !learn(vars, &rd.p, args[i])))
                return COST_NONE;
            if (pass == 0) {
                param_done(&rd);
                continue;
            }
            casts[i] = build(vars, &rd.p, args[i]);
            param_done(&rd);
            unsigned step = widening(args[i], casts[i]);
            if (step == COST_NONE)
                return COST_NONE;
            cost += step;
        }
    }
    if (!rd.optional) {
        next_param(&rd);
        if (!rd.end && !rd.optional && !may_be_left_out(rd.p))
            return COST_NONE;
    }
    return cost;
}

static unsigned fit(const struct func *f, const struct type *args, unsigned nargs, struct type *casts)
{
    struct vars vars;
    return fit_vars(f, args, nargs, casts, &vars);
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
    struct vars vars;
    struct type *again = xalloc(sizeof *again * MAX(nargs, 1u)), interval = TYPE(T_NULL);
    CHECK(fit_vars(f, casts, nargs, again, &vars) != COST_NONE);
    xfree(again);
    for (unsigned i = 0; i < nargs && interval.id == T_NULL; i++)
        if (casts[i].id == T_INTERVAL)
            interval = casts[i];
    const char *p = result_text(f);
    return build(&vars, &p, interval);
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
        if (args[i].id == T_LAMBDA)
            snprintf(one, sizeof one, "a lambda of %u", args[i].of->n - 1);
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
