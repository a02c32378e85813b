#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "log/base/clock.h"
#include "log/base/limits.h"
#include "sql/parse/parse.h"
#include "sql/shell/client.h"
#include "sql/shell/shell.h"
#include "sql/shell/target.h"

static const char usage[] =
    "weir job: look at jobs and steer them\n"
    "\n"
    "usage: weir job list [options]\n"
    "       weir job describe NAME [options]\n"
    "       weir job pause|resume|terminate NAME|--all [options]\n"
    "       weir job promote|discard NAME [options]\n"
    "       weir job errors [NAME] [-n N] [options]\n"
    "       weir job skip NAME [options]\n"
    "       weir job savepoint NAME --as SAVEPOINT [options]\n"
    "       weir job restore NAME --from SAVEPOINT [--skip-lost] [options]\n"
    "       weir job savepoints [options]\n"
    "       weir job wait [NAME] [options]\n"
    "\n"
    "  list       every job: state, lag, rates, rows\n"
    "  describe   one job: sources, event time, state, errors, plan with its counters\n"
    "  pause      let it commit and let go of all it holds; it stays paused over restarts (also: stop)\n"
    "  resume     let it go on where it paused (also: start); with --errors or --cpu-share changes that\n"
    "  errors     the bad records that it met since it began to run, newest first, and how many of each kind\n"
    "  skip       leave out the record that it has stopped at (policy 'stop'), and go on\n"
    "  terminate  end it for good, with its state; what it filled stays (also: drop)\n"
    "  promote    put the next version of NAME, which runs beside it, in its place\n"
    "  discard    end the next version of NAME, with its topic (also: rollback)\n"
    "  savepoint  keep what it holds at a commit, state and place in its input, under a name\n"
    "  restore    let it be as it was then, and go on from there; a table's rows go back too, a stream's records stay\n"
    "  savepoints what is kept (DROP SAVEPOINT takes it away)\n"
    "  wait       until the jobs have caught up with their input and committed; refuses one that is paused, and leaves\n"
    "             those out where it waits for all\n"
    "\n"
    "  --server HOST:PORT   speak to this server (or WEIR_SERVER; default 127.0.0.1:9092)\n"
    "  --data DIR           the node on this folder, of a shell or of our own\n"
    "  --all                every job there is\n"
    "  --mode MODE          how the list is shown: box, ndjson, csv, json, markdown, vertical\n"
    "  -n N                 errors: at most so many of a job (default 20)\n"
    "  --errors POLICY      resume: what bad records do: dead-letter, skip or stop\n"
    "  --cpu-share N        resume: CPU time beside that of other jobs, 1 to 100 (10 if nothing is said)\n"
    "  --skip-lost          restore: also where records that came after the savepoint are gone\n"
    "  --for SECONDS        how long to wait at most (default 60)\n"
    "\n"
    "examples\n"
    "  weir job list --mode json\n"
    "  weir job pause hourly && weir job resume hourly\n"
    "  weir job errors hourly -n 5\n"
    "  weir job wait --data /tmp/play --for 10\n"
    "\n"
    "exit codes: 0 good, 1 refused, failed or out of time, 2 no connection or a lost one, 3 wrong usage or a\n"
    "folder that cannot be opened\n";

struct job_options {
    struct client *c;
    struct shell_where where;
    const char *errors, *cpu_share;
    const char *as, *from;
    int64_t wait_ms, n;
    bool all, skip_lost;
};
enum verb_takes { NAME_NONE, NAME_MAYBE, NAME_ONE, NAME_OR_ALL, NAME_AS, NAME_FROM };
struct verb {
    const char *name;
    enum verb_takes takes;
    int (*run)(struct client *c, struct str name, const struct job_options *o);
};

/* An empty name: all of them. */
static int run_with(struct client *c, const char *before, struct str name, const char *behind)
{
    struct wbuf w;
    wbuf_init(&w);
    wbuf_str(&w, str_of(before));
    bool all = !name.len;
    if (all)
        name = STR("ALL");
    if (!all && str_eq_nocase(name, STR("ALL"))) /* a job of this name, not all of them */
        wbuf_printf(&w, "\"%.*s\"", STR_ARG(name));
    else
        ast_print_name(name, &w);
    wbuf_printf(&w, "%s;", behind);
    int code = client_run(c, wbuf_view(&w));
    wbuf_fini(&w);
    return code;
}

static int run_on(struct client *c, const char *before, struct str name) { return run_with(c, before, name, ""); }

