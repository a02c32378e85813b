/* The codecs. Every decoder writes straight to the end of the caller's buffer, which grows as bytes come out: a size
 * that the data declares is believed only as far as the input could fill it. Zstd is decoded in one pass and again with
 * more room if that was too little, rather than through its streaming interface: a stream keeps a window that the
 * frame may declare as large as 128 MiB, and copies everything once more. */
#define ZLIB_CONST /* input is not written to */
#include "log/wire/compress.h"
#include "log/base/alloc.h"
#include "log/base/err.h"
#include "log/base/limits.h"
#include <lz4frame.h>
#include <snappy-c.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define GZIP_WINDOW (15 + 16) /* the largest window, in gzip's wrapping */
#define GZIP_MEMORY 8
#define ZSTD_LEVEL 3
#define SNAPPY_RATIO 64 /* no snappy element gives more than 64 bytes for its at least 2 */
#define XERIAL_HEAD 16
#define XERIAL_BLOCK 32768 /* as the Java library cuts it */

static const uint8_t xerial_head[XERIAL_HEAD] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0, 0, 0, 0, 1, 0, 0, 0, 1};

struct compress {
    z_stream deflate, inflate;
    bool deflate_ready, inflate_ready;
    LZ4F_cctx *lz4_out;
    LZ4F_dctx *lz4_in;
    ZSTD_CCtx *zstd_out;
    ZSTD_DCtx *zstd_in;
    struct wbuf scratch[2];
};

struct compress *compress_new(void)
{
    struct compress *c = xzalloc(sizeof *c);
    for (size_t i = 0; i < ARRAY_LEN(c->scratch); i++)
        wbuf_init(&c->scratch[i]);
    return c;
}

void compress_free(struct compress *c)
{
    if (!c)
        return;
    if (c->deflate_ready)
        deflateEnd(&c->deflate);
    if (c->inflate_ready)
        inflateEnd(&c->inflate);
    LZ4F_freeCompressionContext(c->lz4_out);
    LZ4F_freeDecompressionContext(c->lz4_in);
    ZSTD_freeCCtx(c->zstd_out);
    ZSTD_freeDCtx(c->zstd_in);
    for (size_t i = 0; i < ARRAY_LEN(c->scratch); i++)
        wbuf_fini(&c->scratch[i]);
    xfree(c);
}

struct wbuf *compress_scratch(struct compress *c, unsigned i)
{
    CHECK(i < ARRAY_LEN(c->scratch));
    wbuf_reset(&c->scratch[i]);
    return &c->scratch[i];
}

void compress_trim(struct compress *c)
{
    for (size_t i = 0; i < ARRAY_LEN(c->scratch); i++) {
        if (c->scratch[i].cap <= COMPRESS_KEEP_BYTES)
            continue;
        wbuf_fini(&c->scratch[i]);
        wbuf_init(&c->scratch[i]);
    }
}

static const char *const names[CODEC_COUNT] = {"none", "gzip", "snappy", "lz4", "zstd"};

const char *compress_name(enum codec codec)
{
    CHECK((unsigned)codec < CODEC_COUNT);
    return names[codec];
}

bool compress_find(struct str name, enum codec *out)
{
    for (unsigned i = 0; i < CODEC_COUNT; i++) {
        if (!str_eq_nocase(name, str_of(names[i])))
            continue;
        *out = (enum codec)i;
        return true;
    }
    return false;
}

/* ---- encoding */

