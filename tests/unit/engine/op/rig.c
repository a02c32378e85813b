#include "tests/unit/engine/op/rig.h"
#include <stdio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

/* ---- Plans. */

struct plan_node *rig_node(struct rig *rig, enum plan_kind kind, enum edge_mode mode, const char *columns,
                           struct plan_node *in0, struct plan_node *in1)
{
    struct plan_node *n = ARENA_NEW(&rig->arena, struct plan_node);
    *n = (struct plan_node){.kind = kind, .id = rig->ids, .store = rig->ids++, .mode = mode, .inputs = {in0, in1}, .limit = -1};
    n->ninputs = (in0 != NULL) + (in1 != NULL);
    n->retention_ms = -1;
    n->window_start_col = n->window_end_col = -1;
    n->format.ts_column = -1;
    n->out.cols = ARENA_ARRAY(&rig->arena, struct column, 2 * RIG_COLS);
    for (const char *p = columns; *p;) {
        size_t len = strcspn(p, ",");
        char *text = arena_printf(&rig->arena, "%.*s", (int)len, p);
        char *name = strtok(text, " "), *type = strtok(NULL, " ");
        struct column *c = &n->out.cols[n->out.n++];
        c->name = name;
        assert_true(type_parse(str_of(type), &c->type));
        p += len + (p[len] == ',');
    }
    return n;
}

unsigned *rig_cols(struct rig *rig, unsigned n, const unsigned *cols)
{
    unsigned *copy = ARENA_ARRAY(&rig->arena, unsigned, n + 1);
    memcpy(copy, cols, n * sizeof *cols);
    return copy;
}

void rig_key(struct rig *rig, struct plan_node *n, unsigned nkey, const unsigned *cols)
{
    n->nkey = nkey;
    n->key = rig_cols(rig, nkey, cols);
}

const struct expr *rig_column(struct rig *rig, const struct plan_node *in, unsigned col)
{
    struct expr *e = ARENA_NEW(&rig->arena, struct expr);
    *e = (struct expr){.kind = EX_COLUMN, .type = in->out.cols[col].type, .column = col};
    return e;
}

const struct expr *rig_const(struct rig *rig, struct value v)
{
    struct expr *e = ARENA_NEW(&rig->arena, struct expr);
    *e = (struct expr){.kind = EX_CONST, .type = v.type, .value = v};
    return e;
}

const struct expr *rig_call(struct rig *rig, const char *func, const struct expr *a, const struct expr *b)
{
    struct expr *e = ARENA_NEW(&rig->arena, struct expr);
    const struct expr **args = ARENA_ARRAY(&rig->arena, const struct expr *, 2);
    struct type types[2] = {a->type, b->type}, casts[2];
    struct diag d;
    args[0] = a;
    args[1] = b;
    *e = (struct expr){.kind = EX_CALL, .nargs = 2, .args = args};
    if (func_resolve(str_of(func), types, 2, &e->func, casts, &e->type, &d))
        fail_msg("%s: %s", func, d.text);
    for (unsigned i = 0; i < 2; i++)
        assert_true(type_eq(casts[i], types[i]));
    return e;
}

struct agg rig_agg(struct rig *rig, enum agg_kind kind, const struct plan_node *in, int col)
{
    struct agg a = {.kind = kind, .arg = col < 0 ? NULL : rig_column(rig, in, (unsigned)col)};
    assert_true(agg_result(kind, a.arg ? a.arg->type : TYPE(T_BIGINT), &a.type));
    return a;
}

/* ---- The task. */

static void output_cb(void *task, struct op *op, int32_t part, int64_t ts_ms, struct str key, struct str value)
{
    struct rig *rig = task;
    assert_in_range(part, 0, rig->env.output_parts - 1);
    (void)op;
    VEC_PUSH(rig->records, rig->nrecords, rig->cap_records) =
        (struct rig_record){part, ts_ms, arena_dup(&rig->arena, key), arena_dup(&rig->arena, value)};
}

static void error_cb(void *task, struct op *op, const char *text)
{
    struct rig *rig = task;
    (void)op;
    if (!rig->nerrors++)
        snprintf(rig->error, sizeof rig->error, "%s", text);
}

