/* Watches: who waits for the high watermark of a partition, or for its last stable offset.
 *
 * A watch travels as a message to the part's owner and stays in its list; firing sends it home. A cancellation travels
 * the same way and always comes back as a receipt: only then may the watch's memory be reused, because until then its
 * messages may be under way. Messages between two loops keep their order, so no other bookkeeping is needed. */
#include "log/store/partlog.h"
#include "log/store/shard.h"

/* phase, on w->loop only */
enum { CANCELING = 1, FIRED = 2, AT_HOME = 4 /* never left: the condition held at once */ };

static void watch_finish(struct watch *w)
{
    struct part *p = w->part;
    w->fired_cb(w, w->status); /* w may be gone after this */
    part_release(p);
}

static void watch_fired(struct msg *m)
{
    struct watch *w = container_of(m, struct watch, msg);
    w->phase |= FIRED;
    if (!(w->phase & CANCELING))
        watch_finish(w);
}

static void watch_canceled(struct msg *m)
{
    struct watch *w = container_of(m, struct watch, cancel);
    CHECK(w->phase & FIRED || w->status == E_CANCELED);
    watch_finish(w);
}

static void watch_send_home(struct watch *w, int status)
{
    list_remove(&w->link);
    w->status = status;
    w->msg.run_cb = watch_fired;
    loop_post(w->loop, &w->msg);
}

static bool view_holds(struct part *p, const struct watch *w)
{
    struct view *v = part_view(p);
    bool holds = v && (w->committed ? v->lso : v->high_watermark) > w->above;
    if (v)
        counted_release(&v->c);
    return holds;
}

void watches_fire(struct part *p)
{
    LIST_EACH_SAFE(l, &p->watches) {
        struct watch *w = container_of(l, struct watch, link);
        if ((w->committed ? p->lso : p->next_offset) > w->above)
            watch_send_home(w, 0);
    }
}

void watches_fire_all(struct part *p, int status)
{
    LIST_EACH_SAFE(l, &p->watches)
        watch_send_home(container_of(l, struct watch, link), status);
}

/* At the owner. */
static void watch_add(struct watch *w)
{
    struct part *p = w->part;
    list_add_tail(&p->watches, &w->link);
    part_need(p);
    if (sm_is(&p->sm, PART_DELETED))
        watch_send_home(w, E_NO_TOPIC);
    else if (view_holds(p, w))
        watch_send_home(w, 0);
    else if (sm_is(&p->sm, PART_FAILED))
        watch_send_home(w, E_STORAGE);
}

static void watch_arrive(struct msg *m) { watch_add(container_of(m, struct watch, msg)); }

void part_watch(struct part *p, struct watch *w)
{
    w->part = part_acquire(p);
    w->phase = 0;
    w->status = 0;
    list_init(&w->link);
    if (view_holds(p, w)) {
        w->phase = AT_HOME;
        w->msg.run_cb = watch_fired;
        loop_post(w->loop, &w->msg);
    } else if (w->loop == p->shard->loop) {
        watch_add(w);
    } else {
        w->msg.run_cb = watch_arrive;
        loop_post(p->shard->loop, &w->msg);
    }
}

static void watch_cancel(struct msg *m)
{
    struct watch *w = container_of(m, struct watch, cancel);
    if (!list_empty(&w->link)) {
        list_remove(&w->link);
        w->status = E_CANCELED;
    }
    w->cancel.run_cb = watch_canceled;
    loop_post(w->loop, &w->cancel);
}

void part_unwatch(struct watch *w)
{
    if (w->phase & (CANCELING | AT_HOME))
        return;
    w->phase |= CANCELING;
    w->cancel.run_cb = watch_cancel;
    loop_post(w->part->shard->loop, &w->cancel);
}
