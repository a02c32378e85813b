/* The home loop keeps the adds that wait: those of later transactions until theirs is open, those of the open one until
 * the request that is under way has been answered; then all of them go in the next. */
#include "log/client/txn.h"
#include "log/base/fault.h"
#include "log/base/map.h"
#include "log/coord/coord.h"
#include "log/wire/wire.h"

enum txn_asks { ASK_NOTHING, ASK_INIT, ASK_ADD, ASK_END };

struct txn {
    struct broker *b;
    struct loop *home;
    char id[64];
    int32_t timeout_ms;
    struct part *always;
    int64_t producer_id;
    int16_t epoch;
    int64_t number;        /* of the open transaction, or of the last one */
    bool open, canceled;
    struct map parts;      /* of the open transaction: address of struct part -> itself */
    struct list waiting;   /* txn_add: not yet asked for */
    struct list asked;     /* txn_add: in the request under way */
    bool turn_posted, closing;
    struct msg turn;       /* at the end of this turn the adds that came in it go out */
    enum txn_asks asks;    /* what the request under way is */
    struct coord_call call;
    struct arena arena;    /* of the request */
    struct part **added;   /* by part of the request */
    bool end_wanted, end_commit;
    void (*done_cb)(void *arg, int status); /* of init or end */
    void *arg;
};

static void go_on(struct txn *t);

/* Kafka's word for it as this program's. */
static int status_of(int16_t error)
{
    switch ((enum kafka_error)error) {
    case K_NONE:
        return 0;
    case K_INVALID_PRODUCER_EPOCH:
    case K_PRODUCER_FENCED:
    case K_INVALID_PRODUCER_ID_MAPPING:
    case K_INVALID_TXN_STATE:
        return E_PRODUCER_EPOCH;
    case K_UNKNOWN_TOPIC:
        return E_NO_TOPIC;
    case K_STORAGE:
        return E_STORAGE;
    default:
        return E_COORDINATOR;
    }
}

static struct str part_key(struct part *const *p) { return (struct str){(const char *)p, sizeof(struct part *)}; }

static void txn_free(struct txn *t)
{
    map_fini(&t->parts);
    arena_fini(&t->arena);
    xfree(t);
}

static void turn_cb(struct msg *m)
{
    struct txn *t = container_of(m, struct txn, turn);
    t->turn_posted = false;
    if (t->closing)
        txn_free(t);
    else
        go_on(t);
}

static void soon(struct txn *t)
{
    if (t->turn_posted)
        return;
    t->turn_posted = true;
    loop_post(t->home, &t->turn);
}

struct txn *txn_open(struct broker *b, const char *id, int32_t timeout_ms, struct loop *home)
{
    struct txn *t = xzalloc(sizeof *t);
    t->b = b;
    t->home = home;
    t->timeout_ms = timeout_ms;
    t->producer_id = -1;
    CHECK(strlen(id) < sizeof t->id);
    strcpy(t->id, id);
    map_init(&t->parts);
    list_init(&t->waiting);
    list_init(&t->asked);
    arena_init(&t->arena);
    t->turn.run_cb = turn_cb;
    return t;
}

void txn_close(struct txn *t)
{
    if (!t)
        return;
    CHECK(t->asks == ASK_NOTHING && list_empty(&t->waiting) && list_empty(&t->asked));
    t->closing = true;
    if (!t->turn_posted)
        txn_free(t);
}

/* ---- adds */

static void answered_cb(struct msg *m)
{
    struct txn_add *a = container_of(m, struct txn_add, msg);
    a->done_cb(a);
}

static void answer(struct txn_add *a, int status)
{
    a->status = status;
    a->producer_id = a->txn->producer_id;
    a->epoch = a->txn->epoch;
    a->msg.run_cb = answered_cb;
    loop_post(a->loop, &a->msg);
}

static void arrived_cb(struct msg *m)
{
    struct txn_add *a = container_of(m, struct txn_add, msg);
    list_add_tail(&a->txn->waiting, &a->link);
    soon(a->txn);
}

void txn_add(struct txn *t, struct txn_add *a)
{
    a->txn = t;
    a->msg.run_cb = arrived_cb;
    loop_post(t->home, &a->msg);
}

static void request(struct txn *t, enum txn_asks what, void (*done_cb)(struct coord_call *call))
{
    t->asks = what;
    t->call = (struct coord_call){
        .from = t->home,
        .done_cb = done_cb,
        .flags = COORD_WAIT | COORD_V2,
        .txn_id = str_of(t->id),
        .producer_id = t->producer_id,
        .epoch = t->epoch,
        .timeout_ms = t->timeout_ms,
        .commit = t->end_commit,
    };
}

static void added_cb(struct coord_call *call)
{
    struct txn *t = container_of(call, struct txn, call);
    int status = status_of(call->error);
    FAULT("epoch.parts_added");
    for (unsigned i = 0; !status && i < call->nparts; i++)
        status = status_of(call->parts[i].error);
    for (unsigned i = 0; !status && i < call->nparts; i++)
        map_put(&t->parts, part_key(&t->added[i]), t->added[i]);
    for (struct list *l; (l = list_pop(&t->asked)) != NULL;)
        answer(container_of(l, struct txn_add, link), status);
    t->asks = ASK_NOTHING;
    go_on(t);
}

