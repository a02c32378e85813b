/* Headers and frames; the primitives of the protocol. */
#include "log/wire/wire.h"
#include "log/wire/prim.h"

#define FRAME_MAX INT32_MAX

char prim_empty[16];

/* ---- primitives, reading */

static void fail(struct rbuf *r, int err)
{
    if (!r->err)
        r->err = err;
}

/* Length or count in compact form: PRIM_NULL for null. */
static uint32_t get_compact(struct rbuf *r)
{
    uint64_t v = rbuf_uvarint(r);
    if (v > INT32_MAX)
        fail(r, E_SYNTAX);
    return r->err ? 0 : v ? (uint32_t)v - 1 : PRIM_NULL;
}

static uint32_t check_null(struct rbuf *r, uint32_t n, bool null_ok)
{
    if (n != PRIM_NULL || null_ok)
        return n;
    fail(r, E_SYNTAX);
    return 0;
}

/* Length or count in fixed form, already read as a signed number. */
static uint32_t from_signed(struct rbuf *r, int32_t n)
{
    if (n < -1)
        fail(r, E_SYNTAX);
    return n < -1 ? 0 : n == -1 ? PRIM_NULL : (uint32_t)n;
}

static struct str get_bytes(struct rbuf *r, uint32_t n)
{
    return n == PRIM_NULL || r->err ? STR_NULL : rbuf_bytes(r, n);
}

struct str prim_get_string(struct rbuf *r, bool flex, bool null_ok)
{
    uint32_t n = flex ? get_compact(r) : from_signed(r, (int16_t)rbuf_be16(r));
    if (n != PRIM_NULL && n > INT16_MAX)
        fail(r, E_SYNTAX);
    return get_bytes(r, check_null(r, n, null_ok));
}

struct str prim_get_bytes(struct rbuf *r, bool flex, bool null_ok)
{
    uint32_t n = flex ? get_compact(r) : from_signed(r, (int32_t)rbuf_be32(r));
    return get_bytes(r, check_null(r, n, null_ok));
}

uint32_t prim_get_count(struct rbuf *r, bool flex, bool null_ok, size_t element_min)
{
    uint32_t n = check_null(r, flex ? get_compact(r) : from_signed(r, (int32_t)rbuf_be32(r)), null_ok);
    if (n != PRIM_NULL && n > rbuf_left(r) / element_min)
        fail(r, E_SHORT);
    return r->err ? 0 : n;
}

struct prim_tags prim_get_tags(struct rbuf *r)
{
    uint64_t n = rbuf_uvarint(r);
    if (n > rbuf_left(r) / 2) /* a number and a length each */
        fail(r, E_SHORT);
    return (struct prim_tags){.left = r->err ? 0 : (uint32_t)n, .tag = -1};
}

bool prim_next_tag(struct prim_tags *tags, struct rbuf *r)
{
    if (r->err || tags->left == 0)
        return false;
    tags->left--;
    uint64_t tag = rbuf_uvarint(r), size = rbuf_uvarint(r);
    if (tag > INT32_MAX || (int64_t)tag <= tags->tag)
        fail(r, E_SYNTAX);
    const uint8_t *p = r->err ? NULL : rbuf_take(r, size);
    if (!p)
        return false;
    tags->tag = (int64_t)tag;
    tags->body = rbuf_of(p, size);
    return true;
}

void prim_end_tag(const struct prim_tags *tags, struct rbuf *r)
{
    int err = wire_decode_done(&tags->body);
    if (err)
        fail(r, err);
}

void prim_skip_tags(struct rbuf *r)
{
    for (struct prim_tags tags = prim_get_tags(r); prim_next_tag(&tags, r);)
        ;
}

/* ---- primitives, writing */

/* Writes a length or count, -1 or 0 for PRIM_NULL. */
static void put_length(struct wbuf *w, uint32_t n, bool flex)
{
    if (flex)
        wbuf_uvarint(w, n == PRIM_NULL ? 0 : (uint64_t)n + 1);
    else
        wbuf_be32(w, n); /* PRIM_NULL is -1 */
}

void prim_put_string(struct wbuf *w, struct str s, bool flex, bool null_ok)
{
    CHECK(s.len <= INT16_MAX);
    uint32_t n = s.ptr || !null_ok ? (uint32_t)s.len : PRIM_NULL;
    if (flex)
        put_length(w, n, true);
    else
        wbuf_be16(w, (uint16_t)n); /* PRIM_NULL is -1 */
    wbuf_str(w, s);
}

void prim_put_count(struct wbuf *w, const void *array, uint32_t n, bool flex, bool null_ok)
{
    CHECK(n <= INT32_MAX - 1);
    put_length(w, array || n || !null_ok ? n : PRIM_NULL, flex);
}

