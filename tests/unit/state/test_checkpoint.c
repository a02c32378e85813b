#include "log/base/limits.h"
#include "log/base/random.h"
#include "state/state.h"
#include "tests/lib/seed.h"
#include "tests/lib/simdisk.h"
#include <errno.h>
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define FOLDER "/state"
#define PATH "/state/job.0"
enum { KEYS = 300 };

/* What a checkpoint should hold: for each (store, key) a version, 0 = gone. The value says which. */
struct model {
    uint32_t version[2][KEYS];
    int64_t offset;
};

struct bench {
    struct random r;
    struct simdisk *sd;
    struct model now;   /* as last written without an error */
    struct model tried; /* of the write that failed: it may have become durable */
    bool failed;
};

static struct str value_of(uint32_t store, uint32_t key, uint32_t version, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%u/%u/%u/", store, key, version);
    size_t len = (size_t)n + version % 90 * 5;
    memset(out + n, 'v', len - (size_t)n);
    return (struct str){out, len};
}

static struct checkpoint *open_ok(struct bench *b)
{
    struct checkpoint *cp;
    struct diag d;
    int err = checkpoint_open(&cp, simdisk_disk(b->sd), PATH, &d);
    if (err)
        fail_msg("open: %s", d.text);
    return cp;
}

struct loading {
    struct model m;
    size_t pairs;
};

static int load_cb(void *arg, uint32_t store, struct str key, struct str value)
{
    struct loading *l = arg;
    uint32_t s, k, v;
    char text[64], want[600];
    assert_int_equal(key.len, 4);
    snprintf(text, sizeof text, "%.*s", (int)MIN(value.len, sizeof text - 1), value.ptr);
    assert_int_equal(sscanf(text, "%u/%u/%u/", &s, &k, &v), 3);
    assert_int_equal(s, store);
    assert_int_equal(k, be32(key.ptr));
    assert_true(str_eq(value, value_of(s, k, v, want, sizeof want)));
    l->m.version[s - 7][k] = v;
    l->pairs++;
    return 0;
}

static bool model_eq(const struct model *a, const struct model *b) { return memcmp(a, b, sizeof *a) == 0; }

/* Loads all; gives the error of the load. */
static int load(struct checkpoint *cp, struct loading *l)
{
    *l = (struct loading){.m.offset = checkpoint_offset(cp)};
    return checkpoint_load(cp, load_cb, l);
}

static void expect(struct bench *b, struct checkpoint *cp)
{
    struct loading l;
    assert_int_equal(load(cp, &l), 0);
    char note[32];
    snprintf(note, sizeof note, "note %" PRId64, l.m.offset);
    assert_true(l.m.offset < 0 ? checkpoint_note(cp).len == 0 : str_eq(checkpoint_note(cp), str_of(note)));
    bool is_now = model_eq(&l.m, &b->now), is_tried = b->failed && model_eq(&l.m, &b->tried);
    assert_true(is_now || is_tried);
    b->now = l.m;
    b->failed = false;
}

static int write_some(struct bench *b, struct checkpoint *cp, size_t max)
{
    struct arena a;
    arena_init(&a);
    struct checkpoint_change changes[KEYS];
    size_t n = 0, want = random_below(&b->r, max + 1);
    bool taken[2][KEYS] = {0};
    struct model m = b->now;
    while (n < want) {
        uint32_t s = (uint32_t)random_below(&b->r, 2), k = (uint32_t)random_below(&b->r, KEYS);
        if (taken[s][k])
            continue;
        taken[s][k] = true;
        m.version[s][k] = random_chance(&b->r, 0.3) ? 0 : 1 + (uint32_t)random_below(&b->r, 1000000);
        char *key = arena_alloc(&a, 4), *value = arena_alloc(&a, 600);
        put_be32(key, k);
        changes[n].store = s + 7;
        changes[n].key = (struct str){key, 4};
        changes[n++].value = m.version[s][k] ? value_of(s + 7, k, m.version[s][k], value, 600) : STR_NULL;
    }
    m.offset = MAX(b->now.offset, 0) + (int64_t)random_below(&b->r, 1000) + 1;
    char note[32];
    snprintf(note, sizeof note, "note %" PRId64, m.offset);
    int err = checkpoint_write(cp, changes, n, m.offset, str_of(note));
    if (err) {
        b->tried = m;
        b->failed = true;
    } else {
        b->now = m;
    }
    arena_fini(&a);
    return err;
}