static void put_cb(void *arg, unsigned store, struct str key, struct str value)
{
    struct rig *rig = arg;
    VEC_PUSH(rig->changes, rig->nchanges, rig->cap_changes) =
        (struct rig_change){store, arena_dup(&rig->arena, key), arena_dup(&rig->arena, value)};
}

static void row_text(const struct batch *b, uint32_t row, struct wbuf *out)
{
    for (unsigned c = 0; c < b->ncols; c++) {
        struct value v = batch_value(b, c, row);
        wbuf_u8(out, c ? '|' : '[');
        if (v.null)
            wbuf_u8(out, '~');
        else
            value_format(&v, out);
    }
}

static void bag_add(struct kv *bag, struct str key, int64_t by)
{
    struct str before = kv_get(bag, key);
    int64_t n = (before.ptr ? (int64_t)be64(before.ptr) : 0) + by;
    uint8_t bytes[8];
    put_be64(bytes, (uint64_t)n);
    if (n)
        kv_put(bag, key, (struct str){(char *)bytes, 8});
    else
        kv_remove(bag, key);
}

/* ---- The cold level. */

struct fetching {
    struct rig *rig;
    struct op *op;
    struct need *need;
    struct sink_scan *scan; /* where it goes instead of the operator */
};

static int fetch_cb(void *arg, struct str key, struct str value)
{
    struct fetching *f = arg;
    struct need *n = f->need;
    struct str rest = {key.ptr + 4, key.len - 4};
    int cmp = str_cmp(rest, n->from);
    if (cmp < 0 || (cmp == 0 && n->above))
        return 0;
    if (n->found == n->limit)
        return 1;
    n->found++;
    f->rig->fetched++;
    if (f->scan)
        sink_scan_load(f->scan, rest, value);
    else
        assert_int_equal(f->op->cls->load(f->op, n->store, rest, value), 0);
    return 0;
}

static void cold_key(unsigned store, struct str key, struct wbuf *out)
{
    wbuf_reset(out);
    wbuf_be32(out, store);
    wbuf_str(out, key);
}

static void fetch(struct fetching *f)
{
    struct wbuf key;
    wbuf_init(&key);
    cold_key(f->need->store, f->need->key, &key);
    struct str value = f->need->range ? STR_NULL : kv_get(f->rig->cold, wbuf_view(&key));
    if (f->need->range) {
        kv_scan(f->rig->cold, wbuf_view(&key), fetch_cb, f);
    } else if (value.ptr) {
        f->need->found = 1;
        f->rig->fetched++;
        assert_int_equal(f->op->cls->load(f->op, f->need->store, f->need->key, value), 0);
    }
    wbuf_fini(&key);
    if (f->scan)
        sink_scan_loaded(f->scan, f->need);
    else if (f->op->cls->loaded)
        f->op->cls->loaded(f->op, f->need);
}

void rig_fetch(struct rig *rig, struct op *op, struct needs *needs)
{
    for (size_t i = 0; i < needs->n; i++)
        fetch(&(struct fetching){rig, op, &needs->v[i], NULL});
}

static void park_cb(void *task, struct op *op, unsigned input, const struct batch *b)
{
    struct rig *rig = task;
    assert_true(rig->spills);
    rig_fetch(rig, op, &rig->needs);
    op_push_now(op, input, (struct batch *)b);
}

/* A sweep or two over everything, or a part of it. */
static void evict_some(struct rig *rig)
{
    for (unsigned i = 0; i < rig->nops; i++) {
        struct op *op = rig->ops[i];
        unsigned sweeps = (unsigned)random_below(&rig->r, 4);
        while (op->cls->evict && sweeps)
            sweeps -= op->cls->evict(op, 1 + random_below(&rig->r, 20));
        if (op->cls->tidy)
            op->cls->tidy(op, random_below(&rig->r, 100));
    }
}

static void begin_checkpoint(struct rig *rig)
{
    rig->begun_changes = rig->committed_changes;
    rig->begun_epoch = rig->committed_epoch;
}

