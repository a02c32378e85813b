/* The parts of OVER: the rows of one partition and how far a change reaches (over_rows.c), functions over frames of them
 * (over_eval.c), changes out and state (over.c). Private to op. */
#ifndef OP_OVER_H
#define OP_OVER_H
#include "engine/op/acc.h"
#include "engine/op/ordered.h"

/* A value of the order column that distances are taken of. */
struct over_value {
    bool null;
    i128 whole;
    double real; /* of DOUBLE */
};

/* The rows of a partition as they are, or as they were at the last marker: a row that is there twice has two places. */
struct over_list {
    uint32_t n, ngroups;
    uint32_t *at;      /* place -> row */
    uint32_t *first;   /* row -> its first place; as many as rows, and the end */
    uint32_t *group;   /* place -> group of peers */
    uint32_t *start;   /* group -> its first place; as many as groups, and the end */
    uint32_t from, to; /* places whose order column is not NULL */
};

struct over_rows {
    struct arena *arena;
    uint32_t n, cap;
    struct ordered_row *row;     /* in order, those that are gone among them */
    struct over_value *value;    /* of the order column; NULL: no function asks */
    struct batch *columns;       /* decoded as far as needed; NULL: no function asks */
    bool *decoded;
    struct over_list was, now;
};

/* How far the change of a row reaches, in one direction: to other rows whose result may change with it. */
struct over_reach {
    bool all, peers, near; /* near: within `whole` or `real` of its value */
    int64_t rows, groups;
    i128 whole;
    double real;
};
void over_reaches(const struct plan_node *node, struct over_reach *back, struct over_reach *ahead);
/* The farthest row that is reached. */
uint32_t over_reach_back(const struct over_rows *rs, uint32_t row, const struct over_reach *by);
uint32_t over_reach_ahead(const struct over_rows *rs, uint32_t row, const struct over_reach *by);
/* All rows of a partition; pointers are good until its state changes. */
void over_collect(struct ordered *o, struct str partition, struct over_rows *out);
void over_decode(struct op *op, struct over_rows *rs, uint32_t from, uint32_t to);

/* Functions of a node, ready to be computed. */
struct over_sum { /* an aggregate that slides along */
    struct acc acc;
    struct group *g;
    struct kv *values; /* that it keeps */
    uint32_t from, to; /* places that are in it */
    bool started;
};
struct over_sums {
    struct account account;
    unsigned n;
    struct over_sum *sum; /* one per function; acc.agg NULL: is no aggregate */
    struct wbuf key;
};
void over_sums_init(struct over_sums *s, struct op *op, struct arena *a);
void over_sums_fini(struct over_sums *s);
/* Results of function f at places [from, to) of a list; strings lie in the rows or in their arena. Gives how many there are
 * that cannot be computed, and of the first of them why. */
uint64_t over_eval(struct op *op, struct over_sums *s, unsigned f, const struct over_rows *rs, const struct over_list *l,
                   uint32_t from, uint32_t to, struct value *out, const char **why);

#endif
