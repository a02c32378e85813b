/* How good messages are, measured (ClickHouse#116806's method): statements that are right are damaged at random, and
 * the reported place is compared with the damaged one; names get one wrong letter, and the hint must give the right
 * name. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/lib/seed.h"
#include "tests/lib/sqlworld.h"
#include "tests/unit/unit.h"

static const char *const catalog[] = {
    ("CREATE STREAM flights (origin VARCHAR KEY, dest VARCHAR, delay INT, distance DOUBLE, departed TIMESTAMP, carrier "
     "VARCHAR);"),
    "CREATE TABLE airports (iata VARCHAR PRIMARY KEY, name VARCHAR, state VARCHAR, latitude DOUBLE);",
    "CREATE TABLE states (code VARCHAR PRIMARY KEY, title VARCHAR, people BIGINT);",
    "CREATE TABLE totals AS SELECT origin, COUNT(*) AS amount, SUM(distance) AS miles FROM flights GROUP BY origin;",
};
static const char *const corpus[] = {
    "SELECT origin, dest, delay FROM flights WHERE delay > 15 AND carrier = 'UA' EMIT CHANGES LIMIT 10;",
    "SELECT carrier, COUNT(*) AS amount, AVG(delay) FROM flights GROUP BY carrier HAVING COUNT(*) > 100 EMIT CHANGES;",
    ("SELECT origin, WINDOWSTART, MAX(delay) FROM flights WINDOW TUMBLING (SIZE 1 HOUR, GRACE PERIOD 10 MINUTES) WHERE "
     "distance BETWEEN 100 AND 500 GROUP BY origin EMIT FINAL;"),
    ("SELECT flights.origin, airports.name FROM flights LEFT JOIN airports ON flights.dest = airports.iata EMIT "
     "CHANGES;"),
    ("SELECT a.name, s.title FROM airports AS a JOIN states AS s ON a.state = s.code WHERE s.people > 1000000 EMIT "
     "CHANGES;"),
    "SELECT state, COUNT(*) AS amount FROM airports GROUP BY state ORDER BY amount DESC LIMIT 5;",
    ("SELECT CASE WHEN delay > 60 THEN 'very late' WHEN delay > 15 THEN 'late' ELSE 'fine' END AS grade, origin\n"
     "FROM flights\nWHERE carrier IN ('UA', 'AA', 'DL')\nEMIT CHANGES;"),
    "SELECT UCASE(name), SUBSTRING(name, 1, 3), ROUND(latitude, 2), CAST(latitude AS DECIMAL(9, 4)) FROM airports;",
    "SELECT origin, amount FROM totals WHERE miles > 5000 ORDER BY miles DESC, origin;",
    ("CREATE TABLE busy WITH (PARTITIONS = 2, VALUE_FORMAT = 'JSON') AS SELECT dest, COUNT(*) AS amount FROM flights "
     "WHERE "
     "delay IS NOT NULL GROUP BY dest HAVING COUNT(*) > 10;"),
    ("CREATE STREAM late AS SELECT origin, dest, delay * 60 AS seconds FROM flights WHERE NOT carrier LIKE 'U%' "
     "PARTITION BY "
     "dest EMIT CHANGES;"),
    ("CREATE STREAM orders (id BIGINT KEY, customer VARCHAR, amount DECIMAL(10, 2), placed TIMESTAMP) WITH (TOPIC = "
     "'orders', "
     "PARTITIONS = 8, TIMESTAMP = 'placed');"),
    ("CREATE TABLE customers (id BIGINT PRIMARY KEY, name VARCHAR, city VARCHAR) WITH (FORMAT = 'JSON', PARTITIONS = "
     "4);"),
    "INSERT INTO flights (origin, dest, delay, carrier) VALUES ('SFO', 'JFK', 12, 'UA'), ('LAX', 'ORD', -3, 'AA');",
    "INSERT INTO states VALUES ('CA', 'California', 39000000);",
    "EXPLAIN SELECT origin, SUM(distance) AS miles FROM flights GROUP BY origin EMIT CHANGES;",
    "DROP STREAM IF EXISTS nothing DELETE TOPIC;",
    "DESCRIBE airports EXTENDED;",
    "PRINT flights FROM BEGINNING LIMIT 3;",
    "SHOW STREAMS;",
};

static struct sqlworld world;
static struct random dice;

static int setup(void **state)
{
    (void)state;
    random_seed(&dice, test_seed());
    sqlworld_init(&world);
    for (unsigned i = 0; i < ARRAY_LEN(catalog); i++)
        assert_int_equal(sqlworld_run(&world, str_of(catalog[i])), 0);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    sqlworld_fini(&world);
    return 0;
}

/* Prepares without carrying out: the catalog stays as it is. */
static int prepare(struct str sql)
{
    struct statement_env env = {.image = world.image,
                                .props = &world.props,
                                .vars = &world.vars,
                                .random = &world.random,
                                .default_partitions = 4};
    prepared_fini(&world.last);
    arena_reset(&world.arena);
    world.diag = (struct diag){0};
    return statement_prepare(&world.last, sql, &env, &world.arena, &world.diag);
}