/* One that ends now: often it was begun some commits ago. */
void rig_checkpoint(struct rig *rig)
{
    struct wbuf key;
    wbuf_init(&key);
    bool old = rig->begun_changes > rig->cold_changes && random_chance(&rig->r, 0.5);
    size_t upto = old ? rig->begun_changes : rig->committed_changes;
    for (; rig->cold_changes < upto; rig->cold_changes++) {
        const struct rig_change *c = &rig->changes[rig->cold_changes];
        cold_key(c->store, c->key, &key);
        if (c->value.ptr)
            kv_put(rig->cold, wbuf_view(&key), c->value);
        else
            kv_remove(rig->cold, wbuf_view(&key));
    }
    wbuf_fini(&key);
    rig->clock.clean = old ? rig->begun_epoch : rig->committed_epoch;
    begin_checkpoint(rig);
    evict_some(rig);
}

/* The sink whose rows are this operator's groups. */
static struct op *heir_of(const struct rig *rig, const struct op *op)
{
    struct op *last = rig->ops[rig->nops - 1];
    return last->node->derived && plan_derives(last->node) == op->node ? last : NULL;
}

static int give_cb(void *arg, struct str key, struct str value)
{
    struct fetching *f = arg;
    struct str rest = {key.ptr + 4, key.len - 4};
    int err = f->op->cls->restore(f->op, f->need->store, rest, value);
    if (!err && f->need->store % 8 == 0 && heir_of(f->rig, f->op))
        sink_derive(heir_of(f->rig, f->op), rest, value);
    return err;
}

static int count_cb(void *arg, struct str key, struct str value)
{
    (void)key, (void)value;
    ++*(size_t *)arg;
    return 0;
}

/* A new operator learns what the checkpoint holds; small stores are loaded whole. */
static void open_cold(struct rig *rig, struct op *op)
{
    struct wbuf prefix;
    wbuf_init(&prefix);
    for (unsigned k = 0; k < 8; k++) {
        size_t n = 0;
        struct need need = {.store = op->node->store * 8 + k};
        cold_key(need.store, STR(""), &prefix);
        kv_scan(rig->cold, wbuf_view(&prefix), count_cb, &n);
        if (n && (n == 1 || !op->cls->opened))
            assert_int_equal(kv_scan(rig->cold, wbuf_view(&prefix), give_cb, &(struct fetching){rig, op, &need, NULL}), 0);
        else if (n)
            op->cls->opened(op, need.store, (int64_t)n);
        if (n > 1 && k == 0 && op->cls->opened && heir_of(rig, op))
            heir_of(rig, op)->cls->opened(heir_of(rig, op), 0, (int64_t)n);
    }
    wbuf_fini(&prefix);
}

void rig_load_all(struct rig *rig, const struct plan_node *n, unsigned k)
{
    for (unsigned i = 0; i < rig->nops; i++)
        if (rig->nodes[i] == n)
            fetch(&(struct fetching){rig, rig->ops[i], &(struct need){.store = n->store * 8 + k, .range = true, .limit = UINT32_MAX,
                                                                      .key = STR(""), .from = STR("")}, NULL});
}

bool rig_scan_step(struct rig *rig, struct op *sink, struct sink_scan *s, int (*each_cb)(void *arg, struct batch *b), void *arg)
{
    bool over = false;
    do {
        needs_reset(&rig->needs);
        assert_int_equal(sink_scan_step(s, &rig->needs, &rig->turn, 1 + random_below(&rig->r, 5), &over, each_cb, arg), 0);
        if (rig->needs.n)
            fetch(&(struct fetching){rig, sink, &rig->needs.v[0], s});
    } while (rig->needs.n);
    return over;
}

int rig_scan(struct rig *rig, struct op *sink, struct str key, int (*each_cb)(void *arg, struct batch *b), void *arg)
{
    struct sink_scan *s = sink_scan_open(sink, key);
    while (!rig_scan_step(rig, sink, s, each_cb, arg))
        ;
    sink_scan_close(s);
    return 0;
}

static void show(struct rig *rig, const struct batch *b)
{
    struct wbuf text;
    wbuf_init(&text);
    batch_check(b);
    rig->nbatches++;
    for (uint32_t i = 0; i < b->nsel; i++) {
        uint32_t row = batch_row(b, i);
        wbuf_reset(&text);
        row_text(b, row, &text);
        bag_add(rig->fresh, wbuf_view(&text), batch_weight(b, row));
    }
    wbuf_fini(&text);
}

