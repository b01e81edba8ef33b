#include "disk/vddk_library.h"

#include "base/array.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "disk/vddk_abi.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_BYTES = VIX_MIN_CHUNK * VIX_SECTOR, /* 64 KiB */
    MAX_SAID = 512,                           /* bytes of the library's words in an error */
    MAX_MESSAGE = 4096,
};

/* In one call about what is stored: 16 GiB, half of what the library takes. */
#define QUERY_BYTES ((uint64_t)CHUNK_BYTES * VIX_MAX_CHUNKS / 2)

struct read_under_way {
    struct vddk_library *library;
    uint32_t slot;
};

struct vddk_library {
    struct vddk_params params;
    struct vix_functions vix;
    void *dl; /* never closed: the library leaves threads behind */
    bool is_ready, has_extents;
    struct vix_connect_params *connect;
    bool owns_connect; /* made by us, not by the library */
    char *spec;
    void *connection, *handle;
    uint64_t size_bytes;
    char *transport;
    struct read_under_way reads[VDDK_SLOTS];
};

/* What the library says.  It gives no argument to tell for whom: there is one library in a process. */

static struct {
    pthread_mutex_t lock;
    bool verbose;          /* guarded by lock */
    char last[MAX_SAID];   /* guarded by lock; the last warning */
} said = {.lock = PTHREAD_MUTEX_INITIALIZER};

__attribute__((format(printf, 3, 0))) static void hear(const char *level, bool keep,
                                                       const char *format, va_list args)
{
    char text[MAX_MESSAGE];

    vsnprintf(text, sizeof(text), format, args);
    struct span line = span_trim(span_of(text));
    pthread_mutex_lock(&said.lock);
    if (keep)
        snprintf(said.last, sizeof(said.last), "%.*s", (int)line.len, line.ptr);
    if (said.verbose)
        fprintf(stderr, "vddk: %s: %.*s\n", level, (int)line.len, line.ptr);
    pthread_mutex_unlock(&said.lock);
}

__attribute__((format(printf, 1, 0))) static void on_log(const char *format, va_list args)
{
    hear("info", false, format, args);
}

__attribute__((format(printf, 1, 0))) static void on_warning(const char *format, va_list args)
{
    hear("warning", true, format, args);
}

__attribute__((format(printf, 1, 0))) static void on_panic(const char *format, va_list args)
{
    hear("panic", true, format, args);
}

/* The library's own words for RESULT; owned by the caller. */
static char *describe(struct vddk_library *library, vix_error result)
{
    char *text = library->vix.GetErrorText(result, NULL);
    char *own = text != NULL ? xasprintf("%s (%u)", text, VIX_CODE(result))
                             : xasprintf("error %u", VIX_CODE(result));

    if (text != NULL)
        library->vix.FreeErrorText(text);
    return own;
}

static int fail(struct vddk_library *library, const char *what, vix_error result, struct error **err)
{
    CLEANUP(str) char *text = describe(library, result);
    char last[MAX_SAID];

    pthread_mutex_lock(&said.lock);
    memcpy(last, said.last, sizeof(last));
    pthread_mutex_unlock(&said.lock);
    return last[0] != '\0'
               ? error_set(err, ERROR_IO, "%s: %s; the library said: %s", what, text, last)
               : error_set(err, ERROR_IO, "%s: %s", what, text);
}

/* Loading. */

static void *load_file(const char *dir, const char *below, char **why)
{
    static const char *const ends[] = {"", ".9", ".8", ".7", ".6"};

    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        CLEANUP(str) char *path = xasprintf("%s/%slibvixDiskLib.so%s", dir, below, ends[i]);

        if (!file_exists(path))
            continue;
        void *dl = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (dl != NULL)
            return dl;
        free(*why);
        *why = xstrdup(dlerror());
    }
    return NULL;
}

static int load(struct vddk_library *library, struct error **err)
{
    /* clang-format off */
    struct {
        const char *name;
        void *place;
        bool can_miss;
    } functions[] = {
#define FUNCTION(name, can_miss) {"VixDiskLib_" #name, &library->vix.name, can_miss}
        FUNCTION(InitEx, false), FUNCTION(Exit, false), FUNCTION(GetErrorText, false),
        FUNCTION(FreeErrorText, false), FUNCTION(AllocateConnectParams, true),
        FUNCTION(FreeConnectParams, false), FUNCTION(ConnectEx, false),
        FUNCTION(Disconnect, false), FUNCTION(Open, false), FUNCTION(Close, false),
        FUNCTION(GetInfo, false), FUNCTION(FreeInfo, false), FUNCTION(ListTransportModes, true),
        FUNCTION(GetTransportMode, false), FUNCTION(QueryAllocatedBlocks, true),
        FUNCTION(FreeBlockList, true), FUNCTION(ReadAsync, false), FUNCTION(Wait, false),
#undef FUNCTION
    };
    /* clang-format on */
    CLEANUP(str) char *why = NULL;

    library->dl = load_file(library->params.dir, "lib64/", &why);
    if (library->dl == NULL)
        library->dl = load_file(library->params.dir, "", &why);
    if (library->dl == NULL && why != NULL)
        return error_set(err, ERROR_UNSUPPORTED, "cannot load VMware's library: %s", why);
    if (library->dl == NULL) {
        error_set(err, ERROR_NOT_FOUND, "there is no lib64/libvixDiskLib.so in \"%s\"",
                  library->params.dir);
        return error_hint(err, "unpack VMware's VDDK there");
    }
    for (size_t i = 0; i < ARRAY_SIZE(functions); i++) {
        void *function = dlsym(library->dl, functions[i].name);

        if (function == NULL && !functions[i].can_miss)
            return error_set(err, ERROR_UNSUPPORTED, "VMware's library has no %s",
                             functions[i].name);
        memcpy(functions[i].place, &function, sizeof(function));
    }
    return 0;
}

