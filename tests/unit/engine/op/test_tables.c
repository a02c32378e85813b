#include "tests/lib/seed.h"
#include "tests/unit/engine/op/rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* Incremental equals batch: whatever the batches, markers and restarts, at every commit a pipeline shows what SQLite
 * answers over the same rows. */

/* t(id, g, h, v, d, s): a table by id, with few groups and many NULLs. */
#define TABLE "ID BIGINT,G BIGINT,H VARCHAR,V INT,D DOUBLE,S VARCHAR"
enum { C_ID, C_G, C_H, C_V, C_D, C_S, NCOLS };

static struct value maybe(struct rig *rig, struct value v)
{
    return random_chance(&rig->r, 0.15) ? value_null(v.type) : v;
}

static void random_columns(struct rig *rig, struct rig_row *row)
{
    static const char *const texts[] = {"", "a", "b", "a longer text that is not inline", "a longer text that differs"};
    struct random *r = &rig->r;
    row->v[C_G] = maybe(rig, rig_int((int64_t)random_below(r, 6) - 2));
    row->v[C_H] = maybe(rig, rig_text(rig, "%s", texts[random_below(r, ARRAY_LEN(texts))]));
    row->v[C_V] = maybe(rig, rig_i32((int64_t)random_below(r, 20) - 10));
    row->v[C_D] = maybe(rig, rig_double(((double)random_below(r, 4000) - 2000) / 8));
    row->v[C_S] = maybe(rig, rig_text(rig, "%s%u", texts[random_below(r, ARRAY_LEN(texts))], (unsigned)random_below(r, 5)));
    row->ts = (int64_t)random_below(r, 100000);
    row->weight = 1;
}

static const char *values_sql(struct rig *rig, const struct rig_row *row)
{
    return rig_sql(rig, "%s,%s,%s,%s,%s,%s", rig_literal(rig, &row->v[0]), rig_literal(rig, &row->v[1]),
                   rig_literal(rig, &row->v[2]), rig_literal(rig, &row->v[3]), rig_literal(rig, &row->v[4]),
                   rig_literal(rig, &row->v[5]));
}

static void create(struct rig *rig, const char *name, bool keyed)
{
    rig_exec(rig, rig_sql(rig, "CREATE TABLE %s(id INTEGER %s, g INTEGER, h TEXT, v INTEGER, d REAL, s TEXT)", name,
                          keyed ? "PRIMARY KEY" : ""));
}

/* Inserts, updates (some to equal rows), deletes (some of nothing) of few keys. */
static struct rig_row *table_rows(struct rig *rig, size_t n, unsigned keys, unsigned ninputs, const char *const *names)
{
    struct rig_row *rows = ARENA_ARRAY(&rig->arena, struct rig_row, n);
    for (size_t i = 0; i < n; i++) {
        struct rig_row *row = &rows[i];
        random_columns(rig, row);
        row->input = (unsigned)random_below(&rig->r, ninputs);
        row->v[C_ID] = rig_int((int64_t)random_below(&rig->r, keys));
        row->weight = random_chance(&rig->r, 0.25) ? -1 : 1;
        const char *name = names[row->input];
        row->sql = row->weight > 0 ? rig_sql(rig, "REPLACE INTO %s VALUES(%s)", name, values_sql(rig, row))
                                   : rig_sql(rig, "DELETE FROM %s WHERE id = %s", name, rig_literal(rig, &row->v[C_ID]));
    }
    return rows;
}

static struct rig_row *stream_rows(struct rig *rig, size_t n)
{
    struct rig_row *rows = ARENA_ARRAY(&rig->arena, struct rig_row, n);
    for (size_t i = 0; i < n; i++) {
        random_columns(rig, &rows[i]);
        rows[i].v[C_ID] = rig_int((int64_t)i);
        rows[i].sql = rig_sql(rig, "INSERT INTO t VALUES(%s)", values_sql(rig, &rows[i]));
    }
    return rows;
}

