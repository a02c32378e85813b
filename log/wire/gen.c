/* Host tool: reads the .wire files of schema/, writes wire_messages.h, wire_messages.c and, for tests,
 * wire_describe.c.
 *
 * A schema file holds comments (#), and blocks:
 *     api NAME KEY versions A-B flexible C+ [stable D]      followed by `request` and `response` with their fields
 *     message NAME versions A-B flexible C+                 followed by fields
 * A field is a line, indented by 4 spaces for each level:
 *     name  type  [versions]  [tag N]  [rigid]  [= default]
 *     type      bool int8 int16 int32 int64 float64 string uuid bytes records, {s} = struct s, [t] = array of a type or of
 *               struct s; the fields of s follow, one level deeper. A `?` after the type says that it may be null, `?N+`
 *               only from version N on. Records are bytes that need not be copied when they are sent (gaps). A struct s that may
 *               be null, {s}?, has beside it whether it is there: NAME_there
 *     versions  N+, N-M or N; left out: all versions of what it stands in
 *     tag N     a tagged field; left out of the bytes while it has its default
 *     rigid     never in compact form, whatever the version (client_id of the request header alone)
 * Order of lines is order of bytes. What a field may hold and how it is written is kept in step with prim.h. */
#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIELDS_MAX 32
#define APIS_MAX 100
#define HEADERS_MAX 16
#define DEPTH_MAX 8
#define NAME_MAX_LEN 96

struct range {
    int lo, hi;
};
enum kind { K_BOOL, K_INT8, K_INT16, K_INT32, K_INT64, K_FLOAT64, K_STRING, K_UUID, K_BYTES, K_RECORDS, K_STRUCT };
/* get: a C expression, given a reader, flex, and whether null is allowed. put: a statement, given the value and those.
 */
static const struct {
    const char *name, *ctype, *get, *put;
    int bytes, bytes_flex; /* least on the wire */
} kinds[] = {
    [K_BOOL] = {"bool", "bool", "rbuf_u8(%s) != 0", "wbuf_u8(w, %s)", 1, 1},
    [K_INT8] = {"int8", "int8_t", "(int8_t)rbuf_u8(%s)", "wbuf_u8(w, (uint8_t)%s)", 1, 1},
    [K_INT16] = {"int16", "int16_t", "(int16_t)rbuf_be16(%s)", "wbuf_be16(w, (uint16_t)%s)", 2, 2},
    [K_INT32] = {"int32", "int32_t", "(int32_t)rbuf_be32(%s)", "wbuf_be32(w, (uint32_t)%s)", 4, 4},
    [K_INT64] = {"int64", "int64_t", "(int64_t)rbuf_be64(%s)", "wbuf_be64(w, (uint64_t)%s)", 8, 8},
    [K_FLOAT64] = {"float64", "double", "prim_get_float64(%s)", "prim_put_float64(w, %s)", 8, 8},
    [K_STRING] = {"string", "struct str", "prim_get_string(%s, %s, %s)", "prim_put_string(w, %s, %s, %s)", 2, 1},
    [K_UUID] = {"uuid", "struct uuid", "prim_get_uuid(%s)", "wbuf_put(w, %s.b, 16)", 16, 16},
    [K_BYTES] = {"bytes", "struct str", "prim_get_bytes(%s, %s, %s)", "prim_put_bytes(w, %s, %s, %s, NULL)", 4, 1},
    [K_RECORDS] = {"records", "struct str", "prim_get_bytes(%s, %s, %s)", "prim_put_bytes(w, %s, %s, %s, gaps)", 4, 1},
    [K_STRUCT] = {.name = "struct"},
};

struct node;
struct field {
    char name[NAME_MAX_LEN];
    enum kind kind;
    bool array, nullable, rigid;
    struct range versions, nulls;
    int tag; /* -1 = not tagged */
    char dflt[32];
    struct node *sub;
};
struct node { /* a struct: a message or a part of one */
    char cname[NAME_MAX_LEN];
    struct range versions;
    int flexible;
    bool records; /* it or what it holds has a records field */
    int nfields;
    struct field fields[FIELDS_MAX];
};
struct api {
    char name[NAME_MAX_LEN];
    int key, flexible, stable;
    struct range versions;
    struct node *request, *response;
};

