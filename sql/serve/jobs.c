/* Jobs in words: columns of SHOW JOBS, and all of one job for DESCRIBE EXTENDED and EXPLAIN. */
#include <stdio.h>

#include "sql/serve/session.h"

static struct value number(int64_t v) { return (struct value){.type = TYPE(T_BIGINT), .i = v}; }

static struct value text(struct arena *a, const char *s)
{
    return (struct value){.type = TYPE(T_VARCHAR), .s = arena_dup(a, str_of(s))};
}

static const char *state_word(enum job_state state, char *out, size_t cap)
{
    snprintf(out, cap, "%s", job_state_name(state));
    for (char *p = out; *p; p++)
        *p = (char)(*p >= 'A' && *p <= 'Z' ? *p | 32 : *p);
    return out;
}

static const char *time_text(int64_t ms, char *out)
{
    out[timestamp_format(ms, out)] = 0;
    return out;
}

/* How much of what was there at its beginning a job has yet to take in; false: nothing. */
static bool backfill_text(const struct job_status *st, char *out, size_t cap)
{
    int64_t left = st->backfill - st->backfilled;
    if (left <= 0)
        return false;
    int n = snprintf(out, cap, "%d %%", (int)(100.0 * (double)st->backfilled / (double)st->backfill));
    if (st->rows_per_s >= 1)
        snprintf(out + n, cap - (size_t)n, ", %.0f s left", (double)left / st->rows_per_s + 0.5);
    return true;
}

bool job_cell(const struct job_status *st, const char *column, struct arena *a, struct value *out)
{
    char word[32], time[TIMESTAMP_TEXT + 1];
    uint64_t bad = st->row_errors + st->bad_all;
    const struct {
        const char *name;
        int64_t value;
    } numbers[] = {
        {"lag", st->lag},
        {"rows_per_s", (int64_t)(st->rows_per_s + 0.5)},
        {"rows_in", (int64_t)st->rows_in},
        {"rows_out", (int64_t)st->rows_out},
        {"late", (int64_t)st->late_rows},
        {"errors", (int64_t)bad},
        {"state_rows", (int64_t)st->state_rows},
        {"state_bytes", (int64_t)st->state_bytes},
    };
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (strcmp(column, numbers[i].name) == 0) {
            *out = numbers[i].value < 0 ? value_null(TYPE(T_BIGINT)) : number(numbers[i].value);
            return true;
        }
    if (strcmp(column, "state") == 0)
        *out = text(a, state_word(st->state, word, sizeof word));
    else if (strcmp(column, "backfill") == 0)
        *out = backfill_text(st, word, sizeof word) ? text(a, word) : value_null(TYPE(T_VARCHAR));
    else if (strcmp(column, "watermark") == 0)
        *out = st->watermark_ms == INT64_MIN ? value_null(TYPE(T_VARCHAR)) : text(a, time_text(st->watermark_ms, time));
    else if (strcmp(column, "why") == 0)
        *out = st->why ? text(a, st->why) : value_null(TYPE(T_VARCHAR));
    else
        return false;
    return true;
}

/* ---- One job. */
static const char *rows(uint64_t n) { return n == 1 ? "row" : "rows"; }

/* Event time is looked at where windows are, and known from the first row of a partition on. */
static bool knows_time(const struct job_status *st, const struct plan_node *n)
{
    bool timed = n && n->window_size_ms > 0;
    for (unsigned i = 0; n && i < n->ninputs; i++)
        timed |= knows_time(st, n->inputs[i]);
    for (unsigned i = 0; !n && i < st->nsources; i++)
        timed |= st->sources[i].watermark_ms != INT64_MIN;
    return timed;
}

/* The least of those partitions that are not idle counts; if all are, time stands where the latest of them was. */
static void put_time(const struct job_status *st, struct wbuf *out)
{
    const struct job_source_status *least = NULL;
    int64_t greatest = INT64_MIN;
    unsigned idle = 0;
    char time[TIMESTAMP_TEXT + 1];
    for (unsigned i = 0; i < st->nsources; i++) {
        const struct job_source_status *src = &st->sources[i];
        greatest = MAX(greatest, src->watermark_ms);
        idle += src->idle;
        if (!src->idle && (!least || src->watermark_ms < least->watermark_ms))
            least = src;
    }
    int64_t at = least ? least->watermark_ms : greatest;
    if (at != INT64_MIN)
        wbuf_printf(out, "event time %s", time_text(at, time));
    else if (least)
        wbuf_printf(out, "event time not known: %s[%d] has brought no row", least->topic, (int)least->partition);
    else
        wbuf_str(out, STR("event time not known: no row has come"));
    if (least && at != INT64_MIN && st->nsources > 1)
        wbuf_printf(out, ", the least, of %s[%d]", least->topic, (int)least->partition);
    if (idle && idle == st->nsources)
        wbuf_str(out, STR(", all idle"));
    else if (idle)
        wbuf_printf(out, ", %u idle and not counted", idle);
    wbuf_u8(out, '\n');
}

