/* Drives the machines of transactional ids (txn_state.h): requests in, records of __transaction_state, markers,
 * answers.
 *
 * A request goes to the loop of its id's partition and meets the machine there. While a step of the id is being written
 * others are told CONCURRENT_TRANSACTIONS, or wait in the entry if they are patient; when it is over all of them try
 * again in order, and those that add partitions do so in one step. Steps of many ids share the sync of their turn. */
#include "log/base/fault.h"
#include "log/base/map.h"
#include "log/base/trace.h"
#include "log/coord/room.h"
#include "log/coord/txn_state.h"

enum {
    MARK_RETRY_MS = 1000, /* doubling up to */
    MARK_RETRY_MAX_MS = 30000,
    /* A busy producer's next record comes sooner, and stands for the one that says that its last transaction is
     * over. */
    COMPLETE_MS = 1000,
};

struct txns_shard { /* of one loop */
    struct coord *c;
    struct loop *loop;
    struct list ongoing; /* txn_entry.ongoing: who may time out */
    struct list behind;  /* txn_entry.behind: complete, which the log does not know yet */
    struct timer timeouts, expiry, complete;
};
struct txns {
    struct txns_shard *shards;
};
struct txn_table { /* of one partition */
    struct txns_shard *sh;
    struct statelog_part *lp;
    struct map ids; /* id -> struct txn_entry */
};
struct txn_entry {
    struct txn_table *table;
    char *id;
    struct txn_state t;
    struct list current; /* txn_ask.link: they wait for what is being written */
    struct list waiting; /* txn_ask.link: they try again afterwards */
    struct list ongoing, behind;
    /* markers */
    struct coord_markers markers;
    struct coord_part *parts; /* names are the machine's */
    struct timer retry;
    bool stuck; /* some had to be tried again, */
    int64_t retry_ms; /* after this time */
};

enum txn_kind { ASK_INIT, ASK_ADD, ASK_VERIFY, ASK_END, ASK_DESCRIBE };
struct txn_ask {
    struct coord *c;
    struct coord_call *call;
    enum txn_kind kind;
    struct statelog_ask ask;
    struct pid_ask pid_ask;
    struct txn_table *table; /* held while a producer id is on its way */
    int64_t fresh_pid;
    struct list link;
};

static void ask_run(struct txn_table *tb, struct txn_ask *x, struct list *behind);

/* ---- answers */

static void call_home(struct msg *m)
{
    struct coord_call *call = container_of(m, struct coord_call, msg);
    call->done_cb(call);
}

static void call_end(struct coord_call *call, int16_t error)
{
    call->error = error;
    call->msg.run_cb = call_home;
    loop_post(call->from, &call->msg);
}

static void ask_end(struct txn_ask *x, int16_t error)
{
    struct coord_call *call = x->call;
    xfree(x);
    call_end(call, error);
}

static void ask_answer(struct txn_ask *x, const struct txn_effects *fx)
{
    if (x->kind == ASK_INIT || x->kind == ASK_END) {
        x->call->producer_id = fx->producer_id;
        x->call->epoch = fx->epoch;
    }
    ask_end(x, fx->error);
}

/* Whether it waits for what the entry is doing now: not for a marker that a broken partition will not take. */
static bool is_patient(const struct txn_entry *e, const struct txn_ask *x)
{
    return x->call->flags & (COORD_WAIT | COORD_BRIEFLY) && !e->stuck;
}

/* ---- what a machine wants */

static void entry_free(struct txn_entry *e)
{
    struct list *lists[] = {&e->current, &e->waiting};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++)
        for (struct list *l; (l = list_pop(lists[i]));)
            ask_end(container_of(l, struct txn_ask, link), K_COORDINATOR_NOT_AVAILABLE);
    list_remove(&e->ongoing);
    list_remove(&e->behind);
    timer_stop(&e->retry);
    txn_state_fini(&e->t);
    xfree(e->parts);
    xfree(e->id);
    xfree(e);
}

static void effects(struct txn_entry *e, const struct txn_effects *fx, struct list *asks);

