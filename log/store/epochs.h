/* Leader epochs of one partition and where each begins (KIP-101): an immutable, counted list, so that views share it.
 * Thread: any; a change makes a new list. File: log/store/README.md. */
#ifndef STORE_EPOCHS_H
#define STORE_EPOCHS_H
#include "log/base/buf.h"
#include "log/base/cell.h"

struct epoch_start {
    int32_t leader_epoch;
    int64_t offset;
};
struct epochs {
    struct counted c;
    uint32_t n;
    struct epoch_start e[]; /* both columns rise */
};
struct epochs *epochs_new(void); /* empty */
/* A new list: es and (leader_epoch, offset) after it. Later or equal epochs and starts give way. */
struct epochs *epochs_with(const struct epochs *es, int32_t leader_epoch, int64_t offset);
/* A new list of what lies in [log_start, end): epochs that end before log_start go, one that spans it begins there. */
struct epochs *epochs_cut(const struct epochs *es, int64_t log_start, int64_t end);
int32_t epochs_last(const struct epochs *es); /* -1: none */
/* The largest epoch <= asked and where it ends; (-1, -1) if asked is unknown (kafka.md 4.4.6). */
void epochs_end(const struct epochs *es, int32_t asked, int64_t log_end, int32_t *leader_epoch, int64_t *end);
void epochs_encode(const struct epochs *es, struct wbuf *out);
int epochs_decode(struct str bytes, struct epochs **out); /* E_CORRUPT */

#endif
