/* Requests of a transactional producer: whatever comes back in whatever order, appends are made in order of arrival. */
#include "log/broker/line.h"
#include "log/base/random.h"
#include "tests/lib/seed.h"
#include "tests/unit/unit.h"

enum { N = 40 };
struct one {
    struct line_place place;
    enum { NEW, FIRST, ASKING, AGAIN, DONE } state;
    bool admitted; /* its first append was taken */
};
static struct map lines;
static struct one ones[N];
static int open_from; /* the transaction is open on the partition from this request on; N: not yet */
static int last_taken;
static struct random dice;

static void taken(struct one *o)
{
    int i = (int)(o - ones);
    assert_int_equal(i, last_taken + 1); /* sequence numbers fit */
    last_taken = i;
    o->admitted = true;
}

/* What the store does: a transaction that nobody has begun takes nothing unverified. */
static void append(struct one *o, bool verified)
{
    if (verified)
        open_from = MIN(open_from, (int)(o - ones));
    if (open_from < N)
        taken(o);
}

static void go(struct line_place *pl, bool ask)
{
    struct one *o = container_of(pl, struct one, place);
    if (ask) {
        assert_int_equal(o->state, FIRST);
        o->state = ASKING;
    } else {
        assert_int_equal(o->state, NEW);
        o->state = FIRST;
        append(o, false);
    }
}

static void answer(struct one *o)
{
    switch (o->state) {
    case FIRST:
        if (!o->admitted) {
            line_stuck(&o->place);
            break;
        }
        o->state = DONE;
        line_leave(&o->place);
        break;
    case ASKING:
        o->state = AGAIN;
        append(o, true);
        line_pass(&o->place);
        break;
    case AGAIN:
        o->state = DONE;
        line_leave(&o->place);
        break;
    default:
        break;
    }
}

static bool is_stuck(const struct one *o) { return o->state == FIRST && !o->admitted && o->place.at == LINE_STUCK; }

/* Each request is appended once, in its turn. */
static void test_order(void **state)
{
    (void)state;
    random_seed(&dice, test_seed());
    for (int round = 0; round < 300; round++) {
        memset(ones, 0, sizeof ones);
        map_init(&lines);
        open_from = N;
        last_taken = -1;
        int n = 0, done = 0;
        for (int steps = 0; done < N; steps++) {
            assert_true(steps < 100000);
            if (n < N && random_below(&dice, 3) == 0) {
                struct one *o = &ones[n++];
                o->place.go_cb = go;
                if (line_enter(&lines, 7, &o->place)) {
                    o->state = FIRST;
                    append(o, false);
                }
            } else if (n) {
                struct one *o = &ones[random_below(&dice, (uint64_t)n)];
                if (!is_stuck(o))
                    answer(o);
            }
            done = 0;
            for (int i = 0; i < n; i++)
                done += ones[i].state == DONE;
        }
        assert_int_equal(last_taken, N - 1);
        assert_int_equal(lines.len, 0);
        lines_fini(&lines);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
