#include "engine/run/exchange.h"
#include "engine/run/task.h"
#include "log/base/limits.h"

void channel_init(struct channel *ch, struct task *from, struct task *to, unsigned inlet)
{
    *ch = (struct channel){.from = from, .to = to, .inlet = inlet, .max = from->channel_max};
    list_init(&ch->waiting);
    list_init(&ch->rest);
}

/* ---- parcels on their way */

static void parcel_arrive(struct msg *m)
{
    struct parcel *p = container_of(m, struct parcel, msg);
    task_receive(p->ch->to, p);
}

static void parcel_back(struct msg *m)
{
    struct parcel *p = container_of(m, struct parcel, msg);
    struct channel *ch = p->ch;
    struct task *t = ch->from;
    size_t bytes = p->bytes;
    bool was_full = ch->flying > ch->max;
    CHECK(ch->flying >= bytes && t->nsent > 0);
    ch->flying -= bytes;
    t->nsent--;
    if (t->nspare < ENGINE_SPARE_PARCELS && p->arena.used <= ENGINE_CHANNEL_BYTES) {
        list_add_tail(&t->spare, &p->link);
        t->nspare++;
    } else {
        arena_fini(&p->arena);
        xfree(p);
    }
    task_credit(t, ch, was_full);
}

void parcel_return(struct parcel *p)
{
    p->msg.run_cb = parcel_back;
    loop_post(p->ch->from->loop, &p->msg);
}

static struct parcel *parcel_new(struct task *t, enum parcel_kind kind)
{
    struct list *l = list_pop(&t->spare);
    struct parcel *p;
    if (l) {
        t->nspare--;
        p = container_of(l, struct parcel, link);
        arena_reset(&p->arena);
    } else {
        p = xzalloc(sizeof *p);
        arena_init(&p->arena);
        list_init(&p->link);
    }
    p->kind = kind;
    p->batch = NULL;
    p->step = false;
    p->watermark_ms = t->passed_ms;
    p->idle = watermarks_idle(&t->marks);
    return p;
}

static void parcel_post(struct task *t, struct channel *ch, struct parcel *p)
{
    bool was_full = ch->flying > ch->max;
    p->ch = ch;
    p->bytes = p->batch ? p->arena.used : 0;
    ch->flying += p->bytes;
    if (!was_full && ch->flying > ch->max)
        t->nfull++;
    t->nsent++;
    p->msg.run_cb = parcel_arrive;
    loop_post(ch->to->loop, &p->msg);
}

/* What waits in the channel goes first. */
static void parcel_send(struct task *t, struct channel *ch, struct parcel *p)
{
    if (ch->last) {
        ch->last->step = p->kind != PARCEL_BATCH;
        parcel_post(t, ch, ch->last);
        ch->last = NULL;
    }
    if (t->env.record && p->kind == PARCEL_BATCH)
        ch->last = p;
    else
        parcel_post(t, ch, p);
}

void exchange_step(struct task *t)
{
    for (unsigned o = 0; o < t->noutlets; o++) {
        struct parcel *last = t->outlets[o].last;
        t->outlets[o].last = NULL;
        if (!last)
            continue;
        last->step = true;
        parcel_post(t, &t->outlets[o], last);
    }
}

void exchange_fini(struct task *t)
{
    CHECK(t->nsent == 0);
    for (unsigned o = 0; o < t->noutlets; o++)
        if (t->outlets[o].last) {
            arena_fini(&t->outlets[o].last->arena);
            xfree(t->outlets[o].last);
        }
    for (struct list *l; (l = list_pop(&t->spare)) != NULL;) {
        struct parcel *p = container_of(l, struct parcel, link);
        arena_fini(&p->arena);
        xfree(p);
    }
    t->nspare = 0;
}

/* ---- rows */

static void send_rows(struct task *t, unsigned outlet, const struct batch *b, const uint32_t *rows, uint32_t n)
{
    struct parcel *p = parcel_new(t, PARCEL_BATCH);
    p->batch = batch_copy(b, NULL, 0, rows, n, &p->arena);
    parcel_send(t, &t->outlets[outlet], p);
}

static bool has_null(const struct batch *b, const struct plan_node *x, uint32_t row)
{
    for (unsigned i = 0; i < x->nexchange; i++)
        if (!vec_valid(&b->cols[x->exchange_cols[i]], row))
            return true;
    return false;
}

/* The rows that travel, in order; without NULL keys if the exchange drops these. */
static uint32_t pick_rows(const struct batch *b, const struct plan_node *x, uint32_t *rows)
{
    bool nulls = false;
    for (unsigned i = 0; x->drop_null_key && i < x->nexchange; i++)
        nulls |= b->cols[x->exchange_cols[i]].valid != NULL;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t row = batch_row(b, i);
        if (!nulls || !has_null(b, x, row))
            rows[n++] = row;
    }
    return n;
}

static uint32_t spread_rows(struct task *t, const struct plan_node *x, const struct batch *b)
{
    uint32_t *rows = arena_alloc(b->arena, (b->nsel + 1) * sizeof *rows);
    uint32_t n = pick_rows(b, x, rows), dropped = b->nsel - n;
    t->foreign[x->id].rows_in += b->nsel;
    t->foreign[x->id].rows_out += n;
    t->foreign[x->id].errors += dropped;
    if (n == 0)
        return dropped;
    if (t->noutlets == 1 || x->nexchange == 0) {
        send_rows(t, 0, b, rows, n);
        return dropped;
    }
    /* Partition by counting: owners, then how many each has, then the rows in their order. */
    struct batch picked = *b;
    picked.sel = rows;
    picked.nsel = n;
    uint64_t *hash = arena_alloc(b->arena, n * sizeof *hash);
    batch_hash(&picked, x->exchange_cols, x->nexchange, hash);
    uint32_t start[KEY_GROUPS + 1] = {0};
    uint32_t *sorted = arena_alloc(b->arena, n * sizeof *sorted);
    for (uint32_t i = 0; i < n; i++) {
        hash[i] = graph_owner(job_graph(t->job), hash[i]);
        start[hash[i] + 1]++;
    }
    for (unsigned o = 0; o < t->noutlets; o++)
        start[o + 1] += start[o];
    uint32_t at[KEY_GROUPS];
    memcpy(at, start, sizeof at);
    for (uint32_t i = 0; i < n; i++)
        sorted[at[hash[i]]++] = rows[i];
    for (unsigned o = 0; o < t->noutlets; o++)
        if (start[o + 1] > start[o])
            send_rows(t, o, b, sorted + start[o], start[o + 1] - start[o]);
    return dropped;
}

uint32_t exchange_rows(struct task *t, const struct plan_node *x, const struct batch *b)
{
    uint64_t *was = op_busy(&t->env, &t->foreign[x->id].busy_us);
    uint32_t dropped = spread_rows(t, x, b);
    op_busy(&t->env, was);
    return dropped;
}

static void send_to_all(struct task *t, enum parcel_kind kind, int64_t epoch)
{
    for (unsigned o = 0; o < t->noutlets; o++) {
        struct parcel *p = parcel_new(t, kind);
        p->epoch = epoch;
        parcel_send(t, &t->outlets[o], p);
    }
}

void exchange_watermark(struct task *t) { send_to_all(t, PARCEL_WATERMARK, 0); }

void exchange_marker(struct task *t, int64_t epoch) { send_to_all(t, PARCEL_MARKER, epoch); }
