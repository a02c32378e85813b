/* "Why is nothing coming out?" A query's plan with its counters and sources answers: rows are followed from the sources
 * up to the node that lets none of them pass. */
#include "sql/serve/session.h"

struct looking {
    const struct plan *plan;
    const struct job_status *st;
    struct arena *a;
    const struct plan_node *from; /* what has no rows for it, whoever is to write them */
};

static const struct node_stats *stats_of(const struct looking *l, const struct plan_node *n)
{
    static const struct node_stats none;
    return n->id < l->st->nnodes ? &l->st->nodes[n->id] : &none;
}

struct topic_sum {
    uint64_t rows, bad;
    int64_t read, news, end; /* records: taken in since it once began, there since then, ever there */
    bool again;              /* it began anew since, and its counters with it */
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
        sum.end += MAX(src->end, 0);
        sum.news += MAX(src->end - src->first, 0);
        sum.read += MAX(src->position - src->first, 0);
        sum.again |= src->start > src->first;
        if (src->decode_errors && !sum.first_bad)
            sum.first_bad = src;
    }
    return sum;
}

static const char *plural(int64_t n) { return n == 1 ? "" : "s"; }

static const char *why_source(struct looking *l, const struct plan_node *n)
{
    struct topic_sum t = sum_topic(l, n->topic_name);
    if (t.first_bad && t.rows == 0)
        return arena_printf(l->a, "none of %llu record%s of topic %s could be decoded; the first, partition %d offset %lld: %s",
                            (unsigned long long)t.bad, plural((int64_t)t.bad), n->topic_name,
                            (int)t.first_bad->partition, (long long)t.first_bad->first_error_offset,
                            t.first_bad->first_error);
    if (t.rows)
        return NULL;
    if (t.end == 0) {
        l->from = n;
        return arena_printf(l->a, "topic %s is empty", n->topic_name);
    }
    if (n->from_latest && !t.news) {
        l->from = n;
        return arena_printf(l->a,
                            "reading topic %s from latest, and nothing has been written since; "
                            "SET 'auto.offset.reset' = 'earliest' reads the %lld records from before",
                            n->topic_name, (long long)t.end);
    }
    if (n->from_ms && !t.news)
        return arena_printf(l->a, "topic %s holds no record of the time that 'auto.offset.reset' names, or later",
                            n->topic_name);
    if (t.read < t.news)
        return arena_printf(l->a, "still reading topic %s: %lld of %lld records", n->topic_name, (long long)t.read,
                            (long long)t.news);
    if (t.again)
        return arena_printf(l->a, "topic %s was read to its end before the job was last started, and its counters "
                            "begin there", n->topic_name);
    l->from = n;
    return arena_printf(l->a, "topic %s holds no rows, only deletes", n->topic_name);
}

static const char *why_scan(struct looking *l, const struct plan_node *n)
{
    if (uuid_is_zero(n->job) || stats_of(l, n)->rows_out)
        return NULL;
    l->from = n;
    if (n->lookup)
        return arena_printf(l->a, "table %s has no row with %s", n->relation, n->nkeys > 1 ? "these keys" : "this key");
    return arena_printf(l->a, "table %s is empty", n->relation);
}

static bool is_above(const struct plan_node *n, enum plan_kind kind)
{
    for (; n; n = n->ninputs ? n->inputs[0] : NULL)
        if (n->kind == kind)
            return true;
    return false;
}

