#include "engine/run/fair.h"
#include "log/base/limits.h"

/* A turn costs its loop something besides, and a clock may stand still. */
enum { FAIR_TURN_MIN_US = 20 };

void fair_init(struct fair *f)
{
    list_init(&f->fresh);
    list_init(&f->busy);
}

void share_init(struct share *s)
{
    *s = (struct share){.quantum_us = ENGINE_TURN_US};
    list_init(&s->link);
    list_init(&s->ready);
}

void share_weigh(struct share *s, unsigned weight)
{
    CHECK(weight >= 1 && weight <= ENGINE_SHARE_MAX);
    s->quantum_us = (int64_t)ENGINE_TURN_US * weight / ENGINE_SHARE;
}

static bool is_listed(const struct share *s) { return !list_empty(&s->link); }

void fair_ready(struct fair *f, struct share *s, struct list *task)
{
    list_add_tail(&s->ready, task);
    if (is_listed(s))
        return;
    s->credit_us = MIN(s->quantum_us, (int64_t)ENGINE_TURN_US); /* a head start is one turn, however great the share */
    list_add_tail(&f->fresh, &s->link);
}

static struct share *first(struct fair *f)
{
    struct list *from = list_empty(&f->fresh) ? &f->busy : &f->fresh;
    return list_empty(from) ? NULL : container_of(from->next, struct share, link);
}

/* Each step takes a share out of fresh, out of busy, or gives it credit; debts are as long as the longest turn, some thousand
 * steps where that was long and the share small. */
struct list *fair_next(struct fair *f, struct share **out)
{
    for (struct share *s; (s = first(f)) != NULL;) {
        bool fresh = !list_empty(&f->fresh);
        if (s->credit_us > 0 && !list_empty(&s->ready)) {
            *out = s;
            return list_pop(&s->ready);
        }
        list_remove(&s->link);
        if (s->credit_us <= 0)
            s->credit_us += s->quantum_us;
        else if (!fresh) /* a round has passed without work */
            continue;
        list_add_tail(&f->busy, &s->link);
    }
    return NULL;
}

void fair_used(struct share *s, int64_t us)
{
    s->used_us += (uint64_t)MAX(us, 0);
    s->credit_us -= MAX(us, FAIR_TURN_MIN_US);
}

void fair_forget(struct share *s, struct list *task)
{
    list_remove(task);
    if (list_empty(&s->ready))
        list_remove(&s->link);
}

uint32_t fair_rows(uint32_t rows, int64_t us)
{
    if (us > ENGINE_BATCH_US)
        return MAX(rows / 2, (uint32_t)ENGINE_BATCH_ROWS_MIN);
    return us < ENGINE_BATCH_US / 2 ? MIN(rows * 2, (uint32_t)ENGINE_BATCH_ROWS) : rows;
}

bool fair_idle(const struct fair *f) { return list_empty(&f->fresh) && list_empty(&f->busy); }
