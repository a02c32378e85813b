/* Bad records: what a task does with one, by its job's policy; and the topic of the dead letters.
 *
 * A letter is the record as it came, key, value and headers, with headers that say what is wrong and where it was. It
 * is written like the job's output, in the transaction of the epoch that passes over the record. The topic is made when
 * the first letter needs it; until it is there the task reads nothing and ends no epoch. Thread: the task's loop,
 * unless a function says otherwise. Headers: engine/README.md, "Bad records". */
#ifndef RUN_LETTERS_H
#define RUN_LETTERS_H
#include "engine/run/run.h"

struct task;
struct job;
struct op;
struct record;

/* Borrowed for the call. */
struct bad {
    enum bad_kind kind;
    const char *stage, *text;
    const char *topic; /* NULL: not known; then there is no partition or offset either (-1) */
    int32_t partition;
    int64_t offset, ts_ms; /* ts_ms -1: not known */
    struct str key, value, headers;
    uint32_t headers_n;
    uint64_t lost; /* BAD_LOST: how many offsets */
};
void bad_of_record(struct bad *b, const struct record *rec); /* its bytes, and its time */
void task_bad(struct task *t, const struct bad *b);
/* env->bad of a job's operators. */
void letter_row(void *task, struct op *op, enum bad_kind kind, const struct schema *sc, const struct batch *b,
              uint32_t row, const char *text);

void letters_init(struct task *t);
void letters_fini(struct task *t);
bool letters_wait(const struct task *t); /* for the topic */

/* ---- What was told lately, and how much of each kind. */
enum { BAD_NOTES = 32 };
struct bad_log {
    uint64_t counts[BAD_KINDS];
    unsigned n; /* ever; notes[(n - 1) % BAD_NOTES] is the newest */
    struct bad_note notes[BAD_NOTES];
};
/* Adds the counts and keeps the newest notes. from NULL: nothing happens; *to NULL: made. */
void bad_log_add(struct bad_log **to, const struct bad_log *from);
#endif