static void entry_wake(struct txn_entry *e)
{
    struct txn_table *tb = e->table;
    struct list ready;
    list_init(&ready);
    for (struct list *l; (l = list_pop(&e->waiting));)
        list_add_tail(&ready, l);
    /* The entry may be gone after any of them. */
    for (struct list *l; (l = list_pop(&ready));)
        ask_run(tb, container_of(l, struct txn_ask, link), &ready);
}

struct txn_write {
    struct statelog_write write;
    struct txn_entry *e; /* NULL: nobody waits for it */
};

static void written(struct statelog_write *sw, int status)
{
    struct txn_write *w = container_of(sw, struct txn_write, write);
    struct txn_entry *e = w->e;
    xfree(w);
    if (status < 0)
        trace(WARN, "coord", "transaction_log_failed error=%s", err_name(status));
    if (!e)
        return;
    struct list asks;
    list_init(&asks);
    for (struct list *l; (l = list_pop(&e->current));)
        list_add_tail(&asks, l);
    FAULT("coord.logged");
    struct txn_effects fx = txn_state_logged(&e->t, status == 0, coord_append_error(status));
    effects(e, &fx, &asks);
}

static void entry_write(struct txn_entry *e, const struct txn_meta *m, bool behind)
{
    struct txn_write *w = xzalloc(sizeof *w);
    list_remove(&e->behind);
    struct wbuf key, value;
    wbuf_init(&key);
    wbuf_init(&value);
    txn_key_encode(str_of(e->id), &key);
    if (m->status != TXN_DEAD)
        txn_value_encode(m, &value);
    w->e = behind ? NULL : e;
    w->write = (struct statelog_write){.done_cb = written, .producer_id = -1};
    struct statelog_record rec = {wbuf_view(&key), m->status == TXN_DEAD ? STR_NULL : wbuf_view(&value)};
    statelog_append(e->table->lp, &w->write, &rec, 1);
    wbuf_fini(&key);
    wbuf_fini(&value);
}

static void entry_write_behind(struct txn_entry *e)
{
    struct txns_shard *sh = e->table->sh;
    list_add_tail(&sh->behind, &e->behind);
    if (!timer_active(&sh->complete))
        timer_start(&sh->complete, COMPLETE_MS);
}

static void complete_fire(struct timer *t)
{
    struct txns_shard *sh = container_of(t, struct txns_shard, complete);
    for (struct list *l; (l = list_pop(&sh->behind));) {
        struct txn_entry *e = container_of(l, struct txn_entry, behind);
        entry_write(e, &e->t.now, true);
    }
}

static void marked(struct coord_markers *m);

static void marks_send(struct txn_entry *e)
{
    const struct txn_meta *now = &e->t.now;
    e->markers.from = e->table->sh->loop;
    e->markers.done_cb = marked;
    e->markers.producer_id = now->producer_id;
    e->markers.epoch = now->epoch;
    e->markers.coordinator_epoch = statelog_part_epoch(e->table->lp);
    e->markers.commit = now->status == TXN_PREPARE_COMMIT;
    e->markers.v2 = now->v2;
    coord_write_markers(e->table->sh->c, &e->markers);
}

static void marks_over(struct txn_entry *e)
{
    struct statelog_part *lp = e->table->lp;
    struct list nobody;
    list_init(&nobody);
    FAULT("coord.marked");
    struct txn_effects fx = txn_state_marked(&e->t, loop_wall_ms(e->table->sh->loop));
    effects(e, &fx, &nobody);
    statelog_drop(lp);
}

static void marks_retry(struct timer *t) { marks_send(container_of(t, struct txn_entry, retry)); }

/* A partition that is gone has nothing to end, and one that refuses the epoch has seen a later one: its transaction is
 * over. All others are asked again, for as long as it takes. */
static bool is_marked(int16_t error)
{
    return error == K_NONE || error == K_UNKNOWN_TOPIC || error == K_INVALID_PRODUCER_EPOCH ||
           error == K_COORDINATOR_FENCED;
}

