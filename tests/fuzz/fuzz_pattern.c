/* Regular expressions of clients: whatever the bytes, parsing and matching end; a pattern in a group, or beside itself, matches
 * the same names. The input is a pattern, a NUL, a name. */
#include "log/base/pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the pattern says of the name in a frame: -1: it was refused (the frame may make it too large or too deep). */
static int says(const char *format, struct str pattern, struct str name, struct arena *a)
{
    struct diag d = {.text = ""};
    struct str framed = pattern;
    if (format) {
        struct str copy = arena_dup(a, pattern);
        framed = str_of(strcmp(format, "group") == 0 ? arena_printf(a, "(?:%s)", copy.ptr)
                                                     : arena_printf(a, "(?:%s)|(%s)", copy.ptr, copy.ptr));
    }
    struct pattern *p = pattern_new(framed, a, &d);
    CHECK(p || d.text[0]);
    return p ? pattern_match(p, name) : -1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
    size_t n = nul ? (size_t)(nul - data) : size;
    struct str pattern = {size ? (const char *)data : "", n};
    struct str name = {nul ? (const char *)nul + 1 : "", nul ? size - n - 1 : 0};
    struct arena a;
    arena_init(&a);
    int alone = says(NULL, pattern, name, &a);
    bool quotes = n && memmem(pattern.ptr, n, "\\Q", 2);
    if (alone >= 0 && !quotes) { /* an open quote would take the frame in */
        int group = says("group", pattern, name, &a), twice = says("twice", pattern, name, &a);
        CHECK(group < 0 || group == alone);
        CHECK(twice < 0 || twice == alone);
    }
    arena_fini(&a);
    return 0;
}
