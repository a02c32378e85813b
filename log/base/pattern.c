#define PCRE2_CODE_UNIT_WIDTH 8
#include "log/base/pattern.h"
#include <pcre2.h>
#include "log/base/limits.h"

struct pattern {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
    int found; /* groups of the last match that can have taken part; 0: there was none */
};

/* In names bytes that are no UTF-8 match nothing; $ is the end, not also before a last newline: names have no lines. */
static const struct use {
    uint32_t options, steps_max;
} uses[] = {
    [PATTERN_NAMES] = {PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_DOLLAR_ENDONLY | PCRE2_MATCH_INVALID_UTF,
                       PATTERN_NAME_STEPS},
    [PATTERN_ROWS] = {0, PATTERN_ROW_STEPS},
};

struct pattern *pattern_new(struct str text, enum pattern_use use, struct diag *d)
{
    const struct use *u = &uses[use];
    if (use == PATTERN_NAMES && text.len > PATTERN_BYTES) {
        diag_set(d, E_SYNTAX, "the regular expression is longer than %d bytes", PATTERN_BYTES);
        return NULL;
    }
    int code;
    PCRE2_SIZE at;
    uint32_t options = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C | u->options;
    pcre2_code *made = pcre2_compile((PCRE2_SPTR)(text.len ? text.ptr : ""), text.len, options, &code, &at, NULL);
    if (!made) {
        char why[120];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        diag_set(d, E_SYNTAX, "%s", why);
        return NULL;
    }
    struct pattern *p = xzalloc(sizeof *p);
    p->code = made;
    pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE); /* without JIT the interpreter does the same */
    p->match = pcre2_match_data_create_from_pattern(p->code, NULL);
    p->context = pcre2_match_context_create(NULL);
    CHECK(p->match && p->context);
    pcre2_set_match_limit(p->context, u->steps_max);
    pcre2_set_depth_limit(p->context, PATTERN_DEPTH);
    pcre2_set_heap_limit(p->context, PATTERN_HEAP_KIB);
    return p;
}

void pattern_free(struct pattern *p)
{
    if (!p)
        return;
    pcre2_match_data_free(p->match);
    pcre2_match_context_free(p->context);
    pcre2_code_free(p->code);
    xfree(p);
}

enum pattern_found pattern_match(struct pattern *p, struct str s, size_t from)
{
    /* The rest of a text whose beginning has been looked at is known to be UTF-8. */
    uint32_t options = from ? PCRE2_NO_UTF_CHECK : 0;
    int n = pcre2_match(p->code, (PCRE2_SPTR)(s.len ? s.ptr : ""), s.len, from, options, p->match, p->context);
    p->found = MAX(n, 0);
    switch (n) {
    case PCRE2_ERROR_NOMATCH:
        return PATTERN_NO;
    case PCRE2_ERROR_MATCHLIMIT:
    case PCRE2_ERROR_DEPTHLIMIT:
    case PCRE2_ERROR_HEAPLIMIT:
    case PCRE2_ERROR_JIT_STACKLIMIT:
        return PATTERN_COSTLY;
    default:
        return n < 0 ? PATTERN_UNFIT : PATTERN_YES;
    }
}

unsigned pattern_groups(const struct pattern *p)
{
    uint32_t groups = 0;
    pcre2_pattern_info(p->code, PCRE2_INFO_CAPTURECOUNT, &groups);
    return groups;
}

bool pattern_group(const struct pattern *p, unsigned group, size_t *begin, size_t *end)
{
    const PCRE2_SIZE *at = pcre2_get_ovector_pointer(p->match);
    if (group >= (unsigned)p->found || at[group * 2] == PCRE2_UNSET)
        return false;
    *begin = at[group * 2];
    *end = MAX(at[group * 2 + 1], *begin); /* \K may put the start behind the end */
    return true;
}
