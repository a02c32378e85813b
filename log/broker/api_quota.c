/* DescribeClientQuotas and AlterClientQuotas (KIP-546). */
#include "log/broker/quota.h"
#include "log/broker/request.h"

enum { MATCH_EXACT, MATCH_DEFAULT, MATCH_ANY };

static int type_of(struct str name)
{
    for (unsigned i = 0; i < QUOTA_TYPES; i++)
        if (str_eq(name, str_of(quota_type_name(i))))
            return (int)i;
    return -1;
}

/* ---- DescribeClientQuotas */

struct filter {
    const struct describe_client_quotas_request_component *by[QUOTA_TYPES]; /* NULL: not asked about */
    bool strict;
};

static const char *filter_read(struct filter *f, const struct describe_client_quotas_request *in)
{
    *f = (struct filter){.strict = in->strict};
    for (uint32_t i = 0; i < in->components_n; i++) {
        const struct describe_client_quotas_request_component *c = &in->components[i];
        int type = type_of(c->entity_type);
        if (type < 0)
            return "an entity is a user, a client-id or an ip";
        if (f->by[type])
            return "a component is named twice";
        if (c->match_type < MATCH_EXACT || c->match_type > MATCH_ANY ||
            (c->match_type == MATCH_EXACT) != (c->match.ptr != NULL))
            return "a match is 0 with a name, 1 for the default entity or 2 for any, without a name";
        f->by[type] = c;
    }
    return f->by[QUOTA_IP] && (f->by[QUOTA_USER] || f->by[QUOTA_CLIENT]) ? "no user or client-id goes with an ip"
                                                                         : NULL;
}

static bool filter_takes(const struct filter *f, const struct quota_entity *e)
{
    for (unsigned t = 0; t < QUOTA_TYPES; t++) {
        const struct describe_client_quotas_request_component *c = f->by[t];
        if (!c && (!e->there[t] || !f->strict))
            continue;
        if (!c || !e->there[t] || (c->match_type == MATCH_DEFAULT && e->name[t].ptr) ||
            (c->match_type == MATCH_EXACT && (!e->name[t].ptr || !str_eq(e->name[t], c->match))))
            return false;
    }
    return !f->strict || f->by[QUOTA_USER] || f->by[QUOTA_CLIENT] || f->by[QUOTA_IP];
}

static void put_quota(struct req *r, const struct quota *q, struct describe_client_quotas_response_entry *out)
{
    out->entity = REQ_ARRAY(r, struct describe_client_quotas_response_entity, QUOTA_TYPES);
    out->entity_n = 0;
    for (unsigned t = 0; t < QUOTA_TYPES; t++)
        if (q->entity.there[t])
            out->entity[out->entity_n++] =
                (struct describe_client_quotas_response_entity){str_of(quota_type_name(t)), q->entity.name[t]};
    out->values = REQ_ARRAY(r, struct describe_client_quotas_response_value, QUOTA_KINDS);
    out->values_n = 0;
    for (unsigned k = 0; k < QUOTA_KINDS; k++)
        if (q->limit[k] > 0)
            out->values[out->values_n++] =
                (struct describe_client_quotas_response_value){str_of(quota_key(k)), q->limit[k]};
}

void api_describe_client_quotas(struct req *r)
{
    if (REQ_DECODE(r, describe_client_quotas_request) < 0)
        return;
    struct describe_client_quotas_response out;
    struct filter f;
    struct quota q;
    describe_client_quotas_response_init(&out);
    const char *wrong = filter_read(&f, r->own);
    if (wrong) {
        out.error_code = K_INVALID_REQUEST;
        out.error_message = str_of(wrong);
        out.entries = NULL;
        req_reply(r, &out);
        return;
    }
    struct image *im = req_image(r);
    out.entries = REQ_ARRAY(r, struct describe_client_quotas_response_entry, im->nobjects);
    for (unsigned i = 0; i < im->nobjects; i++)
        if (strcmp(im->objects[i]->kind, "quota") == 0 && quota_unpack(&q, im->objects[i]->body) == 0 &&
            filter_takes(&f, &q.entity))
            put_quota(r, &q, &out.entries[out.entries_n++]);
    req_reply(r, &out);
    counted_release(&im->c);
}

/* ---- AlterClientQuotas: entries that are wrong are refused one by one, the others are one change */

struct alter_quotas {
    struct req *r;
    struct alter_client_quotas_response out;
    struct change change;
    struct commit commit;
    struct image *im;
    struct wbuf name, body;
    struct map said;
};

static const char *entity_read(struct quota_entity *e, const struct alter_client_quotas_request_entry *in)
{
    *e = (struct quota_entity){0};
    for (uint32_t i = 0; i < in->entity_n; i++) {
        int type = type_of(in->entity[i].entity_type);
        if (type < 0)
            return "an entity is a user, a client-id or an ip";
        if (e->there[type])
            return "an entity has one name of a type";
        e->there[type] = true;
        e->name[type] = in->entity[i].entity_name;
    }
    return quota_entity_check(e);
}

