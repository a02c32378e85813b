#include "engine/expr/prog.h"
#include <stdio.h>

/* Running a program over a batch. Registers that are not results keep their memory from batch to batch; results and
 * validity bits are taken from the batch's arena. */

void cached_drop(struct cached *c)
{
    if (c->made)
        c->free_cb(c->made);
    xfree(c->text);
    *c = (struct cached){0};
}

void cached_set(struct cached *c, struct str text, void *made, void (*free_cb)(void *made))
{
    cached_drop(c);
    *c = (struct cached){xalloc(text.len + 1), text.len, made, free_cb};
    memcpy(c->text, text.ptr, text.len);
}

static void note_bad(struct expr_bad *bad, uint32_t row, bool function, const char *text)
{
    if (bad->n == bad->cap) {
        unsigned cap = bad->cap ? bad->cap * 2 : 16;
        struct expr_bad_row *rows = ARENA_ARRAY(bad->arena, struct expr_bad_row, cap);
        if (bad->n)
            memcpy(rows, bad->rows, bad->n * sizeof *rows);
        bad->rows = rows;
        bad->cap = cap;
    }
    bad->rows[bad->n++] = (struct expr_bad_row){row, function, arena_strdup(bad->arena, text)};
}

void call_note_bad(struct call *c, uint32_t row, bool function, const char *text)
{
    note_bad(c->errors->bad, row, function, text);
}

void call_fail(struct call *c, uint32_t r, const char *text)
{
    if (c->watched && c->errors && c->errors->bad)
        note_bad(c->errors->bad, r, c->watched & WATCH_FUNCTION, text);
    if (c->errors && c->errors->count++ == 0)
        snprintf(c->errors->first, sizeof c->errors->first, "%s", text);
    call_null(c, r);
}

struct value arg_value(const struct call *c, unsigned i, uint32_t r)
{
    struct batch view = *c->b;
    view.cols = (struct vec *)(uintptr_t)c->args[i];
    return batch_value(&view, 0, r & c->mask[i]);
}

void out_value(struct call *c, uint32_t r, const struct value *v)
{
    switch (type_width(c->out->type)) {
    case 1:
        c->out->b[r] = v->b;
        break;
    case 4:
        c->out->i32[r] = (int32_t)v->i;
        break;
    case 8:
        if (c->out->type.id == T_DOUBLE)
            c->out->f64[r] = v->f;
        else
            c->out->i64[r] = v->i;
        break;
    default:
        if (c->out->type.id == T_DECIMAL)
            c->out->i128[r] = v->d;
        else
            out_str(c, r, v->s);
    }
}

/* ---- registers */

static uint32_t reg_mask(const struct reg *reg) { return reg->kind == REG_CONST ? 0 : UINT32_MAX; }

struct value reg_value(const struct reg *reg, const struct batch *b)
{
    struct batch view = *b;
    view.cols = (struct vec *)(uintptr_t)&reg->vec;
    struct value v = batch_value(&view, 0, 0);
    v.type = reg->vec.type;
    return v;
}

static void bind_const(struct reg *reg, struct batch *in)
{
    const struct value *v = &reg->value;
    if (v->null)
        return;
    switch (type_width(v->type)) {
    case 1:
        reg->vec.b[0] = v->b;
        break;
    case 4:
        reg->vec.i32[0] = (int32_t)v->i;
        break;
    case 8:
        if (v->type.id == T_DOUBLE)
            reg->vec.f64[0] = v->f;
        else
            reg->vec.i64[0] = v->i;
        break;
    default:
        if (v->type.id == T_DECIMAL)
            reg->vec.i128[0] = v->d;
        else
            reg->vec.s[0] = sview_in(v->s.ptr, v->s.len > 12 ? batch_add_buf(in, v->s.ptr) : 0, v->s);
    }
}

void prog_bind_consts(struct prog *p, struct batch *in)
{
    for (unsigned i = 0; i < p->nregs; i++)
        if (p->regs[i].kind == REG_CONST)
            bind_const(&p->regs[i], in);
}

static void bind_columns(struct prog *p, const struct batch *in)
{
    for (unsigned i = 0; i < p->nregs; i++)
        if (p->regs[i].kind == REG_COLUMN) {
            CHECK(p->regs[i].column < in->ncols);
            p->regs[i].vec = in->cols[p->regs[i].column];
        }
}

/* Memory for a step's column of n rows. */
static void reg_ready(struct reg *reg, struct arena *a, uint32_t n)
{
    size_t size = type_width(reg->vec.type) * MAX(n, 1u);
    reg->vec.valid = NULL;
    if (reg->is_root) {
        reg->vec.data = arena_alloc(a, size);
        return;
    }
    if (reg->room_size < size) {
        xfree(reg->room);
        reg->room = xalloc(size);
        reg->room_size = size;
    }
    reg->vec.data = reg->room;
}

