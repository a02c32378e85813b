#include "tests/lib/seed.h"
#include "tests/unit/engine/op/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Operators of bags of rows and of order among rows, against SQLite's own answer over the same rows.
 *
 * t(id, p, o, v, d, s): few templates, whose rows come, come again and go. A template's id is its first column and is the
 * first that its encoded bytes differ in, so ties are broken by id here and there. */
#define ROW "ID BIGINT,P BIGINT,O INT,V INT,D DOUBLE,S VARCHAR"
enum { C_ID, C_P, C_O, C_V, C_D, C_S, NCOLS };
enum { TEMPLATES = 60 };

static struct value maybe(struct rig *rig, struct value v)
{
    return random_chance(&rig->r, 0.12) ? value_null(v.type) : v;
}

static struct rig_row *templates(struct rig *rig)
{
    static const char *const texts[] = {"", "a", "b", "a longer text that is not inline", "a longer text that differs"};
    struct rig_row *rows = ARENA_ARRAY(&rig->arena, struct rig_row, TEMPLATES);
    for (int64_t i = 0; i < TEMPLATES; i++) {
        struct rig_row *row = &rows[i];
        row->v[C_ID] = rig_int(i);
        row->v[C_P] = maybe(rig, rig_int((int64_t)random_below(&rig->r, 4) - 1));
        row->v[C_O] = maybe(rig, rig_i32((int64_t)random_below(&rig->r, 20) - 10));
        row->v[C_V] = maybe(rig, rig_i32((int64_t)random_below(&rig->r, 50) - 25));
        row->v[C_D] = maybe(rig, rig_double(((double)random_below(&rig->r, 200) - 100) / 8));
        row->v[C_S] = maybe(rig, rig_text(rig, "%s", texts[random_below(&rig->r, ARRAY_LEN(texts))]));
    }
    return rows;
}

static void tell(struct rig *rig, struct rig_row *row)
{
    struct wbuf values;
    wbuf_init(&values);
    for (unsigned c = 0; c < NCOLS; c++)
        wbuf_printf(&values, "%s%s", c ? "," : "", rig_literal(rig, &row->v[c]));
    int64_t id = row->v[C_ID].i;
    row->sql = row->weight > 0
                   ? rig_sql(rig, "INSERT INTO t VALUES(%.*s)", STR_ARG(wbuf_view(&values)))
                   : rig_sql(rig, "DELETE FROM t WHERE rowid = (SELECT rowid FROM t WHERE id = %" PRId64 " LIMIT 1)", id);
    wbuf_fini(&values);
}

/* Rows that come, and if they may, go. Input by id, if there are two. */
static struct rig_row *bag_rows(struct rig *rig, size_t n, bool go, unsigned ninputs)
{
    struct rig_row *made = templates(rig), *rows = ARENA_ARRAY(&rig->arena, struct rig_row, n);
    unsigned live[TEMPLATES] = {0};
    for (size_t i = 0; i < n; i++) {
        unsigned id = (unsigned)random_below(&rig->r, TEMPLATES);
        rows[i] = made[id];
        rows[i].input = id % ninputs;
        rows[i].ts = (int64_t)random_below(&rig->r, 100000);
        rows[i].weight = go && live[id] && random_chance(&rig->r, 0.6) ? -1 : 1;
        live[id] += (unsigned)rows[i].weight;
        tell(rig, &rows[i]);
    }
    rig_exec(rig, "CREATE TABLE t(id INTEGER, p INTEGER, o INTEGER, v INTEGER, d REAL, s TEXT)");
    return rows;
}

static struct plan_node *source(struct rig *rig, bool go)
{
    return rig_node(rig, PLAN_SOURCE, go ? MODE_RETRACT : MODE_APPEND, ROW, NULL, NULL);
}

/* ---- UNION. */

