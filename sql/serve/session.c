#include "sql/serve/session.h"
#include "log/base/limits.h"

#include <stdarg.h>

#define TRIES 10 /* of a change, while others change the metadata beneath it */

/* ---- Turns: one at a time may change the metadata, so that what a statement was prepared against is what it changes.
 * Kafka's own requests for topics do not take turns; the commit itself finds what they broke. */
struct turn {
    struct msg msg;
    struct list link;
    struct serve *serve;
    struct session *s; /* NULL: given back */
};

static void run_change(struct session *s);

static void turn_given(struct msg *m)
{
    struct session *s = container_of(m, struct turn, msg)->s;
    if (session_release(s))
        run_change(s);
}

/* Loop 0. */
static void turn_next(struct serve *serve)
{
    struct list *l = serve->turn_taken ? NULL : list_pop(&serve->turns);
    if (!l)
        return;
    struct turn *t = container_of(l, struct turn, link);
    serve->turn_taken = true;
    t->msg.run_cb = turn_given;
    loop_post(t->s->loop, &t->msg);
}

static void turn_asked(struct msg *m)
{
    struct turn *t = container_of(m, struct turn, msg);
    list_add_tail(&t->serve->turns, &t->link);
    turn_next(t->serve);
}

static void turn_back(struct msg *m)
{
    struct turn *t = container_of(m, struct turn, msg);
    t->serve->turn_taken = false;
    turn_next(t->serve);
    xfree(t);
}

static void turn_ask(struct session *s)
{
    struct turn *t = s->turn = xzalloc(sizeof *t);
    t->serve = s->serve;
    t->s = s;
    t->msg.run_cb = turn_asked;
    session_hold(s);
    loop_post(broker_loop(s->serve->broker, 0), &t->msg);
}

static void turn_give_back(struct session *s)
{
    struct turn *t = s->turn;
    if (!t)
        return;
    s->turn = NULL;
    t->msg.run_cb = turn_back;
    loop_post(broker_loop(s->serve->broker, 0), &t->msg);
}

/* ---- Life. */
static void statement_clear(struct session *s)
{
    if (s->prepared)
        prepared_fini(&s->p);
    s->prepared = false;
    counted_release(s->image ? &s->image->c : NULL);
    s->image = NULL;
}

static void session_free(struct session *s)
{
    turn_give_back(s);
    statement_clear(s);
    counted_release(s->preview ? &s->preview->c : NULL);
    settings_fini(&s->props);
    settings_fini(&s->vars);
    wbuf_fini(&s->out);
    wbuf_fini(&s->words);
    arena_fini(&s->memory);
    arena_fini(&s->arena);
    xfree(s);
}

void session_hold(struct session *s) { s->held++; }

bool session_release(struct session *s)
{
    CHECK(s->held > 0);
    s->held--;
    if (s->req || s->held)
        return s->req;
    session_free(s);
    return false;
}

static void gone_cb(struct http_req *req)
{
    struct session *s = req->user;
    s->req = NULL;
    if (s->query)
        query_close(s->query);
    s->query = NULL;
    silence_end(s);
    print_end(s);
    if (!s->held)
        session_free(s);
}

static void drain_cb(struct http_req *req)
{
    struct session *s = req->user;
    if (s->query)
        query_drained(s);
    else if (s->print)
        print_drained(s);
}

static void session_end(struct session *s)
{
    struct http_req *req = s->req;
    s->req = NULL;
    http_end(req);
    CHECK(!s->held);
    session_free(s);
}

int session_error(struct session *s, int err, const char *code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    diag_set(&s->diag, err, "%s", arena_vprintf(&s->memory, fmt, ap));
    va_end(ap);
    memcpy(s->diag.code, code, MIN(strlen(code) + 1, sizeof s->diag.code));
    return err;
}

/* ---- Statements. */
static struct str variable_value(void *arg, struct str name) { return settings_get(arg, name); }