static void marks_again(struct txn_entry *e)
{
    e->retry_ms = MIN(MAX(2 * e->retry_ms, (int64_t)MARK_RETRY_MS), (int64_t)MARK_RETRY_MAX_MS);
    timer_start(&e->retry, e->retry_ms);
    for (struct list *l; (l = list_pop(&e->waiting));)
        ask_end(container_of(l, struct txn_ask, link), K_CONCURRENT_TRANSACTIONS);
}

static void marked(struct coord_markers *m)
{
    struct txn_entry *e = container_of(m, struct txn_entry, markers);
    unsigned left = 0, n = m->nparts;
    for (unsigned i = 0; i < n; i++) {
        struct coord_part *p = &m->parts[i];
        if (p->error)
            trace(WARN, "coord", "marker_refused id=%s topic=%.*s part=%d code=%d", e->id, STR_ARG(p->topic), p->index,
                  p->error);
        if (!is_marked(p->error))
            m->parts[left++] = *p;
    }
    m->nparts = left;
    e->stuck = left > 0;
    if (left)
        marks_again(e);
    else if (!(BUG("last_marker_forgotten") && n > 1)) /* KAFKA-9777 */
        marks_over(e);
}

static void marks_begin(struct txn_entry *e)
{
    const struct txn_meta *now = &e->t.now;
    xfree(e->parts);
    e->parts = xzalloc((now->nparts + 1) * sizeof *e->parts);
    for (unsigned i = 0; i < now->nparts; i++)
        e->parts[i] = (struct coord_part){.topic = str_of(now->parts[i].topic), .index = now->parts[i].index};
    e->retry_ms = 0;
    e->markers.parts = e->parts;
    e->markers.nparts = now->nparts;
    statelog_hold(e->table->lp);
    if (now->nparts)
        marks_send(e);
    else
        marks_over(e);
}

static void entry_watch(struct txn_entry *e)
{
    struct txns_shard *sh = e->table->sh;
    bool listed = !list_empty(&e->ongoing), open = e->t.now.status == TXN_ONGOING;
    if (open && !listed) {
        list_add_tail(&sh->ongoing, &e->ongoing);
        if (!timer_active(&sh->timeouts))
            timer_start(&sh->timeouts, sh->c->conf->txn_abort_check_ms);
    } else if (!open && listed) {
        list_remove(&e->ongoing);
    }
}

static void pid_given(struct pid_ask *pa, int status, int64_t producer_id)
{
    struct txn_ask *x = container_of(pa, struct txn_ask, pid_ask);
    struct txn_table *tb = x->table;
    struct statelog_part *lp = tb->lp;
    x->fresh_pid = producer_id;
    if (status < 0)
        ask_end(x, K_COORDINATOR_NOT_AVAILABLE);
    else
        ask_run(tb, x, NULL);
    statelog_drop(lp);
}

static void pid_fetch(struct txn_table *tb, struct txn_ask *x)
{
    x->table = tb;
    statelog_hold(tb->lp);
    x->pid_ask = (struct pid_ask){.loop = tb->sh->loop, .given_cb = pid_given};
    pids_ask(tb->sh->c->pids, &x->pid_ask);
}

/* asks: whom an answer is for; all of them leave the list. The entry may be gone afterwards. */
static void effects(struct txn_entry *e, const struct txn_effects *fx, struct list *asks)
{
    bool over = !fx->log && !fx->need_pid; /* the machine takes the next event */
    for (struct list *l; (l = list_pop(asks));) {
        struct txn_ask *x = container_of(l, struct txn_ask, link);
        if (fx->need_pid)
            pid_fetch(e->table, x);
        else if (fx->log)
            list_add_tail(&e->current, l);
        else if (fx->answer && fx->error == K_CONCURRENT_TRANSACTIONS && is_patient(e, x))
            list_add_tail(&e->waiting, l);
        else
            ask_answer(x, fx);
    }
    if (fx->log)
        entry_write(e, &e->t.next, false);
    if (fx->log_behind)
        entry_write_behind(e);
    if (fx->mark)
        marks_begin(e);
    entry_watch(e);
    if (fx->gone) {
        struct txn_entry *old = map_remove(&e->table->ids, str_of(e->id));
        CHECK(old == e);
    }
    bool idle = !e->t.pending && e->t.now.status != TXN_PREPARE_COMMIT && e->t.now.status != TXN_PREPARE_ABORT;
    if (over && idle && !list_empty(&e->waiting))
        entry_wake(e);
    if (fx->gone)
        entry_free(e);
}

