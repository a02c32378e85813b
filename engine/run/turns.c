#include "engine/run/task.h"

static void post_turn(struct turns *sh)
{
    if (sh->posted)
        return;
    sh->posted = true;
    loop_post(sh->loop, &sh->msg);
}

static void turns_run(struct msg *m)
{
    struct turns *sh = container_of(m, struct turns, msg);
    struct share *share;
    sh->posted = false;
    struct list *l = fair_next(&sh->fair, &share);
    if (!l)
        return;
    struct task *t = container_of(l, struct task, run_link);
    int64_t began = loop_fresh_us(sh->loop);
    bool more = task_turn(t);
    int64_t us = loop_fresh_us(sh->loop) - began;
    t->busy_us += (uint64_t)MAX(us, 0);
    fair_used(share, us);
    if (more)
        task_wake(t);
    if (!fair_idle(&sh->fair))
        post_turn(sh);
}

void turns_init(struct turns *sh, struct loop *loop, unsigned number)
{
    *sh = (struct turns){.loop = loop, .number = number};
    sh->msg.run_cb = turns_run;
    fair_init(&sh->fair);
}

void turns_ready(struct turns *sh, struct task *t)
{
    fair_ready(&sh->fair, t->share, &t->run_link);
    post_turn(sh);
}
