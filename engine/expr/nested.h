/* What the functions on nested values share. Private to engine/expr. */
#ifndef EXPR_NESTED_H
#define EXPR_NESTED_H
#include "engine/expr/kernel.h"
#include "log/base/map.h"

#define PARTS_MAX (64u << 20) /* bytes of a result */

/* A part of argument `arg` of row r as the result; its text stays in the argument's buffer where it can. */
void out_part(struct call *c, uint32_t r, unsigned arg, const struct value *v);
void out_parts(struct call *c, uint32_t r, const struct wbuf *w); /* a whole nested value, or a text */
void put_text_part(struct wbuf *out, struct str s);
struct nested arg_nested(const struct call *c, unsigned i, uint32_t r);
#endif
