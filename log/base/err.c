#include "log/base/err.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

/* Address-lookup failures have numbers of their own in libuv. */
static bool is_lookup(int err) { return err <= -3000 && err > -3020; }

const char *err_text(int err)
{
    switch (err) {
    case 0:
        return "no error";
#define X(name, num, kafka, text)                                                                                      \
    case name:                                                                                                         \
        return text;
        ERR_LIST(X)
#undef X
    default:
        break;
    }
    if (is_lookup(err))
        return "host name cannot be resolved";
    const char *text = err < 0 && err > -4096 ? strerrordesc_np(-err) : NULL;
    return text ? text : "unexpected error";
}

const char *err_name(int err)
{
    switch (err) {
    case 0:
        return "OK";
#define X(name, num, kafka, text)                                                                                      \
    case name:                                                                                                         \
        return #name;
        ERR_LIST(X)
#undef X
    default:
        break;
    }
    if (is_lookup(err))
        return "EAI";
    const char *name = err < 0 && err > -4096 ? strerrorname_np(-err) : NULL;
    return name ? name : "E_UNKNOWN";
}

int16_t err_kafka(int err)
{
    switch (err) {
    case 0:
        return 0;
    case -ENOSPC:
    case -EIO:
        return 56;
#define X(name, num, kafka, text)                                                                                      \
    case name:                                                                                                         \
        return kafka;
        ERR_LIST(X)
#undef X
    default:
        return -1;
    }
}

int diag_set(struct diag *d, int err, const char *fmt, ...)
{
    if (!d)
        return err;
    memset(d, 0, sizeof *d);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(d->text, sizeof d->text, fmt, ap);
    va_end(ap);
    return err;
}

void diag_hint(struct diag *d, const char *fmt, ...)
{
    if (!d)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(d->hint, sizeof d->hint, fmt, ap);
    va_end(ap);
}
