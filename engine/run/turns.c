#include "engine/run/task.h"

static void turns_run(struct msg *m)
{
    struct turns *sh = container_of(m, struct turns, msg);
    sh->posted = false;
    struct list *l = list_pop(&sh->ready);
    if (!l)
        return;
    struct task *t = container_of(l, struct task, run_link);
    if (task_turn(t))
        task_wake(t);
    if (!list_empty(&sh->ready))
        turns_wake(sh);
}

void turns_init(struct turns *sh, struct loop *loop)
{
    *sh = (struct turns){.loop = loop};
    sh->msg.run_cb = turns_run;
    list_init(&sh->ready);
}

void turns_wake(struct turns *sh)
{
    if (sh->posted)
        return;
    sh->posted = true;
    loop_post(sh->loop, &sh->msg);
}
