#include "engine/vec/vec.h"

/* Batches and columns. All memory of a batch is in its arena, so nothing here is ever freed singly. */

void vec_alloc(struct vec *v, struct arena *a, struct type t, uint32_t cap)
{
    v->type = t;
    v->valid = NULL;
    v->data = arena_alloc(a, type_width(t) * MAX(cap, 1u));
}

void vec_alloc_valid(struct vec *v, struct arena *a, uint32_t cap)
{
    size_t words = ((size_t)cap + 63) / 64 + 1;
    v->valid = arena_alloc(a, words * 8);
    memset(v->valid, 0xff, words * 8);
}

void vec_set_null(struct vec *v, struct arena *a, uint32_t row, uint32_t cap)
{
    CHECK(row < cap);
    if (!v->valid)
        vec_alloc_valid(v, a, cap);
    v->valid[row >> 6] &= ~(UINT64_C(1) << (row & 63));
    /* A null string is an empty one to whoever copies without looking. */
    memset((char *)v->data + row * type_width(v->type), 0, type_width(v->type));
}

static struct batch *batch_make(struct arena *a, unsigned ncols, uint32_t cap)
{
    struct batch *b = ARENA_NEW(a, struct batch);
    b->arena = a;
    b->ncols = ncols;
    b->cols = ARENA_ARRAY(a, struct vec, MAX(ncols, 1u));
    b->ts = arena_alloc(a, sizeof *b->ts * MAX(cap, 1u));
    return b;
}

struct batch *batch_new(struct arena *a, const struct schema *sc, uint32_t cap)
{
    struct batch *b = batch_make(a, sc->n, cap);
    for (unsigned c = 0; c < sc->n; c++)
        vec_alloc(&b->cols[c], a, sc->cols[c].type, cap);
    return b;
}

uint32_t batch_add_buf(struct batch *b, const char *base)
{
    if (b->nbufs == b->bufs_cap) {
        b->bufs_cap = b->bufs_cap ? b->bufs_cap * 2 : 4;
        const char **grown = arena_alloc(b->arena, sizeof *grown * b->bufs_cap);
        if (b->nbufs)
            memcpy(grown, b->bufs, sizeof *grown * b->nbufs);
        b->bufs = grown;
    }
    b->bufs[b->nbufs] = base;
    return b->nbufs++;
}

/* The own buffer grows by further buffers: views that were given out stay where they are. */
char *batch_room(struct batch *b, uint32_t cap)
{
    if (b->own_cap - b->own_len < cap || !b->own) {
        uint32_t size = MIN(MAX(b->own_cap * 2, 1024u), (uint32_t)ARENA_CHUNK_MAX / 4);
        b->own_cap = MAX(size, cap);
        b->own = arena_alloc(b->arena, b->own_cap);
        b->own_len = 0;
        b->own_buf = batch_add_buf(b, b->own);
    }
    return b->own + b->own_len;
}

struct sview batch_keep_room(struct batch *b, uint32_t len)
{
    struct str s = {b->own + b->own_len, len};
    struct sview v = sview_in(b->own, b->own_buf, s);
    if (len > sizeof v.inl)
        b->own_len += len;
    return v;
}

struct sview batch_keep(struct batch *b, struct str s)
{
    CHECK(s.len < UINT32_MAX / 2);
    if (s.len > sizeof((struct sview *)0)->inl) {
        memcpy(batch_room(b, (uint32_t)s.len), s.ptr, s.len);
        return batch_keep_room(b, (uint32_t)s.len);
    }
    return sview_in(s.ptr, 0, s.ptr ? s : STR(""));
}

void batch_set_str(struct batch *b, struct vec *v, uint32_t row, struct str s) { v->s[row] = batch_keep(b, s); }

/* ---- copying */

#define GATHER(member)                                                                                                 \
    for (uint32_t i = 0; i < n; i++)                                                                                   \
        to->member[i] = from->member[rows[i]]

static void copy_fixed(const struct vec *from, const uint32_t *rows, uint32_t n, struct vec *to)
{
    switch (type_width(from->type)) {
    case 1:
        GATHER(b);
        break;
    case 4:
        GATHER(i32);
        break;
    case 8:
        GATHER(i64);
        break;
    default:
        GATHER(i128);
    }
}

