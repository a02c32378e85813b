/* Memory: allocation that aborts when the system has none, arenas freed at once, budgets that say no at the door.
 * Thread: an arena belongs to one thread at a time; budgets are atomic. */
#ifndef BASE_ALLOC_H
#define BASE_ALLOC_H
#include "log/base/base.h"
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>

void *xalloc(size_t size);                 /* uninitialised; never NULL */
void *xzalloc(size_t size);                /* zeroed */
void *xrealloc(void *ptr, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t n);
static inline void xfree(void *ptr) { free(ptr); }

/* Grows a C array by doubling: VEC_PUSH(items, nitems, cap) yields a pointer to the new last element. */
#define VEC_PUSH(ptr, len, cap)                                                \
    (*((void)((len) < (cap) ? 0                                                \
                            : ((cap) = (cap) ? (cap)*2 : 8,                    \
                               (ptr) = xrealloc((ptr), (cap) * sizeof *(ptr)), \
                               0)),                                            \
       &(ptr)[(len)++]))

/* Arena: everything in it ends together. Chunks are kept by arena_reset and reused. */
struct arena_chunk;
struct arena {
    struct arena_chunk *head, *spare;
    char *cur, *end;
    size_t used; /* bytes handed out since init or reset */
};
void arena_init(struct arena *a);
void arena_fini(struct arena *a);
void arena_reset(struct arena *a);
void *arena_alloc(struct arena *a, size_t size);  /* 16-byte aligned, uninitialised */
void *arena_zalloc(struct arena *a, size_t size);
char *arena_strdup(struct arena *a, const char *s);
struct str arena_dup(struct arena *a, struct str s); /* NUL follows the copy; null stays null */
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF_LIKE(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap);
#define ARENA_NEW(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, n) ((type *)arena_zalloc((a), sizeof(type) * (size_t)(n)))

/* A budget of bytes with an optional parent. Taking more than is left changes nothing and answers E_BUDGET. */
struct budget {
    _Atomic int64_t used;
    int64_t max;
    struct budget *parent;
};
void budget_init(struct budget *b, int64_t max, struct budget *parent);
int budget_take(struct budget *b, size_t bytes) MUST_USE;
void budget_give(struct budget *b, size_t bytes);

#endif