static int initialise(struct vddk_library *library, struct error **err)
{
    vix_error result = library->vix.InitEx(VIX_MAJOR, VIX_MINOR, on_log, on_warning, on_panic,
                                           library->params.dir, library->params.config);

    if (result != VIX_OK)
        return fail(library, "VMware's library does not start", result, err);
    library->is_ready = true;
    return 0;
}

/* Connecting and opening. */

/* The library's structs have no const; it does not write there. */
static char *writable(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* The texts stay ours: versions of the library differ in whether they free them. */
static void fill_params(struct vddk_library *library)
{
    const struct vddk_params *params = &library->params;
    struct vix_connect_params *to = library->connect;

    library->spec = xasprintf("moref=%s", params->machine);
    to->vmx_spec = library->spec;
    to->server = writable(params->server);
    to->thumbprint = writable(params->thumbprint);
    to->credential_type = VIX_CRED_UID;
    to->credentials.uid.user = writable(params->user != NULL ? params->user : "");
    to->credentials.uid.password =
        writable(params->password != NULL ? secret_get(params->password) : "");
    to->port = params->port;
    to->spec_type = VIX_SPEC_VMX;
}

static void free_params(struct vddk_library *library)
{
    struct vix_connect_params *params = library->connect;

    if (params == NULL)
        return;
    params->vmx_spec = params->server = params->thumbprint = NULL;
    params->credentials.uid.user = params->credentials.uid.password = NULL;
    if (library->owns_connect)
        free(params);
    else
        library->vix.FreeConnectParams(params);
}

static int open_disk(struct vddk_library *library, struct error **err)
{
    const struct vddk_params *params = &library->params;
    struct vix_info *info = NULL;

    library->owns_connect = library->vix.AllocateConnectParams == NULL;
    library->connect = library->owns_connect ? xcalloc(1, sizeof(*library->connect))
                                             : library->vix.AllocateConnectParams();
    if (library->connect == NULL)
        return error_set(err, ERROR_IO, "VMware's library has no memory");
    fill_params(library);
    vix_error result = library->vix.ConnectEx(library->connect, 1, params->snapshot,
                                              params->transports, &library->connection);
    if (result != VIX_OK) {
        fail(library, "VMware's library cannot connect", result, err);
        const char *modes =
            library->vix.ListTransportModes != NULL ? library->vix.ListTransportModes() : NULL;
        return modes != NULL ? error_hint(err, "it can use the transports %s", modes) : -1;
    }
    result = library->vix.Open(library->connection, params->disk, VIX_OPEN_READ_ONLY,
                               &library->handle);
    if (result != VIX_OK) {
        CLEANUP(str) char *what = xasprintf("VMware's library cannot open \"%s\"", params->disk);
        return fail(library, what, result, err);
    }
    result = library->vix.GetInfo(library->handle, &info);
    if (result != VIX_OK)
        return fail(library, "VMware's library does not tell the disk's size", result, err);
    uint64_t sectors = info->capacity;
    library->vix.FreeInfo(info);
    if (__builtin_mul_overflow(sectors, VIX_SECTOR, &library->size_bytes) ||
        library->size_bytes > INT64_MAX)
        return error_set(err, ERROR_CORRUPT, "the disk has an absurd size");
    const char *transport = library->vix.GetTransportMode(library->handle);
    library->transport = xstrdup(transport != NULL ? transport : "");
    return 0;
}

/* Some servers have the call and refuse it. */
static bool probe_extents(struct vddk_library *library)
{
    struct vix_block_list *list = NULL;

    if (library->vix.QueryAllocatedBlocks == NULL || library->vix.FreeBlockList == NULL ||
        library->size_bytes < CHUNK_BYTES)
        return false;
    if (library->vix.QueryAllocatedBlocks(library->handle, 0, VIX_MIN_CHUNK, VIX_MIN_CHUNK,
                                          &list) != VIX_OK)
        return false;
    library->vix.FreeBlockList(list);
    return true;
}

int vddk_library_open(const struct vddk_params *params, struct vddk_library **out,
                      struct error **err)
{
    CLEANUP(vddk_library) struct vddk_library *library = xcalloc(1, sizeof(*library));

    library->params = *params;
    pthread_mutex_lock(&said.lock);
    said.verbose = params->verbose;
    pthread_mutex_unlock(&said.lock);
    if (load(library, err) == -1 || initialise(library, err) == -1 || open_disk(library, err) == -1)
        return -1;
    library->has_extents = probe_extents(library);
    *out = steal(&library);
    return 0;
}

void vddk_library_close(struct vddk_library *library)
{
    if (library == NULL)
        return;
    if (library->handle != NULL) {
        library->vix.Wait(library->handle);
        library->vix.Close(library->handle);
    }
    if (library->connection != NULL)
        library->vix.Disconnect(library->connection);
    free_params(library);
    if (library->is_ready)
        library->vix.Exit();
    free(library->spec);
    free(library->transport);
    free(library);
}

uint64_t vddk_library_size(const struct vddk_library *library)
{
    return library->size_bytes;
}

const char *vddk_library_transport(const struct vddk_library *library)
{
    return library->transport;
}

bool vddk_library_has_extents(const struct vddk_library *library)
{
    return library->has_extents;
}

/* Reading. */

static void end_read(struct vddk_library *library, uint32_t slot, vix_error result)
{
    const struct vddk_params *params = &library->params;

    if (result == VIX_OK) {
        params->done(params->arg, slot, VDDK_DONE, "");
    } else if (VIX_CODE(result) == VIX_E_OUT_OF_MEMORY) {
        params->done(params->arg, slot, VDDK_AGAIN, "");
    } else {
        CLEANUP(error) struct error *err = NULL;
        CLEANUP(str) char *text = NULL;

        fail(library, "VMware's library cannot read", result, &err);
        text = error_format(err);
        params->done(params->arg, slot, VDDK_FAILED, text);
    }
}

static void on_done(void *arg, vix_error result)
{
    const struct read_under_way *read = arg;

    end_read(read->library, read->slot, result);
}

void vddk_library_read(struct vddk_library *library, uint32_t slot, void *data, size_t len,
                       uint64_t offset)
{
    struct read_under_way *read = &library->reads[slot];

    *read = (struct read_under_way){library, slot};
    vix_error result = library->vix.ReadAsync(library->handle, offset / VIX_SECTOR,
                                              len / VIX_SECTOR, data, on_done, read);
    if (VIX_CODE(result) != VIX_ASYNC) /* it ended at once, and nobody will call */
        end_read(library, slot, result);
}

/* What is stored. */

/* Appends the areas of LIST that lie in the chunks asked about.  What does not fit any more ends what
 * is covered. */
static int take_blocks(const struct vix_block_list *list, uint64_t from, uint64_t end,
                       struct vddk_area *areas, size_t max, size_t *count, uint64_t *covered,
                       struct error **err)
{
    uint64_t last = from;

    *count = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        uint64_t start, length;

        if (__builtin_mul_overflow(list->blocks[i].offset, VIX_SECTOR, &start) ||
            __builtin_mul_overflow(list->blocks[i].length, VIX_SECTOR, &length) || start < last ||
            start > end || length > end - start || length == 0)
            return error_set(err, ERROR_CORRUPT,
                             "VMware's library names a stored block at sector %llu of %llu "
                             "that cannot be",
                             (unsigned long long)list->blocks[i].offset,
                             (unsigned long long)list->blocks[i].length);
        if (*count == max) {
            *covered = start;
            return 0;
        }
        areas[(*count)++] = (struct vddk_area){start, length};
        last = start + length;
    }
    *covered = end;
    return 0;
}

