/* Record batches: judged, walked and rebuilt. Byte 0 says what is put right before (the length, the checksum), for a
 * fuzzer does not guess a CRC, and chooses the rules; the rest is the batch. */
#include "log/base/alloc.h"
#include "log/base/crc32c.h"
#include "log/wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INFLATED ((size_t)1 << 20)

static struct compress *c;

static int64_t walk(const struct recbatch *rb, int *err)
{
    struct recbatch_iter it;
    struct record rec;
    struct record_header h;
    struct wbuf room;
    int64_t n = 0;
    uint64_t sum = 0;
    wbuf_init(&room);
    *err = recbatch_iter(&it, rb, c, &room, INFLATED);
    if (!*err) {
        for (; recbatch_next(&it, &rec); n++) {
            for (size_t i = 0; i < rec.key.len; i++)
                sum += (uint8_t)rec.key.ptr[i];
            for (size_t i = 0; i < rec.value.len; i++)
                sum += (uint8_t)rec.value.ptr[i];
            while (record_header_next(&rec, &h) == 1)
                sum += h.key.len + h.value.len;
        }
        *err = recbatch_iter_err(&it);
    }
    CHECK(room.len <= INFLATED && sum < UINT64_MAX);
    wbuf_fini(&room);
    return n;
}

static void rebuild(struct str bytes, enum codec codec)
{
    struct recbatch old, rb;
    struct wbuf out;
    int err, walked;
    wbuf_init(&out);
    CHECK(recbatch_peek(&old, bytes) == 0);
    int64_t n = walk(&old, &walked);
    err = recbatch_rebuild(bytes, codec, c, INFLATED, &out);
    /* Consecutive offsets must have room after the first. */
    CHECK(!err == (!walked && n > 0 && old.base_offset <= INT64_MAX - old.count));
    if (!err) {
        CHECK(recbatch_peek(&rb, wbuf_view(&out)) == 0 && rb.size == out.len);
        CHECK(recbatch_check_crc(&rb, out.data) == 0);
        CHECK(rb.count == n && rb.last_offset_delta == n - 1);
        /* A second codec call may be stricter about what comes out than about what the first one took. */
        int64_t m = walk(&rb, &err);
        CHECK(err == E_TOO_LARGE || (!err && m == n));
    } else {
        CHECK(out.len == 0);
    }
    wbuf_fini(&out);
}

static void judge(struct str bytes, uint8_t choice)
{
    struct recbatch_verdict v;
    struct recbatch_rules rules = {
        .produce_version = choice & 4 ? 9 : 3,
        .now_ms = 1700000000000,
        .ts_before_max_ms = choice & 8 ? INT64_MAX : 1000,
        .ts_after_max_ms = choice & 8 ? INT64_MAX : 1000,
        .append_time = choice & 16,
        .compacted = choice & 32,
        .codec = RECBATCH_CODEC_AS_IS,
        .bytes_max = UINT32_MAX,
        .segment_bytes = UINT32_MAX,
        .inflated_max = INFLATED,
    };
    int err = recbatch_validate_produce(&v, bytes, &rules, c), walked;
    CHECK(err == v.err && !err == !v.text[0]);
    if (err)
        return;
    int64_t n = walk(&v.head, &walked);
    CHECK(!walked && n == v.head.count);
    rebuild(bytes, (enum codec)(choice >> 5 & 3));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct recbatch rb;
    int err;
    if (!c)
        c = compress_new();
    if (size < 1)
        return 0;
    uint8_t choice = data[0];
    size_t n = size - 1;
    uint8_t *p = xalloc(n + 1); /* of its own, so that a read past the end is seen */
    memcpy(p, data + 1, n);
    struct str bytes = {(char *)p, n};
    if (n >= RECBATCH_HEAD && choice & 1)
        put_be32(p + 8, (uint32_t)n - RECBATCH_PREFIX);
    if (n >= RECBATCH_HEAD && choice & 2)
        put_be32(p + 17, crc32c(0, p + 21, n - 21));
    judge(bytes, choice);
    if (recbatch_peek(&rb, bytes) == 0) {
        walk(&rb, &err);
        rebuild((struct str){bytes.ptr, rb.size}, (enum codec)(choice >> 5 & 3));
    }
    xfree(p);
    return 0;
}
