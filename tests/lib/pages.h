/* The bytes of a simulated file: pages of 4 KiB, absent ones are zeros. Private to simdisk.c. */
#ifndef TESTS_PAGES_H
#define TESTS_PAGES_H
#include "log/base/base.h"
struct pages {
    uint8_t **page;
    size_t n; /* slots in page */
    int64_t size;
};
void pages_fini(struct pages *p);
void pages_copy(struct pages *to, const struct pages *from); /* to is replaced */
void pages_resize(struct pages *p, int64_t size);            /* cut bytes read as zeros if it grows again */
void pages_write(struct pages *p, int64_t pos, const void *bytes, size_t n); /* grows */
size_t pages_read(const struct pages *p, int64_t pos, void *bytes, size_t n);
#endif
