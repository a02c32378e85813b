#include "engine/vec/vec.h"
#include "log/base/map.h"

/* What nested types consist of. Types travel by value through everything that has columns, so a shape must outlive all
 * of them; and types are compared often. Both are had by keeping each shape once, for ever: a table that only grows,
 * the one global in this room, and nobody can tell it from a pure function. It is as large as the different types that
 * anybody wrote. Readers walk a bucket's list without a lock; who adds puts its node in front by compare-and-swap, and
 * looks again if another was quicker. The rejected alternative, shapes in the arena of a plan or statement, needs a
 * copy at every border of an owner. */

#define BUCKETS 1024

struct node {
    struct node *next;
    uint64_t hash;
    uint8_t id;
    struct type_shape shape;
};
static struct node *_Atomic buckets[BUCKETS];

static uint64_t hash_of(uint8_t id, const struct type_field *fields, unsigned n)
{
    uint64_t h = id;
    for (unsigned i = 0; i < n; i++) {
        struct type t = fields[i].type;
        uint64_t part[2] = {(uint64_t)t.id << 16 | (uint64_t)t.precision << 8 | t.scale, (uintptr_t)t.of};
        h = hash_bytes(fields[i].name, strlen(fields[i].name), h);
        h = hash_bytes(part, sizeof part, h);
    }
    return h;
}

static bool is_shape(const struct node *node, uint8_t id, const struct type_field *fields, unsigned n)
{
    if (node->id != id || node->shape.n != n)
        return false;
    for (unsigned i = 0; i < n; i++)
        if (!type_eq(node->shape.fields[i].type, fields[i].type) || strcmp(node->shape.fields[i].name, fields[i].name) != 0)
            return false;
    return true;
}

static const struct type_shape *find(struct node *from, const struct node *end, uint64_t hash, uint8_t id,
                                     const struct type_field *fields, unsigned n)
{
    for (struct node *at = from; at != end; at = at->next)
        if (at->hash == hash && is_shape(at, id, fields, n))
            return &at->shape;
    return NULL;
}

static struct node *node_new(uint8_t id, const struct type_field *fields, unsigned n)
{
    struct node *node = xzalloc(sizeof *node + n * sizeof *fields);
    node->id = id;
    node->shape.n = n;
    for (unsigned i = 0; i < n; i++)
        node->shape.fields[i] = (struct type_field){xstrdup(fields[i].name), fields[i].type};
    return node;
}

static void node_free(struct node *node)
{
    for (unsigned i = 0; i < node->shape.n; i++)
        free((char *)(uintptr_t)node->shape.fields[i].name);
    xfree(node);
}

static struct type shaped(uint8_t id, const struct type_field *fields, unsigned n)
{
    uint64_t hash = hash_of(id, fields, n);
    struct node *_Atomic *bucket = &buckets[hash % BUCKETS];
    struct node *head = atomic_load(bucket);
    const struct type_shape *shape = find(head, NULL, hash, id, fields, n);
    if (!shape) {
        struct node *node = node_new(id, fields, n);
        node->hash = hash;
        node->next = head;
        shape = &node->shape;
        while (!atomic_compare_exchange_strong(bucket, &head, node)) {
            const struct type_shape *other = find(head, node->next, hash, id, fields, n);
            if (other) {
                node_free(node);
                shape = other;
                break;
            }
            node->next = head;
        }
    }
    return (struct type){.id = id, .of = shape};
}

struct type type_array(struct type element)
{
    struct type_field f = {"", element};
    return shaped(T_ARRAY, &f, 1);
}

struct type type_map(struct type value)
{
    struct type_field f[2] = {{"", TYPE(T_VARCHAR)}, {"", value}};
    return shaped(T_MAP, f, 2);
}

bool type_struct_names(const struct type_field *fields, unsigned n)
{
    struct map names;
    bool differ = true;
    map_init(&names);
    for (unsigned i = 0; i < n && differ; i++)
        differ = !map_put(&names, str_of(fields[i].name), (void *)(uintptr_t)1);
    map_fini(&names);
    return differ;
}

struct type type_struct(const struct type_field *fields, unsigned n)
{
    CHECK(n > 0 && type_struct_names(fields, n));
    return shaped(T_STRUCT, fields, n);
}

struct type type_lambda(const struct type *params, unsigned n, struct type result)
{
    struct type_field *f = xzalloc((n + 1) * sizeof *f);
    for (unsigned i = 0; i <= n; i++)
        f[i] = (struct type_field){"", i < n ? params[i] : result};
    struct type t = shaped(T_LAMBDA, f, n + 1);
    xfree(f);
    return t;
}
