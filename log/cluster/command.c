#include "log/cluster/command.h"
#include "log/base/pack.h"

static struct str id_bytes(const struct uuid *id) { return (struct str){(const char *)id->b, 16}; }

static struct uuid read_id(struct unpack *u)
{
    struct uuid id = {{0}};
    struct str s = unpack_str(u);
    if (s.len == 16)
        memcpy(id.b, s.ptr, 16);
    else if (!u->r.err)
        u->r.err = E_SYNTAX;
    return id;
}

static const struct {
    uint32_t fields;
} shapes[] = {
    [CMD_TOPIC] = {4}, [CMD_DELETE] = {1}, [CMD_PARTS] = {2},     [CMD_CONFIG] = {3},
    [CMD_OBJECT] = {5}, [CMD_REMOVE] = {2}, [CMD_PRODUCERS] = {2},
};

int command_decode(struct command *cmd, struct str record)
{
    struct unpack u = unpack_of(record);
    *cmd = (struct command){0};
    uint32_t n = unpack_array(&u);
    int64_t type = unpack_int(&u), version = unpack_int(&u);
    if (unpack_err(&u))
        return E_CORRUPT;
    if (type < 1 || type >= (int64_t)ARRAY_LEN(shapes) || version != 0)
        return E_NEWER_FORMAT;
    if (n != shapes[type].fields + 2)
        return E_CORRUPT;
    cmd->type = (enum command_type)type;
    switch (cmd->type) {
    case CMD_TOPIC:
        cmd->id = read_id(&u);
        cmd->name = unpack_str(&u);
        cmd->nparts = (int32_t)unpack_int(&u);
        cmd->nconfigs = unpack_map(&u);
        cmd->configs = u;
        for (uint32_t i = 0; i < cmd->nconfigs * 2; i++)
            (void)unpack_str(&u);
        break;
    case CMD_DELETE:
        cmd->id = read_id(&u);
        break;
    case CMD_PARTS:
        cmd->id = read_id(&u);
        cmd->nparts = (int32_t)unpack_int(&u);
        break;
    case CMD_CONFIG:
        cmd->id = read_id(&u);
        cmd->key = unpack_str(&u);
        cmd->value = unpack_str(&u);
        break;
    case CMD_OBJECT:
        cmd->kind = unpack_str(&u);
        cmd->name = unpack_str(&u);
        cmd->id = read_id(&u);
        cmd->body = unpack_str(&u);
        cmd->must_be_new = unpack_bool(&u);
        break;
    case CMD_REMOVE:
        cmd->kind = unpack_str(&u);
        cmd->id = read_id(&u);
        break;
    case CMD_PRODUCERS:
        cmd->from = unpack_int(&u);
        cmd->next = unpack_int(&u);
        break;
    }
    return unpack_err(&u) || rbuf_left(&u.r) ? E_CORRUPT : 0;
}

bool command_config(struct command *cmd, struct str *key, struct str *value)
{
    if (cmd->nconfigs == 0)
        return false;
    cmd->nconfigs--;
    *key = unpack_str(&cmd->configs);
    *value = unpack_str(&cmd->configs);
    return true;
}

void command_encode(struct wbuf *w, const struct command *cmd, const struct topic_config *configs, unsigned nconfigs)
{
    pack_array(w, shapes[cmd->type].fields + 2);
    pack_int(w, cmd->type);
    pack_int(w, 0);
    switch (cmd->type) {
    case CMD_TOPIC:
        pack_bin(w, id_bytes(&cmd->id));
        pack_str(w, cmd->name);
        pack_int(w, cmd->nparts);
        pack_map(w, nconfigs);
        for (unsigned i = 0; i < nconfigs; i++) {
            pack_str(w, str_of(configs[i].key));
            pack_str(w, str_of(configs[i].value));
        }
        break;
    case CMD_DELETE:
        pack_bin(w, id_bytes(&cmd->id));
        break;
    case CMD_PARTS:
        pack_bin(w, id_bytes(&cmd->id));
        pack_int(w, cmd->nparts);
        break;
    case CMD_CONFIG:
        pack_bin(w, id_bytes(&cmd->id));
        pack_str(w, cmd->key);
        pack_str(w, cmd->value);
        break;
    case CMD_OBJECT:
        pack_str(w, cmd->kind);
        pack_str(w, cmd->name);
        pack_bin(w, id_bytes(&cmd->id));
        pack_bin(w, cmd->body);
        pack_bool(w, cmd->must_be_new);
        break;
    case CMD_REMOVE:
        pack_str(w, cmd->kind);
        pack_bin(w, id_bytes(&cmd->id));
        break;
    case CMD_PRODUCERS:
        pack_int(w, cmd->from);
        pack_int(w, cmd->next);
        break;
    }
}
