#include "log/base/map.h"
#include "tests/lib/seed.h"
#include "tests/unit/engine/op/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Operators whose input is a stream, and those without state, against SQLite or a model in a few lines. */

#define ROW "ID BIGINT,K BIGINT,V INT"
enum { C_ID, C_K, C_V };

static struct plan_node *source(struct rig *rig, enum edge_mode mode)
{
    struct plan_node *n = rig_node(rig, PLAN_SOURCE, mode, ROW, NULL, NULL);
    if (mode == MODE_UPSERT)
        rig_key(rig, n, 1, (unsigned[]){C_ID});
    return n;
}

static struct rig_row random_row(struct rig *rig, int64_t id)
{
    struct rig_row row = {.weight = 1, .ts = (int64_t)random_below(&rig->r, 50000)};
    row.v[C_ID] = rig_int(id);
    row.v[C_K] = random_chance(&rig->r, 0.1) ? rig_null(T_BIGINT) : rig_int((int64_t)random_below(&rig->r, 8));
    row.v[C_V] = random_chance(&rig->r, 0.1) ? rig_null(T_INT) : rig_i32((int64_t)random_below(&rig->r, 100) - 50);
    return row;
}

static const char *row_sql(struct rig *rig, const struct rig_row *row)
{
    return rig_sql(rig, "%s,%s,%s", rig_literal(rig, &row->v[0]), rig_literal(rig, &row->v[1]), rig_literal(rig, &row->v[2]));
}

/* ---- Grouping sets. */

static void run_expand(uint64_t seed)
{
    struct rig rig;
    rig_init(&rig, seed);
    struct plan_node *src = source(&rig, MODE_APPEND);
    struct plan_node *x = rig_node(&rig, PLAN_EXPAND, MODE_APPEND, ROW ",GK BIGINT,GV INT,SET BIGINT", src, NULL);
    x->ngroup = 2;
    x->group_cols = rig_cols(&rig, 2, (unsigned[]){C_K, C_V});
    x->nsets = 3;
    x->in_set = (bool[]){true, true, true, false, false, false};
    rig_op(&rig, x, -1, 0);
    rig_start(&rig);
    rig_exec(&rig, "CREATE TABLE t(id, k, v)");
    struct rig_row *rows = ARENA_ARRAY(&rig.arena, struct rig_row, 200);
    for (int64_t i = 0; i < 200; i++) {
        rows[i] = random_row(&rig, i);
        rows[i].sql = rig_sql(&rig, "INSERT INTO t VALUES(%s)", row_sql(&rig, &rows[i]));
    }
    rig_run(&rig, rows, 200, "SELECT *, k, v, 0 FROM t UNION ALL SELECT *, k, NULL, 1 FROM t UNION ALL SELECT *, NULL, NULL, 3 FROM t");
    rig_fini(&rig);
}

/* EXPAND gives each row once per grouping set, NULL where the set has no such column, with the set's number. */
static void test_expand(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(20); i++)
        run_expand(seed + (uint64_t)i);
}

/* ---- Windows. */

enum { WINDOWED = 400, SIZE = 1000, GRACE = 2500 };

static int64_t window_of(int64_t ts) { return (ts - ((ts % SIZE) + SIZE) % SIZE); }

/* Rows whose time mostly rises, some far behind; only those in time are told to the database. */
static struct rig_row *windowed_rows(struct rig *rig, uint64_t *late)
{
    struct rig_row *rows = ARENA_ARRAY(&rig->arena, struct rig_row, WINDOWED);
    int64_t *marks = ARENA_ARRAY(&rig->arena, int64_t, WINDOWED), now = -6000, stream = INT64_MIN;
    *late = 0;
    for (int64_t i = 0; i < WINDOWED; i++) {
        rows[i] = random_row(rig, i);
        now += (int64_t)random_below(&rig->r, 80);
        rows[i].ts = now - (random_chance(&rig->r, 0.3) ? (int64_t)random_below(&rig->r, 6000) : 0);
        stream = MAX(stream, rows[i].ts);
        marks[i] = stream;
        int64_t start = window_of(rows[i].ts);
        if (start + SIZE + GRACE > stream)
            rows[i].sql = rig_sql(rig, "INSERT INTO t VALUES(%s,%" PRId64 ")", row_sql(rig, &rows[i]), start);
        else
            ++*late;
    }
    rig->watermarks = marks;
    return rows;
}