/* Of two inputs, of which one may take rows back, all rows are there, each as often as in both together. */
static void test_union(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(30); i++) {
        struct rig rig;
        rig_init(&rig, seed + (uint64_t)i);
        bool go = random_chance(&rig.r, 0.7);
        struct plan_node *n = rig_node(&rig, PLAN_UNION, go ? MODE_RETRACT : MODE_APPEND, ROW, source(&rig, go), source(&rig, go));
        rig.entry[1].input = 1;
        rig_op(&rig, n, -1, 0);
        rig_start(&rig);
        rig_run(&rig, bag_rows(&rig, 200, go, 2), 200, "SELECT * FROM t");
        rig_fini(&rig);
    }
}

/* ---- EVERY. */

/* What changes is not shown before it is due, and then all of it is, whatever was lost and restored on the way; nothing stays
 * behind in the changelog. */
static void test_every(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(30); i++) {
        struct rig rig;
        rig_init(&rig, seed + (uint64_t)i);
        struct plan_node *n = rig_node(&rig, PLAN_EVERY, MODE_RETRACT, ROW, source(&rig, true), NULL);
        rig_op(&rig, n, -1, 0);
        rig_start(&rig);
        struct rig_row *rows = bag_rows(&rig, 200, true, 1);
        rig_exec(&rig, "CREATE TABLE shown(id INTEGER, p INTEGER, o INTEGER, v INTEGER, d REAL, s TEXT)");
        for (size_t k = 0; k < 200;) {
            size_t some = 1 + (size_t)random_below(&rig.r, 20), at = k;
            bool again = random_chance(&rig.r, 0.3);
            for (; at < k + some && at < 200; at++)
                rig_push(&rig, &rows[at], 1);
            if (again) {
                rig_crash(&rig);
                continue;
            }
            for (; k < at; k++)
                rig_exec(&rig, rows[k].sql);
            rig.due = k == 200 || random_chance(&rig.r, 0.3);
            rig_marker(&rig);
            rig_commit(&rig);
            if (rig.due)
                rig_exec(&rig, "DELETE FROM shown; INSERT INTO shown SELECT * FROM t");
            rig_expect(&rig, rig.due ? "SELECT * FROM t" : "SELECT * FROM shown");
            if (random_chance(&rig.r, 0.2))
                rig_checkpoint(&rig);
        }
        assert_false(rig.waits);
        assert_int_equal(rig_live(&rig, n, 0), 0);
        rig_fini(&rig);
    }
}

/* Bytes that disk or network have bent are refused, or taken for other bytes of the right form; nothing breaks. */
static void run_on_damaged_state(struct rig *rig, const struct rig_row *rows, size_t n)
{
    rig_restore_damaged(rig);
    for (size_t i = 0; i < n; i++)
        rig_push(rig, &rows[i], 1);
    rig_marker(rig);
    rig_commit(rig);
}

/* Rows that take away all that is there. */
static size_t take_all(struct rig *rig, const struct rig_row *rows, size_t n, struct rig_row *out)
{
    int64_t live[TEMPLATES] = {0};
    size_t m = 0;
    for (size_t i = 0; i < n; i++)
        live[rows[i].v[C_ID].i] += rows[i].weight;
    for (size_t i = 0; i < n; i++)
        for (int64_t *left = &live[rows[i].v[C_ID].i]; *left > 0; --*left) {
            out[m] = rows[i];
            out[m].weight = -1;
            tell(rig, &out[m++]);
        }
    return m;
}

/* ---- Partitions and orders, as the plan and as SQL have them. */

static const struct {
    unsigned n, cols[2];
    const char *sql;
} partitions[] = {{0, {0}, ""}, {1, {C_P}, "PARTITION BY p"}, {1, {C_S}, "PARTITION BY s"}, {2, {C_S, C_P}, "PARTITION BY s, p"},
                  {1, {C_V}, "PARTITION BY v"}};

static const char *set_partition(struct rig *rig, struct plan_node *n)
{
    unsigned i = (unsigned)random_below(&rig->r, ARRAY_LEN(partitions));
    n->ngroup = partitions[i].n;
    n->group_cols = rig_cols(rig, partitions[i].n, partitions[i].cols);
    return partitions[i].sql;
}

