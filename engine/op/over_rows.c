#include "engine/op/over.h"

/* ---- The rows of a partition. */

static int collect_cb(void *arg, const struct ordered_row *r)
{
    struct over_rows *rs = arg;
    VEC_PUSH(rs->row, rs->n, rs->cap) = *r;
    return 0;
}

static bool same_group(const struct over_rows *rs, uint32_t a, uint32_t b) { return str_eq(rs->row[a].order, rs->row[b].order); }

static void make_list(const struct over_rows *rs, bool was, struct over_list *l)
{
    size_t n = 0;
    for (uint32_t i = 0; i < rs->n; i++)
        n += (size_t)(was ? rs->row[i].was : rs->row[i].now);
    CHECK(n < UINT32_MAX);
    *l = (struct over_list){.at = ARENA_ARRAY(rs->arena, uint32_t, n + 1), .first = ARENA_ARRAY(rs->arena, uint32_t, rs->n + 1),
                            .group = ARENA_ARRAY(rs->arena, uint32_t, n + 1), .start = ARENA_ARRAY(rs->arena, uint32_t, n + 1)};
    for (uint32_t i = 0; i < rs->n; i++) {
        l->first[i] = l->n;
        for (int64_t k = was ? rs->row[i].was : rs->row[i].now; k > 0; k--) {
            if (!l->n || !same_group(rs, l->at[l->n - 1], i))
                l->start[l->ngroups++] = l->n;
            l->at[l->n] = i;
            l->group[l->n++] = l->ngroups - 1;
        }
    }
    l->first[rs->n] = l->start[l->ngroups] = l->n;
    l->to = l->n;
    while (rs->value && l->from < l->to && rs->value[l->at[l->from]].null)
        l->from++;
    while (rs->value && l->to > l->from && rs->value[l->at[l->to - 1]].null)
        l->to--;
}

static bool is_distance(const struct over_func *f, enum frame_bound b)
{
    return f->frame.unit == FRAME_RANGE && (b == BOUND_PRECEDING || b == BOUND_FOLLOWING);
}

static bool takes_frame(const struct over_func *f)
{
    return f->kind == OVER_AGGREGATE || f->kind == OVER_FIRST_VALUE || f->kind == OVER_LAST_VALUE || f->kind == OVER_NTH_VALUE;
}

static bool asks_values(const struct plan_node *node)
{
    for (unsigned i = 0; i < node->nover; i++) {
        const struct over_func *f = &node->overs[i];
        if (takes_frame(f) && (is_distance(f, f->frame.from) || is_distance(f, f->frame.to)))
            return true;
    }
    return false;
}

/* The order column back from its key bytes. */
static struct over_value value_of(struct ordered *o, struct str order, struct arena *a)
{
    const struct sort_key *by = &o->op->node->sort[0];
    char *bytes = ARENA_ARRAY(a, char, order.len + 1);
    memcpy(bytes, order.ptr, order.len);
    for (size_t i = 0; by->descending && i < order.len; i++)
        bytes[i] = (char)~bytes[i];
    struct str rest = {bytes, order.len};
    struct over_value out = {.null = true};
    struct value v;
    if (!order.len || bytes[0] != 2 || key_decode(&rest, op_input(o->op, 0)->cols[by->column].type, &v, a) != 0 || v.null)
        return out;
    out.null = false;
    if (v.type.id == T_DOUBLE)
        out.real = v.f;
    else
        out.whole = v.type.id == T_DECIMAL ? v.d : v.i;
    return out;
}

void over_collect(struct ordered *o, struct str partition, struct over_rows *out)
{
    ordered_walk(o, partition, collect_cb, out);
    if (asks_values(o->op->node)) {
        out->value = ARENA_ARRAY(out->arena, struct over_value, out->n + 1);
        for (uint32_t i = 0; i < out->n; i++)
            out->value[i] = value_of(o, out->row[i].order, out->arena);
    }
    make_list(out, true, &out->was);
    make_list(out, false, &out->now);
}

void over_decode(struct op *op, struct over_rows *rs, uint32_t from, uint32_t to)
{
    const struct schema *sc = op_input(op, 0);
    if (!rs->columns) {
        rs->columns = batch_new(rs->arena, sc, rs->n);
        rs->decoded = ARENA_ARRAY(rs->arena, bool, rs->n + 1);
        rs->columns->n = rs->columns->nsel = rs->n;
    }
    for (uint32_t i = from; i < to; i++) {
        if (rs->decoded[i])
            continue;
        CHECK(row_decode(rs->row[i].row, sc, rs->columns, 0, i, rs->n) == 0);
        rs->decoded[i] = true;
    }
}

