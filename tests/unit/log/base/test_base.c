/* Text, identifiers, errors and numbers behave at their edges. */
#include "log/base/base.h"
#include "log/base/err.h"
#include "log/base/list.h"
#include "log/base/metrics.h"
#include "log/base/random.h"
#include "log/base/sm.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/* Null is not empty; case is ASCII's; order is by bytes, then length. */
static void texts_compare(void **state)
{
    (void)state;
    assert_false(str_eq(STR_NULL, STR("")));
    assert_true(str_eq(STR_NULL, STR_NULL));
    assert_true(str_eq_nocase(STR("SeLeCt"), STR("sElEcT")));
    assert_false(str_eq_nocase(STR("k"), STR("\xE2\x84\xAA")));
    assert_true(str_cmp(STR("a"), STR("ab")) < 0);
    assert_true(str_cmp(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_cmp(STR(""), STR("")), 0);
    assert_true(str_starts(STR("abc"), STR("")));
    assert_false(str_starts(STR("ab"), STR("abc")));
    assert_true(str_eq(str_trim(STR(" \t a b\r\n")), STR("a b")));
    assert_int_equal(str_trim(STR("   ")).len, 0);
}

/* A number is the whole text and fits, or it is none. */
static void numbers_are_whole(void **state)
{
    (void)state;
    int64_t n = 7;
    static const char *const bad[] = {"", "-", "+1", " 1", "1 ", "1.0", "0x1", "9223372036854775808",
                                      "-9223372036854775809", "99999999999999999999"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(str_to_i64(str_of(bad[i]), &n));
    assert_false(str_to_i64(STR_NULL, &n));
    assert_int_equal(n, 7);
    assert_true(str_to_i64(STR("9223372036854775807"), &n) && n == INT64_MAX);
    assert_true(str_to_i64(STR("-9223372036854775808"), &n) && n == INT64_MIN);
    assert_true(str_to_i64(STR("007"), &n) && n == 7);
}

/* The distance counts changed, added and lost letters, whatever their case. */
static void distances(void **state)
{
    (void)state;
    assert_int_equal(str_distance(STR("kitten"), STR("SITTING")), 3);
    assert_int_equal(str_distance(STR(""), STR("abc")), 3);
    assert_int_equal(str_distance(STR("abc"), STR("abc")), 0);
    char longer[200];
    memset(longer, 'x', sizeof longer);
    assert_int_equal(str_distance((struct str){longer, sizeof longer}, STR("x")), 63);
}

/* A UUID survives its text, and its text is Kafka's. */
static void uuids(void **state)
{
    (void)state;
    struct uuid id, back;
    char text[UUID_TEXT];
    memset(&id, 0, sizeof id);
    assert_true(uuid_is_zero(id));
    uuid_format(id, text);
    assert_string_equal(text, "AAAAAAAAAAAAAAAAAAAAAA");
    for (int i = 0; i < 16; i++)
        id.b[i] = (uint8_t)(i * 17);
    uuid_format(id, text);
    assert_string_equal(text, "ABEiM0RVZneImaq7zN3u_w"); /* as base64 -w0 | tr '+/' '-_' has it */
    for (int i = 0; i < 100; i++) {
        random_system(&id, sizeof id);
        uuid_format(id, text);
        assert_true(uuid_parse(str_of(text), &back) && uuid_eq(id, back));
    }
    assert_false(uuid_parse(STR("AAAAAAAAAAAAAAAAAAAAAB"), &back)); /* a 129th bit */
    assert_false(uuid_parse(STR("AAAAAAAAAAAAAAAAAAAAA="), &back));
    assert_false(uuid_parse(STR("AAAAAAAAAAAAAAAAAAAAA"), &back));
}

/* Every error has a text, a name and a Kafka code; a diag carries sentence and hint and gives the error back. */
static void errors(void **state)
{
    (void)state;
    assert_string_equal(err_name(E_CORRUPT), "E_CORRUPT");
    assert_string_equal(err_name(-ENOSPC), "ENOSPC");
    assert_string_equal(err_text(-ENOENT), "No such file or directory");
    assert_string_equal(err_text(-123456), "unexpected error");
    assert_int_equal(err_kafka(0), 0);
    assert_int_equal(err_kafka(E_OFFSET_RANGE), 1);
    assert_int_equal(err_kafka(-ENOSPC), 56);
    assert_int_equal(err_kafka(-ECONNRESET), -1);
    struct diag d = {.line = 9};
    assert_int_equal(diag_set(&d, E_SQL, "no column %s", "x"), E_SQL);
    diag_hint(&d, "did you mean %s?", "y");
    assert_string_equal(d.text, "no column x");
    assert_string_equal(d.hint, "did you mean y?");
    assert_int_equal(d.line, 0);
    assert_int_equal(diag_set(NULL, E_SQL, "x"), E_SQL);
}

/* A list keeps order, and removing twice is harmless. */
static void lists(void **state)
{
    (void)state;
    struct list head, n[3];
    list_init(&head);
    assert_null(list_pop(&head));
    list_add_tail(&head, &n[1]);
    list_add_tail(&head, &n[2]);
    list_add_head(&head, &n[0]);
    int i = 0;
    LIST_EACH_SAFE (it, &head) {
        assert_ptr_equal(it, &n[i++]);
        if (i == 2) {
            list_remove(it);
            list_remove(it);
        }
    }
    assert_int_equal(i, 3);
    assert_ptr_equal(list_pop(&head), &n[0]);
    assert_ptr_equal(list_pop(&head), &n[2]);
    assert_true(list_empty(&head));
}

/* Draws stay below their bound, are spread evenly, and repeat from their seed. */
static void randoms(void **state)
{
    (void)state;
    struct random a, b;
    uint64_t seed = test_seed();
    random_seed(&a, seed);
    random_seed(&b, seed);
    unsigned count[7] = {0};
    for (int i = 0; i < 70000; i++) {
        uint64_t n = random_below(&a, 7);
        assert_true(n < 7);
        count[n]++;
        assert_int_equal(n, random_below(&b, 7));
        double u = random_unit(&a);
        assert_true(u >= 0 && u < 1);
        random_unit(&b);
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(count[i], 9300, 10700);
    assert_false(random_chance(&a, 0));
    assert_true(random_chance(&a, 1));
}

/* A quantile is at most 3 % above the value it stands for, and never above the largest. */
static void histograms(void **state)
{
    (void)state;
    static struct histogram h;
    assert_int_equal(histogram_quantile(&h, 0.5), 0);
    for (uint64_t us = 1; us <= 100000; us++)
        histogram_add(&h, us);
    assert_in_range(histogram_quantile(&h, 0.5), 50000, 52000);
    assert_in_range(histogram_quantile(&h, 0.99), 99000, 100000);
    assert_int_equal(histogram_quantile(&h, 1), 100000);
    assert_int_equal(h.count, 100000);
    histogram_add(&h, UINT64_MAX);
    assert_true(histogram_quantile(&h, 1) == UINT64_MAX);
}

enum { A, B };
static const struct sm_state table[] = {[A] = {"a", TO(B)}, [B] = {"b", 0}};

/* A machine moves along its arrows; a move without an arrow ends the process. */
static void machines(void **state)
{
    (void)state;
    struct sm sm;
    sm_init(&sm, table, "test.thing", A);
    sm_move(&sm, B);
    assert_true(sm_is(&sm, B));
    assert_string_equal(sm_name(&sm), "b");
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        if (!freopen("/dev/null", "w", stderr))
            _exit(1);
        sm_move(&sm, A);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_compare), cmocka_unit_test(numbers_are_whole), cmocka_unit_test(distances),
        cmocka_unit_test(uuids),         cmocka_unit_test(errors),            cmocka_unit_test(lists),
        cmocka_unit_test(randoms),       cmocka_unit_test(histograms),        cmocka_unit_test(machines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
