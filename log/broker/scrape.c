/* What the node tells a monitor, as Prometheus' text: counters of all shards, partitions, groups with their lag. Groups
 * are asked one after the other, partitions that nobody has opened yet are opened; numbers that need the disk (the time
 * of the first record that a group has not read) are read on a worker, which also writes the text. log/README.md lists
 * names. */
#include "log/base/clock.h"
#include "log/broker/request.h"
#include "log/wire/recbatch.h"

struct lag { /* a group's place in a partition */
    struct str group, topic;
    int32_t partition;
    int64_t offset, records, seconds;
    struct part *part; /* NULL: it has gone; else kept alive by the image */
};
struct place { /* a partition */
    const struct topic *topic;
    int32_t index;
    int64_t start, end, stable, bytes;
};
struct scrape {
    struct broker_scrape *to;
    struct broker *b;
    struct arena arena;
    struct image *im;
    struct coord_group_list list;
    struct coord_group_call call; /* of the group at hand */
    uint32_t at;
    struct lag *lags;
    size_t nlags, lags_cap;
    struct opening_lag *openings;
    unsigned left;
    struct work work;
    int64_t now_ms, free_bytes, total_bytes;
};
struct opening_lag {
    struct watch w;
    struct scrape *s;
};

/* ---- the text */

static void put_head(struct wbuf *w, const char *name, const char *type, const char *help)
{
    wbuf_printf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_one(struct wbuf *w, const char *name, const char *type, const char *help, int64_t value)
{
    put_head(w, name, type, help);
    wbuf_printf(w, "%s %lld\n", name, (long long)value);
}

static void put_label(struct wbuf *w, const char *name, struct str value)
{
    wbuf_printf(w, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\n') {
            wbuf_str(w, STR("\\n"));
            continue;
        }
        if (c == '\\' || c == '"')
            wbuf_u8(w, '\\');
        wbuf_u8(w, (uint8_t)c);
    }
    wbuf_u8(w, '"');
}

static void put_server(struct wbuf *w, const struct scrape *s)
{
    struct store_stats st;
    store_stats(s->b->store, &st);
    put_head(w, "weir_info", "gauge", "This node.");
    wbuf_printf(w, "weir_info{cluster_id=\"%s\",node_id=\"%d\"} 1\n", s->b->cluster_id, s->b->node_id);
    put_head(w, "process_cpu_seconds_total", "counter", "CPU time of the process.");
    wbuf_printf(w, "process_cpu_seconds_total %.3f\n", (double)clock_cpu_us() / 1e6);
    put_one(w, "weir_appends_total", "counter", "Batches appended.", (int64_t)st.appends);
    put_one(w, "weir_append_bytes_total", "counter", "Bytes of batches appended.", (int64_t)st.append_bytes);
    put_one(w, "weir_syncs_total", "counter", "Syncs of files.", (int64_t)st.syncs);
    put_one(w, "weir_wal_bytes_total", "counter", "Bytes written to write-ahead files.", (int64_t)st.wal_bytes);
    put_one(w, "weir_store_failed", "gauge", "1: a sync has failed, and a shard refuses writes until a restart.", st.failed);
    put_one(w, "weir_disk_free_bytes", "gauge", "Free on the disk of the log.", s->free_bytes);
    put_one(w, "weir_disk_total_bytes", "gauge", "Size of the disk of the log.", s->total_bytes);
    put_one(w, "weir_disk_low", "gauge", "1: less is free than the reserve, and Produce is refused.",
            atomic_load(&s->b->disk_low));
    put_one(w, "weir_coordinators_loading", "gauge", "1: groups are not told because their log is still being read.",
            s->list.error != 0);
    put_head(w, "weir_requests_total", "counter", "Requests by API.");
    for (unsigned i = 0; i < napis; i++) {
        uint64_t n = 0;
        for (unsigned d = 0; d < s->b->bc.nloops; d++)
            n += counter_get(&s->b->desks[d].requests[i]);
        if (n)
            wbuf_printf(w, "weir_requests_total{api=\"%s\"} %llu\n", apis[i].name, (unsigned long long)n);
    }
}

static void put_places(struct wbuf *w, const struct place *places, size_t n, const char *name, const char *help,
                       size_t offset)
{
    put_head(w, name, "gauge", help);
    for (size_t i = 0; i < n; i++) {
        int64_t v;
        memcpy(&v, (const char *)&places[i] + offset, sizeof v);
        wbuf_printf(w, "%s{topic=\"%s\",partition=\"%d\"} %lld\n", name, places[i].topic->name, places[i].index,
                    (long long)v);
    }
}

