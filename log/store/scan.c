#include "log/store/scan.h"
#include "log/base/crc32c.h"

/* Where the checksum begins: after base offset, length, leader epoch, magic and the checksum itself. */
enum { CRC_FROM = 21 };

void scan_init(struct scan *s, struct file *f, int64_t pos, int64_t end, bool block, void *buf, size_t cap)
{
    CHECK(cap >= RECBATCH_HEAD);
    *s = (struct scan){.file = f, .pos = pos, .end = end, .at = -1, .block = block, .ahead = cap, .buf = buf, .cap = cap};
}

/* Makes n bytes at pos readable at *out. */
static int scan_need(struct scan *s, int64_t pos, size_t n, const uint8_t **out)
{
    CHECK(n <= s->cap);
    if (pos < s->buf_pos || pos + (int64_t)n > s->buf_pos + (int64_t)s->buf_len) {
        size_t want = (size_t)MIN((int64_t)MAX(n, s->ahead), s->end - pos);
        s->buf_len = 0;
        int64_t got = s->block ? file_read(s->file, pos, s->buf, want) : file_read_nowait(s->file, pos, s->buf, want);
        if (got < 0)
            return (int)got;
        if (got < (int64_t)n)
            return E_CORRUPT;
        s->buf_pos = pos;
        s->buf_len = (size_t)got;
    }
    *out = s->buf + (pos - s->buf_pos);
    return 0;
}

int scan_next(struct scan *s, struct recbatch *rb)
{
    if (s->pos >= s->end)
        return 0;
    if (s->end - s->pos < RECBATCH_HEAD)
        return E_CORRUPT;
    const uint8_t *head = NULL;
    int err = scan_need(s, s->pos, RECBATCH_HEAD, &head);
    if (err)
        return err;
    err = recbatch_peek_head(rb, (struct str){(const char *)head, RECBATCH_HEAD});
    if (err)
        return E_CORRUPT;
    if (rb->size < RECBATCH_HEAD || rb->size > s->end - s->pos || rb->base_offset < 0)
        return E_CORRUPT;
    s->at = s->pos;
    s->pos += rb->size;
    return 1;
}

int scan_body(struct scan *s, struct recbatch *rb)
{
    const uint8_t *bytes = NULL;
    int err = rb->size > s->cap ? E_TOO_LARGE : scan_need(s, s->at, rb->size, &bytes);
    if (!err)
        rb->payload = (struct str){(const char *)bytes + RECBATCH_HEAD, rb->size - RECBATCH_HEAD};
    return err;
}

int scan_check(struct scan *s, const struct recbatch *rb)
{
    uint32_t crc = 0;
    int64_t pos = s->at + CRC_FROM, end = s->at + rb->size;
    while (pos < end) {
        /* What is buffered already is used up first; the rest comes in pieces of the buffer. */
        int64_t have = pos >= s->buf_pos ? s->buf_pos + (int64_t)s->buf_len - pos : 0;
        size_t n = (size_t)MIN(end - pos, have > 0 ? have : (int64_t)s->cap);
        const uint8_t *p = NULL;
        int err = scan_need(s, pos, n, &p);
        if (err)
            return err;
        crc = crc32c(crc, p, n);
        pos += (int64_t)n;
    }
    return crc == rb->crc ? 0 : E_CORRUPT;
}
