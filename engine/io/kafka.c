#include "engine/io/codec.h"

/* KAFKA: the primitive serialisers of Kafka's clients. One column: INT in 4 bytes, BIGINT and DOUBLE in 8, big-endian;
 * VARCHAR as UTF-8, BYTES as they are. */

bool kafka_decode(struct fieldset *fs, struct str s, struct target *t)
{
    struct field *f = &fs->fields[0];
    size_t width = f->type.id == T_INT ? 4 : type_is_text(f->type) ? s.len : 8;
    fieldset_begin(fs);
    if (s.len != width)
        return decode_fail(t, "KAFKA: %zu bytes where column %.*s takes %zu", s.len, STR_ARG(f->name), width);
    if (f->type.id == T_VARCHAR && !utf8_valid(s))
        return decode_fail(t, "column %.*s: the text is not UTF-8", STR_ARG(f->name));
    if (f->out < 0)
        return true;
    struct vec *v = &t->b->cols[f->out];
    field_found(fs, f);
    switch (f->type.id) {
    case T_INT:
        v->i32[t->row] = (int32_t)be32(s.ptr);
        break;
    case T_BIGINT:
    case T_DOUBLE:
        v->i64[t->row] = (int64_t)be64(s.ptr);
        break;
    default:
        v->s[t->row] = sview_in(t->base, t->buf, s);
    }
    return true;
}

void kafka_encode(const struct side *s, const struct batch *b, const unsigned *cols, uint32_t row, struct wbuf *out)
{
    const struct vec *v = &b->cols[cols[0]];
    CHECK(s->n == 1);
    switch (v->type.id) {
    case T_INT:
        wbuf_be32(out, (uint32_t)v->i32[row]);
        break;
    case T_BIGINT:
    case T_DOUBLE:
        wbuf_be64(out, (uint64_t)v->i64[row]);
        break;
    default:
        wbuf_str(out, batch_str(b, v, row));
    }
}
