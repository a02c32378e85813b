#include "log/broker/session.h"
#include "log/base/limits.h"
#include "tests/unit/unit.h"

static struct arena arena;

static struct fetch_request_partition parts[8];
static struct fetch_request_topic topic = {.topic = {"t", 1}, .partitions = parts};

static struct fetch_request request(int32_t id, int32_t epoch, uint32_t nparts)
{
    struct fetch_request in;
    fetch_request_init(&in);
    in.session_id = id;
    in.session_epoch = epoch;
    topic.partitions_n = nparts;
    for (uint32_t i = 0; i < nparts; i++) {
        fetch_request_partition_init(&parts[i]);
        parts[i].partition = (int32_t)i;
        parts[i].fetch_offset = 10;
    }
    in.topics = &topic;
    in.topics_n = nparts ? 1 : 0;
    return in;
}

static int16_t begin(struct sessions *ss, const struct fetch_request *in, int64_t now_ms, struct fetch_scope *sc)
{
    return sessions_begin(ss, in, false, now_ms, 12345, &arena, sc);
}

/* Gives every item a view with this high watermark; tells. */
static uint32_t tell(struct sessions *ss, struct fetch_scope *sc, struct view *v)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < sc->n; i++) {
        sc->items[i].view = v;
        sc->items[i].div_epoch = -1;
    }
    sessions_tell(ss, sc, 0);
    for (uint32_t i = 0; i < sc->n; i++)
        n += sc->items[i].tell;
    return n;
}

/* A new session answers with everything; after that an answer holds only what has news, and an empty request means all
 * the partitions of before. */
static void test_incremental(void **state)
{
    (void)state;
    struct sessions *ss = sessions_new(4, 1, 2);
    struct view v = {.high_watermark = 10};
    struct fetch_scope sc;
    struct fetch_request in = request(0, 0, 3);
    assert_int_equal(begin(ss, &in, 0, &sc), 0);
    assert_true(sc.session_id > 0 && sc.session_id % 2 == 1);
    assert_int_equal(tell(ss, &sc, &v), 3);
    int32_t id = sc.session_id;

    in = request(id, 1, 0);
    assert_int_equal(begin(ss, &in, 0, &sc), 0);
    assert_int_equal(sc.n, 3);
    assert_int_equal(sc.items[2].offset, 10);
    assert_int_equal(tell(ss, &sc, &v), 0);

    in = request(id, 2, 1); /* partition 0 from elsewhere on */
    parts[0].fetch_offset = 44;
    assert_int_equal(begin(ss, &in, 0, &sc), 0);
    assert_int_equal(sc.items[0].offset, 44);
    sc.items[1].slice.len = 5; /* has records: told, and goes behind the others */
    assert_int_equal(tell(ss, &sc, &v), 1);

    in = request(id, 3, 0);
    assert_int_equal(begin(ss, &in, 0, &sc), 0);
    assert_int_equal(sc.items[2].index, 1);
    sc.items[0].error = 9; /* an error is told, and again when it is cured */
    assert_int_equal(tell(ss, &sc, &v), 1);
    in = request(id, 4, 0);
    assert_int_equal(begin(ss, &in, 0, &sc), 0);
    assert_int_equal(tell(ss, &sc, &v), 1);
    v.high_watermark = 11;
    in = request(id, 5, 0);
    assert_int_equal(begin(ss, &in, 0, &sc), 0);
    assert_int_equal(tell(ss, &sc, &v), 3);
    sessions_free(ss);
}

/* What is forgotten is not in later fetches. */
static void test_forget(void **state)
{
    (void)state;
    struct sessions *ss = sessions_new(4, 0, 1);
    struct fetch_scope sc;
    struct fetch_request in = request(0, 0, 3);
    assert_int_equal(begin(ss, &in, 0, &sc), 0);
    int32_t gone[] = {1, 77};
    struct fetch_request_forgotten f = {.topic = STR("t"), .partitions = gone, .partitions_n = 2};
    in = request(sc.session_id, 1, 0);
    in.forgotten_topics_data = &f;
    in.forgotten_topics_data_n = 1;
    assert_int_equal(begin(ss, &in, 0, &sc), 0);
    assert_int_equal(sc.n, 2);
    assert_int_equal(sc.items[1].index, 2);
    sessions_free(ss);
}

