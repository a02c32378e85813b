#include "tests/lib/seed.h"
#include "tests/unit/engine/op/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Windows that overlap, grow, are shifted or laid out in a time zone: what a row is counted in equals a loop over all
 * windows there are. */

#define ROW "ID BIGINT,K BIGINT,V INT"
enum { C_ID, C_K, C_V, ROWS = 300 };

struct shape {
    enum window_kind kind;
    int64_t size, advance, offset, grace, delay;
    const char *zone;
    bool sliced, final;
};

static int64_t floor_to(int64_t v, int64_t unit) { return v - ((v % unit) + unit) % unit; }

/* Calls for each window of a moment. */
static void each_window(const struct shape *s, int64_t ts, void (*span_cb)(void *arg, int64_t start, int64_t end), void *arg)
{
    int64_t at = ts - s->offset;
    if (s->kind == WINDOW_CUMULATE) {
        int64_t base = floor_to(at, s->size);
        for (int64_t end = base + s->advance; end <= base + s->size; end += s->advance)
            if (at < end)
                span_cb(arg, base + s->offset, end + s->offset);
        return;
    }
    for (int64_t start = floor_to(at - s->size, s->advance); start <= at; start += s->advance)
        if (at < start + s->size)
            span_cb(arg, start + s->offset, start + s->offset + s->size);
}

struct telling {
    struct rig *rig;
    const struct rig_row *row;
    int64_t closed;
    unsigned windows, taken;
    struct wbuf sql;
};

static void tell_cb(void *arg, int64_t start, int64_t end)
{
    struct telling *t = arg;
    t->windows++;
    if (end <= t->closed)
        return;
    wbuf_printf(&t->sql, "INSERT INTO t VALUES(%s,%s,%s,%" PRId64 ",%" PRId64 ");", rig_literal(t->rig, &t->row->v[0]),
                rig_literal(t->rig, &t->row->v[1]), rig_literal(t->rig, &t->row->v[2]), start, end);
    t->taken++;
}

static struct rig_row *random_rows(struct rig *rig, const struct shape *s, uint64_t *late, uint64_t *partly)
{
    struct rig_row *rows = ARENA_ARRAY(&rig->arena, struct rig_row, ROWS);
    int64_t *marks = ARENA_ARRAY(&rig->arena, int64_t, ROWS), now = -3000, stream = INT64_MIN;
    for (int64_t i = 0; i < ROWS; i++) {
        struct rig_row *row = &rows[i];
        now += (int64_t)random_below(&rig->r, 100);
        *row = (struct rig_row){.weight = 1, .ts = now - (random_chance(&rig->r, 0.3) ? (int64_t)random_below(&rig->r, 4000) : 0)};
        row->v[C_ID] = rig_int(i);
        row->v[C_K] = random_chance(&rig->r, 0.1) ? rig_null(T_BIGINT) : rig_int((int64_t)random_below(&rig->r, 5));
        row->v[C_V] = random_chance(&rig->r, 0.1) ? rig_null(T_INT) : rig_i32((int64_t)random_below(&rig->r, 100) - 50);
        stream = MAX(stream, row->ts);
        marks[i] = stream - s->delay;
        struct telling t = {.rig = rig, .row = row, .closed = marks[i] - s->grace};
        wbuf_init(&t.sql);
        each_window(s, row->ts, tell_cb, &t);
        row->sql = rig_sql(rig, "%.*s", STR_ARG(wbuf_view(&t.sql)));
        wbuf_fini(&t.sql);
        *late += t.windows && !t.taken;
        *partly += t.taken && t.taken < t.windows;
    }
    rig->watermarks = marks;
    return rows;
}

static void set_windows(struct plan_node *n, const struct shape *s)
{
    n->window = s->kind;
    n->window_size_ms = s->size;
    n->advance_ms = s->advance;
    n->offset_ms = s->offset;
    n->grace_ms = s->grace;
    n->delay_ms = s->delay;
    n->zone = s->zone;
    n->sliced = s->sliced;
}