static void exit_cb(struct op *op, const struct batch *b) { show(op->env->task, b); }
static void result_cb(void *task, struct op *op, const struct batch *b) { (void)op, show(task, b); }

static bool due_cb(void *task) { return ((struct rig *)task)->due; }

static void held_cb(void *task, bool went, bool waits)
{
    struct rig *rig = task;
    assert_true(!went || rig->due);
    rig->waits = waits;
}

void rig_init(struct rig *rig, uint64_t seed)
{
    *rig = (struct rig){0};
    arena_init(&rig->arena);
    arena_init(&rig->turn);
    random_seed(&rig->r, seed);
    budget_init(&rig->budget, INT64_MAX, NULL);
    rig->env = (struct op_env){.task = rig, .output = output_cb, .output_parts = 3, .result = result_cb, .error = error_cb,
                               .ntasks = 1, .memory = &rig->budget, .due = due_cb, .held = held_cb};
    needs_init(&rig->needs);
    needs_init(&rig->mark_needs);
    rig->cold = kv_new(true, NULL);
    rig->spills = random_chance(&rig->r, 0.6);
    rig->clock = (struct state_clock){.cold = rig->spills, .epoch = (uint32_t)random_next(&rig->r)};
    rig->clock.clean = rig->committed_epoch = rig->clock.epoch - 1;
    rig->env.clock = &rig->clock;
    rig->env.needs = &rig->needs;
    rig->env.park = rig->spills ? park_cb : NULL;
    rig->shown = kv_new(true, NULL);
    rig->fresh = kv_new(true, NULL);
    assert_int_equal(sqlite3_open(":memory:", &rig->db), SQLITE_OK);
}

static void close_ops(struct rig *rig)
{
    for (unsigned i = 0; i < rig->nops; i++)
        op_close(rig->ops[i]);
    assert_int_equal(atomic_load(&rig->budget.used), 0);
}

void rig_fini(struct rig *rig)
{
    close_ops(rig);
    kv_free(rig->shown);
    kv_free(rig->fresh);
    kv_free(rig->cold);
    needs_fini(&rig->needs);
    needs_fini(&rig->mark_needs);
    xfree(rig->changes);
    xfree(rig->records);
    sqlite3_close(rig->db);
    arena_fini(&rig->turn);
    arena_fini(&rig->arena);
}

unsigned rig_op(struct rig *rig, struct plan_node *n, int next, unsigned next_input)
{
    assert_true(rig->nops < RIG_OPS);
    rig->nodes[rig->nops] = n;
    rig->next[rig->nops] = next;
    rig->next_input[rig->nops] = next_input;
    return rig->nops++;
}

void rig_start(struct rig *rig)
{
    struct diag d;
    for (unsigned i = 0; i < rig->nops; i++)
        if (op_open(&rig->ops[i], rig->nodes[i], &rig->env, &d))
            fail_msg("open: %s", d.text);
    for (unsigned i = 0; i < rig->nops; i++) {
        struct op *op = rig->ops[i];
        op->next = rig->next[i] < 0 ? NULL : rig->ops[rig->next[i]];
        op->next_input = rig->next_input[i];
        op->exit_cb = exit_cb;
    }
}

static void set_row(struct batch *b, const struct rig_row *row, uint32_t at, uint32_t cap, const struct plan_node *src)
{
    bool deleted = src->mode == MODE_UPSERT && row->weight < 0;
    for (unsigned c = 0; c < b->ncols; c++) {
        bool is_key = false;
        for (unsigned k = 0; k < src->nkey; k++)
            is_key |= src->key[k] == c;
        if (!deleted || is_key) {
            batch_set_value(b, c, at, &row->v[c], cap);
        } else { /* undefined; must not be looked at */
            memset((char *)b->cols[c].data + at * type_width(b->cols[c].type), 0xee, type_width(b->cols[c].type));
        }
    }
    b->ts[at] = row->ts;
}

