#include "log/base/trace.h"
#include "log/base/clock.h"
#include "log/base/limits.h"
#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum trace_level trace_level = INFO;

/* Lines of this second, per event. An event is its format string's address; two that share a slot share its rate,
 * which only hides more of a flood. */
enum { SLOTS = 256 };
struct rate {
    const char *fmt;
    int64_t second;
    unsigned lines, suppressed;
};
static struct rate rates[SLOTS];
static pthread_mutex_t rates_lock = PTHREAD_MUTEX_INITIALIZER;

/* May this line go out? Gives how many were suppressed before it. */
static bool rate_allows(const char *fmt, int64_t second, unsigned *suppressed)
{
    struct rate *r = &rates[((uintptr_t)fmt >> 3) % SLOTS];
    pthread_mutex_lock(&rates_lock);
    if (r->fmt != fmt || r->second != second) {
        *suppressed = r->fmt == fmt ? r->suppressed : 0;
        *r = (struct rate){.fmt = fmt, .second = second};
    } else {
        *suppressed = 0;
    }
    bool allow = ++r->lines <= TRACE_LINES_PER_SECOND;
    if (!allow)
        r->suppressed++;
    pthread_mutex_unlock(&rates_lock);
    return allow;
}

static size_t put(char *line, size_t at, size_t cap, const char *fmt, ...) PRINTF_LIKE(4, 5);
static size_t put(char *line, size_t at, size_t cap, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(line + at, cap - at, fmt, ap);
    va_end(ap);
    return MIN(at + (size_t)MAX(n, 0), cap - 1);
}

void trace_write(enum trace_level level, const char *room, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    int64_t now_ms = clock_wall_ms();
    unsigned suppressed;
    if (!rate_allows(fmt, now_ms / 1000, &suppressed))
        return;

    char line[TRACE_LINE_BYTES];
    const size_t cap = sizeof line - 40; /* the tail always fits */
    time_t second = (time_t)(now_ms / 1000);
    struct tm tm;
    gmtime_r(&second, &tm);
    size_t n = strftime(line, cap, "ts=%Y-%m-%dT%H:%M:%S", &tm);
    n = put(line, n, cap, ".%03dZ level=%s room=%s event=", (int)(now_ms % 1000), names[level], room);
    size_t body = n;
    va_list ap;
    va_start(ap, fmt);
    int got = vsnprintf(line + n, cap - n, fmt, ap);
    va_end(ap);
    n = MIN(n + (size_t)MAX(got, 0), cap - 1);
    /* A value that came from outside must not be able to forge a line. */
    for (size_t i = body; i < n; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 127)
            line[i] = '?';
    if (suppressed)
        n = put(line, n, sizeof line - 1, " suppressed=%u", suppressed);
    line[n++] = '\n';

    for (size_t at = 0; at < n;) {
        ssize_t wrote = write(STDERR_FILENO, line + at, n - at);
        if (wrote < 0 && errno != EINTR)
            return; /* nobody listens */
        at += (size_t)MAX(wrote, 0);
    }
}
