/* The simulated disk keeps what was synced through any end, and of the rest only what could have been written. */
#include "tests/lib/simdisk.h"
#include "log/base/alloc.h"
#include "log/base/err.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <errno.h>

static uint64_t seed;

static void put(struct disk *d, const char *path, int64_t pos, const void *p, size_t n, bool sync)
{
    struct file *f;
    assert_int_equal(disk_open(d, path, FILE_WRITE | FILE_CREATE, &f), 0);
    assert_int_equal(file_write(f, pos, p, n), 0);
    if (sync)
        assert_int_equal(file_sync(f), 0);
    file_close(f);
}

static char *get(struct disk *d, const char *path, size_t *n)
{
    char *text = NULL;
    assert_int_equal(disk_read_file(d, path, 1 << 20, &text, n), 0);
    return text;
}

/* What a sync covered survives; what it did not is lost when the machine stops, and stays when only the process
 * does. */
static void sync_decides(void **state)
{
    (void)state;
    struct simdisk *sd = simdisk_new(seed);
    struct disk *d = simdisk_disk(sd);
    size_t n;
    put(d, "a", 0, "one", 3, true);
    put(d, "never_named", 0, "x", 1, true);
    assert_int_equal(disk_unlink(d, "never_named"), 0);
    assert_int_equal(disk_sync_dir(d, "/"), 0);
    put(d, "a", 1, "NETWO", 5, false);
    put(d, "lost", 0, "x", 1, true); /* its bytes are synced, its name is not */
    simdisk_crash(sd, SIMDISK_KILL);
    char *text = get(d, "/a", &n);
    assert_string_equal(text, "oNETWO");
    xfree(text);
    assert_true(disk_exists(d, "lost"));
    simdisk_crash(sd, SIMDISK_LOSE);
    text = get(d, "a", &n);
    assert_string_equal(text, "one");
    xfree(text);
    assert_false(disk_exists(d, "lost"));
    simdisk_free(sd);
}

/* disk_write_file leaves the old file or the new one, whole, wherever the machine stops. */
static void write_file_is_atomic(void **state)
{
    (void)state;
    bool old_seen = false, new_seen = false;
    for (uint64_t i = 0; i < 200; i++) {
        struct simdisk *sd = simdisk_new(seed + i);
        struct disk *d = simdisk_disk(sd);
        char before[3000], after[5000];
        memset(before, 'o', sizeof before);
        memset(after, 'n', sizeof after);
        assert_int_equal(disk_mkdir(d, "dir"), 0);
        assert_int_equal(disk_sync_dir(d, "/"), 0);
        assert_int_equal(disk_write_file(d, "dir/x", before, sizeof before), 0);
        simdisk_fail_nth(sd, SIMDISK_EIO_SYNC, 1 + (unsigned)(i % 3)); /* at the file, at the folder, never */
        int err = disk_write_file(d, "dir/x", after, sizeof after);
        assert_int_equal(err, i % 3 == 2 ? 0 : -EIO);
        simdisk_crash(sd, SIMDISK_CRASH);
        size_t n;
        char *text = get(d, "dir/x", &n);
        bool is_new = n == sizeof after;
        assert_int_equal(n, is_new ? sizeof after : sizeof before);
        assert_memory_equal(text, is_new ? after : before, n);
        assert_true(is_new || i % 3 != 2);
        new_seen |= is_new && i % 3 == 1;
        old_seen |= !is_new && i % 3 == 1;
        xfree(text);
        simdisk_free(sd);
    }
    assert_true(old_seen && new_seen);
}

/* After a stop every 512-byte sector holds what was synced or one of the unsynced writes to it, and synced bytes
 * hold. */
static void torn_writes_are_whole_sectors(void **state)
{
    (void)state;
    bool torn = false;
    for (uint64_t i = 0; i < 100; i++) {
        struct simdisk *sd = simdisk_new(seed + i);
        struct disk *d = simdisk_disk(sd);
        char base[4096], one[2048], *text;
        memset(base, 'b', sizeof base);
        memset(one, '1', sizeof one);
        put(d, "f", 0, base, sizeof base, true);
        assert_int_equal(disk_sync_dir(d, "."), 0);
        put(d, "f", 1024, one, sizeof one, false);
        put(d, "f", 4096, one, sizeof one, false);
        simdisk_crash(sd, SIMDISK_CRASH);
        size_t n, ones = 0;
        text = get(d, "f", &n);
        assert_in_range(n, sizeof base, sizeof base + sizeof one);
        for (size_t at = 0; at < n; at += 512) {
            char c = text[at];
            assert_true(c == (at < 1024 || (at >= 3072 && at < 4096) ? 'b' : c));
            assert_true(c == 'b' || c == '1' || (c == 0 && at >= 4096));
            for (size_t k = at; k < MIN(n, at + 512); k++)
                assert_int_equal(text[k], c);
            ones += at < 4096 && c == '1';
        }
        torn |= ones > 0 && ones < 4;
        xfree(text);
        simdisk_free(sd);
    }
    assert_true(torn);
}

