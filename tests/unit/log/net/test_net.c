#include "log/base/clock.h"
#include "log/base/random.h"
#include "log/net/address.h"
#include "log/net/net.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* A server whose frames say how they are answered: byte 8 is 'n' now, 'l' later, 'w' when nothing is held back any
 * more, 'f' from a file, 'x' not at all, 'c' now and then the connection closes, 'e' an error. The answer is the frame
 * itself; from a file, the file's first bytes. */
static struct loops *loops;
static struct net *net;
static struct config conf;
static char address[64], *scratch, unix_path[4096];
static int file_fd;
static _Atomic int opened, closed, released;
static _Atomic int64_t frame_bytes;
static _Atomic bool held_back; /* 'w' waits while this is set */

struct later {
    struct timer timer;
    struct conn *conn;
    uint64_t seq;
    struct buf *buf;
    bool wait;
};

static void later_fired(struct timer *t)
{
    struct later *l = container_of(t, struct later, timer);
    if (l->wait && atomic_load(&held_back)) {
        timer_start(t, 20);
        return;
    }
    conn_answer(l->conn, l->seq, &(struct piece){.buf = l->buf, .len = l->buf->len}, 1, false);
    xfree(l);
}

static void on_release(void *owner)
{
    (void)owner;
    atomic_fetch_add(&released, 1);
}

static int on_frame(void *arg, struct conn *conn, struct buf *buf)
{
    (void)arg;
    char how = buf->len > 8 ? (char)buf->data[8] : 'n';
    atomic_fetch_add(&frame_bytes, buf->len);
    if (how == 'e') {
        buf_release(buf);
        return E_SYNTAX;
    }
    uint64_t seq = conn_reserve(conn);
    if (how == 'l' || how == 'w') {
        struct later *l = xzalloc(sizeof *l);
        *l = (struct later){.conn = conn, .seq = seq, .buf = buf, .wait = how == 'w'};
        timer_init(&l->timer, conn_loop(conn), later_fired);
        timer_start(&l->timer, 20);
    } else if (how == 'f') {
        struct piece pieces[] = {{.buf = buf, .len = 9},
                                 {.fd = file_fd, .pos = 100, .len = 300000, .release_cb = on_release}};
        conn_answer(conn, seq, pieces, 2, false);
    } else if (how == 'x') {
        conn_answer(conn, seq, NULL, 0, false);
        buf_release(buf);
    } else {
        conn_answer(conn, seq, &(struct piece){.buf = buf, .len = buf->len}, 1, how == 'c');
    }
    return 0;
}
static void on_open(void *arg, struct conn *conn) { (void)arg, (void)conn, atomic_fetch_add(&opened, 1); }
static void on_close(void *arg, struct conn *conn) { (void)arg, (void)conn, atomic_fetch_add(&closed, 1); }

/* HTTP: /echo gives the body back, /later answers after 20 ms. */
struct http_later {
    struct timer timer;
    struct http_req *req;
};
static void http_later_fired(struct timer *t)
{
    struct http_later *l = container_of(t, struct http_later, timer);
    http_start(l->req, 200, "text/plain");
    http_write(l->req, STR("later"));
    http_end(l->req);
    xfree(l);
}

static void on_request(void *arg, struct http_req *req)
{
    (void)arg;
    if (str_eq(req->path, STR("/later"))) {
        struct http_later *l = xzalloc(sizeof *l);
        l->req = req;
        timer_init(&l->timer, req->loop, http_later_fired);
        timer_start(&l->timer, 20);
        return;
    }
    http_start(req, 200, "text/plain");
    http_write(req, req->body);
    http_write(req, http_header(req, "X-Extra"));
    http_end(req);
}

static int dial(const char *where)
{
    int fd;
    struct diag d = {.text = ""};
    if (net_dial(&fd, where, 5000, &d) < 0)
        fail_msg("%s", d.text);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK);
    return fd;
}

static void put(int fd, const void *p, size_t n) { assert_int_equal(send(fd, p, n, MSG_NOSIGNAL), (ssize_t)n); }

static void put_frame(int fd, char how, uint32_t id, uint32_t size)
{
    uint8_t *frame = xzalloc(size + 4);
    put_be32(frame, size);
    put_be32(frame + 4, id);
    frame[12] = (uint8_t)how;
    put(fd, frame, size + 4);
    xfree(frame);
}

static bool get(int fd, void *p, size_t n)
{
    char *c = p;
    while (n) {
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        if (poll(&pfd, 1, 5000) != 1)
            return false;
        ssize_t got = recv(fd, c, n, 0);
        if (got <= 0)
            return false;
        c += got;
        n -= (size_t)got;
    }
    return true;
}

