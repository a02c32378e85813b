#include "engine/expr/nested.h"
#include "log/base/pattern.h"

/* Regular expressions. A match that takes too many steps is an error of its row, so that no pattern can hold up a
 * task. */

#define REPLACED_MAX (64u << 20)

struct regexp {
    struct pattern *pattern; /* NULL: it is no regular expression, */
    struct diag wrong;       /* and this is why */
};

static void regexp_free(void *made)
{
    struct regexp *re = made;
    pattern_free(re->pattern);
    xfree(re);
}

static struct regexp *regexp_new(struct str text)
{
    struct regexp *re = xzalloc(sizeof *re);
    re->pattern = pattern_new(text, PATTERN_ROWS, &re->wrong);
    return re;
}

/* The compiled pattern of this row; NULL: the row has failed. */
static struct pattern *pattern_of(struct call *c, uint32_t r, struct str text)
{
    if (!cached_is(&c->cache[0], text))
        cached_set(&c->cache[0], text, regexp_new(text), regexp_free);
    struct regexp *re = c->cache[0].made;
    if (!re->pattern)
        call_fail(c, r, re->wrong.text);
    return re->pattern;
}

/* Is it found from pos on? Negative: the row has failed. */
static int match(struct call *c, uint32_t r, struct pattern *p, struct str s, size_t pos)
{
    enum pattern_found found = pattern_match(p, s, pos);
    if (found == PATTERN_YES || found == PATTERN_NO)
        return found == PATTERN_YES;
    call_fail(c, r,
              found == PATTERN_COSTLY ? "the regular expression takes too long on this text"
                                      : "the regular expression cannot be matched with this text");
    return -1;
}

KERNEL(regexp_like)
{
    ROWS_VALID(c, r)
    {
        struct pattern *p = pattern_of(c, r, arg_str(c, 1, r));
        int found = p ? match(c, r, p, arg_str(c, 0, r), 0) : -1;
        if (found >= 0)
            c->out->b[r] = found > 0;
    }
}

KERNEL(regexp_extract)
{
    ROWS_VALID(c, r)
    {
        struct pattern *p = pattern_of(c, r, arg_str(c, 0, r));
        struct str s = arg_str(c, 1, r);
        int group = c->nargs > 2 ? arg_i32(c, 2, r) : 0;
        int found = p ? match(c, r, p, s, 0) : -1;
        size_t begin, end;
        if (found < 0)
            continue;
        if (found == 0 || group < 0 || !pattern_group(p, (unsigned)group, &begin, &end))
            call_null(c, r);
        else
            out_str(c, r, (struct str){s.ptr + begin, end - begin});
    }
}

/* Java's replacement text: $1 is a group, a backslash quotes. */
static bool expand(struct str with, struct str s, const struct pattern *p, struct wbuf *out)
{
    size_t begin, end;
    for (size_t i = 0; i < with.len; i++) {
        char ch = with.ptr[i];
        if (ch == '\\' && i + 1 < with.len) {
            wbuf_u8(out, (uint8_t)with.ptr[++i]);
        } else if (ch == '$' && i + 1 < with.len && with.ptr[i + 1] >= '0' && with.ptr[i + 1] <= '9') {
            unsigned group = (unsigned)(with.ptr[++i] - '0');
            if (group > pattern_groups(p))
                return false;
            if (pattern_group(p, group, &begin, &end))
                wbuf_put(out, s.ptr + begin, end - begin);
        } else {
            wbuf_u8(out, (uint8_t)ch);
        }
    }
    return true;
}

static size_t next_char(struct str s, size_t pos)
{
    for (pos++; pos < s.len && ((uint8_t)s.ptr[pos] & 0xc0) == 0x80;)
        pos++;
    return pos;
}

/* An empty match moves on by one character. */
static size_t step_over(struct str s, size_t pos, struct wbuf *out)
{
    size_t next = next_char(s, pos);
    if (pos < s.len)
        wbuf_put(out, s.ptr + pos, next - pos);
    return next;
}

static bool replace(struct call *c, uint32_t r, struct pattern *p, struct wbuf *out)
{
    struct str s = arg_str(c, 0, r), with = arg_str(c, 2, r);
    size_t pos = 0, begin, end;
    while (pos <= s.len) {
        int found = match(c, r, p, s, pos);
        if (found < 0)
            return false;
        if (!found || !pattern_group(p, 0, &begin, &end))
            break;
        wbuf_put(out, s.ptr + pos, begin - pos);
        if (!expand(with, s, p, out) || out->len > REPLACED_MAX) {
            call_fail(c, r, "the replacement names a group that the pattern does not have, or is too long");
            return false;
        }
        pos = end > begin ? end : step_over(s, end, out);
    }
    if (pos < s.len)
        wbuf_put(out, s.ptr + pos, s.len - pos);
    return true;
}