static void add_gap(struct wire_gaps *gaps, struct wire_gap gap)
{
    if (gaps->n == gaps->cap) {
        size_t cap = gaps->cap ? gaps->cap * 2 : 16;
        struct wire_gap *more = arena_alloc(gaps->arena, cap * sizeof *more);
        if (gaps->n)
            memcpy(more, gaps->gaps, gaps->n * sizeof *more);
        gaps->gaps = more;
        gaps->cap = cap;
    }
    gaps->gaps[gaps->n++] = gap;
    gaps->bytes += gap.len;
}

void prim_put_bytes(struct wbuf *w, struct str s, bool flex, bool null_ok, struct wire_gaps *gaps)
{
    CHECK(s.len <= INT32_MAX - 1);
    put_length(w, s.ptr || !null_ok ? (uint32_t)s.len : PRIM_NULL, flex);
    if (!gaps)
        wbuf_str(w, s);
    else if (s.len)
        add_gap(gaps, (struct wire_gap){.at = w->len, .len = (uint32_t)s.len, .ptr = s.ptr});
}

size_t prim_tag_begin(struct wbuf *w, uint32_t tag)
{
    wbuf_uvarint(w, tag);
    wbuf_u8(w, 0); /* most fields are shorter than 128 bytes, so that this is room enough for the length */
    return w->len;
}

void prim_tag_end(struct wbuf *w, size_t at)
{
    size_t n = w->len - at, more = 0;
    for (size_t v = n >> 7; v; v >>= 7)
        more++;
    if (more) {
        wbuf_room(w, more);
        memmove(w->data + at + more, w->data + at, n);
    }
    w->len = at - 1;
    wbuf_uvarint(w, n);
    w->len += n;
}

/* ---- headers */

const struct wire_api *wire_api_find(int16_t key)
{
    for (size_t i = 0; i < WIRE_APIS; i++)
        if (wire_apis[i].key == key)
            return &wire_apis[i];
    return NULL;
}

int wire_decode_done(const struct rbuf *r) { return r->err ? r->err : rbuf_left(r) ? E_SYNTAX : 0; }

int wire_request_header(struct request_header *out, const struct wire_api **api, struct rbuf *r)
{
    struct rbuf peek = *r;
    int16_t key = (int16_t)rbuf_be16(&peek), version = (int16_t)rbuf_be16(&peek);
    int32_t correlation_id = (int32_t)rbuf_be32(&peek);
    request_header_init(out);
    *api = NULL;
    if (peek.err)
        return peek.err;
    *api = wire_api_find(key);
    if (!*api) {
        *out = (struct request_header){key, version, correlation_id, STR_NULL};
        return E_UNSUPPORTED;
    }
    int err = request_header_decode(out, r, version >= (*api)->flexible ? 2 : 1, NULL);
    return err ? err : wire_api_takes(*api, version) ? 0 : E_UNSUPPORTED;
}

void wire_request_header_encode(struct wbuf *w, const struct wire_api *api, int version, int32_t correlation_id,
                                struct str client_id)
{
    struct request_header h = {api->key, (int16_t)version, correlation_id, client_id};
    request_header_encode(&h, w, version >= api->flexible ? 2 : 1);
}

/* A client that asked for too new an api_versions must be able to read the refusal, so its header never changes. */
static int response_header_version(const struct wire_api *api, int version)
{
    return api->key != WIRE_API_VERSIONS && version >= api->flexible;
}

void wire_response_header_encode(struct wbuf *w, const struct wire_api *api, int version, int32_t correlation_id)
{
    struct response_header h = {correlation_id};
    response_header_encode(&h, w, response_header_version(api, version));
}

int wire_response_header(int32_t *correlation_id, const struct wire_api *api, int version, struct rbuf *r)
{
    struct response_header h;
    int err = response_header_decode(&h, r, response_header_version(api, version), NULL);
    *correlation_id = h.correlation_id;
    return err;
}

/* ---- frames */

size_t wire_frame_begin(struct wbuf *w)
{
    size_t at = w->len;
    wbuf_be32(w, 0);
    return at;
}

int wire_frame_end(struct wbuf *w, size_t at, uint64_t extra)
{
    uint64_t size = w->len - at - WIRE_FRAME_HEAD + extra;
    if (size > FRAME_MAX)
        return E_TOO_LARGE;
    put_be32(w->data + at, (uint32_t)size);
    return 0;
}

int wire_frame_size(struct str bytes, uint32_t max, uint32_t *size)
{
    if (bytes.len < WIRE_FRAME_HEAD)
        return E_SHORT;
    *size = be32(bytes.ptr);
    if (*size > INT32_MAX)
        return E_SYNTAX;
    return *size > max ? E_TOO_LARGE : 0;
}