static struct batch *make_batch(struct rig *rig, const struct plan_node *src, const struct rig_row *rows, unsigned n)
{
    /* Now and then rows that are not selected lie between. */
    uint32_t cap = n;
    bool gaps = random_chance(&rig->r, 0.5) && n < ENGINE_BATCH_ROWS;
    if (gaps)
        cap += (uint32_t)random_below(&rig->r, MIN(ENGINE_BATCH_ROWS - n, 3u) + 1);
    struct batch *b = batch_new(&rig->turn, &src->out, cap);
    uint32_t *sel = arena_alloc(&rig->turn, sizeof *sel * (n + 1));
    if (src->mode != MODE_APPEND)
        b->weight = arena_alloc(&rig->turn, cap + 1);
    uint32_t at = 0, spare = cap - n;
    for (unsigned i = 0; i < n; i++) {
        while (spare && random_chance(&rig->r, 0.4)) {
            set_row(b, &rows[0], at, cap, src);
            if (b->weight)
                b->weight[at] = 1;
            at++;
            spare--;
        }
        set_row(b, &rows[i], at, cap, src);
        if (b->weight)
            b->weight[at] = (int8_t)rows[i].weight;
        sel[i] = at++;
    }
    b->n = at;
    b->nsel = n;
    b->sel = at == n && random_chance(&rig->r, 0.5) ? NULL : sel;
    return b;
}

void rig_push(struct rig *rig, const struct rig_row *rows, unsigned n)
{
    unsigned input = rows[0].input;
    if (rig->spills && random_chance(&rig->r, 0.2))
        rig_checkpoint(rig); /* in the middle of an epoch: what is not committed stays out of it */
    struct op *op = rig->ops[rig->entry[input].op];
    struct batch *b = make_batch(rig, op->node->inputs[rig->entry[input].input], rows, n);
    op_push(op, rig->entry[input].input, b);
    arena_reset(&rig->turn);
}

void rig_watermark(struct rig *rig, int64_t wm_ms)
{
    for (unsigned i = 0; i < rig->nops; i++)
        if (rig->ops[i]->cls->watermark)
            rig->ops[i]->cls->watermark(rig->ops[i], wm_ms);
}

void rig_marker(struct rig *rig)
{
    struct changes out = {rig, put_cb};
    for (unsigned i = 0; i < rig->nops; i++) {
        struct op *op = rig->ops[i];
        for (bool first = true; op->cls->prepare && rig->spills; first = false) {
            needs_reset(&rig->mark_needs);
            op->cls->prepare(op, first, &out, &rig->mark_needs);
            if (!rig->mark_needs.n)
                break;
            assert_true(rig->spills);
            rig_fetch(rig, op, &rig->mark_needs);
        }
        if (op->cls->marker)
            op->cls->marker(op, &out);
    }
    rig->clock.epoch++;
}

static int commit_cb(void *arg, struct str key, struct str value)
{
    bag_add(arg, key, (int64_t)be64(value.ptr));
    return 0;
}

void rig_commit(struct rig *rig)
{
    kv_scan(rig->fresh, STR(""), commit_cb, rig->shown);
    kv_clear(rig->fresh);
    rig->committed_changes = rig->nchanges;
    rig->committed_records = rig->nrecords;
    rig->committed_epoch = rig->clock.epoch - 1;
    for (unsigned i = 0; i < rig->nops; i++)
        if (rig->ops[i]->cls->committed)
            rig->ops[i]->cls->committed(rig->ops[i]);
    if (!rig->begun_changes && random_chance(&rig->r, 0.5))
        begin_checkpoint(rig);
    else if (rig->spills && random_chance(&rig->r, 0.5))
        rig_checkpoint(rig);
}

static void restore(struct rig *rig, unsigned store, struct str key, struct str value)
{
    for (unsigned i = 0; i < rig->nops; i++) {
        if (rig->nodes[i]->id != store / 8)
            continue;
        assert_non_null(rig->ops[i]->cls->restore);
        assert_int_equal(rig->ops[i]->cls->restore(rig->ops[i], store, key, value), 0);
        if (store % 8 == 0 && heir_of(rig, rig->ops[i]))
            sink_derive(heir_of(rig, rig->ops[i]), key, value);
        return;
    }
    fail_msg("store %u belongs to no operator", store);
}

static int restore_cb(void *arg, struct str key, struct str value)
{
    restore(arg, be32(key.ptr), (struct str){key.ptr + 4, key.len - 4}, value);
    return 0;
}

