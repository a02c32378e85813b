#include "engine/expr/prog.h"
#include "udf/load.h"

/* Calls of C functions. Selected rows are gathered into dense columns as udf/udf.h describes them, and results are put
 * back in their places, so that a function sees a plain array whatever the selection is. */

struct udf_step {
    struct udf *udf;
    struct udf_step *next;
};

static const uint8_t udf_types[T_COUNT_] = {
    [T_BOOLEAN] = WEIR_BOOLEAN, [T_INT] = WEIR_INT,     [T_BIGINT] = WEIR_BIGINT, [T_DOUBLE] = WEIR_DOUBLE,
    [T_VARCHAR] = WEIR_VARCHAR, [T_BYTES] = WEIR_BYTES, [T_DATE] = WEIR_DATE,     [T_TIME] = WEIR_TIME,
    [T_TIMESTAMP] = WEIR_TIMESTAMP};

static uint64_t *bits_new(struct arena *a, uint32_t n)
{
    size_t size = ((size_t)n + 63) / 64 * 8 + 8;
    uint64_t *bits = arena_alloc(a, size);
    memset(bits, 0xff, size);
    return bits;
}

static void bit_clear(uint64_t *bits, uint32_t i) { bits[i >> 6] &= ~(UINT64_C(1) << (i & 63)); }

/* NULLs become zeros and empty texts. */
static void gather(struct call *c, unsigned arg, struct weir_column *to)
{
    const struct vec *from = c->args[arg];
    bool text = type_is_text(from->type);
    size_t w = text ? sizeof(struct weir_text) : type_width(from->type);
    char *data = arena_zalloc(c->arena, w * c->nsel);
    *to = (struct weir_column){.type = (enum weir_type)udf_types[from->type.id], .data = data, .valid = bits_new(c->arena, c->nsel)};
    uint32_t i = 0;
    ROWS (c, r) {
        bool null = arg_null(c, arg, r);
        if (null)
            bit_clear(to->valid, i);
        if (text) {
            struct str s = null ? STR("") : arg_str(c, arg, r);
            ((struct weir_text *)(void *)data)[i] = (struct weir_text){s.ptr, (uint32_t)s.len};
        } else if (!null) {
            memcpy(data + i * w, (const char *)from->data + (r & c->mask[arg]) * w, w);
        }
        i++;
    }
}

static void scatter(struct call *c, const struct weir_column *from)
{
    size_t w = type_width(c->out->type);
    uint32_t i = 0;
    ROWS (c, r) {
        if (weir_is_null(from, i))
            call_null(c, r);
        else if (type_is_text(c->out->type)) {
            const struct weir_text *t = (const struct weir_text *)from->data + i;
            vec_set_valid(c->out, r);
            out_str(c, r, (struct str){t->ptr ? t->ptr : "", t->len});
        } else {
            vec_set_valid(c->out, r);
            memcpy((char *)c->out->data + r * w, (const char *)from->data + i * w, w);
        }
        i++;
    }
}

static void *alloc_cb(void *arg, size_t size)
{
    struct call *c = arg;
    return arena_alloc(c->arena, size);
}

static void fail_cb(void *arg, uint32_t i, const char *text)
{
    struct call *c = arg;
    call_fail(c, c->sel ? c->sel[i] : i, text);
}

/* A library's BOOLEAN may hold any byte, its text any bytes: what the engine relies on is made true here. */
static void sanitise(struct call *c, struct weir_column *result)
{
    for (uint32_t i = 0; i < c->nsel; i++) {
        if (c->out->type.id == T_BOOLEAN)
            ((uint8_t *)result->data)[i] = ((uint8_t *)result->data)[i] != 0;
        if (c->out->type.id != T_VARCHAR || weir_is_null(result, i))
            continue;
        const struct weir_text *t = (const struct weir_text *)result->data + i;
        if (t->len && (!t->ptr || !utf8_valid((struct str){t->ptr, t->len}))) {
            bit_clear(result->valid, i);
            fail_cb(c, i, "the function gave a text that is not UTF-8");
        }
    }
}

static KERNEL(udf_kernel)
{
    const struct udf *udf = c->aux;
    struct weir_column *args = arena_zalloc(c->arena, sizeof *args * MAX(c->nargs, 1u)), result;
    bool text = type_is_text(c->out->type);
    result.type = (enum weir_type)udf_types[c->out->type.id];
    result.data = arena_zalloc(c->arena, (text ? sizeof(struct weir_text) : type_width(c->out->type)) * c->nsel);
    result.valid = bits_new(c->arena, c->nsel);
    for (unsigned i = 0; i < c->nargs; i++) {
        gather(c, i, &args[i]);
        for (uint32_t k = 0; k < (c->nsel + 63) / 64; k++)
            result.valid[k] &= args[i].valid[k];
    }
    udf_call(udf, c->nsel, args, c->nargs, &result, alloc_cb, fail_cb, c);
    sanitise(c, &result);
    scatter(c, &result);
}

int udf_step_new(struct prog *p, const struct expr *e, struct step *st, struct diag *d)
{
    for (unsigned i = 0; i <= e->nargs; i++) {
        struct type t = i < e->nargs ? e->args[i]->type : e->type;
        if (!udf_types[t.id]) {
            char name[TYPE_TEXT];
            type_format(t, name);
            return diag_set(d, E_SQL, "a C function cannot take or give %s", name);
        }
    }
    struct udf *udf;
    int err = udf_load(&udf, e->udf.library, e->udf.symbol, d);
    if (err)
        return err;
    struct udf_step *kept = ARENA_NEW(&p->arena, struct udf_step);
    *kept = (struct udf_step){udf, p->udfs};
    p->udfs = kept;
    st->kernel = udf_kernel;
    st->aux = udf;
    st->function = true;
    st->strict = false; /* the call itself begins with NULL where an argument is, and the function may change that */
    return 0;
}

void udf_steps_free(struct prog *p)
{
    for (struct udf_step *u = p->udfs; u; u = u->next)
        udf_unload(u->udf);
}