static uint32_t get_frame(int fd, uint32_t *size)
{
    uint8_t head[8];
    assert_true(get(fd, head, 8));
    *size = be32(head);
    uint8_t *rest = xalloc(*size);
    assert_true(get(fd, rest, *size - 4));
    xfree(rest);
    return be32(head + 4);
}

static bool at_end(int fd)
{
    char c;
    struct pollfd pfd = {.fd = fd, .events = POLLIN};
    return poll(&pfd, 1, 5000) == 1 && recv(fd, &c, 1, 0) <= 0;
}

/* Answers leave in the order of their requests, whatever order they are ready in; silent ones leave no gap. */
static void test_order(void **state)
{
    (void)state;
    static const char how[] = "lnlnnxlfnnxxnlfn";
    struct random rnd;
    random_seed(&rnd, test_seed());
    int fd = dial(address);
    for (int round = 0; round < 20; round++) {
        char mine[40];
        for (size_t i = 0; i < sizeof mine; i++) {
            mine[i] = how[random_below(&rnd, sizeof how - 1)];
            put_frame(fd, mine[i], (uint32_t)i, 9 + (uint32_t)random_below(&rnd, 5000));
            if (round == 0 && i == 0)
                clock_sleep_ms(50); /* the first frame of a connection is judged before the others come */
        }
        for (size_t i = 0; i < sizeof mine; i++) {
            uint32_t size;
            if (mine[i] == 'x')
                continue;
            assert_int_equal(get_frame(fd, &size), i);
            if (mine[i] == 'f')
                assert_int_equal(size, 9 + 300000);
        }
    }
    close(fd);
}

/* Bytes of a file arrive as they are in the file, and its owner is told when they are sent. */
static void test_file(void **state)
{
    (void)state;
    int fd = dial(address), before = atomic_load(&released);
    uint8_t head[13], *got = xalloc(300000), *want = xalloc(300000);
    put_frame(fd, 'f', 1, 9);
    assert_true(get(fd, head, sizeof head) && get(fd, got, 300000));
    assert_int_equal(pread(file_fd, want, 300000, 100), 300000);
    assert_memory_equal(got, want, 300000);
    for (int i = 0; i < 100 && atomic_load(&released) == before; i++)
        clock_sleep_ms(5);
    assert_int_equal(atomic_load(&released), before + 1);
    xfree(got);
    xfree(want);
    close(fd);
}

/* close_after sends the answer first; an error closes; both tell the owner. */
static void test_close(void **state)
{
    (void)state;
    uint32_t size;
    int fd = dial(address);
    put_frame(fd, 'c', 5, 9);
    assert_int_equal(get_frame(fd, &size), 5);
    assert_true(at_end(fd));
    close(fd);
    fd = dial(address);
    put_frame(fd, 'e', 5, 9);
    assert_true(at_end(fd));
    close(fd);
    for (int i = 0; i < 200 && atomic_load(&closed) < atomic_load(&opened); i++)
        clock_sleep_ms(5);
    assert_int_equal(atomic_load(&closed), atomic_load(&opened));
}

/* Before the first good frame 8 KiB is the limit, afterwards the setting. */
static void test_sizes(void **state)
{
    (void)state;
    uint32_t size;
    int fd = dial(address);
    uint8_t head[4];
    put_be32(head, 8193);
    put(fd, head, 4);
    assert_true(at_end(fd));
    close(fd);
    fd = dial(address);
    put_frame(fd, 'n', 1, 8192);
    assert_int_equal(get_frame(fd, &size), 1);
    put_frame(fd, 'n', 2, 1000000);
    assert_int_equal(get_frame(fd, &size), 2);
    assert_int_equal(size, 1000000);
    put_be32(head, 2000001);
    put(fd, head, 4);
    assert_true(at_end(fd));
    close(fd);
}

/* Memory that one frame has taken is missing to another, which waits unread and goes on when the first is gone. */
static void test_memory(void **state)
{
    (void)state;
    uint32_t size;
    uint8_t head[4];
    int a = dial(address), b = dial(address);
    put_frame(a, 'n', 1, 9);
    put_frame(b, 'n', 2, 9);
    assert_int_equal(get_frame(a, &size), 1);
    assert_int_equal(get_frame(b, &size), 2);
    put_be32(head, 2000000);
    put(a, head, 4); /* the rest never comes */
    clock_sleep_ms(50);
    put_frame(b, 'n', 3, 510000);
    struct pollfd pfd = {.fd = b, .events = POLLIN};
    assert_int_equal(poll(&pfd, 1, 100), 0);
    close(a);
    assert_int_equal(get_frame(b, &size), 3);
    close(b);
}

