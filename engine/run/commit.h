/* What a job has committed: the records of its changelog topic, as bytes. Pure. Layout: engine/run/README.md, "On
 * disk".
 */
#ifndef RUN_COMMIT_H
#define RUN_COMMIT_H
#include "log/base/alloc.h"
#include "log/base/buf.h"
#include "log/base/err.h"

struct commit_source {
    unsigned node; /* plan_node.store of the source */
    int32_t partition;
    int64_t offset; /* next to read */
    int64_t watermark_ms;
    bool idle;
    int64_t first, goal; /* where it began once, and where its partition ended then: how far it has caught up */
};
struct commit_task {
    uint32_t task;
    int64_t watermark_ms;
    int64_t changed; /* the last epoch with changes of it; 0: none yet */
};
struct commit_output {
    int32_t partition;
    int64_t end; /* offset after the last record written */
};
/* One epoch: the last record that a reader of committed records finds is where the job stands. Output ends: of a job
 * whose outputs are not part of its transactions (at_least_once), else none. */
struct commit_record {
    int64_t epoch, wall_ms;
    unsigned version;  /* of the job's definition */
    bool bootstrapped; /* tables have been read as far as they went at the first start */
    unsigned nsources, ntasks, noutputs;
    struct commit_source *sources;
    struct commit_task *tasks;
    struct commit_output *outputs;
};
void commit_pack(const struct commit_record *c, struct wbuf *out);
/* E_CORRUPT, E_NEWER_FORMAT, E_UNSUPPORTED: of a version whose changelogs were not transactional. */
int commit_unpack(struct commit_record *c, struct str bytes, struct arena *a);
/* Does b differ from a in anything but number and time? */
bool commit_same(const struct commit_record *a, const struct commit_record *b);

/* ---- Keys of the changelog: a commit, or a value that a task's operator remembers. */
struct changelog_key {
    bool commit;
    uint32_t task;  /* fragment << 16 | index */
    uint32_t store; /* node id << 16 | the operator's own store number */
    struct str key; /* borrowed */
};
void changelog_key_commit(struct wbuf *out); /* the same for all: compaction keeps the last */
void changelog_key_state(uint32_t task, uint32_t store, struct str key, struct wbuf *out);
int changelog_key_parse(struct changelog_key *out, struct str bytes); /* E_CORRUPT */

/* ---- What a checkpoint knows of itself: its note. */
struct checkpoint_note {
    int64_t epoch, wall_ms; /* of the last commit it holds */
};
struct checkpoint_owner { /* whose state it is: a file that lies in another's place is not believed */
    struct uuid changelog; /* topic */
    uint32_t task;
};
void checkpoint_note_pack(const struct checkpoint_note *n, const struct checkpoint_owner *o, struct wbuf *out);
int checkpoint_note_unpack(struct checkpoint_note *n, const struct checkpoint_owner *o, struct str bytes);
#endif
