/* Building images. An image shares unchanged topics and objects with the one before it; a draft is an image in the
 * making. Thread: a draft belongs to one thread; images are read on any. */
#ifndef CLUSTER_IMAGE_H
#define CLUSTER_IMAGE_H
#include "log/cluster/command.h"
#include "log/base/limits.h"

struct draft;

struct image *image_first(struct uuid cluster_id); /* empty; gives */
/* conf: defaults of topic configs; borrowed. */
struct draft *draft_new(struct image *base, const struct config *conf);
void draft_free(struct draft *dr);
/* Applies one record. On an error the draft is spoilt: free it. strict: checks what a live change must obey; a replay
 * believes what was written. */
int draft_apply(struct draft *dr, struct str record, bool strict, struct diag *d);
/* Makes the image; part handles that are missing are made with st (NULL: none, for tests). Frees the draft. */
struct image *draft_seal(struct draft *dr, int64_t version, struct store *st);
/* What the new image means for partitions: deletes and new settings. */
void image_effects(const struct image *old, const struct image *next);
/* All of it as records, one call each: a snapshot. */
void image_dump(const struct image *im, void (*record_cb)(void *arg, struct str record), void *arg);

#endif
