/* Record batches, format 2: header, walking, building.
 *
 *     at  bytes                       at  bytes
 *      0  8  base offset              27  8  base timestamp
 *      8  4  length of what follows   35  8  max timestamp
 *     12  4  leader epoch             43  8  producer id
 *     16  1  magic = 2                51  2  producer epoch
 *     17  4  CRC-32C from 21 on       53  4  base sequence
 *     21  2  attributes               57  4  count
 *     23  4  last offset delta        61     records, compressed together
 *
 * A record: length, attributes (1 byte, unused), timestamp delta, offset delta, key length (-1 = null), key, value
 * length, value, count of headers; a header: key length, key, value length, value. All numbers but the attributes are
 * zigzag varints. Walking and building are the hottest loops of the program: numbers of one or two bytes, nearly all
 * of them, never leave this file. */
#include "log/wire/recbatch.h"
#include "log/base/crc32c.h"
#include "log/base/limits.h"
#include "log/wire/record.h"

enum at {
    AT_LENGTH = 8,
    AT_LEADER_EPOCH = 12,
    AT_MAGIC = 16,
    AT_CRC = 17,
    AT_ATTRIBUTES = 21,
    AT_LAST_DELTA = 23,
    AT_BASE_TS = 27,
    AT_MAX_TS = 35,
    AT_PRODUCER_ID = 43,
    AT_PRODUCER_EPOCH = 51,
    AT_SEQUENCE = 53,
    AT_COUNT = 57,
};
#define MAGIC 2

/* ---- header */

static void head_read(struct recbatch *rb, const uint8_t *p)
{
    *rb = (struct recbatch){
        .base_offset = (int64_t)be64(p),
        .size = RECBATCH_PREFIX + be32(p + AT_LENGTH),
        .leader_epoch = (int32_t)be32(p + AT_LEADER_EPOCH),
        .crc = be32(p + AT_CRC),
        .attributes = (int16_t)be16(p + AT_ATTRIBUTES),
        .last_offset_delta = (int32_t)be32(p + AT_LAST_DELTA),
        .base_ts = (int64_t)be64(p + AT_BASE_TS),
        .max_ts = (int64_t)be64(p + AT_MAX_TS),
        .producer_id = (int64_t)be64(p + AT_PRODUCER_ID),
        .producer_epoch = (int16_t)be16(p + AT_PRODUCER_EPOCH),
        .base_sequence = (int32_t)be32(p + AT_SEQUENCE),
        .count = (int32_t)be32(p + AT_COUNT),
    };
}

int recbatch_peek_raw(struct recbatch *rb, struct str bytes)
{
    const uint8_t *p = (const uint8_t *)bytes.ptr;
    memset(rb, 0, sizeof *rb);
    if (bytes.len < RECBATCH_PREFIX)
        return E_SHORT;
    uint32_t length = be32(p + AT_LENGTH);
    if (length < RECBATCH_HEAD - RECBATCH_PREFIX || length > INT32_MAX - RECBATCH_PREFIX)
        return E_CORRUPT;
    rb->size = RECBATCH_PREFIX + length;
    if (bytes.len < RECBATCH_HEAD)
        return E_SHORT;
    if (p[AT_MAGIC] != MAGIC)
        return E_UNSUPPORTED;
    head_read(rb, p);
    rb->payload = (struct str){bytes.ptr + RECBATCH_HEAD, MIN(bytes.len, rb->size) - RECBATCH_HEAD};
    return 0;
}

int recbatch_peek_head(struct recbatch *rb, struct str bytes)
{
    int err = recbatch_peek_raw(rb, bytes);
    if (err == E_UNSUPPORTED)
        return E_CORRUPT;
    if (err)
        return err;
    if (rb->count < 0 || rb->last_offset_delta < 0 || recbatch_codec(rb) >= CODEC_COUNT || rb->base_offset < 0 ||
        rb->base_offset > INT64_MAX - rb->last_offset_delta - 1)
        return E_CORRUPT;
    return 0;
}

int recbatch_peek(struct recbatch *rb, struct str bytes)
{
    int err = recbatch_peek_head(rb, bytes);
    return err ? err : bytes.len < rb->size ? E_SHORT : 0;
}

static uint32_t crc_of(const uint8_t *p, size_t size) { return crc32c(0, p + AT_ATTRIBUTES, size - AT_ATTRIBUTES); }

int recbatch_check_crc(const struct recbatch *rb, const void *bytes)
{
    return crc_of(bytes, rb->size) == rb->crc ? 0 : E_CORRUPT;
}

void recbatch_stamp(void *bytes, int64_t base_offset, int32_t leader_epoch)
{
    uint8_t *p = bytes;
    put_be64(p, (uint64_t)base_offset);
    put_be32(p + AT_LEADER_EPOCH, (uint32_t)leader_epoch);
}

