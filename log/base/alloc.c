#include "log/base/alloc.h"
#include "log/base/err.h"
#include "log/base/limits.h"
#include "log/base/poison.h"
#include <stdio.h>

static _Noreturn void out_of_memory(size_t size)
{
    fprintf(stderr, "out of memory: %zu bytes asked\n", size);
    abort();
}

void *xalloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (UNLIKELY(!p))
        out_of_memory(size);
    return p;
}

void *xzalloc(size_t size)
{
    void *p = calloc(1, size ? size : 1);
    if (UNLIKELY(!p))
        out_of_memory(size);
    return p;
}

void *xrealloc(void *ptr, size_t size)
{
    void *p = realloc(ptr, size ? size : 1);
    if (UNLIKELY(!p))
        out_of_memory(size);
    return p;
}

char *xstrdup(const char *s) { return xstrndup(s, strlen(s)); }

char *xstrndup(const char *s, size_t n)
{
    n = strnlen(s, n);
    char *copy = xalloc(n + 1);
    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

/* ---- arenas: the head chunk is the one being filled, the others are full */

struct arena_chunk {
    struct arena_chunk *next;
    size_t cap;
    _Alignas(16) char data[];
};

void arena_init(struct arena *a) { *a = (struct arena){0}; }

static void chunks_free(struct arena_chunk *c)
{
    while (c) {
        struct arena_chunk *next = c->next;
        UNPOISON(c->data, c->cap);
        free(c);
        c = next;
    }
}

void arena_fini(struct arena *a)
{
    chunks_free(a->head);
    chunks_free(a->spare);
    arena_init(a);
}

void arena_reset(struct arena *a)
{
    for (struct arena_chunk *c = a->head, *next; c; c = next) {
        next = c->next;
        if (c->cap > ARENA_CHUNK_MAX) {
            UNPOISON(c->data, c->cap);
            free(c);
            continue;
        }
        POISON(c->data, c->cap);
        c->next = a->spare;
        a->spare = c;
    }
    a->head = NULL;
    a->cur = a->end = NULL;
    a->used = 0;
}

/* A spare chunk of at least n bytes, or a new one: each twice the one before, up to the largest size. */
static struct arena_chunk *chunk_get(struct arena *a, size_t n)
{
    for (struct arena_chunk **at = &a->spare; *at; at = &(*at)->next)
        if ((*at)->cap >= n) {
            struct arena_chunk *c = *at;
            *at = c->next;
            return c;
        }
    size_t cap = ARENA_CHUNK_MIN;
    if (a->head)
        cap = MIN(a->head->cap * 2, (size_t)ARENA_CHUNK_MAX);
    cap = MAX(cap, n);
    struct arena_chunk *c = xalloc(sizeof *c + cap);
    c->cap = cap;
    POISON(c->data, cap);
    return c;
}

static char *arena_alloc_slow(struct arena *a, size_t n)
{
    struct arena_chunk *c = chunk_get(a, n);
    /* What does not fit an ordinary chunk goes behind the head, whose free end stays in use. */
    if (n > ARENA_CHUNK_MAX / 4 && a->head) {
        c->next = a->head->next;
        a->head->next = c;
        return c->data;
    }
    c->next = a->head;
    a->head = c;
    a->cur = c->data + n;
    a->end = c->data + c->cap;
    return c->data;
}

void *arena_alloc(struct arena *a, size_t size)
{
    CHECK(size < SIZE_MAX / 2);
    size_t n = (size + 15) & ~(size_t)15;
    char *p = a->cur;
    if (LIKELY(n <= (size_t)(a->end - a->cur)) && p)
        a->cur += n;
    else
        p = arena_alloc_slow(a, n);
    a->used += n;
    UNPOISON(p, size);
    return p;
}

void *arena_zalloc(struct arena *a, size_t size)
{
    void *p = arena_alloc(a, size);
    memset(p, 0, size);
    return p;
}

struct str arena_dup(struct arena *a, struct str s)
{
    if (!s.ptr)
        return s;
    char *copy = arena_alloc(a, s.len + 1);
    memcpy(copy, s.ptr, s.len);
    copy[s.len] = 0;
    return (struct str){copy, s.len};
}

char *arena_strdup(struct arena *a, const char *s) { return (char *)(uintptr_t)arena_dup(a, str_of(s)).ptr; }

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    CHECK(n >= 0);
    char *text = arena_alloc(a, (size_t)n + 1);
    vsnprintf(text, (size_t)n + 1, fmt, ap);
    return text;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *text = arena_vprintf(a, fmt, ap);
    va_end(ap);
    return text;
}

/* ---- budgets */

void budget_init(struct budget *b, int64_t max, struct budget *parent)
{
    atomic_init(&b->used, 0);
    b->max = max;
    b->parent = parent;
}

int budget_take(struct budget *b, size_t bytes)
{
    if (bytes > INT64_MAX / 2)
        return E_BUDGET;
    int64_t n = (int64_t)bytes;
    int64_t used = atomic_load_explicit(&b->used, memory_order_relaxed);
    do {
        if (n > b->max - used)
            return E_BUDGET;
    } while (!atomic_compare_exchange_weak(&b->used, &used, used + n));
    if (b->parent && budget_take(b->parent, bytes)) {
        atomic_fetch_sub(&b->used, n);
        return E_BUDGET;
    }
    return 0;
}

void budget_give(struct budget *b, size_t bytes)
{
    for (; b; b = b->parent) {
        int64_t before = atomic_fetch_sub(&b->used, (int64_t)bytes);
        CHECK(before >= (int64_t)bytes);
    }
}
