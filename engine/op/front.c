#include "engine/op/front.h"

enum { PIECE = ENGINE_BATCH_ROWS };

void front_init(struct front *f, struct store *rows, unsigned number)
{
    *f = (struct front){.rows = rows, .number = number, .until = INT64_MIN, .cold_from = INT64_MIN};
    wbuf_init(&f->at);
}

void front_fini(struct front *f) { wbuf_fini(&f->at); }

void put_time(struct wbuf *out, int64_t time) { wbuf_be64(out, (uint64_t)time ^ (UINT64_C(1) << 63)); }
int64_t time_of(struct str key) { return (int64_t)(be64(key.ptr) ^ (UINT64_C(1) << 63)); }

void front_begin(struct front *f, int64_t until)
{
    f->until = MAX(f->until, until);
    f->walking = f->more = !store_whole(f->rows) && f->cold_from < f->until;
    wbuf_reset(&f->at);
}

void front_want(struct front *f, struct needs *w)
{
    if (f->more)
        needs_range(w, f->number, STR(""), wbuf_view(&f->at), f->at.len > 0, PIECE);
    else
        f->walking = false;
}

bool front_load(struct front *f, struct str key)
{
    if (!f->more || time_of(key) >= f->until) {
        f->more = false;
        return false;
    }
    wbuf_reset(&f->at);
    wbuf_str(&f->at, key);
    return true;
}

void front_loaded(struct front *f, const struct need *n)
{
    f->more &= n->found == n->limit;
    if (!f->more)
        f->cold_from = MAX(f->cold_from, f->until);
}

bool front_next(const struct front *f, struct str *key, struct str *value)
{
    return kv_first(store_map(f->rows), STR(""), key, value) && time_of(*key) < f->until &&
           (!f->more || str_cmp(*key, wbuf_view(&f->at)) <= 0);
}
