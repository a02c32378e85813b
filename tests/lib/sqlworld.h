/* SQL without a server: statements prepared against an image in memory, changes applied to it. For tests of sql/. */
#ifndef TEST_SQLWORLD_H
#define TEST_SQLWORLD_H
#include "log/base/config.h"
#include "log/base/random.h"
#include "sql/plan/plan.h"

struct sqlworld {
    struct config conf;
    struct image *image;
    struct settings props, vars;
    struct random random;
    struct arena arena; /* of the last statement */
    struct diag diag;
    struct prepared last;
};
void sqlworld_init(struct sqlworld *w);
void sqlworld_fini(struct sqlworld *w);
/* Prepares one statement and carries out what needs no server: changes, settings. 0, or E_SQL with w->diag. */
int sqlworld_run(struct sqlworld *w, struct str sql);
/* What a person would see of the last statement: message, rows, plan of a query, records, or the error. */
void sqlworld_show(struct sqlworld *w, int err, struct str sql, struct wbuf *out);

#endif