/* A wrong id, a wrong epoch, a mix of names and ids have their own errors; epoch -1 closes, 0 begins anew. */
static void test_errors(void **state)
{
    (void)state;
    struct sessions *ss = sessions_new(4, 0, 1);
    struct fetch_scope sc;
    struct fetch_request in = request(0, 0, 1);
    assert_int_equal(begin(ss, &in, 0, &sc), 0);
    int32_t id = sc.session_id;
    in = request(id + 1, 1, 0);
    assert_int_equal(begin(ss, &in, 0, &sc), K_SESSION_NOT_FOUND);
    in = request(id, 2, 0);
    assert_int_equal(begin(ss, &in, 0, &sc), K_SESSION_EPOCH);
    in = request(id, 1, 0);
    assert_int_equal(sessions_begin(ss, &in, true, 0, 1, &arena, &sc), K_SESSION_TOPIC_ID);
    in = request(id, 0, 1);
    assert_int_equal(begin(ss, &in, 0, &sc), 0);
    assert_int_equal(sessions_count(ss), 1);
    in = request(sc.session_id, -1, 1);
    assert_int_equal(begin(ss, &in, 0, &sc), 0);
    assert_int_equal(sc.session_id, 0);
    assert_int_equal(sc.n, 1);
    assert_int_equal(sessions_count(ss), 0);
    sessions_free(ss);
}

/* A full cache declines, until the one least recently used is old; a larger one gives way to a smaller one in time. */
static void test_eviction(void **state)
{
    (void)state;
    struct sessions *ss = sessions_new(2, 0, 1);
    struct fetch_scope sc;
    struct fetch_request in = request(0, 0, 4);
    assert_int_equal(begin(ss, &in, 0, &sc), 0);
    int32_t large = sc.session_id;
    in = request(0, 0, 4);
    assert_int_equal(begin(ss, &in, 0, &sc), 0);
    int32_t other = sc.session_id;
    in = request(0, 0, 1);
    assert_int_equal(begin(ss, &in, 1000, &sc), 0);
    assert_int_equal(sc.session_id, 0); /* both are young */
    in = request(large, 1, 0);
    assert_int_equal(begin(ss, &in, 119000, &sc), 0);
    in = request(other, 1, 0);
    assert_int_equal(begin(ss, &in, 119000, &sc), 0);
    in = request(0, 0, 4);
    assert_int_equal(begin(ss, &in, 121000, &sc), 0);
    assert_int_equal(sc.session_id, 0); /* both are in use and none is larger */
    in = request(0, 0, 1);
    assert_int_equal(begin(ss, &in, 121000, &sc), 0);
    assert_true(sc.session_id > 0);
    assert_int_equal(sessions_count(ss), 2);
    in = request(0, 0, 4);
    assert_int_equal(begin(ss, &in, 400000, &sc), 0);
    assert_true(sc.session_id > 0); /* the others have not been used for long */
    assert_int_equal(sessions_count(ss), 2);
    sessions_free(ss);
}

static int32_t many(struct sessions *ss, uint32_t n, int64_t now_ms)
{
    struct fetch_scope sc;
    struct fetch_request in;
    fetch_request_init(&in);
    in.session_epoch = 0;
    in.topics = &topic;
    in.topics_n = 1;
    topic.partitions = ARENA_ARRAY(&arena, struct fetch_request_partition, n);
    topic.partitions_n = n;
    for (uint32_t i = 0; i < n; i++)
        topic.partitions[i].partition = (int32_t)i;
    assert_int_equal(begin(ss, &in, now_ms, &sc), 0);
    topic.partitions = parts;
    return sc.session_id;
}

/* Sessions of many partitions are fewer: their memory is bounded together; unused ones make room. */
static void test_memory(void **state)
{
    (void)state;
    struct sessions *ss = sessions_new(1000, 0, 1);
    unsigned fit = FETCH_SESSIONS_PARTS_MAX / FETCH_SESSION_PARTS_MAX;
    for (unsigned i = 0; i < fit; i++)
        assert_true(many(ss, FETCH_SESSION_PARTS_MAX, i) > 0);
    assert_int_equal(many(ss, FETCH_SESSION_PARTS_MAX, 1000), 0);
    assert_int_equal(many(ss, 1, 1000), 0);
    assert_int_equal(sessions_count(ss), fit);
    assert_true(many(ss, FETCH_SESSION_PARTS_MAX, 200000) > 0);
    assert_int_equal(sessions_count(ss), fit);
    assert_int_equal(many(ss, FETCH_SESSION_PARTS_MAX + 1, 400000), 0); /* one that large has no session */
    sessions_free(ss);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_incremental),
        cmocka_unit_test(test_forget),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_eviction),
        cmocka_unit_test(test_memory),
    };
    arena_init(&arena);
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    arena_fini(&arena);
    return rc;
}