static struct api apis[APIS_MAX];
static int napis;
static struct node *headers[HEADERS_MAX]; /* messages without a key */
static int nheaders;
static FILE *out;

/* ---- reading */

static const char *file_name;
static int line_no;

static _Noreturn void bad(const char *what, const char *arg)
{
    fprintf(stderr, "%s:%d: %s %s\n", file_name, line_no, what, arg ? arg : "");
    exit(1);
}

static void name_set(char dst[NAME_MAX_LEN], const char *a, const char *b)
{
    if (snprintf(dst, NAME_MAX_LEN, "%s%s%s", a, b ? "_" : "", b ? b : "") >= NAME_MAX_LEN)
        bad("name too long:", a);
}

static struct range range_parse(const char *s, struct range in)
{
    char *end;
    struct range v;
    v.lo = v.hi = (int)strtol(s, &end, 10);
    if (*end == '+' && !end[1])
        v.hi = in.hi;
    else if (*end == '-')
        v.hi = (int)strtol(end + 1, &end, 10);
    else if (*end)
        bad("not a version range:", s);
    if (v.lo < in.lo || v.hi > in.hi || v.lo > v.hi)
        bad("versions outside of what holds them:", s);
    return v;
}

static struct node *node_new(const char *owner, const char *name, struct range versions, int flexible)
{
    struct node *n = calloc(1, sizeof *n);
    if (!n)
        bad("out of memory", NULL);
    name_set(n->cname, owner, name);
    n->versions = versions;
    n->flexible = flexible;
    return n;
}

/* What C holds as struct str. */
static bool is_text(enum kind k) { return k == K_STRING || k == K_BYTES || k == K_RECORDS; }

static bool is_optional(const struct field *f) { return f->nullable && !f->array && f->kind == K_STRUCT; }

/* "[topic]?1+" -> kind, array, sub struct, nullability. */
static void type_parse(struct field *f, char *type, const char *message, const struct node *in)
{
    char *q = strchr(type, '?');
    f->nulls = f->versions;
    if (q) {
        *q++ = 0;
        f->nullable = true;
        if (*q)
            f->nulls = range_parse(q, f->versions);
    }
    size_t n = strlen(type);
    bool brace = type[0] == '{' && type[n - 1] == '}';
    f->array = type[0] == '[' && type[n - 1] == ']';
    if (brace || f->array) {
        type[n - 1] = 0;
        type++;
    }
    f->kind = K_STRUCT;
    for (int k = 0; k < K_STRUCT; k++)
        if (strcmp(type, kinds[k].name) == 0)
            f->kind = (enum kind)k;
    if (f->kind == K_STRUCT && !brace && !f->array)
        bad("unknown type", type);
    if (f->kind == K_STRUCT)
        f->sub = node_new(message, type, f->versions, in->flexible);
    if (f->nullable && !f->array && !is_text(f->kind) && f->kind != K_STRUCT)
        bad("this type cannot be null:", type);
}

static struct field *field_parse(struct node *in, char *line, const char *message)
{
    if (in->nfields == FIELDS_MAX)
        bad("too many fields", NULL);
    struct field *f = &in->fields[in->nfields++];
    char *name = strtok(line, " "), *type = strtok(NULL, " "), *t = strtok(NULL, " ");
    if (!type)
        bad("field without a type:", name);
    name_set(f->name, name, NULL);
    f->tag = -1;
    f->versions = in->versions;
    if (t && isdigit((unsigned char)*t)) {
        f->versions = range_parse(t, in->versions);
        t = strtok(NULL, " ");
    }
    type_parse(f, type, message, in);
    for (; t; t = strtok(NULL, " ")) {
        char *arg = strcmp(t, "rigid") == 0 ? "" : strtok(NULL, " ");
        if (!arg)
            bad("value missing after", t);
        if (strcmp(t, "rigid") == 0)
            f->rigid = true;
        else if (strcmp(t, "tag") == 0)
            f->tag = atoi(arg);
        else if (strcmp(t, "=") == 0)
            snprintf(f->dflt, sizeof f->dflt, "%s", arg);
        else
            bad("unexpected", t);
    }
    if (f->tag >= 0 && (f->versions.lo < in->flexible || f->kind == K_RECORDS || is_optional(f)))
        bad("cannot be tagged:", f->name);
    if (strcmp(f->dflt, "null") == 0 && !f->nullable)
        bad("default null, but never null:", f->name);
    return f;
}

