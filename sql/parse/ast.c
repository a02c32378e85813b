/* Building nodes for the grammar's actions. */
#include <stdio.h>

#include "sql/parse/parser.h"

void parse_refuse(struct parser *p, struct place place, const char *fmt, ...)
{
    if (p->refused)
        return;
    char text[400];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    p->refused = true;
    diag_set(p->diag, E_SQL, "%s", text);
    if (p->diag)
        memcpy(p->diag->code, "42601", 6);
    diag_place(p->diag, E_SQL, p->text, place);
}

struct place place_join(struct place from, struct place to)
{
    return (struct place){from.pos, to.pos + to.len - from.pos};
}

void *ast_grow(struct arena *a, void *items, unsigned n, unsigned *cap, size_t size)
{
    if (n < *cap)
        return items;
    *cap = *cap ? *cap * 2 : 4;
    void *more = arena_zalloc(a, *cap * size);
    if (n)
        memcpy(more, items, n * size);
    return more;
}

struct ast_statement *parse_node(struct parser *p, enum ast_kind kind)
{
    struct ast_statement *st = ARENA_NEW(p->arena, struct ast_statement);
    st->kind = kind;
    st->place = (struct place){0, (uint32_t)p->text.len};
    return st;
}

/* The text between the quotes, doubled quotes made one. */
static struct str unquote(struct parser *p, struct str quoted)
{
    char mark = quoted.ptr[0];
    struct str inside = {quoted.ptr + 1, quoted.len - 2};
    if (!inside.len || !memchr(inside.ptr, mark, inside.len))
        return inside;
    char *to = arena_alloc(p->arena, inside.len);
    size_t n = 0;
    for (size_t i = 0; i < inside.len; i++) {
        to[n++] = inside.ptr[i];
        i += inside.ptr[i] == mark;
    }
    return (struct str){to, n};
}

struct ast_name parse_name(struct parser *p, const struct token *t)
{
    struct str text = place_text(p->text, t->place);
    struct ast_name name = {.text = text, .quoted = t->cls == LEX_QUOTED_NAME, .place = t->place};
    if (name.quoted)
        name.text = unquote(p, text);
    if (name.text.len == 0)
        parse_refuse(p, t->place, "a name cannot be empty");
    if (name.text.len > SQL_NAME_BYTES)
        parse_refuse(p, t->place, "this name is %zu bytes long; names have at most %d", name.text.len, SQL_NAME_BYTES);
    for (size_t i = 0; i < name.text.len; i++)
        if ((unsigned char)name.text.ptr[i] < ' ')
            parse_refuse(p, t->place, "a name cannot hold control characters");
    return name;
}

struct str parse_string(struct parser *p, const struct token *t) { return unquote(p, place_text(p->text, t->place)); }

uint32_t parse_small(struct parser *p, const struct token *t)
{
    int64_t n;
    if (str_to_i64(place_text(p->text, t->place), &n) && n <= 1000)
        return (uint32_t)n;
    parse_refuse(p, t->place, "this number is too large for a type");
    return 0;
}

struct ast_limit parse_limit(struct parser *p, const struct token *t)
{
    struct ast_limit limit = {.given = true, .place = t->place};
    if (!str_to_i64(place_text(p->text, t->place), &limit.n))
        parse_refuse(p, t->place, "this number is too large");
    return limit;
}

struct ast_duration parse_duration(struct parser *p, const struct token *number, const struct ast_name *unit)
{
    static const struct {
        const char *one, *many;
        int64_t ms;
    } units[] = {{"MILLISECOND", "MILLISECONDS", 1},
                 {"SECOND", "SECONDS", 1000},
                 {"MINUTE", "MINUTES", 60000},
                 {"HOUR", "HOURS", 3600000},
                 {"DAY", "DAYS", 86400000}};
    struct ast_duration d = {.given = true, .place = place_join(number->place, unit->place)};
    struct nearest near = nearest_of(unit->text);
    for (unsigned i = 0; i < ARRAY_LEN(units); i++) {
        nearest_add(&near, str_of(units[i].one));
        nearest_add(&near, str_of(units[i].many));
        if (!str_eq_nocase(unit->text, str_of(units[i].one)) && !str_eq_nocase(unit->text, str_of(units[i].many)))
            continue;
        int64_t n;
        if (!str_to_i64(place_text(p->text, number->place), &n) || n > INT64_MAX / 4 / units[i].ms)
            parse_refuse(p, number->place, "this span of time is too long");
        else
            d.ms = n * units[i].ms;
        return d;
    }
    struct str best = nearest_get(&near);
    parse_refuse(p, unit->place, "\"%.*s\" is not a unit of time", STR_ARG(unit->text));
    if (best.ptr)
        diag_hint(p->diag, "did you mean %.*s?", STR_ARG(best));
    else
        diag_hint(p->diag, "units are MILLISECONDS, SECONDS, MINUTES, HOURS, DAYS");
    return d;
}

