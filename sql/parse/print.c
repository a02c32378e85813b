/* The tree back to SQL: capital keywords, one blank between words, names quoted only where they must be.
 * parse(print(tree)) gives the same tree; a test holds that for every statement. */
#include "sql/parse/lexer.h"

struct printer {
    struct wbuf *out;
    bool parens; /* every operator in parentheses */
};

#define PUT(literal) wbuf_str(pr->out, STR(literal))

/* ---- Names, strings, types */

void ast_print_name(struct str name, struct wbuf *out)
{
    struct token t = lex_next(name, 0);
    bool bare = t.place.len == name.len && (t.cls == LEX_NAME || (t.cls == LEX_KEYWORD && !t.reserved));
    if (bare) {
        wbuf_str(out, name);
        return;
    }
    wbuf_u8(out, '"');
    for (size_t i = 0; i < name.len; i++) {
        wbuf_u8(out, (uint8_t)name.ptr[i]);
        if (name.ptr[i] == '"')
            wbuf_u8(out, '"');
    }
    wbuf_u8(out, '"');
}

/* A name that was quoted stays quoted: it matches exactly, the bare one without regard to case. */
static void put_name(struct printer *pr, const struct ast_name *n)
{
    if (!n->quoted) {
        wbuf_str(pr->out, n->text);
        return;
    }
    wbuf_u8(pr->out, '"');
    for (size_t i = 0; i < n->text.len; i++) {
        wbuf_u8(pr->out, (uint8_t)n->text.ptr[i]);
        if (n->text.ptr[i] == '"')
            wbuf_u8(pr->out, '"');
    }
    wbuf_u8(pr->out, '"');
}

static void put_string(struct printer *pr, struct str s)
{
    wbuf_u8(pr->out, '\'');
    for (size_t i = 0; i < s.len; i++) {
        wbuf_u8(pr->out, (uint8_t)s.ptr[i]);
        if (s.ptr[i] == '\'')
            wbuf_u8(pr->out, '\'');
    }
    wbuf_u8(pr->out, '\'');
}

static void put_upper(struct printer *pr, struct str s)
{
    for (size_t i = 0; i < s.len; i++)
        wbuf_u8(pr->out, (uint8_t)(s.ptr[i] >= 'a' && s.ptr[i] <= 'z' ? s.ptr[i] - 32 : s.ptr[i]));
}

static void put_type(struct printer *pr, const struct ast_type *t)
{
    struct ast_name own = {.text = t->name, .quoted = true};
    if (t->quoted)
        put_name(pr, &own);
    else
        put_upper(pr, t->name);
    for (unsigned i = 0; i < t->parts.n; i++) {
        wbuf_str(pr->out, i ? STR(", ") : STR("<"));
        if (t->parts.items[i].name.text.ptr) {
            put_name(pr, &t->parts.items[i].name);
            PUT(" ");
        }
        put_type(pr, &t->parts.items[i].type);
    }
    if (t->parts.n)
        PUT(">");
    if (t->nparams == 1)
        wbuf_printf(pr->out, "(%u)", t->params[0]);
    if (t->nparams == 2)
        wbuf_printf(pr->out, "(%u, %u)", t->params[0], t->params[1]);
}

/* ---- Expressions */

/* How tightly an expression binds; keep in step with grammar.y. */
enum binding { B_LAMBDA, B_OR, B_AND, B_NOT, B_COMPARE, B_CONCAT, B_ADD, B_MUL, B_SIGN, B_ATOM };

static enum binding binding_of(const struct ast_expr *e)
{
    switch (e->kind) {
    case AST_LAMBDA:
    case AST_ASSIGN:
        return B_LAMBDA;
    case AST_OR:
        return B_OR;
    case AST_AND:
        return B_AND;
    case AST_NOT:
        return B_NOT;
    case AST_BETWEEN:
    case AST_IN:
    case AST_LIKE:
    case AST_IS_NULL:
    case AST_IS_DISTINCT:
    case AST_ANY:
    case AST_ALL:
        return B_COMPARE;
    case AST_NEG:
        return B_SIGN;
    case AST_BINARY:
        switch (e->text.ptr[0]) {
        case '+':
        case '-':
            return B_ADD;
        case '*':
        case '/':
        case '%':
            return B_MUL;
        case '|':
            return B_CONCAT;
        default:
            return B_COMPARE;
        }
    default:
        return B_ATOM;
    }
}