/* ---- events */

static struct txn_entry *entry_of(struct txn_table *tb, struct str id)
{
    return map_get(&tb->ids, id);
}

static struct txn_entry *entry_add(struct txn_table *tb, struct str id)
{
    struct txn_entry *e = xzalloc(sizeof *e);
    e->table = tb;
    e->id = xstrndup(id.ptr, id.len);
    list_init(&e->current);
    list_init(&e->waiting);
    list_init(&e->ongoing);
    list_init(&e->behind);
    timer_init(&e->retry, tb->sh->loop, marks_retry);
    map_put(&tb->ids, id, e);
    if (!timer_active(&tb->sh->expiry))
        timer_start(&tb->sh->expiry, tb->sh->c->conf->txn_expire_check_ms);
    return e;
}

static bool is_same_add(const struct txn_ask *a, const struct txn_ask *b)
{
    const unsigned v2 = COORD_V2;
    return b->kind == ASK_ADD && str_eq(a->call->txn_id, b->call->txn_id) &&
           a->call->producer_id == b->call->producer_id && a->call->epoch == b->call->epoch &&
           (a->call->flags & v2) == (b->call->flags & v2);
}

/* Adds the parts of all asks of the list at once. */
static struct txn_effects event_add(struct txn_entry *e, struct list *asks, int64_t now_ms)
{
    unsigned n = 0, k = 0;
    LIST_EACH(l, asks) n += container_of(l, struct txn_ask, link)->call->nparts;
    const struct coord_part **parts = xalloc((n + 1) * sizeof *parts);
    LIST_EACH(l, asks) {
        const struct coord_call *call = container_of(l, struct txn_ask, link)->call;
        for (unsigned i = 0; i < call->nparts; i++)
            parts[k++] = &call->parts[i];
    }
    const struct coord_call *call = container_of(asks->next, struct txn_ask, link)->call;
    struct txn_effects fx =
        txn_state_add(&e->t, call->producer_id, call->epoch, call->flags & COORD_V2, parts, n, now_ms);
    xfree(parts);
    return fx;
}

static void event_describe(struct txn_entry *e, struct coord_call *call)
{
    struct coord_txn_info *info = call->info;
    const struct txn_meta *now = &e->t.now;
    struct coord_part *parts = ARENA_ARRAY(info->arena, struct coord_part, now->nparts);
    for (unsigned i = 0; i < now->nparts; i++)
        parts[i] = (struct coord_part){.topic = str_of(arena_strdup(info->arena, now->parts[i].topic)),
                                       .index = now->parts[i].index};
    bool open = now->status == TXN_ONGOING || now->status == TXN_PREPARE_COMMIT || now->status == TXN_PREPARE_ABORT;
    info->state = txn_status_name(now->status);
    info->timeout_ms = now->timeout_ms;
    info->start_ms = open ? now->start_ms : -1;
    info->producer_id = now->producer_id;
    info->epoch = now->epoch;
    info->parts = parts;
    info->nparts = now->nparts;
}

