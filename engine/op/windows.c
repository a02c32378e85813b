#include "engine/op/windows.h"

static int64_t floor_to(int64_t v, int64_t unit)
{
    int64_t past = v % unit;
    return time_add(v, -(past < 0 ? past + unit : past));
}

static int64_t divisor(int64_t a, int64_t b) { return b ? divisor(b, a % b) : a; }

int windows_open(struct windows *w, const struct plan_node *node, struct diag *d)
{
    *w = (struct windows){.kind = node->window,
                          .size_ms = node->window_size_ms,
                          .advance_ms = node->window == WINDOW_TUMBLING ? node->window_size_ms : node->advance_ms,
                          .offset_ms = node->offset_ms};
    w->slice_ms = divisor(w->size_ms, w->advance_ms);
    return node->zone ? zone_open(&w->zone, str_of(node->zone), d) : 0;
}

void windows_close(struct windows *w)
{
    if (w->zone)
        zone_close(w->zone);
}

static int64_t to_local(const struct windows *w, int64_t ms)
{
    return time_add(w->zone ? zone_from_utc(w->zone, ms) : ms, -w->offset_ms);
}

static int64_t from_local(const struct windows *w, int64_t ms)
{
    ms = time_add(ms, w->offset_ms);
    return w->zone ? zone_to_utc(w->zone, ms) : ms;
}

static struct span span_of(const struct windows *w, int64_t local_start, int64_t local_end)
{
    return (struct span){from_local(w, local_start), from_local(w, local_end)};
}

struct span windows_slice(const struct windows *w, int64_t ts)
{
    int64_t start = floor_to(to_local(w, ts), w->slice_ms);
    return span_of(w, start, time_add(start, w->slice_ms));
}

/* The first window of a slice, in local time, and how many there are. */
static unsigned lay_out(const struct windows *w, int64_t slice, struct span *first)
{
    int64_t at = floor_to(to_local(w, slice), w->slice_ms);
    if (w->kind == WINDOW_CUMULATE) {
        first->start = floor_to(at, w->size_ms);
        first->end = time_add(at, w->slice_ms);
        return (unsigned)((w->size_ms - (at - first->start)) / w->slice_ms);
    }
    int64_t last = floor_to(at, w->advance_ms);
    unsigned n = (unsigned)((w->size_ms - (at - last) - 1) / w->advance_ms) + 1;
    first->start = time_add(last, -(int64_t)(n - 1) * w->advance_ms);
    first->end = time_add(first->start, w->size_ms);
    if (BUG("slice_in_one_window_too_many")) {
        first->start = time_add(first->start, -w->advance_ms);
        first->end = time_add(first->end, -w->advance_ms);
        return n + 1;
    }
    return at - last < w->size_ms ? n : 0;
}

unsigned windows_count(const struct windows *w, int64_t slice)
{
    struct span first;
    return lay_out(w, slice, &first);
}

struct span windows_at(const struct windows *w, int64_t slice, unsigned i)
{
    struct span first;
    CHECK(i < lay_out(w, slice, &first));
    int64_t on = (int64_t)i * (w->kind == WINDOW_CUMULATE ? w->slice_ms : w->advance_ms);
    return span_of(w, w->kind == WINDOW_CUMULATE ? first.start : time_add(first.start, on), time_add(first.end, on));
}
