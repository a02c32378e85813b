#include "engine/vec/vec.h"
#include "log/base/buf.h"

/* Single values: out of and into columns, compared, and as text for people. */

struct value batch_value(const struct batch *b, unsigned col, uint32_t row)
{
    const struct vec *v = &b->cols[col];
    struct value out = {.type = v->type, .null = !vec_valid(v, row)};
    if (out.null)
        return out;
    switch (v->type.id) {
    case T_BOOLEAN:
        out.b = v->b[row] != 0;
        break;
    case T_INT:
    case T_DATE:
    case T_TIME:
        out.i = v->i32[row];
        break;
    case T_BIGINT:
    case T_TIMESTAMP:
    case T_INTERVAL:
        out.i = v->i64[row];
        break;
    case T_DOUBLE:
        out.f = v->f64[row];
        break;
    case T_DECIMAL:
        out.d = v->i128[row];
        break;
    case T_VARCHAR:
    case T_BYTES:
    case T_ARRAY:
    case T_MAP:
    case T_STRUCT:
        out.s = batch_str(b, v, row);
        break;
    default:
        out.null = true;
    }
    return out;
}

void batch_set_value(struct batch *b, unsigned col, uint32_t row, const struct value *v, uint32_t cap)
{
    struct vec *to = &b->cols[col];
    if (v->null) {
        vec_set_null(to, b->arena, row, cap);
        return;
    }
    CHECK(v->type.id == to->type.id);
    vec_set_valid(to, row);
    switch (to->type.id) {
    case T_BOOLEAN:
        to->b[row] = v->b;
        break;
    case T_INT:
    case T_DATE:
    case T_TIME:
        to->i32[row] = (int32_t)v->i;
        break;
    case T_BIGINT:
    case T_TIMESTAMP:
    case T_INTERVAL:
        to->i64[row] = v->i;
        break;
    case T_DOUBLE:
        to->f64[row] = v->f;
        break;
    case T_DECIMAL:
        to->i128[row] = v->d;
        break;
    case T_VARCHAR:
    case T_BYTES:
    case T_ARRAY:
    case T_MAP:
    case T_STRUCT:
        batch_set_str(b, to, row, v->s);
        break;
    default:
        CHECK(false);
    }
}

/* ---- order */

#define THREE_WAY(a, b) (((a) > (b)) - ((a) < (b)))

static int double_cmp(double a, double b)
{
    if (a != a || b != b)
        return (a != a) - (b != b);
    return THREE_WAY(a, b);
}

/* Of different scales: whole parts first, then what is left over, both brought to 38 digits behind the point. */
static int decimal_cmp(const struct value *a, const struct value *b)
{
    if (a->type.scale == b->type.scale)
        return THREE_WAY(a->d, b->d);
    i128 sa = decimal_pow10(a->type.scale), sb = decimal_pow10(b->type.scale);
    i128 ia = a->d / sa, ib = b->d / sb;
    if (ia != ib)
        return THREE_WAY(ia, ib);
    i128 ra = a->d % sa * decimal_pow10(38u - a->type.scale), rb = b->d % sb * decimal_pow10(38u - b->type.scale);
    return THREE_WAY(ra, rb);
}

int value_cmp(const struct value *a, const struct value *b)
{
    if (a->null || b->null)
        return (int)a->null - (int)b->null;
    CHECK(a->type.id == b->type.id);
    switch (a->type.id) {
    case T_BOOLEAN:
        return (int)a->b - (int)b->b;
    case T_DOUBLE:
        return double_cmp(a->f, b->f);
    case T_DECIMAL:
        return decimal_cmp(a, b);
    case T_VARCHAR:
    case T_BYTES:
    case T_ARRAY:
    case T_MAP:
    case T_STRUCT:
        return str_cmp(a->s, b->s);
    default:
        return THREE_WAY(a->i, b->i);
    }
}

/* ---- text */

void value_format(const struct value *v, struct wbuf *out)
{
    char *room = (char *)wbuf_room(out, 64);
    if (v->null) {
        wbuf_str(out, STR("null"));
        return;
    }
    switch (v->type.id) {
    case T_BOOLEAN:
        wbuf_str(out, v->b ? STR("true") : STR("false"));
        break;
    case T_INT:
    case T_BIGINT:
        out->len += i64_format(v->i, room);
        break;
    case T_DOUBLE:
        out->len += double_format(v->f, room);
        break;
    case T_DECIMAL:
        i128_format(v->d, v->type.scale, out);
        break;
    case T_VARCHAR:
        wbuf_str(out, v->s);
        break;
    case T_BYTES:
        hex_encode(v->s, out);
        break;
    case T_DATE:
        out->len += date_format((int32_t)v->i, room);
        break;
    case T_TIME:
        out->len += time_format((int32_t)v->i, room);
        break;
    case T_TIMESTAMP:
        out->len += timestamp_format(v->i, room);
        break;
    case T_INTERVAL:
        out->len += interval_format(v->type, v->i, room);
        break;
    case T_ARRAY:
    case T_MAP:
    case T_STRUCT:
        json_put_value(out, v);
        break;
    default:
        CHECK(false);
    }
}