void recbatch_set_max_ts(void *bytes, int64_t max_ts, bool append_time)
{
    uint8_t *p = bytes;
    int attributes = be16(p + AT_ATTRIBUTES) & ~RECBATCH_APPEND_TIME;
    put_be16(p + AT_ATTRIBUTES, (uint16_t)(attributes | (append_time ? RECBATCH_APPEND_TIME : 0)));
    put_be64(p + AT_MAX_TS, (uint64_t)max_ts);
    put_be32(p + AT_CRC, crc_of(p, RECBATCH_PREFIX + be32(p + AT_LENGTH)));
}

void recbatch_set_producer(void *bytes, int64_t producer_id, int16_t epoch, bool txn)
{
    uint8_t *p = bytes;
    int attributes = be16(p + AT_ATTRIBUTES) & ~RECBATCH_TXN;
    put_be16(p + AT_ATTRIBUTES, (uint16_t)(attributes | (txn ? RECBATCH_TXN : 0)));
    put_be64(p + AT_PRODUCER_ID, (uint64_t)producer_id);
    put_be16(p + AT_PRODUCER_EPOCH, (uint16_t)epoch);
}

void recbatch_set_sequence(void *bytes, int32_t base_sequence)
{
    uint8_t *p = bytes;
    put_be32(p + AT_SEQUENCE, (uint32_t)base_sequence);
    put_be32(p + AT_CRC, crc_of(p, RECBATCH_PREFIX + be32(p + AT_LENGTH)));
}

/* ---- walking */

struct varint_read varint_read_slow(const uint8_t *p, const uint8_t *end)
{
    struct rbuf r = rbuf_of(p, (size_t)(end - p));
    int64_t v = rbuf_varint(&r);
    return (struct varint_read){v, r.ptr, r.err != 0};
}

int recbatch_iter(struct recbatch_iter *it, const struct recbatch *rb, struct compress *c, struct wbuf *room,
                  size_t max)
{
    struct str records = rb->payload;
    if (rb->count < 0)
        return E_CORRUPT;
    if (recbatch_codec(rb) != CODEC_NONE && rb->count > 0) {
        CHECK(c && room);
        size_t at = room->len;
        int err = compress_decode(c, recbatch_codec(rb), records, room, max);
        if (err)
            return err;
        records = room->len > at ? (struct str){(const char *)room->data + at, room->len - at} : STR("");
    }
    *it = (struct recbatch_iter){
        .r = rbuf_of(records.ptr, records.len),
        .base_offset = rb->base_offset,
        .base_ts = rb->base_ts,
        .append_ts = rb->max_ts,
        .left = (uint32_t)rb->count,
        .append_time = rb->attributes & RECBATCH_APPEND_TIME,
    };
    return 0;
}

bool recbatch_next(struct recbatch_iter *it, struct record *rec) { return record_next(it, rec); }

int recbatch_iter_err(const struct recbatch_iter *it)
{
    return it->r.err ? it->r.err : it->left == 0 && rbuf_left(&it->r) ? E_CORRUPT : 0;
}

int record_header_next(struct record *rec, struct record_header *out)
{
    struct cursor c = {(const uint8_t *)rec->headers.ptr, (const uint8_t *)rec->headers.ptr + rec->headers.len, false};
    if (rec->headers_n == 0)
        return rec->headers.len ? E_CORRUPT : 0;
    out->key = cursor_field(&c);
    out->value = cursor_field(&c);
    if (c.bad || !out->key.ptr)
        return E_CORRUPT;
    rec->headers_n--;
    rec->headers = (struct str){(const char *)c.p, (size_t)(c.end - c.p)};
    return 1;
}

/* ---- building */

void recbatch_build(struct recbatch_builder *b, struct wbuf *out, enum codec codec, struct wbuf *scratch)
{
    CHECK(codec == CODEC_NONE || scratch);
    *b = (struct recbatch_builder){
        .out = out,
        .records = codec == CODEC_NONE ? out : scratch,
        .at = out->len,
        .codec = codec,
        .base_ts = RECBATCH_NO_TS,
        .max_ts = RECBATCH_NO_TS,
        .leader_epoch = -1,
        .producer_id = -1,
        .producer_epoch = -1,
        .base_sequence = -1,
    };
    wbuf_room(out, RECBATCH_HEAD);
    out->len += RECBATCH_HEAD;
    b->records_at = b->records->len;
}

static size_t header_size(const struct record_header *h)
{
    return varint_size((int64_t)h->key.len) + h->key.len + field_size(h->value);
}

/* Room for a record with headers_size bytes of headers; writes all before them, except their count. */
static uint8_t *record_begin(struct recbatch_builder *b, int64_t ts_ms, struct str key, struct str value,
                             size_t headers_size)
{
    CHECK(b->count < INT32_MAX);
    if (b->count == 0)
        b->base_ts = b->max_ts = ts_ms;
    b->max_ts = MAX(b->max_ts, ts_ms);
    int64_t ts_delta = (int64_t)((uint64_t)ts_ms - (uint64_t)b->base_ts);
    size_t size =
        1 + varint_size(ts_delta) + varint_size(b->count) + field_size(key) + field_size(value) + headers_size;
    uint8_t *p = wbuf_room(b->records, VARINT_MAX + size);
    p = put_varint(p, (int64_t)size);
    *p++ = 0;
    p = put_varint(p, ts_delta);
    p = put_varint(p, b->count++);
    p = put_field(p, key);
    return put_field(p, value);
}

