#include "sql/bench/bench.h"
#include "log/base/disk.h"
#include "sql/bench/child.h"
#include "sql/bench/kinds.h"
#include "sql/bench/machine.h"
#include <stdio.h>

#define X(name, doc) {#name, doc},
static const struct bench_kind kinds[] = {BENCH_KINDS(X)};
#undef X
#define X(name, doc) bench_##name,
static int (*const runs[])(struct bench *b) = {BENCH_KINDS(X)};
#undef X

const struct bench_kind *bench_kinds(unsigned *n)
{
    *n = ARRAY_LEN(kinds);
    return kinds;
}

static int find(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return (int)i;
    return -1;
}

static int run_kind(int kind, const struct bench_conf *bc, struct report *r, struct diag *d)
{
    char scratch[512];
    int rc = scratch_make(scratch, sizeof scratch, bc->folder, d);
    if (rc < 0)
        return rc;
    if (!bc->json)
        fprintf(stderr, "%s ...\n", kinds[kind].name);
    struct bench b = {.bc = bc, .report = r, .scratch = scratch, .diag = d};
    rc = runs[kind](&b);
    int removed = disk_remove_tree(disk_real(), scratch);
    return rc == 0 && removed < 0 ? diag_set(d, removed, "cannot remove %s: %s", scratch, err_text(removed)) : rc;
}

int bench_run(const struct bench_conf *bc, const char *const *names, unsigned n, struct diag *d)
{
    struct report r = {0};
    struct wbuf out;
    int rc = 0;
    for (unsigned i = 0; i < n; i++)
        if (find(names[i]) < 0)
            return diag_set(d, E_NOT_FOUND, "nothing called \"%s\" can be measured", names[i]);
    machine_line(r.machine, sizeof r.machine);
    if (n == 0)
        for (size_t i = 0; i < ARRAY_LEN(kinds) && rc == 0; i++)
            rc = run_kind((int)i, bc, &r, d);
    for (unsigned i = 0; i < n && rc == 0; i++)
        rc = run_kind(find(names[i]), bc, &r, d);
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
