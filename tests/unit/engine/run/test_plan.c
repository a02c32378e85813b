/* Plans: packed, unpacked, checked, printed. */
#include "log/base/random.h"
#include "tests/lib/planlib.h"
#include "tests/lib/seed.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static struct uuid id_of(uint8_t n) { return (struct uuid){{n}}; }

/* A windowed join that has every kind of node but scan, sort and query. */
static struct plan *big(struct arena *a)
{
    struct planlib pl;
    planlib_init(&pl, a, 8);
    struct plan_node *s = pl_source(&pl, "S", id_of(1), false), *t = pl_source(&pl, "T", id_of(2), true);
    struct plan_node *n = pl_join(&pl, PLAN_JOIN_LOOKUP, JOIN_LEFT, pl_exchange(&pl, s, 1, (unsigned[]){0}),
                                  pl_exchange(&pl, t, 1, (unsigned[]){0}), 0, 0);
    n = pl_window(&pl, pl_pick(&pl, n, 2, (unsigned[]){3, 1}), 60000, 1000);
    struct plan_node *part = pl_partial(&pl, n, 3, (unsigned[]){0, 2, 3}, AGG_AVG, 1, 60000, 1000);
    n = pl_final(&pl, pl_exchange(&pl, part, 1, (unsigned[]){0}), part);
    unsigned cols[] = {0, 1, 2, 0};
    n = pl_pick(&pl, n, 4, cols);
    struct plan_node *u = pl_normalize(&pl, pl_exchange(&pl, pl_source(&pl, "U", id_of(3), true), 1, (unsigned[]){0}));
    n = pl_join(&pl, PLAN_JOIN_TABLE, JOIN_FULL, pl_exchange(&pl, n, 1, (unsigned[]){0}), u, 0, 0);
    n->residual = pl_at_least(&pl, n, n->inputs[0]->out.n + 1, 5)->predicate;
    return planlib_done(&pl, pl_sink_topic(&pl, n, id_of(9), 0, 3, 1, 60000));
}

/* Joins by event time. */
static struct plan *timed(struct arena *a)
{
    struct planlib pl;
    planlib_init(&pl, a, 8);
    struct plan_node *s = pl_source(&pl, "S", id_of(1), false), *t = pl_source(&pl, "T", id_of(2), false);
    struct plan_node *n = pl_join(&pl, PLAN_JOIN_INTERVAL, JOIN_FULL, pl_exchange(&pl, s, 1, (unsigned[]){0}),
                                  pl_exchange(&pl, t, 1, (unsigned[]){0}), 0, 0);
    n->before_ms = -1000;
    n->after_ms = 60000;
    n->grace_ms = 5;
    n->residual = pl_at_least(&pl, n, 1, 5)->predicate;
    struct plan_node *u = pl_exchange(&pl, pl_source(&pl, "U", id_of(3), true), 1, (unsigned[]){0});
    pl_set_key(&pl, u, 0);
    n = pl_join(&pl, PLAN_JOIN_TEMPORAL, JOIN_LEFT, n, u, 0, 0);
    return planlib_done(&pl, pl_sink_topic(&pl, n, id_of(9), 0, 3, -1, 0));
}

/* Reads fields of a STRUCT by themselves. */
static struct plan *pathed(struct arena *a)
{
    static const unsigned path[] = {1, 0};
    struct type_field inner = {"x", TYPE(T_BIGINT)}, fields[] = {{"a", TYPE(T_INT)}, {"b", type_struct(&inner, 1)}};
    struct planlib pl;
    planlib_init(&pl, a, 8);
    struct plan_node *s = pl_source(&pl, "S", id_of(1), false);
    s->format.value = (struct format){.kind = FORMAT_JSON, .wrapped = true};
    s->format.value_cols = ARENA_NEW(a, struct column);
    *s->format.value_cols = (struct column){"v", type_struct(fields, 2)};
    s->wants[1] = (struct want){WANT_VALUE, 0, 2, path};
    return planlib_done(&pl, pl_sink_topic(&pl, s, id_of(9), 0, 1, -1, 0));
}

static void round_trip(struct plan *p)
{
    struct arena a;
    struct wbuf one, two, text_one, text_two;
    struct diag d = {0};
    struct plan *back;
    arena_init(&a);
    wbuf_init(&one);
    wbuf_init(&two);
    wbuf_init(&text_one);
    wbuf_init(&text_two);
    if (plan_check(p, &d))
        fail_msg("%s", d.text);
    plan_pack(p, &one);
    assert_int_equal(plan_unpack(&back, wbuf_view(&one), &a), 0);
    plan_pack(back, &two);
    assert_true(str_eq(wbuf_view(&one), wbuf_view(&two)));
    plan_print(p, NULL, &text_one);
    plan_print(back, NULL, &text_two);
    assert_true(str_eq(wbuf_view(&text_one), wbuf_view(&text_two)));
    unsigned lines = 0;
    for (size_t i = 0; i < text_one.len; i++)
        lines += text_one.data[i] == '\n';
    assert_int_equal(lines, p->nnodes);
    wbuf_fini(&one);
    wbuf_fini(&two);
    wbuf_fini(&text_one);
    wbuf_fini(&text_two);
    arena_fini(&a);
}

