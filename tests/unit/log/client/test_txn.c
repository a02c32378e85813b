/* Transactional producers of this process, over a broker in the simulator. */
#include "engine/run/job.h"
#include "log/wire/recbatch.h"
#include "tests/lib/jobworld.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

enum { PARTS = 3, LOOPS = 3 };

static struct jobworld W;
static struct uuid topic;

static int setup(void **state)
{
    (void)state;
    struct change ch;
    jw_init(&W, 7);
    jw_open(&W, LOOPS);
    topic = (struct uuid){{5}};
    change_init(&ch);
    jw_must(change_create_topic(&ch, STR("t"), &topic, PARTS, NULL, 0, NULL) == 0, "topic");
    jw_commit(&W, &ch);
    change_fini(&ch);
    for (int32_t i = 0; i < PARTS; i++)
        jw_part(&W, topic, i);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sim_run_idle(W.sim);
    sim_crash(W.sim); /* timers of what is freed now */
    broker_close(W.b);
    jw_crash(&W, SIMDISK_KILL);
    jw_fini(&W);
    return 0;
}

/* ---- waiting for answers */

struct done {
    bool done;
    int status;
};

static void done_cb(void *arg, int status) { *(struct done *)arg = (struct done){true, status}; }

static void flushed_cb(void *arg, int status, int64_t base, int64_t end)
{
    (void)base, (void)end;
    done_cb(arg, status);
}

static int await(struct done *d)
{
    jw_wait(&W, &d->done, "an answer");
    return d->status;
}

static struct txn *begin(const char *id)
{
    struct done d = {false, 0};
    struct txn *t = txn_open(W.b, id, 60000, W.loops[0]);
    txn_init(t, done_cb, &d);
    assert_int_equal(await(&d), 0);
    return t;
}

static int end(struct txn *t, bool commit)
{
    struct done d = {false, 0};
    txn_end(t, commit, done_cb, &d);
    return await(&d);
}

static struct writer *writer(struct txn *t, int32_t part, unsigned loop)
{
    struct writer *w;
    jw_must(writer_open_txn(&w, broker_store(W.b), jw_part(&W, topic, part), W.loops[loop], t) == 0, "writer");
    return w;
}

static void put(struct writer *w, int64_t number, const char *value, struct done *d)
{
    *d = (struct done){false, 0};
    writer_record(w, 1, STR_NULL, str_of(value));
    writer_flush_in(w, number, flushed_cb, d);
}

static int collect_cb(void *arg, const struct record *rec)
{
    struct wbuf *w = arg;
    wbuf_str(w, rec->value);
    return 0;
}

/* What a reader of committed records finds in a partition. */
static const char *committed(int32_t part)
{
    static char text[200];
    struct part *p = jw_part(&W, topic, part);
    struct wbuf w;
    jw_pass_ms(&W, 1000); /* the markers follow the decision */
    wbuf_init(&w);
    assert_int_equal(part_scan(p, 0, jw_stable(p), collect_cb, &w), 0);
    snprintf(text, sizeof text, "%.*s", (int)w.len, (const char *)w.data);
    wbuf_fini(&w);
    return text;
}

/* ---- tests */

/* What several writers on several loops wrote is there together once the transaction is committed, and not before. */
static void test_together(void **state)
{
    (void)state;
    struct txn *t = begin("a");
    struct writer *w[4] = {writer(t, 0, 0), writer(t, 1, 1), writer(t, 1, 2), writer(t, 1, 0)};
    struct done d[4];
    txn_begin(t, 1);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 4; i++)
            put(w[i], 1, "k", &d[i]);
        for (int i = 0; i < 4; i++)
            assert_int_equal(await(&d[i]), 0);
    }
    assert_string_equal(committed(0), "");
    assert_string_equal(committed(1), "");
    assert_true(txn_used(t));
    assert_int_equal(end(t, true), 0);
    assert_string_equal(committed(0), "kkk");
    assert_string_equal(committed(1), "kkkkkkkkk");
    for (int i = 0; i < 4; i++)
        writer_close(w[i]);
    txn_close(t);
}

/* What is flushed for the next transaction waits until this one has ended, and lives or dies with its own. */
static void test_next_waits(void **state)
{
    (void)state;
    struct txn *t = begin("b");
    struct writer *w = writer(t, 0, 1);
    struct part *p = jw_part(&W, topic, 0);
    struct done one, two, three;
    txn_begin(t, 1);
    put(w, 1, "a", &one);
    put(w, 2, "b", &two);
    put(w, 2, "c", &three);
    assert_int_equal(await(&one), 0);
    jw_pass_ms(&W, 500);
    assert_int_equal(jw_end(p), 1);
    assert_false(two.done || three.done);
    assert_int_equal(end(t, false), 0);
    jw_pass_ms(&W, 500);
    assert_false(two.done);
    txn_begin(t, 2);
    assert_int_equal(await(&two), 0);
    assert_int_equal(await(&three), 0);
    assert_int_equal(end(t, true), 0);
    assert_string_equal(committed(0), "bc");
    writer_close(w);
    txn_close(t);
}

