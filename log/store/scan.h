/* Walks the record batches of one segment file, header by header, with their checksums or without.
 * Thread: the caller's; bytes of the file below `end` must not change meanwhile. */
#ifndef STORE_SCAN_H
#define STORE_SCAN_H
#include "log/base/disk.h"
#include "log/wire/wire.h"

struct scan {
    struct file *file;
    int64_t pos, end; /* next header; where the batches end */
    int64_t at;       /* the batch that scan_next gave */
    bool block;       /* else bytes that are not in memory answer -EAGAIN */
    size_t ahead;     /* how much to read when bytes are missing */
    uint8_t *buf;
    size_t cap;
    int64_t buf_pos;
    size_t buf_len;
};
/* buf: the caller's, at least RECBATCH_HEAD bytes. */
void scan_init(struct scan *s, struct file *f, int64_t pos, int64_t end, bool block, void *buf, size_t cap);
/* 1: rb holds the header of the batch at s->at. 0: the end. E_CORRUPT: what stands at s->pos can be no batch (it may be
 * cut off). Or the read's error. rb->payload is not set. */
int scan_next(struct scan *s, struct recbatch *rb);
/* Makes rb->payload whole, for the batch just given. E_TOO_LARGE: the buffer does not hold it. */
int scan_body(struct scan *s, struct recbatch *rb);
/* Compares the checksum of the batch just given: 0, E_CORRUPT or the read's error. */
int scan_check(struct scan *s, const struct recbatch *rb);

#endif
