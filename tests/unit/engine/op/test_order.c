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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_union),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
