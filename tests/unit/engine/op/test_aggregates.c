#include "tests/lib/seed.h"
#include "tests/unit/engine/op/rig.h"
#include <math.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Every aggregate, over rows that only come and over rows that are taken back, is what SQLite answers at each commit. */

#define TABLE "ID BIGINT,G BIGINT,V INT,D DOUBLE,S VARCHAR,B BOOLEAN"
enum { C_ID, C_G, C_V, C_D, C_S, C_B };
#define HERE " FROM t x WHERE x.g IS t.g AND "

struct shape {
    enum agg_kind kind;
    int arg, arg2;
    bool distinct, filter; /* filter: b */
    struct value param;
    const char *sql;
};
#define VAR_OF(v) "(count(" v ") * sum(" v " * " v ") - sum(" v ") * sum(" v ")) * 1.0"
static const struct shape shapes[] = {
    {AGG_COUNT_STAR, -1, -1, false, true, {.i = 0}, "count(*) FILTER (WHERE b)"},
    {AGG_COUNT, C_V, -1, true, false, {.i = 0}, "count(DISTINCT v)"},
    {AGG_COUNT, C_S, -1, true, true, {.i = 0}, "count(DISTINCT s) FILTER (WHERE b)"},
    {AGG_SUM, C_V, -1, true, false, {.i = 0}, "sum(DISTINCT v)"},
    {AGG_SUM, C_V, -1, false, true, {.i = 0}, "sum(v) FILTER (WHERE b)"},
    {AGG_AVG, C_D, -1, true, false, {.i = 0}, "avg(DISTINCT d)"},
    {AGG_MIN, C_S, -1, false, true, {.i = 0}, "min(s) FILTER (WHERE b)"},
    {AGG_MAX, C_D, -1, true, true, {.i = 0}, "max(d) FILTER (WHERE b)"},
    {AGG_VAR_SAMP, C_V, -1, false, false, {.i = 0}, "CASE WHEN count(v) > 1 THEN " VAR_OF("v") " / (count(v) * (count(v) - 1)) END"},
    {AGG_VAR_POP, C_V, -1, false, true, {.i = 0},
     "CASE WHEN count(v) FILTER (WHERE b) > 0 THEN (count(v) FILTER (WHERE b) * sum(v * v) FILTER (WHERE b) - sum(v) FILTER "
     "(WHERE b) * sum(v) FILTER (WHERE b)) * 1.0 / (count(v) FILTER (WHERE b) * count(v) FILTER (WHERE b)) END"},
    {AGG_BOOL_AND, C_B, -1, false, false, {.i = 0}, "CASE min(b) WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"},
    {AGG_BOOL_OR, C_B, -1, false, false, {.i = 0}, "CASE max(b) WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"},
    {AGG_ARG_MIN, C_S, C_V, false, false, {.i = 0},
     "(SELECT s" HERE "v IS NOT NULL AND s IS NOT NULL ORDER BY v, s LIMIT 1)"},
    {AGG_ARG_MAX, C_V, C_S, false, true, {.i = 0},
     "(SELECT v" HERE "v IS NOT NULL AND s IS NOT NULL AND b ORDER BY s DESC, v DESC LIMIT 1)"},
    {AGG_EARLIEST, C_D, C_ID, false, false, {.i = 0}, "(SELECT d" HERE "d IS NOT NULL ORDER BY id, d LIMIT 1)"},
    {AGG_LATEST, C_S, C_ID, false, false, {.i = 0}, "(SELECT s" HERE "s IS NOT NULL ORDER BY id DESC, s DESC LIMIT 1)"},
    {AGG_STRING_AGG, C_S, -1, false, false, {.type = {.id = T_VARCHAR}, .s = {", ", 2}},
     "(SELECT group_concat(s, ', ') FROM (SELECT s" HERE "s IS NOT NULL ORDER BY s))"},
    {AGG_STRING_AGG, C_S, C_ID, false, true, {.type = {.id = T_VARCHAR}, .s = {"", 0}},
     "(SELECT group_concat(s, '') FROM (SELECT s" HERE "s IS NOT NULL AND b ORDER BY id))"},
    {AGG_MEDIAN, C_D, -1, false, false, {.i = 0},
     "(SELECT avg(d) FROM (SELECT d, row_number() OVER (ORDER BY d) AS r, count(*) OVER () AS n" HERE "d IS NOT NULL) "
     "WHERE r IN ((n + 1) / 2, (n + 2) / 2))"},
    {AGG_PERCENTILE, C_D, -1, false, false, {.type = {.id = T_DOUBLE}, .f = 1}, "max(d)"},
    {AGG_ATTR, C_V, -1, false, false, {.i = 0}, "CASE WHEN count(DISTINCT v) = 1 THEN max(v) END"},
    {AGG_COLLECT_LIST, C_V, C_ID, false, false, {.i = 0},
     "(SELECT '[' || group_concat(ifnull(v, 'null'), ',') || ']' FROM (SELECT v" HERE "true ORDER BY id))"},
    {AGG_COLLECT_SET, C_V, -1, false, false, {.i = 0},
     "(SELECT '[' || group_concat(ifnull(v, 'null'), ',') || ']' FROM (SELECT DISTINCT v" HERE "true ORDER BY v))"},
    {AGG_TOPK, C_V, -1, false, false, {.type = {.id = T_BIGINT}, .i = 3},
     "(SELECT '[' || group_concat(v, ',') || ']' FROM (SELECT v" HERE "v IS NOT NULL ORDER BY v DESC LIMIT 3))"},
    {AGG_TOPKDISTINCT, C_V, -1, false, true, {.type = {.id = T_BIGINT}, .i = 2},
     "(SELECT '[' || group_concat(v, ',') || ']' FROM (SELECT DISTINCT v" HERE "v IS NOT NULL AND b ORDER BY v DESC LIMIT 2))"},
    {AGG_HISTOGRAM, C_S, -1, false, false, {.i = 0},
     "(SELECT '{' || group_concat('\"' || s || '\":' || n, ',') || '}' FROM (SELECT s, count(*) AS n" HERE
     "s IS NOT NULL GROUP BY s ORDER BY s))"},
};
/* Different rows of one column: these keep its values together. */
static const struct shape alike[] = {
    {AGG_COUNT, C_V, -1, true, false, {.i = 0}, "count(DISTINCT v)"},
    {AGG_COUNT, C_V, -1, true, true, {.i = 0}, "count(DISTINCT v) FILTER (WHERE b)"},
    {AGG_SUM, C_V, -1, true, true, {.i = 0}, "sum(DISTINCT v) FILTER (WHERE b)"},
    {AGG_COUNT, C_S, -1, true, true, {.i = 0}, "count(DISTINCT s) FILTER (WHERE b)"},
    {AGG_COUNT, C_S, -1, true, false, {.i = 0}, "count(DISTINCT s)"},
};
enum { CHOSEN = 6 };

