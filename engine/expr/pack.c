#include "engine/expr/kernel.h"

/* Trees in msgpack, as plans keep them: [kind, type, precision, scale, payload, [argument, ...]]. The payload is what
 * the kind needs: a column's number, a constant as key bytes, a function's signature, a C function's three names. Kinds
 * are numbers for ever; functions are found by signature, since their place in the table moves. */

static const char kind_codes[] = {
    [EX_COLUMN] = 'c', [EX_CONST] = 'v', [EX_CALL] = 'f',    [EX_CAST] = 't', [EX_CASE] = 'w', [EX_AND] = 'a',
    [EX_OR] = 'o',     [EX_NOT] = 'n',   [EX_IS_NULL] = 'i', [EX_IN] = 'l',   [EX_UDF] = 'u',
    [EX_MAKE] = 'm',   [EX_FIELD] = 'd', [EX_LAMBDA] = 'x', [EX_PARAM] = 'p'};

static void pack_payload(const struct expr *e, struct wbuf *out)
{
    switch (e->kind) {
    case EX_COLUMN:
    case EX_FIELD:
    case EX_PARAM:
        pack_uint(out, e->column);
        break;
    case EX_LAMBDA: /* [number of the first parameter, type of each ...] */
        pack_array(out, 1 + 3 * (e->type.of->n - 1));
        pack_uint(out, e->column);
        for (unsigned i = 0; i + 1 < e->type.of->n; i++)
            type_pack(e->type.of->fields[i].type, out);
        break;
    case EX_CONST: {
        struct wbuf key;
        struct value v = e->value;
        v.type = e->type;
        wbuf_init(&key);
        key_encode_value(&v, &key);
        /* -0.0 has no key of its own */
        bool minus_zero = !v.null && v.type.id == T_DOUBLE && v.f == 0 && __builtin_signbit(v.f);
        pack_bin(out, minus_zero ? STR("-0") : wbuf_view(&key));
        wbuf_fini(&key);
        break;
    }
    case EX_CALL:
        pack_str(out, str_of(func_info(e->func)->signature));
        break;
    case EX_UDF:
        pack_array(out, 3);
        pack_str(out, str_of(e->udf.name));
        pack_str(out, str_of(e->udf.library));
        pack_str(out, str_of(e->udf.symbol));
        break;
    default:
        pack_nil(out);
    }
}

void expr_pack(const struct expr *e, struct wbuf *out)
{
    pack_array(out, 6);
    pack_uint(out, (uint8_t)kind_codes[e->kind]);
    type_pack(e->kind == EX_LAMBDA ? TYPE(T_NULL) : e->type, out); /* a lambda's follows from its parameters and body */
    pack_payload(e, out);
    pack_array(out, e->nargs);
    for (unsigned i = 0; i < e->nargs; i++)
        expr_pack(e->args[i], out);
}

/* ---- back */

#define PARAMS 64 /* of lambdas inside one another */
struct reading {
    struct unpack *u;
    struct arena *a;
    unsigned nparams; /* of the lambdas around */
    struct type params[PARAMS];
};

static const struct expr *malformed(struct unpack *u)
{
    if (!u->r.err)
        u->r.err = E_SYNTAX;
    return NULL;
}

static bool unpack_kind(uint64_t code, enum expr_kind *out)
{
    for (unsigned i = 0; i < sizeof kind_codes; i++)
        if ((uint8_t)kind_codes[i] == code) {
            *out = (enum expr_kind)i;
            return true;
        }
    return false;
}

static bool unpack_const(struct unpack *u, struct expr *e, struct arena *a)
{
    struct str key = unpack_str(u);
    e->value = value_null(e->type);
    if (e->type.id == T_DOUBLE && str_eq(key, STR("-0"))) {
        e->value = (struct value){.type = e->type, .f = -0.0};
        return true;
    }
    bool ok = key.ptr && key_decode(&key, e->type, &e->value, a) == 0 && key.len == 0;
    return ok && (e->value.null || !type_is_nested(e->type) || nested_check(e->type, e->value.s));
}

static const char *unpack_name(struct unpack *u, struct arena *a)
{
    struct str s = unpack_str(u);
    return arena_dup(a, s.ptr ? s : STR("")).ptr;
}

/* Its parameters are known from here on, until the lambda is read. */
static bool unpack_lambda(struct reading *rd, struct expr *e)
{
    struct unpack *u = rd->u;
    uint32_t n = unpack_array(u);
    e->column = (unsigned)unpack_uint(u);
    if (n % 3 != 1 || e->column != rd->nparams || rd->nparams + n / 3 > PARAMS)
        return false;
    for (uint32_t i = 0; i < n / 3; i++)
        if (!type_unpack(u, &rd->params[rd->nparams++]))
            return false;
    return true;
}

static bool unpack_payload(struct reading *rd, struct expr *e)
{
    struct unpack *u = rd->u;
    struct arena *a = rd->a;
    switch (e->kind) {
    case EX_LAMBDA:
        return unpack_lambda(rd, e);
    case EX_COLUMN:
    case EX_FIELD:
    case EX_PARAM: {
        uint64_t column = unpack_uint(u);
        e->column = (unsigned)column;
        return column <= UINT32_MAX;
    }
    case EX_CONST:
        return unpack_const(u, e, a);
    case EX_CALL:
        return func_by_signature(unpack_str(u), &e->func);
    case EX_UDF:
        if (unpack_array(u) != 3)
            return false;
        e->udf.name = unpack_name(u, a);
        e->udf.library = unpack_name(u, a);
        e->udf.symbol = unpack_name(u, a);
        return true;
    default:
        return unpack_nil(u);
    }
}

