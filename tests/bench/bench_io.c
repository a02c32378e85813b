/* How fast records become batches and batches records: medians of nine rounds, in million records a second of one core.
 *
 *     bench_io [rounds] */
#include "engine/expr/expr.h"
#include "engine/io/io.h"
#include "log/base/clock.h"
#include "log/base/random.h"
#include "log/wire/recbatch.h"
#include <stdio.h>
#include <stdlib.h>

#define RECORDS 20000

/* Records like the issue's: 5 fields, about 200 bytes. */
static void make_records(struct wbuf *out)
{
    struct random r;
    char value[400];
    random_seed(&r, 7);
    for (int i = 0; i < RECORDS;) {
        struct recbatch_builder b;
        recbatch_build(&b, out, CODEC_NONE, NULL);
        b.base_offset = i;
        for (int k = 0; k < 500; k++, i++) {
            int n = snprintf(value, sizeof value,
                             "{\"id\":%d,\"amount\":%d,\"price\":%d.%02d,\"name\":\"customer-%06d\","
                             "\"note\":\"the quick brown fox jumps over the lazy dog, and then it rests for a while in "
                             "the sun beside the river\"}",
                             100000 + i, (int)random_below(&r, 1000), (int)random_below(&r, 10000),
                             (int)random_below(&r, 100), (int)random_below(&r, 1000000));
            recbatch_add(&b, 1700000000000 + i, STR_NULL, (struct str){value, (size_t)n}, NULL, 0);
        }
        recbatch_finish(&b, NULL);
    }
}

static struct column columns[] = {
    {"id", {.id = T_INT}},       {"amount", {.id = T_INT}},   {"price", {.id = T_DOUBLE}},
    {"name", {.id = T_VARCHAR}}, {"note", {.id = T_VARCHAR}},
};
static const struct row_format format = {
    .key = {.kind = FORMAT_NONE}, .value = {.kind = FORMAT_JSON, .wrapped = true}, .nvalue = 5, .value_cols = columns, .ts_column = -1};

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int rounds = 9;

static void report(const char *what, double *seconds, double per_record)
{
    qsort(seconds, (size_t)rounds, sizeof *seconds, by_value);
    double m = RECORDS / seconds[rounds / 2] / 1e6;
    printf("%-28s %7.2f M/s  %6.1f ns", what, m, 1000 / m);
    if (per_record > 0)
        printf("  %7.1f MB/s", m * per_record);
    printf("\n");
}

static uint64_t decode_all(struct decoder *d, struct str bytes, struct arena *a,
                           void (*each_cb)(void *arg, struct batch *b), void *arg)
{
    int64_t offset = 0;
    uint64_t rows = 0;
    while (bytes.len) {
        size_t used;
        arena_reset(a);
        struct batch *b = decoder_run(d, bytes, offset, 0, a, &used, &offset, NULL, NULL);
        bytes = (struct str){bytes.ptr + used, bytes.len - used};
        rows += b->n;
        if (each_cb)
            each_cb(arg, b);
    }
    return rows;
}

static struct decoder *decoder_of(const unsigned *cols, unsigned n)
{
    struct want wants[5];
    struct decoder *d;
    struct diag dg;
    for (unsigned i = 0; i < n; i++)
        wants[i] = (struct want){.from = WANT_VALUE, .index = cols[i]};
    CHECK(decoder_new(&d, &format, wants, n, false, &dg) == 0);
    return d;
}

struct sink {
    struct encoder *e;
    struct prog *filter;
    struct wbuf value, log;
    struct recbatch_builder builder;
    bool records;
};

static void encode_cb(void *arg, struct batch *b)
{
    struct sink *s = arg;
    static const unsigned cols[] = {0, 1, 2, 3, 4};
    struct expr_errors errors = {0};
    uint32_t *sel = NULL, n = b->n;
    if (s->filter)
        n = prog_filter(s->filter, b, &sel, &errors);
    wbuf_reset(&s->log);
    if (s->records)
        recbatch_build(&s->builder, &s->log, CODEC_NONE, NULL);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = sel ? sel[i] : i;
        wbuf_reset(&s->value);
        encoder_value(s->e, b, cols, row, &s->value);
        if (s->records)
            recbatch_add(&s->builder, b->ts[row], STR_NULL, wbuf_view(&s->value), NULL, 0);
    }
    if (s->records)
        recbatch_finish(&s->builder, NULL);
}