/* Those that are open, of topics that are not the program's own. */
static void put_partitions(struct wbuf *w, struct scrape *s)
{
    size_t all = 0, n = 0;
    for (unsigned i = 0; i < s->im->ntopics; i++)
        all += (size_t)s->im->topics[i]->nparts;
    struct place *places = ARENA_ARRAY(&s->arena, struct place, all + 1);
    for (unsigned i = 0; i < s->im->ntopics; i++) {
        const struct topic *t = s->im->topics[i];
        for (int32_t p = 0; p < t->nparts && !t->internal; p++) {
            struct view *v = part_view(t->parts[p]);
            if (!v)
                continue;
            places[n++] = (struct place){t, p, v->log_start, v->high_watermark, v->lso, view_bytes(v)};
            counted_release(&v->c);
        }
    }
    put_one(w, "weir_topics", "gauge", "Topics, the program's own too.", s->im->ntopics);
    put_one(w, "weir_partitions", "gauge", "Partitions of all topics.", (int64_t)all);
    put_places(w, places, n, "weir_partition_start_offset", "First offset of a partition.", offsetof(struct place, start));
    put_places(w, places, n, "weir_partition_end_offset", "Offset of the next record.", offsetof(struct place, end));
    put_places(w, places, n, "weir_partition_stable_offset", "Below it every transaction has ended.",
               offsetof(struct place, stable));
    put_places(w, places, n, "weir_partition_bytes", "Bytes of a partition on disk.", offsetof(struct place, bytes));
}

static void put_lags(struct wbuf *w, const struct scrape *s, const char *name, const char *help, size_t offset)
{
    put_head(w, name, "gauge", help);
    for (size_t i = 0; i < s->nlags; i++) {
        const struct lag *l = &s->lags[i];
        int64_t v;
        memcpy(&v, (const char *)l + offset, sizeof v);
        if (!l->part || v < 0)
            continue;
        wbuf_printf(w, "%s{", name);
        put_label(w, "group", l->group);
        wbuf_u8(w, ',');
        put_label(w, "topic", l->topic);
        wbuf_printf(w, ",partition=\"%d\"} %lld\n", l->partition, (long long)v);
    }
}

static void put_groups(struct wbuf *w, const struct scrape *s)
{
    static const char *const states[] = {"Empty", "PreparingRebalance", "CompletingRebalance", "Stable", "Dead"};
    put_head(w, "weir_groups", "gauge", "Groups by state.");
    for (size_t k = 0; k < ARRAY_LEN(states); k++) {
        uint32_t n = 0;
        for (uint32_t i = 0; i < s->list.ngroups; i++)
            n += strcmp(s->list.groups[i].state, states[k]) == 0;
        wbuf_printf(w, "weir_groups{state=\"%s\"} %u\n", states[k], n);
    }
    put_lags(w, s, "weir_group_offset", "Where a group goes on in a partition.", offsetof(struct lag, offset));
    put_lags(w, s, "weir_group_lag_records", "Offsets that a group has not read yet.", offsetof(struct lag, records));
    put_lags(w, s, "weir_group_lag_seconds", "Age of the batch with the first record that a group has not read; 0: none.",
             offsetof(struct lag, seconds));
}

/* ---- on a worker */

/* When the batch at the offset began, by its records' time; -1: not to be had. */
static int64_t batch_time(const struct view *v, int64_t offset)
{
    struct slice s;
    struct recbatch rb;
    char head[RECBATCH_HEAD];
    int64_t ts = -1;
    if (view_read(v, offset, v->high_watermark, 1, true, true, &s) < 0 || s.len == 0)
        return -1;
    if (slice_read(&s, 0, head, sizeof head, true) == (int64_t)sizeof head &&
        recbatch_peek_head(&rb, (struct str){head, sizeof head}) == 0)
        ts = rb.attributes & RECBATCH_APPEND_TIME ? rb.max_ts : rb.base_ts;
    slice_release(&s);
    return ts;
}

static void lag_measure(struct lag *l, int64_t now_ms)
{
    struct view *v = l->part ? part_view(l->part) : NULL;
    l->records = l->seconds = -1;
    if (!v)
        return;
    int64_t from = MAX(l->offset, v->log_start);
    l->records = MAX(v->high_watermark - from, INT64_C(0));
    l->seconds = 0;
    if (l->records > 0) {
        int64_t ts = batch_time(v, from);
        l->seconds = ts < 0 ? -1 : MAX((now_ms - ts) / 1000, INT64_C(0));
    }
    counted_release(&v->c);
}

