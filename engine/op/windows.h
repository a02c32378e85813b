/* Which windows a moment lies in. Private to op.
 *
 * A slice is the longest stretch of time whose moments all lie in the same windows: of HOPPING windows as wide as the
 * greatest common divisor of size and advance, of CUMULATE ones a step, of TUMBLING ones the window. The windows of a slice
 * have numbers 0, 1, ... in order of their ends, so those that have closed are the first ones.
 *
 * With a time zone windows are laid out in local time and shown as they are in UTC: a day of 23 or 25 hours is a day. An hour that the
 * clocks pass through twice is one hour, twice as long. Saturates at the ends of time. */
#ifndef OP_WINDOWS_H
#define OP_WINDOWS_H
#include "engine/op/common.h"

struct windows {
    enum window_kind kind;
    int64_t size_ms, advance_ms, offset_ms, slice_ms;
    struct zone *zone; /* NULL: UTC */
};
struct span {
    int64_t start, end; /* ms, end outside */
};
int windows_open(struct windows *w, const struct plan_node *node, struct diag *d) MUST_USE;
void windows_close(struct windows *w);
struct span windows_slice(const struct windows *w, int64_t ts);
unsigned windows_count(const struct windows *w, int64_t slice); /* of the slice that starts there */
struct span windows_at(const struct windows *w, int64_t slice, unsigned i);

#endif
