/* A libvixDiskLib for tests: the functions of VMware's library over files.
 *
 * It reads LIBDIR/dummy.conf, lines NAME=VALUE, where LIBDIR is what InitEx is told:
 *
 *   content=DIR        where datastores have their files, relative to LIBDIR ("content")
 *   user=  password=   who may connect; without them anybody
 *   transports=LIST    that it has ("file:nbdssl:nbd")
 *   latency-ms=N       of each read
 *   max-request=BYTES  larger reads fail with VIX_E_OUT_OF_MEMORY (2 MiB)
 *   max-flight=N       so do reads while N others are under way
 *   fail-read=N        the N-th read fails
 *   crash-read=N       it ends the process
 *   hang-read=N        it never ends
 *   no-extents=1       QueryAllocatedBlocks is refused
 *   log=FILE           what was asked for, a line for each
 *
 * "[ds] DIR/x.vmdk" is the file DIR/x-flat.vmdk.  A delta "[ds] DIR/x-000001.vmdk" is described by
 * the text file of that name with the lines "parent=x.vmdk", "data=FILE", "present=FILE": the latter
 * has one byte for each 64 KiB, not 0 where the delta has them.
 *
 * Reads end on threads of the library, latency-ms after they began, any number at once, as those of a
 * server far away do. */
#include "disk/vddk_abi.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum {
    VIX_E_FAIL = 1,
    VIX_E_INVALID_ARG = 3,
    VIX_E_FILE_NOT_FOUND = 4,
    VIX_E_NOT_SUPPORTED = 6,
    VIX_E_DENIED = 3014,
    BLOCK = 64 * 1024,
    THREADS = 4,
    MAX_LAYERS = 32,
    MAX_LINE = 1024,
};

struct layer {
    int fd;
    unsigned char *present; /* one byte a block; NULL: all */
    size_t blocks;
    struct layer *below;
};

struct disk {
    struct layer *top;
    uint64_t size;
};

/* A read that was begun. */
struct read {
    struct disk *disk;
    uint64_t offset, length;
    uint8_t *data;
    vix_done *done;
    void *arg;
    struct timespec due;
    vix_error result;
    struct read *next;
};

static struct {
    char dir[MAX_LINE], content[2 * MAX_LINE + 2], user[MAX_LINE], password[MAX_LINE];
    char transports[MAX_LINE], log[MAX_LINE];
    long latency_ms, max_request, max_flight, fail_read, crash_read, hang_read, no_extents;
} conf;

/* Everything below is guarded by the lock. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct read *first, *last;
static pthread_t threads[THREADS];
static bool stopping, started;
static long in_flight, unheard, read_count, most_in_flight; /* unheard: callbacks to come */

static vix_log *say_warning;

__attribute__((format(printf, 1, 2))) static void warn(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    if (say_warning != NULL)
        say_warning(format, args);
    va_end(args);
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    va_list args;
    FILE *file = conf.log[0] != '\0' ? fopen(conf.log, "a") : NULL;

    if (file == NULL)
        return;
    va_start(args, format);
    vfprintf(file, format, args);
    va_end(args);
    fputc('\n', file);
    fclose(file);
}

static void take_setting(const char *name, const char *value)
{
    const struct {
        const char *name;
        char *text;
        long *number;
    } settings[] = {
        {"content", conf.content, NULL},         {"user", conf.user, NULL},
        {"password", conf.password, NULL},       {"transports", conf.transports, NULL},
        {"log", conf.log, NULL},                 {"latency-ms", NULL, &conf.latency_ms},
        {"max-request", NULL, &conf.max_request}, {"max-flight", NULL, &conf.max_flight},
        {"fail-read", NULL, &conf.fail_read},    {"crash-read", NULL, &conf.crash_read},
        {"hang-read", NULL, &conf.hang_read},    {"no-extents", NULL, &conf.no_extents},
    };

    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        if (strcmp(settings[i].name, name) != 0)
            continue;
        if (settings[i].text != NULL)
            snprintf(settings[i].text, MAX_LINE, "%s", value);
        else
            *settings[i].number = strtol(value, NULL, 10);
    }
}