/* Some columns, up or down. */
static const char *set_order(struct rig *rig, struct plan_node *n)
{
    static const unsigned cols[] = {C_O, C_V, C_D, C_S};
    static const char *const names[] = {"o", "v", "d", "s"};
    struct random *r = &rig->r;
    const char *sql = "";
    n->nsort = 1 + (unsigned)random_below(r, 2);
    n->sort = ARENA_ARRAY(&rig->arena, struct sort_key, 3);
    for (unsigned i = 0; i < n->nsort; i++) {
        unsigned k = (unsigned)random_below(r, ARRAY_LEN(cols));
        n->sort[i] = (struct sort_key){cols[k], random_chance(r, 0.5), random_chance(r, 0.5)};
        sql = rig_sql(rig, "%s%s%s %s NULLS %s", sql, i ? ", " : "", names[k], n->sort[i].descending ? "DESC" : "ASC",
                      n->sort[i].nulls_first ? "FIRST" : "LAST");
    }
    return sql;
}

/* ---- Top N. */

static void run_topn(uint64_t seed)
{
    static const char *const ranks[] = {"", "row_number()", "rank()", "dense_rank()"};
    struct rig rig;
    rig_init(&rig, seed);
    struct random *r = &rig.r;
    bool go = random_chance(r, 0.6), shown = random_chance(r, 0.5);
    struct plan_node *n = rig_node(&rig, PLAN_TOPN, MODE_RETRACT, shown ? ROW ",RN BIGINT" : ROW, source(&rig, go), NULL);
    const char *partition = set_partition(&rig, n), *order = set_order(&rig, n);
    n->rank = RANK_ROW_NUMBER + random_below(r, 3);
    n->rank_shown = shown;
    n->limit = random_chance(r, 0.1) ? -1 : (int64_t)random_below(r, 12);
    n->offset = random_chance(r, 0.6) ? 0 : (int64_t)random_below(r, 6);
    rig_op(&rig, n, -1, 0);
    rig_start(&rig);
    struct rig_row *rows = bag_rows(&rig, 300, go, 1), *more = ARENA_ARRAY(&rig.arena, struct rig_row, 300);
    const char *sql = rig_sql(&rig, "SELECT id, p, o, v, d, s%s FROM (SELECT *, %s OVER (%s ORDER BY %s%s) AS rn FROM t) "
                              "WHERE rn > %" PRId64 " AND rn <= %" PRId64,
                              shown ? ", rn" : "", ranks[n->rank], partition, order, n->rank == RANK_ROW_NUMBER ? ", id" : "",
                              n->offset, n->limit < 0 ? INT64_MAX : n->offset + n->limit);
    rig_run(&rig, rows, 300, sql);
    if (go) {
        rig_run(&rig, more, take_all(&rig, rows, 300, more), sql);
        assert_int_equal(kv_count(rig.shown) + rig_live(&rig, n, 0), 0);
    } else if (!n->ngroup && n->limit >= 0 && n->rank == RANK_ROW_NUMBER) {
        assert_true(rig_live(&rig, n, 0) <= (size_t)(n->limit + n->offset));
    }
    assert_int_equal(rig.nerrors, 0);
    run_on_damaged_state(&rig, rows, 50);
    rig_fini(&rig);
}

/* The rows of some places in order, per partition, by any way of counting, are the batch answer at every commit, whether rows
 * only come or go too; of what only comes no more is kept than can show. */
static void test_topn(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(150); i++)
        run_topn(seed + (uint64_t)i);
}

/* A row's taking back may overtake its coming within an epoch. */
static void test_topn_goes_before_it_comes(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1);
    struct plan_node *n = rig_node(&rig, PLAN_TOPN, MODE_RETRACT, ROW, source(&rig, true), NULL);
    n->sort = &(struct sort_key){C_ID, false, false};
    n->nsort = 1;
    n->limit = 2;
    rig_op(&rig, n, -1, 0);
    rig_start(&rig);
    struct rig_row *rows = bag_rows(&rig, 3, false, 1);
    for (unsigned i = 0; i < 3; i++) {
        rows[i].v[C_ID] = rig_int(i);
        tell(&rig, &rows[i]);
        rig_exec(&rig, rows[i].sql);
    }
    struct rig_row gone = rows[0];
    gone.weight = -1;
    rig_push(&rig, &gone, 1);
    rig_push(&rig, &rows[1], 2);
    rig_push(&rig, &rows[0], 1);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_exec(&rig, "DELETE FROM t WHERE id = 0");
    rig_expect(&rig, "SELECT * FROM t ORDER BY id LIMIT 2");
    rig_fini(&rig);
}