void parse_once(struct parser *p, struct ast_duration *to, struct ast_duration d, struct place word)
{
    if (to->given)
        parse_refuse(p, word, "this is given twice");
    *to = d;
}

/* ---- Expressions */

static struct ast_expr *expr_new(struct parser *p, enum ast_expr_kind kind, struct place place)
{
    struct ast_expr *e = ARENA_NEW(p->arena, struct ast_expr);
    e->kind = kind;
    e->place = place;
    e->depth = 1;
    return e;
}

static void add_arg(struct parser *p, struct ast_expr *e, struct ast_expr *arg)
{
    e->args = ast_grow(p->arena, e->args, e->nargs, &e->cap, sizeof *e->args);
    e->args[e->nargs++] = arg;
    e->depth = MAX(e->depth, arg->depth + 1);
    if (e->depth <= SQL_DEPTH)
        return;
    parse_refuse(p, arg->place, "this expression is nested more than %d levels deep", SQL_DEPTH);
    diag_hint(p->diag, "compute a part of it in a query in FROM: SELECT ... FROM (SELECT part AS x, ... FROM ...)");
}

struct ast_expr *parse_more(struct parser *p, struct ast_expr *call, struct ast_expr *arg)
{
    add_arg(p, call, arg);
    return call;
}

void parse_ordered(struct parser *p, struct ast_expr *call, struct ast_order order)
{
    if (!order.expr)
        return;
    if (order.nulls != AST_NULLS_HIGH)
        parse_refuse(p, order.expr->place, "where NULL comes cannot be chosen inside an aggregate");
    add_arg(p, call, order.expr);
    call->has_order = true;
    call->descending = order.descending;
}

struct ast_expr *parse_over(struct parser *p, struct ast_expr *call, struct ast_exprs partition, struct ast_orders orders,
                            struct parse_frame frame, struct place place)
{
    struct ast_expr *e = expr_new(p, AST_OVER, place);
    struct ast_over *o = ARENA_NEW(p->arena, struct ast_over);
    *o = (struct ast_over){.npartition = partition.n, .norder = orders.n, .framed = frame.given, .unit = frame.unit,
                           .from = frame.from.bound, .to = frame.to.bound, .from_place = frame.from.place,
                           .to_place = frame.to.place, .exclude = frame.exclude};
    o->order = ARENA_ARRAY(p->arena, struct ast_order_how, orders.n + 1);
    add_arg(p, e, call);
    for (unsigned i = 0; i < partition.n; i++)
        add_arg(p, e, partition.items[i]);
    for (unsigned i = 0; i < orders.n; i++) {
        o->order[i] = (struct ast_order_how){orders.items[i].descending, orders.items[i].nulls};
        add_arg(p, e, orders.items[i].expr);
    }
    if (frame.from.by)
        add_arg(p, e, frame.from.by);
    if (frame.to.by)
        add_arg(p, e, frame.to.by);
    if (frame.given && (o->from > o->to || o->from == AST_BOUND_LAST || o->to == AST_BOUND_FIRST))
        parse_refuse(p, o->from_place, "this frame would end before it begins");
    e->over = o;
    return e;
}

struct ast_expr *parse_literal(struct parser *p, enum ast_expr_kind kind, const struct token *t)
{
    struct ast_expr *e = expr_new(p, kind, t->place);
    e->text = kind == AST_STRING ? parse_string(p, t) : place_text(p->text, t->place);
    return e;
}

