/* A whole image as a file, so that the metadata log can be cut below it. Blocking. Format: log/README.md, "Metadata
 * snapshot". */
#ifndef CLUSTER_SNAPSHOT_H
#define CLUSTER_SNAPSHOT_H
#include "log/cluster/image.h"

int snapshot_write(const struct image *im, struct disk *disk, const char *dir) MUST_USE;
/* Applies the snapshot to the draft. *version: the offset it stands for, 0 if there is no snapshot. */
int snapshot_read(struct draft *dr, int64_t *version, struct disk *disk, const char *dir, struct diag *d) MUST_USE;

#endif
