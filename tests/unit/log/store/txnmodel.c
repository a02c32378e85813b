#include "tests/unit/log/store/txnmodel.h"
#include "log/base/alloc.h"
#include "log/wire/wire.h"

void txnmodel_fini(struct txnmodel *tm)
{
    xfree(tm->open);
    xfree(tm->aborted);
    xfree(tm->batches);
    *tm = (struct txnmodel){0};
}

static void model_end(struct txnmodel *tm, int64_t pid, int64_t offset, bool commit)
{
    for (size_t i = 0; i < tm->nopen; i++) {
        if (tm->open[i].producer_id != pid)
            continue;
        if (!commit)
            VEC_PUSH(tm->aborted, tm->naborted, tm->aborted_cap) = (struct aborted){pid, tm->open[i].first, offset};
        tm->committed += commit;
        tm->open[i] = tm->open[--tm->nopen];
        return;
    }
}

static void model_batch(struct txnmodel *tm, const struct recbatch *rb)
{
    if (rb->attributes & RECBATCH_CONTROL) {
        struct recbatch_marker m;
        CHECK(recbatch_marker_read(rb, &m) == 0);
        model_end(tm, rb->producer_id, rb->base_offset, m.commit);
    } else if (rb->attributes & RECBATCH_TXN) {
        size_t i = 0;
        while (i < tm->nopen && tm->open[i].producer_id != rb->producer_id)
            i++;
        if (i == tm->nopen)
            VEC_PUSH(tm->open, tm->nopen, tm->open_cap) = (struct aborted){rb->producer_id, rb->base_offset, 0};
        VEC_PUSH(tm->batches, tm->nbatches, tm->batches_cap) =
            (struct aborted){rb->producer_id, rb->base_offset, recbatch_last_offset(rb)};
    }
}

static void model_read(struct txnmodel *tm, const struct view *v)
{
    CHECK(tm->end >= v->log_start || tm->end == 0);
    tm->end = MAX(tm->end, v->log_start);
    while (tm->end < v->high_watermark) {
        struct slice s;
        CHECK(view_read(v, tm->end, INT64_MAX, 10000, true, true, &s) == 0 && s.len > 0);
        uint8_t *bytes = xalloc(s.len);
        CHECK(slice_read(&s, 0, bytes, s.len, true) == s.len);
        struct recbatch rb;
        for (uint32_t at = 0; at < s.len; at += rb.size) {
            CHECK(recbatch_peek(&rb, (struct str){(char *)bytes + at, s.len - at}) == 0);
            CHECK(recbatch_last_offset(&rb) < s.end_offset);
            if (recbatch_last_offset(&rb) < tm->end)
                continue;
            model_batch(tm, &rb);
            tm->end = recbatch_last_offset(&rb) + 1;
        }
        xfree(bytes);
        slice_release(&s);
    }
}

/* Where the void batches that are still in the log begin; INT64_MAX: there are none. */
static int64_t model_left(const struct txnmodel *tm, const struct aborted *of, int64_t log_start)
{
    for (size_t i = 0; i < tm->nbatches; i++) {
        const struct aborted *b = &tm->batches[i];
        if (b->producer_id == of->producer_id && b->first >= of->first && b->last < of->last && b->last >= log_start)
            return b->first;
    }
    return INT64_MAX;
}

static void model_compare(const struct txnmodel *tm, const struct view *v, int64_t from, int64_t upto)
{
    struct arena a;
    struct aborted *got;
    uint32_t n, at = 0;
    arena_init(&a);
    CHECK(view_aborted(v, from, upto, true, &a, &got, &n) == 0);
    for (size_t i = 0; i < tm->naborted; i++) {
        const struct aborted *want = &tm->aborted[i];
        if (want->last < from || want->first >= upto)
            continue;
        bool told = at < n && got[at].last == want->last;
        /* An index made anew after retention knows of no batch before those that are left. */
        CHECK(told || model_left(tm, want, v->log_start) >= upto);
        if (!told)
            continue;
        CHECK(got[at].producer_id == want->producer_id && got[at].first >= want->first);
        CHECK(got[at].first == want->first || got[at].first <= model_left(tm, want, v->log_start));
        at++;
    }
    CHECK(at == n);
    arena_fini(&a);
}

void txnmodel_check(struct txnmodel *tm, const struct view *v, struct random *dice)
{
    model_read(tm, v);
    CHECK(tm->end == v->high_watermark);
    int64_t lso = v->high_watermark;
    for (size_t i = 0; i < tm->nopen; i++)
        lso = MIN(lso, tm->open[i].first);
    lso = MAX(lso, v->log_start);
    CHECK(v->lso == lso);
    model_compare(tm, v, v->log_start, lso);
    for (int i = 0; i < 3; i++) {
        int64_t from = v->log_start + (int64_t)random_below(dice, (uint64_t)(lso - v->log_start) + 1);
        model_compare(tm, v, from, from + (int64_t)random_below(dice, (uint64_t)(lso - from) + 1));
    }
}