static struct plan_node *window_group(struct rig *rig, enum agg_phase phase, struct plan_node *in)
{
    struct plan_node *n = rig_node(rig, PLAN_AGGREGATE, phase == AGG_PARTIAL ? MODE_APPEND : MODE_RETRACT,
                                   "K BIGINT,WS BIGINT,WE BIGINT,N BIGINT,S BIGINT,M INT", in, NULL);
    n->phase = phase;
    if (phase == AGG_PARTIAL) {
        n->out.cols[4] = (struct column){"S", {.id = T_DECIMAL, .precision = 38, .scale = 0}};
        n->out.cols[5] = (struct column){"SN", TYPE(T_BIGINT)};
        n->out.cols[6] = (struct column){"M", TYPE(T_INT)};
        n->out.n = 7;
    }
    n->ngroup = 3;
    n->group_cols = rig_cols(rig, 3, phase == AGG_FINAL ? (unsigned[]){0, 1, 2} : (unsigned[]){C_K, 3, 4});
    n->window_size_ms = SIZE;
    n->grace_ms = GRACE;
    n->naggs = 3;
    n->aggs = ARENA_ARRAY(&rig->arena, struct agg, 3);
    struct plan_node *rows = source(rig, MODE_APPEND);
    n->aggs[0] = rig_agg(rig, AGG_COUNT_STAR, rows, -1);
    n->aggs[1] = rig_agg(rig, AGG_SUM, rows, C_V);
    n->aggs[2] = rig_agg(rig, AGG_MAX, rows, C_V);
    return n;
}

static void run_windows(uint64_t seed, bool final)
{
    static const char sql[] = "SELECT k, ws, ws + 1000, count(*), sum(v), max(v) FROM t GROUP BY k, ws";
    struct rig rig;
    rig_init(&rig, seed);
    uint64_t late;
    struct plan_node *w = rig_node(&rig, PLAN_WINDOW, MODE_APPEND, ROW ",WS BIGINT,WE BIGINT", source(&rig, MODE_APPEND), NULL);
    w->window_size_ms = SIZE;
    w->grace_ms = GRACE;
    struct plan_node *in = w;
    bool partial = random_chance(&rig.r, 0.5);
    rig_op(&rig, w, 1, 0);
    if (partial)
        rig_op(&rig, in = window_group(&rig, AGG_PARTIAL, w), 2, 0);
    struct plan_node *group = window_group(&rig, partial ? AGG_FINAL : AGG_FULL, in);
    group->emit_final = final;
    unsigned at = rig_op(&rig, group, -1, 0);
    rig_start(&rig);
    rig_exec(&rig, "CREATE TABLE t(id, k, v, ws)");
    rig_run(&rig, windowed_rows(&rig, &late), WINDOWED, final ? NULL : sql);
    assert_true(late > 0);
    /* Time passes the end: all windows close, their state goes, what they showed stays. */
    rig_watermark(&rig, 1000000);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_expect(&rig, sql);
    assert_int_equal(rig.ops[at]->stats.state_rows, 0);
    assert_int_equal(rig_live(&rig, group, 0), 0);
    rig_crash(&rig);
    rig_marker(&rig);
    assert_int_equal(rig.ops[at]->stats.state_rows, 0);
    assert_int_equal(rig.nerrors, 0);
    rig_fini(&rig);
}

/* Windowed GROUP BY counts exactly the rows that are not late, whatever the batches and restarts; a window that closed
 * leaves no state. */
