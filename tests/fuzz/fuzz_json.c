/* JSON: the decoder of records and the general reader agree on what is well-formed; a record that was decoded with all of
 * it wanted as text reads back as itself. The input is one record. */
#include "engine/io/io.h"
#include "log/wire/recbatch.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct column text[] = {{"a", {T_VARCHAR, 0, 0}}, {"b", {T_VARCHAR, 0, 0}}};
static const struct want both[] = {{WANT_VALUE, 0}, {WANT_VALUE, 1}};

static struct decoder *decoder_of(bool wrapped)
{
    struct row_format f = {.key = {.kind = FORMAT_NONE}, .value = {.kind = FORMAT_JSON, .wrapped = wrapped},
                           .nvalue = wrapped ? 2 : 1, .value_cols = text, .ts_column = -1};
    struct decoder *d;
    struct diag dg;
    CHECK(decoder_new(&d, &f, both, f.nvalue, false, &dg) == 0);
    return d;
}

static struct batch *decode(struct decoder *d, struct str value, struct arena *a)
{
    struct wbuf bytes;
    struct recbatch_builder rb;
    size_t used;
    int64_t next;
    wbuf_init(&bytes);
    recbatch_build(&rb, &bytes, CODEC_NONE, NULL);
    recbatch_add(&rb, 5, STR_NULL, value, NULL, 0);
    recbatch_finish(&rb, NULL);
    struct str copy = arena_dup(a, wbuf_view(&bytes));
    wbuf_fini(&bytes);
    struct batch *b = decoder_run(d, copy, 0, 0, a, &used, &next, NULL, NULL);
    batch_check(b);
    return b;
}

static bool general_accepts(struct str s)
{
    struct json j = json_of(s);
    json_skip(&j);
    return !j.r.err && json_next(&j, NULL).kind == JSON_END;
}

/* A bare VARCHAR takes any value: scalars as their text, the rest as JSON. Nothing the decoder keeps may be malformed. */
static void check_text(const struct batch *b)
{
    if (!vec_valid(&b->cols[0], 0))
        return;
    struct str s = batch_str(b, &b->cols[0], 0);
    CHECK(utf8_valid(s));
    struct wbuf w;
    wbuf_init(&w);
    json_put_str(&w, s);
    CHECK(general_accepts(wbuf_view(&w)));
    wbuf_fini(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct decoder *bare, *wrapped;
    if (!bare) {
        bare = decoder_of(false);
        wrapped = decoder_of(true);
    }
    struct arena a;
    struct str s = {size ? (const char *)data : "", size};
    arena_init(&a);
    struct batch *b = decode(bare, s, &a);
    bool ok = general_accepts(s);
    CHECK((b->n == 1) == ok);
    if (b->n)
        check_text(b);
    struct str trimmed = str_trim(s);
    b = decode(wrapped, s, &a);
    CHECK((b->n == 1) == (ok && trimmed.len && trimmed.ptr[0] == '{'));
    arena_fini(&a);
    return 0;
}
