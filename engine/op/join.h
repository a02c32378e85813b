/* What joins share: candidate pairs of rows, and the condition over both that decides which of them meet. Private to op. */
#ifndef OP_JOIN_H
#define OP_JOIN_H
#include "engine/op/common.h"

/* How often a row of a stream is there; waiting: for something to meet. */
struct join_entry {
    int64_t count;
    bool waiting;
};
enum { JOIN_ENTRY_BYTES = 10 };
struct str join_entry_bytes(const struct join_entry *e, uint8_t value[JOIN_ENTRY_BYTES]);
bool join_entry_get(struct str value, struct join_entry *e); /* false: not one; then it is all 0 */

/* A row of the other side that may meet the row at hand. */
struct candidate {
    struct str key; /* of its entry in its store; borrowed */
    int64_t weight, ts;
    bool waiting;
};
#define PAIRS_MAX MIN(ENGINE_BATCH_ROWS, 256) /* judged at once: most rows have few candidates */
/* Length of the join key of side s that is encoded in front; SIZE_MAX: there is none. */
size_t join_key_length(const struct op *op, unsigned s, struct str key);

/* Pairs of one row with many, judged a batch at a time by plan_node.residual. */
struct pairs {
    struct op *op;
    struct prog *prog; /* NULL: there is no residual, every pair meets */
    struct schema schema; /* left columns, then right ones */
    struct arena names, arena;
    struct batch *b; /* NULL: no candidate waits */
    struct candidate *of;
};
int pairs_open(struct pairs *p, struct op *op, struct diag *d);
void pairs_fini(struct pairs *p);
/* The columns of a row, or NULLs (columns.ptr NULL), into those of side s (0 left, 1 right) of an output or pair with room
 * for cap rows. */
void join_set_side(const struct op *op, struct batch *b, unsigned s, struct str columns, uint32_t row, uint32_t cap);
bool pairs_full(const struct pairs *p);
/* One more candidate: rows as row_encode wrote them, of side s and of the other one. */
void pairs_add(struct pairs *p, unsigned s, struct str of_s, struct str of_other, struct candidate c);
/* Which candidates meet: selected[i] are places in p->of. Valid until pairs_clear, which forgets all candidates. */
uint32_t pairs_judge(struct pairs *p, const uint32_t **selected);
void pairs_clear(struct pairs *p);
/* The selected rows of b (left columns ++ right ones) that the residual lets pass, in b's arena. */
uint32_t pairs_fit(struct pairs *p, struct batch *b, uint32_t **sel);
/* Of b (left columns ++ right ones) goes on what the residual lets pass. */
void pairs_emit(struct pairs *p, struct batch *b);

#endif