/* From the whole changelog, or from what is left of it after compaction. */
static void restore_all(struct rig *rig)
{
    struct kv *last = kv_new(random_chance(&rig->r, 0.5), NULL);
    rig->begun_changes = 0;
    bool compacted = rig->cold_changes == 0 && random_chance(&rig->r, 0.5);
    struct wbuf key;
    wbuf_init(&key);
    for (unsigned i = 0; i < rig->nops; i++)
        open_cold(rig, rig->ops[i]);
    for (size_t i = rig->cold_changes; i < rig->committed_changes; i++) {
        const struct rig_change *c = &rig->changes[i];
        if (!compacted) {
            restore(rig, c->store, c->key, c->value);
            continue;
        }
        wbuf_reset(&key);
        wbuf_be32(&key, c->store);
        wbuf_str(&key, c->key);
        if (c->value.ptr)
            kv_put(last, wbuf_view(&key), c->value);
        else
            kv_remove(last, wbuf_view(&key));
    }
    kv_scan(last, STR(""), restore_cb, rig);
    for (unsigned i = 0; i < rig->nops; i++)
        if (rig->nodes[i]->derived)
            sink_derived(rig->ops[i]);
    wbuf_fini(&key);
    kv_free(last);
}

void rig_crash(struct rig *rig)
{
    close_ops(rig);
    kv_clear(rig->fresh);
    rig->nchanges = rig->committed_changes;
    rig->nrecords = rig->committed_records;
    rig_start(rig);
    restore_all(rig);
}

size_t rig_live(const struct rig *rig, const struct plan_node *n, unsigned k)
{
    struct kv *last = kv_new(false, NULL);
    for (size_t i = 0; i < rig->committed_changes; i++) {
        const struct rig_change *c = &rig->changes[i];
        if (c->store != n->store * 8 + k)
            continue;
        if (c->value.ptr)
            kv_put(last, c->key, c->value);
        else
            kv_remove(last, c->key);
    }
    size_t live = kv_count(last);
    kv_free(last);
    return live;
}

/* Not numbers of 17, 21 or 10 bytes, weights and counts of rows: a huge one is no crash but a huge result. */
static struct str damaged(struct rig *rig, struct str s)
{
    if (!s.ptr || s.len == 17 || s.len == 21 || s.len == 10 || random_chance(&rig->r, 0.7))
        return s;
    s = arena_dup(&rig->arena, s);
    if (s.len && random_chance(&rig->r, 0.7))
        ((char *)s.ptr)[random_below(&rig->r, s.len)] ^= (char)(1 << random_below(&rig->r, 8));
    else
        s.len = random_below(&rig->r, s.len + 1);
    return s;
}

void rig_restore_damaged(struct rig *rig)
{
    close_ops(rig);
    rig_start(rig);
    kv_clear(rig->cold);
    rig->cold_changes = rig->begun_changes = 0;
    for (size_t i = 0; i < rig->committed_changes; i++) {
        const struct rig_change *c = &rig->changes[i];
        for (unsigned k = 0; k < rig->nops; k++) {
            if (rig->nodes[k]->id != c->store / 8)
                continue;
            int err = rig->ops[k]->cls->restore(rig->ops[k], c->store, damaged(rig, c->key), damaged(rig, c->value));
            assert_true(err == 0 || err == E_CORRUPT);
        }
    }
}

/* ---- The batch database. */

void rig_exec(struct rig *rig, const char *sql)
{
    char *why = NULL;
    if (sqlite3_exec(rig->db, sql, NULL, NULL, &why))
        fail_msg("%s: %s", sql, why);
}

static void column_text(sqlite3_stmt *st, int c, struct wbuf *out)
{
    struct value v = {0};
    switch (sqlite3_column_type(st, c)) {
    case SQLITE_NULL:
        wbuf_u8(out, '~');
        return;
    case SQLITE_FLOAT:
        v = (struct value){.type = TYPE(T_DOUBLE), .f = sqlite3_column_double(st, c)};
        break;
    case SQLITE_INTEGER:
        v = (struct value){.type = TYPE(T_BIGINT), .i = sqlite3_column_int64(st, c)};
        break;
    default:
        v.type = TYPE(T_VARCHAR);
        v.s = (struct str){(const char *)sqlite3_column_text(st, c), (size_t)sqlite3_column_bytes(st, c)};
    }
    value_format(&v, out);
}