/* Records as offsets count them: what compaction took out counts too. */
static int64_t topic_records(void *arg, struct uuid id, bool *trimmed)
{
    struct session *s = arg;
    const struct topic *t = image_topic_by_id(s->image, id);
    int64_t n = 0;
    for (int32_t i = 0; t && t->parts && i < t->nparts; i++) { /* without parts: it would be a new one */
        struct view *v = part_view(t->parts[i]);
        if (!v)
            return -1;
        n += v->high_watermark - v->log_start;
        *trimmed |= v->log_start > 0;
        counted_release(&v->c);
    }
    return t ? n : -1;
}

struct image *session_image(struct session *s)
{
    if (!s->preview)
        return cluster_image(broker_cluster(s->serve->broker));
    counted_acquire(&s->preview->c);
    return s->preview;
}

static void look_around(struct session *s)
{
    statement_clear(s);
    s->image = session_image(s);
    s->env = (struct statement_env){.image = s->image,
                                    .props = &s->props,
                                    .vars = &s->vars,
                                    .random = &s->random,
                                    .now_ms = loop_wall_ms(s->loop),
                                    .replace = s->deploy,
                                    .beside = s->beside,
                                    .topic_records = topic_records,
                                    .topic_arg = s,
                                    .default_partitions = (int32_t)broker_config(s->serve->broker)->num_partitions,
                                    .at_least_once = engine_at_least_once(s->serve->engine)};
}

static int prepare(struct session *s)
{
    look_around(s);
    int err = statement_prepare(&s->p, s->substitution.text, &s->env, &s->memory, &s->diag);
    s->prepared = err == 0;
    return err;
}

/* The statement's places become places of the request's text. */
static void place_in_request(struct session *s)
{
    struct diag *d = &s->diag;
    if (s->substitution.n)
        lex_place_back(&s->substitution, s->statement, d);
    if (d->line < 1)
        return;
    bool first = d->line == 1;
    for (const char *p = s->statement.ptr - 1; p >= s->sql.ptr; p--) {
        if (*p == '\n') {
            first = false;
            d->line++;
        } else if (first) {
            d->column++;
        }
    }
}

void session_fail(struct session *s)
{
    CHECK(s->diag.text[0]);
    turn_give_back(s);
    place_in_request(s);
    tell_error(s);
    session_end(s);
}

static void run_statement(struct session *s);

static void next_cb(struct msg *m)
{
    struct session *s = container_of(m, struct session, next);
    if (!session_release(s))
        return;
    statement_clear(s);
    if (lex_split(s->sql, &s->pos, &s->statement)) {
        run_statement(s);
        return;
    }
    if (s->refused) {
        session_error(s, E_SQL, "0A000", "%u statement%s would be refused", s->refused, s->refused == 1 ? "" : "s");
        tell_error(s);
    }
    session_end(s);
}

/* By message, so that a long text of short statements leaves others their turn. */
static void next_statement(struct session *s)
{
    session_hold(s);
    s->next.run_cb = next_cb;
    loop_post(s->loop, &s->next);
}

void session_done(struct session *s)
{
    turn_give_back(s);
    tell_done(s);
    s->index++;
    next_statement(s);
}

/* ---- Changes. */
struct waiting { /* for a job that shall run; outlives the session if need be */
    struct timer timer;
    struct session *s; /* NULL: no longer waited for */
    bool called;
};
#define AWAIT_MS 30000

static void tell_prepared(struct session *s)
{
    if (s->p.message)
        tell_message(s, s->p.message);
    if (s->p.note)
        tell_message(s, s->p.note);
}