static void test_windows(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(40); i++)
        run_windows(seed + (uint64_t)i, false);
}

/* EMIT FINAL shows each window once, when it closes. */
static void test_final_windows(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(20); i++)
        run_windows(seed + (uint64_t)i, true);
}

/* A row of a window that the watermark has closed is late from that moment on, marker or not, also after a restart. */
static void test_late_at_aggregate(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1);
    struct plan_node *in = rig_node(&rig, PLAN_WINDOW, MODE_APPEND, ROW ",WS BIGINT,WE BIGINT", source(&rig, MODE_APPEND), NULL);
    rig_op(&rig, window_group(&rig, AGG_FULL, in), -1, 0);
    rig_start(&rig);
    struct rig_row row = {.weight = 1, .ts = 10, .v = {rig_int(1), rig_int(5), rig_i32(6), rig_int(0), rig_int(SIZE)}};
    rig_push(&rig, &row, 1);
    rig_watermark(&rig, SIZE + GRACE - 1);
    rig_push(&rig, &row, 1);
    assert_int_equal(rig.ops[0]->stats.late, 0);
    rig_watermark(&rig, SIZE + GRACE);
    rig_push(&rig, &row, 1);
    assert_int_equal(rig.ops[0]->stats.late, 1);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_crash(&rig);
    rig_push(&rig, &row, 1);
    assert_int_equal(rig.ops[0]->stats.late, 1);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_expect(&rig, "SELECT 5, 0, 1000, 2, 12, 6");
    rig_fini(&rig);
}

/* A closed window leaves nothing, whatever its aggregates keep; rows may go again, and decimals may be large. */
static void test_closed_window_leaves_nothing(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1);
    struct plan_node *src = rig_node(&rig, PLAN_SOURCE, MODE_RETRACT, "K BIGINT,WS BIGINT,WE BIGINT,D BIGINT", NULL, NULL);
    src->out.cols[3].type = TYPE_DECIMAL(38, 0);
    struct plan_node *n = rig_node(&rig, PLAN_AGGREGATE, MODE_RETRACT, "K BIGINT,WS BIGINT,WE BIGINT,S BIGINT,M BIGINT", src, NULL);
    n->ngroup = 3;
    n->group_cols = rig_cols(&rig, 3, (unsigned[]){0, 1, 2});
    n->window_size_ms = SIZE;
    n->naggs = 2;
    n->aggs = (struct agg[]){rig_agg(&rig, AGG_SUM, src, 3), rig_agg(&rig, AGG_MIN, src, 3)};
    n->out.cols[3].type = n->aggs[0].type;
    n->out.cols[4].type = n->aggs[1].type;
    rig_op(&rig, n, -1, 0);
    rig_start(&rig);
    struct rig_row row = {.weight = 1, .v = {rig_int(1), rig_int(0), rig_int(SIZE)}};
    row.v[3] = (struct value){.type = src->out.cols[3].type, .d = decimal_pow10(37) * 9};
    for (int i = 0; i < 30; i++) /* wraps 128 bits, more than once */
        rig_push(&rig, &row, 1);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_expect(&rig, "SELECT 1, 0, 1000, NULL, '90000000000000000000000000000000000000'");
    assert_int_equal(rig.nerrors, 1);
    rig_crash(&rig);
    row.weight = -1;
    for (int i = 0; i < 29; i++)
        rig_push(&rig, &row, 1);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_expect(&rig, "SELECT 1, 0, 1000, '90000000000000000000000000000000000000', '90000000000000000000000000000000000000'");
    assert_int_equal(rig_live(&rig, n, 0) + rig_live(&rig, n, 1), 2);
    rig_watermark(&rig, SIZE);
    rig_marker(&rig);
    rig_commit(&rig);
    assert_int_equal(rig_live(&rig, n, 0) + rig_live(&rig, n, 1), 0);
    rig_fini(&rig);
}

/* ---- Stream-table join. */

