/* Client quotas on a node in the simulator: who falls under which limit, how fast a bucket fills, what is refused, what
 * a restart keeps. */
#include "log/broker/request.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include "tests/lib/simnode.h"
#include "tests/unit/unit.h"
#include <math.h>
#include <stdio.h>

const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; } /* what a crash leaves behind is lost on purpose */

static struct simnode N;

static int setup(void **state)
{
    (void)state;
    simnode_init(&N, test_seed(), 2);
    simnode_open(&N);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    simnode_close(&N);
    return 0;
}

/* "user", "client": NULL not there, "*" the default one. Value 0 removes. */
static int16_t alter(const char *user, const char *client, const char *key, double value)
{
    struct alter_client_quotas_request in;
    struct alter_client_quotas_response out;
    struct alter_client_quotas_request_entity es[2];
    struct alter_client_quotas_request_op op = {.key = str_of(key), .value = value, .remove = value == 0};
    struct alter_client_quotas_request_entry entry = {.entity = es, .ops = &op, .ops_n = 1};
    const char *names[] = {user, client}, *types[] = {"user", "client-id"};
    for (int i = 0; i < 2; i++)
        if (names[i])
            es[entry.entity_n++] = (struct alter_client_quotas_request_entity){
                str_of(types[i]), strcmp(names[i], "*") == 0 ? STR_NULL : str_of(names[i])};
    alter_client_quotas_request_init(&in);
    in.entries = &entry;
    in.entries_n = 1;
    assert_int_equal(simnode_ask(&N, WIRE_ALTER_CLIENT_QUOTAS, 1, &in, &out), 0);
    sim_run_idle(N.sim);
    return out.entries[0].error_code;
}

static struct quota_who who(const char *user, const char *client)
{
    return (struct quota_who){str_of(user), client ? str_of(client) : STR_NULL, STR("10.0.0.1")};
}

static double burst(const char *user, const char *client)
{
    struct quota_who w = who(user, client);
    double most = quotas_most(N.b->quotas, QUOTA_PRODUCE, &w);
    return isfinite(most) ? most / QUOTA_BURST_S : 0;
}

/* The most specific entity decides, a user before a client id, a name before the default; also for ids of odd letters.
 */
static void test_most_specific(void **state)
{
    (void)state;
    static const char key[] = "producer_byte_rate";
    static const struct {
        const char *user, *client;
    } order[] = {{NULL, "*"},  {NULL, "etl"}, {"*", NULL},  {"*", "*"},
                 {"*", "etl"}, {"ann", NULL}, {"ann", "*"}, {"ann", "etl"}};
    assert_true(burst("ann", "etl") == 0);
    for (int i = 0; i < (int)ARRAY_LEN(order); i++) {
        assert_int_equal(alter(order[i].user, order[i].client, key, 100 + i), K_NONE);
        assert_true(burst("ann", "etl") == 100 + i);
    }
    assert_true(burst("ann", "other") == 106 && burst("bob", "etl") == 104 && burst("bob", NULL) == 103);
    assert_true(burst("ann", "ETL") == 106); /* ids differ by case */
    for (int i = ARRAY_LEN(order) - 1; i > 0; i--) {
        assert_int_equal(alter(order[i].user, order[i].client, key, 0), K_NONE);
        assert_true(burst("ann", "etl") == 100 + i - 1);
    }
    assert_int_equal(alter(NULL, "Ä;*=%\n", key, 7), K_NONE);
    assert_true(burst("ann", "Ä;*=%\n") == 7 && burst("ann", "ä;*=%\n") == 100);
    assert_int_equal(alter(NULL, "*", key, 0), K_NONE);
    assert_false(quotas_any(N.b->quotas, QUOTA_FETCH));
    assert_true(quotas_any(N.b->quotas, QUOTA_PRODUCE));
    assert_int_equal(alter(NULL, "Ä;*=%\n", key, 0), K_NONE);
    assert_false(quotas_any(N.b->quotas, QUOTA_PRODUCE));
}

/* Who waits as long as told has exactly the limit, whatever the pieces; names under a default do not disturb each
 * other. */
static void test_rate_is_the_limit(void **state)
{
    (void)state;
    assert_int_equal(alter(NULL, "*", "producer_byte_rate", 1000), K_NONE);
    struct quota_who a = who("u", "a"), b = who("u", "b");
    struct random dice;
    double taken = 0;
    int64_t now = 1000000;
    random_seed(&dice, test_seed());
    while (taken < 1000000) {
        double n = (double)(1 + random_below(&dice, 5000));
        taken += n;
        now += quotas_take(N.b->quotas, QUOTA_PRODUCE, &a, n, now);
    }
    assert_true(fabs((double)(now - 1000000) - (taken - 10000)) < 20); /* ten seconds' worth is free */
    assert_int_equal(quotas_take(N.b->quotas, QUOTA_PRODUCE, &b, 10000, now), 0);
    assert_int_equal(quotas_take(N.b->quotas, QUOTA_PRODUCE, &b, 1, now), 1);
    assert_int_equal(quotas_take(N.b->quotas, QUOTA_PRODUCE, &b, 0, now + 5), 0);
    for (int i = 0; i < 5000; i++) { /* those who are gone are forgotten */
        char name[20];
        snprintf(name, sizeof name, "c%d", i);
        struct quota_who c = who("u", name);
        assert_int_equal(quotas_take(N.b->quotas, QUOTA_PRODUCE, &c, 1, now + i * 60000), 0);
    }
    assert_int_equal(alter(NULL, "*", "producer_byte_rate", 0), K_NONE);
}

/* What cannot be a quota is refused and changes nothing; what is one survives a crash. */
static void test_refused_and_kept(void **state)
{
    (void)state;
    static const double wrong[] = {-1, NAN, INFINITY, 1.5};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
        assert_int_equal(alter("ann", NULL, "producer_byte_rate", wrong[i]), K_INVALID_REQUEST);
    assert_int_equal(alter("ann", NULL, "producer_byte", 1), K_INVALID_REQUEST);
    assert_int_equal(alter("ann", NULL, "connection_creation_rate", 1), K_INVALID_REQUEST);
    assert_int_equal(alter("", NULL, "producer_byte_rate", 1), K_INVALID_REQUEST);
    assert_int_equal(alter(NULL, NULL, "producer_byte_rate", 1), K_INVALID_REQUEST);
    assert_true(burst("ann", NULL) == 0);
    assert_int_equal(alter("ann", NULL, "producer_byte_rate", 5), K_NONE);
    assert_int_equal(alter("ann", NULL, "request_percentage", 1.5), K_NONE);
    simnode_crash(&N);
    assert_true(burst("ann", NULL) == 5);
    assert_true(quotas_any(N.b->quotas, QUOTA_REQUEST));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_most_specific), cmocka_unit_test(test_rate_is_the_limit),
                                       cmocka_unit_test(test_refused_and_kept)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
