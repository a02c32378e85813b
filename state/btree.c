#include "log/base/limits.h"
#include "state/kv.h"

/* The ordered index: a B+tree. Leaves hold pointers to pairs and are chained both ways; inner nodes hold children and a
 * copy of the key that separates each child from the one before it. The bytes that all keys of a node begin with stand
 * in it once, and beside every key the eight bytes behind them as a number, so that most comparisons touch no other memory:
 * keys of state begin alike for a long way (the number of a store, a group's columns). A node is freed when it is empty and
 * never merged before: state that shrinks usually grows again, and splits keep nodes half full. */

enum { SHARED_MAX = 48 };
struct btree_node {
    bool leaf;
    uint8_t nshared; /* what all its keys (inner: of low) begin with; not more than that, but perhaps less than they could */
    uint16_t n;
    struct btree_node *prev, *next; /* leaves */
    char shared[SHARED_MAX];
    uint64_t head[BTREE_FAN];       /* the eight bytes of the key behind those; inner: of low[i]; [0] is not used there */
    union {
        struct pair *pair[BTREE_FAN];
        struct btree_node *child[BTREE_FAN];
    };
    struct pair *low[]; /* inner: least key of child i, a pair without value; [0] NULL: whatever is less than low[1] */
};
/* A split leaves two halves of at least two, so depth grows with the logarithm of the number of insertions. */
enum { DEPTH = 48 };
static_assert(BTREE_FAN >= 4, "both halves of a split node must have a separator to give away");

struct path {
    struct btree_node *node[DEPTH];
    unsigned at[DEPTH];
    unsigned depth;
};

static size_t node_size(bool leaf) { return sizeof(struct btree_node) + (leaf ? 0 : BTREE_FAN * sizeof(struct pair *)); }

static struct btree_node *node_new(struct btree *t, bool leaf)
{
    struct btree_node *n = xalloc(node_size(leaf));
    n->leaf = leaf;
    n->nshared = 0;
    n->n = 0;
    n->prev = n->next = NULL;
    account_add(t->account, node_size(leaf));
    return n;
}

static void node_free(struct btree *t, struct btree_node *n)
{
    account_sub(t->account, node_size(n->leaf));
    xfree(n);
}

/* The eight bytes of a key, which is so long at least, behind n. */
static uint64_t head_of(struct str key, unsigned n)
{
    if (LIKELY(key.len - n >= 8))
        return be64(key.ptr + n);
    uint8_t b[8] = {0};
    memcpy(b, key.ptr + n, key.len - n);
    return be64(b);
}

static struct str node_key(const struct btree_node *n, unsigned i) { return pair_key(n->leaf ? n->pair[i] : n->low[i]); }
static unsigned node_first(const struct btree_node *n) { return !n->leaf; }

static unsigned same_bytes(struct str a, struct str b)
{
    size_t n = MIN(MIN(a.len, b.len), (size_t)SHARED_MAX), i = 0;
    while (i < n && a.ptr[i] == b.ptr[i])
        i++;
    return (unsigned)i;
}

/* What the keys of a node begin with has become more or less. */
static void node_share(struct btree_node *n, unsigned nshared)
{
    unsigned first = node_first(n);
    if (nshared == n->nshared || n->n == first)
        return;
    n->nshared = (uint8_t)nshared;
    memcpy(n->shared, node_key(n, first).ptr, nshared);
    for (unsigned i = first; i < n->n; i++)
        n->head[i] = head_of(node_key(n, i), nshared);
}

/* The node has been split: its keys may begin alike for longer now. */
static void node_share_more(struct btree_node *n)
{
    unsigned first = node_first(n);
    if (n->n > first)
        node_share(n, same_bytes(node_key(n, first), node_key(n, n->n - 1u)));
}

/* Before a key comes in that begins otherwise. */
static void node_share_less(struct btree_node *n, struct str key)
{
    unsigned same = same_bytes((struct str){n->shared, n->nshared}, key);
    if (same < n->nshared)
        node_share(n, same);
    n->nshared = (uint8_t)MIN(n->nshared, same); /* of an empty node, too */
}

/* Index of the first key in a node that is not less than key, from index `from` on; an exact hit sets *hit. */
static unsigned node_search(const struct btree_node *n, unsigned from, struct str key, bool *hit)
{
    unsigned lo = from, hi = n->n;
    *hit = false;
    if (n->nshared) {
        int cmp = memcmp(key.ptr, n->shared, MIN(key.len, (size_t)n->nshared));
        if (cmp || key.len < n->nshared)
            return cmp > 0 ? hi : lo;
    }
    uint64_t head = head_of(key, n->nshared);
    while (lo < hi) {
        unsigned mid = (lo + hi) / 2;
        int cmp = n->head[mid] < head ? -1 : n->head[mid] > head;
        if (cmp == 0)
            cmp = str_cmp(node_key(n, mid), key);
        if (cmp < 0) {
            lo = mid + 1;
        } else {
            hi = mid;
            *hit |= cmp == 0;
        }
    }
    return lo;
}

