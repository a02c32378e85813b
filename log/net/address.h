/* Lists of listeners as people write them: "NAME://host:port,...", or plain "host:port".
 * Thread: pure; used while a node opens. */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H
#include "log/base/alloc.h"
#include "log/base/err.h"

struct sockaddr_storage;

struct address {
    const char *name; /* of the listener, upper case; "PLAINTEXT" if none was written */
    const char *host; /* without brackets; "" = all interfaces */
    int port;
};
/* Parses one entry. what: the setting's name, for the sentence in d. Text lives in the arena. */
int address_parse(struct address *out, struct str text, const char *what, struct arena *a, struct diag *d);
/* Splits at commas and parses each; empty text gives none. */
int address_list(struct address **out, unsigned *n, struct str text, const char *what, struct arena *a, struct diag *d);
/* Looks the host up, IPv4 first; "" is 0.0.0.0. Blocking. len: of what was filled in. */
int address_resolve(const struct address *ad, struct sockaddr_storage *sa, unsigned *len, struct diag *d);
bool address_is_loopback(const struct sockaddr_storage *sa);
bool address_is_wildcard(const char *host);
/* Numeric host (IPv4 in IPv6 shown as IPv4) and port of a socket address; a Unix socket gives "unix" and 0. */
void address_text(const struct sockaddr_storage *sa, char *host, size_t cap, int *port);

#endif