static struct value maybe(struct rig *rig, struct value v)
{
    return random_chance(&rig->r, 0.2) ? value_null(v.type) : v;
}

static void random_columns(struct rig *rig, struct rig_row *row)
{
    static const char *const texts[] = {"", "a", "b", "a longer text that is not inline"};
    struct random *r = &rig->r;
    row->v[C_G] = maybe(rig, rig_int((int64_t)random_below(r, 4)));
    row->v[C_V] = maybe(rig, rig_i32((int64_t)random_below(r, 7) - 3));
    row->v[C_D] = maybe(rig, rig_double(((double)random_below(r, 40) - 20) / 8));
    row->v[C_S] = maybe(rig, rig_text(rig, "%s", texts[random_below(r, ARRAY_LEN(texts))]));
    row->v[C_B] = maybe(rig, (struct value){.type = TYPE(T_BOOLEAN), .b = random_chance(r, 0.5)});
    row->ts = (int64_t)random_below(r, 1000);
    row->weight = 1;
}

/* keys: of a table; of a stream 0. */
static struct rig_row *random_rows(struct rig *rig, size_t n, unsigned keys)
{
    bool table = keys > 0;
    struct rig_row *rows = ARENA_ARRAY(&rig->arena, struct rig_row, n);
    for (size_t i = 0; i < n; i++) {
        struct rig_row *row = &rows[i];
        random_columns(rig, row);
        row->v[C_ID] = rig_int(table ? (int64_t)random_below(&rig->r, keys) : (int64_t)i);
        row->weight = table && random_chance(&rig->r, 0.3) ? -1 : 1;
        row->sql = rig_sql(rig, "DELETE FROM t WHERE id = %s", rig_literal(rig, &row->v[C_ID]));
        if (row->weight > 0)
            row->sql = rig_sql(rig, "REPLACE INTO t VALUES(%s,%s,%s,%s,%s,%s)", rig_literal(rig, &row->v[0]),
                               rig_literal(rig, &row->v[1]), rig_literal(rig, &row->v[2]), rig_literal(rig, &row->v[3]),
                               rig_literal(rig, &row->v[4]),
                               row->v[C_B].null ? "NULL" : row->v[C_B].b ? "1" : "0");
    }
    return rows;
}