static int api_by_key(const void *a, const void *b)
{
    return ((const struct api *)a)->key - ((const struct api *)b)->key;
}

/* `api` and `message` lines: name [key] versions A-B flexible C+ [stable D] */
static void head_parse(struct api *api, char *line, bool keyed)
{
    strtok(line, " ");
    name_set(api->name, strtok(NULL, " "), NULL);
    if (keyed)
        api->key = atoi(strtok(NULL, " "));
    char *word, *arg;
    while ((word = strtok(NULL, " ")) && (arg = strtok(NULL, " "))) {
        if (strcmp(word, "versions") == 0)
            api->versions = range_parse(arg, (struct range){0, 99});
        else if (strcmp(word, "flexible") == 0)
            api->flexible = strcmp(arg, "none") == 0 ? 99 : atoi(arg);
        else if (strcmp(word, "stable") == 0)
            api->stable = atoi(arg);
        else
            bad("unexpected", word);
    }
    if (api->stable < 0)
        api->stable = api->versions.hi;
}

static bool mark_records(struct node *n)
{
    for (int i = 0; i < n->nfields; i++) {
        bool below = n->fields[i].sub && mark_records(n->fields[i].sub);
        n->records = n->records || n->fields[i].kind == K_RECORDS || below;
    }
    return n->records;
}

static void file_parse(const char *path)
{
    char line[256];
    struct node *stack[DEPTH_MAX] = {0}; /* stack[d]: the struct whose fields stand at depth d */
    struct api head = {0};
    FILE *in = fopen(path, "r");
    file_name = path;
    line_no = 0;
    if (!in)
        bad("cannot open", NULL);
    while (fgets(line, sizeof line, in)) {
        line_no++;
        line[strcspn(line, "#\n")] = 0;
        size_t indent = strspn(line, " "), depth = indent / 4;
        if (!line[indent])
            continue;
        if (indent % 4 || depth >= DEPTH_MAX - 1 || (depth && !stack[depth]))
            bad("wrong indentation", NULL);
        memset(&stack[depth + 1], 0, sizeof stack - (depth + 1) * sizeof *stack);
        if (depth) {
            stack[depth + 1] = field_parse(stack[depth], line + indent, stack[1]->cname)->sub;
        } else if (strncmp(line, "api ", 4) == 0 && napis < APIS_MAX) {
            apis[napis] = (struct api){.stable = -1};
            head_parse(&apis[napis++], line, true);
        } else if (strncmp(line, "message ", 8) == 0 && nheaders < HEADERS_MAX) {
            head = (struct api){.stable = -1};
            head_parse(&head, line, false);
            headers[nheaders++] = stack[1] = node_new(head.name, NULL, head.versions, head.flexible);
        } else if (napis && (strcmp(line, "request") == 0 || strcmp(line, "response") == 0)) {
            struct api *a = &apis[napis - 1];
            stack[1] = node_new(a->name, line, a->versions, a->flexible);
            *(line[2] == 'q' ? &a->request : &a->response) = stack[1];
        } else {
            bad("unexpected", line);
        }
    }
    fclose(in);
}

/* ---- writing */

__attribute__((format(printf, 1, 2))) static void p(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vfprintf(out, fmt, ap);
    va_end(ap);
}

typedef void (*node_fn)(const struct node *);