struct ast_expr *parse_typed(struct parser *p, const struct token *type, const struct token *text)
{
    struct ast_expr *e = expr_new(p, AST_TYPED, place_join(type->place, text->place));
    e->name = parse_name(p, type);
    e->text = parse_string(p, text);
    if (!str_eq_nocase(e->name.text, STR("DATE")) && !str_eq_nocase(e->name.text, STR("TIME")) &&
             !str_eq_nocase(e->name.text, STR("TIMESTAMP"))) {
        parse_refuse(p, text->place, "a string cannot follow \"%.*s\" here", STR_ARG(e->name.text));
        diag_hint(p->diag, "a comma or an operator may be missing before it");
    }
    return e;
}

struct ast_expr *parse_column(struct parser *p, struct ast_name qualifier, struct ast_name name)
{
    struct ast_expr *e =
        expr_new(p, AST_COLUMN, qualifier.text.ptr ? place_join(qualifier.place, name.place) : name.place);
    e->qualifier = qualifier;
    e->name = name;
    return e;
}

struct ast_expr *parse_unary(struct parser *p, enum ast_expr_kind kind, const struct token *op, struct ast_expr *arg)
{
    struct ast_expr *e = expr_new(p, kind,
                                  place_join(op->place.pos < arg->place.pos ? op->place : arg->place,
                                             op->place.pos < arg->place.pos ? arg->place : op->place));
    e->op = op->place;
    add_arg(p, e, arg);
    return e;
}

struct ast_expr *parse_args(struct parser *p, enum ast_expr_kind kind, const struct token *op, bool negated,
                            struct ast_expr *a, struct ast_expr *b, struct ast_expr *c)
{
    struct ast_expr *e = expr_new(p, kind, place_join(a->place, c ? c->place : b->place));
    e->op = op->place;
    e->negated = negated;
    add_arg(p, e, a);
    add_arg(p, e, b);
    if (c)
        add_arg(p, e, c);
    return e;
}

static struct str operator_text(struct parser *p, const struct token *op)
{
    struct str text = place_text(p->text, op->place);
    return str_eq(text, STR("!=")) ? STR("<>") : text;
}

struct ast_expr *parse_binary(struct parser *p, struct ast_expr *left, const struct token *op, struct ast_expr *right)
{
    struct ast_expr *e = parse_args(p, AST_BINARY, op, false, left, right, NULL);
    e->text = operator_text(p, op);
    return e;
}

/* ---- Queries */

void parse_holds(struct parser *p, struct ast_expr *e, struct ast_select *query)
{
    e->query = query;
    if (query->kind == AST_QUERY_SELECT && query->emit != AST_EMIT_NONE)
        parse_refuse(p, query->emit_place, "EMIT is for the whole statement, not for a query inside it");
}

struct ast_expr *parse_quantified(struct parser *p, struct ast_expr *left, const struct token *op, bool all,
                                  struct ast_select *query, struct place place)
{
    struct ast_expr *e = parse_unary(p, all ? AST_ALL : AST_ANY, op, left);
    e->text = operator_text(p, op);
    e->place = place;
    parse_holds(p, e, query);
    return e;
}

struct ast_watermark parse_watermark(struct parser *p, struct place place, struct ast_name column, struct ast_name same,
                                     struct ast_duration delay)
{
    if (!str_eq_nocase(column.text, same.text))
        parse_refuse(p, same.place, "a watermark is its column, less a span of time: write \"%.*s\" here", STR_ARG(column.text));
    return (struct ast_watermark){true, column, delay, place};
}

struct ast_duration parse_span(struct parser *p, const struct token *text, const struct ast_name *unit)
{
    struct token number = *text;
    number.place.pos++; /* what stands between the quotes */
    number.place.len -= 2;
    return parse_duration(p, &number, unit);
}

