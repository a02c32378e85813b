#include "engine/expr/expr.h"

/* What agg.def says. */

static const struct {
    const char *name;
    enum agg_mode mode;
} kinds[] = {
#define A(kind, mode, name, signature, doc) {name, AGG_##mode},
#include "engine/expr/agg.def"
#undef A
};

static const struct {
    const char *name;
    enum agg_kind kind;
} names[] = {
#define A(kind, mode, name, signature, doc) {name, AGG_##kind},
#define S(kind, name, signature, doc) {name, AGG_##kind},
#include "engine/expr/agg.def"
#undef A
};

enum agg_mode agg_mode(enum agg_kind k)
{
    CHECK(k < AGG_KINDS);
    return kinds[k].mode;
}

const char *agg_name(enum agg_kind k)
{
    CHECK(k < AGG_KINDS);
    return kinds[k].name;
}

bool agg_named(struct str name, enum agg_kind *out)
{
    for (unsigned i = 0; i < ARRAY_LEN(names); i++)
        if (str_eq_nocase(str_of(names[i].name), name)) {
            *out = names[i].kind == AGG_COUNT_STAR ? AGG_COUNT : names[i].kind;
            return true;
        }
    return false;
}