static void put_expr(struct printer *pr, const struct ast_expr *e, enum binding at_least);
static void put_query(struct printer *pr, const struct ast_select *s);

static void put_inner(struct printer *pr, const char *before, const struct ast_select *query)
{
    wbuf_printf(pr->out, "%s(", before);
    put_query(pr, query);
    PUT(")");
}

static void put_exprs(struct printer *pr, struct ast_expr *const *items, unsigned n, const char *between)
{
    for (unsigned i = 0; i < n; i++) {
        if (i)
            wbuf_str(pr->out, str_of(between));
        put_expr(pr, items[i], B_LAMBDA);
    }
}

static void put_case(struct printer *pr, const struct ast_expr *e)
{
    unsigned i = 0;
    PUT("CASE");
    if (e->has_operand) {
        PUT(" ");
        put_expr(pr, e->args[i++], B_OR);
    }
    for (; i + 1 < e->nargs; i += 2) {
        PUT(" WHEN ");
        put_expr(pr, e->args[i], B_OR);
        PUT(" THEN ");
        put_expr(pr, e->args[i + 1], B_OR);
    }
    if (e->has_else) {
        PUT(" ELSE ");
        put_expr(pr, e->args[i], B_OR);
    }
    PUT(" END");
}

static void put_comparison(struct printer *pr, const struct ast_expr *e)
{
    put_expr(pr, e->args[0], B_CONCAT);
    const char *no = e->negated ? "NOT " : "";
    switch (e->kind) {
    case AST_IS_NULL:
        wbuf_printf(pr->out, " IS %sNULL", no);
        break;
    case AST_IS_DISTINCT:
        wbuf_printf(pr->out, " IS %sDISTINCT FROM ", no);
        put_expr(pr, e->args[1], B_CONCAT);
        break;
    case AST_BETWEEN:
        wbuf_printf(pr->out, " %sBETWEEN ", no);
        put_expr(pr, e->args[1], B_CONCAT);
        PUT(" AND ");
        put_expr(pr, e->args[2], B_CONCAT);
        break;
    case AST_LIKE:
        wbuf_printf(pr->out, " %s%.*s ", no, STR_ARG(e->text.ptr ? e->text : STR("LIKE")));
        put_expr(pr, e->args[1], B_CONCAT);
        if (e->nargs == 3) {
            PUT(" ESCAPE ");
            put_expr(pr, e->args[2], B_CONCAT);
        }
        break;
    case AST_ANY:
    case AST_ALL:
        wbuf_printf(pr->out, " %.*s ", STR_ARG(e->text));
        put_inner(pr, e->kind == AST_ANY ? "ANY " : "ALL ", e->query);
        break;
    default: /* AST_IN */
        if (e->query) {
            wbuf_printf(pr->out, " %sIN ", no);
            put_inner(pr, "", e->query);
            break;
        }
        wbuf_printf(pr->out, e->bare ? " %sIN " : " %sIN (", no);
        put_exprs(pr, e->args + 1, e->nargs - 1, ", ");
        wbuf_str(pr->out, e->bare ? STR("") : STR(")"));
    }
}

static void put_chain(struct printer *pr, const struct ast_expr *e, const char *between)
{
    enum binding inner = (enum binding)(binding_of(e) + 1);
    for (unsigned i = 0; i < e->nargs; i++) {
        if (i)
            wbuf_str(pr->out, str_of(between));
        put_expr(pr, e->args[i], inner);
    }
}

/* x FROM y FOR z; BOTH x FROM y. */
static void put_words(struct printer *pr, const struct ast_expr *e)
{
    bool alone = e->nargs == 1; /* behind a side */
    if (e->text.ptr) {
        put_upper(pr, e->text);
        PUT(" ");
    }
    if (!alone)
        put_expr(pr, e->args[0], B_OR);
    wbuf_str(pr->out, alone ? STR("FROM ") : STR(" FROM "));
    put_expr(pr, e->args[!alone], B_OR);
    if (e->nargs == 3) {
        PUT(" FOR ");
        put_expr(pr, e->args[2], B_OR);
    }
    PUT(")");
}

