/* Intrusive doubly linked list; a list head is a node. No allocation. */
#ifndef BASE_LIST_H
#define BASE_LIST_H
#include "log/base/base.h"

struct list {
    struct list *next, *prev;
};
static inline void list_init(struct list *l) { l->next = l->prev = l; }
static inline bool list_empty(const struct list *l) { return l->next == l; }
static inline void list_add_tail(struct list *head, struct list *n)
{
    n->prev = head->prev;
    n->next = head;
    head->prev->next = n;
    head->prev = n;
}
static inline void list_add_head(struct list *head, struct list *n) { list_add_tail(head->next, n); }
/* Unlinks n and leaves it an empty list, so that removing twice is harmless. */
static inline void list_remove(struct list *n)
{
    n->prev->next = n->next;
    n->next->prev = n->prev;
    list_init(n);
}
static inline struct list *list_pop(struct list *head) /* NULL if empty */
{
    if (list_empty(head))
        return NULL;
    struct list *n = head->next;
    list_remove(n);
    return n;
}
#define LIST_EACH(it, head) for (struct list *it = (head)->next; it != (head); it = it->next)
#define LIST_EACH_SAFE(it, head)                                                                    \
    for (struct list *it = (head)->next, *it##_next = it->next; it != (head);                       \
         it = it##_next, it##_next = it->next)

#endif