static void event(struct txn_entry *e, struct txn_ask *x, struct list *behind)
{
    struct coord_call *call = x->call;
    int64_t now_ms = loop_wall_ms(e->table->sh->loop);
    struct txn_effects fx = {.answer = true};
    struct list asks;
    list_init(&asks);
    list_add_tail(&asks, &x->link);
    switch (x->kind) {
    case ASK_INIT:
        fx = txn_state_take(&e->t, &(struct txn_taker){call->timeout_ms, call->flags & COORD_EXPECT,
                                                       call->producer_id, call->epoch},
                            x->fresh_pid, now_ms);
        break;
    case ASK_ADD:
        if (behind)
            LIST_EACH_SAFE(l, behind) {
                if (!is_same_add(x, container_of(l, struct txn_ask, link)))
                    break;
                list_remove(l);
                list_add_tail(&asks, l);
            }
        fx = event_add(e, &asks, now_ms);
        break;
    case ASK_VERIFY:
        fx.error = txn_state_verify(&e->t, call->producer_id, call->epoch, call->parts, call->nparts);
        break;
    case ASK_END:
        fx = txn_state_end(&e->t, &(struct txn_ending){call->producer_id, call->epoch, call->commit,
                                                       call->flags & COORD_V2},
                           x->fresh_pid, now_ms);
        break;
    case ASK_DESCRIBE:
        event_describe(e, call);
        break;
    }
    effects(e, &fx, &asks);
}

/* behind: asks that would come next anyway, or NULL. */
static void ask_run(struct txn_table *tb, struct txn_ask *x, struct list *behind)
{
    struct txn_entry *e = entry_of(tb, x->call->txn_id);
    if (!e && x->kind == ASK_INIT && x->fresh_pid < 0) {
        pid_fetch(tb, x);
        return;
    }
    if (!e && x->kind == ASK_INIT) {
        e = entry_add(tb, x->call->txn_id);
        txn_state_init(&e->t, x->fresh_pid, x->call->timeout_ms, loop_wall_ms(tb->sh->loop));
        x->fresh_pid = -1;
    }
    if (!e)
        ask_end(x, x->kind == ASK_DESCRIBE ? K_TXN_ID_NOT_FOUND : K_INVALID_PRODUCER_ID_MAPPING);
    else
        event(e, x, behind);
}

static void ask_arrive(struct statelog_ask *ask, struct statelog_part *lp, void *state, int16_t error)
{
    struct txn_ask *x = container_of(ask, struct txn_ask, ask);
    (void)lp;
    if (error)
        ask_end(x, error);
    else
        ask_run(state, x, NULL);
}

static void call_go(struct coord *c, struct coord_call *call, enum txn_kind kind)
{
    if (!call->txn_id.len) {
        call_end(call, K_INVALID_REQUEST);
        return;
    }
    struct txn_ask *x = xzalloc(sizeof *x);
    x->c = c;
    x->call = call;
    x->kind = kind;
    x->fresh_pid = -1;
    list_init(&x->link);
    x->ask = (struct statelog_ask){.index = statelog_index(c->txn_log, call->txn_id), .wait = call->flags & COORD_WAIT,
                                   .ask_cb = ask_arrive, .loop = call->from};
    statelog_ask(c->txn_log, &x->ask);
}

/* ---- the front door */

static void fresh_given(struct pid_ask *pa, int status, int64_t producer_id)
{
    struct txn_ask *x = container_of(pa, struct txn_ask, pid_ask);
    struct txn_effects fx = {.answer = true, .error = status < 0 ? err_kafka(status) : K_NONE,
                             .producer_id = producer_id, .epoch = status < 0 ? (int16_t)-1 : (int16_t)0};
    ask_answer(x, &fx);
}

void coord_init_producer(struct coord *c, struct coord_call *call)
{
    if (!call->txn_id.ptr) {
        struct txn_ask *x = xzalloc(sizeof *x);
        x->call = call;
        x->kind = ASK_INIT;
        x->pid_ask = (struct pid_ask){.loop = call->from, .given_cb = fresh_given};
        pids_ask(c->pids, &x->pid_ask);
    } else if (call->txn_id.len && (call->timeout_ms <= 0 || call->timeout_ms > c->conf->txn_max_timeout_ms)) {
        call_end(call, K_INVALID_TXN_TIMEOUT);
    } else {
        call_go(c, call, ASK_INIT);
    }
}

void coord_add_parts(struct coord *c, struct coord_call *call) { call_go(c, call, ASK_ADD); }
void coord_verify(struct coord *c, struct coord_call *call) { call_go(c, call, ASK_VERIFY); }
void coord_end(struct coord *c, struct coord_call *call) { call_go(c, call, ASK_END); }
void coord_describe_txn(struct coord *c, struct coord_call *call) { call_go(c, call, ASK_DESCRIBE); }