static struct plan_node *table_source(struct rig *rig)
{
    struct plan_node *n = rig_node(rig, PLAN_SOURCE, MODE_UPSERT, TABLE, NULL, NULL);
    rig_key(rig, n, 1, (unsigned[]){C_ID});
    return n;
}

/* ---- GROUP BY. */

#define RESULTS "N BIGINT,NV BIGINT,SV BIGINT,AV DOUBLE,MINV INT,MAXV INT,SD DOUBLE,AD DOUBLE,MIND DOUBLE,MINS VARCHAR,MAXS VARCHAR"
#define RESULTS_SQL "count(*), count(v), sum(v), avg(v), min(v), max(v), sum(d), avg(d), min(d), min(s), max(s)"
enum { NAGGS = 11 };

static void set_aggs(struct rig *rig, struct plan_node *n, const struct plan_node *rows)
{
    static const struct {
        enum agg_kind kind;
        int col;
    } aggs[NAGGS] = {{AGG_COUNT_STAR, -1}, {AGG_COUNT, C_V}, {AGG_SUM, C_V}, {AGG_AVG, C_V}, {AGG_MIN, C_V}, {AGG_MAX, C_V},
                     {AGG_SUM, C_D},       {AGG_AVG, C_D},   {AGG_MIN, C_D}, {AGG_MIN, C_S}, {AGG_MAX, C_S}};
    n->naggs = NAGGS;
    n->aggs = ARENA_ARRAY(&rig->arena, struct agg, NAGGS);
    for (unsigned i = 0; i < NAGGS; i++)
        n->aggs[i] = rig_agg(rig, aggs[i].kind, rows, aggs[i].col);
}

static const struct {
    unsigned n, cols[2];
    const char *columns, *sql;
} groupings[] = {
    {1, {C_G}, "G BIGINT,", "g"},          {1, {C_H}, "H VARCHAR,", "h"}, {1, {C_V}, "V INT,", "v"},
    {2, {C_H, C_G}, "H VARCHAR,G BIGINT,", "h, g"}, {1, {C_D}, "D DOUBLE,", "d"},
};

static struct plan_node *group_node(struct rig *rig, unsigned g, struct plan_node *in)
{
    struct plan_node *n = rig_node(rig, PLAN_AGGREGATE, MODE_RETRACT, rig_sql(rig, "%s" RESULTS, groupings[g].columns), in, NULL);
    n->ngroup = groupings[g].n;
    n->group_cols = rig_cols(rig, n->ngroup, groupings[g].cols);
    rig_key(rig, n, n->ngroup, (unsigned[]){0, 1});
    set_aggs(rig, n, in);
    return n;
}

static char *group_sql(struct rig *rig, unsigned g)
{
    return rig_sql(rig, "SELECT %s, " RESULTS_SQL " FROM t GROUP BY %s", groupings[g].sql, groupings[g].sql);
}

/* Rows that delete all keys of a table. */
static struct rig_row *delete_all(struct rig *rig, unsigned keys, unsigned input, const char *name)
{
    struct rig_row *rows = ARENA_ARRAY(&rig->arena, struct rig_row, keys);
    for (unsigned i = 0; i < keys; i++) {
        random_columns(rig, &rows[i]);
        rows[i].input = input;
        rows[i].v[C_ID] = rig_int(i);
        rows[i].weight = -1;
        rows[i].sql = rig_sql(rig, "DELETE FROM %s WHERE id = %u", name, i);
    }
    return rows;
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

static void run_group_by_table(uint64_t seed)
{
    struct rig rig;
    rig_init(&rig, seed);
    unsigned g = (unsigned)random_below(&rig.r, ARRAY_LEN(groupings));
    struct plan_node *src = table_source(&rig);
    struct plan_node *norm = rig_node(&rig, PLAN_NORMALIZE, MODE_RETRACT, TABLE, src, NULL);
    rig_op(&rig, norm, 1, 0);
    struct plan_node *group = group_node(&rig, g, norm);
    rig_op(&rig, group, -1, 0);
    rig_start(&rig);
    create(&rig, "t", true);
    struct rig_row *rows = table_rows(&rig, 400, 30, 1, (const char *const[]){"t"});
    rig_run(&rig, rows, 400, group_sql(&rig, g));
    rig_run(&rig, delete_all(&rig, 30, 0, "t"), 30, group_sql(&rig, g));
    assert_int_equal(rig.nerrors, 0);
    assert_int_equal(kv_count(rig.shown) + rig_live(&rig, norm, 0), 0);
    assert_int_equal(rig_live(&rig, group, 0) + rig_live(&rig, group, 1), 0);
    run_on_damaged_state(&rig, rows, 50);
    rig_fini(&rig);
}

/* GROUP BY over a table follows its inserts, updates and deletes exactly, groups coming and going; of an empty table no
 * state is left. */
static void test_group_by_table(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(60); i++)
        run_group_by_table(seed + (uint64_t)i);
}

