#include "disk/qemu_nbd.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
    DEFAULT_TIMEOUT_MS = 60000,
    STOP_TIMEOUT_MS = 60000, /* to flush and close */
    TRY_EVERY_MS = 5,
    MAX_OUTPUT = 4096, /* bytes of what it printed that go into an error */
};

struct qemu_nbd {
    char *dir; /* private; holds the socket and the child's messages */
    char *socket;
    char *messages;
    char *uri;
    struct process *process;
};

static char *make_dir(struct error **err)
{
    const char *tmp = getenv("TMPDIR");
    CLEANUP(str) char *prefix = path_join(str_is_empty(tmp) ? "/tmp" : tmp, "gantry-nbd-");

    return dir_make_temp(prefix, err);
}

/* Sets an error from the child's end and what it printed. */
static int fail_child(struct qemu_nbd *child, int status, struct error **err)
{
    CLEANUP(error) struct error *ignored = NULL; /* without messages the status must do */
    CLEANUP(str) char *how = process_status_format(status);
    CLEANUP(str) char *text = NULL;
    size_t len = 0;

    if (file_read(child->messages, MAX_OUTPUT, &text, &len, &ignored) == -1 || len == 0)
        return error_set(err, ERROR_IO, "qemu-nbd: %s", how);
    struct span said = span_trim((struct span){text, len});
    return error_set(err, ERROR_IO, "%.*s", (int)said.len, said.ptr);
}

static bool can_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CLEANUP(fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return fd != -1 && connect(fd, (const struct sockaddr *)&address, sizeof(address)) == 0;
}

static int wait_until_it_serves(struct qemu_nbd *child, const struct qemu_nbd_options *options,
                                struct error **err)
{
    struct deadline deadline =
        deadline_after(options->timeout_ms == 0 ? DEFAULT_TIMEOUT_MS : options->timeout_ms);
    int status;

    while (!can_connect(child->socket)) {
        if (process_wait(child->process, deadline_after(TRY_EVERY_MS), options->cancel, &status)) {
            process_free(steal(&child->process));
            return fail_child(child, status, err);
        }
        if (cancel_check(options->cancel, deadline, err) == -1)
            return error_wrap(err, "qemu-nbd does not serve");
    }
    return 0;
}

static int start_child(struct qemu_nbd *child, const struct qemu_nbd_options *options,
                       struct error **err)
{
    CLEANUP(str) char *image = xasprintf("json:%s", options->image);
    CLEANUP(str) char *socket_option = xasprintf("--socket=%s", child->socket);
    CLEANUP(str) char *secret = NULL;
    CLEANUP(fd) int out = open(child->messages, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const char *argv[16] = {"qemu-nbd", "--persistent", "--shared=16", socket_option};
    size_t argc = 4;

    if (out == -1)
        return error_sys(err, errno, "cannot make \"%s\"", child->messages);
    argv[argc++] = options->writable ? "--discard=unmap" : "--read-only";
    argv[argc++] = options->direct    ? "--cache=none"
                   : options->no_sync ? "--cache=unsafe"
                                      : "--cache=writeback";
    if (options->secret_file != NULL) {
        secret = xasprintf("secret,id=key,file=%s", options->secret_file);
        argv[argc++] = "--object";
        argv[argc++] = secret;
    }
    argv[argc] = image;
    if (process_start(&(struct process_options){.argv = argv,
                                                .stdout_fd = out,
                                                .stderr_fd = out,
                                                .new_session = true,
                                                .die_with_us = true},
                      &child->process, err) == 0)
        return 0;
    if ((*err)->code == ERROR_NOT_FOUND)
        error_hint(err, "install qemu-utils, which has qemu-nbd");
    return -1;
}

int qemu_nbd_start(const struct qemu_nbd_options *options, struct qemu_nbd **out,
                   struct error **err)
{
    CLEANUP(qemu_nbd) struct qemu_nbd *child = xcalloc(1, sizeof(*child));

    child->dir = make_dir(err);
    if (child->dir == NULL)
        return -1;
    child->socket = path_join(child->dir, "nbd");
    child->messages = path_join(child->dir, "messages");
    child->uri = xasprintf("nbd+unix:///?socket=%s", child->socket);
    if (start_child(child, options, err) == -1 || wait_until_it_serves(child, options, err) == -1)
        return -1;
    *out = steal(&child);
    return 0;
}

const char *qemu_nbd_uri(const struct qemu_nbd *child)
{
    return child->uri;
}

int qemu_nbd_stop(struct qemu_nbd *child, struct error **err)
{
    int result = 0;
    int status;

    process_kill(child->process, SIGTERM);
    if (!process_wait(child->process, deadline_after(STOP_TIMEOUT_MS), NULL, &status))
        result = error_set(err, ERROR_TIMEOUT, "qemu-nbd does not end");
    else if (status != 0)
        result = fail_child(child, status, err);
    qemu_nbd_free(child);
    return result;
}

void qemu_nbd_free(struct qemu_nbd *child)
{
    CLEANUP(error) struct error *ignored = NULL; /* a leftover in the temporary folder harms nobody */

    if (child == NULL)
        return;
    process_free(child->process);
    if (child->dir != NULL)
        dir_remove(child->dir, &ignored);
    free(child->dir);
    free(child->socket);
    free(child->messages);
    free(child->uri);
    free(child);
}
