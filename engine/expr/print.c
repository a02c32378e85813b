#include "engine/expr/kernel.h"

/* Trees as SQL text, for EXPLAIN. Parentheses stand around every operator inside an operator: nobody must know
 * ranks. */

static void print(const struct expr *e, const struct schema *in, struct wbuf *out, unsigned depth);

static void print_list(const struct expr *e, unsigned from, const struct schema *in, struct wbuf *out, unsigned depth)
{
    for (unsigned i = from; i < e->nargs; i++) {
        if (i > from)
            wbuf_str(out, STR(", "));
        print(e->args[i], in, out, depth);
    }
}

static bool is_operator(const struct expr *e)
{
    return e->kind == EX_AND || e->kind == EX_OR || e->kind == EX_NOT || e->kind == EX_IS_NULL || e->kind == EX_IN ||
           e->kind == EX_LAMBDA ||
           (e->kind == EX_CALL && func_info(e->func)->kind == FUNC_OPERATOR && func_info(e->func)->name[0] != '[');
}

static void print_operand(const struct expr *e, const struct schema *in, struct wbuf *out, unsigned depth)
{
    if (is_operator(e))
        wbuf_u8(out, '(');
    print(e, in, out, depth);
    if (is_operator(e))
        wbuf_u8(out, ')');
}

static void print_joined(const struct expr *e, const char *word, const struct schema *in, struct wbuf *out, unsigned depth)
{
    for (unsigned i = 0; i < e->nargs; i++) {
        if (i)
            wbuf_printf(out, " %s ", word);
        print_operand(e->args[i], in, out, depth);
    }
}

static void print_text(struct str s, struct wbuf *out)
{
    wbuf_u8(out, '\'');
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\'')
            wbuf_u8(out, '\'');
        wbuf_u8(out, (uint8_t)s.ptr[i]);
    }
    wbuf_u8(out, '\'');
}

static void print_value(const struct value *v, struct wbuf *out);

/* ARRAY[1, 2], MAP('k' := 1), STRUCT(F := 1). */
static void print_nested(const struct value *v, struct wbuf *out)
{
    struct nested n = nested_of(v->type, v->s);
    struct arena a;
    struct value part;
    arena_init(&a);
    wbuf_str(out, v->type.id == T_ARRAY ? STR("ARRAY[") : v->type.id == T_MAP ? STR("MAP(") : STR("STRUCT("));
    while (nested_next(&n, &part, &a)) {
        bool value = v->type.id == T_MAP && n.at % 2 == 0;
        if (value || (n.at > 1))
            wbuf_str(out, value ? STR(" := ") : STR(", "));
        if (v->type.id == T_STRUCT)
            wbuf_printf(out, "%s := ", v->type.of->fields[n.at - 1].name);
        print_value(&part, out);
    }
    wbuf_u8(out, v->type.id == T_ARRAY ? ']' : ')');
    arena_fini(&a);
}

static void print_value(const struct value *v, struct wbuf *out)
{
    if (v->null) {
        wbuf_str(out, STR("NULL"));
        return;
    }
    if (v->type.id == T_VARCHAR) {
        print_text(v->s, out);
        return;
    }
    if (type_is_nested(v->type)) {
        print_nested(v, out);
        return;
    }
    const char *quoted = v->type.id == T_DATE        ? "DATE '"
                         : v->type.id == T_TIME      ? "TIME '"
                         : v->type.id == T_TIMESTAMP ? "TIMESTAMP '"
                         : v->type.id == T_INTERVAL  ? "INTERVAL '"
                         : v->type.id == T_BYTES     ? "X'"
                                                     : NULL;
    if (quoted)
        wbuf_str(out, str_of(quoted));
    value_format(v, out);
    if (quoted)
        wbuf_u8(out, '\'');
    if (v->type.id == T_INTERVAL)
        wbuf_str(out, v->type.precision ? STR(" YEAR TO MONTH") : STR(" DAY TO SECOND"));
}

static void print_const(const struct expr *e, struct wbuf *out)
{
    struct value v = e->value;
    v.type = e->type;
    print_value(&v, out);
}

static void print_case(const struct expr *e, const struct schema *in, struct wbuf *out, unsigned depth)
{
    wbuf_str(out, STR("CASE"));
    for (unsigned i = 0; i + 1 < e->nargs; i += 2) {
        wbuf_str(out, STR(" WHEN "));
        print(e->args[i], in, out, depth);
        wbuf_str(out, STR(" THEN "));
        print(e->args[i + 1], in, out, depth);
    }
    wbuf_str(out, STR(" ELSE "));
    print(e->args[e->nargs - 1], in, out, depth);
    wbuf_str(out, STR(" END"));
}

