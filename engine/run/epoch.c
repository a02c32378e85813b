#include "engine/run/epoch.h"

static const struct sm_state phases[] = {
    /* idle -> aligning -> writing -> committing -> idle; idle -> over */
    [EPOCH_IDLE] = {"idle", TO(EPOCH_ALIGNING) | TO(EPOCH_OVER)},
    [EPOCH_ALIGNING] = {"aligning", TO(EPOCH_WRITING)},
    [EPOCH_WRITING] = {"writing", TO(EPOCH_COMMITTING)},
    [EPOCH_COMMITTING] = {"committing", TO(EPOCH_IDLE)},
    [EPOCH_OVER] = {"over", 0},
};

static void begin_count(struct epochs *e)
{
    memset(e->tasks, 0, e->ntasks * sizeof *e->tasks);
    e->ncut = e->ndone = 0;
    e->recorded = false;
}

void epochs_init(struct epochs *e, unsigned ntasks, uint8_t *tasks, int64_t min_us, int64_t max_us, int64_t committed)
{
    CHECK(ntasks > 0 && max_us >= min_us && min_us >= 0);
    *e = (struct epochs){
        .number = committed,
        .committed = committed,
        .min_us = min_us,
        .max_us = max_us,
        .interval_us = min_us,
        .opened_us = INT64_MIN / 2,
        .ntasks = ntasks,
        .tasks = tasks,
    };
    begin_count(e);
    sm_init(&e->sm, phases, "run.epoch", EPOCH_IDLE);
}

void epochs_check(const struct epochs *e)
{
    unsigned ncut = 0, ndone = 0;
    for (unsigned i = 0; i < e->ntasks; i++) {
        ncut += e->tasks[i] >= EPOCH_TASK_CUT;
        ndone += e->tasks[i] == EPOCH_TASK_DONE;
    }
    CHECK(ncut == e->ncut && ndone == e->ndone);
    bool resting = sm_is(&e->sm, EPOCH_IDLE) || sm_is(&e->sm, EPOCH_OVER);
    CHECK(resting ? e->number == e->committed : e->number > e->committed);
    CHECK(!sm_is(&e->sm, EPOCH_WRITING) || e->ncut == e->ntasks);
    CHECK(!sm_is(&e->sm, EPOCH_COMMITTING) || (e->ndone == e->ntasks && e->recorded));
    CHECK(e->interval_us >= e->min_us && e->interval_us <= e->max_us);
}

static int64_t between(int64_t v, int64_t min, int64_t max) { return MAX(min, MIN(v, max)); }

/* A job that rests between its epochs is as prompt as their cost allows. */
static int64_t due_us(const struct epochs *e)
{
    bool prompt = !e->busy || e->hurry;
    return e->opened_us + (prompt ? between(2 * e->cost_us, e->min_us, e->interval_us) : e->interval_us);
}

static void open_epoch(struct epochs *e, int64_t now_us, struct epoch_effects *fx)
{
    sm_move(&e->sm, EPOCH_ALIGNING);
    begin_count(e);
    e->number++;
    e->opened_us = now_us;
    e->rows = e->hurry = e->forced = e->busy = false;
    fx->open = true;
}

/* Nothing is in flight: open the next epoch, or say when. */
static void consider(struct epochs *e, int64_t now_us, struct epoch_effects *fx)
{
    if (!sm_is(&e->sm, EPOCH_IDLE))
        return;
    bool wanted = e->rows || e->forced;
    if (e->stopping && !wanted) {
        sm_move(&e->sm, EPOCH_OVER);
        fx->over = true;
    } else if (wanted && (e->stopping || now_us >= due_us(e))) {
        open_epoch(e, now_us, fx);
    } else if (wanted) {
        fx->timer_us = due_us(e);
    }
}

static void task_cut(struct epochs *e, unsigned task, struct epoch_effects *fx)
{
    CHECK(sm_is(&e->sm, EPOCH_ALIGNING));
    CHECK(task < e->ntasks && e->tasks[task] == 0);
    e->tasks[task] = EPOCH_TASK_CUT;
    if (++e->ncut < e->ntasks)
        return;
    sm_move(&e->sm, EPOCH_WRITING);
    fx->record = true;
}

static void task_done(struct epochs *e, unsigned task)
{
    CHECK(task < e->ntasks && e->tasks[task] == EPOCH_TASK_CUT);
    e->tasks[task] = EPOCH_TASK_DONE;
    e->ndone++;
}

static void maybe_commit(struct epochs *e, struct epoch_effects *fx)
{
    if (!sm_is(&e->sm, EPOCH_WRITING) || !e->recorded || e->ndone < e->ntasks)
        return;
    sm_move(&e->sm, EPOCH_COMMITTING);
    fx->commit = true;
}

static void ended(struct epochs *e, int64_t now_us, struct epoch_effects *fx)
{
    sm_move(&e->sm, EPOCH_IDLE);
    e->committed = e->number;
    begin_count(e);
    int64_t cost = MAX(0, now_us - e->opened_us);
    e->cost_us = e->cost_us ? (3 * e->cost_us + cost) / 4 : cost;
    e->interval_us = between(e->cost_us * EPOCH_SHARE, e->min_us, e->max_us);
    fx->committed = true;
}

struct epoch_effects epochs_step(struct epochs *e, const struct epoch_event *ev, int64_t now_us)
{
    struct epoch_effects fx = {.timer_us = -1};
    switch (ev->kind) {
    case EV_ROWS:
        e->rows = true;
        e->busy |= !sm_is(&e->sm, EPOCH_IDLE);
        break;
    case EV_HURRY:
        e->rows = e->hurry = true;
        break;
    case EV_FORCE:
        e->forced = true;
        break;
    case EV_TICK:
        break;
    case EV_CUT:
        CHECK(ev->epoch == e->number);
        task_cut(e, ev->task, &fx);
        break;
    case EV_DONE:
        CHECK(ev->epoch == e->number);
        task_done(e, ev->task);
        maybe_commit(e, &fx);
        break;
    case EV_RECORD:
        CHECK(sm_is(&e->sm, EPOCH_WRITING) && !e->recorded);
        e->recorded = true;
        maybe_commit(e, &fx);
        break;
    case EV_ENDED:
        CHECK(ev->epoch == e->number);
        ended(e, now_us, &fx);
        break;
    case EV_STOP:
        e->stopping = true;
        break;
    }
    consider(e, now_us, &fx);
    epochs_check(e);
    return fx;
}