static struct agg make(struct rig *rig, const struct shape *s, const struct plan_node *in)
{
    struct agg a = rig_agg(rig, s->kind, in, s->arg);
    a.arg2 = s->arg2 < 0 ? NULL : rig_column(rig, in, (unsigned)s->arg2);
    a.filter = s->filter ? rig_column(rig, in, C_B) : NULL;
    a.distinct = s->distinct;
    a.param = s->param;
    assert_true(agg_check(&a));
    return a;
}

static struct plan_node *group(struct rig *rig, enum agg_phase phase, struct plan_node *in, const struct agg *aggs, unsigned n)
{
    struct plan_node *g = rig_node(rig, PLAN_AGGREGATE, phase == AGG_PARTIAL ? MODE_APPEND : MODE_RETRACT, "G BIGINT", in, NULL);
    g->phase = phase;
    g->ngroup = 1;
    g->group_cols = rig_cols(rig, 1, (unsigned[]){phase == AGG_FINAL ? 0 : C_G});
    g->naggs = n;
    g->aggs = (struct agg *)aggs;
    struct column *cols = ARENA_ARRAY(&rig->arena, struct column, g->out.n + n * 4); /* partial results take some each */
    memcpy(cols, g->out.cols, g->out.n * sizeof *cols);
    g->out.cols = cols;
    for (unsigned i = 0; i < n; i++) {
        struct type types[4] = {aggs[i].type};
        unsigned k = phase == AGG_PARTIAL ? agg_partial_columns(&aggs[i], aggs[i].arg ? aggs[i].arg->type : TYPE(T_BIGINT), types) : 1;
        for (unsigned j = 0; j < k; j++)
            g->out.cols[g->out.n++] = (struct column){"A", types[j]};
    }
    return g;
}

static void run(uint64_t seed, bool table)
{
    struct rig rig;
    rig_init(&rig, seed);
    struct plan_node *in = rig_node(&rig, PLAN_SOURCE, table ? MODE_UPSERT : MODE_APPEND, TABLE, NULL, NULL);
    rig_key(&rig, in, 1, (unsigned[]){C_ID});
    if (table)
        rig_op(&rig, in = rig_node(&rig, PLAN_NORMALIZE, MODE_RETRACT, TABLE, in, NULL), 1, 0);
    struct agg aggs[CHOSEN];
    struct wbuf sql;
    wbuf_init(&sql);
    wbuf_str(&sql, STR("SELECT g"));
    bool splits = !table, share = random_chance(&rig.r, 0.3);
    for (unsigned i = 0; i < CHOSEN; i++) {
        const struct shape *s = share ? &alike[random_below(&rig.r, ARRAY_LEN(alike))]
                                      : &shapes[random_below(&rig.r, ARRAY_LEN(shapes))];
        aggs[i] = make(&rig, s, in);
        splits &= agg_splits(&aggs[i]);
        wbuf_printf(&sql, ", %s", s->sql);
    }
    wbuf_printf(&sql, " FROM t GROUP BY g");
    if (splits)
        rig_op(&rig, in = group(&rig, AGG_PARTIAL, in, aggs, CHOSEN), 1, 0);
    else
        aggs_share(aggs, CHOSEN);
    rig_op(&rig, group(&rig, splits ? AGG_FINAL : AGG_FULL, in, aggs, CHOSEN), -1, 0);
    rig_start(&rig);
    rig_exec(&rig, "CREATE TABLE t(id INTEGER PRIMARY KEY, g INTEGER, v INTEGER, d REAL, s TEXT, b INTEGER)");
    rig_run(&rig, random_rows(&rig, 150, table ? 25 : 0), 150, rig_sql(&rig, "%.*s", STR_ARG(wbuf_view(&sql))));
    assert_int_equal(rig.nerrors, 0);
    wbuf_fini(&sql);
    rig_restore_damaged(&rig);
    rig_fini(&rig);
}