static int list(struct client *c, struct str name, const struct job_options *o)
{
    (void)name, (void)o;
    return client_run(c, STR("SHOW JOBS;"));
}

static int describe(struct client *c, struct str name, const struct job_options *o)
{
    (void)o;
    return run_on(c, "EXPLAIN ", name);
}

/* The first job that is not paused yet, of all or the one named, as SHOW JOBS has it; empty: none. */
static int not_paused(struct client *c, struct str name, char *out, size_t cap)
{
    struct arena a;
    struct columns cols;
    struct row *rows;
    unsigned n;
    arena_init(&a);
    out[0] = 0;
    int code = client_rows(c, STR("SHOW JOBS;"), &a, false, &cols, &rows, &n);
    for (unsigned i = 0; code == EXIT_GOOD && cols.n > 1 && i < n; i++)
        if ((!name.len || str_eq_nocase(rows[i].cells[0].text, name)) &&
            !str_eq(rows[i].cells[1].text, STR("paused")))
            snprintf(out, cap, "%.*s is still %.*s", STR_ARG(rows[i].cells[0].text), STR_ARG(rows[i].cells[1].text));
    xfree(rows);
    arena_fini(&a);
    return code;
}

static int pause_job(struct client *c, struct str name, const struct job_options *o)
{
    char busy[200];
    int64_t until = clock_mono_us() + o->wait_ms * 1000;
    int code = run_on(c, "PAUSE ", name);
    while (code == EXIT_GOOD && (code = not_paused(c, name, busy, sizeof busy)) == EXIT_GOOD && busy[0]) {
        if (clock_mono_us() > until) {
            fprintf(stderr, "job %s\n", busy);
            return EXIT_STATEMENT;
        }
        clock_sleep_ms(10);
    }
    return code;
}

static int resume(struct client *c, struct str name, const struct job_options *o)
{
    char with[120];
    if (!o->errors && !o->cpu_share)
        return run_on(c, "RESUME ", name);
    snprintf(with, sizeof with, " WITH (%s%s%s%s%s%s)", o->errors ? "ERRORS_TOLERANCE = '" : "", o->errors ? o->errors : "",
             o->errors ? "'" : "", o->errors && o->cpu_share ? ", " : "", o->cpu_share ? "JOB_CPU_SHARE = " : "",
             o->cpu_share ? o->cpu_share : "");
    return run_with(c, "RESUME ", name, with);
}

static int errors(struct client *c, struct str name, const struct job_options *o)
{
    char limit[40];
    snprintf(limit, sizeof limit, " LIMIT %" PRId64, o->n);
    struct wbuf w;
    wbuf_init(&w);
    wbuf_str(&w, STR("SHOW ERRORS "));
    if (name.len)
        ast_print_name(name, &w);
    wbuf_printf(&w, "%s;", limit);
    int code = client_run(c, wbuf_view(&w));
    wbuf_fini(&w);
    return code;
}

/* The record that the job has stopped at, as SKIP takes it; empty: none. */
static int stopped_at(struct client *c, struct str name, struct wbuf *out)
{
    enum { TOPIC = 3, PARTITION, OFFSET, BECAME = 8 };
    struct wbuf w;
    struct arena a;
    struct columns cols;
    struct row *rows;
    unsigned n;
    arena_init(&a);
    wbuf_init(&w);
    wbuf_str(&w, STR("SHOW ERRORS "));
    ast_print_name(name, &w);
    wbuf_u8(&w, ';');
    int code = client_rows(c, wbuf_view(&w), &a, false, &cols, &rows, &n);
    for (unsigned i = 0; code == EXIT_GOOD && cols.n > BECAME && i < n && !out->len; i++)
        if (str_eq(rows[i].cells[BECAME].text, STR("stopped the job")) && rows[i].cells[TOPIC].text.len)
            wbuf_printf(out, "%.*s/%.*s/%.*s", STR_ARG(rows[i].cells[TOPIC].text),
                        STR_ARG(rows[i].cells[PARTITION].text), STR_ARG(rows[i].cells[OFFSET].text));
    xfree(rows);
    wbuf_fini(&w);
    arena_fini(&a);
    return code;
}

