/* msgpack in and out: internal records, changelogs, plans. The only user of msgpack-c.
 * Reading is bounded: nothing is allocated from a declared count, depth is at most PACK_DEPTH. */
#ifndef BASE_PACK_H
#define BASE_PACK_H
#include "log/base/buf.h"

/* Writing. Compound headers announce how many values follow. */
void pack_nil(struct wbuf *w);
void pack_bool(struct wbuf *w, bool v);
void pack_int(struct wbuf *w, int64_t v);
void pack_uint(struct wbuf *w, uint64_t v);
void pack_double(struct wbuf *w, double v);
void pack_str(struct wbuf *w, struct str s); /* null gives nil */
void pack_bin(struct wbuf *w, struct str s); /* null gives nil */
void pack_uuid(struct wbuf *w, struct uuid id); /* a bin of 16 bytes */
void pack_array(struct wbuf *w, uint32_t n);
void pack_map(struct wbuf *w, uint32_t n);

/* Reading: a cursor over borrowed bytes; strings point into them. The first mismatch sets r->err = E_SYNTAX (E_SHORT
 * when bytes end) and all later reads give zero values. */
struct unpack {
    struct rbuf r;
};
static inline struct unpack unpack_of(struct str s)
{
    return (struct unpack){rbuf_of(s.ptr, s.len)};
}
static inline int unpack_err(const struct unpack *u) { return u->r.err; }
bool unpack_nil(struct unpack *u); /* consumes a nil and says true, else consumes nothing */
bool unpack_bool(struct unpack *u);
int64_t unpack_int(struct unpack *u);
uint64_t unpack_uint(struct unpack *u);
double unpack_double(struct unpack *u);
struct str unpack_str(struct unpack *u); /* str or bin; nil gives null */
struct uuid unpack_uuid(struct unpack *u);
uint32_t unpack_array(struct unpack *u); /* at most as many as bytes are left */
uint32_t unpack_map(struct unpack *u);
void unpack_skip(struct unpack *u); /* one value of any kind */

#endif