/* The partial's output columns for the aggregates above. */
static struct plan_node *partial_node(struct rig *rig, unsigned g, struct plan_node *in)
{
    struct plan_node *n = group_node(rig, g, in);
    n->phase = AGG_PARTIAL;
    n->mode = MODE_APPEND;
    n->nkey = 0;
    n->out.cols = ARENA_ARRAY(&rig->arena, struct column, 64);
    n->out.n = 0;
    for (unsigned i = 0; i < n->ngroup; i++)
        n->out.cols[n->out.n++] = in->out.cols[n->group_cols[i]];
    for (unsigned i = 0; i < n->naggs; i++) {
        struct type types[4];
        unsigned k = agg_partial_columns(&n->aggs[i], n->aggs[i].arg ? n->aggs[i].arg->type : TYPE(T_BIGINT), types);
        for (unsigned j = 0; j < k; j++)
            n->out.cols[n->out.n++] = (struct column){"P", types[j]};
    }
    return n;
}

static void run_group_by_stream(uint64_t seed, bool partial)
{
    struct rig rig;
    rig_init(&rig, seed);
    unsigned g = (unsigned)random_below(&rig.r, ARRAY_LEN(groupings));
    struct plan_node *src = rig_node(&rig, PLAN_SOURCE, MODE_APPEND, TABLE, NULL, NULL), *in = src;
    if (partial) {
        in = partial_node(&rig, g, src);
        rig_op(&rig, in, 1, 0);
    }
    struct plan_node *n = group_node(&rig, g, src);
    if (partial) {
        n->phase = AGG_FINAL;
        n->inputs[0] = in;
        n->group_cols = rig_cols(&rig, n->ngroup, (unsigned[]){0, 1});
    }
    rig_op(&rig, n, -1, 0);
    rig_start(&rig);
    create(&rig, "t", false);
    rig_run(&rig, stream_rows(&rig, 300), 300, group_sql(&rig, g));
    assert_int_equal(rig.nerrors, 0);
    rig_fini(&rig);
}

/* GROUP BY over a stream, at once or pre-aggregated, is the batch answer at every commit. */
static void test_group_by_stream(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(60); i++)
        run_group_by_stream(seed + (uint64_t)i, i % 2);
}

/* ---- Joins of tables. */

/* Rows of both inputs of a join: a table's changes, or rows that only come. */
static struct rig_row *join_rows(struct rig *rig, size_t n, const bool *append)
{
    static const char *const names[] = {"l", "r"};
    struct rig_row *rows = table_rows(rig, n, 8, 2, names);
    for (size_t i = 0; i < n; i++) {
        if (!append[rows[i].input])
            continue;
        rows[i].weight = 1;
        rows[i].sql = rig_sql(rig, "INSERT INTO %s VALUES(%s)", names[rows[i].input], values_sql(rig, &rows[i]));
    }
    return rows;
}

