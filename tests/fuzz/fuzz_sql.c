/* Any bytes as a statement: lexer, parser, binder and planner over a filled catalog. What parses must print and parse
 * again to the same; splitting must end; a message must have at most six lines; a mistake of the planner's own is one; a
 * plan must be the same after it was stored and read. Files as arguments are run once each (tests/fuzz/seeds). */
#include "tests/lib/sqlworld.h"

static struct sqlworld world;

static void set_up(void)
{
    static const char *const catalog[] = {
        ("CREATE STREAM s (k VARCHAR KEY, a INT, b BIGINT, c DOUBLE, d DECIMAL(10, 2), e VARCHAR, t TIMESTAMP, o "
        "BOOLEAN, y BYTES, day DATE);"),
        "CREATE STREAM r (k VARCHAR KEY, a INT, at TIMESTAMP, WATERMARK FOR at AS at - INTERVAL '5' SECOND);",
        ("CREATE STREAM n (k INT KEY, l ARRAY<INT>, m MAP<VARCHAR, DOUBLE>, q STRUCT<a INT, b ARRAY<VARCHAR>>, "
         "i INTERVAL DAY TO SECOND);"),
        "CREATE TABLE t (k VARCHAR PRIMARY KEY, a INT, e VARCHAR);",
        "CREATE TABLE p (x INT PRIMARY KEY, z VARCHAR PRIMARY KEY, b BIGINT, l ARRAY<INT>);",
        "CREATE TABLE w AS SELECT k, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY k;",
        "CREATE TABLE g AS SELECT a, SUM(c) AS n FROM s GROUP BY a;",
        "CREATE VIEW v AS SELECT a, MAX(b) AS most FROM s GROUP BY a;",
        "CREATE TYPE address AS STRUCT<street VARCHAR, number INT>;",
    };
    sqlworld_init(&world);
    for (unsigned i = 0; i < ARRAY_LEN(catalog); i++)
        CHECK(sqlworld_run(&world, str_of(catalog[i])) == 0);
}

/* A library named by the input must not be opened. */
static bool opens_library(struct str sql)
{
    struct token t;
    for (size_t pos = 0; (t = lex_next(sql, pos)).cls != LEX_END; pos += t.place.len)
        if (str_eq_nocase((struct str){sql.ptr + t.place.pos, t.place.len}, STR("LANGUAGE")))
            return true;
    return false;
}

static void print_and_parse(struct str sql, struct arena *a)
{
    struct ast_statement *once, *twice;
    struct diag d;
    if (parse_statement(&once, sql, a, &d) != 0 || !once)
        return;
    struct wbuf first, second;
    wbuf_init(&first);
    wbuf_init(&second);
    ast_print(once, false, &first);
    if (first.len <= SQL_STATEMENT_BYTES) {
        CHECK(parse_statement(&twice, wbuf_view(&first), a, &d) == 0 && twice);
        ast_print(twice, false, &second);
        CHECK(str_eq(wbuf_view(&first), wbuf_view(&second)));
    }
    wbuf_fini(&first);
    wbuf_fini(&second);
}

static void store_and_read(const struct plan *p, struct arena *a)
{
    struct wbuf bytes, again, text[2];
    struct plan *back;
    wbuf_init(&bytes);
    wbuf_init(&again);
    plan_pack(p, &bytes);
    CHECK(plan_unpack(&back, wbuf_view(&bytes), a) == 0);
    plan_pack(back, &again);
    CHECK(str_eq(wbuf_view(&bytes), wbuf_view(&again)));
    for (unsigned i = 0; i < 2; i++) {
        wbuf_init(&text[i]);
        plan_print(i ? back : p, NULL, &text[i]);
    }
    CHECK(str_eq(wbuf_view(&text[0]), wbuf_view(&text[1])));
    for (unsigned i = 0; i < 2; i++)
        wbuf_fini(&text[i]);
    wbuf_fini(&bytes);
    wbuf_fini(&again);
}

static void prepare(struct str sql)
{
    struct statement_env env = {.image = world.image,
                                .props = &world.props,
                                .vars = &world.vars,
                                .random = &world.random,
                                .default_partitions = 4};
    struct wbuf shown;
    prepared_fini(&world.last);
    arena_reset(&world.arena);
    print_and_parse(sql, &world.arena);
    if (opens_library(sql))
        return;
    if (statement_prepare(&world.last, sql, &env, &world.arena, &world.diag) == 0) {
        if (world.last.plan)
            store_and_read(world.last.plan, &world.arena);
        return;
    }
    CHECK(!str_starts(str_of(world.diag.hint), STR("this is a mistake in weir"))); /* elsewhere it may be the input's words */
    wbuf_init(&shown);
    diag_show(&world.diag, sql, &shown);
    unsigned lines = 0;
    for (size_t i = 0; i < shown.len; i++)
        lines += shown.data[i] == '\n';
    CHECK(lines <= 6);
    wbuf_fini(&shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size}, statement;
    size_t pos = 0, before = 0;
    if (!world.image)
        set_up();
    (void)lex_state(text);
    while (lex_split(text, &pos, &statement)) {
        CHECK(pos > before);
        before = pos;
        prepare(statement);
    }
    return 0;
}
