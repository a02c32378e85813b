#include "engine/expr/nested.h"
#include <stdlib.h>

/* ARRAY and STRUCT: made, taken apart, and looked through. Elements are compared as the key bytes that they are, so sets of
 * arrays know no types; NULL is an element like others, and equals itself. */

/* ---- results */

void out_part(struct call *c, uint32_t r, unsigned arg, const struct value *v)
{
    if (v->null) {
        call_null(c, r);
        return;
    }
    const struct sview *from = &c->args[arg]->s[r & c->mask[arg]];
    if (!type_is_text(v->type) || from->len <= sizeof from->inl) {
        out_value(c, r, v);
        return;
    }
    const char *base = c->b->bufs[from->buf], *start = base + from->off;
    if (v->s.ptr >= start && v->s.ptr + v->s.len <= start + from->len)
        c->out->s[r] = sview_in(base, from->buf, v->s); /* it stays where it is */
    else
        out_value(c, r, v);
}

void out_parts(struct call *c, uint32_t r, const struct wbuf *w)
{
    if (w->len > PARTS_MAX)
        call_fail(c, r, "result is longer than 64 MiB");
    else
        out_str(c, r, w->len ? wbuf_view(w) : STR(""));
}

void put_text_part(struct wbuf *out, struct str s)
{
    struct value v = {.type = TYPE(T_VARCHAR), .s = s};
    key_encode_value(&v, out);
}

struct nested arg_nested(const struct call *c, unsigned i, uint32_t r)
{
    return nested_of(c->args[i]->type, arg_str(c, i, r));
}

/* ---- making and taking apart */

static bool make_map(struct call *c, uint32_t r, struct wbuf *out)
{
    struct map_entry *entries = ARENA_ARRAY(c->arena, struct map_entry, c->nargs / 2 + 1);
    for (unsigned i = 0; i + 1 < c->nargs; i += 2) {
        struct value v = arg_value(c, i + 1, r);
        struct wbuf part;
        if (arg_null(c, i, r))
            return false;
        wbuf_init(&part);
        v.type = v.null ? type_element(c->out->type) : v.type;
        key_encode_value(&v, &part);
        entries[i / 2] = (struct map_entry){.key = arg_str(c, i, r), .value = arena_dup(c->arena, wbuf_view(&part))};
        wbuf_fini(&part);
    }
    nested_put_map(entries, c->nargs / 2, out);
    return true;
}

KERNEL(nested_make)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS (c, r) {
        wbuf_reset(&w);
        if (c->out->type.id == T_MAP) {
            if (make_map(c, r, &w))
                out_parts(c, r, &w);
            else
                call_fail(c, r, "a key of a MAP is NULL");
            continue;
        }
        for (unsigned i = 0; i < c->nargs; i++) {
            struct value v = arg_value(c, i, r);
            key_encode_value(&v, &w);
        }
        out_parts(c, r, &w);
    }
    wbuf_fini(&w);
}

/* Part number `at` of row r, or NULL. */
static void out_at(struct call *c, uint32_t r, struct nested n, uint64_t at)
{
    struct value v;
    while (at && nested_skip(&n))
        at--;
    if (!at && nested_next(&n, &v, c->arena))
        out_part(c, r, 0, &v);
    else
        call_null(c, r);
}

KERNEL(nested_field)
{
    ROWS_VALID (c, r)
        out_at(c, r, arg_nested(c, 0, r), (uintptr_t)c->aux);
}

KERNEL(array_element)
{
    ROWS_VALID (c, r) {
        int64_t at = arg_i64(c, 1, r);
        if (at < 0)
            at = (int64_t)nested_count(c->args[0]->type, arg_str(c, 0, r)) + at + 1;
        if (at > 0)
            out_at(c, r, arg_nested(c, 0, r), (uint64_t)at - 1);
        else
            call_null(c, r);
    }
}

KERNEL(nested_length)
{
    ROWS_VALID (c, r)
        c->out->i32[r] = (int32_t)nested_count(c->args[0]->type, arg_str(c, 0, r));
}

/* ---- looking for one */

/* The key bytes of argument 1. */
static struct str wanted_part(const struct call *c, uint32_t r, struct wbuf *room)
{
    struct value v = arg_value(c, 1, r);
    wbuf_reset(room);
    key_encode_value(&v, room);
    return wbuf_view(room);
}

/* At which place, from 1 on; 0: nowhere. */
static int32_t place_of(const struct call *c, uint32_t r, struct wbuf *room)
{
    struct str want = wanted_part(c, r, room), raw;
    struct nested n = arg_nested(c, 0, r);
    while (nested_raw(&n, &raw))
        if (str_eq(raw, want))
            return (int32_t)n.at;
    return 0;
}

KERNEL(array_contains)
{
    struct wbuf room;
    wbuf_init(&room);
    ROWS (c, r) {
        if (arg_null(c, 0, r))
            call_null(c, r);
        else
            c->out->b[r] = place_of(c, r, &room) > 0;
    }
    wbuf_fini(&room);
}

