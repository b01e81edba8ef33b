#include "disk/feed_export.h"

#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/process.h"
#include "base/secret.h"
#include "base/text.h"
#include "data/obj.h"
#include "disk/helper.h"
#include "net/url.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SCHEME "export:"

enum {
    DEFAULT_TIMEOUT_MS = 60000,
    LEASE_MS = 15 * 60 * 1000, /* for the first byte: another export may have to end */
    END_MS = 60000,            /* for the program to complete the lease */
    STOP_MS = 10000,           /* and to give it up */
    MAX_WORDS = 4096,          /* of what it says that go into an error */
};

struct export_feed {
    struct process *process;
    int data_fd, error_fd;
    int64_t timeout_ms;
    struct cancel *cancel;
    bool has_begun, has_ended;
};

bool export_feed_is_source(const char *source)
{
    return str_starts_with(source, SCHEME);
}

/* The last words of the program. */
static int fail(struct export_feed *feed, int status, struct error **err)
{
    CLEANUP(str) char *how = process_status_format(status);
    char words[MAX_WORDS];
    size_t len = 0;
    ssize_t got;

    while (len < sizeof(words) && (got = read(feed->error_fd, words + len, sizeof(words) - len)) > 0)
        len += (size_t)got;
    struct span said = span_trim((struct span){words, len});
    return said.len > 0 ? error_set(err, ERROR_IO, "%.*s", (int)said.len, said.ptr)
                        : error_set(err, ERROR_IO, "gantry-export: %s", how);
}

static int finish(struct export_feed *feed, struct error **err)
{
    int status = 0;

    if (feed->has_ended)
        return 0;
    if (!process_wait(feed->process, deadline_after(END_MS), feed->cancel, &status))
        return error_set(err, ERROR_TIMEOUT, "gantry-export does not end");
    feed->has_ended = true;
    return status == 0 ? 0 : fail(feed, status, err);
}

ssize_t export_feed_read(struct export_feed *feed, void *data, size_t len, struct error **err)
{
    int64_t timeout_ms = feed->has_begun ? feed->timeout_ms : LEASE_MS;

    for (;;) {
        struct pollfd fds[2] = {
            {.fd = feed->data_fd, .events = POLLIN},
            {.fd = feed->cancel == NULL ? -1 : cancel_fd(feed->cancel), .events = POLLIN},
        };
        int ready = poll(fds, 2, (int)timeout_ms);

        if (ready == 0)
            return error_set(err, ERROR_TIMEOUT, "nothing came of the export for %lld s",
                             (long long)timeout_ms / 1000);
        if (fds[1].revents != 0)
            return error_set(err, ERROR_CANCELED, "stopped");
        ssize_t got = read(feed->data_fd, data, len);
        feed->has_begun = feed->has_begun || got > 0;
        if (got > 0)
            return got;
        if (got == 0)
            return finish(feed, err);
        if (errno != EINTR && errno != EAGAIN)
            return error_sys(err, errno, "cannot read the export");
    }
}

void export_feed_close(struct export_feed *feed)
{
    int status;

    if (feed == NULL)
        return;
    if (feed->process != NULL && !feed->has_ended) {
        process_kill(feed->process, SIGTERM);
        process_wait(feed->process, deadline_after(STOP_MS), NULL, &status);
    }
    process_free(feed->process);
    if (feed->data_fd != -1)
        close(feed->data_fd);
    if (feed->error_fd != -1)
        close(feed->error_fd);
    free(feed);
}

/* What the program reads: {url, machine, disk, user, password, ...}. */
static int make_order(const char *source, const struct disk_options *options, json_t **out,
                      struct error **err)
{
    const char *query = strchr(source, '?');
    struct span rest = span_of(query != NULL ? query + 1 : NULL);
    json_auto_t *order = json_object();

    for (;;) {
        CLEANUP(str) char *key = NULL;
        CLEANUP(str) char *value = NULL;
        int more = url_next_param(&rest, &key, &value, err);

        if (more == -1)
            return -1;
        if (more == 0)
            break;
        obj_put_str(order, str_eq(key, "machine") ? "machine" : "disk", value);
    }
    if (obj_str(order, "machine", NULL) == NULL || obj_str(order, "disk", NULL) == NULL)
        return error_set(err, ERROR_INVALID, "\"%s\" names no machine and disk", source);
    CLEANUP(str)
    char *url = xstrndup(source + strlen(SCHEME), (size_t)(query - source) - strlen(SCHEME));
    obj_put_str(order, "url", url);
    if (options->user != NULL)
        obj_put_str(order, "user", options->user);
    if (options->password != NULL)
        obj_put_str(order, "password", secret_get(options->password));
    if (options->thumbprint != NULL)
        obj_put_str(order, "thumbprint", options->thumbprint);
    if (options->ca_file != NULL)
        obj_put_str(order, "caFile", options->ca_file);
    obj_put_bool(order, "insecure", options->insecure);
    obj_put_int(order, "timeout", options->timeout_ms);
    *out = json_incref(order);
    return 0;
}

static int start(struct export_feed *feed, const int order[2], const int data[2],
                 const int errors[2], struct error **err)
{
    CLEANUP(str) char *program = helper_find("gantry-export");
    const char *const argv[] = {program, NULL};
    struct str_list env = {0};

    helper_environment(&env);
    str_list_push(&env, NULL);
    int result = process_start(&(struct process_options){.argv = argv,
                                                         .env = (const char *const *)env.ptr,
                                                         .stdin_fd = order[0],
                                                         .stdout_fd = data[1],
                                                         .stderr_fd = errors[1]},
                               &feed->process, err);
    env.len--;
    str_list_free_all(&env);
    return result == -1 ? error_wrap(err, "cannot start the program for exports") : 0;
}

/* Three pipes; on failure those that were made are closed. */
static int make_pipes(int pipes[3][2], struct error **err)
{
    for (int i = 0; i < 3; i++)
        if (pipe2(pipes[i], O_CLOEXEC) == -1) {
            int sys = errno;
            while (i-- > 0) {
                close(pipes[i][0]);
                close(pipes[i][1]);
            }
            return error_sys(err, sys, "cannot make a pipe");
        }
    return 0;
}

int export_feed_open(const char *source, const struct disk_options *options,
                     struct export_feed **out, struct error **err)
{
    json_t *order = NULL;
    int pipes[3][2]; /* order, data, errors */

    if (make_order(source, options, &order, err) == -1 || make_pipes(pipes, err) == -1) {
        json_decref(order);
        return -1;
    }
    struct export_feed *feed = xcalloc(1, sizeof(*feed));
    feed->timeout_ms = options->timeout_ms != 0 ? options->timeout_ms : DEFAULT_TIMEOUT_MS;
    feed->cancel = options->cancel;
    feed->data_fd = pipes[1][0];
    feed->error_fd = pipes[2][0];
    (void)fcntl(feed->data_fd, F_SETPIPE_SZ, 1 << 20); /* fewer switches; smaller will do */
    int result = start(feed, pipes[0], pipes[1], pipes[2], err);
    CLEANUP(str) char *text = obj_format(order);
    if (result == 0) /* it fits the pipe: nobody has to read yet */
        result = fd_write_all(pipes[0][1], text, strlen(text), "gantry-export", err);
    secret_wipe(text, strlen(text));
    json_decref(order);
    close(pipes[0][0]);
    close(pipes[0][1]);
    close(pipes[1][1]);
    close(pipes[2][1]);
    if (result == -1) {
        export_feed_close(feed);
        return -1;
    }
    *out = feed;
    return 0;
}