/* What stands in a call's parentheses, and behind them. */
static void put_call_args(struct printer *pr, const struct ast_expr *e)
{
    if (e->words) {
        put_words(pr, e);
        return;
    }
    unsigned n = e->nargs - e->has_order - e->has_filter;
    if (e->star)
        PUT("*");
    if (e->distinct)
        PUT("DISTINCT ");
    put_exprs(pr, e->args, n, ", ");
    if (e->has_order) {
        PUT(" ORDER BY ");
        put_expr(pr, e->args[n], 0);
        if (e->descending)
            PUT(" DESC");
    }
    PUT(")");
    if (!e->has_filter)
        return;
    PUT(" FILTER (WHERE ");
    put_expr(pr, e->args[e->nargs - 1], 0);
    PUT(")");
}

static void put_how(struct printer *pr, bool descending, enum ast_nulls nulls)
{
    if (descending)
        PUT(" DESC");
    if (nulls != AST_NULLS_HIGH)
        wbuf_str(pr->out, nulls == AST_NULLS_FIRST ? STR(" NULLS FIRST") : STR(" NULLS LAST"));
}

static void put_bound(struct printer *pr, enum ast_bound b, const struct ast_expr *by)
{
    static const char *const words[] = {"UNBOUNDED PRECEDING", " PRECEDING", "CURRENT ROW", " FOLLOWING", "UNBOUNDED FOLLOWING"};
    if (by)
        put_expr(pr, by, B_CONCAT);
    wbuf_str(pr->out, str_of(words[b]));
}

static void put_over_window(struct printer *pr, const struct ast_expr *e)
{
    static const char *const units[] = {"RANGE", "ROWS", "GROUPS"};
    static const char *const excludes[] = {"", " EXCLUDE CURRENT ROW", " EXCLUDE GROUP", " EXCLUDE TIES"};
    const struct ast_over *o = e->over;
    unsigned at = 1 + o->npartition + o->norder;
    bool from_by = o->from == AST_BOUND_PRECEDING || o->from == AST_BOUND_FOLLOWING;
    bool to_by = o->to == AST_BOUND_PRECEDING || o->to == AST_BOUND_FOLLOWING;
    bool some = o->base.text.ptr != NULL;
    if (some)
        put_name(pr, &o->base);
    if (o->npartition) {
        PUT("PARTITION BY ");
        put_exprs(pr, e->args + 1, o->npartition, ", ");
        some = true;
    }
    for (unsigned i = 0; i < o->norder; i++) {
        wbuf_str(pr->out, i ? STR(", ") : some ? STR(" ORDER BY ") : STR("ORDER BY "));
        put_expr(pr, e->args[1 + o->npartition + i], B_OR);
        put_how(pr, o->order[i].descending, o->order[i].nulls);
    }
    if (o->framed) {
        wbuf_printf(pr->out, "%s%s BETWEEN ", some || o->norder ? " " : "", units[o->unit]);
        put_bound(pr, o->from, from_by ? e->args[at] : NULL);
        PUT(" AND ");
        put_bound(pr, o->to, to_by ? e->args[at + from_by] : NULL);
        wbuf_str(pr->out, str_of(excludes[o->exclude]));
    }
}

static void put_over(struct printer *pr, const struct ast_expr *e)
{
    bool name_only = e->over->base.text.ptr && !e->over->norder && !e->over->framed;
    put_expr(pr, e->args[0], 0);
    wbuf_str(pr->out, name_only ? STR(" OVER ") : STR(" OVER ("));
    put_over_window(pr, e);
    wbuf_str(pr->out, name_only ? STR("") : STR(")"));
}