KERNEL(array_position)
{
    struct wbuf room;
    wbuf_init(&room);
    ROWS (c, r) {
        int32_t at = arg_null(c, 0, r) ? 0 : place_of(c, r, &room);
        if (at)
            c->out->i32[r] = at;
        else
            call_null(c, r);
    }
    wbuf_fini(&room);
}

KERNEL(array_remove)
{
    struct wbuf room, out;
    wbuf_init(&room);
    wbuf_init(&out);
    ROWS (c, r) {
        if (arg_null(c, 0, r)) {
            call_null(c, r);
            continue;
        }
        struct str want = wanted_part(c, r, &room), raw;
        struct nested n = arg_nested(c, 0, r);
        wbuf_reset(&out);
        while (nested_raw(&n, &raw))
            if (!str_eq(raw, want))
                wbuf_str(&out, raw);
        out_parts(c, r, &out);
    }
    wbuf_fini(&room);
    wbuf_fini(&out);
}

/* ---- sets of elements */

KERNEL(array_concat)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS (c, r) {
        wbuf_reset(&w);
        if (arg_null(c, 0, r) && arg_null(c, 1, r)) {
            call_null(c, r);
            continue;
        }
        for (unsigned i = 0; i < 2; i++)
            if (!arg_null(c, i, r))
                wbuf_str(&w, arg_str(c, i, r));
        out_parts(c, r, &w);
    }
    wbuf_fini(&w);
}

/* Elements of an argument that are not yet in seen; those that other has (with: are wanted, else: are not). */
static void add_distinct(struct call *c, unsigned arg, uint32_t r, struct map *seen, const struct map *other, bool with,
                         struct wbuf *out)
{
    struct nested n = arg_nested(c, arg, r);
    struct str raw;
    while (nested_raw(&n, &raw))
        if ((!other || (map_get(other, raw) != NULL) == with) && !map_put(seen, raw, seen) && out)
            wbuf_str(out, raw);
}

enum set { SET_DISTINCT, SET_UNION, SET_EXCEPT, SET_INTERSECT };

static void set_rows(struct call *c, enum set set)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        struct map seen, other;
        bool has_other = set == SET_EXCEPT || set == SET_INTERSECT;
        map_init(&seen);
        map_init(&other);
        wbuf_reset(&w);
        if (has_other)
            add_distinct(c, 1, r, &other, NULL, false, NULL);
        add_distinct(c, 0, r, &seen, has_other ? &other : NULL, set == SET_INTERSECT, &w);
        if (set == SET_UNION)
            add_distinct(c, 1, r, &seen, NULL, false, &w);
        out_parts(c, r, &w);
        map_fini(&seen);
        map_fini(&other);
    }
    wbuf_fini(&w);
}

KERNEL(array_distinct) { set_rows(c, SET_DISTINCT); }
KERNEL(array_union) { set_rows(c, SET_UNION); }
KERNEL(array_except) { set_rows(c, SET_EXCEPT); }
KERNEL(array_intersect) { set_rows(c, SET_INTERSECT); }

/* ---- order */

static bool is_null_part(struct str raw) { return raw.ptr[0] == 1; }

/* NULL last, whichever way it goes. */
static int up(const void *x, const void *y)
{
    const struct str *a = x, *b = y;
    int nulls = (int)is_null_part(*a) - (int)is_null_part(*b);
    return nulls ? nulls : str_cmp(*a, *b);
}

static int down(const void *x, const void *y)
{
    const struct str *a = x, *b = y;
    int nulls = (int)is_null_part(*a) - (int)is_null_part(*b);
    return nulls ? nulls : str_cmp(*b, *a);
}

static struct str *all_parts(struct call *c, uint32_t r, unsigned *n)
{
    struct nested walk = arg_nested(c, 0, r);
    struct str *parts = ARENA_ARRAY(c->arena, struct str, nested_count(walk.type, arg_str(c, 0, r)) + 1);
    *n = 0;
    while (nested_raw(&walk, &parts[*n]))
        ++*n;
    return parts;
}

KERNEL(array_sort)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        bool asc = c->nargs < 2 || str_eq_nocase(arg_str(c, 1, r), STR("ASC")) ||
                   str_eq_nocase(arg_str(c, 1, r), STR("ASCENDING"));
        if (!asc && !str_eq_nocase(arg_str(c, 1, r), STR("DESC")) && !str_eq_nocase(arg_str(c, 1, r), STR("DESCENDING"))) {
            call_fail(c, r, "the order is neither ASC nor DESC");
            continue;
        }
        unsigned n;
        struct str *parts = all_parts(c, r, &n);
        qsort(parts, n, sizeof *parts, asc ? up : down);
        wbuf_reset(&w);
        for (unsigned i = 0; i < n; i++)
            wbuf_str(&w, parts[i]);
        out_parts(c, r, &w);
    }
    wbuf_fini(&w);
}

