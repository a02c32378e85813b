/* Kafka's record batch, format 2: look, check, walk, build, stamp. Layout: recbatch.c.
 * Thread: pure. Bytes are borrowed; nothing is copied but where it says so. */
#ifndef WIRE_RECBATCH_H
#define WIRE_RECBATCH_H
#include "log/base/buf.h"
#include "log/base/err.h"
#include "log/wire/compress.h"

#define RECBATCH_HEAD 61   /* bytes before the records */
#define RECBATCH_PREFIX 12 /* base offset and length: a batch is RECBATCH_PREFIX + length bytes */
#define RECBATCH_NO_TS INT64_C(-1)

enum recbatch_attr {
    RECBATCH_CODEC = 7,
    RECBATCH_APPEND_TIME = 8, /* all records have max_ts */
    RECBATCH_TXN = 16,
    RECBATCH_CONTROL = 32,
    RECBATCH_DELETE_HORIZON = 64,
};

struct recbatch {
    int64_t base_offset;
    uint32_t size; /* of the whole batch */
    int32_t leader_epoch;
    uint32_t crc;
    int16_t attributes;
    int32_t last_offset_delta;
    int64_t base_ts, max_ts;
    int64_t producer_id; /* -1 = none */
    int16_t producer_epoch;
    int32_t base_sequence;
    int32_t count;
    struct str payload; /* the records, compressed if attributes say so */
};
static inline enum codec recbatch_codec(const struct recbatch *rb) { return rb->attributes & RECBATCH_CODEC; }
static inline int64_t recbatch_last_offset(const struct recbatch *rb)
{
    return rb->base_offset + rb->last_offset_delta;
}

/* Reads the header of the batch that starts bytes; more may follow it. Checks bounds, magic, codec number and that no
 * count or offset is negative; not the CRC. E_SHORT: cut off; rb->size tells how many bytes it takes, 0 if not even
 * that can be seen. E_CORRUPT: can be no batch. */
int recbatch_peek(struct recbatch *rb, struct str bytes);
/* The same, but the header alone is enough: payload is what there is of it. For scans of files. */
int recbatch_peek_head(struct recbatch *rb, struct str bytes);
/* bytes: from the batch's first byte, whole. 0 or E_CORRUPT. */
int recbatch_check_crc(const struct recbatch *rb, const void *bytes);

/* In place. bytes: from the batch's first byte. stamp leaves the CRC as it is (it does not cover these fields). */
void recbatch_stamp(void *bytes, int64_t base_offset, int32_t leader_epoch);
/* Sets max_ts and the timestamp type, and the CRC anew. bytes: the whole batch. */
void recbatch_set_max_ts(void *bytes, int64_t max_ts, bool append_time);
static inline void recbatch_set_append_time(void *bytes, int64_t now_ms) { recbatch_set_max_ts(bytes, now_ms, true); }

/* Makes the batch a producer's, in its transaction if txn. CRC and sequence are wrong until the second call. */
void recbatch_set_producer(void *bytes, int64_t producer_id, int16_t epoch, bool txn);
void recbatch_set_sequence(void *bytes, int32_t base_sequence);

/* ---- walking */

struct record {
    int64_t offset;
    int64_t ts_ms;
    struct str key, value; /* .ptr NULL = null */
    struct str headers;    /* raw; walk with record_header_next */
    uint32_t headers_n;
};
struct recbatch_iter {
    struct rbuf r;
    int64_t base_offset, base_ts, append_ts;
    uint32_t left;
    bool append_time;
};
/* Starts at the batch's first record. A compressed payload is decompressed to the end of `room` (not reset), at most
 * max bytes, and the records point into that. room and c may be NULL for batches without compression.
 * E_CORRUPT, E_TOO_LARGE. */
int recbatch_iter(struct recbatch_iter *it, const struct recbatch *rb, struct compress *c, struct wbuf *room,
                  size_t max);
/* False at the end or at the first malformed record; then recbatch_iter_err tells: 0, or E_CORRUPT. */
bool recbatch_next(struct recbatch_iter *it, struct record *rec);
/* 0 if all `count` records were read and not a byte was left. */
int recbatch_iter_err(const struct recbatch_iter *it);

struct record_header {
    struct str key, value; /* key never null */
};
/* Takes the next header off rec->headers. 1: got one. 0: no more. E_CORRUPT: malformed, or bytes left at the end. */
int record_header_next(struct record *rec, struct record_header *out);

/* ---- building */

struct recbatch_builder {
    struct wbuf *out;     /* where the batch goes */
    struct wbuf *records; /* where records go: out, or the scratch when a codec is set */
    size_t at;            /* the batch's first byte in out */
    size_t records_at;
    enum codec codec;
    int64_t base_offset, base_ts, max_ts;
    int32_t leader_epoch;
    int64_t producer_id;
    int16_t producer_epoch;
    int32_t base_sequence;
    int16_t attributes; /* all but the codec */
    int32_t count;
    bool unsealed; /* recbatch_set_sequence is still to come: the CRC is left to it */
};
/* Begins a batch at the end of out. scratch: needed with a codec, else NULL; both must stay until finish. Defaults: no
 * producer, base offset 0, leader epoch -1, create time; change the builder's fields before finish. */