static void test_over_tables(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(150); i++)
        run(seed + (uint64_t)i, true);
}

static void test_over_streams(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(150); i++)
        run(seed + (uint64_t)i, false);
}

/* ---- Totals. */

static const struct shape total_shapes[] = {
    {AGG_COUNT_STAR, -1, -1, false, false, {.i = 0}, "count(*)"},
    {AGG_COUNT, C_S, -1, false, false, {.i = 0}, "count(s)"},
    {AGG_SUM, C_V, -1, false, false, {.i = 0}, "sum(v)"},
    {AGG_AVG, C_D, -1, false, true, {.i = 0}, "avg(d) FILTER (WHERE b)"},
    {AGG_MIN, C_S, -1, false, false, {.i = 0}, "min(s)"},
    {AGG_COUNT, C_V, -1, true, false, {.i = 0}, "count(DISTINCT v)"},
};
enum { TOTALS = ARRAY_LEN(total_shapes) };

static struct plan_node *total(struct rig *rig, enum agg_phase phase, struct plan_node *in, const struct agg *aggs, unsigned n, bool sets)
{
    struct plan_node *g = group(rig, phase, in, aggs, n);
    unsigned k = sets ? 2 : 0;
    struct column *cols = ARENA_ARRAY(&rig->arena, struct column, g->out.n + k);
    memcpy(cols + k, g->out.cols + 1, (g->out.n - 1) * sizeof *cols);
    g->out.cols = cols;
    g->out.n = g->out.n - 1 + k;
    for (unsigned i = 0; i < k; i++)
        g->out.cols[i] = (struct column){i ? "SET" : "G", TYPE(T_BIGINT)};
    g->ngroup = k;
    g->group_cols = rig_cols(rig, 2, phase == AGG_FINAL ? (unsigned[]){0, 1} : (unsigned[]){C_B + 1, C_B + 2});
    g->total = phase != AGG_PARTIAL;
    return g;
}

