#include "engine/run/epoch.h"

static const struct sm_state phases[] = {
    /* idle -> aligning -> committing -> idle; idle -> over */
    [EPOCH_IDLE] = {"idle", TO(EPOCH_ALIGNING) | TO(EPOCH_OVER)},
    [EPOCH_ALIGNING] = {"aligning", TO(EPOCH_COMMITTING)},
    [EPOCH_COMMITTING] = {"committing", TO(EPOCH_IDLE)},
    [EPOCH_OVER] = {"over", 0},
};

void epochs_init(struct epochs *e, unsigned ntasks, bool *done, int64_t interval_us, int64_t spacing_us,
                 int64_t committed)
{
    CHECK(ntasks > 0 && interval_us >= spacing_us && spacing_us >= 0);
    *e = (struct epochs){
        .number = committed,
        .committed = committed,
        .interval_us = interval_us,
        .spacing_us = spacing_us,
        .opened_us = INT64_MIN / 2,
        .ntasks = ntasks,
        .done = done,
    };
    memset(done, 0, ntasks * sizeof *done);
    sm_init(&e->sm, phases, "run.epoch", EPOCH_IDLE);
}

void epochs_check(const struct epochs *e)
{
    unsigned n = 0;
    for (unsigned i = 0; i < e->ntasks; i++)
        n += e->done[i];
    CHECK(n == e->ndone);
    bool flying = sm_is(&e->sm, EPOCH_ALIGNING) || sm_is(&e->sm, EPOCH_COMMITTING);
    CHECK(flying ? e->number > e->committed : e->number == e->committed);
    CHECK(!sm_is(&e->sm, EPOCH_COMMITTING) || e->ndone == e->ntasks);
}

static int64_t due_us(const struct epochs *e)
{
    return e->opened_us + (e->busy && !e->hurry ? e->interval_us : e->spacing_us);
}

static void open_epoch(struct epochs *e, int64_t now_us, struct epoch_effects *fx)
{
    sm_move(&e->sm, EPOCH_ALIGNING);
    memset(e->done, 0, e->ntasks * sizeof *e->done);
    e->ndone = 0;
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

static void task_done(struct epochs *e, const struct epoch_event *ev, struct epoch_effects *fx)
{
    CHECK(sm_is(&e->sm, EPOCH_ALIGNING));
    CHECK(ev->epoch == e->number);
    CHECK(ev->task < e->ntasks && !e->done[ev->task]);
    e->done[ev->task] = true;
    if (++e->ndone == e->ntasks) {
        sm_move(&e->sm, EPOCH_COMMITTING);
        fx->write = true;
    }
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
    case EV_DONE:
        task_done(e, ev, &fx);
        break;
    case EV_DURABLE:
        CHECK(ev->epoch == e->number);
        sm_move(&e->sm, EPOCH_IDLE);
        e->committed = e->number;
        memset(e->done, 0, e->ntasks * sizeof *e->done);
        e->ndone = 0;
        fx.committed = true;
        break;
    case EV_STOP:
        e->stopping = true;
        break;
    }
    consider(e, now_us, &fx);
    epochs_check(e);
    return fx;
}
