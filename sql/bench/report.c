#include "sql/bench/report.h"
#include "engine/io/io.h"
#include <stdio.h>

void report_fini(struct report *r)
{
    for (unsigned i = 0; i < r->n; i++)
        samples_fini(&r->figures[i].samples);
    xfree(r->figures);
    *r = (struct report){0};
}

struct figure *report_add(struct report *r, const char *name, const char *unit, double value)
{
    unsigned i = 0;
    while (i < r->n && strcmp(r->figures[i].name, name) != 0)
        i++;
    if (i == r->n) {
        struct figure *f = &VEC_PUSH(r->figures, r->n, r->cap);
        *f = (struct figure){.unit = unit};
        snprintf(f->name, sizeof f->name, "%s", name);
    }
    samples_add(&r->figures[i].samples, value);
    return &r->figures[i];
}

void report_target(struct figure *f, double target, bool at_most)
{
    f->target = target;
    f->at_most = at_most;
}

bool figure_met(struct figure *f)
{
    double m = samples_median(&f->samples);
    return f->target == 0 || (f->at_most ? m <= f->target : m >= f->target);
}

/* Three significant places, or all digits before the point: what a median of five is worth. */
static const char *number(char *out, size_t cap, double v)
{
    double size = v < 0 ? -v : v;
    snprintf(out, cap, size >= 100 ? "%.0f" : size >= 10 ? "%.1f" : size >= 1 ? "%.2f" : "%.3f", v);
    return out;
}

static void put_target(struct figure *f, struct wbuf *out)
{
    char t[32];
    if (f->target != 0)
        wbuf_printf(out, "  %s %s %s", f->at_most ? "<=" : ">=", number(t, sizeof t, f->target),
                    figure_met(f) ? "yes" : "NO");
}

void report_text(struct report *r, struct wbuf *out)
{
    char min[32], mid[32], max[32];
    wbuf_printf(out, "%s\n%-52s %12s %12s %12s  %-8s %s\n", r->machine, "", "median", "min", "max", "unit", "target");
    for (unsigned i = 0; i < r->n; i++) {
        struct figure *f = &r->figures[i];
        wbuf_printf(out, "%-52s %12s %12s %12s  %-8s", f->name, number(mid, sizeof mid, samples_median(&f->samples)),
                    number(min, sizeof min, samples_rank(&f->samples, 0)),
                    number(max, sizeof max, samples_rank(&f->samples, 1)), f->unit);
        put_target(f, out);
        if (f->busy)
            wbuf_printf(out, "  (%u of %u runs beside other load)", f->busy, f->samples.n);
        wbuf_u8(out, '\n');
    }
}

void report_json(struct report *r, struct wbuf *out)
{
    wbuf_printf(out, "{\"machine\":");
    json_put_str(out, str_of(r->machine));
    wbuf_printf(out, ",\"figures\":[");
    for (unsigned i = 0; i < r->n; i++) {
        struct figure *f = &r->figures[i];
        wbuf_printf(out, "%s\n{\"name\":", i ? "," : "");
        json_put_str(out, str_of(f->name));
        wbuf_printf(out, ",\"unit\":");
        json_put_str(out, str_of(f->unit));
        wbuf_printf(out, ",\"median\":%.9g,\"min\":%.9g,\"max\":%.9g,\"runs\":%u,\"busy_runs\":%u",
                    samples_median(&f->samples), samples_rank(&f->samples, 0), samples_rank(&f->samples, 1),
                    f->samples.n, f->busy);
        if (f->target != 0)
            wbuf_printf(out, ",\"target\":%.9g,\"at_most\":%s,\"met\":%s", f->target, f->at_most ? "true" : "false",
                        figure_met(f) ? "true" : "false");
        wbuf_u8(out, '}');
    }
    wbuf_printf(out, "]}\n");
}