/* ---- Deduplication. */

/* Rows of a stream that is out of order, and the watermarks that go with it: never above what is still to come. */
static struct rig_row *timed_rows(struct rig *rig, size_t n, bool watermarks)
{
    struct rig_row *rows = bag_rows(rig, n, false, 1);
    int64_t *marks = ARENA_ARRAY(&rig->arena, int64_t, n), now = -3000;
    rig_exec(rig, "ALTER TABLE t ADD COLUMN ts INTEGER");
    for (size_t i = 0; i < n; i++) {
        now += (int64_t)random_below(&rig->r, 30);
        rows[i].ts = now - (int64_t)random_below(&rig->r, 1500);
        rows[i].v[C_ID] = rig_int((int64_t)i % 120); /* a row of one time and key has an id of its own */
        tell(rig, &rows[i]);
        rows[i].sql = rig_sql(rig, "%.*s, %" PRId64 ")", (int)strlen(rows[i].sql) - 1, rows[i].sql, rows[i].ts);
        marks[i] = now - 1500;
    }
    if (watermarks)
        rig->watermarks = marks;
    return rows;
}

static void run_dedup(uint64_t seed)
{
    struct rig rig;
    rig_init(&rig, seed);
    bool last = random_chance(&rig.r, 0.5);
    struct plan_node *n = rig_node(&rig, PLAN_DEDUP, last ? MODE_RETRACT : MODE_APPEND, ROW, source(&rig, false), NULL);
    n->keep_last = last;
    const char *partition = set_partition(&rig, n);
    rig_op(&rig, n, -1, 0);
    rig_start(&rig);
    struct rig_row *rows = timed_rows(&rig, 300, !last);
    const char *sql = rig_sql(&rig, "SELECT id, p, o, v, d, s FROM (SELECT *, row_number() OVER (%s ORDER BY ts %s, id) AS rn FROM t) "
                              "WHERE rn = 1", partition, last ? "DESC" : "");
    rig_run(&rig, rows, 300, last ? sql : NULL);
    rig_watermark(&rig, INT64_MAX);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_expect(&rig, sql);
    assert_int_equal(rig.nerrors, 0);
    run_on_damaged_state(&rig, rows, 50);
    rig_fini(&rig);
}

/* Of each partition the last row by event time shows at every commit, or the first one comes, once, when the watermark has
 * passed it: in the end those are the batch answer, whatever order the rows came in. */
static void test_dedup(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(120); i++)
        run_dedup(seed + (uint64_t)i);
}

/* A first row is not given before the watermark has passed it, and what comes too late for that changes nothing. */
static void test_first_row_waits(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 2);
    struct plan_node *n = rig_node(&rig, PLAN_DEDUP, MODE_APPEND, ROW, source(&rig, false), NULL);
    rig_op(&rig, n, -1, 0);
    rig_start(&rig);
    struct rig_row *rows = bag_rows(&rig, 3, false, 1);
    rows[0].ts = 100;
    rows[1].ts = 90;
    rows[2].ts = 80;
    static const int64_t marks[] = {90, 90, 91}; /* 90 is not past 90 */
    for (unsigned i = 0; i < 4; i++) {
        if (i < 2)
            rig_push(&rig, &rows[i], 1);
        if (i < 3)
            rig_watermark(&rig, marks[i]);
        else
            rig_push(&rig, &rows[2], 1);
        rig_marker(&rig);
        rig_commit(&rig);
        assert_int_equal(kv_count(rig.shown), i >= 2);
    }
    tell(&rig, &rows[1]);
    rig_exec(&rig, rows[1].sql);
    rig_expect(&rig, "SELECT * FROM t");
    assert_int_equal(rig.ops[0]->stats.late, 1);
    rig_fini(&rig);
}