/* Answers that wait for an earlier one are memory too: it is bounded, over all connections; nothing is lost by that. */
static void test_waiting_answers(void **state)
{
    (void)state;
    enum { CONNS = 4, SIZE = 60000, FRAMES = 60 };
    int fds[CONNS];
    size_t sent[CONNS] = {0};
    uint32_t size;
    uint8_t *frames = xzalloc((size_t)FRAMES * (SIZE + 4));
    for (uint32_t i = 0; i < FRAMES; i++) {
        put_be32(frames + i * (SIZE + 4), SIZE);
        put_be32(frames + i * (SIZE + 4) + 4, i);
        frames[i * (SIZE + 4) + 12] = 'n';
    }
    for (int c = 0; c < CONNS; c++) {
        fds[c] = dial(address);
        put_frame(fds[c], 'n', 1000, 9);
        assert_int_equal(get_frame(fds[c], &size), 1000);
    }
    int64_t before = atomic_load(&frame_bytes), total = (int64_t)FRAMES * (SIZE + 4);
    atomic_store(&held_back, true);
    for (int c = 0; c < CONNS; c++)
        put_frame(fds[c], 'w', 1000, 9);
    for (int turn = 0; turn < 20; turn++, clock_sleep_ms(10))
        for (int c = 0; c < CONNS; c++) {
            ssize_t n = send(fds[c], frames + sent[c], (size_t)total - sent[c], MSG_NOSIGNAL | MSG_DONTWAIT);
            sent[c] += n > 0 ? (size_t)n : 0;
        }
    int64_t held = atomic_load(&frame_bytes) - before;
    atomic_store(&held_back, false);
    assert_true(held <= conf.request_memory + CONNS * SIZE + 100);
    for (int c = 0; c < CONNS; c++) {
        assert_int_equal(get_frame(fds[c], &size), 1000);
        for (uint32_t i = 0; i < FRAMES; i++) {
            ssize_t n = send(fds[c], frames + sent[c], (size_t)total - sent[c], MSG_NOSIGNAL | MSG_DONTWAIT);
            sent[c] += n > 0 ? (size_t)n : 0;
            assert_int_equal(get_frame(fds[c], &size), i);
        }
        close(fds[c]);
    }
    xfree(frames);
}

/* What comes up to `want` bytes of text until the connection falls silent. */
static void read_text(int fd, char *out, size_t cap, const char *until, int times)
{
    size_t n = 0;
    out[0] = 0;
    for (;;) {
        int found = 0;
        for (const char *p = out; (p = strstr(p, until)) != NULL; p++)
            found++;
        if (found >= times)
            return;
        struct pollfd pfd = {.fd = fd, .events = POLLIN};
        ssize_t got = poll(&pfd, 1, 5000) == 1 ? recv(fd, out + n, cap - n - 1, 0) : 0;
        if (got <= 0)
            return;
        n += (size_t)got;
        out[n] = 0;
    }
}

/* HTTP on the same port; pipelined requests are answered one after the other, in whatever pieces they arrive. */
static void test_http(void **state)
{
    (void)state;
    static const char requests[] = "GET /later HTTP/1.1\r\nHost: x\r\n\r\n"
                                   "POST /echo HTTP/1.1\r\nHost: x\r\nX-Extra: extra\r\nContent-Length: 5\r\n\r\nhello"
                                   "POST /echo HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    static const char *const where[] = {address, unix_path};
    for (size_t w = 0; w < 2; w++)
        for (size_t step = 1; step < sizeof requests; step += 17) {
            char got[4096];
            int fd = dial(where[w]);
            for (size_t at = 0; at < sizeof requests - 1; at += step)
                put(fd, requests + at, MIN(step, sizeof requests - 1 - at));
            read_text(fd, got, sizeof got, "0\r\n\r\n", 3);
            char *later = strstr(got, "5\r\nlater\r\n"), *hello = strstr(got, "5\r\nhello\r\n"),
                 *extra = strstr(got, "5\r\nextra\r\n"), *abc = strstr(got, "3\r\nabc\r\n");
            assert_true(later && hello && extra && abc);
            assert_true(later < hello && hello < extra && extra < abc);
            close(fd);
        }
}

