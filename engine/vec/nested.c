#include "engine/vec/vec.h"
#include <stdlib.h>

/* Walking and building the bytes of ARRAY, MAP and STRUCT. On disk: engine/README.md, "Key bytes".
 *
 * A nested value inside another one is a text to it, so its zeros are escaped once more a level; values nest little.
 * The rejected alternative, child columns, would make every operator, codec and state layout know nested types; as
 * bytes they need nothing, and only who looks into them walks. */

static struct type part_type(const struct nested *n)
{
    unsigned parts = n->type.of->n;
    return n->type.of->fields[n->type.id == T_STRUCT ? n->at : n->at % parts].type;
}

static bool at_end(const struct nested *n)
{
    return !rbuf_left(&n->r) || n->r.err || (n->type.id == T_STRUCT && n->at == n->type.of->n);
}

static bool passed(struct nested *n, bool good)
{
    if (!good)
        n->r.ptr = n->r.end;
    n->at += good;
    return good;
}

bool nested_next(struct nested *n, struct value *out, struct arena *a)
{
    return !at_end(n) && passed(n, key_view(&n->r, part_type(n), out, a));
}

bool nested_skip(struct nested *n) { return !at_end(n) && passed(n, key_skip(&n->r, part_type(n))); }

bool nested_raw(struct nested *n, struct str *out)
{
    const char *start = (const char *)n->r.ptr;
    if (!nested_skip(n))
        return false;
    *out = (struct str){start, (size_t)((const char *)n->r.ptr - start)};
    return true;
}

unsigned nested_count(struct type t, struct str bytes)
{
    struct nested n = nested_of(t, bytes);
    while (nested_skip(&n))
        ;
    return t.id == T_MAP ? n.at / 2 : n.at;
}

/* One level; what is nested in it is checked in turn. */
static bool check(struct type t, struct str bytes, struct arena *a)
{
    struct nested n = nested_of(t, bytes);
    struct value v, before = {.null = true};
    while (!at_end(&n)) {
        bool is_key = t.id == T_MAP && n.at % 2 == 0;
        if (!nested_next(&n, &v, a))
            return false;
        if (!v.null && type_is_nested(v.type) && !check(v.type, v.s, a))
            return false;
        if (is_key && (v.null || (!before.null && str_cmp(before.s, v.s) >= 0)))
            return false;
        if (is_key)
            before = v;
    }
    return !n.r.err && !rbuf_left(&n.r) && (t.id == T_MAP ? n.at % 2 == 0 : t.id != T_STRUCT || n.at == t.of->n);
}

bool nested_check(struct type t, struct str bytes)
{
    struct arena a;
    arena_init(&a);
    bool ok = check(t, bytes, &a);
    arena_fini(&a);
    return ok;
}

/* ---- maps */

static int entry_cmp(const void *x, const void *y)
{
    const struct map_entry *a = x, *b = y;
    int order = str_cmp(a->key, b->key);
    return order ? order : (a->order > b->order) - (a->order < b->order);
}

void nested_put_map(struct map_entry *entries, unsigned n, struct wbuf *out)
{
    for (unsigned i = 0; i < n; i++)
        entries[i].order = i;
    if (n)
        qsort(entries, n, sizeof *entries, entry_cmp);
    for (unsigned i = 0; i < n; i++) {
        if (i + 1 < n && str_eq(entries[i].key, entries[i + 1].key))
            continue;
        struct value key = {.type = TYPE(T_VARCHAR), .s = entries[i].key};
        key_encode_value(&key, out);
        wbuf_str(out, entries[i].value);
    }
}
