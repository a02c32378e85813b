/* Loading a C function from a shared library. The engine's side of udf.h. Any thread; a handle may be called on several
 * at once. */
#ifndef UDF_LOAD_H
#define UDF_LOAD_H
#include "log/base/err.h"
#include "udf/udf.h"

struct udf;
/* Opens `library` (a path; one without a slash is looked up in the working directory, never in the system's folders)
 * and finds `symbol`. The sentence in d says what is wrong: no such file, not a library, built without WEIR_MODULE or
 * for another ABI, no such symbol. The library stays loaded until udf_unload of its last handle. */
int udf_load(struct udf **out, const char *library, const char *symbol, struct diag *d);
void udf_unload(struct udf *f); /* NULL is fine */

/* Calls f over n rows. args and result as in udf.h: result.valid already has NULL where an argument is NULL. alloc_cb
 * and fail_cb get arg. */
void udf_call(const struct udf *f, uint32_t n, const struct weir_column *args, uint32_t nargs, struct weir_column *result,
              void *(*alloc_cb)(void *arg, size_t size), void (*fail_cb)(void *arg, uint32_t row, const char *text),
              void *arg);

#endif
