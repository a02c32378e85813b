/* A compiled program: flat steps over registers (columns) and scopes (selections). Private to engine/expr.
 *
 * Scope 0 is the batch's selection; every other one is a subset of its parent, so that a branch of CASE, or the right
 * side of AND, is computed only for the rows that need it. A register computed in a scope may be used in that scope and
 * in those below it. */
#ifndef EXPR_PROG_H
#define EXPR_PROG_H
#include "engine/expr/kernel.h"

enum step_op {
    STEP_CALL,  /* out = kernel(args) */
    STEP_SCOPE, /* scope out = rows of scope whose args[0] is as mode says */
    STEP_CASE,  /* args: scope, register, scope, register, ...: each row from the register of its scope */
    STEP_AND,   /* args: left, right, scope where right was computed */
    STEP_OR,
};
enum scope_mode { ROWS_TRUE, ROWS_NOT_TRUE, ROWS_NOT_FALSE };
struct step {
    enum step_op op;
    enum scope_mode mode;
    unsigned scope, out, nargs;
    unsigned *args;
    struct type type; /* of the result */
    kernel_fn kernel;
    bool strict, shared; /* shared: an equal step may stand for it */
    bool function;       /* a C function */
    uint8_t watched;     /* enum watch */
    void *aux;
    struct lambdas *lambdas; /* = aux, of a function with lambdas */
    struct cached cache[2];
};
enum reg_kind { REG_COLUMN, REG_CONST, REG_STEP };
struct reg {
    enum reg_kind kind;
    unsigned column, scope;
    struct value value; /* REG_CONST */
    struct vec vec;
    bool is_root;
    void *room; /* REG_STEP but roots: memory kept from batch to batch */
    size_t room_size;
};
struct scope {
    unsigned parent;
    const uint32_t *sel;
    uint32_t nsel;
};
struct prog {
    struct arena arena;
    unsigned nsteps, steps_cap, nregs, regs_cap, nscopes, scopes_cap, nroots;
    struct step *steps;
    struct reg *regs;
    struct scope *scopes;
    unsigned *roots;
    bool is_volatile;
    struct expr_context *ctx;
    struct udf_step *udfs; /* loaded, to be unloaded with the program */
    struct lambdas *lambdas;
};

/* Runs one step; registers and scopes it uses are ready. */
void step_run(struct prog *p, struct step *st, struct batch *in, struct expr_errors *errors);
/* Makes constants ready for a batch: long texts become one of its buffers. */
void prog_bind_consts(struct prog *p, struct batch *in);
/* The value in the first row of a register. */
struct value reg_value(const struct reg *reg, const struct batch *b);

/* A C function (call_udf.c): loads it and makes its kernel's aux. */
int udf_step_new(struct prog *p, const struct expr *e, struct step *st, struct diag *d);
void udf_steps_free(struct prog *p);

/* lambda.c. Makes l of an EX_LAMBDA; what the body takes from around it is given as expressions over p's input. */
int lambda_compile(struct prog *p, struct lambda *l, const struct expr *e, struct arena *nodes, const struct expr ***captured,
                   unsigned *ncaptured, struct diag *d);
void lambdas_free(struct lambdas *ls);
bool lambdas_watch(struct lambdas *ls);
#endif