static struct plan_node *join_node(struct rig *rig, enum join_kind kind, const bool *append)
{
    struct plan_node *in[2];
    for (unsigned s = 0; s < 2; s++) {
        in[s] = table_source(rig);
        if (append[s]) {
            in[s]->mode = MODE_APPEND;
            rig->entry[s].input = s;
        } else {
            in[s] = rig_node(rig, PLAN_NORMALIZE, MODE_RETRACT, TABLE, in[s], NULL);
            rig->entry[s].op = rig_op(rig, in[s], 2 - append[0] - append[1], s);
        }
    }
    for (unsigned s = 0; s < 2; s++)
        if (append[s])
            rig->entry[s].op = rig->nops;
    bool half = kind == JOIN_SEMI || kind == JOIN_ANTI, only = append[0] && append[1] && (kind == JOIN_INNER || kind == JOIN_SEMI);
    struct plan_node *join = rig_node(rig, PLAN_JOIN_TABLE, only ? MODE_APPEND : MODE_RETRACT, half ? TABLE : TABLE "," TABLE,
                                      in[0], in[1]);
    join->join = kind;
    return join;
}

static const struct expr *residual(struct rig *rig, const char *func, const struct plan_node *join, unsigned l, unsigned r)
{
    struct expr *right = ARENA_NEW(&rig->arena, struct expr);
    *right = (struct expr){.kind = EX_COLUMN, .type = join->inputs[1]->out.cols[r].type, .column = NCOLS + r};
    return rig_call(rig, func, rig_column(rig, join->inputs[0], l), right);
}

static void run_join(uint64_t seed)
{
    static const char *const joins[] = {"JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN", "", "NOT"};
    static const struct {
        unsigned n, left[2], right[2];
        const char *on;
    } ons[] = {{1, {C_ID}, {C_ID}, "l.id = r.id"}, {1, {C_G}, {C_ID}, "l.g = r.id"}, {0, {0}, {0}, "1"},
               {1, {C_H}, {C_H}, "l.h = r.h"},      {2, {C_G, C_H}, {C_G, C_H}, "l.g = r.g AND l.h = r.h"}};
    static const struct {
        const char *func, *on;
        unsigned left, right;
    } rests[] = {{"<", "l.v < r.v", C_V, C_V}, {">", "l.d > r.d", C_D, C_D}, {"<>", "l.s <> r.s", C_S, C_S}};
    struct rig rig;
    rig_init(&rig, seed);
    unsigned on = (unsigned)random_below(&rig.r, ARRAY_LEN(ons)), rest = (unsigned)random_below(&rig.r, 2 * ARRAY_LEN(rests));
    bool append[2] = {random_chance(&rig.r, 0.3), random_chance(&rig.r, 0.3)}, rested = rest < ARRAY_LEN(rests);
    struct plan_node *join = join_node(&rig, (enum join_kind)random_below(&rig.r, ARRAY_LEN(joins)), append);
    join->njoin = ons[on].n;
    join->left_cols = rig_cols(&rig, ons[on].n, ons[on].left);
    join->right_cols = rig_cols(&rig, ons[on].n, ons[on].right);
    if (rested)
        join->residual = residual(&rig, rests[rest].func, join, rests[rest].left, rests[rest].right);
    rig_op(&rig, join, -1, 0);
    rig_start(&rig);
    create(&rig, "l", !append[0]);
    create(&rig, "r", !append[1]);
    size_t n = ons[on].n && !append[0] && !append[1] ? 250 : 80;
    struct rig_row *rows = join_rows(&rig, n, append);
    const char *cond = rig_sql(&rig, "%s AND %s", ons[on].on, rested ? rests[rest].on : "1");
    const char *sql = join->join < JOIN_SEMI ? rig_sql(&rig, "SELECT l.*, r.* FROM l %s r ON %s", joins[join->join], cond)
                                             : rig_sql(&rig, "SELECT * FROM l WHERE %s EXISTS(SELECT 1 FROM r WHERE %s)",
                                                       joins[join->join], cond);
    rig_run(&rig, rows, n, sql);
    if (!append[0])
        rig_run(&rig, delete_all(&rig, 8, 0, "l"), 8, sql);
    if (!append[1])
        rig_run(&rig, delete_all(&rig, 8, 1, "r"), 8, sql);
    if (!append[0] && !append[1])
        assert_int_equal(kv_count(rig.shown) + rig_live(&rig, join, 0) + rig_live(&rig, join, 1), 0);
    run_on_damaged_state(&rig, rows, 50);
    rig_fini(&rig);
}