static void put_bare(struct printer *pr, const struct ast_expr *e)
{
    enum binding own = binding_of(e);
    switch (e->kind) {
    case AST_NULL:
    case AST_BOOLEAN:
    case AST_DOUBLE:
        put_upper(pr, e->text);
        break;
    case AST_INTEGER:
    case AST_DECIMAL:
        wbuf_str(pr->out, e->text);
        break;
    case AST_STRING:
        put_string(pr, e->text);
        break;
    case AST_TYPED:
        put_upper(pr, e->name.text);
        PUT(" ");
        put_string(pr, e->text);
        break;
    case AST_COLUMN:
        if (e->qualifier.text.ptr) {
            put_name(pr, &e->qualifier);
            PUT(".");
        }
        put_name(pr, &e->name);
        break;
    case AST_CALL:
        put_name(pr, &e->name);
        PUT("(");
        put_call_args(pr, e);
        break;
    case AST_OVER:
        put_over(pr, e);
        break;
    case AST_QUERY:
        put_inner(pr, "", e->query);
        break;
    case AST_EXISTS:
        put_inner(pr, "EXISTS ", e->query);
        break;
    case AST_GROUPING_SETS:
        PUT("GROUPING SETS (");
        put_exprs(pr, e->args, e->nargs, ", ");
        PUT(")");
        break;
    case AST_GROUPING_SET:
        PUT("(");
        put_exprs(pr, e->args, e->nargs, ", ");
        PUT(")");
        break;
    case AST_INTERVAL:
        PUT("INTERVAL ");
        put_string(pr, e->text);
        PUT(" ");
        put_upper(pr, e->name.text);
        if (e->qualifier.text.ptr) {
            PUT(" TO ");
            put_upper(pr, e->qualifier.text);
        }
        break;
    case AST_ARRAY:
        PUT("ARRAY[");
        put_exprs(pr, e->args, e->nargs, ", ");
        PUT("]");
        break;
    case AST_ELEMENT:
        put_expr(pr, e->args[0], B_ATOM);
        PUT("[");
        put_expr(pr, e->args[1], B_OR);
        PUT("]");
        break;
    case AST_FIELD:
        put_expr(pr, e->args[0], B_ATOM);
        PUT("->");
        put_name(pr, &e->name);
        break;
    case AST_ASSIGN:
        put_expr(pr, e->args[0], B_CONCAT);
        PUT(" := ");
        put_expr(pr, e->args[1], B_LAMBDA);
        break;
    case AST_LAMBDA:
        wbuf_str(pr->out, e->nargs > 2 ? STR("(") : STR(""));
        put_exprs(pr, e->args, e->nargs - 1, ", ");
        wbuf_str(pr->out, e->nargs > 2 ? STR(") => ") : STR(" => "));
        put_expr(pr, e->args[e->nargs - 1], B_LAMBDA);
        break;
    case AST_NEG: /* "- -1", never the comment "--" */
        wbuf_str(pr->out, e->args[0]->kind == AST_NEG && !pr->parens ? STR("- ") : STR("-"));
        put_expr(pr, e->args[0], B_SIGN);
        break;
    case AST_NOT:
        PUT("NOT ");
        put_expr(pr, e->args[0], B_NOT);
        break;
    case AST_AND:
        put_chain(pr, e, " AND ");
        break;
    case AST_OR:
        put_chain(pr, e, " OR ");
        break;
    case AST_BINARY:
        put_expr(pr, e->args[0], own == B_COMPARE ? B_CONCAT : own);
        wbuf_printf(pr->out, " %.*s ", STR_ARG(e->text));
        put_expr(pr, e->args[1], (enum binding)(own + 1));
        break;
    case AST_CASE:
        put_case(pr, e);
        break;
    case AST_CAST:
        PUT("CAST(");
        put_expr(pr, e->args[0], B_OR);
        PUT(" AS ");
        put_type(pr, &e->type);
        PUT(")");
        break;
    default:
        put_comparison(pr, e);
    }
}

static void put_expr(struct printer *pr, const struct ast_expr *e, enum binding at_least)
{
    enum binding own = binding_of(e);
    bool parens = own < at_least || (pr->parens && own < B_ATOM);
    if (parens)
        PUT("(");
    put_bare(pr, e);
    if (parens)
        PUT(")");
}

void ast_print_expr(const struct ast_expr *e, bool parens, struct wbuf *out)
{
    put_expr(&(struct printer){out, parens}, e, B_OR);
}

/* ---- SELECT */

static void put_items(struct printer *pr, const struct ast_items *items)
{
    for (unsigned i = 0; i < items->n; i++) {
        const struct ast_item *it = &items->items[i];
        if (i)
            PUT(", ");
        if (!it->expr) {
            if (it->qualifier.text.ptr) {
                put_name(pr, &it->qualifier);
                PUT(".");
            }
            PUT("*");
            continue;
        }
        put_expr(pr, it->expr, it->fields ? B_ATOM : B_OR);
        if (it->fields)
            PUT("->*");
        if (it->alias.text.ptr) {
            PUT(" AS ");
            put_name(pr, &it->alias);
        }
    }
}

static void put_relation(struct printer *pr, const struct ast_name *n)
{
    if (n->schema.ptr) {
        ast_print_name(n->schema, pr->out);
        PUT(".");
    }
    put_name(pr, n);
}