static struct plan_node *group(struct rig *rig, const struct shape *s, enum agg_phase phase, struct plan_node *in, bool distinct)
{
    struct plan_node *rows = rig_node(rig, PLAN_SOURCE, MODE_APPEND, ROW, NULL, NULL);
    struct plan_node *n = rig_node(rig, PLAN_AGGREGATE, phase == AGG_PARTIAL ? MODE_APPEND : MODE_RETRACT,
                                   "K BIGINT,WS BIGINT,WE BIGINT,N BIGINT,S BIGINT,M INT", in, NULL);
    n->phase = phase;
    n->ngroup = 3;
    n->group_cols = rig_cols(rig, 3, phase == AGG_FINAL ? (unsigned[]){0, 1, 2} : (unsigned[]){C_K, 3, 4});
    set_windows(n, s);
    n->naggs = 3;
    n->aggs = ARENA_ARRAY(&rig->arena, struct agg, 3);
    n->aggs[0] = rig_agg(rig, AGG_COUNT_STAR, rows, -1);
    n->aggs[1] = rig_agg(rig, AGG_SUM, rows, C_V);
    n->aggs[1].distinct = distinct;
    n->aggs[2] = rig_agg(rig, AGG_MAX, rows, C_V);
    for (unsigned i = n->out.n = 3; phase == AGG_PARTIAL && i < 6; i++) {
        struct type types[4];
        unsigned k = agg_partial_columns(&n->aggs[i - 3], i == 3 ? TYPE(T_BIGINT) : TYPE(T_INT), types);
        for (unsigned j = 0; j < k; j++)
            n->out.cols[n->out.n++] = (struct column){"P", types[j]};
    }
    if (phase != AGG_PARTIAL)
        n->out.n = 6;
    return n;
}

/* Runs a shape; gives what of the operators is late. */
static void run(uint64_t seed, struct shape s, bool distinct)
{
    struct rig rig;
    rig_init(&rig, seed);
    uint64_t late = 0, partly = 0;
    struct plan_node *src = rig_node(&rig, PLAN_SOURCE, MODE_APPEND, ROW, NULL, NULL);
    struct plan_node *w = rig_node(&rig, PLAN_WINDOW, MODE_APPEND, ROW ",WS BIGINT,WE BIGINT", src, NULL), *in = w;
    set_windows(w, &s);
    rig_op(&rig, w, 1, 0);
    if (s.sliced)
        rig_op(&rig, in = group(&rig, &s, AGG_PARTIAL, w, false), 2, 0);
    struct plan_node *g = group(&rig, &s, s.sliced ? AGG_FINAL : AGG_FULL, in, distinct);
    g->emit_final = s.final;
    unsigned at = rig_op(&rig, g, -1, 0);
    rig_start(&rig);
    rig_exec(&rig, "CREATE TABLE t(id, k, v, ws, we)");
    const char *sql = rig_sql(&rig, "SELECT k, ws, we, count(*), sum(%s v), max(v) FROM t GROUP BY k, ws, we", distinct ? "DISTINCT" : "");
    rig_run(&rig, random_rows(&rig, &s, &late, &partly), ROWS, s.final ? NULL : sql);
    rig_watermark(&rig, 1000000);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_expect(&rig, sql);
    assert_int_equal(rig.ops[at]->stats.state_rows, 0);
    assert_int_equal(rig_live(&rig, g, 0) + rig_live(&rig, g, 1), 0);
    assert_int_equal(rig.nerrors, 0);
    rig_crash(&rig);
    rig_restore_damaged(&rig);
    rig_fini(&rig);
}

static struct shape random_shape(struct random *r)
{
    struct shape s = {.kind = random_chance(r, 0.7) ? WINDOW_HOPPING : WINDOW_CUMULATE};
    s.advance = 1 + (int64_t)random_below(r, 1500);
    s.size = s.advance * (1 + (int64_t)random_below(r, 6));
    if (s.kind == WINDOW_HOPPING && random_chance(r, 0.3)) /* no whole number of steps */
        s.size += (int64_t)random_below(r, (uint64_t)s.advance);
    s.offset = random_chance(r, 0.5) ? (int64_t)random_below(r, (uint64_t)s.size) - s.size / 2 : 0;
    s.grace = (int64_t)random_below(r, 3000);
    s.delay = random_chance(r, 0.5) ? (int64_t)random_below(r, 1000) : 0;
    s.sliced = random_chance(r, 0.6);
    s.final = random_chance(r, 0.4);
    return s;
}

static void test_random_windows(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(120); i++) {
        struct random r;
        random_seed(&r, seed + (uint64_t)i);
        struct shape s = random_shape(&r);
        run(seed + (uint64_t)i, s, !s.sliced && random_chance(&r, 0.5));
    }
}

/* ---- Sessions: a model row by row, which tells the database of each session that comes or goes. */

enum { MODEL = 400 };
struct modelled {
    bool has_key;
    int64_t key, start, end;
};
struct model {
    struct modelled sessions[MODEL];
    unsigned n;
};

static bool joins(const struct modelled *m, const struct rig_row *row, const struct shape *s, int64_t over)
{
    const struct value *k = &row->v[C_K];
    return m->has_key == !k->null && (k->null || m->key == k->i) && m->end >= over && m->start <= row->ts + s->size &&
           m->end + s->size >= row->ts;
}

