/* A shard: one thread with one event loop. Timers, mailbox, worker jobs, end-of-turn hooks.
 *
 * This is a seam (architecture, section 4): struct loop_class has two implementations, the libuv one here and a
 * seeded single-threaded one in tests/lib, where time, the order of messages and the end of jobs come from a seed.
 * Rules: every object belongs to one loop. Only loop_post and the worker functions run on other threads. A request
 * struct (timer, msg, work) lives inside its owner; its memory is the owner's again once its callback has begun (msg,
 * work) or after timer_stop. No callback runs from inside the call that asks for it. */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H
#include "log/base/base.h"
#include "log/base/list.h"

struct loop;

/* Monotonic time, cached per turn; and the wall clock (ms since 1970). */
int64_t loop_now_us(const struct loop *loop);
static inline int64_t loop_now_ms(const struct loop *loop) { return loop_now_us(loop) / 1000; }
int64_t loop_wall_ms(const struct loop *loop);
int64_t loop_fresh_us(const struct loop *loop); /* not cached; for turn budgets */
unsigned loop_index(const struct loop *loop);   /* shard number, 0.. */
/* Uniform random bits of this shard (seeded in the simulator). */
uint64_t loop_random(struct loop *loop);

/* One-shot timer. timer_start on a running timer moves it. */
struct timer {
    struct loop *loop;
    void (*fire_cb)(struct timer *);
    int64_t due_us;
    void *impl; /* the loop's own */
};
void timer_init(struct timer *t, struct loop *loop, void (*fire_cb)(struct timer *));
void timer_start(struct timer *t, int64_t delay_ms);
void timer_start_us(struct timer *t, int64_t delay_us);
void timer_stop(struct timer *t); /* fire_cb will not run any more */
bool timer_active(const struct timer *t);

/* A message to a loop, from any thread. Messages from one thread to one loop run in order. */
struct msg {
    struct msg *next; /* the loop's own */
    void (*run_cb)(struct msg *);
};
void loop_post(struct loop *loop, struct msg *m);

/* Work that may block, on another thread: work_cb there, then done_cb on the loop. Jobs of one lane of one loop:
 * LANE_SYNC runs one at a time in order (fsync only); LANE_DISK and LANE_HEAVY run on shared threads, unordered. */
enum lane { LANE_SYNC, LANE_DISK, LANE_HEAVY };
struct work {
    struct list link; /* the loop's own */
    struct loop *loop;
    enum lane lane;
    void (*work_cb)(struct work *);
    void (*done_cb)(struct work *);
};
void loop_work(struct loop *loop, enum lane lane, struct work *w);

/* Runs once at the end of the current turn, after all events of the turn: group commit lives here. Asking again
 * before it ran changes nothing. */
struct turn_end {
    struct list link;
    void (*run_cb)(struct turn_end *);
    bool asked;
};
void loop_at_turn_end(struct loop *loop, struct turn_end *t);

/* The real implementation: threads with libuv. */
struct loops; /* all shards of one process and their worker threads */
struct loops *loops_new(unsigned n);
struct loop *loops_get(struct loops *ls, unsigned index);
unsigned loops_count(const struct loops *ls);
void loops_start(struct loops *ls);  /* threads run from here on */
void loops_stop(struct loops *ls);   /* call from outside the loops: lets queued messages and jobs finish, joins */
void loops_free(struct loops *ls);
struct uv_loop_s *loop_uv(struct loop *loop); /* for log/net only; NULL in the simulator */
struct loop *loop_current(void);              /* the loop this thread runs, or NULL */

void loop_set_current(struct loop *loop);     /* for implementations only */

/* What an implementation provides; struct loop begins with it. All slots are called on the loop's thread but post. */
struct loop_class {
    int64_t (*now_us)(const struct loop *);
    int64_t (*fresh_us)(const struct loop *);
    int64_t (*wall_ms)(const struct loop *);
    uint64_t (*random)(struct loop *);
    void (*timer_set)(struct loop *, struct timer *); /* due_us is set; < 0 means stop */
    void (*post)(struct loop *, struct msg *);        /* any thread */
    void (*work)(struct loop *, struct work *);
    void (*turn_end)(struct loop *, struct turn_end *);
};
struct loop {
    const struct loop_class *cls;
    unsigned index;
};

#endif
