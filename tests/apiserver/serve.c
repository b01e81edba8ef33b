/* An API server for tests: serves in DIR until standard input ends.
 *
 *     serve DIR [CRD_DIR]
 *
 * Writes DIR/kubeconfig and then a line "ready" on standard output. */
#include "apiserver/apiserver.h"
#include "base/cancel.h"
#include "base/error.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/time.h"
#include "data/obj.h"
#include "node/container.h"
#include "node/container_log.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the logs of every pod hold: an old line and a new one; an earlier run had another. */
static int write_log(const char *path, bool previous, struct error **err)
{
    char now[TIME_TEXT_SIZE];
    CLEANUP(str)
    char *text = previous ? xasprintf("2020-01-01T00:00:00.000000Z stdout F an earlier run\n")
                          : xasprintf("2020-01-01T00:00:00.000000Z stdout F first line\n"
                                      "%s stdout F second line\n",
                                      time_format_micro(time_now_ms(), now));

    return file_write(path, text, strlen(text), 0600, err);
}

struct followed {
    const char *path;
    bool is_over;
};

/* A third line comes while the log is followed. */
static bool is_over(void *arg)
{
    CLEANUP(error) struct error *err = NULL;
    struct followed *followed = arg;
    CLEANUP(container_log) struct container_log *log = NULL;

    if (followed->is_over)
        return true;
    followed->is_over = true;
    log = container_log_open(followed->path, &err);
    if (log == NULL || container_log_add(log, LOG_STDOUT, "third line\n", 11, &err) == -1)
        log_write_error(LOG_LEVEL_ERROR, "serve", err, "no third line");
    return false;
}

static int pod_log(void *arg, const json_t *pod, const char *container, const json_t *options,
                   struct cancel *cancel, bool (*on_data)(void *to, const char *data, size_t len),
                   void *to, struct error **err)
{
    static _Atomic unsigned count;
    CLEANUP(str) char *path = xasprintf("%s/log.%u", (const char *)arg, count++);
    struct followed followed = {path, false};

    if (write_log(path, obj_bool(options, "previous", false), err) == -1)
        return -1;
    int result = container_log_read(path, options, is_over, &followed, cancel, on_data, to, err);
    unlink(path);
    return result;
}

/* Commands run on this machine, as the node agent runs them in a container. */
static int pod_exec(void *arg, const json_t *pod, const char *container, const char *const *command,
                    int in_fd, int out_fd, int err_fd, bool tty, int resize_fd,
                    struct cancel *cancel, int *exit_code, struct error **err)
{
    const struct container_state self = {.phase = CONTAINER_RUNNING, .pid = getpid()};

    return container_exec(&self, command, in_fd, out_fd, err_fd, tty, resize_fd, cancel, exit_code,
                          err);
}

static int serve(const struct apiserver_options *options, struct error **err)
{
    CLEANUP(str) char *path = path_join(options->dir, "kubeconfig");
    struct apiserver *server = NULL;
    char line[64];

    if (apiserver_start(options, &server, err) == -1)
        return -1;
    const struct apiserver_backend backend = {
        .arg = (void *)(uintptr_t)options->dir,
        .pod_log = pod_log,
        .pod_exec = pod_exec,
    };
    apiserver_set_backend(server, &backend);
    CLEANUP(str) char *kubeconfig = apiserver_kubeconfig(server);
    int result = file_write(path, kubeconfig, strlen(kubeconfig), 0600, err);
    if (result == 0 && puts("ready") >= 0 && fflush(stdout) == 0)
        while (read(STDIN_FILENO, line, sizeof(line)) > 0)
            ;
    apiserver_stop(server);
    return result;
}

int main(int argc, char **argv)
{
    CLEANUP(error) struct error *err = NULL;

    if (argc < 2) {
        fprintf(stderr, "usage: %s DIR [CRD_DIR]\n", argv[0]);
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    log_init("serve", LOG_LEVEL_INFO, STDERR_FILENO);
    if (getenv("SERVE_DEBUG") != NULL)
        log_enable_debug("all");
    const struct apiserver_options options = {
        .dir = argv[1],
        .crd_dir = argc > 2 ? argv[2] : NULL,
        .listen = getenv("SERVE_LISTEN") == NULL ? "127.0.0.1:0" : getenv("SERVE_LISTEN"),
    };
    if (serve(&options, &err) == 0)
        return 0;
    CLEANUP(str) char *text = error_format(err);
    fprintf(stderr, "serve: %s\n", text);
    return 1;
}