/* Puts a partition into the request, once. False: its topic is gone. */
static bool put_part(struct txn *t, const struct image *im, struct part *p)
{
    for (unsigned i = 0; i < t->call.nparts; i++)
        if (t->added[i] == p)
            return true;
    const struct topic *topic = image_topic_by_id(im, part_topic(p));
    if (!topic)
        return false;
    t->added[t->call.nparts] = p;
    t->call.parts[t->call.nparts++] =
        (struct coord_part){arena_dup(&t->arena, str_of(topic->name)), part_index(p), 0};
    return true;
}

/* All that wait for the open transaction: what it has already is answered, the rest goes in one request. */
static void add_waiting(struct txn *t)
{
    struct list later;
    struct image *im = NULL;
    unsigned n = 1;
    list_init(&later);
    LIST_EACH(l, &t->waiting)
        n++;
    arena_reset(&t->arena);
    request(t, ASK_NOTHING, added_cb);
    t->added = ARENA_ARRAY(&t->arena, struct part *, n);
    t->call.parts = ARENA_ARRAY(&t->arena, struct coord_part, n);
    for (struct list *l; (l = list_pop(&t->waiting)) != NULL;) {
        struct txn_add *a = container_of(l, struct txn_add, link);
        CHECK(a->number >= t->number);
        if ((a->number > t->number && !BUG("epoch_submits_early")) || !t->open) {
            list_add_tail(&later, l);
            continue;
        }
        if (map_get(&t->parts, part_key(&a->part))) {
            answer(a, 0);
            continue;
        }
        im = im ? im : cluster_image(broker_cluster(t->b));
        if (put_part(t, im, a->part))
            list_add_tail(&t->asked, l);
        else
            answer(a, E_NO_TOPIC);
    }
    while (!list_empty(&later))
        list_add_tail(&t->waiting, list_pop(&later));
    if (t->call.nparts && t->always && !map_get(&t->parts, part_key(&t->always)))
        (void)put_part(t, im, t->always);
    if (im)
        counted_release(&im->c);
    if (!t->call.nparts)
        return;
    t->asks = ASK_ADD;
    coord_add_parts(broker_coord(t->b), &t->call);
}

static void cancel_waiting(struct txn *t)
{
    for (struct list *l; (l = list_pop(&t->waiting)) != NULL;)
        answer(container_of(l, struct txn_add, link), E_CANCELED);
}

/* ---- transactions */

static void tell_done(struct txn *t, int status)
{
    void (*done_cb)(void *arg, int status) = t->done_cb;
    t->done_cb = NULL;
    done_cb(t->arg, status);
}

static void init_cb(struct coord_call *call)
{
    struct txn *t = container_of(call, struct txn, call);
    t->asks = ASK_NOTHING;
    t->producer_id = call->producer_id;
    t->epoch = call->epoch;
    tell_done(t, status_of(call->error));
}

void txn_init(struct txn *t, void (*done_cb)(void *arg, int status), void *arg)
{
    CHECK(t->asks == ASK_NOTHING && t->producer_id < 0);
    t->done_cb = done_cb;
    t->arg = arg;
    request(t, ASK_INIT, init_cb);
    coord_init_producer(broker_coord(t->b), &t->call);
}

void txn_always(struct txn *t, struct part *part) { t->always = part; }

void txn_begin(struct txn *t, int64_t number)
{
    CHECK(!t->open && t->producer_id >= 0 && number > t->number);
    t->number = number;
    t->open = true;
    map_clear(&t->parts);
    if (!list_empty(&t->waiting))
        soon(t);
}

bool txn_used(const struct txn *t) { return t->open && (t->parts.len > 0 || t->asks == ASK_ADD); }

static void end_cb(struct coord_call *call)
{
    struct txn *t = container_of(call, struct txn, call);
    int status = status_of(call->error);
    t->asks = ASK_NOTHING;
    t->open = false;
    if (!status) {
        t->producer_id = call->producer_id;
        t->epoch = call->epoch;
    }
    tell_done(t, status);
}

void txn_end(struct txn *t, bool commit, void (*done_cb)(void *arg, int status), void *arg)
{
    CHECK(t->open && !t->done_cb);
    t->done_cb = done_cb;
    t->arg = arg;
    t->end_wanted = true;
    t->end_commit = commit;
    soon(t);
}

void txn_cancel(struct txn *t)
{
    t->canceled = true;
    soon(t);
}

/* Nothing is under way: what comes next. */
static void go_on(struct txn *t)
{
    if (t->canceled)
        cancel_waiting(t);
    if (t->asks != ASK_NOTHING)
        return;
    if (!list_empty(&t->waiting))
        add_waiting(t);
    if (t->asks != ASK_NOTHING || !t->end_wanted)
        return;
    t->end_wanted = false;
    if (!t->parts.len) {
        t->open = false;
        tell_done(t, 0);
        return;
    }
    request(t, ASK_END, end_cb);
    coord_end(broker_coord(t->b), &t->call);
}
