/* What a leader demands of a batch from a producer, and the few cases in which it stores something else than it was
 * given. The rules and their order are Kafka's (kafka.md 4.1): what clients learn from an error depends on which one
 * comes first. */
#include "log/wire/recbatch.h"
#include <stdarg.h>
#include <stdio.h>
#include "log/wire/record.h"

#define PRODUCE_ZSTD 7 /* the first Produce version whose clients know zstd */

__attribute__((format(printf, 4, 5))) static int refuse(struct recbatch_verdict *v, int err, int32_t record,
                                                        const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(v->text, sizeof v->text, fmt, ap);
    va_end(ap);
    v->record = record;
    v->err = err;
    return err;
}

/* One whole batch, and its bytes as they were sent. */
static int check_bytes(struct recbatch_verdict *v, struct str bytes, const struct recbatch_rules *rules)
{
    struct recbatch *rb = &v->head;
    if (bytes.len == 0)
        return refuse(v, E_BAD_RECORD, -1, "no record batch for this partition");
    int err = recbatch_peek_raw(rb, bytes);
    if (err == E_UNSUPPORTED)
        return refuse(v, E_BAD_RECORD, -1, "record format %d; only 2 is taken", ((const uint8_t *)bytes.ptr)[16]);
    if (err || bytes.len < rb->size)
        return refuse(v, E_CORRUPT, -1, "record batch of %zu bytes is cut off or has a wrong length", bytes.len);
    if (bytes.len > rb->size)
        return refuse(v, E_BAD_RECORD, -1, "more than one record batch for this partition");
    if (rb->base_offset != 0)
        return refuse(v, E_BAD_RECORD, -1, "base offset is %lld, must be 0", (long long)rb->base_offset);
    if (rb->size > rules->bytes_max)
        return refuse(v, E_TOO_LARGE, -1, "record batch of %u bytes; max.message.bytes is %u", rb->size,
                      rules->bytes_max);
    if (rb->size > rules->segment_bytes)
        return refuse(v, E_SEGMENT_SIZE, -1, "record batch of %u bytes; segment.bytes is %u", rb->size,
                      rules->segment_bytes);
    if (recbatch_check_crc(rb, bytes.ptr))
        return refuse(v, E_CORRUPT, -1, "record batch fails its checksum");
    return 0;
}

static int check_head(struct recbatch_verdict *v, const struct recbatch_rules *rules)
{
    const struct recbatch *rb = &v->head;
    if (rb->count <= 0)
        return refuse(v, E_BAD_RECORD, -1, "record batch says that it has %d records", rb->count);
    if (rb->last_offset_delta != rb->count - 1)
        return refuse(v, E_BAD_RECORD, -1, "last offset delta %d does not go with %d records", rb->last_offset_delta,
                      rb->count);
    if (rb->attributes & RECBATCH_CONTROL)
        return refuse(v, E_BAD_RECORD, -1, "clients may not write control records");
    if (rb->producer_id >= 0 && rb->base_sequence < 0)
        return refuse(v, E_BAD_RECORD, -1, "producer id %lld with sequence %d", (long long)rb->producer_id,
                      rb->base_sequence);
    if ((rb->attributes & RECBATCH_TXN) && rb->producer_id < 0)
        return refuse(v, E_BAD_RECORD, -1, "record batch of a transaction without a producer id");
    if (recbatch_codec(rb) >= CODEC_COUNT)
        return refuse(v, E_COMPRESSION, -1, "unknown compression type %d", (int)recbatch_codec(rb));
    if (recbatch_codec(rb) == CODEC_ZSTD && rules->produce_version < PRODUCE_ZSTD)
        return refuse(v, E_COMPRESSION, -1, "zstd needs Produce version %d or later", PRODUCE_ZSTD);
    if (rb->attributes & RECBATCH_APPEND_TIME)
        return refuse(v, E_BAD_TIMESTAMP, -1, "producers may not set timestamp type LogAppendTime");
    return 0;
}

static bool ts_in_range(int64_t ts, const struct recbatch_rules *rules)
{
    int64_t age;
    if (ts == RECBATCH_NO_TS || rules->append_time)
        return true;
    if (__builtin_sub_overflow(rules->now_ms, ts, &age))
        return false;
    return age >= 0 ? age <= rules->ts_before_max_ms : age >= -rules->ts_after_max_ms;
}

