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

/* What the reader gives next; 0: nothing, and nothing comes any more. */
static int next_bytes(struct reader *r, struct str *bytes)
{
    for (;;) {
        int rc = reader_next(r, bytes);
        int before = ready;
        if (rc != 0)
            return rc;
        sim_run_idle(w.sim);
        if (ready == before)
            return 0;
    }
}

/* Reads all there is; the records' times are their offsets. Gives how many were at `from` or later. */
static int64_t read_all(struct reader *r, int64_t from)
{
    int64_t n = 0;
    struct str bytes;
    for (int rc; (rc = next_bytes(r, &bytes)) >= 0;) {
        if (rc == 0)
            return n;
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

/* What a writer flushes comes out of a reader whole and in order, and a reader at the end is woken by the next
 * flush. */
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

static void append(const struct spec *sp) { assert_int_equal(world_append(&w, part, sp, NULL), 0); }

/* Producer pid's next batch, of transaction no. epoch. */
static void txn_batch(int64_t pid, int16_t epoch, int32_t seq)
{
    append(&(struct spec){.n = 2, .bytes = 30, .pid = pid, .epoch = epoch, .seq = seq, .txn = true,
                          .flags = APPEND_VERIFIED, .mark = (uint64_t)pid * 1000 + (uint64_t)epoch});
}

static void end_txn(int64_t pid, int16_t epoch, bool commit)
{
    append(&(struct spec){.n = 1, .pid = pid, .epoch = epoch, .marker = commit ? COMMIT : ABORT, .flags = APPEND_MARKER});
}

/* The marks of all records that a reader gives now; their number. */
static int marks_read(struct reader *r, uint64_t *marks, int cap)
{
    int n = 0;
    struct str bytes;
    for (int rc; (rc = next_bytes(r, &bytes)) != 0;) {
        assert_int_equal(rc, 1);
        struct recbatch rb;
        for (; bytes.len; bytes = (struct str){bytes.ptr + rb.size, bytes.len - rb.size}) {
            assert_int_equal(recbatch_peek(&rb, bytes), 0);
            assert_false(rb.attributes & RECBATCH_CONTROL);
            struct recbatch_iter it;
            struct record rec;
            assert_int_equal(recbatch_iter(&it, &rb, NULL, NULL, 0), 0);
            while (recbatch_next(&it, &rec)) {
                assert_true(n < cap);
                marks[n++] = be64(rec.value.ptr);
            }
        }
    }
    return n;
}

/* A committed reader gives what was committed and what is in no transaction, up to the first undecided one, and is
 * woken when that is decided; an uncommitted one gives all; neither gives markers, and both pass them. */
static void test_committed(void **state)
{
    (void)state;
    struct reader *all, *good;
    uint64_t marks[64];
    assert_int_equal(reader_open(&all, part, sim_loop(w.sim, 0), -2, READ_UNCOMMITTED, on_ready, NULL), 0);
    assert_int_equal(reader_open(&good, part, sim_loop(w.sim, 0), -2, READ_COMMITTED, on_ready, NULL), 0);
    txn_batch(1, 0, 0);                             /* 0, 1 */
    append(&(struct spec){.n = 1, .mark = 5});      /* 2 */
    txn_batch(2, 0, 0);                             /* 3, 4 */
    assert_int_equal(marks_read(all, marks, 64), 5);
    assert_int_equal(marks_read(good, marks, 64), 0);
    assert_int_equal(reader_end(all), 5);
    assert_int_equal(reader_end(good), 0);
    end_txn(1, 0, false);                           /* 5 */
    assert_int_equal(marks_read(good, marks, 64), 1);
    assert_int_equal(marks[0], 5);
    assert_int_equal(reader_offset(good), 3);
    txn_batch(1, 1, 0);                             /* 6, 7 */
    end_txn(2, 0, true);                            /* 8 */
    assert_int_equal(marks_read(good, marks, 64), 2);
    assert_int_equal(marks[1], 2000);
    assert_int_equal(reader_offset(good), 6);
    end_txn(1, 1, false);                           /* 9 */
    assert_int_equal(marks_read(good, marks, 64), 0);
    assert_int_equal(reader_offset(good), 10); /* at the end, though the last thing there is nothing to give */
    assert_int_equal(reader_end(good), 10);
    assert_int_equal(marks_read(all, marks, 64), 2);
    assert_int_equal(reader_offset(all), 10);
    reader_seek(good, -2);
    assert_int_equal(marks_read(good, marks, 64), 3);
    reader_close(all);
    reader_close(good);
}

/* The same for long random histories, whatever is in memory and wherever a reader starts. */
static void test_committed_random(void **state)
{
    (void)state;
    enum { N = 300, PRODUCERS = 4 };
    struct random dice;
    random_seed(&dice, w.seed);
    uint64_t want[2 * N], got[2 * N], held[PRODUCERS][2 * N];
    int open[PRODUCERS] = {0}, nwant = 0;
    int16_t epoch[PRODUCERS] = {0};
    int64_t offsets[2 * N], held_at[PRODUCERS][2 * N], next = 0;
    for (int i = 0; i < N; i++) {
        int p = (int)random_below(&dice, PRODUCERS);
        if (open[p] && (i > N - 40 || random_below(&dice, 3) == 0)) {
            bool commit = random_below(&dice, 2);
            end_txn(p + 1, epoch[p]++, commit);
            next++;
            for (int k = 0; k < open[p] && commit; k++, nwant++) {
                want[nwant] = held[p][k];
                offsets[nwant] = held_at[p][k];
            }
            open[p] = 0;
        } else if (i <= N - 40) {
            txn_batch(p + 1, epoch[p], open[p]);
            for (int k = 0; k < 2; k++, open[p]++) {
                held[p][open[p]] = (uint64_t)(p + 1) * 1000 + (uint64_t)epoch[p];
                held_at[p][open[p]] = next++;
            }
        }
    }
    for (int p = 0; p < PRODUCERS; p++)
        if (open[p])
            end_txn(p + 1, epoch[p], false);
    for (int i = 1; i < nwant; i++) /* by offset */
        for (int k = i; k > 0 && offsets[k] < offsets[k - 1]; k--) {
            int64_t o = offsets[k];
            uint64_t m = want[k];
            offsets[k] = offsets[k - 1];
            want[k] = want[k - 1];
            offsets[k - 1] = o;
            want[k - 1] = m;
        }
    for (int round = 0; round < 8; round++) {
        int first = round == 0 || nwant == 0 ? 0 : (int)random_below(&dice, (uint64_t)nwant) & ~1;
        struct reader *r;
        assert_int_equal(reader_open(&r, part, sim_loop(w.sim, 0), nwant ? offsets[first] : 0, READ_COMMITTED, on_ready,
                                     NULL), 0);
        int n = marks_read(r, got, 2 * N);
        assert_int_equal(n, nwant - first);
        assert_memory_equal(got, want + first, (size_t)n * sizeof *got);
        assert_int_equal(reader_offset(r), reader_end(r));
        reader_close(r);
    }
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
        cmocka_unit_test_setup_teardown(test_committed, begin, end),
        cmocka_unit_test_setup_teardown(test_committed_random, begin, end),
        cmocka_unit_test_setup_teardown(test_delete, begin, end),
        cmocka_unit_test(test_partition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
