#include "engine/run/source.h"
#include "engine/run/letters.h"
#include "engine/run/job.h"
#include "engine/run/task.h"
#include "log/base/fault.h"
#include "log/base/limits.h"
#include "log/base/trace.h"
#include "log/wire/recbatch.h"
#include <stdio.h>

static bool keeps_time(const struct source *s)
{
    return job_graph(s->task->job)->timed && (!s->node->table || s->versions);
}

static void ready_cb(void *arg)
{
    struct source *s = arg;
    s->waiting = false;
    task_wake(s->task);
}

static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? INT64_MAX : INT64_MIN) : sum;
}

/* How long after its event time a record can keep something open. */
static int64_t horizon(const struct plan_node *n)
{
    int64_t most = 0;
    for (unsigned i = 0; i < n->ninputs; i++) {
        int64_t below = horizon(n->inputs[i]); /* MAX would walk the plan twice at each of its nodes */
        most = MAX(most, below);
    }
    int64_t delay = n->delay_ms == INT64_MAX ? 0 : n->delay_ms; /* a window that leaves it to the watermark */
    return plus(plus(plus(most, n->window_size_ms), plus(n->grace_ms, n->before_ms)), plus(n->after_ms, delay));
}

static int64_t next_tick_ms(const struct source *s)
{
    int64_t past = loop_wall_ms(s->task->loop) % s->tick_ms;
    return s->tick_ms - (past < 0 ? past + s->tick_ms : past);
}

/* Of a source that is timed by the clock: time has gone on, whether rows have come or not. It is told as long as what the last
 * row of the job can have opened may still be open. */
static void tick_cb(struct timer *timer)
{
    struct source *s = container_of(timer, struct source, idle_timer);
    struct proctime *clock = &s->task->job->clock;
    int64_t wall = loop_wall_ms(s->task->loop), rows = atomic_load(&clock->rows_ms);
    timer_start(&s->idle_timer, next_tick_ms(s));
    if (s->shut || rows == INT64_MIN || s->watermark_ms >= plus(rows, s->horizon_all))
        return;
    s->watermark_ms = proctime_now(clock, wall);
    task_source_watermark(s->task, s->mark, s->watermark_ms, false, true);
    task_rows(s->task);
}

/* Nothing has come for a while. If the stream says so, its event time goes on with the clock from here, so that windows close
 * without a record. */
static void idle_cb(struct timer *timer)
{
    struct source *s = container_of(timer, struct source, idle_timer);
    int64_t step = s->node->format.idle_ms;
    s->idle = true;
    if (step > 0 && s->watermark_ms != WATERMARK_NONE && s->horizon_ms > 0) {
        s->watermark_ms = plus(s->watermark_ms, step);
        s->horizon_ms -= step;
        timer_start(&s->idle_timer, step);
    }
    task_source_watermark(s->task, s->mark, s->watermark_ms, true, true);
    task_rows(s->task); /* the flag is part of what a restart finds */
}

/* How long a query that is to end waits for transactions that are open at its start. Those of jobs that have committed get their
 * markers a moment later, and whoever waited for such a job wants to see its rows; a client may keep one open for minutes. */
enum { SETTLE_MS = 1000 };

static void check_reached(struct source *s);

static void settle_cb(struct timer *timer)
{
    struct source *s = container_of(timer, struct source, settle_timer);
    s->stop_at = MAX(s->settled, MIN(s->stop_at, reader_end(s->reader)));
    check_reached(s);
    task_wake(s->task);
}

int source_find_start(struct source *s, const struct plan_node *node, struct part *part)
{
    struct view *v = part_view(part);
    int64_t at, ts;
    if (!v)
        return E_STORAGE;
    int err = view_find_time(v, node->from_ms, v->lso, &at, &ts);
    s->start = err || at < 0 ? v->lso : at;
    s->has_start = !err;
    counted_release(&v->c);
    return err;
}

static int64_t begin_of(const struct source *s, const struct view *v)
{
    if (job_source_known(s->task->job, s->node->store))
        return v->log_start;
    if (s->has_start)
        return MAX(s->start, v->log_start);
    return s->node->from_latest ? v->lso : v->log_start;
}

