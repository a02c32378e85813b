/* The machine's own speed, beside which the other figures are to be read: the same binary, the same flags, plain
 * loops. */
#include "log/base/alloc.h"
#include "log/base/clock.h"
#include "log/base/crc32c.h"
#include "log/base/disk.h"
#include "sql/bench/kinds.h"
#include "sql/bench/lap.h"
#include <stdio.h>

enum { PIECE = 1 << 20, COPY_BYTES = 64 << 20, CRC_ROUNDS = 512, SYNCS = 400 };

struct calibrate {
    struct bench *b;
    uint8_t *from, *to;
    char path[600];
    int64_t file_bytes;
    volatile uint32_t crc; /* read by nobody, but it must be computed */
};

static double gb(double bytes, double s) { return s > 0 ? bytes / s / 1e9 : 0; }

static void copy(struct calibrate *c)
{
    for (struct laps l = laps_of(c->b->bc, 0); laps_next(&l);) {
        lap_start(&l);
        for (int i = 0; i < 8; i++) {
            memcpy(c->to, c->from, COPY_BYTES);
            __asm__ volatile("" : : "r"(c->to) : "memory");
        }
        lap_stop(&l);
        if (laps_keep(&l))
            laps_add(&l, c->b->report, "calibration: memory copy, 64 MiB", "GB/s", gb(8.0 * COPY_BYTES, l.wall_s));
    }
}

static void crc(struct calibrate *c)
{
    for (struct laps l = laps_of(c->b->bc, 0); laps_next(&l);) {
        lap_start(&l);
        for (int i = 0; i < CRC_ROUNDS; i++)
            c->crc = crc32c(c->crc, c->from, PIECE);
        lap_stop(&l);
        if (laps_keep(&l))
            laps_add(&l, c->b->report, "calibration: CRC32C, 1 MiB", "GB/s", gb((double)CRC_ROUNDS * PIECE, l.wall_s));
    }
}

static int fill(struct calibrate *c, struct file *f)
{
    int rc = 0;
    for (int64_t pos = 0; pos < c->file_bytes && rc == 0; pos += PIECE)
        rc = file_write(f, pos, c->from, PIECE);
    return rc;
}

/* Cold: a new file, whose pages must be found. Warm: the same bytes over again, as into a recycled segment. */
static int append(struct calibrate *c)
{
    int rc = 0;
    for (struct laps l = laps_of(c->b->bc, 0); rc == 0 && laps_next(&l);) {
        struct file *f = NULL;
        rc = disk_open(disk_real(), c->path, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &f);
        if (rc < 0)
            break;
        struct laps warm = l;
        lap_start(&l);
        rc = fill(c, f);
        lap_stop(&l);
        lap_start(&warm);
        rc = rc < 0 ? rc : fill(c, f);
        lap_stop(&warm);
        file_close(f);
        int gone = disk_unlink(disk_real(), c->path); /* so that the next cold run is cold */
        rc = rc < 0 ? rc : gone;
        if (!laps_keep(&l))
            continue;
        laps_add(&l, c->b->report, "calibration: append 1 MiB pieces, cold", "GB/s", gb((double)c->file_bytes, l.wall_s));
        laps_add(&l, c->b->report, "calibration: append, cold: CPU", "s/GB", l.cpu_s * 1e9 / (double)c->file_bytes);
        laps_add(&warm, c->b->report, "calibration: append 1 MiB pieces, warm", "GB/s",
                 gb((double)c->file_bytes, warm.wall_s));
    }
    return rc;
}

static int write_and_sync(struct calibrate *c, size_t piece, const char *name)
{
    struct file *f;
    int rc = disk_open(disk_real(), c->path, FILE_WRITE | FILE_CREATE | FILE_TRUNC, &f);
    if (rc < 0)
        return rc;
    int64_t pos = 0;
    for (struct laps l = laps_of(c->b->bc, 0); rc == 0 && laps_next(&l);) {
        struct samples each = {0};
        lap_start(&l);
        for (int i = 0; i < SYNCS && rc == 0; i++) {
            int64_t from = clock_mono_us();
            rc = file_write(f, pos, c->from, piece);
            rc = rc < 0 ? rc : file_sync(f);
            pos += (int64_t)piece;
            samples_add(&each, (double)(clock_mono_us() - from));
        }
        lap_stop(&l);
        if (rc == 0 && laps_keep(&l))
            laps_add(&l, c->b->report, name, "us", samples_median(&each));
        samples_fini(&each);
    }
    file_close(f);
    int gone = disk_unlink(disk_real(), c->path);
    return rc < 0 ? rc : gone;
}

int bench_calibrate(struct bench *b)
{
    struct calibrate c = {.b = b, .file_bytes = (int64_t)b->bc->percent * 512 / 100 * PIECE};
    c.file_bytes = MAX(c.file_bytes, PIECE);
    c.from = xalloc(COPY_BYTES);
    c.to = xalloc(COPY_BYTES);
    memset(c.from, 'w', COPY_BYTES); /* touched before they are timed */
    memset(c.to, 0, COPY_BYTES);
    snprintf(c.path, sizeof c.path, "%s/file", b->scratch);
    copy(&c);
    crc(&c);
    int rc = append(&c);
    if (rc == 0)
        rc = write_and_sync(&c, 4096, "calibration: append 4 KiB + fdatasync");
    if (rc == 0)
        rc = write_and_sync(&c, 65536, "calibration: append 64 KiB + fdatasync");
    xfree(c.from);
    xfree(c.to);
    return rc < 0 ? diag_set(b->diag, rc, "cannot write to %s: %s", c.path, err_text(rc)) : 0;
}
