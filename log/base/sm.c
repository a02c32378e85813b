#include "log/base/sm.h"
#include "log/base/trace.h"

void sm_init(struct sm *sm, const struct sm_state *table, const char *what, unsigned first)
{
    *sm = (struct sm){table, what, first};
}

void sm_move(struct sm *sm, unsigned to)
{
    bool arrow = to < 32 && sm->table[sm->cur].to & TO(to);
    if (UNLIKELY(!arrow))
        trace(ERROR, "sm", "no_arrow what=%s from=%s to=%u", sm->what, sm_name(sm), to);
    CHECK(arrow);
    trace(DEBUG, "sm", "move what=%s from=%s to=%s", sm->what, sm_name(sm), sm->table[to].name);
    sm->cur = to;
}