static void inner_first(const struct node *n, node_fn fn)
{
    for (int i = 0; i < n->nfields; i++)
        if (n->fields[i].sub)
            inner_first(n->fields[i].sub, fn);
    fn(n);
}

static void each_message(node_fn fn, bool with_inner)
{
    for (int i = 0; i < nheaders; i++)
        with_inner ? inner_first(headers[i], fn) : fn(headers[i]);
    for (int i = 0; i < napis; i++) {
        with_inner ? inner_first(apis[i].request, fn) : fn(apis[i].request);
        with_inner ? inner_first(apis[i].response, fn) : fn(apis[i].response);
    }
}

/* A C condition that holds for the versions v, given that the version is within in; "true" if always. */
static const char *cond(struct range v, struct range in)
{
    static char text[4][64];
    static int turn;
    char *s = text[turn++ & 3];
    if (v.lo <= in.lo && v.hi >= in.hi)
        return "true";
    if (v.hi >= in.hi)
        sprintf(s, "version >= %d", v.lo);
    else if (v.lo <= in.lo)
        sprintf(s, "version <= %d", v.hi);
    else
        sprintf(s, "version >= %d && version <= %d", v.lo, v.hi);
    return s;
}

static const char *null_cond(const struct field *f) { return f->nullable ? cond(f->nulls, f->versions) : "false"; }

static const char *flex_cond(const struct node *n) { return cond((struct range){n->flexible, INT_MAX}, n->versions); }

static const char *field_flex(const struct field *f) { return f->rigid ? "false" : "flex"; }

static void write_struct(const struct node *n)
{
    p("\nstruct %s {\n", n->cname);
    for (int i = 0; i < n->nfields; i++) {
        const struct field *f = &n->fields[i];
        if (f->sub)
            p("    struct %s %s%s;\n", f->sub->cname, f->array ? "*" : "", f->name);
        else
            p("    %s %s%s;\n", kinds[f->kind].ctype, f->array ? "*" : "", f->name);
        if (f->array)
            p("    uint32_t %s_n;\n", f->name);
        if (is_optional(f))
            p("    bool %s_there;\n", f->name);
    }
    p("};\nvoid %s_init(struct %s *m);\n", n->cname, n->cname);
}

static void write_prototypes(const struct node *n)
{
    const char *c = n->cname;
    p("\nint %s_decode(struct %s *m, struct rbuf *r, int version, struct arena *a);\n", c, c);
    p("void %s_encode(const struct %s *m, struct wbuf *w, int version);\n", c, c);
    if (n->records)
        p("void %s_encode_gaps(const struct %s *m, struct wbuf *w, int version, struct wire_gaps *gaps);\n", c, c);
    p("extern const struct wire_message %s_message;\n", c);
}

static void write_header(void)
{
    p("/* Generated by log/wire/gen.c from log/wire/schema. Included by log/wire/wire.h only. */\n");
    p("#ifndef WIRE_MESSAGES_H\n#define WIRE_MESSAGES_H\n\n");
    p("enum wire_key {\n");
    for (int i = 0; i < napis; i++) {
        p("    WIRE_");
        for (const char *s = apis[i].name; *s; s++)
            p("%c", toupper((unsigned char)*s));
        p(" = %d,\n", apis[i].key);
    }
    p("};\n#define WIRE_APIS %d\n", napis);
    each_message(write_struct, true);
    each_message(write_prototypes, false);
    p("\n#endif\n");
}

static void write_init(const struct node *n)
{
    p("\nvoid %s_init(struct %s *m)\n{\n    memset(m, 0, sizeof *m);\n", n->cname, n->cname);
    for (int i = 0; i < n->nfields; i++) {
        const struct field *f = &n->fields[i];
        bool null = strcmp(f->dflt, "null") == 0;
        if (is_optional(f) && !null)
            p("    m->%s_there = true;\n", f->name);
        if (f->array && !null)
            p("    m->%s = PRIM_EMPTY_ARRAY;\n", f->name);
        else if (f->sub && !f->array)
            p("    %s_init(&m->%s);\n", f->sub->cname, f->name);
        else if (is_text(f->kind) && !null && !f->array)
            p("    m->%s = STR(\"\");\n", f->name);
        else if (f->dflt[0] && !null)
            p("    m->%s = %s%s%s;\n", f->name, f->kind == K_INT64 ? "INT64_C(" : "",
              strcmp(f->dflt, "-2147483648") == 0 ? "INT32_MIN" : f->dflt, f->kind == K_INT64 ? ")" : "");
    }
    p("}\n");
}

