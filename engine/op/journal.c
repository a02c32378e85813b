#include "engine/op/journal.h"

enum { KEPT_BYTES = 65536 }; /* room that an empty journal keeps */

void journal_init(struct journal *j, struct budget *budget)
{
    *j = (struct journal){.account.budget = budget};
    wbuf_init(&j->bytes);
}

static void count_room(struct journal *j)
{
    size_t counted = j->account.bytes, cap = j->bytes.cap;
    if (cap > counted)
        account_add(&j->account, cap - counted);
    else if (cap < counted)
        account_sub(&j->account, counted - cap);
}

void journal_fini(struct journal *j)
{
    wbuf_fini(&j->bytes);
    j->bytes.cap = 0;
    count_room(j);
}

void journal_put(struct journal *j, struct str key, struct str value)
{
    uint32_t sizes[2] = {(uint32_t)key.len, value.ptr ? (uint32_t)value.len : UINT32_MAX};
    wbuf_put(&j->bytes, sizes, sizeof sizes);
    wbuf_str(&j->bytes, key);
    wbuf_str(&j->bytes, value);
    if (j->bytes.cap != j->account.bytes)
        count_room(j);
}

void journal_save(struct journal *j, unsigned store, struct changes *out)
{
    for (const uint8_t *at = j->bytes.data, *end = at + j->bytes.len; at < end;) {
        uint32_t sizes[2];
        memcpy(sizes, at, sizeof sizes);
        struct str key = {(const char *)at + sizeof sizes, sizes[0]}, value = STR_NULL;
        if (sizes[1] != UINT32_MAX)
            value = (struct str){key.ptr + key.len, sizes[1]};
        changes_put(out, store, key, value);
        at += sizeof sizes + key.len + value.len;
    }
    wbuf_reset(&j->bytes);
    if (j->bytes.cap > KEPT_BYTES) {
        wbuf_fini(&j->bytes);
        wbuf_init(&j->bytes);
        count_room(j);
    }
}