void coord_add_offsets(struct coord *c, struct coord_call *call)
{
    if (!call->group.ptr) {
        call_end(call, K_INVALID_GROUP_ID);
        return;
    }
    call->own_part = (struct coord_part){.topic = str_of(statelog_topic(c->group_log)),
                                         .index = coord_partition(c, COORD_GROUP, call->group)};
    call->parts = &call->own_part;
    call->nparts = 1;
    call_go(c, call, ASK_ADD);
}

/* ---- lists: a walk from loop to loop */

static void list_home(struct msg *m)
{
    struct coord_txn_list *list = container_of(m, struct coord_txn_list, msg);
    list->done_cb(list);
}

static void list_entry(struct coord_txn_list *list, const struct txn_entry *e, int64_t now_ms)
{
    const struct txn_meta *now = &e->t.now;
    bool open = now->status == TXN_ONGOING || now->status == TXN_PREPARE_COMMIT || now->status == TXN_PREPARE_ABORT;
    if (list->min_duration_ms >= 0 && (!open || now_ms - now->start_ms < list->min_duration_ms))
        return;
    if (list->ntxns == list->cap) {
        unsigned cap = MAX(2 * list->cap, 16u);
        struct coord_listed_txn *more = ARENA_ARRAY(list->arena, struct coord_listed_txn, cap);
        if (list->ntxns)
            memcpy(more, list->txns, list->ntxns * sizeof *more);
        list->txns = more;
        list->cap = cap;
    }
    list->txns[list->ntxns++] = (struct coord_listed_txn){
        .txn_id = str_of(arena_strdup(list->arena, e->id)), .producer_id = now->producer_id,
        .state = txn_status_name(now->status)};
}

static void list_step(struct msg *m)
{
    struct coord_txn_list *list = container_of(m, struct coord_txn_list, msg);
    struct coord *c = list->coord;
    struct loop *loop = c->loops[list->shard];
    int32_t at = 0;
    for (struct txn_table *tb; (tb = statelog_each(c->txn_log, loop, &at, &list->error));) {
        size_t i = 0;
        for (struct txn_entry *e; (e = map_next(&tb->ids, &i));)
            list_entry(list, e, loop_wall_ms(loop));
    }
    bool last = ++list->shard == c->nloops;
    list->msg.run_cb = last ? list_home : list_step;
    loop_post(last ? list->from : c->loops[list->shard], &list->msg);
}

void coord_list_txns(struct coord *c, struct coord_txn_list *list)
{
    list->coord = c;
    list->shard = 0;
    list->txns = NULL;
    list->ntxns = list->cap = 0;
    list->error = K_NONE;
    list->msg.run_cb = list_step;
    loop_post(c->loops[0], &list->msg);
}

/* ---- the clock */

static void timeouts_fire(struct timer *t)
{
    struct txns_shard *sh = container_of(t, struct txns_shard, timeouts);
    struct list nobody;
    list_init(&nobody);
    LIST_EACH_SAFE(l, &sh->ongoing) {
        struct txn_entry *e = container_of(l, struct txn_entry, ongoing);
        struct txn_effects fx = txn_state_timeout(&e->t, loop_wall_ms(sh->loop));
        if (!fx.log)
            continue;
        trace(INFO, "coord", "transaction_timed_out id=%s producer=%lld", e->id, (long long)e->t.now.producer_id);
        effects(e, &fx, &nobody);
    }
    if (!list_empty(&sh->ongoing))
        timer_start(t, sh->c->conf->txn_abort_check_ms);
}

