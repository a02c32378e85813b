/* Regular expressions that others bring, by pcre2 with its JIT: characters are UTF-8. How much a match may cost is
 * bounded, so that no pattern can hold up a loop. Rejected alternative: an engine of our own that is linear in the
 * text. Thread: one at a time; a match writes where its groups are. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H
#include "log/base/alloc.h"
#include "log/base/err.h"

enum pattern_use {
    PATTERN_NAMES, /* a client's, which names have to match as a whole: at most PATTERN_BYTES */
    PATTERN_ROWS,  /* SQL's, looked for in texts */
};
enum pattern_found {
    PATTERN_NO,
    PATTERN_YES,
    PATTERN_COSTLY, /* given up */
    PATTERN_UNFIT,  /* PATTERN_ROWS only: the text is no UTF-8. A name that is none matches nothing. */
};

struct pattern;
/* Gives. NULL: it is no regular expression, or too large a one; d says why (may be NULL). */
struct pattern *pattern_new(struct str text, enum pattern_use use, struct diag *d);
void pattern_free(struct pattern *p); /* NULL: nothing */

/* PATTERN_ROWS: anywhere from byte `from` on, which begins a character. PATTERN_NAMES: all of s, `from` is 0. */
enum pattern_found pattern_match(struct pattern *p, struct str s, size_t from);

unsigned pattern_groups(const struct pattern *p); /* that it has, besides group 0, which is all of it */
/* Where a group of the last match that was found lies. False: it took no part. */
bool pattern_group(const struct pattern *p, unsigned group, size_t *begin, size_t *end);

#endif
