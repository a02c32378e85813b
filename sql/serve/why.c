/* "Why is nothing coming out?" A query's plan with its counters and sources answers: rows are followed from the sources
 * up to the node that lets none of them pass. */
#include "sql/serve/session.h"

struct looking {
    const struct plan *plan;
    const struct job_status *st;
    struct arena *a;
};

static const struct node_stats *stats_of(const struct looking *l, const struct plan_node *n)
{
    static const struct node_stats none;
    return n->id < l->st->nnodes ? &l->st->nodes[n->id] : &none;
}

struct topic_sum {
    uint64_t rows, bad;
    int64_t read, there; /* records */
    const struct job_source_status *first_bad;
};

static struct topic_sum sum_topic(const struct looking *l, const char *topic)
{
    struct topic_sum sum = {0};
    for (unsigned i = 0; i < l->st->nsources; i++) {
        const struct job_source_status *src = &l->st->sources[i];
        if (strcmp(src->topic, topic) != 0)
            continue;
        sum.rows += src->rows;
        sum.bad += src->decode_errors;
        sum.there += MAX(src->end, 0);
        sum.read += MAX(src->position - src->start, 0);
        if (src->decode_errors && !sum.first_bad)
            sum.first_bad = src;
    }
    return sum;
}

static const char *why_source(const struct looking *l, const struct plan_node *n)
{
    struct topic_sum t = sum_topic(l, n->topic_name);
    if (t.first_bad && t.rows == 0)
        return arena_printf(
            l->a, "none of %llu records of topic %s could be decoded; the first, partition %d offset %lld: %s",
            (unsigned long long)t.bad, n->topic_name, (int)t.first_bad->partition,
            (long long)t.first_bad->first_error_offset, t.first_bad->first_error);
    if (t.rows)
        return NULL;
    if (t.there == 0)
        return arena_printf(l->a, "topic %s is empty: nothing has been written to it", n->topic_name);
    if (n->from_latest)
        return arena_printf(l->a,
                            "reading topic %s from latest, and nothing has been written since; "
                            "SET 'auto.offset.reset' = 'earliest' reads the %lld records from before",
                            n->topic_name, (long long)t.there);
    if (t.read < t.there)
        return arena_printf(l->a, "still reading topic %s: %lld of %lld records", n->topic_name, (long long)t.read,
                            (long long)t.there);
    return arena_printf(l->a, "topic %s holds no rows, only deletes", n->topic_name);
}

static bool is_above(const struct plan_node *n, enum plan_kind kind)
{
    for (; n; n = n->ninputs ? n->inputs[0] : NULL)
        if (n->kind == kind)
            return true;
    return false;
}

/* The partition whose event time holds the others back. */
static const char *why_not_closed(const struct looking *l)
{
    const struct job_source_status *slow = NULL;
    char time[TIMESTAMP_TEXT + 1] = "";
    for (unsigned i = 0; i < l->st->nsources; i++) {
        const struct job_source_status *src = &l->st->sources[i];
        if (!src->idle && (!slow || src->watermark_ms < slow->watermark_ms))
            slow = src;
    }
    if (!slow)
        return "no window has closed yet: no input brings event time forward";
    if (slow->watermark_ms == INT64_MIN)
        return arena_printf(l->a, "no window has closed yet: partition %d of topic %s has brought no row",
                            (int)slow->partition, slow->topic);
    time[timestamp_format(slow->watermark_ms, time)] = 0;
    return arena_printf(l->a, "no window has closed yet: event time stands at %s, held by partition %d of topic %s",
                        time, (int)slow->partition, slow->topic);
}

static const char *why_join(const struct looking *l, const struct plan_node *n, uint64_t left, uint64_t right)
{
    const struct plan_node *empty = !right ? n->inputs[1] : !left ? n->inputs[0] : NULL;
    while (empty && empty->ninputs)
        empty = empty->inputs[0];
    if (empty)
        return arena_printf(l->a, "the join finds nothing: %s has no rows",
                            empty->relation ? empty->relation : "one side");
    return arena_printf(l->a, "none of %llu rows found a row with an equal key on the other side of the join",
                        (unsigned long long)left);
}

