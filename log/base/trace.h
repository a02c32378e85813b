/* Messages for the operator: one line of logfmt on standard error. ERROR = a person must act; WARN = healed itself;
 * INFO = changes of role or life; DEBUG = off. A hot path counts in metrics instead. Any thread. */
#ifndef BASE_TRACE_H
#define BASE_TRACE_H
#include "log/base/base.h"

enum trace_level { ERROR, WARN, INFO, DEBUG };
/* trace(WARN, "store", "torn_tail topic=%s part=%d cut=%lld", ...): room, then event and key=value pairs. At most 20
 * lines a second of one event; a suppressed count follows. */
#define trace(level, room, ...)                                                \
    do {                                                                       \
        if ((level) <= trace_level)                                            \
            trace_write((level), (room), __VA_ARGS__);                         \
    } while (0)
extern enum trace_level trace_level; /* set once in main before threads start */
void trace_write(enum trace_level level, const char *room, const char *fmt, ...) PRINTF_LIKE(3, 4);

#endif