static const struct expr *left_below_right(struct rig *rig, const struct plan_node *join, unsigned col)
{
    struct expr *right = ARENA_NEW(&rig->arena, struct expr);
    *right = *rig_column(rig, join->inputs[1], col);
    right->column += join->inputs[0]->out.n;
    return rig_call(rig, "<", rig_column(rig, join->inputs[0], col), right);
}

static void run_lookup(uint64_t seed, bool left)
{
    struct rig rig;
    rig_init(&rig, seed);
    struct plan_node *stream = source(&rig, MODE_APPEND), *table = source(&rig, MODE_UPSERT);
    struct plan_node *join = rig_node(&rig, PLAN_JOIN_LOOKUP, MODE_APPEND, ROW "," ROW, stream, table);
    join->join = left ? JOIN_LEFT : JOIN_INNER;
    join->njoin = 1;
    join->left_cols = rig_cols(&rig, 1, (unsigned[]){C_K});
    join->right_cols = rig_cols(&rig, 1, (unsigned[]){C_ID});
    bool rested = random_chance(&rig.r, 0.5);
    if (rested)
        join->residual = left_below_right(&rig, join, C_V);
    rig_op(&rig, join, -1, 0);
    rig.entry[1].input = 1;
    rig_start(&rig);
    rig_exec(&rig, "CREATE TABLE r(id INTEGER PRIMARY KEY, k, v); CREATE TABLE j(a, b, c, d, e, f)");
    struct rig_row *rows = ARENA_ARRAY(&rig.arena, struct rig_row, 300);
    for (int64_t i = 0; i < 300; i++) {
        rows[i] = random_row(&rig, i);
        rows[i].input = random_chance(&rig.r, 0.3);
        if (!rows[i].input) {
            rows[i].sql = rig_sql(&rig, "INSERT INTO j SELECT l.*, r.* FROM (SELECT %s AS id, %s AS k, %s AS v) l %s r ON r.id = l.k%s",
                                  rig_literal(&rig, &rows[i].v[0]), rig_literal(&rig, &rows[i].v[1]),
                                  rig_literal(&rig, &rows[i].v[2]), left ? "LEFT JOIN" : "JOIN", rested ? " AND l.v < r.v" : "");
            continue;
        }
        rows[i].v[C_ID] = rig_int((int64_t)random_below(&rig.r, 8));
        rows[i].weight = random_chance(&rig.r, 0.3) ? -1 : 1;
        rows[i].sql = rows[i].weight > 0 ? rig_sql(&rig, "REPLACE INTO r VALUES(%s)", row_sql(&rig, &rows[i]))
                                         : rig_sql(&rig, "DELETE FROM r WHERE id = %s", rig_literal(&rig, &rows[i].v[0]));
    }
    rig_run(&rig, rows, 300, "SELECT * FROM j");
    rig_fini(&rig);
}

/* A stream row meets the table as it is when the row comes; a NULL key meets nothing, and a row that another
 * condition refuses neither. */
static void test_lookup_join(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(40); i++)
        run_lookup(seed + (uint64_t)i, i % 2);
}

/* ---- Without state. */

static struct rig_row *upserts(struct rig *rig, unsigned n)
{
    struct rig_row *rows = ARENA_ARRAY(&rig->arena, struct rig_row, n);
    for (unsigned i = 0; i < n; i++) {
        rows[i] = random_row(rig, (int64_t)random_below(&rig->r, 12));
        rows[i].weight = random_chance(&rig->r, 0.25) ? -1 : 1;
        rows[i].sql = rows[i].weight > 0 ? rig_sql(rig, "REPLACE INTO t VALUES(%s)", row_sql(rig, &rows[i]))
                                         : rig_sql(rig, "DELETE FROM t WHERE id = %s", rig_literal(rig, &rows[i].v[0]));
    }
    return rows;
}