int source_open(struct source *s, struct task *t, const struct plan_node *node, struct part *part,
                const struct commit_source *pos, struct diag *d)
{
    s->task = t;
    s->node = node;
    s->part = part;
    s->partition = part_index(part);
    s->shut = true;
    s->stop_at = INT64_MAX;
    s->watermark_ms = pos ? pos->watermark_ms : WATERMARK_NONE;
    s->horizon_ms = s->horizon_all = plus(horizon(t->job->plan->sink), node->format.idle_ms);
    arena_init(&s->arena);
    s->rows_max = t->env.record ? 1 : ENGINE_BATCH_ROWS;
    timer_init(&s->idle_timer, t->loop, node->by_clock ? tick_cb : idle_cb);
    timer_init(&s->settle_timer, t->loop, settle_cb);
    s->tick_ms = proctime_tick_ms(t->job->plan->sink);
    if (node->by_clock)
        s->horizon_all = plus(s->horizon_all, s->tick_ms);
    if (node->by_clock && pos)
        proctime_restore(&t->job->clock, pos->watermark_ms);
    for (unsigned i = 0; i < node->nwants; i++)
        s->stamps |= node->wants[i].from == WANT_PROCTIME;
    /* Tables hold no time back where streams carry it, but those whose versions somebody waits for. */
    s->versions = plan_gives_versions(t->job->plan, node);
    s->idle = pos ? pos->idle : node->table && !s->versions && job_graph(t->job)->streams;
    struct view *v = part_view(part);
    if (!v)
        return diag_set(d, E_STORAGE, "partition %d of topic %s cannot be opened", s->partition, node->topic_name);
    s->offset = pos ? pos->offset : begin_of(s, v);
    if (BUG("source_not_rewound") && pos) /* KAFKA-17582 */
        s->offset = v->lso;
    s->began = s->offset;
    s->first = pos ? pos->first : s->offset;
    s->goal = pos ? pos->goal : job_source_known(t->job, node->store) ? s->offset : v->lso;
    if (node->until_end || node->table)
        s->stop_at = s->settled = v->lso;
    if (node->until_end && v->high_watermark > v->lso) {
        s->stop_at = v->high_watermark;
        timer_start(&s->settle_timer, SETTLE_MS);
    }
    counted_release(&v->c);
    int err = decoder_new(&s->decoder, &node->format, node->wants, node->nwants, node->table, d);
    if (err)
        return err;
    if (plan_verbatim(t->job->plan->sink) == node)
        decoder_keep_text(s->decoder);
    err = reader_open(&s->reader, part, t->loop, s->offset, READ_COMMITTED, ready_cb, s);
    return err ? diag_set(d, err, "topic %s cannot be read: %s", node->topic_name, err_text(err)) : 0;
}

void source_close(struct source *s)
{
    if (!s->task)
        return;
    timer_stop(&s->idle_timer);
    timer_stop(&s->settle_timer);
    if (s->reader)
        reader_close(s->reader);
    if (s->decoder)
        decoder_free(s->decoder);
    arena_fini(&s->arena);
    xfree(s->bad);
    s->bad = NULL;
    s->task = NULL;
}

bool source_ready(const struct source *s) { return !s->shut && !s->waiting && !(s->node->until_end && s->reached); }

void source_position(const struct source *s, struct commit_source *out)
{
    *out = (struct commit_source){s->node->store, s->partition, s->offset, s->watermark_ms, s->idle,
                                   s->first,       s->goal};
}

static void decode_error_cb(void *arg, const struct decode_error *e)
{
    struct source *s = arg;
    if (s->decode_errors++ == 0) {
        snprintf(s->first_error, sizeof s->first_error, "%s", e->text);
        s->first_error_offset = e->offset;
    }
    s->task->foreign[s->node->id].errors++;
    if (s->task->job->query)
        return;
    struct bad b = {.kind = e->kind, .stage = "SOURCE", .text = e->text, .topic = s->node->topic_name,
                    .partition = s->partition, .offset = e->offset, .ts_ms = -1, .key = STR_NULL, .value = e->bytes};
    if (e->rec) {
        VEC_PUSH(s->bad, s->nbad, s->bad_cap) = e->offset;
        bad_of_record(&b, e->rec);
    }
    task_bad(s->task, &b);
}

bool source_record(struct source *s, uint32_t row, struct wbuf *room, struct record *out)
{
    return decoder_find(s->decoder, s->piece, s->piece_from, row, s->bad, s->nbad, room, out);
}

static void check_reached(struct source *s)
{
    if (s->reached || s->offset < s->stop_at)
        return;
    s->reached = true;
    if (s->node->until_end && keeps_time(s)) /* nothing more is expected: all time is past */
        task_source_watermark(s->task, s->mark, s->watermark_ms = INT64_MAX, true, true);
    task_source_reached(s->task);
}

/* Records below the log's start are gone, by retention or because somebody deleted them: the job goes on with what is left, and
 * says so, unless its policy is to stop. That it has come further is committed as if rows had come. */
static bool skip_lost(struct source *s)
{
    int64_t start = reader_start(s->reader);
    char text[120];
    if (start <= s->offset)
        return false;
    trace(WARN, "run", "records_lost topic=%s part=%d from=%" PRId64 " to=%" PRId64, s->node->topic_name, s->partition,
          s->offset, start);
    snprintf(text, sizeof text, "offsets %" PRId64 " to %" PRId64 " were deleted before they were read", s->offset, start - 1);
    if (!s->task->job->query)
        task_bad(s->task, &(struct bad){.kind = BAD_LOST, .stage = "SOURCE", .text = text, .topic = s->node->topic_name,
                                        .partition = s->partition, .offset = s->offset, .ts_ms = -1, .key = STR_NULL,
                                        .value = STR_NULL, .lost = (uint64_t)(start - s->offset)});
    s->lost += start - s->offset;
    s->offset = start;
    reader_seek(s->reader, start);
    task_rows(s->task);
    return true;
}

