#include "engine/run/press.h"
#include "engine/run/job.h"
#include "engine/run/task.h"
#include "log/base/limits.h"

static int64_t memory_used(const struct task *t) { return atomic_load_explicit(&t->memory.used, memory_order_relaxed); }

/* ---- waiting for checkpoints */

static void unpress(struct task *t)
{
    if (!t->press.pressed)
        return;
    t->press.pressed = false;
    timer_stop(&t->press.timer);
    atomic_fetch_sub(&t->job->pressed, 1);
    task_wake(t);
}

/* What is in memory now stays there, whatever comes: it cannot be waited for. */
static void settle(struct task *t)
{
    t->press.floor = memory_used(t);
    unpress(t);
}

/* A checkpoint that makes room needs a commit first, and each may take its time; but not for ever. */
static void press_cb(struct timer *timer)
{
    struct task *t = container_of(timer, struct task, press.timer);
    if (t->press.pressed_for++ > PRESSED_MAX_MS / PRESSED_MS) {
        settle(t);
        return;
    }
    job_hurry(t->job);
    timer_start(&t->press.timer, PRESSED_MS);
    task_wake(t);
}

/* Nothing more can be dropped: sources wait until checkpoints have what is dirty and memory is within its share again.
 */
static void press(struct task *t)
{
    if (t->press.pressed)
        return;
    t->press.pressed = true;
    t->press.pressed_for = 0;
    timer_start(&t->press.timer, PRESSED_MS);
    atomic_fetch_add(&t->job->pressed, 1);
    job_hurry(t->job);
}

void press_checkpointed(struct task *t)
{
    t->press.sweeps = 0;
    t->press.pressed_for = 0;
    task_wake(t);
}

/* ---- dropping state */

/* Is there state that can be dropped? */
static bool keeps_state(const struct task *t)
{
    bool keeps = false;
    for (unsigned i = 0; t->cold && i < t->frag->nops; i++)
        keeps |= plan_node_keeps(t->frag->ops[i]) && t->ops[i]->cls->evict;
    return keeps;
}

/* Is there state that the next checkpoints will allow to drop? */
static bool keeps_dirty(const struct task *t) { return t->fed || (int64_t)t->clock.clean < t->changed; }

/* Memory beyond which sources have to wait: a quarter on top of the share, or of what is above it for good. So there is
 * no checkpoint for less. */
static bool outgrown(const struct task *t, int64_t from) { return memory_used(t) > from + MAX(from / 4, PRESS_BYTES); }

/* All that could be dropped has been, and it is not enough. False: more has come since. */
static bool judge(struct task *t)
{
    if (outgrown(t, t->press.left)) {
        t->press.sweeps = 0;
        return false;
    }
    if (!keeps_dirty(t))
        settle(t);
    else if (outgrown(t, t->press.floor))
        press(t);
    return true;
}

/* A piece of dropping state. Three sweeps in a row drop all that can be. False: there is nothing more to drop now. */
static bool drop_some(struct task *t)
{
    struct press *p = &t->press;
    if (p->sweeps > 2)
        return !judge(t);
    p->evicting %= t->frag->nops;
    struct op *op = t->ops[p->evicting];
    if (op->cls->evict && !op->cls->evict(op, EVICT_STEPS))
        return true;
    if (++p->evicting < t->frag->nops)
        return true;
    p->sweeps++;
    p->left = memory_used(t);
    return true;
}

/* Drops state if memory is full. True: there is more to drop. */
static bool shrink(struct task *t, int64_t until)
{
    bool more = false;
    for (unsigned i = 0; i < t->frag->nops; i++)
        if (t->ops[i]->cls->tidy)
            t->ops[i]->cls->tidy(t->ops[i], EVICT_STEPS);
    if (!t->frag->nops)
        return false;
    do {
        if (!engine_memory_over(t->job, &t->memory)) {
            t->press.sweeps = 0;
            settle(t);
            return false;
        }
        more = drop_some(t);
    } while (more && loop_fresh_us(t->loop) < until);
    return more;
}

/* ---- bounding epochs */

/* An epoch's changes are in memory three times: as state, in the writers, and while they are folded into the
 * checkpoint. None of it can be dropped before its commit. So when they take their part of the memory the epoch shall
 * end. */
static void bound_epoch(struct task *t)
{
    struct press *p = &t->press;
    int64_t max = engine_epoch_bytes(t->job);
    if (LIKELY((int64_t)p->fresh < max / 2))
        return;
    if (!p->hurried)
        job_hurry(t->job);
    p->hurried = true;
    if (!p->full && (int64_t)p->fresh >= max) {
        p->full = true;
        atomic_fetch_add(&t->job->full, 1);
    }
}

bool press_relieve(struct task *t, int64_t until)
{
    bound_epoch(t);
    return shrink(t, until);
}

void press_marked(struct task *t)
{
    t->press.fresh = 0;
    t->press.hurried = false;
    if (t->press.full)
        atomic_fetch_sub(&t->job->full, 1);
    t->press.full = false;
}

/* ---- sources that wait */

static void wait_cb(struct timer *timer) { task_wake(container_of(timer, struct task, press.wait_timer)); }

bool press_waits(struct task *t)
{
    struct press *p = &t->press;
    if (!atomic_load_explicit(&t->job->pressed, memory_order_relaxed) &&
        !atomic_load_explicit(&t->job->full, memory_order_relaxed)) {
        p->wait_ms = 0;
        return false;
    }
    if (!timer_active(&p->wait_timer)) {
        p->wait_ms = MIN(MAX(2 * p->wait_ms, PRESSED_WAIT_MS), PRESSED_WAIT_MAX_MS);
        timer_start(&p->wait_timer, p->wait_ms);
    }
    return true;
}

void press_committed(struct task *t)
{
    timer_stop(&t->press.wait_timer);
    t->press.wait_ms = 0;
    task_wake(t);
}

/* ---- its life */

void press_init(struct task *t)
{
    timer_init(&t->press.timer, t->loop, press_cb);
    timer_init(&t->press.wait_timer, t->loop, wait_cb);
}

void press_start(struct task *t)
{
    t->press.fresh = 0; /* what was restored is no epoch's */
    if (keeps_state(t))
        engine_state_counts(t->job, 1);
}

void press_stop(struct task *t)
{
    unpress(t);
    press_marked(t);
    timer_stop(&t->press.wait_timer);
    if (keeps_state(t))
        engine_state_counts(t->job, -1);
}