static void put_names(struct printer *pr, const struct ast_names *names)
{
    for (unsigned i = 0; i < names->n; i++) {
        wbuf_str(pr->out, i ? STR(", ") : STR("("));
        put_name(pr, &names->items[i]);
    }
    if (names->n)
        PUT(")");
}

static void put_duration(struct printer *pr, const char *before, const struct ast_duration *d)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "DAYS"}, {3600000, "HOURS"}, {60000, "MINUTES"}, {1000, "SECONDS"}, {1, "MILLISECONDS"}};
    if (!d->given)
        return;
    unsigned i = 0;
    while (d->ms % units[i].ms != 0 || (d->ms == 0 && units[i].ms > 1))
        i++;
    wbuf_printf(pr->out, "%s%" PRId64 " %s", before, d->ms / units[i].ms, units[i].name);
}

static void put_within(struct printer *pr, const struct ast_within *w)
{
    if (!w->given)
        return;
    if (w->before.ms == w->after.ms) {
        put_duration(pr, " WITHIN ", &w->before);
    } else {
        put_duration(pr, " WITHIN (", &w->before);
        put_duration(pr, ", ", &w->after);
        PUT(")");
    }
    put_duration(pr, " GRACE PERIOD ", &w->grace);
}

/* TUMBLE(TABLE t, DESCRIPTOR(time), ...). */
static void put_table_window(struct printer *pr, const struct ast_source *s)
{
    static const char *const names[] = {"TUMBLE", "HOP", "SESSION", "CUMULATE"};
    wbuf_printf(pr->out, "%s(TABLE ", names[s->window.kind]);
    put_relation(pr, &s->name);
    for (unsigned i = 0; i < s->keys.n; i++) {
        wbuf_str(pr->out, i ? STR(", ") : STR(" PARTITION BY ("));
        put_name(pr, &s->keys.items[i]);
    }
    if (s->keys.n)
        PUT(")");
    PUT(", DESCRIPTOR(");
    put_name(pr, &s->window.time);
    PUT(")");
    put_duration(pr, ", ", &s->window.advance);
    put_duration(pr, ", ", &s->window.size);
    put_duration(pr, ", ", &s->window.offset);
    PUT(")");
}

static void put_window(struct printer *pr, const struct ast_window *w)
{
    static const char *const names[] = {"TUMBLING", "HOPPING", "SESSION", "CUMULATE"};
    wbuf_printf(pr->out, " WINDOW %s (", names[w->kind]);
    put_duration(pr, w->kind == AST_SESSION ? "" : "SIZE ", &w->size);
    put_duration(pr, w->kind == AST_CUMULATE ? ", STEP " : ", ADVANCE BY ", &w->advance);
    put_duration(pr, ", OFFSET ", &w->offset);
    if (w->zone.text.ptr) {
        PUT(", TIME ZONE ");
        put_string(pr, w->zone.text);
    }
    if (w->time.text.ptr) {
        PUT(", BY ");
        put_name(pr, &w->time);
    }
    put_duration(pr, ", RETENTION ", &w->retention);
    put_duration(pr, ", GRACE PERIOD ", &w->grace);
    PUT(")");
}

static void put_source(struct printer *pr, const struct ast_source *s);

static void put_joined(struct printer *pr, const struct ast_source *s)
{
    static const char *const joins[] = {"JOIN ", "LEFT JOIN ", "RIGHT JOIN ", "FULL JOIN "};
    bool cross = !s->on && !s->using.n && !s->natural;
    put_source(pr, s->left);
    wbuf_printf(pr->out, " %s%s", cross ? "CROSS " : s->natural ? "NATURAL " : "", joins[s->join]);
    if (s->right->kind == AST_FROM_JOIN)
        PUT("(");
    put_source(pr, s->right);
    if (s->right->kind == AST_FROM_JOIN)
        PUT(")");
    put_within(pr, &s->within);
    if (s->on) {
        PUT(" ON ");
        put_expr(pr, s->on, B_OR);
    }
    if (s->using.n) {
        PUT(" USING ");
        put_names(pr, &s->using);
    }
}