/* Tables of two keys, which are often empty, or streams; as a total, or as that of GROUP BY ROLLUP (g). */
static void run_total(uint64_t seed, bool table, bool sets)
{
    struct rig rig;
    struct wbuf list;
    rig_init(&rig, seed);
    struct plan_node *in = rig_node(&rig, PLAN_SOURCE, table ? MODE_UPSERT : MODE_APPEND, TABLE, NULL, NULL);
    rig_key(&rig, in, 1, (unsigned[]){C_ID});
    unsigned n = table ? TOTALS : 4;
    int at = 0;
    if (table)
        rig_op(&rig, in = rig_node(&rig, PLAN_NORMALIZE, MODE_RETRACT, TABLE, in, NULL), ++at, 0);
    if (sets) {
        in = rig_node(&rig, PLAN_EXPAND, in->mode, TABLE ",GK BIGINT,SET BIGINT", in, NULL);
        in->ngroup = 1;
        in->group_cols = rig_cols(&rig, 1, (unsigned[]){C_G});
        in->nsets = 2;
        in->in_set = ARENA_ARRAY(&rig.arena, bool, 2);
        in->in_set[0] = true;
        rig_op(&rig, in, ++at, 0);
    }
    struct agg aggs[TOTALS];
    wbuf_init(&list);
    for (unsigned i = 0; i < n; i++) {
        aggs[i] = make(&rig, &total_shapes[i], in);
        wbuf_printf(&list, "%s%s", i ? ", " : "", total_shapes[i].sql);
    }
    struct str s = wbuf_view(&list);
    if (!table)
        rig_op(&rig, in = total(&rig, AGG_PARTIAL, in, aggs, n, sets), ++at, 0);
    rig_op(&rig, total(&rig, table ? AGG_FULL : AGG_FINAL, in, aggs, n, sets), -1, 0);
    rig_start(&rig);
    const char *sql = sets ? rig_sql(&rig, "SELECT g, 0, %.*s FROM t GROUP BY g UNION ALL SELECT NULL, 1, %.*s FROM t", STR_ARG(s), STR_ARG(s))
                           : rig_sql(&rig, "SELECT %.*s FROM t", STR_ARG(s));
    rig_exec(&rig, "CREATE TABLE t(id INTEGER PRIMARY KEY, g INTEGER, v INTEGER, d REAL, s TEXT, b INTEGER)");
    if (random_chance(&rig.r, 0.5)) { /* before there is a row */
        rig_marker(&rig);
        rig_commit(&rig);
        rig_expect(&rig, sql);
    }
    rig_run(&rig, random_rows(&rig, 60, table ? 2 : 0), 60, sql);
    if (rig.spills)
        rig_checkpoint(&rig);
    rig_crash(&rig); /* and no row comes that would bring it back into memory */
    rig_marker(&rig);
    rig_commit(&rig);
    rig_expect(&rig, sql);
    assert_int_equal(rig.nerrors, 0);
    wbuf_fini(&list);
    rig_restore_damaged(&rig);
    rig_fini(&rig);
}

/* A total, and that of grouping sets, is a row from the first marker on, whether there are rows or not. */
static void test_totals(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(200); i++)
        run_total(seed + (uint64_t)i, i % 4 < 3, i % 2);
}

/* ---- Numbers. */

#define PAIRS "ID BIGINT,G BIGINT,X DOUBLE,Y DOUBLE"
enum { MOMENTS = 3 };

/* What a bag of rows shows for the only group. */
static int read_cb(void *arg, struct str key, struct str value)
{
    (void)value;
    struct str *out = arg;
    *out = key;
    return 0;
}

static void expect_moments(struct rig *rig, const double *x, const double *y, unsigned n)
{
    long double mx = 0, my = 0, xx = 0, yy = 0, xy = 0;
    for (unsigned i = 0; i < n; i++)
        mx += (long double)x[i], my += (long double)y[i];
    mx /= n, my /= n;
    for (unsigned i = 0; i < n; i++) {
        long double dx = (long double)x[i] - mx, dy = (long double)y[i] - my;
        xx += dx * dx, yy += dy * dy, xy += dx * dy;
    }
    struct str row = STR("");
    kv_scan(rig->shown, STR(""), read_cb, &row);
    double sd, var, corr;
    char text[200];
    snprintf(text, sizeof text, "%.*s", STR_ARG(row));
    assert_int_equal(sscanf(text, "[1|%lf|%lf|%lf", &sd, &var, &corr), 3);
    double want[] = {(double)sqrtl(xx / (n - 1)), (double)(xx / n), (double)(xy / sqrtl(xx * yy))}, have[] = {sd, var, corr};
    for (unsigned i = 0; i < MOMENTS; i++)
        if (fabs(have[i] - want[i]) > 1e-9 * fabs(want[i]))
            fail_msg("%u rows, result %u: %.17g is not %.17g", n, i, have[i], want[i]);
}

