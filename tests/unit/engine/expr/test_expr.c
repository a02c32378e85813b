/* Programs as wholes: logic, branches, sharing, packing, printing, volatile functions, decimals, exact sums. */
#include "engine/expr/expr.h"
#include "engine/expr/kernel.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- building trees */

static struct arena nodes;

static const struct expr *make(enum expr_kind kind, struct type t, unsigned n, const struct expr *const *args)
{
    struct expr *e = ARENA_NEW(&nodes, struct expr);
    const struct expr **copy = ARENA_ARRAY(&nodes, const struct expr *, n + 1);
    for (unsigned i = 0; i < n; i++)
        copy[i] = args[i];
    *e = (struct expr){.kind = kind, .type = t, .nargs = n, .args = copy, .value = value_null(t)};
    return e;
}

static const struct expr *column(unsigned i, struct type t)
{
    struct expr *e = (struct expr *)(uintptr_t)make(EX_COLUMN, t, 0, NULL);
    e->column = i;
    return e;
}

static const struct expr *constant(struct value v)
{
    struct expr *e = (struct expr *)(uintptr_t)make(EX_CONST, v.type, 0, NULL);
    e->value = v;
    return e;
}

static const struct expr *integer(int64_t i) { return constant((struct value){.type = TYPE(T_INT), .i = i}); }

static const struct expr *truth_value(int t)
{
    return constant((struct value){.type = TYPE(T_BOOLEAN), .null = t == 2, .b = t == 1});
}

static const struct expr *cast(const struct expr *e, struct type t)
{
    return type_eq(e->type, t) ? e : make(EX_CAST, t, 1, &e);
}

static const struct expr *call(const char *name, unsigned n, const struct expr *const *args)
{
    struct type types[8] = {{0}}, casts[8], result;
    const struct expr *cast_args[8];
    unsigned func;
    struct diag d = {0};
    for (unsigned i = 0; i < n; i++)
        types[i] = args[i]->type;
    if (func_resolve(str_of(name), types, n, &func, casts, &result, &d))
        fail_msg("%s", d.text);
    for (unsigned i = 0; i < n; i++)
        cast_args[i] = cast(args[i], casts[i]);
    struct expr *e = (struct expr *)(uintptr_t)make(EX_CALL, result, n, cast_args);
    e->func = func;
    return e;
}

#define ARGS(...) (sizeof((const struct expr *[]){__VA_ARGS__}) / sizeof(const struct expr *)), (const struct expr *[]){__VA_ARGS__}
#define CALL(name, ...) call(name, ARGS(__VA_ARGS__))
#define KIND(kind, t, ...) make(kind, TYPE(t), ARGS(__VA_ARGS__))

static int setup(void **state)
{
    (void)state;
    arena_init(&nodes);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    arena_fini(&nodes);
    return 0;
}

/* ---- logic */

static struct value value_of(const struct expr *e)
{
    struct value v;
    struct diag d = {0};
    if (expr_const(e, &v, &nodes, &d))
        fail_msg("%s", d.text);
    return v;
}

static int as_truth(struct value v) { return v.null ? 2 : v.b; }

/* A column of the nine pairs of truth values, through one program. */
static void truth_table(enum expr_kind kind, const int want[3][3])
{
    struct column cols[] = {{"a", {.id = T_BOOLEAN}}, {"b", {.id = T_BOOLEAN}}};
    struct schema sc = {2, cols};
    const struct expr *e = KIND(kind, T_BOOLEAN, column(0, cols[0].type), column(1, cols[1].type));
    struct prog *p;
    struct diag d;
    assert_int_equal(prog_compile(&p, &e, 1, &sc, &d), 0);
    struct batch *b = batch_new(&nodes, &sc, 9);
    for (uint32_t r = 0; r < 9; r++)
        for (unsigned c = 0; c < 2; c++) {
            uint32_t t = c ? r % 3 : r / 3;
            batch_set_value(b, c, r, &(struct value){.type = cols[c].type, .null = t == 2, .b = t == 1}, 9);
        }
    b->n = b->nsel = 9;
    struct vec out;
    struct expr_errors errors = {0};
    prog_eval(p, b, &out, b, &errors);
    uint32_t *sel, kept = prog_filter(p, b, &sel, &errors), trues = 0;
    b->cols = &out;
    for (uint32_t r = 0; r < 9; r++) {
        assert_int_equal(as_truth(batch_value(b, 0, r)), want[r / 3][r % 3]);
        assert_int_equal(as_truth(value_of(KIND(kind, T_BOOLEAN, truth_value((int)r / 3), truth_value((int)r % 3)))), want[r / 3][r % 3]);
        if (want[r / 3][r % 3] == 1)
            assert_int_equal(sel[trues++], r);
    }
    assert_int_equal(kept, trues);
    prog_free(p);
}

