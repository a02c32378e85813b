#include "tests/lib/seed.h"
#include "tests/unit/engine/op/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Joins that depend on event time: whatever the batches, markers, watermarks and restarts, at every commit what they have
 * given is what SQLite finds among the rows so far, and by the watermark. */

/* Streams l and r, table t: some rows occur more than once. */
#define ROW "ID BIGINT,K BIGINT,H VARCHAR,V INT,T BIGINT"
enum { C_ID, C_K, C_H, C_V, C_T, NCOLS };

static struct value maybe(struct rig *rig, struct value v) { return random_chance(&rig->r, 0.08) ? value_null(v.type) : v; }

/* In some disorder; watermarks[i] is the greatest one that holds once row i has come: none that comes later is behind it by
 * more than the grace. */
struct timed {
    struct rig_row *rows;
    int64_t *watermarks;
    size_t n;
};

static void set_watermarks(struct timed *t, int64_t grace_ms)
{
    int64_t least = INT64_MAX, most = INT64_MIN;
    for (size_t i = t->n; i-- > 0;) {
        t->watermarks[i] = least;
        least = MIN(least, t->rows[i].ts + grace_ms);
    }
    for (size_t i = 0; i < t->n; i++) {
        most = MAX(most, t->rows[i].ts);
        t->watermarks[i] = MIN(t->watermarks[i], most);
    }
}

static struct timed timed_rows(struct rig *rig, size_t n, int64_t disorder_ms)
{
    struct timed t = {ARENA_ARRAY(&rig->arena, struct rig_row, n), ARENA_ARRAY(&rig->arena, int64_t, n), n};
    int64_t clock = 1000 + (int64_t)random_below(&rig->r, 100000), step = random_chance(&rig->r, 0.3) ? 2000 : 30;
    for (size_t i = 0; i < n; i++) {
        struct rig_row *row = &t.rows[i];
        clock += (int64_t)random_below(&rig->r, (uint64_t)step);
        row->ts = clock - (int64_t)random_below(&rig->r, (uint64_t)disorder_ms + 1);
        row->input = (unsigned)random_below(&rig->r, 2);
        row->weight = 1;
        row->v[C_ID] = rig_int((int64_t)random_below(&rig->r, 3));
        row->v[C_K] = maybe(rig, rig_int((int64_t)random_below(&rig->r, 4)));
        row->v[C_H] = maybe(rig, rig_text(rig, "%s", random_chance(&rig->r, 0.5) ? "a" : "a text that is not inline"));
        row->v[C_V] = maybe(rig, rig_i32((int64_t)random_below(&rig->r, 8)));
        row->v[C_T] = rig_int(row->ts);
        if (i && random_chance(&rig->r, 0.05))
            *row = t.rows[i - 1];
    }
    return t;
}

static const char *values_sql(struct rig *rig, const struct rig_row *row)
{
    return rig_sql(rig, "%s,%s,%s,%s,%s", rig_literal(rig, &row->v[0]), rig_literal(rig, &row->v[1]),
                   rig_literal(rig, &row->v[2]), rig_literal(rig, &row->v[3]), rig_literal(rig, &row->v[4]));
}

static void tell_watermark(struct rig *rig, int64_t ms)
{
    rig_watermark(rig, ms);
    rig_exec(rig, rig_sql(rig, "UPDATE w SET ms = %" PRId64, ms));
}

/* As rig_run, with the watermark told to the database, and again to the operators after a crash. At the end all time is past. */
static void run_timed(struct rig *rig, const struct timed *t, const char *sql)
{
    size_t at = 0, told = 0, committed = 0;
    double marker = 0.02 + random_unit(&rig->r) * 0.3, crash = random_chance(&rig->r, 0.7) ? 0.03 : 0;
    unsigned max = 1 + (unsigned)random_below(&rig->r, MIN(ENGINE_BATCH_ROWS, 20));
    int64_t wm = INT64_MIN, committed_wm = INT64_MIN;
    rig_exec(rig, "CREATE TABLE w(ms INTEGER)");
    rig_exec(rig, rig_sql(rig, "INSERT INTO w VALUES(%" PRId64 ")", wm + 1));
    for (bool over = false; !over;) {
        size_t want = 1 + random_below(&rig->r, max), take = MIN(want, t->n - at), got = 0;
        while (got < take && t->rows[at + got].input == t->rows[at].input)
            got++;
        if (got)
            rig_push(rig, &t->rows[at], (unsigned)got);
        at += got;
        for (; told < at; told++)
            rig_exec(rig, t->rows[told].sql);
        int64_t passed = t->watermarks[random_below(&rig->r, MAX(at, 1u))];
        if (at && random_chance(&rig->r, 0.5))
            wm = MAX(wm, passed);
        bool last = at == t->n && random_chance(&rig->r, 0.5);
        if (last)
            wm = INT64_MAX;
        tell_watermark(rig, wm);
        bool crashes = random_chance(&rig->r, crash), marks = last || random_chance(&rig->r, marker);
        if (marks)
            rig_marker(rig);
        if (crashes) {
            rig_crash(rig);
            at = committed;
            wm = committed_wm;
            tell_watermark(rig, wm);
        } else if (marks) {
            rig_commit(rig);
            committed = at;
            committed_wm = wm;
            if (at == told)
                rig_expect(rig, sql);
            over = last;
        }
    }
}