struct ast_window parse_table_window(struct parser *p, const struct ast_name *function, const struct ast_name *descriptor,
                                     struct ast_name time, struct parse_spans spans)
{
    static const struct {
        const char *name;
        enum ast_window_kind kind;
        unsigned least;
        const char *spans;
    } functions[] = {{"TUMBLE", AST_TUMBLING, 1, "size [, offset]"},
                     {"HOP", AST_HOPPING, 2, "advance, size [, offset]"},
                     {"CUMULATE", AST_CUMULATE, 2, "step, size [, offset]"},
                     {"SESSION", AST_SESSION, 1, "gap"}};
    struct ast_window w = {.given = true, .time = time, .place = function->place};
    unsigned i = 0;
    while (i < ARRAY_LEN(functions) && !str_eq_nocase(function->text, str_of(functions[i].name)))
        i++;
    if (i == ARRAY_LEN(functions)) {
        parse_refuse(p, function->place, "there is no function of this name over a table");
        diag_hint(p->diag, "there are TUMBLE, HOP, CUMULATE and SESSION");
        return w;
    }
    if (!str_eq_nocase(descriptor->text, STR("DESCRIPTOR")))
        parse_refuse(p, descriptor->place, "DESCRIPTOR(column) must stand here: the column of event time");
    if (spans.n < functions[i].least || spans.n > functions[i].least + (functions[i].kind != AST_SESSION)) {
        parse_refuse(p, function->place, "%s takes TABLE t, DESCRIPTOR(column), %s", functions[i].name, functions[i].spans);
        return w;
    }
    w.kind = functions[i].kind;
    w.size = spans.v[functions[i].least - 1];
    if (functions[i].least == 2)
        w.advance = spans.v[0];
    if (spans.n > functions[i].least)
        w.offset = spans.v[functions[i].least];
    return w;
}

struct ast_source *parse_source(struct parser *p, enum ast_from_kind kind, struct parse_alias alias)
{
    struct ast_source *s = ARENA_NEW(p->arena, struct ast_source);
    s->kind = kind;
    s->alias = alias.name;
    s->columns = alias.columns;
    s->size = 1;
    return s;
}

struct ast_source *parse_joined(struct parser *p, struct ast_source *left, struct parse_join join,
                                struct ast_source *right)
{
    struct ast_source *s = parse_source(p, AST_FROM_JOIN, (struct parse_alias){0});
    s->left = left;
    s->right = right;
    s->join = join.kind;
    s->place = join.place;
    s->size = left->size + right->size;
    if (s->size > SQL_SOURCES)
        parse_refuse(p, join.place, "a query joins at most %d relations", SQL_SOURCES);
    return s;
}

struct ast_select *parse_set(struct parser *p, struct ast_select *left, enum ast_query_kind kind, bool all,
                             struct ast_select *right, struct place place)
{
    struct ast_select *s = ARENA_NEW(p->arena, struct ast_select);
    s->kind = kind;
    s->place = place;
    s->all = all;
    s->left = left;
    s->right = right;
    s->depth = MAX(left->depth, right->depth) + 1;
    if (s->depth > SQL_UNIONS)
        parse_refuse(p, place, "more than %d queries cannot be put together", SQL_UNIONS);
    return s;
}

struct ast_select *parse_query(struct parser *p, struct ast_ctes with, struct ast_select *body,
                               struct parse_orders orders, struct parse_emit emit, struct ast_limit limit,
                               struct ast_limit offset)
{
    (void)p;
    body->with = with;
    body->order_by = orders.list;
    body->order_place = orders.place;
    body->emit = emit.emit;
    body->emit_place = emit.place;
    body->every = emit.every;
    body->limit = limit;
    body->offset = offset;
    return body;
}

/* a AND b AND c is one node with three arguments, so that long lists of conditions stay flat. */
struct ast_expr *parse_chain(struct parser *p, enum ast_expr_kind kind, struct ast_expr *left, const struct token *op,
                             struct ast_expr *right)
{
    if (left->kind != kind || left->parens)
        return parse_args(p, kind, op, false, left, right, NULL);
    left->place = place_join(left->place, right->place);
    add_arg(p, left, right);
    return left;
}

struct ast_expr *parse_list_of(struct parser *p, enum ast_expr_kind kind, struct place place, struct ast_exprs list)
{
    struct ast_expr *e = expr_new(p, kind, place);
    for (unsigned i = 0; i < list.n; i++)
        add_arg(p, e, list.items[i]);
    return e;
}

struct ast_expr *parse_cast(struct parser *p, struct place place, struct ast_expr *value, struct ast_type type)
{
    struct ast_expr *e = expr_new(p, AST_CAST, place);
    e->type = type;
    add_arg(p, e, value);
    return e;
}