/* Least bytes that one element of an array of f takes, in any version. */
static int node_bytes(const struct node *n, int version)
{
    bool flex = version >= n->flexible;
    int sum = flex;
    for (int i = 0; i < n->nfields; i++) {
        const struct field *f = &n->fields[i];
        if (f->tag >= 0 || version < f->versions.lo || version > f->versions.hi)
            continue;
        if (f->array)
            sum += flex ? 1 : 4;
        else
            sum += is_optional(f) ? 1 : f->sub ? node_bytes(f->sub, version) : flex ? kinds[f->kind].bytes_flex : kinds[f->kind].bytes;
    }
    return sum;
}

static int element_bytes(const struct field *f, const struct node *in)
{
    int least = INT_MAX;
    for (int v = f->versions.lo; v <= f->versions.hi; v++) {
        int b = f->sub ? node_bytes(f->sub, v) : v >= in->flexible ? kinds[f->kind].bytes_flex : kinds[f->kind].bytes;
        least = b < least ? b : least;
    }
    return least < 1 ? 1 : least;
}

static void write_get_value(const struct field *f, const char *index, const char *reader)
{
    if (f->sub) {
        p("get_%s(&m->%s%s, %s, version, a);\n", f->sub->cname, f->name, index, reader);
        return;
    }
    p("m->%s%s = ", f->name, index);
    p(kinds[f->kind].get, reader, field_flex(f), f->array ? "false" : null_cond(f));
    p(";\n");
}

static void write_get_field(const struct node *n, const struct field *f, int indent, const char *reader)
{
    if (is_optional(f)) {
        p("%*sm->%s_there = (int8_t)rbuf_u8(%s) >= 0;\n", indent, "", f->name, reader);
        p("%*sif (m->%s_there)\n%*s", indent, "", f->name, indent + 4, "");
        write_get_value(f, "", reader);
        return;
    }
    if (!f->array) {
        p("%*s", indent, "");
        write_get_value(f, "", reader);
        return;
    }
    p("%*suint32_t n = prim_get_count(%s, %s, %s, %d);\n", indent, "", reader, field_flex(f), null_cond(f),
      element_bytes(f, n));
    p("%*sm->%s = prim_array(a, n, sizeof *m->%s);\n", indent, "", f->name, f->name);
    p("%*sn = n == PRIM_NULL ? 0 : n;\n", indent, "");
    p("%*sfor (m->%s_n = 0; m->%s_n < n && !%s->err; m->%s_n++)\n%*s", indent, "", f->name, f->name, reader, f->name,
      indent + 4, "");
    char index[NAME_MAX_LEN + 8];
    snprintf(index, sizeof index, "[m->%s_n]", f->name);
    write_get_value(f, index, reader);
}

static int count_tagged(const struct node *n)
{
    int tagged = 0;
    for (int i = 0; i < n->nfields; i++)
        tagged += n->fields[i].tag >= 0;
    return tagged;
}

static void write_get_tags(const struct node *n)
{
    p("    if (!flex)\n        return;\n");
    if (!count_tagged(n)) {
        p("    prim_skip_tags(r);\n");
        return;
    }
    p("    struct prim_tags tags = prim_get_tags(r);\n");
    p("    while (prim_next_tag(&tags, r)) {\n        struct rbuf *t = &tags.body;\n        switch (tags.tag) {\n");
    for (int i = 0; i < n->nfields; i++) {
        const struct field *f = &n->fields[i];
        if (f->tag < 0)
            continue;
        p("        case %d: {\n", f->tag);
        const char *c = cond(f->versions, (struct range){n->flexible, n->versions.hi});
        if (strcmp(c, "true") != 0)
            p("            if (!(%s))\n                continue;\n", c);
        write_get_field(n, f, 12, "t");
        p("            break;\n        }\n");
    }
    p("        default:\n            continue;\n        }\n        prim_end_tag(&tags, r);\n    }\n");
}