static void copy_strings(const struct batch *b, const struct vec *from, const uint32_t *rows, uint32_t n,
                         struct batch *out, struct vec *to)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < n; i++)
        if (vec_valid(from, rows[i]) && from->s[rows[i]].len > sizeof from->s->inl)
            bytes += from->s[rows[i]].len;
    CHECK(bytes < UINT32_MAX);
    char *base = bytes ? arena_alloc(out->arena, bytes) : NULL;
    uint32_t buf = base ? batch_add_buf(out, base) : 0;
    char *at = base;
    for (uint32_t i = 0; i < n; i++) {
        if (!vec_valid(from, rows[i])) {
            to->s[i] = (struct sview){.len = 0};
            continue;
        }
        to->s[i] = from->s[rows[i]];
        if (to->s[i].len <= sizeof to->s->inl)
            continue;
        memcpy(at, batch_str(b, from, rows[i]).ptr, to->s[i].len);
        to->s[i].buf = buf;
        to->s[i].off = (uint32_t)(at - base);
        at += to->s[i].len;
    }
}

static void copy_valid(const struct vec *from, const uint32_t *rows, uint32_t n, struct arena *a, struct vec *to)
{
    if (!from->valid)
        return;
    uint32_t nulls = 0;
    for (uint32_t i = 0; i < n; i++)
        nulls += !vec_valid(from, rows[i]);
    if (!nulls)
        return;
    vec_alloc_valid(to, a, n);
    for (uint32_t i = 0; i < n; i++)
        if (!vec_valid(from, rows[i]))
            to->valid[i >> 6] &= ~(UINT64_C(1) << (i & 63));
}

static const uint32_t *all_rows(const struct batch *b, struct arena *a)
{
    uint32_t *rows = arena_alloc(a, sizeof *rows * MAX(b->n, 1u));
    for (uint32_t i = 0; i < b->n; i++)
        rows[i] = i;
    return rows;
}

struct batch *batch_copy(const struct batch *b, const unsigned *cols, unsigned ncols, const uint32_t *rows, uint32_t n,
                         struct arena *a)
{
    if (!cols)
        ncols = b->ncols;
    if (!rows) {
        rows = b->sel ? b->sel : all_rows(b, a);
        n = b->nsel;
    }
    struct batch *out = batch_make(a, ncols, n);
    out->n = out->nsel = n;
    for (unsigned c = 0; c < ncols; c++) {
        const struct vec *from = &b->cols[cols ? cols[c] : c];
        struct vec *to = &out->cols[c];
        vec_alloc(to, a, from->type, n);
        copy_valid(from, rows, n, a, to);
        if (type_is_text(from->type))
            copy_strings(b, from, rows, n, out, to);
        else
            copy_fixed(from, rows, n, to);
    }
    for (uint32_t i = 0; i < n; i++)
        out->ts[i] = b->ts[rows[i]];
    if (b->weight) {
        out->weight = arena_alloc(a, MAX(n, 1u));
        for (uint32_t i = 0; i < n; i++)
            out->weight[i] = b->weight[rows[i]];
    }
    return out;
}

/* ---- invariants */

static void check_strings(const struct batch *b, const struct vec *v)
{
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t row = batch_row(b, i);
        if (!vec_valid(v, row) || v->s[row].len <= sizeof v->s->inl)
            continue;
        CHECK(v->s[row].buf < b->nbufs);
        CHECK(memcmp(v->s[row].prefix, batch_str(b, v, row).ptr, 4) == 0);
    }
}

void batch_check(const struct batch *b)
{
    CHECK(b->n <= ENGINE_BATCH_ROWS);
    CHECK(b->nsel <= b->n);
    CHECK(b->sel || b->nsel == b->n);
    CHECK(b->nbufs <= b->bufs_cap);
    CHECK(b->arena != NULL);
    for (uint32_t i = 0; b->sel && i < b->nsel; i++) {
        CHECK(b->sel[i] < b->n);
        CHECK(i == 0 || b->sel[i - 1] < b->sel[i]);
    }
    for (uint32_t i = 0; i < b->nsel; i++)
        CHECK(batch_weight(b, batch_row(b, i)) == 1 || batch_weight(b, batch_row(b, i)) == -1);
    for (unsigned c = 0; c < b->ncols; c++)
        if (type_is_text(b->cols[c].type) && !b->weight) /* a delete has key columns only */
            check_strings(b, &b->cols[c]);
}
