#include "engine/run/dead.h"
#include "log/base/limits.h"
#include "log/base/trace.h"
#include "log/wire/recbatch.h"

static const struct task *find_task(const struct job *j, uint32_t id)
{
    for (unsigned i = 0; i < j->ntasks; i++)
        if (j->tasks[i].id == id)
            return &j->tasks[i];
    return NULL;
}

static bool is_owned(const struct job *j, const struct changelog_key *k)
{
    const struct task *t = find_task(j, k->task);
    for (unsigned i = 0; t && i < t->frag->nops; i++)
        if (t->frag->ops[i]->store == k->store >> 16 && plan_node_keeps(t->frag->ops[i]))
            return true;
    return false;
}

static int seen_cb(void *arg, const struct record *rec)
{
    struct task *t = arg;
    struct changelog_key k;
    if (atomic_load(&t->job->canceled))
        return E_CANCELED;
    if (changelog_key_parse(&k, rec->key) != 0)
        return E_CORRUPT;
    if (k.commit || is_owned(t->job, &k))
        return 0;
    if (!rec->value.ptr && map_remove(&t->dead, rec->key)) {
        t->dead_bytes -= rec->key.len;
    } else if (rec->value.ptr && t->dead_bytes < ENGINE_DEAD_BYTES && !map_put(&t->dead, rec->key, t)) {
        t->dead_bytes += rec->key.len;
    }
    return 0;
}

/* One task looks through a partition of the changelog: the first of those that write there. */
static bool looks(const struct task *t)
{
    for (const struct task *o = t->job->tasks; o < t; o++)
        if (o->changelog_part == t->changelog_part)
            return false;
    return true;
}

static unsigned count_numbers(const struct plan_node *n)
{
    unsigned count = n->kind == PLAN_SOURCE || plan_node_keeps(n);
    for (unsigned i = 0; i < n->ninputs; i++)
        count += count_numbers(n->inputs[i]);
    return count;
}

int dead_find(struct task *t)
{
    const struct plan *p = t->job->plan;
    if (!looks(t) || count_numbers(p->sink) == p->next_store) /* no number was ever given up */
        return 0;
    return part_scan(t->changelog_part, part_start(t->changelog_part), part_end(t->changelog_part, true), seen_cb, t);
}

void dead_remove_files(struct job *j)
{
    struct arena a;
    arena_init(&a);
    for (unsigned i = 0; i < j->last.ntasks; i++) {
        uint32_t id = j->last.tasks[i].task;
        if (find_task(j, id))
            continue;
        const char *path = arena_printf(&a, "%s/%u-%u.db", job_state_path(j, NULL, &a), id >> 16, id & 0xffff);
        struct disk *disk = store_disk(broker_store(engine_broker(j->engine)));
        int err = disk_exists(disk, path) ? checkpoint_delete(disk, path) : 0;
        if (err)
            trace(WARN, "run", "checkpoint_not_removed path=%s status=%s", path, err_name(err));
    }
    arena_fini(&a);
}

void dead_bury(struct task *t, void (*put_cb)(struct task *t, struct str key))
{
    struct str key;
    void *value;
    if (!t->dead.len)
        return;
    for (size_t i = 0; (key = map_next_key(&t->dead, &i, &value)).ptr != NULL;)
        put_cb(t, key);
    map_clear(&t->dead);
    t->dead_bytes = 0;
}
