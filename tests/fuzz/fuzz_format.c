/* Formats: whatever a key and a value hold, they become a sound row or an error; a row that was decoded is encoded to
 * bytes that decode to the same row. Byte 0 chooses the formats, byte 1 the length of the key. */
#include "engine/io/io.h"
#include "log/wire/recbatch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct column columns[] = {{"i", {.id = T_INT}},     {"l", {.id = T_BIGINT}}, {"d", {.id = T_DOUBLE}},
                                  {"s", {.id = T_VARCHAR}}, {"b", {.id = T_BOOLEAN}}, {"n", {.id = T_DECIMAL, .precision = 20, .scale = 4}},
                                  {"y", {.id = T_BYTES}},   {"dt", {.id = T_DATE}},   {"tm", {.id = T_TIME}},
                                  {"ts", {.id = T_TIMESTAMP}}};
#define NCOLUMNS ARRAY_LEN(columns)

struct codec_pair {
    struct row_format f;
    struct decoder *d;
    struct encoder *e;
};

static void open_pair(struct codec_pair *p, unsigned choice)
{
    bool csv = choice & 1;
    struct want wants[NCOLUMNS + 1];
    struct diag dg;
    p->f = (struct row_format){.key = {.kind = FORMAT_KAFKA}, .nkey = 1, .key_cols = &columns[choice >> 1 & 3],
                               .value = {csv ? FORMAT_DELIMITED : FORMAT_JSON, ',', true}, .nvalue = NCOLUMNS,
                               .value_cols = columns, .ts_column = -1};
    wants[0] = (struct want){.from = WANT_KEY, .index = 0};
    for (unsigned i = 0; i < NCOLUMNS; i++)
        wants[i + 1] = (struct want){.from = WANT_VALUE, .index = i};
    CHECK(decoder_new(&p->d, &p->f, wants, NCOLUMNS + 1, false, &dg) == 0);
    CHECK(encoder_new(&p->e, &p->f, &dg) == 0);
}

static struct batch *decode(struct decoder *d, struct str key, struct str value, struct arena *a)
{
    struct wbuf bytes;
    struct recbatch_builder rb;
    size_t used;
    int64_t next;
    wbuf_init(&bytes);
    recbatch_build(&rb, &bytes, CODEC_NONE, NULL);
    recbatch_add(&rb, 5, key, value, NULL, 0);
    recbatch_finish(&rb, NULL);
    struct str copy = arena_dup(a, wbuf_view(&bytes));
    wbuf_fini(&bytes);
    struct batch *b = decoder_run(d, copy, 0, 0, a, &used, &next, NULL, NULL);
    batch_check(b);
    return b;
}

/* Bytes of a row that was decoded, into arena. */
static struct str encoded(struct codec_pair *p, const struct batch *b, bool key, struct arena *a)
{
    unsigned cols[NCOLUMNS];
    struct wbuf w;
    wbuf_init(&w);
    for (unsigned i = 0; i < NCOLUMNS; i++)
        cols[i] = key ? 0 : i + 1;
    bool there = key ? encoder_key(p->e, b, cols, 0, &w) : encoder_value(p->e, b, cols, 0, &w);
    struct str out = there ? arena_dup(a, w.len ? wbuf_view(&w) : STR("")) : STR_NULL;
    wbuf_fini(&w);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct codec_pair pairs[8];
    if (size < 2)
        return 0;
    struct codec_pair *p = &pairs[data[0] & 7];
    if (!p->d)
        open_pair(p, data[0] & 7);
    const char *rest = (const char *)data + 2;
    size -= 2;
    size_t key = MIN((size_t)data[1], size);
    struct arena a;
    arena_init(&a);
    struct batch *b = decode(p->d, (struct str){rest, key}, (struct str){rest + key, size - key}, &a), *back;
    if (b->n) {
        struct batch *kept = batch_copy(b, NULL, 0, NULL, 0, &a);
        back = decode(p->d, encoded(p, kept, true, &a), encoded(p, kept, false, &a), &a);
        CHECK(back->n == 1);
        for (unsigned i = 0; i <= NCOLUMNS; i++) {
            struct value x = batch_value(kept, i, 0), y = batch_value(back, i, 0);
            CHECK(x.null == y.null && value_cmp(&x, &y) == 0);
        }
    }
    arena_fini(&a);
    return 0;
}