static void run_filter_project(uint64_t seed)
{
    struct rig rig;
    rig_init(&rig, seed);
    struct plan_node *src = source(&rig, MODE_UPSERT);
    struct plan_node *f = rig_node(&rig, PLAN_FILTER, MODE_UPSERT, ROW, src, NULL);
    f->predicate = rig_call(&rig, ">", rig_column(&rig, src, C_V), rig_const(&rig, rig_i32(0)));
    struct plan_node *p = rig_node(&rig, PLAN_PROJECT, MODE_UPSERT, "K BIGINT,ID BIGINT,W INT", f, NULL);
    const struct expr **exprs = ARENA_ARRAY(&rig.arena, const struct expr *, 3);
    exprs[0] = rig_column(&rig, f, C_K);
    exprs[1] = rig_column(&rig, f, C_ID);
    exprs[2] = rig_call(&rig, "+", rig_column(&rig, f, C_V), rig_const(&rig, rig_i32(1000)));
    p->exprs = exprs;
    rig_key(&rig, p, 1, (unsigned[]){1});
    rig_op(&rig, f, 1, 0);
    rig_op(&rig, p, 2, 0);
    rig_op(&rig, rig_node(&rig, PLAN_NORMALIZE, MODE_RETRACT, "K BIGINT,ID BIGINT,W INT", p, NULL), -1, 0);
    rig_start(&rig);
    rig_exec(&rig, "CREATE TABLE t(id INTEGER PRIMARY KEY, k, v)");
    rig_run(&rig, upserts(&rig, 250), 250, "SELECT k, id, v + 1000 FROM t WHERE v > 0");
    rig_fini(&rig);
}

/* WHERE and SELECT over a table: a row that fails takes away what passed before, a delete needs no values. */
static void test_filter_and_project_of_table(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(40); i++)
        run_filter_project(seed + (uint64_t)i);
}

static void run_having(uint64_t seed)
{
    struct rig rig;
    rig_init(&rig, seed);
    struct plan_node *norm = rig_node(&rig, PLAN_NORMALIZE, MODE_RETRACT, ROW, source(&rig, MODE_UPSERT), NULL);
    struct plan_node *g = rig_node(&rig, PLAN_AGGREGATE, MODE_RETRACT, "K BIGINT,N BIGINT,S BIGINT", norm, NULL);
    g->ngroup = 1;
    g->group_cols = rig_cols(&rig, 1, (unsigned[]){C_K});
    g->naggs = 2;
    g->aggs = ARENA_ARRAY(&rig.arena, struct agg, 2);
    g->aggs[0] = rig_agg(&rig, AGG_COUNT_STAR, norm, -1);
    g->aggs[1] = rig_agg(&rig, AGG_SUM, norm, C_V);
    g->aggs[1].arg = rig_call(&rig, "*", rig_column(&rig, norm, C_V), rig_const(&rig, rig_i32(3)));
    struct plan_node *f = rig_node(&rig, PLAN_FILTER, MODE_RETRACT, "K BIGINT,N BIGINT,S BIGINT", g, NULL);
    f->predicate = rig_call(&rig, ">", rig_column(&rig, g, 2), rig_const(&rig, rig_int(0)));
    rig_op(&rig, norm, 1, 0);
    rig_op(&rig, g, 2, 0);
    rig_op(&rig, f, -1, 0);
    rig_start(&rig);
    rig_exec(&rig, "CREATE TABLE t(id INTEGER PRIMARY KEY, k, v)");
    rig_run(&rig, upserts(&rig, 250), 250, "SELECT k, count(*), sum(v * 3) FROM t GROUP BY k HAVING sum(v * 3) > 0");
    rig_fini(&rig);
}

/* HAVING, and an aggregate of a computed argument, follow the table. */
static void test_having(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(30); i++)
        run_having(seed + (uint64_t)i);
}