static enum source_turn read_failed(struct source *s, int err)
{
    if (err == E_OFFSET_RANGE && skip_lost(s))
        return SOURCE_MORE;
    s->waiting = true;
    if (err == E_NO_TOPIC)
        task_fail(s->task, err, "topic %s, which it reads, was deleted", s->node->topic_name);
    else
        task_fail(s->task, err, "topic %s, partition %d, offset %" PRId64 " cannot be read: %s", s->node->topic_name,
                  s->partition, s->offset, err_text(err));
    return SOURCE_WAITS;
}

static enum source_turn nothing_there(struct source *s)
{
    s->waiting = true;
    int64_t idle_ms = s->node->format.idle_ms > 0 ? s->node->format.idle_ms : task_idle_timeout_ms(s->task);
    if (s->node->by_clock)
        idle_ms = next_tick_ms(s);
    if (keeps_time(s) && !s->idle && !timer_active(&s->idle_timer))
        timer_start(&s->idle_timer, idle_ms);
    return SOURCE_WAITS;
}

/* Whole record batches from the front of the chunk: one decoder call's worth, at least one. */
static struct str next_piece(const struct source *s)
{
    size_t at = 0;
    while (s->chunk.len - at >= RECBATCH_PREFIX) {
        size_t size = RECBATCH_PREFIX + be32(s->chunk.ptr + at + 8);
        if (size > s->chunk.len - at || (at && at + size > ENGINE_DECODE_BYTES))
            break;
        at += size;
    }
    return (struct str){s->chunk.ptr, at};
}

static void advance_time(struct source *s, const struct batch *b)
{
    int64_t max = s->watermark_ms;
    int64_t delay = s->node->by_clock ? 0 : s->node->format.delay_ms;
    for (uint32_t i = 0; i < b->nsel; i++)
        max = MAX(max, plus(b->ts[batch_row(b, i)], -delay));
    if (!s->node->by_clock && (s->idle || timer_active(&s->idle_timer)))
        timer_stop(&s->idle_timer);
    s->horizon_ms = s->horizon_all;
    if (max == s->watermark_ms && !s->idle)
        return;
    s->watermark_ms = max;
    s->idle = false;
    task_source_watermark(s->task, s->mark, max, false, false);
}

/* The moment at which these rows are read: here it is fixed once, as a column, and as their time if that is by the clock. */
static void stamp(struct source *s, struct batch *b)
{
    int64_t now = proctime_now(&s->task->job->clock, loop_wall_ms(s->task->loop));
    for (unsigned c = 0; c < s->node->nwants; c++)
        for (uint32_t i = 0; s->node->wants[c].from == WANT_PROCTIME && i < b->n; i++)
            b->cols[c].i64[i] = now;
    if (!s->node->by_clock)
        return;
    for (uint32_t i = 0; i < b->n; i++)
        b->ts[i] = now;
    proctime_rows(&s->task->job->clock, now);
}

static void give(struct source *s, struct batch *b)
{
    struct node_stats *stats = &s->task->foreign[s->node->id];
    s->rows += b->nsel;
    stats->rows_in += b->nsel;
    stats->rows_out += b->nsel;
    if (s->stamps || s->node->by_clock)
        stamp(s, b);
    s->task->giving = s;
    if (s->op)
        op_push(s->op, s->input, b);
    else
        task_exit(s->task, b);
    s->task->giving = NULL;
    if (keeps_time(s))
        advance_time(s, b);
}

enum source_turn source_turn(struct source *s)
{
    check_reached(s);
    if (!source_ready(s))
        return SOURCE_WAITS;
    if (s->chunk.len == 0) {
        int got = reader_next(s->reader, &s->chunk);
        if (got <= 0) {
            s->chunk = STR_NULL;
            return got ? read_failed(s, got) : nothing_there(s);
        }
        if (s->chunk.len == 0) { /* nothing of it counts: markers, aborted records; but the job has come past them */
            s->offset = MAX(s->offset, reader_offset(s->reader));
            task_rows(s->task);
            check_reached(s);
            return SOURCE_MORE;
        }
    }
    size_t used = 0;
    int64_t next = s->offset;
    struct str piece = next_piece(s);
    arena_reset(&s->arena);
    s->piece = piece;
    s->piece_from = s->offset;
    s->nbad = 0;
    decoder_limit(s->decoder, s->rows_max);
    uint64_t *was = op_busy(&s->task->env, &s->task->foreign[s->node->id].busy_us);
    struct batch *b =
        decoder_run(s->decoder, piece, s->offset, s->partition, &s->arena, &used, &next, decode_error_cb, s);
    op_busy(&s->task->env, was);
    if (used == 0 && next <= s->offset)
        return read_failed(s, E_CORRUPT);
    s->bytes += used;
    s->chunk.ptr += used;
    s->chunk.len -= used;
    s->offset = MAX(s->offset, next);
    if (s->chunk.len == 0) /* behind its last record there may be some that do not count */
        s->offset = MAX(s->offset, reader_offset(s->reader));
    task_rows(s->task);
    if (b && b->nsel)
        give(s, b);
    check_reached(s);
    return SOURCE_MORE;
}
