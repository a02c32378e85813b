#include "log/broker/spot.h"

struct spots *spots_new(struct req *r, uint32_t max, void *response, void (*ready)(struct spots *))
{
    struct spots *sp = REQ_NEW(r, struct spots);
    *sp = (struct spots){.r = r, .im = req_image(r), .spots = REQ_ARRAY(r, struct spot, max), .request = r->own,
                         .response = response, .ready = ready};
    r->own = sp;
    return sp;
}

void spots_add(struct spots *sp, struct str name, int32_t index, void *in, void *out)
{
    struct spot *s = &sp->spots[sp->n++];
    const struct topic *t = image_topic(sp->im, name);
    *s = (struct spot){.in = in, .out = out};
    if (!t || index < 0 || index >= t->nparts) {
        s->error = K_UNKNOWN_TOPIC;
        return;
    }
    s->part = t->parts[index];
    s->view = part_view(s->part);
}

void spots_reply(struct spots *sp)
{
    struct req *r = sp->r;
    for (uint32_t i = 0; i < sp->n; i++)
        if (sp->spots[i].view)
            counted_release(&sp->spots[i].view->c);
    struct image *im = sp->im;
    req_reply(r, sp->response);
    counted_release(&im->c);
}

static void spots_opened(struct req *r)
{
    struct spots *sp = r->own;
    for (uint32_t i = 0; i < sp->n; i++) {
        struct spot *s = &sp->spots[i];
        if (!s->part || s->view)
            continue;
        s->view = part_view(s->part);
        s->error = s->view ? K_NONE : K_STORAGE;
    }
    sp->ready(sp);
}

void spots_run(struct spots *sp)
{
    struct part **missing = REQ_ARRAY(sp->r, struct part *, sp->n);
    unsigned n = 0;
    for (uint32_t i = 0; i < sp->n; i++)
        if (sp->spots[i].part && !sp->spots[i].view)
            missing[n++] = sp->spots[i].part;
    if (n)
        req_open_parts(sp->r, missing, n, spots_opened);
    else
        sp->ready(sp);
}
