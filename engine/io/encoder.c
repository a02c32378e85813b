#include "engine/io/codec.h"

/* From rows to the bytes of keys and values. What does not depend on the row is made once. */

struct encoder {
    struct arena arena;
    struct side key, value;
};

static void put_fragment(struct side *s, unsigned i, struct arena *a)
{
    struct wbuf w;
    wbuf_init(&w);
    wbuf_u8(&w, i ? ',' : '{');
    json_put_str(&w, str_of(s->cols[i].name));
    wbuf_u8(&w, ':');
    size_t len = w.len;
    memset(wbuf_room(&w, FRAGMENT_PAD), 0, FRAGMENT_PAD);
    w.len += FRAGMENT_PAD;
    s->fragments[i] = (struct str){arena_dup(a, wbuf_view(&w)).ptr, len};
    s->fixed += w.len + DOUBLE_TEXT + 48; /* a decimal takes 41 bytes */
    wbuf_fini(&w);
}

static int side_open(struct side *s, const struct format *f, bool is_key, unsigned n, const struct column *cols,
                     struct arena *a, struct diag *d)
{
    int err = format_check(f, cols, n, is_key, d);
    if (err)
        return err;
    struct column *copy = ARENA_ARRAY(a, struct column, MAX(n, 1u));
    for (unsigned i = 0; i < n; i++)
        copy[i] = (struct column){arena_strdup(a, cols[i].name), cols[i].type};
    *s = (struct side){.format = *f, .bare = n == 1 && !f->wrapped, .n = n, .cols = copy, .fixed = 64};
    s->fragments = ARENA_ARRAY(a, struct str, MAX(n, 1u));
    for (unsigned i = 0; i < n; i++)
        put_fragment(s, i, a);
    return 0;
}

int encoder_new(struct encoder **out, const struct row_format *f, struct diag *d)
{
    struct encoder *e = xzalloc(sizeof *e);
    arena_init(&e->arena);
    int err = side_open(&e->key, &f->key, true, f->nkey, f->key_cols, &e->arena, d);
    if (!err)
        err = side_open(&e->value, &f->value, false, f->nvalue, f->value_cols, &e->arena, d);
    if (err) {
        encoder_free(e);
        return err;
    }
    *out = e;
    return 0;
}

void encoder_free(struct encoder *e)
{
    if (!e)
        return;
    arena_fini(&e->arena);
    xfree(e);
}

static void encode(const struct side *s, const struct batch *b, const unsigned *cols, uint32_t row, struct wbuf *out)
{
    switch (s->format.kind) {
    case FORMAT_JSON:
        json_encode(s, b, cols, row, out);
        break;
    case FORMAT_DELIMITED:
        csv_encode(s, b, cols, row, out);
        break;
    case FORMAT_KAFKA:
        kafka_encode(s, b, cols, row, out);
        break;
    case FORMAT_NONE:
        break;
    }
}

static bool is_null(const struct batch *b, const unsigned *cols, uint32_t row)
{
    return !vec_valid(&b->cols[cols[0]], row);
}

bool encoder_key(struct encoder *e, const struct batch *b, const unsigned *cols, uint32_t row, struct wbuf *out)
{
    if (e->key.n == 0 || (e->key.bare && is_null(b, cols, row)))
        return false;
    encode(&e->key, b, cols, row, out);
    return true;
}

bool encoder_value(struct encoder *e, const struct batch *b, const unsigned *cols, uint32_t row, struct wbuf *out)
{
    bool kafka = e->value.format.kind == FORMAT_KAFKA;
    if (kafka && (e->value.n == 0 || is_null(b, cols, row)))
        return false;
    encode(&e->value, b, cols, row, out);
    return true;
}
