#include "udf/load.h"

#include <dlfcn.h>
#include <stdio.h>

#include "log/base/alloc.h"

/* dlopen counts its own references and takes its own lock, so a handle per user is all the registry there is. */
struct udf {
    void *library;
    weir_scalar fn;
};

static int fail_library(struct diag *d, const char *library)
{
    diag_set(d, E_NOT_FOUND, "cannot load \"%s\": %s", library, dlerror());
    diag_hint(d, "give the path of a shared library as the server sees it: cc -O2 -shared -fPIC -o lib.so file.c");
    return E_NOT_FOUND;
}

static int check_abi(void *lib, const char *library, struct diag *d)
{
    const uint32_t *abi = dlsym(lib, "weir_udf_abi");
    if (!abi) {
        diag_set(d, E_SYNTAX, "\"%s\" is not a library of weir functions", library);
        diag_hint(d, "write WEIR_MODULE once in its source, after #include <weir/udf.h>");
        return E_SYNTAX;
    }
    if (*abi != WEIR_UDF_ABI) {
        diag_set(d, E_UNSUPPORTED, "\"%s\" was built for ABI %u, this server has %u", library, *abi, WEIR_UDF_ABI);
        diag_hint(d, "compile it again with this version's udf.h");
        return E_UNSUPPORTED;
    }
    return 0;
}

int udf_load(struct udf **out, const char *library, const char *symbol, struct diag *d)
{
    /* Without a slash dlopen would search the system's folders. */
    char path[4096];
    int n = snprintf(path, sizeof path, "%s%s", strchr(library, '/') ? "" : "./", library);
    if (n < 0 || (size_t)n >= sizeof path)
        return diag_set(d, E_RANGE, "the library's path is longer than %zu bytes", sizeof path - 1);
    void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!lib)
        return fail_library(d, library);
    int err = check_abi(lib, library, d);
    if (err)
        goto fail;
    void *fn = dlsym(lib, symbol);
    if (!fn) {
        err = diag_set(d, E_NOT_FOUND, "no function \"%s\" in \"%s\"", symbol, library);
        diag_hint(d, "nm -D --defined-only %s lists what it has; in C++ write extern \"C\"", library);
        goto fail;
    }
    struct udf *f = xzalloc(sizeof *f);
    f->library = lib;
    memcpy(&f->fn, &fn, sizeof fn); /* ISO C has no cast from an object pointer to a function */
    *out = f;
    return 0;
fail:
    dlclose(lib);
    return err;
}

void udf_unload(struct udf *f)
{
    if (!f)
        return;
    dlclose(f->library);
    xfree(f);
}

struct call_host {
    void *(*alloc_cb)(void *arg, size_t size);
    void (*fail_cb)(void *arg, uint32_t row, const char *text);
    void *arg;
};

static void *host_alloc(struct weir_call *call, size_t size)
{
    struct call_host *h = call->host;
    return h->alloc_cb(h->arg, size);
}

static void host_fail(struct weir_call *call, uint32_t row, const char *text)
{
    struct call_host *h = call->host;
    if (row >= call->n)
        return;
    weir_set_null(&call->result, row);
    h->fail_cb(h->arg, row, text ? text : "the function gave no reason");
}

void udf_call(const struct udf *f, uint32_t n, const struct weir_column *args, uint32_t nargs, struct weir_column *result,
              void *(*alloc_cb)(void *arg, size_t size), void (*fail_cb)(void *arg, uint32_t row, const char *text),
              void *arg)
{
    struct call_host host = {alloc_cb, fail_cb, arg};
    struct weir_call call = {.abi = WEIR_UDF_ABI, .n = n, .nargs = nargs, .args = args, .result = *result,
                             .alloc = host_alloc, .fail = host_fail, .host = &host};
    f->fn(&call);
    /* A body may change bits and values, never the column itself. */
    CHECK(call.result.data == result->data && call.result.valid == result->valid);
}