static void bench_init(struct bench *b, uint64_t seed)
{
    *b = (struct bench){.now.offset = -1};
    random_seed(&b->r, seed);
    b->sd = simdisk_new(seed);
    assert_int_equal(disk_mkdir(simdisk_disk(b->sd), FOLDER), 0);
    assert_int_equal(disk_sync_dir(simdisk_disk(b->sd), "/"), 0);
}

/* What was written is read back, in order, after any number of writes and reopenings. */
static void test_round_trip(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, test_seed());
    struct checkpoint *cp = open_ok(&b);
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(write_some(&b, cp, KEYS), 0);
        expect(&b, cp);
        if (i % 7 == 0) {
            checkpoint_close(cp);
            cp = open_ok(&b);
        }
    }
    checkpoint_close(cp);
    simdisk_free(b.sd);
}

/* ---- Against a map in memory. */

struct walk {
    struct kv *want; /* what is left to come */
    size_t n;
};

static void store_key(uint32_t store, struct str key, struct wbuf *out)
{
    wbuf_reset(out);
    wbuf_be32(out, store);
    wbuf_str(out, key);
}

static int take_cb(void *arg, uint32_t store, struct str key, struct str value)
{
    struct walk *w = arg;
    struct wbuf k;
    wbuf_init(&k);
    store_key(store, key, &k);
    assert_true(str_eq(kv_get(w->want, wbuf_view(&k)), value));
    w->n++;
    wbuf_fini(&k);
    return 0;
}

static int count_cb(void *arg, struct str key, struct str value)
{
    (void)key, (void)value;
    ++*(size_t *)arg;
    return 0;
}

/* Another amount of memory for buckets, from none to more than there are. */
static void other_memory(struct bench *b, struct checkpoint *cp, struct budget *memory)
{
    static const size_t most[] = {0, 3 * SHELF_BOARD_BYTES, 20 * SHELF_BOARD_BYTES, 1 << 26};
    checkpoint_memory(cp, memory, most[random_below(&b->r, ARRAY_LEN(most))]);
}

/* Piece by piece, changes of random keys and values of any size: every key is found, absent ones are not, and
 * ranges, whether by prefix, from a place on or limited, hold what a map in memory holds, however many buckets stay
 * in memory. */
