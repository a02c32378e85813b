/* Settings: what is wrong is refused with its name, place and a hint; what is right takes effect in its order. */
#include "log/base/config.h"
#include "log/base/disk.h"
#include "log/base/limits.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <stdio.h>

static struct config c;
static struct diag d;
static char *scratch;

static int setup(void **state)
{
    (void)state;
    config_init(&c);
    scratch = scratch_new();
    memset(&d, 0, sizeof d);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_fini(&c);
    scratch_remove(scratch);
    return 0;
}

static int file(const char *text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/weir.conf", scratch);
    assert_int_equal(disk_write_file(disk_real(), path, text, strlen(text)), 0);
    return config_file(&c, path, &d);
}

/* Defaults are the table's, and each of them is allowed by its own bounds. */
static void defaults(void **state)
{
    (void)state;
    assert_int_equal(c.log_segment_bytes, SEGMENT_BYTES_DEFAULT);
    assert_int_equal(c.num_partitions, 1);
    assert_true(c.auto_create_topics);
    assert_string_equal(c.log_sync, "always");
    struct config_item item;
    unsigned n = 0;
    for (; config_item(&c, n, &item); n++) {
        assert_true(item.is_default);
        assert_string_equal(item.value, item.dflt);
        assert_int_equal(config_set(&c, str_of(item.key), str_of(item.value), &d), 0);
    }
    assert_true(n > 20);
}

/* What is set later wins: file, then environment, then flag. */
static void later_wins(void **state)
{
    (void)state;
    char partitions[] = "WEIR_NUM_PARTITIONS=5", wal[] = "WEIR_WAL_BYTES=70000", other[] = "HOME=/x", seed[] = "WEIR_SEED=1";
    char shards[] = "WEIR_WEIR_SHARDS=3";
    char *list[] = {partitions, wal, other, seed, shards, NULL};
    assert_int_equal(file("# comment\n\n num.partitions = 3 \nlog.sync=os\r\nnode.id=7"), 0);
    assert_int_equal(c.num_partitions, 3);
    assert_string_equal(c.log_sync, "os");
    assert_int_equal(c.node_id, 7);
    assert_int_equal(config_env(&c, list, &d), 0);
    assert_int_equal(c.num_partitions, 5);
    assert_int_equal(c.wal_bytes, 70000);
    assert_int_equal(c.shards, 3);
    assert_int_equal(config_set(&c, STR("num.partitions"), STR("9"), &d), 0);
    assert_int_equal(c.num_partitions, 9);
    assert_string_equal(c.log_sync, "os");
}

/* An unknown key names its line and what was probably meant. */
static void unknown_keys(void **state)
{
    (void)state;
    assert_int_equal(file("node.id=1\n\nnum.partition = 3\n"), E_BAD_CONFIG);
    assert_int_equal(d.line, 3);
    assert_string_equal(d.text, "unknown setting \"num.partition\"");
    assert_string_equal(d.hint, "did you mean num.partitions?");
    assert_int_equal(config_set(&c, STR("qwertyuiop"), STR("1"), &d), E_BAD_CONFIG);
    assert_string_equal(d.hint, "");
    char typo[] = "WEIR_NUM_PARTITION=3";
    char *list[] = {typo, NULL};
    assert_int_equal(config_env(&c, list, &d), E_BAD_CONFIG);
    assert_string_equal(d.hint, "did you mean WEIR_NUM_PARTITIONS?");
    assert_int_equal(c.num_partitions, 1);
}

/* What one file, environment or list says twice is refused, at its place: nobody can tell which was meant. */
static void said_twice(void **state)
{
    (void)state;
    assert_int_equal(file("num.partitions=2\nnode.id=1\nnum.partitions = 2\n"), E_BAD_CONFIG);
    assert_int_equal(d.line, 3);
    assert_non_null(strstr(d.text, "num.partitions is set twice"));
    static const char *const once[] = {"num.partitions=5", " node.id = 3"},
                             *const twice[] = {"node.id=1", "node.id =2"}, *const none[] = {"node.id"};
    assert_int_equal(config_list(&c, once, 2, &d), 0);
    assert_int_equal(c.num_partitions, 5);
    assert_int_equal(c.node_id, 3);
    assert_int_equal(config_list(&c, twice, 2, &d), E_BAD_CONFIG);
    assert_non_null(strstr(d.text, "node.id is set twice"));
    assert_int_equal(config_list(&c, none, 1, &d), E_BAD_CONFIG);
    char shards[] = "WEIR_SHARDS=3", same[] = "WEIR_WEIR_SHARDS=4";
    char *list[] = {shards, same, NULL};
    assert_int_equal(config_env(&c, list, &d), E_BAD_CONFIG);
    assert_non_null(strstr(d.text, "weir.shards is set twice"));
}

/* A value of another type or out of range is refused and changes nothing. */
static void bad_values(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"num.partitions", "0"}, {"num.partitions", "ten"}, {"num.partitions", ""},  {"weir.shards", "65"},
        {"log.sync", "maybe"},   {"allow.plaintext", "1"},  {"allow.plaintext", ""}, {"node.id", "3000000000"},
        {"default.replication.factor", "3"},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(config_set(&c, str_of(bad[i][0]), str_of(bad[i][1]), &d), E_BAD_CONFIG);
        assert_non_null(strstr(d.text, bad[i][0]));
    }
    struct config_item item;
    for (unsigned n = 0; config_item(&c, n, &item); n++)
        assert_true(item.is_default);
    assert_int_equal(file("just words\n"), E_BAD_CONFIG);
    assert_int_equal(d.line, 1);
}

/* A text is the setting's own copy. */
static void texts_are_copied(void **state)
{
    (void)state;
    char text[] = "PLAINTEXT://127.0.0.1:1";
    assert_int_equal(config_set(&c, STR("listeners"), str_of(text), &d), 0);
    text[0] = 0;
    assert_string_equal(c.listeners, "PLAINTEXT://127.0.0.1:1");
}

/* A file that cannot be read is an error; who asked names it. */
static void missing_file(void **state)
{
    (void)state;
    assert_true(config_file(&c, "/nowhere/weir.conf", &d) < 0);
    assert_non_null(strstr(d.text, "cannot be read"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(later_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(said_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(bad_values, setup, teardown),
        cmocka_unit_test_setup_teardown(texts_are_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_file, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