/* NOW has the time that the task says; without it the row has NULL there, and an error. */
static void test_time_of_the_task(void **state)
{
    (void)state;
    for (int known = 0; known < 2; known++) {
        struct rig rig;
        struct expr_context context = {.now_ms = 1234};
        rig_init(&rig, 1);
        if (known)
            rig.env.context = &context;
        struct plan_node *p = rig_node(&rig, PLAN_PROJECT, MODE_APPEND, "T BIGINT", source(&rig, MODE_APPEND), NULL);
        struct expr now = {.kind = EX_CALL};
        struct type casts[1];
        struct diag d;
        assert_int_equal(func_resolve(STR("UNIX_TIMESTAMP"), NULL, 0, &now.func, casts, &now.type, &d), 0);
        p->exprs = (const struct expr *[]){&now};
        rig_op(&rig, p, -1, 0);
        rig_start(&rig);
        struct rig_row row = random_row(&rig, 1);
        rig_push(&rig, &row, 1);
        rig_commit(&rig);
        rig_expect(&rig, known ? "SELECT 1234" : "SELECT NULL");
        assert_int_equal(rig.nerrors, !known);
        rig_fini(&rig);
    }
}

/* A sum past BIGINT's end is NULL and an error, and comes back when what was too much is taken back. */
static void test_sum_overflow(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 3);
    struct plan_node *norm = rig_node(&rig, PLAN_NORMALIZE, MODE_RETRACT, ROW, source(&rig, MODE_UPSERT), NULL);
    struct plan_node *g = rig_node(&rig, PLAN_AGGREGATE, MODE_RETRACT, "S BIGINT", norm, NULL);
    g->group_cols = rig_cols(&rig, 0, (unsigned[]){0});
    g->naggs = 1;
    g->aggs = ARENA_ARRAY(&rig.arena, struct agg, 1);
    g->aggs[0] = rig_agg(&rig, AGG_SUM, norm, C_K);
    rig_op(&rig, norm, 1, 0);
    rig_op(&rig, g, -1, 0);
    rig_start(&rig);
    struct rig_row rows[3];
    for (int i = 0; i < 3; i++) {
        rows[i] = random_row(&rig, i % 2);
        rows[i].v[C_K] = rig_int(INT64_MAX);
        rows[i].weight = i == 2 ? -1 : 1;
    }
    rig_push(&rig, rows, 2);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_expect(&rig, "SELECT NULL");
    assert_int_equal(rig.nerrors, 1);
    rig_push(&rig, &rows[2], 1);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_expect(&rig, "SELECT 9223372036854775807");
    rig_fini(&rig);
}

/* ---- Sort. */

struct order {
    int64_t ids[400];
    unsigned n;
};
static struct order order;

static void order_cb(struct op *op, const struct batch *b)
{
    (void)op;
    for (uint32_t i = 0; i < b->nsel; i++)
        order.ids[order.n++] = b->cols[C_ID].i64[batch_row(b, i)];
}

/* ORDER BY with NULLs, LIMIT and OFFSET gives the rows and the order that SQLite gives. */
static void test_sort(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(20); i++) {
        struct rig rig;
        rig_init(&rig, seed + (uint64_t)i);
        struct plan_node *n = rig_node(&rig, PLAN_SORT, MODE_APPEND, ROW, source(&rig, MODE_APPEND), NULL);
        struct sort_key keys[] = {{C_K, random_chance(&rig.r, 0.5), random_chance(&rig.r, 0.5)},
                                  {C_ID, random_chance(&rig.r, 0.5), false}};
        n->sort = keys;
        n->nsort = 2;
        n->limit = random_chance(&rig.r, 0.5) ? -1 : (int64_t)random_below(&rig.r, 120);
        n->offset = (int64_t)random_below(&rig.r, 50);
        rig_op(&rig, n, -1, 0);
        rig_start(&rig);
        rig.ops[0]->exit_cb = order_cb;
        order.n = 0;
        rig_exec(&rig, "CREATE TABLE t(id, k, v)");
        for (int64_t id = 0; id < 100; id++) {
            struct rig_row row = random_row(&rig, id);
            rig_push(&rig, &row, 1);
            rig_exec(&rig, rig_sql(&rig, "INSERT INTO t VALUES(%s)", row_sql(&rig, &row)));
        }
        rig_marker(&rig);
        sqlite3_stmt *st;
        const char *sql = rig_sql(&rig, "SELECT id FROM t ORDER BY k %s NULLS %s, id %s LIMIT %" PRId64 " OFFSET %" PRId64,
                                  keys[0].descending ? "DESC" : "", keys[0].nulls_first ? "FIRST" : "LAST",
                                  keys[1].descending ? "DESC" : "", n->limit, n->offset);
        assert_int_equal(sqlite3_prepare_v2(rig.db, sql, -1, &st, NULL), SQLITE_OK);
        unsigned at = 0;
        for (; sqlite3_step(st) == SQLITE_ROW; at++)
            assert_int_equal(sqlite3_column_int64(st, 0), order.ids[at]);
        assert_int_equal(at, order.n);
        sqlite3_finalize(st);
        rig_fini(&rig);
    }
}