/* A transaction into which nothing went ends at once and writes nothing; a companion comes only with others. */
static void test_empty(void **state)
{
    (void)state;
    struct txn *t = begin("c");
    struct writer *w = writer(t, 0, 1);
    struct done d;
    txn_always(t, jw_part(&W, topic, 2));
    txn_begin(t, 1);
    assert_false(txn_used(t));
    assert_int_equal(end(t, true), 0);
    jw_pass_ms(&W, 500);
    assert_int_equal(jw_end(jw_part(&W, topic, 2)), 0);
    txn_begin(t, 2);
    put(w, 2, "x", &d);
    assert_int_equal(await(&d), 0);
    assert_int_equal(end(t, true), 0);
    jw_pass_ms(&W, 500);
    assert_int_equal(jw_end(jw_part(&W, topic, 2)), 1); /* its marker */
    writer_close(w);
    txn_close(t);
}

/* Who takes the id fences the one before: that one's open transaction is aborted, and it can neither write nor
 * commit. */
static void test_fenced(void **state)
{
    (void)state;
    struct txn *old = begin("d");
    struct writer *w = writer(old, 0, 1), *late = writer(old, 1, 2);
    struct done d;
    txn_begin(old, 1);
    put(w, 1, "old", &d);
    assert_int_equal(await(&d), 0);
    struct txn *young = begin("d");
    put(late, 1, "late", &d);
    assert_int_equal(await(&d), E_PRODUCER_EPOCH);
    put(w, 1, "later", &d);
    assert_int_not_equal(await(&d), 0);
    assert_int_equal(end(old, true), E_PRODUCER_EPOCH);
    assert_string_equal(committed(0), "");
    struct writer *v = writer(young, 0, 0);
    txn_begin(young, 1);
    put(v, 1, "young", &d);
    assert_int_equal(await(&d), 0);
    assert_int_equal(end(young, true), 0);
    assert_string_equal(committed(0), "young");
    assert_string_equal(committed(1), "");
    writer_close(w);
    writer_close(late);
    writer_close(v);
    txn_close(old);
    txn_close(young);
}

/* Cancelled, nothing waits for ever, and what is open can still be aborted. */
static void test_cancel(void **state)
{
    (void)state;
    struct txn *t = begin("e");
    struct writer *w = writer(t, 0, 1), *v = writer(t, 1, 2);
    struct done one, two, three;
    txn_begin(t, 1);
    put(w, 1, "a", &one);
    assert_int_equal(await(&one), 0);
    put(w, 2, "b", &two);
    put(v, 2, "c", &three);
    jw_pass_ms(&W, 100);
    txn_cancel(t);
    assert_int_equal(await(&two), E_CANCELED);
    assert_int_equal(await(&three), E_CANCELED);
    assert_int_equal(end(t, false), 0);
    assert_string_equal(committed(0), "");
    writer_close(w);
    writer_close(v);
    txn_close(t);
    jw_pass_ms(&W, 100);
}

/* A topic that is gone is an error of those who write to it, and of nobody else. */
static void test_deleted(void **state)
{
    (void)state;
    struct txn *t = begin("f");
    struct change ch;
    struct uuid gone = {{6}};
    struct writer *w, *v = writer(t, 0, 1);
    struct done one, two;
    change_init(&ch);
    jw_must(change_create_topic(&ch, STR("gone"), &gone, 1, NULL, 0, NULL) == 0, "topic");
    jw_commit(&W, &ch);
    change_fini(&ch);
    jw_must(writer_open_txn(&w, broker_store(W.b), jw_part(&W, gone, 0), W.loops[0], t) == 0, "writer");
    change_init(&ch);
    change_delete_topic(&ch, gone);
    jw_commit(&W, &ch);
    change_fini(&ch);
    txn_begin(t, 1);
    put(w, 1, "a", &one);
    put(v, 1, "b", &two);
    assert_int_equal(await(&one), E_NO_TOPIC);
    assert_int_equal(await(&two), 0);
    assert_int_equal(end(t, true), 0);
    assert_string_equal(committed(0), "b");
    writer_close(w);
    writer_close(v);
    txn_close(t);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {T(test_together), T(test_next_waits), T(test_empty),
                                       T(test_fenced),   T(test_cancel),     T(test_deleted)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