/* AND, OR, NOT and IN follow SQL's three-valued logic; 2 stands for unknown. */
static void logic_is_three_valued(void **state)
{
    (void)state;
    static const int and[3][3] = {{0, 0, 0}, {0, 1, 2}, {0, 2, 2}}, or[3][3] = {{0, 1, 2}, {1, 1, 1}, {2, 1, 2}};
    truth_table(EX_AND, and);
    truth_table(EX_OR, or);
    for (int t = 0; t < 3; t++) {
        assert_int_equal(as_truth(value_of(KIND(EX_NOT, T_BOOLEAN, truth_value(t)))), t == 2 ? 2 : !t);
        assert_int_equal(as_truth(value_of(KIND(EX_IS_NULL, T_BOOLEAN, truth_value(t)))), t == 2);
    }
    const struct expr *null = constant(value_null(TYPE(T_INT)));
    assert_int_equal(as_truth(value_of(KIND(EX_IN, T_BOOLEAN, integer(1), integer(2), integer(1)))), 1);
    assert_int_equal(as_truth(value_of(KIND(EX_IN, T_BOOLEAN, integer(1), integer(2), integer(3)))), 0);
    assert_int_equal(as_truth(value_of(KIND(EX_IN, T_BOOLEAN, integer(1), integer(2), null))), 2);
    assert_int_equal(as_truth(value_of(KIND(EX_IN, T_BOOLEAN, integer(1), null, integer(1)))), 1);
    assert_int_equal(as_truth(value_of(KIND(EX_IN, T_BOOLEAN, null, integer(1)))), 2);
}

/* A branch that is not taken, and a right side that does not matter, cannot fail. */
static void branches_are_guarded(void **state)
{
    (void)state;
    struct column cols[] = {{"x", {.id = T_INT}}};
    struct schema sc = {1, cols};
    const struct expr *x = column(0, cols[0].type), *quotient = CALL("/", integer(10), x);
    const struct expr *roots[] = {
        KIND(EX_CASE, T_INT, CALL("=", x, integer(0)), integer(-1), quotient),
        KIND(EX_AND, T_BOOLEAN, CALL("<>", x, integer(0)), CALL(">", quotient, integer(2))),
        KIND(EX_OR, T_BOOLEAN, CALL("=", x, integer(0)), CALL(">", quotient, integer(2))),
        CALL("COALESCE", x, CALL("/", integer(1), integer(0))),
    };
    struct prog *p;
    struct diag d;
    struct batch *b = batch_new(&nodes, &sc, 4);
    static const int rows[] = {0, 5, 2, 0};
    for (uint32_t r = 0; r < 4; r++)
        b->cols[0].i32[r] = rows[r];
    b->n = b->nsel = 4;
    assert_int_equal(prog_compile(&p, roots, 4, &sc, &d), 0);
    struct vec out[4];
    struct expr_errors errors = {0};
    prog_eval(p, b, out, b, &errors);
    assert_int_equal(errors.count, 0);
    assert_int_equal(out[0].i32[0], -1);
    assert_int_equal(out[0].i32[1], 2);
    assert_int_equal(out[1].b[2], 1);
    assert_int_equal(out[1].b[1], 0);
    assert_int_equal(out[2].b[0], 1);
    assert_int_equal(out[3].i32[1], 5);
    prog_free(p);
    /* unguarded it fails once per row, also when several roots share it, and says why */
    const struct expr *twice[] = {quotient, CALL("+", quotient, integer(1))};
    assert_int_equal(prog_compile(&p, twice, 2, &sc, &d), 0);
    prog_eval(p, b, out, b, &errors);
    assert_int_equal(errors.count, 2);
    assert_string_equal(errors.first, "division by zero");
    assert_false(vec_valid(&out[1], 3));
    prog_free(p);
}

/* ---- random trees */

static struct column random_cols[] = {{"i", {.id = T_INT}},  {"l", {.id = T_BIGINT}}, {"d", {.id = T_DOUBLE}},
                                      {"s", {.id = T_VARCHAR}}, {"b", {.id = T_BOOLEAN}}, {"n", {.id = T_DECIMAL, .precision = 9, .scale = 2}}};

static struct value random_leaf(struct random *r, struct type t)
{
    static const char *const texts[] = {"", "a", "B", "a text of more than twelve bytes", "12", "gr\xc3\xbcn"};
    struct value v = {.type = t, .null = random_chance(r, 0.15)};
    int64_t small = (int64_t)random_below(r, 7) - 3;
    if (random_chance(r, 0.1))
        small = INT32_MAX - small;
    switch (t.id) {
    case T_BOOLEAN:
        v.b = small > 0;
        break;
    case T_DOUBLE:
        v.f = (double)small / 2;
        break;
    case T_DECIMAL:
        v.d = small % 1000000;
        break;
    case T_VARCHAR:
        v.s = str_of(texts[random_below(r, ARRAY_LEN(texts))]);
        break;
    case T_INT:
        v.i = (int32_t)small;
        break;
    default:
        v.i = small;
    }
    return v;
}

static const struct expr *random_tree(struct random *r, struct type t, int depth);

static const struct expr *random_number(struct random *r, int depth)
{
    static const uint8_t ids[] = {0, 1, 2, 5};
    return random_tree(r, random_cols[ids[random_below(r, 4)]].type, depth);
}