/* Calls TAKE for each NAME=VALUE of the file; false if it cannot be read. */
static bool read_lines(const char *path, void (*take)(void *arg, const char *name, const char *value),
                       void *arg)
{
    FILE *file = fopen(path, "r");
    char line[MAX_LINE];

    if (file == NULL)
        return false;
    while (fgets(line, sizeof(line), file) != NULL) {
        char *value = strchr(line, '=');

        line[strcspn(line, "\n")] = '\0';
        if (value == NULL)
            continue;
        *value++ = '\0';
        take(arg, line, value);
    }
    fclose(file);
    return true;
}

static void take_conf(void *arg, const char *name, const char *value)
{
    take_setting(name, value);
}

/* Reading. */

static vix_error read_block(const struct layer *layer, size_t block, uint8_t *data, size_t len,
                            uint64_t offset)
{
    while (layer->present != NULL &&
           (block >= layer->blocks || layer->present[block] == 0))
        layer = layer->below;
    while (len > 0) {
        ssize_t got = pread(layer->fd, data, len, (off_t)offset);

        if (got == -1 && errno != EINTR)
            return VIX_E_FAIL;
        if (got == 0) {
            memset(data, 0, len);
            break;
        }
        data += got > 0 ? got : 0;
        offset += got > 0 ? (uint64_t)got : 0;
        len -= got > 0 ? (size_t)got : 0;
    }
    return VIX_OK;
}

static vix_error read_now(const struct read *read)
{
    uint8_t *to = read->data;
    uint64_t offset = read->offset, end = read->offset + read->length;
    vix_error result = VIX_OK;

    while (offset < end && result == VIX_OK) {
        uint64_t stop = offset - offset % BLOCK + BLOCK;
        size_t part = (size_t)((stop < end ? stop : end) - offset);

        result = read_block(read->disk->top, (size_t)(offset / BLOCK), to, part, offset);
        to += part;
        offset += part;
    }
    return result;
}

static void *work(void *arg)
{
    pthread_mutex_lock(&lock);
    while (!stopping || first != NULL) {
        struct read *read = first;

        if (read == NULL) {
            pthread_cond_wait(&changed, &lock);
            continue;
        }
        first = read->next;
        if (first == NULL)
            last = NULL;
        pthread_mutex_unlock(&lock);
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &read->due, NULL) == EINTR)
            ;
        vix_error result = read->result != VIX_OK ? read->result : read_now(read);
        if (result == VIX_E_FAIL)
            warn("dummy: the read at byte %llu was to fail", (unsigned long long)read->offset);
        pthread_mutex_lock(&lock);
        in_flight--; /* before the callback: who hears it may begin another one */
        pthread_mutex_unlock(&lock);
        read->done(read->arg, result);
        free(read);
        pthread_mutex_lock(&lock);
        unheard--;
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* The chain of files. */

static void layer_free(struct layer *layer)
{
    while (layer != NULL) {
        struct layer *below = layer->below;

        if (layer->fd != -1)
            close(layer->fd);
        free(layer->present);
        free(layer);
        layer = below;
    }
}

struct description {
    char parent[MAX_LINE], data[MAX_LINE], present[MAX_LINE];
};

static void take_description(void *arg, const char *name, const char *value)
{
    struct description *description = arg;
    char *to = strcmp(name, "parent") == 0    ? description->parent
               : strcmp(name, "data") == 0    ? description->data
               : strcmp(name, "present") == 0 ? description->present
                                              : NULL;

    if (to != NULL)
        snprintf(to, MAX_LINE, "%s", value);
}

static bool read_present(struct layer *layer, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat st;

    if (fd == -1 || fstat(fd, &st) == -1) {
        if (fd != -1)
            close(fd);
        return false;
    }
    layer->blocks = (size_t)st.st_size;
    layer->present = calloc(layer->blocks + 1, 1);
    bool done = read(fd, layer->present, layer->blocks) == (ssize_t)layer->blocks;
    close(fd);
    return done;
}

/* FOLDER/NAME and what lies below it; NULL if something is missing. */
static struct layer *open_chain(const char *folder, const char *name, int depth)
{
    struct layer *layer = calloc(1, sizeof(*layer));
    struct description description = {0};
    char path[4 * MAX_LINE];

