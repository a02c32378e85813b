/* The lossy disk keeps what was synced and nothing else. The program runs itself again under the library, which makes
 * the changes of one case; then it looks at the shadow. */
#include "log/base/alloc.h"
#include "log/base/disk.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char *scratch;
static char data[5000], shadow[5000];

static const char *in(const char *name)
{
    static _Thread_local char path[2][6000]; /* cases use threads */
    static _Thread_local int turn;
    turn = !turn;
    snprintf(path[turn], sizeof path[turn], "%s/%s", getenv("WEIR_LOSSY_DIR"), name);
    return path[turn];
}

static int put(const char *name, const char *text, bool sync)
{
    int fd = open(in(name), O_RDWR | O_CREAT, 0666);
    CHECK(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    CHECK(!sync || fdatasync(fd) == 0);
    return fd;
}

static void sync_dir(const char *name)
{
    int fd = open(in(name), O_RDONLY | O_DIRECTORY);
    CHECK(fd >= 0 && fsync(fd) == 0);
    close(fd);
}

/* ---- cases, run under the library */

static void case_bytes(void)
{
    int fd = put("a", "synced", true);
    sync_dir("");
    CHECK(pwrite(fd, "LOST", 4, 0) == 4);
    put("b", "no sync", false);
    put("c", "bytes without a name", true);
    unlink(in("old"));
}

static void case_lengths(void)
{
    int fd = put("a", "0123456789", true);
    sync_dir("");
    CHECK(ftruncate(fd, 4) == 0 && ftruncate(fd, 8) == 0 && fdatasync(fd) == 0);
    CHECK(ftruncate(fd, 2) == 0);
}

static void case_renames(void)
{
    CHECK(mkdir(in("x"), 0777) == 0 && mkdir(in("y"), 0777) == 0);
    put("x/f", "moved", true);
    sync_dir("x");
    sync_dir("");
    CHECK(rename(in("x"), in("y/x")) == 0);
    sync_dir("");
    sync_dir("y");
    put("t.tmp", "new", true);
    CHECK(rename(in("t.tmp"), in("old")) == 0);
    sync_dir("");
    put("u.tmp", "newer", true);
    CHECK(rename(in("u.tmp"), in("old")) == 0);
}

static void case_numbers(void)
{
    /* A new file takes the inode number of a removed one: its bytes are its own. */
    for (int i = 0; i < 50; i++) {
        close(put("a", i % 2 ? "short" : "a longer text", true));
        sync_dir("");
        unlink(in("a"));
        if (i % 3 == 0)
            sync_dir("");
    }
    close(put("a", "end", true));
    sync_dir("");
}

static void *writer(void *arg)
{
    char name[20];
    snprintf(name, sizeof name, "t%d", (int)(intptr_t)arg);
    int fd = put(name, "", true);
    sync_dir("");
    for (int i = 0; i < 300; i++) {
        uint32_t v = (uint32_t)i;
        CHECK(pwrite(fd, &v, 4, 4 * i) == 4);
        CHECK(i >= 250 || fdatasync(fd) == 0);
    }
    return NULL;
}

static void case_threads(void)
{
    pthread_t t[4];
    for (int i = 0; i < 4; i++)
        CHECK(pthread_create(&t[i], NULL, writer, (void *)(intptr_t)i) == 0);
    for (int i = 0; i < 4; i++)
        CHECK(pthread_join(t[i], NULL) == 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {{"bytes", case_bytes},     {"lengths", case_lengths}, {"renames", case_renames},
             {"numbers", case_numbers}, {"threads", case_threads}};

static void run(const char *name)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setenv("WEIR_LOSSY_DIR", data, 1);
        setenv("WEIR_LOSSY_SHADOW", shadow, 1);
        setenv("LD_PRELOAD", LOSSY, 1);
        execl("/proc/self/exe", "test_lossy", name, NULL);
        _exit(127);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* ---- what is left */

static void holds(const char *name, const char *text)
{
    char path[6000], *got;
    size_t len;
    snprintf(path, sizeof path, "%s/%s", shadow, name);
    assert_int_equal(disk_read_file(disk_real(), path, 4096, &got, &len), 0);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(got, text, len);
    xfree(got);
}

static void lacks(const char *name)
{
    char path[6000];
    snprintf(path, sizeof path, "%s/%s", shadow, name);
    assert_false(disk_exists(disk_real(), path));
}

static int set_up(void **state)
{
    (void)state;
    scratch = scratch_new();
    snprintf(data, sizeof data, "%s/data", scratch);
    snprintf(shadow, sizeof shadow, "%s/shadow", scratch);
    assert_int_equal(mkdir(data, 0777), 0);
    char path[6000];
    snprintf(path, sizeof path, "%s/old", data);
    return disk_write_file(disk_real(), path, "before", 6);
}

static int tear_down(void **state)
{
    (void)state;
    scratch_remove(scratch);
    return 0;
}

/* Only synced bytes of synced names are kept; a removal that no sync covers did not happen. */
static void test_bytes(void **state)
{
    (void)state;
    run("bytes");
    holds("a", "synced");
    lacks("b");
    lacks("c");
    holds("old", "before");
}

/* A length is kept as of the last sync, and what a cut took away is zero when the file grows again. */
static void test_lengths(void **state)
{
    (void)state;
    run("lengths");
    char path[6000], *got;
    size_t len;
    snprintf(path, sizeof path, "%s/a", shadow);
    assert_int_equal(disk_read_file(disk_real(), path, 4096, &got, &len), 0);
    assert_int_equal(len, 8);
    assert_memory_equal(got, "0123\0\0\0\0", 8);
    xfree(got);
}

/* A folder keeps its contents over a move, and a file that was replaced is the new one only after the sync. */
static void test_renames(void **state)
{
    (void)state;
    run("renames");
    holds("y/x/f", "moved");
    lacks("x");
    holds("old", "new");
}

static void test_numbers(void **state)
{
    (void)state;
    run("numbers");
    holds("a", "end");
}

/* With several threads each finds at least what it synced. */
static void test_threads(void **state)
{
    (void)state;
    run("threads");
    for (int i = 0; i < 4; i++) {
        char path[6000], *got;
        size_t len;
        snprintf(path, sizeof path, "%s/t%d", shadow, i);
        assert_int_equal(disk_read_file(disk_real(), path, 4096, &got, &len), 0);
        assert_int_equal(len, 1000);
        for (uint32_t k = 0; k < 250; k++)
            assert_memory_equal(got + 4 * k, &k, 4);
        xfree(got);
    }
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(cases) && argc > 1; i++)
        if (!strcmp(argv[1], cases[i].name)) {
            cases[i].run();
            return 0;
        }
    const struct CMUnitTest tests[] = {T(test_bytes), T(test_lengths), T(test_renames), T(test_numbers),
                                       T(test_threads)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
