#include "tests/lib/pages.h"
#include "log/base/alloc.h"

enum { PAGE = 4096 };

void pages_fini(struct pages *p)
{
    for (size_t i = 0; i < p->n; i++)
        xfree(p->page[i]);
    xfree(p->page);
    *p = (struct pages){0};
}

void pages_copy(struct pages *to, const struct pages *from)
{
    pages_fini(to);
    to->page = xzalloc(from->n * sizeof *to->page);
    to->n = from->n;
    to->size = from->size;
    for (size_t i = 0; i < from->n; i++) {
        if (!from->page[i])
            continue;
        to->page[i] = xalloc(PAGE);
        memcpy(to->page[i], from->page[i], PAGE);
    }
}

void pages_resize(struct pages *p, int64_t size)
{
    if (size < p->size) {
        size_t keep = (size_t)((size + PAGE - 1) / PAGE);
        for (size_t i = keep; i < p->n; i++) {
            xfree(p->page[i]);
            p->page[i] = NULL;
        }
        if (size % PAGE && keep <= p->n && p->page[keep - 1])
            memset(p->page[keep - 1] + size % PAGE, 0, (size_t)(PAGE - size % PAGE));
    }
    p->size = size;
}

static uint8_t *page_at(struct pages *p, size_t i)
{
    if (i >= p->n) {
        size_t n = MAX(p->n * 2, i + 1);
        p->page = xrealloc(p->page, n * sizeof *p->page);
        memset(p->page + p->n, 0, (n - p->n) * sizeof *p->page);
        p->n = n;
    }
    if (!p->page[i])
        p->page[i] = xzalloc(PAGE);
    return p->page[i];
}

void pages_write(struct pages *p, int64_t pos, const void *bytes, size_t n)
{
    const uint8_t *from = bytes;
    p->size = MAX(p->size, pos + (int64_t)n);
    while (n) {
        size_t at = (size_t)(pos % PAGE), part = MIN(n, PAGE - at);
        memcpy(page_at(p, (size_t)(pos / PAGE)) + at, from, part);
        pos += (int64_t)part;
        from += part;
        n -= part;
    }
}

size_t pages_read(const struct pages *p, int64_t pos, void *bytes, size_t n)
{
    uint8_t *to = bytes;
    if (pos >= p->size)
        return 0;
    n = MIN(n, (size_t)(p->size - pos));
    for (size_t left = n; left;) {
        size_t i = (size_t)(pos / PAGE), at = (size_t)(pos % PAGE), part = MIN(left, PAGE - at);
        if (i < p->n && p->page[i])
            memcpy(to, p->page[i] + at, part);
        else
            memset(to, 0, part);
        pos += (int64_t)part;
        to += part;
        left -= part;
    }
    return n;
}
