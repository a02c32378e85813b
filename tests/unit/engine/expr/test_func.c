/* Every function, from the table of cases in cases.txt: NAME | TYPE value | ... => TYPE value, where NULL is null, '' the
 * empty text, and ERROR a null that was counted. CAST casts to the result's type. Each case is computed as a constant, and as columns of rows among which
 * some are null or not selected. */
#include "engine/expr/expr.h"
#include "log/base/buf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#define ARGS 8
struct fcase {
    int line;
    char name[64];
    unsigned nargs, func;
    struct value args[ARGS];
    struct type casts[ARGS], type;
    struct value want;
    bool error, is_cast;
};

static struct str trimmed(const char *from, const char *to)
{
    return str_trim((struct str){from, (size_t)(to - from)});
}

/* "DECIMAL(4,2) 1.50" */
static void read_value(struct str s, struct value *out, bool *error, struct arena *a, int line)
{
    const char *space = s.ptr, *end = s.ptr + s.len;
    for (int inside = 0; space < end && (*space != ' ' || inside); space++)
        inside += *space == '<' ? 1 : *space == '>' ? -1 : 0;
    if (space == end)
        fail_msg("cases.txt:%d: a value is a type and a text", line);
    struct str type = {s.ptr, (size_t)(space - s.ptr)}, text = trimmed(space, s.ptr + s.len);
    struct type t = TYPE(T_NULL);
    if (str_eq(type, STR("MONTHS")))
        t = INTERVAL_MONTHS;
    else if (!str_eq(type, STR("NULL")) && !type_parse(type, &t))
        fail_msg("cases.txt:%d: no type %.*s", line, STR_ARG(type));
    *out = value_null(t);
    if (error)
        *error = str_eq(text, STR("ERROR"));
    if (str_eq(text, STR("NULL")) || str_eq(text, STR("ERROR")))
        return;
    if (str_eq(text, STR("''")))
        text = STR("");
    if (text.len > 2 && text.ptr[0] == '\'') /* quotes keep blanks */
        text = (struct str){text.ptr + 1, text.len - 2};
    if (t.id == T_BYTES) {
        struct wbuf w;
        wbuf_init(&w);
        assert_true(hex_decode(text, &w));
        *out = (struct value){.type = t, .s = arena_dup(a, w.len ? wbuf_view(&w) : STR(""))};
        wbuf_fini(&w);
        return;
    }
    struct value v = {.type = TYPE(T_VARCHAR), .s = arena_dup(a, text)};
    if (!value_cast(&v, t, out, a))
        fail_msg("cases.txt:%d: cannot read %.*s", line, STR_ARG(text));
}

static bool read_case(const char *text, int line, struct fcase *fc, struct arena *a)
{
    *fc = (struct fcase){.line = line};
    const char *arrow = strstr(text, "=> ");
    if (!arrow || text[0] == '#')
        return false;
    for (const char *next; (next = strstr(arrow + 1, "=> ")); arrow = next) {
    }
    const char *bar = strstr(text, " | ");
    struct str name = trimmed(text, bar && bar < arrow ? bar : arrow);
    snprintf(fc->name, sizeof fc->name, "%.*s", STR_ARG(name));
    while (bar && bar < arrow) {
        const char *start = bar + 3, *next = strstr(start, " | ");
        assert_true(fc->nargs < ARGS);
        read_value(trimmed(start, next && next < arrow ? next : arrow), &fc->args[fc->nargs++], NULL, a, line);
        bar = next;
    }
    read_value(trimmed(arrow + 2, text + strlen(text)), &fc->want, &fc->error, a, line);
    if (strcmp(fc->name, "CAST") == 0) {
        fc->is_cast = true;
        fc->type = fc->want.type;
        assert_true(type_can_cast(fc->args[0].type, fc->type));
        return true;
    }
    struct type types[ARGS];
    struct diag d = {0};
    for (unsigned i = 0; i < fc->nargs; i++)
        types[i] = fc->args[i].type;
    if (func_resolve(str_of(fc->name), types, fc->nargs, &fc->func, fc->casts, &fc->type, &d))
        fail_msg("cases.txt:%d: %s; %s", line, d.text, d.hint);
    if (!type_eq(fc->type, fc->want.type) && fc->want.type.id != T_NULL) {
        char have[TYPE_TEXT];
        type_format(fc->type, have);
        fail_msg("cases.txt:%d: the type is %s", line, have);
    }
    return true;
}

static const struct expr *cast_to(const struct expr *e, struct type t, struct arena *a)
{
    if (type_eq(e->type, t))
        return e;
    struct expr *cast = ARENA_NEW(a, struct expr);
    const struct expr **args = ARENA_ARRAY(a, const struct expr *, 1);
    args[0] = e;
    *cast = (struct expr){.kind = EX_CAST, .type = t, .nargs = 1, .args = args};
    return cast;
}