static void waited(struct waiting *w, int status, const char *why)
{
    struct session *s = w->s;
    w->s = NULL;
    if (!session_release(s))
        return;
    if (status == E_TIMEOUT) {
        tell_prepared(s);
        tell_message(s, "its job is still being restored; SHOW JOBS tells how far it is");
        session_done(s);
    } else if (status && status != E_CANCELED && status != E_NOT_FOUND) {
        if (s->p.effect != EFFECT_OTHER) /* it is there all the same */
            tell_prepared(s);
        struct image *im = session_image(s);
        const char *hint = gone_hint(im, s->p.job, &s->memory);
        session_error(s, status, "XX000", "the job does not run: %s", why && *why ? why : err_text(status));
        if (hint)
            diag_hint(&s->diag, "%s", hint);
        counted_release(&im->c);
        session_fail(s);
    } else {
        tell_prepared(s);
        session_done(s);
    }
}

static void await_cb(void *arg, int status, const char *why)
{
    struct waiting *w = arg;
    timer_stop(&w->timer);
    if (w->s)
        waited(w, status, why);
    xfree(w);
}

static void await_late(struct timer *t) { waited(container_of(t, struct waiting, timer), E_TIMEOUT, NULL); }

/* Done, as soon as the job that the statement speaks of runs. */
void await_job(struct session *s)
{
    turn_give_back(s);
    if (uuid_is_zero(s->p.job)) {
        tell_prepared(s);
        session_done(s);
        return;
    }
    struct waiting *w = xzalloc(sizeof *w);
    w->s = s;
    session_hold(s);
    timer_init(&w->timer, s->loop, await_late);
    timer_start(&w->timer, AWAIT_MS);
    engine_job_await(s->serve->engine, s->p.job, s->loop, await_cb, w);
}

static bool image_is_old(struct session *s)
{
    struct image *now = cluster_image(broker_cluster(s->serve->broker));
    bool old = now->version != s->image->version;
    counted_release(&now->c);
    return old;
}

static void commit_cb(struct commit *c, int status)
{
    struct session *s = container_of(c, struct session, commit);
    if (!session_release(s))
        return;
    if (!status) {
        again_begin(s);
    } else if (image_is_old(s) && ++s->tries < TRIES) {
        if (prepare(s) == 0)
            session_dispatch(s);
        else
            session_fail(s);
    } else {
        s->diag = s->commit.diag;
        if (!s->diag.text[0])
            diag_set(&s->diag, status, "the change was refused: %s", err_text(status));
        if (!s->diag.code[0] && (status == E_FULL || status == E_STORAGE))
            memcpy(s->diag.code, status == E_FULL ? "53100" : "58030", sizeof s->diag.code);
        session_fail(s);
    }
}

void session_commit(struct session *s)
{
    s->commit = (struct commit){.from = s->loop, .change = &s->p.change, .done_cb = commit_cb};
    session_hold(s);
    cluster_commit(broker_cluster(s->serve->broker), &s->commit);
}

/* With the turn: what was prepared before it came may be out of date. */
static void run_change(struct session *s)
{
    if (image_is_old(s)) {
        if (prepare(s) != 0) {
            session_fail(s);
            return;
        }
        if (s->p.kind != PREPARED_CHANGE || !uuid_eq(s->p.restore, s->whole)) {
            session_dispatch(s);
            return;
        }
    }
    if (!s->p.has_change) {
        await_job(s);
        return;
    }
    if (uuid_is_zero(s->p.caught_up))
        session_commit(s);
    else
        promote_begin(s);
}

static void run_set(struct session *s, bool variable)
{
    settings_put(variable ? &s->vars : &s->props, s->p.name, s->p.value);
    tell_set(s, variable ? "variable" : "property", s->p.name, s->p.value);
    if (s->p.message)
        tell_message(s, s->p.message);
    session_done(s);
}