void recbatch_build(struct recbatch_builder *b, struct wbuf *out, enum codec codec, struct wbuf *scratch);
/* Adds a record with the next offset. key, value: .ptr NULL = null. */
void recbatch_add(struct recbatch_builder *b, int64_t ts_ms, struct str key, struct str value,
                  const struct record_header *headers, uint32_t headers_n);
/* The same, with headers as rec->headers has them. */
void recbatch_add_raw(struct recbatch_builder *b, int64_t ts_ms, struct str key, struct str value, struct str headers,
                      uint32_t headers_n);
/* Bytes so far, uncompressed: for a caller that closes a batch at a size. */
static inline size_t recbatch_build_size(const struct recbatch_builder *b)
{
    return RECBATCH_HEAD + b->records->len - b->records_at;
}
/* Compresses, fills in the header and the CRC. The batch is out->data[b->at .. out->len). c may be NULL with no codec.
 * A batch of no records is taken back: out->len is b->at again and false is returned. */
bool recbatch_finish(struct recbatch_builder *b, struct compress *c);
void recbatch_cancel(struct recbatch_builder *b);

/* ---- markers: a control batch of one record ends a transaction on a partition (kafka.md 4.3) */

enum { RECBATCH_MARKER_MAX = 96 }; /* bytes of one are fewer */
struct recbatch_marker {
    bool commit;
    int32_t coordinator_epoch;
};
/* Appends one to out; base offset 0, to be stamped. */
void recbatch_marker(struct wbuf *out, bool commit, int64_t producer_id, int16_t producer_epoch,
                     int32_t coordinator_epoch, int64_t ts_ms);
/* What the control batch (payload set) says. E_UNSUPPORTED: a control record of another kind; E_CORRUPT. */
int recbatch_marker_read(const struct recbatch *rb, struct recbatch_marker *out);
/* ---- leaving records out (compaction): offsets, times, sequence and producer of the rest stay */

struct recbatch_cut {
    struct wbuf *out, *records; /* records: the scratch when there is a codec */
    size_t at, records_at;
    enum codec codec;
    int16_t attributes;
    int64_t base_offset, base_ts, max_ts;
    int32_t count;
};
/* Begins the batch rb, whole at bytes, anew at the end of out; nothing of it is kept that is not added. scratch: needed
 * with a codec. horizon >= 0: the time from which on its tombstones may go; takes the base timestamp's place. */
void recbatch_cut(struct recbatch_cut *cut, const struct recbatch *rb, const void *bytes, int64_t horizon,
                  struct wbuf *out, struct wbuf *scratch);
void recbatch_cut_add(struct recbatch_cut *cut, const struct record *rec); /* in order of offset */
/* Without a record an empty batch is left: its head alone. c may be NULL with no codec. */
void recbatch_cut_finish(struct recbatch_cut *cut, struct compress *c);

/* ---- what a leader demands of a producer (kafka.md 4.1) */

#define RECBATCH_CODEC_AS_IS (-1)

struct recbatch_rules {
    int produce_version;
    int64_t now_ms;
    int64_t ts_before_max_ms, ts_after_max_ms; /* message.timestamp.before.max.ms, .after.max.ms */
    bool append_time;                          /* message.timestamp.type */
    bool compacted;                            /* cleanup.policy has compact: null keys are refused */
    int codec;                                 /* compression.type; RECBATCH_CODEC_AS_IS = producer's */
    uint32_t bytes_max;                        /* max.message.bytes */
    uint32_t segment_bytes;                    /* segment.bytes */
    size_t inflated_max;                       /* memory that a decompressed batch may take */
};
struct recbatch_verdict {
    struct recbatch head; /* valid if err is 0 */
    int err;              /* as returned */
    int32_t record;       /* place in the batch of the record that broke the rule, -1 = the batch as such */
    char text[160];       /* why, for people */
    int64_t max_ts;       /* found in the records (with append time: now) */
    int32_t max_ts_delta; /* offset delta of the first record with max_ts */
    bool fix_ts;          /* recbatch_set_max_ts(bytes, max_ts, rules.append_time) is due before the append */
    bool rebuild;         /* recbatch_rebuild is due: another codec, or offset deltas not 0, 1, 2... */
};
/* Judges what a Produce request holds for one partition. Never changes the bytes.
 * E_CORRUPT, E_BAD_RECORD, E_TOO_LARGE, E_SEGMENT_SIZE, E_BAD_TIMESTAMP, E_COMPRESSION. */
int recbatch_validate_produce(struct recbatch_verdict *out, struct str bytes, const struct recbatch_rules *rules,
                              struct compress *c);
/* Appends to out the same records with deltas 0, 1, 2..., compressed by codec; producer, sequence and attributes stay.
 * At most max bytes may come out of decompression. E_CORRUPT, E_TOO_LARGE: out is as it was. */
int recbatch_rebuild(struct str bytes, enum codec codec, struct compress *c, size_t max, struct wbuf *out);

#endif
