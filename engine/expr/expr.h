/* Computing columns: typed expression trees, compiled to flat steps that run a column at a time; the one table of SQL
 * functions (func.def) with their kernels; casts.
 *
 * NULL logic is standard SQL's. A value that cannot be computed (division by zero, failed cast, overflow) is NULL, and
 * the error is counted with its first text (expr_errors). Trees are built by the binder in an arena and are read only. */
#ifndef EXPR_EXPR_H
#define EXPR_EXPR_H
#include "engine/vec/vec.h"
#include "log/base/err.h"
#include "log/base/pack.h"

enum expr_kind {
    EX_COLUMN, /* input column `column` */
    EX_CONST,  /* value */
    EX_CALL,   /* func (an index of func.def) over args */
    EX_CAST,   /* args[0] to type; failing gives NULL */
    EX_CASE,   /* args: when1, then1, when2, then2, ..., else (always there) ; conditions BOOLEAN */
    EX_AND, EX_OR, EX_NOT,
    EX_IS_NULL, /* and NOT of it */
    EX_IN,      /* args[0] in args[1..] */
    EX_UDF      /* udf over args */
};
struct udf_ref { /* what a plan keeps of a C function */
    const char *name, *library, *symbol;
};
struct expr {
    enum expr_kind kind;
    struct type type;
    unsigned nargs;
    const struct expr *const *args;
    unsigned column;
    struct value value;
    unsigned func;
    struct udf_ref udf;
};

/* ---- The table of functions. Operators are functions too: "+", "=", "LIKE", "||", ... */
struct func_info {
    const char *name;      /* upper case */
    const char *signature; /* for people: "SUBSTRING(VARCHAR, INT[, INT]) -> VARCHAR" */
    const char *doc;
    bool is_volatile;      /* NOW, RANDOM, UUID: not the same twice */
};
unsigned func_count(void);
const struct func_info *func_info(unsigned func);
/* Finds the overload for these argument types; *casts gives the types the arguments must be cast to (implicit widening
 * INT -> BIGINT -> DECIMAL -> DOUBLE, NULL to anything). Errors name the function, its signatures, did-you-mean. */
int func_resolve(struct str name, const struct type *args, unsigned nargs, unsigned *func, struct type *casts,
                 struct type *result, struct diag *d);
bool func_exists(struct str name);
/* Common type of two for comparison, CASE, COALESCE, IN; false if there is none. */
bool type_common(struct type a, struct type b, struct type *out);
bool type_can_cast(struct type from, struct type to);

/* ---- Compiling and running. */
struct prog;
struct expr_errors {
    uint64_t count;
    char first[160];
};
/* Compiles several roots that share subexpressions. UDF libraries are loaded here (through udf.h's registry); errors in d. */
int prog_compile(struct prog **out, const struct expr *const *roots, unsigned nroots, const struct schema *in,
                 struct diag *d) MUST_USE;
void prog_free(struct prog *p);
/* Evaluates over the selected rows of in; out[i] gets root i's column (n rows, only selected ones defined), memory from
 * in->arena; string results may add buffers to `strings` (the batch that will hold the results; may be in). */
void prog_eval(struct prog *p, struct batch *in, struct vec *out, struct batch *strings, struct expr_errors *errors);
/* For a single BOOLEAN root: the selected rows where it is true, as a new selection in in->arena; gives their count. */
uint32_t prog_filter(struct prog *p, struct batch *in, uint32_t **sel, struct expr_errors *errors);
/* Constant folding of an expression without columns: for INSERT VALUES and LIMIT. */
int expr_const(const struct expr *e, struct value *out, struct arena *a, struct diag *d);
/* As SQL text, for EXPLAIN; column names from in. */
void expr_print(const struct expr *e, const struct schema *in, struct wbuf *out);
void expr_pack(const struct expr *e, struct wbuf *out);
const struct expr *expr_unpack(struct unpack *u, struct arena *a); /* NULL: malformed; u->r.err says so */
/* Kernel of EX_CAST for one value; false: cannot. */
bool value_cast(const struct value *v, struct type to, struct value *out, struct arena *a);

#endif
