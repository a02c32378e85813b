/* Any bytes as a statement: lexer, parser, binder and planner over a fixed catalog. What parses must print and parse
 * again to the same; splitting must end; a message must have at most six lines. */
#include "tests/lib/sqlworld.h"

static struct sqlworld world;

static void set_up(void)
{
    static const char *const catalog[] = {
        ("CREATE STREAM s (k VARCHAR KEY, a INT, b BIGINT, c DOUBLE, d DECIMAL(10, 2), e VARCHAR, t TIMESTAMP, o "
        "BOOLEAN);"),
        "CREATE TABLE t (k VARCHAR PRIMARY KEY, a INT, e VARCHAR);",
        "CREATE TABLE w AS SELECT k, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY k;",
        "CREATE TABLE g AS SELECT a, SUM(c) AS n FROM s GROUP BY a;",
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
    if (opens_library(sql) || statement_prepare(&world.last, sql, &env, &world.arena, &world.diag) == 0)
        return;
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
