/* Changes of an epoch in the order in which they were made, for the changelog at the marker: for stores whose entries are
 * seldom changed twice. Costs less than to remember keys and to look up what they hold. Private to op. */
#ifndef OP_JOURNAL_H
#define OP_JOURNAL_H
#include "state/state.h"

struct journal {
    struct wbuf bytes;
    struct account account;
};
void journal_init(struct journal *j, struct budget *budget);
void journal_fini(struct journal *j);
void journal_put(struct journal *j, struct str key, struct str value); /* value null: gone */
void journal_save(struct journal *j, unsigned store, struct changes *out); /* and is empty */

#endif
