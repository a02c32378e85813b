/* Primitive types of the protocol, as the generated code reads and writes them. `flex`: compact form (unsigned varint,
 * length + 1) in place of fixed lengths. Kept in step with gen.c. */
#ifndef WIRE_PRIM_H
#define WIRE_PRIM_H
#include "log/wire/wire.h"

#define PRIM_NULL UINT32_MAX
/* What arrays of no elements point to, since NULL means null. Never written. */
extern char prim_empty[16];
#define PRIM_EMPTY_ARRAY ((void *)prim_empty)

struct str prim_get_string(struct rbuf *r, bool flex, bool null_ok);
struct str prim_get_bytes(struct rbuf *r, bool flex, bool null_ok);
/* Elements of an array, PRIM_NULL for a null one; E_SHORT if so many of at least element_min bytes cannot be left. */
uint32_t prim_get_count(struct rbuf *r, bool flex, bool null_ok, size_t element_min);
static inline struct uuid prim_get_uuid(struct rbuf *r)
{
    struct uuid id = {{0}};
    const uint8_t *p = rbuf_take(r, sizeof id);
    if (p)
        memcpy(&id, p, sizeof id);
    return id;
}
static inline double prim_get_float64(struct rbuf *r)
{
    uint64_t bits = rbuf_be64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}
static inline void prim_put_float64(struct wbuf *w, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    wbuf_be64(w, bits);
}
static inline void *prim_array(struct arena *a, uint32_t n, size_t size)
{
    if (n == PRIM_NULL)
        return NULL;
    return n ? arena_alloc(a, n * size) : PRIM_EMPTY_ARRAY;
}

void prim_put_string(struct wbuf *w, struct str s, bool flex, bool null_ok);
void prim_put_bytes(struct wbuf *w, struct str s, bool flex, bool null_ok, struct wire_gaps *gaps);
void prim_put_count(struct wbuf *w, const void *array, uint32_t n, bool flex, bool null_ok);

/* Tagged fields, reading: for each, its number and a reader over its bytes alone. Numbers must rise. */
struct prim_tags {
    uint32_t left;
    int64_t tag;
    struct rbuf body;
};
struct prim_tags prim_get_tags(struct rbuf *r);
bool prim_next_tag(struct prim_tags *tags, struct rbuf *r);
void prim_end_tag(const struct prim_tags *tags, struct rbuf *r); /* a known field must fill its bytes */
void prim_skip_tags(struct rbuf *r);

/* Writing: begin, the field, end. The length is put in front when it is known. */
size_t prim_tag_begin(struct wbuf *w, uint32_t tag);
void prim_tag_end(struct wbuf *w, size_t at);

#endif