/* What was packed comes back the same: packing it again gives the same bytes, and it prints the same. */
static void test_round_trip(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    round_trip(big(&a));
    round_trip(timed(&a));
    round_trip(pathed(&a));
    arena_fini(&a);
}

/* Cut or changed bytes give a plan that passes its check, or an error; never worse. */
static void damaged_bytes(struct plan *(*make_cb)(struct arena *a))
{
    struct arena a;
    struct wbuf w;
    struct random r;
    random_seed(&r, test_seed());
    arena_init(&a);
    wbuf_init(&w);
    plan_pack(make_cb(&a), &w);
    for (size_t n = 0; n < w.len; n++) {
        struct plan *p;
        assert_int_not_equal(plan_unpack(&p, (struct str){(char *)w.data, n}, &a), 0);
    }
    for (int64_t i = test_rounds(10000); i > 0; i--) {
        struct plan *p;
        arena_reset(&a);
        size_t at = random_below(&r, w.len);
        uint8_t old = w.data[at];
        w.data[at] = (uint8_t)random_next(&r);
        if (plan_unpack(&p, wbuf_view(&w), &a) == 0)
            assert_int_equal(plan_check(p, NULL), 0);
        w.data[at] = old;
    }
    wbuf_fini(&w);
    arena_fini(&a);
}

static void test_damaged_bytes(void **state)
{
    (void)state;
    damaged_bytes(big);
    damaged_bytes(pathed);
}

static void refused(struct plan *p, const char *about)
{
    struct diag d = {0};
    assert_int_equal(plan_check(p, &d), E_CORRUPT);
    if (!strstr(d.text, about))
        fail_msg("'%s' does not say '%s'", d.text, about);
}

/* Whatever does not fit is refused with a sentence: columns, types, modes, fragments. */
static void test_check(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a);
    struct plan *p = big(&a);
    p->parallelism = 3;
    refused(p, "parallelism");
    p = big(&a);
    p->sink->sink_cols[1] = 99;
    refused(p, "format");
    p = big(&a);
    p->sink->inputs[0]->left_cols[0] = 77;
    refused(p, "join column");
    p = big(&a);
    p->sink->inputs[0]->mode = MODE_APPEND;
    refused(p, "cannot join");
    p = big(&a);
    p->sink->inputs[0]->join = JOIN_SEMI;
    refused(p, "its columns");
    p = big(&a);
    ((struct expr *)p->sink->inputs[0]->residual->args[0])->column = 77;
    refused(p, "its columns");
    p = big(&a);
    p->sink->inputs[0]->id = 0;
    refused(p, "numbered twice");
    p = big(&a);
    p->sink->ninputs = 0;
    refused(p, "inputs");
    p = timed(&a);
    p->sink->inputs[0]->inputs[1]->nkey = 0;
    refused(p, "by its key");
    p = timed(&a);
    p->sink->inputs[0]->inputs[0]->before_ms = -60001;
    refused(p, "out of range");
    p = timed(&a);
    p->sink->inputs[0]->inputs[0]->join = JOIN_SEMI;
    refused(p, "its columns");
    p = pathed(&a);
    p->sink->inputs[0]->wants[1].depth = 3;
    p->sink->inputs[0]->wants[1].path = (const unsigned[]){1, 0, 0};
    refused(p, "not what the format gives");
    struct planlib pl;
    planlib_init(&pl, &a, 2);
    struct plan_node *t = pl_source(&pl, "T", id_of(2), true), *u = pl_source(&pl, "U", id_of(3), true);
    struct plan_node *n = pl_join(&pl, PLAN_JOIN_TABLE, JOIN_INNER, pl_normalize(&pl, t), pl_normalize(&pl, u), 0, 0);
    refused(planlib_done(&pl, pl_sink_topic(&pl, n, id_of(9), 0, 1, -1, 0)), "different places");
    arena_fini(&a);
}

/* The keys that a scan looks up come back as they were packed; out of order, twice, or too many they are refused. */
static void test_lookup(void **state)
{
    (void)state;
    struct arena a;
    struct planlib pl;
    struct plan *back;
    struct wbuf w;
    struct str keys[] = {STR("a"), STR("b"), STR("b")};
    arena_init(&a);
    wbuf_init(&w);
    planlib_init(&pl, &a, 2);
    struct plan_node *n = pl_scan(&pl, "T", id_of(2), 2);
    n->lookup = true;
    n->keys = keys;
    n->nkeys = 2;
    struct plan *p = planlib_done(&pl, pl_sink_query(&pl, n, -1));
    plan_pack(p, &w);
    assert_int_equal(plan_unpack(&back, wbuf_view(&w), &a), 0);
    const struct plan_node *scan = back->sink->inputs[0];
    assert_true(scan->lookup && scan->nkeys == 2);
    assert_true(str_eq(scan->keys[0], keys[0]) && str_eq(scan->keys[1], keys[1]));
    n->nkeys = 3;
    refused(p, "not in order");
    n->nkeys = PLAN_LOOKUP_KEYS + 1;
    refused(p, "looked up");
    n->lookup = false;
    n->nkeys = 1;
    refused(p, "looked up");
    wbuf_fini(&w);
    arena_fini(&a);
}