/* Down to the leaf where key belongs. */
static struct btree_node *descend(const struct btree *t, struct str key, struct path *path)
{
    struct btree_node *n = t->root;
    path->depth = 0;
    while (n && !n->leaf) {
        bool hit;
        unsigned i = node_search(n, 1, key, &hit);
        i -= !hit; /* the last child whose least key is not above key */
        CHECK(path->depth < DEPTH);
        path->node[path->depth] = n;
        path->at[path->depth++] = i;
        n = n->child[i];
    }
    return n;
}

struct pair *btree_pair(struct btree_at at) { return at.node ? at.node->pair[at.index] : NULL; }

static struct btree_at at_of(struct btree_node *leaf, unsigned index)
{
    if (leaf && index >= leaf->n)
        return (struct btree_at){leaf->next, 0};
    return (struct btree_at){leaf, index};
}

struct btree_at btree_next(struct btree_at at) { return at_of(at.node, at.index + 1); }

struct btree_at btree_seek(const struct btree *t, struct str key)
{
    struct path path;
    bool hit;
    struct btree_node *leaf = descend(t, key, &path);
    return leaf ? at_of(leaf, node_search(leaf, 0, key, &hit)) : (struct btree_at){NULL, 0};
}

struct btree_at btree_end(const struct btree *t)
{
    (void)t;
    return (struct btree_at){NULL, 0};
}

struct btree_at btree_back(const struct btree *t, struct btree_at at)
{
    if (at.node && at.index > 0)
        return (struct btree_at){at.node, at.index - 1};
    struct btree_node *leaf;
    if (at.node) {
        leaf = at.node->prev;
    } else {
        for (leaf = t->root; leaf && !leaf->leaf;)
            leaf = leaf->child[leaf->n - 1];
    }
    return leaf ? (struct btree_at){leaf, leaf->n - 1u} : (struct btree_at){NULL, 0};
}

struct pair *btree_get(const struct btree *t, struct str key)
{
    struct path path;
    bool hit;
    struct btree_node *leaf = descend(t, key, &path);
    if (!leaf)
        return NULL;
    unsigned i = node_search(leaf, 0, key, &hit);
    return hit ? leaf->pair[i] : NULL;
}

/* ---- Growing. */

static struct pair *low_new(struct btree *t, struct str key)
{
    struct pair *p = xalloc(sizeof *p + key.len);
    *p = (struct pair){.key_len = (uint32_t)key.len, .cap = (uint32_t)key.len & INT32_MAX};
    memcpy(p->bytes, key.ptr, key.len);
    account_add(t->account, sizeof *p + key.len);
    return p;
}

static void low_free(struct btree *t, struct pair *p)
{
    if (!p)
        return;
    account_sub(t->account, sizeof *p + p->cap);
    xfree(p);
}

static void node_open(struct btree_node *n, unsigned at)
{
    size_t rest = n->n - at;
    memmove(&n->head[at + 1], &n->head[at], rest * sizeof n->head[0]);
    memmove(&n->pair[at + 1], &n->pair[at], rest * sizeof n->pair[0]);
    if (!n->leaf)
        memmove(&n->low[at + 1], &n->low[at], rest * sizeof n->low[0]);
    n->n++;
}

static void node_close(struct btree_node *n, unsigned at)
{
    n->n--;
    size_t rest = n->n - at;
    memmove(&n->head[at], &n->head[at + 1], rest * sizeof n->head[0]);
    memmove(&n->pair[at], &n->pair[at + 1], rest * sizeof n->pair[0]);
    if (!n->leaf)
        memmove(&n->low[at], &n->low[at + 1], rest * sizeof n->low[0]);
}

/* The upper half of a full node as a new one. Appending at the very end keeps the old one full: keys often ascend. */
static struct btree_node *node_split(struct btree *t, struct btree_node *n, bool ascending)
{
    unsigned keep = ascending ? BTREE_FAN - 2 : BTREE_FAN / 2;
    struct btree_node *right = node_new(t, n->leaf);
    right->n = (uint16_t)(n->n - keep);
    n->n = (uint16_t)keep;
    right->nshared = n->nshared;
    memcpy(right->shared, n->shared, n->nshared);
    memcpy(right->head, &n->head[keep], right->n * sizeof n->head[0]);
    memcpy(right->pair, &n->pair[keep], right->n * sizeof n->pair[0]);
    if (!n->leaf)
        memcpy(right->low, &n->low[keep], right->n * sizeof n->low[0]);
    node_share_more(n);
    node_share_more(right);
    if (!n->leaf)
        return right;
    right->prev = n;
    right->next = n->next;
    if (n->next)
        n->next->prev = right;
    n->next = right;
    return right;
}

static void child_add(struct btree_node *n, unsigned at, struct btree_node *child, struct pair *low)
{
    node_share_less(n, pair_key(low));
    node_open(n, at);
    n->head[at] = head_of(pair_key(low), n->nshared);
    n->low[at] = low;
    n->child[at] = child;
}