/* After a failed sync the next one succeeds, but what the failed one should have covered may be gone. */
static void failed_sync_loses_for_ever(void **state)
{
    (void)state;
    bool lost = false;
    for (uint64_t i = 0; i < 50; i++) {
        struct simdisk *sd = simdisk_new(seed + i);
        struct disk *d = simdisk_disk(sd);
        struct file *f;
        assert_int_equal(disk_open(d, "f", FILE_WRITE | FILE_CREATE, &f), 0);
        assert_int_equal(disk_sync_dir(d, "."), 0);
        assert_int_equal(file_write(f, 0, "data", 4), 0);
        simdisk_fail_nth(sd, SIMDISK_EIO_SYNC, 1);
        assert_int_equal(file_sync(f), -EIO);
        assert_int_equal(file_sync(f), 0);
        simdisk_crash(sd, SIMDISK_LOSE);
        assert_int_equal(file_size(f), -EIO);
        file_close(f);
        size_t n;
        char *text = get(d, "f", &n);
        lost |= n == 0;
        xfree(text);
        simdisk_free(sd);
    }
    assert_true(lost);
}

/* A full disk refuses what does not fit, writes into reserved bytes still work, and space comes back. */
static void full_disk_refuses(void **state)
{
    (void)state;
    struct simdisk *sd = simdisk_new(seed);
    struct disk *d = simdisk_disk(sd);
    simdisk_set_capacity(sd, 1000);
    struct file *f, *g;
    assert_int_equal(disk_open(d, "f", FILE_WRITE | FILE_CREATE, &f), 0);
    assert_int_equal(disk_open(d, "g", FILE_WRITE | FILE_CREATE, &g), 0);
    assert_int_equal(file_allocate(f, 800), 0);
    assert_int_equal(disk_free_bytes(d, "."), 200);
    assert_int_equal(file_allocate(g, 300), -ENOSPC);
    assert_int_equal(file_size(g), 0);
    char bytes[300] = {0};
    assert_int_equal(file_write(g, 0, bytes, 300), -ENOSPC);
    assert_int_equal(file_write(f, 500, bytes, 300), 0);
    assert_int_equal(file_truncate(f, 100), 0);
    assert_int_equal(file_write(g, 0, bytes, 300), 0);
    file_close(f);
    file_close(g);
    assert_int_equal(disk_remove_tree(d, "f"), 0);
    assert_int_equal(disk_unlink(d, "g"), 0);
    assert_int_equal(disk_sync_dir(d, "/"), 0);
    assert_int_equal(disk_free_bytes(d, "."), 1000);
    simdisk_free(sd);
}

/* A move between folders is there in both or in none after a stop, and never makes two of one file or none. */
static void moves_are_atomic(void **state)
{
    (void)state;
    bool moved = false, stayed = false;
    for (uint64_t i = 0; i < 100; i++) {
        struct simdisk *sd = simdisk_new(seed + i);
        struct disk *d = simdisk_disk(sd);
        assert_int_equal(disk_mkdir(d, "a"), 0);
        assert_int_equal(disk_mkdir(d, "b"), 0);
        put(d, "a/x", 0, "x", 1, true);
        if (i % 2)
            assert_int_equal(disk_sync_dir(d, "a"), 0);
        assert_int_equal(disk_sync_dir(d, "/"), 0);
        assert_int_equal(disk_rename(d, "a/x", "b/y"), 0);
        assert_false(disk_exists(d, "a/x"));
        if (i % 4 == 3)
            assert_int_equal(disk_sync_dir(d, "b"), 0);
        simdisk_crash(sd, SIMDISK_CRASH);
        bool in_a = disk_exists(d, "a/x"), in_b = disk_exists(d, "b/y");
        assert_false(in_a && in_b);
        assert_true(in_a || in_b || i % 2 == 0);
        assert_true(in_b || i % 4 != 3);
        moved |= in_b && i % 4 == 1;
        stayed |= in_a && i % 4 == 1;
        simdisk_free(sd);
    }
    assert_true(moved && stayed);
}