static void put_sources(const struct job_status *st, bool timed, struct wbuf *out)
{
    char time[TIMESTAMP_TEXT + 1];
    for (unsigned i = 0; i < st->nsources; i++) {
        const struct job_source_status *src = &st->sources[i];
        wbuf_printf(out, "  %s[%d]: offset %lld of %lld, %llu %s", src->topic, (int)src->partition,
                    (long long)MAX(src->committed, 0), (long long)MAX(src->end, 0), (unsigned long long)src->rows,
                    rows(src->rows));
        if (src->watermark_ms != INT64_MIN)
            wbuf_printf(out, ", event time %s", time_text(src->watermark_ms, time));
        if (timed && src->idle)
            wbuf_str(out, STR(", idle"));
        if (src->decode_errors)
            wbuf_printf(out, ", %llu not decoded (the first at offset %lld: %s)",
                        (unsigned long long)src->decode_errors, (long long)src->first_error_offset, src->first_error);
        if (src->lost)
            wbuf_printf(out, ", %lld lost: deleted before they were read", (long long)src->lost);
        wbuf_u8(out, '\n');
    }
}

/* How far the replay of its changelog is. */
static void put_restoring(const struct job_status *st, struct wbuf *out)
{
    wbuf_printf(out, " (%.0f %%", st->restored * 100);
    if (st->restore_records)
        wbuf_printf(out, ": %llu of %llu records", (unsigned long long)st->restored_records,
                    (unsigned long long)st->restore_records);
    if (st->restore_left_ms >= 0)
        wbuf_printf(out, ", %.0f s left", (double)st->restore_left_ms / 1000 + 0.5);
    wbuf_u8(out, ')');
}

void job_describe(const struct job_status *st, const struct plan *plan, bool show, const char *hint, int64_t now_ms,
                  struct wbuf *out)
{
    char word[32];
    struct arena a;
    wbuf_printf(out, "job %s: %s", st->name, state_word(st->state, word, sizeof word));
    if (st->state == JOB_RESTORING)
        put_restoring(st, out);
    if (st->why)
        wbuf_printf(out, ": %s", st->why);
    wbuf_u8(out, '\n');
    if (hint)
        wbuf_printf(out, "%s\n", hint);
    wbuf_printf(out, "%s; bad records: %s", st->at_least_once ? "at least once" : "exactly once", tolerance_names[st->tolerance]);
    if (st->tolerance == TOLERATE_DEAD_LETTER || st->late_letters)
        wbuf_printf(out, "%s, to topic %s", st->late_letters ? " (late rows too)" : "", st->dead_topic);
    wbuf_printf(out, "; CPU share %u\n", st->cpu_share);
    if (!st->nsources) /* it is not open */
        return;
    arena_init(&a);
    bool timed = knows_time(st, plan ? plan->sink : NULL);
    wbuf_printf(out, "lag %lld, %.0f rows/s, %llu %s in, %llu %s out", (long long)st->lag, st->rows_per_s,
                (unsigned long long)st->rows_in, rows(st->rows_in), (unsigned long long)st->rows_out, rows(st->rows_out));
    if (timed)
        wbuf_printf(out, ", %llu late", (unsigned long long)st->late_rows);
    wbuf_u8(out, '\n');
    if (timed)
        put_time(st, out);
    if (backfill_text(st, word, sizeof word))
        wbuf_printf(out, "backfill %lld of %lld records (%s)\n", (long long)st->backfilled, (long long)st->backfill,
                    word);
    wbuf_printf(out, "state %llu %s, %.1f MB; epoch %lld", (unsigned long long)st->state_rows,
                rows(st->state_rows), (double)st->state_bytes / 1e6, (long long)st->epoch);
    if (st->committed_ms > 0)
        wbuf_printf(out, ", committed %.1f s ago", (double)MAX(now_ms - st->committed_ms, 0) / 1000);
    wbuf_u8(out, '\n');
    wbuf_printf(out, "CPU %.1f s; memory %.1f MB", (double)st->busy_us / 1e6, (double)st->memory_bytes / 1e6);
    if (st->memory_share >= 0)
        wbuf_printf(out, ", share %.1f MB", (double)st->memory_share / 1e6);
    wbuf_u8(out, '\n');
    const char *words = errors_words(st, now_ms, &a);
    if (words)
        wbuf_printf(out, "%s\nthe last one: %s (SHOW ERRORS %s lists more)\n", words, st->notes[0].text, st->name);
    const char *values = errors_values(st, &a);
    if (values)
        wbuf_printf(out, "%s (the first: %s)\n", values, st->first_row_error);
    arena_fini(&a);
    if (st->null_keys)
        wbuf_printf(out, "%llu %s had NULL in the key for grouping or joining and %s left out\n",
                    (unsigned long long)st->null_keys, rows(st->null_keys), st->null_keys == 1 ? "was" : "were");
    wbuf_str(out, STR("sources\n"));
    put_sources(st, timed, out);
    if (plan && show) {
        wbuf_str(out, STR("plan\n"));
        plan_print(plan, plan->nnodes == st->nnodes ? st->nodes : NULL, out);
    }
}
