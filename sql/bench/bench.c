#include "sql/bench/bench.h"
#include "log/base/disk.h"
#include "sql/bench/child.h"
#include "sql/bench/kinds.h"
#include "sql/bench/machine.h"
#include <stdio.h>

#define X(name, all, doc) {#name, all, doc},
static const struct bench_kind kinds[] = {BENCH_KINDS(X)};
#undef X
#define X(name, all, doc) bench_##name,
static int (*const runs[])(struct bench *b) = {BENCH_KINDS(X)};
#undef X

const struct bench_kind *bench_kinds(unsigned *n)
{
    *n = ARRAY_LEN(kinds);
    return kinds;
}

/* part: what stands behind a slash, or NULL. */
static int find(const char *name, const char **part)
{
    size_t n = strcspn(name, "/");
    *part = name[n] ? name + n + 1 : NULL;
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strlen(kinds[i].name) == n && memcmp(kinds[i].name, name, n) == 0)
            return (int)i;
    return -1;
}

static int run_kind(int kind, const char *part, const struct bench_conf *bc, struct report *r, struct diag *d)
{
    char scratch[512];
    int rc = scratch_make(scratch, sizeof scratch, bc->folder, d);
    if (rc < 0)
        return rc;
    if (!bc->json)
        fprintf(stderr, "%s ...\n", kinds[kind].name);
    struct bench b = {.bc = bc, .report = r, .scratch = scratch, .part = part, .diag = d};
    rc = runs[kind](&b);
    int removed = disk_remove_tree(disk_real(), scratch);
    return rc == 0 && removed < 0 ? diag_set(d, removed, "cannot remove %s: %s", scratch, err_text(removed)) : rc;
}

int bench_run(const struct bench_conf *bc, const char *const *names, unsigned n, struct diag *d)
{
    struct report r = {0};
    struct wbuf out;
    const char *part;
    int rc = 0;
    for (unsigned i = 0; i < n; i++)
        if (find(names[i], &part) < 0)
            return diag_set(d, E_NOT_FOUND, "nothing called \"%s\" can be measured", names[i]);
    machine_line(r.machine, sizeof r.machine);
    if (n == 0)
        for (size_t i = 0; i < ARRAY_LEN(kinds) && rc == 0; i++)
            rc = kinds[i].in_all ? run_kind((int)i, NULL, bc, &r, d) : 0;
    for (unsigned i = 0; i < n && rc == 0; i++) {
        int kind = find(names[i], &part);
        rc = run_kind(kind, part, bc, &r, d);
    }
    wbuf_init(&out);
    if (bc->json)
        report_json(&r, &out);
    else
        report_text(&r, &out);
    fwrite(out.data, 1, out.len, stdout);
    fflush(stdout);
    wbuf_fini(&out);
    report_fini(&r);
    return rc;
}