static int complain_cb(void *arg, struct str key, struct str value)
{
    print_error("%s %+" PRId64 " x %.*s]\n", (const char *)arg, (int64_t)be64(value.ptr), STR_ARG(key));
    return 0;
}

static int subtract_cb(void *arg, struct str key, struct str value)
{
    bag_add(arg, key, -(int64_t)be64(value.ptr));
    return 0;
}

void rig_expect(struct rig *rig, const char *sql)
{
    struct kv *bag = kv_new(true, NULL);
    struct wbuf text;
    sqlite3_stmt *st;
    wbuf_init(&text);
    if (sqlite3_prepare_v2(rig->db, sql, -1, &st, NULL))
        fail_msg("%s: %s", sql, sqlite3_errmsg(rig->db));
    while (sqlite3_step(st) == SQLITE_ROW) {
        wbuf_reset(&text);
        for (int c = 0; c < sqlite3_column_count(st); c++) {
            wbuf_u8(&text, c ? '|' : '[');
            column_text(st, c, &text);
        }
        bag_add(bag, wbuf_view(&text), 1);
    }
    sqlite3_finalize(st);
    wbuf_fini(&text);
    kv_scan(rig->shown, STR(""), subtract_cb, bag);
    if (kv_count(bag)) {
        kv_scan(bag, STR(""), complain_cb, "missing (+) or too many (-):");
        fail_msg("not what the database answers to: %s", sql);
    }
    kv_free(bag);
}

/* ---- Random runs. */

void rig_run(struct rig *rig, const struct rig_row *rows, size_t n, const char *sql)
{
    size_t at = 0, told = 0, committed = 0;
    double marker = 0.02 + random_unit(&rig->r) * 0.3, crash = random_chance(&rig->r, 0.7) ? 0.03 : 0;
    unsigned most = random_chance(&rig->r, 0.2) ? ENGINE_BATCH_ROWS : MIN(ENGINE_BATCH_ROWS, 40);
    unsigned max = 1 + (unsigned)random_below(&rig->r, most);
    while (committed < n) {
        unsigned want = 1 + (unsigned)random_below(&rig->r, max), take = (unsigned)MIN(want, n - at), got = 0;
        while (got < take && rows[at + got].input == rows[at].input)
            got++;
        if (got)
            rig_push(rig, &rows[at], got);
        at += got;
        for (; told < at; told++)
            if (rows[told].sql)
                rig_exec(rig, rows[told].sql);
        if (rig->watermarks && at && random_chance(&rig->r, 0.5))
            rig_watermark(rig, rig->watermarks[random_below(&rig->r, at)]);
        if (random_chance(&rig->r, crash)) {
            rig_crash(rig);
            at = committed;
        } else if (at == n || random_chance(&rig->r, marker)) {
            rig_marker(rig);
            if (random_chance(&rig->r, crash)) { /* marked, but not committed */
                rig_crash(rig);
                at = committed;
                continue;
            }
            rig_commit(rig);
            committed = at;
            if (sql && at == told)
                rig_expect(rig, sql);
        }
    }
}

/* ---- Values. */

struct value rig_int(int64_t i) { return (struct value){.type = TYPE(T_BIGINT), .i = i}; }
struct value rig_i32(int64_t i) { return (struct value){.type = TYPE(T_INT), .i = i}; }
struct value rig_double(double f) { return (struct value){.type = TYPE(T_DOUBLE), .f = f}; }
struct value rig_null(enum type_id t) { return value_null((struct type){.id = (uint8_t)t}); }

struct value rig_text(struct rig *rig, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = arena_vprintf(&rig->arena, fmt, ap);
    va_end(ap);
    return (struct value){.type = TYPE(T_VARCHAR), .s = str_of(s)};
}

char *rig_sql(struct rig *rig, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    char *s = arena_vprintf(&rig->arena, fmt, ap);
    va_end(ap);
    return s;
}

const char *rig_literal(struct rig *rig, const struct value *v)
{
    if (v->null)
        return "NULL";
    if (v->type.id == T_VARCHAR)
        return rig_sql(rig, "'%.*s'", STR_ARG(v->s));
    if (v->type.id == T_DOUBLE)
        return rig_sql(rig, "%.17g", v->f);
    return rig_sql(rig, "%" PRId64, v->i);
}
