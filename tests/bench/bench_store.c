/* What the store can do on this machine: large appends cold and warm, group commit of small ones, reading.
 *
 *     build/bench_store [folder]       medians of 5, each over its own fresh partitions */
#include "log/base/clock.h"
#include "tests/lib/seed.h"
#include "tests/unit/log/store/world.h"
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 5, CHAINS_MAX = 256 };

static struct config conf;
static struct loops *loops;
static struct loop *loop[4];
static unsigned shards = 2;
static struct store *st;
static unsigned topics;

struct chain {
    struct append_set set;
    struct append a;
    struct buf *buf;
    int64_t left;
    struct msg start;
};
static struct chain chains[CHAINS_MAX];
static _Atomic int running;

static void chain_next(struct chain *c)
{
    if (c->left-- > 0)
        store_append(st, &c->set);
    else
        atomic_fetch_sub(&running, 1);
}

static void chain_done(struct append_set *set)
{
    struct chain *c = container_of(set, struct chain, set);
    CHECK(c->a.status == 0);
    chain_next(c);
}

static void chain_start(struct msg *m) { chain_next(container_of(m, struct chain, start)); }

/* n chains of appends, each to its own partition, one in flight each. Gives seconds. */
static double append_run(struct part **parts, unsigned n, size_t bytes, int64_t each)
{
    struct spec sp = {.n = 1, .bytes = bytes, .ts = 1};
    atomic_store(&running, (int)n);
    for (unsigned i = 0; i < n; i++) {
        struct chain *c = &chains[i];
        *c = (struct chain){.buf = spec_build(&sp), .left = each, .start.run_cb = chain_start};
        c->a = (struct append){.part = parts[i], .buf = c->buf, .bytes = c->buf->data, .len = c->buf->len};
        c->set = (struct append_set){.from = part_owner(parts[i]), .items = &c->a, .n = 1, .done_cb = chain_done};
    }
    int64_t began = clock_mono_us();
    for (unsigned i = 0; i < n; i++)
        loop_post(chains[i].set.from, &chains[i].start);
    while (atomic_load(&running))
        clock_sleep_ms(1);
    double seconds = (double)(clock_mono_us() - began) / 1e6;
    for (unsigned i = 0; i < n; i++)
        buf_release(chains[i].buf);
    return seconds;
}

static void parts_make(struct part **parts, unsigned n)
{
    struct part_conf pc;
    part_conf_default(&pc, &conf);
    for (unsigned i = 0; i < n; i++)
        parts[i] = part_new(st, world_topic(topics++), 0, "bench", &pc);
}

static void parts_drop(struct part **parts, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        part_delete(parts[i]);
        part_release(parts[i]);
    }
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void say(const char *what, double *v, const char *unit)
{
    qsort(v, ROUNDS, sizeof *v, by_value);
    printf("%-52s %10.3f %s   [%.3f-%.3f]\n", what, v[ROUNDS / 2], unit, v[0], v[ROUNDS - 1]);
    fflush(stdout);
}

static void bench_append(const char *what, unsigned n, size_t bytes, int64_t each)
{
    double rate[ROUNDS], mb[ROUNDS], cpu[ROUNDS];
    struct part *parts[CHAINS_MAX];
    for (int r = 0; r < ROUNDS; r++) {
        parts_make(parts, n);
        append_run(parts, n, bytes, 1); /* folders exist */
        int64_t cpu0 = clock_cpu_us();
        double s = append_run(parts, n, bytes, each);
        double total = (double)n * (double)each;
        rate[r] = total / s / 1e3;
        mb[r] = total * (double)bytes / s / 1e9;
        cpu[r] = (double)(clock_cpu_us() - cpu0) / 1e6 / (total * (double)bytes / 1e9);
        parts_drop(parts, n);
    }
    printf("-- %s: %u partitions, %zu B\n", what, n, bytes);
    say("appends", rate, "k/s");
    say("bytes", mb, "GB/s");
    say("cpu", cpu, "s/GB");
}

static void bench_read(void)
{
    double gb[ROUNDS], seeks[ROUNDS];
    struct part *parts[1];
    enum { EACH = 2000, BYTES = 131072 };
    parts_make(parts, 1);
    append_run(parts, 1, BYTES, EACH);
    struct view *v = part_view(parts[0]);
    uint8_t *bytes = xalloc(1 << 20);
    for (int r = 0; r < ROUNDS; r++) {
        int64_t began = clock_mono_us(), offset = 0, total = 0;
        while (offset < v->high_watermark) {
            struct slice s;
            CHECK(view_read(v, offset, INT64_MAX, 1 << 20, true, true, &s) == 0);
            CHECK(slice_read(&s, 0, bytes, s.len, true) == s.len);
            total += s.len;
            offset = s.first_offset + s.len / BYTES;
            slice_release(&s);
        }
        gb[r] = (double)total / (double)(clock_mono_us() - began) / 1e3;
        began = clock_mono_us();
        for (int i = 0; i < 20000; i++) {
            struct slice s;
            CHECK(view_read(v, (int64_t)i * 7919 % v->high_watermark, INT64_MAX, 1 << 20, true, true, &s) == 0);
            slice_release(&s);
        }
        seeks[r] = 20000.0 * 1e3 / (double)(clock_mono_us() - began);
    }
    printf("-- reading %d MB of %d KiB batches\n", EACH * BYTES / 1000000, BYTES / 1024);
    say("view_read + slice_read of 1 MiB, from cache", gb, "GB/s");
    say("view_read at a random offset", seeks, "k/s");
    xfree(bytes);
    counted_release(&v->c);
    parts_drop(parts, 1);
}

int main(int argc, char **argv)
{
    char *dir = argc > 1 ? xstrdup(argv[1]) : scratch_new();
    config_init(&conf);
    conf.log_retention_ms = -1;
    loops = loops_new(shards);
    for (unsigned i = 0; i < shards; i++)
        loop[i] = loops_get(loops, i);
    struct diag d = {0};
    int64_t began = clock_mono_us();
    if (store_open(&st, disk_real(), dir, loop, shards, &conf, &d)) {
        fprintf(stderr, "%s\n", d.text);
        return 1;
    }
    printf("opening an empty folder %26.3f ms\n", (double)(clock_mono_us() - began) / 1e3);
    loops_start(loops);
    bench_append("one serial producer", 1, 512, 3000);
    bench_append("group commit", 64, 512, 1500);
    bench_append("group commit", 256, 512, 600);
    bench_append("large", 1, (1 << 20) - 200, 400);
    bench_append("large", 4, (1 << 20) - 200, 150);
    bench_read();
    loops_stop(loops);
    store_close(st);
    loops_free(loops);
    config_fini(&conf);
    if (argc < 2)
        scratch_remove(dir);
    return 0;
}
