#include "log/client/client.h"
#include "log/wire/wire.h"
#include "tests/lib/seed.h"
#include "tests/lib/simloop.h"
#include "tests/unit/log/store/world.h"
#include "tests/unit/unit.h"
#include <stdio.h>

static struct world w;
static struct part *part;
static int ready, flushed, flush_status;
static int64_t flush_base, flush_end;

static void on_ready(void *arg)
{
    (void)arg;
    ready++;
}

static void on_flushed(void *arg, int status, int64_t base_offset, int64_t end_offset)
{
    (void)arg;
    flushed++;
    flush_status = status;
    flush_base = base_offset;
    flush_end = end_offset;
}

static void write_some(struct writer *wr, int from, int n)
{
    for (int i = from; i < from + n; i++) {
        char value[16];
        snprintf(value, sizeof value, "%d", i);
        writer_record(wr, i, i % 3 ? STR("k") : STR_NULL, i % 5 ? str_of(value) : STR_NULL);
    }
    writer_flush(wr, on_flushed, NULL);
    sim_run_idle(w.sim);
}

/* Reads all there is; the records' times are their offsets. Gives how many were at `from` or later. */
static int64_t read_all(struct reader *r, int64_t from)
{
    int64_t n = 0;
    struct str bytes;
    for (int rc; (rc = reader_next(r, &bytes)) >= 0;) {
        if (rc == 0) {
            int before = ready;
            sim_run_idle(w.sim);
            if (ready == before)
                return n;
            continue;
        }
        while (bytes.len) {
            struct recbatch rb;
            struct recbatch_iter it;
            struct record rec;
            assert_int_equal(recbatch_peek(&rb, bytes), 0);
            assert_int_equal(recbatch_iter(&it, &rb, NULL, NULL, 0), 0);
            while (recbatch_next(&it, &rec)) {
                if (rec.offset < from)
                    continue;
                assert_int_equal(rec.offset, from + n++);
                assert_int_equal(rec.ts_ms, rec.offset);
                assert_int_equal(rec.key.ptr == NULL, rec.offset % 3 == 0);
                assert_int_equal(rec.value.ptr == NULL, rec.offset % 5 == 0);
            }
            bytes = (struct str){bytes.ptr + rb.size, bytes.len - rb.size};
        }
        assert_int_equal(reader_offset(r), from + n);
    }
    return -1;
}

static int begin(void **state)
{
    (void)state;
    world_init(&w, test_seed());
    assert_int_equal(world_open(&w, 2), 0);
    part = world_part(&w, 1, 0);
    ready = flushed = 0;
    return 0;
}

static int end(void **state)
{
    (void)state;
    sim_run_idle(w.sim);
    part_release(part);
    world_close(&w);
    world_fini(&w);
    return 0;
}

/* What a writer flushes comes out of a reader whole and in order, and a reader at the end is woken by the next flush. */
static void test_write_read(void **state)
{
    (void)state;
    struct writer *wr;
    struct reader *r;
    assert_int_equal(reader_open(&r, part, sim_loop(w.sim, 0), -2, READ_UNCOMMITTED, on_ready, NULL), 0);
    assert_int_equal(writer_open(&wr, w.st, part, sim_loop(w.sim, 1)), 0);
    assert_int_equal(read_all(r, 0), 0);
    write_some(wr, 0, 1000);
    assert_int_equal(flush_status, 0);
    assert_int_equal(flush_base, 0);
    assert_int_equal(flush_end, 1000);
    assert_true(ready > 0);
    assert_int_equal(read_all(r, 0), 1000);
    write_some(wr, 1000, 1);
    assert_int_equal(read_all(r, 1000), 1);
    assert_int_equal(reader_end(r), 1001);
    writer_flush(wr, on_flushed, NULL); /* a flush of nothing answers too */
    sim_run_idle(w.sim);
    assert_int_equal(flushed, 3);
    assert_int_equal(flush_end, 1001);
    reader_close(r);
    writer_close(wr);
}

/* A reader starts at an offset or at the end, and goes anywhere by seek; outside the log it says so. */
static void test_seek(void **state)
{
    (void)state;
    struct writer *wr;
    struct reader *r, *last;
    assert_int_equal(writer_open(&wr, w.st, part, sim_loop(w.sim, 1)), 0);
    write_some(wr, 0, 500);
    assert_int_equal(reader_open(&r, part, sim_loop(w.sim, 0), 123, READ_UNCOMMITTED, on_ready, NULL), 0);
    assert_int_equal(reader_open(&last, part, sim_loop(w.sim, 0), -1, READ_UNCOMMITTED, on_ready, NULL), 0);
    assert_int_equal(read_all(r, 123), 377);
    assert_int_equal(read_all(last, 500), 0);
    reader_seek(r, 7);
    assert_int_equal(read_all(r, 7), 493);
    reader_seek(r, 501);
    assert_int_equal(read_all(r, 501), -1);
    struct str bytes;
    assert_int_equal(reader_next(r, &bytes), E_OFFSET_RANGE);
    reader_seek(r, 500);
    assert_int_equal(read_all(r, 500), 0);
    write_some(wr, 500, 10);
    assert_int_equal(read_all(r, 500), 10);
    assert_int_equal(read_all(last, 500), 10);
    reader_close(r);
    reader_close(last);
    writer_close(wr);
}

/* The end of a topic ends its readers and refuses its writers; closing in the middle of waits harms nobody. */
static void test_delete(void **state)
{
    (void)state;
    struct writer *wr;
    struct reader *r, *gone;
    struct str bytes;
    assert_int_equal(writer_open(&wr, w.st, part, sim_loop(w.sim, 1)), 0);
    write_some(wr, 0, 10);
    assert_int_equal(reader_open(&r, part, sim_loop(w.sim, 0), -2, READ_UNCOMMITTED, on_ready, NULL), 0);
    assert_int_equal(reader_open(&gone, part, sim_loop(w.sim, 0), -1, READ_UNCOMMITTED, on_ready, NULL), 0);
    assert_int_equal(read_all(r, 0), 10);
    assert_int_equal(read_all(gone, 10), 0);
    reader_close(gone); /* waits */
    part_delete(part);
    sim_run_idle(w.sim);
    assert_int_equal(reader_next(r, &bytes), E_NO_TOPIC);
    writer_record(wr, 0, STR_NULL, STR("x"));
    writer_flush(wr, on_flushed, NULL);
    writer_close(wr); /* its flush still answers */
    sim_run_idle(w.sim);
    assert_int_equal(flush_status, E_NO_TOPIC);
    reader_close(r);
}

/* Keys go where the Java client sends them; records without a key go round. */
static void test_partition(void **state)
{
    (void)state;
    uint32_t spin = 0;
    assert_int_equal(client_partition(STR("key"), 1, &spin), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(client_partition(STR_NULL, 3, &spin), i % 3);
    assert_int_equal(client_partition(STR("21"), 1 << 30, &spin), (-973932308 & 0x7fffffff) % (1 << 30)); /* Kafka's UtilsTest */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_write_read, begin, end),
        cmocka_unit_test_setup_teardown(test_seek, begin, end),
        cmocka_unit_test_setup_teardown(test_delete, begin, end),
        cmocka_unit_test(test_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
