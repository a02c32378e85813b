/* A broker without sockets on seeded loops and a seeded disk: requests in, answers out, crashes between. */
#ifndef TESTS_SIMNODE_H
#define TESTS_SIMNODE_H
#include "log/broker/broker.h"
#include "log/wire/wire.h"
#include "tests/lib/simdisk.h"
#include "tests/lib/simloop.h"

enum { SIMNODE_LOOPS_MAX = 4 };
struct simnode {
    struct sim *sim;
    struct simdisk *sd;
    struct config conf; /* filled with defaults for the simulator; change it before simnode_open */
    struct broker *b;
    struct loop *loops[SIMNODE_LOOPS_MAX];
    unsigned nloops;
    struct arena arena; /* where answers are decoded */
    struct wbuf answer;
    int status;
    bool answered;
};
void simnode_init(struct simnode *n, uint64_t seed, unsigned nloops);
void simnode_open(struct simnode *n);
/* The machine stops and starts; what was in memory is lost and leaked, what was asked is never answered. */
void simnode_crash(struct simnode *n);
void simnode_close(struct simnode *n); /* once nothing is at work; frees all */

/* A request that is on its way: answered_cb on some loop, once, unless the node crashes first. */
struct simcall {
    struct simnode *n;
    struct broker_call call;
    struct wbuf frame;
    int16_t key;
    int version;
    void (*answered_cb)(struct simcall *c, int status, struct str answer);
};
void simcall_init(struct simcall *c, struct simnode *n);
void simcall_fini(struct simcall *c);
void simcall_make(struct simcall *c, int16_t key, int version, const void *request);
void simcall_send(struct simcall *c); /* what was made last, again */
/* Decodes an answer to the last byte into the node's arena. */
void simcall_read(struct simcall *c, struct str answer, void *response);

/* Asks and steps until the answer is there; gives its status. The answer borrows the node's memory. */
int simnode_ask(struct simnode *n, int16_t key, int version, const void *request, void *response);
/* Both must be answered; they give the answer's error code. */
int16_t simnode_create_topic(struct simnode *n, const char *name, int32_t parts);
int16_t simnode_delete_topic(struct simnode *n, const char *name);

#endif
