/* Reads the tree and says what breaks its architecture: arrows that run up, back doors, second sources of time, chance
 * and disk, libraries away from home, names that libc owns, and marks of unfinished work. All else is judgement.
 *
 *     tidy PATH     exit code 0 if nothing is wrong, else one line for each finding */
#include "log/base/alloc.h"
#include "log/base/disk.h"
#include <ctype.h>
#include <stdio.h>

/* Rooms, lowest first. A room sees rooms of lower levels; two of one level do not see each other. */
struct room {
    const char *path;
    int level;
    bool base_only; /* sees nothing but log/base */
};
static const struct room rooms[] = {
    {"log/base/", 0, false},    {"log/wire/", 1, false},   {"log/net/", 2, false},    {"log/store/", 2, false},
    {"log/cluster/", 3, false}, {"log/coord/", 4, false},  {"log/broker/", 5, false}, {"log/client/", 6, false},
    {"state/", 7, false},       {"udf/", 7, true},         {"engine/vec/", 8, false}, {"engine/expr/", 9, false},
    {"engine/io/", 9, false},   {"engine/op/", 10, false}, {"engine/run/", 11, false}, {"sql/parse/", 12, true},
    {"sql/bind/", 13, false},   {"sql/plan/", 14, false},  {"sql/serve/", 15, false}, {"sql/bench/", 15, false},
    {"sql/shell/", 16, false},
    {"sql/", 17, false},
};

/* Headers that are open though they are not named like their room, and the level they are seen from. */
static const struct {
    const char *path;
    int level;
} open_headers[] = {
    {"log/wire/recbatch.h", 1},  /* the second noun of wire: record batches, apart from messages */
    {"log/wire/compress.h", 1},  /* codecs, also for what is no record batch */
    {"engine/run/plan.h", 9},    /* the physical plan is data: operators read it, sql/plan writes it */
    {"udf/load.h", 7},           /* udf.h is what other people's code sees, load.h what ours sees */
    {"log/net/http_client.h", 2}, /* the command line's end of a session, apart from the server's sockets */
    {"log/client/remote.h", 6},  /* the command line's Kafka client */
    {"sql/serve/node.h", 15},    /* a whole node in one handle, for server, shell and benchmarks */
    {"sql/shell/answer.h", 14},  /* a line of a session's answer as a struct: bench reads them too */
    {"sql/sql.h", 15},
};

/* Headers of libraries, and the only places that may include them. */
static const struct {
    const char *prefix, *homes[3];
} libraries[] = {
    {"uv.h", {"log/base/loop.c", "log/net/"}},
    {"msgpack", {"log/base/pack.c"}},
    {"sqlite3.h", {"state/"}},
    {"lz4", {"log/wire/"}},
    {"zstd", {"log/wire/"}},
    {"snappy", {"log/wire/"}},
    {"zlib.h", {"log/wire/"}},
    {"openssl/", {"log/net/"}},
    {"llhttp.h", {"log/net/"}},
    {"librdkafka/", {"log/client/"}},
    {"histedit.h", {"sql/shell/"}},
    {"editline/", {"sql/shell/"}},
    {"pcre2", {"log/base/pattern.c"}},
    {"utf8proc", {"engine/expr/", "sql/shell/screen.c"}},
};

/* Calls with one home: names, the places they are for, and where the rule holds ("" is everywhere but tests). */
static const struct {
    const char *names[12], *homes[4], *where[4];
} sources[] = {
    {{"clock_gettime", "time", "gettimeofday", "ftime"}, {"log/base/clock.c", "log/base/loop.c"}, {""}},
    {{"rand", "srand", "rand_r", "random", "srandom", "drand48", "lrand48", "getrandom", "getentropy"},
     {"log/base/random.c"},
     {""}},
    {{"open", "openat", "creat", "fopen", "freopen", "opendir", "mkstemp", "rename", "unlink", "ftruncate"},
     {"log/base/disk.c", "log/net/", "log/wire/gen.c", /* net: sockets that are files; gen.c: a host tool */
      "engine/vec/zone.c"},                            /* the system's time zones, read only */
     {"log/", "state/", "engine/"}},
};