static int skip(struct client *c, struct str name, const struct job_options *o)
{
    struct wbuf at, with;
    (void)o;
    wbuf_init(&at);
    wbuf_init(&with);
    int code = stopped_at(c, name, &at);
    for (int i = 0; i < 20 && code == EXIT_GOOD && !at.len; i++) { /* one that is just failing tells it when it is down */
        clock_sleep_ms(50);
        code = stopped_at(c, name, &at);
    }
    if (code == EXIT_GOOD && !at.len) {
        fprintf(stderr, "job %.*s has not stopped at a record\n", STR_ARG(name));
        code = EXIT_STATEMENT;
    } else if (code == EXIT_GOOD) {
        wbuf_printf(&with, " WITH (SKIP = '%.*s')", STR_ARG(wbuf_view(&at)));
        wbuf_u8(&with, 0);
        code = run_with(c, "RESUME ", name, (const char *)with.data);
    }
    wbuf_fini(&at);
    wbuf_fini(&with);
    return code;
}

static int terminate(struct client *c, struct str name, const struct job_options *o)
{
    (void)o;
    return run_on(c, "TERMINATE ", name);
}

static int promote(struct client *c, struct str name, const struct job_options *o)
{
    (void)o;
    return run_on(c, "PROMOTE ", name);
}

static int discard(struct client *c, struct str name, const struct job_options *o)
{
    (void)o;
    return run_on(c, "DISCARD ", name);
}

static int two_names(struct client *c, const char *before, struct str name, const char *between, const char *other)
{
    struct wbuf w;
    wbuf_init(&w);
    wbuf_str(&w, str_of(before));
    ast_print_name(name, &w);
    wbuf_str(&w, str_of(between));
    ast_print_name(str_of(other), &w);
    wbuf_u8(&w, ';');
    int code = client_run(c, wbuf_view(&w));
    wbuf_fini(&w);
    return code;
}

static int savepoint(struct client *c, struct str name, const struct job_options *o)
{
    return two_names(c, "SAVEPOINT ", name, " AS ", o->as);
}

static int restore(struct client *c, struct str name, const struct job_options *o)
{
    return two_names(c, o->skip_lost ? "SET 'restore.lost.records' = 'skip'; RESTORE " : "RESTORE ", name, " FROM ", o->from);
}

static int savepoints(struct client *c, struct str name, const struct job_options *o)
{
    (void)name, (void)o;
    return client_run(c, STR("SHOW SAVEPOINTS;"));
}

static int wait_for(struct client *c, struct str name, const struct job_options *o)
{
    return client_wait(c, name, o->wait_ms);
}

/* The words of SQL; then those that people know from services. */
static const struct verb verbs[] = {{"list", NAME_NONE, list},
                                    {"describe", NAME_ONE, describe},
                                    {"pause", NAME_OR_ALL, pause_job},
                                    {"resume", NAME_OR_ALL, resume},
                                    {"terminate", NAME_OR_ALL, terminate},
                                    {"promote", NAME_ONE, promote},
                                    {"discard", NAME_ONE, discard},
                                    {"errors", NAME_MAYBE, errors},
                                    {"skip", NAME_ONE, skip},
                                    {"savepoint", NAME_AS, savepoint},
                                    {"restore", NAME_FROM, restore},
                                    {"savepoints", NAME_NONE, savepoints},
                                    {"wait", NAME_MAYBE, wait_for},
                                    {"stop", NAME_OR_ALL, pause_job},
                                    {"start", NAME_OR_ALL, resume},
                                    {"drop", NAME_OR_ALL, terminate},
                                    {"rollback", NAME_ONE, discard}};

static bool is_said_before(size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (verbs[k].run == verbs[i].run)
            return true;
    return false;
}

/* "list, describe, ... or wait?" */
static void verbs_text(char *out, size_t cap)
{
    size_t last = 0, n = 0;
    while (last + 1 < ARRAY_LEN(verbs) && !is_said_before(last + 1))
        last++;
    for (size_t i = 0; i <= last; i++) {
        n += (size_t)snprintf(out + n, cap - n, "%s%s%s", i == 0 ? "" : i == last ? " or " : ", ", verbs[i].name,
                              i == last ? "?" : "");
        CHECK(n < cap);
    }
}

enum { OPT_MODE = SHELL_OWN, OPT_FOR, OPT_ALL, OPT_AS, OPT_FROM, OPT_ERRORS, OPT_SHARE, OPT_SKIP_LOST };
static const struct option long_options[] = {{"server", required_argument, NULL, SHELL_SERVER},
                                             {"data", required_argument, NULL, SHELL_DATA},
                                             {"mode", required_argument, NULL, OPT_MODE},
                                             {"for", required_argument, NULL, OPT_FOR},
                                             {"all", no_argument, NULL, OPT_ALL},
                                             {"as", required_argument, NULL, OPT_AS},
                                             {"from", required_argument, NULL, OPT_FROM},
                                             {"errors", required_argument, NULL, OPT_ERRORS},
                                             {"cpu-share", required_argument, NULL, OPT_SHARE},
                                             {"skip-lost", no_argument, NULL, OPT_SKIP_LOST},
                                             {"help", no_argument, NULL, 'h'},
                                             {NULL, 0, NULL, 0}};