/* Puts `right`, whose least key is low (owned), after its sibling, the child at the path's last place. */
static void parent_add(struct btree *t, struct path *path, struct btree_node *right, struct pair *low)
{
    if (path->depth == 0) {
        struct btree_node *root = node_new(t, false);
        root->n = 2;
        root->head[0] = 0;
        root->low[0] = NULL;
        root->child[0] = t->root;
        root->head[1] = head_of(pair_key(low), 0);
        root->low[1] = low;
        root->child[1] = right;
        t->root = root;
        return;
    }
    struct btree_node *n = path->node[--path->depth];
    unsigned at = path->at[path->depth] + 1;
    struct btree_node *up = NULL;
    if (n->n == BTREE_FAN) {
        up = node_split(t, n, at == BTREE_FAN);
        if (at > n->n) {
            at -= n->n;
            struct pair *up_low = up->low[0]; /* moves up: the least key of the new node */
            up->low[0] = NULL;
            child_add(up, at, right, low);
            parent_add(t, path, up, up_low);
            return;
        }
    }
    child_add(n, at, right, low);
    if (up) {
        struct pair *up_low = up->low[0];
        up->low[0] = NULL;
        parent_add(t, path, up, up_low);
    }
}

struct pair **btree_put(struct btree *t, struct str key, bool *added)
{
    struct path path;
    bool hit;
    if (!t->root)
        t->root = node_new(t, true);
    struct btree_node *leaf = descend(t, key, &path);
    unsigned at = node_search(leaf, 0, key, &hit);
    *added = !hit;
    if (hit)
        return &leaf->pair[at];
    if (leaf->n == BTREE_FAN) {
        struct btree_node *right = node_split(t, leaf, at == BTREE_FAN && !leaf->next);
        bool goes_right = at > leaf->n;
        /* The new pair is not there yet; if it becomes the first of the right node, that node's old first key would
         * still be a wrong separator, so it goes left then: at == leaf->n. */
        parent_add(t, &path, right, low_new(t, pair_key(right->pair[0])));
        if (goes_right) {
            at -= leaf->n;
            leaf = right;
        }
    }
    node_share_less(leaf, key);
    node_open(leaf, at);
    leaf->head[at] = head_of(key, leaf->nshared);
    return &leaf->pair[at];
}

/* ---- Shrinking. */

static void leaf_unlink(struct btree_node *leaf)
{
    if (leaf->prev)
        leaf->prev->next = leaf->next;
    if (leaf->next)
        leaf->next->prev = leaf->prev;
}

/* The child at the path's last place is gone: takes it out of its parent, and empty parents with it. */
static void parent_remove(struct btree *t, struct path *path)
{
    while (path->depth > 0) {
        struct btree_node *n = path->node[--path->depth];
        unsigned at = path->at[path->depth];
        low_free(t, n->low[at]);
        node_close(n, at);
        if (n->n > 0 && at == 0) {
            low_free(t, n->low[0]);
            n->low[0] = NULL;
        }
        if (n->n > 0)
            break;
        node_free(t, n);
        if (path->depth == 0)
            t->root = NULL;
    }
    while (t->root && !t->root->leaf && t->root->n == 1) {
        struct btree_node *only = t->root->child[0];
        node_free(t, t->root);
        t->root = only;
    }
}

struct pair *btree_remove(struct btree *t, struct str key)
{
    struct path path;
    bool hit;
    struct btree_node *leaf = descend(t, key, &path);
    if (!leaf)
        return NULL;
    unsigned at = node_search(leaf, 0, key, &hit);
    if (!hit)
        return NULL;
    struct pair *p = leaf->pair[at];
    node_close(leaf, at);
    if (leaf->n == 0) {
        leaf_unlink(leaf);
        if (path.depth == 0)
            t->root = NULL;
        node_free(t, leaf);
        parent_remove(t, &path);
    }
    return p;
}

static void node_free_all(struct btree *t, struct btree_node *n, unsigned depth)
{
    CHECK(depth < DEPTH);
    for (unsigned i = 0; !n->leaf && i < n->n; i++) {
        low_free(t, n->low[i]);
        node_free_all(t, n->child[i], depth + 1);
    }
    node_free(t, n);
}

void btree_fini(struct btree *t)
{
    if (t->root)
        node_free_all(t, t->root, 0);
    t->root = NULL;
}

void btree_check(const struct btree *t)
{
    const struct pair *before = NULL;
    struct btree_at at = btree_seek(t, STR(""));
    for (struct pair *p; (p = btree_pair(at)) != NULL; at = btree_next(at)) {
        CHECK(at.node->leaf && at.node->n <= BTREE_FAN);
        CHECK(at.node->nshared <= p->key_len && memcmp(p->bytes, at.node->shared, at.node->nshared) == 0);
        CHECK(at.node->head[at.index] == head_of(pair_key(p), at.node->nshared));
        CHECK(!before || str_cmp(pair_key(before), pair_key(p)) < 0);
        CHECK(btree_get(t, pair_key(p)) == p);
        before = p;
    }
}
