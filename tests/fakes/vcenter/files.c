/* Datastore files over HTTP: /folder/PATH?dcPath=DC&dsName=DATASTORE, for those who are logged in,
 * with ranges.  A disk whose machine writes to it is locked, as on a real datastore. */
#include "fake.h"

#include "base/error.h"
#include "base/mem.h"
#include "data/base64.h"
#include "net/url.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1024 * 1024 };

/* By session or by name and password. */
static bool is_allowed(struct fake_vcenter *fake, const struct http_request *request)
{
    const char *header = http_request_header(request, "Authorization");
    CLEANUP(error) struct error *err = NULL;
    char *text = NULL;
    size_t len = 0;

    if (fake_has_session(fake, request))
        return true;
    if (header == NULL || !str_starts_with(header, "Basic ") ||
        base64_decode(header + 6, strlen(header + 6), &text, &len, &err) == -1)
        return false;
    bool same = len == strlen(FAKE_VCENTER_USER ":" FAKE_VCENTER_PASSWORD) &&
                memcmp(text, FAKE_VCENTER_USER ":" FAKE_VCENTER_PASSWORD, len) == 0;
    free(text);
    pthread_mutex_lock(&fake->lock);
    same = same && !fake_fault_take(fake, "wrong-password", NULL);
    pthread_mutex_unlock(&fake->lock);
    return same;
}

static void refuse(struct http_response *response, int status, const char *words)
{
    http_response_set_status(response, status);
    http_response_add_header(response, "Content-Type", "text/plain");
    http_response_write(response, words, strlen(words));
}

/* The disk whose base file PATH is. */
static struct disk *find_file(struct fake_vcenter *fake, const char *path, const char *datastore,
                              struct fake_machine **machine)
{
    for (size_t i = 0; i < fake->machines.len; i++)
        for (size_t k = 0; k < fake->machines.ptr[i].disks.len; k++) {
            struct disk *disk = &fake->machines.ptr[i].disks.ptr[k];
            CLEANUP(str) char *name = xasprintf("%s/%s-flat.vmdk", disk->folder, disk->stem);

            if (str_eq(name, path) && str_eq(disk->datastore, datastore) && disk->layers.len > 0) {
                *machine = &fake->machines.ptr[i];
                return disk;
            }
        }
    return NULL;
}

/* "bytes=FROM-TO", or everything.  False: a range that cannot be. */
static bool read_range(const struct http_request *request, uint64_t size, uint64_t *from,
                       uint64_t *to, bool *partial)
{
    const char *header = http_request_header(request, "Range");

    *from = 0;
    *to = size;
    *partial = header != NULL && str_starts_with(header, "bytes=");
    if (!*partial)
        return true;
    struct span rest = span_of(header + 6), first = {0};
    if (!span_split(&rest, '-', &first) || !span_u64(first, from) || *from >= size)
        return false;
    if (span_u64(rest, to))
        *to = *to + 1 < size ? *to + 1 : size;
    return *to > *from;
}

/* One piece; false when the file has gone meanwhile. */
static bool read_piece(struct fake_vcenter *fake, const char *path, const char *datastore,
                       char *data, size_t len, uint64_t offset)
{
    CLEANUP(error) struct error *err = NULL;
    struct fake_machine *machine = NULL;
    LOCK_SCOPE(&fake->lock);
    struct disk *disk = find_file(fake, path, datastore, &machine);

    if (disk == NULL || disk_read_layers(disk, 1, data, len, offset, &err) == -1)
        return false;
    fake->served += len;
    return true;
}

static void send_range(struct fake_vcenter *fake, const char *path, const char *datastore,
                       uint64_t from, uint64_t to, struct http_response *response)
{
    char *data = xmalloc(CHUNK);
    bool cut;

    {
        LOCK_SCOPE(&fake->lock);
        cut = fake_fault_take(fake, "file-cut", NULL);
    }
    for (uint64_t at = from; at < to;) {
        size_t len = to - at < CHUNK ? (size_t)(to - at) : CHUNK;

        if (cut && at > from) {
            fake_drop(response);
            break;
        }
        if (!read_piece(fake, path, datastore, data, len, at) ||
            !http_response_write(response, data, cut ? len / 2 : len)) {
            fake_drop(response);
            break;
        }
        at += len;
        if (cut && at >= to)
            fake_drop(response);
    }
    free(data);
}

/* Looks the file up: its size, or -1 with the answer sent. */
static int look_up(struct fake_vcenter *fake, const char *path, const char *datastore,
                   uint64_t *size, struct http_response *response)
{
    struct fake_machine *machine = NULL;
    LOCK_SCOPE(&fake->lock);
    struct disk *disk = find_file(fake, path, datastore, &machine);

    if (disk == NULL) {
        refuse(response, 404, "no such file\n");
        return -1;
    }
    if ((machine->on && disk->layers.len == 1) || fake_fault_take(fake, "file-locked", NULL)) {
        refuse(response, 500, "the file is locked by a running machine\n");
        return -1;
    }
    *size = disk->capacity;
    return 0;
}

void fake_serve_file(struct fake_vcenter *fake, const struct http_request *request,
                     struct http_response *response)
{
    CLEANUP(str) char *datacenter = http_request_query(request, "dcPath");
    CLEANUP(str) char *datastore = http_request_query(request, "dsName");
    CLEANUP(error) struct error *err = NULL;
    CLEANUP(str) char *path = NULL;
    uint64_t size = 0, from, to;
    bool partial;

    if (!is_allowed(fake, request)) {
        http_response_add_header(response, "WWW-Authenticate", "Basic realm=\"fake\"");
        refuse(response, 401, "log in first\n");
        return;
    }
    /* A host is its own datacenter; for tests of both, the vCenter answers for its hosts.  A path from
     * the root means the same. */
    const char *name = datacenter != NULL && datacenter[0] == '/' ? datacenter + 1 : datacenter;
    if (!str_eq(name, "ha-datacenter") && (fake->is_host || !str_eq(name, "DC"))) {
        refuse(response, 404, "no such datacenter\n");
        return;
    }
    if (url_unescape(span_of(request->path + strlen("/folder/")), false, &path, &err) == -1) {
        refuse(response, 400, "no path\n");
        return;
    }
    if (look_up(fake, path, datastore ? datastore : "", &size, response) == -1)
        return;
    if (!read_range(request, size, &from, &to, &partial)) {
        refuse(response, 416, "no such range\n");
        return;
    }
    if (partial) {
        CLEANUP(str)
        char *range = xasprintf("bytes %" PRIu64 "-%" PRIu64 "/%" PRIu64, from, to - 1, size);

        http_response_set_status(response, 206);
        http_response_add_header(response, "Content-Range", range);
    }
    http_response_add_header(response, "Accept-Ranges", "bytes");
    http_response_add_header(response, "Content-Type", "application/octet-stream");
    if (!str_eq(request->method, "HEAD"))
        send_range(fake, path, datastore, from, to, response);
}
