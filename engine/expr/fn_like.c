#include "engine/expr/kernel.h"

/* LIKE. A pattern is compiled to segments between the %: each is looked for as early as possible, which is right since
 * what follows may only gain from more text. So the time is text times pattern at most, whatever the pattern is. */

#define ANY 256 /* an element that matches one character; others match one byte */

struct segment {
    uint16_t *elements;
    uint32_t n;
    bool plain; /* no ANY: elements are bytes, also at bytes */
    char *bytes;
};
struct like {
    uint32_t n; /* segments; a pattern without % has one */
    struct segment *segments;
    uint16_t *elements;
    char *bytes;
};

static void like_free(void *made)
{
    struct like *l = made;
    xfree(l->segments);
    xfree(l->elements);
    xfree(l->bytes);
    xfree(l);
}

/* escape -1: none. NULL: an escape that escapes nothing. */
static struct like *like_new(struct str pattern, int escape)
{
    struct like *l = xzalloc(sizeof *l);
    l->segments = xzalloc(sizeof *l->segments * (pattern.len + 1));
    l->elements = xalloc(sizeof *l->elements * (pattern.len + 1));
    l->bytes = xalloc(pattern.len + 1);
    uint32_t at = 0;
    struct segment *seg = &l->segments[l->n++];
    *seg = (struct segment){l->elements, 0, true, l->bytes};
    for (size_t i = 0; i < pattern.len; i++) {
        uint8_t byte = (uint8_t)pattern.ptr[i];
        bool escaped = byte == escape;
        if (escaped) {
            if (++i == pattern.len) {
                like_free(l);
                return NULL;
            }
            byte = (uint8_t)pattern.ptr[i];
        }
        if (!escaped && byte == '%') {
            seg = &l->segments[l->n++];
            *seg = (struct segment){l->elements + at, 0, true, l->bytes + at};
            continue;
        }
        bool any = !escaped && byte == '_';
        seg->plain &= !any;
        l->elements[at] = any ? ANY : byte;
        l->bytes[at++] = (char)byte;
        seg->n++;
    }
    return l;
}

/* Where the segment ends if it stands at p; NULL: it does not. */
static const char *match_at(const struct segment *seg, const char *p, const char *end)
{
    for (uint32_t i = 0; i < seg->n; i++) {
        if (p == end)
            return NULL;
        if (seg->elements[i] != ANY) {
            if ((uint8_t)*p++ != seg->elements[i])
                return NULL;
            continue;
        }
        p++;
        while (p < end && ((uint8_t)*p & 0xc0) == 0x80)
            p++;
    }
    return p;
}

static const char *find(const struct segment *seg, const char *p, const char *end)
{
    if (seg->plain) {
        const char *at = seg->n ? memmem(p, (size_t)(end - p), seg->bytes, seg->n) : p;
        return at ? at + seg->n : NULL;
    }
    for (; p <= end; p++) {
        const char *after = match_at(seg, p, end);
        if (after)
            return after;
    }
    return NULL;
}

static bool ends_with(const struct segment *seg, const char *p, const char *end)
{
    if (seg->plain)
        return (size_t)(end - p) >= seg->n && memcmp(end - seg->n, seg->bytes, seg->n) == 0;
    for (; p <= end; p++)
        if (match_at(seg, p, end) == end)
            return true;
    return false;
}

static bool like_match(const struct like *l, struct str s)
{
    const char *p = s.ptr, *end = p + s.len;
    p = match_at(&l->segments[0], p, end);
    if (l->n == 1 || !p)
        return p == end && p;
    for (uint32_t i = 1; i + 1 < l->n; i++) {
        p = find(&l->segments[i], p, end);
        if (!p)
            return false;
    }
    return ends_with(&l->segments[l->n - 1], p, end);
}

KERNEL(text_like)
{
    struct cached *cache = &c->cache[0];
    int escape = -1;
    ROWS_VALID (c, r) {
        struct str pattern = arg_str(c, 1, r);
        if (c->nargs > 2) {
            struct str e = arg_str(c, 2, r);
            int now = e.len == 1 ? (uint8_t)e.ptr[0] : -2;
            if (now != escape)
                cached_drop(cache);
            escape = now;
        }
        if (!cached_is(cache, pattern)) {
            struct like *made = escape == -2 ? NULL : like_new(pattern, escape);
            if (!made) {
                call_fail(c, r, "ESCAPE must be one character, and must stand before another one in the pattern");
                continue;
            }
            cached_set(cache, pattern, made, like_free);
        }
        c->out->b[r] = like_match(cache->made, arg_str(c, 0, r));
    }
}