int vddk_library_extents(struct vddk_library *library, uint64_t offset, uint64_t length,
                         struct vddk_area *areas, size_t max, size_t *count, uint64_t *covered,
                         struct error **err)
{
    uint64_t from = offset - offset % CHUNK_BYTES, end = offset + length;
    uint64_t whole = library->size_bytes - library->size_bytes % CHUNK_BYTES;
    struct vix_block_list *list = NULL;

    if (from >= whole) { /* the library answers for whole chunks only: what is behind them is read */
        areas[0] = (struct vddk_area){offset, length};
        *count = 1;
        *covered = length;
        return 0;
    }
    if (end % CHUNK_BYTES != 0)
        end += CHUNK_BYTES - end % CHUNK_BYTES;
    if (end > whole)
        end = whole;
    if (end - from > QUERY_BYTES)
        end = from + QUERY_BYTES;
    vix_error result =
        library->vix.QueryAllocatedBlocks(library->handle, from / VIX_SECTOR,
                                          (end - from) / VIX_SECTOR, VIX_MIN_CHUNK, &list);
    if (result != VIX_OK)
        return fail(library, "VMware's library does not tell what is stored", result, err);
    int taken = take_blocks(list, from, end, areas, max, count, covered, err);
    library->vix.FreeBlockList(list);
    if (taken == -1)
        return -1;
    *covered = *covered > offset + length ? length : *covered - offset;
    return 0;
}