/* The partition whose event time holds the others back; or all are idle, and the greatest of their times is what counts. */
static const char *why_not_closed(const struct looking *l)
{
    const struct job_source_status *slow = NULL;
    int64_t greatest = INT64_MIN;
    char time[TIMESTAMP_TEXT + 1] = "";
    for (unsigned i = 0; i < l->st->nsources; i++) {
        const struct job_source_status *src = &l->st->sources[i];
        greatest = MAX(greatest, src->watermark_ms);
        if (!src->idle && (!slow || src->watermark_ms < slow->watermark_ms))
            slow = src;
    }
    int64_t at = slow ? slow->watermark_ms : greatest;
    if (at == INT64_MIN && slow)
        return arena_printf(l->a, "no window has closed yet: partition %d of topic %s has brought no row, and holds event "
                            "time until it is idle (weir.source.idle.timeout.ms)",
                            (int)slow->partition, slow->topic);
    if (at == INT64_MIN)
        return "no window has closed yet: no input brings event time forward";
    time[timestamp_format(at, time)] = 0;
    if (!slow)
        return arena_printf(l->a, "no window has closed yet: event time stands at %s and all partitions are idle; "
                            "a record later than a window's end (and grace) closes it", time);
    return arena_printf(l->a, "no window has closed yet: event time stands at %s, held by partition %d of topic %s; "
                        "a record later than a window's end (and grace) closes it",
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
    return arena_printf(l->a, "none of %llu row%s found a row with an equal key on the other side of the join",
                        (unsigned long long)left, plural((int64_t)left));
}

/* Of a table a filter passes on that a row is not wanted: what remembers rows finds that there is none to take back. */
static const char *why_forgotten(const struct looking *l, const struct plan_node *n, uint64_t in)
{
    for (n = n->inputs[0]; n->kind == PLAN_PROJECT || n->kind == PLAN_EXCHANGE || n->kind == PLAN_NORMALIZE;)
        n = n->inputs[0];
    if (n->kind != PLAN_FILTER || n->mode != MODE_UPSERT)
        return NULL;
    return arena_printf(l->a, "WHERE let none of %llu row%s pass", (unsigned long long)in, plural((int64_t)in));
}

static const char *all_late(const struct looking *l, uint64_t in)
{
    return in == 1 ? "the one row is late: its window and grace had ended"
                   : arena_printf(l->a, "all %llu rows are late: their windows and grace had ended",
                                  (unsigned long long)in);
}

/* Rows come into n and none goes out. */
static const char *why_node(const struct looking *l, const struct plan_node *n, uint64_t in)
{
    const struct node_stats *s = stats_of(l, n);
    switch (n->kind) {
    case PLAN_FILTER:
        if (is_above(n->inputs[0], PLAN_AGGREGATE))
            return arena_printf(l->a, "HAVING lets none of the groups pass");
        return arena_printf(l->a, "WHERE let none of %llu row%s pass", (unsigned long long)in, plural((int64_t)in));
    case PLAN_WINDOW:
        return all_late(l, in);
    case PLAN_EXCHANGE:
        if (n->drop_null_key && s->errors)
            return "all rows have NULL in the key they are grouped or joined by, and are left out";
        return NULL;
    case PLAN_NORMALIZE:
    case PLAN_SINK_TOPIC:
    case PLAN_SINK_QUERY:
        return why_forgotten(l, n, in);
    case PLAN_AGGREGATE:
    case PLAN_SESSION:
        if (s->late >= in)
            return all_late(l, in);
        return n->emit_final ? why_not_closed(l) : NULL;
    case PLAN_JOIN_LOOKUP:
    case PLAN_JOIN_TABLE:
    case PLAN_JOIN_INTERVAL:
    case PLAN_JOIN_TEMPORAL:
        return why_join(l, n, stats_of(l, n->inputs[0])->rows_out, stats_of(l, n->inputs[1])->rows_out);
    default:
        return NULL;
    }
}

static const char *look(struct looking *l, const struct plan_node *n, unsigned depth)
{
    if (depth > PLAN_DEPTH)
        return NULL;
    if (n->kind == PLAN_SOURCE)
        return why_source(l, n);
    if (n->kind == PLAN_SCAN)
        return why_scan(l, n);
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

/* Rows of schema sys are what they are. */
static bool looks_at_sys(const struct plan_node *n)
{
    bool sys = n->kind == PLAN_SCAN && uuid_is_zero(n->job);
    for (unsigned i = 0; i < n->ninputs; i++)
        sys |= looks_at_sys(n->inputs[i]);
    return sys;
}

const char *why_silent(const struct plan *plan, const struct job_status *st, struct arena *a,
                       const struct plan_node **from)
{
    struct looking l = {.plan = plan, .st = st, .a = a};
    const char *why = st->why ? arena_strdup(a, st->why) : looks_at_sys(plan->sink) ? NULL : look(&l, plan->sink, 0);
    *from = l.from;
    return why;
}

/* ---- A job that has not written what a query looks for. */

/* Counters begin when a job starts, event time does not: windows that wait to close are told of first. */
static const char *why_job_runs(struct looking *l)
{
    for (const struct plan_node *n = l->plan->sink; n; n = n->ninputs ? n->inputs[0] : NULL)
        if (n->kind == PLAN_AGGREGATE && n->emit_final && stats_of(l, n)->state_rows && !stats_of(l, n)->rows_out)
            return why_not_closed(l);
    return look(l, l->plan->sink, 0);
}

/* What became of bad records: the first of them that is known, where they are, what to type. */
static const char *bad_records(const struct looking *l)
{
    const struct job_status *st = l->st;
    if (!st->bad_all)
        return "";
    const struct bad_note *first = st->nnotes ? &st->notes[st->nnotes - 1] : NULL;
    const char *place = !first ? ""
                        : first->offset < 0
                            ? ", the first: "
                            : arena_printf(l->a, ", the first at topic %s, partition %d, offset %lld: ", first->topic,
                                           (int)first->partition, (long long)first->offset);
    const char *went = st->bad_all == st->bad[BAD_LOST]        ? ""
                       : st->tolerance == TOLERATE_DEAD_LETTER ? arena_printf(l->a, "; they are in topic %s", st->dead_topic)
                                                             : "; its policy is to skip them";
    return arena_printf(l->a, "%llu bad record%s%s%s%s. SHOW ERRORS %s; lists them", (unsigned long long)st->bad_all,
                        plural((int64_t)st->bad_all), place, first ? first->text : "", went, st->name);
}

const char *why_job(const struct plan *plan, const struct job_status *st, bool letters, const char *hint, struct arena *a,
                    const struct plan_node **from)
{
    struct looking l = {.plan = plan, .st = st, .a = a};
    *from = NULL;
    switch (st->state) {
    case JOB_PAUSED:
        return arena_printf(a, "job %s, which fills it, is paused. RESUME %s; lets it go on", st->name, st->name);
    case JOB_FAILED:
        return arena_printf(a, "job %s, which fills it, has failed: %s%s%s", st->name,
                            st->why ? st->why : "it does not say why", hint ? ". " : "", hint ? hint : "");
    case JOB_STARTING:
    case JOB_RESTORING:
        return arena_printf(a, "job %s, which fills it, is %s%s%s. SHOW JOBS; tells how far it is", st->name,
                            st->state == JOB_STARTING ? "starting" : "being restored", st->why ? ": " : "",
                            st->why ? st->why : "");
    case JOB_RUNNING:
        break;
    }
    const char *bad = bad_records(&l), *why = why_job_runs(&l), *before = "";
    if (st->bad_all && !l.from && !st->rows_out && st->bad_all >= st->rows_in)
        why = NULL; /* they are all there was */
    if (letters && !*bad)
        before = arena_printf(a, "; bad records from before it was last started are in topic %s. PRINT %s FROM BEGINNING; "
                                 "shows them and what was wrong", st->dead_topic, st->dead_topic);
    if (!why && !*bad)
        why = st->lag        ? arena_printf(a, "%lld record%s are not committed yet", (long long)st->lag, plural(st->lag))
              : st->rows_out ? "what it wrote has been deleted again, or its retention is over"
                             : "no rows have come of what it has read so far";
    *from = l.from;
    return arena_printf(a, "job %s, which fills it, is running (%llu row%s read, %llu written): %s%s%s%s", st->name,
                        (unsigned long long)st->rows_in, plural((int64_t)st->rows_in), (unsigned long long)st->rows_out, bad, why && *bad ? "; " : "",
                        why ? why : "", before);
}

const char *why_lacks(const struct job_status *st, struct arena *a)
{
    const char *bad = "", *late = "";
    if (st->bad_all)
        bad = arena_printf(a, "%llu bad record%s (SHOW ERRORS %s; lists them)", (unsigned long long)st->bad_all,
                           plural((int64_t)st->bad_all), st->name);
    if (st->late_rows)
        late = arena_printf(a, "%llu late row%s", (unsigned long long)st->late_rows, plural((int64_t)st->late_rows));
    return *bad || *late ? arena_printf(a, "job %s has left out %s%s%s", st->name, bad, *bad && *late ? " and " : "", late)
                         : NULL;
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
    struct looking l = {.plan = plan, .st = st, .a = a};
    struct wbuf w;
    wbuf_init(&w);
    less_of_source(&l, plan->sink, &w);
    const char *values = errors_values(st, a);
    if (values)
        add_sentence(&w, arena_printf(a, "%s; the first: %s", values, st->first_row_error));
    const char *text = w.len ? arena_dup(a, wbuf_view(&w)).ptr : NULL;
    wbuf_fini(&w);
    return text;
}