/* A folder's unsynced names are lost from the last one on, never from the middle; each number of them can happen. */
static void names_are_lost_in_order(void **state)
{
    (void)state;
    bool kept[4] = {false};
    for (uint64_t i = 0; i < 100; i++) {
        struct simdisk *sd = simdisk_new(seed + i);
        struct disk *d = simdisk_disk(sd);
        put(d, "one", 0, "1", 1, true);
        put(d, "two", 0, "2", 1, true);
        assert_int_equal(disk_rename(d, "one", "three"), 0);
        simdisk_crash(sd, SIMDISK_CRASH);
        bool one = disk_exists(d, "one"), two = disk_exists(d, "two"), three = disk_exists(d, "three");
        assert_false(one && three);
        assert_true(!three || two);
        assert_true(!two || one || three);
        kept[one + two + 2 * three] = true;
        simdisk_free(sd);
    }
    assert_true(kept[0] && kept[1] && kept[2] && kept[3]);
}

static int name_add(void *names, const char *name, bool is_dir)
{
    strcat(names, name);
    strcat(names, is_dir ? "/ " : " ");
    return 0;
}

/* One lock at a time; it ends with its holder. Names come back in byte order. */
static void locks_and_lists(void **state)
{
    (void)state;
    struct simdisk *sd = simdisk_new(seed);
    struct disk *d = simdisk_disk(sd);
    struct file *f, *g;
    assert_int_equal(disk_lock(d, "lock", &f), 0);
    assert_int_equal(disk_lock(d, "lock", &g), E_LOCKED);
    simdisk_crash(sd, SIMDISK_KILL);
    assert_int_equal(disk_lock(d, "lock", &g), 0);
    assert_int_equal(file_fd(g), -1);
    file_close(f);
    file_close(g);
    put(d, "dir.x", 0, "", 0, false);
    put(d, "B", 0, "", 0, false);
    assert_int_equal(disk_mkdir(d, "dir"), 0);
    char names[64] = "";
    assert_int_equal(disk_list(d, "/", name_add, names), 0);
    assert_string_equal(names, "B dir/ dir.x lock ");
    assert_int_equal(disk_list(d, "none", name_add, names), -ENOENT);
    assert_int_equal(disk_rmdir(d, "dir"), 0);
    simdisk_free(sd);
}

/* Random writes, cuts and syncs read back as plain memory would have them. */
static void content_is_what_was_written(void **state)
{
    (void)state;
    struct simdisk *sd = simdisk_new(seed);
    struct disk *d = simdisk_disk(sd);
    struct random r;
    random_seed(&r, seed);
    enum { SIZE = 20000 };
    static uint8_t model[SIZE], bytes[SIZE];
    int64_t size = 0;
    struct file *f;
    assert_int_equal(disk_open(d, "f", FILE_WRITE | FILE_CREATE, &f), 0);
    for (int i = 0; i < 500; i++) {
        int64_t pos = (int64_t)random_below(&r, SIZE);
        size_t n = random_below(&r, (uint64_t)(SIZE - pos)) + 1;
        if (random_chance(&r, 0.7)) {
            memset(bytes, i, n);
            assert_int_equal(file_write(f, pos, bytes, n), 0);
            memcpy(model + pos, bytes, n);
            size = MAX(size, pos + (int64_t)n);
        } else if (random_chance(&r, 0.5)) {
            assert_int_equal(file_truncate(f, pos), 0);
            memset(model + pos, 0, (size_t)(SIZE - pos));
            size = pos;
        } else {
            assert_int_equal(file_sync(f), 0);
        }
        assert_int_equal(file_size(f), size);
        int64_t got;
        while ((got = file_read_nowait(f, 0, bytes, SIZE)) == -EAGAIN)
            ;
        assert_int_equal(got, size);
        assert_memory_equal(bytes, model, (size_t)size);
    }
    assert_int_equal(file_sync(f), 0);
    assert_int_equal(disk_sync_dir(d, "."), 0);
    file_close(f);
    simdisk_crash(sd, SIMDISK_CRASH);
    size_t n;
    char *text = get(d, "f", &n);
    assert_int_equal(n, size);
    assert_memory_equal(text, model, n);
    xfree(text);
    if (size > 0) {
        assert_int_equal(simdisk_flip(sd, "f", 0, 3), 0);
        text = get(d, "f", &n);
        assert_int_equal((uint8_t)text[0] ^ model[0], 8);
        xfree(text);
    }
    simdisk_free(sd);
}

int main(void)
{
    seed = test_seed();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sync_decides),
        cmocka_unit_test(write_file_is_atomic),
        cmocka_unit_test(torn_writes_are_whole_sectors),
        cmocka_unit_test(failed_sync_loses_for_ever),
        cmocka_unit_test(full_disk_refuses),
        cmocka_unit_test(moves_are_atomic),
        cmocka_unit_test(names_are_lost_in_order),
        cmocka_unit_test(locks_and_lists),
        cmocka_unit_test(content_is_what_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