static bool headers_fit(struct record rec)
{
    struct record_header h;
    int got = rec.headers_n ? 1 : 0;
    while (got == 1)
        got = record_header_next(&rec, &h);
    return got == 0;
}

static int check_records(struct recbatch_verdict *v, const struct recbatch_rules *rules, struct recbatch_iter *it)
{
    const int32_t count = v->head.count;
    struct record rec;
    int64_t max_ts = INT64_MIN;
    for (int32_t i = 0; i < count; i++) {
        if (!record_next(it, &rec) || (rec.headers_n && !headers_fit(rec)))
            return refuse(v, E_BAD_RECORD, i, "record %d of %d is malformed or missing", i, count);
        if (UNLIKELY(rules->compacted && !rec.key.ptr))
            return refuse(v, E_BAD_RECORD, i, "record %d has no key, which a compacted topic demands", i);
        if (UNLIKELY(!ts_in_range(rec.ts_ms, rules)))
            return refuse(v, E_BAD_TIMESTAMP, i, "timestamp %lld of record %d is too far from now",
                          (long long)rec.ts_ms, i);
        v->rebuild |= rec.offset != i;
        if (rec.ts_ms > max_ts) {
            max_ts = rec.ts_ms;
            v->max_ts_delta = i;
        }
    }
    if (recbatch_iter_err(it))
        return refuse(v, E_BAD_RECORD, -1, "bytes are left after %d records", count);
    v->max_ts = max_ts;
    return 0;
}

int recbatch_validate_produce(struct recbatch_verdict *v, struct str bytes, const struct recbatch_rules *rules,
                              struct compress *c)
{
    memset(v, 0, sizeof *v);
    v->record = -1;
    if (check_bytes(v, bytes, rules) || check_head(v, rules))
        return v->err;
    struct recbatch_iter it;
    bool packed = recbatch_codec(&v->head) != CODEC_NONE;
    int err = recbatch_iter(&it, &v->head, c, packed ? compress_scratch(c, 0) : NULL, rules->inflated_max);
    if (err)
        return refuse(v, err, -1, "records cannot be decompressed%s", err == E_TOO_LARGE ? ": too large" : "");
    err = check_records(v, rules, &it);
    if (packed)
        compress_trim(c);
    if (err)
        return err;
    v->rebuild |= rules->codec != RECBATCH_CODEC_AS_IS && rules->codec != (int)recbatch_codec(&v->head);
    if (rules->append_time) {
        v->max_ts = rules->now_ms;
        v->max_ts_delta = 0;
    }
    v->fix_ts = rules->append_time || v->max_ts != v->head.max_ts;
    return 0;
}

int recbatch_rebuild(struct str bytes, enum codec codec, struct compress *c, size_t max, struct wbuf *out)
{
    struct recbatch rb;
    struct recbatch_iter it;
    struct recbatch_builder b;
    struct record rec;
    int err = recbatch_peek(&rb, bytes);
    if (err)
        return err == E_SHORT ? E_CORRUPT : err;
    if (rb.base_offset > INT64_MAX - rb.count) /* no room for consecutive offsets */
        return E_CORRUPT;
    bool packed = recbatch_codec(&rb) != CODEC_NONE;
    if ((err = recbatch_iter(&it, &rb, c, packed ? compress_scratch(c, 0) : NULL, max)))
        return err;
    recbatch_build(&b, out, codec, codec != CODEC_NONE ? compress_scratch(c, 1) : NULL);
    b.base_offset = rb.base_offset;
    b.leader_epoch = rb.leader_epoch;
    b.producer_id = rb.producer_id;
    b.producer_epoch = rb.producer_epoch;
    b.base_sequence = rb.base_sequence;
    b.attributes = (int16_t)(rb.attributes & ~(RECBATCH_CODEC | RECBATCH_DELETE_HORIZON));
    while (record_next(&it, &rec))
        recbatch_add_raw(&b, rec.ts_ms, rec.key, rec.value, rec.headers, rec.headers_n);
    err = recbatch_iter_err(&it);
    if (err || !recbatch_finish(&b, c)) {
        recbatch_cancel(&b);
        err = E_CORRUPT;
    }
    compress_trim(c);
    return err;
}
