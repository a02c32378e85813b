/* "Why is nothing coming out?" is answered by the first node, from the sources up, that lets no row pass. */
#include "sql/serve/session.h"
#include "tests/unit/unit.h"
#include <stdio.h>

static struct plan_node source, filter, sink;
static struct node_stats stats[3];
static struct job_source_status sources[2];
static struct job_status status;
static struct plan plan;
static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena);
    memset(stats, 0, sizeof stats);
    source = (struct plan_node){.kind = PLAN_SOURCE, .id = 2, .topic_name = "t", .relation = "s"};
    filter = (struct plan_node){.kind = PLAN_FILTER, .id = 1, .ninputs = 1, .inputs = {&source}};
    sink = (struct plan_node){.kind = PLAN_SINK_QUERY, .id = 0, .ninputs = 1, .inputs = {&filter}};
    plan = (struct plan){.sink = &sink, .nnodes = 3};
    for (int i = 0; i < 2; i++)
        sources[i] = (struct job_source_status){.topic = "t", .partition = i, .watermark_ms = INT64_MIN};
    status = (struct job_status){.nsources = 2, .sources = sources, .nnodes = 3, .nodes = stats};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_fini(&arena);
    return 0;
}

static void says(const char *part)
{
    const struct plan_node *from;
    const char *why = why_silent(&plan, &status, &arena, &from);
    if (!part) {
        assert_null(why);
        return;
    }
    assert_non_null(why);
    if (!strstr(why, part))
        fail_msg("\"%s\" is not about \"%s\"", why, part);
}

/* An empty topic; one that is read from its end; one that is still being read. */
static void about_sources(void **state)
{
    (void)state;
    says("topic t is empty");
    sources[0].end = sources[0].position = sources[0].start = sources[0].first = 5;
    source.from_latest = true;
    says("from latest");
    source.from_latest = false;
    sources[0].start = sources[0].first = 0;
    sources[0].position = 2;
    says("2 of 5");
}

/* Records that all fail to decode: the first error, with its place. */
static void about_decoding(void **state)
{
    (void)state;
    sources[1].end = sources[1].position = 9;
    sources[1].decode_errors = 9;
    sources[1].first_error_offset = 4;
    snprintf(sources[1].first_error, sizeof sources[1].first_error, "no number");
    says("partition 1 offset 4: no number");
}

/* A filter that lets nothing pass counts what it dropped; one that lets something pass is not to blame. */
static void about_filters(void **state)
{
    (void)state;
    sources[0].end = sources[0].position = 7;
    sources[0].rows = stats[2].rows_out = 7;
    says("WHERE let none of 7 rows pass");
    stats[1].rows_out = 1;
    says(NULL);
}

/* Rows without a key for the exchange; rows of a join without a match; an empty side. */
static void about_keys_and_joins(void **state)
{
    (void)state;
    sources[0].end = sources[0].position = 3;
    sources[0].rows = stats[2].rows_out = 3;
    filter.kind = PLAN_EXCHANGE;
    filter.drop_null_key = true;
    stats[1].errors = 3;
    says("all rows have NULL in the key");
    struct plan_node table = {.kind = PLAN_SOURCE, .id = 3, .topic_name = "u", .relation = "users"};
    filter.kind = PLAN_JOIN_LOOKUP;
    filter.ninputs = 2;
    filter.inputs[1] = &table;
    says("topic u is empty");
}

/* A query that waits for its windows to close names the partition that holds event time back. */
static void about_windows(void **state)
{
    (void)state;
    sources[0].end = sources[0].position = sources[1].end = sources[1].position = 3;
    sources[0].rows = 6;
    stats[2].rows_out = 6;
    filter.kind = PLAN_AGGREGATE;
    filter.emit_final = true;
    sources[0].watermark_ms = 5000;
    sources[1].watermark_ms = 1000;
    says("1970-01-01T00:00:01.000, held by partition 1");
    sources[1].idle = true;
    says("held by partition 0");
}

/* A job that is paused, fails, or rejects all it reads: its name, the reason, where the records are, what to type.
 * After a restart, when its counters are zero, its letters are still there. */
static void about_jobs(void **state)
{
    (void)state;
    const struct plan_node *from;
    struct bad_note note = {.topic = {"t"}, .offset = 7, .text = {"no number"}};
    status.name = "cnt";
    status.dead_topic = "cnt_dlq";
    status.state = JOB_PAUSED;
    assert_non_null(strstr(why_job(&plan, &status, false, NULL, &arena, &from), "RESUME cnt;"));
    status.state = JOB_FAILED;
    status.why = "a reason";
    assert_non_null(strstr(why_job(&plan, &status, false, "RESUME cnt; helps", &arena, &from), "has failed: a reason. RESUME cnt;"));
    status.state = JOB_RUNNING;
    status.why = NULL;
    sources[0].end = sources[0].position = 9;
    sources[0].decode_errors = 9;
    status.bad_all = 9;
    status.nnotes = 1;
    status.notes = &note;
    const char *why = why_job(&plan, &status, true, NULL, &arena, &from);
    assert_non_null(strstr(why, "9 bad records, the first at topic t, partition 0, offset 7: no number; they are in topic cnt_dlq."));
    assert_non_null(strstr(why, "SHOW ERRORS cnt;"));
    assert_null(strstr(why, "could be decoded"));
    status.bad_all = status.nnotes = 0;
    sources[0].decode_errors = 0;
    sources[0].start = 9;
    why = why_job(&plan, &status, true, NULL, &arena, &from);
    assert_non_null(strstr(why, "PRINT cnt_dlq FROM BEGINNING;"));
    assert_null(from);
    sources[0].end = sources[0].position = sources[0].start = 0;
    assert_non_null(strstr(why_job(&plan, &status, false, NULL, &arena, &from), "topic t is empty"));
    assert_ptr_equal(from, &source);
}

/* Of a table, rows that WHERE does not want go on as deletes of what is not there. */
static void about_tables(void **state)
{
    (void)state;
    sources[0].end = sources[0].position = 3;
    sources[0].rows = stats[2].rows_out = stats[1].rows_out = 3;
    filter.mode = MODE_UPSERT;
    says("WHERE let none of 3 rows pass");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(about_sources, setup, teardown),
                                       cmocka_unit_test_setup_teardown(about_decoding, setup, teardown),
                                       cmocka_unit_test_setup_teardown(about_jobs, setup, teardown),
                                       cmocka_unit_test_setup_teardown(about_tables, setup, teardown),
                                       cmocka_unit_test_setup_teardown(about_filters, setup, teardown),
                                       cmocka_unit_test_setup_teardown(about_keys_and_joins, setup, teardown),
                                       cmocka_unit_test_setup_teardown(about_windows, setup, teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