static void test_equals_a_map(void **state)
{
    (void)state;
    struct bench b;
    struct budget memory;
    bench_init(&b, test_seed());
    budget_init(&memory, INT64_MAX, NULL);
    struct checkpoint *cp = open_ok(&b);
    struct kv *model = kv_new(true, NULL);
    struct wbuf k;
    wbuf_init(&k);
    static char big[9000];
    memset(big, 'x', sizeof big);
    for (unsigned round = 0; round < 60; round++) {
        struct arena a;
        arena_init(&a);
        struct kv *fresh = kv_new(true, NULL);
        size_t n = 0, done = 0, want = 1 + random_below(&b.r, 400);
        struct checkpoint_change *c = arena_alloc(&a, sizeof *c * want);
        while (n < want) {
            uint32_t store = 1 + (uint32_t)random_below(&b.r, 2);
            char *key = arena_printf(&a, "%s%u", random_chance(&b.r, 0.5) ? "" : "window 7/", (unsigned)random_below(&b.r, 3000));
            size_t len = random_chance(&b.r, 0.01) ? sizeof big : random_below(&b.r, 60);
            char *bytes = arena_alloc(&a, len + 1);
            memcpy(bytes, big, len);
            for (unsigned i = 0; len && i < random_below(&b.r, 4); i++)
                bytes[random_below(&b.r, len)] = (char)random_below(&b.r, 256);
            struct str value = random_chance(&b.r, round > 40 ? 0.8 : 0.2) ? STR_NULL : (struct str){bytes, len};
            store_key(store, str_of(key), &k);
            if (kv_get(fresh, wbuf_view(&k)).ptr) {
                want--;
                continue;
            }
            kv_put(fresh, wbuf_view(&k), STR(""));
            c[n++] = (struct checkpoint_change){store, str_of(key), value};
            if (value.ptr)
                kv_put(model, wbuf_view(&k), value);
            else
                kv_remove(model, wbuf_view(&k));
        }
        checkpoint_sort(c, n);
        while (done < n)
            assert_int_equal(checkpoint_put(cp, c, n, &done, 1 + random_below(&b.r, 8), round + 1), 0);
        assert_int_equal(checkpoint_aim(cp), round + 1);
        assert_int_equal(checkpoint_offset(cp), (int64_t)round - 1);
        assert_int_equal(checkpoint_seal(cp, round, STR("note")), 0);
        kv_free(fresh);
        if (random_chance(&b.r, 0.2)) {
            checkpoint_close(cp);
            cp = open_ok(&b);
        }
        if (random_chance(&b.r, 0.4))
            other_memory(&b, cp, &memory);
        struct walk w = {model, 0};
        assert_int_equal(checkpoint_load(cp, take_cb, &w), 0);
        assert_int_equal(w.n, kv_count(model));
        const struct checkpoint_size *sizes;
        size_t nsizes = checkpoint_sizes(cp, &sizes), entries = 0;
        for (size_t i = 0; i < nsizes; i++)
            entries += (size_t)sizes[i].entries;
        assert_int_equal(entries, kv_count(model));
        for (unsigned i = 0; i < 100; i++) {
            char *key = arena_printf(&a, "%u", (unsigned)random_below(&b.r, 3000));
            size_t before = w.n;
            if (random_chance(&b.r, 0.5))
                checkpoint_foresee(cp, 1, str_of(key));
            assert_int_equal(checkpoint_get(cp, 1, str_of(key), take_cb, &w), 0);
            store_key(1, str_of(key), &k);
            assert_int_equal(w.n - before, kv_get(model, wbuf_view(&k)).ptr != NULL);
        }
        static const char *const prefixes[] = {"", "1", "window 7/", "window 7/29", "x"};
        for (unsigned i = 0; i < ARRAY_LEN(prefixes); i++) {
            size_t all = 0;
            store_key(2, str_of(prefixes[i]), &k);
            kv_scan(model, wbuf_view(&k), count_cb, &all);
            w.n = 0;
            assert_int_equal(checkpoint_scan(cp, 2, str_of(prefixes[i]), STR(""), false, SIZE_MAX, take_cb, &w), 0);
            assert_int_equal(w.n, all);
            w.n = 0;
            assert_int_equal(checkpoint_scan(cp, 2, str_of(prefixes[i]), STR(""), false, 5, take_cb, &w), 0);
            assert_int_equal(w.n, MIN(all, 5u));
        }
        size_t from = 0, above = 0;
        w.n = 0;
        assert_int_equal(checkpoint_scan(cp, 2, STR(""), STR("2"), false, SIZE_MAX, take_cb, &w), 0);
        from = w.n;
        w.n = 0;
        assert_int_equal(checkpoint_scan(cp, 2, STR(""), STR("2"), true, SIZE_MAX, take_cb, &w), 0);
        above = w.n;
        store_key(2, STR("2"), &k);
        assert_int_equal(from - above, kv_get(model, wbuf_view(&k)).ptr != NULL);
        arena_fini(&a);
    }
    wbuf_fini(&k);
    kv_free(model);
    checkpoint_close(cp);
    assert_int_equal(memory.used, 0);
    simdisk_free(b.sd);
}

/* A crash or a failing disk in the middle of a checkpoint leaves the one before it or the new one, nothing in
 * between. */
static void test_crash_keeps_one_or_the_other(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    for (int64_t round = 0; round < test_rounds(150); round++) {
        struct bench b;
        bench_init(&b, seed + (uint64_t)round);
        struct checkpoint *cp = open_ok(&b);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(write_some(&b, cp, 100), 0);
        for (unsigned crash = 0; crash < 3; crash++) {
            enum simdisk_fault kind = random_chance(&b.r, 0.5) ? SIMDISK_EIO_WRITE : SIMDISK_EIO_SYNC;
            simdisk_fail_nth(b.sd, kind, 1 + (unsigned)random_below(&b.r, 30));
            while (write_some(&b, cp, 100) == 0)
                ;
            enum simdisk_end how = random_chance(&b.r, 0.5) ? SIMDISK_CRASH : SIMDISK_LOSE;
            simdisk_crash(b.sd, how);
            checkpoint_close(cp);
            simdisk_fail_nth(b.sd, SIMDISK_EIO_WRITE, 0);
            simdisk_fail_nth(b.sd, SIMDISK_EIO_SYNC, 0);
            cp = open_ok(&b);
            expect(&b, cp);
        }
        checkpoint_close(cp);
        simdisk_free(b.sd);
    }
}

