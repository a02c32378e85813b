/* Regular expressions that a client sends, matched as a whole against names: time grows with text times pattern, whatever
 * the pattern is (all ways are followed at once; nothing is tried again).
 *
 * RE2's syntax: literals, . [a-z] [^a-z] [[:alpha:]] \d \w \s and their opposites, groups, |, * + ? {n,m} (lazy ones
 * too), ^ $ \A \z \b \B, \Q...\E, \xHH, flags i and s. Refused: classes of Unicode's properties (\p), and the flag i with
 * letters beyond ASCII. Characters are UTF-8. Rejected alternative: pcre2, which goes back over the text. */
#ifndef BASE_PATTERN_H
#define BASE_PATTERN_H
#include "log/base/alloc.h"
#include "log/base/err.h"

struct pattern;
/* Lives in the arena. NULL: it is no regular expression, or too large a one; d says why (may be NULL). */
struct pattern *pattern_new(struct str text, struct arena *a, struct diag *d);
/* Does all of s match? */
bool pattern_match(const struct pattern *p, struct str s);

#endif