/* What one row does. False: it is late. */
static bool model_row(struct rig *rig, struct model *m, const struct shape *s, struct rig_row *row, int64_t stream)
{
    int64_t over = stream - s->delay - s->grace - s->size;
    const char *key = rig_literal(rig, &row->v[C_K]), *v = rig_literal(rig, &row->v[C_V]);
    struct modelled now = {!row->v[C_K].null, row->v[C_K].i, row->ts, row->ts};
    struct wbuf sql;
    wbuf_init(&sql);
    bool any = false;
    wbuf_printf(&sql, "INSERT INTO rows VALUES(%s,%" PRId64 ",%" PRId64 ",%s);", key, row->ts, row->ts, v);
    for (unsigned i = 0; i < m->n;) {
        if (!joins(&m->sessions[i], row, s, over)) {
            i++;
            continue;
        }
        any = true;
        now.start = MIN(now.start, m->sessions[i].start);
        now.end = MAX(now.end, m->sessions[i].end);
        m->sessions[i] = m->sessions[--m->n];
    }
    bool late = !any && row->ts < over;
    if (!late) {
        assert_true(m->n < MODEL);
        m->sessions[m->n++] = now;
        /* The rows of all that were joined are now of the one session. */
        wbuf_printf(&sql, "UPDATE rows SET start = %" PRId64 ", end = %" PRId64 " WHERE k IS %s AND start >= %" PRId64
                    " AND end <= %" PRId64 " AND (end >= %" PRId64 " OR rowid = last_insert_rowid());", now.start, now.end, key,
                    now.start, now.end, over);
    }
    row->sql = late ? NULL : rig_sql(rig, "%.*s", STR_ARG(wbuf_view(&sql)));
    wbuf_fini(&sql);
    return !late;
}

static struct plan_node *session_group(struct rig *rig, const struct shape *s, enum agg_phase phase, struct plan_node *in)
{
    struct plan_node *n = group(rig, s, phase, in, false);
    n->kind = PLAN_SESSION;
    return n;
}

static void run_sessions(uint64_t seed)
{
    static const char sql[] = "SELECT k, start, end, count(*), sum(v), max(v) FROM rows GROUP BY k, start, end";
    struct rig rig;
    rig_init(&rig, seed);
    struct shape s = {.kind = WINDOW_SESSION, .size = (int64_t)random_below(&rig.r, 1500) + 1, .grace = (int64_t)random_below(&rig.r, 3000)};
    s.delay = random_chance(&rig.r, 0.5) ? (int64_t)random_below(&rig.r, 1000) : 0;
    bool partial = random_chance(&rig.r, 0.6), final = random_chance(&rig.r, 0.4);
    struct plan_node *src = rig_node(&rig, PLAN_SOURCE, MODE_APPEND, ROW, NULL, NULL);
    struct plan_node *w = rig_node(&rig, PLAN_WINDOW, MODE_APPEND, ROW ",WS BIGINT,WE BIGINT", src, NULL), *in = w;
    set_windows(w, &s);
    rig_op(&rig, w, 1, 0);
    if (partial)
        rig_op(&rig, in = session_group(&rig, &s, AGG_PARTIAL, w), 2, 0);
    struct plan_node *g = session_group(&rig, &s, partial ? AGG_FINAL : AGG_FULL, in);
    g->emit_final = final;
    unsigned at = rig_op(&rig, g, -1, 0);
    rig_start(&rig);
    rig_exec(&rig, "CREATE TABLE rows(k, start, end, v)");
    uint64_t late = 0, unused = 0;
    struct rig_row *rows = random_rows(&rig, &(struct shape){.size = 1, .advance = 1, .delay = s.delay, .grace = 1 << 30}, &unused, &unused);
    struct model m = {.n = 0};
    int64_t stream = INT64_MIN;
    for (unsigned i = 0; i < ROWS; i++) {
        stream = MAX(stream, rows[i].ts);
        late += !model_row(&rig, &m, &s, &rows[i], stream);
    }
    rig_run(&rig, rows, ROWS, final ? NULL : sql);
    rig_watermark(&rig, 1000000);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_expect(&rig, sql);
    assert_int_equal(rig.ops[at]->stats.state_rows, 0);
    assert_int_equal(rig_live(&rig, g, 0), 0);
    assert_int_equal(rig.nerrors, 0);
    rig_crash(&rig);
    rig_restore_damaged(&rig);
    for (unsigned i = 0; i < 50; i++)
        rig_push(&rig, &rows[i], 1);
    rig_marker(&rig);
    rig_commit(&rig);
    rig_fini(&rig);
}

static void test_sessions(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(200); i++)
        run_sessions(seed + (uint64_t)i);
}

/* ---- Time zones. */

enum { HOUR = 3600 * 1000 };

static int64_t utc(const char *text)
{
    int64_t ms;
    assert_true(timestamp_parse(str_of(text), &ms));
    return ms;
}

