#include "tests/lib/server.h"
#include "log/base/disk.h"
#include "sql/serve/node.h"
#include <stdio.h>
#include <stdlib.h>

static void must(int rc, const struct diag *d)
{
    if (rc < 0) {
        fprintf(stderr, "the node does not open: %s\n", d->text);
        abort();
    }
}

static void open_node(struct server *s)
{
    struct diag d = {.text = ""};
    struct node_conf nc = {.conf = &s->conf, .data_dir = s->dir, .tcp = true};
    must(node_open(&s->node, &nc, &d), &d);
    node_start(s->node);
    node_addresses(s->node, s->address, sizeof s->address);
}

void server_start(struct server *s, const char *const *set)
{
    struct diag d = {.text = ""};
    config_init(&s->conf);
    must(config_set(&s->conf, STR("listeners"), STR("PLAINTEXT://127.0.0.1:0"), &d), &d);
    must(config_set(&s->conf, STR("weir.shards"), STR("2"), &d), &d);
    must(config_set(&s->conf, STR("weir.wal.bytes"), STR("1048576"), &d), &d);
    for (; set && *set; set++) {
        const char *eq = strchr(*set, '=');
        must(config_set(&s->conf, (struct str){*set, (size_t)(eq - *set)}, str_of(eq + 1), &d), &d);
    }
    snprintf(s->dir, sizeof s->dir, "/tmp/weir-test-XXXXXX");
    CHECK(mkdtemp(s->dir));
    open_node(s);
}

void server_restart(struct server *s)
{
    node_stop(s->node);
    open_node(s);
}

void server_stop(struct server *s)
{
    node_stop(s->node);
    CHECK(disk_remove_tree(disk_real(), s->dir) == 0);
    config_fini(&s->conf);
}