static void best_rows(struct call *c, int sign)
{
    ROWS_VALID (c, r) {
        struct nested n = arg_nested(c, 0, r);
        struct str raw, best = STR_NULL;
        struct value v;
        while (nested_raw(&n, &raw))
            if (!is_null_part(raw) && (!best.ptr || str_cmp(raw, best) * sign > 0))
                best = raw;
        struct rbuf one = rbuf_of(best.ptr, best.len);
        if (best.ptr && key_view(&one, c->out->type, &v, c->arena))
            out_part(c, r, 0, &v);
        else
            call_null(c, r);
    }
}

KERNEL(array_min) { best_rows(c, -1); }
KERNEL(array_max) { best_rows(c, 1); }

KERNEL(array_reverse)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        unsigned n;
        struct str *parts = all_parts(c, r, &n);
        wbuf_reset(&w);
        while (n)
            wbuf_str(&w, parts[--n]);
        out_parts(c, r, &w);
    }
    wbuf_fini(&w);
}

/* From one place to another, both included; NULL bounds are the ends. */
KERNEL(array_slice)
{
    ROWS (c, r) {
        if (arg_null(c, 0, r)) {
            call_null(c, r);
            continue;
        }
        int64_t from = arg_null(c, 1, r) ? 1 : arg_i32(c, 1, r), to = arg_null(c, 2, r) ? INT64_MAX : arg_i32(c, 2, r);
        struct nested n = arg_nested(c, 0, r);
        for (int64_t i = 1; i < from && nested_skip(&n); i++)
            ;
        const char *start = (const char *)n.r.ptr;
        while ((int64_t)n.at < to && nested_skip(&n))
            ;
        struct value v = {.type = c->out->type, .s = {start, (size_t)((const char *)n.r.ptr - start)}};
        v.s = to < from ? STR("") : v.s;
        out_part(c, r, 0, &v);
    }
}

KERNEL(array_join)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        struct str between = c->nargs > 1 ? arg_str(c, 1, r) : STR(",");
        struct nested n = arg_nested(c, 0, r);
        struct value v;
        wbuf_reset(&w);
        while (nested_next(&n, &v, c->arena)) {
            if (n.at > 1)
                wbuf_str(&w, between);
            value_format(&v, &w);
        }
        out_parts(c, r, &w);
    }
    wbuf_fini(&w);
}

/* Every way to put NULL in place of elements: the first one all NULL, the last one the array itself. */
#define CUBE_MAX 12

KERNEL(array_cube)
{
    struct wbuf w, one;
    wbuf_init(&w);
    wbuf_init(&one);
    ROWS_VALID (c, r) {
        unsigned n, free_places = 0;
        struct str *parts = all_parts(c, r, &n);
        for (unsigned i = 0; i < n; i++)
            free_places += !is_null_part(parts[i]);
        if (free_places > CUBE_MAX) {
            call_fail(c, r, "a cube of more than 12 elements has too many rows");
            continue;
        }
        wbuf_reset(&w);
        for (unsigned set = 0; set < 1u << free_places; set++) {
            unsigned bit = free_places;
            wbuf_reset(&one);
            for (unsigned i = 0; i < n; i++) {
                bool null = is_null_part(parts[i]) || !(set >> --bit & 1);
                wbuf_str(&one, null ? (struct str){"\1", 1} : parts[i]);
            }
            struct value v = {.type = c->args[0]->type, .s = wbuf_view(&one)};
            key_encode_value(&v, &w);
        }
        if (n)
            out_parts(c, r, &w);
        else
            out_str(c, r, STR(""));
    }
    wbuf_fini(&w);
    wbuf_fini(&one);
}

/* ---- made of numbers */

#define SERIES_MAX 1000000

static void series_row(struct call *c, uint32_t r, int64_t from, int64_t to, int64_t step, struct wbuf *w)
{
    if (!step || (step > 0 && from > to) || (step < 0 && from < to)) {
        call_fail(c, r, "these steps never lead from the first number to the last");
        return;
    }
    uint64_t n = ((step > 0 ? (uint64_t)to - (uint64_t)from : (uint64_t)from - (uint64_t)to) /
                  (step > 0 ? (uint64_t)step : -(uint64_t)step));
    if (n >= SERIES_MAX) {
        call_fail(c, r, "the series has more than a million elements");
        return;
    }
    struct value v = {.type = type_element(c->out->type), .i = from};
    for (uint64_t i = 0; i <= n; i++) {
        key_encode_value(&v, w);
        v.i = (int64_t)((uint64_t)v.i + (uint64_t)step);
    }
    out_parts(c, r, w);
}

KERNEL(generate_series)
{
    struct wbuf w;
    bool small = c->args[0]->type.id == T_INT;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        int64_t from = small ? arg_i32(c, 0, r) : arg_i64(c, 0, r), to = small ? arg_i32(c, 1, r) : arg_i64(c, 1, r);
        int64_t step = c->nargs > 2 ? arg_i32(c, 2, r) : from > to ? -1 : 1;
        wbuf_reset(&w);
        series_row(c, r, from, to, step, &w);
    }
    wbuf_fini(&w);
}
