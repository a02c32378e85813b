#define PCRE2_CODE_UNIT_WIDTH 8
#include "engine/expr/kernel.h"
#include <pcre2.h>

/* Regular expressions through pcre2 with its JIT. A match that takes too many steps is an error of its row, so that no
 * pattern can hold up a task. */

#define MATCH_LIMIT 1000000
#define DEPTH_LIMIT 1000
#define REPLACED_MAX (64u << 20)

struct regexp {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
    char wrong[120]; /* not empty: the pattern is no regular expression, and this is why */
};

static void regexp_free(void *made)
{
    struct regexp *re = made;
    pcre2_match_data_free(re->match);
    pcre2_match_context_free(re->context);
    pcre2_code_free(re->code);
    xfree(re);
}

static struct regexp *regexp_new(struct str pattern)
{
    struct regexp *re = xzalloc(sizeof *re);
    int code;
    PCRE2_SIZE at;
    re->code = pcre2_compile((PCRE2_SPTR)pattern.ptr, pattern.len, PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code, &at, NULL);
    if (!re->code) {
        pcre2_get_error_message(code, (PCRE2_UCHAR *)re->wrong, sizeof re->wrong);
        return re;
    }
    pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE); /* without JIT the interpreter does the same */
    re->match = pcre2_match_data_create_from_pattern(re->code, NULL);
    re->context = pcre2_match_context_create(NULL);
    CHECK(re->match && re->context);
    pcre2_set_match_limit(re->context, MATCH_LIMIT);
    pcre2_set_depth_limit(re->context, DEPTH_LIMIT);
    return re;
}

/* The compiled pattern of this row; NULL: the row has failed. */
static struct regexp *regexp_of(struct call *c, uint32_t r, struct str pattern)
{
    if (!cached_is(&c->cache[0], pattern))
        cached_set(&c->cache[0], pattern, regexp_new(pattern), regexp_free);
    struct regexp *re = c->cache[0].made;
    if (re->code)
        return re;
    call_fail(c, r, re->wrong);
    return NULL;
}

/* Groups found from pos on; 0: none; negative: the row has failed. */
static int match(struct call *c, uint32_t r, struct regexp *re, struct str s, size_t pos, uint32_t options)
{
    int n = pcre2_match(re->code, (PCRE2_SPTR)s.ptr, s.len, pos, options, re->match, re->context);
    if (n == PCRE2_ERROR_NOMATCH)
        return 0;
    if (n < 0)
        call_fail(c, r, n == PCRE2_ERROR_MATCHLIMIT || n == PCRE2_ERROR_DEPTHLIMIT || n == PCRE2_ERROR_JIT_STACKLIMIT
                            ? "the regular expression takes too long on this text"
                            : "the regular expression cannot be matched with this text");
    return n;
}

KERNEL(regexp_like)
{
    ROWS_VALID (c, r) {
        struct regexp *re = regexp_of(c, r, arg_str(c, 1, r));
        if (!re)
            continue;
        int n = match(c, r, re, arg_str(c, 0, r), 0, 0);
        if (n >= 0)
            c->out->b[r] = n > 0;
    }
}

KERNEL(regexp_extract)
{
    ROWS_VALID (c, r) {
        struct regexp *re = regexp_of(c, r, arg_str(c, 0, r));
        struct str s = arg_str(c, 1, r);
        int group = c->nargs > 2 ? arg_i32(c, 2, r) : 0;
        int n = re ? match(c, r, re, s, 0, 0) : -1;
        if (n < 0)
            continue;
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(re->match);
        if (n == 0 || group < 0 || group >= n || at[group * 2] == PCRE2_UNSET || at[group * 2] > at[group * 2 + 1])
            call_null(c, r);
        else
            out_str(c, r, (struct str){s.ptr + at[group * 2], at[group * 2 + 1] - at[group * 2]});
    }
}

/* Java's replacement text: $1 is a group, a backslash quotes. */
static bool expand(struct str with, struct str s, const PCRE2_SIZE *at, int groups, struct wbuf *out)
{
    for (size_t i = 0; i < with.len; i++) {
        char ch = with.ptr[i];
        if (ch == '\\' && i + 1 < with.len) {
            wbuf_u8(out, (uint8_t)with.ptr[++i]);
        } else if (ch == '$' && i + 1 < with.len && with.ptr[i + 1] >= '0' && with.ptr[i + 1] <= '9') {
            int group = with.ptr[++i] - '0';
            if (group >= groups)
                return false;
            if (at[group * 2] != PCRE2_UNSET && at[group * 2] <= at[group * 2 + 1])
                wbuf_put(out, s.ptr + at[group * 2], at[group * 2 + 1] - at[group * 2]);
        } else {
            wbuf_u8(out, (uint8_t)ch);
        }
    }
    return true;
}

/* An empty match moves on by one character. */
static size_t step_over(struct str s, size_t pos, struct wbuf *out)
{
    size_t next = pos + 1;
    while (next < s.len && ((uint8_t)s.ptr[next] & 0xc0) == 0x80)
        next++;
    if (pos < s.len)
        wbuf_put(out, s.ptr + pos, next - pos);
    return next;
}

static bool replace(struct call *c, uint32_t r, struct regexp *re, struct wbuf *out)
{
    struct str s = arg_str(c, 0, r), with = arg_str(c, 2, r);
    uint32_t groups = 0;
    pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    size_t pos = 0;
    while (pos <= s.len) {
        int n = match(c, r, re, s, pos, pos ? PCRE2_NO_UTF_CHECK : 0);
        if (n < 0)
            return false;
        if (n == 0)
            break;
        const PCRE2_SIZE *at = pcre2_get_ovector_pointer(re->match);
        size_t from = at[0], to = MAX(at[1], from); /* \K may put the start behind the end */
        wbuf_put(out, s.ptr + pos, from - pos);
        if (!expand(with, s, at, (int)groups + 1, out) || out->len > REPLACED_MAX) {
            call_fail(c, r, "the replacement names a group that the pattern does not have, or is too long");
            return false;
        }
        pos = to > from ? to : step_over(s, to, out);
    }
    if (pos < s.len)
        wbuf_put(out, s.ptr + pos, s.len - pos);
    return true;
}

KERNEL(regexp_replace)
{
    struct wbuf out;
    wbuf_init(&out);
    ROWS_VALID (c, r) {
        struct regexp *re = regexp_of(c, r, arg_str(c, 1, r));
        wbuf_reset(&out);
        if (re && replace(c, r, re, &out))
            out_str(c, r, out.len ? wbuf_view(&out) : STR(""));
    }
    wbuf_fini(&out);
}