/* Variance and correlation of doubles lose nothing where the usual formula cancels, nor by what has come and gone. */
static void test_moments_of_doubles(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, test_seed());
    struct plan_node *src = rig_node(&rig, PLAN_SOURCE, MODE_RETRACT, PAIRS, NULL, NULL);
    struct agg aggs[MOMENTS] = {rig_agg(&rig, AGG_STDDEV_SAMP, src, 2), rig_agg(&rig, AGG_VAR_POP, src, 2),
                                rig_agg(&rig, AGG_CORRELATION, src, 2)};
    aggs[2].arg2 = rig_column(&rig, src, 3);
    rig_op(&rig, group(&rig, AGG_FULL, src, aggs, MOMENTS), -1, 0);
    rig_start(&rig);
    double x[100], y[100];
    for (unsigned i = 0; i < 100; i++) {
        x[i] = 1e9 + random_unit(&rig.r);
        y[i] = -1e7 + x[i] * 0.5 + random_unit(&rig.r) / 3;
        struct rig_row row = {.weight = 1, .v = {rig_int(i), rig_int(1), rig_double(x[i]), rig_double(y[i])}};
        struct rig_row noise = {.weight = 1, .v = {rig_int(i), rig_int(1), rig_double(1e200 * random_unit(&rig.r)), rig_double(-1e-200)}};
        rig_push(&rig, &noise, 1);
        rig_push(&rig, &row, 1);
        noise.weight = -1;
        rig_push(&rig, &noise, 1);
        rig_marker(&rig);
        rig_commit(&rig);
        if (i >= 2)
            expect_moments(&rig, x, y, i + 1);
    }
    rig_fini(&rig);
}

/* The variance of large whole numbers is that of their distances, though their squares need more than 128 bits in sum. */
static void test_variance_of_large_numbers(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, test_seed());
    struct plan_node *src = rig_node(&rig, PLAN_SOURCE, MODE_APPEND, "ID BIGINT,G BIGINT", NULL, NULL);
    struct agg aggs[2] = {rig_agg(&rig, AGG_VAR_SAMP, src, C_ID), rig_agg(&rig, AGG_STDDEV_POP, src, C_ID)};
    rig_op(&rig, group(&rig, AGG_FULL, src, aggs, 2), -1, 0);
    rig_start(&rig);
    for (int64_t i = 0; i < 10; i++)
        rig_push(&rig, &(struct rig_row){.weight = 1, .v = {rig_int(INT64_MIN + i % 5), rig_int(1)}}, 1);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_expect(&rig, "SELECT 1, 20.0 / 9, sqrt(2.0)");
    rig_fini(&rig);
}

/* SINGLE_VALUE is the value of the only row, NULL or not; more rows are an error until all but one have gone. */
static void test_single(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, test_seed());
    struct plan_node *src = rig_node(&rig, PLAN_SOURCE, MODE_RETRACT, "ID BIGINT,G BIGINT", NULL, NULL);
    struct agg single = rig_agg(&rig, AGG_SINGLE, src, C_ID);
    rig_op(&rig, group(&rig, AGG_FULL, src, &single, 1), -1, 0);
    rig_start(&rig);
    struct rig_row rows[] = {{.weight = 1, .v = {rig_int(7), rig_int(1)}},
                             {.weight = 1, .v = {rig_null(T_BIGINT), rig_int(1)}},
                             {.weight = -1, .v = {rig_int(7), rig_int(1)}},
                             {.weight = -1, .v = {rig_null(T_BIGINT), rig_int(1)}}};
    const char *expect[] = {"SELECT 1, 7", "SELECT 1, NULL", "SELECT 1, NULL", "SELECT 1 WHERE false"};
    for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
        rig_push(&rig, &rows[i], 1);
        rig_marker(&rig);
        rig_commit(&rig);
        rig_expect(&rig, expect[i]);
        assert_int_equal(rig.nerrors, i > 0);
    }
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_over_tables),
        cmocka_unit_test(test_over_streams),
        cmocka_unit_test(test_totals),
        cmocka_unit_test(test_moments_of_doubles),
        cmocka_unit_test(test_variance_of_large_numbers),
        cmocka_unit_test(test_single),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