static const char *limits_change(struct quota *q, const struct alter_client_quotas_request_entry *in)
{
    enum quota_kind kind;
    unsigned named = 0;
    for (uint32_t i = 0; i < in->ops_n; i++) {
        const struct alter_client_quotas_request_op *op = &in->ops[i];
        const char *wrong = quota_limit_check(&q->entity, op->key, op->remove ? 1 : op->value, &kind);
        if (!wrong && named >> kind & 1)
            wrong = "a limit is named twice";
        if (wrong)
            return wrong;
        named |= 1u << kind;
        q->limit[kind] = op->remove ? 0 : op->value;
    }
    return NULL;
}

/* What the entity has now, with what is to change; the object is new, another, or gone. */
static const char *entry_change(struct alter_quotas *aq, const struct alter_client_quotas_request_entry *in)
{
    struct quota q = {0}, old;
    const char *wrong = entity_read(&q.entity, in);
    if (wrong)
        return wrong;
    wbuf_reset(&aq->name);
    quota_name(&q.entity, &aq->name);
    if (said_times(&aq->said, wbuf_view(&aq->name)))
        return "the entity is named twice";
    said_add(&aq->said, &aq->r->arena, wbuf_view(&aq->name));
    const struct object *o = image_object(aq->im, "quota", wbuf_view(&aq->name));
    if (o && quota_unpack(&old, o->body) == 0)
        memcpy(q.limit, old.limit, sizeof q.limit);
    wrong = limits_change(&q, in);
    bool any = false;
    for (unsigned k = 0; k < QUOTA_KINDS; k++)
        any |= q.limit[k] > 0;
    if (wrong || (!any && !o))
        return wrong;
    if (!any) {
        change_remove_object(&aq->change, "quota", o->id);
        return NULL;
    }
    struct uuid id = o ? o->id : (struct uuid){{0}};
    struct loop *loop = aq->r->desk->loop;
    if (!o) {
        put_be64(id.b, loop_random(loop));
        put_be64(id.b + 8, loop_random(loop));
    }
    wbuf_reset(&aq->body);
    quota_pack(&q, &aq->body);
    change_put_object(&aq->change, "quota", wbuf_view(&aq->name), id, wbuf_view(&aq->body), o == NULL);
    return NULL;
}

static void alter_reply(struct alter_quotas *aq, int status)
{
    for (uint32_t i = 0; i < aq->out.entries_n && status < 0; i++)
        if (!aq->out.entries[i].error_code) {
            aq->out.entries[i].error_code = err_kafka(status);
            aq->out.entries[i].error_message = req_text(aq->r, &aq->commit.diag);
        }
    change_fini(&aq->change);
    counted_release(&aq->im->c);
    req_reply(aq->r, &aq->out);
}

static void altered(struct commit *c, int status) { alter_reply(container_of(c, struct alter_quotas, commit), status); }

static void entry_answer(struct req *r, const struct alter_client_quotas_request_entry *in, const char *wrong,
                         struct alter_client_quotas_response_entry *out)
{
    *out = (struct alter_client_quotas_response_entry){
        .error_code = wrong ? K_INVALID_REQUEST : K_NONE,
        .error_message = wrong ? str_of(wrong) : STR_NULL,
        .entity = REQ_ARRAY(r, struct alter_client_quotas_response_entity, in->entity_n),
        .entity_n = in->entity_n,
    };
    for (uint32_t i = 0; i < in->entity_n; i++)
        out->entity[i] =
            (struct alter_client_quotas_response_entity){in->entity[i].entity_type, in->entity[i].entity_name};
}

void api_alter_client_quotas(struct req *r)
{
    if (REQ_DECODE(r, alter_client_quotas_request) < 0)
        return;
    const struct alter_client_quotas_request *in = r->own;
    struct alter_quotas *aq = REQ_NEW(r, struct alter_quotas);
    aq->r = r;
    aq->im = req_image(r);
    change_init(&aq->change);
    wbuf_init(&aq->name);
    wbuf_init(&aq->body);
    map_init(&aq->said);
    alter_client_quotas_response_init(&aq->out);
    aq->out.entries = REQ_ARRAY(r, struct alter_client_quotas_response_entry, in->entries_n);
    aq->out.entries_n = in->entries_n;
    for (uint32_t i = 0; i < in->entries_n; i++)
        entry_answer(r, &in->entries[i], entry_change(aq, &in->entries[i]), &aq->out.entries[i]);
    wbuf_fini(&aq->name);
    wbuf_fini(&aq->body);
    map_fini(&aq->said);
    if (!aq->change.n || in->validate_only) {
        struct cluster *cl = req_broker(r)->cluster;
        alter_reply(aq, aq->change.n ? cluster_check(cl, &aq->change, &aq->commit.diag) : 0);
        return;
    }
    aq->commit = (struct commit){.from = r->desk->loop, .change = &aq->change, .done_cb = altered};
    cluster_commit(req_broker(r)->cluster, &aq->commit);
}