static void scrape_work(struct work *work)
{
    struct scrape *s = container_of(work, struct scrape, work);
    struct wbuf *w = &s->to->text;
    s->free_bytes = disk_free_bytes(s->b->bc.disk, s->b->bc.data_dir);
    s->total_bytes = disk_total_bytes(s->b->bc.disk, s->b->bc.data_dir);
    for (size_t i = 0; i < s->nlags; i++)
        lag_measure(&s->lags[i], s->now_ms);
    put_server(w, s);
    put_partitions(w, s);
    put_groups(w, s);
}

/* ---- the way there */

static void scrape_free(struct scrape *s)
{
    struct broker_scrape *to = s->to;
    if (s->im)
        counted_release(&s->im->c);
    xfree(s->openings);
    xfree(s->lags);
    arena_fini(&s->arena);
    xfree(s);
    to->done_cb(to);
}

static void scrape_done(struct work *w) { scrape_free(container_of(w, struct scrape, work)); }

static void scrape_write(struct scrape *s)
{
    s->now_ms = loop_wall_ms(s->to->loop);
    s->work = (struct work){.loop = s->to->loop, .work_cb = scrape_work, .done_cb = scrape_done};
    loop_work(s->to->loop, LANE_DISK, &s->work);
}

static void lag_opened(struct watch *w, int status)
{
    struct scrape *s = container_of(w, struct opening_lag, w)->s;
    (void)status; /* where there is no view there is no lag */
    if (--s->left == 0)
        scrape_write(s);
}

static void scrape_open(struct scrape *s)
{
    s->im = cluster_image(s->b->cluster);
    s->openings = xzalloc((s->nlags + 1) * sizeof *s->openings);
    for (size_t i = 0; i < s->nlags; i++) {
        struct lag *l = &s->lags[i];
        const struct topic *t = image_topic(s->im, l->topic);
        l->part = t && l->partition < t->nparts ? t->parts[l->partition] : NULL;
        struct view *v = l->part ? part_view(l->part) : NULL;
        if (v)
            counted_release(&v->c);
        else if (l->part)
            s->openings[s->left++] = (struct opening_lag){
                {.loop = s->to->loop, .part = l->part, .above = -1, .fired_cb = lag_opened}, s};
    }
    if (s->left == 0)
        scrape_write(s);
    for (unsigned i = 0, n = s->left; i < n; i++)
        part_watch(s->openings[i].w.part, &s->openings[i].w);
}

static void group_next(struct scrape *s);

static void group_fetched(struct coord_group_call *call)
{
    struct scrape *s = container_of(call, struct scrape, call);
    for (uint32_t i = 0; i < call->noffsets && !call->error; i++) {
        const struct coord_offset *o = &call->offsets[i];
        if (o->offset >= 0 && o->partition >= 0)
            VEC_PUSH(s->lags, s->nlags, s->lags_cap) = (struct lag){
                .group = call->group, .topic = o->topic, .partition = o->partition, .offset = o->offset};
    }
    s->at++;
    group_next(s);
}

static void group_next(struct scrape *s)
{
    if (s->at == s->list.ngroups) {
        scrape_open(s);
        return;
    }
    s->call = (struct coord_group_call){.from = s->to->loop, .done_cb = group_fetched, .arena = &s->arena,
                                        .group = s->list.groups[s->at].id, .generation = -1, .all = true};
    coord_group_fetch(s->b->coord, &s->call);
}

static void groups_listed(struct coord_group_list *list)
{
    struct scrape *s = container_of(list, struct scrape, list);
    struct store_stats st;
    store_stats(s->b->store, &st);
    s->to->disk_low = !broker_takes(s->b, s->to->loop, 0);
    s->to->ready = !list->error && !st.failed && !s->to->disk_low;
    if (s->to->brief)
        scrape_free(s);
    else
        group_next(s);
}

void broker_scrape(struct broker *b, struct broker_scrape *to)
{
    struct scrape *s = xzalloc(sizeof *s);
    s->to = to;
    s->b = b;
    arena_init(&s->arena);
    s->list = (struct coord_group_list){.from = to->loop, .done_cb = groups_listed, .arena = &s->arena};
    coord_list_groups(b->coord, &s->list);
}

bool broker_takes(struct broker *b, struct loop *loop, uint64_t bytes)
{
    return reserve_take(&b->desks[loop_index(loop)].reserve, bytes);
}

bool broker_healthy(struct broker *b)
{
    struct store_stats st;
    store_stats(b->store, &st);
    return !st.failed;
}