/* A request that is none, and one that is too large, get a status and an end. */
static void test_http_refused(void **state)
{
    (void)state;
    static const struct {
        const char *request, *status;
    } rows[] = {
        {"GET nothing\r\n\r\n", "400"},
        {"POST /echo HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n", "413"},
        {"POST /echo HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "400"},
        {"GET /echo HTTP/1.0\r\n\r\n", "200"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char got[1024];
        int fd = dial(address);
        put(fd, rows[i].request, strlen(rows[i].request));
        read_text(fd, got, sizeof got, "\r\n\r\n", 1);
        assert_non_null(strstr(got, rows[i].status));
        assert_true(at_end(fd) || i == 3);
        close(fd);
    }
}

/* Listener lists are read as people write them. */
static void test_addresses(void **state)
{
    (void)state;
    struct arena a;
    struct address *list;
    unsigned n;
    struct diag d;
    arena_init(&a);
    assert_int_equal(address_list(&list, &n, STR(" a://h:1, [::1]:2 ,B://:3"), "listeners", &a, &d), 0);
    assert_int_equal(n, 3);
    assert_string_equal(list[0].name, "A");
    assert_string_equal(list[0].host, "h");
    assert_string_equal(list[1].name, "PLAINTEXT");
    assert_string_equal(list[1].host, "::1");
    assert_int_equal(list[1].port, 2);
    assert_string_equal(list[2].host, "");
    static const char *const bad[] = {"host", "host:", "host:70000", "host:-1", "a b://h:1", "://h:1", "h:1,,h:2", "::1:2"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(address_list(&list, &n, str_of(bad[i]), "listeners", &a, &d), E_BAD_CONFIG);
    arena_fini(&a);
}

/* What cannot be listened on is refused with a sentence that says what to do. */
static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *listeners, *advertised, *says;
    } rows[] = {
        {"PLAINTEXT://0.0.0.0:0", "", "unencrypted"},
        {"SASL_SSL://127.0.0.1:0", "", "PLAINTEXT is what there is"},
        {"A://127.0.0.1:0,A://127.0.0.1:0", "", "twice"},
        {"A://127.0.0.1:0", "B://x:1", "which listeners does not have"},
        {"A://127.0.0.1:0", "A://0.0.0.0:1", "cannot connect"},
    };
    struct config own;
    config_init(&own);
    for (size_t i = 0; i <= ARRAY_LEN(rows); i++) {
        struct net *other;
        struct diag d = {.text = ""};
        char taken[96];
        snprintf(taken, sizeof taken, "A://%s", address);
        own.listeners = i < ARRAY_LEN(rows) ? rows[i].listeners : taken;
        own.advertised_listeners = i < ARRAY_LEN(rows) ? rows[i].advertised : "";
        struct net_conf nc = {.conf = &own, .loops = loops};
        assert_true(net_open(&other, &nc, &d) < 0);
        assert_non_null(strstr(d.text, i < ARRAY_LEN(rows) ? rows[i].says : "cannot listen on"));
    }
    struct net *other;
    struct diag d = {.text = ""};
    own.listeners = own.advertised_listeners = "";
    struct net_conf nc = {.conf = &own, .loops = loops, .unix_path = unix_path};
    assert_true(net_open(&other, &nc, &d) < 0);
    assert_non_null(strstr(d.text, "another process listens there"));
    config_fini(&own);
}

static int start(void **state)
{
    (void)state;
    static const struct frame_class frames = {.frame_cb = on_frame, .open_cb = on_open, .close_cb = on_close};
    static const struct http_class http = {.request_cb = on_request};
    struct diag d = {.text = ""};
    scratch = scratch_new();
    snprintf(unix_path, sizeof unix_path, "%s/net.sock", scratch);
    char path[4096];
    snprintf(path, sizeof path, "%s/file", scratch);
    file_fd = open(path, O_RDWR | O_CREAT, 0600);
    for (int i = 0; i < 400; i++) {
        char block[1024];
        memset(block, i, sizeof block);
        assert_int_equal(write(file_fd, block, sizeof block), sizeof block);
    }
    config_init(&conf);
    conf.listeners = "PLAINTEXT://127.0.0.1:0";
    conf.request_max_bytes = 2000000;
    conf.request_memory = 2500000;
    loops = loops_new(2);
    struct net_conf nc = {.conf = &conf, .loops = loops, .frames = &frames, .http = &http, .unix_path = unix_path};
    if (net_open(&net, &nc, &d) < 0)
        fail_msg("%s", d.text);
    const struct listener_info *li;
    assert_int_equal(net_listeners(net, &li), 1);
    snprintf(address, sizeof address, "127.0.0.1:%d", li[0].port);
    loops_start(loops);
    net_start(net);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    net_stop(net);
    loops_stop(loops);
    net_free(net);
    loops_free(loops);
    assert_int_equal(atomic_load(&closed), atomic_load(&opened));
    close(file_fd);
    config_fini(&conf);
    scratch_remove(scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order), cmocka_unit_test(test_file),         cmocka_unit_test(test_close),
        cmocka_unit_test(test_sizes), cmocka_unit_test(test_http),         cmocka_unit_test(test_http_refused),
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_memory),   cmocka_unit_test(test_waiting_answers),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
