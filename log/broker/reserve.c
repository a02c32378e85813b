#include "log/broker/reserve.h"
#include "log/base/trace.h"
#include "log/broker/request.h"

enum { ASK_MS = 1000, ASK_LOW_MS = 100, AGAIN_PART = 32, AGAIN_BYTES = 32 << 20 };

static void reserve_work(struct work *w)
{
    struct reserve *rs = container_of(w, struct reserve, work);
    rs->free_bytes = disk_free_bytes(rs->b->bc.disk, rs->b->bc.data_dir);
}

/* It is left a little above where it was entered, so that it is not entered and left all the time. A disk that does not
 * say is not refused for that. */
static void reserve_judge(struct reserve *rs)
{
    int64_t reserve = rs->b->bc.conf->disk_reserve, left = rs->free_bytes;
    bool low = atomic_load(&rs->b->disk_low);
    low = left >= 0 && left < reserve + (low ? MIN(reserve / AGAIN_PART, AGAIN_BYTES) : 0);
    rs->left = left < 0 ? INT64_MAX : MAX(left - reserve, INT64_C(0)) / 2 / (int64_t)rs->b->bc.nloops;
    rs->due_ms = loop_now_ms(rs->work.loop) + (low ? ASK_LOW_MS : ASK_MS);
    if (atomic_exchange(&rs->b->disk_low, low) == low)
        return;
    if (low)
        trace(WARN, "broker", "disk_low free=%lld reserve=%lld: produce is refused", (long long)left, (long long)reserve);
    else
        trace(INFO, "broker", "disk_has_room free=%lld: produce goes on", (long long)left);
}

static void reserve_done(struct work *w)
{
    struct reserve *rs = container_of(w, struct reserve, work);
    rs->asking = false;
    reserve_judge(rs);
}

void reserve_init(struct reserve *rs, struct broker *b, struct loop *loop)
{
    *rs = (struct reserve){.b = b, .work = {.loop = loop, .work_cb = reserve_work, .done_cb = reserve_done}};
    if (b->bc.conf->disk_reserve == 0)
        return;
    reserve_work(&rs->work);
    reserve_judge(rs);
}

bool reserve_take(struct reserve *rs, uint64_t bytes)
{
    if (rs->b->bc.conf->disk_reserve == 0)
        return true;
    bool low = atomic_load_explicit(&rs->b->disk_low, memory_order_relaxed);
    rs->left -= (int64_t)MIN(bytes, (uint64_t)INT32_MAX);
    if (!rs->asking && (loop_now_ms(rs->work.loop) >= rs->due_ms || (rs->left < 0 && !low))) {
        rs->asking = true;
        loop_work(rs->work.loop, LANE_DISK, &rs->work);
    }
    return !low;
}