/* What libc and libm own: a function of ours with such a name shadows theirs, or is shadowed. */
static const char *const libc_names[] = {
    "abort", "abs", "accept", "access", "alarm", "atoi", "bind", "bsearch", "ceil", "chdir", "clock", "clone", "close",
    "connect", "cos", "creat", "daemon", "div", "dup", "err", "error", "exec", "exit", "exp", "fclose", "fcntl",
    "fflush", "floor", "fopen", "fork", "fprintf", "fread", "free", "fsync", "fwrite", "gamma", "getc", "getenv",
    "getline", "index", "insque", "ioctl", "isatty", "j0", "j1", "jn", "kill", "link", "listen", "log", "log2", "lseek",
    "malloc", "memchr", "memcmp", "memcpy", "mkdir", "mmap", "nice", "open", "pause", "pipe", "poll", "pow", "printf",
    "putc", "puts", "qsort", "raise", "rand", "random", "read", "realloc", "recv", "remove", "remque", "rename",
    "rindex", "rmdir", "round", "scanf", "select", "send", "shutdown", "signal", "significand", "sin", "sleep",
    "socket", "sqrt", "stat", "strdup", "sync", "system", "tan", "tee", "time", "times", "truncate", "trunc", "unlink",
    "usleep", "wait", "warn", "warnx", "write", "y0", "y1", "yn",
};
static const char *const libc_headers[] = {
    "aio", "assert", "ctype", "dirent", "errno", "error", "fcntl", "glob", "grp", "iconv", "inttypes", "limits", "link",
    "locale", "math", "netdb", "poll", "pthread", "pwd", "regex", "sched", "search", "semaphore", "setjmp", "signal",
    "spawn", "stdio", "stdlib", "string", "strings", "tar", "termios", "time", "unistd", "utime", "wchar", "wctype",
};
/* limits.h lives below log/base and is only ever included by that path, as the style guide names it. */
static const char *const libc_headers_allowed[] = {"log/base/limits.h"};

/* Marks of unfinished work, in halves so that this file has none. */
static const char *const marks[][2] = {{"FIX", "ME"}, {"TO", "DO"}, {"XX", "X"}};

static const char *root;
static int findings;

static void finding(const char *path, int line, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void finding(const char *path, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    printf("%s:%d: ", path, line);
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
    findings++;
}

static bool starts(const char *s, const char *prefix) { return strncmp(s, prefix, strlen(prefix)) == 0; }

static bool ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);
    return n >= m && strcmp(s + n - m, suffix) == 0;
}

static bool any_starts(const char *s, const char *const *prefixes, size_t n)
{
    for (size_t i = 0; i < n && prefixes[i]; i++)
        if (starts(s, prefixes[i]))
            return true;
    return false;
}

static bool any_equal(struct str s, const char *const *words, size_t n)
{
    for (size_t i = 0; i < n && words[i]; i++)
        if (str_eq(s, str_of(words[i])))
            return true;
    return false;
}