/* ---- calls */

/* The result of a strict function is NULL where an argument is. */
static void join_valid(struct call *c)
{
    uint32_t words = (c->n + 63) / 64;
    for (unsigned i = 0; i < c->nargs; i++) {
        const uint64_t *valid = c->args[i]->valid;
        if (!valid)
            continue;
        if (!c->out->valid)
            vec_alloc_valid(c->out, c->arena, c->n);
        if (!c->mask[i]) {
            if (!(valid[0] & 1))
                memset(c->out->valid, 0, words * 8u);
            continue;
        }
        for (uint32_t w = 0; w < words; w++)
            c->out->valid[w] &= valid[w];
    }
}

#define CALL_ARGS 64 /* arguments that need no memory of their own */

static void run_call(struct prog *p, struct step *st, struct batch *in, struct expr_errors *errors)
{
    const struct vec *few[CALL_ARGS], **args = few;
    uint32_t few_masks[CALL_ARGS], *masks = few_masks;
    if (st->nargs > CALL_ARGS) {
        args = arena_alloc(in->arena, sizeof *args * st->nargs);
        masks = arena_alloc(in->arena, sizeof *masks * st->nargs);
    }
    for (unsigned i = 0; i < st->nargs; i++) {
        args[i] = &p->regs[st->args[i]].vec;
        masks[i] = reg_mask(&p->regs[st->args[i]]);
    }
    const struct scope *sc = &p->scopes[st->scope];
    struct call c = {.b = in, .arena = in->arena, .sel = sc->sel, .nsel = sc->nsel, .n = in->n, .nargs = st->nargs,
                     .args = args, .mask = masks, .out = &p->regs[st->out].vec, .cache = st->cache, .aux = st->aux,
                     .ctx = p->ctx, .errors = errors, .watched = st->watched};
    if (st->strict)
        join_valid(&c);
    if (c.nsel)
        st->kernel(&c);
}

/* ---- selections */

/* A condition of a row: 0 false, 1 true, 2 unknown. */
static unsigned truth(const struct vec *v, uint32_t mask, uint32_t r)
{
    return vec_valid(v, r & mask) ? v->b[r & mask] != 0 : 2;
}

static bool keeps(enum scope_mode mode, unsigned t)
{
    return mode == ROWS_TRUE ? t == 1 : mode == ROWS_NOT_TRUE ? t != 1 : t != 0;
}

/* Rows of a selection (sel NULL: 0 .. nsel-1) that pass, into out; gives their count. */
static uint32_t select_rows(const struct vec *v, uint32_t mask, enum scope_mode mode, const uint32_t *sel, uint32_t nsel,
                            uint32_t *out)
{
    uint32_t k = 0;
    if (!v->valid && mask) { /* the common case, without branches */
        uint8_t want = mode != ROWS_NOT_TRUE;
        for (uint32_t i = 0; i < nsel; i++) {
            uint32_t r = sel ? sel[i] : i;
            out[k] = r;
            k += (v->b[r] != 0) == want;
        }
        return k;
    }
    for (uint32_t i = 0; i < nsel; i++) {
        uint32_t r = sel ? sel[i] : i;
        out[k] = r;
        k += keeps(mode, truth(v, mask, r));
    }
    return k;
}

static void run_scope(struct prog *p, const struct step *st, struct batch *in)
{
    const struct reg *reg = &p->regs[st->args[0]];
    const struct scope *from = &p->scopes[st->scope];
    struct scope *to = &p->scopes[st->out];
    uint32_t *sel = arena_alloc(in->arena, sizeof *sel * (from->nsel + 1u));
    to->nsel = select_rows(&reg->vec, reg_mask(reg), st->mode, from->sel, from->nsel, sel);
    to->sel = sel;
}

/* ---- joining branches */

static void copy_rows(struct vec *out, const struct vec *from, uint32_t mask, const struct scope *sc)
{
    size_t w = type_width(out->type);
    for (uint32_t i = 0; i < sc->nsel; i++) {
        uint32_t r = sc->sel ? sc->sel[i] : i, at = r & mask;
        switch (w) {
        case 1:
            out->b[r] = from->b[at];
            break;
        case 4:
            out->i32[r] = from->i32[at];
            break;
        case 8:
            out->i64[r] = from->i64[at];
            break;
        default:
            out->i128[r] = from->i128[at];
        }
    }
}

static void run_case(struct prog *p, const struct step *st, struct batch *in)
{
    struct vec *out = &p->regs[st->out].vec;
    for (unsigned i = 0; i < st->nargs; i += 2) {
        const struct scope *sc = &p->scopes[st->args[i]];
        const struct reg *reg = &p->regs[st->args[i + 1]];
        const struct vec *from = &reg->vec;
        uint32_t mask = reg_mask(reg);
        if (from->type.id != T_NULL)
            copy_rows(out, from, mask, sc);
        for (uint32_t k = 0; from->valid && k < sc->nsel; k++) {
            uint32_t r = sc->sel ? sc->sel[k] : k;
            if (!vec_valid(from, r & mask))
                vec_set_null(out, in->arena, r, in->n);
        }
    }
}