    layer->fd = -1;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (depth < MAX_LAYERS && read_lines(path, take_description, &description)) {
        snprintf(path, sizeof(path), "%s/%s", folder, description.present);
        layer->below = open_chain(folder, description.parent, depth + 1);
        if (layer->below == NULL || !read_present(layer, path)) {
            layer_free(layer);
            return NULL;
        }
        snprintf(path, sizeof(path), "%s/%s", folder, description.data);
    } else {
        size_t len = strlen(name);
        snprintf(path, sizeof(path), "%s/%.*s-flat.vmdk", folder,
                 len > 5 ? (int)len - 5 : 0, name);
    }
    layer->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (layer->fd == -1) {
        layer_free(layer);
        return NULL;
    }
    return layer;
}

/* The library's functions. */

EXPORT vix_error VixDiskLib_InitEx(uint32_t major, uint32_t minor, vix_log *log, vix_log *warning,
                                   vix_log *panic, const char *lib_dir, const char *config);
EXPORT vix_error VixDiskLib_InitEx(uint32_t major, uint32_t minor, vix_log *log, vix_log *warning,
                                   vix_log *panic, const char *lib_dir, const char *config)
{
    char path[2 * MAX_LINE];

    say_warning = warning;
    conf.max_request = 2 * 1024 * 1024;
    snprintf(conf.dir, sizeof(conf.dir), "%s", lib_dir);
    snprintf(conf.content, sizeof(conf.content), "content");
    snprintf(conf.transports, sizeof(conf.transports), "file:nbdssl:nbd");
    snprintf(path, sizeof(path), "%s/dummy.conf", lib_dir);
    read_lines(path, take_conf, NULL);
    if (conf.content[0] != '/') {
        char relative[sizeof(conf.content)];

        memcpy(relative, conf.content, sizeof(relative));
        snprintf(conf.content, sizeof(conf.content), "%.*s/%.*s", MAX_LINE, lib_dir, MAX_LINE,
                 relative);
    }
    note("init %u.%u", major, minor);
    if (config != NULL) {
        FILE *file = fopen(config, "r");
        char line[MAX_LINE];

        if (file == NULL)
            return VIX_E_FILE_NOT_FOUND;
        while (fgets(line, sizeof(line), file) != NULL) {
            line[strcspn(line, "\n")] = '\0';
            note("config %s", line);
        }
        fclose(file);
    }
    stopping = false;
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, NULL);
    started = true;
    return VIX_OK;
}

EXPORT void VixDiskLib_Exit(void);
EXPORT void VixDiskLib_Exit(void)
{
    if (!started)
        return;
    pthread_mutex_lock(&lock);
    stopping = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    started = false;
    note("exit reads=%ld most=%ld", read_count, most_in_flight);
}

EXPORT char *VixDiskLib_GetErrorText(vix_error error, const char *locale);
EXPORT char *VixDiskLib_GetErrorText(vix_error error, const char *locale)
{
    switch (VIX_CODE(error)) {
    case VIX_E_OUT_OF_MEMORY: return strdup("Memory allocation failed. Out of memory.");
    case VIX_E_FILE_NOT_FOUND: return strdup("A file was not found");
    case VIX_E_NOT_SUPPORTED: return strdup("The operation is not supported");
    case VIX_E_DENIED: return strdup("Insufficient permissions in the host operating system");
    default: return strdup("Unknown error");
    }
}

EXPORT void VixDiskLib_FreeErrorText(char *text);
EXPORT void VixDiskLib_FreeErrorText(char *text)
{
    free(text);
}

EXPORT struct vix_connect_params *VixDiskLib_AllocateConnectParams(void);
EXPORT struct vix_connect_params *VixDiskLib_AllocateConnectParams(void)
{
    return calloc(1, sizeof(struct vix_connect_params));
}

EXPORT void VixDiskLib_FreeConnectParams(struct vix_connect_params *params);
EXPORT void VixDiskLib_FreeConnectParams(struct vix_connect_params *params)
{
    free(params);
}

EXPORT const char *VixDiskLib_ListTransportModes(void);
EXPORT const char *VixDiskLib_ListTransportModes(void)
{
    return conf.transports;
}

/* True if LIST, parted by colons, has WORD. */
static bool has_word(const char *list, const char *word, size_t len)
{
    for (const char *at = list;; at++) {
        size_t part = strcspn(at, ":");

        if (part == len && memcmp(at, word, len) == 0)
            return true;
        at += part;
        if (*at == '\0')
            return false;
    }
}