/* ---- OVER. */

static void bound(struct rig *rig, struct frame *f, struct value *by, enum frame_bound b, bool to, const char **sql)
{
    static const char *const names[] = {"UNBOUNDED PRECEDING", "PRECEDING", "CURRENT ROW", "FOLLOWING", "UNBOUNDED FOLLOWING"};
    *(to ? &f->to : &f->from) = b;
    if (b == BOUND_PRECEDING || b == BOUND_FOLLOWING)
        *sql = rig_sql(rig, "%s %s", rig_literal(rig, by), names[b]);
    else
        *sql = names[b];
}

/* With ties only what does not depend on their order: frames of values and groups. */
static const char *set_frame(struct rig *rig, const struct plan_node *n, struct frame *f, bool ties)
{
    static const char *const units[] = {"RANGE", "ROWS", "GROUPS"};
    static const char *const excludes[] = {"NO OTHERS", "CURRENT ROW", "GROUP", "TIES"};
    struct random *r = &rig->r;
    const char *from, *to;
    unsigned col = n->sort[0].column;
    bool real = col == C_D, distance = n->nsort == 1 && col != C_S;
    f->unit = ties ? random_below(r, 2) * FRAME_GROUPS : random_below(r, 3);
    bool far = f->unit != FRAME_RANGE || distance;
    for (struct value *by = &f->before; by; by = by == &f->before ? &f->after : NULL)
        *by = f->unit == FRAME_RANGE && real ? rig_double((double)random_below(r, 64) / 8) : rig_int((int64_t)random_below(r, 6));
    enum frame_bound a, b;
    do {
        a = (enum frame_bound)random_below(r, 5), b = (enum frame_bound)random_below(r, 5);
    } while (a > b || a == BOUND_LAST || b == BOUND_FIRST ||
             (!far && (a == BOUND_PRECEDING || a == BOUND_FOLLOWING || b == BOUND_PRECEDING || b == BOUND_FOLLOWING)));
    bound(rig, f, &f->before, a, false, &from);
    bound(rig, f, &f->after, b, true, &to);
    f->exclude = random_chance(r, 0.7) ? EXCLUDE_NONE : random_below(r, 4);
    return rig_sql(rig, "%s BETWEEN %s AND %s EXCLUDE %s", units[f->unit], from, to, excludes[f->exclude]);
}

static const char *set_aggregate(struct rig *rig, const struct plan_node *n, struct over_func *f)
{
    static const struct {
        enum agg_kind kind;
        int col;
        const char *sql;
    } aggs[] = {{AGG_COUNT_STAR, -1, "count(*)"}, {AGG_COUNT, C_V, "count(v)"}, {AGG_SUM, C_V, "sum(v)"}, {AGG_AVG, C_V, "avg(v)"},
                {AGG_MIN, C_V, "min(v)"},         {AGG_MAX, C_S, "max(s)"},     {AGG_SUM, C_D, "sum(d)"}, {AGG_MIN, C_D, "min(d)"}};
    unsigned i = (unsigned)random_below(&rig->r, ARRAY_LEN(aggs));
    f->agg = rig_agg(rig, aggs[i].kind, n->inputs[0], aggs[i].col);
    f->type = f->agg.type;
    return aggs[i].sql;
}