/* ---- rows written as they were read */

static struct plan_node *node_over(struct arena *a, enum plan_kind kind, struct plan_node *in)
{
    struct plan_node *n = ARENA_NEW(a, struct plan_node);
    *n = (struct plan_node){.kind = kind, .out = in->out, .mode = in->mode, .ninputs = 1, .inputs = {in}};
    return n;
}

static const struct expr *column_of(struct arena *a, const struct plan_node *n, unsigned c)
{
    struct expr *e = ARENA_NEW(a, struct expr);
    e->kind = EX_COLUMN;
    e->column = c;
    e->type = n->out.cols[c].type;
    return e;
}

/* A stream of three columns, filtered, in this order, by a projection or none, into a topic with `names`. */
static struct plan_node *copying(struct arena *a, const unsigned *order, bool project, const char *const names[3])
{
    static struct column cols[] = {{"a", {.id = T_BIGINT}}, {"b", {.id = T_BIGINT}}, {"c", {.id = T_BIGINT}}};
    static struct want wants[] = {{.from = WANT_VALUE, .index = 0}, {.from = WANT_VALUE, .index = 1}, {.from = WANT_VALUE, .index = 2}};
    struct row_format json = {
        .value = {.kind = FORMAT_JSON, .wrapped = true}, .nvalue = 3, .value_cols = cols, .ts_column = -1};
    struct plan_node *n = ARENA_NEW(a, struct plan_node);
    *n = (struct plan_node){.kind = PLAN_SOURCE, .out = {3, cols}, .format = json, .nwants = 3, .wants = wants};
    n = node_over(a, PLAN_FILTER, n);
    unsigned *sink_cols = ARENA_ARRAY(a, unsigned, 3);
    const struct expr **exprs = ARENA_ARRAY(a, const struct expr *, 3);
    struct column *named = ARENA_ARRAY(a, struct column, 3);
    for (unsigned i = 0; i < 3; i++) {
        sink_cols[i] = project ? i : order[i];
        exprs[i] = column_of(a, n, order[i]);
        named[i] = (struct column){names[i], TYPE(T_BIGINT)};
    }
    if (project) {
        n = node_over(a, PLAN_PROJECT, n);
        n->exprs = exprs;
    }
    n = node_over(a, PLAN_SINK_TOPIC, n);
    n->format = json;
    n->format.value_cols = named;
    n->sink_cols = sink_cols;
    return n;
}

/* A sink takes over its source's text only if it writes all its columns, in order, under their names, not computed, in
 * the same format, of a stream. */
static void test_verbatim(void **state)
{
    (void)state;
    static const char *const same[] = {"a", "b", "c"}, *const renamed[] = {"a", "B", "c"};
    static const unsigned in_order[] = {0, 1, 2}, other[] = {0, 2, 1};
    struct expr computed = {.kind = EX_CONST, .type = TYPE(T_BIGINT)};
    const struct expr *exprs[3];
    struct arena a;
    arena_init(&a);
    for (int project = 0; project < 2; project++) {
        struct plan_node *sink = copying(&a, in_order, project, same);
        const struct plan_node *source = plan_verbatim(sink);
        assert_non_null(source);
        assert_int_equal(source->kind, PLAN_SOURCE);
        assert_null(plan_verbatim(copying(&a, other, project, same)));
        assert_null(plan_verbatim(copying(&a, in_order, project, renamed)));
        sink->format.nvalue = 2;
        assert_null(plan_verbatim(sink));
        sink->format.nvalue = 3;
        sink->format.value.kind = FORMAT_DELIMITED;
        assert_null(plan_verbatim(sink));
        sink->format.value.kind = FORMAT_JSON;
        sink->inputs[0]->mode = MODE_UPSERT;
        assert_null(plan_verbatim(sink));
    }
    struct plan_node *sink = copying(&a, in_order, true, same);
    memcpy(exprs, sink->inputs[0]->exprs, sizeof exprs);
    exprs[1] = &computed;
    sink->inputs[0]->exprs = exprs;
    assert_null(plan_verbatim(sink));
    arena_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_damaged_bytes),
                                       cmocka_unit_test(test_check), cmocka_unit_test(test_lookup),
                                       cmocka_unit_test(test_verbatim)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