static void put_source(struct printer *pr, const struct ast_source *s)
{
    if (s->kind == AST_FROM_JOIN) {
        put_joined(pr, s);
        return;
    }
    if (s->kind == AST_FROM_QUERY)
        put_inner(pr, "", s->query);
    else if (s->kind == AST_FROM_FUNCTION)
        put_expr(pr, s->call, 0);
    else if (s->window.given)
        put_table_window(pr, s);
    else
        put_relation(pr, &s->name);
    if (s->ordinality)
        PUT(" WITH ORDINALITY");
    if (s->as_of) {
        PUT(" FOR SYSTEM_TIME AS OF ");
        put_expr(pr, s->as_of, B_OR);
    }
    if (s->alias.text.ptr) {
        PUT(" AS ");
        put_name(pr, &s->alias);
    }
    if (s->columns.n)
        PUT(" ");
    put_names(pr, &s->columns);
}

static void put_sources(struct printer *pr, const struct ast_sources *from)
{
    for (unsigned i = 0; i < from->n; i++) {
        wbuf_str(pr->out, i ? STR(", ") : STR(" FROM "));
        put_source(pr, from->items[i]);
    }
}

static void put_orders(struct printer *pr, const struct ast_orders *orders)
{
    for (unsigned i = 0; i < orders->n; i++) {
        wbuf_str(pr->out, i ? STR(", ") : STR(" ORDER BY "));
        put_expr(pr, orders->items[i].expr, B_OR);
        put_how(pr, orders->items[i].descending, orders->items[i].nulls);
    }
}

static void put_clause(struct printer *pr, const char *word, const struct ast_exprs *list)
{
    if (!list->n)
        return;
    wbuf_str(pr->out, str_of(word));
    put_exprs(pr, list->items, list->n, ", ");
}

static void put_condition(struct printer *pr, const char *word, const struct ast_expr *e)
{
    if (!e)
        return;
    wbuf_str(pr->out, str_of(word));
    put_expr(pr, e, B_OR);
}

static void put_select(struct printer *pr, const struct ast_select *s)
{
    wbuf_str(pr->out, s->distinct ? STR("SELECT DISTINCT ") : STR("SELECT "));
    put_items(pr, &s->items);
    put_sources(pr, &s->from);
    if (s->window.given)
        put_window(pr, &s->window);
    put_condition(pr, " WHERE ", s->where);
    put_clause(pr, " GROUP BY ", &s->group_by);
    put_clause(pr, " PARTITION BY ", &s->partition_by);
    put_condition(pr, " HAVING ", s->having);
    for (unsigned i = 0; i < s->windows.n; i++) {
        wbuf_str(pr->out, i ? STR(", ") : STR(" WINDOW "));
        put_expr(pr, s->windows.items[i]->args[0], 0);
        PUT(" AS (");
        put_over_window(pr, s->windows.items[i]);
        PUT(")");
    }
    put_condition(pr, " QUALIFY ", s->qualify);
}

static void put_rows(struct printer *pr, const struct ast_rows *rows)
{
    for (unsigned i = 0; i < rows->n; i++) {
        wbuf_str(pr->out, i ? STR(", (") : STR("VALUES ("));
        put_exprs(pr, rows->items[i].items, rows->items[i].n, ", ");
        PUT(")");
    }
}

/* A UNION below an INTERSECT, or on the right of anything, stood in parentheses. */
static void put_operand(struct printer *pr, const struct ast_select *s)
{
    if (s->enclosed)
        put_inner(pr, "", s);
    else
        put_query(pr, s);
}

static void put_query(struct printer *pr, const struct ast_select *s)
{
    static const char *const emits[] = {"", " EMIT CHANGES", " EMIT FINAL"};
    static const char *const words[] = {
        [AST_QUERY_UNION] = " UNION ", [AST_QUERY_INTERSECT] = " INTERSECT ", [AST_QUERY_EXCEPT] = " EXCEPT "};
    for (unsigned i = 0; i < s->with.n; i++) {
        wbuf_str(pr->out, i ? STR(", ") : STR("WITH "));
        put_name(pr, &s->with.items[i].name);
        if (s->with.items[i].columns.n)
            PUT(" ");
        put_names(pr, &s->with.items[i].columns);
        put_inner(pr, " AS ", s->with.items[i].query);
    }
    if (s->with.n)
        PUT(" ");
    if (s->kind == AST_QUERY_SELECT) {
        put_select(pr, s);
    } else if (s->kind == AST_QUERY_VALUES) {
        put_rows(pr, &s->rows);
    } else {
        put_operand(pr, s->left);
        wbuf_printf(pr->out, "%s%s", words[s->kind], s->all ? "ALL " : "");
        put_operand(pr, s->right);
    }
    put_orders(pr, &s->order_by);
    wbuf_str(pr->out, str_of(emits[s->emit]));
    put_duration(pr, " EVERY ", &s->every);
    if (s->limit.given)
        wbuf_printf(pr->out, " LIMIT %" PRId64, s->limit.n);
    if (s->offset.given)
        wbuf_printf(pr->out, " OFFSET %" PRId64, s->offset.n);
}