static const struct expr *column_of_join(struct rig *rig, const struct plan_node *join, unsigned c)
{
    struct expr *e = ARENA_NEW(&rig->arena, struct expr);
    *e = (struct expr){.kind = EX_COLUMN, .type = join->inputs[c >= NCOLS]->out.cols[c % NCOLS].type, .column = c};
    return e;
}

static const struct {
    unsigned n, cols[2];
    const char *on, *nulls;
} ons[] = {{1, {C_K}, "l.k = r.k", "%s.k IS NULL"},
           {2, {C_K, C_H}, "l.k = r.k AND l.h = r.h", "(%s.k IS NULL OR %s.h IS NULL)"},
           {0, {0}, "1", "0"}};

static void set_keys(struct rig *rig, struct plan_node *join, unsigned on)
{
    join->njoin = ons[on].n;
    join->left_cols = rig_cols(rig, ons[on].n, ons[on].cols);
    join->right_cols = rig_cols(rig, ons[on].n, ons[on].cols);
}

/* Rows of one side that have met nothing, and by the watermark will not. */
static const char *lonely(struct rig *rig, char side, const char *nulls, int64_t reach_ms, int64_t grace_ms, const char *cond)
{
    char other = side == 'l' ? 'r' : 'l', name[] = {side, 0};
    const char *none = "NULL, NULL, NULL, NULL, NULL";
    return rig_sql(rig,
                   " UNION ALL SELECT %s%s%c.*%s%s FROM %c WHERE (%s OR %c.t + %" PRId64 " < (SELECT ms FROM w)) AND NOT "
                   "EXISTS(SELECT 1 FROM %c WHERE %s)",
                   side == 'r' ? none : "", side == 'r' ? ", " : "", side, side == 'l' ? ", " : "", side == 'l' ? none : "",
                   side, rig_sql(rig, nulls, name, name), side, reach_ms + grace_ms, other, cond);
}

static struct plan_node *interval_node(struct rig *rig)
{
    struct plan_node *src[2];
    for (unsigned s = 0; s < 2; s++) {
        src[s] = rig_node(rig, PLAN_SOURCE, MODE_APPEND, ROW, NULL, NULL);
        rig->entry[s].input = s;
    }
    return rig_node(rig, PLAN_JOIN_INTERVAL, MODE_APPEND, ROW "," ROW, src[0], src[1]);
}

/* Bytes that disk has bent are refused, or taken for others of the right form; nothing breaks. */
static void end_on_damaged_state(struct rig *rig, const struct timed *t)
{
    rig_restore_damaged(rig);
    for (size_t i = 0; i < 50; i++)
        rig_push(rig, &t->rows[i], 1);
    rig_marker(rig);
    rig_commit(rig);
    rig_fini(rig);
}

static void run_interval(uint64_t seed)
{
    static const int64_t befores[] = {0, 50, 1500, -20, 60000}, afters[] = {0, 70, 3000, 40, 20000};
    struct rig rig;
    rig_init(&rig, seed);
    struct plan_node *join = interval_node(&rig);
    unsigned on = (unsigned)random_below(&rig.r, ARRAY_LEN(ons)), bounds = (unsigned)random_below(&rig.r, ARRAY_LEN(afters));
    bool rested = random_chance(&rig.r, 0.4);
    join->join = (enum join_kind)random_below(&rig.r, 4);
    set_keys(&rig, join, on);
    join->before_ms = befores[bounds];
    join->after_ms = afters[bounds];
    join->grace_ms = random_chance(&rig.r, 0.5) ? (int64_t)random_below(&rig.r, 300) : 0;
    if (rested)
        join->residual = rig_call(&rig, "<", column_of_join(&rig, join, C_V), column_of_join(&rig, join, NCOLS + C_V));
    rig_op(&rig, join, -1, 0);
    rig_start(&rig);
    struct timed t = timed_rows(&rig, 150, (int64_t)random_below(&rig.r, 400));
    set_watermarks(&t, join->grace_ms);
    rig_exec(&rig, "CREATE TABLE l(id, k, h, v, t)");
    rig_exec(&rig, "CREATE TABLE r(id, k, h, v, t)");
    for (size_t i = 0; i < t.n; i++)
        t.rows[i].sql = rig_sql(&rig, "INSERT INTO %c VALUES(%s)", "lr"[t.rows[i].input], values_sql(&rig, &t.rows[i]));
    const char *cond = rig_sql(&rig, "%s AND %s AND r.t BETWEEN l.t - %" PRId64 " AND l.t + %" PRId64, ons[on].on,
                               rested ? "l.v < r.v" : "1", join->before_ms, join->after_ms);
    bool left = join->join == JOIN_LEFT || join->join == JOIN_FULL, right = join->join == JOIN_RIGHT || join->join == JOIN_FULL;
    const char *sql = rig_sql(&rig, "SELECT l.*, r.* FROM l JOIN r ON %s%s%s", cond,
                              left ? lonely(&rig, 'l', ons[on].nulls, join->after_ms, join->grace_ms, cond) : "",
                              right ? lonely(&rig, 'r', ons[on].nulls, join->before_ms, join->grace_ms, cond) : "");
    run_timed(&rig, &t, sql);
    assert_int_equal(rig.ops[0]->stats.late, 0);
    for (unsigned k = 0; k < 4; k++)
        assert_int_equal(rig_live(&rig, join, k), 0);
    end_on_damaged_state(&rig, &t);
}

