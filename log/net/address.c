#include "log/net/address.h"
#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

static bool name_ok(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return s.len > 0;
}

static struct str find(struct str s, struct str what)
{
    const char *p = memmem(s.ptr, s.len, what.ptr, what.len);
    return p ? (struct str){p, (size_t)(s.ptr + s.len - p)} : STR_NULL;
}

/* Splits "host:port" or "[v6]:port". */
static bool split_port(struct str s, struct str *host, struct str *port)
{
    if (s.len && s.ptr[0] == '[') {
        struct str close = find(s, STR("]:"));
        if (!close.ptr)
            return false;
        *host = (struct str){s.ptr + 1, (size_t)(close.ptr - s.ptr) - 1};
        *port = (struct str){close.ptr + 2, close.len - 2};
        return true;
    }
    const char *colon = s.len ? memrchr(s.ptr, ':', s.len) : NULL;
    if (!colon || memchr(s.ptr, ':', (size_t)(colon - s.ptr)))
        return false;
    *host = (struct str){s.ptr, (size_t)(colon - s.ptr)};
    *port = (struct str){colon + 1, (size_t)(s.ptr + s.len - colon) - 1};
    return true;
}

int address_parse(struct address *out, struct str text, const char *what, struct arena *a, struct diag *d)
{
    text = str_trim(text);
    struct str rest = text, name = STR("PLAINTEXT"), host, port;
    struct str mark = find(text, STR("://"));
    if (mark.ptr) {
        name = (struct str){text.ptr, (size_t)(mark.ptr - text.ptr)};
        rest = (struct str){mark.ptr + 3, mark.len - 3};
    }
    int64_t n = -1;
    if (!name_ok(name) || !split_port(rest, &host, &port) || !str_to_i64(port, &n) || n < 0 || n > 65535) {
        diag_set(d, E_BAD_CONFIG, "%s: \"%.*s\" is not of the form NAME://host:port", what, STR_ARG(text));
        diag_hint(d, "for example PLAINTEXT://127.0.0.1:9092; an IPv6 address stands in brackets");
        return E_BAD_CONFIG;
    }
    char *upper = arena_printf(a, "%.*s", STR_ARG(name));
    for (char *p = upper; *p; p++)
        if (*p >= 'a' && *p <= 'z')
            *p = (char)(*p - 'a' + 'A');
    *out = (struct address){.name = upper, .host = arena_dup(a, host).ptr, .port = (int)n};
    if (host.len == 0)
        out->host = "";
    return 0;
}

int address_list(struct address **out, unsigned *n, struct str text, const char *what, struct arena *a, struct diag *d)
{
    unsigned max = 1;
    for (size_t i = 0; i < text.len; i++)
        max += text.ptr[i] == ',';
    *out = ARENA_ARRAY(a, struct address, max);
    *n = 0;
    while (str_trim(text).len) {
        const char *comma = memchr(text.ptr, ',', text.len);
        struct str one = {text.ptr, comma ? (size_t)(comma - text.ptr) : text.len};
        int rc = address_parse(&(*out)[*n], one, what, a, d);
        if (rc < 0)
            return rc;
        ++*n;
        size_t skip = one.len + (comma ? 1 : 0);
        text = (struct str){text.ptr + skip, text.len - skip};
    }
    return 0;
}

int address_resolve(const struct address *ad, struct sockaddr_storage *sa, unsigned *len, struct diag *d)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *list;
    char port[8];
    snprintf(port, sizeof port, "%d", ad->port);
    int rc = getaddrinfo(*ad->host ? ad->host : "0.0.0.0", port, &hints, &list);
    if (rc != 0)
        return diag_set(d, E_BAD_CONFIG, "cannot find the address of host %s: %s", ad->host, gai_strerror(rc));
    struct addrinfo *best = list;
    for (struct addrinfo *ai = list; ai; ai = ai->ai_next)
        if (ai->ai_family == AF_INET) {
            best = ai;
            break;
        }
    memcpy(sa, best->ai_addr, best->ai_addrlen);
    *len = best->ai_addrlen;
    freeaddrinfo(list);
    return 0;
}

bool address_is_loopback(const struct sockaddr_storage *sa)
{
    if (sa->ss_family == AF_UNIX)
        return true;
    if (sa->ss_family == AF_INET)
        return (ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr) >> 24) == 127;
    const struct in6_addr *in6 = &((const struct sockaddr_in6 *)sa)->sin6_addr;
    return IN6_IS_ADDR_LOOPBACK(in6) || (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
}

bool address_is_wildcard(const char *host)
{
    return !*host || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

void address_text(const struct sockaddr_storage *sa, char *host, size_t cap, int *port)
{
    snprintf(host, cap, "unix");
    *port = 0;
    if (sa->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
        inet_ntop(AF_INET, &in->sin_addr, host, (socklen_t)cap);
        *port = ntohs(in->sin_port);
    } else if (sa->ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)sa;
        if (IN6_IS_ADDR_V4MAPPED(&in->sin6_addr))
            inet_ntop(AF_INET, &in->sin6_addr.s6_addr[12], host, (socklen_t)cap);
        else
            inet_ntop(AF_INET6, &in->sin6_addr, host, (socklen_t)cap);
        *port = ntohs(in->sin6_port);
    }
}