static void record_end(struct recbatch_builder *b, const uint8_t *p)
{
    b->records->len = (size_t)(p - b->records->data);
}

void recbatch_add(struct recbatch_builder *b, int64_t ts_ms, struct str key, struct str value,
                  const struct record_header *headers, uint32_t headers_n)
{
    size_t size = varint_size(headers_n);
    for (uint32_t i = 0; i < headers_n; i++)
        size += header_size(&headers[i]);
    uint8_t *p = put_varint(record_begin(b, ts_ms, key, value, size), headers_n);
    for (uint32_t i = 0; i < headers_n; i++) {
        p = put_varint(p, (int64_t)headers[i].key.len);
        p = put_bytes(p, headers[i].key);
        p = put_field(p, headers[i].value);
    }
    record_end(b, p);
}

void recbatch_add_raw(struct recbatch_builder *b, int64_t ts_ms, struct str key, struct str value, struct str headers,
                      uint32_t headers_n)
{
    size_t size = varint_size(headers_n) + headers.len;
    uint8_t *p = put_varint(record_begin(b, ts_ms, key, value, size), headers_n);
    record_end(b, put_bytes(p, headers));
}

void recbatch_cancel(struct recbatch_builder *b)
{
    b->records->len = b->records_at;
    b->out->len = b->at;
}

bool recbatch_finish(struct recbatch_builder *b, struct compress *c)
{
    if (b->count == 0) {
        recbatch_cancel(b);
        return false;
    }
    if (b->codec != CODEC_NONE) {
        struct str records = {(const char *)b->records->data + b->records_at, b->records->len - b->records_at};
        compress_encode(c, b->codec, records, b->out);
        b->records->len = b->records_at;
    }
    uint8_t *p = b->out->data + b->at;
    size_t size = b->out->len - b->at;
    CHECK(size <= INT32_MAX);
    put_be64(p, (uint64_t)b->base_offset);
    put_be32(p + AT_LENGTH, (uint32_t)size - RECBATCH_PREFIX);
    put_be32(p + AT_LEADER_EPOCH, (uint32_t)b->leader_epoch);
    p[AT_MAGIC] = MAGIC;
    put_be16(p + AT_ATTRIBUTES, (uint16_t)(b->attributes | (int)b->codec));
    put_be32(p + AT_LAST_DELTA, (uint32_t)b->count - 1);
    put_be64(p + AT_BASE_TS, (uint64_t)b->base_ts);
    put_be64(p + AT_MAX_TS, (uint64_t)b->max_ts);
    put_be64(p + AT_PRODUCER_ID, (uint64_t)b->producer_id);
    put_be16(p + AT_PRODUCER_EPOCH, (uint16_t)b->producer_epoch);
    put_be32(p + AT_SEQUENCE, (uint32_t)b->base_sequence);
    put_be32(p + AT_COUNT, (uint32_t)b->count);
    put_be32(p + AT_CRC, b->unsealed ? 0 : crc_of(p, size));
    return true;
}

/* ---- markers: key = version 2, type 2 (0 abort, 1 commit); value = version 2, coordinator epoch 4 */

enum { MARKER_KEY = 4, MARKER_VALUE = 6 };

void recbatch_marker(struct wbuf *out, bool commit, int64_t producer_id, int16_t producer_epoch,
                     int32_t coordinator_epoch, int64_t ts_ms)
{
    uint8_t key[MARKER_KEY], value[MARKER_VALUE];
    put_be16(key, 0);
    put_be16(key + 2, commit);
    put_be16(value, 0);
    put_be32(value + 2, (uint32_t)coordinator_epoch);
    struct recbatch_builder b;
    recbatch_build(&b, out, CODEC_NONE, NULL);
    b.producer_id = producer_id;
    b.producer_epoch = producer_epoch;
    b.attributes = RECBATCH_TXN | RECBATCH_CONTROL;
    recbatch_add(&b, ts_ms, (struct str){(char *)key, sizeof key}, (struct str){(char *)value, sizeof value}, NULL, 0);
    CHECK(recbatch_finish(&b, NULL));
}

int recbatch_marker_read(const struct recbatch *rb, struct recbatch_marker *out)
{
    struct recbatch_iter it;
    struct record rec;
    if (!(rb->attributes & RECBATCH_CONTROL) || recbatch_codec(rb) != CODEC_NONE || rb->count != 1)
        return E_CORRUPT;
    if (recbatch_iter(&it, rb, NULL, NULL, 0) || !record_next(&it, &rec) || recbatch_iter_err(&it))
        return E_CORRUPT;
    if (rec.key.len < MARKER_KEY || !rec.key.ptr)
        return E_CORRUPT;
    uint16_t type = be16(rec.key.ptr + 2);
    if (type > 1)
        return E_UNSUPPORTED;
    if (!rec.value.ptr || rec.value.len < MARKER_VALUE)
        return E_CORRUPT;
    *out = (struct recbatch_marker){type == 1, (int32_t)be32(rec.value.ptr + 2)};
    return 0;
}