/* A function, and how SQL says it. */
static const char *set_function(struct rig *rig, const struct plan_node *n, struct over_func *f, bool ties, const char *window)
{
    static const char *const names[] = {"",      "row_number", "rank", "dense_rank",  "percent_rank", "cume_dist",
                                        "ntile", "lag",        "lead", "first_value", "last_value",   "nth_value"};
    struct random *r = &rig->r;
    *f = (struct over_func){.kind = random_chance(r, 0.5) ? OVER_AGGREGATE : random_below(r, OVER_KINDS_), .arg = -1, .fallback = -1};
    while (ties && f->kind != OVER_AGGREGATE && (f->kind < OVER_RANK || f->kind > OVER_CUME_DIST))
        f->kind = random_below(r, OVER_KINDS_);
    f->type = TYPE(f->kind == OVER_PERCENT_RANK || f->kind == OVER_CUME_DIST ? T_DOUBLE : T_BIGINT);
    const char *call = "", *frame = "";
    if (f->kind == OVER_AGGREGATE || f->kind >= OVER_FIRST_VALUE)
        frame = set_frame(rig, n, &f->frame, ties);
    if (f->kind == OVER_AGGREGATE) {
        call = set_aggregate(rig, n, f);
    } else if (f->kind < OVER_NTILE) {
        call = rig_sql(rig, "%s()", names[f->kind]);
    } else {
        f->n = 1 + (int64_t)random_below(r, 4);
        if (f->kind > OVER_NTILE) {
            f->arg = C_S;
            f->type = TYPE(T_VARCHAR);
        }
        if (f->kind <= OVER_LEAD && f->kind > OVER_NTILE && random_chance(r, 0.5))
            f->fallback = C_S;
        call = f->kind == OVER_NTILE       ? rig_sql(rig, "ntile(%d)", (int)f->n)
               : f->kind <= OVER_LEAD      ? rig_sql(rig, "%s(s, %d%s)", names[f->kind], (int)f->n, f->fallback < 0 ? "" : ", s")
               : f->kind == OVER_NTH_VALUE ? rig_sql(rig, "nth_value(s, %d)", (int)f->n)
                                           : rig_sql(rig, "%s(s)", names[f->kind]);
    }
    return rig_sql(rig, "%s OVER (%s %s)", call, window, frame);
}

static void run_over(uint64_t seed)
{
    struct rig rig;
    rig_init(&rig, seed);
    struct random *r = &rig.r;
    bool go = random_chance(r, 0.7), ties = random_chance(r, 0.5);
    struct plan_node *n = rig_node(&rig, PLAN_OVER, MODE_RETRACT, ROW, source(&rig, go), NULL);
    const char *partition = set_partition(&rig, n), *order = set_order(&rig, n), *calls = "";
    if (!ties) {
        n->sort[n->nsort++] = (struct sort_key){C_ID, false, false};
        order = rig_sql(&rig, "%s, id", order);
    }
    const char *window = rig_sql(&rig, "%s ORDER BY %s", partition, order);
    n->nover = 1 + (unsigned)random_below(r, 3);
    n->overs = ARENA_ARRAY(&rig.arena, struct over_func, n->nover);
    for (unsigned i = 0; i < n->nover; i++) {
        calls = rig_sql(&rig, "%s, %s", calls, set_function(&rig, n, &n->overs[i], ties, window));
        n->out.cols[n->out.n++] = (struct column){"F", n->overs[i].type};
    }
    rig_op(&rig, n, -1, 0);
    rig_start(&rig);
    struct rig_row *rows = bag_rows(&rig, 200, go, 1), *more = ARENA_ARRAY(&rig.arena, struct rig_row, 200);
    const char *sql = rig_sql(&rig, "SELECT id, p, o, v, d, s%s FROM t", calls);
    rig_run(&rig, rows, 200, sql);
    if (go) {
        rig_run(&rig, more, take_all(&rig, rows, 200, more), sql);
        assert_int_equal(kv_count(rig.shown) + rig_live(&rig, n, 0), 0);
    }
    assert_int_equal(rig.nerrors, 0);
    run_on_damaged_state(&rig, rows, 50);
    rig_fini(&rig);
}

/* Functions over partitions, with frames of rows, groups and values, are the batch answer at every commit, whether rows only
 * come or go too. */
static void test_over(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(300); i++)
        run_over(seed + (uint64_t)i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_union),
        cmocka_unit_test(test_every),
        cmocka_unit_test(test_topn),
        cmocka_unit_test(test_topn_goes_before_it_comes),
        cmocka_unit_test(test_over),
        cmocka_unit_test(test_dedup),
        cmocka_unit_test(test_first_row_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
