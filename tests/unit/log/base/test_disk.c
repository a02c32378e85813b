/* The operating system's disk keeps the promises of disk.h. */
#include "log/base/disk.h"
#include "log/base/alloc.h"
#include "log/base/err.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static char *scratch;
static struct disk *d;

static const char *at(const char *name)
{
    static char path[4][4096];
    static unsigned turn;
    char *p = path[turn++ % 4];
    snprintf(p, 4096, "%s/%s", scratch, name);
    return p;
}

static int setup(void **state)
{
    (void)state;
    scratch = scratch_new();
    d = disk_real();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    scratch_remove(scratch);
    return 0;
}

/* Many pieces, empty ones among them, are written as one run of bytes, and reads are short only at the end. */
static void pieces_become_one(void **state)
{
    (void)state;
    enum { N = 200 };
    struct iovec iov[N];
    char want[N * 7], got[N * 7 + 10];
    size_t n = 0;
    for (int i = 0; i < N; i++) {
        iov[i] = (struct iovec){want + n, (size_t)(i % 7)};
        memset(want + n, 'a' + i % 26, iov[i].iov_len);
        n += iov[i].iov_len;
    }
    struct file *f;
    assert_int_equal(disk_open(d, at("f"), FILE_WRITE | FILE_CREATE, &f), 0);
    assert_int_equal(file_writev(f, 10, iov, N), 0);
    assert_int_equal(file_size(f), 10 + n);
    assert_int_equal(file_read(f, 10, got, sizeof got), n);
    assert_memory_equal(got, want, n);
    assert_int_equal(file_read_nowait(f, 10, got, n), n); /* just written: in memory */
    assert_memory_equal(got, want, n);
    assert_int_equal(file_read(f, 1000000, got, 1), 0);
    assert_int_equal(file_read_nowait(f, 1000000, got, 1), 0);
    assert_int_equal(file_sync(f), 0);
    assert_int_equal(file_truncate(f, 3), 0);
    assert_int_equal(file_size(f), 3);
    assert_int_equal(file_allocate(f, 5000), 0);
    assert_int_equal(file_size(f), 5000);
    assert_int_equal(file_allocate(f, 100), 0);
    assert_int_equal(file_size(f), 5000);
    assert_true(file_fd(f) >= 0);
    file_close(f);
    file_close(NULL);
}

/* Flags and errors are errno's. */
static void opening(void **state)
{
    (void)state;
    struct file *f;
    assert_int_equal(disk_open(d, at("none"), FILE_READ, &f), -ENOENT);
    assert_int_equal(disk_open(d, at("f"), FILE_WRITE | FILE_CREATE | FILE_EXCL, &f), 0);
    assert_int_equal(file_write(f, 0, "abc", 3), 0);
    file_close(f);
    assert_int_equal(disk_open(d, at("f"), FILE_WRITE | FILE_CREATE | FILE_EXCL, &f), -EEXIST);
    assert_int_equal(disk_open(d, at("f"), FILE_READ, &f), 0);
    assert_int_equal(file_write(f, 0, "x", 1), -EBADF);
    file_close(f);
    assert_int_equal(disk_open(d, at("f"), FILE_WRITE | FILE_TRUNC, &f), 0);
    assert_int_equal(file_size(f), 0);
    file_close(f);
}

static int name_add(void *names, const char *name, bool is_dir)
{
    strcat(names, name);
    strcat(names, is_dir ? "/ " : " ");
    return strcmp(name, "stop") ? 0 : 77;
}

/* Folders: made once, listed in byte order, removed with all below them. */
static void folders(void **state)
{
    (void)state;
    char names[100] = "";
    assert_int_equal(disk_mkdir(d, at("dir")), 0);
    assert_int_equal(disk_mkdir(d, at("dir")), 0);
    assert_int_equal(disk_mkdir(d, at("no/parent")), -ENOENT);
    assert_int_equal(disk_mkdir(d, at("dir/sub")), 0);
    assert_int_equal(disk_write_file(d, at("dir/sub/x"), "1", 1), 0);
    assert_int_equal(disk_write_file(d, at("dir/B"), "1", 1), 0);
    assert_int_equal(disk_mkdir(d, at("dir/B")), -EEXIST);
    assert_int_equal(disk_sync_dir(d, at("dir")), 0);
    assert_int_equal(disk_list(d, at("dir"), name_add, names), 0);
    assert_string_equal(names, "B sub/ ");
    assert_int_equal(disk_rename(d, at("dir/B"), at("dir/stop")), 0);
    names[0] = 0;
    assert_int_equal(disk_list(d, at("dir"), name_add, names), 77);
    assert_int_equal(disk_list(d, at("none"), name_add, names), -ENOENT);
    assert_int_equal(disk_rmdir(d, at("dir")), -ENOTEMPTY);
    assert_int_equal(disk_remove_tree(d, at("dir")), 0);
    assert_false(disk_exists(d, at("dir")));
    assert_int_equal(disk_remove_tree(d, at("dir")), 0);
    assert_true(disk_free_bytes(d, scratch) > 0);
}

/* Whole files: replaced whole, read with a limit, nothing left behind. */
static void whole_files(void **state)
{
    (void)state;
    char *text;
    size_t n;
    assert_int_equal(disk_write_file(d, at("w"), "first", 5), 0);
    assert_int_equal(disk_write_file(d, at("w"), "second!", 7), 0);
    assert_int_equal(disk_read_file(d, at("w"), 7, &text, &n), 0);
    assert_int_equal(n, 7);
    assert_string_equal(text, "second!");
    xfree(text);
    assert_int_equal(disk_read_file(d, at("w"), 6, &text, &n), -EFBIG);
    assert_int_equal(disk_read_file(d, scratch, 6, &text, &n) < 0, 1);
    assert_false(disk_exists(d, at("w.tmp")));
    assert_int_equal(disk_write_file(d, at("no/w"), "x", 1), -ENOENT);
}

/* A lock has one holder, also within one process, and ends with its file. */
static void locks(void **state)
{
    (void)state;
    struct file *f, *g;
    assert_int_equal(disk_lock(d, at("lock"), &f), 0);
    assert_int_equal(disk_lock(d, at("lock"), &g), E_LOCKED);
    const char *path = at("lock");
    pid_t pid = fork();
    if (pid == 0)
        _exit(disk_lock(d, path, &g) == E_LOCKED ? 0 : 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    file_close(f);
    assert_int_equal(disk_lock(d, at("lock"), &g), 0);
    file_close(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(pieces_become_one, setup, teardown),
        cmocka_unit_test_setup_teardown(opening, setup, teardown),
        cmocka_unit_test_setup_teardown(folders, setup, teardown),
        cmocka_unit_test_setup_teardown(whole_files, setup, teardown),
        cmocka_unit_test_setup_teardown(locks, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
