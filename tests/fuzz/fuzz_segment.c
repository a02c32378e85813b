/* A data folder whose files hold arbitrary bytes: it opens or says why not, and reading it ends. Byte 0 chooses which
 * file of a sound folder is replaced, or has a piece overwritten, by the rest; checksums are put right on demand, for a
 * fuzzer does not guess them. */
#include "log/base/crc32c.h"
#include "log/base/trace.h"
#include "tests/unit/log/store/world.h"
#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const files[] = {
    "topics/%s/0/00000000000000000000.log",   "topics/%s/0/00000000000000000000.index",
    "topics/%s/0/00000000000000000000.producers", "topics/%s/0/epochs",
    "wal/0.wal", "checkpoint", "meta.properties", "wal/0.points", "topics/%s/0/00000000000000000000.txn",
};
/* Where a file's checksum stands and what it covers up to the end of the file; 0, 0: none. */
static const struct {
    size_t at, from;
} sums[] = {{0, 0}, {4, 8}, {4, 8}, {4, 8}, {4, 8}, {4, 8}, {0, 0}, {4, 8}, {0, 0}};

static struct world world;
#define W (&world)

static void folder_make(void)
{
    world_init(W, 1);
    CHECK(world_open(W, 1) == 0);
    struct part *p = world_part(W, 0, 0);
    part_lead(p, 3);
    for (int16_t i = 0; i < 6; i++) {
        struct spec data = {.n = 1, .pid = 6, .epoch = i, .txn = true, .flags = APPEND_VERIFIED};
        struct spec end = {.n = 1, .pid = 6, .epoch = i, .marker = i % 3 ? ABORT : COMMIT, .flags = APPEND_MARKER};
        CHECK(world_append(W, p, &data, NULL) == 0);
        CHECK(world_append(W, p, &end, NULL) == 0);
    }
    CHECK(world_append(W, p, &(struct spec){.n = 1, .pid = 7, .txn = true, .flags = APPEND_VERIFIED}, NULL) == 0);
    for (int i = 0; i < 12; i++)
        CHECK(world_append(W, p, &(struct spec){.n = 2, .bytes = 100, .pid = 5, .seq = 2 * i, .ts = i}, NULL) == 0);
    part_release(p);
}

static void sum_fix(uint8_t *p, size_t n, unsigned file)
{
    size_t from = sums[file].from;
    /* An index's checksum covers its head alone. */
    size_t to = file == 1 ? MIN(n, (size_t)64) : n;
    if (from && to > from)
        put_be32(p + sums[file].at, crc32c(0, p + from, to - from));
}

static void file_spoil(const uint8_t *data, size_t size)
{
    unsigned file = data[0] % ARRAY_LEN(files);
    bool piece = data[0] & 0x40, fix = data[0] & 0x80;
    size_t at = (size_t)data[1] | (size_t)data[2] << 8;
    data += 3;
    size -= 3;
    char id[UUID_TEXT], name[100], path[200], *old = NULL;
    uuid_format(world_topic(0), id);
    snprintf(name, sizeof name, files[file], id);
    snprintf(path, sizeof path, "/data/%s", name);
    size_t len = 0;
    if (piece && disk_read_file(W->disk, path, 1 << 20, &old, &len))
        len = 0;
    size_t n = piece ? MAX(len, at + size) : size;
    uint8_t *bytes = xzalloc(n + 1);
    if (len)
        memcpy(bytes, old, len);
    memcpy(bytes + (piece ? at : 0), data, size);
    if (fix)
        sum_fix(bytes, n, file);
    int ignored = disk_write_file(W->disk, path, bytes, n);
    (void)ignored;
    xfree(bytes);
    xfree(old);
}

static void read_aborted(const struct view *v)
{
    struct arena a;
    struct aborted *list;
    uint32_t n;
    arena_init(&a);
    CHECK(v->log_start <= v->lso && v->lso <= v->high_watermark);
    if (view_aborted(v, v->log_start, v->lso, true, &a, &list, &n) == 0)
        CHECK(n <= 1000);
    arena_fini(&a);
}

static void read_all(struct part *p)
{
    struct view *v = world_view(W, p);
    if (!v)
        return;
    int64_t offset = v->log_start;
    for (int rounds = 0; rounds < 1000 && offset < v->high_watermark; rounds++) {
        struct slice s;
        uint8_t bytes[4096];
        if (view_read(v, offset, INT64_MAX, 1000, true, true, &s) || s.len == 0)
            break;
        struct recbatch rb;
        int64_t got = slice_read(&s, 0, bytes, MIN(s.len, (uint32_t)sizeof bytes), true);
        if (got > 0 && recbatch_peek(&rb, (struct str){(char *)bytes, (size_t)got}) == 0)
            offset = MAX(recbatch_last_offset(&rb), offset) + 1;
        else
            offset += 1;
        slice_release(&s);
    }
    read_aborted(v);
    int64_t found, ts;
    int32_t epoch;
    int ignored = view_find_time(v, 5, INT64_MAX, &found, &ts);
    ignored = view_find_max_time(v, INT64_MAX, &found, &ts);
    (void)ignored;
    view_epoch_end(v, 2, &epoch, &found);
    counted_release(&v->c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 4)
        return 0;
    trace_level = ERROR;
    folder_make();
    if (data[0] & 0x20)
        world_close(W);
    else
        world_crash(W, SIMDISK_KILL);
    file_spoil(data, size);
    if (world_open(W, 1) == 0) {
        struct part *p = world_part(W, 0, 0);
        read_all(p);
        int ignored = world_append(W, p, &(struct spec){.n = 1}, NULL);
        (void)ignored;
        read_all(p);
        part_release(p);
        world_close(W);
    }
    world_fini(W);
    return 0;
}

/* A node that crashed leaves its memory to the operating system. */
const char *__asan_default_options(void);
const char *__asan_default_options(void) { return "detect_leaks=0"; }