/* A join of any kind of two tables or streams, by key, foreign key, several columns or none, with or without another
 * condition, is the batch answer at every commit. */
static void test_join_tables(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    if (sqlite3_libversion_number() < 3039000)
        fail_msg("SQLite before 3.39 has no FULL JOIN");
    for (int64_t i = 0; i < test_rounds(300); i++)
        run_join(seed + (uint64_t)i);
}

/* ---- Sinks. */

/* What a topic holds: the last value of each key. */
static void apply_records(const struct rig *rig, struct kv *topic, size_t from, bool changes_only)
{
    for (size_t i = from; i < rig->committed_records; i++) {
        const struct rig_record *r = &rig->records[i];
        struct str before = kv_get(topic, r->key);
        if (changes_only) /* no record says what the topic says already */
            assert_false(r->value.ptr ? before.ptr && str_eq(before, r->value) : !before.ptr);
        if (r->value.ptr)
            kv_put(topic, r->key, r->value);
        else
            kv_remove(topic, r->key);
    }
}

struct table_shown {
    struct rig *rig;
    struct kv *topic;
    size_t rows;
};

static int shown_cb(void *arg, struct batch *b)
{
    struct table_shown *s = arg;
    batch_check(b);
    for (uint32_t i = 0; i < b->nsel; i++) {
        struct wbuf key, value;
        wbuf_init(&key);
        wbuf_init(&value);
        for (unsigned c = 0; c < b->ncols; c++) {
            struct value v = batch_value(b, c, i);
            struct wbuf *out = c == 0 ? &key : &value;
            if (c > 1)
                wbuf_u8(out, ',');
            if (!v.null)
                value_format(&v, out);
        }
        struct str in_topic = kv_get(s->topic, wbuf_view(&key));
        if (!in_topic.ptr || !str_eq(in_topic, wbuf_view(&value)))
            fail_msg("key %.*s shows %.*s, the topic %.*s", STR_ARG(wbuf_view(&key)), STR_ARG(wbuf_view(&value)), STR_ARG(in_topic));
        wbuf_fini(&key);
        wbuf_fini(&value);
    }
    s->rows += b->nsel;
    return 0;
}

/* A scan of the operator gives so many rows, all of them as the topic has them. */
static void expect_scan(struct rig *rig, unsigned at, struct kv *topic, size_t rows)
{
    struct table_shown s = {rig, topic, 0};
    assert_int_equal(rig_scan(rig, rig->ops[at], STR(""), shown_cb, &s), 0);
    assert_int_equal(s.rows, rows);
}

static struct plan_node *sink_node(struct rig *rig, struct plan_node *in, unsigned nkey, unsigned nvalue, const unsigned *cols)
{
    struct plan_node *n = rig_node(rig, PLAN_SINK_TOPIC, in->mode, "", in, NULL);
    n->format = (struct row_format){.key = {.kind = FORMAT_DELIMITED, .delimiter = ','},
                                    .value = {.kind = FORMAT_DELIMITED, .delimiter = ','},
                                    .nkey = nkey, .nvalue = nvalue, .ts_column = -1};
    n->sink_cols = rig_cols(rig, nkey + nvalue, cols);
    n->format.key_cols = ARENA_ARRAY(&rig->arena, struct column, nkey + nvalue + 1);
    n->format.value_cols = n->format.key_cols + nkey;
    for (unsigned i = 0; i < nkey + nvalue; i++)
        n->format.key_cols[i] = in->out.cols[cols[i]];
    return n;
}

