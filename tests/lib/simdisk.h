/* The seeded second implementation of the disk seam: files and folders in memory, which remember what of them a
 * completed sync has covered. A crash keeps of the rest what the seed says: of every unsynced write nothing, all, or
 * some of its 512-byte sectors; of unsynced names each folder's first few. Calls may come from any thread.
 *
 * Stricter than most file systems on purpose: syncing a file does not make its name durable, syncing a folder covers
 * only the folders its entries moved between, and after a failed sync the lost bytes stay lost though the next
 * succeeds. */
#ifndef TESTS_SIMDISK_H
#define TESTS_SIMDISK_H
#include "log/base/disk.h"

struct simdisk;
struct simdisk *simdisk_new(uint64_t seed);
void simdisk_free(struct simdisk *sd); /* with all files still open; they must not be used any more */
struct disk *simdisk_disk(struct simdisk *sd);

/* The process that used the disk ends: locks are gone, and open files answer -EIO until they are closed. */
enum simdisk_end {
    SIMDISK_KILL,   /* the machine stays up: nothing is lost, nothing becomes durable */
    SIMDISK_CRASH,  /* the machine stops: what was not synced is kept, torn or lost by the seed */
    SIMDISK_LOSE,   /* the machine stops: all that was not synced is lost */
};
void simdisk_crash(struct simdisk *sd, enum simdisk_end how);

/* Faults. A failing write may have written a part; a failing sync leaves each write it should cover durable or not. */
enum simdisk_fault { SIMDISK_EIO_READ, SIMDISK_EIO_WRITE, SIMDISK_EIO_SYNC, SIMDISK_FAULTS };
void simdisk_set_fault(struct simdisk *sd, enum simdisk_fault kind, double probability);
/* The nth call of the kind from now on fails, once; 0 takes it back. */
void simdisk_fail_nth(struct simdisk *sd, enum simdisk_fault kind, unsigned nth);
/* Bytes that all files together may have before writes answer -ENOSPC; < 0: no limit. A removed file's bytes come back
 * when its removal is synced. */
void simdisk_set_capacity(struct simdisk *sd, int64_t bytes);
/* Bit rot: inverts one bit of a synced byte. -ENOENT, or -EINVAL past the end. */
int simdisk_flip(struct simdisk *sd, const char *path, int64_t pos, unsigned bit) MUST_USE;

struct simdisk_counts {
    int64_t reads, writes, syncs, dir_syncs;
};
struct simdisk_counts simdisk_counts(struct simdisk *sd);

#endif
