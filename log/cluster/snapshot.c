#include "log/cluster/snapshot.h"
#include "log/base/crc32c.h"
#include "log/base/fault.h"
#include "log/base/limits.h"
#include <stdio.h>

/* bytes 0-7 magic, 8-11 format (1), 12-15 CRC-32C of all that follows, 16-23 version; then records, each with its
 * length in 4 bytes before it. Numbers are big-endian. */
#define MAGIC "weirmeta"
enum { FORMAT = 1, HEAD = 24, CRC_FROM = 16 };

static void snapshot_path(char *out, size_t cap, const char *dir) { snprintf(out, cap, "%s/metadata.snapshot", dir); }

static void put_record(void *arg, struct str record)
{
    struct wbuf *w = arg;
    wbuf_be32(w, (uint32_t)record.len);
    wbuf_str(w, record);
}

int snapshot_write(const struct image *im, struct disk *disk, const char *dir)
{
    struct wbuf w;
    char path[4096];
    wbuf_init(&w);
    wbuf_put(&w, MAGIC, 8);
    wbuf_be32(&w, FORMAT);
    wbuf_be32(&w, 0);
    wbuf_be64(&w, (uint64_t)im->version);
    image_dump(im, put_record, &w);
    put_be32(w.data + 12, crc32c(0, w.data + CRC_FROM, w.len - CRC_FROM));
    snapshot_path(path, sizeof path, dir);
    int rc = disk_write_file(disk, path, w.data, w.len);
    wbuf_fini(&w);
    return rc;
}

static int read_records(struct draft *dr, struct rbuf *r, const char *path, struct diag *d)
{
    while (rbuf_left(r)) {
        struct str record = rbuf_bytes(r, rbuf_be32(r));
        if (r->err)
            return diag_set(d, E_CORRUPT, "%s ends in the middle of a record", path);
        int rc = draft_apply(dr, record, false, d);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int snapshot_read(struct draft *dr, int64_t *version, struct disk *disk, const char *dir, struct diag *d)
{
    char path[4096], *text;
    size_t len;
    *version = 0;
    snapshot_path(path, sizeof path, dir);
    if (!disk_exists(disk, path))
        return 0;
    int rc = disk_read_file(disk, path, CLUSTER_SNAPSHOT_BYTES, &text, &len);
    if (rc < 0)
        return diag_set(d, rc, "cannot read %s: %s", path, err_text(rc));
    struct rbuf r = rbuf_of(text, len);
    bool ours = len >= HEAD && memcmp(text, MAGIC, 8) == 0;
    (void)rbuf_take(&r, 8);
    uint32_t format = rbuf_be32(&r), crc = rbuf_be32(&r);
    *version = (int64_t)rbuf_be64(&r);
    if (ours && format > FORMAT)
        rc = diag_set(d, E_NEWER_FORMAT, "%s has format %u; this weir knows formats up to %d", path, format, FORMAT);
    else if (!ours || (crc != crc32c(0, text + CRC_FROM, len - CRC_FROM) && !BUG("metadata_damage_passed")))
        rc = diag_set(d, E_CORRUPT, "%s is damaged: its checksum does not fit", path);
    else
        rc = read_records(dr, &r, path, d);
    xfree(text);
    return rc;
}
