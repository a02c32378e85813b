/* What the files of this room share: the net, its part on each shard, a connection.
 * Thread: a net_shard and its connections belong to their loop; struct net is read only after net_open, but for its
 * atomic counters. */
#ifndef NET_SHARD_H
#define NET_SHARD_H
#include "log/net/net.h"
#include "log/base/limits.h"
#include "log/net/address.h"
#include <uv.h>

struct net_shard {
    struct net *net;
    struct loop *loop;
    struct list conns, flush, hungry; /* conn.link, conn.flush_link, conn.hungry_link */
    unsigned nopen;                   /* connections and listeners whose handle is not closed yet */
    bool stopping, stopped;
    struct turn_end flush_turn;
    struct timer tick, hungry_timer;
    struct msg start_msg, stop_msg;
};

struct listener {
    struct net *net;
    struct net_shard *shard;
    struct listener_info info;
    int fd;
    bool is_unix, polling;
    uv_poll_t poll;
    struct timer retry;
};

struct net {
    struct net_conf nc;
    struct arena arena;
    struct listener *lis; /* those with a port first, the Unix one last */
    unsigned nlis, ninfos;
    struct listener_info *infos;
    struct net_shard *shards;
    unsigned nshards, next_shard;
    struct budget memory;
    _Atomic int64_t held; /* bytes of memory in answers that are not sent, all connections together */
    _Atomic int nconns;
    int conns_max;
    uv_sem_t stopped;
    bool started;
    char *unix_path;
};

enum conn_mode { CONN_SNIFF, CONN_FRAMES, CONN_HTTP };

/* One answer in its place of the order. */
struct answer {
    bool ready, close_after;
    uint32_t charge; /* bytes taken from the budget for its request */
    unsigned n;
    struct piece *pieces; /* heap, if it waits for an earlier one */
};
struct out_piece {
    struct piece p;
    uint32_t done; /* bytes of p sent */
    uint8_t head[4], head_left;
    bool close_after;
};

struct conn {
    struct net_shard *shard;
    const struct listener *lis;
    struct list link, flush_link, hungry_link;
    uv_poll_t poll;
    int fd;
    int events; /* asked of poll now */
    enum conn_mode mode;
    bool closing, opened, trusted, draining; /* draining: close when the queue is empty, read no more */
    void *user;
    char peer[64];
    /* reading */
    uint8_t head[4];
    unsigned head_len;
    struct buf *in; /* the frame being read */
    uint32_t want, charge;
    bool hungry;
    int64_t frame_start_ms, active_ms, progress_ms, mute_until_ms;
    struct timer mute; /* active until then */
    /* the order of answers */
    struct answer *slots;
    unsigned slot_cap;
    uint64_t next_seq, send_seq;
    /* writing */
    struct out_piece *out;
    unsigned out_cap, out_head, out_n;
    size_t out_bytes;
    int64_t held; /* of net->held */
    struct http *http;
};

/* conn.c */
void conn_open(struct net_shard *sh, const struct listener *lis, int fd); /* takes fd */
void conn_tick(struct conn *conn, int64_t now_ms);
void conn_hungry_retry(struct conn *conn);
void conn_update(struct conn *conn); /* asks the poll for what the connection can do now */
void conn_ask_flush(struct conn *conn);
void conn_hold(struct conn *conn, int64_t bytes); /* answers in memory have grown; < 0: they are sent or dropped */
/* out.c */
void out_push(struct conn *conn, const struct piece *p, bool with_head, uint32_t head, bool close_after); /* takes p */
int out_flush(struct conn *conn); /* 0 or an error that ends the connection */
void out_fini(struct conn *conn);
void piece_release(struct conn *conn, const struct piece *p); /* one that conn held */
/* http.c */
bool http_sniff(const uint8_t head[4]);
void http_begin(struct conn *conn);                            /* head holds the first four bytes */
void http_input(struct conn *conn, const uint8_t *p, size_t n);
bool http_full(const struct conn *conn);                       /* takes no more input now */
bool http_idle(const struct conn *conn);
bool http_slow(const struct conn *conn, int64_t now_ms);       /* a request takes too long to arrive */
void http_drained(struct conn *conn);
void http_gone(struct conn *conn);
/* listener.c */
int listener_open(struct listener *lis, const struct address *ad, bool allow_plaintext, struct diag *d);
int listener_open_unix(struct listener *lis, const char *path, struct diag *d);
void listener_start(struct listener *lis); /* on its loop */
void listener_close(struct listener *lis); /* on its loop */
/* net.c */
void net_shard_closed_one(struct net_shard *sh);
void net_shard_hungry(struct net_shard *sh, struct conn *conn);
void net_shard_ask_flush(struct net_shard *sh);

#endif
