/* What compaction does on this machine: one pass on one thread, over a log of its own with twice as many records as
 * keys.
 *
 *     build/bench_compact [folder] [MB]      read bytes a second, memory, and what is left */
#include "log/base/clock.h"
#include "log/store/compact.h"
#include "log/store/shard.h"
#include "tests/lib/seed.h"
#include "tests/unit/log/store/world.h"
#include <stdio.h>
#include <stdlib.h>

enum { BATCH = 500, VALUE = 180 };

static struct config conf;
static struct loops *loops;
static struct loop *loop;
static struct store *st;

struct load {
    struct append_set set;
    struct append a;
    struct msg start;
    struct wbuf out, scratch;
    struct compress *compress;
    struct random dice;
    enum codec codec;
    int64_t left;
    uint64_t keys;
    _Atomic bool done;
};

static void load_next(struct load *ld)
{
    if (ld->left <= 0) {
        atomic_store(&ld->done, true);
        return;
    }
    char key[24], value[VALUE];
    struct recbatch_builder b;
    wbuf_reset(&ld->out);
    recbatch_build(&b, &ld->out, ld->codec, ld->codec ? &ld->scratch : NULL);
    for (int i = 0; i < BATCH; i++) {
        int n = snprintf(key, sizeof key, "customer-%08" PRIu64, random_below(&ld->dice, ld->keys));
        for (size_t k = 0; k < VALUE; k += 8)
            put_be64(value + MIN(k, (size_t)VALUE - 8), k % 24 ? 0x2020202020202020u : random_next(&ld->dice));
        recbatch_add(&b, 1000 + i, (struct str){key, (size_t)n}, (struct str){value, VALUE}, NULL, 0);
    }
    CHECK(recbatch_finish(&b, ld->compress));
    ld->a.bytes = ld->out.data;
    ld->a.len = (uint32_t)ld->out.len;
    ld->left -= BATCH;
    store_append(st, &ld->set);
}

static void load_done(struct append_set *set)
{
    struct load *ld = container_of(set, struct load, set);
    CHECK(ld->a.status == 0);
    load_next(ld);
}

static void load_start(struct msg *m) { load_next(container_of(m, struct load, start)); }

static struct part *part_begin(unsigned topic)
{
    struct part_conf pc;
    part_conf_default(&pc, &conf);
    pc.keep = true;
    return part_new(st, world_topic(topic), 0, "bench", &pc);
}

static void store_begin(const char *dir)
{
    struct diag d = {0};
    loops = loops_new(1);
    loop = loops_get(loops, 0);
    if (store_open(&st, disk_real(), dir, &loop, 1, &conf, &d)) {
        fprintf(stderr, "%s\n", d.text);
        exit(1);
    }
}

static void store_end(struct part *p)
{
    part_release(p);
    store_close(st);
    loops_free(loops);
}

static void fill(const char *dir, unsigned topic, enum codec codec, int64_t records)
{
    store_begin(dir);
    struct part *p = part_begin(topic);
    struct load ld = {.codec = codec, .left = records, .keys = (uint64_t)records / 2, .compress = compress_new(),
                      .start.run_cb = load_start};
    wbuf_init(&ld.out);
    wbuf_init(&ld.scratch);
    random_seed(&ld.dice, 1);
    ld.a = (struct append){.part = p};
    ld.set = (struct append_set){.from = loop, .items = &ld.a, .n = 1, .done_cb = load_done};
    loops_start(loops);
    loop_post(loop, &ld.start);
    while (!atomic_load(&ld.done))
        clock_sleep_ms(5);
    loops_stop(loops);
    compress_free(ld.compress);
    wbuf_fini(&ld.out);
    wbuf_fini(&ld.scratch);
    store_end(p);
}

static void pass_run(const char *dir, unsigned topic, const char *what)
{
    store_begin(dir);
    struct part *p = part_begin(topic);
    CHECK(part_open(p) == 0);
    struct view *v = part_view(p);
    struct pass_conf pc = {.now_ms = clock_wall_ms(), .delete_retention_ms = 86400000,
                           .segment_bytes = conf.log_segment_bytes, .index_interval = conf.log_index_interval,
                           .map_bytes = (size_t)conf.cleaner_buffer, .secret = {1, 2}};
    struct pass *ps = pass_new(p, v, v->list->n - 1, 0, NULL, 0, &pc);
    counted_release(&v->c);
    int64_t began = clock_mono_us(), cpu = clock_cpu_us(), longest = 0;
    for (int r = PASS_MORE; r != PASS_END;) {
        int64_t chunk = clock_mono_us();
        bool named;
        r = pass_step(ps, COMPACT_CHUNK_BYTES);
        CHECK(r >= 0 && (r != PASS_GROUP || pass_swap(ps, &named) == 0));
        longest = MAX(longest, clock_mono_us() - chunk);
    }
    double seconds = (double)(clock_mono_us() - began) / 1e6, busy = (double)(clock_cpu_us() - cpu) / 1e6;
    struct pass_done d;
    pass_result(ps, &d);
    double mb = (double)d.read / 2e6; /* each byte is read twice */
    printf("%-5s %6.0f MB/s, %.0f a second of CPU (%.0f MB to %.0f MB, %" PRIu64 " of %" PRIu64
           " records kept); memory %.1f MB, map %.1f MB; longest chunk %.1f ms\n",
           what, mb / seconds, mb / busy, mb, (double)d.written / 1e6, d.kept, d.kept + d.dropped,
           (double)d.memory_max / 1e6, (double)d.map_bytes / 1e6, (double)longest / 1e3);
    pass_free(ps);
    store_end(p);
}

int main(int argc, char **argv)
{
    char *own = argc > 1 ? NULL : scratch_new();
    const char *dir = own ? own : argv[1];
    int64_t records = (argc > 2 ? atoll(argv[2]) : 512) * 1000000 / (VALUE + 30);
    config_init(&conf);
    conf.log_segment_bytes = 64 << 20;
    static const enum codec codecs[] = {CODEC_NONE, CODEC_LZ4, CODEC_ZSTD};
    for (unsigned i = 0; i < ARRAY_LEN(codecs); i++) {
        fill(dir, i, codecs[i], records);
        pass_run(dir, i, compress_name(codecs[i]));
    }
    config_fini(&conf);
    if (own)
        scratch_remove(own);
    return 0;
}