static void corpus_is_right(void **state)
{
    (void)state;
    for (unsigned i = 0; i < ARRAY_LEN(corpus); i++)
        if (prepare(str_of(corpus[i])) != 0)
            fail_msg("%s\n%d:%d %s", corpus[i], world.diag.line, world.diag.column, world.diag.text);
}

/* ---- Damage */

#define WORDS_MAX 200
static unsigned words_of(struct str sql, struct token *words)
{
    unsigned n = 0;
    struct token t;
    for (size_t pos = 0; (t = lex_next(sql, pos)).cls != LEX_END; pos += t.place.len)
        if (t.cls != LEX_BLANK && t.cls != LEX_SEMICOLON && n < WORDS_MAX)
            words[n++] = t;
    return n;
}

struct damaged {
    char text[1000];
    size_t len, at; /* where the damage is */
};

static void put(struct damaged *d, const char *p, size_t n)
{
    memcpy(d->text + d->len, p, n);
    d->len += n;
}

enum damage { LETTER_LOST, LETTERS_SWAPPED, WORD_LOST, WORD_TWICE, MARK_ADDED, DAMAGES };

/* False: this damage does not apply to this word. */
static bool damage(struct str sql, const struct token *word, enum damage kind, struct damaged *d)
{
    size_t pos = word->place.pos, len = word->place.len, end = pos + len, cut = pos + random_below(&dice, len);
    bool letters = word->cls == LEX_KEYWORD || word->cls == LEX_NAME;
    static const char marks[] = ",()=.;#'";
    d->len = 0;
    d->at = pos;
    put(d, sql.ptr, pos);
    switch (kind) {
    case LETTER_LOST:
        if (!letters && word->cls != LEX_STRING)
            return false;
        put(d, sql.ptr + pos, cut - pos);
        put(d, sql.ptr + cut + 1, end - cut - 1);
        break;
    case LETTERS_SWAPPED:
        if (!letters || len < 2)
            return false;
        cut = pos + random_below(&dice, len - 1);
        put(d, sql.ptr + pos, len);
        d->text[cut] = sql.ptr[cut + 1];
        d->text[cut + 1] = sql.ptr[cut];
        break;
    case WORD_LOST:
        break;
    case WORD_TWICE:
        put(d, sql.ptr + pos, len);
        put(d, " ", 1);
        put(d, sql.ptr + pos, len);
        d->at = end + 1;
        break;
    default:
        put(d, &marks[random_below(&dice, sizeof marks - 1)], 1);
        put(d, " ", 1);
        put(d, sql.ptr + pos, len);
    }
    put(d, sql.ptr + end, sql.len - end);
    return true;
}

static size_t reported(struct str sql)
{
    size_t pos = 0;
    for (int line = world.diag.line; line > 1 && pos < sql.len; pos++)
        line -= sql.ptr[pos] == '\n';
    return pos + (size_t)MAX(world.diag.column - 1, 0);
}

