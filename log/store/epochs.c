#include "log/store/epochs.h"
#include "log/base/alloc.h"
#include "log/base/crc32c.h"
#include "log/base/err.h"
#include "log/base/fault.h"

enum { MAGIC = 0x57455031 /* "WEP1" */ };

static void epochs_free(struct counted *c) { xfree(container_of(c, struct epochs, c)); }

static struct epochs *epochs_sized(uint32_t n)
{
    struct epochs *es = xalloc(sizeof *es + n * sizeof es->e[0]);
    counted_init(&es->c, epochs_free);
    es->n = 0;
    return es;
}

struct epochs *epochs_new(void) { return epochs_sized(0); }

struct epochs *epochs_with(const struct epochs *es, int32_t leader_epoch, int64_t offset)
{
    struct epochs *out = epochs_sized(es->n + 1);
    for (uint32_t i = 0; i < es->n; i++)
        if (es->e[i].leader_epoch < leader_epoch && es->e[i].offset < offset)
            out->e[out->n++] = es->e[i];
    out->e[out->n++] = (struct epoch_start){leader_epoch, offset};
    return out;
}

struct epochs *epochs_cut(const struct epochs *es, int64_t log_start, int64_t end)
{
    struct epochs *out = epochs_sized(es->n);
    for (uint32_t i = 0; i < es->n; i++) {
        bool over = i + 1 < es->n && es->e[i + 1].offset <= log_start;
        if (over || es->e[i].offset >= end)
            continue;
        out->e[out->n++] = (struct epoch_start){es->e[i].leader_epoch, MAX(es->e[i].offset, log_start)};
    }
    return out;
}

int32_t epochs_last(const struct epochs *es) { return es->n ? es->e[es->n - 1].leader_epoch : -1; }

void epochs_end(const struct epochs *es, int32_t asked, int64_t log_end, int32_t *leader_epoch, int64_t *end)
{
    *leader_epoch = -1;
    *end = -1;
    if (asked < 0 || es->n == 0 || asked > epochs_last(es))
        return;
    uint32_t above = 0;
    while (above < es->n && es->e[above].leader_epoch <= asked)
        above++;
    /* Older than all that is known: the epoch asked for ends where the first known one begins. */
    *leader_epoch = above ? es->e[above - 1].leader_epoch : asked;
    *end = above < es->n ? es->e[above].offset : log_end;
}

void epochs_encode(const struct epochs *es, struct wbuf *out)
{
    size_t at = out->len;
    wbuf_be32(out, MAGIC);
    wbuf_be32(out, 0); /* checksum of what follows */
    for (uint32_t i = 0; i < es->n; i++) {
        wbuf_be32(out, (uint32_t)es->e[i].leader_epoch);
        wbuf_be64(out, (uint64_t)es->e[i].offset);
    }
    put_be32(out->data + at + 4, crc32c(0, out->data + at + 8, out->len - at - 8));
}

int epochs_decode(struct str bytes, struct epochs **out)
{
    struct rbuf r = rbuf_of(bytes.ptr, bytes.len);
    uint32_t magic = rbuf_be32(&r), crc = rbuf_be32(&r);
    bool whole = crc == crc32c(0, r.ptr, rbuf_left(&r)) || BUG("epochs_damage_trusted"); /* KAFKA-16541 */
    if (r.err || magic != MAGIC || !whole || rbuf_left(&r) % 12 != 0)
        return E_CORRUPT;
    struct epochs *es = epochs_sized((uint32_t)(rbuf_left(&r) / 12));
    struct epoch_start before = {-1, -1};
    while (rbuf_left(&r) > 0) {
        struct epoch_start e = {(int32_t)rbuf_be32(&r), 0};
        e.offset = (int64_t)rbuf_be64(&r);
        if (e.leader_epoch <= before.leader_epoch || e.offset <= before.offset) {
            counted_release(&es->c);
            return E_CORRUPT;
        }
        es->e[es->n++] = before = e;
    }
    *out = es;
    return 0;
}