struct ast_expr *parse_case(struct parser *p, struct place place, struct ast_expr *operand, struct ast_exprs whens,
                            struct ast_expr *otherwise)
{
    struct ast_expr *e = expr_new(p, AST_CASE, place);
    e->has_operand = operand != NULL;
    e->has_else = otherwise != NULL;
    if (operand)
        add_arg(p, e, operand);
    for (unsigned i = 0; i < whens.n; i++)
        add_arg(p, e, whens.items[i]);
    if (otherwise)
        add_arg(p, e, otherwise);
    return e;
}

/* ---- Nested types and values */

struct ast_type parse_parts(struct parser *p, struct str name, struct ast_types parts, struct place place)
{
    struct ast_type t = {.name = name, .place = place};
    for (unsigned i = 0; i < parts.n; i++) {
        struct ast_column part = {.type = parts.items[i]};
        AST_APPEND(p, t.parts, part);
    }
    return t;
}

/* From one unit down to another: those of an interval, in this order. */
static bool is_span(const struct ast_name *from, const struct ast_name *to, bool *months)
{
    static const char *const units[] = {"YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND"};
    unsigned f = 0, t = 0;
    while (f < ARRAY_LEN(units) && !str_eq_nocase(from->text, str_of(units[f])))
        f++;
    while (t < ARRAY_LEN(units) && !str_eq_nocase(to->text, str_of(units[t])))
        t++;
    *months = f < 2;
    return f < t && t < ARRAY_LEN(units) && (f < 2) == (t < 2);
}

struct ast_type parse_interval_type(struct parser *p, const struct token *word, const struct ast_name *from,
                                    const struct ast_name *to)
{
    struct ast_type t = {.name = STR("INTERVAL DAY TO SECOND"), .place = place_join(word->place, to->place)};
    bool months;
    if (!is_span(from, to, &months))
        parse_refuse(p, t.place, "there are INTERVAL DAY TO SECOND and INTERVAL YEAR TO MONTH");
    if (months)
        t.name = STR("INTERVAL YEAR TO MONTH");
    return t;
}

struct ast_expr *parse_interval(struct parser *p, const struct token *word, const struct token *text,
                                const struct ast_name *from, const struct ast_name *to)
{
    struct place end = to ? to->place : from->place;
    struct ast_expr *e = expr_new(p, AST_INTERVAL, place_join(word->place, end));
    bool months;
    e->text = text->cls == LEX_STRING ? parse_string(p, text) : place_text(p->text, text->place);
    e->name = *from;
    if (to)
        e->qualifier = *to;
    if (to && !is_span(from, to, &months))
        parse_refuse(p, place_join(from->place, end), "an interval goes from a unit to a smaller one: DAY TO SECOND, YEAR TO MONTH");
    return e;
}

struct ast_expr *parse_lambda(struct parser *p, struct ast_expr *first, struct ast_exprs more, const struct token *op,
                              struct ast_expr *body)
{
    struct ast_expr *e = expr_new(p, AST_LAMBDA, place_join(first->place, body->place));
    struct ast_exprs params = parse_prepend(p, first, more);
    e->op = op->place;
    for (unsigned i = 0; i < params.n; i++) {
        if (params.items[i]->kind != AST_COLUMN || params.items[i]->qualifier.text.ptr)
            parse_refuse(p, params.items[i]->place, "in front of => stand names: x => x + 1, (k, v) => k");
        add_arg(p, e, params.items[i]);
    }
    add_arg(p, e, body);
    return e;
}

struct ast_expr *parse_field(struct parser *p, struct ast_expr *of, const struct token *op, struct ast_name field)
{
    struct ast_expr *e = expr_new(p, AST_FIELD, place_join(of->place, field.place));
    e->op = op->place;
    e->name = field;
    add_arg(p, e, of);
    return e;
}

static bool is_array_word(const struct ast_expr *e)
{
    return e->kind == AST_COLUMN && !e->qualifier.text.ptr && !e->name.quoted && !e->parens &&
           str_eq_nocase(e->name.text, STR("ARRAY"));
}