/* Three-valued AND and OR: `weak` is the value that the other side decides over. */
static void run_logic(struct prog *p, const struct step *st, struct batch *in)
{
    const struct reg *left = &p->regs[st->args[0]], *right = &p->regs[st->args[1]];
    const struct scope *sc = &p->scopes[st->scope], *open = &p->scopes[st->args[2]];
    struct vec *out = &p->regs[st->out].vec;
    unsigned strong = st->op == STEP_OR;
    memset(out->b, (int)strong, in->n);
    CHECK(open->nsel <= sc->nsel);
    for (uint32_t i = 0; i < open->nsel; i++) {
        uint32_t r = open->sel[i];
        unsigned a = truth(&left->vec, reg_mask(left), r), b = truth(&right->vec, reg_mask(right), r);
        if (b == strong)
            continue;
        if (a == 2 || b == 2)
            vec_set_null(out, in->arena, r, in->n);
        else
            out->b[r] = (uint8_t)b;
    }
}

void step_run(struct prog *p, struct step *st, struct batch *in, struct expr_errors *errors)
{
    if (st->op != STEP_SCOPE)
        reg_ready(&p->regs[st->out], in->arena, in->n);
    switch (st->op) {
    case STEP_CALL:
        run_call(p, st, in, errors);
        break;
    case STEP_SCOPE:
        run_scope(p, st, in);
        break;
    case STEP_CASE:
        run_case(p, st, in);
        break;
    case STEP_AND:
    case STEP_OR:
        run_logic(p, st, in);
        break;
    }
}

/* ---- whole programs */

static void run_steps(struct prog *p, struct batch *in, struct expr_errors *errors)
{
    p->scopes[0] = (struct scope){.sel = in->sel, .nsel = in->nsel};
    prog_bind_consts(p, in);
    bind_columns(p, in);
    for (unsigned i = 0; i < p->nsteps; i++)
        step_run(p, &p->steps[i], in, errors);
}

/* A constant as a column of n rows. */
static void spread(const struct reg *reg, struct arena *a, uint32_t n, struct vec *out)
{
    vec_alloc(out, a, reg->vec.type, n);
    if (reg->value.null) {
        vec_alloc_valid(out, a, n);
        memset(out->valid, 0, ((size_t)n + 63) / 64 * 8);
        memset(out->data, 0, type_width(out->type) * n);
        return;
    }
    struct scope all = {.sel = NULL, .nsel = n};
    copy_rows(out, &reg->vec, 0, &all);
}

/* Views into in's buffers become views into those of strings. */
static void move_views(struct vec *v, const struct batch *in, uint32_t by)
{
    struct sview *moved = arena_alloc(in->arena, sizeof *moved * MAX(in->n, 1u));
    for (uint32_t i = 0; i < in->nsel; i++) {
        uint32_t r = batch_row(in, i);
        if (!vec_valid(v, r))
            continue;
        moved[r] = v->s[r];
        if (moved[r].len > sizeof moved[r].inl)
            moved[r].buf += by;
    }
    v->s = moved;
}

void prog_eval(struct prog *p, struct batch *in, struct vec *out, struct batch *strings, struct expr_errors *errors)
{
    run_steps(p, in, errors);
    bool text = false;
    for (unsigned i = 0; i < p->nroots; i++) {
        const struct reg *reg = &p->regs[p->roots[i]];
        if (reg->kind == REG_CONST)
            spread(reg, in->arena, in->n, &out[i]);
        else
            out[i] = reg->vec;
        text |= type_is_text(out[i].type);
    }
    if (!text || strings == in)
        return;
    uint32_t by = strings->nbufs;
    for (unsigned i = 0; i < in->nbufs; i++)
        batch_add_buf(strings, in->bufs[i]);
    for (unsigned i = 0; i < p->nroots && by; i++)
        if (type_is_text(out[i].type))
            move_views(&out[i], in, by);
}

uint32_t prog_filter(struct prog *p, struct batch *in, uint32_t **sel, struct expr_errors *errors)
{
    CHECK(p->nroots == 1);
    run_steps(p, in, errors);
    const struct reg *reg = &p->regs[p->roots[0]];
    CHECK(reg->vec.type.id == T_BOOLEAN);
    *sel = arena_alloc(in->arena, sizeof **sel * (in->nsel + 1u));
    return select_rows(&reg->vec, reg_mask(reg), ROWS_TRUE, in->sel, in->nsel, *sel);
}
