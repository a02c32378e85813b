/* Copying short strings, one by one, where a call for each would cost more than the bytes. */
#ifndef BASE_COPY_H
#define BASE_COPY_H
#include "log/base/base.h"

/* memcpy of few bytes: two overlapping words hold them. */
static inline void copy_short(void *to, const void *from, size_t n)
{
    char *t = to;
    const char *f = from;
    if (n > 32) {
        memcpy(t, f, n);
    } else if (n >= 16) {
        memcpy(t, f, 16);
        memcpy(t + n - 16, f + n - 16, 16);
    } else if (n >= 8) {
        memcpy(t, f, 8);
        memcpy(t + n - 8, f + n - 8, 8);
    } else if (n >= 4) {
        memcpy(t, f, 4);
        memcpy(t + n - 4, f + n - 4, 4);
    } else {
        for (size_t i = 0; i < n; i++)
            t[i] = f[i];
    }
}

#endif