static int first_cb(void *arg, struct str key, struct str value)
{
    struct wbuf *out = arg;
    wbuf_printf(out, "%.*s x%d ", STR_ARG(key), (int)be64(value.ptr));
    return 0;
}

/* One row through windows of a zone: the windows it is in. */
static void expect_windows(struct shape s, const char *at, const char *start, const char *end)
{
    struct rig rig;
    rig_init(&rig, test_seed());
    struct plan_node *src = rig_node(&rig, PLAN_SOURCE, MODE_APPEND, ROW, NULL, NULL);
    struct plan_node *w = rig_node(&rig, PLAN_WINDOW, MODE_APPEND, ROW ",WS BIGINT,WE BIGINT", src, NULL);
    set_windows(w, &s);
    rig_op(&rig, w, -1, 0);
    rig_start(&rig);
    struct rig_row row = {.weight = 1, .ts = utc(at), .v = {rig_int(1), rig_int(1), rig_i32(1)}};
    rig_push(&rig, &row, 1);
    rig_marker(&rig);
    rig_commit(&rig);
    struct wbuf shown;
    wbuf_init(&shown);
    kv_scan(rig.shown, STR(""), first_cb, &shown);
    const char *want = rig_sql(&rig, "[1|1|1|%" PRId64 "|%" PRId64 " x1 ", utc(start), utc(end));
    if (!str_eq(wbuf_view(&shown), str_of(want)))
        fail_msg("%s lies in %.*s, not in %s", at, STR_ARG(wbuf_view(&shown)), want);
    wbuf_fini(&shown);
    rig_fini(&rig);
}

/* A day of a time zone begins at its midnight, whatever its length; with an offset it begins that much later. */
static void test_days_of_a_zone(void **state)
{
    (void)state;
    struct shape day = {.kind = WINDOW_TUMBLING, .size = 24 * HOUR, .advance = 24 * HOUR, .zone = "Europe/Paris"};
    expect_windows(day, "2024-03-31T12:00:00Z", "2024-03-30T23:00:00Z", "2024-03-31T22:00:00Z"); /* 23 hours */
    expect_windows(day, "2024-10-27T12:00:00Z", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z"); /* 25 hours */
    expect_windows(day, "2024-10-27T22:59:59.999Z", "2024-10-26T22:00:00Z", "2024-10-27T23:00:00Z");
    expect_windows(day, "2024-10-27T23:00:00Z", "2024-10-27T23:00:00Z", "2024-10-28T23:00:00Z");
    day.offset = 6 * HOUR;
    expect_windows(day, "2024-10-27T12:00:00Z", "2024-10-27T05:00:00Z", "2024-10-28T05:00:00Z");
    expect_windows(day, "2024-10-27T04:00:00Z", "2024-10-26T04:00:00Z", "2024-10-27T05:00:00Z");
    struct shape hour = {.kind = WINDOW_TUMBLING, .size = HOUR, .advance = HOUR, .zone = "Europe/Paris"};
    expect_windows(hour, "2024-10-27T00:30:00Z", "2024-10-27T00:00:00Z", "2024-10-27T02:00:00Z"); /* twice two o'clock */
    expect_windows(hour, "2024-10-27T01:30:00Z", "2024-10-27T00:00:00Z", "2024-10-27T02:00:00Z");
}

/* Windows at the ends of time are cut off there, and break nothing. */
static void test_ends_of_time(void **state)
{
    (void)state;
    static const int64_t times[] = {INT64_MIN, INT64_MIN + 1, INT64_MIN + 5000, INT64_MAX - 5000, INT64_MAX};
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < 40; i++) {
        struct rig rig;
        rig_init(&rig, seed + (uint64_t)i);
        struct shape s = random_shape(&rig.r);
        struct plan_node *src = rig_node(&rig, PLAN_SOURCE, MODE_APPEND, ROW, NULL, NULL), *in;
        struct plan_node *w = rig_node(&rig, PLAN_WINDOW, MODE_APPEND, ROW ",WS BIGINT,WE BIGINT", src, NULL);
        set_windows(w, &s);
        rig_op(&rig, in = w, 1, 0);
        if (s.sliced)
            rig_op(&rig, in = group(&rig, &s, AGG_PARTIAL, w, false), 2, 0);
        rig_op(&rig, group(&rig, &s, s.sliced ? AGG_FINAL : AGG_FULL, in, false), -1, 0);
        rig_start(&rig);
        for (unsigned k = 0; k < ARRAY_LEN(times); k++) {
            struct rig_row row = {.weight = 1, .ts = times[k], .v = {rig_int(1), rig_int(1), rig_i32(1)}};
            rig_push(&rig, &row, 1);
            rig_watermark(&rig, times[k]);
            rig_marker(&rig);
            rig_commit(&rig);
        }
        rig_fini(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_windows),
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_days_of_a_zone),
        cmocka_unit_test(test_ends_of_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