struct ast_expr *parse_element(struct parser *p, struct ast_expr *of, const struct token *open, struct ast_expr *index,
                               const struct token *close)
{
    if (is_array_word(of))
        return parse_array(p, of, open, index, (struct ast_exprs){0}, close);
    struct ast_expr *e = expr_new(p, AST_ELEMENT, place_join(of->place, close->place));
    e->op = place_join(open->place, close->place);
    add_arg(p, e, of);
    add_arg(p, e, index);
    return e;
}

struct ast_expr *parse_array(struct parser *p, struct ast_expr *word, const struct token *open, struct ast_expr *first,
                             struct ast_exprs more, const struct token *close)
{
    struct ast_expr *e = expr_new(p, AST_ARRAY, place_join(word->place, close->place));
    if (!is_array_word(word))
        parse_refuse(p, place_join(open->place, close->place), "one index stands in brackets");
    if (first)
        add_arg(p, e, first);
    for (unsigned i = 0; i < more.n; i++)
        add_arg(p, e, more.items[i]);
    return e;
}

struct ast_expr *parse_words(struct parser *p, const struct ast_name *name, const struct token *side, struct ast_expr *x,
                             struct ast_expr *y, struct ast_expr *z, const struct token *close)
{
    struct ast_expr *e = expr_new(p, AST_CALL, place_join(name->place, close->place));
    e->name = *name;
    e->words = true;
    if (side)
        e->text = place_text(p->text, side->place);
    if (x)
        add_arg(p, e, x);
    add_arg(p, e, y);
    if (z)
        add_arg(p, e, z);
    return e;
}

struct ast_exprs parse_prepend(struct parser *p, struct ast_expr *first, struct ast_exprs rest)
{
    struct ast_exprs all = {0};
    AST_APPEND(p, all, first);
    for (unsigned i = 0; i < rest.n; i++)
        AST_APPEND(p, all, rest.items[i]);
    return all;
}

static bool name_same(const struct ast_name *a, const struct ast_name *b)
{
    return a->quoted || b->quoted ? str_eq(a->text, b->text)
                                  : !a->text.ptr == !b->text.ptr && str_eq_nocase(a->text, b->text);
}

static bool type_same(const struct ast_type *a, const struct ast_type *b)
{
    if (!a->name.ptr || !b->name.ptr)
        return !a->name.ptr == !b->name.ptr;
    if (!str_eq_nocase(a->name, b->name) || a->nparams != b->nparams || a->parts.n != b->parts.n ||
        memcmp(a->params, b->params, sizeof a->params) != 0)
        return false;
    for (unsigned i = 0; i < a->parts.n; i++)
        if (!name_same(&a->parts.items[i].name, &b->parts.items[i].name) ||
            !type_same(&a->parts.items[i].type, &b->parts.items[i].type))
            return false;
    return true;
}

static bool over_same(const struct ast_over *a, const struct ast_over *b)
{
    if (!a || !b)
        return a == b;
    if (!name_same(&a->base, &b->base) || a->npartition != b->npartition || a->norder != b->norder || a->framed != b->framed || a->unit != b->unit ||
        a->from != b->from || a->to != b->to || a->exclude != b->exclude)
        return false;
    for (unsigned i = 0; i < a->norder; i++)
        if (a->order[i].descending != b->order[i].descending || a->order[i].nulls != b->order[i].nulls)
            return false;
    return true;
}

bool ast_expr_same(const struct ast_expr *a, const struct ast_expr *b)
{
    if (a->kind != b->kind || a->nargs != b->nargs || a->negated != b->negated || a->star != b->star ||
        a->has_operand != b->has_operand || a->has_else != b->has_else || a->distinct != b->distinct ||
        a->has_order != b->has_order || a->descending != b->descending || a->has_filter != b->has_filter || !str_eq(a->text, b->text) ||
        !name_same(&a->qualifier, &b->qualifier) || !name_same(&a->name, &b->name) || a->bare != b->bare ||
        a->words != b->words || !type_same(&a->type, &b->type) || a->query != b->query || !over_same(a->over, b->over))
        return false;
    for (unsigned i = 0; i < a->nargs; i++)
        if (!ast_expr_same(a->args[i], b->args[i]))
            return false;
    return true;
}