/* A write that fails changes nothing, and the next one works once the disk has room again. */
static void test_full_disk(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, test_seed());
    struct checkpoint *cp = open_ok(&b);
    assert_int_equal(write_some(&b, cp, 50), 0);
    simdisk_set_capacity(b.sd, 0);
    struct model before = b.now;
    int err;
    do
        err = write_some(&b, cp, KEYS);
    while (!err);
    assert_int_equal(err, -ENOSPC);
    assert_true(model_eq(&b.now, &before) || b.now.offset > before.offset);
    simdisk_set_capacity(b.sd, -1);
    b.failed = false;
    expect(&b, cp);
    assert_int_equal(write_some(&b, cp, KEYS), 0);
    expect(&b, cp);
    checkpoint_close(cp);
    simdisk_free(b.sd);
}

/* One flipped bit anywhere in the file is noticed, or lies where nothing is read; deleting the file starts anew. */
static void test_flipped_bit(void **state)
{
    (void)state;
    uint64_t seed = test_seed();
    unsigned noticed = 0;
    for (int64_t round = 0; round < test_rounds(200); round++) {
        struct bench b;
        bench_init(&b, seed + (uint64_t)round);
        struct checkpoint *cp = open_ok(&b);
        assert_int_equal(write_some(&b, cp, KEYS), 0);
        checkpoint_close(cp);
        struct file *f;
        assert_int_equal(disk_open(simdisk_disk(b.sd), PATH, FILE_READ, &f), 0);
        int64_t size = file_size(f);
        file_close(f);
        int64_t pos = (int64_t)random_below(&b.r, round % 2 ? 120 : (uint64_t)size);
        assert_int_equal(simdisk_flip(b.sd, PATH, pos, (unsigned)random_below(&b.r, 8)), 0);
        struct loading l;
        struct diag d;
        int err = checkpoint_open(&cp, simdisk_disk(b.sd), PATH, &d);
        if (!err) {
            err = load(cp, &l);
            checkpoint_close(cp);
        }
        assert_true(err == E_CORRUPT || (err == 0 && model_eq(&l.m, &b.now)));
        noticed += err == E_CORRUPT;
        assert_int_equal(checkpoint_delete(simdisk_disk(b.sd), PATH), 0);
        b.now = (struct model){.offset = -1};
        cp = open_ok(&b);
        expect(&b, cp);
        checkpoint_close(cp);
        simdisk_free(b.sd);
    }
    assert_true(noticed > 0);
}

/* A file of other content is refused as damaged, whatever it is. */
static void test_not_a_checkpoint(void **state)
{
    (void)state;
    struct bench b;
    bench_init(&b, 1);
    static const char text[5000] = "this is not a checkpoint";
    assert_int_equal(disk_write_file(simdisk_disk(b.sd), PATH, text, sizeof text), 0);
    struct checkpoint *cp;
    struct diag d;
    assert_int_equal(checkpoint_open(&cp, simdisk_disk(b.sd), PATH, &d), E_CORRUPT);
    assert_non_null(strstr(d.text, PATH));
    simdisk_free(b.sd);
}

/* A checkpoint works on a real file system too, and its folder not being there is an error of the disk. */
static void test_real_disk(void **state)
{
    (void)state;
    char *folder = scratch_new(), path[4200];
    snprintf(path, sizeof path, "%s/cp", folder);
    struct checkpoint *cp;
    struct diag d;
    assert_int_equal(checkpoint_open(&cp, disk_real(), path, &d), 0);
    struct checkpoint_change c[] = {{2, STR("b"), STR("two")}, {1, STR("a"), STR("")}, {1, STR(""), STR("none")}};
    assert_int_equal(checkpoint_write(cp, c, ARRAY_LEN(c), 12, STR("n")), 0);
    checkpoint_close(cp);
    assert_int_equal(checkpoint_open(&cp, disk_real(), path, &d), 0);
    assert_int_equal(checkpoint_offset(cp), 12);
    assert_true(str_eq(checkpoint_note(cp), STR("n")));
    checkpoint_close(cp);
    assert_int_equal(checkpoint_delete(disk_real(), path), 0);
    snprintf(path, sizeof path, "%s/none/cp", folder);
    assert_int_equal(checkpoint_open(&cp, disk_real(), path, &d), -ENOENT);
    scratch_remove(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),       cmocka_unit_test(test_equals_a_map),
        cmocka_unit_test(test_crash_keeps_one_or_the_other),
        cmocka_unit_test(test_full_disk),        cmocka_unit_test(test_flipped_bit),
        cmocka_unit_test(test_not_a_checkpoint), cmocka_unit_test(test_real_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