static void gzip_encode(struct compress *c, struct str in, struct wbuf *out)
{
    z_stream *z = &c->deflate;
    if (c->deflate_ready)
        deflateReset(z);
    else
        CHECK(deflateInit2(z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK);
    c->deflate_ready = true;
    size_t room = deflateBound(z, in.len);
    z->next_in = (const Bytef *)in.ptr;
    z->avail_in = (uInt)in.len;
    z->next_out = wbuf_room(out, room);
    z->avail_out = (uInt)room;
    CHECK(deflate(z, Z_FINISH) == Z_STREAM_END);
    out->len += room - z->avail_out;
}

static void snappy_encode(struct str in, struct wbuf *out)
{
    wbuf_put(out, xerial_head, XERIAL_HEAD);
    for (size_t at = 0; at < in.len; at += XERIAL_BLOCK) {
        size_t n = MIN(in.len - at, (size_t)XERIAL_BLOCK), made = snappy_max_compressed_length(n);
        uint8_t *p = wbuf_room(out, 4 + made);
        CHECK(snappy_compress(in.ptr + at, n, (char *)p + 4, &made) == SNAPPY_OK);
        put_be32(p, (uint32_t)made);
        out->len += 4 + made;
    }
}

static size_t lz4_add(struct wbuf *out, size_t made)
{
    CHECK(!LZ4F_isError(made));
    out->len += made;
    return made;
}

static void lz4_encode(struct compress *c, struct str in, struct wbuf *out)
{
    /* Java's reader refuses blocks that depend on each other. */
    LZ4F_preferences_t how = {.frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
                              .autoFlush = 1};
    if (!c->lz4_out)
        CHECK(!LZ4F_isError(LZ4F_createCompressionContext(&c->lz4_out, LZ4F_VERSION)));
    size_t room = LZ4F_HEADER_SIZE_MAX + LZ4F_compressBound(in.len, &how);
    wbuf_room(out, room);
    size_t limit = out->len + room;
    lz4_add(out, LZ4F_compressBegin(c->lz4_out, out->data + out->len, room, &how));
    lz4_add(out, LZ4F_compressUpdate(c->lz4_out, out->data + out->len, limit - out->len, in.ptr, in.len, NULL));
    lz4_add(out, LZ4F_compressEnd(c->lz4_out, out->data + out->len, limit - out->len, NULL));
}

static void zstd_encode(struct compress *c, struct str in, struct wbuf *out)
{
    if (!c->zstd_out)
        CHECK((c->zstd_out = ZSTD_createCCtx()) != NULL);
    size_t room = ZSTD_compressBound(in.len);
    size_t made = ZSTD_compressCCtx(c->zstd_out, wbuf_room(out, room), room, in.ptr, in.len, ZSTD_LEVEL);
    CHECK(!ZSTD_isError(made));
    out->len += made;
}

void compress_encode(struct compress *c, enum codec codec, struct str in, struct wbuf *out)
{
    CHECK(in.len <= INT32_MAX && (unsigned)codec < CODEC_COUNT);
    switch (codec) {
    case CODEC_NONE:
        wbuf_str(out, in);
        return;
    case CODEC_GZIP:
        gzip_encode(c, in, out);
        return;
    case CODEC_SNAPPY:
        snappy_encode(in, out);
        return;
    case CODEC_LZ4:
        lz4_encode(c, in, out);
        return;
    case CODEC_ZSTD:
        zstd_encode(c, in, out);
        return;
    case CODEC_COUNT:
        return;
    }
}

/* ---- decoding */

/* Bytes of room to offer next: all that is free anyway, or a guess from the input; one byte more than is allowed, so
 * that too much is noticed. */
static size_t next_room(const struct wbuf *out, size_t start, size_t guess, size_t max)
{
    size_t made = out->len - start, spare = out->cap - out->len;
    CHECK(made <= max);
    size_t room = MIN(MAX(spare, MAX(guess, (size_t)256)), max - made + 1);
    return MIN(room, (size_t)INT32_MAX); /* zlib counts in 32 bits */
}

static int gzip_decode(struct compress *c, struct str in, struct wbuf *out, size_t max)
{
    z_stream *z = &c->inflate;
    if (c->inflate_ready)
        inflateReset(z);
    else
        CHECK(inflateInit2(z, GZIP_WINDOW) == Z_OK);
    c->inflate_ready = true;
    z->next_in = (const Bytef *)in.ptr;
    z->avail_in = (uInt)in.len;
    for (size_t start = out->len;;) {
        size_t room = next_room(out, start, in.len * 4, max);
        z->next_out = wbuf_room(out, room);
        z->avail_out = (uInt)room;
        int rc = inflate(z, Z_NO_FLUSH);
        out->len += room - z->avail_out;
        if (out->len - start > max)
            return E_TOO_LARGE;
        if (rc == Z_STREAM_END && !z->avail_in)
            return 0;
        if (rc == Z_STREAM_END) /* gzip files may follow each other */
            inflateReset(z);
        else if (rc != Z_OK || (z->avail_out && !z->avail_in))
            return E_CORRUPT;
    }
}

static int snappy_block(struct str in, struct wbuf *out, size_t max)
{
    size_t n = 0;
    if (snappy_uncompressed_length(in.ptr, in.len, &n) != SNAPPY_OK || n / SNAPPY_RATIO > in.len)
        return E_CORRUPT;
    if (n > max)
        return E_TOO_LARGE;
    if (snappy_uncompress(in.ptr, in.len, (char *)wbuf_room(out, MAX(n, (size_t)1)), &n) != SNAPPY_OK)
        return E_CORRUPT;
    out->len += n;
    return 0;
}

static int snappy_decode(struct str in, struct wbuf *out, size_t max)
{
    if (in.len < XERIAL_HEAD || memcmp(in.ptr, xerial_head, 8) != 0)
        return snappy_block(in, out, max); /* librdkafka writes one raw block */
    size_t start = out->len;
    struct rbuf r = rbuf_of(in.ptr, in.len);
    while (rbuf_left(&r)) {
        if (rbuf_left(&r) >= XERIAL_HEAD && memcmp(r.ptr, xerial_head, 8) == 0) { /* streams may follow each other */
            rbuf_take(&r, XERIAL_HEAD);
            continue;
        }
        uint32_t n = rbuf_be32(&r);
        struct str block = rbuf_bytes(&r, n);
        if (r.err)
            return E_CORRUPT;
        int err = snappy_block(block, out, max - (out->len - start));
        if (err)
            return err;
    }
    return 0;
}

static int lz4_decode(struct compress *c, struct str in, struct wbuf *out, size_t max)
{
    if (!c->lz4_in)
        CHECK(!LZ4F_isError(LZ4F_createDecompressionContext(&c->lz4_in, LZ4F_VERSION)));
    LZ4F_resetDecompressionContext(c->lz4_in);
    const char *p = in.ptr, *end = in.ptr + in.len;
    for (size_t start = out->len;;) {
        size_t room = next_room(out, start, in.len * 4, max), made = room, used = (size_t)(end - p);
        size_t rc = LZ4F_decompress(c->lz4_in, wbuf_room(out, room), &made, p, &used, NULL);
        if (LZ4F_isError(rc))
            return E_CORRUPT;
        out->len += made;
        p += used;
        if (out->len - start > max)
            return E_TOO_LARGE;
        if (rc == 0 && p == end)
            return 0;
        if (rc != 0 && p == end && made < room)
            return E_CORRUPT;
    }
}

static int zstd_decode(struct compress *c, struct str in, struct wbuf *out, size_t max)
{
    if (!c->zstd_in)
        CHECK((c->zstd_in = ZSTD_createDCtx()) != NULL);
    unsigned long long size = ZSTD_getFrameContentSize(in.ptr, in.len);
    if (size == ZSTD_CONTENTSIZE_ERROR)
        return E_CORRUPT;
    if (size != ZSTD_CONTENTSIZE_UNKNOWN && size > max)
        return E_TOO_LARGE;
    size_t room = size == ZSTD_CONTENTSIZE_UNKNOWN ? MAX(in.len * 4, out->cap - out->len) : (size_t)size;
    for (;; room *= 2) {
        room = MIN(MAX(room, (size_t)256), max);
        size_t made = ZSTD_decompressDCtx(c->zstd_in, wbuf_room(out, room), room, in.ptr, in.len);
        if (!ZSTD_isError(made)) {
            out->len += made;
            return 0;
        }
        if (ZSTD_getErrorCode(made) != ZSTD_error_dstSize_tooSmall)
            return E_CORRUPT;
        if (room == max)
            return E_TOO_LARGE;
    }
}

static int decode(struct compress *c, enum codec codec, struct str in, struct wbuf *out, size_t max)
{
    switch (codec) {
    case CODEC_NONE:
        break;
    case CODEC_GZIP:
        return gzip_decode(c, in, out, max);
    case CODEC_SNAPPY:
        return snappy_decode(in, out, max);
    case CODEC_LZ4:
        return lz4_decode(c, in, out, max);
    case CODEC_ZSTD:
        return zstd_decode(c, in, out, max);
    case CODEC_COUNT:
        return E_CORRUPT;
    }
    if (in.len > max)
        return E_TOO_LARGE;
    wbuf_str(out, in);
    return 0;
}

int compress_decode(struct compress *c, enum codec codec, struct str in, struct wbuf *out, size_t max)
{
    size_t start = out->len;
    if ((unsigned)codec >= CODEC_COUNT || (codec != CODEC_NONE && in.len == 0) || in.len > INT32_MAX)
        return E_CORRUPT;
    int err = decode(c, codec, in, out, MIN(max, compress_limit(in.len)));
    if (err)
        out->len = start;
    return err;
}