static void expiry_fire(struct timer *t)
{
    struct txns_shard *sh = container_of(t, struct txns_shard, expiry);
    struct list nobody;
    list_init(&nobody);
    int32_t at = 0;
    int16_t error;
    size_t n = 0;
    for (struct txn_table *tb; (tb = statelog_each(sh->c->txn_log, sh->loop, &at, &error));) {
        size_t i = 0;
        for (struct txn_entry *e; (e = map_next(&tb->ids, &i)); n++) {
            struct txn_effects fx = txn_state_expire(&e->t, sh->c->conf->txn_id_expiration_ms, loop_wall_ms(sh->loop));
            if (fx.log)
                effects(e, &fx, &nobody);
        }
    }
    if (n)
        timer_start(t, sh->c->conf->txn_expire_check_ms);
}

/* ---- the log */

static void *table_open(void *arg, struct statelog_part *lp)
{
    struct coord *c = arg;
    struct txn_table *tb = xzalloc(sizeof *tb);
    tb->sh = &c->txns->shards[loop_index(statelog_part_loop(lp))];
    tb->lp = lp;
    map_init(&tb->ids);
    return tb;
}

static void table_record(void *state, const struct recbatch *rb, const struct record *rec)
{
    struct txn_table *tb = state;
    struct txn_state t;
    struct str id;
    (void)rb;
    int rc = txn_key_decode(rec->key, &id);
    if (rc == 0 && rec->value.ptr)
        rc = txn_value_decode(rec->value, &t);
    if (rc < 0) {
        trace(WARN, "coord", "unreadable topic=__transaction_state part=%d offset=%lld error=%s",
              statelog_part_index(tb->lp), (long long)rec->offset, err_name(rc));
        return;
    }
    struct txn_entry *e = entry_of(tb, id);
    if (!rec->value.ptr) {
        if (e) {
            map_remove(&tb->ids, id);
            entry_free(e);
        }
        return;
    }
    if (e)
        txn_state_fini(&e->t);
    else
        e = entry_add(tb, id);
    e->t = t;
}

static void table_marker(void *state, int64_t producer_id, int16_t epoch, bool commit)
{
    (void)state, (void)producer_id, (void)epoch, (void)commit; /* nothing in this log is transactional */
}

static void table_loaded(void *state)
{
    struct txn_table *tb = state;
    struct list nobody;
    list_init(&nobody);
    size_t i = 0;
    for (struct txn_entry *e; (e = map_next(&tb->ids, &i));) {
        struct txn_effects fx = txn_state_resume(&e->t);
        effects(e, &fx, &nobody);
    }
}

static void table_close(void *state)
{
    struct txn_table *tb = state;
    size_t i = 0;
    for (struct txn_entry *e; (e = map_next(&tb->ids, &i));)
        entry_free(e);
    map_fini(&tb->ids);
    xfree(tb);
}

static const struct statelog_class txn_class = {
    .topic = "__transaction_state",
    .open = table_open,
    .record = table_record,
    .marker = table_marker,
    .loaded = table_loaded,
    .close = table_close,
};

void txns_open(struct coord *c)
{
    c->txns = xzalloc(sizeof *c->txns);
    c->txns->shards = xzalloc(c->nloops * sizeof *c->txns->shards);
    for (unsigned i = 0; i < c->nloops; i++) {
        struct txns_shard *sh = &c->txns->shards[i];
        sh->c = c;
        sh->loop = c->loops[i];
        list_init(&sh->ongoing);
        list_init(&sh->behind);
        timer_init(&sh->timeouts, sh->loop, timeouts_fire);
        timer_init(&sh->expiry, sh->loop, expiry_fire);
        timer_init(&sh->complete, sh->loop, complete_fire);
    }
    struct statelog_conf lc = {.cls = &txn_class, .arg = c, .store = c->store, .cluster = c->cluster,
                               .loops = c->loops, .nloops = c->nloops,
                               .nparts = (int32_t)c->conf->txn_log_partitions};
    statelog_open(&c->txn_log, &lc);
}

void txns_close(struct coord *c)
{
    statelog_close(c->txn_log);
    for (unsigned i = 0; i < c->nloops; i++) {
        timer_stop(&c->txns->shards[i].timeouts);
        timer_stop(&c->txns->shards[i].expiry);
        timer_stop(&c->txns->shards[i].complete);
    }
    xfree(c->txns->shards);
    xfree(c->txns);
}
