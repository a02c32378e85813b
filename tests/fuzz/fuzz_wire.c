/* Every message of the protocol, requests and responses: bytes 0 to 2 choose API, direction and version, so that every
 * pair is reached; the rest is the frame. What decodes must encode, and decode to the same again. */
#include "log/wire/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_be_stable(const struct wire_message *message, const void *m, int version, struct arena *a)
{
    struct wbuf first, second;
    void *again = arena_zalloc(a, message->size);
    wbuf_init(&first);
    wbuf_init(&second);
    message->encode(m, &first, version);
    struct rbuf r = rbuf_of(first.data, first.len);
    CHECK(message->decode(again, &r, version, a) == 0);
    CHECK(wire_decode_done(&r) == 0);
    message->encode(again, &second, version);
    CHECK(str_eq(wbuf_view(&first), wbuf_view(&second)));
    wbuf_fini(&first);
    wbuf_fini(&second);
}

static void try_message(const struct wire_message *message, int version, const uint8_t *data, size_t size)
{
    struct arena a;
    arena_init(&a);
    void *m = arena_zalloc(&a, message->size);
    size_t before = a.used;
    struct rbuf r = rbuf_of(data, size);
    message->decode(m, &r, version, &a);
    CHECK(a.used - before <= WIRE_GROWTH_MAX * size + 1024);
    if (!wire_decode_done(&r))
        must_be_stable(message, m, version, &a);
    arena_fini(&a);
}

static void try_header(const uint8_t *data, size_t size)
{
    struct request_header h;
    const struct wire_api *api;
    struct rbuf r = rbuf_of(data, size);
    if (wire_request_header(&h, &api, &r) == 0)
        try_message(api->request, h.request_api_version, r.ptr, rbuf_left(&r));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    const struct wire_api *api = &wire_apis[data[0] % WIRE_APIS];
    int version = api->min + data[1] % (api->max - api->min + 1);
    switch (data[2] % 8) {
    case 0:
        try_header(data + 3, size - 3);
        break;
    case 1:
    case 2:
    case 3:
        try_message(api->response, version, data + 3, size - 3);
        break;
    default:
        try_message(api->request, version, data + 3, size - 3);
        break;
    }
    return 0;
}
