/* Kafka's four codecs behind one call each way. The only user of zlib, snappy, lz4 and zstd.
 * Thread: a struct compress holds the codecs' working memory; one per thread, reused for every call. */
#ifndef WIRE_COMPRESS_H
#define WIRE_COMPRESS_H
#include "log/base/buf.h"

enum codec { CODEC_NONE, CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD, CODEC_COUNT }; /* numbers as in attributes */

struct compress;
struct compress *compress_new(void); /* small until a codec is first used */
void compress_free(struct compress *c);

const char *compress_name(enum codec codec); /* "none", "gzip", "snappy", "lz4", "zstd" */
/* By Kafka's name, any case; false if it is none of them. */
bool compress_find(struct str name, enum codec *out);

/* Appends in, compressed, to out. Snappy is written in the framing of the Java library. */
void compress_encode(struct compress *c, enum codec codec, struct str in, struct wbuf *out);

/* Appends in, decompressed, to out; on error out is as it was. Both snappy framings are read.
 * E_CORRUPT: not this codec's data. E_TOO_LARGE: more than max bytes, or a suspicious ratio (compress_limit). */
int compress_decode(struct compress *c, enum codec codec, struct str in, struct wbuf *out, size_t max);

/* How much may come out of n bytes: against bombs, no more than 1 MiB + 1024 n. */
static inline size_t compress_limit(size_t n) { return ((size_t)1 << 20) + n * 1024; }

/* For this room: two buffers that live between calls, emptied when asked for. trim gives back what a giant took. */
struct wbuf *compress_scratch(struct compress *c, unsigned i);
void compress_trim(struct compress *c);

#endif