static void run_sink(uint64_t seed)
{
    struct rig rig;
    rig_init(&rig, seed);
    bool retract = random_chance(&rig.r, 0.5);
    struct plan_node *src = table_source(&rig), *in = src;
    if (retract) {
        in = rig_node(&rig, PLAN_NORMALIZE, MODE_RETRACT, TABLE, src, NULL);
        rig_op(&rig, in, 1, 0);
    }
    unsigned at = rig_op(&rig, sink_node(&rig, in, 1, 2, (unsigned[]){C_ID, C_V, C_G}), -1, 0);
    rig_start(&rig);
    struct rig_row *rows = table_rows(&rig, 300, 12, 1, (const char *const[]){"t"});
    struct kv *topic = kv_new(true, NULL);
    size_t seen = 0, pos = 0, committed = 0;
    while (committed < 300) {
        unsigned want = 1 + (unsigned)random_below(&rig.r, MIN(ENGINE_BATCH_ROWS, 30)), n = (unsigned)MIN(want, 300 - pos);
        if (n)
            rig_push(&rig, &rows[pos], n);
        pos += n;
        if (random_chance(&rig.r, 0.1)) {
            rig_crash(&rig);
            pos = committed;
            continue;
        }
        if (pos < 300 && random_chance(&rig.r, 0.5))
            continue;
        rig_marker(&rig);
        rig_commit(&rig);
        committed = pos;
        apply_records(&rig, topic, seen, true);
        seen = rig.committed_records;
        expect_scan(&rig, at, topic, kv_count(topic));
        arena_reset(&rig.turn);
    }
    /* The end: what the rows say, key by key. */
    for (int64_t id = 0; id < 12; id++) {
        const struct rig_row *last = NULL;
        for (size_t i = 0; i < 300; i++)
            if (rows[i].v[C_ID].i == id)
                last = &rows[i];
        struct str value = kv_get(topic, str_of(rig_sql(&rig, "%" PRId64, id)));
        assert_int_equal(value.ptr != NULL, last && last->weight > 0);
    }
    run_on_damaged_state(&rig, rows, 50);
    kv_free(topic);
    rig_fini(&rig);
}

/* A table's topic gets at most one record per key and epoch, none that changes nothing, and holds what a scan shows. */
static void test_sink_table(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(60); i++)
        run_sink(seed + (uint64_t)i);
}

/* Groups -> what is picked of them, or computed -> those that pass: a table that keeps no rows of its own. Value
 * columns: as many as counts that say something about a change; HAVING lets rows go and come. */
static struct plan_node *derived_sink(struct rig *rig, bool retract, bool filters, bool picks)
{
    struct plan_node *src = table_source(rig), *in = src;
    if (retract) {
        in = rig_node(rig, PLAN_NORMALIZE, MODE_RETRACT, TABLE, src, NULL);
        rig_op(rig, in, (int)rig->nops + 1, 0);
    } else {
        src->mode = MODE_APPEND;
    }
    struct plan_node *n = rig_node(rig, PLAN_AGGREGATE, MODE_RETRACT, "G BIGINT,N BIGINT,SV BIGINT,M INT", in, NULL);
    n->ngroup = 1;
    n->group_cols = rig_cols(rig, 1, (unsigned[]){C_ID});
    rig_key(rig, n, 1, (unsigned[]){0});
    n->naggs = 3;
    n->aggs = ARENA_ARRAY(&rig->arena, struct agg, 3);
    n->aggs[0] = rig_agg(rig, AGG_COUNT_STAR, in, -1);
    n->aggs[1] = rig_agg(rig, AGG_SUM, in, C_V);
    n->aggs[2] = retract ? rig_agg(rig, AGG_AVG, in, C_V) : rig_agg(rig, AGG_MAX, in, C_V);
    n->out.cols[3].type = n->aggs[2].type;
    rig_op(rig, n, (int)rig->nops + 1, 0);
    if (filters) {
        struct plan_node *f = rig_node(rig, PLAN_FILTER, MODE_RETRACT, "", n, NULL);
        f->out = n->out;
        f->predicate = rig_call(rig, ">", rig_column(rig, n, 2), rig_const(rig, rig_int(0)));
        rig_op(rig, f, (int)rig->nops + 1, 0);
        n = f;
    }
    if (picks) { /* not all columns: some changes change nothing */
        struct plan_node *p = rig_node(rig, PLAN_PROJECT, MODE_RETRACT, "X BIGINT,G BIGINT,SV BIGINT", n, NULL);
        const struct expr **exprs = (const struct expr **)ARENA_ARRAY(&rig->arena, const struct expr *, 3);
        exprs[0] = rig_call(rig, "+", rig_column(rig, n, 2), rig_const(rig, rig_int(7)));
        exprs[1] = rig_column(rig, n, 0);
        exprs[2] = rig_column(rig, n, 2);
        p->exprs = exprs;
        rig_op(rig, p, (int)rig->nops + 1, 0);
        return sink_node(rig, p, 1, 2, (unsigned[]){1, 2, 0});
    }
    return sink_node(rig, n, 1, 2, (unsigned[]){0, 1, 2});
}