static void write_get(const struct node *n)
{
    p("\nstatic void get_%s(struct %s *m, struct rbuf *r, int version, struct arena *a)\n{\n", n->cname, n->cname);
    p("    const bool flex = %s;\n    (void)version;\n    (void)a;\n    %s_init(m);\n", flex_cond(n), n->cname);
    for (int i = 0; i < n->nfields; i++) {
        const struct field *f = &n->fields[i];
        if (f->tag >= 0)
            continue;
        const char *c = cond(f->versions, n->versions);
        bool always = strcmp(c, "true") == 0;
        if (!always || f->array)
            p(always ? "    {\n" : "    if (%s) {\n", c);
        write_get_field(n, f, !always || f->array ? 8 : 4, "r");
        if (!always || f->array)
            p("    }\n");
    }
    write_get_tags(n);
    p("}\n");
}

static const char *gaps_param(const struct node *n) { return n->records ? ", struct wire_gaps *gaps" : ""; }

static void write_put_value(const struct field *f, const char *index)
{
    char value[2 * NAME_MAX_LEN];
    snprintf(value, sizeof value, "m->%s%s", f->name, index);
    if (f->sub) {
        p("put_%s(&%s, w, version%s);\n", f->sub->cname, value, f->sub->records ? ", gaps" : "");
        return;
    }
    p(kinds[f->kind].put, value, field_flex(f), f->array ? "false" : null_cond(f));
    p(";\n");
}

static void write_put_field(const struct field *f, int indent)
{
    if (is_optional(f)) {
        p("%*swbuf_u8(w, m->%s_there ? 1 : 0xff);\n%*sif (m->%s_there)\n%*s", indent, "", f->name, indent, "", f->name,
          indent + 4, "");
        write_put_value(f, "");
        return;
    }
    if (!f->array) {
        p("%*s", indent, "");
        write_put_value(f, "");
        return;
    }
    p("%*sprim_put_count(w, m->%s, m->%s_n, %s, %s);\n", indent, "", f->name, f->name, field_flex(f), null_cond(f));
    p("%*sfor (uint32_t i = 0; i < m->%s_n; i++)\n%*s", indent, "", f->name, indent + 4, "");
    write_put_value(f, "[i]");
}

/* The condition under which a tagged field differs from its default. */
static void write_differs(const struct field *f, const char *prefix)
{
    const char *dflt = f->dflt[0] ? f->dflt : "0";
    if (f->array)
        p("%s%s_n != 0", prefix, f->name);
    else if (f->sub) {
        char deeper[2 * NAME_MAX_LEN];
        snprintf(deeper, sizeof deeper, "%s%s.", prefix, f->name);
        p("(");
        for (int i = 0; i < f->sub->nfields; i++) {
            p(i ? " || " : "");
            write_differs(&f->sub->fields[i], deeper);
        }
        p(")");
    } else if (is_text(f->kind) && strcmp(f->dflt, "null") == 0)
        p("%s%s.ptr != NULL", prefix, f->name);
    else if (is_text(f->kind))
        p("%s%s.len != 0", prefix, f->name);
    else if (f->kind == K_UUID)
        p("!uuid_is_zero(%s%s)", prefix, f->name);
    else
        p("%s%s != %s", prefix, f->name, dflt);
}