/* Streams whose rows lie near each other in time are joined as a batch database does it, inner and outer, by keys and other
 * conditions; a row without a match comes once the watermark is past all it could meet; of what is over nothing is kept. */
static void test_interval(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(50); i++)
        run_interval(seed + (uint64_t)i);
}

/* A row that is over when it comes meets what is there, is counted and not kept; if it meets nothing it comes at once. */
static void test_interval_late(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1);
    struct plan_node *join = interval_node(&rig);
    join->join = JOIN_LEFT;
    set_keys(&rig, join, 0);
    join->before_ms = 100;
    join->after_ms = 10;
    rig_op(&rig, join, -1, 0);
    rig_start(&rig);
    struct rig_row row = {.weight = 1, .v = {rig_int(1), rig_int(1), rig_text(&rig, "h"), rig_i32(1), rig_int(0)}};
    row.input = 1;
    row.ts = 1000;
    rig_push(&rig, &row, 1);
    rig_watermark(&rig, 1050);
    row.input = 0;
    for (int i = 0; i < 2; i++) {
        row.ts = i ? 850 : 1001; /* meets the right row; would have met none */
        rig_push(&rig, &row, 1);
    }
    rig_marker(&rig);
    rig_commit(&rig);
    assert_int_equal(rig.ops[0]->stats.late, 2);
    assert_int_equal(rig_live(&rig, join, 0), 0);
    rig_expect(&rig, "SELECT 1, 1, 'h', 1, 0, 1, 1, 'h', 1, 0 UNION ALL SELECT 1, 1, 'h', 1, 0, NULL, NULL, NULL, NULL, NULL");
    rig_fini(&rig);
}

/* ---- Temporal. */

/* The table's history as the database knows it, and what it says of a row of l. */
static const char *temporal_sql(struct rig *rig, bool left, int64_t grace_ms, const char *rest)
{
    const char *at = "(SELECT max(b.t * 10000 + b.seq) FROM t b WHERE b.k = l.k AND b.t <= l.t)";
    return rig_sql(rig, "SELECT l.*, t.id, t.k, t.h, t.v, t.t FROM l %s JOIN t ON t.k = l.k AND t.t * 10000 + t.seq = %s AND "
                        "NOT t.gone AND %s WHERE l.t + %" PRId64 " < (SELECT ms FROM w) %s",
                   left ? "LEFT" : "", at, rest, grace_ms, left ? "OR l.k IS NULL" : "");
}

static void table_rows(struct rig *rig, struct timed *t, bool in_order)
{
    int64_t least = INT64_MIN;
    for (size_t i = 0; i < t->n; i++) {
        struct rig_row *row = &t->rows[i];
        if (row->input == 0) {
            row->sql = rig_sql(rig, "INSERT INTO l VALUES(%s)", values_sql(rig, row));
            continue;
        }
        row->weight = random_chance(&rig->r, 0.25) ? -1 : 1;
        if (row->v[C_K].null)
            row->v[C_K] = rig_int(1);
        if (in_order)
            row->ts = least = MAX(least, row->ts);
        row->v[C_T] = rig_int(row->ts);
        row->sql = rig_sql(rig, "INSERT INTO t VALUES(%s, %zu, %d)", values_sql(rig, row), i, row->weight < 0);
    }
}