static int copy_cb(void *arg, struct str key, struct str value)
{
    kv_put(arg, key, value);
    return 0;
}

/* The topic says what the batch database does. */
static void expect_topic(struct rig *rig, const struct kv *topic, const char *sql)
{
    sqlite3_stmt *st;
    size_t n = 0;
    assert_int_equal(sqlite3_prepare_v2(rig->db, sql, -1, &st, NULL), SQLITE_OK);
    for (; sqlite3_step(st) == SQLITE_ROW; n++) {
        const char *key = (const char *)sqlite3_column_text(st, 0), *value = (const char *)sqlite3_column_text(st, 1);
        struct str got = kv_get(topic, str_of(key));
        if (!got.ptr || !str_eq(got, str_of(value)))
            fail_msg("key %s: %.*s instead of %s", key, STR_ARG(got), value);
    }
    sqlite3_finalize(st);
    assert_int_equal(n, kv_count(topic));
}

static void run_derived(uint64_t seed)
{
    struct rig rig;
    rig_init(&rig, seed);
    bool retract = random_chance(&rig.r, 0.6), filters = random_chance(&rig.r, 0.6), picks = random_chance(&rig.r, 0.5);
    struct plan_node *sink = derived_sink(&rig, retract, filters, picks);
    assert_non_null(plan_derives(sink));
    sink->derived = true;
    unsigned at = rig_op(&rig, sink, -1, 0);
    rig_start(&rig);
    create(&rig, "t", retract);
    const char *values = picks ? "ifnull(sum(v), '') || ',' || ifnull(sum(v) + 7, '')" : "count(*) || ',' || ifnull(sum(v), '')";
    const char *sql = rig_sql(&rig, "SELECT id, %s FROM t GROUP BY id %s", values, filters ? "HAVING sum(v) > 0" : "");
    struct rig_row *rows = retract ? table_rows(&rig, 300, 30, 1, (const char *const[]){"t"}) : stream_rows(&rig, 300);
    for (size_t i = 0; !retract && i < 300; i++) {
        rows[i].v[C_ID] = rig_int((int64_t)random_below(&rig.r, 30));
        rows[i].sql = rig_sql(&rig, "INSERT INTO t VALUES(%s)", values_sql(&rig, &rows[i]));
    }
    struct kv *topic = kv_new(true, NULL), *then = kv_new(true, NULL);
    struct table_shown walked = {&rig, then, 0};
    struct sink_scan *walk = NULL;
    size_t seen = 0, pos = 0, committed = 0;
    while (committed < 300) {
        unsigned want = 1 + (unsigned)random_below(&rig.r, MIN(ENGINE_BATCH_ROWS, 30)), n = (unsigned)MIN(want, 300 - pos);
        if (n)
            rig_push(&rig, &rows[pos], n);
        pos += n;
        if (random_chance(&rig.r, 0.1)) {
            if (walk)
                sink_scan_close(walk);
            walk = NULL;
            rig_crash(&rig);
            pos = committed;
            continue;
        }
        if (!walk && random_chance(&rig.r, 0.5)) { /* it sees this commit, whatever comes while it goes on */
            kv_clear(then);
            kv_scan(topic, STR(""), copy_cb, then);
            walked.rows = 0;
            walk = sink_scan_open(rig.ops[at], STR(""));
        }
        if (pos < 300 && random_chance(&rig.r, 0.5))
            continue;
        rig_marker(&rig);
        if (walk && rig_scan_step(&rig, rig.ops[at], walk, shown_cb, &walked)) {
            assert_int_equal(walked.rows, kv_count(then));
            sink_scan_close(walk);
            walk = NULL;
        }
        rig_commit(&rig);
        for (; committed < pos; committed++)
            rig_exec(&rig, rows[committed].sql);
        apply_records(&rig, topic, seen, true);
        seen = rig.committed_records;
        expect_topic(&rig, topic, sql);
        expect_scan(&rig, at, topic, kv_count(topic));
        arena_reset(&rig.turn);
    }
    assert_int_equal(rig_live(&rig, sink, 0), 0);
    if (walk)
        sink_scan_close(walk);
    kv_free(topic);
    kv_free(then);
    rig_fini(&rig);
}