static void write_put_tags(const struct node *n)
{
    p("    if (!flex)\n        return;\n");
    if (!count_tagged(n)) {
        p("    wbuf_u8(w, 0);\n");
        return;
    }
    for (int i = 0; i < n->nfields; i++) {
        const struct field *f = &n->fields[i];
        if (f->tag < 0)
            continue;
        const char *c = cond(f->versions, (struct range){n->flexible, n->versions.hi});
        p("    const bool tag%d = ", f->tag);
        if (strcmp(c, "true") != 0)
            p("%s && ", c);
        write_differs(f, "m->");
        p(";\n");
    }
    p("    wbuf_uvarint(w, (uint64_t)0");
    for (int tag = 0; tag < count_tagged(n); tag++)
        p(" + tag%d", tag);
    p(");\n");
    for (int tag = 0; tag < count_tagged(n); tag++) {
        const struct field *f = NULL;
        for (int i = 0; i < n->nfields; i++)
            f = n->fields[i].tag == tag ? &n->fields[i] : f;
        if (!f)
            bad("tags of a struct must be 0, 1, 2...:", n->cname);
        p("    if (tag%d) {\n        size_t at = prim_tag_begin(w, %d);\n", tag, tag);
        write_put_field(f, 8);
        p("        prim_tag_end(w, at);\n    }\n");
    }
}

static void write_put(const struct node *n)
{
    p("\nstatic void put_%s(const struct %s *m, struct wbuf *w, int version%s)\n{\n", n->cname, n->cname,
      gaps_param(n));
    p("    const bool flex = %s;\n    (void)version;\n", flex_cond(n));
    for (int i = 0; i < n->nfields; i++) {
        const struct field *f = &n->fields[i];
        if (f->tag >= 0)
            continue;
        const char *c = cond(f->versions, n->versions);
        bool always = strcmp(c, "true") == 0;
        if (!always)
            p("    if (%s) {\n", c);
        write_put_field(f, always ? 4 : 8);
        if (!always)
            p("    }\n");
    }
    write_put_tags(n);
    p("}\n");
}

/* How many bytes of arena a byte of frame can cost at worst: summed over nested arrays, since each level may claim all
 * that is left before the next one fails. 16 more an array: the arena's alignment. */
static void write_growth(const struct node *n, const char *sum)
{
    for (int i = 0; i < n->nfields; i++) {
        const struct field *f = &n->fields[i];
        char deeper[1024];
        const char *type = f->sub ? f->sub->cname : kinds[f->kind].ctype;
        int least = f->array ? element_bytes(f, n) : 1;
        if (!f->array)
            snprintf(deeper, sizeof deeper, "%s", sum);
        else
            snprintf(deeper, sizeof deeper, "%s + (sizeof(%s%s) + %d) / %d", sum, f->sub ? "struct " : "", type,
                     least - 1, least);
        if (f->array)
            p("static_assert(%s <= WIRE_GROWTH_MAX, \"%s.%s\");\n", deeper, n->cname, f->name);
        if (f->sub)
            write_growth(f->sub, deeper);
    }
}

/* Where an answer says for how long its client is to wait. */
static void write_throttle_at(const struct node *n)
{
    for (int i = 0; i < n->nfields; i++)
        if (strcmp(n->fields[i].name, "throttle_time_ms") == 0) {
            p("offsetof(struct %s, throttle_time_ms)", n->cname);
            return;
        }
    p("-1");
}

static void write_public(const struct node *n)
{
    const char *c = n->cname;
    p("\nint %s_decode(struct %s *m, struct rbuf *r, int version, struct arena *a)\n{\n", c, c);
    p("    get_%s(m, r, version, a);\n    return r->err;\n}\n", c);
    p("\nvoid %s_encode(const struct %s *m, struct wbuf *w, int version)\n{\n    put_%s(m, w, version%s);\n}\n", c, c,
      c, n->records ? ", NULL" : "");
    if (n->records) {
        p("\nvoid %s_encode_gaps(const struct %s *m, struct wbuf *w, int version, struct wire_gaps *gaps)\n", c, c);
        p("{\n    put_%s(m, w, version, gaps);\n}\n", c);
    }
    p("\n");
    write_growth(n, "(size_t)0");
    p("\nstatic void %s_init_any(void *m) { %s_init(m); }\n", c, c);
    p("static int %s_decode_any(void *m, struct rbuf *r, int version, struct arena *a)\n", c);
    p("{\n    return %s_decode(m, r, version, a);\n}\n", c);
    p("static void %s_encode_any(const void *m, struct wbuf *w, int version) { %s_encode(m, w, version); }\n", c, c);
    p("const struct wire_message %s_message = {\"%s\", sizeof(struct %s), %s_init_any, %s_decode_any, "
      "%s_encode_any, ",
      c, c, c, c, c, c);
    write_throttle_at(n);
    p("};\n");
}

