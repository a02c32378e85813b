/* The live view of a push query on a terminal: drawn inline below the statement, at most ten times a second, changed
 * lines only; its last frame stays in the scrollback. Rows that may be retracted are a table that changes in place;
 * rows that only come scroll by above a status line. Private to sql/shell. */
#ifndef SHELL_LIVE_H
#define SHELL_LIVE_H
#include "sql/shell/render.h"

struct live;
/* Borrows screen, whose size it follows. */
struct live *live_new(struct screen *screen, const struct answer *columns, int64_t now_us);
void live_rows(struct live *l, const struct answer *rows, int64_t now_us);
void live_progress(struct live *l, const struct answer *progress);
/* The user wants to see the plan, which is not known yet: it is to be given. */
bool live_wants_plan(const struct live *l);
void live_plan(struct live *l, struct str text);
/* A key was pressed; true: the user wants to leave. */
bool live_key(struct live *l, char key);
/* Repaints if something changed and 100 ms have passed; gives ms until it wants to be called again. */
int live_paint(struct live *l, int64_t now_us, int64_t wall_ms);
/* Last frame, summary line; frees. */
void live_end(struct live *l, int64_t now_us);

#endif