static void filter_cb(void *arg, struct batch *b)
{
    struct prog *p = arg;
    struct expr_errors errors = {0};
    uint32_t *sel;
    prog_filter(p, b, &sel, &errors);
}

static struct prog *filter_of(unsigned column, int64_t limit)
{
    static struct expr col = {.kind = EX_COLUMN, .type = {.id = T_INT}}, k = {.kind = EX_CONST, .type = {.id = T_INT}};
    static const struct expr *args[] = {&col, &k};
    static struct expr call = {.kind = EX_CALL, .type = {.id = T_BOOLEAN}, .nargs = 2, .args = args};
    struct type types[2] = {col.type, k.type}, casts[2], result;
    struct diag d;
    struct schema sc = {5, columns};
    struct prog *p;
    const struct expr *root = &call;
    col.column = column;
    k.value = (struct value){.type = k.type, .i = limit};
    CHECK(func_resolve(STR(">"), types, 2, &call.func, casts, &result, &d) == 0);
    CHECK(prog_compile(&p, &root, 1, &sc, &d) == 0);
    return p;
}

static void measure(const char *what, struct decoder *d, struct str bytes, void (*each_cb)(void *arg, struct batch *b),
                    void *arg)
{
    double seconds[64];
    struct arena a;
    arena_init(&a);
    for (int i = -2; i < rounds; i++) {
        int64_t start = clock_cpu_us();
        for (int k = 0; k < 10; k++)
            CHECK(decode_all(d, bytes, &a, each_cb, arg) == RECORDS);
        if (i >= 0)
            seconds[i] = (double)(clock_cpu_us() - start) / 1e7;
    }
    report(what, seconds, (double)bytes.len / RECORDS);
    arena_fini(&a);
}

static void measure_filter(struct decoder *d, struct str bytes)
{
    double seconds[64];
    struct arena a;
    size_t used;
    int64_t next;
    arena_init(&a);
    struct batch *b = decoder_run(d, bytes, 0, 0, &a, &used, &next, NULL, NULL);
    struct prog *p = filter_of(1, 500);
    struct arena room;
    arena_init(&room);
    b->arena = &room;
    for (int i = 0; i < rounds; i++) {
        int64_t start = clock_cpu_us();
        for (int k = 0; k < 2000; k++) {
            arena_reset(&room);
            filter_cb(p, b);
        }
        seconds[i] = (double)(clock_cpu_us() - start) / 1e6 / 2000 * RECORDS / b->n;
    }
    report("filter amount > 500", seconds, 0);
    prog_free(p);
    arena_fini(&room);
    arena_fini(&a);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        rounds = MIN(MAX(atoi(argv[1]), 1), 64);
    struct wbuf bytes;
    wbuf_init(&bytes);
    make_records(&bytes);
    struct str all = wbuf_view(&bytes);
    static const unsigned five[] = {0, 1, 2, 3, 4}, one[] = {1}, last[] = {4};
    struct decoder *d5 = decoder_of(five, 5), *d1 = decoder_of(one, 1), *d0 = decoder_of(last, 1);
    struct diag dg;
    struct sink s = {0};
    CHECK(encoder_new(&s.e, &format, &dg) == 0);
    wbuf_init(&s.value);
    wbuf_init(&s.log);
    printf("%d records of %.0f bytes\n", RECORDS, (double)all.len / RECORDS);
    measure("decode, 5 fields wanted", d5, all, NULL, NULL);
    measure("decode, 1 field wanted", d1, all, NULL, NULL);
    measure("decode, the last wanted", d0, all, NULL, NULL);
    measure_filter(d5, all);
    measure("decode 5 + encode", d5, all, encode_cb, &s);
    s.filter = filter_of(1, 500);
    s.records = true;
    measure("decode, filter, encode, CRC", d5, all, encode_cb, &s);
    prog_free(s.filter);
    encoder_free(s.e);
    decoder_free(d5);
    decoder_free(d1);
    decoder_free(d0);
    wbuf_fini(&s.value);
    wbuf_fini(&s.log);
    wbuf_fini(&bytes);
    return 0;
}
