#include "disk/vddk_serve.h"

#include "base/error.h"
#include "base/mem.h"
#include "base/secret.h"
#include "base/text.h"
#include "disk/vddk_library.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LAST_SECONDS = 30 /* for the library to close the disk */ };

struct serving {
    int fd;
    char *memory; /* VDDK_SLOTS * VDDK_SLOT bytes */
    struct vddk_library *library;
};

/* A packet goes whole or not at all, so that threads need no lock for it.  Who does not hear any more
 * is noticed when reading. */
static void answer(const struct serving *serving, const struct vddk_answer *head, const char *text)
{
    char packet[sizeof(*head) + 4096];
    size_t len = strlen(text);

    if (len > sizeof(packet) - sizeof(*head))
        len = sizeof(packet) - sizeof(*head);
    memcpy(packet, head, sizeof(*head));
    memcpy(packet + sizeof(*head), text, len);
    (void)send(serving->fd, packet, sizeof(*head) + len, MSG_NOSIGNAL);
}

static void on_done(void *arg, uint32_t slot, enum vddk_result result, const char *text)
{
    answer(arg, &(struct vddk_answer){.verb = VDDK_READ, .slot = slot, .result = result}, text);
}

/* Opening: the parameters are pairs of texts. */
struct pairs {
    const char *at, *end;
};

static const char *next_text(struct pairs *pairs)
{
    const char *text = pairs->at;
    const char *stop = text < pairs->end ? memchr(text, '\0', (size_t)(pairs->end - text)) : NULL;

    pairs->at = stop != NULL ? stop + 1 : pairs->end;
    return stop != NULL ? text : NULL;
}

static void take_param(struct vddk_params *params, const char *name, const char *value,
                       struct secret **password)
{
    struct {
        const char *name;
        const char **place;
    } texts[] = {
        {"dir", &params->dir},           {"config", &params->config},
        {"server", &params->server},     {"thumbprint", &params->thumbprint},
        {"user", &params->user},         {"machine", &params->machine},
        {"snapshot", &params->snapshot}, {"transports", &params->transports},
        {"disk", &params->disk},
    };

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (str_eq(texts[i].name, name))
            *texts[i].place = value;
    if (str_eq(name, "port"))
        params->port = (uint16_t)strtoul(value, NULL, 10);
    if (str_eq(name, "verbose"))
        params->verbose = str_eq(value, "1");
    if (str_eq(name, "password")) {
        secret_free(*password);
        *password = secret_new(value, strlen(value));
        params->password = *password;
    }
}

/* Reads the first packet and opens what it names. */
static int open_library(struct serving *serving, char *packet, size_t len, struct secret **password,
                        struct error **err)
{
    struct pairs pairs = {packet + sizeof(struct vddk_request), packet + len};
    struct vddk_params params = {.done = on_done, .arg = serving};
    const char *name;

    while ((name = next_text(&pairs)) != NULL) {
        const char *value = next_text(&pairs);
        if (value == NULL)
            break;
        take_param(&params, name, value, password);
    }
    if (params.dir == NULL || params.server == NULL || params.machine == NULL ||
        params.disk == NULL)
        return error_set(err, ERROR_INVALID, "a parameter is missing");
    return vddk_library_open(&params, &serving->library, err);
}

static void tell_opened(const struct serving *serving)
{
    answer(serving,
           &(struct vddk_answer){.verb = VDDK_OPEN,
                                 .length = vddk_library_size(serving->library),
                                 .count = vddk_library_has_extents(serving->library)},
           vddk_library_transport(serving->library));
}

static void tell_failed(const struct serving *serving, uint32_t verb, uint32_t slot,
                        const struct error *err)
{
    CLEANUP(str) char *text = error_format(err);
    const char *hint = error_get_hint(err);
    CLEANUP(str) char *all = hint != NULL ? xasprintf("%s (%s)", text, hint) : xstrdup(text);

    answer(serving, &(struct vddk_answer){.verb = verb, .slot = slot, .result = VDDK_FAILED}, all);
}

static void tell_extents(const struct serving *serving, const struct vddk_request *request)
{
    CLEANUP(error) struct error *err = NULL;
    size_t count = 0;
    uint64_t covered = 0;
    void *place = serving->memory + (size_t)request->slot * VDDK_SLOT;

    if (vddk_library_extents(serving->library, request->offset, request->length, place,
                             VDDK_SLOT / sizeof(struct vddk_area), &count, &covered, &err) == -1)
        tell_failed(serving, VDDK_EXTENTS, request->slot, err);
    else
        answer(serving,
               &(struct vddk_answer){.verb = VDDK_EXTENTS,
                                     .slot = request->slot,
                                     .count = (uint32_t)count,
                                     .length = covered},
               "");
}

/* The other side is ours, but a mistake there must not let the library write anywhere. */
static bool is_sound(const struct serving *serving, const struct vddk_request *request)
{
    uint64_t size = vddk_library_size(serving->library);

    return request->slot < VDDK_SLOTS && request->length > 0 && request->offset <= size &&
           request->length <= size - request->offset &&
           (request->verb == VDDK_EXTENTS || request->length <= VDDK_SLOT);
}

static int serve_reads(struct serving *serving, struct error **err)
{
    struct vddk_request request;
    ssize_t got;

    while ((got = recv(serving->fd, &request, sizeof(request), 0)) != 0) {
        if (got == -1 && errno == EINTR)
            continue;
        if (got != sizeof(request) || !is_sound(serving, &request))
            return error_set(err, ERROR_BUG, "a request that makes no sense");
        if (request.verb == VDDK_EXTENTS)
            tell_extents(serving, &request);
        else
            vddk_library_read(serving->library, request.slot,
                              serving->memory + (size_t)request.slot * VDDK_SLOT,
                              (size_t)request.length, request.offset);
    }
    return 0;
}

int vddk_serve(int fd, int memory_fd, struct error **err)
{
    struct serving serving = {.fd = fd};
    char *packet = xmalloc(VDDK_MAX_PACKET);
    CLEANUP(secret) struct secret *password = NULL;

    serving.memory = mmap(NULL, (size_t)VDDK_SLOTS * VDDK_SLOT, PROT_READ | PROT_WRITE, MAP_SHARED,
                          memory_fd, 0);
    if (serving.memory == MAP_FAILED) {
        free(packet);
        return error_sys(err, errno, "cannot map the shared memory");
    }
    ssize_t got = recv(fd, packet, VDDK_MAX_PACKET, 0);
    int result = got < (ssize_t)sizeof(struct vddk_request)
                     ? error_set(err, ERROR_BUG, "nobody says what to open")
                     : open_library(&serving, packet, (size_t)got, &password, err);
    if (result == -1) {
        tell_failed(&serving, VDDK_OPEN, 0, *err);
    } else {
        tell_opened(&serving);
        result = serve_reads(&serving, err);
    }
    alarm(LAST_SECONDS); /* a server that does not answer is not waited for */
    vddk_library_close(serving.library);
    secret_wipe(packet, VDDK_MAX_PACKET);
    free(packet);
    return result;
}
