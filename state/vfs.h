/* SQLite's view of a disk. Private to state. */
#ifndef STATE_VFS_H
#define STATE_VFS_H
#include "log/base/disk.h"

struct vfs;
/* One for each open checkpoint: it remembers that checkpoint's disk and last error. */
int vfs_new(struct vfs **out, struct disk *disk) MUST_USE;
void vfs_free(struct vfs *v); /* after the database is closed */
const char *vfs_name(const struct vfs *v);
void vfs_eager(struct vfs *v); /* what is written sets out for the device soon: the sync at the end has less to wait for */
int vfs_error(const struct vfs *v); /* the last error of the disk, or E_CORRUPT for a page that fails its checksum; 0: none */
void vfs_error_clear(struct vfs *v);
int vfs_sync_parent(struct disk *disk, const char *path); /* of the name's folder */

/* Every page of the database and of its rollback journal ends in so many bytes of checksum, which SQLite leaves
 * alone. */
enum { VFS_PAGE = 4096, VFS_RESERVED = 8 };

#endif