void session_dispatch(struct session *s)
{
    switch (s->p.kind) {
    case PREPARED_CHANGE:
        if (!uuid_is_zero(s->p.restore) && !uuid_eq(s->p.restore, s->whole))
            restore_check(s);
        else if (s->turn)
            run_change(s);
        else
            turn_ask(s);
        break;
    case PREPARED_QUERY:
        query_begin(s);
        break;
    case PREPARED_INSERT:
        insert_begin(s);
        break;
    case PREPARED_ROWS:
        table_begin(s);
        break;
    case PREPARED_PRINT:
        print_begin(s);
        break;
    case PREPARED_SAVEPOINT:
        savepoint_begin(s);
        break;
    case PREPARED_SET:
        run_set(s, false);
        break;
    case PREPARED_DEFINE:
        run_set(s, true);
        break;
    case PREPARED_NOTHING:
        if (s->p.nagain) {
            again_begin(s);
            break;
        }
        if (s->p.message)
            tell_message(s, s->p.message);
        session_done(s);
        break;
    }
}

static void go_on(struct session *s, int err)
{
    if (s->plan && (err || s->p.kind == PREPARED_CHANGE || s->p.kind == PREPARED_NOTHING))
        plan_statement(s, err);
    else if (err)
        session_fail(s);
    else
        session_dispatch(s);
}

/* Thousands of rows take tens of milliseconds to read and to encode: a worker does that, and until it is through, statement,
 * image and settings stay as they are. */
static bool is_long(const struct session *s)
{
    struct str text = s->substitution.text, word = STR("INSERT");
    size_t at = 0;
    while (at < text.len && (text.ptr[at] == ' ' || (text.ptr[at] >= '\t' && text.ptr[at] <= '\r')))
        at++;
    return text.len > SERVE_LONG_BYTES && text.len - at > word.len && str_eq_nocase((struct str){text.ptr + at, word.len}, word);
}

static void prepare_work(struct work *w)
{
    struct session *s = container_of(w, struct session, preparing);
    s->prepare_err = statement_prepare(&s->p, s->substitution.text, &s->env, &s->memory, &s->diag);
}

static void prepare_done(struct work *w)
{
    struct session *s = container_of(w, struct session, preparing);
    s->prepared = s->prepare_err == 0;
    if (session_release(s))
        go_on(s, s->prepare_err);
}

static void prepare_elsewhere(struct session *s)
{
    look_around(s);
    session_hold(s);
    s->preparing = (struct work){.work_cb = prepare_work, .done_cb = prepare_done};
    loop_work(s->loop, LANE_DISK, &s->preparing);
}

static void run_statement(struct session *s)
{
    arena_reset(&s->memory);
    s->diag = (struct diag){.line = 0};
    s->started_us = loop_now_us(s->loop);
    s->rows = 0;
    s->tries = 0;
    s->whole = (struct uuid){{0}};
    tell_statement(s);
    int err = lex_substitute(&s->substitution, s->statement, variable_value, &s->vars, &s->memory, &s->diag);
    if (err) /* its place is one of the statement as it was written */
        s->substitution = (struct substitution){.n = 0};
    if (!err && s->deploy)
        err = deploy_check(s, s->substitution.text);
    if (err > 0) {
        session_done(s);
        return;
    }
    if (!err && is_long(s))
        prepare_elsewhere(s);
    else
        go_on(s, err ? err : prepare(s));
}

/* ---- The request. */
static int read_settings(struct json *j, struct arena *a, struct settings *to, const char *member, struct diag *d)
{
    struct str name;
    if (json_next(j, a).kind != JSON_OBJECT)
        return diag_set(d, E_BAD_REQUEST, "\"%s\" must be an object of strings", member);
    while (json_key(j, a, &name)) {
        struct json_token t = json_next(j, a);
        if (t.kind != JSON_STRING && t.kind != JSON_NUMBER)
            return diag_set(d, E_BAD_REQUEST, "\"%s\" must be an object of strings", member);
        settings_put(to, name, t.text);
    }
    return 0;
}