static void run_temporal(uint64_t seed)
{
    struct rig rig;
    rig_init(&rig, seed);
    struct plan_node *stream = rig_node(&rig, PLAN_SOURCE, MODE_APPEND, ROW, NULL, NULL);
    struct plan_node *table = rig_node(&rig, PLAN_SOURCE, MODE_UPSERT, ROW, NULL, NULL);
    bool retract = random_chance(&rig.r, 0.5), rested = random_chance(&rig.r, 0.4);
    rig_key(&rig, table, 1, (unsigned[]){C_K});
    rig.entry[1].input = 1;
    if (retract) {
        table = rig_node(&rig, PLAN_NORMALIZE, MODE_RETRACT, ROW, table, NULL);
        rig_key(&rig, table, 1, (unsigned[]){C_K});
        rig.entry[1].input = 0;
        rig_op(&rig, table, 1, 1);
        rig.entry[0].op = 1;
    }
    struct plan_node *join = rig_node(&rig, PLAN_JOIN_TEMPORAL, MODE_APPEND, ROW "," ROW, stream, table);
    join->join = random_chance(&rig.r, 0.5) ? JOIN_LEFT : JOIN_INNER;
    set_keys(&rig, join, 0);
    if (rested)
        join->residual = rig_call(&rig, "<", column_of_join(&rig, join, C_V), column_of_join(&rig, join, NCOLS + C_V));
    rig_op(&rig, join, -1, 0);
    rig_start(&rig);
    struct timed t = timed_rows(&rig, 200, (int64_t)random_below(&rig.r, 200));
    rig_exec(&rig, "CREATE TABLE l(id, k, h, v, t)");
    rig_exec(&rig, "CREATE TABLE t(id, k, h, v, t, seq, gone)");
    table_rows(&rig, &t, retract);
    join->grace_ms = random_chance(&rig.r, 0.5) ? (int64_t)random_below(&rig.r, 300) : 0;
    set_watermarks(&t, join->grace_ms);
    run_timed(&rig, &t, temporal_sql(&rig, join->join == JOIN_LEFT, join->grace_ms, rested ? "l.v < t.v" : "1"));
    assert_int_equal(rig.ops[rig.nops - 1]->stats.late, 0);
    assert_int_equal(rig_live(&rig, join, 0) + rig_live(&rig, join, 2), 0);
    assert_true(rig_live(&rig, join, 1) <= 4); /* the last version of a key */
    end_on_damaged_state(&rig, &t);
}

/* Each row of a stream meets the table as it was at the row's time, whenever and in whatever order rows and versions came;
 * versions that nobody can ask for any more are gone. */
static void test_temporal(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(50); i++)
        run_temporal(seed + (uint64_t)i);
}

static void push_one(struct rig *rig, unsigned input, int weight, int64_t key, int64_t v, int64_t ts)
{
    struct rig_row row = {.input = input, .weight = weight, .ts = ts,
                          .v = {rig_int(0), rig_int(key), rig_text(rig, "h"), rig_i32(v), rig_int(0)}};
    rig_push(rig, &row, 1);
}

/* A change whose new row comes before the old one is taken back is one change; a version that comes late goes when the newer
 * one is past; a key that has ended leaves nothing. */
static void test_temporal_order(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1);
    struct plan_node *stream = rig_node(&rig, PLAN_SOURCE, MODE_APPEND, ROW, NULL, NULL);
    struct plan_node *table = rig_node(&rig, PLAN_SOURCE, MODE_RETRACT, ROW, NULL, NULL);
    rig_key(&rig, table, 1, (unsigned[]){C_K});
    rig.entry[1].input = 1;
    struct plan_node *join = rig_node(&rig, PLAN_JOIN_TEMPORAL, MODE_APPEND, ROW "," ROW, stream, table);
    set_keys(&rig, join, 0);
    rig_op(&rig, join, -1, 0);
    rig_start(&rig);
    push_one(&rig, 1, 1, 7, 1, 10);
    push_one(&rig, 1, 1, 7, 2, 20);
    push_one(&rig, 1, -1, 7, 1, 20);
    push_one(&rig, 1, 1, 8, 5, 30);
    push_one(&rig, 1, 1, 8, 4, 15);
    push_one(&rig, 0, 1, 7, 0, 25);
    push_one(&rig, 0, 1, 8, 0, 29);
    rig_watermark(&rig, 100);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_expect(&rig, "SELECT 0, 7, 'h', 0, 0, 0, 7, 'h', 2, 0 UNION ALL SELECT 0, 8, 'h', 0, 0, 0, 8, 'h', 4, 0");
    assert_int_equal(rig_live(&rig, join, 1), 2);
    push_one(&rig, 1, -1, 7, 2, 110);
    push_one(&rig, 1, -1, 8, 5, 30);
    rig_watermark(&rig, 200);
    rig_marker(&rig);
    rig_commit(&rig);
    for (unsigned k = 0; k < 3; k++)
        assert_int_equal(rig_live(&rig, join, k), 0);
    rig_fini(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interval),
        cmocka_unit_test(test_interval_late),
        cmocka_unit_test(test_temporal),
        cmocka_unit_test(test_temporal_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