static const struct expr *random_boolean(struct random *r, int depth)
{
    static const char *const compare[] = {"=", "<>", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"};
    struct type text = TYPE(T_VARCHAR);
    switch (random_below(r, 6)) {
    case 0:
        return KIND(EX_AND, T_BOOLEAN, random_boolean(r, depth + 1), random_tree(r, TYPE(T_BOOLEAN), depth), random_tree(r, TYPE(T_BOOLEAN), depth));
    case 1:
        return KIND(EX_OR, T_BOOLEAN, random_tree(r, TYPE(T_BOOLEAN), depth), random_tree(r, TYPE(T_BOOLEAN), depth));
    case 2:
        return KIND(EX_NOT, T_BOOLEAN, random_tree(r, TYPE(T_BOOLEAN), depth));
    case 3:
        return KIND(EX_IS_NULL, T_BOOLEAN, random_number(r, depth));
    case 4:
        return KIND(EX_IN, T_BOOLEAN, random_tree(r, text, depth), random_tree(r, text, depth), random_tree(r, text, depth));
    default:
        if (random_chance(r, 0.3))
            return CALL(compare[random_below(r, 8)], random_tree(r, text, depth), random_tree(r, text, depth));
        return CALL(compare[random_below(r, 8)], random_number(r, depth), random_number(r, depth));
    }
}

/* ---- arrays and lambdas among them */

static struct type params[16]; /* of the lambdas around */
static unsigned nparams;

/* (p0, p1, ...) => a tree of type t, which may use what is around it. */
static const struct expr *random_lambda(struct random *r, struct type p0, struct type p1, unsigned n, struct type t, int depth)
{
    struct type own[2] = {p0, p1};
    unsigned first = nparams;
    for (unsigned i = 0; i < n; i++)
        params[nparams++] = own[i];
    const struct expr *body = random_tree(r, t, depth);
    nparams = first;
    struct expr *e = (struct expr *)(uintptr_t)make(EX_LAMBDA, type_lambda(own, n, t), 1, &body);
    e->column = first;
    return e;
}

static const struct expr *random_array(struct random *r, struct type element, int depth)
{
    struct type from = random_cols[random_below(r, ARRAY_LEN(random_cols))].type;
    const struct expr *args[3];
    unsigned n = (unsigned)random_below(r, 4);
    if (depth < 4 && random_chance(r, 0.25))
        return CALL("TRANSFORM", random_array(r, from, depth + 1), random_lambda(r, from, from, 1, element, depth + 1));
    if (depth < 4 && random_chance(r, 0.25))
        return CALL("FILTER", random_array(r, element, depth + 1),
                    random_lambda(r, element, element, 1, TYPE(T_BOOLEAN), depth + 1));
    for (unsigned i = 0; i < n; i++)
        args[i] = random_tree(r, element, depth + 1);
    return make(EX_MAKE, type_array(element), n, args);
}

static const struct expr *random_nested(struct random *r, struct type t, int depth)
{
    struct type other = random_cols[random_below(r, ARRAY_LEN(random_cols))].type;
    struct type_field fields[2] = {{"a", other}, {"b", t}};
    if (random_chance(r, 0.3)) {
        const struct expr *of = make(EX_MAKE, type_struct(fields, 2), ARGS(random_tree(r, other, depth), random_tree(r, t, depth)));
        struct expr *field = (struct expr *)(uintptr_t)make(EX_FIELD, t, 1, &of);
        field->column = 1;
        return field;
    }
    if (random_chance(r, 0.4) && nparams + 2 < ARRAY_LEN(params))
        return CALL("REDUCE", random_array(r, other, depth), random_tree(r, t, depth), random_lambda(r, t, other, 2, t, depth));
    return CALL("[]", random_array(r, t, depth), cast(integer((int64_t)random_below(r, 4) - 1), TYPE(T_BIGINT)));
}

static const struct expr *random_tree(struct random *r, struct type t, int depth)
{
    static const char *const math[] = {"+", "-", "*", "/", "%"};
    if (depth < 4 && random_chance(r, 0.1))
        return random_nested(r, t, depth + 1);
    if (nparams && random_chance(r, 0.3)) {
        unsigned at = (unsigned)random_below(r, nparams);
        if (type_eq(params[at], t)) {
            struct expr *e = (struct expr *)(uintptr_t)make(EX_PARAM, t, 0, NULL);
            e->column = at;
            return e;
        }
    }
    if (depth >= 4 || random_chance(r, 0.25)) {
        for (unsigned i = 0; i < ARRAY_LEN(random_cols); i++)
            if (type_eq(random_cols[i].type, t) && random_chance(r, 0.7))
                return column(i, t);
        return constant(random_leaf(r, t));
    }
    depth++;
    if (random_chance(r, 0.15))
        return make(EX_CASE, t, ARGS(random_boolean(r, depth), random_tree(r, t, depth), random_boolean(r, depth),
                                     random_tree(r, t, depth), random_tree(r, t, depth)));
    if (random_chance(r, 0.1))
        return cast(CALL(random_chance(r, 0.5) ? "COALESCE" : "GREATEST", random_tree(r, t, depth), random_tree(r, t, depth)), t);
    if (t.id == T_BOOLEAN)
        return random_boolean(r, depth);
    if (t.id == T_VARCHAR)
        return random_chance(r, 0.5) ? CALL("||", random_tree(r, t, depth), random_tree(r, t, depth))
               : random_chance(r, 0.5) ? CALL("UCASE", random_tree(r, t, depth))
                                       : cast(random_number(r, depth), t);
    return cast(CALL(math[random_below(r, 5)], random_number(r, depth), random_number(r, depth)), t);
}

static struct batch *random_batch(struct random *r, uint32_t n, struct arena *a)
{
    struct schema sc = {ARRAY_LEN(random_cols), random_cols};
    struct batch *b = batch_new(a, &sc, n);
    for (uint32_t row = 0; row < n; row++)
        for (unsigned c = 0; c < sc.n; c++) {
            struct value v = random_leaf(r, random_cols[c].type);
            batch_set_value(b, c, row, &v, n);
        }
    b->n = b->nsel = n;
    return b;
}

static void same_value(struct value x, struct value y, const struct expr *e)
{
    struct schema sc = {ARRAY_LEN(random_cols), random_cols};
    if (x.null == y.null && (x.null || value_cmp(&x, &y) == 0))
        return;
    struct wbuf w;
    wbuf_init(&w);
    expr_print(e, &sc, &w);
    wbuf_str(&w, STR(": "));
    value_format(&x, &w);
    wbuf_str(&w, STR(" and "));
    value_format(&y, &w);
    fail_msg("%.*s", STR_ARG(wbuf_view(&w)));
}

/* A program gives the same values and counts the same errors whether rows come together, selected, or one by one; and
 * whether it was packed and unpacked before. */
static void trees_do_not_depend_on_batches(void **state)
{
    (void)state;
    struct random r;
    struct schema sc = {ARRAY_LEN(random_cols), random_cols};
    random_seed(&r, test_seed());
    for (int64_t i = test_rounds(1500); i; i--) {
        struct arena a;
        struct prog *p, *q;
        struct diag d;
        struct wbuf packed, first, second;
        arena_init(&a);
        wbuf_init(&packed);
        wbuf_init(&first);
        wbuf_init(&second);
        uint32_t n = MIN(1 + (uint32_t)random_below(&r, 100), (uint32_t)ENGINE_BATCH_ROWS), nsel = 0;
        const struct expr *roots[3];
        for (unsigned k = 0; k < 3; k++)
            roots[k] = random_tree(&r, random_cols[random_below(&r, ARRAY_LEN(random_cols))].type, 0);
        expr_pack(roots[0], &packed);
        struct unpack u = unpack_of(wbuf_view(&packed));
        const struct expr *back = expr_unpack(&u, &a);
        assert_non_null(back);
        expr_print(roots[0], &sc, &first);
        expr_print(back, &sc, &second);
        assert_true(str_eq(wbuf_view(&first), wbuf_view(&second)));
        struct unpack cut = unpack_of((struct str){(char *)packed.data, random_below(&r, packed.len)});
        assert_null(expr_unpack(&cut, &a));

        struct batch *b = random_batch(&r, n, &a);
        uint32_t *sel = arena_alloc(&a, sizeof *sel * n);
        for (uint32_t row = 0; row < n; row++)
            if (random_chance(&r, 0.7))
                sel[nsel++] = row;
        b->sel = random_chance(&r, 0.5) ? sel : NULL;
        b->nsel = b->sel ? nsel : n;
        assert_int_equal(prog_compile(&p, roots, 3, &sc, &d), 0);
        struct vec out[3], one[3];
        struct expr_errors errors = {0}, single = {0};
        struct batch *strings = batch_new(&a, &(struct schema){0, NULL}, 1);
        if (random_chance(&r, 0.5))
            batch_add_buf(strings, "something else");
        prog_eval(p, b, out, random_chance(&r, 0.5) ? b : strings, &errors);
        /* the same program again, row by row, as the unpacked first root, too */
        roots[0] = back;
        assert_int_equal(prog_compile(&q, roots, 3, &sc, &d), 0);
        prog_eval(p, b, out, b, &errors);
        errors.count /= 2;
        struct batch result = *b;
        result.cols = out;
        for (uint32_t k = 0; k < b->nsel; k++) {
            uint32_t row = batch_row(b, k);
            struct batch *alone = batch_copy(b, NULL, 0, &row, 1, &a);
            prog_eval(q, alone, one, alone, &single);
            struct batch view = *alone;
            view.cols = one;
            for (unsigned c = 0; c < 3; c++)
                same_value(batch_value(&result, c, row), batch_value(&view, c, 0), roots[c]);
        }
        assert_int_equal(errors.count, single.count);
        prog_free(p);
        prog_free(q);
        wbuf_fini(&packed);
        wbuf_fini(&first);
        wbuf_fini(&second);
        arena_fini(&a);
        arena_reset(&nodes);
    }
}

/* Text results move with their buffers into the batch that will hold them. */
static void texts_move(void **state)
{
    (void)state;
    struct schema sc = {ARRAY_LEN(random_cols), random_cols};
    const struct expr *e[] = {CALL("||", column(3, random_cols[3].type), constant((struct value){.type = TYPE(T_VARCHAR), .s = STR(" and a long constant")})),
                              column(3, random_cols[3].type)};
    struct prog *p;
    struct diag d;
    struct random r;
    random_seed(&r, 3);
    struct batch *b = random_batch(&r, 4, &nodes), *to = batch_new(&nodes, &(struct schema){0, NULL}, 1);
    batch_add_buf(to, "another buffer");
    batch_set_value(b, 3, 0, &(struct value){.type = TYPE(T_VARCHAR), .s = STR("some text that is long")}, 4);
    assert_int_equal(prog_compile(&p, e, 2, &sc, &d), 0);
    struct vec out[2];
    prog_eval(p, b, out, to, NULL);
    struct batch view = *to;
    view.cols = out;
    assert_true(str_eq(batch_value(&view, 0, 0).s, STR("some text that is long and a long constant")));
    assert_true(str_eq(batch_value(&view, 1, 0).s, STR("some text that is long")));
    prog_free(p);
}

/* NOW is one moment per evaluation, RANDOM differs from row to row and call to call, and neither is a constant. */
static void volatile_functions_draw_once(void **state)
{
    (void)state;
    struct column cols[] = {{"x", {.id = T_INT}}};
    struct schema sc = {1, cols};
    const struct expr *roots[] = {call("NOW", 0, NULL), call("RANDOM", 0, NULL), call("RANDOM", 0, NULL), call("UUID", 0, NULL)};
    struct prog *p;
    struct diag d = {0};
    struct expr_context ctx = {.now_ms = 42};
    struct value v;
    random_seed(&ctx.random, 1);
    assert_int_equal(prog_compile(&p, roots, 4, &sc, &d), 0);
    assert_true(prog_is_volatile(p));
    struct batch *b = batch_new(&nodes, &sc, 2);
    b->n = b->nsel = 2;
    memset(b->cols[0].data, 0, 8);
    struct vec out[4];
    struct expr_errors errors = {0};
    prog_eval(p, b, out, b, &errors);
    assert_int_equal(errors.count, 8); /* there is no context yet */
    prog_set_context(p, &ctx);
    prog_eval(p, b, out, b, &errors);
    assert_int_equal(errors.count, 8);
    assert_int_equal(out[0].i64[0], 42);
    assert_int_equal(out[0].i64[1], 42);
    assert_true(out[1].f64[0] != out[1].f64[1] && out[1].f64[0] != out[2].f64[0]);
    struct str uuid = batch_str(b, &out[3], 0);
    assert_int_equal(uuid.len, 36);
    assert_int_equal(uuid.ptr[14], '4');
    prog_free(p);
    assert_int_equal(expr_const(roots[0], &v, &nodes, &d), E_SQL);
    assert_int_equal(expr_const_in(roots[0], &ctx, &v, &nodes, &d), 0);
    assert_int_equal(v.i, 42);
    assert_int_equal(expr_const(CALL("/", integer(1), integer(0)), &v, &nodes, &d), E_SQL);
    assert_string_equal(d.text, "division by zero");
}

static const struct expr *udf_call_of(const char *library, const char *symbol, struct type t, unsigned n,
                                      const struct expr *const *args)
{
    struct expr *e = (struct expr *)(uintptr_t)make(EX_UDF, t, n, args);
    e->udf = (struct udf_ref){symbol, library, symbol};
    return e;
}

/* A C function sees the selected rows only, gives NULL for NULL, and its failures are the rows'; what cannot be loaded
 * is told when the program is compiled. */
static void c_functions_run(void **state)
{
    (void)state;
    struct schema sc = {ARRAY_LEN(random_cols), random_cols};
    const struct expr *i = column(0, random_cols[0].type), *s = column(3, random_cols[3].type);
    const struct expr *roots[] = {udf_call_of(UDF_LIBRARY, "score", TYPE(T_DOUBLE), ARGS(i, s)),
                                  udf_call_of(UDF_LIBRARY, "shout", TYPE(T_VARCHAR), ARGS(s)),
                                  udf_call_of(UDF_LIBRARY, "score", TYPE(T_DOUBLE), ARGS(integer(4), s))};
    static const struct {
        int i;
        const char *s;
    } rows[] = {{10, "abc"}, {-1, "ab"}, {3, NULL}, {2, "a text that is not inline"}};
    struct prog *p;
    struct diag d = {0};
    struct random r;
    random_seed(&r, 1);
    struct batch *b = random_batch(&r, 4, &nodes);
    for (uint32_t row = 0; row < 4; row++) {
        batch_set_value(b, 0, row, &(struct value){.type = TYPE(T_INT), .i = rows[row].i}, 4);
        batch_set_value(b, 3, row, &(struct value){.type = TYPE(T_VARCHAR), .null = !rows[row].s, .s = str_of(rows[row].s)}, 4);
    }
    static const uint32_t sel[] = {0, 2, 3};
    if (prog_compile(&p, roots, 3, &sc, &d))
        fail_msg("%s", d.text);
    struct vec out[3];
    struct expr_errors errors = {0};
    b->sel = sel;
    b->nsel = 3;
    prog_eval(p, b, out, b, &errors);
    assert_int_equal(errors.count, 0); /* row 1 is not selected */
    assert_true(out[0].f64[0] == 8 && out[0].f64[3] == 26);
    assert_true(out[2].f64[0] == 5);
    assert_false(vec_valid(&out[0], 2));
    assert_true(str_eq(batch_str(b, &out[1], 3), STR("a text that is not inline!")));
    b->sel = NULL;
    b->nsel = 4;
    prog_eval(p, b, out, b, &errors);
    assert_int_equal(errors.count, 1);
    assert_string_equal(errors.first, "negative minutes");
    assert_false(vec_valid(&out[0], 1));
    prog_free(p);
    const struct expr *missing = udf_call_of(UDF_LIBRARY, "no_such", TYPE(T_DOUBLE), ARGS(i, s));
    assert_int_not_equal(prog_compile(&p, &missing, 1, &sc, &d), 0);
    assert_non_null(strstr(d.text, "no_such"));
    missing = udf_call_of(UDF_LIBRARY, "score", random_cols[5].type, ARGS(i, s));
    assert_int_not_equal(prog_compile(&p, &missing, 1, &sc, &d), 0);
    assert_non_null(strstr(d.text, "DECIMAL"));
}

/* Long lists of constants are looked up, and answer as short ones do. */
static void long_lists_are_searched(void **state)
{
    (void)state;
    struct schema sc = {ARRAY_LEN(random_cols), random_cols};
    struct random r;
    random_seed(&r, test_seed());
    for (unsigned c = 0; c < sc.n; c++) {
        const struct expr *args[41] = {column(c, random_cols[c].type)}, *any[40];
        for (unsigned i = 1; i < 41; i++) {
            args[i] = constant(random_leaf(&r, random_cols[c].type));
            any[i - 1] = CALL("=", args[0], args[i]);
        }
        unsigned n = 41;
        const struct expr *roots[] = {make(EX_IN, TYPE(T_BOOLEAN), n, args), make(EX_OR, TYPE(T_BOOLEAN), n - 1, any)};
        struct prog *p;
        struct diag d;
        assert_int_equal(prog_compile(&p, roots, 2, &sc, &d), 0);
        for (int round = 0; round < 30; round++) {
            uint32_t rows = MIN(40u, (uint32_t)ENGINE_BATCH_ROWS);
            struct batch *b = random_batch(&r, rows, &nodes), view;
            struct vec out[2];
            prog_eval(p, b, out, b, NULL);
            view = *b;
            view.cols = out;
            for (uint32_t row = 0; row < rows; row++)
                same_value(batch_value(&view, 0, row), batch_value(&view, 1, row), roots[0]);
        }
        prog_free(p);
    }
}

/* Trees print as SQL, with quotes doubled and operators in parentheses. */
static void trees_print(void **state)
{
    (void)state;
    struct schema sc = {ARRAY_LEN(random_cols), random_cols};
    struct wbuf w;
    wbuf_init(&w);
    const struct expr *s = column(3, random_cols[3].type), *i = column(0, random_cols[0].type);
    expr_print(KIND(EX_AND, T_BOOLEAN, CALL(">", CALL("+", i, integer(1)), integer(2)),
                    KIND(EX_NOT, T_BOOLEAN, KIND(EX_IN, T_BOOLEAN, s, constant((struct value){.type = TYPE(T_VARCHAR), .s = STR("it's")}), constant(value_null(TYPE(T_VARCHAR)))))),
               &sc, &w);
    wbuf_str(&w, STR(" | "));
    expr_print(KIND(EX_CASE, T_VARCHAR, KIND(EX_IS_NULL, T_BOOLEAN, s), cast(i, TYPE(T_VARCHAR)), CALL("UCASE", s)), &sc, &w);
    wbuf_u8(&w, 0);
    assert_string_equal((char *)w.data, "((i + 1) > 2) AND (NOT (s IN ('it''s', NULL))) | "
                                        "CASE WHEN s IS NULL THEN CAST(i AS VARCHAR) ELSE UCASE(s) END");
    wbuf_fini(&w);
}

/* Wrong calls are refused with what there is. */
static void wrong_calls_are_explained(void **state)
{
    (void)state;
    struct type text = TYPE(T_VARCHAR), one[2] = {text, TYPE(T_INT)}, casts[2], result;
    struct diag d = {0};
    unsigned func;
    assert_int_equal(func_resolve(STR("UCSE"), one, 1, &func, casts, &result, &d), E_SQL);
    assert_string_equal(d.hint, "did you mean UCASE?");
    assert_int_equal(func_resolve(STR("ucase"), one + 1, 1, &func, casts, &result, &d), E_SQL);
    assert_non_null(strstr(d.hint, "UCASE(VARCHAR) -> VARCHAR"));
    assert_int_equal(func_resolve(STR("="), one, 2, &func, casts, &result, &d), E_SQL);
    assert_string_equal(d.text, "= cannot take VARCHAR and INT");
    assert_int_equal(func_resolve(STR("SUM"), one + 1, 1, &func, casts, &result, &d), E_SQL);
    assert_false(func_exists(STR("SUM")));
    assert_true(func_exists(STR("substring")));
    const struct expr *e = integer(1);
    for (int i = 0; i < 300; i++)
        e = CALL("-", CALL("+", e, column(0, TYPE(T_INT))));
    struct prog *p;
    struct schema sc = {1, random_cols};
    assert_int_equal(prog_compile(&p, &e, 1, &sc, &d), E_SQL);
    assert_non_null(strstr(d.text, "nested"));
}

/* ---- decimals */

static i128 big(const char *s)
{
    i128 v = 0;
    for (const char *p = s + (*s == '-'); *p; p++)
        v = v * 10 + (*p - '0');
    return *s == '-' ? -v : v;
}

/* Quotients with 256-bit intermediates are those that Python's whole numbers give, rounded half up. */
static void quotients_are_exact(void **state)
{
    (void)state;
    static const struct {
        const char *a;
        unsigned up;
        const char *b, *want; /* NULL: more than 38 digits */
    } cases[] = {
    {"98537608817284099556144", 15, "-203613911827396312026225110348289", "-483943"},
        {"47730846182", 15, "-4208264892150610687255625770546", "0"},
        {"39335063492194", 8, "2450713496193706180234827", "0"},
        {"-4", 18, "-76567206437504", "52242"},
        {"-190628463121515508586", 57, "-72290199688937", NULL},
        {"-1974534413769574922739684", 21, "-90277001732", "21871953829739035298378046049483526"},
        {"60459899858404085775986141765060028601", 30, "4847557157397379896567345484177", "12472240738026612615667626616563466508"},
        {"-974492138497", 37, "58139716656289694227120905", "-167612123784159704752178"},
        {"93562081010782516723238457069", 59, "-5671722069741", NULL},
        {"-295446840568557557587687313318", 2, "385024651546544170308951936049", "-77"},
        {"-4539666939397927479383415256", 11, "-49128601716222752329642347598135486", "9240"},
        {"2076878433", 34, "619826", "33507442943664834969814109120946846373"},
        {"-8089102438593283632261255", 9, "-36254491013984772786234", "223120011131"},
        {"-1914", 40, "-7492168858929924313969", "2554667461503755741091"},
        {"-538251295380246928961316841", 18, "-2076928230", "259157388110732612537755741805290980"},
        {"595969636602216888317216731485", 25, "-23759450474232811383218518194516", "-250834772987930667436932"},
        {"-5877622162", 32, "-55830944155314318730408174527174", "10527534956"},
        {"-219099366142743950473244507008681822", 37, "30431448945669376214", NULL},
        {"3268216552741549675427242940497", 43, "831923366734730086771090819284", NULL},
        {"4457345812075036587744", 55, "-786488735466275134521866281", NULL},
        {"-58948764505190247622078741617", 54, "-265682357961940741104559565639777", NULL},
        {"-3208586749110187644908145130390", 59, "-176081294615698791665088768", NULL},
        {"-40961974204070159315026956", 37, "-815505968108485553", NULL},
        {"-45652868855538347000697003367", 57, "488500685467503013913399756930", NULL},
        {"-318494272", 29, "4201917695541119743522271591457", "-7579736"},
        {"1292242401081586328742952", 0, "-36365338411738272170980767154959056754", "0"},
        {"17706916291050936378886255", 19, "-184433412008726370617204891254194427", "-960070960"},
        {"9456680946242355644", 29, "62857421876239213990094279698443735517", "15044652905"},
        {"44099140232", 38, "-8585881724374120520618353902346313103", "-513623896155"},
        {"99997834436579183896320", 14, "8349981962555889898985521", "1197581442511"},
        {"-38383600534767777660821795673710", 47, "-4974265854385345338605395", NULL},
        {"51737548644277278154723914285776", 1, "77338039329651284574081984668057", "7"},
        {"82395427193313828570057095865", 35, "82410395287347968178815115", "99981837128699663474354698831144506163"},
        {"-453194678598582331", 54, "4822245356103996", NULL},
        {"9080667272938421950", 47, "9135275413079642406732294627172979", "99402227763565464202645373486794"},
        {"-83084225", 39, "-50045713476512165427", "1660166660207446535427303001"},
        {"3749262817717925326616825162124176", 29, "-5873096702677542994429695065697589310", "-63837920734535795267932167"},
        {"95644918744726676690132385812038832", 46, "-1310070676865570698995036535664", NULL},
        {"1218476429904612929", 37, "-30289796123986839890", "-402272905673236721112526674044043499"},
        {"1675096018477733179773075196303", 34, "439614949737435397386208044042498180", "38103709154527199427591561093"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        i128 q;
        bool ok = decimal_divide(big(cases[i].a), cases[i].up, big(cases[i].b), &q) && decimal_fits(q, 38);
        assert_int_equal(ok, cases[i].want != NULL);
        if (ok)
            assert_true(q == big(cases[i].want));
    }
    struct random r;
    random_seed(&r, test_seed());
    for (int64_t i = test_rounds(100000); i; i--) {
        int64_t a = (int64_t)random_next(&r) >> random_below(&r, 60), b = (int64_t)random_next(&r) >> random_below(&r, 60);
        int64_t c = (int64_t)random_next(&r) >> random_below(&r, 60);
        i128 got = 0, product = (i128)a * b, want;
        if (c == 0)
            continue;
        want = product / c;
        i128 rest = product % c;
        if ((rest < 0 ? -rest : rest) >= (c < 0 ? -(i128)c : c) - (rest < 0 ? -rest : rest))
            want += (product < 0) != (c < 0) ? -1 : 1;
        assert_true(decimal_muldiv(a, b, c, &got));
        assert_true(got == want);
    }
}

/* ---- exact sums */

/* Sums are those of exact arithmetic rounded once, in any order, through merging, packing and taking away. */
static void sums_are_exact(void **state)
{
    (void)state;
    struct random r;
    random_seed(&r, test_seed());
    for (int64_t i = test_rounds(3000); i; i--) {
        double values[40];
        i128 exact = 0; /* in units of 2^-20 */
        struct exactsum s, t, back;
        unsigned n = (unsigned)random_below(&r, 40);
        exact_init(&s);
        exact_init(&t);
        for (unsigned k = 0; k < n; k++) {
            int64_t m = (int64_t)(random_next(&r) >> (11 + random_below(&r, 50))) * (random_chance(&r, 0.5) ? 1 : -1);
            int e = (int)random_below(&r, 40);
            values[k] = ldexp((double)m, e - 20);
            exact += m * ((i128)1 << e);
            exact_add(random_chance(&r, 0.5) ? &s : &t, values[k]);
        }
        exact_merge(&s, &t);
        double want = ldexp((double)exact, -20);
        assert_true(exact_value(&s) == want);
        struct wbuf w, other;
        wbuf_init(&w);
        wbuf_init(&other);
        exact_pack(&s, &w);
        struct unpack u = unpack_of(wbuf_view(&w));
        assert_true(exact_unpack(&back, &u) && exact_value(&back) == want);
        struct exactsum again; /* the other way round */
        exact_init(&again);
        for (unsigned k = n; k-- > 0;)
            exact_add(&again, values[k]);
        exact_add(&again, 1e300);
        exact_remove(&again, 1e300);
        exact_pack(&again, &other);
        assert_true(str_eq(wbuf_view(&w), wbuf_view(&other)));
        for (unsigned k = 0; k < n; k++)
            exact_remove(&back, values[k]);
        assert_true(exact_value(&back) == 0 && !signbit(exact_value(&back)));
        wbuf_fini(&w);
        wbuf_fini(&other);
    }
}

/* The ends of the range: the least and largest doubles, overflow and back, infinities and NaN. */
static void sums_reach_the_ends(void **state)
{
    (void)state;
    const double least = 4.9406564584124654e-324, most = 1.7976931348623157e308;
    struct exactsum s;
    exact_init(&s);
    exact_add(&s, least);
    assert_true(exact_value(&s) == least);
    exact_add(&s, -3 * least);
    assert_true(exact_value(&s) == -2 * least);
    for (int i = 0; i < 1000; i++)
        exact_add(&s, most);
    assert_true(exact_value(&s) == HUGE_VAL);
    for (int i = 0; i < 999; i++)
        exact_remove(&s, most);
    assert_true(exact_value(&s) == most);
    for (int i = 0; i < 3; i++)
        exact_add(&s, -most);
    assert_true(exact_value(&s) == -HUGE_VAL);
    exact_add(&s, most);
    exact_add(&s, most);
    assert_true(exact_value(&s) == -2 * least);
    exact_add(&s, HUGE_VAL);
    assert_true(exact_value(&s) == HUGE_VAL);
    exact_add(&s, -HUGE_VAL);
    assert_true(isnan(exact_value(&s)));
    exact_remove(&s, HUGE_VAL);
    exact_remove(&s, -HUGE_VAL);
    exact_add(&s, (double)NAN);
    assert_true(isnan(exact_value(&s)));
    exact_remove(&s, (double)NAN);
    assert_true(exact_value(&s) == -2 * least);
    /* halves go to even, and what lies far below decides */
    exact_init(&s);
    exact_add(&s, 9007199254740992);
    exact_add(&s, 1);
    assert_true(exact_value(&s) == 9007199254740992);
    exact_add(&s, 1e-300);
    assert_true(exact_value(&s) == 9007199254740994);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(logic_is_three_valued), TEST(branches_are_guarded),      TEST(trees_do_not_depend_on_batches),
        TEST(texts_move),            TEST(volatile_functions_draw_once), TEST(trees_print),
        TEST(wrong_calls_are_explained), TEST(quotients_are_exact),   TEST(sums_are_exact),
        TEST(sums_reach_the_ends),   TEST(c_functions_run),           TEST(long_lists_are_searched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