/* The first transport that is wanted and there. */
static bool choose_transport(const char *wanted, char *out, size_t size)
{
    const char *at = wanted != NULL ? wanted : conf.transports;

    for (;; at++) {
        size_t len = strcspn(at, ":");

        if (has_word(conf.transports, at, len)) {
            snprintf(out, size, "%.*s", (int)len, at);
            return true;
        }
        at += len;
        if (*at == '\0')
            return false;
    }
}

static char transport[64];

EXPORT vix_error VixDiskLib_ConnectEx(const struct vix_connect_params *params, char read_only,
                                      const char *snapshot, const char *transports,
                                      void **connection);
EXPORT vix_error VixDiskLib_ConnectEx(const struct vix_connect_params *params, char read_only,
                                      const char *snapshot, const char *transports,
                                      void **connection)
{
    if (params->vmx_spec == NULL || strncmp(params->vmx_spec, "moref=", 6) != 0 ||
        params->server == NULL || params->credential_type != VIX_CRED_UID)
        return VIX_E_INVALID_ARG;
    note("connect %s server=%s:%u thumbprint=%s snapshot=%s transports=%s", params->vmx_spec,
         params->server, params->port, params->thumbprint ? params->thumbprint : "-",
         snapshot ? snapshot : "-", transports ? transports : "-");
    if (conf.user[0] != '\0' && (strcmp(conf.user, params->credentials.uid.user) != 0 ||
                                 strcmp(conf.password, params->credentials.uid.password) != 0)) {
        warn("dummy: Cannot complete login due to an incorrect user name or password.");
        return VIX_E_DENIED;
    }
    if (!choose_transport(transports, transport, sizeof(transport)))
        return VIX_E_NOT_SUPPORTED;
    *connection = &conf;
    return VIX_OK;
}

EXPORT vix_error VixDiskLib_Disconnect(void *connection);
EXPORT vix_error VixDiskLib_Disconnect(void *connection)
{
    return VIX_OK;
}