static const struct room *room_of(const char *path)
{
    for (size_t i = 0; i < ARRAY_LEN(rooms); i++)
        if (starts(path, rooms[i].path))
            return &rooms[i];
    return NULL;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The header named like its room: log/store/store.h. */
static bool is_front_door(const struct room *room, const char *header)
{
    size_t n = strlen(room->path) - 1, at = n;
    while (at && room->path[at - 1] != '/')
        at--;
    const char *name = base_name(header);
    return (size_t)(name - header) == n + 1 && strlen(name) == n - at + 2 && !strncmp(name, room->path + at, n - at);
}

/* ---- includes */

static void check_room_include(const char *path, int line, const struct room *from, const char *header)
{
    const struct room *to = room_of(header);
    if (!to || to == from)
        return;
    bool base = to->level == 0;
    int level = to->level;
    bool open = base || is_front_door(to, header);
    for (size_t i = 0; i < ARRAY_LEN(open_headers); i++)
        if (!strcmp(header, open_headers[i].path)) {
            open = true;
            level = open_headers[i].level;
        }
    if (!open)
        finding(path, line, "%s is private to its room: include the room's front door", header);
    if (level >= from->level || (from->base_only && !base))
        finding(path, line, "an arrow that runs up: %s does not see %s", from->path, header);
}

static void check_include(const char *path, int line, const struct room *from, struct str text)
{
    char header[256];
    if (text.len >= sizeof header)
        return;
    memcpy(header, text.ptr, text.len);
    header[text.len] = 0;
    if (from)
        check_room_include(path, line, from, header);
    for (size_t i = 0; from && i < ARRAY_LEN(libraries); i++)
        if (starts(header, libraries[i].prefix) && !any_starts(path, libraries[i].homes, 3))
            finding(path, line, "<%s> is included outside its library's home, %s", header, libraries[i].homes[0]);
}

/* ---- words of the code, without comments and literals */

static void check_call(const char *path, int line, struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(sources); i++)
        if (any_equal(name, sources[i].names, ARRAY_LEN(sources[i].names)) &&
            !any_starts(path, sources[i].homes, ARRAY_LEN(sources[i].homes)) &&
            any_starts(path, sources[i].where, ARRAY_LEN(sources[i].where)))
            finding(path, line, "%.*s() belongs to %s alone", STR_ARG(name), sources[i].homes[0]);
}

static bool is_word(char c) { return isalnum((unsigned char)c) || c == '_'; }

/* text has its comments and literals blanked. A word before '(' is a call, unless it is a member or is being defined,
 * which is told by a word or a star before it at the top level. */
static void check_words(const char *path, const char *text, size_t n)
{
    int line = 1, depth = 0;
    for (size_t i = 0; i < n; i++) {
        line += text[i] == '\n';
        depth += text[i] == '{' ? 1 : text[i] == '}' ? -1 : 0;
        if (!is_word(text[i]) || (i && is_word(text[i - 1])))
            continue;
        size_t end = i, after, before = i;
        while (end < n && is_word(text[end]))
            end++;
        for (after = end; after < n && text[after] == ' '; after++)
            ;
        while (before && text[before - 1] == ' ')
            before--;
        char prev = before ? text[before - 1] : '\n';
        bool member = prev == '.' || (prev == '>' && before > 1 && text[before - 2] == '-');
        if (after >= n || text[after] != '(' || member)
            continue;
        struct str name = {text + i, end - i};
        bool defined = depth == 0 && (is_word(prev) || prev == '*');
        if (!defined)
            check_call(path, line, name);
        else if (any_equal(name, libc_names, ARRAY_LEN(libc_names)))
            finding(path, line, "%.*s is libc's name", STR_ARG(name));
    }
}

/* Blanks comments, strings and characters, keeping the lines. */
static void blank(char *text, size_t n)
{
    enum { CODE, LINE, BLOCK, STRING, CHARACTER } in = CODE;
    for (size_t i = 0; i < n; i++) {
        char c = text[i], next = i + 1 < n ? text[i + 1] : 0;
        if (in == CODE) {
            in = c == '"' ? STRING : c == '\'' ? CHARACTER : c != '/' ? CODE : next == '/' ? LINE : next == '*' ? BLOCK : CODE;
            if (in == BLOCK)
                text[++i] = ' ';
            if (in != CODE)
                text[in == BLOCK ? i - 1 : i] = ' ';
            continue;
        }
        bool over = (in == LINE && c == '\n') || (in == BLOCK && c == '*' && next == '/') ||
                    (in == STRING && c == '"') || (in == CHARACTER && c == '\'');
        if (c != '\n')
            text[i] = ' ';
        if ((in == STRING || in == CHARACTER) && c == '\\' && next && next != '\n')
            text[++i] = ' ';
        if (over && in == BLOCK)
            text[++i] = ' ';
        if (over)
            in = CODE;
    }
}