static void print_call(const struct expr *e, const struct schema *in, struct wbuf *out, unsigned depth)
{
    const struct func_info *f = func_info(e->func);
    if (f->name[0] == '[') {
        print_operand(e->args[0], in, out, depth);
        wbuf_u8(out, '[');
        print(e->args[1], in, out, depth);
        wbuf_u8(out, ']');
    } else if (f->kind == FUNC_OPERATOR && e->nargs == 2) {
        print_joined(e, f->name, in, out, depth);
    } else if (f->kind == FUNC_OPERATOR && e->nargs == 1) {
        wbuf_str(out, str_of(f->name));
        print_operand(e->args[0], in, out, depth);
    } else if (f->kind == FUNC_OPERATOR) { /* LIKE with an escape */
        print_operand(e->args[0], in, out, depth);
        wbuf_str(out, STR(" LIKE "));
        print_operand(e->args[1], in, out, depth);
        wbuf_str(out, STR(" ESCAPE "));
        print_operand(e->args[2], in, out, depth);
    } else {
        wbuf_printf(out, "%s(", f->name);
        print_list(e, 0, in, out, depth);
        wbuf_u8(out, ')');
    }
}

static void print_cast(const struct expr *e, const struct schema *in, struct wbuf *out, unsigned depth)
{
    wbuf_str(out, STR("CAST("));
    print(e->args[0], in, out, depth);
    wbuf_str(out, STR(" AS "));
    type_put(e->type, out);
    wbuf_u8(out, ')');
}

static void print_make(const struct expr *e, const struct schema *in, struct wbuf *out, unsigned depth)
{
    uint8_t id = e->type.id;
    wbuf_str(out, id == T_ARRAY ? STR("ARRAY[") : id == T_MAP ? STR("MAP(") : STR("STRUCT("));
    for (unsigned i = 0; i < e->nargs; i++) {
        bool value = id == T_MAP && i % 2;
        if (i)
            wbuf_str(out, value ? STR(" := ") : STR(", "));
        if (id == T_STRUCT)
            wbuf_printf(out, "%s := ", e->type.of->fields[i].name);
        print(e->args[i], in, out, depth);
    }
    wbuf_u8(out, id == T_ARRAY ? ']' : ')');
}

/* Parameters have lost their names: $0, $1, ... */
static void print_lambda(const struct expr *e, const struct schema *in, struct wbuf *out, unsigned depth)
{
    unsigned n = e->type.of->n - 1;
    wbuf_str(out, n > 1 ? STR("(") : STR(""));
    for (unsigned i = 0; i < n; i++)
        wbuf_printf(out, "%s$%u", i ? ", " : "", e->column + i);
    wbuf_str(out, n > 1 ? STR(") => ") : STR(" => "));
    print(e->args[0], in, out, depth);
}

static void print(const struct expr *e, const struct schema *in, struct wbuf *out, unsigned depth)
{
    if (depth >= EXPR_DEPTH) {
        wbuf_str(out, STR("..."));
        return;
    }
    depth++;
    switch (e->kind) {
    case EX_COLUMN:
        if (in && e->column < in->n)
            wbuf_str(out, str_of(in->cols[e->column].name));
        else
            wbuf_printf(out, "#%u", e->column);
        break;
    case EX_CONST:
        print_const(e, out);
        break;
    case EX_CALL:
        print_call(e, in, out, depth);
        break;
    case EX_CAST:
        print_cast(e, in, out, depth);
        break;
    case EX_CASE:
        print_case(e, in, out, depth);
        break;
    case EX_AND:
        print_joined(e, "AND", in, out, depth);
        break;
    case EX_OR:
        print_joined(e, "OR", in, out, depth);
        break;
    case EX_NOT:
        wbuf_str(out, STR("NOT "));
        print_operand(e->args[0], in, out, depth);
        break;
    case EX_IS_NULL:
        print_operand(e->args[0], in, out, depth);
        wbuf_str(out, STR(" IS NULL"));
        break;
    case EX_IN:
        print_operand(e->args[0], in, out, depth);
        wbuf_str(out, STR(" IN ("));
        print_list(e, 1, in, out, depth);
        wbuf_u8(out, ')');
        break;
    case EX_MAKE:
        print_make(e, in, out, depth);
        break;
    case EX_FIELD:
        print_operand(e->args[0], in, out, depth);
        wbuf_printf(out, "->%s", e->args[0]->type.of->fields[e->column].name);
        break;
    case EX_LAMBDA:
        print_lambda(e, in, out, depth);
        break;
    case EX_PARAM:
        wbuf_printf(out, "$%u", e->column);
        break;
    case EX_UDF:
        wbuf_printf(out, "%s(", e->udf.name);
        print_list(e, 0, in, out, depth);
        wbuf_u8(out, ')');
        break;
    }
}

void expr_print(const struct expr *e, const struct schema *in, struct wbuf *out) { print(e, in, out, 0); }