/* Rows come into n and none goes out. */
static const char *why_node(const struct looking *l, const struct plan_node *n, uint64_t in)
{
    const struct node_stats *s = stats_of(l, n);
    switch (n->kind) {
    case PLAN_FILTER:
        if (is_above(n->inputs[0], PLAN_AGGREGATE))
            return arena_printf(l->a, "HAVING lets none of the groups pass");
        return arena_printf(l->a, "WHERE dropped %llu of %llu rows", (unsigned long long)in, (unsigned long long)in);
    case PLAN_WINDOW:
        return arena_printf(l->a, "all %llu rows are late: their windows and grace had ended (%llu counted)",
                            (unsigned long long)in, (unsigned long long)s->late);
    case PLAN_EXCHANGE:
        if (n->drop_null_key && s->errors)
            return arena_printf(l->a, "%llu rows have NULL in the key they are grouped or joined by, and were dropped",
                                (unsigned long long)s->errors);
        return NULL;
    case PLAN_AGGREGATE:
        return n->emit_final ? why_not_closed(l) : NULL;
    case PLAN_JOIN_LOOKUP:
    case PLAN_JOIN_TABLE:
        return why_join(l, n, stats_of(l, n->inputs[0])->rows_out, stats_of(l, n->inputs[1])->rows_out);
    default:
        return NULL;
    }
}

static const char *look(const struct looking *l, const struct plan_node *n, unsigned depth)
{
    if (depth > PLAN_DEPTH)
        return NULL;
    if (n->kind == PLAN_SOURCE)
        return why_source(l, n);
    uint64_t in = 0;
    for (unsigned i = 0; i < n->ninputs; i++) {
        const char *why = look(l, n->inputs[i], depth + 1);
        /* What is missing below explains what is missing here; but of a join one side may be empty while the other's
         * state still says more. */
        if (why)
            return why;
        in += stats_of(l, n->inputs[i])->rows_out;
    }
    if (stats_of(l, n)->rows_out == 0 && in > 0)
        return why_node(l, n, in);
    return NULL;
}

const char *why_silent(const struct plan *plan, const struct job_status *st, struct arena *a)
{
    struct looking l = {plan, st, a};
    if (st->why)
        return st->why;
    return look(&l, plan->sink, 0);
}

/* ---- What is missing from an answer that has ended. */

static void add_sentence(struct wbuf *w, const char *text)
{
    if (w->len)
        wbuf_u8(w, '\n');
    wbuf_str(w, str_of(text));
}

static void less_of_source(const struct looking *l, const struct plan_node *n, struct wbuf *w)
{
    if (n->kind == PLAN_SOURCE) {
        struct topic_sum t = sum_topic(l, n->topic_name);
        if (t.first_bad)
            add_sentence(w, arena_printf(l->a, "%llu of %llu records of topic %s could not be decoded and were left out; "
                                         "the first, partition %d offset %lld: %s",
                                         (unsigned long long)t.bad, (unsigned long long)(t.bad + t.rows), n->topic_name,
                                         (int)t.first_bad->partition, (long long)t.first_bad->first_error_offset,
                                         t.first_bad->first_error));
    }
    for (unsigned i = 0; i < n->ninputs; i++)
        less_of_source(l, n->inputs[i], w);
}

const char *why_less(const struct plan *plan, const struct job_status *st, struct arena *a)
{
    struct looking l = {plan, st, a};
    struct wbuf w;
    wbuf_init(&w);
    less_of_source(&l, plan->sink, &w);
    if (st->row_errors)
        add_sentence(&w, arena_printf(a, "%llu values could not be computed and are NULL; the first: %s",
                                      (unsigned long long)st->row_errors, st->first_row_error));
    const char *text = w.len ? arena_dup(a, wbuf_view(&w)).ptr : NULL;
    wbuf_fini(&w);
    return text;
}