/* ---- How far a change reaches. */

static void reach_by(struct over_reach *r, const struct frame *f, const struct value *by)
{
    if (f->unit == FRAME_ROWS) {
        r->rows = MAX(r->rows, by->i);
        return;
    }
    r->peers = true;
    if (f->unit == FRAME_GROUPS) {
        r->groups = MAX(r->groups, by->i);
        return;
    }
    r->near = true;
    if (by->type.id == T_DOUBLE)
        r->real = MAX(r->real, by->f);
    else
        r->whole = MAX(r->whole, by->type.id == T_DECIMAL ? by->d : (i128)by->i);
}

/* A row reaches ahead to those whose frames begin before it, and back to those whose frames end behind it. */
static void reach_frame(const struct frame *f, struct over_reach *back, struct over_reach *ahead)
{
    if (f->from == BOUND_FIRST)
        ahead->all = true;
    else if (f->from == BOUND_PRECEDING)
        reach_by(ahead, f, &f->before);
    if (f->to == BOUND_LAST)
        back->all = true;
    else if (f->to == BOUND_FOLLOWING)
        reach_by(back, f, &f->after);
    bool peers = f->unit != FRAME_ROWS || f->exclude >= EXCLUDE_GROUP;
    back->peers |= peers;
    ahead->peers |= peers;
}

void over_reaches(const struct plan_node *node, struct over_reach *back, struct over_reach *ahead)
{
    *back = *ahead = (struct over_reach){0};
    for (unsigned i = 0; i < node->nover; i++) {
        const struct over_func *f = &node->overs[i];
        switch (f->kind) {
        case OVER_ROW_NUMBER:
        case OVER_RANK:
        case OVER_DENSE_RANK:
            ahead->all = true;
            break;
        case OVER_PERCENT_RANK:
        case OVER_CUME_DIST:
        case OVER_NTILE:
            back->all = ahead->all = true;
            break;
        case OVER_LAG:
            ahead->rows = MAX(ahead->rows, f->n);
            break;
        case OVER_LEAD:
            back->rows = MAX(back->rows, f->n);
            break;
        default:
            reach_frame(&f->frame, back, ahead);
        }
    }
}

static bool is_near(const struct over_rows *rs, uint32_t a, uint32_t b, const struct over_reach *by)
{
    const struct over_value *x = &rs->value[a], *y = &rs->value[b];
    if (x->null || y->null)
        return x->null && y->null;
    i128 d = x->whole > y->whole ? x->whole - y->whole : y->whole - x->whole;
    double r = x->real > y->real ? x->real - y->real : y->real - x->real;
    return d <= by->whole && !(r > by->real); /* NaN is near to all */
}

/* Rows are counted in both lists: those as they were and as they are. */
struct counted {
    int64_t was, now, was_groups, now_groups;
    bool was_seen, now_seen; /* in the group at hand */
    bool near;
};

/* One row further on; true: it is reached, too. */
static bool is_reached(const struct over_rows *rs, uint32_t from, uint32_t before, uint32_t to, const struct over_reach *by,
                       struct counted *c)
{
    bool same = same_group(rs, from, to);
    if (!same_group(rs, before, to))
        c->was_seen = c->now_seen = false;
    bool reached = (same && by->peers) || MIN(c->was, c->now) < by->rows;
    const struct ordered_row *r = &rs->row[to];
    c->was += r->was;
    c->now += r->now;
    if (!same && r->was && !c->was_seen) {
        c->was_seen = true;
        c->was_groups++;
    }
    if (!same && r->now && !c->now_seen) {
        c->now_seen = true;
        c->now_groups++;
    }
    reached |= by->groups && MIN(c->was_groups, c->now_groups) <= by->groups;
    c->near = c->near && by->near && is_near(rs, from, to, by);
    return reached || c->near;
}

uint32_t over_reach_back(const struct over_rows *rs, uint32_t row, const struct over_reach *by)
{
    struct counted c = {.near = true};
    uint32_t at = row;
    if (by->all)
        return 0;
    while (at > 0 && is_reached(rs, row, at, at - 1, by, &c))
        at--;
    return at;
}

uint32_t over_reach_ahead(const struct over_rows *rs, uint32_t row, const struct over_reach *by)
{
    struct counted c = {.near = true};
    uint32_t at = row;
    if (by->all)
        return rs->n - 1;
    while (at + 1 < rs->n && is_reached(rs, row, at, at + 1, by, &c))
        at++;
    return at;
}