/* ORDER BY over rows that came and went gives those that are left. */
static void test_sort_of_table(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1);
    struct plan_node *norm = rig_node(&rig, PLAN_NORMALIZE, MODE_RETRACT, ROW, source(&rig, MODE_UPSERT), NULL);
    struct plan_node *n = rig_node(&rig, PLAN_SORT, MODE_APPEND, ROW, norm, NULL);
    n->sort = (struct sort_key[]){{C_ID, true, true}};
    n->nsort = 1;
    rig_op(&rig, norm, 1, 0);
    rig_op(&rig, n, -1, 0);
    rig_start(&rig);
    rig.ops[1]->exit_cb = order_cb;
    order.n = 0;
    for (int i = 0; i < 6; i++) {
        struct rig_row row = random_row(&rig, i % 4);
        row.weight = i == 5 ? -1 : 1;
        rig_push(&rig, &row, 1);
    }
    rig_marker(&rig);
    assert_int_equal(order.n, 3);
    assert_int_equal(order.ids[0], 3);
    assert_int_equal(order.ids[1], 2);
    assert_int_equal(order.ids[2], 0);
    rig_fini(&rig);
}

/* ---- Sinks. */

/* A stream's record goes to the partition that Java's producer would choose for its key; without key round robin. */
static void test_sink_stream(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1);
    struct plan_node *src = source(&rig, MODE_APPEND);
    struct plan_node *n = rig_node(&rig, PLAN_SINK_TOPIC, MODE_APPEND, "", src, NULL);
    n->format = (struct row_format){.key = {.kind = FORMAT_KAFKA}, .value = {.kind = FORMAT_DELIMITED, .delimiter = ','},
                                    .nkey = 1, .nvalue = 2, .ts_column = -1};
    n->format.key_cols = &src->out.cols[C_K];
    n->format.value_cols = (struct column[]){src->out.cols[C_ID], src->out.cols[C_V]};
    n->sink_cols = (unsigned[]){C_K, C_ID, C_V};
    rig_op(&rig, n, -1, 0);
    rig_start(&rig);
    struct rig_row rows[4];
    for (int i = 0; i < 4; i++) {
        rows[i] = random_row(&rig, i);
        rows[i].v[C_K] = i < 2 ? rig_int(i) : rig_null(T_BIGINT);
        rows[i].v[C_V] = rig_i32(i);
    }
    rig_push(&rig, rows, 4);
    assert_int_equal(rig.nrecords, 4);
    for (int i = 0; i < 2; i++) {
        char key[8];
        put_be64(key, (uint64_t)i);
        assert_true(str_eq(rig.records[i].key, (struct str){key, 8}));
        assert_int_equal(rig.records[i].part, (hash_murmur2(key, 8) & 0x7fffffff) % 3);
        assert_int_equal(rig.records[i].ts, rows[i].ts);
        assert_true(str_eq(rig.records[i].value, str_of(rig_sql(&rig, "%d,%d", i, i))));
    }
    assert_null(rig.records[2].key.ptr);
    assert_int_not_equal(rig.records[2].part, rig.records[3].part);
    rig_fini(&rig);
}

