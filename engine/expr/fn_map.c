#include "engine/expr/nested.h"

/* MAP: keys are texts, sorted by their bytes. */

KERNEL(map_element)
{
    ROWS_VALID (c, r) {
        struct str want = arg_str(c, 1, r);
        struct nested n = arg_nested(c, 0, r);
        struct value v;
        bool found = false;
        while (!found && nested_next(&n, &v, c->arena)) {
            found = str_eq(v.s, want);
            if (!found)
                nested_skip(&n);
        }
        if (found && nested_next(&n, &v, c->arena))
            out_part(c, r, 0, &v);
        else
            call_null(c, r);
    }
}

/* Every second part: keys or values. */
static void halves(struct call *c, bool values)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        struct nested n = arg_nested(c, 0, r);
        struct str raw;
        wbuf_reset(&w);
        while (nested_raw(&n, &raw))
            if ((n.at % 2 == 0) == values)
                wbuf_str(&w, raw);
        out_parts(c, r, &w);
    }
    wbuf_fini(&w);
}

KERNEL(map_keys) { halves(c, false); }
KERNEL(map_values) { halves(c, true); }

/* Adds the entries of an argument; gives how many there are then. */
static unsigned add_entries(struct call *c, unsigned arg, uint32_t r, struct map_entry *entries, unsigned n)
{
    struct nested walk = arg_nested(c, arg, r);
    struct value key;
    while (nested_next(&walk, &key, c->arena) && nested_raw(&walk, &entries[n].value))
        entries[n++].key = key.s;
    return n;
}

KERNEL(map_union)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS (c, r) {
        unsigned n = 0, room = 1;
        for (unsigned i = 0; i < 2; i++)
            room += arg_null(c, i, r) ? 0 : nested_count(c->args[i]->type, arg_str(c, i, r));
        if (arg_null(c, 0, r) && arg_null(c, 1, r)) {
            call_null(c, r);
            continue;
        }
        struct map_entry *entries = ARENA_ARRAY(c->arena, struct map_entry, room);
        for (unsigned i = 0; i < 2; i++)
            if (!arg_null(c, i, r))
                n = add_entries(c, i, r, entries, n);
        wbuf_reset(&w);
        nested_put_map(entries, n, &w);
        out_parts(c, r, &w);
    }
    wbuf_fini(&w);
}

KERNEL(map_of_arrays)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        struct nested keys = arg_nested(c, 0, r), values = arg_nested(c, 1, r);
        unsigned n = 0, count = nested_count(keys.type, arg_str(c, 0, r));
        struct map_entry *entries = ARENA_ARRAY(c->arena, struct map_entry, count + 1);
        struct value key;
        bool good = true;
        for (; good && nested_next(&keys, &key, c->arena); n++) {
            good = !key.null && nested_raw(&values, &entries[n].value);
            entries[n].key = key.s;
        }
        if (!good) {
            call_fail(c, r, "AS_MAP needs a value for every key, and keys that are not NULL");
            continue;
        }
        wbuf_reset(&w);
        nested_put_map(entries, n, &w);
        out_parts(c, r, &w);
    }
    wbuf_fini(&w);
}

/* Entries lie by key already, so sorted or not is all one. */
KERNEL(map_entries)
{
    struct wbuf w, entry;
    wbuf_init(&w);
    wbuf_init(&entry);
    ROWS_VALID (c, r) {
        struct nested n = arg_nested(c, 0, r);
        struct str key, value;
        wbuf_reset(&w);
        while (nested_raw(&n, &key) && nested_raw(&n, &value)) {
            wbuf_reset(&entry);
            wbuf_str(&entry, key);
            wbuf_str(&entry, value);
            struct value v = {.type = type_element(c->out->type), .s = wbuf_view(&entry)};
            key_encode_value(&v, &w);
        }
        out_parts(c, r, &w);
    }
    wbuf_fini(&w);
    wbuf_fini(&entry);
}

/* ---- from texts */

/* Up to the next delimiter, which is passed; an empty delimiter parts characters. */
static bool next_piece(struct str *s, struct str delimiter, bool utf8, struct str *out)
{
    if (!s->ptr)
        return false;
    if (!delimiter.len) {
        size_t n = MIN(s->len, (size_t)1);
        while (utf8 && n && n < s->len && ((uint8_t)s->ptr[n] & 0xc0) == 0x80)
            n++;
        *out = (struct str){s->ptr, n};
        *s = n < s->len ? (struct str){s->ptr + n, s->len - n} : STR_NULL;
        return true;
    }
    const char *at = s->len ? memmem(s->ptr, s->len, delimiter.ptr, delimiter.len) : NULL;
    *out = at ? (struct str){s->ptr, (size_t)(at - s->ptr)} : *s;
    *s = at ? (struct str){at + delimiter.len, s->len - out->len - delimiter.len} : STR_NULL;
    return true;
}

KERNEL(text_split)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        struct str s = arg_str(c, 0, r), piece;
        wbuf_reset(&w);
        while (next_piece(&s, arg_str(c, 1, r), c->args[0]->type.id == T_VARCHAR, &piece))
            put_text_part(&w, piece);
        out_parts(c, r, &w);
    }
    wbuf_fini(&w);
}

/* 'a=1&b=2': what has no second delimiter is left out. */
KERNEL(text_split_to_map)
{
    struct wbuf w;
    wbuf_init(&w);
    ROWS_VALID (c, r) {
        struct str s = arg_str(c, 0, r), between = arg_str(c, 1, r), assign = arg_str(c, 2, r), piece;
        struct map_entry *entries = NULL;
        unsigned n = 0, cap = 0;
        if (!between.len || !assign.len) {
            call_null(c, r);
            continue;
        }
        while (next_piece(&s, between, true, &piece)) {
            struct str rest = piece, key;
            next_piece(&rest, assign, true, &key);
            if (!rest.ptr)
                continue;
            struct wbuf value;
            wbuf_init(&value);
            put_text_part(&value, rest);
            VEC_PUSH(entries, n, cap) = (struct map_entry){.key = key, .value = arena_dup(c->arena, wbuf_view(&value))};
            wbuf_fini(&value);
        }
        wbuf_reset(&w);
        nested_put_map(entries, n, &w);
        out_parts(c, r, &w);
        xfree(entries);
    }
    wbuf_fini(&w);
}
