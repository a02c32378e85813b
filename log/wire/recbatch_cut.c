/* A batch again with some of its records left out: what compaction makes of it. Base offset, last offset delta,
 * sequence, producer and leader epoch stay, so offsets have holes and the producer's state can still be rebuilt from
 * the head alone. With a delete horizon (KIP-534) the base timestamp says from when on tombstones may go, and the
 * records' deltas count from there. */
#include "log/base/crc32c.h"
#include "log/wire/recbatch.h"
#include "log/wire/record.h"

enum { AT_LENGTH = 8, AT_CRC = 17, AT_ATTRIBUTES = 21, AT_BASE_TS = 27, AT_MAX_TS = 35, AT_COUNT = 57 };

void recbatch_cut(struct recbatch_cut *cut, const struct recbatch *rb, const void *bytes, int64_t horizon,
                  struct wbuf *out, struct wbuf *scratch)
{
    enum codec codec = recbatch_codec(rb);
    CHECK(codec == CODEC_NONE || scratch);
    *cut = (struct recbatch_cut){
        .out = out,
        .records = codec == CODEC_NONE ? out : scratch,
        .at = out->len,
        .codec = codec,
        .attributes = (int16_t)(horizon >= 0 ? rb->attributes | RECBATCH_DELETE_HORIZON : rb->attributes),
        .base_offset = rb->base_offset,
        .base_ts = horizon >= 0 ? horizon : rb->base_ts,
        .max_ts = RECBATCH_NO_TS,
    };
    wbuf_put(out, bytes, RECBATCH_HEAD);
    cut->records_at = cut->records->len;
}

void recbatch_cut_add(struct recbatch_cut *cut, const struct record *rec)
{
    int64_t ts_delta = (int64_t)((uint64_t)rec->ts_ms - (uint64_t)cut->base_ts);
    int64_t offset_delta = rec->offset - cut->base_offset;
    size_t size = 1 + varint_size(ts_delta) + varint_size(offset_delta) + field_size(rec->key) +
                  field_size(rec->value) + varint_size(rec->headers_n) + rec->headers.len;
    struct wbuf *w = cut->records;
    uint8_t *p = put_varint(wbuf_room(w, VARINT_MAX + size), (int64_t)size);
    *p++ = 0;
    p = put_varint(p, ts_delta);
    p = put_varint(p, offset_delta);
    p = put_field(p, rec->key);
    p = put_field(p, rec->value);
    p = put_varint(p, rec->headers_n);
    p = put_bytes(p, rec->headers);
    w->len = (size_t)(p - w->data);
    cut->max_ts = cut->count++ ? MAX(cut->max_ts, rec->ts_ms) : rec->ts_ms;
}

/* Nothing is left: no codec, for there is nothing to decompress; and no time, or searches by time would look here. */
static void cut_empty(struct recbatch_cut *cut)
{
    cut->codec = CODEC_NONE;
    cut->attributes = (int16_t)(cut->attributes & ~(RECBATCH_CODEC | RECBATCH_DELETE_HORIZON));
    cut->base_ts = cut->max_ts = RECBATCH_NO_TS;
}

void recbatch_cut_finish(struct recbatch_cut *cut, struct compress *c)
{
    if (cut->count == 0)
        cut_empty(cut);
    if (cut->codec != CODEC_NONE) {
        struct str records = {(const char *)cut->records->data + cut->records_at,
                              cut->records->len - cut->records_at};
        compress_encode(c, cut->codec, records, cut->out);
        cut->records->len = cut->records_at;
    }
    uint8_t *p = cut->out->data + cut->at;
    size_t size = cut->out->len - cut->at;
    CHECK(size <= INT32_MAX);
    put_be32(p + AT_LENGTH, (uint32_t)size - RECBATCH_PREFIX);
    put_be16(p + AT_ATTRIBUTES, (uint16_t)cut->attributes);
    put_be64(p + AT_BASE_TS, (uint64_t)cut->base_ts);
    put_be64(p + AT_MAX_TS, (uint64_t)cut->max_ts);
    put_be32(p + AT_COUNT, (uint32_t)cut->count);
    put_be32(p + AT_CRC, crc32c(0, p + AT_ATTRIBUTES, size - AT_ATTRIBUTES));
}