/* A windowed table's record key ends in the window's start, its rows end by retention, with a tombstone. */
static void test_sink_windows_end(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1);
    struct plan_node *in = rig_node(&rig, PLAN_AGGREGATE, MODE_RETRACT, "K BIGINT,WS BIGINT,WE BIGINT,N BIGINT", NULL, NULL);
    struct plan_node *n = rig_node(&rig, PLAN_SINK_TOPIC, MODE_RETRACT, "", in, NULL);
    n->format = (struct row_format){.key = {.kind = FORMAT_KAFKA}, .value = {.kind = FORMAT_DELIMITED, .delimiter = ','},
                                    .nkey = 1, .nvalue = 1, .ts_column = -1, .window_size_ms = SIZE};
    n->format.key_cols = &in->out.cols[0];
    n->format.value_cols = &in->out.cols[3];
    n->sink_cols = (unsigned[]){0, 3};
    n->window_start_col = 1;
    n->retention_ms = 5000;
    rig_op(&rig, n, -1, 0);
    rig_start(&rig);
    struct rig_row rows[2];
    for (int i = 0; i < 2; i++)
        rows[i] = (struct rig_row){.weight = 1, .ts = i * 3000,
                                   .v = {rig_int(7), rig_int(i * 3000), rig_int(i * 3000 + SIZE), rig_int(40 + i)}};
    rig_push(&rig, rows, 2);
    rig_marker(&rig);
    rig_commit(&rig);
    assert_int_equal(rig.nrecords, 2);
    char key[16];
    put_be64(key, 7);
    put_be64(key + 8, 3000);
    assert_true(str_eq(rig.records[1].key, (struct str){key, 16}));
    assert_int_equal(rig.records[1].part, (hash_murmur2(key, 8) & 0x7fffffff) % 3);
    rig_crash(&rig); /* when rows end is rebuilt from them */
    rig_watermark(&rig, 4999);
    rig_marker(&rig);
    rig_commit(&rig);
    assert_int_equal(rig.nrecords, 2);
    rig_watermark(&rig, 5000);
    rig_marker(&rig);
    rig_commit(&rig);
    assert_int_equal(rig.nrecords, 3);
    assert_null(rig.records[2].value.ptr);
    assert_int_equal(be64(rig.records[2].key.ptr + 8), 0);
    rig_fini(&rig);
}

/* LIMIT of a query counts rows that come and gives no more. */
static void test_query_limit(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1);
    struct plan_node *n = rig_node(&rig, PLAN_SINK_QUERY, MODE_APPEND, ROW, source(&rig, MODE_APPEND), NULL);
    n->limit = 5;
    rig_op(&rig, n, -1, 0);
    rig_start(&rig);
    for (int i = 0; i < 4; i++) {
        struct rig_row rows[2] = {random_row(&rig, i), random_row(&rig, i)};
        rig_push(&rig, rows, 2);
    }
    assert_int_equal(rig.ops[0]->stats.rows_out, 5);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_final_windows),
        cmocka_unit_test(test_late_at_aggregate),
        cmocka_unit_test(test_closed_window_leaves_nothing),
        cmocka_unit_test(test_lookup_join),
        cmocka_unit_test(test_filter_and_project_of_table),
        cmocka_unit_test(test_having),
        cmocka_unit_test(test_time_of_the_task),
        cmocka_unit_test(test_sum_overflow),
        cmocka_unit_test(test_sort),
        cmocka_unit_test(test_sort_of_table),
        cmocka_unit_test(test_sink_stream),
        cmocka_unit_test(test_sink_windows_end),
        cmocka_unit_test(test_query_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