/* ---- Statements */

static void put_with(struct printer *pr, const struct ast_properties *with)
{
    for (unsigned i = 0; i < with->n; i++) {
        wbuf_str(pr->out, i ? STR(", ") : STR(" WITH ("));
        put_name(pr, &with->items[i].name);
        PUT(" = ");
        put_expr(pr, with->items[i].value, B_CONCAT);
    }
    if (with->n)
        PUT(")");
}

static void put_create(struct printer *pr, const struct ast_statement *st)
{
    const char *kind = st->kind == AST_CREATE_FUNCTION ? "FUNCTION"
                       : st->kind == AST_CREATE_VIEW   ? "VIEW"
                       : st->table                     ? "TABLE"
                                                       : "STREAM";
    wbuf_printf(pr->out, "CREATE %s%s%s ", st->or_replace ? "OR REPLACE " : "", kind,
                st->if_clause ? " IF NOT EXISTS" : "");
    put_name(pr, &st->name);
    if (st->kind == AST_CREATE_FUNCTION) {
        PUT("(");
        for (unsigned i = 0; i < st->types.n; i++) {
            if (i)
                PUT(", ");
            put_type(pr, &st->types.items[i]);
        }
        PUT(") RETURNS ");
        put_type(pr, &st->result);
        PUT(" LANGUAGE ");
        put_name(pr, &st->language);
        PUT(" AS ");
        put_string(pr, st->text);
        PUT(", ");
        put_string(pr, st->value);
        return;
    }
    for (unsigned i = 0; i < st->columns.n; i++) {
        const struct ast_column *c = &st->columns.items[i];
        wbuf_str(pr->out, i ? STR(", ") : STR(" ("));
        put_name(pr, &c->name);
        PUT(" ");
        put_type(pr, &c->type);
        wbuf_str(pr->out, c->primary ? STR(" PRIMARY KEY") : c->key ? STR(" KEY") : STR(""));
    }
    if (st->watermark.given) {
        PUT(", WATERMARK FOR ");
        put_name(pr, &st->watermark.column);
        PUT(" AS ");
        put_name(pr, &st->watermark.column);
        put_duration(pr, " - ", &st->watermark.delay);
    }
    if (st->columns.n)
        PUT(")");
    put_with(pr, &st->with);
    if (st->select) {
        PUT(" AS ");
        put_query(pr, st->select);
    }
}

static void put_insert(struct printer *pr, const struct ast_statement *st)
{
    PUT("INSERT INTO ");
    put_relation(pr, &st->name);
    for (unsigned i = 0; i < st->names.n; i++) {
        wbuf_str(pr->out, i ? STR(", ") : STR(" ("));
        put_name(pr, &st->names.items[i]);
    }
    wbuf_str(pr->out, st->names.n ? STR(") VALUES ") : STR(" VALUES "));
    for (unsigned i = 0; i < st->rows.n; i++) {
        wbuf_str(pr->out, i ? STR(", (") : STR("("));
        put_exprs(pr, st->rows.items[i].items, st->rows.items[i].n, ", ");
        PUT(")");
    }
}

static void put_name_or_all(struct printer *pr, const char *word, const struct ast_statement *st)
{
    wbuf_str(pr->out, str_of(word));
    if (st->all)
        PUT("ALL");
    else
        put_name(pr, &st->name);
}

static void put_drop(struct printer *pr, const struct ast_statement *st)
{
    wbuf_printf(pr->out, "DROP %s %s",
                st->kind == AST_DROP_FUNCTION ? "FUNCTION"
                : st->kind == AST_DROP_TYPE   ? "TYPE"
                : st->kind == AST_DROP_VIEW   ? "VIEW"
                : st->table                   ? "TABLE"
                                              : "STREAM",
                st->if_clause ? "IF EXISTS " : "");
    put_name(pr, &st->name);
    if (st->delete_topic)
        PUT(" DELETE TOPIC");
}