static unsigned lines_of(struct str sql)
{
    struct wbuf w;
    unsigned n = 0;
    wbuf_init(&w);
    diag_show(&world.diag, sql, &w);
    for (size_t i = 0; i < w.len; i++)
        n += w.data[i] == '\n';
    wbuf_fini(&w);
    return n;
}

#define TRIES 4000
static int cmp_size(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return x < y ? -1 : x > y;
}

/* Half of all errors are reported at the damaged place, four of five within five bytes; no message exceeds six lines.
 */
static void places_are_near(void **state)
{
    (void)state;
    static size_t distances[TRIES];
    struct token words[WORDS_MAX];
    struct damaged d;
    size_t n = 0, near = 0;
    for (unsigned i = 0; i < TRIES; i++) {
        struct str sql = str_of(corpus[random_below(&dice, ARRAY_LEN(corpus))]);
        unsigned nwords = words_of(sql, words);
        if (!damage(sql, &words[random_below(&dice, nwords)], (enum damage)random_below(&dice, DAMAGES), &d))
            continue;
        struct str text = {d.text, d.len};
        if (prepare(text) == 0 || world.diag.line == 0)
            continue;
        size_t at = reported(text);
        distances[n] = at > d.at ? at - d.at : d.at - at;
        near += distances[n] <= 5;
        if (distances[n] > 5 && getenv("SHOW"))
            printf("%zu: %.*s\n   %d %s (%s)\n", distances[n], STR_ARG(text), world.diag.column, world.diag.text,
                   world.diag.hint);
        n++;
        assert_true(lines_of(text) <= 6);
    }
    qsort(distances, n, sizeof *distances, cmp_size);
    printf("%zu errors: median distance %zu, within 5 bytes %.1f %%, largest %zu\n", n, distances[n / 2],
           100.0 * (double)near / (double)n, distances[n - 1]);
    assert_true(n > TRIES / 2);
    assert_true(distances[n / 2] <= 1);
    assert_true(near * 100 >= n * 80);
}

/* ---- One wrong letter */

static bool is_known_name(struct str word)
{
    static const char *const names[] = {"flights",  "airports", "states", "totals",   "origin", "dest",   "delay",
                                        "distance", "carrier",  "name",   "latitude", "title",  "people", "amount",
                                        "miles",    "COUNT",    "AVG",    "SUM",      "UCASE",  "ROUND",  "SUBSTRING"};
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq(word, str_of(names[i])))
            return true;
    return false;
}

/* Nine of ten names with one wrong letter get the right name as a hint. */
static void names_are_guessed(void **state)
{
    (void)state;
    struct token words[WORDS_MAX];
    unsigned tried = 0, guessed = 0;
    for (unsigned i = 0; i < TRIES; i++) {
        struct str sql = str_of(corpus[random_below(&dice, 9)]);
        unsigned nwords = words_of(sql, words);
        const struct token *word = &words[random_below(&dice, nwords)];
        struct str name = {sql.ptr + word->place.pos, word->place.len};
        char text[1000];
        if (word->cls != LEX_NAME || !is_known_name(name))
            continue;
        memcpy(text, sql.ptr, sql.len);
        size_t at = word->place.pos + random_below(&dice, name.len);
        text[at] = (char)('a' + random_below(&dice, 26));
        if (text[at] == (sql.ptr[at] | 32) || prepare((struct str){text, sql.len}) == 0)
            continue;
        tried++;
        char hint[sizeof world.diag.hint + 1], want[80];
        snprintf(hint, sizeof hint, "%s", world.diag.hint);
        snprintf(want, sizeof want, "%.*s", STR_ARG(name));
        guessed += strcasestr(hint, want) != NULL;
        if (!strcasestr(hint, want) && getenv("SHOW"))
            printf("%.*s\n   %s (%s)\n", (int)sql.len, text, world.diag.text, hint);
    }
    printf("%u names with one wrong letter: %.1f %% guessed\n", tried, 100.0 * guessed / tried);
    assert_true(tried > 500);
    assert_true(guessed * 100 >= tried * 90);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(corpus_is_right),
        cmocka_unit_test(places_are_near),
        cmocka_unit_test(names_are_guessed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