/* A table whose rows are groups says in its topic and to readers, those that began some commits ago too, what the batch
 * database says, without a row in the changelog. */
static void test_sink_derived(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(150); i++)
        run_derived(seed + (uint64_t)i);
}

/* Rows marked but not committed are not shown; a key found past the committed end is written again, if it is there. */
static void test_sink_overlay_and_dirty(void **state)
{
    (void)state;
    struct rig rig;
    rig_init(&rig, 1);
    struct plan_node *src = table_source(&rig);
    rig_op(&rig, sink_node(&rig, src, 1, 1, (unsigned[]){C_ID, C_V}), -1, 0);
    rig_start(&rig);
    struct rig_row *rows = table_rows(&rig, 2, 1, 1, (const char *const[]){"t"});
    rows[0].weight = 1;
    rows[0].v[C_V] = rig_i32(5);
    rig_push(&rig, rows, 1);
    rig_marker(&rig);
    struct kv *topic = kv_new(true, NULL);
    expect_scan(&rig, 0, topic, 0);
    rig_commit(&rig);
    rig_crash(&rig);
    rig_load_all(&rig, rig.nodes[0], 0);
    assert_true(sink_table_dirty(rig.ops[0], STR("0")));
    assert_false(sink_table_dirty(rig.ops[0], STR("77")));
    size_t before = rig.nrecords;
    rig_marker(&rig);
    rig_commit(&rig);
    assert_int_equal(rig.nrecords, before + 1);
    assert_true(str_eq(rig.records[before].value, STR("5")));
    rig_marker(&rig);
    assert_int_equal(rig.nrecords, before + 1);
    rig_commit(&rig);
    kv_free(topic);
    rig_fini(&rig);
}

/* The changes that a query of a table is given add up to the table, each epoch's going before coming. */
static void test_query_of_table(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t i = 0; i < test_rounds(30); i++) {
        struct rig rig;
        rig_init(&rig, seed + (uint64_t)i);
        struct plan_node *norm = rig_node(&rig, PLAN_NORMALIZE, MODE_RETRACT, TABLE, table_source(&rig), NULL);
        rig_key(&rig, norm, 1, (unsigned[]){C_ID});
        rig_op(&rig, norm, 1, 0);
        rig_op(&rig, rig_node(&rig, PLAN_SINK_QUERY, MODE_RETRACT, TABLE, norm, NULL), -1, 0);
        rig_start(&rig);
        create(&rig, "t", true);
        rig_run(&rig, table_rows(&rig, 200, 10, 1, (const char *const[]){"t"}), 200, "SELECT * FROM t");
        rig_fini(&rig);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_group_by_table), cmocka_unit_test(test_group_by_stream), cmocka_unit_test(test_join_tables),
        cmocka_unit_test(test_sink_table),
        cmocka_unit_test(test_sink_derived),     cmocka_unit_test(test_sink_overlay_and_dirty),
        cmocka_unit_test(test_query_of_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
