/* Objects of the catalog: what is packed comes back; damaged bodies are refused, never believed. Session settings. */
#include "tests/lib/seed.h"
#include "tests/lib/sqlworld.h"
#include "tests/unit/unit.h"

static struct sqlworld world;
static struct arena arena;

static int setup(void **state)
{
    static const char *const statements[] = {
        ("CREATE STREAM s (k VARCHAR KEY, a INT, d DECIMAL(10, 2), t VARCHAR) WITH (TOPIC = 'other', TIMESTAMP = 't', "
         "TIMESTAMP_FORMAT = 'yyyy-MM-dd', VALUE_FORMAT = 'DELIMITED', VALUE_DELIMITER = ';');"),
        "CREATE TABLE w AS SELECT k, COUNT(*) AS n FROM s WINDOW TUMBLING (SIZE 1 MINUTE) GROUP BY k;",
    };
    (void)state;
    sqlworld_init(&world);
    arena_init(&arena);
    for (unsigned i = 0; i < ARRAY_LEN(statements); i++)
        assert_int_equal(sqlworld_run(&world, str_of(statements[i])), 0);
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    sqlworld_fini(&world);
    arena_fini(&arena);
    return 0;
}

/* A relation comes back as it was declared, whatever case its name is asked for in. */
static void relations_come_back(void **state)
{
    (void)state;
    struct relation *s = relation_find(world.image, STR("S"), &arena, NULL),
                    *w = relation_find(world.image, STR("w"), &arena, NULL);
    assert_non_null(s);
    assert_string_equal(s->name, "s");
    assert_false(s->table);
    assert_string_equal(s->topic_name, "other");
    assert_int_equal(s->ncols, 4);
    assert_true(s->cols[0].key && !s->cols[1].key);
    assert_true(type_eq(s->cols[2].type, TYPE_DECIMAL(10, 2)));
    assert_int_equal(s->format.value.kind, FORMAT_DELIMITED);
    assert_int_equal(s->format.value.delimiter, ';');
    assert_int_equal(s->format.ts_column, 3);
    assert_string_equal(s->format.ts_pattern, "yyyy-MM-dd");
    assert_true(uuid_is_zero(s->job));
    assert_non_null(w);
    assert_true(w->table && w->windowed && !uuid_is_zero(w->job));
    assert_int_equal(w->format.window_size_ms, 60000);
    assert_null(relation_find(world.image, STR("nothing"), &arena, &world.diag));
}

/* A body that is cut or changed anywhere is refused or read within its bounds. */
static void damaged_bodies_are_refused(void **state)
{
    (void)state;
    struct random dice;
    const struct object *good = image_object(world.image, "relation", STR("w"));
    random_seed(&dice, test_seed());
    for (size_t n = 0; n < good->body.len; n++) {
        struct object cut = *good;
        struct relation r;
        cut.body.len = n;
        assert_int_not_equal(relation_unpack(&r, &cut, &arena), 0);
    }
    for (int i = 0; i < 5000; i++) {
        struct object changed = *good;
        struct relation r;
        struct function f;
        char *copy = xalloc(good->body.len);
        memcpy(copy, good->body.ptr, good->body.len);
        copy[random_below(&dice, good->body.len)] = (char)random_next(&dice);
        changed.body.ptr = copy;
        if (relation_unpack(&r, &changed, &arena) == 0)
            for (unsigned c = 0; c < r.ncols; c++)
                assert_true(r.cols[c].index < (r.cols[c].key ? r.format.nkey : r.format.nvalue));
        (void)function_unpack(&f, &changed, &arena);
        xfree(copy);
        arena_reset(&arena);
    }
}

/* Settings are found without regard to case, replaced and taken away; properties fall back to their default. */
static void settings_are_kept(void **state)
{
    (void)state;
    struct settings s;
    settings_init(&s);
    assert_true(str_eq(property_get(&s, "auto.offset.reset"), STR("earliest")));
    settings_put(&s, STR("auto.offset.reset"), STR("latest"));
    settings_put(&s, STR("x"), STR("1"));
    settings_put(&s, STR("X"), STR("2"));
    assert_int_equal(s.n, 2);
    assert_true(str_eq(settings_get(&s, STR("x")), STR("2")));
    assert_true(str_eq(property_get(&s, "auto.offset.reset"), STR("latest")));
    settings_put(&s, STR("x"), STR_NULL);
    assert_null(settings_get(&s, STR("x")).ptr);
    settings_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(relations_come_back),
        cmocka_unit_test(damaged_bodies_are_refused),
        cmocka_unit_test(settings_are_kept),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