EXPORT vix_error VixDiskLib_Open(void *connection, const char *path, uint32_t flags, void **handle);
EXPORT vix_error VixDiskLib_Open(void *connection, const char *path, uint32_t flags, void **handle)
{
    const char *close = strchr(path, ']');
    const char *slash = strrchr(path, '/');
    char folder[4 * MAX_LINE];
    struct disk *disk;
    struct layer *base;
    struct stat st;

    note("open %s flags=%u", path, flags);
    if (path[0] != '[' || close == NULL || close[1] != ' ' || slash == NULL || slash < close ||
        strstr(close, "..") != NULL)
        return VIX_E_INVALID_ARG;
    snprintf(folder, sizeof(folder), "%s/%.*s", conf.content, (int)(slash - close - 2), close + 2);
    disk = calloc(1, sizeof(*disk));
    disk->top = open_chain(folder, slash + 1, 0);
    if (disk->top == NULL) {
        free(disk);
        return VIX_E_FILE_NOT_FOUND;
    }
    for (base = disk->top; base->below != NULL; base = base->below)
        ;
    disk->size = fstat(base->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    *handle = disk;
    return VIX_OK;
}

EXPORT vix_error VixDiskLib_Close(void *handle);
EXPORT vix_error VixDiskLib_Close(void *handle)
{
    struct disk *disk = handle;

    layer_free(disk->top);
    free(disk);
    return VIX_OK;
}

EXPORT vix_error VixDiskLib_GetInfo(void *handle, struct vix_info **info);
EXPORT vix_error VixDiskLib_GetInfo(void *handle, struct vix_info **info)
{
    const struct disk *disk = handle;

    *info = calloc(1, sizeof(**info));
    (*info)->capacity = disk->size / VIX_SECTOR;
    for (const struct layer *layer = disk->top; layer != NULL; layer = layer->below)
        (*info)->links++;
    return VIX_OK;
}

EXPORT void VixDiskLib_FreeInfo(struct vix_info *info);
EXPORT void VixDiskLib_FreeInfo(struct vix_info *info)
{
    free(info);
}

EXPORT const char *VixDiskLib_GetTransportMode(void *handle);
EXPORT const char *VixDiskLib_GetTransportMode(void *handle)
{
    return transport;
}

/* True if something is stored in the block, in the delta that has it or in the base. */
static bool is_stored(const struct layer *layer, size_t block)
{
    while (layer->present != NULL) {
        if (block < layer->blocks && layer->present[block] != 0)
            return true;
        layer = layer->below;
    }
    off_t start = (off_t)block * BLOCK, data = lseek(layer->fd, start, SEEK_DATA);
    return data != -1 && data < start + BLOCK;
}

EXPORT vix_error VixDiskLib_QueryAllocatedBlocks(void *handle, uint64_t start, uint64_t count,
                                                 uint64_t chunk, struct vix_block_list **blocks);
EXPORT vix_error VixDiskLib_QueryAllocatedBlocks(void *handle, uint64_t start, uint64_t count,
                                                 uint64_t chunk, struct vix_block_list **blocks)
{
    const struct disk *disk = handle;
    uint64_t end = start + count;
    struct vix_block_list *list;

    if (conf.no_extents)
        return VIX_E_NOT_SUPPORTED;
    if (chunk < VIX_MIN_CHUNK || chunk * VIX_SECTOR != BLOCK || start % chunk != 0 ||
        count % chunk != 0 || count / chunk > VIX_MAX_CHUNKS || count == 0 ||
        end > disk->size / VIX_SECTOR)
        return VIX_E_INVALID_ARG;
    note("query %llu+%llu", (unsigned long long)start, (unsigned long long)count);
    list = calloc(1, sizeof(*list) + (size_t)(count / chunk / 2 + 1) * sizeof(list->blocks[0]));
    for (uint64_t at = start; at < end; at += chunk) {
        struct vix_block *block = list->count > 0 ? &list->blocks[list->count - 1] : NULL;

        if (!is_stored(disk->top, (size_t)(at * VIX_SECTOR / BLOCK)))
            continue;
        if (block != NULL && block->offset + block->length == at)
            block->length += chunk;
        else
            list->blocks[list->count++] = (struct vix_block){at, chunk};
    }
    *blocks = list;
    return VIX_OK;
}

EXPORT vix_error VixDiskLib_FreeBlockList(struct vix_block_list *blocks);
EXPORT vix_error VixDiskLib_FreeBlockList(struct vix_block_list *blocks)
{
    free(blocks);
    return VIX_OK;
}

/* When a read that begins now is to end. */
static struct timespec due_time(void)
{
    struct timespec due;

    clock_gettime(CLOCK_MONOTONIC, &due);
    due.tv_sec += conf.latency_ms / 1000;
    due.tv_nsec += conf.latency_ms % 1000 * 1000000;
    if (due.tv_nsec >= 1000000000) {
        due.tv_sec++;
        due.tv_nsec -= 1000000000;
    }
    return due;
}

EXPORT vix_error VixDiskLib_ReadAsync(void *handle, uint64_t start, uint64_t count, uint8_t *data,
                                      vix_done *done, void *arg);
EXPORT vix_error VixDiskLib_ReadAsync(void *handle, uint64_t start, uint64_t count, uint8_t *data,
                                      vix_done *done, void *arg)
{
    struct disk *disk = handle;
    struct read *read;
    vix_error result = VIX_ASYNC;

    if (count == 0 || start + count > disk->size / VIX_SECTOR)
        return VIX_E_INVALID_ARG;
    if (count * VIX_SECTOR > (uint64_t)conf.max_request)
        return VIX_E_OUT_OF_MEMORY;
    pthread_mutex_lock(&lock);
    if (conf.max_flight > 0 && in_flight >= conf.max_flight) {
        pthread_mutex_unlock(&lock);
        return VIX_E_OUT_OF_MEMORY;
    }
    read_count++;
    in_flight++;
    unheard++;
    most_in_flight = in_flight > most_in_flight ? in_flight : most_in_flight;
    if (read_count == conf.crash_read)
        abort();
    if (read_count != conf.hang_read) {
        read = calloc(1, sizeof(*read));
        *read = (struct read){.disk = disk,
                              .offset = start * VIX_SECTOR,
                              .length = count * VIX_SECTOR,
                              .data = data,
                              .done = done,
                              .arg = arg,
                              .due = due_time(),
                              .result = read_count == conf.fail_read ? VIX_E_FAIL : VIX_OK};
        if (last != NULL)
            last->next = read;
        else
            first = read;
        last = read;
        pthread_cond_signal(&changed);
    }
    pthread_mutex_unlock(&lock);
    return result;
}

EXPORT vix_error VixDiskLib_Wait(void *handle);
EXPORT vix_error VixDiskLib_Wait(void *handle)
{
    pthread_mutex_lock(&lock);
    while (unheard > 0)
        pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
    return VIX_OK;
}
