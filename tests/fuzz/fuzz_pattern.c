/* Regular expressions of clients: whatever the bytes, compiling and matching end; a pattern in a group of its own
 * matches the same names; what is found in a text lies in it. The input is a pattern, a NUL, a name. */
#include "log/base/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* PATTERN_UNFIT: it was refused. */
static enum pattern_found says(struct str pattern, struct str name)
{
    struct diag d = {.text = ""};
    struct pattern *p = pattern_new(pattern, PATTERN_NAMES, &d);
    CHECK(p || d.text[0]);
    enum pattern_found found = p ? pattern_match(p, name, 0) : PATTERN_UNFIT;
    CHECK(!p || found != PATTERN_UNFIT);
    pattern_free(p);
    return found;
}

static void find_all(struct str pattern, struct str text)
{
    struct pattern *p = pattern_new(pattern, PATTERN_ROWS, NULL);
    size_t pos = 0, begin, end;
    while (p && pos < text.len && pattern_match(p, text, pos) == PATTERN_YES) {
        CHECK(pattern_group(p, 0, &begin, &end) && begin >= pos && end >= begin && end <= text.len);
        for (unsigned i = 1; i <= pattern_groups(p); i++)
            CHECK(!pattern_group(p, i, &begin, &end) || end <= text.len);
        CHECK(pattern_group(p, 0, &begin, &end));
        if (end <= pos)
            break;
        pos = end;
    }
    pattern_free(p);
}

/* A group keeps the meaning of what is in it, but for what holds beyond its end or speaks of groups by number. */
static bool can_be_framed(struct str pattern)
{
    return pattern.len > 0 && !memchr(pattern.ptr, '\\', pattern.len) && !memmem(pattern.ptr, pattern.len, "(?", 2) &&
           !memmem(pattern.ptr, pattern.len, "(*", 2) && !memchr(pattern.ptr, '#', pattern.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t n = nul ? (size_t)(nul - data) : size;
    struct str pattern = {size ? (const char *)data : "", n};
    struct str name = {nul ? (const char *)nul + 1 : "", nul ? size - n - 1 : 0};
    struct arena a;
    arena_init(&a);
    enum pattern_found alone = says(pattern, name);
    if (alone <= PATTERN_YES && can_be_framed(pattern)) {
        enum pattern_found framed = says(str_of(arena_printf(&a, "(?:%s)", arena_dup(&a, pattern).ptr)), name);
        CHECK(framed == alone || framed > PATTERN_YES);
    }
    find_all(pattern, name);
    arena_fini(&a);
    return 0;
}