static const struct expr *call_of(const struct fcase *fc, bool columns, struct arena *a)
{
    struct expr *call = ARENA_NEW(a, struct expr);
    const struct expr **args = ARENA_ARRAY(a, const struct expr *, ARGS);
    for (unsigned i = 0; i < fc->nargs; i++) {
        struct expr *leaf = ARENA_NEW(a, struct expr);
        bool column = columns && fc->args[i].type.id != T_NULL;
        *leaf = (struct expr){.kind = column ? EX_COLUMN : EX_CONST, .type = fc->args[i].type, .column = i,
                              .value = fc->args[i]};
        args[i] = fc->is_cast ? leaf : cast_to(leaf, fc->casts[i], a);
    }
    if (fc->is_cast)
        return cast_to(args[0], fc->type, a);
    *call = (struct expr){.kind = EX_CALL, .type = fc->type, .nargs = fc->nargs, .args = args, .func = fc->func};
    return call;
}

static int wrong; /* cases that do not hold: all are told before the test fails */

static void expect(const struct fcase *fc, const struct value *got, bool error, const char *how)
{
    struct wbuf w;
    wbuf_init(&w);
    value_format(got, &w);
    wbuf_u8(&w, 0);
    bool near = got->type.id == T_DOUBLE && !got->null && !fc->want.null &&
                (got->f == fc->want.f || (got->f - fc->want.f) * (got->f - fc->want.f) <= 1e-24 * fc->want.f * fc->want.f);
    struct value want = fc->want;
    want.type = got->type;
    if (error != fc->error || (!near && (got->null != want.null || value_cmp(got, &want) != 0))) {
        print_error("cases.txt:%d: %s (%s): got %s%s\n", fc->line, fc->name, how, (char *)w.data, error ? ", an error" : "");
        wrong++;
    }
    wbuf_fini(&w);
}

static void as_constant(const struct fcase *fc, struct arena *a)
{
    struct expr_context ctx = {.now_ms = 1700000000000};
    struct value v = value_null(fc->type);
    struct diag d = {0};
    int err = expr_const_in(call_of(fc, false, a), &ctx, &v, a, &d);
    expect(fc, &v, err != 0, "constant");
}

/* Rows 0, 2, 4...: the case. Rows 1, 5, 9...: NULLs, selected. Rows 3, 7...: not selected, rubbish. */
static void as_columns(const struct fcase *fc, struct arena *a)
{
    enum { ROWS = 4 };
    struct column cols[ARGS];
    struct schema sc = {fc->nargs, cols};
    for (unsigned i = 0; i < fc->nargs; i++)
        cols[i] = (struct column){"c", fc->args[i].type};
    struct batch *b = batch_new(a, &sc, ROWS);
    for (unsigned i = 0; i < fc->nargs; i++)
        for (uint32_t r = 0; r < ROWS; r += 1) {
            struct value null = value_null(cols[i].type);
            batch_set_value(b, i, r, r % 2 ? &null : &fc->args[i], ROWS);
        }
    static const uint32_t sel[] = {0, 1, 2};
    b->n = ROWS;
    b->sel = sel;
    b->nsel = 3;
    struct prog *p;
    struct diag d = {0};
    const struct expr *e = call_of(fc, true, a);
    assert_int_equal(prog_compile(&p, &e, 1, &sc, &d), 0);
    struct expr_context ctx = {.now_ms = 1700000000000};
    prog_set_context(p, &ctx);
    for (int round = 0; round < 2; round++) { /* what is kept between batches must not show */
        struct expr_errors errors = {0};
        struct vec out;
        prog_eval(p, b, &out, b, &errors);
        struct batch view = *b;
        view.cols = &out;
        for (uint32_t r = 0; r < ROWS; r += 2) {
            struct value v = batch_value(&view, 0, r);
            v.type = fc->type;
            expect(fc, &v, errors.count >= 2, "columns");
        }
    }
    prog_free(p);
}

static char *cases_path;

/* Each function gives what its cases say, however it is called. */
static void cases_hold(void **state)
{
    (void)state;
    FILE *f = fopen(cases_path, "r");
    char line[1024];
    int n = 0, cases = 0;
    assert_non_null(f);
    bool *seen = calloc(func_count(), sizeof *seen);
    while (fgets(line, sizeof line, f)) {
        struct arena a;
        struct fcase fc;
        arena_init(&a);
        line[strcspn(line, "\n")] = 0;
        if (read_case(line, ++n, &fc, &a)) {
            seen[fc.func] |= !fc.is_cast;
            cases++;
            as_constant(&fc, &a);
            as_columns(&fc, &a);
        }
        arena_fini(&a);
    }
    fclose(f);
    for (unsigned i = 0; i < func_count(); i++)
        if (!seen[i] && func_info(i)->kind != FUNC_AGGREGATE && !func_info(i)->is_volatile &&
            !strstr(func_info(i)->signature, "=>")) /* those with lambdas are test_expr.c's */
            fail_msg("no case for %s", func_info(i)->signature);
    free(seen);
    assert_int_equal(wrong, 0);
    printf("%d cases\n", cases);
}

int main(int argc, char **argv)
{
    assert_int_equal(argc, 2);
    cases_path = argv[1];
    const struct CMUnitTest tests[] = {cmocka_unit_test(cases_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
