/* The table of APIs, and what tells clients about it. */
#include "log/broker/request.h"

const struct api apis[] = {
#define X(name, key, first, last, res, op, lis) \
    {#name, key, first, last, RES_##res, OP_##op, ON_##lis, api_##name, &name##_response_message},
#include "log/broker/api.def"
#undef X
};
const unsigned napis = ARRAY_LEN(apis);

/* group.version 1 is KIP-848. transaction.version 2 (KIP-890) rests on Produce 12, TxnOffsetCommit 5 and EndTxn 5,
 * which are served. Both are in force, and lower levels are not to be had. (A lowest level of 0 could not be told in
 * version 3: its readers fail to decode it.) */
static const struct feature all_features[] = {{"group.version", 1}, {"transaction.version", 2}};

const struct feature *feature_at(unsigned i) { return i < ARRAY_LEN(all_features) ? &all_features[i] : NULL; }

static void features(struct req *r, struct api_versions_response *m)
{
    m->supported_features = REQ_ARRAY(r, struct api_versions_response_supported, ARRAY_LEN(all_features));
    m->finalized_features = REQ_ARRAY(r, struct api_versions_response_finalized, ARRAY_LEN(all_features));
    for (const struct feature *f; (f = feature_at(m->supported_features_n)) != NULL; m->supported_features_n++) {
        m->supported_features[m->supported_features_n] =
            (struct api_versions_response_supported){str_of(f->name), f->level, f->level};
        m->finalized_features[m->finalized_features_n++] =
            (struct api_versions_response_finalized){str_of(f->name), f->level, f->level};
    }
    m->finalized_features_epoch = 0;
}

static void fill(struct req *r, struct api_versions_response *m)
{
    api_versions_response_init(m);
    m->api_keys = REQ_ARRAY(r, struct api_versions_response_api, napis);
    m->api_keys_n = napis;
    features(r, m);
    for (unsigned i = 0; i < napis; i++) {
        /* Produce 0 to 2 are refused but told: librdkafka before 2.8 asks whether 0 is there before it compresses. */
        bool produce = apis[i].handle == api_produce;
        m->api_keys[i] = (struct api_versions_response_api){
            .api_key = apis[i].key, .min_version = produce ? 0 : apis[i].min, .max_version = apis[i].max};
    }
}

/* Letters, digits, dots and dashes; a letter or digit at both ends. */
static bool software_ok(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool inside = i > 0 && i + 1 < s.len;
        if (!alnum && !(inside && (c == '.' || c == '-')))
            return false;
    }
    return s.len > 0;
}

void api_api_versions(struct req *r)
{
    if (REQ_DECODE(r, api_versions_request) < 0)
        return;
    const struct api_versions_request *in = r->own;
    struct api_versions_response out;
    if (r->version >= 3 && (!software_ok(in->client_software_name) || !software_ok(in->client_software_version))) {
        api_versions_response_init(&out);
        out.error_code = K_INVALID_REQUEST;
        out.finalized_features_epoch = -1;
    } else {
        fill(r, &out);
    }
    req_reply(r, &out);
}

void api_versions_refuse(struct req *r)
{
    struct api_versions_response out;
    api_versions_response_init(&out);
    out.error_code = K_UNSUPPORTED_VERSION;
    out.api_keys = REQ_NEW(r, struct api_versions_response_api);
    out.api_keys_n = 1;
    out.api_keys[0] = (struct api_versions_response_api){r->api->key, r->api->min, r->api->max};
    r->version = 0;
    req_reply(r, &out);
}
