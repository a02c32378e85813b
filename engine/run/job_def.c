/* The body of a "job" object: msgpack, one array in the order of struct job_def. */
#include "engine/run/run.h"
#include "log/base/limits.h"
#include "log/base/pack.h"

#define JOB_VERSION 6 /* 1 ended with created_ms, 2 with at_least_once, 3 with savepoint, 4 with skips, 5 with cpu_share */

void job_def_pack(const struct job_def *j, struct wbuf *w)
{
    pack_array(w, 20);
    pack_uint(w, JOB_VERSION);
    pack_str(w, str_of(j->name));
    pack_str(w, str_of(j->sql));
    pack_bin(w, j->plan);
    pack_uuid(w, j->output);
    pack_uuid(w, j->changelog);
    pack_uuid(w, j->relation);
    pack_array(w, j->nreads);
    for (unsigned i = 0; i < j->nreads; i++)
        pack_uuid(w, j->reads[i]);
    pack_bool(w, j->stopped);
    pack_int(w, j->created_ms);
    pack_uint(w, j->version);
    pack_uuid(w, j->beside);
    pack_bool(w, j->at_least_once);
    pack_uuid(w, j->savepoint);
    pack_uint(w, j->tolerance);
    pack_str(w, str_of(j->dead_topic ? j->dead_topic : ""));
    pack_uint(w, j->revision);
    pack_array(w, j->nskips);
    for (unsigned i = 0; i < j->nskips; i++) {
        pack_array(w, 3);
        pack_str(w, str_of(j->skips[i].topic));
        pack_int(w, j->skips[i].partition);
        pack_int(w, j->skips[i].offset);
    }
    pack_uint(w, j->cpu_share ? j->cpu_share : ENGINE_SHARE);
    pack_bool(w, j->late_letters);
}

static bool get_policy(struct job_def *j, struct unpack *u, struct arena *a)
{
    uint64_t tolerance = unpack_uint(u);
    j->tolerance = (enum tolerance)tolerance;
    j->dead_topic = arena_dup(a, unpack_str(u)).ptr;
    j->revision = (unsigned)unpack_uint(u);
    j->nskips = unpack_array(u);
    j->skips = ARENA_ARRAY(a, struct job_skip, j->nskips + 1);
    for (unsigned i = 0; i < j->nskips && !unpack_err(u); i++) {
        if (unpack_array(u) != 3)
            return false;
        j->skips[i].topic = arena_dup(a, unpack_str(u)).ptr;
        j->skips[i].partition = (int32_t)unpack_int(u);
        j->skips[i].offset = unpack_int(u);
    }
    return tolerance <= TOLERATE_STOP && j->dead_topic;
}

const char *const tolerance_names[] = {"dead-letter", "skip", "stop", NULL};

const char *job_dead_topic(const struct job_def *j, struct arena *a)
{
    enum { NAME_MAX_LEN = 245 };
    if (j->dead_topic && *j->dead_topic)
        return arena_strdup(a, j->dead_topic);
    char *name = arena_printf(a, "%.*s_dlq", NAME_MAX_LEN, j->name);
    for (char *p = name; *p; p++)
        if (!((*p | 32) >= 'a' && (*p | 32) <= 'z') && !(*p >= '0' && *p <= '9') && *p != '-' && *p != '.')
            *p = '_';
    return name;
}

int job_def_unpack(struct job_def *j, struct str body, struct arena *a)
{
    struct unpack u = unpack_of(body);
    *j = (struct job_def){0};
    uint32_t n = unpack_array(&u);
    uint64_t version = unpack_uint(&u);
    if (!unpack_err(&u) && version > JOB_VERSION)
        return E_NEWER_FORMAT;
    j->name = arena_dup(a, unpack_str(&u)).ptr;
    j->sql = arena_dup(a, unpack_str(&u)).ptr;
    j->plan = arena_dup(a, unpack_str(&u));
    j->output = unpack_uuid(&u);
    j->changelog = unpack_uuid(&u);
    j->relation = unpack_uuid(&u);
    j->nreads = unpack_array(&u);
    j->reads = ARENA_ARRAY(a, struct uuid, j->nreads);
    for (unsigned i = 0; i < j->nreads; i++)
        j->reads[i] = unpack_uuid(&u);
    j->stopped = unpack_bool(&u);
    j->created_ms = unpack_int(&u);
    j->version = version > 1 ? (unsigned)unpack_uint(&u) : 0;
    if (version > 1) {
        j->beside = unpack_uuid(&u);
        j->at_least_once = unpack_bool(&u);
    }
    if (version > 2)
        j->savepoint = unpack_uuid(&u);
    bool bad = version > 3 && !get_policy(j, &u, a);
    uint64_t share = version > 4 && !bad ? unpack_uint(&u) : ENGINE_SHARE;
    j->cpu_share = (unsigned)share;
    j->late_letters = version > 5 && !bad && unpack_bool(&u);
    uint32_t fields = version > 5 ? 20 : version > 4 ? 19 : version > 3 ? 18 : version > 2 ? 14 : version > 1 ? 13 : 10;
    bad = bad || share < 1 || share > ENGINE_SHARE_MAX || unpack_err(&u) || n != fields || rbuf_left(&u.r) || !j->name ||
          !j->sql;
    return bad ? E_CORRUPT : 0;
}
