#include "engine/vec/vec.h"
#include "log/base/err.h"
#include "log/base/pack.h"

/* Rows as msgpack arrays, one element a column: nil, bool, int, float 64, str, bin; a DECIMAL is its unscaled value, as
 * an int if that fits 64 bits, else as 16 big-endian bytes (bin); a nested value its bytes (bin). Kept for ever:
 * changelogs hold them. */

static void pack_i128(i128 v, struct wbuf *out)
{
    if (v >= INT64_MIN && v <= INT64_MAX) {
        pack_int(out, (int64_t)v);
        return;
    }
    uint8_t bytes[16];
    put_be64(bytes, (uint64_t)((unsigned __int128)v >> 64));
    put_be64(bytes + 8, (uint64_t)v);
    pack_bin(out, (struct str){(const char *)bytes, sizeof bytes});
}

void row_encode(const struct batch *b, const unsigned *cols, unsigned ncols, uint32_t row, struct wbuf *out)
{
    pack_array(out, ncols);
    for (unsigned c = 0; c < ncols; c++) {
        const struct vec *v = &b->cols[cols[c]];
        if (!vec_valid(v, row)) {
            pack_nil(out);
            continue;
        }
        switch (v->type.id) {
        case T_BOOLEAN:
            pack_bool(out, v->b[row] != 0);
            break;
        case T_INT:
        case T_DATE:
        case T_TIME:
            pack_int(out, v->i32[row]);
            break;
        case T_BIGINT:
        case T_TIMESTAMP:
        case T_INTERVAL:
            pack_int(out, v->i64[row]);
            break;
        case T_DOUBLE:
            pack_double(out, v->f64[row]);
            break;
        case T_DECIMAL:
            pack_i128(v->i128[row], out);
            break;
        case T_VARCHAR:
            pack_str(out, batch_str(b, v, row));
            break;
        case T_BYTES:
        case T_ARRAY:
        case T_MAP:
        case T_STRUCT:
            pack_bin(out, batch_str(b, v, row));
            break;
        default:
            CHECK(v->type.id == T_NULL);
            pack_nil(out);
        }
    }
}

/* ---- back */

static bool unpack_i128(struct unpack *u, i128 *out)
{
    /* bin 8 of 16 bytes begins c4 10; everything else must be an int */
    if (rbuf_left(&u->r) && *u->r.ptr == 0xc4) {
        struct str s = unpack_str(u);
        if (s.len != 16)
            return false;
        *out = (i128)((unsigned __int128)be64(s.ptr) << 64 | be64(s.ptr + 8));
        return true;
    }
    *out = unpack_int(u);
    return true;
}

static bool unpack_i32(struct unpack *u, int32_t *out)
{
    int64_t v = unpack_int(u);
    *out = (int32_t)v;
    return v == *out;
}

static bool unpack_column(struct unpack *u, struct batch *b, struct vec *v, uint32_t row)
{
    switch (v->type.id) {
    case T_BOOLEAN:
        v->b[row] = unpack_bool(u);
        return true;
    case T_INT:
    case T_DATE:
    case T_TIME:
        return unpack_i32(u, &v->i32[row]);
    case T_BIGINT:
    case T_TIMESTAMP:
    case T_INTERVAL:
        v->i64[row] = unpack_int(u);
        return true;
    case T_DOUBLE:
        v->f64[row] = unpack_double(u);
        return true;
    case T_DECIMAL:
        return unpack_i128(u, &v->i128[row]);
    case T_VARCHAR:
    case T_BYTES:
    case T_ARRAY:
    case T_MAP:
    case T_STRUCT: {
        struct str s = unpack_str(u);
        if (u->r.err)
            return false;
        batch_set_str(b, v, row, s);
        return true;
    }
    default:
        return false;
    }
}

int row_decode(struct str bytes, const struct schema *sc, struct batch *out, unsigned first_col, uint32_t row,
               uint32_t cap)
{
    struct unpack u = unpack_of(bytes);
    CHECK(first_col + sc->n <= out->ncols);
    if (unpack_array(&u) != sc->n || u.r.err)
        return E_CORRUPT;
    for (unsigned c = 0; c < sc->n; c++) {
        struct vec *v = &out->cols[first_col + c];
        CHECK(type_eq(v->type, sc->cols[c].type));
        if (unpack_nil(&u)) {
            vec_set_null(v, out->arena, row, cap);
            continue;
        }
        vec_set_valid(v, row);
        if (!unpack_column(&u, out, v, row) || u.r.err)
            return E_CORRUPT;
    }
    return rbuf_left(&u.r) ? E_CORRUPT : 0;
}
