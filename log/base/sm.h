/* Checked state machines: a table of states with the arrows out of each, and one mover.
 *
 *     static const struct sm_state seg_states[] = {
 *         [SEG_ACTIVE] = {"active", TO(SEG_SEALED)}, ... };
 *     sm_move(&seg->sm, SEG_SEALED);       moving along an arrow that is not there is a bug: CHECK fails */
#ifndef BASE_SM_H
#define BASE_SM_H
#include "log/base/base.h"
#define TO(s) (1u << (s))
struct sm_state {
    const char *name;
    uint32_t to; /* TO() bits */
};
struct sm {
    const struct sm_state *table;
    const char *what; /* room.noun for traces */
    unsigned cur;
};
void sm_init(struct sm *sm, const struct sm_state *table, const char *what, unsigned first);
void sm_move(struct sm *sm, unsigned to);
static inline bool sm_is(const struct sm *sm, unsigned s) { return sm->cur == s; }
static inline const char *sm_name(const struct sm *sm) { return sm->table[sm->cur].name; }
#endif