static void write_source(void)
{
    p("/* Generated by log/wire/gen.c from log/wire/schema. */\n");
    p("#include <assert.h>\n#include \"log/wire/wire.h\"\n#include \"log/wire/prim.h\"\n");
    each_message(write_init, true);
    each_message(write_get, true);
    each_message(write_put, true);
    each_message(write_public, false);
    p("\nconst struct wire_api wire_apis[WIRE_APIS] = {\n");
    for (int i = 0; i < napis; i++) {
        const struct api *a = &apis[i];
        p("    {\"%s\", %d, %d, %d, %d, %d, &%s_message, &%s_message},\n", a->name, a->key, a->versions.lo,
          a->versions.hi, a->stable, a->flexible, a->request->cname, a->response->cname);
    }
    p("};\n");
}

static void write_describe_node(const struct node *n)
{
    p("\nstatic void %s_init_any(void *m) { %s_init(m); }\n", n->cname, n->cname);
    p("static const struct describe_field %s_fields[] = {\n", n->cname);
    for (int i = 0; i < n->nfields; i++) {
        const struct field *f = &n->fields[i];
        p("    {\"%s\", DESCRIBE_%s, %s, offsetof(struct %s, %s), ", f->name, kinds[f->kind].name,
          f->array ? "true" : "false", n->cname, f->name);
        if (f->array)
            p("offsetof(struct %s, %s_n), ", n->cname, f->name);
        else if (is_optional(f))
            p("offsetof(struct %s, %s_there), ", n->cname, f->name);
        else
            p("0, ");
        p("%s%s%s},\n", f->sub ? "&" : "", f->sub ? f->sub->cname : "NULL", f->sub ? "_describe" : "");
    }
    p("};\nstatic const struct describe_struct %s_describe = {\"%s\", sizeof(struct %s), %s_init_any, %s_fields, "
      "%d};\n",
      n->cname, n->cname, n->cname, n->cname, n->cname, n->nfields);
}

static void write_describe_entry(const struct node *n)
{
    p("    {&%s_message, &%s_describe, %d, %d},\n", n->cname, n->cname, n->versions.lo, n->versions.hi);
}

static void write_describe(void)
{
    p("/* Generated by log/wire/gen.c from log/wire/schema, for tests. */\n");
    p("#include \"tests/unit/log/wire/describe.h\"\n");
    each_message(write_describe_node, true);
    p("\nconst struct describe_message describe_messages[] = {\n");
    each_message(write_describe_entry, false);
    p("};\nconst size_t describe_messages_n = %d;\n", 2 * napis + nheaders);
}

static void write_file(const char *dir, const char *name, void (*fn)(void))
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    out = fopen(path, "w");
    if (!out) {
        perror(path);
        exit(1);
    }
    fn();
    if (fclose(out)) {
        perror(path);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: wire_gen OUTPUT_FOLDER FILE.wire...\n");
        return 2;
    }
    for (int i = 2; i < argc; i++)
        file_parse(argv[i]);
    qsort(apis, (size_t)napis, sizeof *apis, api_by_key);
    for (int i = 0; i < napis; i++) {
        mark_records(apis[i].request);
        mark_records(apis[i].response);
    }
    write_file(argv[1], "wire_messages.h", write_header);
    write_file(argv[1], "wire_messages.c", write_source);
    write_file(argv[1], "wire_describe.c", write_describe);
    return 0;
}