static bool call_fits(const struct expr *e)
{
    struct type *args = xalloc(sizeof *args * MAX(e->nargs, 1u));
    for (unsigned i = 0; i < e->nargs; i++)
        args[i] = e->args[i]->type;
    bool ok = func_fits(e->func, args, e->nargs, e->type);
    xfree(args);
    return ok;
}

static bool parts_fit(const struct expr *e)
{
    if (!type_is_nested(e->type) || (e->type.id == T_STRUCT && e->nargs != e->type.of->n) || (e->type.id == T_MAP && e->nargs % 2))
        return false;
    for (unsigned i = 0; i < e->nargs; i++) {
        const struct type_field *f = &e->type.of->fields[e->type.id == T_STRUCT ? i : e->type.id == T_MAP ? i % 2 : 0];
        if (!type_eq(e->args[i]->type, f->type))
            return false;
    }
    return true;
}

/* What the compiler and the kernels rely on: numbers and types of arguments. */
static bool args_fit(const struct expr *e)
{
    unsigned n = e->nargs;
    switch (e->kind) {
    case EX_COLUMN:
        return n == 0 && e->type.id != T_NULL;
    case EX_CONST:
        return n == 0;
    case EX_CALL:
        return call_fits(e);
    case EX_CAST:
        return n == 1 && type_can_cast(e->args[0]->type, e->type) && e->type.id != T_NULL;
    case EX_CASE:
        if (n % 2 == 0)
            return false;
        for (unsigned i = 0; i + 1 < n; i += 2)
            if (e->args[i]->type.id != T_BOOLEAN)
                return false;
        for (unsigned i = 1; i <= n; i += 2)
            if (!type_eq(e->args[MIN(i, n - 1)]->type, e->type) && e->args[MIN(i, n - 1)]->type.id != T_NULL)
                return false;
        return true;
    case EX_AND:
    case EX_OR:
    case EX_NOT:
        for (unsigned i = 0; i < n; i++)
            if (e->args[i]->type.id != T_BOOLEAN)
                return false;
        return (e->kind == EX_NOT ? n == 1 : n >= 1) && e->type.id == T_BOOLEAN;
    case EX_IS_NULL:
        return n == 1 && e->type.id == T_BOOLEAN;
    case EX_IN:
        for (unsigned i = 1; i < n; i++)
            if (!type_eq(e->args[i]->type, e->args[0]->type) && e->args[i]->type.id != T_NULL)
                return false;
        return n >= 2 && e->type.id == T_BOOLEAN;
    case EX_UDF:
        return true;
    case EX_MAKE:
        return parts_fit(e);
    case EX_FIELD:
        return n == 1 && e->args[0]->type.id == T_STRUCT && e->column < e->args[0]->type.of->n &&
               type_eq(e->type, e->args[0]->type.of->fields[e->column].type);
    case EX_PARAM:
        return n == 0;
    case EX_LAMBDA:
        return n == 1;
    }
    return false;
}

/* What only the tree around it tells. False: it stands where it may not. */
static bool close_node(struct reading *rd, struct expr *e)
{
    if (e->kind == EX_PARAM)
        return e->column < rd->nparams && type_eq(e->type, rd->params[e->column]);
    bool takes = e->kind == EX_CALL && (func_at(e->func)->flags & F_LAMBDA);
    for (unsigned i = 0; i < e->nargs; i++)
        if (e->args[i]->kind == EX_LAMBDA && !takes)
            return false;
    if (e->kind != EX_LAMBDA)
        return true;
    if (e->nargs != 1)
        return false;
    e->type = type_lambda(&rd->params[e->column], rd->nparams - e->column, e->args[0]->type);
    rd->nparams = e->column;
    return true;
}

static const struct expr *unpack(struct reading *rd, unsigned depth)
{
    struct unpack *u = rd->u;
    struct expr *e = ARENA_NEW(rd->a, struct expr);
    if (depth >= EXPR_DEPTH || unpack_array(u) != 6 || !unpack_kind(unpack_uint(u), &e->kind) ||
        !type_unpack(u, &e->type) || !unpack_payload(rd, e))
        return malformed(u);
    uint32_t n = unpack_array(u); /* at most the bytes that are left */
    const struct expr **args = ARENA_ARRAY(rd->a, const struct expr *, MAX(n, 1u));
    for (uint32_t i = 0; i < n; i++) {
        args[i] = unpack(rd, depth + 1);
        if (!args[i])
            return NULL;
    }
    e->nargs = n;
    e->args = args;
    if (u->r.err || !close_node(rd, e) || !args_fit(e))
        return malformed(u);
    return e;
}

const struct expr *expr_unpack(struct unpack *u, struct arena *a)
{
    struct reading rd = {.u = u, .a = a};
    const struct expr *e = unpack(&rd, 0);
    return e && e->kind == EX_LAMBDA ? malformed(u) : e;
}