static const struct shell_takes job_takes[] = {
    {OPT_MODE, "box, ndjson, csv, json, markdown or vertical"},
    {OPT_FOR, "seconds, such as 10 or 0.5"},
    {OPT_ERRORS, "dead-letter, skip or stop"},
    {OPT_SHARE, "a number from 1 to 100"},
    {'n', "a number from 1 on"},
    {0, NULL}};
static const struct shell_usage job_usage = {"weir job", usage, job_takes};
static int wrong(const char *sentence, const char *value) { return shell_wrong(&job_usage, sentence, value); }

static bool is_policy(const char *value)
{
    return str_eq_nocase(str_of(value), STR("dead-letter")) || str_eq_nocase(str_of(value), STR("skip")) ||
           str_eq_nocase(str_of(value), STR("stop"));
}

static bool is_share(const char *value)
{
    int64_t n;
    return str_to_i64(str_of(value), &n) && n >= 1 && n <= ENGINE_SHARE_MAX;
}

static bool take_option(void *to, int option, const char *value)
{
    struct job_options *o = to;
    switch (option) {
    case OPT_MODE:
        return render_mode_parse(str_of(value), &o->c->mode);
    case OPT_FOR:
        return shell_seconds(value, &o->wait_ms);
    case OPT_AS:
        o->as = value;
        return true;
    case OPT_FROM:
        o->from = value;
        return true;
    case OPT_ERRORS:
        o->errors = value;
        return is_policy(value);
    case OPT_SHARE:
        o->cpu_share = value;
        return is_share(value);
    case OPT_SKIP_LOST:
        return o->skip_lost = true;
    case 'n':
        return str_to_i64(str_of(value), &o->n) && o->n > 0;
    default:
        o->all = true;
        return true;
    }
}

static bool takes(const struct verb *v, int args, const struct job_options *o)
{
    bool all = o->all;
    if ((o->as != NULL) != (v->takes == NAME_AS) || (o->from != NULL) != (v->takes == NAME_FROM) ||
        (o->skip_lost && v->takes != NAME_FROM))
        return false;
    switch (v->takes) {
    case NAME_NONE:
        return args == 0 && !all;
    case NAME_MAYBE:
        return args <= 1 && !all;
    case NAME_ONE:
    case NAME_AS:
    case NAME_FROM:
        return args == 1 && !all;
    case NAME_OR_ALL:
        break;
    }
    return args + all == 1;
}

static const struct verb *verb_of(int argc, char **argv, const struct job_options *o, int *code)
{
    const char *name = argc > optind ? argv[optind] : NULL;
    *code = EXIT_USAGE;
    for (size_t i = 0; name && i < ARRAY_LEN(verbs); i++) {
        const struct verb *v = &verbs[i];
        if (strcmp(v->name, name) != 0)
            continue;
        if (takes(v, argc - optind - 1, o))
            return v;
        *code = wrong(v->takes == NAME_OR_ALL ? "the name of one job is needed, or --all"
                      : v->takes == NAME_AS   ? "the name of one job is needed, and --as"
                      : v->takes == NAME_FROM ? "the name of one job is needed, and --from"
                      : v->takes == NAME_ONE  ? "the name of one job is needed"
                                              : "too many arguments",
                      NULL);
        return NULL;
    }
    char all[200];
    verbs_text(all, sizeof all);
    *code = wrong(name ? "no such verb" : all, name);
    return NULL;
}

int cmd_job(int argc, char **argv)
{
    struct client c;
    struct job_options o = {.c = &c, .wait_ms = 60000, .n = 20};
    struct target target;
    int code;
    client_init(&c, "");
    const struct verb *v = shell_options(argc, argv, "hn:", long_options, &job_usage, &o.where, take_option, &o, &code)
                               ? verb_of(argc, argv, &o, &code) : NULL;
    if (v && !target_open(&target, o.where.data ? NULL : shell_server(o.where.server), o.where.data)) {
        code = EXIT_USAGE;
    } else if (v) {
        xfree(c.target);
        c.target = xstrdup(target.address);
        client_catch_interrupts();
        code = v->run(&c, str_of(argc - optind > 1 ? argv[optind + 1] : ""), &o);
        http_client_close(c.http);
        c.http = NULL;
        target_close(&target, false);
    }
    client_fini(&c);
    return code;
}
