/* SHOW ERRORS: the bad records that jobs met lately, and how many there were of each kind. */
#include "sql/serve/session.h"

static struct value text(struct arena *a, const char *s)
{
    if (!*s)
        return value_null(TYPE(T_VARCHAR));
    return (struct value){.type = TYPE(T_VARCHAR), .s = arena_dup(a, str_of(s))};
}

static struct value number(int64_t n)
{
    struct value v = {.type = TYPE(T_BIGINT), .i = n, .null = n < 0};
    return v;
}

void errors_rows(const struct job_status *st, struct arena *a, unsigned max, struct row_table *t)
{
    static const char *const became[] = {"dead letter", "skipped", "stopped the job"};
    unsigned n = MIN(st->nnotes, max);
    struct value **rows = ARENA_ARRAY(a, struct value *, t->nrows + n + 1);
    for (unsigned i = 0; i < t->nrows; i++)
        rows[i] = t->rows[i];
    for (unsigned i = 0; i < n; i++) {
        const struct bad_note *e = &st->notes[i];
        char time[TIMESTAMP_TEXT + 1];
        struct value *row = rows[t->nrows++] = ARENA_ARRAY(a, struct value, t->schema.n);
        time[timestamp_format(e->at_ms, time)] = 0;
        const struct value cells[] = {text(a, st->name),    text(a, time),         text(a, bad_kind_name(e->kind)),
                                      text(a, e->topic),    number(e->partition),  number(e->offset),
                                      text(a, e->text),     text(a, e->value),     text(a, became[e->action])};
        memcpy(row, cells, sizeof cells);
    }
    t->rows = rows;
}

const char *errors_words(const struct job_status *st, int64_t now_ms, struct arena *a)
{
    struct wbuf w;
    if (!st->bad_all)
        return NULL;
    double s = (double)MAX(now_ms - st->began_ms, 1000) / 1000;
    wbuf_init(&w);
    wbuf_printf(&w, "job %s: %llu bad record%s since it began to run (%.3g a second):", st->name,
                (unsigned long long)st->bad_all, st->bad_all == 1 ? "" : "s", (double)st->bad_all / s);
    const char *comma = " ";
    for (unsigned k = 0; k < BAD_KINDS; k++)
        if (st->bad[k]) {
            wbuf_printf(&w, "%s%llu %s", comma, (unsigned long long)st->bad[k], bad_kind_name((enum bad_kind)k));
            comma = ", ";
        }
    if (st->tolerance == TOLERATE_DEAD_LETTER && st->bad_all > st->bad[BAD_LOST]) /* what was lost is nowhere */
        wbuf_printf(&w, "; they are in topic %s", st->dead_topic);
    else if (st->tolerance != TOLERATE_DEAD_LETTER)
        wbuf_printf(&w, "; policy: %s", tolerance_names[st->tolerance]);
    const char *words = arena_dup(a, wbuf_view(&w)).ptr;
    wbuf_fini(&w);
    return words;
}

const char *errors_values(const struct job_status *st, struct arena *a)
{
    if (!st->row_errors)
        return NULL;
    return st->row_errors == 1 ? "1 value could not be computed and is NULL"
                               : arena_printf(a, "%llu values could not be computed and are NULL",
                                              (unsigned long long)st->row_errors);
}