static void put_print(struct printer *pr, const struct ast_statement *st)
{
    PUT("PRINT ");
    if (st->name.quoted)
        put_string(pr, st->name.text);
    else
        put_name(pr, &st->name);
    if (st->from_beginning)
        PUT(" FROM BEGINNING");
    if (st->limit.given)
        wbuf_printf(pr->out, " LIMIT %" PRId64, st->limit.n);
}

static void put_statement(struct printer *pr, const struct ast_statement *st)
{
    switch (st->kind) {
    case AST_CREATE:
    case AST_CREATE_AS:
    case AST_CREATE_VIEW:
    case AST_CREATE_FUNCTION:
        put_create(pr, st);
        break;
    case AST_CREATE_TYPE:
        wbuf_printf(pr->out, "CREATE TYPE %s", st->if_clause ? "IF NOT EXISTS " : "");
        put_name(pr, &st->name);
        PUT(" AS ");
        put_type(pr, &st->result);
        break;
    case AST_DROP:
    case AST_DROP_FUNCTION:
    case AST_DROP_TYPE:
    case AST_DROP_VIEW:
        put_drop(pr, st);
        break;
    case AST_INSERT:
        put_insert(pr, st);
        break;
    case AST_SELECT:
        put_query(pr, st->select);
        break;
    case AST_TERMINATE:
        put_name_or_all(pr, "TERMINATE ", st);
        break;
    case AST_PAUSE:
        put_name_or_all(pr, "PAUSE ", st);
        break;
    case AST_RESUME:
        put_name_or_all(pr, "RESUME ", st);
        put_with(pr, &st->with);
        break;
    case AST_PROMOTE:
        put_name_or_all(pr, "PROMOTE ", st);
        break;
    case AST_DISCARD:
        put_name_or_all(pr, "DISCARD ", st);
        break;
    case AST_SAVEPOINT:
        PUT("SAVEPOINT ");
        put_name(pr, &st->name);
        PUT(" AS ");
        put_name(pr, &st->language);
        break;
    case AST_RESTORE:
        PUT("RESTORE ");
        put_name(pr, &st->name);
        PUT(" FROM ");
        put_name(pr, &st->language);
        break;
    case AST_DROP_SAVEPOINT:
        wbuf_str(pr->out, st->if_clause ? STR("DROP SAVEPOINT IF EXISTS ") : STR("DROP SAVEPOINT "));
        put_name(pr, &st->name);
        break;
    case AST_SHOW_ERRORS:
        PUT("SHOW ERRORS");
        if (st->name.text.ptr) {
            PUT(" ");
            put_name(pr, &st->name);
        }
        if (st->limit.given)
            wbuf_printf(pr->out, " LIMIT %" PRId64, st->limit.n);
        break;
    case AST_SHOW:
        PUT("SHOW ");
        put_upper(pr, st->text);
        if (st->name.text.ptr) {
            PUT(" FROM ");
            put_name(pr, &st->name);
        }
        break;
    case AST_DESCRIBE:
    case AST_DESCRIBE_FUNCTION:
        wbuf_str(pr->out, st->kind == AST_DESCRIBE ? STR("DESCRIBE ") : STR("DESCRIBE FUNCTION "));
        put_relation(pr, &st->name);
        if (st->extended)
            PUT(" EXTENDED");
        break;
    case AST_EXPLAIN:
        PUT("EXPLAIN ");
        if (st->analyze)
            PUT("ANALYZE ");
        if (st->inner)
            put_statement(pr, st->inner); /* one level: the grammar has no EXPLAIN EXPLAIN */
        else
            put_name(pr, &st->name);
        break;
    case AST_PRINT:
        put_print(pr, st);
        break;
    case AST_SET:
    case AST_UNSET:
        wbuf_str(pr->out, st->kind == AST_SET ? STR("SET ") : STR("UNSET "));
        put_string(pr, st->text);
        if (st->kind == AST_SET) {
            PUT(" = ");
            put_string(pr, st->value);
        }
        break;
    case AST_DEFINE:
    case AST_UNDEFINE:
        wbuf_str(pr->out, st->kind == AST_DEFINE ? STR("DEFINE ") : STR("UNDEFINE "));
        put_name(pr, &st->name);
        if (st->kind == AST_DEFINE) {
            PUT(" = ");
            put_string(pr, st->value);
        }
        break;
    }
}

void ast_print(const struct ast_statement *st, bool parens, struct wbuf *out)
{
    put_statement(&(struct printer){out, parens}, st);
    wbuf_u8(out, ';');
}
