#include "tests/unit/log/wire/json.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTH_MAX 64

struct reader {
    const char *p, *end;
    struct arena *a;
    int depth;
};

static void blanks(struct reader *r)
{
    while (r->p < r->end && isspace((unsigned char)*r->p))
        r->p++;
}

static bool take(struct reader *r, char c)
{
    blanks(r);
    bool yes = r->p < r->end && *r->p == c;
    r->p += yes;
    return yes;
}

static struct str string(struct reader *r)
{
    CHECK(take(r, '"'));
    char *out = arena_alloc(r->a, (size_t)(r->end - r->p)), *o = out;
    for (; r->p < r->end && *r->p != '"'; r->p++) {
        if (*r->p != '\\') {
            *o++ = *r->p;
            continue;
        }
        static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
        const char *at = strchr(from, *++r->p);
        if (at) {
            *o++ = to[at - from];
            continue;
        }
        CHECK(*r->p == 'u' && r->end - r->p > 5);
        char hex[5] = {r->p[1], r->p[2], r->p[3], r->p[4], 0};
        unsigned code = (unsigned)strtoul(hex, NULL, 16);
        if (code < 0x80)
            *o++ = (char)code;
        else if (code < 0x800)
            o += sprintf(o, "%c%c", (char)(0xc0 | code >> 6), (char)(0x80 | (code & 63)));
        else
            o += sprintf(o, "%c%c%c", (char)(0xe0 | code >> 12), (char)(0x80 | (code >> 6 & 63)),
                         (char)(0x80 | (code & 63)));
        r->p += 4;
    }
    CHECK(take(r, '"'));
    return (struct str){out, (size_t)(o - out)};
}

static struct json *value(struct reader *r);

static void members(struct reader *r, struct json *j, char close)
{
    struct json **tail = &j->first;
    CHECK(++r->depth < DEPTH_MAX);
    for (bool more = !take(r, close); more; more = take(r, ',')) {
        struct str key = STR_NULL;
        if (close == '}') {
            blanks(r);
            key = string(r);
            CHECK(take(r, ':'));
        }
        *tail = value(r);
        (*tail)->key = key;
        tail = &(*tail)->next;
        j->n++;
    }
    CHECK(j->n == 0 || take(r, close));
    r->depth--;
}

static struct json *value(struct reader *r)
{
    struct json *j = ARENA_NEW(r->a, struct json);
    blanks(r);
    CHECK(r->p < r->end);
    if (*r->p == '"') {
        j->kind = JSON_STRING;
        j->text = string(r);
    } else if (take(r, '{')) {
        j->kind = JSON_OBJECT;
        members(r, j, '}');
    } else if (take(r, '[')) {
        j->kind = JSON_ARRAY;
        members(r, j, ']');
    } else {
        const char *start = r->p;
        while (r->p < r->end && (isalnum((unsigned char)*r->p) || strchr("+-.", *r->p)))
            r->p++;
        j->text = (struct str){start, (size_t)(r->p - start)};
        CHECK(j->text.len);
        j->yes = str_eq(j->text, STR("true"));
        if (str_eq(j->text, STR("null")))
            j->kind = JSON_NULL;
        else
            j->kind = j->yes || str_eq(j->text, STR("false")) ? JSON_BOOL : JSON_NUMBER;
    }
    return j;
}

struct json *json_parse(struct str text, struct arena *a)
{
    struct reader r = {text.ptr, text.ptr + text.len, a, 0};
    struct json *j = value(&r);
    blanks(&r);
    CHECK(r.p == r.end);
    return j;
}

const struct json *json_get(const struct json *obj, const char *key)
{
    CHECK(obj->kind == JSON_OBJECT);
    for (const struct json *j = obj->first; j; j = j->next)
        if (str_eq(j->key, str_of(key)))
            return j;
    return NULL;
}

struct str json_text(const struct json *obj, const char *key)
{
    const struct json *j = json_get(obj, key);
    CHECK(j && j->kind == JSON_STRING);
    return j->text;
}

int64_t json_int(const struct json *obj, const char *key, int64_t dflt)
{
    const struct json *j = json_get(obj, key);
    int64_t v = dflt;
    if (j)
        CHECK(str_to_i64(j->text, &v));
    return v;
}

struct str json_file(const char *path, struct arena *a)
{
    FILE *f = fopen(path, "r");
    if (!f)
        return STR_NULL;
    fseek(f, 0, SEEK_END);
    size_t n = (size_t)ftell(f);
    rewind(f);
    char *p = arena_alloc(a, n + 1);
    CHECK(fread(p, 1, n, f) == n);
    fclose(f);
    return (struct str){p, n};
}

static unsigned hex_digit(char c) { return c <= '9' ? (unsigned)(c - '0') : (unsigned)((c | 32) - 'a' + 10); }

struct str json_unhex(struct str hex, struct arena *a)
{
    CHECK(hex.len % 2 == 0);
    char *out = arena_alloc(a, hex.len / 2 + 1);
    for (size_t i = 0; i < hex.len / 2; i++)
        out[i] = (char)(hex_digit(hex.ptr[2 * i]) << 4 | hex_digit(hex.ptr[2 * i + 1]));
    return (struct str){out, hex.len / 2};
}

struct str json_unbase64(struct str text, struct arena *a)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *out = arena_alloc(a, text.len + 1);
    uint32_t bits = 0;
    size_t n = 0, have = 0;
    for (size_t i = 0; i < text.len && text.ptr[i] != '='; i++) {
        char c = text.ptr[i] == '-' ? '+' : text.ptr[i] == '_' ? '/' : text.ptr[i];
        const char *at = strchr(alphabet, c);
        CHECK(at);
        bits = bits << 6 | (uint32_t)(at - alphabet);
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (char)(bits >> have);
        }
    }
    return (struct str){out, n};
}

const char *vectors_folder(void)
{
    static char path[4096];
    const char *env = getenv("WEIR_KAFKA_VECTORS");
    snprintf(path, sizeof path, "%s", env ? env : SOURCE_FOLDER "/../shared/kafka-wire-vectors");
    char probe[4200];
    snprintf(probe, sizeof probe, "%s/vectors", path);
    return access(probe, R_OK) == 0 ? path : NULL;
}