/* ---- lines */

static void check_marks(const char *path, int line, struct str text)
{
    for (size_t m = 0; m < ARRAY_LEN(marks); m++) {
        char mark[8];
        snprintf(mark, sizeof mark, "%s%s", marks[m][0], marks[m][1]);
        size_t len = strlen(mark);
        for (size_t i = 0; i + len <= text.len; i++)
            if (!memcmp(text.ptr + i, mark, len) && !(i && is_word(text.ptr[i - 1])) &&
                !(i + len < text.len && is_word(text.ptr[i + len])))
                finding(path, line, "unfinished: %s", mark);
    }
}

static void check_line(const char *path, int line, const struct room *from, struct str text, bool is_c)
{
    check_marks(path, line, text);
    text = str_trim(text);
    if (!is_c || !str_starts(text, STR("#include")))
        return;
    const char *open = memchr(text.ptr, '"', text.len), *angle = memchr(text.ptr, '<', text.len);
    const char *begin = open ? open : angle;
    if (!begin++)
        return;
    const char *end = memchr(begin, open ? '"' : '>', text.len - (size_t)(begin - text.ptr));
    if (end)
        check_include(path, line, from, (struct str){begin, (size_t)(end - begin)});
}

static void check_header_name(const char *path)
{
    const char *name = base_name(path);
    if (!ends(path, ".h"))
        return;
    for (size_t i = 0; i < ARRAY_LEN(libc_headers_allowed); i++)
        if (!strcmp(path, libc_headers_allowed[i]))
            return;
    if (any_equal((struct str){name, strlen(name) - 2}, libc_headers, ARRAY_LEN(libc_headers)))
        finding(path, 1, "the header is named like one of libc's");
}

static void check_file(const char *path)
{
    static const char *const kinds[] = {".c", ".h", ".def", ".re", ".y", ".sh"};
    bool known = false, is_c = ends(path, ".c") || ends(path, ".h") || ends(path, ".re") || ends(path, ".y");
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        known |= ends(path, kinds[i]);
    if (!known)
        return;
    char full[4096], *text;
    size_t n;
    snprintf(full, sizeof full, "%s/%s", root, path);
    int err = disk_read_file(disk_real(), full, 16 << 20, &text, &n);
    CHECK(err == 0);
    const struct room *from = room_of(path);
    int line = 1;
    for (size_t at = 0; at < n; line++) {
        const char *end = memchr(text + at, '\n', n - at);
        size_t len = end ? (size_t)(end - text) - at : n - at;
        check_line(path, line, from, (struct str){text + at, len}, is_c);
        at += len + 1;
    }
    check_header_name(path);
    if (from && (ends(path, ".c") || ends(path, ".h"))) {
        blank(text, n);
        check_words(path, text, n);
    }
    xfree(text);
}

/* ---- the tree */

struct folder {
    const char *path; /* below root, "" at the top */
    int depth;
};

static int each(void *arg, const char *name, bool is_dir)
{
    static const char *const houses[] = {"engine", "sql", "log", "state", "udf", "tests", "examples"};
    const struct folder *dir = arg;
    char path[2048], full[4096];
    snprintf(path, sizeof path, "%s%s%s", dir->path, *dir->path ? "/" : "", name);
    if (!is_dir) {
        check_file(path);
        return 0;
    }
    bool house = dir->depth > 0 || any_equal(str_of(name), houses, ARRAY_LEN(houses));
    if (!house || name[0] == '.' || !strcmp(name, "node_modules") || dir->depth > 12)
        return 0;
    struct folder below = {path, dir->depth + 1};
    snprintf(full, sizeof full, "%s/%s", root, path);
    return disk_list(disk_real(), full, each, &below);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: tidy PATH\n");
        return 2;
    }
    root = argv[1];
    struct folder top = {"", 0};
    int err = disk_list(disk_real(), root, each, &top);
    if (err) {
        fprintf(stderr, "tidy: cannot read %s\n", root);
        return 2;
    }
    return findings > 0;
}
