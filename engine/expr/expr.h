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
#include "log/base/random.h"

enum expr_kind {
    EX_COLUMN, /* input column `column` */
    EX_CONST,  /* value */
    EX_CALL,   /* func (an index of func.def) over args */
    EX_CAST,   /* args[0] to type; failing gives NULL */
    EX_CASE,   /* args: when1, then1, when2, then2, ..., else (always there) ; conditions BOOLEAN */
    EX_AND, EX_OR, EX_NOT,
    EX_IS_NULL, /* and NOT of it */
    EX_IN,      /* args[0] in args[1..] */
    EX_UDF,     /* udf over args */
    EX_MAKE,    /* an ARRAY of args, a MAP of key, value, ..., a STRUCT of its fields; each of the part's type */
    EX_FIELD,   /* of the STRUCT args[0] the field number `column` */
    EX_LAMBDA,  /* only as an argument: args[0], where its parameters are EX_PARAM number `column` and those that follow */
    EX_PARAM    /* parameter number `column` of a lambda around it */
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
enum func_kind { FUNC_OPERATOR, FUNC_SCALAR, FUNC_AGGREGATE };
struct func_info {
    const char *name;      /* upper case */
    const char *signature; /* for people: "SUBSTRING(VARCHAR, INT[, INT]) -> VARCHAR" */
    const char *doc;
    bool is_volatile;      /* NOW, RANDOM, UUID: not the same twice */
    enum func_kind kind;   /* aggregates are listed for SHOW FUNCTIONS; func_resolve does not know them */
};
unsigned func_count(void); /* overloads; those of one name stand together */
const struct func_info *func_info(unsigned func);
/* Finds the overload for these argument types; *casts gives the types the arguments must be cast to (implicit widening
 * INT -> BIGINT -> DECIMAL -> DOUBLE, NULL to anything). Errors name the function, its signatures, did-you-mean. */
int func_resolve(struct str name, const struct type *args, unsigned nargs, unsigned *func, struct type *casts,
                 struct type *result, struct diag *d);
bool func_exists(struct str name); /* operators and scalar functions */
/* Aggregate functions (agg.def); the engine's operators compute them. */
enum agg_kind {
#define A(kind, mode, name, signature, doc) AGG_##kind,
#include "engine/expr/agg.def"
#undef A
    AGG_KINDS
};
enum agg_mode { AGG_UNDO, AGG_BEST, AGG_VALUES };
enum agg_mode agg_mode(enum agg_kind k);
const char *agg_name(enum agg_kind k);
bool agg_named(struct str name, enum agg_kind *out); /* COUNT is AGG_COUNT; false: no aggregate is called so */
/* Common type of two for comparison, CASE, COALESCE, IN; false if there is none. */
bool type_common(struct type a, struct type b, struct type *out);
bool type_can_cast(struct type from, struct type to);
bool type_is_known(struct type t); /* no NULL in it */

/* ---- Compiling and running. */
#define EXPR_DEPTH 250 /* nesting that is compiled, packed and printed: these recurse */
struct prog;
struct expr_bad_row {
    uint32_t row;
    bool function;    /* a C function said so */
    const char *text; /* in arena */
};
struct expr_bad { /* rows that a watched step could not compute, some perhaps more than once */
    struct arena *arena;
    unsigned n, cap;
    struct expr_bad_row *rows;
};
struct expr_errors {
    uint64_t count;
    char first[160];
    struct expr_bad *bad; /* NULL: nobody wants to know which */
};
/* Where volatile functions get time and chance; its owner sets now_ms before an evaluation. Within one evaluation NOW is
 * one value; RANDOM and UUID draw once per row. */
struct expr_context {
    int64_t now_ms;
    struct random random;
};
/* Compiles several roots that share subexpressions. UDF libraries are loaded here (through udf.h's registry); errors in d. */
int prog_compile(struct prog **out, const struct expr *const *roots, unsigned nroots, const struct schema *in,
                 struct diag *d) MUST_USE;
void prog_free(struct prog *p);
bool prog_is_volatile(const struct prog *p);
/* From now on errors of C functions, and of whatever feeds the marked roots (NULL: none are), are told by row in
 * errors->bad. False: there is nothing to watch. */
bool prog_watch(struct prog *p, const bool *roots);
/* Borrowed as long as p lives. Without a context volatile functions give NULL and an error. */
void prog_set_context(struct prog *p, struct expr_context *ctx);
/* Evaluates over the selected rows of in; out[i] gets root i's column (n rows, only selected ones defined), memory from
 * in->arena; string results may add buffers to `strings` (the batch that will hold the results; may be in). */
void prog_eval(struct prog *p, struct batch *in, struct vec *out, struct batch *strings, struct expr_errors *errors);
/* For a single BOOLEAN root: the selected rows where it is true, as a new selection in in->arena; gives their count. */
uint32_t prog_filter(struct prog *p, struct batch *in, uint32_t **sel, struct expr_errors *errors);
/* Constant folding of an expression without columns: for INSERT VALUES and LIMIT. ctx NULL: volatile functions are refused. */
int expr_const_in(const struct expr *e, struct expr_context *ctx, struct value *out, struct arena *a, struct diag *d);
static inline int expr_const(const struct expr *e, struct value *out, struct arena *a, struct diag *d)
{
    return expr_const_in(e, NULL, out, a, d);
}
/* As SQL text, for EXPLAIN; column names from in. */
void expr_print(const struct expr *e, const struct schema *in, struct wbuf *out);
void expr_pack(const struct expr *e, struct wbuf *out);
const struct expr *expr_unpack(struct unpack *u, struct arena *a); /* NULL: malformed; u->r.err says so */
/* Kernel of EX_CAST for one value; false: cannot. */
bool value_cast(const struct value *v, struct type to, struct value *out, struct arena *a);

/* ---- Sums of DOUBLE that do not depend on order and can be taken back: the exact sum of what was added less what was
 * removed, rounded once when asked for. */
#define EXACT_LIMBS 36 /* 2098 bits from the least to the largest double, 64 for as many additions, and a sign */
struct exactsum {
    uint16_t first, n;            /* limbs first .. first + n - 1 are kept; above them is the sign, below zeros */
    uint64_t limbs[EXACT_LIMBS];  /* two's complement in units of 2^-1074; limbs[0] weighs 2^(64 first) units */
    int64_t nans, infs, neg_infs; /* how many of each are in */
};
void exact_init(struct exactsum *s); /* zero; the struct may be copied, and needs no end */
void exact_add(struct exactsum *s, double v);
void exact_remove(struct exactsum *s, double v);
void exact_merge(struct exactsum *s, const struct exactsum *other);
double exact_value(const struct exactsum *s); /* correctly rounded */
void exact_pack(const struct exactsum *s, struct wbuf *out); /* the same sum gives the same bytes */
bool exact_unpack(struct exactsum *s, struct unpack *u);     /* s initialised; false: malformed */

#endif