static int read_member(struct session *s, struct json *j, struct str key, struct diag *d)
{
    if (str_eq(key, STR("properties")))
        return read_settings(j, &s->arena, &s->props, "properties", d);
    if (str_eq(key, STR("variables")))
        return read_settings(j, &s->arena, &s->vars, "variables", d);
    struct json_token t = json_next(j, &s->arena);
    if (str_eq(key, STR("sql"))) {
        if (t.kind != JSON_STRING)
            return diag_set(d, E_BAD_REQUEST, "\"sql\" must be a string");
        s->sql = t.text;
    } else if (str_eq(key, STR("limit"))) {
        if (t.kind != JSON_NUMBER || !str_to_i64(t.text, &s->limit) || s->limit < 0)
            return diag_set(d, E_BAD_REQUEST, "\"limit\" must be a number of rows");
    } else {
        const struct {
            struct str name;
            bool *to;
        } flags[] = {{STR("until_caught_up"), &s->until_caught_up},
                     {STR("deploy"), &s->deploy},
                     {STR("plan"), &s->plan},
                     {STR("beside"), &s->beside}};
        for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
            if (!str_eq(key, flags[i].name))
                continue;
            *flags[i].to = t.b;
            return t.kind == JSON_BOOL
                       ? 0
                       : diag_set(d, E_BAD_REQUEST, "\"%.*s\" must be true or false", STR_ARG(key));
        }
        return diag_set(d, E_BAD_REQUEST, "a request has no member \"%.*s\"", STR_ARG(key));
    }
    return 0;
}

/* Names and values as SET takes them. */
static int check_properties(const struct settings *props, struct diag *d)
{
    for (unsigned i = 0; i < props->n; i++) {
        struct str name = str_of(props->items[i].name), value = str_of(props->items[i].value);
        const struct property *p = NULL;
        for (unsigned k = 0; (p = property_at(k)) != NULL && !str_eq_nocase(str_of(p->name), name);)
            k++;
        if (!p)
            return diag_set(d, E_BAD_REQUEST, "there is no property \"%.*s\"; SHOW PROPERTIES lists them",
                            STR_ARG(name));
        if (!property_value(p, value).ptr)
            return diag_set(d, E_BAD_REQUEST, "property %s does not take \"%.*s\"", p->name, STR_ARG(value));
    }
    return 0;
}

static int read_request(struct session *s, struct str body, struct diag *d)
{
    struct json j = json_of(body);
    struct str key;
    int err = 0;
    if (json_next(&j, &s->arena).kind != JSON_OBJECT)
        return diag_set(d, E_BAD_REQUEST, "the request is no JSON object");
    while (!err && json_key(&j, &s->arena, &key))
        err = read_member(s, &j, key, d);
    if (!err && (j.r.err || str_trim((struct str){(const char *)j.r.ptr, rbuf_left(&j.r)}).len))
        err = diag_set(d, E_BAD_REQUEST, "the request is no JSON object");
    if (!err && !s->sql.ptr)
        err = diag_set(d, E_BAD_REQUEST, "the request has no \"sql\"");
    return err ? err : check_properties(&s->props, d);
}

void session_begin(struct serve *serve, struct http_req *req)
{
    struct session *s = xzalloc(sizeof *s);
    s->serve = serve;
    s->req = req;
    s->loop = req->loop;
    s->limit = -1;
    random_seed(&s->random, loop_random(s->loop));
    arena_init(&s->arena);
    arena_init(&s->memory);
    settings_init(&s->props);
    settings_init(&s->vars);
    wbuf_init(&s->out);
    wbuf_init(&s->words);
    req->user = s;
    req->gone_cb = gone_cb;
    req->drain_cb = drain_cb;
    int err = read_request(s, arena_dup(&s->arena, req->body), &s->diag);
    http_start(req, err ? 400 : 200, "application/x-ndjson");
    if (err) {
        memcpy(s->diag.code, "08P01", sizeof s->diag.code);
        s->statement = s->sql = STR("");
        tell_error(s);
        session_end(s);
        return;
    }
    next_statement(s);
}