KERNEL(regexp_replace)
{
    struct wbuf out;
    wbuf_init(&out);
    ROWS_VALID(c, r)
    {
        struct pattern *p = pattern_of(c, r, arg_str(c, 1, r));
        wbuf_reset(&out);
        if (p && replace(c, r, p, &out))
            out_str(c, r, out.len ? wbuf_view(&out) : STR(""));
    }
    wbuf_fini(&out);
}

static bool extract_all(struct call *c, uint32_t r, struct pattern *p, struct wbuf *out)
{
    struct str s = arg_str(c, 1, r);
    int32_t group = c->nargs > 2 ? arg_i32(c, 2, r) : 0;
    size_t pos = 0, begin, end;
    if (group < 0 || (unsigned)group > pattern_groups(p)) {
        call_fail(c, r, "the pattern does not have this group");
        return false;
    }
    while (pos <= s.len) {
        int found = match(c, r, p, s, pos);
        if (found < 0)
            return false;
        if (!found || !pattern_group(p, 0, &begin, &end))
            break;
        pos = end > begin ? end : next_char(s, end);
        struct value v = {.type = TYPE(T_VARCHAR), .null = !pattern_group(p, (unsigned)group, &begin, &end)};
        if (!v.null)
            v.s = (struct str){s.ptr + begin, end - begin};
        key_encode_value(&v, out);
    }
    return true;
}

/* Empty matches part characters. */
static bool split(struct call *c, uint32_t r, struct pattern *p, struct wbuf *out)
{
    struct str s = arg_str(c, 0, r);
    size_t pos = 0, piece = 0, begin, end;
    while (pos <= s.len) {
        int found = match(c, r, p, s, pos);
        if (found < 0)
            return false;
        if (!found || !pattern_group(p, 0, &begin, &end) || (begin == end && begin == s.len))
            break;
        pos = end > begin ? end : next_char(s, end);
        if (begin == end && begin == piece)
            continue;
        put_text_part(out, (struct str){s.ptr + piece, begin - piece});
        piece = end;
    }
    put_text_part(out, (struct str){s.ptr + piece, s.len - piece});
    return true;
}

static void list_rows(struct call *c, unsigned pattern, bool (*list_cb)(struct call *c, uint32_t r, struct pattern *p, struct wbuf *out))
{
    struct wbuf out;
    wbuf_init(&out);
    ROWS_VALID (c, r) {
        struct pattern *p = pattern_of(c, r, arg_str(c, pattern, r));
        wbuf_reset(&out);
        if (p && list_cb(c, r, p, &out))
            out_parts(c, r, &out);
    }
    wbuf_fini(&out);
}

KERNEL(regexp_extract_all) { list_rows(c, 0, extract_all); }
KERNEL(regexp_split) { list_rows(c, 1, split); }

/* ---- SIMILAR TO: SQL's own patterns, made regular expressions */

/* % is any text, _ any character; | * + ? {n} ( ) [ ] are as there, all else is itself; a backslash takes the meaning away. */
static void translate(struct str pattern, struct wbuf *out)
{
    bool set = false;
    wbuf_str(out, STR("(?s)\\A(?:"));
    for (size_t i = 0; i < pattern.len; i++) {
        char ch = pattern.ptr[i];
        if (ch == '\\' && i + 1 < pattern.len) {
            wbuf_u8(out, '\\');
            wbuf_u8(out, (uint8_t)pattern.ptr[++i]);
        } else if (set) {
            set = ch != ']';
            wbuf_u8(out, (uint8_t)ch);
        } else if (ch == '%') {
            wbuf_str(out, STR(".*"));
        } else if (ch == '_') {
            wbuf_u8(out, '.');
        } else if (ch == '(') {
            wbuf_str(out, STR("(?:"));
        } else {
            if (ch == '.' || ch == '^' || ch == '$' || ch == '\\')
                wbuf_u8(out, '\\');
            set = ch == '[';
            wbuf_u8(out, (uint8_t)ch);
        }
    }
    wbuf_str(out, STR(")\\z"));
}

KERNEL(text_similar)
{
    struct wbuf regexp;
    wbuf_init(&regexp);
    ROWS_VALID (c, r) {
        wbuf_reset(&regexp);
        translate(arg_str(c, 1, r), &regexp);
        struct pattern *p = pattern_of(c, r, wbuf_view(&regexp));
        int found = p ? match(c, r, p, arg_str(c, 0, r), 0) : -1;
        if (found >= 0)
            c->out->b[r] = found > 0;
    }
    wbuf_fini(&regexp);
}
